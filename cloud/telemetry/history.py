"""Down-sampled history of one point: readings and aggregates, buckets and gaps."""

from collections.abc import Sequence
from typing import Any

import duckdb
import msgspec

from rules.quality import names

_RANGE = "series IN (SELECT unnest($ids)) AND ts >= $start AND ts < $stop"
# Lowest, highest and last of an aggregate were measured so, each at its instant: they stand as readings. Its mean and
# number stand in its middle.
_MANY = (
    "series IN (SELECT unnest($ids)) AND ts + span >= $start AND ts < $stop AND ts >= $start - 3600000"  # LONGEST_MS
)
_POINTS = f"""
SELECT ts, value AS low, value AS high, value AS total, 1 AS number, flag, coalesce(tests, 0) AS bits
  FROM readings WHERE {_RANGE}
UNION ALL SELECT unnest([ts + low_at, ts + high_at, ts + span]), unnest([low, high, last]), unnest([low, high, last]),
  NULL, 0, flag, coalesce(tests, 0) FROM aggregates WHERE {_MANY}
UNION ALL SELECT ts + span // 2, NULL, NULL, mean * count, count, flag, coalesce(tests, 0)
  FROM aggregates WHERE {_MANY}
"""  # noqa: S608  constants of this file


class History(msgspec.Struct, frozen=True):
    """Down-sampled history of one point; columns of equal length, one element a bucket that has readings."""

    unit: str
    t: list[int]  # start of the bucket, epoch ms on the device's timeline
    min: list[float | None]
    mean: list[float | None]
    max: list[float | None]
    flag: list[int]  # worst of the bucket
    tests: list[str]  # that spoke in the bucket, by comma
    count: list[int]
    gaps: list[tuple[int, int]]  # from the last reading before to the first after


def history(
    cursor: duckdb.DuckDBPyConnection,
    device: str,
    point: str,
    exercise: str,
    from_ms: int | None,
    to_ms: int | None,
    points: int,
    cadence_s: float | None,
    span_ms: int,
) -> History:
    """See `TelemetryStore.history`."""
    rows: Sequence[Any] = cursor.execute(
        "SELECT id, unit FROM series WHERE device = ? AND point = ? AND exercise = ? ORDER BY id",
        [device, point, exercise],
    ).fetchall()
    ids, unit = [row[0] for row in rows], rows[-1][1] if rows else ""
    if to_ms is None:
        newest = cursor.execute(
            "SELECT max(ts) FROM (SELECT series, ts FROM readings UNION ALL SELECT series, ts + span FROM aggregates) "
            "WHERE series IN (SELECT unnest(?))",
            [ids],
        ).fetchone()
        to_ms = (newest[0] if newest and newest[0] is not None else 0) + 1
    if from_ms is None:
        from_ms = max(0, to_ms - span_ms)
    width = max(1, -(-(to_ms - from_ms) // points))
    args = {"ids": ids, "start": from_ms, "stop": to_ms}
    buckets = cursor.execute(
        "SELECT $start + (ts - $start) // $width * $width AS t, "  # noqa: S608  a constant of this file
        "coalesce(min(low), sum(total) / sum(number)), coalesce(sum(total) / nullif(sum(number), 0), avg(low)), "
        "coalesce(max(high), sum(total) / sum(number)), max(flag), greatest(sum(number), 1)::BIGINT, bit_or(bits) "
        f"FROM ({_POINTS}) WHERE ts >= $start AND ts < $stop GROUP BY t ORDER BY t",
        args | {"width": width},
    ).fetchall()
    limit_ms = round(cadence_s * 3000) if cadence_s else None
    gaps = cursor.execute(
        # Within an aggregate nothing is known to be missing: a gap lies between ends and beginnings.
        f"WITH stretches AS (SELECT ts, ts AS until FROM readings WHERE {_RANGE} UNION ALL "  # noqa: S608
        f"SELECT ts, ts + span FROM aggregates WHERE {_MANY}), steps AS (SELECT ts, max(until) OVER "
        "(ORDER BY ts, until ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM stretches) "
        "SELECT before, ts FROM steps WHERE ts - before > "
        "coalesce($limit, 3 * (SELECT median(ts - before) FROM steps WHERE ts > before)) ORDER BY ts LIMIT 500",
        args | {"limit": limit_ms},
    ).fetchall()
    columns = list(zip(*buckets, strict=True)) or [()] * 7
    t, low, mean, high, flag, count, bits = ([*column] for column in columns)
    tests = [names(each) for each in bits]
    return History(unit, t, low, mean, high, flag, tests, count, [(start, stop) for start, stop in gaps])
