"""What the rules are compared with: one constant threshold, and a windowed Gaussian. Both verify nothing.

Both look at the same columns of the judged point and are scored by the same functions: an alarm begins at the first
reading that is out and ends when none was out for `CLEAR_MS`, as the rules' clear hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.detection.judged import Alarm
from simulators.batch.recording import Recording

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CLEAR_MS = 900_000
DEVIATIONS = 6.0
"""A Gaussian's tail beyond it is 1e-9: noise alone would alarm once in thirty years of a reading a second."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Rolling mean and standard deviation of the time before (NAB's "windowed Gaussian"), weighed by time.

    Readings are weighed by the time until the next one, so that a stream which is thin while quiet has the moments of
    the full one. The deviation is never below `least`, the step and noise of the sensor.
    """

    window_s: float
    least: float
    warm_s: float
    below: bool = False

    def out(self, ts: Ints, value: Floats) -> Bools:
        """Which readings lie out in the tail."""
        if len(ts) < 2:
            return np.zeros(len(ts), dtype=np.bool_)
        centre = float(np.median(value))
        x = value - centre
        weight = np.minimum(np.diff(ts, append=ts[-1]), 3_600_000).astype(np.float64)
        sums = [np.concatenate([[0.0], np.cumsum(weight * each)]) for each in (np.ones(len(x)), x, x * x)]
        first = np.searchsorted(ts, ts - int(self.window_s * 1000))
        here = np.arange(len(ts))
        total, one, two = (each[here] - each[first] for each in sums)
        safe = np.maximum(total, 1.0)
        mean = one / safe
        deviation = np.maximum(np.sqrt(np.maximum(two / safe - mean * mean, 0.0)), self.least)
        far: Bools = (mean - x if self.below else x - mean) > DEVIATIONS * deviation
        warm: Bools = ts - ts[0] >= self.warm_s * 1000
        return np.logical_and(far, warm)


def alarms_of(device: str, ts: Ints, arrival: Ints, out: Bools, clear_ms: int = CLEAR_MS) -> list[Alarm]:
    """Alarms of one device from its readings in order; they count as of every level."""
    rows = np.flatnonzero(out)
    if not len(rows):
        return []
    starts = np.flatnonzero(np.diff(ts[rows], prepend=ts[rows[0]] - clear_ms - 1) > clear_ms)
    ends = np.append(starts[1:], len(rows)) - 1
    return [
        Alarm(device, (int(arrival[rows[start]]),) * 4, int(ts[rows[end]]) + clear_ms, 1)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant; `reference` makes it percent of a device's parameter."""

    threshold: float
    below: bool = False
    reference: str | None = None
    clear_ms: int = CLEAR_MS

    def out(self, value: Floats, parameters: Mapping[str, float]) -> Bools:
        """Which readings are at or past it."""
        signal = value
        if self.reference is not None:
            nominal = parameters[self.reference]
            signal = 100 * (value - nominal) / nominal
        return signal <= self.threshold if self.below else signal >= self.threshold


def judge(
    recording: Recording, point: str, constant: Mapping[str, Constant], gaussian: Mapping[str, Gaussian]
) -> dict[str, list[Alarm]]:
    """Alarms by baseline, over the point of every device that has it."""
    found: dict[str, list[Alarm]] = {name: [] for name in (*constant, *gaussian)}
    column = recording.points.index(point)
    order = np.argsort(recording.device, kind="stable")
    cuts = np.searchsorted(recording.device[order], np.arange(len(recording.devices) + 1))
    for number, device in enumerate(recording.devices):
        rows = order[cuts[number] : cuts[number + 1]]
        rows = rows[recording.present[rows, column]]
        rows = rows[np.isfinite(recording.value[rows, column])]
        if point not in device.points or not len(rows):
            continue
        value = np.asarray(recording.value[rows, column], dtype=np.float64)
        ts, arrival = np.maximum.accumulate(recording.ts[rows]), recording.arrival[rows]
        for name, each in constant.items():
            found[name] += alarms_of(device.id, ts, arrival, each.out(value, device.parameters), each.clear_ms)
        for name, rolling in gaussian.items():
            found[name] += alarms_of(device.id, ts, arrival, rolling.out(ts, value))
    return found
