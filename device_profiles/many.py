"""Decoding many messages at once, as messages or as columns; both say what decoding each by itself says.

The function that is compiled for each model costs less than a microsecond a message, most of it for the Message itself:
as messages, a batch saves nothing over a loop, whatever numpy does (measured: docs/performance.md). As columns, a fixed
frame is decoded for the whole batch by a few numpy calls.
"""

from collections.abc import Sequence

from device_profiles.decoder import DecodeError, Decoder, Message
from device_profiles.frames.columns import Columns
from device_profiles.frames.struct_batch import StructBatch, suits
from device_profiles.frames.struct_frame import StructPlan
from device_profiles.profile import Profile
from device_profiles.quantity import EVENTS

FEWEST = 128
"""From so many messages on columns are filled by numpy where the frame is fixed; below, one by one is as fast."""


def decode_many(
    decoders: Sequence[Decoder], payloads: Sequence[bytes], fports: Sequence[int | None]
) -> list[Message | DecodeError]:
    """Decodes messages of any devices.

    Args:
        decoders: of the device of each message.
        payloads: what they sent.
        fports: the LoRaWAN port of each, None where there is none.

    Returns:
        For each message, in their order, what `decode` returns or the error that it raises.
    """
    answers: list[Message | DecodeError] = []
    for decoder, payload, fport in zip(decoders, payloads, fports, strict=True):
        try:
            answers.append(decoder.decode(payload, fport))
        except DecodeError as error:
            answers.append(error.with_traceback(None))
    return answers


def decode_columns(
    profile: Profile, decoders: Sequence[Decoder], payloads: Sequence[bytes], fports: Sequence[int | None]
) -> Columns:
    """Decodes messages of devices of one model into columns.

    Args:
        profile: the model.
        decoders: of the device of each message, all made by this profile.
        payloads: what they sent.
        fports: the LoRaWAN port of each, None where there is none.
    """
    states = tuple(state.name for state in profile.states)
    columns = Columns.empty(profile.points, states, EVENTS, len(payloads))
    batch = _batch(profile) if len(payloads) >= FEWEST else None
    if batch is None:
        columns.put(range(len(payloads)), decode_many(decoders, payloads, fports))
    elif rows := batch.fill(columns, decoders, payloads, fports):
        some = ([decoders[row] for row in rows], [payloads[row] for row in rows], [fports[row] for row in rows])
        columns.put(rows, decode_many(*some))
    return columns


def _batch(profile: Profile) -> StructBatch | None:
    """What fills columns for a model, if its messages have one form."""
    plan = profile.plan
    if not isinstance(plan, StructPlan):
        return None
    if plan.batch is None:
        plan.batch = StructBatch(plan) if suits(plan) else False
    return plan.batch if isinstance(plan.batch, StructBatch) else None
