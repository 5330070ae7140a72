"""Who should go, and why. Pure: a proposal explains itself, and says what is missing.

Distance is great-circle at a walking pace; the screens show it as such. Nobody is recommended who lacks something
essential: a task that the role may do, the skill, a shift, a position, a hand free, a part in the exercise. Somebody on
another incident is never recommended: whether to move them from something lesser is for a person to decide.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cloud.dispatch.tasks import Rule, catalogue, judge, own_task, skills_for
from cloud.people.access import within
from wire.alert import Hazard
from wire.level import Level

WALK_M_PER_MIN = 80.0
EARTH_RADIUS_M = 6_371_008.8  # mean radius (IUGG)
FAR_M = 3_000.0  # the score's distance term is spent beyond this
OLD_POSITION_MIN = 30
"""A shared position that is older says only where somebody was."""
SOON_MIN = 30
"""Whoever goes off shift within so many minutes is named so."""

LONG_ON_H = 12.0
"""Whoever has been on for longer without a rest is shown so, and asked after others (setting `long_duty_hours`)."""

SKILLS: dict[Hazard, frozenset[str]] = {
    Hazard.SMOKE: frozenset({"fire", "smoke", "micro_fire_station", "extinguisher"}),
    Hazard.WATER_LEVEL: frozenset({"water", "water_level", "flood", "drainage"}),
    Hazard.CURTAIN_WALL: frozenset({"facade", "curtain_wall", "cordon"}),
    Hazard.DEVICE: frozenset(),
    Hazard.GATEWAY: frozenset(),
}
"""Any one of these will do for a hazard; none listed = anybody may look."""


BARRED = ("该力量登记为不承担此项任务", "this one is registered as never asked for it")


@dataclass(frozen=True, slots=True)
class Engagement:
    """What a responder is on already, or kept for."""

    incident: str
    level: Level
    reserved: bool = False  # 预派: kept for it, not asked yet
    number: str = ""


@dataclass(frozen=True, slots=True)
class Force:
    """A responder as the choice needs to know it."""

    id: str
    name: str
    kind: str  # person | team
    role: str
    skills: frozenset[str] = frozenset()
    lon: float | None = None
    lat: float | None = None
    position_min: int | None = None  # age of a position that was shared; None: a place that does not move
    approximate: bool = False  # no position: the middle of the area stands for it
    shift_until: datetime | None = None  # None: not on shift
    shift_left_min: int | None = None
    next_shift_min: int | None = None
    standby: bool = False  # 备勤
    covers_grid: bool = False
    area_path: str = ""
    grid_name: str = ""
    engagements: tuple[Engagement, ...] = ()
    lately: int = 0  # assignments in the last hours
    on_for_h: float | None = None  # on duty without a rest, by their own stamps; None: no stamps
    may_not: frozenset[str] = frozenset()  # tasks that this one is never asked for, beside what the role never does
    exercises: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Need:
    """What the incident asks for."""

    incident: str
    hazard: Hazard
    level: Level
    lon: float | None
    lat: float | None
    exercise: str | None = None
    long_on_h: float = LONG_ON_H
    task: str | None = None  # None: what is the role's own at such an incident
    roles: frozenset[str] | None = None  # None: any
    number: str = ""
    grid_path: str = ""

    def is_of(self, force: Force) -> bool:
        """Whether the place lies in the responder's own area."""
        return force.covers_grid or bool(force.area_path and within(force.area_path, self.grid_path))


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for or against, with its figures."""

    code: str
    ok: bool
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One responder, judged."""

    responder_id: str
    name: str
    kind: str
    role: str
    distance_m: int | None
    walk_min: int | None
    recommended: bool
    score: float
    reasons: tuple[Reason, ...]
    missing: tuple[str, ...]
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Proposals:
    """Best first; then who was left out, and for which one reason."""

    items: tuple[Proposal, ...]
    not_recommended: tuple[tuple[str, str], ...]

    @property
    def best(self) -> Proposal | None:
        """The one to offer it to, if there is one."""
        return self.items[0] if self.items and self.items[0].recommended else None


def haversine_m(lon_a: float, lat_a: float, lon_b: float, lat_b: float) -> float:
    """Great-circle distance in metres."""
    phi_a, phi_b = math.radians(lat_a), math.radians(lat_b)
    half = (
        math.sin((phi_b - phi_a) / 2) ** 2
        + math.cos(phi_a) * math.cos(phi_b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half)))


def propose(need: Need, forces: Iterable[Force], *, asked: Collection[str] = ()) -> Proposals:
    """Judge every responder for one incident.

    Args:
        need: the incident.
        forces: who there is.
        asked: responders who have already been asked for this incident (declined, expired, or on it).
    """
    judged = [assess(need, force) for force in forces if force.id not in asked and _in_question(need, force)]
    judged.sort(key=lambda p: (not p.recommended, -p.score, p.responder_id))
    unfit = tuple((p.name, p.missing[0]) for p in judged if not p.recommended)
    return Proposals(tuple(judged), unfit)


def _in_question(need: Need, force: Force) -> bool:
    return need.roles is None or force.role in need.roles


@dataclass(slots=True)
class _Sheet:
    """What is being found out about one responder."""

    reasons: list[Reason] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    score: float = 0.0

    def note(self, code: str, points: float = 0.0, lacking: str | None = None, **params: Any) -> None:
        """One reason; `lacking` names what keeps somebody from being recommended."""
        self.reasons.append(Reason(code, lacking is None, params))
        self.score += points
        if lacking is not None:
            self.missing.append(lacking)


def assess(need: Need, force: Force) -> Proposal:
    """Judge one responder for one incident."""
    sheet = _Sheet()
    if need.exercise is not None:
        takes_part = need.exercise in force.exercises
        sheet.note("participant", lacking=None if takes_part else "not_participant", drill=need.exercise)
    _shift(force, sheet)
    if force.on_for_h is not None and force.on_for_h > need.long_on_h:
        over = force.on_for_h - need.long_on_h
        sheet.reasons.append(Reason("long_on_duty", ok=False, params={"h": force.on_for_h, "limit": need.long_on_h}))
        sheet.score -= min(15 + 2 * over, 40)
    task = _task(need, force, sheet)
    _load(need, force, sheet)
    distance = _way(need, force, sheet)
    if need.is_of(force):
        sheet.note("grid", 10, name=force.grid_name)
    return Proposal(
        responder_id=force.id,
        name=force.name,
        kind=force.kind,
        role=force.role,
        distance_m=round(distance) if distance is not None else None,
        walk_min=math.ceil(distance / WALK_M_PER_MIN) if distance is not None else None,
        recommended=not sheet.missing,
        score=round(sheet.score, 1),
        reasons=tuple(sheet.reasons),
        missing=tuple(sheet.missing),
        task=task,
    )


def _shift(force: Force, sheet: _Sheet) -> None:
    if force.shift_until is None:
        sheet.note("on_shift", lacking="off_shift")
        return
    sheet.note("on_shift", until=force.shift_until.isoformat())
    if force.shift_left_min is not None and force.shift_left_min < SOON_MIN:
        sheet.reasons.append(Reason("shift_ends", ok=False, params={"min": force.shift_left_min}))
        sheet.score -= 10


def _task(need: Need, force: Force, sheet: _Sheet) -> str | None:
    """The task, as the role may do it, and the skill for it."""
    judged = judge(force.role, need.task) if need.task is not None else own_task(force.role, need.hazard)
    if judged is None:
        sheet.note("task", lacking="no_task")
        return None
    words = catalogue().tasks[judged.task]
    why = {"text_zh": words.zh, "text_en": words.en}
    if judged.why is not None:
        why |= {"why_zh": judged.why.zh, "why_en": judged.why.en}
    lacking = None if judged.allowed else "never" if judged.rule is Rule.NEVER else "not_ours"
    if judged.task in force.may_not:
        lacking, why = "never", why | {"why_zh": BARRED[0], "why_en": BARRED[1]}
    sheet.note("task", 5 if judged.rule is Rule.MUST else 0, lacking, task=judged.task, rule=judged.rule.value, **why)
    wanted = skills_for(judged.task, SKILLS[need.hazard])
    if wanted:
        fitting = sorted(wanted & force.skills)
        named = fitting[0] if fitting else need.hazard.value
        sheet.note("skill", 20 if fitting else 0, None if fitting else "no_skill", skill=named)
    return judged.task


def _load(need: Need, force: Force, sheet: _Sheet) -> None:
    elsewhere = [one for one in force.engagements if one.incident != need.incident]
    busy = [one for one in elsewhere if not one.reserved]
    kept = [one for one in elsewhere if one.reserved]
    if busy:
        worst = max(one.level.rank for one in busy)
        numbers = [one.number for one in busy if one.number]
        sheet.note("load", -20 * worst, "busy", count=len(busy), numbers=numbers)
    elif any(one.level.rank >= need.level.rank for one in kept):
        sheet.note("reserved", -10, "reserved", numbers=[one.number for one in kept if one.number])
    else:
        sheet.note("idle", 20)
        if kept:  # kept for something lesser: this goes first
            sheet.reasons.append(Reason("reserved", ok=True, params={"numbers": [one.number for one in kept]}))
            sheet.score -= 5
    if force.lately:
        sheet.reasons.append(Reason("lately", ok=True, params={"count": force.lately}))
        sheet.score -= min(force.lately, 5)


def _way(need: Need, force: Force, sheet: _Sheet) -> float | None:
    if need.lon is None or need.lat is None:  # a place in words: whoever covers the grid knows it
        sheet.note("no_place", lacking=None if need.is_of(force) else "no_position")
        return None
    if force.lon is None or force.lat is None:
        sheet.missing.append("no_position")
        return None
    metres = haversine_m(need.lon, need.lat, force.lon, force.lat)
    params = {"m": round(metres), "min": math.ceil(metres / WALK_M_PER_MIN)}
    if force.approximate:
        params |= {"approximate": True}
    sheet.reasons.append(Reason("distance", metres <= FAR_M, params))
    sheet.score += 40 * max(0.0, 1 - metres / FAR_M) * (0.5 if force.approximate else 1.0)
    if force.position_min is not None and force.position_min > OLD_POSITION_MIN:
        sheet.reasons.append(Reason("position_old", ok=False, params={"min": force.position_min}))
        sheet.score -= 5
    return metres
