"""What the binary frames (struct, registers, tlv) share: one function compiled for a model, and its errors."""

from collections.abc import Callable, Sequence
from typing import Any

from device_profiles.decoder import MAX_EARLIER, Code, DecodeError, Decoder, Message, Point
from device_profiles.document import BinaryFrame, Records
from device_profiles.frames.arithmetic import Formula
from device_profiles.frames.assembly import Assembly
from device_profiles.frames.cells import Cell
from device_profiles.frames.conversion import Closing, condition, instant, write_value
from device_profiles.frames.layout import CHECKSUMS, SIZES, Layout, Place
from device_profiles.frames.plan import Parts, Plan
from device_profiles.frames.values import Derivation

MAX_BINARY_BYTES = 4096
"""Radio frames have some 250 bytes at most; longer ones are refused unread, or one could hold up a decoder for long."""

MAX_RECORD_VALUES = 8192
"""Values that the records of one message may hold together; with the most points a record has, fewer records."""

Decode = Callable[[bytes, int | None], Message]


class BinaryDecoder(Decoder):
    """The decoder of one device. Everything happens in one function, which the plan has compiled for its model."""

    plan: "BinaryPlan"
    _longest_payload = MAX_BINARY_BYTES

    def __init__(
        self,
        plan: "BinaryPlan",
        points: tuple[Point, ...],
        missing: tuple[str, ...],
        given: Sequence[float],
        decode: Any,
    ) -> None:
        self.plan = plan
        self.points = points
        self.missing = missing
        self.given = given  # the parameters that the formulas use, in the order of the plan
        self.decode = decode  # type: ignore[method-assign]  # checks and reads in one step


class BinaryPlan(Plan):
    """The compiled form of a model with a binary frame."""

    def __init__(self, frame: BinaryFrame, parts: Parts) -> None:
        self.frame = frame
        self.parts = parts
        self.points = tuple(parts.points)
        self._nothing: tuple[None, ...] = (None,) * len(self.points)
        self._tail = CHECKSUMS[frame.checksum.kind][1] if frame.checksum else 0
        self._end = "end" if self._tail else "size"
        self._made: dict[tuple[str, ...], tuple[tuple[str, ...], Callable[..., Decode]]] = {}
        self._idle: Decode | None = None

    def decoder(self, derivation: Derivation) -> BinaryDecoder:
        """The decoder of one device."""
        if not self.parts.formulas:
            if self._idle is None:
                self._idle = self.factory(())[1]()
            return BinaryDecoder(self, self.points, (), (), self._idle)
        names, make = self.factory(derivation.missing)
        given = [derivation.parameters[name] for name in names]
        return BinaryDecoder(self, self.points, derivation.missing, given, make(*given))

    def factory(self, missing: tuple[str, ...]) -> tuple[tuple[str, ...], Callable[..., Decode]]:
        """For devices that lack these parameters: the names of those that they need, and what takes their values."""
        made = self._made.get(missing)
        if made is None:
            names, assembly = self.assemble(missing)
            made = self._made[missing] = (names, assembly.compile("make"))
        return made

    def formulas(self, missing: tuple[str, ...]) -> list[tuple[int, Formula]]:
        """The formulas that devices lacking these parameters can work out."""
        return [(index, formula) for index, formula in self.parts.formulas if not formula.names & set(missing)]

    def parameters(self, missing: tuple[str, ...]) -> tuple[str, ...]:
        """The parameters that those formulas use, in the order in which `make` takes them."""
        points = {point.name for point in self.points}
        used = {name for _, formula in self.formulas(missing) for name in formula.names}
        return tuple(sorted(used - points))

    def assemble(self, missing: tuple[str, ...]) -> tuple[tuple[str, ...], Assembly]:
        """The names of the parameters, and the lines of `make(p0, p1, …)`, which gives the decoding function."""
        names = self.parameters(missing)
        variables = {name: f"p{number}" for number, name in enumerate(names)}
        assembly = Assembly()
        with assembly.block(f"def make({', '.join(variables.values())})"):
            self._write(assembly, self.formulas(missing), variables)
            assembly.line("return decode")
        return names, assembly

    def _write(self, assembly: Assembly, formulas: list[tuple[int, Formula]], variables: dict[str, str]) -> None:
        """Writes the function `decode(payload, fport=None)` and those that it uses."""
        raise NotImplementedError

    # what the frames write alike

    def _write_ports(self, assembly: Assembly, gated: bool) -> None:
        frame = self.frame
        if frame.ports is not None:
            here = frozenset(frame.ports) - frozenset(frame.other_ports)
            elsewhere = f"fport != {min(here)}" if len(here) == 1 else f"fport not in {assembly.constant(here)}"
        elif frame.other_ports:
            elsewhere = f"fport in {assembly.constant(frozenset(frame.other_ports))}"
        else:
            elsewhere = ""
        if elsewhere:
            with assembly.block(f"if {elsewhere} and fport is not None"):
                assembly.line(f"return {assembly.constant(self._elsewhere)}(size, fport)")
        if gated:
            first = frame.ports[0] if frame.ports else -1
            assembly.line(f"port = {first} if fport is None else fport")
        if frame.answers:
            answers = frozenset(bytes.fromhex(answer) for answer in frame.answers)
            longest = max(len(answer) for answer in answers)
            with assembly.block(f"if size <= {longest} and payload in {assembly.constant(answers)}"):
                assembly.line(f"return {assembly.constant(self._empty)}()")

    def _write_marks(self, assembly: Assembly, guaranteed: int = 0) -> None:
        """Writes the checks of constant bytes and of the checksum; so many bytes are there in any case."""
        for match in self.frame.match:
            mark = bytes.fromhex(match.bytes)
            test = f"payload[{match.at}:{match.at + len(mark)}] != {assembly.constant(mark)}"
            if len(mark) == 1 and match.at < guaranteed:
                test = f"payload[{match.at}] != {mark[0]}"
            with assembly.block(f"if {test}"):
                wrong = assembly.constant(_wrong_marker)
                assembly.line(f"raise {wrong}(payload, {match.at}, {assembly.constant(mark)})")
        if self.frame.checksum is not None:
            assembly.line(f"{assembly.constant(self._verify)}(payload)")
            assembly.line(f"end = size - {self._tail}")

    def _write_record(
        self, assembly: Assembly, name: str, records: Records, found: list[Cell], closing: Closing
    ) -> int:
        """Writes `name(payload, at)`, which reads one record of the past; the answer is the bytes that it reads."""
        with assembly.block(f"def {name}(payload, at)"):
            layout = self.layout(assembly)
            ts = None
            if records.ts is not None:
                kind = str(records.ts.type or "u32")
                ts = layout.add(Place(_offset(records.ts.at), kind, SIZES[kind]))
            raws = [(cell, layout.add(cell.place), condition(assembly, cell.whens, layout)) for cell in found]
            layout.write(assembly, "at")
            certain = frozenset(cell.index for cell in found if cell.certain and not cell.whens) - {-1}
            closing.write_opening(assembly, certain=certain, problems=closing.has_problems)
            for cell, raw, when in raws:
                with assembly.under(when):
                    write_value(assembly, cell, raw)
            times = ""
            if ts is not None and records.ts is not None:
                assembly.line(f"ts, ts_problem = {assembly.constant(instant(_factor(records.ts.unit)))}({ts})")
                times = "ts, ts_problem"
            message = closing.write_message(assembly, certain=certain, problems=closing.has_problems, ts=times)
            assembly.line(f"return {message})")
        return layout.size

    def layout(self, assembly: Assembly) -> Layout:
        """Places that are read together."""
        return Layout(self.frame.order, low_first=self.frame.words == "low_first", prefix=assembly.prefix())

    # what happens seldom, or is an error

    def _empty(self) -> Message:
        return Message(None, None, None, None, self._nothing, {}, (), ())

    def _elsewhere(self, size: int, fport: int) -> Message:
        """What there is to a message on a port without values."""
        if size > MAX_BINARY_BYTES:
            raise too_large(size)
        if fport in self.frame.other_ports:
            return self._empty()
        expected = ", ".join(str(port) for port in sorted(self.frame.ports or ()))
        raise DecodeError(Code.WRONG_PORT, f"port {fport}; this model sends on port {expected}")

    def _verify(self, payload: bytes) -> None:
        checksum = self.frame.checksum
        assert checksum is not None
        if len(payload) < self._tail + checksum.start:
            raise DecodeError(Code.WRONG_LENGTH, f"{len(payload)} bytes; too short for its checksum")
        function, size = CHECKSUMS[checksum.kind]
        stands = int.from_bytes(payload[-size:], checksum.order)
        computed = function(payload[checksum.start : -size])
        if stands != computed:
            raise DecodeError(
                Code.BAD_CHECKSUM, f"{stands:0{2 * size}x} stands there, {computed:0{2 * size}x} would be right"
            )


def at_port(assembly: Assembly, ports: frozenset[int]) -> str:
    """The expression that a message came on one of these ports."""
    return f"port == {next(iter(ports))}" if len(ports) == 1 else f"port in {assembly.constant(ports)}"


def too_large(size: int) -> DecodeError:
    """The error of a payload that is not read for its size."""
    return DecodeError(Code.TOO_LARGE, f"{size} bytes; at most {MAX_BINARY_BYTES} are read")


def most_records(values: int) -> int:
    """How many records of so many values one message may hold."""
    return min(MAX_EARLIER, MAX_RECORD_VALUES // max(1, values))


def too_many(most: int) -> DecodeError:
    """The error of a message with more records than are read."""
    return DecodeError(Code.MALFORMED, f"more than {most} records of the past in one message")


def carrying(message: Message, earlier: list[Message]) -> Message:
    """A message with its records, oldest first. One without values of its own is the newest record itself."""
    if earlier and all(value is None for value in message.values) and not message.texts:
        newest = earlier.pop()
        if newest.ts is None and newest.ts_problem is None:
            newest.ts, newest.ts_problem = message.ts, message.ts_problem
        newest.seq = message.seq
        newest.problems = (*message.problems, *newest.problems)
        if newest.age_s is not None:
            for record in earlier:
                if record.age_s is not None:
                    record.age_s -= newest.age_s
        message = newest
    message.earlier = tuple(earlier)
    return message


def in_order(earlier: list[Message]) -> list[Message]:
    """Records oldest first; as they stand where one of them has no time."""
    if all(record.ts is not None for record in earlier):
        earlier.sort(key=lambda record: record.ts or 0)
    return earlier


def _wrong_marker(payload: bytes, at: int, mark: bytes) -> DecodeError:
    stands = payload[at : at + len(mark)].hex() or "missing"
    return DecodeError(Code.WRONG_MARKER, f"byte {at} is {stands}, not {mark.hex()}: another model?")


def _offset(at: object) -> int:
    """A byte offset; `consistency` has refused everything but a number."""
    return at if isinstance(at, int) else 0


def _factor(unit: str) -> int:
    return 1000 if unit == "s" else 1
