"""Fewer readings where there is no room for all: of each point the lowest, highest and last of each stretch. Pure."""

from collections.abc import Sequence

import msgspec
import numpy as np

from wire.reading import Series, TelemetryBlock

STEPS_MS = (60_000, 600_000)
"""Stretches of the first and the second step; after them the oldest readings go."""

_decode = msgspec.json.Decoder(TelemetryBlock).decode


def words(step: int) -> str:
    """What a step keeps, for the record of the loss."""
    return f"lane full: lowest, highest and last of each {STEPS_MS[step] // 60_000} min are kept"


def thinned(blocks: Sequence[bytes], step: int) -> tuple[bytes, int, int]:
    """One block in the place of several of one exercise.

    Args:
        blocks: encoded `TelemetryBlock`s, oldest first.
        step: of `STEPS_MS`.

    Returns:
        The encoded block, the readings in it, and how many went. A peak, a trough and the newest value of each
        stretch of event time stay as they were measured, with flag and tests; nothing is averaged.
    """
    table: dict[Series, int] = {}
    series, ts, value, flag, tests = [], [], [], [], []
    for data in blocks:
        block = _decode(data)
        renumbered = np.array([table.setdefault(each, len(table)) for each in block.table], dtype=np.int64)
        count = len(block.ts)
        series.append(renumbered[np.array(block.series, dtype=np.int64)] if count else np.zeros(0, dtype=np.int64))
        ts.append(np.array(block.ts, dtype=np.int64))
        value.append(np.array(block.value, dtype=np.float64))
        flag.append(np.array(block.flag, dtype=np.int64))
        tests.append(np.array(block.tests or [0] * count, dtype=np.int64))
    number, at, values = np.concatenate(series), np.concatenate(ts), np.concatenate(value)
    order = np.lexsort((values, at // STEPS_MS[step], number))  # in each stretch from the lowest to the highest
    stretch = at // STEPS_MS[step]
    begins = np.ones(len(order), dtype=np.bool_)
    begins[1:] = (np.diff(number[order]) != 0) | (np.diff(stretch[order]) != 0)
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(order)) - 1
    kept = np.zeros(len(order), dtype=np.bool_)
    kept[order[starts]] = kept[order[ends]] = True
    newest = np.lexsort((at, stretch, number))
    kept[newest[ends]] = True
    bits = np.concatenate(tests)[kept]
    block = TelemetryBlock(
        list(table),
        number[kept].tolist(),
        at[kept].tolist(),
        values[kept].tolist(),
        np.concatenate(flag)[kept].tolist(),
        bits.tolist() if bits.any() else [],
    )
    return msgspec.json.encode(block), len(block.ts), len(at) - len(block.ts)
