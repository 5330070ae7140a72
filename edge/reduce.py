"""Columns of readings made fewer: aggregates of a stretch of event time in the place of readings. Pure, vectorised.

An aggregate says of its readings the lowest and the highest with their instants, mean, number, the last, the worst
flag and every test that spoke. Aggregates of aggregates are the same as of the readings themselves (but for the
mean's rounding), so that a stretch may be made longer later.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from wire.reading import Aggregates, Series, TelemetryBlock

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MINUTE_MS = 60_000
FEW = 3
"""So few readings are no longer than their aggregate: they stay as they are."""
_decode = msgspec.json.Decoder(TelemetryBlock).decode


class Spans(NamedTuple):
    """Rows that stand for one reading or many; equal lengths."""

    series: Ints
    start: Ints  # event time of the first reading
    end: Ints  # of the last
    low: Floats
    low_ts: Ints
    high: Floats
    high_ts: Ints
    mean: Floats
    last: Floats
    number: Ints  # how many readings it stands for
    flag: Ints
    tests: Ints

    @property
    def readings(self) -> int:
        """How many they stand for."""
        return int(self.number.sum())

    def only(self, rows: npt.NDArray[np.generic]) -> "Spans":
        """Some of them."""
        return Spans(*(column[rows] for column in self))


def flatten(blocks: Sequence[TelemetryBlock]) -> tuple[list[Series], Spans]:
    """Blocks as one table and rows, in their order: readings and aggregates alike."""
    table: dict[Series, int] = {}
    parts: list[Spans] = []
    for block in blocks:
        number = np.array([table.setdefault(each, len(table)) for each in block.table], dtype=np.int64)
        if block.ts:
            parts.append(_readings(block, number))
        if block.aggregates is not None and block.aggregates.start:
            parts.append(_aggregates(block.aggregates, number))
    if not parts:
        none, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
        return list(table), Spans(none, none, none, nothing, none, nothing, none, nothing, nothing, none, none, none)
    return list(table), Spans(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _readings(block: TelemetryBlock, number: Ints) -> Spans:
    ts, value = np.array(block.ts, dtype=np.int64), np.array(block.value, dtype=np.float64)
    ones = np.ones(len(ts), dtype=np.int64)
    tests = np.array(block.tests, dtype=np.int64) if block.tests else np.zeros(len(ts), dtype=np.int64)
    return Spans(
        number[np.array(block.series, dtype=np.int64)], ts, ts, value, ts, value, ts, value, value, ones,
        np.array(block.flag, dtype=np.int64), tests,
    )  # fmt: skip


def _aggregates(columns: Aggregates, number: Ints) -> Spans:
    start = np.array(columns.start, dtype=np.int64)
    low, high, mean, last = (
        np.array(each, dtype=np.float64) for each in (columns.low, columns.high, columns.mean, columns.last)
    )
    tests = np.array(columns.tests, dtype=np.int64) if columns.tests else np.zeros(len(start), dtype=np.int64)
    return Spans(
        number[np.array(columns.series, dtype=np.int64)], start, start + np.array(columns.span, dtype=np.int64),
        low, start + np.array(columns.low_at, dtype=np.int64), high, start + np.array(columns.high_at, dtype=np.int64),
        mean, last, np.array(columns.count, dtype=np.int64), np.array(columns.flag, dtype=np.int64), tests,
    )  # fmt: skip


def merged(rows: Spans, width_ms: int) -> tuple[Spans, Ints]:
    """One row for each series and stretch of `width_ms`; the second answer is the merged row of each given one."""
    count = len(rows.start)
    if not count:
        return rows, np.zeros(0, dtype=np.int64)
    stretch = rows.start // width_ms
    order = np.lexsort((rows.end, stretch, rows.series))  # in each stretch by time, the last one last
    begins = np.ones(count, dtype=np.bool_)
    begins[1:] = (np.diff(rows.series[order]) != 0) | (np.diff(stretch[order]) != 0)
    heads = np.flatnonzero(begins)
    tails = np.append(heads[1:], count) - 1
    group = np.cumsum(begins) - 1
    of = np.empty(count, dtype=np.int64)
    of[order] = group
    lowest = order[np.lexsort((rows.low[order], group))[heads]]
    highest = order[np.lexsort((-rows.high[order], group))[heads]]
    number = np.add.reduceat(rows.number[order], heads)
    total = np.add.reduceat((rows.mean * rows.number)[order], heads)
    low, high = rows.low[lowest], rows.high[highest]
    result = Spans(
        series=rows.series[order[heads]],
        start=np.minimum.reduceat(rows.start[order], heads),
        end=rows.end[order[tails]],
        low=low,
        low_ts=rows.low_ts[lowest],
        high=high,
        high_ts=rows.high_ts[highest],
        mean=np.clip(total / number, low, high),
        last=rows.last[order[tails]],
        number=number,
        flag=np.maximum.reduceat(rows.flag[order], heads),
        tests=np.bitwise_or.reduceat(rows.tests[order], heads),
    )
    return result, of


def reduced(rows: Spans, keep: Bools, width_ms: int = MINUTE_MS) -> tuple[Spans, int]:
    """Rows with everything that is not to be kept merged by stretch; how many readings are told less exactly by it.

    Args:
        rows: readings and aggregates.
        keep: readings that stay as they are; aggregates are always merged.
        width_ms: length of a stretch.
    """
    alone = rows.number == 1
    rest = np.flatnonzero(~(keep & alone))
    together, of = merged(rows.only(rest), width_ms)
    few = (together.number <= FEW)[of] & alone[rest]  # as long as all in it are readings
    whole = np.ones(len(together.start), dtype=np.bool_)
    whole[of[~few]] = False
    back = rest[whole[of]] if len(rest) else rest
    kept = np.sort(np.concatenate([np.flatnonzero(keep & alone), back]))
    result = Spans(*(np.concatenate(pair) for pair in zip(rows.only(kept), together.only(~whole), strict=True)))
    crowd = np.bincount(of, minlength=len(together.start))[of] > 1
    went = int(rows.number[rest][~few & crowd].sum())
    return result, went


def encode(table: Sequence[Series], rows: Spans) -> TelemetryBlock:
    """A block of them; series that nothing is of are left out."""
    used, number = np.unique(rows.series, return_inverse=True)
    alone = rows.number == 1
    one, many = rows.only(alone), rows.only(~alone)
    aggregates = None
    if len(many.start):
        aggregates = Aggregates(
            series=number[~alone].tolist(),
            start=many.start.tolist(),
            span=(many.end - many.start).tolist(),
            low=many.low.tolist(),
            low_at=(many.low_ts - many.start).tolist(),
            high=many.high.tolist(),
            high_at=(many.high_ts - many.start).tolist(),
            mean=np.clip(_short(many.mean), many.low, many.high).tolist(),
            last=many.last.tolist(),
            count=many.number.tolist(),
            flag=many.flag.tolist(),
            tests=many.tests.tolist() if many.tests.any() else [],
        )
    return TelemetryBlock(
        [table[each] for each in used.tolist()],
        number[alone].tolist(),
        one.start.tolist(),
        one.last.tolist(),
        one.flag.tolist(),
        one.tests.tolist() if one.tests.any() else [],
        aggregates,
    )


def decoded(blocks: Sequence[bytes]) -> list[TelemetryBlock]:
    """Encoded blocks, read.

    Raises:
        msgspec.MsgspecError: for one that is none.
    """
    return [_decode(each) for each in blocks]


def _short(mean: Floats) -> Floats:
    """Seven digits: a mean has no more to say, and its text would be the longest of the row."""
    size = np.abs(mean)
    digits = 6 - np.floor(np.log10(np.where(size > 0, size, 1.0)))
    scale = 10.0 ** np.clip(digits, -300, 300)
    with np.errstate(over="ignore", invalid="ignore"):
        short = np.round(mean * scale) / scale
    return np.where(np.isfinite(short), short, mean)
