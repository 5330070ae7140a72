"""How good the stated probabilities are: 15 cm in half an hour and 25 cm in twenty minutes, against what came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.detection.metrics import brier, reliability
from benchmarks.detection.tally import Tally
from rules.condition import NEVER
from rules.declaration import parse
from rules.frame import Frame, Input, Window
from rules.kinds import KINDS
from rules.scan import Floats, Ints
from simulators.batch.recording import Recording

OUTLOOKS = ((0.15, 1800.0), (0.25, 1200.0))
"""m, and within how many seconds: what levels IV and III of the default `water_forecast` look ahead to."""
EVERY = 12
"""Each twelfth reading while it is wet: two minutes."""


class OneDevice(Frame):
    """The readings of one point of one device, in order and sound."""

    def __init__(self, judged: Input, ts: Ints, value: Floats) -> None:
        self._input = judged
        count = len(ts)
        self.slot = np.zeros(count, dtype=np.int64)
        self.setting = np.zeros(count, dtype=np.int64)
        self.first = np.arange(count) == 0
        self.ts = self.arrival = ts
        self.value = value
        self.bad = np.zeros(count, dtype=np.bool_)
        self.fresh = self.usable = ~self.bad

    def latest(self, name: str) -> tuple[Floats, Ints]:
        """No other input."""
        del name
        return np.full(len(self.ts), np.nan), np.full(len(self.ts), NEVER)

    def window(self, name: str, rows: Ints | None = None) -> Window:
        """The first reading of each part of the window before a row, then the row itself."""
        del name
        rows = np.arange(len(self.ts)) if rows is None else rows
        part = max(self._input.window_ms // self._input.parts, 1)
        kept = np.flatnonzero(np.diff(self.ts // part, prepend=-1) != 0)
        places = self._input.parts + 2
        last = np.searchsorted(kept, rows)  # kept readings before the row
        index = last[:, None] - np.arange(places, 0, -1)
        which = kept[np.maximum(index, 0)]
        now = self.ts[rows][:, None]
        there = (index >= 0) & (self.ts[which] >= now - self._input.window_ms)
        ts = np.where(there, self.ts[which], NEVER)
        value = np.where(there, self.value[which], np.nan)
        return Window(np.hstack([ts, now]), np.hstack([value, self.value[rows][:, None]]))


def outlook(recording: Recording) -> Tally:
    """What the kind said at each of some readings, and whether the water came within the horizon."""
    said: list[float] = []
    came: list[bool] = []
    for device in recording.devices:
        if "level" not in device.points:
            continue
        ts, value = recording.series(device.id, "level")
        for threshold, horizon_s in OUTLOOKS:
            declaration = {"kind": "forecast", "measure": "probability", "threshold": threshold,
                           "horizon_s": horizon_s, "levels": {"IV": {"enter": 0.5}}}  # fmt: skip
            rule: Any = parse("outlook", declaration, device.hazard, device.cadence_s)
            signal = _said(rule, ts, np.asarray(value, dtype=np.float64), device.parameters)
            rows = np.flatnonzero(np.isfinite(signal) & (value >= rule.options.at_least))[::EVERY]
            reached = [each.crossings.get(device.id, {}).get(f"{threshold:g}") for each in recording.events]
            crossings = np.array([each for each in reached if each is not None], dtype=np.int64)
            ahead = crossings[None, :] - ts[rows][:, None]
            said += np.round(signal[rows], 4).tolist()
            came += ((ahead > 0) & (ahead <= horizon_s * 1000)).any(axis=1).tolist()
    return {"said": said, "came": came}


def _said(rule: Any, ts: Ints, value: Floats, parameters: Mapping[str, float]) -> Floats:
    module, options = KINDS[rule.kind], rule.options
    settings = np.zeros(1, dtype=module.SETTINGS)
    module.settings(options, parameters, settings[0])
    memory = np.zeros(1, dtype=module.MEMORY)
    memory[0] = module.blank()
    return np.asarray(module.signal(OneDevice(module.inputs(options)[0], ts, value), settings, memory).value)


def summary(found: Tally) -> dict[str, Any]:
    """Brier's score beside that of always saying the mean, and reliability by tenths."""
    share = float(np.mean(found["came"])) if found["came"] else 0.0
    return {
        "n": len(found["said"]),
        "brier": brier(found["said"], found["came"]),
        "brier_of_the_mean": share * (1 - share),
        "reliability": reliability(found["said"], found["came"]) if found["said"] else [],
    }
