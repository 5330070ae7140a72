"""What judging costs: `Engine.step` over the families' own rules and quality tests, by processor time of one core.

    python benchmarks/rules_step.py [--rounds N] [--family NAME] [--only CASE]

The devices are the profiles `shouwang/smoke`, `shouwang/water-level` and `shouwang/facade` with the default rules and
quality tests of their families: what an installed device has. "Whole messages" have a reading of every point, "main
point" only the one that the family's first rule judges. A facade is measured once while it learns and once as it lives
from the second month on. Every case is a stream of its own that runs on from step to step, at the family's cadence,
with the scatter of a live sensor; the median and the worst step are told. Targets: 10,000 devices in 5 ms, a burst of
10,000 readings of one device in 100 ms, 2 kB of state a device.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from device_profiles.library import Library  # noqa: E402
from rules import quality_declaration  # noqa: E402
from rules.columns import Columns  # noqa: E402
from rules.declaration import resolve  # noqa: E402
from rules.engine import DeviceRules, Engine  # noqa: E402

T0 = 1_780_000_000_000
WAY_MS = 180
"""From the device to the arrival."""


class Family(NamedTuple):
    """A model of device, as it is installed."""

    profile: str
    main: str
    calm: Mapping[str, tuple[float, float]]  # by point: usual value and scatter
    alarm: float  # of the main point
    rules: Mapping[str, Any] = {}  # over the defaults


_FACADE = {
    "frequency": (17.0, 0.06), "tilt": (0.01, 0.004), "gap": (0.05, 0.02), "rms": (0.02, 0.003), "wind": (3.0, 0.8),
    "surface_temperature": (24.0, 0.5), "peak": (0.1, 0.02), "crest": (4.3, 0.1), "kurtosis": (3.0, 0.05),
    "damping": (0.019, 0.0005), "prominence": (14.0, 1.0), "battery": (93.0, 0.0),
}  # fmt: skip
_LEARNT = {"learn_days": 0.02, "learn_range_k": 0, "learn_least": 10}
FAMILIES = {
    "smoke": Family(
        "shouwang/smoke",
        "obscuration",
        {"obscuration": (0.006, 0.003), "temperature": (21.0, 0.1), "co": (1.0, 0.4), "humidity": (48.0, 0.5),
         "battery": (90.0, 0.0), "alarm": (0.0, 0.0)},
        0.4,
    ),
    "water": Family("shouwang/water-level", "level", {"level": (0.003, 0.002), "battery": (90.0, 0.0)}, 0.3),
    "facade": Family(
        "shouwang/facade", "frequency", _FACADE, 15.0,
        dict.fromkeys(("frequency_shift", "tilt", "gap", "damping"), _LEARNT),
    ),
    "facade, learning": Family("shouwang/facade", "frequency", _FACADE, 15.0),
}  # fmt: skip


class Fleet:
    """Devices of one family in one engine, and the stream that they send."""

    def __init__(self, family: Family, devices: int, library: Library) -> None:
        profile = library[family.profile]
        points = tuple(point.name for point in profile.points)
        rules = resolve(profile.hazard, points, profile.cadence_s, profile.rules, family.rules)
        quality = quality_declaration.resolve(profile.hazard, points, profile.cadence_s, profile.quality)
        valid = {point.name: point.valid for point in profile.points if point.valid is not None}
        names = [f"d{number}" for number in range(devices)]
        self.family, self.points, self.devices = family, points, devices
        self.cadence_ms = round(profile.cadence_s * 1000)
        self.engine = Engine()
        began = time.process_time()
        self.engine.configure(
            DeviceRules(name, rules, points, {"baseline_frequency_hz": 17.0}, valid, profile.cadence_s, quality=quality,
                        groups={"site": "s", "building": f"b{number // 200}", "zone": f"z{number // 10}"})
            for number, name in enumerate(names)
        )  # fmt: skip
        self.channel = np.array([[self.engine.channel(name, point) for point in points] for name in names], np.int32)
        self.engine.blind  # noqa: B018 - the tables that are looked up are built here
        self.taken_in_s = time.process_time() - began
        self._rng = np.random.default_rng(1)
        self._start = T0 + self._rng.integers(0, self.cadence_ms, devices)

    def batch(self, messages: int, *, whole: bool, alarms: int = 0) -> Columns:
        """The next messages of every device; of `alarms` devices in a hundred the main point is in alarm."""
        points = self.points if whole else (self.family.main,)
        columns = [self.points.index(point) for point in points]
        usual = np.array([self.family.calm[point] for point in points])
        value = usual[:, 0] + usual[:, 1] * self._rng.standard_normal((self.devices, messages, len(points)))
        if alarms:
            value[:: 100 // alarms, :, points.index(self.family.main)] = self.family.alarm
        ts = self._start[:, None] + self.cadence_ms * np.arange(messages)
        self._start = self._start + self.cadence_ms * messages
        ts = np.repeat(ts.ravel(), len(points))
        channel = np.broadcast_to(self.channel[:, None, columns], value.shape)
        return Columns.of(channel.ravel(), ts, value.ravel(), ts + WAY_MS)


class Case(NamedTuple):
    """One row of the table."""

    what: str
    devices: int
    messages: int
    whole: bool
    alarms: int = 0
    target_ms: float | None = None


CASES = (
    Case("lone message", 1, 1, whole=True),
    Case("100 devices, whole messages", 100, 1, whole=True),
    Case("10,000 devices, main point", 10_000, 1, whole=False, target_ms=5),
    Case("10,000 devices, main point, 1 in 100 in alarm", 10_000, 1, whole=False, alarms=1),
    Case("10,000 devices, whole messages", 10_000, 1, whole=True, target_ms=5),
    Case("burst of 10,000 readings, main point", 1, 10_000, whole=False, target_ms=100),
    Case("burst of 10,000 readings, main point in alarm", 1, 10_000, whole=False, alarms=100, target_ms=100),
    Case("burst of 10,000 readings, whole messages", 1, 0, whole=True, target_ms=100),
)


def measure(family: Family, case: Case, rounds: int, library: Library) -> tuple[int, float, float, float]:
    """Readings of a step; its milliseconds: median, worst, and those that `assess` has of the median."""
    fleet = Fleet(family, case.devices, library)
    messages = case.messages or 10_000 // len(fleet.points)
    for _ in range(0 if messages > 100 else 120):  # as it lives: what is kept is full, what can be learnt is
        fleet.engine.step(fleet.batch(1, whole=case.whole))
    for _ in range(2 if messages > 100 else 0):
        fleet.engine.step(fleet.batch(messages, whole=case.whole))
    rounds = 20 * rounds if case.devices == 1 and messages == 1 else rounds
    took, tested, readings = [], [], 0
    for _ in range(rounds):
        columns = fleet.batch(messages, whole=case.whole, alarms=case.alarms)
        readings = len(columns.ts)
        began = time.process_time()
        columns = fleet.engine.assess(columns)
        assessed = time.process_time()
        fleet.engine.step(columns)
        tested.append((assessed - began) * 1000)
        took.append((time.process_time() - began) * 1000)
    return readings, float(np.median(took)), max(took), float(np.median(tested))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--family", default="", help="only families whose name contains this")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    options = parser.parse_args()
    library = Library.load()
    families = {name: family for name, family in FAMILIES.items() if options.family in name}
    print("| family | batch | readings | ms | of it quality tests | worst ms | target ms | readings/s per core |")
    print("|---|---|---|---|---|---|---|---|")
    for name, family in families.items():
        for case in CASES:
            if options.only not in case.what:
                continue
            readings, took, worst, tested = measure(family, case, options.rounds, library)
            target = "" if case.target_ms is None else f"{case.target_ms:g}"
            print(f"| {name} | {case.what} | {readings:,} | {took:.2f} | {tested:.2f} | {worst:.2f} | {target} "
                  f"| {readings / max(took, 1e-9) * 1000:,.0f} |", flush=True)  # fmt: skip
    print("\n| family | taking in 10,000 devices, s | state of 100,000 devices, MB (target 200) |\n|---|---|---|")
    for name, family in families.items():
        if family.rules and name != "facade":
            continue
        fleet = Fleet(family, 10_000, library)
        print(f"| {name} | {fleet.taken_in_s:.2f} | {10 * fleet.engine.state_bytes() / 1e6:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
