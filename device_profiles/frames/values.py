"""From a raw number or word to the value that it stands for; from values to derived values and events."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from device_profiles.decoder import Point, ProblemCode
from device_profiles.document import PointDocument
from device_profiles.frames.arithmetic import Formula


class Flaw:
    """A value that could not be had, and why."""

    __slots__ = ("code", "detail")

    def __init__(self, code: ProblemCode, detail: str) -> None:
        self.code = code
        self.detail = detail


Convert = Callable[[Any], Any]
"""Raw value to float or text; None = not measured; a Flaw."""


def shown(raw: Any) -> str:
    """A raw value for people, cut short."""
    if isinstance(raw, list | dict):
        return f"a list of {len(raw)}" if isinstance(raw, list) else f"an object of {len(raw)}"
    if isinstance(raw, int) and raw.bit_length() > 200:
        return f"a number of {raw.bit_length()} bits"
    text = repr(raw[:60] if isinstance(raw, str | bytes) else raw)
    return text if len(text) <= 60 else text[:57] + "..."


def key(raw: Any) -> str:
    """How a raw value is written as a key of a `map`."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and math.isfinite(raw) and raw == int(raw):
        return str(int(raw))
    return hex(raw) if isinstance(raw, int) and raw.bit_length() > 200 else str(raw)


def number(raw: Any) -> Any:
    """A JSON value as a float; booleans are 0 and 1; a Flaw for what is no number."""
    if isinstance(raw, float):
        return raw
    if raw is None:
        return None
    if isinstance(raw, int):
        try:
            return float(raw)
        except OverflowError:
            return math.inf if raw > 0 else -math.inf
    return Flaw(ProblemCode.NOT_A_NUMBER, shown(raw))


def text_number(raw: Any) -> Any:
    """A number that the device sends as text."""
    if not isinstance(raw, str):
        return number(raw)
    try:
        return float(raw) if len(raw) <= 40 and "_" not in raw else Flaw(ProblemCode.NOT_A_NUMBER, shown(raw))
    except ValueError:
        return Flaw(ProblemCode.NOT_A_NUMBER, shown(raw))


_ON = frozenset({"on", "true", "yes", "1"})
_OFF = frozenset({"off", "false", "no", "0"})


def onoff(raw: Any) -> Any:
    """1 or 0 for the words by which devices say on and off, in any case; booleans, 1 and 0 too."""
    if isinstance(raw, str):
        word = raw.strip().lower() if len(raw) <= 16 else raw
        if word in _ON:
            return 1.0
        return 0.0 if word in _OFF else Flaw(ProblemCode.UNMAPPED, shown(raw))
    if raw is None:
        return None
    if isinstance(raw, int | float) and raw in (0, 1):
        return float(raw)
    return Flaw(ProblemCode.UNMAPPED, shown(raw))


def linear(scale: float | None, offset: float) -> Convert | None:
    """`raw x scale + offset`; None when that changes nothing."""
    factor, divisor = ratio(scale)
    if divisor != 1.0:
        return lambda raw: raw / divisor + offset
    if factor != 1.0:
        return lambda raw: raw * factor + offset
    return None if offset == 0.0 else (lambda raw: raw + offset)


def integer(mask: int | None, shift: int, bias: int, scale: float | None, offset: float) -> Convert:
    """Mask, shift, bias, scale and offset of a raw integer in one step; the answer is a float."""
    kept = -1 if mask is None else mask
    factor, divisor = ratio(scale)
    if divisor != 1.0:
        return lambda raw: (((raw & kept) >> shift) + bias) / divisor + offset
    return lambda raw: (((raw & kept) >> shift) + bias) * factor + offset


def ratio(scale: float | None) -> tuple[float, float]:
    """A scale as factor and divisor: one over a whole number divides, so that 257 x 0.1 is 25.7 and not 25.700…3."""
    if scale is None:
        return 1.0, 1.0
    inverse = round(1 / scale) if 1e-15 < abs(scale) < 1 else 0
    if inverse and math.isclose(1 / inverse, scale, rel_tol=1e-12):
        return 1.0, float(inverse)
    return scale, 1.0


def mapped(table: Mapping[str, Any]) -> Convert:
    """Looks a raw value up; what the table does not know is a Flaw."""
    numbers = {int(name): value for name, value in table.items() if name.lstrip("-").isdecimal()}

    def convert(raw: Any) -> Any:
        if raw.__class__ is str:
            found = table.get(raw)
        elif raw is None:
            return None
        elif raw.__class__ in (list, dict):
            return Flaw(ProblemCode.UNMAPPED, shown(raw))
        else:
            found = numbers.get(raw) if raw.__class__ is int else table.get(key(raw))
        return Flaw(ProblemCode.UNMAPPED, shown(raw)) if found is None else found

    return convert


def bits(mask: int | None, shift: int) -> Convert | None:
    """Mask, then shift, of a raw integer."""
    if mask is None:
        return (lambda raw: raw >> shift) if shift else None
    return lambda raw: (raw & mask) >> shift


def chain(*steps: Convert | None) -> Convert | None:
    """One step after another, stopping at None and at a Flaw; None when there is nothing to do."""
    real = [step for step in steps if step is not None]
    if not real:
        return None
    if len(real) == 1:
        return real[0]

    def convert(raw: Any) -> Any:
        for step in real:
            if raw is None or raw.__class__ is Flaw:
                return raw
            raw = step(raw)
        return raw

    return convert


def absent(missing: Sequence[int | float | str]) -> Convert | None:
    """None for the raw values by which the device says that it did not measure."""
    if not missing:
        return None
    raws = frozenset(missing)
    return lambda raw: None if raw.__class__ not in (list, dict, bool) and raw in raws else raw


class Announcements:
    """The events that values and states stand for."""

    def __init__(self, points: Sequence[tuple[int, PointDocument]], states: Mapping[str, Mapping[str, str]]) -> None:
        self._flags = [(index, str(document.event)) for index, document in points if isinstance(document.event, str)]
        self._values = [(index, document.event) for index, document in points if isinstance(document.event, dict)]
        self._states = [(name, events) for name, events in states.items() if events]
        self.silent = not (self._flags or self._values or self._states)

    def of(self, values: Sequence[float | None], texts: Mapping[str, str]) -> tuple[str, ...]:
        """The events of one message, each once, in the order of the profile."""
        if self.silent:
            return ()
        found: list[str] = []
        for index, event in self._flags:
            value = values[index]
            if value and value == value and event not in found:  # NaN is unlike itself
                found.append(event)
        for index, events in self._values:
            value = values[index]
            if value is not None and (named := events.get(key(value))) is not None and named not in found:
                found.append(named)
        for name, by_state in self._states:
            state = texts.get(name)
            if state is not None and (named_by := by_state.get(state)) is not None and named_by not in found:
                found.append(named_by)
        return tuple(found)


class Derivation:
    """The derived points of one device: formulas over its points and parameters."""

    def __init__(
        self, points: Sequence[Point], formulas: Sequence[tuple[int, Formula]], parameters: Mapping[str, float]
    ) -> None:
        self.parameters = {name: float(value) for name, value in parameters.items()}
        index_of = {point.name: index for index, point in enumerate(points)}
        self._steps = []
        missing: dict[str, None] = {}
        for index, formula in formulas:
            absent_names = [name for name in sorted(formula.names) if name not in index_of and name not in parameters]
            missing.update(dict.fromkeys(absent_names))
            if not absent_names:
                inputs = [(name, index_of[name]) for name in sorted(formula.names) if name in index_of]
                self._steps.append((index, points[index].name, formula, inputs))
        self.missing = tuple(missing)
        self.idle = not self._steps

    def apply(self, values: list[float | None], problems: list[tuple[str, str, str]]) -> None:
        """Fills the derived values in; a formula lacking an input leaves None."""
        for index, name, formula, inputs in self._steps:
            names = dict(self.parameters)
            for source, position in inputs:
                value = values[position]
                if value is None:
                    break
                names[source] = value
            else:
                try:
                    values[index] = formula.evaluate(names)
                except (ArithmeticError, ValueError) as error:
                    problems.append((name, ProblemCode.NO_RESULT, f"{formula.text}: {error}"))


IDLE = Derivation((), (), {})
"""Of a profile without derived points."""
