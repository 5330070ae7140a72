"""What the devices of a run measure, and what an undisturbed edge makes of it. All by the seed.

Two kinds of detector, smoke and water, each with one plain rule of two levels; each device sees two to four events,
none at the same time as the others: some brief (no alarm), some of level III, some of II. It ends quiet, so that
every alarm clears. The oracle is the rules' own engine over the whole series: no broker, no process, no network.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from device_profiles.library import Library
from edge.table import Compiler
from rules.columns import Columns
from rules.defaults import DEFAULTS
from rules.engine import DeviceRules, Engine
from wire.alert import Hazard, Verb
from wire.configuration import DeviceConfig, EdgeDocument

RULE = "bench"
LONG_S = 30 * 86_400.0  # nothing of the bench is decided by silence
STEADY = {"chattering": None, "flapping": None}  # an oracle of episodes, not of how they are held together


class Model(NamedTuple):
    """One kind of detector of the bench."""

    profile: str
    hazard: Hazard
    point: str
    quiet: float
    enter: tuple[float, float]  # III, II
    leave: tuple[float, float]


MODELS = (
    Model("shouwang/smoke", Hazard.SMOKE, "obscuration", 0.01, (0.15, 0.30), (0.06, 0.15)),
    Model("shouwang/water-level", Hazard.WATER_LEVEL, "level", 0.02, (0.15, 0.27), (0.10, 0.22)),
)


class Reading(NamedTuple):
    """What one device measured."""

    ts: int
    device: str
    seq: int
    point: str
    value: float


@dataclass(frozen=True)
class Device:
    """One detector of a run. One that is `quick` alarms at its first reading."""

    id: str
    model: Model
    values: tuple[float, ...]
    quick: bool = False


@dataclass(frozen=True)
class Load:
    """Devices with what they measure, one value each `step_ms`; the last one is quiet and quick, for a coda."""

    devices: tuple[Device, ...]
    step_ms: int

    @property
    def steps(self) -> int:
        """Values of each device."""
        return len(self.devices[0].values)

    def readings(self, start_ms: int) -> list[Reading]:
        """In order of time; devices speak one after another within each step."""
        count = len(self.devices)
        return [
            Reading(start_ms + step * self.step_ms + self.step_ms * index // count, device.id, step,
                    device.model.point, device.values[step])
            for step in range(self.steps)
            for index, device in enumerate(self.devices)
        ]  # fmt: skip

    def coda(self, ts: int) -> list[Reading]:
        """A fire at the last device, put out a second later."""
        device = self.devices[-1]
        enter = device.model.enter[1]
        return [
            Reading(ts + 1000 * step, device.id, self.steps + step, device.model.point, value)
            for step, value in enumerate((2 * enter, 2 * enter, device.model.quiet, device.model.quiet))
        ]

    def rules(self, device: Device) -> dict[str, Any]:
        """The one rule of a device, as it is registered; holds scale with the pace of the load."""
        model = device.model
        step_s = 0.0 if device.quick else self.step_ms / 1000
        samples = 1 if device.quick else 3
        levels = {
            level: {"enter": enter, "exit": leave, "hold_s": 3 * step_s, "min_samples": samples}
            for level, enter, leave in zip(("III", "II"), model.enter, model.leave, strict=True)
        }
        rule = {
            "kind": "level", "point": model.point, "hazard": str(model.hazard), "levels": levels,
            "clear_hold_s": 4 * step_s, "latch": False, "max_gap_s": LONG_S, "max_verify_delay_s": LONG_S,
            "alarm": STEADY,
        }  # fmt: skip
        # what is not judged by our rule is not judged at all
        others = {name: None for hazard in (model.hazard, Hazard.DEVICE) for name in DEFAULTS[hazard]}
        return {**others, RULE: rule}

    @staticmethod
    def tests(device: Device) -> dict[str, Any]:
        """No tests of quality: events in seconds are too fast for them, and what they remember is written seldom."""
        return {device.model.point: None}


def make(
    seed: int, *, devices: int = 24, seconds: float = 5.0, step_s: float = 0.1, pace: float = 1.0, rest: int = 7
) -> Load:
    """The load of a seed: `seconds` of wall time, a reading each `step_s` of it, events `pace` times as slow.

    Args:
        seed: of everything.
        devices: how many, the one of the coda not counted.
        seconds: of wall time.
        step_s: wall time between two readings of a device.
        pace: how fast the clock of the bench runs meanwhile.
        rest: readings between two events, at least.
    """
    chance = random.Random(f"load {seed}")
    steps = round(seconds / step_s)
    made = []
    for index in range(devices):
        model = MODELS[index % len(MODELS)]
        made.append(Device(f"f{seed}-{index:02d}", model, tuple(_series(chance, model, steps, rest))))
    smoke = MODELS[0]
    made.append(Device(f"f{seed}-coda", smoke, (smoke.quiet,) * steps, quick=True))
    return Load(tuple(made), round(step_s * pace * 1000))


def _series(chance: random.Random, model: Model, steps: int, rest: int) -> list[float]:
    values = [model.quiet + round(chance.uniform(0, 0.005), 4) for _ in range(steps)]
    at = chance.randrange(1, rest + 1)
    while True:
        length = chance.choice((2, 6, 8, 10, 12, 14))
        if at + length > steps - 8:  # the end is quiet: every alarm clears
            return values
        mild, bad = 1.15 * model.enter[0], chance.choice((1.3, 1.6)) * model.enter[1]
        first, then = chance.choice(((mild, mild), (bad, bad), (mild, bad), (bad, mild)))
        for step in range(at, at + length):
            peak = first if step < at + length // 2 else then
            values[step] = round(peak * chance.uniform(1.0, 1.05), 4)
        at += length + chance.randrange(rest, 2 * rest)


class Episode(NamedTuple):
    """One alarm from its opening to its end, with each change on the way."""

    device: str
    rule: str
    opened_at: int
    turns: tuple[tuple[str, str | None], ...]

    @property
    def worst(self) -> str:
        """The worst level that was told."""
        return min((level for _, level in self.turns if level), key=("I", "II", "III", "IV").index)

    @property
    def over(self) -> bool:
        """Whether it has cleared."""
        return self.turns[-1][0] == Verb.CLEARED


_LIBRARY = Library.load()


def oracle(load: Load, readings: Sequence[Reading]) -> list[Episode]:
    """Episodes of readings in the order in which they are sent."""
    document = EdgeDocument(
        edge="oracle",
        revision=1,
        devices=[
            DeviceConfig(
                id=device.id,
                site="s",
                profile=device.model.profile,
                rules=load.rules(device),
                quality=load.tests(device),
            )
            for device in load.devices
        ],
    )
    engine = Engine()
    engine.configure(
        DeviceRules(
            device=device.id, rules=device.rules, points=tuple(point.name for point in device.decoder.points),
            valid={point.name: point.valid for point in device.decoder.points if point.valid is not None},
            cadence_s=device.cadence_s, quality=device.quality,
        )
        for device in Compiler(_LIBRARY).compile(document).devices.values()
    )  # fmt: skip
    ts = np.array([reading.ts for reading in readings], dtype=np.int64)
    columns = Columns.of(
        [engine.channel(reading.device, reading.point) for reading in readings],
        ts,
        [reading.value for reading in readings],
        np.maximum.accumulate(ts),
    )
    turns: dict[tuple[str, str, int], list[tuple[str, str | None]]] = {}
    for change in engine.step(engine.assess(columns, None)):
        key = change.device, change.rule, change.opened_at
        turns.setdefault(key, []).append((str(change.verb), None if change.level is None else str(change.level)))
    return sorted(Episode(*key, tuple(told)) for key, told in turns.items())
