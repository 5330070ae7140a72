"""Who belongs together: the rules that look at other devices of their group, with what is kept of each.

A member is a slot whose rule is of kind `co_occurrence` or has `common_mode`. Arrays by member are built anew when the
table's rows change; what is remembered goes along by name.
"""

from typing import Any, NamedTuple

import numpy as np

from rules import co_occurrence
from rules.condition import NEVER
from rules.scan import Bools, Floats, Ints
from rules.slots import Sort
from rules.table import Table

_SAVED = np.dtype([("format", "u1"), ("told", "u1"), ("check", "u4"), ("last", "i8"), ("run", "i8")])
FORMAT = 2
COMMON = 0x80
"""In what is saved of `told`: the alarm was common to many."""
MARK = ":~"
"""Before the rule's name in the key of what is kept of a member; no point and no rule is called so."""
SETTLES = 4
"""L is written when it moved by a part of the window so large: after a crash it may be older by that."""

Name = tuple[str | None, str, str]
"""Exercise, device, rule."""


class Kept(NamedTuple):
    """What is remembered of a member."""

    check: int  # of the rule: another rule's L says nothing
    last: int  # newest event time at which it showed; with common_mode: at which it began to
    told: int  # rank told last, of a rule with common_mode; 0 = none
    common: bool  # the alarm that is on was common to many
    run: int  # with common_mode: newest event time at which it showed


class Members:
    """The members of a table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known: object = None
        self._kept: dict[Name, Kept] = {}
        self._restored: dict[Name, Kept] = {}
        self._gone: set[str] = set()
        self.names: list[Name] = []
        self.moved = False  # something that is kept, since it was collected
        self._clear()

    def _clear(self) -> None:
        count = len(self.names)
        self.slot, self.group, self.window_ms = (np.zeros(count, dtype=np.int64) for _ in range(3))
        self.last, self.run, self.saved = (np.full(count, NEVER, dtype=np.int64) for _ in range(3))
        self.saved_last = np.full(count, NEVER, dtype=np.int64)
        self.common: Bools = np.zeros(count, dtype=np.bool_)
        self.need, self.check = np.zeros(count, dtype=np.int32), np.zeros(count, dtype=np.uint32)
        self.told, self.saved_told = (np.zeros(count, dtype=np.uint8) for _ in range(2))
        self.at: Floats = np.full(count, np.nan)
        self.silent: Bools = np.zeros(count, dtype=np.bool_)
        self.more: dict[int, Ints] = {}  # by member: other groups that are counted too
        self.has_more: Bools = np.zeros(count, dtype=np.bool_)
        slots = len(self._table.kind)
        self.commoner = np.full(slots, -1, dtype=np.int32)  # by slot: its member, of a rule with common_mode
        self.gatherer = np.full(slots, -1, dtype=np.int32)  # by slot: its member, of kind co_occurrence
        self.feeds = np.zeros(slots, dtype=np.int16)  # by slot: how many members it is a source of
        self.feed_start = np.zeros(slots, dtype=np.int32)
        self.feed_member, self.feed_slot = (np.zeros(0, dtype=np.int64) for _ in range(2))  # by link: whom it feeds
        self.feed_at: Floats = np.zeros(0)
        self.feed_field = np.zeros(0, dtype=np.int64)  # number in `fields`; -1 = the signal
        self.feed_drives: Bools = np.zeros(0, dtype=np.bool_)
        self.fields: list[str] = []
        self.judges_common = False  # some rule with readings has common_mode
        self.widest_ms = 0

    def reindex(self) -> None:
        """Build the arrays anew if the table did."""
        table = self._table
        if self._known is table.entity_of_slot and not self._restored:
            return
        self._known = table.entity_of_slot
        self.moved = True
        for number, name in enumerate(self.names):
            self._kept[name] = Kept(
                int(self.check[number]), int(self.last[number]), int(self.told[number]), bool(self.common[number]),
                int(self.run[number]),
            )  # fmt: skip
        saved = {
            name: (int(self.saved[n]), int(self.saved_told[n]), int(self.saved_last[n]))
            for n, name in enumerate(self.names)
        }
        saved.update(
            {
                name: (max(kept.run, kept.last), kept.told | COMMON * kept.common, kept.last)
                for name, kept in self._restored.items()
            }
        )
        self._kept.update(self._restored)
        mine: list[tuple[Name, int, Sort]] = []
        for sort, numbers in table.slots.by_sort():
            if sort.rule.kind == co_occurrence.KIND or sort.rule.common_mode is not None:
                whose = table.slots.owner[numbers].tolist()
                mine += [
                    ((entity.exercise, entity.device, sort.rule.id), number, sort)
                    for number, index in zip(numbers.tolist(), whose, strict=True)
                    if (entity := table.by_index[index]) is not None
                ]
        mine.sort(key=lambda each: each[1])
        self.names = [name for name, _, _ in mine]
        self._clear()
        groups: dict[tuple[str, str, str | None, str], int] = {}
        feeds: list[tuple[int, int, float, int, bool]] = []
        for member, (name, number, sort) in enumerate(mine):
            self._place(member, name, number, sort, groups)
            if sort.rule.kind == co_occurrence.KIND:
                self.gatherer[number] = member
                feeds += self._feeds(member, name, sort)
            self._remember(member, number, sort, self._kept.get(name), saved.get(name))
        self._feed(feeds)
        self._need(mine)
        self.widest_ms = int(self.window_ms.max()) if mine else 0
        if table.devices:
            for name in self._kept.keys() - set(self.names):
                self._gone.add(key(*name))
            self._kept.clear()
        self._restored.clear()

    def _place(self, member: int, name: Name, number: int, sort: Sort, groups: dict[Any, int]) -> None:
        rule = sort.rule
        declared: Any = rule.options if rule.kind == co_occurrence.KIND else rule.common_mode
        exercise, device, rule_id = name
        places = self._table.devices[device].groups

        def of(place: str) -> int:
            return groups.setdefault((rule_id, declared.within, exercise, place), len(groups))

        own = places.get(declared.within)
        self.slot[member], self.check[member] = number, sort.check
        self.window_ms[member] = declared.window_ms
        self.group[member] = -1 if own is None else of(own)
        if rule.kind == co_occurrence.KIND:
            others = sorted({place for place in declared.adjacent if place != own})
            if others:
                self.more[member] = np.array([of(place) for place in others], dtype=np.int64)
                self.has_more[member] = True
            return
        self.commoner[number] = member
        self.silent[member] = rule.kind == "silence"
        if rule.levels:
            sign = 1.0 if rule.direction == "above" else -1.0
            enters = [sign * bound.enter for bound in rule.levels.values()]
            self.at[member] = min(enters) if declared.at is None else sign * declared.at
            self.judges_common = True

    def _feeds(self, member: int, name: Name, sort: Sort) -> list[tuple[int, int, float, int, bool]]:
        """(source slot, member, at, field, drives) of the sources that the device has."""
        entity = self._table.entities[name[:2]]
        out: list[tuple[int, int, float, int, bool]] = []
        for source in sort.rule.options.of:
            number = entity.slots.get(source.rule)
            other = self._table.slots[number] if number is not None else None
            if number is None or other is None:
                continue
            field = -1
            if source.field:
                if source.field not in self.fields:
                    self.fields.append(source.field)
                field = self.fields.index(source.field)
            turned = other.rule.direction == "below" and field < 0
            out.append((number, member, -source.at if turned else source.at, field, not out))
        return out

    def _feed(self, feeds: list[tuple[int, int, float, int, bool]]) -> None:
        if not feeds:
            return
        feeds.sort(key=lambda each: each[0])
        slot, member, at, field, drives = zip(*feeds, strict=True)
        slots = np.array(slot, dtype=np.int64)
        np.add.at(self.feeds, slots, 1)
        self.feed_start[1:] = np.cumsum(self.feeds[:-1])
        self.feed_member = np.array(member, dtype=np.int64)
        self.feed_slot = self.slot[self.feed_member]
        self.feed_at = np.array(at, dtype=np.float64)
        self.feed_field = np.array(field, dtype=np.int64)
        self.feed_drives = np.array(drives, dtype=np.bool_)

    def _remember(
        self, member: int, number: int, sort: Sort, kept: Kept | None, saved: tuple[int, int, int] | None
    ) -> None:
        rank = int(self._table.state.rank[number])
        if kept is not None:
            same = kept.check == sort.check
            self.last[member], self.run[member] = (kept.last, kept.run) if same else (NEVER, NEVER)
            self.told[member], self.common[member] = kept.told, kept.common and rank > 0
        if saved is not None:
            self.saved[member], self.saved_told[member], self.saved_last[member] = saved
        if not rank or not self.told[member]:
            self.told[member] = rank

    def _need(self, mine: list[tuple[Name, int, Sort]]) -> None:
        """How many must be present for common_mode."""
        size = np.bincount(self.group[self.group >= 0], minlength=1)
        for member, (_, _, sort) in enumerate(mine):
            common = sort.rule.common_mode
            if common is not None:
                whole = int(size[self.group[member]]) if self.group[member] >= 0 else 1
                self.need[member] = max(common.at_least, int(np.ceil(common.share * whole)))

    def lively(self, ts: int) -> bool:
        """Whether any member may be present at this event time or later."""
        return len(self.last) > 0 and int(self.last.max()) >= ts - self.widest_ms

    # ------------------------------------------------------------ what is kept

    def collect(self, settle_ms: int) -> dict[str, bytes]:
        """Rows that moved and are worth writing; an empty value: to be deleted."""
        out = dict.fromkeys(self._gone, b"")
        self._gone.clear()
        if not self.moved:
            return out
        self.moved = False
        showed = np.maximum(self.last, self.run)
        apart = showed - np.where(self.saved == NEVER, NEVER // 2, self.saved)
        moved = (showed != self.saved) & (apart >= np.minimum(settle_ms, self.window_ms // SETTLES))
        told = self.told | np.uint8(COMMON) * self.common
        moved |= told != self.saved_told
        moved |= (self.run != NEVER) & (self.last != self.saved_last)
        for member in np.flatnonzero(moved).tolist():
            row = (FORMAT, told[member], self.check[member], self.last[member], self.run[member])
            out[key(*self.names[member])] = np.array(row, dtype=_SAVED).tobytes()
        self.saved[moved], self.saved_told[moved] = showed[moved], told[moved]
        self.saved_last[moved] = self.last[moved]
        return out

    def restore(self, rows: dict[str, bytes]) -> list[str]:
        """Take the rows of members out of `rows`; the keys of those that could not be read."""
        unreadable = []
        for text in [text for text in rows if f"/{MARK}" in text]:
            row = rows.pop(text)
            exercise, device, rule = text.split("/", 2)
            if len(row) != _SAVED.itemsize or row[0] != FORMAT:
                unreadable.append(text)
                continue
            one = np.frombuffer(row, dtype=_SAVED)[0]
            name = (exercise or None, device, rule.removeprefix(MARK))
            told = int(one["told"])
            self._restored[name] = Kept(
                int(one["check"]), int(one["last"]), told & ~COMMON, bool(told & COMMON), int(one["run"])
            )
        return unreadable

    def forget_exercise(self, exercise: str) -> None:
        """Drop what was restored of an exercise and never used."""
        for name in [name for name in self._restored if name[0] == exercise]:
            del self._restored[name]
            self._gone.add(key(*name))

    def bytes(self) -> int:
        """Memory of all arrays."""
        mine = (each for each in vars(self).values() if each is not self._known)
        return sum(each.nbytes for each in mine if isinstance(each, np.ndarray))


def key(exercise: str | None, device: str, rule: str) -> str:
    """The name of what is kept of a member."""
    return f"{exercise or ''}/{device}/{MARK}{rule}"
