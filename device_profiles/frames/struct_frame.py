"""Frame `struct`: values at fixed places, groups of them by presence bits, records of the past."""

import operator
from collections.abc import Sequence
from itertools import groupby

from device_profiles.decoder import Code, DecodeError, Message
from device_profiles.document import Place as WrittenPlace
from device_profiles.document import StructFrame, StructRecords, When
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
from device_profiles.frames.conversion import Closing, condition, instant, write_value
from device_profiles.frames.layout import SIZES, Layout, Place
from device_profiles.frames.plan import Parts


def lengths(frame: StructFrame) -> tuple[int, ...]:
    """The exact lengths of a struct frame; none where it has a range."""
    if frame.length is None:
        return ()
    return (frame.length,) if isinstance(frame.length, int) else tuple(frame.length)


class StructPlan(BinaryPlan):
    """A model that sends a `struct` frame."""

    frame: StructFrame

    def __init__(self, frame: StructFrame, parts: Parts) -> None:
        super().__init__(frame, parts)
        found = sorted(cells(parts), key=lambda cell: cell.at)
        # several places of one value stay in the order of the profile
        self.always = [cell for cell in found if not self._sometimes(cell)]
        self.sometimes = [cell for cell in cells(parts) if self._sometimes(cell) and cell.group is None]
        self.grouped = [
            [cell for cell in found if cell.group == number]
            for number in range(len(frame.groups.sizes) if frame.groups else 0)
        ]
        self.found = [*self.always, *self.sometimes, *(cell for group in self.grouped for cell in group)]
        self.recorded = record_cells(frame.records, parts) if frame.records else []
        self.batch: object = None  # what `many` made for this model
        self._exact = frozenset(lengths(frame))
        places = [cell.place for cell in self.always] + self._header()
        self.shortest = max(frame.min_length or 0, max((place.end for place in places), default=0) + self._tail)
        self.guaranteed = max(self.shortest, min(self._exact, default=0)) - self._tail

    def reads(self, size: int) -> bool:
        """Whether a message of so many bytes is of the right length."""
        if self._exact:
            return size in self._exact and size >= self.shortest
        longest = MAX_BINARY_BYTES if self.frame.max_length is None else self.frame.max_length
        return 0 < size <= longest and size >= self.shortest

    @staticmethod
    def _sometimes(cell: Cell) -> bool:
        return bool(cell.optional or cell.whens or cell.ports is not None or cell.group is not None)

    def _header(self) -> list[Place]:
        """Places of time, counter, flags, record count and conditions: every message has them."""
        frame = self.frame
        written = [
            frame.seq,
            frame.groups.flags if frame.groups else None,
            frame.records.count if frame.records else None,
        ]
        places = [_place(entry) for entry in written if entry is not None]
        if frame.ts is not None and frame.ts.ports is None:
            places.append(self._ts_place())
        for cell in self.sometimes:
            if not cell.optional and cell.ports is None:
                places += [Place(when.at, when.type, SIZES[when.type]) for when in cell.whens]
        return places

    def _ts_place(self) -> Place:
        ts = self.frame.ts
        assert ts is not None
        kind = str(ts.type or "u32")
        return Place(ts.at if isinstance(ts.at, int) else 0, kind, SIZES[kind])

    def _write(self, assembly: Assembly, formulas: list[tuple[int, Formula]], variables: dict[str, str]) -> None:
        frame = self.frame
        if frame.records is not None:
            closing = Closing(self.parts, formulas, variables, self.recorded)
            self._write_record(assembly, "record", frame.records, self.recorded, closing)
        closing = Closing(self.parts, formulas, variables, self.found)
        with assembly.block("def decode(payload, fport=None)"):
            assembly.line("size = len(payload)")
            gated = any(cell.ports is not None for cell in self.found)
            gated = gated or (frame.records is not None and frame.records.ports is not None)
            gated = gated or (frame.ts is not None and frame.ts.ports is not None)
            self._write_ports(assembly, gated)
            self._write_lengths(assembly)
            self._write_marks(assembly, self.guaranteed)
            header = self.layout(assembly)
            flags, seq, ts, count = self._add_header(header)
            raws = [(cell, header.add(cell.place)) for cell in self.always]
            conditions = self._conditions(assembly, header)
            header.write(assembly)
            certain = frozenset(cell.index for cell in self.always if cell.certain) - {-1}
            closing.write_opening(assembly, certain=certain, problems=closing.has_problems)
            for cell, raw in raws:
                write_value(assembly, cell, raw)
            self._write_sometimes(assembly, conditions)
            if frame.groups is not None:
                self._write_groups(assembly, flags)
            times = self._write_ts(assembly, ts)
            message = closing.write_message(
                assembly, certain=certain, problems=closing.has_problems, ts=times, seq=seq or "None"
            )
            if frame.records is None:
                assembly.line(f"return {message})")
            else:
                assembly.line(f"message = {message})")
                self._write_records(assembly, frame.records, count)

    def _write_ts(self, assembly: Assembly, raw: str) -> str:
        """Writes the reading of the event time; the answer is what the message gets of it."""
        ts = self.frame.ts
        if ts is None:
            return ""
        read = assembly.constant(instant(1000 if ts.unit == "s" else 1))
        if ts.ports is None:
            assembly.line(f"ts, ts_problem = {read}({raw})")
            return "ts, ts_problem"
        assembly.line("ts = ts_problem = None")
        with assembly.block(f"if {at_port(assembly, frozenset(ts.ports))}"):
            layout = self.layout(assembly)
            raw = layout.add(self._ts_place())
            self._write_need(assembly, layout)
            layout.write(assembly)
            assembly.line(f"ts, ts_problem = {read}({raw})")
        return "ts, ts_problem"

    def _write_need(self, assembly: Assembly, layout: Layout) -> None:
        """Writes the check that a message is long enough for what it says it holds."""
        if layout.size > self.guaranteed:
            with assembly.block(f"if {self._end} < {layout.size}"):
                assembly.line(f"raise {assembly.constant(_short)}({self._end}, {layout.size})")

    def _write_lengths(self, assembly: Assembly) -> None:
        wrong = assembly.constant(self._wrong_length)
        if self._exact:
            only = next(iter(self._exact)) if len(self._exact) == 1 else None
            test = f"size != {only}" if only is not None else f"size not in {assembly.constant(self._exact)}"
            if min(self._exact) < self.shortest:
                test += f" or size < {self.shortest}"
        else:
            longest = MAX_BINARY_BYTES if self.frame.max_length is None else self.frame.max_length
            test = f"size < {self.shortest} or size > {longest}" if self.shortest else f"size > {longest}"
        with assembly.block(f"if {test}"):
            assembly.line(f"raise {wrong}(size)")

    def _wrong_length(self, size: int) -> DecodeError:
        if size > MAX_BINARY_BYTES:
            return too_large(size)
        longest = self.frame.max_length
        if self._exact and size not in self._exact:
            expected = " or ".join(str(length) for length in sorted(self._exact))
        elif longest is None:
            expected = f"at least {self.shortest}"
        else:
            expected = f"{self.shortest} to {longest}"
        return DecodeError(Code.WRONG_LENGTH, f"{size} bytes; this model sends {expected}")

    def _add_header(self, header: Layout) -> tuple[str, str, str, str]:
        """Variables or expressions of flags, counter, time and number of records."""
        frame = self.frame
        flags = header.add(_place(frame.groups.flags)) if frame.groups else ""
        seq = ""
        if frame.seq is not None:
            seq = _picked(frame.seq, header.add(_place(frame.seq)))
        ts = header.add(self._ts_place()) if frame.ts is not None and frame.ts.ports is None else ""
        count = ""
        if frame.records is not None and frame.records.count is not None:
            count = _picked(frame.records.count, header.add(_place(frame.records.count)))
        if frame.groups is not None:
            flags = _picked(frame.groups.flags, flags)
        return flags, seq, ts, count

    def _conditions(self, assembly: Assembly, header: Layout) -> list[tuple[Cell, str]]:
        """The condition of each value that is not in every message, as far as the header tells it."""
        result = []
        for cell in self.sometimes:
            said = []
            if cell.ports is not None:
                said.append(at_port(assembly, cell.ports))
            if not cell.optional and cell.ports is None and cell.whens:
                said.append(condition(assembly, cell.whens, header))
            if cell.optional:
                needed = max([cell.place.end, *(when.at + SIZES[when.type] for when in cell.whens)])
                if needed > self.guaranteed:
                    said.append(f"{self._end} >= {needed}")
            result.append((cell, " and ".join(said)))
        return result

    def _write_sometimes(self, assembly: Assembly, conditions: Sequence[tuple[Cell, str]]) -> None:
        """Writes the reading of values that are not in every message, those under one condition together."""
        for condition_, group in groupby(conditions, key=lambda entry: entry[1]):
            members = [cell for cell, _ in group]
            with assembly.under(condition_):
                gates = self.layout(assembly)
                owns = [condition(assembly, self._own(cell), gates) for cell in members]
                if gates.size:
                    self._write_need(assembly, gates)
                    gates.write(assembly)
                for own, some in groupby(zip(members, owns, strict=True), key=operator.itemgetter(1)):
                    with assembly.under(own):
                        self._write_values(assembly, [cell for cell, _ in some])

    @staticmethod
    def _own(cell: Cell) -> Sequence[When]:
        """The conditions of a value that can only be read once its port or the length of the message is known."""
        return cell.whens if cell.optional or cell.ports is not None else ()

    def _write_values(self, assembly: Assembly, members: Sequence[Cell]) -> None:
        layout = self.layout(assembly)
        raws = [(cell, layout.add(cell.place)) for cell in members]
        if not members[0].optional:
            self._write_need(assembly, layout)
        layout.write(assembly)
        for cell, raw in raws:
            write_value(assembly, cell, raw)

    def _write_groups(self, assembly: Assembly, flags: str) -> None:
        """Writes the reading of the groups whose bits are set, one after the other."""
        groups = self.frame.groups
        assert groups is not None
        assembly.line(f"flags = {flags}")
        assembly.line(f"at = {groups.start}")
        bits = groups.bits or range(len(groups.sizes))
        for bit, size, members in zip(bits, groups.sizes, self.grouped, strict=True):
            if not size:
                continue
            with assembly.block(f"if flags & {1 << bit}"):
                with assembly.block(f"if at + {size} > {self._end}"):
                    assembly.line(f"raise {assembly.constant(_cut_group)}({bit}, {size}, at, {self._end})")
                if members:
                    layout = self.layout(assembly)
                    raws = [(cell, layout.add(cell.place), condition(assembly, cell.whens, layout)) for cell in members]
                    layout.write(assembly, "at")
                    for cell, raw, when in raws:
                        ports = "" if cell.ports is None else at_port(assembly, cell.ports)
                        with assembly.under(" and ".join(part for part in (ports, when) if part)):
                            write_value(assembly, cell, raw)
                assembly.line(f"at += {size}")
        with assembly.block(f"if at != {self._end}"):
            assembly.line(f"raise {assembly.constant(_trailing)}(size, at)")

    def _write_records(self, assembly: Assembly, records: StructRecords, count: str) -> None:
        past = assembly.constant(_past(records, most_records(len(self.recorded))))
        if records.ports is not None:
            with assembly.block(f"if port not in {assembly.constant(frozenset(records.ports))}"):
                assembly.line("return message")
        assembly.line(f"return {past}(record, message, payload, {self._end}, {count or 'None'})")


def _past(records: StructRecords, most: int):  # type: ignore[no-untyped-def]  # noqa: ANN202 - called by lines alone
    """Reads the records of one message and puts them in order."""
    start, size, every_s = records.start, records.size, records.every_s
    newest_age_s = records.newest_age_s if records.newest_age_s is not None else every_s

    def read(record, message: Message, payload: bytes, end: int, count: int | None) -> Message:  # type: ignore[no-untyped-def]  # noqa: ANN001
        left = max(0, end - start)
        if count is None:
            count, rest = divmod(left, size)
            if rest:
                raise DecodeError(Code.WRONG_LENGTH, f"{left} bytes of records; one record has {size}")
        elif count * size > left:
            raise DecodeError(Code.WRONG_LENGTH, f"{count} records need {count * size} bytes, {left} are there")
        if count > most:
            raise too_many(most)
        earlier = [record(payload, at) for at in range(start, start + count * size, size)]
        if records.ts is not None:
            return carrying(message, in_order(earlier))
        if records.newest_first:
            earlier.reverse()
        if every_s is not None and newest_age_s is not None:
            for number, each in enumerate(reversed(earlier)):
                age_s = newest_age_s + number * every_s
                if message.ts is None:
                    each.age_s = age_s
                else:
                    each.ts = round(message.ts - age_s * 1000)
        return carrying(message, earlier)

    return read


def _place(written: WrittenPlace) -> Place:
    return Place(written.at, written.type, SIZES[written.type])


def _picked(written: WrittenPlace, raw: str) -> str:
    picked = raw if written.mask is None else f"({raw} & {written.mask})"
    return f"({picked} >> {written.shift})" if written.shift else picked


def _short(size: int, needed: int) -> DecodeError:
    return DecodeError(Code.WRONG_LENGTH, f"{size} bytes; what this message says it holds needs {needed}")


def _cut_group(bit: int, size: int, at: int, end: int) -> DecodeError:
    left = max(0, end - at)
    return DecodeError(Code.WRONG_LENGTH, f"the group of bit {bit} needs {size} bytes from byte {at}, {left} are left")


def _trailing(size: int, at: int) -> DecodeError:
    return DecodeError(Code.WRONG_LENGTH, f"{size} bytes; by its flags the message ends at byte {at}")
