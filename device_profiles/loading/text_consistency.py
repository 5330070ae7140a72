"""What must hang together in a profile of keys and values beyond the form of each key."""

import re
from collections.abc import Iterator

from device_profiles.document import (
    CborFrame,
    CodecFrame,
    ExampleDocument,
    Extract,
    JsonFrame,
    KeysFrame,
    PointDocument,
    ProfileDocument,
    SenmlFrame,
    TextRecords,
)
from device_profiles.frames.codecs import UnknownCodecError, codec
from device_profiles.loading.yaml_source import Path

TextFrame = JsonFrame | CborFrame | KeysFrame | SenmlFrame | CodecFrame

_TYPES = ("bool", "number", "onoff", "text_number")
_BINARY_KEYS = ("tag", "size", "mask", "sign", "when", "ports", "group", "also")
_Found = tuple[Path, str, str]


_INDEX = re.compile(r"\[(-?\d+)\]")


def check_text_extract(frame: TextFrame, extract: Extract, path: Path) -> Iterator[_Found]:
    """One point or state."""
    yield from _path(frame, extract, path)
    if extract.type is not None and extract.type not in _TYPES:
        yield (*path, "type"), f"'{extract.type}' belongs to binary frames", f"one of {', '.join(_TYPES)}, or none"
    for key in _BINARY_KEYS:
        if getattr(extract, key):
            yield (*path, key), "belongs to binary frames", "remove it"
    if extract.shift or extract.optional:
        yield path, "shift and optional belong to binary frames", "remove them"
    if isinstance(frame, KeysFrame | SenmlFrame):
        if isinstance(extract.key, list) and not extract.key:
            yield (*path, "key"), "names no key", "leave it out for the point's own name"
        if isinstance(frame, SenmlFrame) and extract.at not in (None, "sum"):
            yield (*path, "at"), "is `sum` for a record's sum, or left out", "key: the record's name"
    elif extract.key is not None:
        yield (*path, "key"), "belongs to keys and senml frames", f"at: the key path in a {frame.kind} frame"
    if extract.sent_unit is not None and not isinstance(frame, SenmlFrame):
        yield (*path, "sent_unit"), "belongs to senml frames", "remove it"
    if isinstance(extract, PointDocument) and extract.type == "onoff" and extract.map:
        yield (*path, "map"), "onoff has its own words", "leave type out, and map every word"


def _path(frame: TextFrame, extract: Extract, path: Path) -> Iterator[_Found]:
    if isinstance(extract.at, int) and not isinstance(frame, CborFrame | CodecFrame):
        yield (*path, "at"), f"is a key path in a {frame.kind} frame", "at: temperature, or at: params.temperature"
    if isinstance(extract.at, str) and (plain := _INDEX.sub(r".\1", extract.at.removeprefix("$."))) != extract.at:
        yield (*path, "at"), f"'{extract.at}' is JSONPath; paths are plain here", f"at: {plain.lstrip('.')}"


def check_text_frame(document: ProfileDocument, frame: TextFrame) -> Iterator[_Found]:
    """The frame itself."""
    if isinstance(frame, CodecFrame):
        try:
            codec(frame.name)
        except UnknownCodecError as error:
            yield ("frame", "name"), str(error), "install the package that brings it, or write one: see codecs.py"
    if isinstance(frame, KeysFrame) and frame.value is not None and frame.key is None:
        yield ("frame", "value"), "stands without `key`", "key: where the key stands in an element of the list"
    records = None if isinstance(frame, KeysFrame | SenmlFrame) else frame.records
    if records is not None:
        yield from _records(document, records)


def _records(document: ProfileDocument, records: TextRecords) -> Iterator[_Found]:
    path: Path = ("frame", "records")
    if records.ts is None and records.every_s is None:
        yield path, "says nothing of the time of a record", "ts: its path in a record, or every_s: seconds between two"
    if records.ts is not None and records.every_s is not None:
        yield (*path, "every_s"), "stands beside ts", "keep one of the two"
    for name in records.points or {}:
        if name not in document.points and name not in document.states:
            yield (*path, "points", name), "there is no such point or state", "name one of this profile"
        elif name in document.points and document.points[name].formula is not None:
            yield (*path, "points", name), "is derived and takes nothing from a record", "remove it"


def check_text_example(frame: TextFrame, example: ExampleDocument, path: Path) -> Iterator[_Found]:
    """The form of an example's message."""
    if isinstance(frame, JsonFrame | KeysFrame) and example.fport is not None:
        yield (*path, "fport"), f"a {frame.kind} frame has no port", "remove it"
    if isinstance(frame, CodecFrame) and example.json_ is not None:
        yield (*path, "json"), "is not what a codec gets", "hex: the bytes, or text: '…'"
