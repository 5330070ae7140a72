"""Water on streets as low-cost ultrasonic sensors on posts see it – and what they see when there is none.

Floods rise with the rain (or the tide) and drain; junk does not: one-sample blips, chains of short pulses, the box of a
parked object, hours of noise, drift. Shapes and rates are ours [P], after what operators of street networks describe;
no recorded profile was used to set them. Three sensors stand in a cluster that shares a rain gauge and, often, a flood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from simulators.batch import storms
from simulators.batch.recording import (
    Device,
    Log,
    Recording,
    TruthEvent,
    assemble,
    first_crossings,
    measure,
)
from wire.alert import Hazard

Floats = npt.NDArray[np.floating[Any]]

LEVELS_M = (0.025, 0.05, 0.10, 0.15, 0.25, 0.40)
CLUSTER = 3
WET_M = 0.010
JUNK = ("blip", "chain", "box", "noise", "drift")


@dataclass(frozen=True, slots=True)
class StreetPlan:
    """Sensors and rates; events are per sensor (floods: per cluster) and month of thirty days."""

    clusters: int = 10
    days: int = 30
    seed: int = 1
    start_ms: int = 1_780_243_200_000  # 2026-06-01 00:00 in China
    cadence_s: float = 60.0
    floods: float = 1.0
    shares_flood: float = 0.6  # chance that a neighbour in the cluster floods too
    dry_rain: float = 6.0  # rain that floods nothing
    blips: float = 30.0
    chains: float = 2.0
    boxes: float = 3.0
    noisy_spells: float = 2.0
    drifts: float = 0.5


@dataclass(slots=True)
class _Sensor:
    """One sensor's truth and junk on the cadence's grid."""

    name: str
    times: Floats
    water: Floats
    junk: Floats
    noise: Floats
    events: list[TruthEvent] = field(default_factory=list)


def pulse(times: Floats, rng: np.random.Generator) -> tuple[Floats, str]:
    """Depth m of one flood whose rise begins at second 0, and its kind: pluvial, double or tidal."""
    kind = str(rng.choice(["pluvial", "double", "tidal"], p=(0.65, 0.20, 0.15)))
    peak = float(np.clip(np.exp(rng.normal(np.log(0.10), 0.7)), 0.04, 0.9))
    if kind == "tidal":
        length = rng.uniform(3600, 10_800)
        return peak * np.sin(np.pi * np.clip(times / length, 0, 1)).clip(0) ** 1.2, kind
    depth = _rise_and_drain(times, peak, rng)
    if kind == "double":
        later = float(rng.uniform(1200, 5400))
        depth = np.maximum(depth, _rise_and_drain(times - later, peak * rng.uniform(0.4, 1.3), rng))
    return depth, kind


def _rise_and_drain(times: Floats, peak: float, rng: np.random.Generator) -> Floats:
    """Smooth rise of 3…40 minutes, then draining: by an inlet (√h falls evenly) or exponentially."""
    rise = float(np.exp(rng.uniform(np.log(180), np.log(2400))))
    climb = np.clip(times / rise, 0, 1)
    up = peak * climb**2 * (3 - 2 * climb)
    after = np.maximum(times - rise, 0)
    if rng.random() < 0.5:
        empties = float(np.exp(rng.uniform(np.log(1200), np.log(14_400))))
        down = np.maximum(0.0, 1 - after / empties) ** 2
    else:
        down = np.exp(-after / float(np.exp(rng.uniform(np.log(600), np.log(5400)))))
    return np.asarray(np.where(times < 0, 0.0, np.where(times <= rise, up, peak * down)), dtype=np.float64)


def months(plan: StreetPlan) -> Iterator[Recording]:
    """Ten clusters a recording."""
    for begin in range(0, plan.clusters, 10):
        rng = np.random.default_rng([plan.seed, 31, begin])
        logs: list[Log] = []
        events: list[TruthEvent] = []
        for cluster in range(begin, min(begin + 10, plan.clusters)):
            own_logs, own_events = _cluster(plan, cluster, rng)
            logs += own_logs
            events += own_events
        yield assemble(logs, events, plan.start_ms, plan.start_ms + plan.days * 86_400_000, rng)


def _cluster(plan: StreetPlan, number: int, rng: np.random.Generator) -> tuple[list[Log], list[TruthEvent]]:
    zone = f"street-{number:04d}"
    times = (rng.random() + np.arange(int(plan.days * 86_400 / plan.cadence_s))) * plan.cadence_s
    zeros = np.zeros(len(times))
    sensors = [
        _Sensor(f"{zone}-{letter}", times, zeros.copy(), zeros.copy(), zeros.copy()) for letter in "abc"[:CLUSTER]
    ]
    rain = zeros.copy()
    months_ = plan.days / 30
    for at in np.sort(rng.uniform(7200, times[-1] - 21_600, rng.poisson(plan.floods * months_))):
        _flood(plan, sensors, rain, float(at), rng)
    for at in rng.uniform(0, times[-1], rng.poisson(plan.dry_rain * months_)):
        rain += _shower(times - at, float(rng.uniform(2, 18)), float(rng.uniform(1200, 7200)))
    logs: list[Log] = []
    events: list[TruthEvent] = []
    for sensor in sensors:
        for kind, rate in zip(JUNK, (plan.blips, plan.chains, plan.boxes, plan.noisy_spells, plan.drifts), strict=True):
            for _ in range(rng.poisson(rate * months_)):
                _junk(plan, sensor, kind, zone, rng)
        ripple = 0.03 * sensor.water * rng.standard_normal(len(times))
        day = 0.003 * np.sin(2 * np.pi * times / 86_400 + rng.uniform(0, 6.28))
        seen = sensor.water + sensor.junk + sensor.noise * rng.standard_normal(len(times)) + ripple + day
        device = Device(sensor.name, zone, "shouwang/water-level", Hazard.WATER_LEVEL, ("level",), plan.cadence_s)
        ts = plan.start_ms + np.round(times * 1000).astype(np.int64)
        logs.append(Log(device, ts, {"level": measure(seen, rng, 0.003, 0.001, 0.0, 4.0)}))
        events += sensor.events
    every = max(1, round(300 / plan.cadence_s))
    rows = np.arange(every - 1, len(times), every)
    gauge = Device(f"{zone}-rain", zone, "rain-gauge", Hazard.WATER_LEVEL, ("rain_mm",), 300.0)
    fallen = storms.bucket(rain, plan.cadence_s)[rows]
    logs.append(Log(gauge, plan.start_ms + np.round(times[rows] * 1000).astype(np.int64), {"rain_mm": fallen}))
    return logs, events


def _shower(times: Floats, depth_mm: float, seconds: float) -> Floats:
    """Rain mm/h that brings `depth_mm` within `seconds` from second 0."""
    share = np.clip(times / seconds, 0, 1)
    return np.asarray(depth_mm * np.pi / 2 * np.sin(np.pi * share) * 3600 / seconds, dtype=np.float64)


def _flood(plan: StreetPlan, sensors: list[_Sensor], rain: Floats, at: float, rng: np.random.Generator) -> None:
    first = int(rng.integers(len(sensors)))
    times = sensors[0].times
    kind = ""
    for index, sensor in enumerate(sensors):
        if index != first and rng.random() >= plan.shares_flood:
            continue
        onset = at + (0 if index == first else float(rng.uniform(-300, 600)))
        window = slice(*np.searchsorted(times, (onset, onset + 28_800)).tolist())
        depth, kind = pulse(times[window] - onset, rng)
        before = sensor.water[window].copy()
        sensor.water[window] = np.maximum(before, depth)
        _note_flood(plan, sensor, window, depth, kind)
    if kind != "tidal":
        rain += _shower(times - (at - float(rng.uniform(300, 1800))), float(rng.uniform(15, 60)), 3600.0)


def _note_flood(plan: StreetPlan, sensor: _Sensor, window: slice, depth: Floats, kind: str) -> None:
    """What is under 1 cm for a quarter of an hour has ended: water that comes again is a flood of its own."""
    ts = plan.start_ms + np.round(sensor.times[window] * 1000).astype(np.int64)
    wet = np.flatnonzero(depth >= WET_M)
    for part in np.split(wet, np.flatnonzero(np.diff(wet) * plan.cadence_s > 900) + 1):
        if not len(part) or depth[part].max() < LEVELS_M[0]:
            continue
        rows = slice(int(part[0]), int(part[-1]) + 1)
        deep = ts[rows][depth[rows] >= LEVELS_M[0]]
        sensor.events.append(
            TruthEvent(
                kind="flood",
                dangerous=True,
                hazard=Hazard.WATER_LEVEL,
                zone=sensor.name[:-2],
                onset=int(ts[part[0]]),
                end=int(ts[part[-1]]),
                devices=(sensor.name,),
                peak={sensor.name: float(depth[rows].max())},
                crossings={sensor.name: first_crossings(ts[rows], depth[rows], LEVELS_M)},
                detail={"shape": kind, "above_25mm_s": float(deep[-1] - deep[0]) / 1000},
            )
        )


def _junk(plan: StreetPlan, sensor: _Sensor, kind: str, zone: str, rng: np.random.Generator) -> None:
    """Lay one piece of junk on the sensor's series and note it."""
    times, count = sensor.times, len(sensor.times)
    begin = int(rng.integers(0, count - 2))

    def until(shortest_s: float, longest_s: float) -> int:
        length = float(np.exp(rng.uniform(np.log(shortest_s), np.log(longest_s))))
        return min(count, begin + max(1, round(length / plan.cadence_s)))

    end = begin + 1
    match kind:
        case "blip":
            sensor.junk[begin] += np.exp(rng.uniform(np.log(0.03), np.log(1.5)))
        case "chain":
            end = until(600, 10_800)
            spots = np.unique(rng.integers(begin, end, int(rng.integers(3, 40))))
            for spot in spots:
                sensor.junk[spot : spot + int(rng.integers(1, 4))] += np.exp(rng.uniform(np.log(0.025), np.log(0.4)))
            end = min(count, int(spots[-1]) + 3)
        case "box":
            end = until(1200, 3 * 86_400)
            height = float(rng.uniform(0.06, 0.9))
            sensor.junk[begin:end] = height + 0.002 * rng.standard_normal(end - begin)
        case "noise":
            end = until(1800, 21_600)
            sensor.noise[begin:end] = rng.uniform(0.008, 0.025)
        case _:
            end = until(5 * 86_400, 20 * 86_400)
            top = float(rng.uniform(0.02, 0.06))
            sensor.junk[begin:end] += np.linspace(0, top, end - begin)
    high = float(np.abs(sensor.junk[begin:end]).max())
    onset, last = (plan.start_ms + round(1000 * float(times[row])) for row in (begin, min(end, count - 1)))
    sensor.events.append(
        TruthEvent(kind, False, Hazard.WATER_LEVEL, zone, onset, last, (sensor.name,), peak={sensor.name: high})
    )
