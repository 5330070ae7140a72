"""Many readings at once, as columns: for judging a stretch of the past again. Exercises are never among them."""

from collections.abc import Sequence
from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

DAY_MS = 86_400_000
_OF = "FROM readings WHERE series IN (SELECT unnest($ids)) AND ts >= $start AND ts < $stop"


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
    """Readings by event time; equal lengths."""

    of: npt.NDArray[np.int32]  # number in `Stock.series`
    ts: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    flag: npt.NDArray[np.uint8]


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
    found = cursor.execute(f"SELECT max(ts) {_OF}", args).fetchone()
    newest = found[0] if found is not None else None
    counted: list[tuple[int, int]] = []
    if newest is not None:
        args |= {"start": newest + 1 - days * DAY_MS, "stop": newest + 1}
        counted = cursor.execute(
            f"SELECT ts // {DAY_MS} AS day, count(*) {_OF} GROUP BY day ORDER BY day", args
        ).fetchall()  # fmt: skip
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
    return Stored(
        number_of[np.asarray(columns["series"])],
        np.asarray(columns["ts"], dtype=np.int64),
        np.asarray(value, dtype=np.float64),
        np.asarray(columns["flag"], dtype=np.uint8),
    )
