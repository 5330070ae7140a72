"""How good the stated probabilities are: the default outlook (15 cm within half an hour) against what came."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.detection.judged import device_rules
from benchmarks.detection.metrics import brier, reliability
from benchmarks.detection.tally import Tally
from rules.condition import NEVER
from rules.frame import Frame, Input, Window
from rules.kinds import KINDS
from rules.scan import Floats, Ints
from simulators.batch.recording import Recording

RULE = "water_outlook"
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
        self.usable = ~self.bad

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
    """What the rule said at each of some readings, and whether the water came within the horizon."""
    said: list[float] = []
    came: list[bool] = []
    for device in recording.devices:
        rule: Any = device_rules(device, recording).rules.get(RULE)
        if rule is None:
            continue
        ts, value = recording.series(device.id, "level")
        module, options = KINDS[rule.kind], rule.options
        settings = np.zeros(1, dtype=module.SETTINGS)
        module.settings(options, device.parameters, settings[0])
        frame = OneDevice(module.inputs(options)[0], ts, np.asarray(value, dtype=np.float64))
        signal = module.signal(frame, settings, np.zeros(1, dtype=module.MEMORY)).value
        rows = np.flatnonzero(np.isfinite(signal) & (frame.value >= options.at_least))[::EVERY]
        crossings = np.array(
            [
                event.crossings[device.id][f"{options.threshold:g}"]
                for event in recording.events
                if f"{options.threshold:g}" in event.crossings.get(device.id, {})
            ],
            dtype=np.int64,
        )
        ahead = crossings[None, :] - ts[rows][:, None]
        soon = ((ahead > 0) & (ahead <= options.horizon_s * 1000)).any(axis=1)
        said += np.round(signal[rows], 4).tolist()
        came += soon.tolist()
    return {"said": said, "came": came}


def summary(found: Tally) -> dict[str, Any]:
    """Brier's score beside that of always saying the mean, and reliability by tenths."""
    share = float(np.mean(found["came"])) if found["came"] else 0.0
    return {
        "n": len(found["said"]),
        "brier": brier(found["said"], found["came"]),
        "brier_of_the_mean": share * (1 - share),
        "reliability": reliability(found["said"], found["came"]) if found["said"] else [],
    }
