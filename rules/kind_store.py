"""What is kept of one rule kind: its settings, and by line (one rule on one device) its memory and its inputs."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules.condition import NEVER
from rules.kinds import RuleKind
from rules.pick import Pick
from rules.rings import COUNT, Rings
from rules.rowwise import Rowwise
from rules.rule import Rule
from rules.scan import Bools, Floats, Ints, alone, cut, every, roomy, some

FAR = 2**62
_CHECK = np.dtype("<u4")
_LATEST = np.dtype([("ts", "<i8"), ("value", "<f8")])


@dataclass(frozen=True, slots=True)
class Fitting:
    """A rule of a kind on a device with certain parameters, in the form that lines take."""

    row: npt.NDArray[Any]  # of the module's SETTINGS
    why: str | None  # why it cannot judge
    check: int  # of all that the memory depends on
    whole: int  # of all that the rule and the device say


class Latest:
    """The newest sound reading of one input, and its ring, by line."""

    def __init__(self) -> None:
        self.ts = np.zeros(0, dtype=np.int64)
        self.value = np.zeros(0)
        self.rings = Rings()

    def admit(self, line: int | Ints, lines: int, window_ms: int, parts: int) -> None:
        """Nothing is known yet of a line (or several), of so many."""
        self.ts, self.value = roomy(self.ts, lines, NEVER), roomy(self.value, lines, np.nan)
        self.ts[line], self.value[line] = NEVER, np.nan
        self.rings.admit(line, lines, window_ms, parts)

    def take(self, line: Ints, ts: Ints, value: Floats, first: Bools | None = None, pick: Pick | None = None) -> None:
        """Readings in order of time.

        Args:
            line: of each.
            ts: event time.
            value: what it says.
            first: of each line, where lines stand more than once.
            pick: the lines, where they are known for long.
        """
        if not len(line):
            return
        if self.rings.width:
            keep = self.rings.firsts(line, ts, first, pick)
            if every(keep):
                self.rings.keep(line, ts, value)
            elif some(keep):
                new = keep.nonzero()[0]
                self.rings.keep(line[new], ts[new], value[new])
        if pick is None:
            self.ts[line], self.value[line] = ts, value
        else:
            pick.put(self.ts, ts)
            pick.put(self.value, value)


class KindStore:
    """The lines of one kind."""

    def __init__(self, number: int, name: str, module: RuleKind) -> None:
        self.number = number
        self.name = name
        self.module = module
        self.settings = np.zeros(0, dtype=module.SETTINGS)
        self.memory = np.zeros(0, dtype=module.MEMORY)
        self.setting = np.zeros(0, dtype=np.int32)  # by line
        self.slot = np.zeros(0, dtype=np.int32)  # by line
        self.unfit = np.zeros(0, dtype=np.bool_)  # by line: a parameter is missing
        self.blind = np.zeros(0, dtype=np.bool_)  # by line: unfit, or a device that it looks at is not known
        self.judged = ""  # what the kind calls the input that it judges
        self.own = Rings()  # of the judged input; rules that look back at the same readings share one
        self.ring = np.zeros(0, dtype=np.int32)  # by line
        self.keeps = np.zeros(0, dtype=np.bool_)  # by line: the first of those that share a ring feeds it
        self.others: dict[str, Latest] = {}
        self.names: list[str] = []  # of `others`, by number
        self._end = 0
        self._free: list[int] = []
        self._scratch = np.zeros(0, dtype=np.int32)
        self._places = np.zeros(0, dtype=np.int64)
        self.owner = np.zeros(0, dtype=np.int32)  # by line: its entity; -1 = the line is free
        self.look = np.zeros(0, dtype=np.int16)  # by line: number of what it looks at, in `_looks`
        self._looks: dict[tuple[str, int, int], int] = {}  # point, window, parts: lines of one entity share a ring
        self._free_rings: list[int] = []
        self._ring_end = 0
        self._known: dict[bytes, int] = {}
        self._uses: list[int] = []
        self._rows: list[bytes] = []
        self._unused: list[int] = []

    def fit(self, rule: Rule, parameters: Mapping[str, float]) -> Fitting:
        """A rule on a device with these parameters."""
        row = np.zeros(1, dtype=self.module.SETTINGS)
        why = self.module.settings(rule.options, parameters, row[0])
        depends = getattr(self.module, "DEPENDS", None)
        of: Any = (rule.options, row.tobytes()) if depends is None else [row[name].tobytes() for name in depends]
        learnt = (rule.kind, rule.sources, rule.inputs, of, np.dtype(self.module.MEMORY).descr)
        return Fitting(row, why, zlib.crc32(repr(learnt).encode()), zlib.crc32(row.tobytes()))

    def admit(self, slot: int, entity: int, rule: Rule, fitting: Fitting) -> int:
        """A line that remembers nothing."""
        return int(self.admit_many(np.array([slot]), np.array([entity]), rule, fitting)[0])

    def admit_many(self, slots: Ints, entities: Ints, rule: Rule, fitting: Fitting) -> Ints:
        """Lines of one rule that remember nothing, one for each of some entities."""
        lines = self._allot(len(slots))
        self.slot[lines] = slots
        self.unfit[lines] = self.blind[lines] = fitting.why is not None
        self.setting[lines] = self._setting(fitting.row, len(slots))
        if self.memory.dtype.itemsize:
            blank = np.zeros(1, dtype=self.memory.dtype)
            blank[0] = self.module.blank()
            raw = np.dtype((np.void, self.memory.dtype.itemsize))  # with what lies between the fields
            self.memory.view(raw)[lines] = blank.view(raw)
        judged, *others = rule.inputs
        self.judged = judged.name
        self._share(lines, entities, (rule.point or "", judged.window_ms, judged.parts))
        known = {each.name: each for each in others}
        for name in known:
            if name not in self.others:
                self.others[name] = Latest()
                self.names.append(name)
        for name, latest in self.others.items():
            each = known.get(name)
            latest.admit(lines, self._end, each.window_ms if each else 0, each.parts if each else 1)
        return lines

    def _allot(self, count: int) -> Ints:
        if len(self._free) >= count:
            return np.array([self._free.pop() for _ in range(count)], dtype=np.int64)
        first, self._end = self._end, self._end + count
        for name, fill in (
            ("setting", 0), ("slot", 0), ("unfit", False), ("blind", False), ("ring", 0), ("keeps", False),
            ("_scratch", 0), ("owner", -1), ("look", 0),
        ):  # fmt: skip
            setattr(self, name, roomy(getattr(self, name), self._end, fill))
        self.memory = _roomy(self.memory, self._end)
        return np.arange(first, self._end)

    def refit(self, line: int, fitting: Fitting) -> None:
        """Other settings for a line, which remembers what it did."""
        number = self._setting(fitting.row)
        self._unset(int(self.setting[line]))
        self.setting[line] = number
        self.unfit[line] = self.blind[line] = fitting.why is not None

    def release(self, line: int) -> None:
        """Give a line back."""
        self.owner[line] = -1
        ring = int(self.ring[line])
        others = np.flatnonzero((self.ring == ring) & (self.owner >= 0))
        if len(others):
            self.keeps[others[0]] |= self.keeps[line]
        else:
            self._free_rings.append(ring)
        self.keeps[line] = False
        self._unset(int(self.setting[line]))
        self._free.append(line)

    def _unset(self, number: int) -> None:
        self._uses[number] -= 1
        if not self._uses[number]:
            del self._known[self._rows[number]]
            self._unused.append(number)

    def _share(self, lines: Ints, entities: Ints, key: tuple[str, int, int]) -> None:
        """Rings of the judged input: that of another line of the same entity that looks back alike, or a new one."""
        look = self._looks.setdefault(key, len(self._looks))
        alike = np.flatnonzero((self.look == look) & (self.owner >= 0))
        alike = alike[np.argsort(self.owner[alike], kind="stable")]
        at = np.searchsorted(self.owner[alike], entities)
        there = np.zeros(len(lines), dtype=np.bool_)
        if len(alike):
            there = self.owner[alike[np.minimum(at, len(alike) - 1)]] == entities
            self.ring[lines[there]] = self.ring[alike[at[there]]]
        fresh = lines[~there]
        while len(self._free_rings) < len(fresh):
            more = len(fresh) - len(self._free_rings)
            self._free_rings += range(self._ring_end + more - 1, self._ring_end - 1, -1)
            self._ring_end += more
        rings = np.array([self._free_rings.pop() for _ in range(len(fresh))], dtype=np.int64)
        if len(rings):
            self.own.admit(rings, self._ring_end, *key[1:])
        self.ring[fresh] = rings
        self.keeps[lines] = ~there
        self.owner[lines], self.look[lines] = entities, look

    def _setting(self, row: npt.NDArray[Any], uses: int = 1) -> int:
        text = row.tobytes()
        number = self._known.get(text)
        if number is None:
            if self._unused:
                number = self._unused.pop()
            else:
                number = len(self._uses)
                self._uses.append(0)
                self._rows.append(b"")
                self.settings = _roomy(self.settings, number + 1)
            self.settings[number : number + 1] = row
            self._known[text], self._rows[number] = number, text
        self._uses[number] += uses
        return number

    def learning(self) -> Iterator[tuple[int, int]]:
        """Slots whose kind learns before it judges, and the event time (ms) until which that takes; NEVER: unknown."""
        until = getattr(self.module, "learning", None)
        if until is None:
            return
        held = np.flatnonzero(self.owner[: self._end] >= 0)
        when = until(Rowwise(self.settings, self.setting[held].astype(np.int64)), Rowwise(self.memory, held))
        for place in np.flatnonzero((when != 0) & ~self.blind[held]).tolist():
            yield int(self.slot[held[place]]), int(when[place])

    def alone(self, line: Ints) -> bool:
        """Whether no line stands twice."""
        return alone(line, self._scratch)

    def later(self, line: Ints, place: Ints, judged: Ints, at: Ints) -> Bools:
        """Which readings come after the judged reading of their line (`judged`, at the places `at`)."""
        self._places = roomy(self._places, self._end, FAR)
        self._places[judged] = at
        after = place >= self._places[line]
        self._places[judged] = FAR
        return np.asarray(after)

    def pack_many(self, lines: Ints, rule: Rule, check: int) -> list[bytes]:
        """Lines of one rule, for export: memory, then what is kept of each input."""
        start = np.array(check, dtype=_CHECK).tobytes()
        columns = [[start] * len(lines), cut(_raw(self.memory)[lines])]
        if rule.inputs[0].window_ms:
            columns.append(self.own.pack_many(self.ring[lines].astype(np.int64)))
        for each in rule.inputs[1:]:
            latest = self.others[each.name]
            newest = np.zeros(len(lines), dtype=_LATEST)
            newest["ts"], newest["value"] = latest.ts[lines], latest.value[lines]
            columns.append(cut(newest))
            if each.window_ms:
                columns.append(latest.rings.pack_many(lines))
        return list(map(b"".join, zip(*columns, strict=True)))

    def unpack_many(self, lines: Ints, rule: Rule, check: int, raw: npt.NDArray[np.uint8]) -> Bools:
        """Take what `pack_many` gave, in rows of equal length; nothing of what was learnt otherwise.

        Returns:
            Which rows could be read.
        """
        read = np.ones(len(lines), dtype=np.bool_)
        if raw.shape[1] < _CHECK.itemsize:
            return read
        mine = np.flatnonzero(raw[:, : _CHECK.itemsize].copy().view(_CHECK)[:, 0] == check)
        at, size = _CHECK.itemsize, self.memory.dtype.itemsize
        if raw.shape[1] < at + size:
            read[mine] = False
            return read
        if size:
            memory = _raw(self.memory)
            memory[lines[mine]] = np.ascontiguousarray(raw[mine, at : at + size]).view(memory.dtype)[:, 0]
        parts: list[tuple[Rings | Latest, Ints]] = []
        if rule.inputs[0].window_ms:
            parts.append((self.own, self.ring[lines].astype(np.int64)))
        for each in rule.inputs[1:]:
            latest = self.others[each.name]
            parts.append((latest, lines))
            if each.window_ms:
                parts.append((latest.rings, lines))
        self._take(mine, raw, at + size, parts, read)
        return read

    def _take(
        self, rows: Ints, raw: npt.NDArray[np.uint8], at: int, parts: list[tuple[Rings | Latest, Ints]], read: Bools
    ) -> None:
        """The inputs of some rows, from a byte on; those that keep as many readings go on together."""
        for number, (part, lines) in enumerate(parts):
            if isinstance(part, Latest):
                size = _LATEST.itemsize
                if raw.shape[1] < at + size:
                    read[rows] = False
                    return
                newest = raw[rows, at : at + size].copy().view(_LATEST)[:, 0]
                part.ts[lines[rows]], part.value[lines[rows]] = newest["ts"], newest["value"]
                at += size
                continue
            if raw.shape[1] < at + COUNT.itemsize:
                read[rows] = False
                return
            counts = raw[rows, at : at + COUNT.itemsize].copy().view(COUNT)[:, 0]
            for count in np.unique(counts).tolist():
                some_rows = rows[counts == count]
                if count < 0 or raw.shape[1] < at + COUNT.itemsize + 12 * count:
                    read[some_rows] = False
                    continue
                size = part.unpack_many(lines[some_rows], raw[some_rows, at:], count)
                self._take(some_rows, raw, at + size, parts[number + 1 :], read)
            return

    def bytes(self) -> int:
        """Memory of all arrays."""
        owners = [self, self.own, *self.others.values(), *(each.rings for each in self.others.values())]
        return sum(each.nbytes for owner in owners for each in vars(owner).values() if isinstance(each, np.ndarray))


def _roomy(array: npt.NDArray[Any], needed: int) -> npt.NDArray[Any]:
    """As `scan.roomy`, of structured rows: copied byte by byte, filled with zeros."""
    if needed <= len(array):
        return array
    grown = np.zeros(max(64, needed, len(array) * 17 // 16), dtype=array.dtype)
    if array.dtype.itemsize:
        _raw(grown)[: len(array)] = _raw(array)
    return grown


def _raw(array: npt.NDArray[Any]) -> npt.NDArray[np.void]:
    """Structured rows as plain bytes, those between their fields too: numpy leaves them as they happen to be."""
    return array.view(np.dtype((np.void, array.dtype.itemsize))) if array.dtype.itemsize else array
