"""Binary frames: `struct` (values at fixed places) and `tlv` (tag and value, repeated)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from device_profiles.decoder import Code, DecodeError, Decoder, Message, Point, ProblemCode
from device_profiles.document import BinaryFrame, Extract, PointDocument, StateDocument, StructFrame, TlvFrame, When
from device_profiles.layout import CHECKSUMS, Layout, Read
from device_profiles.values import (
    Announcements,
    Convert,
    Derivation,
    Flaw,
    absent,
    bits,
    chain,
    integer,
    linear,
    mapped,
)
from wire.time import LAST_MS

MAX_BINARY_BYTES = 4096
"""Radio frames have some 250 bytes at most; longer ones are refused unread, or one could hold up a decoder for long."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """One point or state to be had from the raw numbers of a layout."""

    slot: int
    name: str
    index: int  # among the points; -1: a state
    convert: Convert
    gate: tuple[int, int, frozenset[int]] | None  # slot, mask, the numbers at which the value is there


def _steps(document: Extract, *, state: bool) -> Convert:
    picked = bits(document.mask, document.shift)
    map_ = document.map if isinstance(document, PointDocument | StateDocument) else {}
    table = mapped(map_) if map_ else None
    if not isinstance(document, PointDocument):
        return chain(picked, absent(document.missing), table, str if state else None) or str
    scale, offset = document.scale, document.offset
    if table is None and not document.missing and document.type not in ("f32", "f64"):
        return integer(document.mask, document.shift, document.bias, scale, offset)
    biased = integer(None, 0, document.bias, scale, offset) if document.bias else linear(scale, offset)
    return chain(picked, absent(document.missing), table, biased, float) or float


def _gate(when: When | None, layout: Layout) -> tuple[int, int, frozenset[int]] | None:
    if when is None:
        return None
    allowed = frozenset([when.equals] if isinstance(when.equals, int) else when.equals)
    return layout.add(when.at, when.type), -1 if when.mask is None else when.mask, allowed


class _BinaryDecoder(Decoder):
    """What both binary frames do before and after reading."""

    _longest_payload = MAX_BINARY_BYTES

    def __init__(
        self,
        frame: BinaryFrame,
        points: Sequence[Point],
        documents: Mapping[str, PointDocument],
        states: Mapping[str, StateDocument],
        derivation: Derivation,
    ) -> None:
        super().__init__(points, derivation.missing, frame.ports, frame.other_ports)
        self._derivation = derivation
        self._announcements = Announcements(
            [(index, documents[point.name]) for index, point in enumerate(points)],
            {name: document.event for name, document in states.items()},
        )
        self._width = len(points)
        self._marks = [(match.at, bytes.fromhex(match.bytes)) for match in frame.match]
        self._checksum = frame.checksum
        self._tail = CHECKSUMS[frame.checksum.kind][1] if frame.checksum else 0

    def _verified(self, payload: bytes) -> None:
        """Checks markers and checksum."""
        for at, mark in self._marks:
            if payload[at : at + len(mark)] != mark:
                raise DecodeError(
                    Code.WRONG_MARKER,
                    f"byte {at} is {payload[at : at + len(mark)].hex() or 'missing'}, not {mark.hex()}: another model?",
                )
        if self._checksum is not None:
            if len(payload) < self._tail + self._checksum.start:
                raise DecodeError(Code.WRONG_LENGTH, f"{len(payload)} bytes; too short for its checksum")
            function, size = CHECKSUMS[self._checksum.kind]
            stands = int.from_bytes(payload[-size:], self._checksum.order)
            computed = function(payload[self._checksum.start : -size])
            if stands != computed:
                raise DecodeError(
                    Code.BAD_CHECKSUM, f"{stands:0{2 * size}x} stands there, {computed:0{2 * size}x} would be right"
                )

    def _take(
        self,
        cells: Sequence[_Cell],
        raw: Sequence[Any],
        row: list[float | None],
        texts: dict[str, str],
        problems: list[tuple[str, str, str]],
    ) -> None:
        """Puts the values of some cells into the row."""
        for cell in cells:
            gate = cell.gate
            if gate is not None and (raw[gate[0]] & gate[1]) not in gate[2]:
                continue
            found = raw[cell.slot]
            value = None if found is None else cell.convert(found)
            if value is None:
                continue
            if value.__class__ is Flaw:
                problems.append((cell.name, value.code, value.detail))
            elif cell.index >= 0:
                row[cell.index] = value
            else:
                texts[cell.name] = value

    def _finish(
        self,
        row: list[float | None],
        texts: dict[str, str],
        problems: list[tuple[str, str, str]],
        ts: int | None = None,
        ts_problem: str | None = None,
        seq: int | None = None,
    ) -> Message:
        if not self._derivation.idle:
            self._derivation.apply(row, problems)
        values = tuple(row)
        events = self._announcements.of(values, texts)
        return Message(ts, ts_problem, seq, None, values, texts, events, tuple(problems))


class StructDecoder(_BinaryDecoder):
    """Decoder of a `struct` frame."""

    def __init__(
        self,
        frame: StructFrame,
        points: Sequence[Point],
        documents: Mapping[str, PointDocument],
        states: Mapping[str, StateDocument],
        derivation: Derivation,
    ) -> None:
        super().__init__(frame, points, documents, states, derivation)
        needed = Layout(frame.order)
        self._ts = -1 if frame.ts is None else needed.add(_offset(frame.ts.at), frame.ts.type or "u32")
        self._factor = 1000 if frame.ts is not None and frame.ts.unit == "s" else 1
        self._seq = -1
        if frame.seq is not None:
            self._seq = needed.add(frame.seq.at, frame.seq.type)
            self._seq_bits = chain(bits(frame.seq.mask, frame.seq.shift))
        self._flags = -1
        if frame.groups is not None:
            self._flags = needed.add(frame.groups.flags.at, frame.groups.flags.type)
            self._first_group = frame.groups.start
        grouped = [(size, Layout(frame.order), list[_Cell]()) for size in (frame.groups.sizes if frame.groups else ())]
        self._optional: list[tuple[int, Read, tuple[_Cell, ...]]] = []
        cells: list[_Cell] = []
        named: list[tuple[int, str, Extract]] = [
            (index, point.name, documents[point.name]) for index, point in enumerate(points) if not point.derived
        ]
        named += [(-1, name, document) for name, document in states.items()]
        # in the order of the bytes, so that one struct can read them all
        for index, name, document in sorted(named, key=lambda entry: _offset(entry[2].at)):
            layout = Layout(frame.order) if document.optional else needed
            if document.group is not None:
                layout = grouped[document.group][1]
            gate = _gate(document.when, layout)
            slot = layout.add(_offset(document.at), str(document.type or "u8"))
            cell = _Cell(slot, name, index, _steps(document, state=index < 0), gate)
            if document.group is not None:
                grouped[document.group][2].append(cell)
            elif document.optional:
                self._optional.append((layout.size, layout.compile(), (cell,)))
            else:
                cells.append(cell)
        self._groups = [(size, layout.compile(), tuple(cells)) for size, layout, cells in grouped]
        self._cells = tuple(cells)
        self._read = needed.compile()
        self._lengths = frozenset(lengths(frame))
        self._shortest = max(frame.min_length or 0, needed.size + self._tail)
        self._longest = frame.max_length

    def _decode(self, payload: bytes) -> Message:
        size = len(payload)
        if self._lengths and size not in self._lengths:
            expected = " or ".join(str(length) for length in sorted(self._lengths))
            raise DecodeError(Code.WRONG_LENGTH, f"{size} bytes; this model sends {expected}")
        if size < self._shortest or (self._longest is not None and size > self._longest):
            span = f"at least {self._shortest}" if self._longest is None else f"{self._shortest} to {self._longest}"
            raise DecodeError(Code.WRONG_LENGTH, f"{size} bytes; this model sends {span}")
        if self._marks or self._checksum is not None:
            self._verified(payload)
        raw = self._read(payload, 0)
        row: list[float | None] = [None] * self._width
        texts: dict[str, str] = {}
        problems: list[tuple[str, str, str]] = []
        self._take(self._cells, raw, row, texts, problems)
        for end, read, cells in self._optional:
            if size - self._tail >= end:
                self._take(cells, read(payload, 0), row, texts, problems)
        if self._flags >= 0:
            self._take_groups(payload, raw[self._flags], row, texts, problems)
        ts, ts_problem = self._instant(raw) if self._ts >= 0 else (None, None)
        seq = None
        if self._seq >= 0:
            seq = raw[self._seq] if self._seq_bits is None else self._seq_bits(raw[self._seq])
        return self._finish(row, texts, problems, ts, ts_problem, seq)

    def _take_groups(
        self,
        payload: bytes,
        flags: int,
        row: list[float | None],
        texts: dict[str, str],
        problems: list[tuple[str, str, str]],
    ) -> None:
        """Reads the groups whose bits are set, one after the other."""
        at, end = self._first_group, len(payload) - self._tail
        for bit, (size, read, cells) in enumerate(self._groups):
            if not flags >> bit & 1:
                continue
            if at + size > end:
                raise DecodeError(
                    Code.WRONG_LENGTH, f"group {bit} needs {size} bytes from byte {at}, {max(0, end - at)} are left"
                )
            self._take(cells, read(payload, at), row, texts, problems)
            at += size
        if at != end:
            raise DecodeError(Code.WRONG_LENGTH, f"{len(payload)} bytes; by its flags the message ends at byte {at}")

    def _instant(self, raw: Sequence[Any]) -> tuple[int | None, str | None]:
        count = raw[self._ts]
        if count is None or not 0 <= count * self._factor <= LAST_MS:
            return None, f"{count} is not an instant"
        return int(count * self._factor), None


class TlvDecoder(_BinaryDecoder):
    """Decoder of a `tlv` frame."""

    def __init__(
        self,
        frame: TlvFrame,
        points: Sequence[Point],
        documents: Mapping[str, PointDocument],
        states: Mapping[str, StateDocument],
        derivation: Derivation,
    ) -> None:
        super().__init__(frame, points, documents, states, derivation)
        self._tag_bytes = frame.tag_bytes
        self._length_bytes = {"none": 0, "u8": 1, "u16": 2}[frame.length]
        self._order = frame.order
        self._start = frame.start
        layouts: dict[bytes, tuple[Layout, list[_Cell]]] = {}
        named: list[tuple[int, str, Extract]] = [
            (index, point.name, documents[point.name]) for index, point in enumerate(points) if not point.derived
        ]
        named += [(-1, name, document) for name, document in states.items()]
        for index, name, document in sorted(named, key=lambda entry: _offset(entry[2].at)):
            for tag in tags(document):
                layout, cells = layouts.setdefault(tag, (Layout(frame.order), []))
                gate = _gate(document.when, layout)
                slot = layout.add(_offset(document.at), str(document.type or "u8"))
                cells.append(_Cell(slot, name, index, _steps(document, state=index < 0), gate))
        sizes = {bytes.fromhex(tag): size for tag, size in frame.skip.items()}
        self._tags: dict[bytes, tuple[int, Read | None, int, tuple[_Cell, ...]]] = {
            tag: (size, None, 0, ()) for tag, size in sizes.items()
        }
        for tag, (layout, cells) in layouts.items():
            size = max(layout.size, sizes.get(tag, 0))
            self._tags[tag] = (size, layout.compile(), layout.size, tuple(cells))

    def _decode(self, payload: bytes) -> Message:
        if self._marks or self._checksum is not None:
            self._verified(payload)
        end = len(payload) - self._tail
        at = self._start
        if at >= end:
            raise DecodeError(Code.WRONG_LENGTH, f"{len(payload)} bytes hold no value")
        row: list[float | None] = [None] * self._width
        texts: dict[str, str] = {}
        problems: list[tuple[str, str, str]] = []
        while at < end:
            tag = payload[at : at + self._tag_bytes]
            known = self._tags.get(tag)
            at += self._tag_bytes
            if self._length_bytes:
                size = int.from_bytes(payload[at : at + self._length_bytes], self._order)
                at += self._length_bytes
            elif known is not None:
                size = known[0]
            elif at > end:
                raise DecodeError(Code.WRONG_LENGTH, f"the message ends inside the tag at byte {at - self._tag_bytes}")
            else:
                detail = f"tag {tag.hex()} at byte {at - self._tag_bytes}; the rest was not read"
                problems.append(("", ProblemCode.UNKNOWN_TAG, detail))
                break
            if at + size > end:
                raise DecodeError(
                    Code.WRONG_LENGTH, f"the value of tag {tag.hex()} needs {size} bytes, {max(0, end - at)} are left"
                )
            if known is not None and known[1] is not None:
                if size < known[2]:
                    raise DecodeError(
                        Code.WRONG_LENGTH, f"tag {tag.hex()} says {size} bytes; its values need {known[2]}"
                    )
                self._take(known[3], known[1](payload, at), row, texts, problems)
            at += size
        return self._finish(row, texts, problems)


def tags(document: Extract) -> list[bytes]:
    """The tags at which a value of a tlv frame may stand."""
    written = [document.tag] if isinstance(document.tag, str) else document.tag or []
    return [bytes.fromhex(tag) for tag in written]


def lengths(frame: StructFrame) -> tuple[int, ...]:
    """The exact lengths of a struct frame; none where it has a range."""
    if frame.length is None:
        return ()
    return (frame.length,) if isinstance(frame.length, int) else tuple(frame.length)


def _offset(at: object) -> int:
    """A byte offset; `profile.build` has refused everything but a number."""
    return at if isinstance(at, int) else 0
