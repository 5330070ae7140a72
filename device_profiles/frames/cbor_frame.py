"""CBOR maps, by the same paths as JSON objects."""

import io
from typing import Any

import cbor2

from device_profiles.decoder import Code, DecodeError
from device_profiles.document import CborFrame
from device_profiles.frames.plan import Parts
from device_profiles.frames.tree_frame import TreePlan

MAX_CBOR_BYTES = 16 * 1024
"""One byte can stand for a whole list, so fewer are read than of JSON."""
MAX_CBOR_DEPTH = 16
_MOST_WITH_NUMBER_KEYS = 4096
"""Numbers and lists can be chosen to collide as keys; in a message of this size that does no harm."""


def _refuse(*_: Any) -> Any:
    raise ValueError("only the tags 0, 1, 4 and 55799 are read")


def _as_it_is(value: Any, _immutable: bool) -> Any:
    return value


def _decimal_fraction(value: Any, _immutable: bool) -> float:
    exponent, mantissa = value
    if not (type(exponent) is type(mantissa) is int and abs(exponent) < 1000):
        raise ValueError("a decimal fraction is two whole numbers")
    return float(f"{mantissa}e{exponent}")


_BUILT_IN_TAGS = (2, 3, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000)
_TAGS: dict[int, Any] = dict.fromkeys(_BUILT_IN_TAGS, _refuse) | {
    0: _as_it_is,  # time as text
    1: _as_it_is,  # time as a number
    4: _decimal_fraction,
    55799: _as_it_is,  # "this is CBOR"
}


def load_cbor(payload: bytes) -> Any:
    """One CBOR item of plain data: maps, lists, texts, bytes, numbers, booleans and null.

    Raises:
        DecodeError: it is none, or deeper, larger or other than that.
    """
    if len(payload) > MAX_CBOR_BYTES:
        raise DecodeError(Code.TOO_LARGE, f"{len(payload)} bytes of CBOR; at most {MAX_CBOR_BYTES} are read")
    stream = io.BytesIO(payload)
    try:
        found = cbor2.load(
            stream,
            tag_hook=_refuse,
            semantic_decoders=_TAGS,
            max_depth=MAX_CBOR_DEPTH,
            strict_hashable_types=len(payload) > _MOST_WITH_NUMBER_KEYS,
        )
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError) as error:
        said = f"{error}: {error.__cause__}" if error.__cause__ is not None else str(error)
        raise DecodeError(Code.MALFORMED, f"not CBOR: {said}"[:200]) from None
    if stream.tell() != len(payload):
        left = len(payload) - stream.tell()
        raise DecodeError(Code.MALFORMED, f"not CBOR: {left} bytes follow the end of the message")
    return found


class CborPlan(TreePlan):
    """A compiled `cbor` frame."""

    form = "a CBOR map"
    longest = MAX_CBOR_BYTES

    def __init__(self, frame: CborFrame, parts: Parts) -> None:
        super().__init__(frame, parts, frame.ports, frame.other_ports)

    def load(self, payload: bytes, fport: int | None) -> Any:  # noqa: ARG002
        """The CBOR item, whatever it is."""
        return load_cbor(payload)
