"""JSON objects: one typed decode by msgspec, and a patient second look at whatever does not fit the types."""

import json
import operator
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec

from device_profiles.decoder import MAX_PAYLOAD_BYTES, Code, DecodeError, Decoder, Message
from device_profiles.document import JsonFrame, PointDocument
from device_profiles.frames.paths import Path, has_place
from device_profiles.frames.plan import Parts
from device_profiles.frames.text_frame import MAX_TEXT_BYTES, TextDecoder, convert_point
from device_profiles.frames.tree_frame import TreePlan
from device_profiles.frames.values import Derivation, chain, linear
from wire.time import LAST_MS

_NOT_JSON_NUMBERS = re.compile(rb"NaN|Infinity|[0-9][eE]\+?[0-9]{3}")
_SLOW_NUMBERS = re.compile(rb"[0-9][eE]\+?[0-9][0-9]")
_SHORT = 2048
"""Longer texts with numbers as 1e290 are left to `json`: msgspec takes 10 µs for each of them, `json` half a one."""
_EXPONENT = re.compile(rb"[0-9][eE]")
_MOST_EXPONENTS = 200
_SMALL_BYTES = 2048
_decode_any = msgspec.json.Decoder().decode
_COUNTER = Annotated[int, msgspec.Meta(ge=-(1 << 63) + 1, le=(1 << 63) - 1)]
_Look = Callable[[bytes], tuple[Any, ...]]


class JsonPlan(TreePlan):
    """A compiled `json` frame."""

    form = "a JSON object"

    def __init__(self, frame: JsonFrame, parts: Parts) -> None:
        super().__init__(frame, parts)
        kinds: list[Any] = [str | int | float | None] * len(self.paths)
        typed = []
        for cell in self.cells:
            if cell.place < 0:
                kinds[cell.slot] = str | bool | int | float | None
                typed.append(cell)
            else:
                document = parts.documents[cell.name]
                kinds[cell.slot] = _kind(document)
                typed.append(cell._replace(convert=_typed_steps(document)))
        if self.header.seq >= 0:
            kinds[self.header.seq] = _COUNTER | None
        if self.header.boot >= 0:
            kinds[self.header.boot] = str | int | None
        self._typed = tuple(typed)
        self._look = None if frame.records is not None else _typed_look(self.paths, kinds)
        # the values stand in the order of the points and need no step
        self._straight = len(typed) == self.width and all(cell.convert is None for cell in typed)
        self._ts, self._seq, self._boot = self.header.ts, self.header.seq, self.header.boot
        self._instant = self.header.clock.instant
        # the time is in ms since the epoch where it is a number, and all that says which message it is stands there
        self._native = min(self._ts, self._seq, self._boot) >= 0 and self.header.clock.plain
        self._events, self._silent = self.announcements.of, self.announcements.silent
        if self._look is not None:
            self.longest = MAX_PAYLOAD_BYTES

    def read(self, payload: bytes, fport: int | None, derivation: Derivation) -> Message:
        """The typed look, or the patient one."""
        if self._look is None:
            return super().read(payload, fport, derivation)
        if len(payload) > _SHORT and _SLOW_NUMBERS.search(payload) is not None:
            return self.patiently(payload, derivation)
        try:
            raw = self._look(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError, AttributeError):
            return self.patiently(payload, derivation)
        texts: dict[str, str] = {}
        problems: list[tuple[str, str, str]] = []
        values: tuple[float | None, ...]
        if self._straight:
            values = raw[: self.width]
            if self._native and raw[self._ts].__class__ is int and 0 <= raw[self._ts] <= LAST_MS and None not in values:
                boot = raw[self._boot]
                if boot is None or boot.__class__ is str:
                    events = () if self._silent else self._events(values, texts)
                    return Message(raw[self._ts], None, raw[self._seq], boot, values, texts, events, ())
        else:
            row: list[float | None] = [None] * self.width
            self.take(self._typed, raw, row, texts, problems)
            if not derivation.idle:
                derivation.apply(row, problems)
            values = tuple(row)
        if not texts and values.count(None) == self.width:
            return self.patiently(payload, derivation)  # which says why
        ts, ts_problem = (None, None) if self._ts < 0 else self._instant(raw[self._ts])
        seq = None if self._seq < 0 else raw[self._seq]
        boot = None if self._boot < 0 else raw[self._boot]
        return Message(
            ts,
            ts_problem,
            seq,
            boot if boot is None or boot.__class__ is str else str(boot),
            values,
            texts,
            () if self._silent else self._events(values, texts),
            tuple(problems),
        )

    def patiently(self, payload: bytes, derivation: Derivation) -> Message:
        """Value by value, for payloads of which some part is not what it should be."""
        if len(payload) > MAX_TEXT_BYTES:
            what = f"{len(payload)} bytes; above {MAX_TEXT_BYTES} every value must be there and of its type"
            raise DecodeError(Code.TOO_LARGE, what)
        return super().read(payload, None, derivation)

    def decoder(self, derivation: Derivation) -> Decoder:
        """The decoder of one device."""
        return JsonDecoder(self, derivation)

    def load(self, payload: bytes, fport: int | None) -> Any:  # noqa: ARG002
        """The JSON value, whatever it is."""
        return any_json(payload)


class JsonDecoder(TextDecoder):
    """Decoder of one device that sends JSON: no ports, and one call less."""

    def __init__(self, plan: JsonPlan, derivation: Derivation) -> None:
        super().__init__(plan, derivation)
        self._read = plan.read
        self._longest = plan.longest

    def decode(self, payload: bytes, fport: int | None = None) -> Message:
        """Decodes one payload."""
        if len(payload) > self._longest:
            raise DecodeError(Code.TOO_LARGE, f"{len(payload)} bytes; at most {self._longest} are read")
        return self._read(payload, fport, self._derivation)


def _is_costly(payload: bytes) -> bool:
    """Whether it holds many numbers with exponents: msgspec takes 9 µs for one as 1e290, json a twentieth of that."""
    return len(_EXPONENT.findall(payload)) > _MOST_EXPONENTS


def any_json(payload: bytes) -> Any:
    """Any JSON value, also where it is not quite JSON as many devices send it.

    NaN and Infinity are each seen as what they are; text that is not UTF-8 is taken for GB 18030.

    Raises:
        DecodeError: it is no JSON.
    """
    try:
        return _decode_any(payload) if len(payload) <= _SMALL_BYTES or not _is_costly(payload) else json.loads(payload)
    except UnicodeDecodeError:
        text = payload.decode("gb18030", errors="replace")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        if _NOT_JSON_NUMBERS.search(payload) is None:
            raise DecodeError(Code.MALFORMED, f"not JSON: {error}"[:200]) from None
        text = payload.decode(errors="replace")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError(Code.MALFORMED, f"not JSON: {error}"[:200]) from None


def _plain(document: PointDocument) -> bool:
    """Whether a raw value is a number, without words."""
    return document.type in (None, "number", "bool") and not document.map and not document.missing


def _kind(document: PointDocument) -> Any:
    """The JSON type that the typed look insists on."""
    if document.type == "text_number":
        return str | float | None
    if _plain(document):
        return bool | float | None if document.type == "bool" else float | None
    return str | bool | float | None


def _typed_steps(document: PointDocument) -> Any:
    """What a raw value goes through whose type is known already; None: it is the value."""
    if _plain(document):
        scaled = linear(document.scale, document.offset)
        return chain(float, scaled) if document.type == "bool" else scaled
    return convert_point(document)


def _typed_look(paths: Sequence[Path], kinds: Sequence[Any]) -> _Look | None:
    """Reads the values of all paths at once, in their order; raises where a type does not fit.

    None where a path may lead into a list, is read twice, or ends where another goes on: there the patient look does
    the work.
    """
    if not paths or any(has_place(path) or not path for path in paths):
        return None
    levels: dict[Path, dict[str, Any]] = {(): {}}
    for path, kind in zip(paths, kinds, strict=True):
        for depth in range(len(path) - 1):
            levels.setdefault(path[: depth + 1], {})
        level = levels.setdefault(path[:-1], {})
        if path[-1] in level:
            return None
        level[path[-1]] = kind
    if any(path in levels for path in paths):
        return None
    structs: dict[Path, type] = {}
    names: dict[Path, str] = {(): ""}
    for place in sorted(levels, key=len, reverse=True):
        fields: list[Any] = []
        rename = {}
        keys = [*levels[place], *(path[-1] for path in levels if path and path[:-1] == place)]
        for number, key in enumerate(keys):
            rename[f"f{number}"] = key
            inner = structs.get((*place, key))
            if inner is None:
                fields.append((f"f{number}", levels[place][key], None))
            else:
                fields.append((f"f{number}", inner, msgspec.field(default_factory=inner)))
            names[(*place, key)] = f"f{number}"
        structs[place] = msgspec.defstruct("Level", fields, rename=rename, gc=False)
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(structs[()]).decode
    if len(levels) == 1:
        astuple = msgspec.structs.astuple
        return lambda payload: astuple(decode(payload))
    dotted = [".".join(names[path[: depth + 1]] for depth in range(len(path))) for path in paths]
    if len(dotted) == 1:
        only = operator.attrgetter(dotted[0])
        return lambda payload: (only(decode(payload)),)
    every = operator.attrgetter(*dotted)
    return lambda payload: every(decode(payload))
