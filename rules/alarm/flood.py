"""Alarm floods (ISA-18.2): more alarms than a person can take in. A pure streaming function of bounded memory.

A flood begins with the eleventh alarm within ten minutes and ends when fewer than five were announced in the last
ten. Both can be told from the last eleven instants alone, exactly.
"""

from enum import StrEnum

import msgspec

WINDOW_MS = 600_000
MORE_THAN = 10
"""A flood begins with more than ten alarms in ten minutes: ISA-18.2 [S]."""
FEWER_THAN = 5
"""It ends with fewer than five in ten minutes: ISA-18.2 [S]."""


class Turn(StrEnum):
    """What became of a flood."""

    BEGAN = "began"
    ENDED = "ended"


class Flood(msgspec.Struct, frozen=True, kw_only=True):
    """The alarms of one area, as far as floods need them."""

    last: tuple[int, ...] = ()  # epoch ms of the last eleven, in order
    began: int | None = None  # the eleventh alarm; None: no flood
    alarms: int = 0  # of the flood, those that made it included

    @property
    def idle(self) -> bool:
        """Whether nothing of it need be kept."""
        return self.began is None and not self.last


def announced(flood: Flood, at: int) -> tuple[Flood, Turn | None]:
    """One more alarm was announced at `at` (epoch ms; a clock that went back counts as standing still)."""
    flood, ended = passed(flood, at)
    at = max(at, flood.last[-1]) if flood.last else at
    last = (*flood.last, at)[-(MORE_THAN + 1) :]
    if flood.began is not None:
        return Flood(last=last, began=flood.began, alarms=flood.alarms + 1), None
    if len(last) > MORE_THAN:  # all within the window: `passed` has forgotten the rest
        return Flood(last=last, began=at, alarms=len(last)), Turn.BEGAN
    return Flood(last=last), ended


def passed(flood: Flood, now: int) -> tuple[Flood, Turn | None]:
    """Time has passed: what is older than the window is forgotten, and a flood may end."""
    last = tuple(at for at in flood.last if now - at < WINDOW_MS)
    if flood.began is not None and len(last) < FEWER_THAN:
        return Flood(last=last), Turn.ENDED
    if last == flood.last:
        return flood, None
    return Flood(last=last, began=flood.began, alarms=flood.alarms), None
