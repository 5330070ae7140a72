"""Frame `tlv`: tag and value, repeated; some tags may hold records of the past."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from device_profiles.decoder import Code, DecodeError, Message, ProblemCode
from device_profiles.document import TlvFrame, TlvRecords
from device_profiles.frames.arithmetic import Formula
from device_profiles.frames.assembly import Assembly
from device_profiles.frames.binary_frame import (
    MAX_BINARY_BYTES,
    BinaryPlan,
    at_port,
    carrying,
    in_order,
    most_records,
    too_large,
    too_many,
)
from device_profiles.frames.cells import Cell, cells, record_cells
from device_profiles.frames.conversion import Closing, condition, write_value
from device_profiles.frames.layout import SIZES
from device_profiles.frames.plan import Parts

_FEW_TAGS = 3
"""So many are compared one after the other; more are halved first."""


def records_of(frame: TlvFrame) -> list[TlvRecords]:
    """The tags that hold records."""
    return [frame.records] if isinstance(frame.records, TlvRecords) else frame.records


@dataclass(slots=True)
class _Tag:
    """What is done at one tag."""

    number: int  # the tag as it is read from the message
    found: list[Cell]
    size: int  # of the value, where the message does not say it
    records: int = -1  # which of the frame's


class TlvPlan(BinaryPlan):
    """A model that sends a `tlv` frame."""

    frame: TlvFrame

    def __init__(self, frame: TlvFrame, parts: Parts) -> None:
        super().__init__(frame, parts)
        self.found = cells(parts)
        self.recorded = [record_cells(records, parts) for records in records_of(frame)]
        self._most = most_records(max((len(found) for found in self.recorded), default=1))
        self._length_bytes = {"none": 0, "u8": 1, "u16": 2}[frame.length]
        sizes = {bytes.fromhex(tag): size for tag, size in frame.skip.items()}
        known: dict[bytes, _Tag] = {tag: _Tag(self._number(tag), [], size) for tag, size in sizes.items()}
        for cell in sorted(self.found, key=lambda cell: cell.at):
            for tag in cell.tags:
                entry = known.setdefault(tag, _Tag(self._number(tag), [], 0))
                entry.found.append(cell)
                ends = [cell.place.end, *(when.at + SIZES[when.type] for when in cell.whens)]
                entry.size = max(entry.size, *ends)
        for index, records in enumerate(records_of(frame)):
            tag = bytes.fromhex(records.tag)
            known.setdefault(tag, _Tag(self._number(tag), [], 0)).records = index
        self.tags = sorted(known.values(), key=lambda entry: entry.number)
        self._skipped = {entry.number: entry.size for entry in self.tags if not entry.found and entry.records < 0}

    @staticmethod
    def _number(tag: bytes) -> int:
        return int.from_bytes(tag, "big")

    def _write(self, assembly: Assembly, formulas: list[tuple[int, Formula]], variables: dict[str, str]) -> None:
        frame = self.frame
        record_sizes = []
        for index, records in enumerate(records_of(frame)):
            closing = Closing(self.parts, formulas, variables, self.recorded[index])
            size = self._write_record(assembly, f"record{index}", records, self.recorded[index], closing)
            record_sizes.append(max(size, records.size or 0, 1))
        closing = Closing(self.parts, formulas, variables, self.found)
        lengthless = not self._length_bytes
        problems = closing.has_problems or lengthless
        with assembly.block("def decode(payload, fport=None)"):
            assembly.line("size = len(payload)")
            with assembly.block(f"if size > {MAX_BINARY_BYTES}"):
                assembly.line(f"raise {assembly.constant(too_large)}(size)")
            self._write_ports(assembly, any(cell.ports is not None for cell in self.found))
            self._write_marks(assembly)
            assembly.line(f"at = {frame.start}")
            with assembly.block(f"if at >= {self._end}"):
                assembly.line(f"raise {assembly.constant(_no_value)}(size)")
            closing.write_opening(assembly, certain=frozenset(), problems=problems)
            if record_sizes:
                assembly.line("earlier = []")
            errors = assembly.constant((IndexError, struct.error))
            with assembly.block("try"):
                with assembly.block(f"while at < {self._end}"):
                    self._write_tag(assembly, record_sizes)
                with assembly.block("else"), assembly.block(f"if at > {self._end}"):
                    assembly.line("raise IndexError")
            with assembly.block(f"except {errors}"):
                cut = assembly.constant(self._cut)
                assembly.line(f"raise {cut}(payload, {self._end}) from None")
            message = closing.write_message(assembly, certain=frozenset(), problems=problems)
            if record_sizes:
                assembly.line(f"return {assembly.constant(_with_records)}({message}), earlier)")
            else:
                assembly.line(f"return {message})")

    def _write_tag(self, assembly: Assembly, record_sizes: Sequence[int]) -> None:
        """Writes what happens at one tag of the message."""
        width = self.frame.tag_bytes
        if width == 1:
            assembly.line("tag = payload[at]")
        else:
            assembly.line("tag = payload[at] << 8 | payload[at + 1]")
        if self._length_bytes == 1:
            assembly.line(f"length = payload[at + {width}]")
        elif self._length_bytes:
            high, low = (1, 0) if self.frame.order == "little" else (0, 1)
            assembly.line(f"length = payload[at + {width + high}] << 8 | payload[at + {width + low}]")
        assembly.line(f"at += {width + self._length_bytes}")
        if self._length_bytes:
            with assembly.block(f"if at + length > {self._end}"):
                assembly.line("raise IndexError")
        read = [entry for entry in self.tags if entry.number not in self._skipped]
        self._write_choice(assembly, read, record_sizes)
        if self._length_bytes:
            assembly.line("at += length")

    def _write_choice(self, assembly: Assembly, entries: Sequence[_Tag], record_sizes: Sequence[int]) -> None:
        """Writes the search for a tag: halving, then comparing."""
        if len(entries) > _FEW_TAGS:
            middle = len(entries) // 2
            with assembly.block(f"if tag < {entries[middle].number}"):
                self._write_choice(assembly, entries[:middle], record_sizes)
            with assembly.block("else"):
                self._write_choice(assembly, entries[middle:], record_sizes)
            return
        word = "if"
        for entry in entries:
            with assembly.block(f"{word} tag == {entry.number}"):
                self._write_entry(assembly, entry, record_sizes)
            word = "elif"
        if not self._length_bytes:
            with assembly.block("else") if entries else assembly.block("if True"):
                assembly.line(f"skipped = {assembly.constant(self._skipped)}.get(tag)")
                with assembly.block("if skipped is None"):
                    with assembly.block(f"if at > {self._end}"):
                        assembly.line("raise IndexError")
                    assembly.line(f"problems.append({assembly.constant(self._unknown)}(tag, at))")
                    assembly.line("break")
                assembly.line("at += skipped")

    def _write_entry(self, assembly: Assembly, entry: _Tag, record_sizes: Sequence[int]) -> None:
        if entry.found:
            layout = self.layout(assembly)
            raws = [(cell, layout.add(cell.place), condition(assembly, cell.whens, layout)) for cell in entry.found]
            if self._length_bytes:
                with assembly.block(f"if length < {layout.size}"):
                    assembly.line(f"raise {assembly.constant(self._small)}(tag, length, {layout.size})")
            layout.write(assembly, "at")
            for cell, raw, when in raws:
                ports = "" if cell.ports is None else at_port(assembly, cell.ports)
                with assembly.under(" and ".join(part for part in (ports, when) if part)):
                    write_value(assembly, cell, raw)
        if entry.records >= 0:
            self._write_record_calls(assembly, entry, record_sizes[entry.records])
        elif not self._length_bytes:
            assembly.line(f"at += {entry.size}")

    def _write_record_calls(self, assembly: Assembly, entry: _Tag, size: int) -> None:
        """Writes the reading of one record, or of as many as there are."""
        records = records_of(self.frame)[entry.records]
        call = f"earlier.append(record{entry.records}(payload, "
        full = f"{assembly.constant(too_many)}({self._most})"
        if self._length_bytes:
            if not records.repeat:
                with assembly.block(f"if length < {size}"):
                    assembly.line(f"raise {assembly.constant(self._small)}(tag, length, {size})")
            else:
                with assembly.block(f"if length % {size}"):
                    assembly.line(f"raise {assembly.constant(_broken_records)}(length, {size})")
            steps = f"range(at, at + length, {size})" if records.repeat else "(at,)"
            with assembly.block(f"for start in {steps}"):
                with assembly.block(f"if len(earlier) >= {self._most}"):
                    assembly.line(f"raise {full}")
                assembly.line(f"{call}start))")
            return
        with assembly.block(f"while at < {self._end}") if records.repeat else assembly.block("if True"):
            with assembly.block(f"if len(earlier) >= {self._most}"):
                assembly.line(f"raise {full}")
            assembly.line(f"{call}at))")
            assembly.line(f"at += {size}")

    # errors

    def _shown(self, tag: int) -> str:
        return tag.to_bytes(self.frame.tag_bytes, "big").hex()

    def _unknown(self, tag: int, at: int) -> tuple[str, str, str]:
        start = at - self.frame.tag_bytes
        return "", ProblemCode.UNKNOWN_TAG, f"tag {self._shown(tag)} at byte {start}; the rest was not read"

    def _small(self, tag: int, length: int, needed: int) -> DecodeError:
        return DecodeError(Code.WRONG_LENGTH, f"tag {self._shown(tag)} says {length} bytes; its values need {needed}")

    def _cut(self, payload: bytes, end: int) -> DecodeError:
        """Walks through a message that is cut off, to say where."""
        at, width = self.frame.start, self.frame.tag_bytes
        sizes = {entry.number: entry.size for entry in self.tags if entry.records < 0}
        while at < end:
            head = at + width + self._length_bytes
            if head > end:
                return DecodeError(Code.WRONG_LENGTH, f"the message ends inside the tag at byte {at}")
            tag = int.from_bytes(payload[at : at + width], "big")
            size = sizes.get(tag)
            if self._length_bytes:
                size = int.from_bytes(payload[at + width : head], self.frame.order)
            if size is None or head + size > end:
                needs = "more" if size is None else str(size)
                return DecodeError(
                    Code.WRONG_LENGTH,
                    f"the value of tag {self._shown(tag)} needs {needs} bytes, {max(0, end - head)} are left",
                )
            at = head + size
        return DecodeError(Code.WRONG_LENGTH, f"{len(payload)} bytes; the message is cut off")


def _no_value(size: int) -> DecodeError:
    return DecodeError(Code.WRONG_LENGTH, f"{size} bytes hold no value")


def _broken_records(length: int, size: int) -> DecodeError:
    return DecodeError(Code.WRONG_LENGTH, f"{length} bytes of records; one record has {size}")


def _with_records(message: Message, earlier: list[Message]) -> Message:
    return carrying(message, in_order(earlier)) if earlier else message
