"""What must hang together in the frame, points and states of a binary profile."""

from collections.abc import Iterator

from device_profiles.document import (
    AlsoPlace,
    BinaryFrame,
    Extract,
    PointDocument,
    ProfileDocument,
    RecordPlace,
    Records,
    RegistersFrame,
    StateDocument,
    StructFrame,
    TlvFrame,
)
from device_profiles.frames.binary_frame import MAX_BINARY_BYTES
from device_profiles.frames.cells import tags, whens
from device_profiles.frames.layout import CHECKSUMS, REAL, SIZES, TEXTS, width
from device_profiles.frames.registers_frame import byte_of
from device_profiles.frames.struct_frame import lengths
from device_profiles.frames.tlv_frame import records_of
from device_profiles.loading.yaml_source import Path

Found = tuple[Path, str, str]
"""Where, what is wrong, how to mend it."""

_TYPES = ", ".join([*SIZES, *TEXTS])
_REGISTER_TYPES = ("u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bcd16", "bcd32", *TEXTS)


def check_extract(frame: BinaryFrame, extract: PointDocument | StateDocument, path: Path) -> Iterator[Found]:
    """A point or state and its further places."""
    for key in ("key", "sent_unit"):
        if getattr(extract, key) is not None:
            yield (*path, key), "belongs to keys and senml frames", "at: the byte offset"
    if extract.type is None:
        yield path, "needs a type", f"type: one of {_TYPES}"
    yield from _place(frame, extract, extract, path)
    for number, also in enumerate(extract.also):
        where: Path = (*path, "also", number)
        if not also.model_fields_set & {"at", "tag", "group", "when", "ports"}:
            yield where, "is at no other place", "give it an at, tag, group, when or ports of its own"
        yield from _place(frame, extract, also, where)
        yield from _map(extract, also, where)


def _place(frame: BinaryFrame, extract: Extract, place: Extract | AlsoPlace, path: Path) -> Iterator[Found]:
    """One place of a value; what it does not say is as the value says."""
    at = extract.at if place.at is None else place.at
    kind = place.type or extract.type
    if not (at is None or isinstance(at, int)):
        yield (*path, "at"), "is a byte offset in a binary frame", "at: 0 is the first byte"
        at = 0
    if kind not in SIZES and kind not in TEXTS:
        if kind is not None:
            yield (*path, "type"), f"'{kind}' belongs to json frames", f"one of {_TYPES}"
        return
    size = width(kind, extract.size if place.size is None else place.size)
    yield from _number(extract, place, kind, path)
    if place.ports is not None:
        yield from _ports(frame, place.ports, (*path, "ports"))
    if isinstance(frame, TlvFrame):
        yield from _tlv(frame, extract, place, path)
    elif isinstance(frame, RegistersFrame):
        yield from _registers(frame, place, kind, at, size, path)
    elif isinstance(frame, StructFrame):
        yield from _struct(frame, extract, place, at, size, path)


def _number(extract: Extract, place: Extract | AlsoPlace | RecordPlace, kind: str, path: Path) -> Iterator[Found]:
    """What fits the type of a value."""
    mask = extract.mask if place.mask is None else place.mask
    sign = extract.sign if place.sign is None else place.sign
    if kind in REAL and (mask is not None or extract.shift):
        yield (*path, "type"), "a floating-point number has no bits to mask", "use an integer type"
    if kind in TEXTS and (mask is not None or sign is not None or (extract.shift and kind != "version")):
        yield (*path, "type"), f"{kind} is text and has no bits to pick", "use an integer type"
    if kind in ("hex", "version") and isinstance(extract, PointDocument):
        yield (*path, "type"), f"{kind} gives a text, a point is a number", "write it under states"
    if kind in ("hex", "ascii") and place.size is None and extract.size is None:
        yield (*path, "size"), f"is missing: how many bytes the {kind} has", "size: 8"
    if kind == "version" and extract.shift not in (0, 4):
        yield (*path, "shift"), "of a version is 0 or 4", "shift: 4 leaves the last half-byte out"
    if kind in SIZES and place.size is not None:
        yield (*path, "size"), f"{kind} has {SIZES[kind]} bytes in any case", f"size belongs to {', '.join(TEXTS)}"
    if kind in SIZES and mask is not None and mask >= 1 << (8 * SIZES[kind]):
        yield (*path, "mask"), f"has bits outside of {kind}", "the mask applies to the raw number"
    if sign is not None and (kind[0] not in "ui" or (kind[0] == "i" and mask is None)):
        yield (*path, "sign"), f"does not go with {kind}", f"u{kind[1:]}, or a mask that says which bits the number has"
    if isinstance(extract, PointDocument) and extract.bias and extract.map:
        yield (*path, "bias"), "does not go with a map", "write the raw values into the map"


def _ports(frame: BinaryFrame, ports: list[int], path: Path) -> Iterator[Found]:
    if frame.ports is None:
        yield path, "needs the ports of the frame", "frame: ports: [every fPort with values, the usual one first]"
    elif not set(ports) <= set(frame.ports):
        yield path, "names a port that the frame does not have", f"ports of the frame are {frame.ports}"


def _map(extract: PointDocument | StateDocument, place: AlsoPlace | RecordPlace, path: Path) -> Iterator[Found]:
    """A map of a further place gives what that of the value gives."""
    wanted = (int, float) if isinstance(extract, PointDocument) else str
    if place.map is not None and not all(isinstance(value, wanted) for value in place.map.values()):
        kind = "numbers" if isinstance(extract, PointDocument) else "words"
        yield (*path, "map"), f"must give {kind}", "as the map of the point or state itself"


def _struct(
    frame: StructFrame, extract: Extract, place: Extract | AlsoPlace, at: int | None, size: int, path: Path
) -> Iterator[Found]:
    if place.tag is not None:
        yield (*path, "tag"), "belongs to tlv frames", "a struct frame has byte offsets only"
    group = extract.group if place.group is None else place.group
    if group is not None:
        yield from _group(frame, place, group, (at or 0) + size, path)
        return
    longest = max(lengths(frame) or (frame.max_length or MAX_BINARY_BYTES,))
    if at is None:
        yield path, "needs its byte offset", "at: 0 is the first byte"
    elif at + size > longest:
        yield (*path, "at"), f"reaches beyond the frame's length of {longest}", "check at, type and length"


def _group(frame: StructFrame, place: Extract | AlsoPlace, group: int, end: int, path: Path) -> Iterator[Found]:
    if frame.groups is None or group >= len(frame.groups.sizes):
        there = "no groups" if frame.groups is None else f"groups 0 to {len(frame.groups.sizes) - 1}"
        fix = "frame: groups: {flags: {at: …, type: u8}, start: …, sizes: [bytes of group 0, of group 1, …]}"
        yield (*path, "group"), f"the frame has {there}", fix
    elif end > frame.groups.sizes[group]:
        said = f"reaches beyond the group's {frame.groups.sizes[group]} bytes"
        fix = "`at` counts from the beginning of the group; check at, type and groups.sizes (bytes, not 16-bit words)"
        yield (*path, "at"), said, fix
    elif any(when.at + SIZES[when.type] > frame.groups.sizes[group] for when in whens(place.when)):
        said = f"reaches beyond the group's {frame.groups.sizes[group]} bytes"
        fix = "in a group `at` of a condition counts from its beginning too; a bit of the flags is the group's own"
        yield (*path, "when"), said, fix
    if place.optional:
        yield (*path, "optional"), "a group is optional by its flag", "remove it"


def _registers(
    frame: RegistersFrame, place: Extract | AlsoPlace, kind: str, at: int | None, size: int, path: Path
) -> Iterator[Found]:
    if place.tag is not None or place.group is not None:
        yield path, "tag and group do not belong to registers", "at: the number of its register"
    if kind not in _REGISTER_TYPES:
        fix = f"one of {', '.join(_REGISTER_TYPES)}; take bytes and bits out with mask and shift"
        yield (*path, "type"), f"{kind} is no whole register", fix
    if at is None:
        yield path, "needs its register number", "at: 40 is register 40, where `first` of the frame says what is sent"
        return
    offset = byte_of(at, frame)
    written = [frame.length] if isinstance(frame.length, int) else frame.length or [MAX_BINARY_BYTES]
    if offset < frame.start or offset + size > max(written):
        said = f"register {at} is not in the block, which begins at {frame.first}"
        yield (*path, "at"), said, "frame: first: the number of the first register in the message"


def _tlv(frame: TlvFrame, extract: Extract, place: Extract | AlsoPlace, path: Path) -> Iterator[Found]:
    if extract.tag is None and place.tag is None:
        yield path, "needs its tag", 'tag: "0175", in quotes'
    elif any(len(tag) != frame.tag_bytes for tag in tags(place)):
        yield (*path, "tag"), f"has not {frame.tag_bytes} bytes", "tag_bytes of the frame says how long tags are"
    if place.group is not None:
        yield (*path, "group"), "belongs to struct frames", "in a tlv frame every tag stands for itself"
    if place.optional:
        yield (*path, "optional"), "belongs to struct frames", "in a tlv frame every tag is optional"


def check_frame(document: ProfileDocument, frame: BinaryFrame) -> Iterator[Found]:
    """The frame itself."""
    if isinstance(frame, TlvFrame):
        yield from _check_tlv(document, frame)
    if isinstance(frame, StructFrame):
        yield from _check_struct(document, frame)
    if isinstance(frame, StructFrame | RegistersFrame) and frame.ts is not None and not isinstance(frame.ts.at, int):
        yield ("frame", "ts", "at"), "is a byte offset in a binary frame", "at: 0 is the first byte"
    if isinstance(frame, StructFrame | RegistersFrame) and frame.ts is not None and frame.ts.ports is not None:
        yield from _ports(frame, frame.ts.ports, ("frame", "ts", "ports"))
    tail = CHECKSUMS[frame.checksum.kind][1] if frame.checksum else 0
    if frame.checksum is not None and frame.checksum.start + tail > MAX_BINARY_BYTES:
        yield ("frame", "checksum", "start"), "lies behind the longest message", "0 is the first byte"


def _check_tlv(document: ProfileDocument, frame: TlvFrame) -> Iterator[Found]:
    for tag in frame.skip:
        if len(bytes.fromhex(tag)) != frame.tag_bytes:
            yield ("frame", "skip", tag), f"has not {frame.tag_bytes} bytes", "every tag has tag_bytes bytes"
    used = {tag for values in (document.points, document.states) for each in values.values() for tag in tags(each)}
    for number, records in enumerate(records_of(frame)):
        path: Path = ("frame", "records", number) if isinstance(frame.records, list) else ("frame", "records")
        tag_bytes = bytes.fromhex(records.tag)
        if len(tag_bytes) != frame.tag_bytes:
            yield (*path, "tag"), f"has not {frame.tag_bytes} bytes", "every tag has tag_bytes bytes"
        if tag_bytes in used:
            yield (*path, "tag"), "is the tag of a point too", "a tag holds either a value of now or a record"
        yield from _check_records(document, records, records.size, path)


def _check_struct(document: ProfileDocument, frame: StructFrame) -> Iterator[Found]:
    if frame.length is not None and (frame.min_length is not None or frame.max_length is not None):
        yield ("frame", "length"), "stands beside min_length or max_length", "keep one of the two ways"
    groups, records = frame.groups, frame.records
    if groups is not None:
        used = {each.group for values in (document.points, document.states) for each in values.values()}
        if used == {None}:
            yield ("frame", "groups"), "no point belongs to a group", "say `group: 0` at the points of the first one"
        if groups.bits is not None and len(set(groups.bits)) != len(groups.sizes):
            yield ("frame", "groups", "bits"), "are not as many different bits as there are sizes", "one bit each"
        if groups.bits is None and len(groups.sizes) > 8 * SIZES[groups.flags.type]:
            fix = "flags: {at: …, type: u16}"
            yield ("frame", "groups", "sizes"), f"are more than {groups.flags.type} has bits", fix
    if records is not None:
        if groups is not None:
            yield ("frame", "records"), "cannot stand behind groups", "keep one of them"
        if records.every_s is not None and records.ts is not None:
            yield ("frame", "records", "every_s"), "stands beside a time of each record", "keep one of the two"
        if records.ports is not None:
            yield from _ports(frame, records.ports, ("frame", "records", "ports"))
        yield from _check_records(document, records, records.size, ("frame", "records"))


def _check_records(document: ProfileDocument, records: Records, size: int | None, path: Path) -> Iterator[Found]:
    ts = records.ts
    if ts is not None and not isinstance(ts.at, int):
        yield (*path, "ts", "at"), "is a byte offset in a binary frame", "at: 0 is the first byte of the record"
    elif ts is not None and size is not None and isinstance(ts.at, int) and ts.at + SIZES[ts.type or "u32"] > size:
        yield (*path, "ts", "at"), f"reaches beyond the record's {size} bytes", "check at, type and size"
    for name, written in records.points.items():
        where: Path = (*path, "points", name)
        extract = document.points.get(name) or document.states.get(name)
        if extract is None or (isinstance(extract, PointDocument) and extract.formula is not None):
            names = ", ".join([*document.points, *document.states])
            yield where, "is no measured point or state of the profile", f"there are {names}"
            continue
        place = RecordPlace(at=written) if isinstance(written, int) else written
        kind = place.type or extract.type
        if kind not in SIZES and kind not in TEXTS:
            yield where, "needs a type", f"type: one of {_TYPES}"
            continue
        yield from _number(extract, place, kind, where)
        yield from _map(extract, place, where)
        ends = [place.at + width(kind, extract.size if place.size is None else place.size)]
        ends += [when.at + SIZES[when.type] for when in whens(place.when)]
        if size is not None and max(ends) > size:
            yield where, f"reaches beyond the record's {size} bytes", "`at` counts from the beginning of the record"
