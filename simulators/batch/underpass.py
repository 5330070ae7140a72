"""Underpasses that fill: a level gauge and a rain gauge at each, through design storms or a plum-rain season."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simulators.batch import gauge, storms
from simulators.batch.recording import Device, Floats, Ints, Log, Recording, TruthEvent, assemble, first_crossings
from simulators.batch.river import TIDE, tide
from simulators.rain import PumpState
from wire.alert import Hazard

Detail = dict[str, float | str]

LEVELS_M = (0.03, 0.15, 0.25, 0.40)
PUMP_SHARE = {PumpState.ON: 1.0, PumpState.OFF: 0.0, PumpState.TRIPPED: 0.0, PumpState.BLOCKED: 0.15}
SUBMERGED = 0.3
OUTFALL_M = 0.8
"""Height of a low outfall above the mean of the tide."""

WET_M = 0.02
SITES = 25
"""Underpasses to a recording."""


@dataclass(frozen=True, slots=True)
class UnderpassPlan:
    """Underpasses and their weather; rates are shares of storms."""

    sites: int = 135
    seed: int = 1
    start_ms: int = 1_782_835_200_000  # 2026-07-01 00:00 in China
    seconds: float = 6 * 3600.0
    step_s: float = 5.0
    cadence_s: float = 10.0
    rain_cadence_s: float = 60.0
    longest_years: float = 50.0
    double: float = 0.2  # a second storm comes two and a half hours later
    pumps_trip: float = 0.08
    pumps_blocked: float = 0.08
    low_outfalls: float = 0.15  # sites whose outfall the tide covers around high water
    rain_error: float = 0.2  # a gauge stands beside the catchment: σ of the logarithm of its ratio
    catchment_m2: float = 20_000.0
    echoes: float = 2.0  # cars and litter under the gauge, a day
    quiet_cadence_s: float | None = None


@dataclass(frozen=True, slots=True)
class Bowls:
    """n underpasses with what varies between them."""

    catchment_m2: Floats
    runoff: Floats
    reservoir_s: Floats
    pump_m3_s: Floats
    floor_m2: Floats
    slope_m2_m: Floats

    @classmethod
    def draw(cls, n: int, catchment_m2: float, rng: np.random.Generator) -> Bowls:
        """The bowl of `simulators.rain.Underpass` with ±15 % in each of its figures."""

        def about(value: float, spread: float = 0.15) -> Floats:
            return value * (1 + spread * (2 * rng.random(n) - 1))

        return cls(about(catchment_m2), about(0.8, 0.1), about(480.0), about(0.25, 0.1), about(150.0), about(2500.0))


def depths(bowls: Bowls, rain_mm_h: Floats, pump_share: Floats, step_s: float) -> Floats:
    """Depth at the lowest point, m: n × T, after each step."""
    inflow = (bowls.runoff * bowls.catchment_m2 / 3.6e6)[:, None] * rain_mm_h
    arriving = storms.nash(inflow, bowls.reservoir_s, step_s)
    volume = np.zeros(len(rain_mm_h))
    out = np.empty_like(rain_mm_h)
    for index in range(rain_mm_h.shape[1]):
        leaving = bowls.pump_m3_s * pump_share[:, index]
        volume = np.maximum(0.0, volume + (arriving[:, index] - leaving) * step_s)
        out[:, index] = volume
    floor, slope = bowls.floor_m2[:, None], bowls.slope_m2_m[:, None]
    return np.asarray((np.sqrt(floor**2 + 2 * slope * out) - floor) / slope, dtype=np.float64)


def design_storms(plan: UnderpassPlan) -> Iterator[Recording]:
    """Each site has one Chicago storm of 1 to `longest_years` years, an hour after the start; depth 0 to 80 cm."""
    for begin in range(0, plan.sites, SITES):
        n = min(SITES, plan.sites - begin)
        rng = np.random.default_rng([plan.seed, 11, begin])
        times = np.arange(1, int(plan.seconds / plan.step_s) + 1) * plan.step_s
        years = np.exp(rng.uniform(0, np.log(plan.longest_years), n))
        duration = rng.choice([3600.0, 5400.0, 7200.0, 10_800.0], n)
        rain = storms.chicago(times - 3600.0, years, duration, rng.uniform(0.3, 0.7, n))
        again = rng.random(n) < plan.double
        later = storms.chicago(times - 3600.0 - 9000.0, 1 + 0.4 * years, np.full(n, 3600.0), rng.uniform(0.3, 0.7, n))
        rain += np.where(again[:, None], later, 0.0)
        detail: list[Detail] = [
            {
                "years": round(float(years[site]), 2),
                "hours": float(duration[site]) / 3600,
                "storms": 1 + int(again[site]),
            }
            for site in range(n)
        ]
        yield _record(plan, begin, times, rain, detail, rng)


def season(plan: UnderpassPlan, days: int = 30, season_mm: float = 250.0) -> Iterator[Recording]:
    """A plum-rain season at every site, each with rain of its own."""
    long = replace(plan, seconds=days * 86_400.0, step_s=max(plan.step_s, 20.0))
    for begin in range(0, plan.sites, SITES):
        n = min(SITES, plan.sites - begin)
        rng = np.random.default_rng([plan.seed, 12, begin])
        times = np.arange(1, int(long.seconds / long.step_s) + 1) * long.step_s
        rain = np.stack([storms.plum_rain(times, rng, season_mm) for _ in range(n)])
        yield _record(long, begin, times, rain, [{} for _ in range(n)], rng)


def moving_storms(
    plan: UnderpassPlan, days: int = 30, storms_a_day: float = 0.7, extent_m: float = 12_000
) -> Recording:
    """All sites of a town under the same moving cells, so that the wet area travels; one recording.

    Each device's `detail` has its place in metres; each cell's track is an event of its own (kind "cell").
    """
    rng = np.random.default_rng([plan.seed, 13])
    long = replace(plan, seconds=days * 86_400.0, step_s=max(plan.step_s, 20.0))
    times = np.arange(1, int(long.seconds / long.step_s) + 1) * long.step_s
    x, y = rng.uniform(0, extent_m, plan.sites), rng.uniform(0, extent_m, plan.sites)
    cells = storms.crossing_cells(rng, int(rng.poisson(storms_a_day * days)), long.seconds, extent_m)
    rain = np.ascontiguousarray(cells.rain(times, x, y).T)
    detail: list[Detail] = [{"x_m": round(float(a)), "y_m": round(float(b))} for a, b in zip(x, y, strict=True)]
    recording = _record(long, 0, times, rain, detail, rng)
    tracks = tuple(
        TruthEvent(
            kind="cell",
            dangerous=False,
            hazard=Hazard.WATER_LEVEL,
            zone="town",
            onset=plan.start_ms + round(1000 * float(cells.start_s[k])),
            end=plan.start_ms + round(1000 * float(cells.start_s[k] + cells.duration_s[k])),
            devices=(),
            detail={"east_m_s": float(cells.east_m_s[k]), "north_m_s": float(cells.north_m_s[k])},
        )
        for k in range(len(cells))
    )
    return replace(recording, events=tuple(sorted((*recording.events, *tracks), key=lambda event: event.onset)))


def _record(
    plan: UnderpassPlan,
    first: int,
    times: Floats,
    rain: Floats,
    detail: list[Detail],
    rng: np.random.Generator,
) -> Recording:
    n = len(rain)
    bowls = Bowls.draw(n, plan.catchment_m2, rng)
    share, states = _pumps(plan, times, n, rng)
    depth = depths(bowls, rain, share, plan.step_s)
    near = rain * np.exp(plan.rain_error * rng.standard_normal(n))[:, None]
    fallen = storms.bucket(near, plan.step_s)
    logs: list[Log] = []
    events: list[TruthEvent] = []
    for site in range(n):
        zone = f"underpass-{first + site:04d}"
        level = Device(
            f"{zone}-level",
            zone,
            "shouwang/water-level",
            Hazard.WATER_LEVEL,
            ("level", "battery"),
            plan.cadence_s,
            detail=detail[site],
        )
        at, value = gauge.ultrasonic(
            times, depth[site], plan.cadence_s, rng, echoes_a_day=plan.echoes, quiet_cadence_s=plan.quiet_cadence_s
        )
        ts = plan.start_ms + np.round(at * 1000).astype(np.int64)
        hourly = np.diff(at // 3600, prepend=-1) == 0
        battery = np.full(len(at), round(float(rng.uniform(60, 100)), 1))
        logs.append(Log(level, ts, {"level": value, "battery": battery}, {"battery": hourly}))
        logs.append(_rain_gauge(plan, zone, times, fallen[site]))
        events += floods(times, depth[site], plan.start_ms, zone, level.id, detail[site] | {"pumps": str(states[site])})
    return assemble(logs, events, plan.start_ms, plan.start_ms + round(plan.seconds * 1000), rng)


def _rain_gauge(plan: UnderpassPlan, zone: str, times: Floats, fallen_mm: Floats) -> Log:
    """Total mm since the start, and the intensity of the last five minutes, every `rain_cadence_s`."""
    every = max(1, round(plan.rain_cadence_s / plan.step_s))
    rows = np.arange(every - 1, len(times), every)
    back = np.maximum(rows - round(300 / plan.step_s), 0)
    device = Device(
        f"{zone}-rain", zone, "rain-gauge", Hazard.WATER_LEVEL, ("rain_mm", "rain_mm_h"), plan.rain_cadence_s
    )
    ts = plan.start_ms + np.round(times[rows] * 1000).astype(np.int64)
    rate = np.round((fallen_mm[rows] - fallen_mm[back]) * 12, 1)
    return Log(device, ts, {"rain_mm": fallen_mm[rows], "rain_mm_h": rate})


def _pumps(plan: UnderpassPlan, times: Floats, n: int, rng: np.random.Generator) -> tuple[Floats, list[PumpState]]:
    """Share of the pumps' flow n × T: failing at some instant for one to three hours, or an outfall under the tide."""
    share = np.ones((n, len(times)))
    states = [PumpState.ON] * n
    days = max(1.0, float(times[-1]) / 86_400)
    for site in range(n):
        for state, chance in ((PumpState.TRIPPED, plan.pumps_trip), (PumpState.BLOCKED, plan.pumps_blocked)):
            if rng.random() < chance * min(days, 1.0):
                at = rng.uniform(0.2, 0.6) * times[-1]
                begin, end = np.searchsorted(times, (at, at + rng.uniform(3600, 10_800)))
                share[site, begin:end] = PUMP_SHARE[state]
                states[site] = state
        if rng.random() < plan.low_outfalls:
            water = tide(times, rng.uniform(0, 2 * np.pi, len(TIDE)))
            share[site] *= np.where(water > OUTFALL_M, SUBMERGED, 1.0)
    return share, states


def floods(times: Floats, depth: Floats, start_ms: int, zone: str, device: str, detail: Detail) -> list[TruthEvent]:
    """Stretches in which water stood 3 cm and more (ending below 2 cm), with the crossings of `LEVELS_M`."""
    ts: Ints = start_ms + np.round(times * 1000).astype(np.int64)
    wet = depth > WET_M
    edges = np.flatnonzero(np.diff(wet.astype(np.int8), prepend=0, append=0))
    events = []
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        peak = float(depth[begin:end].max())
        if peak < LEVELS_M[0]:
            continue
        crossings = first_crossings(ts[begin:end], depth[begin:end], LEVELS_M)
        events.append(
            TruthEvent(
                kind="flood",
                dangerous=True,
                hazard=Hazard.WATER_LEVEL,
                zone=zone,
                onset=crossings[f"{LEVELS_M[0]:g}"],
                end=int(ts[min(end, len(ts) - 1)]),
                devices=(device,),
                peak={device: peak},
                crossings={device: crossings},
                detail=detail,
            )
        )
    return events
