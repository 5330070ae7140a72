"""How one action ought to stand, and why: alarms, people, time limits and interlocks weighed. Pure.

What goes before what: an interlock that ends; a person; the time limit; the alarms. An interlock bars every one of
them: nobody raises a barrier over deep water by a word or by the clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from wire.action import ActionConfig, Move
from wire.level import Level

Reason = Literal["alarm", "cleared", "acknowledged", "limit", "interlock", "decision", "withdrawn", "restart"]
FOR_EVER_S = float("inf")


class ActionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the journal keeps of an action: what it was told, since when, and what must not bring it on again."""

    id: str
    on: bool = False  # as last commanded
    since_ms: int = 0  # wall time of that; 0: never moved
    confirmed: bool | None = None  # None: not yet
    reason: Reason = "alarm"
    causes: list[str] = []  # `<alarm_id>@<episode>`
    spent: dict[str, int] = {}  # causes that had their turn, with the rank of the level that they had it at
    held: Move | None = None  # a person's word
    held_until_ms: int | None = None
    decision: str | None = None
    exercise: str | None = None
    config: ActionConfig | None = None  # while on: so that it can be ended if it is taken away meanwhile


@dataclass(frozen=True, slots=True)
class Active:
    """One alarm that an action answers."""

    key: str
    rank: int
    exercise: str | None = None
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything outside an action that it depends on."""

    causes: tuple[Active, ...] = ()
    alive: frozenset[str] = frozenset()  # every active episode: what was spent is remembered as long
    bars: Mapping[Move, str] = field(default_factory=dict)  # why a move is barred
    ends: str = ""  # why what is on must end


@dataclass(frozen=True, slots=True)
class Wanted:
    """How it ought to stand."""

    on: bool
    reason: Reason
    detail: str = ""
    barred: str = ""  # it ought to be otherwise, and this bars it


def wanted(
    record: ActionRecord, config: ActionConfig, around: Situation, *, on_s: float, off_s: float, now_ms: int
) -> Wanted:
    """What should be.

    Args:
        record: what was commanded.
        config: as declared.
        around: alarms and interlocks.
        on_s: how long it has been on.
        off_s: how long it has been off.
        now_ms: wall time, for a person's `until`.
    """
    free = _free(record, config, around, on_s, off_s, now_ms)
    if free.on == record.on:
        return free
    move: Move = "on" if free.on else "off"
    if free.reason != "interlock" and (why := around.bars.get(move)):
        return Wanted(record.on, record.reason, barred=why)
    return free


def _free(
    record: ActionRecord, config: ActionConfig, around: Situation, on_s: float, off_s: float, now_ms: int
) -> Wanted:
    """Without the bars."""
    if record.on and around.ends:
        return Wanted(on=False, reason="interlock", detail=around.ends)
    held = record.held
    if held is not None and record.held_until_ms is not None and now_ms >= record.held_until_ms:
        held = None
    limit = record.on and config.max_on_s is not None and on_s >= config.max_on_s
    if held == "off":
        return Wanted(on=False, reason="decision")
    if limit:
        return Wanted(on=False, reason="limit", detail=f"time limit of {config.max_on_s:g} s")
    if held == "on":
        return Wanted(on=True, reason="decision")
    fresh = fresh_causes(record, config, around)
    if not record.on:
        return Wanted(on=bool(fresh) and off_s >= config.min_off_s, reason="alarm" if fresh else record.reason)
    if fresh or config.release == "manual" or on_s < config.min_on_s:
        return Wanted(on=True, reason=record.reason)
    silenced = config.release == "acknowledged" and any(each.acknowledged for each in around.causes)
    return Wanted(on=False, reason="acknowledged" if silenced else "cleared")


def fresh_causes(record: ActionRecord, config: ActionConfig, around: Situation) -> list[Active]:
    """Causes that have not had their turn: neither spent nor, where that counts, acknowledged."""
    return [
        each
        for each in around.causes
        if each.rank > record.spent.get(each.key, 0)
        and not (config.release == "acknowledged" and each.acknowledged)
    ]  # fmt: skip


def spent(record: ActionRecord, around: Situation, *, now_too: bool) -> dict[str, int]:
    """What is remembered as spent: old ones while they live; with `now_too` everything that is a cause now."""
    kept = {key: rank for key, rank in record.spent.items() if key in around.alive}
    if now_too:
        for each in around.causes:
            kept[each.key] = max(kept.get(each.key, 0), each.rank)
    return kept


def rank_of(level: Level | None) -> int:
    """0 for none."""
    return 0 if level is None else level.rank
