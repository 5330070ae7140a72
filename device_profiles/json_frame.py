"""JSON objects: one typed decode by msgspec, and a patient second look at whatever does not fit the types."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from device_profiles.decoder import Code, DecodeError, Decoder, Message, Point, ProblemCode
from device_profiles.document import JsonFrame, PointDocument, StateDocument, TimeField
from device_profiles.values import (
    Announcements,
    Convert,
    Derivation,
    Flaw,
    absent,
    chain,
    linear,
    mapped,
    number,
    shown,
    text_number,
)
from wire.time import parse_instant

_Path = tuple[str, ...]
_NOT_JSON_NUMBERS = re.compile(rb"NaN|Infinity|[0-9][eE]\+?[0-9]{3}")


def path_of(at: Any, default: str) -> _Path:
    """A key path as written: `a.b`, or [a, b] where a key itself holds a dot."""
    if at is None:
        return (default,)
    return tuple(at.split(".")) if isinstance(at, str) else tuple(at)


def point_steps(document: PointDocument) -> Convert | None:
    """What a raw JSON value of a point goes through; None: it is the value."""
    table = mapped(document.map) if document.map else None
    if document.type == "text_number":
        return chain(absent(document.missing), text_number, table, linear(document.scale, document.offset))
    if table is not None:
        return chain(absent(document.missing), table, linear(document.scale, document.offset))
    return chain(
        absent(document.missing), number if document.missing else None, linear(document.scale, document.offset)
    )


def _state(document: StateDocument) -> Convert:
    table = mapped(document.map) if document.map else None

    def text(raw: Any) -> Any:
        if raw is None or raw.__class__ in (list, dict):
            return None
        return raw if isinstance(raw, str) else str(raw).lower() if isinstance(raw, bool) else str(raw)

    return chain(absent(document.missing), table or text) or text


class JsonDecoder(Decoder):
    """Decoder of a `json` frame."""

    def __init__(
        self,
        frame: JsonFrame,
        points: Sequence[Point],
        documents: Mapping[str, PointDocument],
        states: Mapping[str, StateDocument],
        derivation: Derivation,
    ) -> None:
        super().__init__(points, derivation.missing, None)
        self._derivation = derivation
        self._announcements = Announcements(
            [(index, documents[point.name]) for index, point in enumerate(points)],
            {name: document.event for name, document in states.items()},
        )
        measured = [(index, point) for index, point in enumerate(points) if not point.derived]
        paths: list[tuple[_Path, Any]] = []
        self._cells: list[tuple[int, int, str, Convert | None, Convert | None]] = []
        for index, point in measured:
            document = documents[point.name]
            steps = point_steps(document)
            plain = not (document.map or document.missing or document.type == "text_number")
            # the patient look meets any JSON value: make it a number first where the typed look already knows it is
            patient = chain(number, steps) if plain else steps
            typed = chain(float, steps) if document.type == "bool" and plain else steps
            self._cells.append((len(paths), index, point.name, typed, patient))
            paths.append((path_of(document.at, point.name), _typed(document, plain)))
        self._states = []
        for name, state in states.items():
            self._states.append((len(paths), name, _state(state)))
            paths.append((path_of(state.at, name), str | bool | float | None))
        ts = frame.ts if isinstance(frame.ts, TimeField) else TimeField(at=frame.ts, type=None) if frame.ts else None
        self._seconds = ts is not None and ts.unit == "s"
        self._ts = self._slot(paths, ts.at if ts else None, str | int | float | None)
        self._seq = self._slot(paths, frame.seq, int | None)
        self._boot = self._slot(paths, frame.boot, str | int | None)
        self._paths = [path for path, _ in paths]
        self._width = len(points)
        self._straight = (
            not self._states
            and derivation.idle
            and len(measured) == len(points)
            and all(typed is None for *_, typed, _patient in self._cells)
        )
        self._typed = _compile(paths)

    @staticmethod
    def _slot(paths: list[tuple[_Path, Any]], at: Any, kind: Any) -> int:
        if at is None:
            return -1
        paths.append((path_of(at, ""), kind))
        return len(paths) - 1

    def _decode(self, payload: bytes) -> Message:
        try:
            if self._typed is None:
                return self._patiently(payload)
            decoded = self._typed.decode(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return self._patiently(payload)
        return self._message(msgspec.structs.astuple(decoded), patient=False) or self._patiently(payload)

    def _message(self, raw: Sequence[Any], *, patient: bool, keys: Mapping[str, Any] | None = None) -> Message | None:
        """The message of raw values; None when the typed look found nothing at all (the patient one says why)."""
        problems: list[tuple[str, str, str]] = []
        texts: dict[str, str] = {}
        values: tuple[float | None, ...]
        if self._straight and not patient:
            values = tuple(raw[: self._width])
        else:
            values = self._values(raw, patient, texts, problems)
        empty = not texts and values.count(None) == self._width
        if empty and not patient:
            return None
        ts, ts_problem = self._instant(raw[self._ts]) if self._ts >= 0 else (None, None)
        seq = raw[self._seq] if self._seq >= 0 else None
        boot = raw[self._boot] if self._boot >= 0 else None
        if patient:
            seq = _integer(seq, problems)
            if keys is not None and empty and not problems and ts is None and seq is None:
                problems.append(("", ProblemCode.NOTHING_KNOWN, f"keys {', '.join(list(keys)[:8]) or 'none'}"[:200]))
        return Message(
            ts,
            ts_problem,
            seq,
            None if boot is None or boot.__class__ in (list, dict) else str(boot),
            values,
            texts,
            self._announcements.of(values, texts),
            tuple(problems),
        )

    def _values(
        self, raw: Sequence[Any], patient: bool, texts: dict[str, str], problems: list[tuple[str, str, str]]
    ) -> tuple[float | None, ...]:
        """Raw values through their steps; fills states and problems in."""
        row: list[float | None] = [None] * self._width
        for slot, index, name, typed, patient_steps in self._cells:
            value = raw[slot]
            if value is None:
                continue
            steps = patient_steps if patient else typed
            if steps is not None:
                value = steps(value)
                if value.__class__ is Flaw:
                    problems.append((name, value.code, value.detail))
                    continue
            row[index] = value
        for slot, name, convert in self._states:
            value = raw[slot]
            state = None if value is None else convert(value)
            if state.__class__ is Flaw:
                problems.append((name, state.code, state.detail))
            elif state is not None:
                texts[name] = state
        if not self._derivation.idle:
            self._derivation.apply(row, problems)
        return tuple(row)

    def _instant(self, raw: Any) -> tuple[int | None, str | None]:
        if raw is None:
            return None, None
        try:
            if self._seconds and isinstance(raw, int | float) and not isinstance(raw, bool):
                raw = round(raw * 1000)
            return parse_instant(raw), None
        except (ValueError, OverflowError) as error:
            return None, str(error)

    def _patiently(self, payload: bytes) -> Message:
        """Value by value, for payloads of which some part is not what it should be."""
        found = _any_json(payload)
        if not isinstance(found, dict):
            raise DecodeError(Code.MALFORMED, f"a JSON object was expected, not {shown(found)}")
        raw = [_reach(found, path) for path in self._paths]
        message = self._message(raw, patient=True, keys=found)
        assert message is not None
        return message


def _typed(document: PointDocument, plain: bool) -> Any:
    """The JSON type that the fast look insists on."""
    if document.type == "text_number":
        return str | float | None
    if plain:
        return bool | float | None if document.type == "bool" else float | None
    return str | bool | float | None


def _integer(raw: Any, problems: list[tuple[str, str, str]]) -> int | None:
    if raw is None or (isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 1 << 63):
        return raw
    if isinstance(raw, float) and raw.is_integer() and abs(raw) < 1 << 53:
        return int(raw)
    problems.append(("seq", ProblemCode.NOT_A_NUMBER, shown(raw)))
    return None


def _any_json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        if _NOT_JSON_NUMBERS.search(payload) is None:
            raise DecodeError(Code.MALFORMED, f"not JSON: {error}"[:200]) from None
    # NaN and Infinity are not JSON, yet many devices write them: let each be seen as what it is
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise DecodeError(Code.MALFORMED, f"not JSON: {error}"[:200]) from None


def _reach(found: Any, path: _Path) -> Any:
    for step in path:
        if not isinstance(found, dict):
            return None
        found = found.get(step)
    return found


def _compile(paths: Sequence[tuple[_Path, Any]]) -> "msgspec.json.Decoder[Any] | None":
    """A typed decoder whose fields stand in the order of `paths`.

    None where a key lies deeper than the top level or is read twice: there the patient look does the work.
    """
    names = [path[0] for path, _ in paths]
    if any(len(path) != 1 for path, _ in paths) or len(set(names)) != len(names):
        return None
    fields = [(f"f{index}", kind, None) for index, (_, kind) in enumerate(paths)]
    rename = {f"f{index}": name for index, name in enumerate(names)}
    return msgspec.json.Decoder(msgspec.defstruct("Payload", fields, rename=rename, gc=False))
