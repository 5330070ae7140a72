"""What a decoder is: bytes in, one message of values out, and one documented error."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from device_profiles.frames.plan import Plan

MAX_PAYLOAD_BYTES = 64 * 1024
"""Larger payloads are refused unread (`too_large`); most frames have a lower limit of their own."""

MAX_EARLIER = 256
"""Records of the past that one message may carry; one with more is refused (`malformed`)."""


class Code(StrEnum):
    """Why a payload cannot be decoded at all."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"  # not of the frame's form: no JSON object, a number where an object belongs
    WRONG_LENGTH = "wrong_length"
    WRONG_PORT = "wrong_port"
    WRONG_MARKER = "wrong_marker"  # constant bytes of the model are not there
    BAD_CHECKSUM = "bad_checksum"


class ProblemCode(StrEnum):
    """Why one value of a payload that was decoded is missing or in doubt."""

    NOT_A_NUMBER = "not_a_number"  # text, a list or an object where a number belongs
    UNMAPPED = "unmapped"  # a raw value that the profile's map does not know
    UNKNOWN_TAG = "unknown_tag"  # the rest of the message was not read
    NO_RESULT = "no_result"  # a formula that has no result for these numbers
    NOTHING_KNOWN = "nothing_known"  # an object without any key that the profile knows


class DecodeError(ValueError):
    """The payload cannot be decoded; the only exception that `Decoder.decode` raises."""

    def __init__(self, code: Code, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


@dataclass(frozen=True, slots=True)
class Point:
    """One measured quantity of a model."""

    name: str
    unit: str  # UCUM
    quantity: str
    valid: tuple[float, float] | None
    label_zh: str
    label_en: str
    derived: bool = False
    dead_band: float | None = None  # how far it must move before the change is told at once; None: as its unit has it


@dataclass(frozen=True, slots=True)
class State:
    """Something that a model says in words."""

    name: str
    label_zh: str
    label_en: str


class Message(msgspec.Struct, gc=False):
    """One decoded payload. `values` stands in the order of the decoder's points: None = absent; may hold NaN.

    A message measured at an instant that only the receiver can tell has `age_s` and no `ts`: so many seconds before
    it arrived. With neither it is of the moment at which it arrived. In a record of `earlier`, `age_s` counts back
    from the message that carries it (its `ts`, or its own `age_s` before the arrival).
    """

    ts: int | None  # event time, epoch ms
    ts_problem: str | None  # why the time that stood there was not taken
    seq: int | None
    boot: str | None
    values: tuple[float | None, ...]
    texts: dict[str, str]  # states
    events: tuple[str, ...]  # quantity.EVENTS
    problems: tuple[tuple[str, str, str], ...]  # (point, ProblemCode, detail)
    earlier: tuple["Message", ...] = ()  # records of the past in the same payload, oldest first
    age_s: float | None = None  # seconds between the measurement and the arrival, where that is all that is said


class Decoder:
    """Turns the payloads of one device into messages. Made by `Profile.decoder`.

    Attributes:
        points: what stands in `Message.values`, in this order.
        missing: parameters that the device's formulas need and that nobody gave; the points that need them stay None.
        plan: what all devices of the model share; `many.decode_many` groups by it.
    """

    points: tuple[Point, ...]
    missing: tuple[str, ...]
    plan: "Plan | None" = None
    _longest_payload = MAX_PAYLOAD_BYTES

    def __init__(
        self,
        points: Sequence[Point],
        missing: Sequence[str],
        ports: Sequence[int] | None,
        other_ports: Sequence[int] = (),
    ) -> None:
        self.points = tuple(points)
        self.missing = tuple(missing)
        self._ports = None if ports is None else frozenset(ports)
        self._other_ports = frozenset(other_ports)

    def decode(self, payload: bytes, fport: int | None = None) -> Message:
        """Decodes one payload.

        Args:
            payload: what the device sent.
            fport: the LoRaWAN port, where there is one; None is taken for any port.

        Raises:
            DecodeError: and nothing else.
        """
        if len(payload) > self._longest_payload:
            raise DecodeError(Code.TOO_LARGE, f"{len(payload)} bytes; at most {self._longest_payload} are read")
        if fport in self._other_ports:
            return Message(None, None, None, None, (None,) * len(self.points), {}, (), ())
        if fport is not None and self._ports is not None and fport not in self._ports:
            expected = ", ".join(str(port) for port in sorted(self._ports))
            raise DecodeError(Code.WRONG_PORT, f"port {fport}; this model sends on port {expected}")
        return self._decode(payload)

    def _decode(self, payload: bytes) -> Message:
        raise NotImplementedError
