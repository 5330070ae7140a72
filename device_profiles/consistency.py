"""What must hang together in a profile beyond the form of each key."""

from collections.abc import Iterator

from device_profiles import arithmetic
from device_profiles.arithmetic import Formula, FormulaError
from device_profiles.binary_frame import lengths, tags
from device_profiles.decoder import Code, ProblemCode
from device_profiles.document import (
    ExampleDocument,
    Extract,
    JsonFrame,
    PointDocument,
    ProfileDocument,
    StructFrame,
    TlvFrame,
)
from device_profiles.error import Problem
from device_profiles.layout import SIZES
from device_profiles.quantity import QUANTITIES
from device_profiles.yaml_source import Path, Source
from wire.time import parse_instant

_JSON_TYPES = frozenset({"number", "bool", "text_number"})
_RESERVED = frozenset({"ts", "seq", "boot"})
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
        elif any((point.at is not None, point.tag, point.type, point.map, point.scale, point.missing, point.when)):
            yield path, "a derived point takes nothing from the message", "keep formula, unit, valid and label alone"


def _meaning(name: str, point: PointDocument, path: Path) -> Iterator[_Found]:
    if name in _RESERVED:
        yield path, f"'{name}' is kept for the message's own time and counter", "call the point otherwise"
    quantity = point.quantity or (name if name in QUANTITIES else "other")
    known = QUANTITIES.get(quantity)
    if known is None:
        yield (*path, "quantity"), f"'{quantity}' is not a known quantity", f"one of {_list(QUANTITIES)}"
    elif known.unit is not None and known.unit != point.unit:
        fix = f"convert with scale and offset and write unit: {known.unit!r}, or name another quantity"
        yield (*path, "unit"), f"{quantity} is kept in {known.unit}, not in {point.unit}", fix
    if known is not None and known.name == "other" and point.label is None:
        yield path, "needs a label", "label: {zh: …, en: …}, or a known quantity"
    if point.valid is not None and not point.valid[0] < point.valid[1]:
        yield (*path, "valid"), "the lowest value must come first", "valid: [lowest, highest]"
    if point.bias and (point.type is None or point.type[0] not in "ui"):
        yield (*path, "bias"), "belongs to binary integers", "use offset"
    if point.scale == 0:
        yield (*path, "scale"), "a scale of 0 makes every value the same", "leave it out for 1"


def _extract(document: ProfileDocument, extract: Extract, path: Path) -> Iterator[_Found]:
    frame = document.frame
    if isinstance(frame, JsonFrame):
        yield from _json(extract, path)
        return
    if not (extract.at is None or isinstance(extract.at, int)):
        yield (*path, "at"), "is a byte offset in a binary frame", "at: 0 is the first byte"
    if extract.type in _JSON_TYPES:
        yield (*path, "type"), f"'{extract.type}' belongs to json frames", f"one of {_list(SIZES)}"
    if extract.type is None:
        yield path, "needs a type", f"type: one of {_list(SIZES)}"
    if extract.type in ("f32", "f64") and (extract.mask is not None or extract.shift):
        yield (*path, "type"), "a floating-point number has no bits to mask", "use an integer type"
    if extract.mask is not None and extract.type is not None and extract.mask >= 1 << (8 * SIZES.get(extract.type, 8)):
        yield (*path, "mask"), f"has bits outside of {extract.type}", "the mask applies to the raw number"
    if isinstance(frame, StructFrame):
        yield from _struct(frame, extract, path)
    else:
        yield from _tlv(frame, extract, path)


def _struct(frame: StructFrame, extract: Extract, path: Path) -> Iterator[_Found]:
    if extract.tag is not None:
        yield (*path, "tag"), "belongs to tlv frames", "a struct frame has byte offsets only"
    if extract.group is not None:
        yield from _group(frame, extract, extract.group, path)
        return
    if not isinstance(extract.at, int):
        yield path, "needs its byte offset", "at: 0 is the first byte"
    elif extract.type in SIZES and extract.at + SIZES[extract.type] > max(lengths(frame) or (4096,)):
        yield (*path, "at"), f"reaches beyond the frame's length of {frame.length}", "check at, type and length"


def _group(frame: StructFrame, extract: Extract, group: int, path: Path) -> Iterator[_Found]:
    if frame.groups is None or group >= len(frame.groups.sizes):
        yield (*path, "group"), "the frame has no such group", "groups of the frame: flags, start and sizes"
    elif not isinstance(extract.at, int):
        yield path, "needs its byte offset", "at: 0 is the first byte of the group"
    elif extract.type in SIZES and extract.at + SIZES[extract.type] > frame.groups.sizes[group]:
        yield (*path, "at"), f"reaches beyond the group's {frame.groups.sizes[group]} bytes", "check at and type"
    if extract.optional:
        yield (*path, "optional"), "a group is optional by its flag", "remove it"


def _tlv(frame: TlvFrame, extract: Extract, path: Path) -> Iterator[_Found]:
    if extract.tag is None:
        yield path, "needs its tag", 'tag: "0175", in quotes'
    elif any(len(tag) != frame.tag_bytes for tag in tags(extract)):
        yield (*path, "tag"), f"has not {frame.tag_bytes} bytes", "tag_bytes of the frame says how long tags are"
    if extract.group is not None:
        yield (*path, "group"), "belongs to struct frames", "in a tlv frame every tag stands for itself"
    if extract.optional:
        yield (*path, "optional"), "belongs to struct frames", "in a tlv frame every tag is optional"


def _json(extract: Extract, path: Path) -> Iterator[_Found]:
    if isinstance(extract.at, int):
        yield (*path, "at"), "is a key path in a json frame", "at: temperature, or at: params.temperature"
    if extract.type is not None and extract.type not in _JSON_TYPES:
        yield (*path, "type"), f"'{extract.type}' belongs to binary frames", f"one of {_list(_JSON_TYPES)}, or none"
    for key in ("tag", "mask", "when", "group"):
        if getattr(extract, key) is not None:
            yield (*path, key), "belongs to binary frames", "remove it"
    if extract.shift or extract.optional:
        yield path, "shift and optional belong to binary frames", "remove them"


def _frame(document: ProfileDocument) -> Iterator[_Found]:
    frame = document.frame
    if isinstance(frame, TlvFrame):
        for tag in frame.skip:
            if len(bytes.fromhex(tag)) != frame.tag_bytes:
                yield ("frame", "skip", tag), f"has not {frame.tag_bytes} bytes", "every tag has tag_bytes bytes"
    if isinstance(frame, StructFrame):
        if frame.length is not None and (frame.min_length is not None or frame.max_length is not None):
            yield ("frame", "length"), "stands beside min_length or max_length", "keep one of the two ways"
        if frame.ts is not None and not isinstance(frame.ts.at, int):
            yield ("frame", "ts", "at"), "is a byte offset in a binary frame", "at: 0 is the first byte"


def _example(document: ProfileDocument, example: ExampleDocument, path: Path) -> Iterator[_Found]:
    bodies = [key for key in ("hex", "json_", "text") if getattr(example, key) is not None]
    if len(bodies) != 1:
        yield path, "needs exactly one message", "hex: \"01 75 5C\", json: {…} or text: '…'"
    if isinstance(document.frame, JsonFrame) and example.fport is not None:
        yield (*path, "fport"), "a json frame has no port", "remove it"
    if example.error is not None:
        if example.error not in frozenset(Code):
            yield (*path, "error"), f"'{example.error}' is not an error code", f"one of {_list(Code)}"
        if example.values or example.states or example.events or example.problems:
            yield path, "has both an error and values", "a message that cannot be decoded has no values"
    elif example.values is None and not example.states and not example.problems:
        yield path, "says nothing of what must come out", "values: {…}, states: {…}, or error: a code"
    if example.ts is not None:
        try:
            parse_instant(example.ts)
        except ValueError as error:
            yield (*path, "ts"), str(error), "as 2026-11-22T06:32:51Z"
    yield from _example_names(document, example, path)


def _example_names(document: ProfileDocument, example: ExampleDocument, path: Path) -> Iterator[_Found]:
    for name in example.values or {}:
        if name not in document.points:
            yield (*path, "values", name), "there is no such point", f"points are {_list(document.points)}"
    for name in example.states:
        if name not in document.states:
            yield (*path, "states", name), "there is no such state", f"states are {_list(document.states)}"
    for name in example.parameters:
        if name not in document.parameters:
            yield (*path, "parameters", name), "there is no such parameter", "name it under parameters"
    for code in example.problems:
        if code not in frozenset(ProblemCode):
            yield (*path, "problems"), f"'{code}' is not a problem code", f"one of {_list(ProblemCode)}"


def _list(names: object) -> str:
    return ", ".join(sorted(str(name) for name in names)) or "none"  # type: ignore[attr-defined]
