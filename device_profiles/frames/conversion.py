"""The lines that turn raw values into values, values into derived ones and events, and all of it into a Message."""

from collections.abc import Callable, Sequence
from typing import Any

from device_profiles.decoder import Message, ProblemCode
from device_profiles.document import When
from device_profiles.frames import arithmetic
from device_profiles.frames.arithmetic import Formula
from device_profiles.frames.assembly import Assembly
from device_profiles.frames.cells import Cell
from device_profiles.frames.layout import SIZES, Layout, Place
from device_profiles.frames.plan import Parts
from device_profiles.frames.values import Flaw, key, mapped, ratio, shown, text_number
from wire.time import LAST_MS


def condition(assembly: Assembly, whens: Sequence[When], layout: Layout) -> str:
    """The expression of the conditions under which a value is there; empty without any."""
    said = []
    for when in whens:
        name = layout.add(Place(when.at, when.type, SIZES[when.type]))
        raw = name if when.mask is None else f"({name} & {when.mask})"
        if when.equals is None:
            said.append(raw)
            continue
        allowed = [when.equals] if isinstance(when.equals, int) else sorted(set(when.equals))
        if len(allowed) == 1:
            said.append(f"{raw} == {allowed[0]}")
        else:
            said.append(f"{raw} in {assembly.constant(frozenset(allowed))}")
    return " and ".join(said)


def integer_map(table: dict[str, Any]) -> dict[int, Any]:
    """A map by raw integer."""
    return {int(name): value for name, value in table.items() if name.lstrip("-").isdecimal()}


def write_value(assembly: Assembly, cell: Cell, raw: str) -> None:
    """Writes what a raw value goes through into `v…` or `texts`."""
    with assembly.under(f"{raw} is not None" if cell.nullable else ""):
        picked = raw if cell.worded or cell.real else _bits(assembly, cell, raw)
        if not cell.missing:
            _write_there(assembly, cell, picked)
            return
        if picked != raw:
            assembly.line(f"x = {picked}")
            picked = "x"
        only = cell.missing[0] if len(cell.missing) == 1 else None
        if isinstance(only, int):
            there = f"{picked} != {only}"
        else:
            there = f"{picked} not in {assembly.constant(frozenset(cell.missing))}"
        with assembly.under(there):
            _write_there(assembly, cell, picked)


def _write_there(assembly: Assembly, cell: Cell, picked: str) -> None:
    """Writes the steps of a raw value that does not mean 'not measured'."""
    if cell.map:
        _write_mapped(assembly, cell, picked)
    elif cell.index < 0:
        text = picked if cell.worded else f"str({picked})"
        assembly.line(f"texts[{assembly.constant(cell.name)}] = {text}")
    elif cell.worded:
        assembly.line(f"x = {assembly.constant(text_number)}({picked})")
        with assembly.block(f"if x.__class__ is {assembly.constant(Flaw)}"):
            assembly.line(f"problems.append(({assembly.constant(cell.name)}, x.code, x.detail))")
        with assembly.block("else"):
            assembly.line(f"v{cell.index} = {_linear('x', cell.scale, cell.offset)}")
    elif cell.real:
        assembly.line(f"v{cell.index} = {_linear(picked, cell.scale, cell.offset)}")
    else:
        assembly.line(f"v{cell.index} = {_integer(picked, cell)}")


def _bits(assembly: Assembly, cell: Cell, raw: str) -> str:
    """The bits that count, signed where they are."""
    picked = raw if cell.mask is None else f"({raw} & {cell.mask})"
    if cell.shift:
        picked = f"({picked} >> {cell.shift})"
    if cell.sign is None:
        return picked
    bits = 8 * cell.size - cell.shift if cell.mask is None else (cell.mask >> cell.shift).bit_length()
    top = 1 << max(0, bits - 1)
    assembly.line(f"x = {picked}")
    if cell.sign == "magnitude":
        return f"(-(x & {top - 1}) if x & {top} else x)"
    return f"(x - ((x & {top}) << 1))"


def _integer(picked: str, cell: Cell) -> str:
    raw = f"({picked} + {cell.bias})" if cell.bias else picked
    factor, divisor = ratio(cell.scale)
    scaled = f"{raw} / {divisor!r}" if divisor != 1.0 else f"{raw} * {factor!r}"
    return f"{scaled} + {cell.offset!r}" if cell.offset or factor < 0 or divisor < 0 else scaled


def _linear(value: str, scale: float | None, offset: float) -> str:
    factor, divisor = ratio(scale)
    if divisor != 1.0:
        value = f"{value} / {divisor!r}"
    elif factor != 1.0:
        value = f"{value} * {factor!r}"
    return f"{value} + {offset!r}" if offset else value


def _write_mapped(assembly: Assembly, cell: Cell, picked: str) -> None:
    if picked != "x":
        assembly.line(f"x = {picked}")
    name = assembly.constant(cell.name)
    if cell.real or cell.worded:
        assembly.line(f"y = {assembly.constant(mapped(cell.map))}(x)")
        missed = f"y.__class__ is {assembly.constant(Flaw)}"
    else:
        assembly.line(f"y = {assembly.constant(integer_map(dict(cell.map)).get)}(x)")
        missed = "y is None"
    with assembly.block(f"if {missed}"):
        code = assembly.constant(ProblemCode.UNMAPPED)
        assembly.line(f"problems.append(({name}, {code}, {assembly.constant(shown)}(x)))")
    with assembly.block("else"):
        if cell.index < 0:
            assembly.line(f"texts[{name}] = y")
        else:
            assembly.line(f"v{cell.index} = {_linear('y', cell.scale, cell.offset)}")


def may_have_problems(found: Sequence[Cell]) -> bool:
    """Whether a value of these cells can be a problem."""
    return any(cell.map or (cell.worded and cell.index >= 0) for cell in found)


class Closing:
    """The end of every message of a model: derived values, events, and the Message itself.

    Args:
        parts: the profile.
        formulas: of the derived points whose parameters the device has.
        parameters: variable of each parameter by name.
        found: all cells; they say which values may be absent or no number.
    """

    def __init__(
        self,
        parts: Parts,
        formulas: Sequence[tuple[int, Formula]],
        parameters: dict[str, str],
        found: Sequence[Cell],
    ) -> None:
        self._parts = parts
        self._formulas = formulas
        self._parameters = parameters
        self._nan = {cell.index for cell in found if cell.real or cell.worded} | {index for index, _ in formulas}
        self.width = len(parts.points)
        self.has_problems = may_have_problems(found) or any(
            "/" in formula.text or "sqrt" in formula.text for _, formula in formulas
        )

    def write_opening(self, assembly: Assembly, *, certain: frozenset[int], problems: bool) -> None:
        """Writes what must be there before values are written; `certain`: points that get a value in any case."""
        absent = [f"v{index}" for index in range(self.width) if index not in certain]
        if absent:
            assembly.line(" = ".join([*absent, "None"]))
        if self._parts.states:
            assembly.line("texts = {}")
        if problems:
            assembly.line("problems = []")

    def write_message(
        self, assembly: Assembly, *, certain: frozenset[int], problems: bool, ts: str = "", seq: str = "None"
    ) -> str:
        """Writes derived values and events; the answer is the expression of the message."""
        known = set(certain)
        index_of = {point.name: index for index, point in enumerate(self._parts.points)}
        for index, formula in self._formulas:
            inputs = sorted(index_of[name] for name in formula.names if name in index_of)
            there = " and ".join(f"v{position} is not None" for position in inputs if position not in known)
            with assembly.under(there):
                self._write_formula(assembly, index, formula, index_of)
        events = self._write_events(assembly)
        values = "".join(f"v{index}, " for index in range(self.width))
        texts = "texts" if self._parts.states else "{}"
        said = "tuple(problems) if problems else ()" if problems else "()"
        times = ts or "None, None"
        return f"{assembly.constant(Message)}({times}, {seq}, None, ({values}), {texts}, {events}, {said}"

    def _write_formula(self, assembly: Assembly, index: int, formula: Formula, index_of: dict[str, int]) -> None:
        names = {
            name: f"v{index_of[name]}" if name in index_of else self._parameters[name] for name in sorted(formula.names)
        }
        written = arithmetic.written(formula, names)
        if written is None:
            pairs = ", ".join(f"{assembly.constant(name)}: {variable}" for name, variable in names.items())
            written = f"{assembly.constant(formula.evaluate)}({{{pairs}}})"
        if "/" not in formula.text and "sqrt" not in formula.text:
            assembly.line(f"v{index} = {written}")
            return
        with assembly.block("try"):
            assembly.line(f"v{index} = {written}")
        with assembly.block("except (ArithmeticError, ValueError) as error"):
            name = assembly.constant(self._parts.points[index].name)
            said = f"{assembly.constant(formula.text + ': ')} + str(error)"
            assembly.line(f"problems.append(({name}, {assembly.constant(ProblemCode.NO_RESULT)}, {said}))")

    def _write_events(self, assembly: Assembly) -> str:
        """Writes the lines that collect events; the answer is the expression that holds them."""
        slots = event_slots(self._parts)
        if not slots:
            return "()"
        before: set[str] = set()
        assembly.line("events = ()")
        for index, name, table in slots:
            if isinstance(table, str):
                test = f"v{index}" + (f" and v{index} == v{index}" if index in self._nan else "")
                event = assembly.constant(table)
                again = f" and {event} not in events" if table in before else ""
                with assembly.block(f"if {test}{again}"):
                    assembly.line(f"events += {assembly.constant((table,))}")
                before.add(table)
                continue
            raw = f"v{index}" if index >= 0 else f"texts.get({assembly.constant(name)})"
            assembly.line(f"event = {assembly.constant(table.get)}({raw})")
            with assembly.block("if event is not None and event not in events"):
                assembly.line("events += (event,)")
            before |= set(table.values())
        return "events"


def event_slots(parts: Parts) -> list[tuple[int, str, str | dict[Any, str]]]:
    """What announces events, in the order of announcement: point index (-1: a state), name, event or table of them."""
    flags: list[tuple[int, str, str | dict[Any, str]]] = []
    tables: list[tuple[int, str, str | dict[Any, str]]] = []
    for index, point in enumerate(parts.points):
        event = parts.documents[point.name].event
        if isinstance(event, str):
            flags.append((index, point.name, event))
        elif event:
            tables.append((index, point.name, {float(raw): it for raw, it in event.items() if _is_number(raw)}))
    tables += [(-1, name, dict(state.event)) for name, state in parts.states.items() if state.event]
    return [*flags, *tables]


def _is_number(raw: str) -> bool:
    try:
        return key(float(raw)) == raw
    except ValueError:
        return False


NEVER_SET_MS = 946_684_800_000
"""A device that says a time before the year 2000 has a clock that was never set: that is no time."""


def instant(factor: int) -> Callable[[Any], tuple[int | None, str | None]]:
    """Reads a raw count of seconds (factor 1000) or milliseconds as an instant: epoch ms, or why it is none."""

    def read(count: Any) -> tuple[int | None, str | None]:
        if count is None or not 0 <= count * factor <= LAST_MS:
            return None, f"{count} is not an instant"
        instant_ms = int(count * factor)
        return (None if instant_ms < NEVER_SET_MS else instant_ms), None

    return read
