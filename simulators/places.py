"""Places that sensors look at: rooms with fires, an underpass that fills, a façade in the wind.

Each advances on its own fixed grid of scenario seconds and says what is true at a device; what a device makes of the
truth is `simulators.sensor`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from simulators import fire, panel, rain
from simulators.nuisance import Nuisance
from simulators.sensor import generator
from simulators.wind import Weather, mean_at

LEVELS_M = (0.03, 0.15, 0.25, 0.40)
"""Depths whose crossing is labelled: wet onset, slow, closed, rescue (DOMAIN B2)."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Truth: the depth at the lowest point went up through a level at this scenario second."""

    level_m: float
    at_s: float


class Place(Protocol):
    """What a world asks of a place."""

    step_s: float

    def step(self, now_s: float) -> None:
        """One step of `step_s` that ends at `now_s`."""

    def sense(self, device: str, now_s: float) -> Mapping[str, float]:
        """The truth at one device, by point."""


@dataclass(slots=True)
class Rooms:
    """A flat, a stairwell, a building: rooms, and the draughts between them (from, to, m³/s)."""

    rooms: dict[str, fire.Room]
    devices: dict[str, str]  # device → room
    draughts: tuple[tuple[str, str, float], ...] = ()
    nuisances: dict[str, list[Nuisance]] = field(default_factory=dict)
    weather: Weather = field(default_factory=lambda: Weather(mean_c=23.0, swing_c=1.5))
    humidity: float = 60.0
    step_s: float = fire.STEP_S

    def __post_init__(self) -> None:
        """Hang each detector in its room."""
        for device, room in self.devices.items():
            self.rooms[room].detectors.setdefault(device, fire.Detector())

    def ignite(self, room: str, flame: fire.Fire) -> None:
        """Something catches fire."""
        self.rooms[room].fires.append(flame)

    def disturb(self, room: str, nuisance: Nuisance) -> None:
        """Someone cooks, showers, smokes."""
        self.nuisances.setdefault(room, []).append(nuisance)

    def put_out(self, now_s: float, air_changes_h: float = 45.0) -> None:
        """Fires out, and the smoke driven out with a fan."""
        for room in self.rooms.values():
            room.extinguish(now_s)
            room.ventilate(air_changes_h)

    def step(self, now_s: float) -> None:
        """All rooms, then the draughts; rooms with clean air and nothing burning are skipped."""
        for name, room in self.rooms.items():
            episodes = [episode for episode in self.nuisances.get(name, ()) if not episode.over(now_s)]
            if name in self.nuisances:
                self.nuisances[name] = episodes
            if episodes or not room.quiet:
                room.step(now_s, _together([episode.gas(now_s) for episode in episodes]))
        for source, target, flow in self.draughts:
            if self.rooms[source].air.soot_kg > 0:
                fire.drift(self.rooms[source], self.rooms[target], flow)

    def sense(self, device: str, now_s: float) -> Mapping[str, float]:
        """Obscuration dB/m, temperature °C, CO ppm, humidity %."""
        detector = self.rooms[self.devices[device]].detectors[device]
        return {
            "obscuration": detector.chamber,
            "temperature": self.weather.surface_c(now_s) + detector.rise_k,
            "co": detector.co,
            "humidity": self.humidity + detector.humidity,
        }


def _together(gases: list[fire.Gas]) -> fire.Gas | None:
    if not gases:
        return None
    return fire.Gas(
        sum(gas.obscuration for gas in gases),
        sum(gas.co for gas in gases),
        sum(gas.rise_k for gas in gases),
        max(gas.speed for gas in gases),
        sum(gas.humidity for gas in gases),
    )


@dataclass(slots=True)
class Water:
    """An underpass; each gauge stands `offset_m` above the lowest point."""

    bowl: rain.Underpass
    devices: dict[str, float]
    crossings: list[Crossing] = field(default_factory=list)
    step_s: float = rain.STEP_S

    def step(self, now_s: float) -> None:
        """Fill or drain; note the crossings upward."""
        before = self.bowl.depth_m()
        self.bowl.step(now_s)
        after = self.bowl.depth_m()
        self.crossings += [Crossing(level, now_s) for level in LEVELS_M if before < level <= after]

    def sense(self, device: str, now_s: float) -> Mapping[str, float]:  # noqa: ARG002  the water is as of the last step
        """Depth of water at the gauge, m."""
        return {"level": max(0.0, self.bowl.depth_m() - self.devices[device])}


@dataclass(slots=True)
class Facade:
    """A curtain wall: one panel a device, all in the same wind."""

    panels: dict[str, panel.Panel]
    seed: int = 0
    weather: Weather = field(default_factory=Weather)
    step_s: float = panel.STEP_S
    _rng: dict[str, np.random.Generator] = field(default_factory=dict)

    def step(self, now_s: float) -> None:
        """Fatigue of what is loose."""
        v10 = self.weather.mean_m_s(now_s)
        for one in self.panels.values():
            one.step(mean_at(v10, one.height_m) * 1.6)

    def sense(self, device: str, now_s: float) -> Mapping[str, float]:
        """Features of a record that ends now."""
        rng = self._rng.setdefault(device, generator(self.seed, "record", device))
        found = self.panels[device].record(now_s, self.weather, rng)
        return {
            "frequency": found.frequency_hz,
            "tilt": found.tilt_deg,
            "gap": found.gap_mm,
            "rms": found.rms_m_s2,
            "wind": found.wind_m_s,
            "surface_temperature": found.surface_c,
        }
