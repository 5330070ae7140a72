"""Handling levels by rule and by people: what the alarms say, the floor people set, the cap people set. Pure.

- Raising sets a *floor*: it stands until a person lowers it.
- Lowering sets a *cap* over what the alarms said when somebody looked. It covers what was looked at and no more: an
  alarm that was not there, or a worse one, ends the cap.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from wire.alert import Hazard
from wire.level import Level


class Checked(StrEnum):
    """How somebody looked before a level was lowered (核实)."""

    ON_SCENE = "on_scene"
    VIDEO = "video"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Cap:
    """A level that people set below what the alarms say."""

    level: Level
    over: Level  # what the alarms said then
    calling: int  # how many of them called then

    def json(self) -> dict[str, Any]:
        """As the incident keeps it."""
        return {key: str(value) if isinstance(value, Level) else value for key, value in asdict(self).items()}

    @classmethod
    def read(cls, kept: Mapping[str, Any] | None) -> "Cap | None":
        """From what the incident keeps."""
        return cls(Level(kept["level"]), Level(kept["over"]), int(kept["calling"])) if kept else None


@dataclass(frozen=True, slots=True)
class Judged:
    """The level that holds, the cap if it still covers, and why."""

    level: Level
    cap: Cap | None
    reason: str  # alarms | floor | cap | cap_over


def capped(said: Level, floor: Level | None, cap: Cap | None, *, calling: int) -> Judged:
    """The level of an incident.

    Args:
        said: by the alarms alone.
        floor: set by people, or by a missed limit.
        cap: set by people.
        calling: alarms that call (not shelved, suppressed, out of service) by now.
    """
    reason = "alarms"
    if cap is not None and (said.rank > cap.over.rank or calling > cap.calling):
        cap, reason = None, "cap_over"
    if cap is not None and cap.level.rank < said.rank:
        said, reason = cap.level, "cap"
    if floor is not None and floor.rank > said.rank:
        return Judged(floor, cap, "floor")
    return Judged(said, cap, reason)


@dataclass(frozen=True, slots=True)
class Change:
    """Whether people may set a level, and what follows."""

    allowed: bool
    code: str = ""  # why not
    why: str = ""
    floor: Level | None = None
    cap: Cap | None = None
    raises: bool = False


def change(
    hazard: Hazard,
    current: Level,
    wanted: Level,
    *,
    said: Level | None,
    calling: int,
    checked: Checked | None,
    floor: Level | None = None,
) -> Change:
    """Judge a person's wish for another level.

    Args:
        hazard: of the incident.
        current: its level now.
        wanted: the new one.
        said: by the alarms alone; None without any.
        calling: alarms that call.
        checked: how somebody looked; needed to lower.
        floor: that holds now.
    """
    if wanted is current:
        return Change(False, "same-level", f"it is at {current.value} already")
    if wanted.rank > current.rank:
        return Change(True, floor=wanted, raises=True)
    if checked is None:
        return Change(False, "not-checked", "say how it was checked: on_scene, video or phone")
    if hazard is Hazard.SMOKE and current in (Level.I, Level.II) and checked is not Checked.ON_SCENE:
        return Change(False, "not-checked", "smoke of level I or II is lowered only after somebody looked on the scene")
    cap = Cap(wanted, said, calling) if said is not None and said.rank > wanted.rank else None
    kept = wanted if floor is not None or said is None or said.rank < wanted.rank else None
    return Change(True, floor=kept, cap=cap)
