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

    ACKNOWLEDGE = "acknowledge"  # 接警: somebody takes the incident
    DISPATCH = "dispatch"  # 派单: the one who took it sends somebody
    ACCEPT = "accept"  # 接单: who was asked says yes
    SET_OUT = "set_out"  # 出发: who said yes is on the way
    ARRIVE = "arrive"  # 到场
    REPORT = "report"  # 报进展: a word from the scene
    CLOSE = "close"  # 核查、结案, after the work


STEPS = frozenset(step.value for step in Step)


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
DISPATCH: Mapping[Hazard, Limits] = {
    Hazard.SMOKE: _limits(60, 60, 120, 600),  # nobody on the way after a minute is what the desk must hear of
    Hazard.WATER_LEVEL: _limits(60, 120, 300, 1800),
    Hazard.CURTAIN_WALL: _limits(60, 120, 300, 1800),
    Hazard.DEVICE: _limits(600, 1800, 7200, 14_400),
    Hazard.GATEWAY: _limits(300, 300, 600, 7200),  # SCENARIOS 6: a patrol is ordered within five minutes
}
SET_OUT: Mapping[Hazard, Limits] = {
    Hazard.SMOKE: _limits(60, 60, 120, 300),
    Hazard.WATER_LEVEL: _limits(120, 120, 300, 1800),
    Hazard.CURTAIN_WALL: _limits(120, 120, 300, 1800),
    Hazard.DEVICE: _limits(1800, 1800, 7200, 28_800),
    Hazard.GATEWAY: _limits(600, 600, 1800, 7200),
}
ARRIVE: Mapping[Hazard, Limits] = {
    Hazard.SMOKE: _limits(180, 180, 300, 900),  # a micro fire station is there within three minutes
    Hazard.WATER_LEVEL: _limits(600, 600, 900, 3600),
    Hazard.CURTAIN_WALL: _limits(600, 600, 900, 3600),
    Hazard.DEVICE: _limits(3600, 3600, 14_400, 86_400),
    Hazard.GATEWAY: _limits(1800, 1800, 3600, 14_400),
}
REPORT: Mapping[Hazard, Limits] = {
    Hazard.SMOKE: _limits(600, 900, 1800, 3600),
    Hazard.WATER_LEVEL: _limits(900, 1200, 1800, 7200),
    Hazard.CURTAIN_WALL: _limits(900, 1200, 3600, 14_400),
    Hazard.DEVICE: _limits(14_400, 14_400, 28_800, 86_400),
    Hazard.GATEWAY: _limits(3600, 3600, 7200, 14_400),
}
CLOSE: Mapping[Hazard, Limits] = {
    Hazard.SMOKE: _limits(14_400, 28_800, 86_400, 86_400),
    Hazard.WATER_LEVEL: _limits(28_800, 86_400, 172_800, 259_200),
    Hazard.CURTAIN_WALL: _limits(28_800, 86_400, 172_800, 259_200),
    Hazard.DEVICE: _limits(86_400, 86_400, 259_200, 259_200),
    Hazard.GATEWAY: _limits(86_400, 86_400, 86_400, 259_200),
}
TABLES: Mapping[Step, Mapping[Hazard, Limits]] = {
    Step.ACKNOWLEDGE: ACKNOWLEDGE,
    Step.DISPATCH: DISPATCH,
    Step.ACCEPT: ACCEPT,
    Step.SET_OUT: SET_OUT,
    Step.ARRIVE: ARRIVE,
    Step.REPORT: REPORT,
    Step.CLOSE: CLOSE,
}
URGED_FIRST: Mapping[Step, int] = {Step.SET_OUT: 1, Step.ARRIVE: 1, Step.REPORT: 1, Step.CLOSE: 2}
"""So often the ones who are on it are urged (催办) before the desk above hears; the other steps go up at once."""
WORSENS: Mapping[Hazard, tuple[Level, timedelta]] = {
    Hazard.SMOKE: (Level.II, timedelta(seconds=120)),  # DOMAIN A4: II unacknowledged for 120 s is I
    Hazard.WATER_LEVEL: (Level.II, timedelta(seconds=300)),  # DOMAIN B2: II not acknowledged for 5 min is I
}


CALM = timedelta(minutes=30)


def limit(step: Step, hazard: Hazard, level: Level, *, late: bool = False, scale: float = 1.0) -> timedelta:
    """How long a step may take. What is only history (`late`) gets the calmest limit: seen to, not run to."""
    of_table = TABLES[step][hazard].of(level)
    return (max(CALM, of_table) if late else of_table) * scale


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
    repeats = target.tier <= tier  # at the top, or the way has become shorter since: then again from its end
    raised = None
    worsens = WORSENS.get(hazard)
    if step is Step.ACKNOWLEDGE and worsens and not late:
        at_level, after = worsens
        if level is at_level and now - clock_from >= after * scale:
            raised = Level.I
    span = limit(step, hazard, raised or level, late=late, scale=scale)
    if repeats:  # again and again, further and further apart
        span = max(span, min((now - clock_from) / 2, LONGEST_REPEAT))
    return Missed(target, raised, now + span, repeats, f"no_{step}_in_time")
