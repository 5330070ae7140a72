"""Readings a second through `Engine.step` on one core, against what numpy needs to compare them with a threshold.

    python benchmarks/rules_step.py [--rounds N]

The floor compares each value with one constant and counts: no state, no time, no order. The ratio says what
hysteresis, holds, quality, lateness, silence and restartable state cost over that. "Tested" has the streaming quality
tests of the family (`docs/rules.md`), the others only range and clock. "Whole messages" has a reading of every point of
the device, so that what rule kinds look at beside the judged point is taken in, too.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rules import quality_declaration  # noqa: E402
from rules.columns import Columns  # noqa: E402
from rules.declaration import resolve  # noqa: E402
from rules.engine import DeviceRules, Engine  # noqa: E402
from wire.alert import Hazard  # noqa: E402

T0 = 1_780_000_000_000
WHOLE = "whole messages"
POINTS = {Hazard.SMOKE: ("obscuration", "temperature", "co", "battery"), Hazard.WATER_LEVEL: ("level", "battery")}
MAIN = {Hazard.SMOKE: "obscuration", Hazard.WATER_LEVEL: "level"}
VALID = {"obscuration": (0.0, 10.0), "temperature": (-40.0, 300.0), "co": (0.0, 1000.0), "battery": (0.0, 100.0),
         "level": (-0.5, 20.0)}  # fmt: skip


CALM = {"obscuration": 0.005, "temperature": 21.0, "co": 1.0, "battery": 90.0, "level": 0.005}


def engine_of(hazard: Hazard, count: int, *, tested: bool) -> tuple[Engine, np.ndarray, float]:
    rules = resolve(hazard, POINTS[hazard], 10.0)
    quality = quality_declaration.resolve(hazard, POINTS[hazard], 10.0) if tested else {}
    valid = {point: VALID[point] for point in POINTS[hazard]}
    names = [f"d{number}" for number in range(count)]
    began = time.process_time()
    engine = Engine()
    engine.configure([DeviceRules(name, rules, POINTS[hazard], valid=valid, quality=quality) for name in names])
    points = (MAIN[hazard], *(point for point in POINTS[hazard] if point != MAIN[hazard]))
    channels = np.array([[engine.channel(name, point) for point in points] for name in names], dtype=np.int32)
    return engine, channels, time.process_time() - began


def values(kind: str, rng: np.random.Generator, count: int, round_: int) -> np.ndarray:
    calm = np.abs(rng.normal(0.005, 0.004, count))
    if kind in {"one in a hundred in alarm", f"{WHOLE}, one in a hundred in alarm"}:
        calm[::100] = 0.5
    if kind == "all stirring":
        calm = 0.2 + 0.2 * np.sin(np.arange(count) + round_ / 3)
    return calm


def timed(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def measure(
    hazard: Hazard, devices: int, per_device: int, kind: str, rounds: int, *, tested: bool
) -> tuple[float, float]:
    """Seconds of processor time a batch takes, of the engine and of the floor (medians)."""
    engine, channels, _ = engine_of(hazard, devices, tested=tested)
    rng = np.random.default_rng(1)
    width = channels.shape[1] if kind.startswith(WHOLE) else 1
    channel = np.repeat(channels[:, :width], per_device, axis=0).ravel()
    took, floor = [], []
    warm = 1 + 1000 // (10 * per_device)
    for round_ in range(warm + rounds):
        start = T0 + 10_000 * per_device * round_
        ts = np.repeat(np.tile(start + 10_000 * np.arange(per_device), devices), width)
        value = np.tile([CALM[point] for point in (MAIN[hazard], *POINTS[hazard][1:])][:width], devices * per_device)
        value[::width] = values(kind, rng, devices * per_device, round_)
        columns = Columns.of(channel, ts, value)
        seconds = timed(lambda columns=columns: engine.step(columns))  # type: ignore[misc]
        if round_ >= warm:
            took.append(seconds)
            floor.append(
                timed(lambda columns=columns: [np.count_nonzero(columns.value > 0.15) for _ in range(100)]) / 100
            )  # type: ignore[misc]
    return float(np.median(took)), float(np.median(floor))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print("| family | devices | readings | what they say | tested | ms a batch | readings/s per core | x the floor |")
    print("|---|---|---|---|---|---|---|---|")
    for hazard, devices, per_device, kind in (
        (Hazard.SMOKE, 1, 1, "calm"),
        (Hazard.SMOKE, 100, 1, "calm"),
        (Hazard.SMOKE, 100, 1, "all stirring"),
        (Hazard.SMOKE, 10_000, 1, "calm"),
        (Hazard.SMOKE, 10_000, 1, "one in a hundred in alarm"),
        (Hazard.SMOKE, 10_000, 1, "all stirring"),
        (Hazard.SMOKE, 10_000, 1, WHOLE),
        (Hazard.SMOKE, 10_000, 1, f"{WHOLE}, one in a hundred in alarm"),
        (Hazard.WATER_LEVEL, 10_000, 1, "calm"),
        (Hazard.WATER_LEVEL, 10_000, 1, WHOLE),
        (Hazard.SMOKE, 1, 10_000, "all stirring"),
        (Hazard.WATER_LEVEL, 1, 10_000, "all stirring"),
    ):
        for tested in (False, True):
            took, floor = measure(hazard, devices, per_device, kind, options.rounds, tested=tested)
            count = devices * per_device * (len(POINTS[hazard]) if kind.startswith(WHOLE) else 1)
            print(f"| {hazard} | {devices} | {count} | {kind} | {'yes' if tested else 'no'} | {took * 1000:.2f} "
                  f"| {count / max(took, 1e-9):,.0f} | {took / max(floor, 1e-9):,.0f} |")  # fmt: skip
    for tested in (False, True):
        _, _, seconds = engine_of(Hazard.SMOKE, 10_000, tested=tested)
        print(f"\nA table of 10,000 smoke devices is taken in {seconds:.2f} s{' (tested)' if tested else ''}.")
    for hazard in (Hazard.SMOKE, Hazard.WATER_LEVEL):
        engine, _, _ = engine_of(hazard, 10_000, tested=True)
        print(f"State of 100,000 {hazard} devices, tested: {10 * engine.state_bytes() / 1e6:.0f} MB.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
