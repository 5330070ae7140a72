"""The ordinary message: native, live, alone, with a time of its own. Stretches of such are taken without a call each.

Everything else goes the long way through `edge.decode`; what comes out is the same
(`tests/edge/test_plain.py` holds that).
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Protocol

from device_profiles.decoder import Message
from device_profiles.sources.source import Envelope
from edge.accepted import Accepted, message_keys
from edge.batch import Arrived
from edge.sources import Row

Plain = tuple[Arrived, Row, Message]


class Rows(Protocol):
    """Lists by instant of one device, as `edge.decode` gathers them."""

    series: list  # type: ignore[type-arg]
    values: list[float | None]
    width: list[int]
    ts: list[int]
    arrival: list[int]
    wall: list[int]
    flag: list[int]
    counted: list[bool]
    history: list[bool]
    past: list[bool]
    origins: list[tuple[Arrived, Row]]
    heard: dict[Row, int]


def is_plain(message: Arrived, row: Row, envelope: Envelope | None, decoded: Message) -> bool:
    """Whether a message may go the short way: nothing is to be said about it but its values."""
    return not (
        decoded.ts is None
        or decoded.ts_problem is not None
        or envelope is not None
        or message.dup
        or message.retain
        or row.exercise is not None
        or row.clock.segments
        or decoded.problems
        or decoded.texts
        or decoded.events
        or decoded.earlier
    )


def take(stretch: Sequence[Plain], accepted: Accepted, into: Rows, flag: int) -> Iterable[Plain]:
    """Add a stretch of plain messages; those that were taken already come back instead."""
    again: list[Plain] = []
    known = accepted.add_all(message_keys(stretch))
    if known is not None:
        again = [plain for plain, old in zip(stretch, known, strict=True) if old]
        stretch = [plain for plain, old in zip(stretch, known, strict=True) if not old]
    count = len(stretch)
    walls = [message.arrival_ms for message, _, _ in stretch]
    rows = [row for _, row, _ in stretch]
    values = [decoded.values for _, _, decoded in stretch]
    into.origins.extend([(message, row) for message, row, _ in stretch])
    into.heard.update(zip(rows, walls, strict=True))
    into.series.extend([row.series for row in rows])
    into.values.extend(chain.from_iterable(values))
    into.width.extend(map(len, values))
    into.ts.extend([decoded.ts for _, _, decoded in stretch])  # type: ignore[misc]  # a plain message has one
    into.arrival.extend(walls)
    into.wall.extend(walls)
    into.flag.extend([flag] * count)
    into.counted.extend([True] * count)
    into.history.extend([False] * count)
    into.past.extend([False] * count)
    return again
