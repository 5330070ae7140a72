"""What a device makes of the truth: noise, resolution, range, cadence, battery; `seq`, `boot` and the JSON it sends."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from wire.topics import DeviceTopic


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for each thing with a name: adding a device changes no other device's noise."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


@dataclass(frozen=True, slots=True)
class Channel:
    """How one point is measured, in the point's unit."""

    noise: float
    resolution: float
    low: float = -math.inf
    high: float = math.inf

    def measure(self, truth: float, rng: np.random.Generator) -> float:
        """Noise, then the steps of the converter, then the ends of the range."""
        value = truth + self.noise * float(rng.standard_normal())
        stepped = round(value / self.resolution) * self.resolution
        return round(min(max(stepped, self.low), self.high), 6)


@dataclass(frozen=True, slots=True)
class Model:
    """One native model of the profile library as the simulator builds it."""

    profile: str
    cadence_s: float
    channels: Mapping[str, Channel]


SMOKE = Model(
    "shouwang/smoke",
    10.0,
    {
        "obscuration": Channel(0.004, 0.002, 0.0, 3.0),
        "temperature": Channel(0.1, 0.1, -20.0, 120.0),
        "co": Channel(0.5, 1.0, 0.0, 1000.0),
        "humidity": Channel(0.5, 1.0, 0.0, 100.0),
    },
)
WATER_LEVEL = Model("shouwang/water-level", 10.0, {"level": Channel(0.004, 0.001, 0.0, 6.0)})
FACADE = Model(
    "shouwang/facade",
    120.0,
    {
        "frequency": Channel(0.0, 0.01, 0.0, 200.0),
        "tilt": Channel(0.01, 0.005, -45.0, 45.0),
        "gap": Channel(0.02, 0.01, 0.0, 100.0),
        "rms": Channel(0.0005, 0.001, 0.0, 40.0),
        "wind": Channel(0.2, 0.1, 0.0, 80.0),
        "surface_temperature": Channel(0.3, 0.1, -40.0, 90.0),
    },
)
MODELS = {model.profile: model for model in (SMOKE, WATER_LEVEL, FACADE)}


@dataclass(slots=True)
class Sensor:
    """One device: an id at a site, a model, a phase within its cadence, a battery that runs down."""

    device: str
    site: str
    model: Model
    seed: int
    cadence_s: float = 0.0
    phase_s: float = 0.0
    boot: str = ""
    seq: int = 0
    battery: float = 100.0
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        """A generator, a phase and a boot id of its own."""
        self.rng = generator(self.seed, self.device)
        self.cadence_s = self.cadence_s or self.model.cadence_s
        self.phase_s = self.phase_s or float(self.rng.uniform(0, self.cadence_s))
        self.boot = self.boot or f"{int(self.rng.integers(0, 2**32)):08x}"
        self.battery = round(float(self.rng.uniform(60, 100)), 1)

    def sample(self, truth: Mapping[str, float]) -> dict[str, float]:
        """Measured values of the points that the model has."""
        values = {
            point: channel.measure(truth[point], self.rng)
            for point, channel in self.model.channels.items()
            if point in truth
        }
        values["battery"] = self.battery
        return values

    def publication(self, ts: int, values: Mapping[str, float], exercise: str | None = None) -> Publication:
        """The next message of this device."""
        self.seq += 1
        return Publication(self.device, self.site, ts, self.seq, self.boot, dict(values), exercise=exercise)


_ENCODER = msgspec.json.Encoder()


@dataclass(slots=True)
class Publication:
    """One message on its way out; `due` is the scenario time at which it leaves the device (after `ts` when late)."""

    device: str
    site: str
    ts: int
    seq: int
    boot: str
    values: dict[str, float]
    exercise: str | None = None
    due: int = 0
    sent_ts: int | None = None  # what the device says, when its clock is wrong
    raw: bytes | None = None  # a payload that is not the device's usual one

    def __post_init__(self) -> None:
        """Leaves at once unless told otherwise."""
        self.due = self.due or self.ts

    @property
    def topic(self) -> str:
        """Where it goes."""
        return str(DeviceTopic(site=self.site, device=self.device, channel="telemetry", exercise=self.exercise))

    def payload(self) -> bytes:
        """Native JSON. NaN is written as some firmware writes it, bare; JSON proper has no word for it."""
        if self.raw is not None:
            return self.raw
        head = {"ts": self.ts if self.sent_ts is None else self.sent_ts, "seq": self.seq, "boot": self.boot}
        if all(math.isfinite(value) for value in self.values.values()):
            return _ENCODER.encode(head | self.values)
        body = ",".join(f'"{point}":{_number(value)}' for point, value in self.values.items())
        return _ENCODER.encode(head)[:-1] + b"," + body.encode() + b"}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return repr(value) if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")
