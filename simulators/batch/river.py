"""A small river that ends in tidal water: catchment, two gauges one below the other, tide and surge (DOMAIN D2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulators.batch import storms
from simulators.batch.recording import Device, Log, Recording, TruthEvent, assemble, first_crossings, measure
from wire.alert import Hazard

Floats = npt.NDArray[np.floating[Any]]

TIDE = {"M2": (12.4206, 1.10), "S2": (12.0, 0.50), "K1": (23.9345, 0.25), "O1": (25.8193, 0.15), "M4": (6.2103, 0.12)}
"""Period h and amplitude m of the constituents: order of magnitude at Wusong [K]."""


def tide(times_s: Floats, phases: Floats) -> Floats:
    """Astronomical tide about its mean, m; one phase (radians) a constituent."""
    level = np.zeros(len(times_s))
    for (hours, amplitude), phase in zip(TIDE.values(), phases, strict=True):
        level += amplitude * np.cos(2 * np.pi * times_s / (hours * 3600) - phase)
    return level


def surge(times_s: Floats, peak_m: float, at_s: float, width_s: float = 6 * 3600.0) -> Floats:
    """A typhoon's surge: a Gaussian pulse, m."""
    return np.asarray(peak_m * np.exp(-(((times_s - at_s) / width_s) ** 2)), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Channel:
    """A wide channel: Q = (1/n)·B·h^(5/3)·√S."""

    width_m: float = 18.0
    slope: float = 4e-4
    roughness: float = 0.03

    def stage_m(self, flow_m3_s: Floats) -> Floats:
        """Depth of a uniform flow (Manning, hydraulic radius = depth)."""
        return np.asarray(
            (np.maximum(flow_m3_s, 0.0) * self.roughness / (self.width_m * np.sqrt(self.slope))) ** 0.6,
            dtype=np.float64,
        )

    def celerity_m_s(self, stage_m: float) -> float:
        """Speed of a kinematic wave: 5/3 of the mean speed."""
        return float(5 / 3 * stage_m ** (2 / 3) * np.sqrt(self.slope) / self.roughness)


@dataclass(frozen=True, slots=True)
class RiverPlan:
    """One river; levels are metres above the bed of each gauge."""

    rivers: int = 4
    days: int = 60
    seed: int = 1
    start_ms: int = 1_780_243_200_000  # 2026-06-01 00:00 in China
    step_s: float = 60.0
    cadence_s: float = 300.0
    catchment_km2: float = 25.0
    runoff: float = 0.5
    reservoir_s: float = 5400.0
    reach_m: float = 9_000.0
    base_m3_s: float = 1.0
    season_mm: float = 280.0
    typhoons: float = 0.3  # a month: 80 … 180 mm within a day, and a surge
    warning_m: float = 1.2  # 警戒, at the upper gauge
    guarantee_m: float = 1.8  # 保证
    tidal_m: float = 2.9  # so much higher at the lower gauge: above the highest astronomical tide
    fault_noise_m: float = 0.002


def season(plan: RiverPlan) -> Recording:
    """The rivers' months: devices `river-NN-up`, `-down`, `-tide` (open water off its mouth) and `-rain`."""
    rng = np.random.default_rng([plan.seed, 21])
    times = np.arange(1, int(plan.days * 86_400 / plan.step_s) + 1) * plan.step_s
    logs: list[Log] = []
    events: list[TruthEvent] = []
    for number in range(plan.rivers):
        own_logs, own_events = _river(plan, number, times, rng)
        logs += own_logs
        events += own_events
    return assemble(logs, events, plan.start_ms, plan.start_ms + plan.days * 86_400_000, rng)


def _river(plan: RiverPlan, number: int, times: Floats, rng: np.random.Generator) -> tuple[list[Log], list[TruthEvent]]:
    rain = storms.plum_rain(times, rng, plan.season_mm)
    sea = tide(times, rng.uniform(0, 2 * np.pi, len(TIDE)))
    for _ in range(rng.poisson(plan.typhoons * plan.days / 30)):
        at = rng.uniform(0.1, 0.9) * times[-1]
        sea += surge(times, float(rng.uniform(0.3, 1.5)), at)
        pulse = np.exp(-(((times - at) / 18_000) ** 2))
        rain += rng.uniform(80, 180) * pulse / (pulse.sum() * plan.step_s / 3600)
    channel = Channel()
    wet = plan.runoff * plan.catchment_km2 * 1e6 / 3.6e6 * rain
    upper = plan.base_m3_s + storms.nash(wet[None], np.array([plan.reservoir_s]), plan.step_s, 3)[0]
    lag = round(plan.reach_m / channel.celerity_m_s(1.2) / plan.step_s)
    # The reach flattens the wave a little and brings 30 % more catchment with it.
    lower = (
        1.3
        * storms.nash(
            np.concatenate([np.full(lag, upper[0]), upper])[None, : len(upper)], np.array([900.0]), plan.step_s, 1
        )[0]
    )
    up = channel.stage_m(upper)
    down = channel.stage_m(lower)
    # Backwater: the tide lifts what is shallow fully, and a high flow less.
    bed = 1.8
    down = down + np.maximum(sea + bed, 0.0) * np.exp(-down / 4)
    zone = f"river-{number:02d}"
    logs: list[Log] = []
    events: list[TruthEvent] = []
    for spot, level, extra in (("up", up, 0.0), ("down", down, plan.tidal_m), ("tide", sea + bed, None)):
        device = Device(
            f"{zone}-{spot}",
            f"{zone}-{spot}",
            "shouwang/water-level",
            Hazard.WATER_LEVEL,
            ("level",),
            plan.cadence_s,
            parameters={}
            if extra is None
            else {"warning_m": plan.warning_m + extra, "guarantee_m": plan.guarantee_m + extra},
            detail={"lag_s": lag * plan.step_s},
        )
        logs.append(_gauge(plan, device, times, level, rng))
        if extra is not None:
            events += _high_water(plan, device, times, level, plan.warning_m + extra, plan.guarantee_m + extra)
    every = round(plan.cadence_s / plan.step_s)
    rows = np.arange(every - 1, len(times), every)
    fallen = storms.bucket(rain, plan.step_s)[rows]
    gauge = Device(f"{zone}-rain", zone, "rain-gauge", Hazard.WATER_LEVEL, ("rain_mm",), plan.cadence_s)
    logs.append(Log(gauge, plan.start_ms + np.round(times[rows] * 1000).astype(np.int64), {"rain_mm": fallen}))
    return logs, events


def _gauge(plan: RiverPlan, device: Device, times: Floats, level: Floats, rng: np.random.Generator) -> Log:
    at = (rng.random() + np.arange(int(times[-1] / plan.cadence_s))) * plan.cadence_s
    truth = np.interp(at, times, level)
    ripple = 0.004 * rng.standard_normal(len(at))
    value = measure(truth + ripple, rng, plan.fault_noise_m, 0.001, -5.0, 15.0)
    return Log(device, plan.start_ms + np.round(at * 1000).astype(np.int64), {"level": value})


def _high_water(
    plan: RiverPlan, device: Device, times: Floats, level: Floats, warning: float, guarantee: float
) -> list[TruthEvent]:
    """Stretches above the warning stage; two of them less than two hours apart are one."""
    high = np.flatnonzero(level >= warning)
    if not len(high):
        return []
    ts = plan.start_ms + np.round(times * 1000).astype(np.int64)
    parts = np.split(high, np.flatnonzero(np.diff(high) * plan.step_s > 7200) + 1)
    events = []
    for part in parts:
        rows = slice(int(part[0]), int(part[-1]) + 1)
        events.append(
            TruthEvent(
                kind="high_water",
                dangerous=True,
                hazard=Hazard.WATER_LEVEL,
                zone=device.zone,
                onset=int(ts[rows][0]),
                end=int(ts[rows][-1]),
                devices=(device.id,),
                peak={device.id: float(level[rows].max())},
                crossings={device.id: first_crossings(ts[rows], level[rows], (warning, guarantee))},
            )
        )
    return events
