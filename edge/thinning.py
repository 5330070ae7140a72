"""Fewer readings where there is no room for all, step by step, the oldest first. Pure.

All readings → by exception (what is flagged or moved beyond its dead band, and aggregates of a minute for the rest) →
aggregates of a minute → aggregates of ten. After that the oldest go.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from edge import reduce
from edge.reduce_bands import bands
from wire.quality import Quality

STEPS_MS = (60_000, 60_000, 600_000)
"""Length of the aggregates of each step."""
_WORDS = (
    "lane full: by exception; the rest as aggregates of 1 min",
    "lane full: aggregates of 1 min are kept",
    "lane full: aggregates of 10 min are kept",
)


def words(step: int) -> str:
    """What a step keeps, for the record of the loss."""
    return _WORDS[step]


def thinned(blocks: Sequence[bytes], step: int) -> tuple[bytes, int, int]:
    """One block in the place of several of one exercise.

    Args:
        blocks: encoded `TelemetryBlock`s, oldest first.
        step: of `STEPS_MS`.

    Returns:
        The encoded block, the readings that stand in it by themselves, and how many are told less exactly. Lowest,
        highest and last of each stretch stay as they were measured, with their instants; the worst flag, every test
        that spoke, mean and number stay too.
    """
    table, rows = reduce.flatten(reduce.decoded(blocks))
    keep = exceptions(rows, bands(table, {})) if step == 0 else np.zeros(len(rows.start), dtype=np.bool_)
    left, went = reduce.reduced(rows, keep, STEPS_MS[step])
    block = reduce.encode(table, left)
    return msgspec.json.encode(block), len(block.ts), went


def exceptions(rows: reduce.Spans, band: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Readings that are flagged, or further than the dead band of their series from the one before."""
    order = np.lexsort((rows.start, rows.series))
    series, value = rows.series[order], rows.last[order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = np.diff(series) != 0
    moved = np.abs(np.diff(value, prepend=value[:1])) > band[series]
    marked = np.empty(len(order), dtype=np.bool_)
    marked[order] = first | moved
    return marked | flagged(rows.flag)


def flagged(flag: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """In doubt or worse. What a test only remarks on (a gap, lateness) is no doubt; its bit goes into the aggregate."""
    found: npt.NDArray[np.bool_] = flag >= Quality.SUSPECT
    return found
