"""Many readings at once, as columns: for judging a stretch of the past again. Exercises are never among them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

DAY_MS = 86_400_000
LONGEST_MS = 3_600_000
"""No aggregate spans more; those that begin so long before a stretch may reach into it."""
_IN = "WHERE series IN (SELECT unnest($ids)) AND ts >= $start AND ts < $stop"
_OF = f"FROM readings {_IN}"
_NUMBERS = f"(SELECT ts, 1 AS number FROM readings {_IN} UNION ALL SELECT ts + span, count FROM aggregates {_IN})"  # noqa: S608


class Stock(NamedTuple):
    """What there is of some devices."""

    series: tuple[tuple[str, str], ...]  # device and point, by number
    ids: tuple[tuple[int, ...], ...]  # by number: the store's own
    days: tuple[tuple[int, int], ...]  # day since 1970 (UTC) and readings
    newest: int | None

    @property
    def rows(self) -> int:
        """All readings."""
        return sum(count for _, count in self.days)


class Stored(NamedTuple):
    """Readings by event time; equal lengths.

    An aggregate stands as so many readings as it was made of, evenly over its span: lowest, highest and last at their
    instants as they were measured, the others at what is left of the mean.
    """

    of: npt.NDArray[np.int32]  # number in `Stock.series`
    ts: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    flag: npt.NDArray[np.uint8]
    aggregated: int = 0  # of them stand for aggregates


def stock(cursor: duckdb.DuckDBPyConnection, devices: Sequence[str], *, until: int, days: int) -> Stock:
    """Count what there is of real readings in the days before the newest one.

    Args:
        cursor: of the store.
        devices: their ids.
        until: nothing later counts, epoch ms (a clock may have run wild).
        days: how far back.
    """
    rows = cursor.execute(
        "SELECT id, device, point FROM series WHERE exercise = '' AND device IN (SELECT unnest($devices)) "
        "ORDER BY device, point, id",
        {"devices": list(devices)},
    ).fetchall()
    known: dict[tuple[str, str], list[int]] = {}
    for number, device, point in rows:
        known.setdefault((device, point), []).append(number)
    ids = [number for numbers in known.values() for number in numbers]
    args = {"ids": ids, "start": 0, "stop": until}
    found = cursor.execute(f"SELECT max(ts) FROM {_NUMBERS}", args).fetchone()  # noqa: S608  a constant
    newest = found[0] if found is not None else None
    counted: list[tuple[int, int]] = []
    if newest is not None:
        args |= {"start": newest + 1 - days * DAY_MS, "stop": newest + 1}
        counted = cursor.execute(
            f"SELECT ts // {DAY_MS} AS day, sum(number)::BIGINT FROM {_NUMBERS} GROUP BY day ORDER BY day",  # noqa: S608
            args,
        ).fetchall()
    return Stock(tuple(known), tuple(map(tuple, known.values())), tuple(counted), newest)


def read(cursor: duckdb.DuckDBPyConnection, what: Stock, start: int, stop: int) -> Stored:
    """The readings of a stretch, by event time; what was written first comes first."""
    ids = [number for numbers in what.ids for number in numbers]
    columns = cursor.execute(
        f"SELECT series, ts, value, flag {_OF} ORDER BY ts, series, rowid", {"ids": ids, "start": start, "stop": stop}
    ).fetchnumpy()
    number_of = np.zeros(max(ids, default=0) + 1, dtype=np.int32)
    for number, numbers in enumerate(what.ids):
        number_of[list(numbers)] = number
    value = columns["value"]
    if isinstance(value, np.ma.MaskedArray):
        value = value.filled(np.nan)
    parts = (
        number_of[np.asarray(columns["series"])],
        np.asarray(columns["ts"], dtype=np.int64),
        np.asarray(value, dtype=np.float64),
        np.asarray(columns["flag"], dtype=np.uint8),
    )
    many = cursor.execute(
        "SELECT series, ts, span, low, low_at, high, high_at, mean, last, count, flag FROM aggregates "
        "WHERE series IN (SELECT unnest($ids)) AND ts + span >= $start AND ts < $stop AND ts >= $start - $longest "
        "ORDER BY ts, series",
        {"ids": ids, "start": start, "stop": stop, "longest": LONGEST_MS},
    ).fetchnumpy()
    if not len(many["ts"]):
        return Stored(*parts)
    places, instants, levels, flags = expanded({name: np.asarray(column) for name, column in many.items()})
    inside = (instants >= start) & (instants < stop)  # what reaches over an end has its other part there
    of = np.concatenate([parts[0], number_of[places[inside]]])
    ts = np.concatenate([parts[1], instants[inside]])
    order = np.lexsort((of, ts))
    level = np.concatenate([parts[2], levels[inside]])[order]
    flag = np.concatenate([parts[3], flags[inside]])[order]
    return Stored(of[order], ts[order], level, flag, int(inside.sum()))


def expanded(
    many: Mapping[str, npt.NDArray[Any]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Series, ts, value and flag of the readings that aggregates stand for; see `Stored`."""
    count = many["count"].astype(np.int64)
    row = np.repeat(np.arange(len(count)), count)
    heads = np.cumsum(count) - count
    place = np.arange(len(row)) - heads[row]
    last = np.maximum(count - 1, 1)
    ts = many["ts"][row] + many["span"][row] * place // last[row]
    value = np.empty(len(row))
    taken = np.zeros(len(row), dtype=np.bool_)
    # The last one first, then the extremes at the nearest places; what coincides keeps the extreme.
    for name, at in (("last", many["span"]), ("low", many["low_at"]), ("high", many["high_at"])):
        where = heads + np.rint(at * last / np.maximum(many["span"], 1)).astype(np.int64)
        value[where], ts[where], taken[where] = many[name], many["ts"] + at, True
    told = np.bincount(row[taken], weights=value[taken], minlength=len(count))
    left = np.bincount(row[~taken], minlength=len(count))
    rest = (many["mean"] * count - told) / np.maximum(left, 1)
    rest = np.clip(rest, many["low"], many["high"])
    value[~taken] = rest[row[~taken]]
    return many["series"].astype(np.int64)[row], ts.astype(np.int64), value, many["flag"].astype(np.uint8)[row]
