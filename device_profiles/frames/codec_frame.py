"""Payloads of a named Python codec; what it returns is read by path."""

from typing import Any

import msgspec

from device_profiles.decoder import Code, DecodeError
from device_profiles.document import CodecFrame
from device_profiles.frames.codecs import codec
from device_profiles.frames.plan import Parts
from device_profiles.frames.tree_frame import TreePlan

MAX_CODEC_BYTES = 4096


class CodecPlan(TreePlan):
    """A compiled `codec` frame."""

    form = "a map from the codec"
    longest = MAX_CODEC_BYTES

    def __init__(self, frame: CodecFrame, parts: Parts) -> None:
        super().__init__(frame, parts, frame.ports, frame.other_ports)
        self._name = frame.name
        self._codec = codec(frame.name)

    def load(self, payload: bytes, fport: int | None) -> Any:
        """What the codec makes of a payload, as plain data."""
        try:
            return msgspec.to_builtins(self._codec(payload, fport))
        except Exception as error:  # noqa: BLE001 - foreign code: whatever goes wrong in it is said of this payload
            said = str(error) or type(error).__name__
            raise DecodeError(Code.MALFORMED, f"codec {self._name}: {said}"[:200]) from None
