"""A rule kind for tests: simple, uses all that a frame offers, and computes row by row so that it cannot be clever."""

from dataclasses import dataclass

import numpy as np

from rules import parts
from rules.frame import Input, Signal, fresh

KEYS = {"gain", "use"}
SETTINGS = np.dtype([("gain", "f8"), ("offset", "f8")])
MEMORY = np.dtype([("mean", "f8"), ("count", "i8")])
NAME = "trial"


@dataclass(frozen=True)
class Options:
    gain: float = 1.0
    window_ms: int = 8000
    required: bool = False


def parse(where, declaration, cadence_s):
    gain = parts.number(f"{where}.gain", declaration.get("gain", 1.0))
    use = parts.choice(f"{where}.use", declaration.get("use", "any"), ("any", "all"))
    return Options(gain, round(8000 * cadence_s), use == "all")


def inputs(options):
    return (
        Input("level", window_ms=options.window_ms, parts=4),
        Input("rain", optional=not options.required),
        Input("stage", window_ms=options.window_ms // 2, parts=3, optional=True, usual="tide"),
    )


def settings(options, parameters, row):
    row["gain"] = options.gain
    row["offset"] = parameters.get("offset", 0.0)
    return "parameter offset is below zero" if row["offset"] < 0 else None


def blank():
    return np.array((0.0, 0), dtype=MEMORY)


def signal(frame, settings, memory):
    rain, rain_at = frame.latest("rain")
    stage, _ = frame.latest("stage")
    rain = fresh(rain, rain_at, frame.ts, 20_000)
    own, other = frame.window("level"), frame.window("stage")
    rows = np.arange(len(frame.ts))[::2]
    few = frame.window("level", rows)
    assert np.array_equal(few.value, own.value[rows], equal_nan=True)
    value = np.zeros(len(frame.ts))
    mean = np.zeros(len(frame.ts))
    for row in range(len(frame.ts)):
        line = memory[frame.slot[row]]
        setting = settings[frame.setting[row]]
        if frame.usable[row]:
            line["mean"] = 0.5 * line["mean"] + 0.5 * frame.value[row]
            line["count"] += 1
        mean[row] = line["mean"]
        value[row] = setting["gain"] * frame.value[row] + setting["offset"]
        value[row] += np.nan_to_num(rain[row]) + 0.5 * np.nan_to_num(stage[row])
        value[row] += 0.25 * np.nansum(own.value[row]) + 0.125 * np.nansum(other.value[row])
        value[row] += 0.5 * line["mean"] + 0.25 * (line["count"] % 3)
        assert own.ts[row, -1] == frame.ts[row]
        if frame.value[row] == -7.0:
            value[row] = np.nan
    return Signal(value, {"mean": mean, "rain": rain})
