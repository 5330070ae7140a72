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


class TelemetryBlock(msgspec.Struct, frozen=True):
    """Readings of many devices as columns of equal length; `series[i]` indexes into the table."""

    table: list[Series]
    series: list[int]
    ts: list[int]
    value: list[float]
    flag: list[int]
    tests: list[int] = []  # bits of the quality tests that spoke (docs/rules.md); empty: none did

    def __post_init__(self) -> None:
        """Refuse ragged columns and indices outside the table."""
        if not len(self.series) == len(self.ts) == len(self.value) == len(self.flag):
            raise ValueError("telemetry columns differ in length")
        if self.tests and len(self.tests) != len(self.ts):
            raise ValueError("telemetry tests differ in length")
        if self.series and not (min(self.series) >= 0 and max(self.series) < len(self.table)):
            raise ValueError("telemetry series index outside its table")
