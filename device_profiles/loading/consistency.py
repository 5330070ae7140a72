"""What must hang together in a profile beyond the form of each key."""

from collections.abc import Collection, Iterator

from device_profiles.decoder import Code, ProblemCode
from device_profiles.document import (
    BinaryFrame,
    ExampleDocument,
    PointDocument,
    ProfileDocument,
    StateDocument,
)
from device_profiles.error import Problem
from device_profiles.frames import arithmetic
from device_profiles.frames.arithmetic import Formula, FormulaError
from device_profiles.loading.binary_consistency import check_extract, check_frame
from device_profiles.loading.text_consistency import check_text_example, check_text_extract, check_text_frame
from device_profiles.loading.yaml_source import Path, Source
from device_profiles.quantity import QUANTITIES
from wire.time import parse_instant

_RESERVED = frozenset({"ts", "seq", "boot"})
_TAKING = ("key", "tag", "type", "map", "scale", "missing", "when")
_CONVERSIONS = {
    ("mm", "m"): "scale: 0.001",
    ("cm", "m"): "scale: 0.01",
    ("cm", "mm"): "scale: 10",
    ("m", "mm"): "scale: 1000",
    ("mV", "V"): "scale: 0.001",
    ("V", "%"): "call the point `voltage`",
    ("A", "mA"): "scale: 1000",
    ("hPa", "kPa"): "scale: 0.1",
    ("Pa", "kPa"): "scale: 0.001",
    ("mbar", "kPa"): "scale: 0.1",
    ("bar", "kPa"): "scale: 100",
    ("degF", "Cel"): "scale: 0.5555555555555556, offset: -17.77777777777778",
    ("[degF]", "Cel"): "scale: 0.5555555555555556, offset: -17.77777777777778",
    ("C", "Cel"): "UCUM says Cel",
    ("°C", "Cel"): "UCUM says Cel",
    ("ppm", "[ppm]"): "UCUM says [ppm]",
    ("lux", "lx"): "UCUM says lx",
    ("lm", "lx"): "UCUM says lx",
    ("g", "m/s2"): "scale: 9.80665",
    ("km/h", "m/s"): "scale: 0.2777777777777778",
    ("min", "s"): "scale: 60",
}
_Found = tuple[Path, str, str]


def check(document: ProfileDocument, source: Source) -> tuple[list[tuple[int, Formula]], list[Problem]]:
    """The formulas of derived points by point index, and every problem."""
    found: list[_Found] = []
    formulas = _formulas(document, found)
    found += _points(document)
    for name, state in document.states.items():
        path: Path = ("states", name)
        found += _extract(document, state, path)
        if name in document.points:
            found.append((path, "a point has the same name", "give one of them another name"))
    found += _frame(document)
    for index, example in enumerate(document.examples):
        found += _example(document, example, ("examples", index))
    if not any(example.error is None for example in document.examples):
        found.append((("examples",), "every example is an error", "add one with the values that it decodes to"))
    problems = [
        Problem(source.file, source.line(path), ".".join(str(part) for part in path), what, fix)
        for path, what, fix in found
    ]
    return formulas, problems


def _formulas(document: ProfileDocument, found: list[_Found]) -> list[tuple[int, Formula]]:
    formulas = []
    before: set[str] = set()
    for index, (name, point) in enumerate(document.points.items()):
        if point.formula is not None:
            path: Path = ("points", name, "formula")
            try:
                formula = arithmetic.parse(point.formula)
            except FormulaError as error:
                found.append((path, str(error), "as `mounting_height_m - distance`"))
            else:
                formulas.append((index, formula))
                for used in sorted(formula.names - before - set(document.parameters)):
                    fix = f"use a point that stands above it or one of parameters; known are {_list(before)}"
                    found.append((path, f"'{used}' is neither an earlier point nor a parameter", fix))
        before.add(name)
    found += [
        (("parameters", name), "a point has the same name", "give one of them another name")
        for name in document.parameters
        if name in document.points
    ]
    return formulas


def _points(document: ProfileDocument) -> Iterator[_Found]:
    for name, point in document.points.items():
        path: Path = ("points", name)
        yield from _meaning(name, point, path)
        if point.formula is None:
            yield from _extract(document, point, path)
        elif point.at is not None or any(getattr(point, key) for key in _TAKING):
            yield path, "a derived point takes nothing from the message", "keep formula, unit, valid and label alone"


def _meaning(name: str, point: PointDocument, path: Path) -> Iterator[_Found]:
    if name in _RESERVED:
        yield path, f"'{name}' is kept for the message's own time and counter", "call the point otherwise"
    quantity = point.quantity or (name if name in QUANTITIES else "other")
    known = QUANTITIES.get(quantity)
    if known is None:
        yield (*path, "quantity"), f"'{quantity}' is not a known quantity", f"one of {_list(QUANTITIES)}"
    elif known.unit is not None and known.unit != point.unit:
        how = _CONVERSIONS.get((point.unit, known.unit), "convert with scale and offset")
        fix = f"{how} and write unit: {known.unit!r}, or name another quantity"
        yield (*path, "unit"), f"{quantity} is kept in {known.unit}, not in {point.unit}", fix
    if known is not None and known.name == "other" and point.label is None:
        yield path, "needs a label", "label: {zh: …, en: …}, or a known quantity"
    if point.valid is not None and not point.valid[0] < point.valid[1]:
        yield (*path, "valid"), "the lowest value must come first", "valid: [lowest, highest]"
    if point.bias and (point.type is None or point.type[0] not in "ui"):
        yield (*path, "bias"), "belongs to binary integers", "use offset"
    if point.scale == 0:
        yield (*path, "scale"), "a scale of 0 makes every value the same", "leave it out for 1"


def _extract(document: ProfileDocument, extract: PointDocument | StateDocument, path: Path) -> Iterator[_Found]:
    frame = document.frame
    if isinstance(frame, BinaryFrame):
        yield from check_extract(frame, extract, path)
    else:
        yield from check_text_extract(frame, extract, path)


def _frame(document: ProfileDocument) -> Iterator[_Found]:
    if isinstance(document.frame, BinaryFrame):
        yield from check_frame(document, document.frame)
    else:
        yield from check_text_frame(document, document.frame)


def _example(document: ProfileDocument, example: ExampleDocument, path: Path) -> Iterator[_Found]:
    bodies = [key for key in ("hex", "json_", "text") if getattr(example, key) is not None]
    if len(bodies) != 1:
        yield path, "needs exactly one message", "hex: \"01 75 5C\", json: {…} or text: '…'"
    if not isinstance(document.frame, BinaryFrame):
        yield from check_text_example(document.frame, example, path)
    if example.error is not None:
        if example.error not in frozenset(Code):
            yield (*path, "error"), f"'{example.error}' is not an error code", f"one of {_list(Code)}"
        if any((example.values, example.states, example.events, example.problems, example.earlier)):
            yield path, "has both an error and values", "a message that cannot be decoded has no values"
    elif example.values is None and not (example.states or example.problems or example.earlier):
        yield path, "says nothing of what must come out", "values: {…}, states: {…}, or error: a code"
    yield from _example_time(example.ts, path)
    yield from _example_names(document, example, path)
    for index, record in enumerate(example.earlier):
        place = (*path, "earlier", index)
        yield from _example_time(record.ts, place)
        yield from _names(document, record.values, record.states, place)


def _example_time(ts: str | None, path: Path) -> Iterator[_Found]:
    if ts is not None:
        try:
            parse_instant(ts)
        except ValueError as error:
            yield (*path, "ts"), str(error), "as 2026-11-22T06:32:51Z"


def _example_names(document: ProfileDocument, example: ExampleDocument, path: Path) -> Iterator[_Found]:
    yield from _names(document, example.values or {}, example.states, path)
    for name in example.parameters:
        if name not in document.parameters:
            yield (*path, "parameters", name), "there is no such parameter", "name it under parameters"
    for code in example.problems:
        if code not in frozenset(ProblemCode):
            yield (*path, "problems"), f"'{code}' is not a problem code", f"one of {_list(ProblemCode)}"


def _names(document: ProfileDocument, values: Collection[str], states: Collection[str], path: Path) -> Iterator[_Found]:
    for name in values:
        if name not in document.points:
            yield (*path, "values", name), "there is no such point", f"points are {_list(document.points)}"
    for name in states:
        if name not in document.states:
            yield (*path, "states", name), "there is no such state", f"states are {_list(document.states)}"


def _list(names: object) -> str:
    return ", ".join(sorted(str(name) for name in names)) or "none"  # type: ignore[attr-defined]
