"""A plan (预案) and what it says for a level and a role. Pure.

A plan is data: for each handling level who is asked and told, which measures to think of, which limits hold; and by
role the 应急处置卡, at most seven lines, in the order of doing. A line that changes what others do is ticked; one with
a limit falls due.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from wire.alert import Hazard
from wire.level import Level

MOST_LINES = 7
LONGEST_LINE = 60
"""Characters of Chinese: one line of a phone, read while walking."""
DEFAULT = "default"
ROLES = (
    "micro_fire_station",
    "security_guard",
    "grid_worker",
    "building_inspector",
    "property",
    "duty_officer",
    "duty_leader",
    "department",
    "volunteer",
    "rescue_team",
    DEFAULT,
)
POSTS = ("duty_officer", "duty_leader", "standby")
MEASURES = (
    "road_closed",
    "cordon",
    "power_cut",
    "gas_cut",
    "water_cut",
    "evacuation",
    "lift_stopped",
    "entrance_closed",
    "business_closed",
    "zone_isolated",
    "patrol",
    "other",
)
MOST_WITHIN_S = 7 * 24 * 3600


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line of a card.

    `tick`: ticking it tells the desk something that changes what others do. `levels`: at which it stands (all).
    `within_s`: how long it may take from the level on, one number or by level.
    """

    code: str
    zh: str
    en: str
    tick: bool = False
    levels: tuple[Level, ...] = tuple(Level)
    within_s: int | dict[Level, int] | None = None

    def limit(self, level: Level) -> timedelta | None:
        """Its limit at a level."""
        seconds = self.within_s.get(level) if isinstance(self.within_s, dict) else self.within_s
        return None if seconds is None else timedelta(seconds=seconds)


class AtLevel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a level asks for."""

    zh: str
    en: str
    ask: tuple[str, ...] = ()  # roles that are offered the incident at once, without waiting for the desk
    tell: tuple[str, ...] = ()  # posts that hear of it when it opens
    measures: tuple[str, ...] = ()  # 管控措施 to think of
    arrive_s: int | None = None  # first person on the scene, from the offer


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The plan of a hazard."""

    hazard: Hazard
    name_zh: str
    name_en: str
    levels: dict[Level, AtLevel]
    cards: dict[str, tuple[Line, ...]]
    basis: str = ""  # where its figures come from


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a plan that cannot be so."""

    where: str
    what: str
    fix: str


def faults(plan: Plan) -> list[Fault]:
    """Everything that is wrong with a plan."""
    return [*_level_faults(plan), *_card_faults(plan)]


def _level_faults(plan: Plan) -> Iterator[Fault]:
    for level in Level:
        if level not in plan.levels:
            yield Fault(f"levels.{level}", "is missing", "say what the level asks for")
    for level, at in plan.levels.items():
        for name, given, known in (
            ("ask", at.ask, ROLES),
            ("tell", at.tell, POSTS),
            ("measures", at.measures, MEASURES),
        ):
            for word in given:
                if word not in known:
                    yield Fault(f"levels.{level}.{name}", f"'{word}' is none", f"one of: {', '.join(known)}")
        if not (at.zh.strip() and at.en.strip()):
            yield Fault(f"levels.{level}", "says nothing in one of the languages", "give zh and en")


def _card_faults(plan: Plan) -> Iterator[Fault]:
    if DEFAULT not in plan.cards:
        yield Fault("cards.default", "is missing", "give a card for roles without one")
    for role, lines in plan.cards.items():
        where = f"cards.{role}"
        if role not in ROLES:
            yield Fault(where, "is no role", f"one of: {', '.join(ROLES)}")
        codes = [line.code for line in lines]
        for code in sorted({code for code in codes if codes.count(code) > 1}):
            yield Fault(f"{where}.{code}", "stands twice", "give each line its own code")
        for level in Level:
            count = sum(level in line.levels for line in lines)
            if count > MOST_LINES:
                yield Fault(f"{where} at {level}", f"has {count} lines", f"at most {MOST_LINES}")
            if count == 0 and role == DEFAULT:
                yield Fault(f"{where} at {level}", "has no line", "give at least one")
        for line in lines:
            yield from _line_faults(f"{where}.{line.code}", line)


def _line_faults(where: str, line: Line) -> Iterator[Fault]:
    if not (line.code.strip() and line.zh.strip() and line.en.strip()):
        yield Fault(where, "says nothing in one of the languages", "give code, zh and en")
    if len(line.code) > 64:
        yield Fault(where, "has a code of more than 64 characters", "choose a shorter one")
    if len(line.zh) > LONGEST_LINE:
        yield Fault(where, f"has {len(line.zh)} characters", f"at most {LONGEST_LINE}: it is read while walking")
    limits = line.within_s.values() if isinstance(line.within_s, dict) else [line.within_s]
    for seconds in limits:
        if seconds is not None and not 1 <= seconds <= MOST_WITHIN_S:
            yield Fault(where, f"has a limit of {seconds} s", f"1 to {MOST_WITHIN_S}")


def lines_for(plan: Plan, level: Level, role: str) -> tuple[Line, ...]:
    """The card of a role at a level; of a role without one, the default card."""
    card = plan.cards.get(role) or plan.cards[DEFAULT]
    return tuple(line for line in card if level in line.levels)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line that somebody has done."""

    role: str
    code: str
    at: datetime
    by: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A line as it stands for one incident."""

    role: str
    line: Line
    due_at: datetime | None
    done: Tick | None
    overdue: bool


def steps(
    plan: Plan, level: Level, *, since: datetime, now: datetime, ticks: Collection[Tick] = (), over: bool = False
) -> list[Step]:
    """Every line of every role at a level, with what is done and what is overdue.

    Args:
        plan: of the incident's hazard and site.
        level: of the incident.
        since: when it came to that level: limits count from here.
        now: wall time.
        ticks: done so far, at whatever level.
        over: the incident is over: nothing is overdue any more.
    """
    done = {(tick.role, tick.code): tick for tick in ticks}
    found = []
    for role in sorted(plan.cards, key=ROLES.index):
        for line in lines_for(plan, level, role):
            limit = line.limit(level) if line.tick else None
            due_at = since + limit if limit else None
            tick = done.get((role, line.code))
            late = due_at is not None and (tick.at if tick else now) > due_at
            found.append(Step(role, line, due_at, tick, late and not (over and tick is None)))
    return found


def read(content: Any) -> Plan:
    """A plan from what a file or a person gives.

    Raises:
        msgspec.ValidationError: it does not fit the schema; the message says where.
    """
    return msgspec.convert(content, Plan)


def written(plan: Plan) -> dict[str, Any]:
    """A plan as JSON-able data; `read` gives it back."""
    return dict(msgspec.to_builtins(plan))
