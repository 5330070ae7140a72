"""Time limits, and what happens when one passes. Pure: the tree, the limits and the time come in, a decision comes out.

Guarantees: a missed limit always goes somewhere (the next desk up; at the top, again at the top); the clock never
stops while nobody has taken the incident; nobody is told twice of one step, except at the top.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from wire.alert import Hazard
from wire.level import Level

LONGEST_REPEAT = timedelta(minutes=15)


class Step(StrEnum):
    """What somebody has to do in time."""

    ACKNOWLEDGE = "acknowledge"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for one step by level."""

    by_level: Mapping[Level, float]

    def of(self, level: Level) -> timedelta:
        """The limit at a level."""
        return timedelta(seconds=self.by_level[level])


def _limits(i: float, ii: float, iii: float, iv: float) -> Limits:
    return Limits({Level.I: i, Level.II: ii, Level.III: iii, Level.IV: iv})


ACKNOWLEDGE: Mapping[Hazard, Limits] = {
    Hazard.SMOKE: _limits(60, 60, 60, 60),  # DOMAIN A4: acknowledge within 60 s
    Hazard.WATER_LEVEL: _limits(60, 300, 600, 1800),  # DOMAIN H, response tiers
    Hazard.CURTAIN_WALL: _limits(60, 300, 600, 1800),
    Hazard.DEVICE: _limits(300, 600, 1800, 1800),
    Hazard.GATEWAY: _limits(300, 300, 600, 1800),
}
ACCEPT: Mapping[Hazard, Limits] = {
    Hazard.SMOKE: _limits(60, 60, 60, 120),  # SCENARIOS 1: accepted within 60 s
    Hazard.WATER_LEVEL: _limits(60, 60, 120, 600),
    Hazard.CURTAIN_WALL: _limits(60, 60, 120, 600),
    Hazard.DEVICE: _limits(600, 600, 1800, 1800),
    Hazard.GATEWAY: _limits(300, 300, 600, 1800),
}
WORSENS: Mapping[Hazard, tuple[Level, timedelta]] = {
    Hazard.SMOKE: (Level.II, timedelta(seconds=120)),  # DOMAIN A4: II unacknowledged for 120 s is I
    Hazard.WATER_LEVEL: (Level.II, timedelta(seconds=300)),  # DOMAIN B2: II not acknowledged for 5 min is I
}


CALM = timedelta(minutes=30)


def limit(step: Step, hazard: Hazard, level: Level, *, late: bool = False, scale: float = 1.0) -> timedelta:
    """How long a step may take. What is only history (`late`) gets the calmest limit: seen to, not run to."""
    table = ACKNOWLEDGE if step is Step.ACKNOWLEDGE else ACCEPT
    return (CALM if late else table[hazard].of(level)) * scale


@dataclass(frozen=True, slots=True)
class Desk:
    """Somebody on duty for an area: one step of the way up."""

    area: str
    person: str | None
    post: str = "duty_officer"


@dataclass(frozen=True, slots=True)
class Target:
    """A desk with its place on the way up; 0 is where an incident first lands."""

    tier: int
    desk: Desk


def way_up(areas: Sequence[str], on_duty: Sequence[Desk]) -> tuple[Target, ...]:
    """The desks that stand above a place, nearest first: in each area the duty officer, then the duty leader.

    Args:
        areas: paths from the grid up to the city.
        on_duty: who is on duty, in any order; in an exercise its participants only.

    Returns:
        At least one target. Areas with nobody on duty have no desk; if nobody is on duty anywhere, every area stands
        for itself, so that the hole in the rota is on record and the clock goes on.
    """
    rank = {area: depth for depth, area in enumerate(areas)}
    desks = sorted(
        (desk for desk in on_duty if desk.area in rank and desk.person),
        key=lambda desk: (rank[desk.area], desk.post == "duty_leader", desk.person),
    )
    seen: set[str | None] = set()
    firsts: list[Desk] = []
    for desk in desks:
        step = f"{desk.area}:{desk.post}"  # two officers of one area share a step: the first by name is told
        if step not in seen and desk.person not in seen:
            seen |= {step, desk.person}
            firsts.append(desk)
    return tuple(
        Target(tier, desk) for tier, desk in enumerate(firsts or [Desk(area, None) for area in areas or ["/"]])
    )


def above(way: Sequence[Target], tier: int) -> Target:
    """The next desk up; at the top, the top again."""
    return next((target for target in way if target.tier > tier), way[-1])


@dataclass(frozen=True, slots=True)
class Missed:
    """What follows from a missed limit."""

    target: Target
    level: Level | None  # raised to this level, if at all
    next_due: datetime
    repeats: bool  # already at the top: told again
    reason: str


def missed(
    step: Step,
    hazard: Hazard,
    level: Level,
    *,
    way: Sequence[Target],
    tier: int,
    clock_from: datetime,
    now: datetime,
    late: bool = False,
    scale: float = 1.0,
) -> Missed:
    """A limit has passed: who is told next, whether the level rises, and when the next limit is due."""
    target = above(way, tier)
    repeats = target.tier <= tier
    raised = None
    worsens = WORSENS.get(hazard)
    if step is Step.ACKNOWLEDGE and worsens and not late:
        at_level, after = worsens
        if level is at_level and now - clock_from >= after * scale:
            raised = Level.I
    span = limit(step, hazard, raised or level, late=late, scale=scale)
    if repeats:  # at the top: again and again, further and further apart
        span = max(span, min((now - clock_from) / 2, LONGEST_REPEAT))
    return Missed(target, raised, now + span, repeats, f"no_{step}_in_time")
