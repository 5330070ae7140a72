"""The profile format as written in YAML: what keys there are and what may stand in each.

These models check one file on its own terms; `profile.build` checks what hangs together and `frames` compiles it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[a-z][a-z0-9_]{0,39}$"
PROFILE_NAME = r"^[a-z0-9][a-z0-9-]{0,39}/[a-z0-9][a-z0-9-]{0,59}$"
HEX = r"^([0-9a-fA-F]{2} ?)*$"

Name = Annotated[str, Field(pattern=NAME)]
Hex = Annotated[str, Field(pattern=HEX)]
Event = Literal["alarm", "silenced", "test", "tamper", "low_battery", "fault"]
BinaryType = Literal["u8", "i8", "u16", "i16", "u24", "i24", "u32", "i32", "u64", "i64", "f32", "f64", "bcd8", "bcd16"]
JsonType = Literal["number", "bool", "text_number"]
Byte = Annotated[int, Field(ge=0, le=4096)]
Port = Annotated[int, Field(ge=0, le=255)]


class Written(BaseModel):
    """Base of everything in a profile file: unknown keys are errors, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Names(Written):
    """A name in Chinese and in English."""

    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


class TimeField(Written):
    """Where a message says when it was measured, if not as RFC 3339 text or epoch milliseconds."""

    at: str | list[str] | Byte
    unit: Literal["ms", "s"] = "ms"
    type: BinaryType | None = Field(None, description="Binary frames only.")


class Match(Written):
    """Bytes that every message of this model has at a place; others are refused as `wrong_marker`."""

    at: Byte
    bytes: Annotated[Hex, Field(min_length=2)]


class Checksum(Written):
    """A checksum at the end of the message, over everything from `start` up to it."""

    kind: Literal["sum8", "xor8", "crc16_modbus", "crc16_ccitt"]
    start: Byte = 0
    order: Literal["big", "little"] = "big"


class JsonFrame(Written):
    """One JSON object a message."""

    kind: Literal["json"]
    ts: str | list[str] | TimeField | None = Field(None, description="Path of the event time; absent: arrival counts.")
    seq: str | list[str] | None = Field(None, description="Path of the message counter.")
    boot: str | list[str] | None = Field(None, description="Path of the boot id: changes when the counter restarts.")


class BinaryFrame(Written):
    """What struct and tlv frames share."""

    order: Literal["big", "little"] = "big"
    ports: list[Port] | None = Field(None, description="fPorts that carry this frame; others are refused.")
    other_ports: list[Port] = Field(
        [], description="fPorts on which the model sends what holds no values (answers to settings)."
    )
    match: list[Match] = []
    checksum: Checksum | None = None


class Groups(Written):
    """Groups of values of which a flags word says which are there: bit 0 is the first group."""

    flags: "Place"
    start: Byte = Field(description="Where the first group that is there begins.")
    sizes: Annotated[list[Annotated[int, Field(ge=1, le=255)]], Field(min_length=1, max_length=32)]


class StructFrame(BinaryFrame):
    """Values at fixed places, and groups of values that may be there or not."""

    kind: Literal["struct"]
    length: Byte | list[Byte] | None = Field(None, description="Exact length in bytes, or the lengths there are.")
    min_length: Byte | None = Field(
        None, description="Shortest message; the default is the end of the last value that is not `optional`."
    )
    max_length: Byte | None = None
    groups: Groups | None = Field(None, description="Presence bits; nothing else may then follow the last group.")
    ts: TimeField | None = None
    seq: "Place | None" = None


class Place(Written):
    """A number at a byte offset."""

    at: Byte
    type: BinaryType
    mask: Annotated[int, Field(ge=1)] | None = None
    shift: Annotated[int, Field(ge=0, le=63)] = 0


class TlvFrame(BinaryFrame):
    """Tag, then value, repeated. Without `length` the size of each tag's value is known from its points and `skip`."""

    kind: Literal["tlv"]
    tag_bytes: Literal[1, 2] = 1
    length: Literal["none", "u8", "u16"] = "none"
    start: Byte = Field(0, description="Bytes before the first tag.")
    skip: dict[Hex, Byte] = Field({}, description="Tags that hold nothing of interest, and the size of their value.")


class When(Written):
    """The point is there only in messages that have a certain number at a place (report types, presence bits)."""

    at: Byte
    type: Literal["u8", "i8", "u16", "i16", "u24", "i24", "u32", "i32", "u64", "i64"] = "u8"
    mask: Annotated[int, Field(ge=1)] | None = None
    equals: int | list[int]


class Extract(Written):
    """How a value is found in the message and turned into what people mean."""

    at: str | list[str] | Byte | None = Field(
        None,
        description="json: key path, `a.b` or [a, b] (default: the point's name). struct: byte offset. "
        "tlv: offset inside the tag's value (default 0).",
    )
    tag: Hex | list[Hex] | None = Field(
        None, description='tlv only: the tag in quotes, as "0175"; several where they hold the same thing.'
    )
    type: BinaryType | JsonType | None = None
    mask: Annotated[int, Field(ge=1)] | None = None
    shift: Annotated[int, Field(ge=0, le=63)] = 0
    missing: list[int | float | str] = Field([], description="Raw values by which the device says 'not measured'.")
    when: When | None = None
    group: Annotated[int, Field(ge=0, le=31)] | None = Field(
        None, description="struct with groups: which one; `at` counts from its beginning."
    )
    optional: bool = Field(False, description="struct only: shorter messages may leave it out.")
    label: Names | None = None


class PointDocument(Extract):
    """One measured quantity, as a number in its canonical unit."""

    unit: Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[!-~]+$", description="UCUM.")]
    quantity: str | None = Field(None, description="Default: the point's name where that is a known quantity.")
    bias: int = Field(0, description="Binary integers: added to the raw number before the scale.")
    scale: float | None = Field(None, description="value = (raw + bias) x scale + offset")
    offset: float = 0.0
    map: dict[str, float] = Field({}, description="Raw value to number; any other raw value is a problem.")
    valid: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None, description="Lowest and highest believable value; outside, the reading is flagged, never dropped."
    )
    event: Event | dict[str, Event] | None = Field(
        None, description="The event that a value other than 0 announces, or one by value."
    )
    formula: str | None = Field(None, description="A derived point: arithmetic over earlier points and parameters.")


class StateDocument(Extract):
    """Something a device says in words: a text, or numbers that stand for words."""

    map: dict[str, str] = {}
    event: dict[str, Event] = Field({}, description="The event that a state announces.")


class ParameterDocument(Written):
    """A number that belongs to the place where a device hangs, used in formulas."""

    unit: str
    label: Names
    default: float | None = None


class Maintenance(Written):
    """What whoever looks after the device must know."""

    power: Literal["battery", "mains", "mains_and_battery", "solar"] | None = None
    battery_type: str | None = None
    battery_years: Annotated[float, Field(gt=0)] | None = None
    service_years: Annotated[float, Field(gt=0)] | None = None
    calibration_months: Annotated[float, Field(gt=0)] | None = None
    note: Names | None = None


class ExampleDocument(Written):
    """A message and everything that it must decode to, or the error that it must give."""

    name: str
    hex: Hex | None = None
    json_: dict[str, Any] | list[Any] | None = Field(None, alias="json")
    text: str | None = None
    fport: Port | None = None
    parameters: dict[Name, float] = {}
    values: dict[Name, float] | None = None
    states: dict[Name, str] = {}
    events: list[Event] = []
    ts: str | None = Field(None, description="The event time, RFC 3339.")
    problems: list[str] = Field([], description="Codes of the problems that it must report.")
    error: str | None = Field(None, description="Code of the error that it must give.")


class ProfileDocument(Written):
    """A whole profile file."""

    profile: Annotated[str, Field(pattern=PROFILE_NAME, description="vendor/model, as the file's folder and name.")]
    aliases: list[Annotated[str, Field(pattern=PROFILE_NAME)]] = []
    vendor: Names
    model: Names
    hazard: Literal["smoke", "water_level", "curtain_wall", "device"]
    cadence_s: Annotated[float, Field(gt=0, description="Seconds between two messages of a healthy device.")]
    documentation: str | None = Field(None, description="Where the message format is described.")
    frame: Annotated[JsonFrame | StructFrame | TlvFrame, Field(discriminator="kind")]
    parameters: dict[Name, ParameterDocument] = {}
    points: Annotated[dict[Name, PointDocument], Field(min_length=1)]
    states: dict[Name, StateDocument] = {}
    rules: dict[Name, dict[str, Any] | None] = Field({}, description="Over the rules of the hazard's family.")
    maintenance: Maintenance = Maintenance()
    examples: Annotated[list[ExampleDocument], Field(min_length=1)]


Groups.model_rebuild()
StructFrame.model_rebuild()
