"""What is kept of one rule kind: its settings, and by line (one rule on one device) its memory and its inputs."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules.condition import NEVER
from rules.kinds import RuleKind
from rules.rings import Rings
from rules.rowwise import Rowwise
from rules.rule import Rule
from rules.scan import Bools, Floats, Ints, alone, every, roomy, some

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

    def admit(self, line: int, lines: int, window_ms: int, parts: int) -> None:
        """Nothing is known yet of a line, of so many."""
        self.ts, self.value = roomy(self.ts, lines, NEVER), roomy(self.value, lines, np.nan)
        self.ts[line], self.value[line] = NEVER, np.nan
        self.rings.admit(line, lines, window_ms, parts)

    def take(self, line: Ints, ts: Ints, value: Floats, first: Bools | None = None) -> None:
        """Readings in order of time; `first` of each line, where lines stand more than once."""
        if not len(line):
            return
        if self.rings.width:
            keep = self.rings.firsts(line, ts, first)
            if every(keep):
                self.rings.keep(line, ts, value)
            elif some(keep):
                self.rings.keep(line[keep], ts[keep], value[keep])
        self.ts[line], self.value[line] = ts, value


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
        self._sharing: dict[tuple[int, str, int, int], tuple[int, list[int]]] = {}  # ring, and the lines that have it
        self._shares: dict[int, tuple[int, str, int, int]] = {}  # by line
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
        if self._free:
            line = self._free.pop()
        else:
            line, self._end = self._end, self._end + 1
            for name in ("setting", "slot", "unfit", "blind", "ring", "keeps", "_scratch"):
                setattr(self, name, roomy(getattr(self, name), self._end, 0))
            self.memory = _roomy(self.memory, self._end)
        self.slot[line] = slot
        self.unfit[line] = self.blind[line] = fitting.why is not None
        self.setting[line] = self._setting(fitting.row)
        if self.memory.dtype.itemsize:
            self.memory[line : line + 1] = self.module.blank()
        judged, *others = rule.inputs
        self.judged = judged.name
        self._share(line, (entity, rule.point or "", judged.window_ms, judged.parts))
        known = {each.name: each for each in others}
        for name in known:
            if name not in self.others:
                self.others[name] = Latest()
                self.names.append(name)
        for name, latest in self.others.items():
            each = known.get(name)
            latest.admit(line, self._end, each.window_ms if each else 0, each.parts if each else 1)
        return line

    def refit(self, line: int, fitting: Fitting) -> None:
        """Other settings for a line, which remembers what it did."""
        number = self._setting(fitting.row)
        self._unset(int(self.setting[line]))
        self.setting[line] = number
        self.unfit[line] = self.blind[line] = fitting.why is not None

    def release(self, line: int) -> None:
        """Give a line back."""
        key = self._shares.pop(line)
        ring, lines = self._sharing[key]
        lines.remove(line)
        if lines:
            self.keeps[lines[0]] = True
        else:
            del self._sharing[key]
            self._free_rings.append(ring)
        self._unset(int(self.setting[line]))
        self._free.append(line)

    def _unset(self, number: int) -> None:
        self._uses[number] -= 1
        if not self._uses[number]:
            del self._known[self._rows[number]]
            self._unused.append(number)

    def _share(self, line: int, key: tuple[int, str, int, int]) -> None:
        if key not in self._sharing:
            if self._free_rings:
                ring = self._free_rings.pop()
            else:
                ring, self._ring_end = self._ring_end, self._ring_end + 1
            self.own.admit(ring, self._ring_end, *key[2:])
            self._sharing[key] = ring, []
        ring, lines = self._sharing[key]
        lines.append(line)
        self._shares[line] = key
        self.ring[line], self.keeps[line] = ring, len(lines) == 1

    def _setting(self, row: npt.NDArray[Any]) -> int:
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
        self._uses[number] += 1
        return number

    def learning(self) -> Iterator[tuple[int, int]]:
        """Slots whose kind learns before it judges, and the event time (ms) until which that takes; NEVER: unknown."""
        until = getattr(self.module, "learning", None)
        if until is None:
            return
        held = np.fromiter(self._shares, dtype=np.int64, count=len(self._shares))
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

    def pack(self, line: int, rule: Rule, check: int) -> bytes:
        """One line, for export."""
        found = [np.array(check, dtype=_CHECK).tobytes(), self.memory[line : line + 1].tobytes()]
        if rule.inputs[0].window_ms:
            found.append(self.own.pack(int(self.ring[line])))
        for each in rule.inputs[1:]:
            latest = self.others[each.name]
            found.append(np.array((latest.ts[line], latest.value[line]), dtype=_LATEST).tobytes())
            if each.window_ms:
                found.append(latest.rings.pack(line))
        return b"".join(found)

    def unpack(self, line: int, rule: Rule, check: int, packed: bytes) -> None:
        """Take what `pack` gave; nothing of what was learnt otherwise."""
        at = _CHECK.itemsize
        if len(packed) < at or int(np.frombuffer(packed[:at], dtype=_CHECK)[0]) != check:
            return
        size = self.memory.dtype.itemsize
        if size:
            self.memory[line : line + 1] = np.frombuffer(packed[at : at + size], dtype=self.memory.dtype)
        at += size
        if rule.inputs[0].window_ms:
            at += self.own.unpack(int(self.ring[line]), packed[at:])
        for each in rule.inputs[1:]:
            latest = self.others[each.name]
            one = np.frombuffer(packed[at : at + _LATEST.itemsize], dtype=_LATEST)[0]
            latest.ts[line], latest.value[line] = one["ts"], one["value"]
            at += _LATEST.itemsize
            if each.window_ms:
                at += latest.rings.unpack(line, packed[at:])

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
        raw = np.dtype((np.void, array.dtype.itemsize))
        grown.view(raw)[: len(array)] = array.view(raw)
    return grown
