"""Maps of keys and values in JSON: Tuya data points by id or code, entity states of ESPHome and Home Assistant."""

from typing import Any

from device_profiles.decoder import Code, DecodeError, Message
from device_profiles.document import Extract, KeysFrame
from device_profiles.frames.json_frame import any_json
from device_profiles.frames.paths import Path, is_there, path_of, reach
from device_profiles.frames.plan import Parts
from device_profiles.frames.text_frame import (
    NO_STAMP,
    Cell,
    Header,
    TextPlan,
    convert_point,
    convert_state,
    nothing_known,
)
from device_profiles.frames.values import Derivation, shown

MAX_KEYS = 512
"""Keys in one list; a list with more is refused."""


class KeysPlan(TextPlan):
    """A compiled `keys` frame."""

    def __init__(self, frame: KeysFrame, parts: Parts) -> None:
        super().__init__(parts)
        self._header_paths: list[Path] = []
        self._header = Header(frame, self._header_paths)
        self._header_reaches = tuple(reach(path) for path in self._header_paths)
        self._at = tuple(reach(path_of(at, "")) for at in _alternatives(frame.at))
        self._key = None if frame.key is None else reach(path_of(frame.key, ""))
        self._value = reach(path_of(frame.value, "value"))
        cells = []
        wanted: list[tuple[tuple[str, ...], Any]] = []
        for index, point in enumerate(self.points):
            if not point.derived:
                document = parts.documents[point.name]
                cells.append(Cell(len(wanted), index, point.name, convert_point(document, frame.missing)))
                wanted.append(_wanted(document, point.name))
        for name, state in parts.states.items():
            cells.append(Cell(len(wanted), -1, name, convert_state(state, frame.missing)))
            wanted.append(_wanted(state, name))
        self._cells = tuple(cells)
        self._wanted = tuple(wanted)

    def read(self, payload: bytes, fport: int | None, derivation: Derivation) -> Message:  # noqa: ARG002
        """Key by key."""
        found = any_json(payload)
        if found.__class__ not in (dict, list):
            raise DecodeError(Code.MALFORMED, f"a JSON object or list was expected, not {shown(found)}")
        inner = found
        for at in self._at:
            inside = at(found)
            if inside is not None:
                inner = inside
                break
        held = self._map(inner)
        raw = [
            held.get(names[0]) if inside is None and len(names) == 1 else _first(held, names, inside)
            for names, inside in self._wanted
        ]
        row: list[float | None] = [None] * self.width
        texts: dict[str, str] = {}
        problems: list[tuple[str, str, str]] = []
        self.take(self._cells, raw, row, texts, problems)
        stamp = NO_STAMP
        if self._header_reaches:
            stamp = self._header.of([find(found) for find in self._header_reaches], problems)
        if not texts and not problems and row.count(None) == self.width and self._is_strange(found, held):
            problems.append(nothing_known(held or (found if found.__class__ is dict else ())))
        return self.finish(row, texts, problems, derivation, stamp)

    def _is_strange(self, found: Any, held: dict[str, Any]) -> bool:
        """Whether no key of the profile, time and counter included, is there."""
        known = any(name in held for names, _ in self._wanted for name in names)
        return not known and not any(is_there(found, path) for path in self._header_paths)

    def _map(self, found: Any) -> dict[str, Any]:
        if found.__class__ is dict:
            if self._key is None or self._key(found) is None:
                return found
            found = [found]
        if found.__class__ is not list:
            return {}
        if self._key is None:
            what = "a list was sent where an object of keys belongs; lists need `key` in the frame"
            raise DecodeError(Code.MALFORMED, what)
        if len(found) > MAX_KEYS:
            raise DecodeError(Code.MALFORMED, f"{len(found)} keys; at most {MAX_KEYS} are read")
        held = {}
        for element in found:
            key = self._key(element)
            if key.__class__ is str:
                held[key] = self._value(element)
            elif key.__class__ is int and key.bit_length() <= 64:
                held[str(key)] = self._value(element)
        return held


def _alternatives(at: Any) -> list[Any]:
    if at is None:
        return []
    return at if isinstance(at, list) and at and isinstance(at[0], list) else [at]


def keys_of(document: Extract, name: str) -> tuple[str, ...]:
    """The keys under which a point or state may stand."""
    written = document.key
    if written is None:
        return (name,)
    return tuple(str(key) for key in written) if isinstance(written, list) else (str(written),)


def _wanted(document: Extract, name: str) -> tuple[tuple[str, ...], Any]:
    return keys_of(document, name), None if document.at is None else reach(path_of(document.at, ""))


def _first(held: dict[str, Any], names: tuple[str, ...], inside: Any) -> Any:
    for name in names:
        value = held.get(name)
        if value is not None:
            # the same key may hold a bare value in one message and an object in another
            return value if inside is None or value.__class__ not in (dict, list) else inside(value)
    return None
