"""Who should go, and why. Pure: a proposal explains itself, and says what is missing.

Distance is great-circle at a walking pace; the screens show it as such. Nobody is recommended who lacks something
essential: the skill, a shift, a position, a hand free, a part in the exercise.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from wire.alert import Hazard
from wire.level import Level

WALK_M_PER_MIN = 80.0
EARTH_RADIUS_M = 6_371_008.8  # mean radius (IUGG)
FAR_M = 3_000.0  # the score's distance term is spent beyond this

SKILLS: dict[Hazard, frozenset[str]] = {
    Hazard.SMOKE: frozenset({"fire", "smoke", "micro_fire_station", "extinguisher"}),
    Hazard.WATER_LEVEL: frozenset({"water", "water_level", "flood", "drainage"}),
    Hazard.CURTAIN_WALL: frozenset({"facade", "curtain_wall", "cordon"}),
    Hazard.DEVICE: frozenset(),
    Hazard.GATEWAY: frozenset(),
}
"""Any one of these will do for a hazard; none listed = anybody may look."""


@dataclass(frozen=True, slots=True)
class Engagement:
    """What a responder is on already."""

    incident: str
    level: Level


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
    shift_until: datetime | None = None  # None: not on shift
    covers_grid: bool = False
    grid_name: str = ""
    engagements: tuple[Engagement, ...] = ()
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
    judged = [_judge(need, force) for force in forces if force.id not in asked]
    judged.sort(key=lambda p: (not p.recommended, -p.score, p.responder_id))
    unfit = tuple((p.name, p.missing[0]) for p in judged if not p.recommended)
    return Proposals(tuple(judged), unfit)


def _judge(need: Need, force: Force) -> Proposal:
    missing: list[str] = []
    reasons: list[Reason] = []
    score = 0.0

    if need.exercise is not None:
        takes_part = need.exercise in force.exercises
        reasons.append(Reason("participant", takes_part, {"drill": need.exercise}))
        if not takes_part:
            missing.append("not_participant")

    on_shift = force.shift_until is not None
    until = {"until": force.shift_until.isoformat()} if force.shift_until else {}
    reasons.append(Reason("on_shift", on_shift, until))
    if not on_shift:
        missing.append("off_shift")

    wanted = SKILLS[need.hazard]
    fitting = sorted(wanted & force.skills)
    if wanted:
        reasons.append(Reason("skill", bool(fitting), {"skill": fitting[0] if fitting else need.hazard.value}))
        score += 20 if fitting else 0
        if not fitting:
            missing.append("no_skill")

    busy_elsewhere = [e for e in force.engagements if e.incident != need.incident]
    if not busy_elsewhere:
        reasons.append(Reason("idle", ok=True))
        score += 20
    else:
        # One on something at least as bad is never pulled off it; one on something lesser is named as busy too:
        # a person may decide to move them, the system does not.
        reasons.append(Reason("load", ok=False, params={"count": len(busy_elsewhere)}))
        missing.append("busy")
        score -= 20 * max(e.level.rank for e in busy_elsewhere)

    distance = _distance(need, force)
    walk = math.ceil(distance / WALK_M_PER_MIN) if distance is not None else None
    if distance is None:
        missing.append("no_position")
    else:
        reasons.append(Reason("distance", distance <= FAR_M, {"m": round(distance), "min": walk}))
        score += 40 * max(0.0, 1 - distance / FAR_M)

    if force.covers_grid:
        reasons.append(Reason("grid", ok=True, params={"name": force.grid_name}))
        score += 10

    return Proposal(
        responder_id=force.id,
        name=force.name,
        kind=force.kind,
        role=force.role,
        distance_m=round(distance) if distance is not None else None,
        walk_min=walk,
        recommended=not missing,
        score=round(score, 1),
        reasons=tuple(reasons),
        missing=tuple(missing),
    )


def _distance(need: Need, force: Force) -> float | None:
    if need.lon is None or need.lat is None or force.lon is None or force.lat is None:
        return None
    return haversine_m(need.lon, need.lat, force.lon, force.lat)
