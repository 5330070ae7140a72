"""One measured value of one quantity of one device at one instant, and columns of them."""

import msgspec

from wire.quality import Quality


class Reading(msgspec.Struct, frozen=True):
    """A reading as people see it; inside, readings travel as columns."""

    device: str
    point: str
    ts: int  # event time, epoch ms, on the device's timeline
    value: float
    unit: str  # UCUM
    quality: Quality = Quality.UNKNOWN


class Series(msgspec.Struct, frozen=True):
    """What one column index stands for."""

    device: str
    point: str
    unit: str
    exercise: str | None = None


class Aggregates(msgspec.Struct, frozen=True, omit_defaults=True):
    """What readings of a stretch of event time (a minute, ten) came to, in their place; columns of equal length.

    `low`, `high` and `last` were measured so, at `start` + `low_at`, + `high_at` and + `span`; `flag` is the worst.
    """

    series: list[int]  # into the table of the block
    start: list[int]  # event time of the first reading
    span: list[int]  # to the last one, ms
    low: list[float]
    low_at: list[int]
    high: list[float]
    high_at: list[int]
    mean: list[float]
    last: list[float]
    count: list[int]
    flag: list[int]
    tests: list[int] = []  # bits of every test that spoke; empty: none did

    def __post_init__(self) -> None:
        """Refuse ragged columns and rows that cannot be."""
        size = len(self.start)
        columns = (self.series, self.span, self.low, self.low_at, self.high, self.high_at, self.mean, self.last)
        if any(len(column) != size for column in (*columns, self.count, self.flag)):
            raise ValueError("aggregate columns differ in length")
        if self.tests and len(self.tests) != size:
            raise ValueError("aggregate tests differ in length")
        if size and min(self.count) < 1:
            raise ValueError("an aggregate of no readings")
        for span, low_at, high_at in zip(self.span, self.low_at, self.high_at, strict=True):
            if not (0 <= low_at <= span and 0 <= high_at <= span):
                raise ValueError("an aggregate's lowest or highest lies outside its span")


class TelemetryBlock(msgspec.Struct, frozen=True, omit_defaults=True):
    """Readings of many devices as columns of equal length; `series[i]` indexes into the table."""

    table: list[Series]
    series: list[int]
    ts: list[int]
    value: list[float]
    flag: list[int]
    tests: list[int] = []  # bits of the quality tests that spoke (docs/rules.md); empty: none did
    aggregates: Aggregates | None = None  # of readings that are not among the columns

    def __post_init__(self) -> None:
        """Refuse ragged columns and indices outside the table."""
        if not len(self.series) == len(self.ts) == len(self.value) == len(self.flag):
            raise ValueError("telemetry columns differ in length")
        if self.tests and len(self.tests) != len(self.ts):
            raise ValueError("telemetry tests differ in length")
        if self.series and not (min(self.series) >= 0 and max(self.series) < len(self.table)):
            raise ValueError("telemetry series index outside its table")
        more = self.aggregates.series if self.aggregates is not None else []
        if more and not (min(more) >= 0 and max(more) < len(self.table)):
            raise ValueError("aggregate series index outside its table")
