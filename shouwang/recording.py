"""A recorded series in a CSV file, read into columns of time and values; what cannot be read is counted and named."""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from wire.time import LAST_MS, format_instant

SECONDS_BELOW = 1e8
"""A time column of plain numbers below this counts seconds from the start of a recording, not from 1970."""
MILLISECONDS_FROM = 1e11
"""From here on a number is epoch milliseconds; between the two it is epoch seconds."""
PROGRESS_ROWS = 20_000


class RecordingError(ValueError):
    """The file, or a column of it, that cannot be used."""


@dataclass(frozen=True, slots=True)
class BadCell:
    """What stands in a row and cannot be read."""

    row: int  # line of the file
    column: str
    problem: str


@dataclass(slots=True)
class Recording:
    """Columns of one file, in the file's order."""

    path: Path
    ts: npt.NDArray[np.int64]
    values: dict[str, npt.NDArray[np.float64]]  # by column; NaN where a cell is empty or bad
    relative: bool  # times are seconds from the start of the recording
    rows: int
    bad: list[BadCell] = field(default_factory=list)
    missing: int = 0

    def written_time(self, ts: int) -> str | float:
        """An instant as the file would write it: RFC 3339, or seconds for a recording that counts seconds."""
        return ts / 1000 if self.relative else format_instant(ts)


def parse_zone(text: str) -> timezone:
    """`Z` or `+08:00`.

    Raises:
        ValueError: for anything else.
    """
    parsed = datetime.fromisoformat(f"2000-01-01T00:00:00{text}").tzinfo
    if parsed is None:
        raise ValueError(f"'{text}' is not an offset such as +08:00 or Z")
    offset = parsed.utcoffset(None)
    return timezone(offset if offset is not None else timedelta(0))


def _instant(text: str, zone: timezone | None) -> tuple[int, bool]:
    """Epoch milliseconds, and whether the number counts from the start of the recording."""
    try:
        number = float(text)
    except ValueError:
        try:
            parsed = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"'{text[:40]}' is neither a number nor an RFC 3339 instant") from None
        if parsed.tzinfo is None:
            if zone is None:
                raise ValueError(f"'{text[:40]}' has no offset: give --zone, for example --zone +08:00") from None
            parsed = parsed.replace(tzinfo=zone)
        return round(parsed.timestamp() * 1000), False
    if not math.isfinite(number) or abs(number) > LAST_MS:
        raise ValueError(f"'{text[:40]}' is not an instant")
    if abs(number) >= MILLISECONDS_FROM:
        return int(number), False
    return round(number * 1000), abs(number) < SECONDS_BELOW


def read(
    path: Path,
    time: str,
    columns: Sequence[str],
    zone: timezone | None = None,
    progress: Callable[[int], None] | None = None,
) -> Recording:
    """Read a CSV file with a head line.

    Args:
        path: the file; UTF-8, with or without a byte-order mark.
        time: the time column: RFC 3339, epoch seconds or milliseconds, or seconds from a start.
        columns: the columns of values.
        zone: for instants without an offset.
        progress: told the bytes read so far, now and then.

    Raises:
        RecordingError: naming file, column, row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read(path, file, time, columns, zone, progress)
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RecordingError(f"{path}: is not UTF-8 text") from None
    except csv.Error as error:
        raise RecordingError(f"{path}: is not CSV: {error}") from None


def _read(
    path: Path,
    file: TextIO,
    time: str,
    columns: Sequence[str],
    zone: timezone | None,
    progress: Callable[[int], None] | None,
) -> Recording:
    lines = csv.reader(file)
    head = [name.strip() for name in next(lines, [])]
    if not head:
        raise RecordingError(f"{path}: is empty; expected a head line with the column names")
    for name in (time, *columns):
        if name not in head:
            raise RecordingError(f"{path}: there is no column '{name}'; it has {', '.join(head)[:400]}")
    time_at = head.index(time)
    places = [(name, head.index(name)) for name in columns]
    ts: list[int] = []
    cells: list[list[float]] = [[] for _ in columns]
    relative = np.zeros(2, dtype=np.int64)
    recording = Recording(path, np.empty(0, dtype=np.int64), {}, relative=False, rows=0)
    for row in lines:
        if not row:
            continue
        recording.rows += 1
        if progress is not None and recording.rows % PROGRESS_ROWS == 0:
            progress(recording.rows)
        try:
            instant, counts = _instant(row[time_at].strip(), zone)
        except (ValueError, IndexError) as error:
            problem = "the row is too short" if isinstance(error, IndexError) else str(error)
            recording.bad.append(BadCell(lines.line_num, time, problem))
            continue
        relative[int(counts)] += 1
        ts.append(instant)
        _take_cells(recording, lines.line_num, row, places, cells)
    if relative.all():
        raise RecordingError(f"{path}: column '{time}' mixes seconds from a start with instants")
    if not ts:
        first = recording.bad[0] if recording.bad else None
        why = f": row {first.row}, column '{first.column}': {first.problem}" if first else ": it has no rows"
        raise RecordingError(f"{path}: no row could be read{why}")
    recording.relative = bool(relative[1])
    recording.ts = np.array(ts, dtype=np.int64)
    recording.values = {name: np.array(into) for name, into in zip(columns, cells, strict=True)}
    return recording


def _take_cells(
    recording: Recording, line: int, row: list[str], places: list[tuple[str, int]], cells: list[list[float]]
) -> None:
    for (name, place), into in zip(places, cells, strict=True):
        text = row[place].strip() if place < len(row) else ""
        try:
            into.append(float(text) if text else math.nan)
        except ValueError:
            into.append(math.nan)
            recording.bad.append(BadCell(line, name, f"'{text[:40]}' is not a number"))
        else:
            recording.missing += not text
