"""Many messages of one `struct` model at once: a column for each value, numpy instead of one message after the other.

Columns say exactly what decoding one by one would say. Every message that is not plain (an error, a raw value that no
map knows, a division by zero) is left to be decoded by itself: there is one place only where such things are judged.
"""

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_profiles.decoder import Decoder
from device_profiles.frames.cells import Cell
from device_profiles.frames.columns import NONE, Columns
from device_profiles.frames.conversion import NEVER_SET_MS, event_slots, integer_map
from device_profiles.frames.layout import LETTERS, REAL, SIZES, Order
from device_profiles.frames.struct_frame import StructPlan
from device_profiles.frames.values import ratio
from wire.time import LAST_MS

_Flags = NDArray[np.bool_]
_FEWEST_ALIKE = 32
_MISSING = operator.attrgetter("missing")
_GIVEN = operator.attrgetter("given")


def suits(plan: StructPlan) -> bool:
    """Whether the values of a model stand at fixed places, and most of them are of kinds that numpy reads."""
    frame = plan.frame
    if frame.groups or frame.records or frame.checksum or frame.words == "low_first":
        return False
    if any(not _columnar(cell) for cell in plan.always):
        return False
    if any(not _readable(when.type) for cell in plan.found for when in cell.whens):
        return False
    if any(word in formula.text for _, formula in plan.parts.formulas for word in ("min", "max", "sqrt", "abs")):
        return False
    written = [str(frame.seq.type)] if frame.seq else []
    written += [str(frame.ts.type or "u32")] if frame.ts else []
    return all(_readable(kind) and kind not in REAL for kind in written)


def _columnar(cell: Cell) -> bool:
    return _readable(cell.kind) and not (cell.real and (cell.map or cell.missing))


def _readable(kind: str) -> bool:
    return (kind in LETTERS and kind not in ("u64", "i64")) or kind in ("u24", "i24")


class StructBatch:
    """Fills columns with messages of one model; made once for a plan that `suits`."""

    def __init__(self, plan: StructPlan) -> None:
        self._plan = plan
        frame = plan.frame
        self._answers = [bytes.fromhex(answer) for answer in frame.answers]
        self._ports = None if frame.ports is None else frozenset(frame.ports) - frozenset(frame.other_ports)
        self._others = frozenset(frame.other_ports)
        self._matches = [(match.at, np.frombuffer(bytes.fromhex(match.bytes), np.uint8)) for match in frame.match]
        self._slots = event_slots(plan.parts)
        self._maps: dict[int, tuple[NDArray[np.int64], Any]] = {}
        for cell in plan.found:
            if cell.map:
                table = sorted(integer_map(dict(cell.map)).items())
                values = [value for _, value in table]
                column = np.array(values, dtype=object if cell.index < 0 else np.float64)
                self._maps[id(cell)] = np.array([raw for raw, _ in table], dtype=np.int64), column
        self._cells = [*plan.always, *plan.sometimes]

    def fill(
        self,
        columns: Columns,
        decoders: Sequence[Decoder],
        payloads: Sequence[bytes],
        fports: Sequence[int | None],
    ) -> list[int]:
        """Fills in what is plain; the answer is the rows that are not."""
        lengths, missings = set(map(len, payloads)), set(map(_MISSING, decoders))
        if len(lengths) == 1 and len(missings) == 1 and all(self._reads_port(fport) for fport in set(fports)):
            [size], [missing] = lengths, missings
            return self._fill_alike(columns, None, payloads, size, fports, missing, decoders)
        alike: dict[tuple[int, tuple[str, ...]], list[int]] = {}
        rest: list[int] = []
        for row, payload in enumerate(payloads):
            if self._reads_port(fports[row]):
                alike.setdefault((len(payload), decoders[row].missing), []).append(row)
            else:
                rest.append(row)
        for (size, missing), rows in alike.items():
            if len(rows) < _FEWEST_ALIKE:
                rest += rows
                continue
            some = [decoders[row] for row in rows]
            their = [fports[row] for row in rows]
            left = self._fill_alike(columns, rows, [payloads[row] for row in rows], size, their, missing, some)
            rest += [rows[row] for row in left]
        return rest

    def _reads_port(self, fport: int | None) -> bool:
        if fport is None:
            return True
        return fport in self._ports if self._ports is not None else fport not in self._others

    def _known_ports(self, fports: Sequence[int | None]) -> NDArray[np.int64]:
        """The port of each message; an unknown one counts as the first."""
        first = self._plan.frame.ports[0] if self._plan.frame.ports else -1
        only = set(fports)
        if len(only) == 1:
            [fport] = only
            return np.full(len(fports), first if fport is None else fport, dtype=np.int64)
        return np.array([first if fport is None else fport for fport in fports], dtype=np.int64)

    def _fill_alike(
        self,
        into: Columns,
        rows: list[int] | None,
        payloads: Sequence[bytes],
        size: int,
        fports: Sequence[int | None],
        missing: tuple[str, ...],
        decoders: Sequence[Decoder],
    ) -> list[int]:
        """Messages of one length into their rows (None: all of them); which of them are not plain."""
        count = len(payloads)
        if not self._plan.reads(size):
            return list(range(count))
        look = _Look(b"".join(payloads), size, count, self._plan.frame.order, self._known_ports(fports))
        plain = self._of_the_model(look)
        columns: list[Any] = [None] * len(self._plan.points)
        there: list[_Flags | None] = [None] * len(self._plan.points)
        texts: dict[str, tuple[NDArray[Any], _Flags | None]] = {}
        for cell in self._cells:
            read, present = self._there(cell, look, plain)
            if not read:
                continue
            values, present, known = self._column(cell, look, present)
            if known is not None:
                plain &= known
            if cell.index < 0:
                texts[cell.name] = _over(texts.get(cell.name), values, present)
            else:
                before = None if columns[cell.index] is None else (columns[cell.index], there[cell.index])
                columns[cell.index], there[cell.index] = _over(before, values, present)
        self._derive(missing, decoders, columns, there, plain)
        self._fill_header(into, rows, look, plain)
        place: Any = slice(None) if rows is None else np.array(rows)
        for index, column in enumerate(columns):
            if column is None:
                continue
            flags = there[index]
            into.present[place, index] = True if flags is None else flags
            into.values[place, index] = column if flags is None else np.where(flags, column, np.nan)
        for name, (column, flags) in texts.items():
            words = column.astype(np.object_)
            if flags is not None:
                words[~flags] = None
            into.texts[name][place] = words
        self._fill_events(into, place, columns, there, texts)
        into.decoded[place] = plain
        return [] if plain.all() else np.flatnonzero(~plain).tolist()

    def _of_the_model(self, look: "_Look") -> _Flags:
        """The messages that have its constant bytes and are no answers."""
        plain: _Flags = np.ones(look.count, dtype=np.bool_)
        for answer in self._answers:
            if len(answer) == look.size:
                plain &= (look.bytes != np.frombuffer(answer, np.uint8)).any(axis=1)
        for at, mark in self._matches:
            end = at + len(mark)
            plain &= (look.bytes[:, at:end] == mark).all(axis=1) if end <= look.size else False
        return plain

    def _there(self, cell: Cell, look: "_Look", plain: _Flags) -> tuple[bool, _Flags | None]:
        """Whether a cell is in any of the messages, and in which (None: all of them).

        Those that hold it in a way that columns cannot say, or lack its bytes, are not plain.
        """
        present = None if cell.ports is None else look.at_ports(cell.ports)
        cut = any(when.at + SIZES[when.type] > look.size for when in cell.whens)
        for when in () if cut else cell.whens:
            found = look.read(when.at, when.type, None)
            found = found if when.mask is None else found & when.mask
            if when.equals is None:
                holds = found != 0
            else:
                holds = found == when.equals if isinstance(when.equals, int) else np.isin(found, when.equals)
            present = holds if present is None else present & holds
        cut = cut or cell.place.end > look.size
        if not cut and _columnar(cell):
            return True, present
        if not (cut and cell.optional):
            plain &= False if present is None else ~present
        return False, None

    def _column(
        self, cell: Cell, look: "_Look", present: _Flags | None
    ) -> tuple[NDArray[Any], _Flags | None, _Flags | None]:
        """The values of a cell, where they are there, and which raw values are known."""
        raw = look.read(cell.at, cell.kind, cell.order)
        if cell.real:
            return _linear(raw, cell.scale, cell.offset), present, None
        raw = _bits(raw, cell)
        if cell.missing:
            measured = ~np.isin(raw, [number for number in cell.missing if not isinstance(number, str)])
            present = measured if present is None else present & measured
        if cell.map:
            keys, mapped = self._maps[id(cell)]
            if not len(keys):
                return np.zeros(look.count), present, np.zeros(look.count, dtype=np.bool_)
            place = np.minimum(np.searchsorted(keys, raw), len(keys) - 1)
            known = keys[place] == raw
            values = mapped[place]
            if cell.index >= 0:
                values = _linear(values, cell.scale, cell.offset)
            return values, present, known if present is None else known | ~present
        if cell.index < 0:
            return raw.astype(str).astype(object), present, None
        return _linear((raw + cell.bias).astype(np.float64), cell.scale, cell.offset), present, None

    def _derive(
        self,
        missing: tuple[str, ...],
        decoders: Sequence[Decoder],
        columns: list[Any],
        there: list[_Flags | None],
        plain: _Flags,
    ) -> None:
        """Works the derived columns out."""
        formulas = self._plan.formulas(missing)
        if not formulas:
            return
        names = self._plan.parameters(missing)
        count = len(decoders)
        every = itertools.chain.from_iterable(map(_GIVEN, decoders))
        given = np.fromiter(every, np.float64, count * len(names)).reshape(count, len(names))
        numbers: dict[str, Any] = {name: given[:, place] for place, name in enumerate(names)}
        index_of = {point.name: index for index, point in enumerate(self._plan.points)}
        for index, formula in formulas:
            used = [index_of[name] for name in formula.names if name in index_of]
            if any(columns[position] is None for position in used):
                continue
            for position in used:
                numbers[self._plan.points[position].name] = columns[position]
            with np.errstate(all="ignore"):
                result = np.asarray(formula.evaluate(numbers), dtype=np.float64)
            columns[index] = np.broadcast_to(result, (count,))
            present = [flags for position in used if (flags := there[position]) is not None]
            there[index] = np.logical_and.reduce(present) if present else None
            if "/" in formula.text:
                plain &= np.isfinite(columns[index])

    def _fill_header(self, into: Columns, rows: list[int] | None, look: "_Look", plain: _Flags) -> None:
        """Instants and counters."""
        frame = self._plan.frame
        place: Any = slice(None) if rows is None else np.array(rows)
        if frame.ts is not None:
            factor = 1000 if frame.ts.unit == "s" else 1
            at = frame.ts.at if isinstance(frame.ts.at, int) else 0
            kind = str(frame.ts.type or "u32")
            present = np.ones(look.count, dtype=np.bool_)
            if frame.ts.ports is not None:
                present = look.at_ports(frozenset(frame.ts.ports))
            if at + SIZES[kind] > look.size:
                plain &= ~present
            else:
                counts = look.read(at, kind, None) * factor
                plain &= ((counts >= 0) & (counts <= LAST_MS)) | ~present
                into.ts[place] = np.where((counts < NEVER_SET_MS) | ~present, NONE, counts)
        if frame.seq is not None:
            raw = look.read(frame.seq.at, frame.seq.type, None)
            raw = raw if frame.seq.mask is None else raw & frame.seq.mask
            into.seq[place] = raw >> frame.seq.shift

    def _fill_events(
        self,
        into: Columns,
        place: Any,
        columns: list[Any],
        there: list[_Flags | None],
        texts: dict[str, tuple[NDArray[Any], _Flags | None]],
    ) -> None:
        """What every message announces."""
        for index, name, table in self._slots:
            column = columns[index] if index >= 0 else texts[name][0] if name in texts else None
            if column is None:
                continue
            present = there[index] if index >= 0 else texts[name][1]
            for raw, event in [(None, table)] if isinstance(table, str) else list(table.items()):
                hit = (column != 0.0) & ~np.isnan(column) if raw is None else column == raw
                into.events[event][place] |= hit if present is None else hit & present


class _Look:
    """Messages of one length, to be read a column at a time."""

    def __init__(self, joined: bytes, size: int, count: int, order: Order, ports: NDArray[np.int64]) -> None:
        self._joined = joined
        self.size = size
        self.count = count
        self._order: Order = order
        self._ports = ports
        self._columns: dict[tuple[int, str, Order], NDArray[Any]] = {}
        self._known_ports: dict[frozenset[int], _Flags] = {}
        self.bytes: NDArray[np.uint8] = np.frombuffer(joined, np.uint8).reshape(count, size)

    def at_ports(self, ports: frozenset[int]) -> _Flags:
        """The messages that came on one of these ports."""
        known = self._known_ports.get(ports)
        if known is None:
            known = self._known_ports[ports] = np.isin(self._ports, list(ports))
        return known

    def read(self, at: int, kind: str, order: Order | None) -> NDArray[Any]:
        """The raw numbers at a place: int64, or float64 for real ones."""
        place = (at, kind, order or self._order)
        found = self._columns.get(place)
        if found is None:
            found = self._columns[place] = self._read(*place)
        return found

    def _read(self, at: int, kind: str, order: Order) -> NDArray[Any]:
        if kind in ("u24", "i24"):
            high, low = (at + 2, at) if order == "little" else (at, at + 1)
            top = self._strided(high, "u8" if kind == "u24" else "i8", order)
            joined: NDArray[Any] = (top << 16) | self._strided(low, "u16", order)
            return joined
        return self._strided(at, kind, order)

    def _strided(self, at: int, kind: str, order: Order) -> NDArray[Any]:
        letter = {"u": "u", "i": "i", "f": "f"}[kind[0]]
        dtype = np.dtype(f"{'<' if order == 'little' else '>'}{letter}{SIZES[kind]}")
        view: NDArray[Any] = np.ndarray((self.count,), dtype, self._joined, at, (self.size,))
        with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
            return view.astype(np.float64 if letter == "f" else np.int64)


def _bits(raw: NDArray[Any], cell: Cell) -> NDArray[Any]:
    if cell.mask is not None:
        raw = raw & cell.mask
    if cell.shift:
        raw = raw >> cell.shift
    if cell.sign is None:
        return raw
    bits = 8 * cell.size - cell.shift if cell.mask is None else (cell.mask >> cell.shift).bit_length()
    top = 1 << max(0, bits - 1)
    if cell.sign == "magnitude":
        signed: NDArray[Any] = np.where(raw & top, -(raw & (top - 1)), raw)
        return signed
    complement: NDArray[Any] = raw - ((raw & top) << 1)
    return complement


def _linear(values: NDArray[Any], scale: float | None, offset: float) -> NDArray[Any]:
    factor, divisor = ratio(scale)
    with np.errstate(all="ignore"):
        if divisor != 1.0:
            values = values / divisor
        elif factor != 1.0:
            values = values * factor
        moved: NDArray[Any] = values + offset
    return moved


def _over(
    before: tuple[NDArray[Any], _Flags | None] | None, values: NDArray[Any], present: _Flags | None
) -> tuple[NDArray[Any], _Flags | None]:
    """A value that may stand at several places: the later place counts where it is there."""
    if before is None or present is None:
        return values, present
    column, there = before
    return np.where(present, values, column), None if there is None else there | present
