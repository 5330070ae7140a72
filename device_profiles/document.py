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
NumberType = Literal[
    "u8",
    "i8",
    "u16",
    "i16",
    "u24",
    "i24",
    "u32",
    "i32",
    "u64",
    "i64",
    "f16",
    "bf16",
    "f32",
    "f64",
    "bcd8",
    "bcd16",
    "bcd32",
]
IntegerType = Literal["u8", "i8", "u16", "i16", "u24", "i24", "u32", "i32", "u64", "i64"]
BinaryType = NumberType | Literal["hex", "version", "ascii"]
JsonType = Literal["number", "bool", "text_number", "onoff"]
Byte = Annotated[int, Field(ge=0, le=4096)]
Register = Annotated[int, Field(ge=0, le=65535)]
Size = Annotated[int, Field(ge=1, le=64)]
Mask = Annotated[int, Field(ge=1, lt=1 << 64)]
Shift = Annotated[int, Field(ge=0, le=63)]
Order = Literal["big", "little"]
Sign = Literal["twos_complement", "magnitude"]
Path = Annotated[str, Field(max_length=200)] | Annotated[list[str | int], Field(max_length=8)]
Key = Annotated[str, Field(min_length=1, max_length=200)] | int
Port = Annotated[int, Field(ge=0, le=255)]


class Written(BaseModel):
    """Base of everything in a profile file: unknown keys are errors, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Names(Written):
    """A name in Chinese and in English."""

    zh: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]


class TimeField(Written):
    """Where a message says when it was measured, if not as RFC 3339 text or epoch milliseconds.

    A time before 2000 counts from the start of the device, whose clock was never set: the arrival counts then.
    """

    at: Path | Register
    unit: Literal["ms", "s"] = "ms"
    type: NumberType | None = Field(None, description="Binary frames only.")
    ports: list[Port] | None = Field(None, description="struct, registers: fPorts on which it is there.")
    zone: Annotated[str, Field(pattern=r"^[+-][0-9]{2}:[0-9]{2}$")] | None = Field(
        None, description="The offset from UTC of times written without one, as +08:00."
    )


class Match(Written):
    """Bytes that every message of this model has at a place; others are refused as `wrong_marker`."""

    at: Byte
    bytes: Annotated[Hex, Field(min_length=2)]


class Checksum(Written):
    """A checksum at the end of the message, over everything from `start` up to it."""

    kind: Literal["sum8", "sum8_zero", "xor8", "crc16_modbus", "crc16_ccitt"]
    start: Byte = 0
    order: Literal["big", "little"] = "big"


class TextRecords(Written):
    """A list of earlier measurements in the same message.

    The newest of them counts as the message itself where the message holds none of these points outside of the list.
    """

    at: Path = Field(description="Path of the list; [] where the whole message is the list.")
    ts: Path | TimeField | None = Field(None, description="Path of the time in a record; absent: as `every_s` says.")
    every_s: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Seconds between two records that carry no time."
    )
    newest_first: bool = Field(False, description="How records without a time are ordered.")
    points: dict[Name, Path] | None = Field(
        None, description="Points and states of a record and their paths in it; default: all, each at its own path."
    )


class TimedFrame(Written):
    """What the frames of keys and values share: where time, counter and boot id stand."""

    ts: Path | TimeField | None = Field(None, description="Path of the event time; absent: arrival counts.")
    seq: Path | None = Field(None, description="Path of the message counter.")
    boot: Path | None = Field(None, description="Path of the boot id: changes when the counter restarts.")


class Ported(Written):
    """Frames that may come over LoRaWAN."""

    ports: list[Port] | None = Field(None, description="fPorts that carry this frame; others are refused.")
    other_ports: list[Port] = Field(
        [], description="fPorts on which the model sends what holds no values (answers to settings)."
    )


class JsonFrame(TimedFrame):
    """One JSON object a message."""

    kind: Literal["json"]
    records: TextRecords | None = None


class CborFrame(TimedFrame, Ported):
    """One CBOR map a message; paths as in JSON, keys that are numbers written as numbers."""

    kind: Literal["cbor"]
    records: TextRecords | None = None


class KeysFrame(TimedFrame):
    """A map of keys and values: Tuya data points, entity states of ESPHome and Home Assistant.

    An object `{"1": true}`, or with `key` and `value` a list `[{"code": "smoke", "value": "alarm"}]`.
    """

    kind: Literal["keys"]
    at: Path | Annotated[list[list[str | int]], Field(max_length=8)] | None = Field(
        None,
        description="Path of the object or list, or a list of such paths of which the first that is there counts; "
        "absent, or where none is there: the whole message is it.",
    )
    key: Path | None = Field(None, description="Lists: path of the key in an element, as `code`.")
    value: Path | None = Field(None, description="Lists: path of the value in an element; default `value`.")
    missing: list[int | float | str] = Field(
        ["unavailable", "unknown"], description="Raw values of any point that mean 'not measured'."
    )


class SenmlFrame(Ported):
    """A SenML pack (RFC 8428). Several times in one pack give earlier messages beside the newest."""

    kind: Literal["senml"]
    encoding: Literal["json", "cbor", "both"] = "json"


class CodecFrame(TimedFrame, Ported):
    """A format that has no other frame: a named Python codec makes a map of it; paths as in JSON.

    The name is one of `device_profiles.frames.codecs` or of the entry-point group `shouwang.codecs`.
    """

    kind: Literal["codec"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,59}$")]
    records: TextRecords | None = None


class Differences(Written):
    """What is otherwise at a further place of a point; the rest is taken from the point itself."""

    type: BinaryType | None = None
    size: Size | None = None
    order: Order | None = None
    mask: Mask | None = None
    shift: Shift | None = None
    sign: Sign | None = None
    missing: list[int | float | str] | None = None
    bias: int | None = None
    scale: float | None = None
    offset: float | None = None
    map: dict[str, float | str] | None = None


class RecordPlace(Differences):
    """Where a point stands in a record, and what differs from the point itself; the rest is taken from it."""

    at: Byte = Field(0, description="Byte offset inside the record.")
    when: "When | list[When] | None" = Field(default=None, description="`at` counts inside the record.")


class Records(Written):
    """What the records of the past hold, and when they were measured."""

    ts: TimeField | None = Field(None, description="The record's own time; `at` counts inside the record.")
    points: Annotated[dict[Name, Byte | RecordPlace], Field(min_length=1)] = Field(
        description="Points and states of the profile that a record holds: their offset inside it, or {at: …, type: …}."
    )


class StructRecords(Records):
    """Records of one size, one after the other, after the values of the message itself."""

    start: Byte = Field(0, description="Where the first record begins.")
    size: Annotated[int, Field(ge=1, le=1024)] = Field(description="Bytes of one record.")
    count: "Place | None" = Field(None, description="Where their number stands; absent: up to the end.")
    every_s: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Seconds between two records that carry no time."
    )
    newest_age_s: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Age of the newest record when the message is sent; default: `every_s`."
    )
    newest_first: bool = Field(False, description="How records stand that carry no time.")
    ports: list[Port] | None = Field(None, description="fPorts on which there are records; default: all of the frame.")


class TlvRecords(Records):
    """A tag that holds a record of the past."""

    tag: Hex
    size: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        None, description="Bytes of one record; default: up to the end of its last value."
    )
    repeat: bool = Field(False, description="Records follow one another up to the end of the value, or of the message.")


class BinaryFrame(Ported):
    """What struct, tlv and registers frames share."""

    order: Order = "big"
    words: Literal["high_first", "low_first"] = Field(
        "high_first", description="Which 16-bit word of a 32-bit or 64-bit number comes first (Modbus, Decentlab)."
    )
    answers: list[Annotated[Hex, Field(min_length=2)]] = Field(
        [], description="Whole messages that hold no values (answers to settings)."
    )
    match: list[Match] = []
    checksum: Checksum | None = None


class Groups(Written):
    """Groups of values of which a flags word says which are there: bit 0 is the first group."""

    flags: "Place"
    start: Byte = Field(description="Where the first group that is there begins.")
    sizes: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=1, max_length=32)] = Field(
        description="Bytes of each group; 0: a bit that adds nothing."
    )
    bits: list[Annotated[int, Field(ge=0, le=63)]] | None = Field(
        None, description="The bit of each group, in the order in which they stand in the message; default: 0, 1, 2 …"
    )


class StructFrame(BinaryFrame):
    """Values at fixed places, and groups of values that may be there or not."""

    kind: Literal["struct"]
    length: Byte | list[Byte] | None = Field(None, description="Exact length in bytes, or the lengths there are.")
    min_length: Byte | None = Field(
        None, description="Shortest message; the default is the end of the last value that every message has."
    )
    max_length: Byte | None = None
    groups: Groups | None = Field(None, description="Presence bits; nothing else may then follow the last group.")
    records: StructRecords | None = None
    ts: TimeField | None = None
    seq: "Place | None" = None


class RegistersFrame(BinaryFrame):
    """A block of 16-bit registers as Modbus has them; `at` of a point is its register number."""

    kind: Literal["registers"]
    first: Annotated[int, Field(ge=0, le=65535)] = Field(0, description="Number of the first register of the block.")
    start: Byte = Field(0, description="Bytes before the first register (address, function, byte count).")
    length: Byte | list[Byte] | None = Field(None, description="Exact length in bytes, or the lengths there are.")
    ts: TimeField | None = None
    seq: "Place | None" = None


class Place(Written):
    """A number at a byte offset (registers: at a register)."""

    at: Register
    type: IntegerType = "u8"
    mask: Mask | None = None
    shift: Shift = 0


class TlvFrame(BinaryFrame):
    """Tag, then value, repeated. Without `length` the size of each tag's value is known from its points and `skip`."""

    kind: Literal["tlv"]
    tag_bytes: Literal[1, 2] = 1
    length: Literal["none", "u8", "u16"] = "none"
    start: Byte = Field(0, description="Bytes before the first tag.")
    skip: dict[Hex, Byte] = Field({}, description="Tags that hold nothing of interest, and the size of their value.")
    records: TlvRecords | list[TlvRecords] = Field([], description="Tags that hold records of the past.")


class When(Written):
    """The point is there only in messages that have a certain number at a place (report types, presence bits)."""

    at: Register
    type: IntegerType = "u8"
    mask: Mask | None = None
    equals: int | list[int] | None = Field(None, description="Default: anything but 0, as for a bit of the mask.")


class AlsoPlace(Differences):
    """Another place where the same point may stand; what is not written here is as at the first place."""

    at: Register | None = None
    tag: Hex | list[Hex] | None = None
    when: When | list[When] | None = None
    group: Annotated[int, Field(ge=0, le=31)] | None = None
    optional: bool | None = None
    ports: list[Port] | None = None


class Extract(Written):
    """How a value is found in the message and turned into what people mean."""

    at: Path | Register | None = Field(
        None,
        description="json, cbor, codec: key path, `a.b` or [a, b], a number for the place in a list (-1: the last); "
        "default: the point's name. keys: path inside the key's value where that is an object. struct: byte offset. "
        "tlv: offset inside the tag's value (default 0).",
    )
    key: Key | list[Key] | None = Field(
        None,
        description="keys and senml: the key (senml: the name, or its end); several: the first that is there. "
        "Default: the point's name.",
    )
    sent_unit: Annotated[str, Field(min_length=1, max_length=40)] | None = Field(
        None, description="senml: the unit of the records that it takes, as written there; default: any."
    )
    tag: Hex | list[Hex] | None = Field(
        None, description='tlv only: the tag in quotes, as "0175"; several where they hold the same thing.'
    )
    type: BinaryType | JsonType | None = None
    size: Size | None = Field(None, description="hex, version and ascii: how many bytes.")
    order: Order | None = Field(None, description="Binary: byte order of this value, where it is not the frame's.")
    mask: Mask | None = None
    shift: Shift = 0
    sign: Sign | None = Field(
        None, description="How a number of fewer bits than its type is signed, after mask and shift."
    )
    missing: list[int | float | str] = Field([], description="Raw values by which the device says 'not measured'.")
    when: When | list[When] | None = Field(None, description="Several: all must hold.")
    ports: list[Port] | None = Field(
        None, description="Binary: fPorts on which it is there (an unknown port counts as the first of the frame)."
    )
    group: Annotated[int, Field(ge=0, le=31)] | None = Field(
        None, description="struct with groups: which one; `at` counts from its beginning (default 0)."
    )
    optional: bool = Field(False, description="struct, registers: shorter messages may leave it out.")
    also: list[AlsoPlace] = Field([], description="Binary: further places where it may stand; the last found counts.")
    label: Names | None = None


class PointDocument(Extract):
    """One measured quantity, as a number in its canonical unit."""

    unit: Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[!-~]+$", description="UCUM.")]
    quantity: str | None = Field(None, description="Default: the point's name where that is a known quantity.")
    bias: int = Field(0, description="Binary integers: added to the raw number before the scale.")
    scale: float | None = Field(None, description="value = (raw + bias) x scale + offset")
    offset: float = 0.0
    map: dict[str, float] = Field({}, description="Raw value to number; any other raw value is a problem.")
    dead_band: Annotated[float, Field(ge=0)] | None = Field(
        None, description="How far the value must move before an edge that reports by exception tells it at once."
    )
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


class EarlierDocument(Written):
    """A record of the past that the message of an example must carry."""

    ts: str | None = Field(None, description="Its event time, RFC 3339.")
    age_s: float | None = Field(None, description="Seconds before the message that carries it.")
    values: dict[Name, float] = {}
    states: dict[Name, str] = {}
    events: list[Event] = []


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
    age_s: float | None = Field(None, description="Seconds before its arrival, where the message says that alone.")
    earlier: list[EarlierDocument] = Field([], description="Records of the past that it must carry, oldest first.")
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
    frame: Annotated[
        JsonFrame | CborFrame | KeysFrame | SenmlFrame | CodecFrame | StructFrame | TlvFrame | RegistersFrame,
        Field(discriminator="kind"),
    ]
    parameters: dict[Name, ParameterDocument] = {}
    points: Annotated[dict[Name, PointDocument], Field(min_length=1)]
    states: dict[Name, StateDocument] = {}
    rules: dict[Name, dict[str, Any] | None] = Field({}, description="Over the rules of the hazard's family.")
    quality: dict[Name, dict[str, Any] | None] = Field(
        {}, description="By point, over the quality tests of the hazard's family; null takes a point's tests away."
    )
    maintenance: Maintenance = Maintenance()
    examples: Annotated[list[ExampleDocument], Field(min_length=1)]


RecordPlace.model_rebuild()
StructRecords.model_rebuild()
Groups.model_rebuild()
StructFrame.model_rebuild()
RegistersFrame.model_rebuild()
