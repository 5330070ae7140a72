"""Rain to stage: design storm, two linear reservoirs, an underpass bowl with its pumps (DOMAIN D2).

The storm is a Chicago hyetograph over the intensity formula q = 1600(1 + 0.846 lg P)/(t + 7)^0.656 L/(s·ha) (Shanghai,
DB31/T 1043-2017). Catchment and pump of the default bowl are set so that storms of 1, 3, 5, 10, 20, 50 years give a
depth of about 0, 21, 29, 39, 48, 59 cm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

STEP_S = 5.0
"""Bowls advance on a fixed grid of scenario seconds."""

_B_MIN, _C = 7.0, 0.656


def design_intensity_mm_h(minutes: float, years: float) -> float:
    """Mean intensity of the worst `minutes` of a storm that comes once in `years`."""
    return float(0.36 * 1600 * (1 + 0.846 * math.log10(years)) / (minutes + _B_MIN) ** _C)


@dataclass(frozen=True, slots=True)
class Storm:
    """A Chicago storm: its peak lies `peak_ratio` of the way through."""

    start_s: float
    years: float
    duration_s: float = 7200.0
    peak_ratio: float = 0.4

    @property
    def peak_s(self) -> float:
        """When it rains hardest."""
        return self.start_s + self.peak_ratio * self.duration_s

    def intensity_mm_h(self, now_s: float) -> float:
        """Rain rate now; 0 outside the storm."""
        if not self.start_s <= now_s <= self.start_s + self.duration_s:
            return 0.0
        before = now_s < self.peak_s
        share = self.peak_ratio if before else 1 - self.peak_ratio
        t = abs(now_s - self.peak_s) / 60 / share
        scale = design_intensity_mm_h(0, self.years) * _B_MIN**_C
        return float(scale * ((1 - _C) * t + _B_MIN) / (t + _B_MIN) ** (1 + _C))


class PumpState(StrEnum):
    """What a pump does when it is asked to run."""

    ON = "on"
    OFF = "off"
    TRIPPED = "tripped"
    BLOCKED = "blocked"


@dataclass(slots=True)
class Pump:
    """One pump with a float switch; a submerged outfall leaves 0.3 of its flow, a blockage 0.15."""

    flow_m3_s: float
    state: PumpState = PumpState.ON
    outfall_submerged: bool = False

    def flow(self) -> float:
        """What it moves when there is water."""
        share = {PumpState.ON: 1.0, PumpState.BLOCKED: 0.15}.get(self.state, 0.0)
        return self.flow_m3_s * share * (0.3 if self.outfall_submerged else 1.0)


@dataclass(slots=True)
class Underpass:
    """Runoff through two linear reservoirs into a bowl: V(h) = A0·h + ½·s·h²."""

    storms: list[Storm] = field(default_factory=list)
    pumps: list[Pump] = field(default_factory=lambda: [Pump(0.125), Pump(0.125)])
    catchment_m2: float = 20_000.0
    runoff: float = 0.8
    reservoir_s: float = 480.0
    floor_m2: float = 150.0
    slope_m2_m: float = 2500.0
    first_m3: float = 0.0
    second_m3: float = 0.0
    bowl_m3: float = 0.0
    rate_cm_min: float = 0.0

    def step(self, now_s: float) -> None:
        """One `STEP_S` that ends at `now_s`."""
        before = self.depth_m()
        rain = sum(storm.intensity_mm_h(now_s) for storm in self.storms)
        inflow = self.runoff * rain / 3.6e6 * self.catchment_m2
        between = self.first_m3 / self.reservoir_s
        arriving = self.second_m3 / self.reservoir_s
        self.first_m3 += (inflow - between) * STEP_S
        self.second_m3 += (between - arriving) * STEP_S
        leaving = sum(pump.flow() for pump in self.pumps)
        self.bowl_m3 = max(0.0, self.bowl_m3 + (arriving - leaving) * STEP_S)
        self.rate_cm_min = (self.depth_m() - before) * 100 * 60 / STEP_S

    def depth_m(self) -> float:
        """Depth at the lowest point."""
        return (math.sqrt(self.floor_m2**2 + 2 * self.slope_m2_m * self.bowl_m3) - self.floor_m2) / self.slope_m2_m

    def trip(self, state: PumpState = PumpState.TRIPPED) -> None:
        """All pumps fail."""
        for pump in self.pumps:
            pump.state = state

    def restore(self, extra_m3_s: float = 0.0) -> None:
        """Pumps run again; `extra_m3_s` is a mobile pump that the drainage crew brought."""
        for pump in self.pumps:
            pump.state = PumpState.ON
        if extra_m3_s:
            self.pumps.append(Pump(extra_m3_s))
