"""Which doors to knock on, in which order, in how many parts; and which of several taps stands. Pure.

Smoke rises: the flat itself, then who cannot get out alone, then the same floor and above, and below last. Water
comes from below: basements, then ground floors. A façade falls: the doors below its line, the lowest first, where
people walk out under it.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from wire.alert import Hazard


class Flag(StrEnum):
    """Why somebody needs help at the door. Nothing about an illness: what a helper must bring or know."""

    LIVES_ALONE = "lives_alone"  # 独居
    OVER_80 = "over_80"  # 高龄
    MOBILITY = "mobility"  # 行动不便
    WHEELCHAIR = "wheelchair"  # 轮椅
    BEDRIDDEN = "bedridden"  # 卧床
    OXYGEN = "oxygen"  # 吸氧
    INFANT = "infant"  # 婴幼儿
    PREGNANT = "pregnant"  # 孕妇
    DEAF = "deaf"  # 听障
    BLIND = "blind"  # 视障
    CONFUSED = "confused"  # 认知障碍
    CHILDREN_ALONE = "children_alone"  # 留守儿童


WORDS: Mapping[Flag, tuple[str, str]] = {
    Flag.LIVES_ALONE: ("独居", "lives alone"),
    Flag.OVER_80: ("80岁以上", "over 80"),
    Flag.MOBILITY: ("行动不便", "walks badly"),
    Flag.WHEELCHAIR: ("轮椅", "wheelchair"),
    Flag.BEDRIDDEN: ("卧床", "bedridden"),
    Flag.OXYGEN: ("吸氧", "on oxygen"),
    Flag.INFANT: ("婴幼儿", "infant"),
    Flag.PREGNANT: ("孕妇", "pregnant"),
    Flag.DEAF: ("听障", "deaf"),
    Flag.BLIND: ("视障", "blind"),
    Flag.CONFUSED: ("认知障碍", "confused"),
    Flag.CHILDREN_ALONE: ("儿童独自在家", "children alone"),
}
CARRIED = frozenset({Flag.WHEELCHAIR, Flag.BEDRIDDEN, Flag.OXYGEN, Flag.MOBILITY})
"""Whoever has one of these does not get down the stairs alone."""
UNHEARD = frozenset({Flag.DEAF})
"""An alarm or a knock is not heard."""


def need(flags: Collection[str]) -> int:
    """How much somebody depends on being fetched: 3 can't walk out, 2 can't hear, 1 vulnerable, 0."""
    if CARRIED & set(flags):
        return 3
    if UNHEARD & set(flags):
        return 2
    return 1 if flags else 0


class Outcome(StrEnum):
    """What came of knocking."""

    ANSWERED_OUT = "answered_out"  # 已通知并撤出
    ANSWERED_REFUSES = "answered_refuses"  # 拒转
    NO_ANSWER = "no_answer"  # 无人应答
    NOT_AT_HOME = "not_at_home"  # 确认不在家
    MOVED = "moved"  # 已转移
    HELPED_OUT = "helped_out"  # 协助撤出


@dataclass(frozen=True, slots=True)
class Door:
    """A door as the order needs it."""

    building: str
    section: str
    floor: int
    number: str
    zone: str | None = None
    flags: tuple[str, ...] = ()
    key: str = ""  # whatever the caller finds it again by


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the incident is."""

    building: str | None = None
    section: str | None = None
    zone: str | None = None
    floor: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A door of the list, and why it is there."""

    door: Door
    why: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The doors in order, and the rule that chose them."""

    rule: str  # stairwell | building | site | ground_floors | below_the_line
    doors: tuple[Listed, ...]


def natural(text: str) -> tuple[tuple[int, str], ...]:
    """`9` before `10`, `501` before `501A`."""
    parts = re.findall(r"\d+|\D+", text)
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in parts)


_RING = {"same_flat": 0, "same_floor": 1, "above": 2, "below": 3, "beside": 4, "basement": 1, "ground": 2}


def choose(hazard: Hazard, origin: Origin, doors: Iterable[Door], *, whole_building: bool = False) -> Chosen:
    """The doors to knock on for an incident, in order.

    Args:
        hazard: of the incident.
        origin: where it is; what is not known is None, and widens the list.
        doors: all doors of the buildings in question.
        whole_building: every stairwell of all these buildings, not only the one that it is in.
    """
    everything = list(doors)
    if hazard is Hazard.WATER_LEVEL:
        low = [door for door in everything if door.floor <= 1]
        listed = [Listed(door, "basement" if door.floor < 1 else "ground") for door in low]
        return Chosen("ground_floors", _ordered(listed, key=lambda one: one.door.floor))
    if hazard is Hazard.CURTAIN_WALL:
        return Chosen("below_the_line", _below_the_line(origin, everything, whole_building=whole_building))
    if origin.section and not whole_building:
        mine = [door for door in everything if (door.building, door.section) == (origin.building, origin.section)]
        return Chosen("stairwell", _around(origin, mine))
    if origin.building and not whole_building:
        mine = [door for door in everything if door.building == origin.building]
        return Chosen("building", _around(origin, mine))
    return Chosen("building" if origin.building else "site", _around(origin, everything))


def _below_the_line(origin: Origin, doors: Sequence[Door], *, whole_building: bool) -> tuple[Listed, ...]:
    """Doors of the building below the loose panel; of other façades only when the whole building is asked for."""
    facades = {door.section for door in doors if door.section}
    own = origin.section if origin.section in facades and not whole_building else None
    listed = [
        Listed(door, "below")
        for door in doors
        if (whole_building or origin.building is None or door.building == origin.building)
        and (origin.floor is None or door.floor <= origin.floor)
        and (own is None or door.section in ("", own))
    ]
    return _ordered(listed, key=lambda one: one.door.floor)


def _around(origin: Origin, doors: Sequence[Door]) -> tuple[Listed, ...]:
    listed = [Listed(door, _why(origin, door)) for door in doors]
    floor = origin.floor
    return _ordered(listed, key=lambda one: abs(one.door.floor - floor) if floor is not None else one.door.floor)


def _why(origin: Origin, door: Door) -> str:
    if origin.zone is not None and door.zone == origin.zone:
        return "same_flat"
    if origin.section and door.section != origin.section:
        return "beside"
    if origin.floor is None:
        return "beside"
    if door.floor == origin.floor:
        return "same_floor"
    return "above" if door.floor > origin.floor else "below"


def _ordered(listed: Iterable[Listed], key: Callable[[Listed], int]) -> tuple[Listed, ...]:
    """The flat itself; then who needs to be fetched, the most helpless first; then by danger and by the way."""
    return tuple(
        sorted(
            listed,
            key=lambda one: (
                one.why != "same_flat",
                -need(one.door.flags),
                _RING[one.why],
                key(one),
                one.door.building,
                one.door.section,
                natural(one.door.number),
            ),
        )
    )


def parts(doors: Sequence[Door], walkers: int) -> list[list[int]]:
    """Split a list among people: each gets neighbouring doors, about the same work, in the list's own order.

    Args:
        doors: in the order of the list.
        walkers: how many people; at least 1.

    Returns:
        For each walker the indexes of his doors, in the list's order.
    """
    way = sorted(range(len(doors)), key=lambda i: (doors[i].building, doors[i].section, doors[i].floor, i))
    total = sum(_work(door) for door in doors)
    shares: list[list[int]] = [[] for _ in range(walkers)]
    done = 0.0
    for index in way:
        middle = done + _work(doors[index]) / 2
        shares[min(int(middle * walkers / total), walkers - 1)].append(index)
        done += _work(doors[index])
    return [sorted(share) for share in shares]


def _work(door: Door) -> float:
    return 1 + need(door.flags)  # who must be fetched takes longer


@dataclass(frozen=True, slots=True)
class Tap:
    """One tap, with the time of the phone and of the server."""

    key: str
    outcome: Outcome
    occurred_at: datetime
    recorded_at: datetime


def moment(said: datetime | None, recorded_at: datetime) -> datetime:
    """A tap's own time: what the phone says, but never in the future."""
    return min(said, recorded_at) if said is not None else recorded_at


def stands(taps: Iterable[Tap]) -> Tap | None:
    """Of several taps at one door the one with the latest time of its own; of the same instant, the better news last.

    The order in which they arrive does not matter: a phone without signal tells later what happened earlier.
    """
    return max(taps, key=lambda tap: (tap.occurred_at, tap.outcome is not Outcome.NO_ANSWER, tap.key), default=None)


def is_open(outcome: str | None, flags: Collection[str], *, excused: bool) -> bool:
    """Whether a door keeps its incident open: no outcome, or nobody answered where somebody may need to be fetched."""
    if excused:
        return False
    return outcome is None or (outcome == Outcome.NO_ANSWER and bool(flags))
