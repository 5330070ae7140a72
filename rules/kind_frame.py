"""The frame that a rule kind sees of a batch, over what its store keeps and what the batch itself says.

Two ways, which come to the same: where each line is judged once, in order, and hears each input at most once, what
comes before the judged reading is taken into the store first. Otherwise each row looks up what had come before it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.condition import NEVER
from rules.frame import Frame, Signal, Window
from rules.kind_store import KindStore, Latest
from rules.pick import Pick
from rules.rings import Added, Course, Rings, in_order
from rules.rowwise import Rowwise
from rules.scan import Bools, Floats, Ints, every, some

T = TypeVar("T", bound=np.generic)

Heard = Mapping[str, Added]
"""Sound readings of other inputs in a batch, in order of arrival, by the input's name."""


class Judged(NamedTuple):
    """Readings of the judged input of one kind; those of a line stand together, in order of arrival."""

    line: Pick
    place: Ints  # in the batch; the message ends before it
    ts: Ints
    arrival: Ints
    value: Floats
    bad: Bools
    ordered: Bools  # of the first lane
    fresh: Bools  # and newer than all before
    setting: Ints
    own: Rowwise  # their settings


Later = dict[tuple[int, str], Bools | None]
"""By store and input: which readings of it come after the judged reading of their line; None: none does."""


def judge(
    store: KindStore,
    judged: Judged,
    heard: Heard,
    *,
    alone: bool = False,
    single: bool = False,
    later: Later | None = None,
) -> Signal:
    """The signal at each judged row; the store takes the batch in.

    Args:
        store: of the kind; moves on.
        judged: the rows.
        heard: what the batch says of other inputs.
        alone: no channel stands twice in the batch (False: not known).
        single: and it is one message.
        later: found the last time that such a batch came; None: this one is not like others.
    """
    simple = every(judged.ordered)
    if simple and not alone:
        simple = all(store.alone(each) for each in (judged.line.numbers, *(each.line for each in heard.values())))
    frame = _Simple(store, judged, heard, single=single, later=later) if simple else _General(store, judged, heard)
    signal = store.module.signal(frame, store.settings, store.memory)
    frame.finish()
    return signal


def take(store: KindStore, heard: Heard) -> None:
    """Take in what a batch says of other inputs, where none is judged."""
    for name, added in heard.items():
        _take(store.others[name], added)


def _take(latest: Latest, added: Added) -> None:
    added, first, sound = _sorted(latest, added)
    if not every(sound):
        added = added.only(sound)
        first = scan.firsts(added.line)
    latest.take(added.line, added.ts, added.value, first)


def _sorted(latest: Latest, added: Added) -> tuple[Added, Bools, Bools]:
    """Sorted by line; the first of each line; which are in order."""
    added = added.only(np.argsort(added.line, kind="stable"))
    first = scan.firsts(added.line)
    return added, first, in_order(added.ts, first, latest.ts[added.line])


class _Base(Frame):
    """What both ways share."""

    def __init__(self, store: KindStore, judged: Judged, heard: Heard) -> None:
        self.store = store
        self.line = judged.line
        self.slot = judged.line.numbers
        self.first = np.ones(len(judged.line), dtype=np.bool_)
        self.setting, self._own = judged.setting, judged.own
        self.ts, self.arrival, self.value = judged.ts, judged.arrival, judged.value
        self.bad = judged.bad
        self.fresh = judged.fresh
        self.usable = judged.fresh & ~judged.bad
        self.place = judged.place
        self.ordered = judged.ordered
        self.heard = heard

    def own(self, settings: npt.NDArray[Any]) -> Rowwise:
        """The settings of each row."""
        del settings  # they are those of the store
        return self._own

    def kept(self, memory: npt.NDArray[T]) -> npt.NDArray[T]:
        """What is kept by line, of each row; a copy."""
        return self.line.of(memory)

    def latest(self, name: str) -> tuple[Floats, Ints]:
        """The newest sound value of another input at each row, and its event time."""
        latest = self.store.others.get(name)
        if latest is None:
            return np.full(len(self.ts), np.nan), np.full(len(self.ts), NEVER)
        return self._latest(name, latest)

    def window(self, name: str, rows: Ints | None = None) -> Window:
        """What is kept of an input at some rows."""
        where = np.arange(len(self.ts)) if rows is None else rows
        now = self.ts[where]
        if name == self.store.judged:
            ring = self.store.ring[self.slot[where]].astype(np.int64)
            kept = self._window(name, self.store.own, ring, where, now, now)
            return Window(np.column_stack((kept.ts, now)), np.column_stack((kept.value, self.value[where])))
        latest = self.store.others.get(name)
        if latest is None or not latest.rings.width:
            return Window(np.full((len(where), 1), NEVER), np.full((len(where), 1), np.nan))
        return self._window(name, latest.rings, self.slot[where], where, now, now + 1)

    def _latest(self, name: str, latest: Latest) -> tuple[Floats, Ints]:
        raise NotImplementedError

    def _window(self, name: str, rings: Rings, ring: Ints, where: Ints, now: Ints, before: Ints) -> Window:
        raise NotImplementedError

    def finish(self) -> None:
        """The store takes the batch in."""
        raise NotImplementedError


class _Simple(_Base):
    """Each line once and in order."""

    def __init__(self, store: KindStore, judged: Judged, heard: Heard, *, single: bool, later: Later | None) -> None:
        super().__init__(store, judged, heard)
        self.single = single  # nothing comes after the judged reading
        self.later = later
        self.after: dict[str, Added] = {}
        for name, added in self.heard.items():
            self._hear(name, self.store.others[name], added)

    def _hear(self, name: str, latest: Latest, added: Added) -> None:
        known = latest.ts[added.line] if added.pick is None else added.pick.of(latest.ts)
        sound = added.ts >= known
        later = self.later
        if not every(sound):
            added, later = added.only(sound), None
        if not self.single:
            after = self._after(name, added, later)
            if after is not None:
                self.after[name] = added.only(after)
                added = added.only(~after)
        latest.take(added.line, added.ts, added.value, pick=added.pick)

    def _after(self, name: str, added: Added, later: Later | None) -> Bools | None:
        """Which readings come after the judged reading of their line; None: none does."""
        key = self.store.number, name
        if later is not None and key in later:
            return later[key]
        after = self.store.later(added.line, added.place, self.slot, self.place)
        found = after if some(after) else None
        if later is not None:
            later[key] = found
        return found

    def _latest(self, name: str, latest: Latest) -> tuple[Floats, Ints]:
        del name  # the store is as of each row already
        return self.line.of(latest.value), self.line.of(latest.ts)

    def _window(self, name: str, rings: Rings, ring: Ints, where: Ints, now: Ints, before: Ints) -> Window:
        del name, where
        return rings.as_of_now(ring, now, before)

    def finish(self) -> None:
        own = self.store.own
        if own.width:
            keep = (self.usable & self.line.of(self.store.keeps)).nonzero()[0]
            ring, ts = self.store.ring[self.slot[keep]].astype(np.int64), self.ts[keep]
            new = own.firsts(ring, ts).nonzero()[0]
            if len(new):
                own.keep(ring[new], ts[new], self.value[keep[new]])
        for name, added in self.after.items():
            self.store.others[name].take(added.line, added.ts, added.value)


class _General(_Base):
    """Rows look up what had come before them."""

    def __init__(self, store: KindStore, judged: Judged, heard: Heard) -> None:
        super().__init__(store, judged, heard)
        self.first = scan.firsts(self.slot)
        self.lines = np.unique(self.slot)
        ends = [int(self.place.max()) if len(self.place) else 0]
        ends += [int(added.message.max()) for added in self.heard.values() if len(added.line)]
        self.most = max(ends) + 1
        self.courses: dict[str, Course] = {}
        self.sound: dict[str, Added] = {}  # in order
        self.late: dict[str, Added] = {}
        for name, said in self.heard.items():
            added, _, sound = _sorted(self.store.others[name], said)
            self.sound[name], self.late[name] = added.only(sound), added.only(~sound)
        self.fed = self._fed()

    def _fed(self) -> Added:
        own = self.store.own
        keeps = self.usable & self.store.keeps[self.slot]
        where = keeps.nonzero()[0] if own.width else np.zeros(0, dtype=np.int64)
        ring = self.store.ring[self.slot[where]].astype(np.int64)
        if len(where):
            new = own.firsts(ring, self.ts[where], scan.firsts(ring))
            where, ring = where[new], ring[new]
        place = self.place[where]
        return Added(ring, place, place, self.ts[where], self.value[where])

    def _latest(self, name: str, latest: Latest) -> tuple[Floats, Ints]:
        value, ts = latest.value[self.slot], latest.ts[self.slot]
        added = self.sound.get(name)
        if added is not None and len(added.line):
            at = np.searchsorted(added.line * self.most + added.place, self.slot * self.most + self.place) - 1
            here = (at >= 0) & (added.line[at] == self.slot)
            value, ts = np.where(here, added.value[at], value), np.where(here, added.ts[at], ts)
        late = np.flatnonzero(~self.ordered)
        if len(late):
            value[late], ts[late] = self._beside_late(name, latest, late, value[late], ts[late])
        return value, ts

    def _beside_late(self, name: str, latest: Latest, where: Ints, value: Floats, ts: Ints) -> tuple[Floats, Ints]:
        """Beside a late reading stands what came with it; else the newest that is not younger, if that was kept."""
        now = self.ts[where]
        newer = ts > now
        value, ts = np.where(newer, np.nan, value), np.where(newer, NEVER, ts)
        if some(newer) and latest.rings.width:
            late = where[newer]
            then, old = self._window(name, latest.rings, self.slot[late], late, now[newer], now[newer] + 1)
            newest = np.argmax(then, axis=1)[:, None]
            ts[newer] = np.take_along_axis(then, newest, axis=1)[:, 0]
            value[newer] = np.take_along_axis(old, newest, axis=1)[:, 0]
        for group in (self.late, self.sound):
            added = group.get(name)
            if added is None or not len(added.line):
                continue
            key, sought = added.line * self.most + added.message, self.slot[where] * self.most + self.place[where]
            at = np.minimum(np.searchsorted(key, sought), len(key) - 1)
            same = (key[at] == sought) & (added.ts[at] == now)
            value, ts = np.where(same, added.value[at], value), np.where(same, added.ts[at], ts)
        return value, ts

    def _window(self, name: str, rings: Rings, ring: Ints, where: Ints, now: Ints, before: Ints) -> Window:
        course = self.courses.get(name)
        if course is None:
            lines = np.unique(self.store.ring[self.slot]).astype(np.int64) if rings is self.store.own else self.lines
            course = self.courses[name] = Course.of(rings, lines, self._added(name, rings), self.most)
        return course.window(ring, self.place[where], now, before)

    def _added(self, name: str, rings: Rings) -> Added:
        """What the rings of an input will keep of the batch."""
        if name == self.store.judged:
            return self.fed
        added = self.sound.get(name)
        if added is None:
            none = np.zeros(0, dtype=np.int64)
            return Added(none, none, none, none, np.zeros(0))
        return added.only(rings.firsts(added.line, added.ts, scan.firsts(added.line)))

    def finish(self) -> None:
        if len(self.fed.line):
            self.store.own.keep(self.fed.line, self.fed.ts, self.fed.value)
        for name, added in self.sound.items():
            self.store.others[name].take(added.line, added.ts, added.value, scan.firsts(added.line))
