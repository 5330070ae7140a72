"""What judging costs: `Engine.step` over the families' own rules and quality tests, by processor time of one core.

    python benchmarks/rules_step.py [--rounds N] [--family NAME] [--only CASE]

The devices are the profiles `shouwang/smoke`, `shouwang/water-level` and `shouwang/facade` with the default rules and
quality tests of their families: what an installed device has. "Whole messages" have a reading of every point, "main
point" only the one that the family's first rule judges. A facade is measured as it lives from its second month on, and
once while it learns. Every fleet lives before it is measured, at its family's cadence and with the scatter of a live
sensor, until its clear holds are over and what it keeps is full. The best, the median and the worst step are told; the
verdict is the median's. Batches of a poll bring the devices in the same order every time; "in any order" is what the
same costs when nothing of it was there before. Targets: 10,000 devices in 5 ms, a burst of 10,000 readings of one
device in 100 ms, 2 kB of state a device.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Mapping
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
LEARNS = {"facade, learning"}


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

    def live(self, *, whole: bool) -> None:
        """Let the fleet live: its clear holds are over, what is kept is full, what can be learnt is."""
        for _ in range(max(120, -(-CLEAR_MS // self.cadence_ms))):
            self.engine.step(self.batch(1, whole=whole))

    def batch(self, messages: int, *, whole: bool, alarms: int = 0, shuffled: bool = False) -> Columns:
        """The next messages of every device; of `alarms` devices in a hundred the main point is in alarm."""
        points = self.points if whole else (self.family.main,)
        columns = [self.points.index(point) for point in points]
        usual = np.array([self.family.calm[point] for point in points])
        value = usual[:, 0] + usual[:, 1] * self._rng.standard_normal((self.devices, messages, len(points)))
        if alarms:
            value[:: 100 // alarms, :, points.index(self.family.main)] = self.family.alarm
        ts = np.broadcast_to((self._start[:, None] + self.cadence_ms * np.arange(messages))[:, :, None], value.shape)
        self._start = self._start + self.cadence_ms * messages
        channel = np.broadcast_to(self.channel[:, None, columns], value.shape)
        if shuffled:
            order = self._rng.permutation(self.devices)
            value, ts, channel = value[order], ts[order], channel[order]
        return Columns.of(channel.ravel(), ts.ravel(), value.ravel(), ts.ravel() + WAY_MS)


class Case(NamedTuple):
    """One row of the table."""

    what: str
    devices: int
    messages: int
    whole: bool
    alarms: int = 0
    shuffled: bool = False
    target_ms: float | None = None


CASES = (
    Case("lone message", 1, 1, whole=True),
    Case("100 devices, whole messages", 100, 1, whole=True),
    Case("10,000 devices, main point", 10_000, 1, whole=False, target_ms=5),
    Case("10,000 devices, whole messages", 10_000, 1, whole=True, target_ms=5),
    Case("10,000 devices, whole messages, in any order", 10_000, 1, whole=True, shuffled=True),
    Case("10,000 devices, main point, 1 in 100 in alarm", 10_000, 1, whole=False, alarms=1),
    Case("burst of 10,000 readings, main point", 1, 10_000, whole=False, target_ms=100),
    Case("burst of 10,000 readings, whole messages", 1, 0, whole=True, target_ms=100),
    Case("burst of 10,000 readings, main point in alarm", 1, 10_000, whole=False, alarms=100, target_ms=100),
)
CLEAR_MS = 4_000_000
"""Longer than the longest clear hold of the defaults, an hour."""


class Cost(NamedTuple):
    """Of one case."""

    readings: int
    took_ms: list[float]
    tested_ms: float  # of the median, what `assess` has


def measure(fleet: Fleet, case: Case, rounds: int) -> Cost:
    """Steps of one case, one after the other."""
    messages = case.messages or 10_000 // len(fleet.points)
    if messages > 100:
        for _ in range(2):
            fleet.engine.step(fleet.batch(messages, whole=case.whole))
    if case.devices < 1000 and messages == 1:
        rounds *= 10
    took, tested, readings = [], [], 0
    for _ in range(rounds):
        columns = fleet.batch(messages, whole=case.whole, alarms=case.alarms, shuffled=case.shuffled)
        readings = len(columns.ts)
        began = time.process_time()
        columns = fleet.engine.assess(columns)
        assessed = time.process_time()
        fleet.engine.step(columns)
        tested.append((assessed - began) * 1000)
        took.append((time.process_time() - began) * 1000)
    return Cost(readings, took, float(np.median(tested)))


def verdict(found: float, target: float | None) -> str:
    """Whether a target is reached."""
    return "" if target is None else "yes" if found <= target else "**no**"


def run(name: str, family: Family, cases: Iterable[Case], rounds: int, library: Library) -> Fleet | None:
    """Print the rows of a family; the large fleet, if there was one."""
    fleets: dict[int, Fleet] = {}
    for case in cases:
        fleet = fleets.get(case.devices)
        if fleet is None:
            fleet = fleets[case.devices] = Fleet(family, case.devices, library)
            fleet.live(whole=True)
        cost = measure(fleet, case, rounds)
        median = float(np.median(cost.took_ms))
        target = "" if case.target_ms is None else f"{case.target_ms:g}"
        print(f"| {name} | {case.what} | {cost.readings:,} | {median:.2f} | {min(cost.took_ms):.2f} "
              f"| {max(cost.took_ms):.2f} | {cost.tested_ms:.2f} | {cost.readings / max(median, 1e-9) * 1000:,.0f} "
              f"| {target} | {verdict(median, case.target_ms)} |", flush=True)  # fmt: skip
    return fleets.get(10_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--family", default="", help="only families whose name contains this")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    options = parser.parse_args()
    library = Library.load()
    families = {name: family for name, family in FAMILIES.items() if options.family in name}
    print("| family | batch | readings | ms | best | worst | of it quality tests | readings/s per core | target ms | |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    large: dict[str, Fleet] = {}
    for name, family in families.items():
        cases = [case for case in CASES if options.only in case.what]
        if name in LEARNS:
            cases = [case for case in cases if case.devices == 10_000 and case.target_ms]
        fleet = run(name, family, cases, options.rounds, library)
        if fleet is not None:
            large[name] = fleet
    if large:
        print("\n| family | taking in 10,000 devices, s | state, bytes a device | of 100,000: MB | target | |")
        print("|---|---|---|---|---|---|")
    for name, fleet in large.items():
        size = fleet.engine.state_bytes() / fleet.devices
        print(f"| {name} | {fleet.taken_in_s:.2f} | {size:,.0f} | {size / 10:.0f} | 200 "
              f"| {verdict(size / 10, 200)} |", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
