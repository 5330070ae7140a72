"""A recorded series as a device: rows of a CSV become publications in scenario time, to be played at any rate."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulators.sensor import Publication
from wire.time import parse_instant


class ReplayError(ValueError):
    """A recording that cannot be played: says the row and the column."""


Convert = Callable[[float], float]
"""From a column's unit to the canonical one of the point."""

UnitOf = Callable[[str, str | None], Convert]
"""The conversion for a point and a unit's name; raises ValueError for a unit that the point cannot have."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a point's values come from."""

    point: str
    column: str
    convert: Convert = float

    @classmethod
    def parse(cls, text: str, unit_of: UnitOf) -> Source:
        """Read NAME=COLUMN:UNIT (the unit may be left out: canonical already).

        Raises:
            ReplayError: when it is written otherwise, or the point has no such unit.
        """
        point, equals, rest = text.partition("=")
        column, _, unit = rest.rpartition(":") if ":" in rest else (rest, "", "")
        if not (point and equals and column):
            raise ReplayError(f"--point '{text}': write NAME=COLUMN:UNIT, as level=stage_ft:ft")
        try:
            return cls(point, column, unit_of(point, unit or None))
        except ValueError as error:
            raise ReplayError(f"--point '{text}': {error}") from None


@dataclass(slots=True)
class Recording:
    """One device's rows in time order; a source for `simulators.play`."""

    device: str
    site: str
    rows: list[tuple[int, dict[str, float]]]  # scenario epoch ms, canonical values
    boot: str = "replay"
    exercise: str | None = None
    position: int = 0

    @property
    def first_ms(self) -> int:
        """Scenario time of the first row."""
        return self.rows[0][0]

    @property
    def last_ms(self) -> int:
        """Scenario time of the last row."""
        return self.rows[-1][0]

    def next_ms(self) -> int | None:
        """When the next row is due."""
        return self.rows[self.position][0] if self.position < len(self.rows) else None

    def step(self, until_ms: int) -> list[Publication]:
        """Rows up to and including this scenario time."""
        out = []
        while self.position < len(self.rows) and self.rows[self.position][0] <= until_ms:
            ts, values = self.rows[self.position]
            self.position += 1
            out.append(
                Publication(self.device, self.site, ts, self.position, self.boot, dict(values), exercise=self.exercise)
            )
        return out


@dataclass(slots=True)
class Together:
    """Several recordings side by side, as one source."""

    recordings: Sequence[Recording]

    def next_ms(self) -> int | None:
        """The earliest of them."""
        return min((due for r in self.recordings if (due := r.next_ms()) is not None), default=None)

    def step(self, until_ms: int) -> list[Publication]:
        """All of them, in time order."""
        return sorted((p for r in self.recordings for p in r.step(until_ms)), key=lambda p: p.ts)


def load(
    path: Path,
    *,
    device: str,
    site: str,
    time_column: str,
    points: Sequence[Source],
    start_ms: int = 0,
    pad_s: float = 0.0,
    exercise: str | None = None,
) -> Recording:
    """Read a recording.

    Args:
        path: a CSV with a header.
        device: device id that speaks.
        site: its site.
        time_column: RFC 3339, epoch milliseconds (from 10^11 on), or seconds since `start_ms`.
        points: where each point's values are; an empty or NaN cell is a missing value.
        start_ms: scenario time of second 0, for a column of seconds.
        pad_s: repeat the first row every two seconds for so long before it: a quiet start that the recording lacks.
        exercise: drill id, for a replay that is an exercise.

    Raises:
        ReplayError: for an unknown column, or a cell that is no number.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        header = reader.fieldnames or []
        for column in [time_column, *(point.column for point in points)]:
            if column not in header:
                raise ReplayError(f"{path.name} has no column '{column}'; it has {', '.join(header[:12])}")
        rows = [
            (_instant(row[time_column], start_ms, line), values)
            for line, row in enumerate(reader, start=2)
            if (values := _values(row, points, line))
        ]
    if not rows:
        raise ReplayError(f"{path.name} has no row with a value")
    rows.sort(key=lambda row: row[0])
    if pad_s > 0:
        first_ms, values = rows[0]
        count = int(pad_s // 2)
        rows = [(first_ms - 2000 * k, dict(values)) for k in range(count, 0, -1)] + rows
    return Recording(device, site, rows, exercise=exercise)


def _instant(text: str, start_ms: int, line: int) -> int:
    try:
        number = float(text)
    except ValueError:
        try:
            return parse_instant(text)
        except ValueError as error:
            raise ReplayError(f"line {line}: {error}") from None
    return int(number) if number >= 1e11 else start_ms + round(number * 1000)


def _values(row: Mapping[str, str], points: Sequence[Source], line: int) -> dict[str, float]:
    values = {}
    for point in points:
        cell = (row.get(point.column) or "").strip()
        if not cell:
            continue
        try:
            number = float(cell)
        except ValueError:
            raise ReplayError(f"line {line}, column '{point.column}': '{cell[:30]}' is not a number") from None
        if math.isfinite(number):
            values[point.point] = round(point.convert(number), 6)
    return values
