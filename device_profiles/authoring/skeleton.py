"""A profile to begin with: passes the loader as it stands, and says in `TODO` comments what to fill in."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["json", "cbor", "keys", "struct", "tlv", "registers", "senml", "codec"]
KINDS: tuple[Kind, ...] = ("json", "cbor", "keys", "struct", "tlv", "registers", "senml", "codec")
TODO = re.compile(r"\bTODO\b")

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_ ()\-]*")
WORDS = frozenset({"yes", "no", "on", "off", "true", "false", "null", "y", "n"})


@dataclass(frozen=True, slots=True)
class Field:
    """One value of the device: how it stands in the message, and what it means.

    Args:
        name: of the point or state.
        written: the keys of its entry in the file, after where it stands, as (key, YAML).
        binary: its type in binary frames.
        raw: the raw number of the example.
        natural: the value of the example in frames that carry values as people read them.
        means: the value that the example decodes to; text for a state.
        place: where it stands, as (key, YAML), if not laid out one after the other.
        text_only: keys that only text frames take, as `type: bool`.
        scaling: keys that only binary frames need, as scale.
    """

    name: str
    written: tuple[tuple[str, str], ...]
    binary: str = "u8"
    raw: int = 0
    natural: float | bool | str = 0
    means: float | str | None = None
    place: tuple[tuple[str, str], ...] | None = None
    text_only: tuple[tuple[str, str], ...] = ()
    scaling: tuple[tuple[str, str], ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """What a new profile is made of."""

    vendor: str  # folder: lower-case letters, digits and '-'
    model: str
    vendor_zh: str
    vendor_en: str
    model_zh: str
    model_en: str
    hazard: str
    kind: Kind
    fields: Sequence[Field] | None = None  # None: those that the hazard usually has
    frame: str | None = None  # the frame's YAML, where a sample says more than the kind
    example: str | None = None  # the message's YAML, `hex: "…"` or `json: {…}`
    values: dict[str, float] | None = None  # what the example decodes to; None: what the fields say
    states: dict[str, str] = field(default_factory=dict)
    events: Sequence[str] = ()
    problems: Sequence[str] = ()
    remarks: Sequence[str] = ()  # comments above the points, as the bytes of a sample


def name_of(text: str) -> str:
    """Vendor or model as folder and file are called: lower-case letters, digits and '-'."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def word(text: str) -> str:
    """A text as it may stand inside a flow mapping: in quotes where it needs them."""
    if _PLAIN.fullmatch(text) and text.lower() not in WORDS and not text.endswith(" "):
        return text
    if re.fullmatch(r"[\u4e00-\u9fff][\u4e00-\u9fffA-Za-z0-9 ()（）\-]*", text) and not text.endswith(" "):
        return text
    return json.dumps(text, ensure_ascii=False)


def number(value: float) -> str:
    """A number as people write it."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


_ALARM = Field(
    "alarm",
    (("unit", '"1"'), ("valid", "[0, 1]"), ("event", "alarm")),
    raw=1, natural=True, means=1, text_only=(("type", "bool"),),
)  # fmt: skip
_BATTERY = Field("battery", (("unit", '"%"'), ("valid", "[0, 100]")), raw=92, natural=92, means=92)
_LOW_BATTERY = Field(
    "low_battery",
    (("unit", '"1"'), ("quantity", "flag"), ("event", "low_battery"), ("label", "{zh: 电量不足, en: Low battery}")),
    raw=0, natural=False, means=0, text_only=(("type", "bool"),), scaling=(("mask", "0x01"),),
    remark="one bit of a byte: `mask` picks it",
)  # fmt: skip
_TEST = Field(
    "test",
    (("unit", '"1"'), ("quantity", "flag"), ("event", "test"), ("label", "{zh: 自检, en: Test button}")),
    raw=0, natural=False, means=0, text_only=(("type", "bool"),),
)  # fmt: skip
_TEMPERATURE = Field(
    "temperature",
    (("unit", "Cel"), ("valid", "[-40, 85]")),
    binary="i16", raw=215, natural=21.5, means=21.5, scaling=(("scale", "0.1"),),
    remark="i16: signed, two bytes; u16: unsigned",
)  # fmt: skip
_HUMIDITY = Field("humidity", (("unit", '"%"'), ("valid", "[0, 100]")), raw=47, natural=47, means=47)
_DISTANCE = Field(
    "distance",
    (("unit", "m"), ("valid", "[0.25, 8]")),
    binary="u16", raw=2760, natural=2.76, means=2.76, scaling=(("scale", "0.001"), ("missing", "[0xFFFF]")),
    remark="the sensor looks down: distance to the water",
)  # fmt: skip
_TILT = Field(
    "tilt",
    (("unit", "deg"), ("valid", "[-90, 90]")),
    binary="i16", raw=12, natural=0.12, means=0.12, scaling=(("scale", "0.01"),),
)  # fmt: skip

USUAL: dict[str, tuple[Field, ...]] = {
    "smoke": (_ALARM, _TEMPERATURE, _BATTERY, _LOW_BATTERY, _TEST),
    "water_level": (_DISTANCE, _TEMPERATURE, _BATTERY, _LOW_BATTERY),
    "curtain_wall": (_TILT, _TEMPERATURE, _BATTERY, _LOW_BATTERY),
    "device": (_TEMPERATURE, _HUMIDITY, _BATTERY, _LOW_BATTERY),
}
_BY_CODEC = (
    replace(_TEMPERATURE, place=(("at", '["1", temperature]'),), remark="what codec cayenne-lpp says of channel 1"),
    replace(_HUMIDITY, place=(("at", '["2", humidity]'),)),
)
_CADENCE_S = {"smoke": 3600, "water_level": 300, "curtain_wall": 600, "device": 600}
_SIZE = {"u8": 1, "i8": 1, "u16": 2, "i16": 2, "u32": 4, "i32": 4}
_BINARY = ("struct", "tlv", "registers")
_FRAME_SAYS: dict[str, str] = {
    "json": "one JSON object a message; `ts`, `seq` name the keys of time and counter, where there are any",
    "cbor": "one CBOR map a message; as json otherwise",
    "keys": "an object of key and value, or a list of {code, value}: then add `key: code, value: value`",
    "struct": "values at fixed bytes. TODO length (or min_length and max_length), ports, order: little?",
    "tlv": "tag, value, tag, value … TODO tag_bytes, ports, order: little?, skip: {tag: size} for what matters not",
    "registers": "16-bit registers. TODO `first`: number of the first register of the payload; words: low_first?",
    "senml": "RFC 8428; `encoding: cbor` or `both` for CBOR",
    "codec": "TODO name of the Python codec; points name what it makes of the bytes by `at`",
}


def text(outline: Outline) -> str:
    """The whole file."""
    return "\n".join(_lines(outline)) + "\n"


def usual(outline: Outline) -> Sequence[Field]:
    """The fields of an outline; where it names none, those that the hazard usually has."""
    if outline.fields is not None:
        return outline.fields
    return _BY_CODEC if outline.kind == "codec" else USUAL[outline.hazard]


def _lines(outline: Outline) -> Iterator[str]:
    kind = outline.kind
    fields = usual(outline)
    level = outline.hazard == "water_level" and any(one.name == "distance" for one in fields)
    yield "# Every TODO is something to look up in the data sheet. See what is left: shouwang profiles check THIS FILE"
    yield f"profile: {outline.vendor}/{outline.model}"
    yield f"vendor: {{zh: {word(outline.vendor_zh)}, en: {word(outline.vendor_en)}}}"
    yield f"model: {{zh: {word(outline.model_zh)}, en: {word(outline.model_en)}}}"
    yield f"hazard: {outline.hazard}  # smoke, water_level, curtain_wall, or device: no rules of a hazard"
    yield f"cadence_s: {_CADENCE_S[outline.hazard]}  # TODO seconds between two messages of a healthy device"
    yield "# documentation: TODO title or address of the description of the message format"
    yield ""
    yield f"# {_FRAME_SAYS[kind]}"
    yield f"frame: {outline.frame or _frame(kind, fields)}"
    if level:
        yield ""
        yield "parameters:  # numbers of the place; whoever registers a device fills them in"
        yield "  mounting_height_m: {unit: m, label: {zh: 安装高度, en: Mounting height}}"
    yield ""
    for remark in outline.remarks:
        yield f"# {remark}"
    yield "# value = (raw + bias) x scale + offset. Each point in the unit that Shouwang keeps for it."
    yield "points:  # TODO what the device really sends"
    at = 0
    for index, one in enumerate(fields):
        if isinstance(one.means, str):
            continue
        place = one.place or _place(kind, one, index, at)
        at += _SIZE[one.binary]
        yield from _entry(one, kind, place)
        if one.name == "distance" and level:
            yield "  level: {formula: mounting_height_m - distance, unit: m, valid: [-0.5, 8]}"
    states = [one for one in fields if isinstance(one.means, str)]
    if states:
        yield ""
        yield "states:  # what the device says in words"
        for one in states:
            yield from _entry(one, kind, one.place or ())
    yield ""
    yield "maintenance: {power: battery, battery_years: 5}  # TODO power, battery_type, battery_years, service_years"
    yield ""
    yield from _examples(outline, fields)


def _entry(one: Field, kind: str, place: tuple[tuple[str, str], ...]) -> Iterator[str]:
    keys = list(place)
    if kind in _BINARY:
        whole = {"u8": "u16", "i8": "i16"}.get(one.binary, one.binary)  # a register has 16 bits
        keys += [("type", whole if kind == "registers" else one.binary), *one.scaling]
    else:
        keys += one.text_only
    keys += one.written
    remark = f"  # {one.remark}" if one.remark and (kind in _BINARY or not one.scaling) else ""
    line = f"  {one.name}: {{{', '.join(f'{key}: {value}' for key, value in keys)}}}"
    if len(line) + len(remark) <= 118:
        yield line + remark
        return
    yield f"  {one.name}:{remark}"
    for key, value in keys:
        yield f"    {key}: {value}"


def _place(kind: str, one: Field, index: int, at: int) -> tuple[tuple[str, str], ...]:
    if kind == "struct":
        return (("at", str(at)),)
    if kind == "tlv":
        return (("tag", f'"{index + 1:02x}"'),)
    if kind == "registers":
        return (("at", str(index)),)
    if kind in ("keys", "senml"):
        return (("key", word(one.name)),)
    return (("at", word(one.name)),)


def _frame(kind: str, fields: Sequence[Field]) -> str:
    if kind == "struct":
        return f"{{kind: struct, length: {sum(_SIZE[one.binary] for one in fields)}}}"
    if kind == "tlv":
        return "{kind: tlv, tag_bytes: 1}"
    if kind == "registers":
        return "{kind: registers, first: 0}"
    if kind == "senml":
        return "{kind: senml, encoding: json}"
    if kind == "codec":
        return "{kind: codec, name: cayenne-lpp}"
    return f"{{kind: {kind}}}"


def _examples(outline: Outline, fields: Sequence[Field]) -> Iterator[str]:
    yield "examples:  # TODO messages of a real device, and what its data sheet says that they mean"
    yield "  - name: an ordinary message"
    yield f"    {outline.example or _message(outline.kind, fields)}"
    if outline.values is not None:
        values, states, events = outline.values, outline.states, list(outline.events)
    else:
        values = {one.name: one.means for one in fields if isinstance(one.means, int | float)}
        states = {one.name: one.means for one in fields if isinstance(one.means, str)}
        events = ["alarm"] if values.get("alarm") else []
    if "distance" in values and outline.hazard == "water_level":
        if outline.values is None:
            values |= {"level": round(3 - values["distance"], 3)}
        yield "    parameters: {mounting_height_m: 3}"
    yield f"    values: {{{', '.join(f'{name}: {number(value)}' for name, value in values.items())}}}"
    if states:
        yield f"    states: {{{', '.join(f'{name}: {word(value)}' for name, value in states.items())}}}"
    if events:
        yield f"    events: [{', '.join(events)}]"
    if outline.problems:
        yield f"    problems: [{', '.join(outline.problems)}]  # TODO"
    yield "  # TODO one in alarm, one with a weak battery, one by the test button …"
    yield "  - name: cut off"
    if outline.kind in _BINARY:
        yield '    hex: "01"'
        yield "    error: wrong_length"
    elif outline.kind in ("cbor", "codec"):
        yield f'    hex: "{"A1" if outline.kind == "cbor" else "01"}"'
        yield "    error: malformed"
    else:
        yield "    text: '{\"cut'"
        yield "    error: malformed"


def _message(kind: str, fields: Sequence[Field]) -> str:
    if kind in _BINARY:
        return f'hex: "{_bytes(kind, fields).hex(" ").upper()}"'
    if kind == "codec":
        return 'hex: "01 67 00 D7 02 68 5E"'
    if kind == "senml":
        entries = []
        for one in fields:
            key = "vb" if isinstance(one.natural, bool) else "vs" if isinstance(one.natural, str) else "v"
            entries.append(f"{{n: {one.name}, {key}: {_scalar(one.natural)}}}")
        return f"json: [{', '.join(entries)}]"
    return f"json: {{{', '.join(f'{one.name}: {_scalar(one.natural)}' for one in fields)}}}"


def _scalar(value: float | bool | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return word(value) if isinstance(value, str) else number(value)


def _bytes(kind: str, fields: Sequence[Field]) -> bytes:
    found = b""
    for index, one in enumerate(fields):
        size = 2 if kind == "registers" else _SIZE[one.binary]
        if kind == "tlv":
            found += bytes([index + 1])
        found += one.raw.to_bytes(size, "big", signed=one.raw < 0)
    return found
