"""What the frames of keys and values share: raw values in slots become one message, with its time and its events."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from device_profiles.decoder import Code, DecodeError, Decoder, Message, ProblemCode
from device_profiles.document import PointDocument, StateDocument, TimedFrame, TimeField
from device_profiles.frames.paths import Path, path_of
from device_profiles.frames.plan import Parts
from device_profiles.frames.values import (
    Announcements,
    Convert,
    Derivation,
    Flaw,
    absent,
    chain,
    linear,
    mapped,
    number,
    onoff,
    shown,
    text_number,
)
from wire.time import parse_instant

MAX_TEXT_BYTES = 32 * 1024
"""Longer messages are read only where every value has the type that the profile expects (`json_frame`)."""
MAX_STATE_LENGTH = 200

CLOCK_SET_MS = 946_684_800_000
"""2000-01-01. What a device dates earlier counts from its start, its clock was never set: that is no time."""

_ZONE = re.compile(r"(Z|z|[+-]\d\d:?\d\d)$")
_Problems = list[tuple[str, str, str]]


class Cell(NamedTuple):
    """One point or state, and the slot of its raw value."""

    slot: int
    place: int  # among the points; -1: a state
    name: str
    convert: Convert | None


class Stamp(NamedTuple):
    """What a message says of itself."""

    ts: int | None = None
    ts_problem: str | None = None
    seq: int | None = None
    boot: str | None = None


NO_STAMP = Stamp()


def convert_point(document: PointDocument, missing: Sequence[int | float | str] = ()) -> Convert:
    """What any raw value of a point goes through."""
    nothing = absent((*document.missing, *missing))
    scaled = linear(document.scale, document.offset)
    if document.type == "text_number":
        table = mapped(document.map) if document.map else None
        return chain(nothing, text_number, table, scaled) or text_number
    if document.map:
        return chain(nothing, mapped(document.map), scaled) or number
    return chain(nothing, onoff if document.type == "onoff" else number, scaled) or number


def convert_state(document: StateDocument, missing: Sequence[int | float | str] = ()) -> Convert:
    """What any raw value of a state goes through; the answer is text."""
    table = mapped(document.map) if document.map else None
    return chain(absent((*document.missing, *missing)), table or _text) or _text


def _text(raw: Any) -> Any:
    if raw is None or raw.__class__ in (list, dict):
        return None
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, bytes):
        raw = raw[:MAX_STATE_LENGTH].hex()
    elif isinstance(raw, int) and raw.bit_length() > 64:
        return Flaw(ProblemCode.NOT_A_NUMBER, shown(raw))
    return clean(str(raw)[:MAX_STATE_LENGTH])


def clean(text: str) -> str:
    """Text without the halves of characters that JSON lets stand alone and nobody can store."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class Clock:
    """Reads the event time where a frame says that it stands."""

    def __init__(self, written: Any) -> None:
        field = written if isinstance(written, TimeField) else None
        self.at: Any = field.at if field else written
        self._seconds = field is not None and field.unit == "s"
        self._zone = field.zone if field else None
        self._earliest = CLOCK_SET_MS if field else 0
        self.plain = field is None  # a number is ms since the epoch, whatever it is

    def instant(self, raw: Any) -> tuple[int | None, str | None]:
        """Epoch milliseconds, or why not."""
        if raw is None:
            return None, None
        try:
            if self._seconds and isinstance(raw, int | float) and not isinstance(raw, bool):
                raw = round(raw * 1000)
            elif self._zone is not None and isinstance(raw, str) and len(raw) < 40:
                text = raw.strip().replace(" ", "T", 1)
                raw = text if _ZONE.search(text) else text + self._zone
            ts = parse_instant(raw)
        except (ValueError, OverflowError) as error:
            return None, str(error)[:200]
        return (None, None) if ts < self._earliest else (ts, None)


class Header:
    """Event time, counter and boot id of a message; adds their paths to those that are read."""

    def __init__(self, frame: TimedFrame, paths: list[Path]) -> None:
        self.clock = Clock(frame.ts)
        self.ts = self._slot(paths, self.clock.at)
        self.seq = self._slot(paths, frame.seq)
        self.boot = self._slot(paths, frame.boot)

    @staticmethod
    def _slot(paths: list[Path], at: Any) -> int:
        if at is None:
            return -1
        paths.append(path_of(at, ""))
        return len(paths) - 1

    def of(self, raw: Sequence[Any], problems: _Problems) -> Stamp:
        """Reads them from the raw values."""
        ts, ts_problem = self.clock.instant(raw[self.ts]) if self.ts >= 0 else (None, None)
        seq = _integer(raw[self.seq], problems) if self.seq >= 0 else None
        boot = raw[self.boot] if self.boot >= 0 else None
        boot = None if boot is None or boot.__class__ in (list, dict) else _text(boot)
        return Stamp(ts, ts_problem, seq, boot if boot.__class__ is str else None)


def _integer(raw: Any, problems: _Problems) -> int | None:
    if raw is None or (isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 1 << 63):
        return raw
    if isinstance(raw, float) and raw.is_integer() and abs(raw) < 1 << 53:
        return int(raw)
    problems.append(("seq", ProblemCode.NOT_A_NUMBER, shown(raw)))
    return None


class TextPlan:
    """A compiled text frame; the frames give `read`."""

    longest = MAX_TEXT_BYTES

    def __init__(self, parts: Parts, ports: Sequence[int] | None = None, other_ports: Sequence[int] = ()) -> None:
        self.points = tuple(parts.points)
        self.width = len(self.points)
        self.announcements = Announcements(
            [(index, parts.documents[point.name]) for index, point in enumerate(self.points)],
            {name: document.event for name, document in parts.states.items()},
        )
        self._ports = None if ports is None else frozenset(ports)
        self._other_ports = frozenset(other_ports)

    def decoder(self, derivation: Derivation) -> Decoder:
        """The decoder of one device."""
        return TextDecoder(self, derivation)

    def decode(self, payload: bytes, fport: int | None, derivation: Derivation) -> Message:
        """Checks size and port, then reads."""
        if len(payload) > self.longest:
            raise DecodeError(Code.TOO_LARGE, f"{len(payload)} bytes; at most {self.longest} are read")
        if fport is not None:
            if fport in self._other_ports:
                return Message(None, None, None, None, (None,) * self.width, {}, (), ())
            if self._ports is not None and fport not in self._ports:
                expected = ", ".join(str(port) for port in sorted(self._ports))
                raise DecodeError(Code.WRONG_PORT, f"port {fport}; this model sends on port {expected}")
        return self.read(payload, fport, derivation)

    def read(self, payload: bytes, fport: int | None, derivation: Derivation) -> Message:
        """The message of a payload of bearable size on a right port."""
        raise NotImplementedError

    @staticmethod
    def take(
        cells: Iterable[Cell],
        raw: Sequence[Any],
        row: list[float | None],
        texts: dict[str, str],
        problems: _Problems,
    ) -> None:
        """Puts raw values through their steps."""
        for slot, place, name, convert in cells:
            value = raw[slot]
            if value is None:
                continue
            if convert is not None:
                value = convert(value)
                if value.__class__ is Flaw:
                    problems.append((name, value.code, value.detail))
                    continue
            if place >= 0:
                row[place] = value
            elif value is not None:
                texts[name] = value

    def finish(
        self,
        row: list[float | None],
        texts: dict[str, str],
        problems: _Problems,
        derivation: Derivation,
        stamp: Stamp = NO_STAMP,
        age_s: float | None = None,
        earlier: tuple[Message, ...] = (),
    ) -> Message:
        """Derived values, events, and all of it as a message."""
        if not derivation.idle:
            derivation.apply(row, problems)
        values = tuple(row)
        events = self.announcements.of(values, texts)
        return Message(
            stamp.ts, stamp.ts_problem, stamp.seq, stamp.boot, values, texts, events, tuple(problems), earlier, age_s
        )


class TextDecoder(Decoder):
    """Decoder of one device with a text frame."""

    def __init__(self, plan: TextPlan, derivation: Derivation) -> None:
        self.points = plan.points
        self.missing = derivation.missing
        self.plan = plan
        self._derivation = derivation
        self._read = plan.decode

    def decode(self, payload: bytes, fport: int | None = None) -> Message:
        """Decodes one payload."""
        return self._read(payload, fport, self._derivation)


def nothing_known(keys: Iterable[Any]) -> tuple[str, str, str]:
    """The problem of a message that holds no key of this profile."""
    first = []
    for name in keys:
        first.append(clean(str(name)[:60]))
        if len(first) == 8:
            break
    return "", ProblemCode.NOTHING_KNOWN, f"keys {', '.join(first) or 'none'}"[:200]
