"""Which bytes or keys of a message no point of a profile reads: a slip in an offset shows here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from device_profiles.document import Extract, JsonFrame, StructFrame
from device_profiles.frames.layout import CHECKSUMS, SIZES
from device_profiles.profile import Profile

_MOST_SHOWN = 8
_NO_VALUES = frozenset({"id", "src", "dst", "method"})  # of the envelope that some devices put around their values


def unread(profile: Profile) -> str:
    """In words, as `bytes 3, 6-7` or `keys a.b, c`; empty when everything is read, or where it cannot be told."""
    frame = profile.document.frame
    if isinstance(frame, StructFrame):
        return _bytes(profile, frame)
    if isinstance(frame, JsonFrame):
        return _keys(profile, frame)
    return ""


def _extracts(profile: Profile) -> Iterator[tuple[str, Extract]]:
    for name, point in profile.document.points.items():
        if point.formula is None:
            yield name, point
    yield from profile.document.states.items()


def _bytes(profile: Profile, frame: StructFrame) -> str:
    length = frame.length if isinstance(frame.length, int) else None
    if frame.groups is not None:
        used = {extract.group for _, extract in _extracts(profile)}
        left = [str(index) for index, size in enumerate(frame.groups.sizes) if index not in used and size]
        return f"groups {', '.join(left)}" if left else ""
    if length is None or frame.records is not None:
        return ""
    read = bytearray(length)
    places: list[tuple[Any, str | None, Any]] = []
    for _, extract in _extracts(profile):
        places.append((extract.at, extract.type, extract.size))
        places += [
            (also.at if also.at is not None else extract.at, also.type or extract.type, also.size or extract.size)
            for also in extract.also
        ]
        for when in _list(extract.when):
            places.append((when.at, when.type, None))
    for stamp in (frame.ts, frame.seq):
        if stamp is not None:
            places.append((stamp.at, stamp.type or "u32", None))
    for match in frame.match:
        places += [(match.at, None, len(bytes.fromhex(match.bytes)))]
    if frame.checksum is not None:
        size = CHECKSUMS[frame.checksum.kind][1]
        places.append((length - size, None, size))
    for at, kind, size in places:
        if isinstance(at, int):
            end = at + (size or SIZES.get(kind or "", 1))
            read[at:end] = b"\1" * len(read[at:end])
    gaps = [index for index, seen in enumerate(read) if not seen]
    return f"bytes {_ranges(gaps)}" if gaps else ""


def _list(found: Any) -> Sequence[Any]:
    if found is None:
        return ()
    return found if isinstance(found, list) else (found,)


def _ranges(numbers: list[int]) -> str:
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)


def _keys(profile: Profile, frame: JsonFrame) -> str:
    if frame.records is not None:
        return ""
    read = {_steps(extract.at if extract.at is not None else name) for name, extract in _extracts(profile)}
    for end in (frame.ts, frame.seq, frame.boot):
        if end is not None:
            read.add(_steps(getattr(end, "at", end)))
    left: dict[str, None] = {}
    for example in profile.examples:
        if example.error is not None:
            continue
        for path in paths_in(example.payload):
            if path not in read and path[-1] not in _NO_VALUES:
                left[".".join(path)] = None
    if not left:
        return ""
    names = list(left)
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return f"keys {', '.join(names[:_MOST_SHOWN])}{more}"


def paths_in(payload: bytes) -> list[tuple[str, ...]]:
    """Every path of a JSON message at which a value stands; none where it is no JSON."""
    try:
        return list(_leaves(msgspec.json.decode(payload), ()))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []


def _steps(path: Any) -> tuple[str, ...]:
    if isinstance(path, str):
        return tuple(path.split("."))
    return tuple(str(step) for step in path) if isinstance(path, list) else (str(path),)


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(index)))
    else:
        yield path
