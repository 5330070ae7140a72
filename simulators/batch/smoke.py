"""Months of smoke detectors in dwellings: what they send every ten seconds, with the truth beside it (DOMAIN D1)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from simulators.batch import kitchen
from simulators.batch.dwelling import NOISE_DB_M, RESOLUTION_DB_M, Dwelling, Episode, SmokePlan, dwellings
from simulators.batch.recording import (
    Device,
    Floats,
    Ints,
    Log,
    Recording,
    TruthEvent,
    assemble,
    first_crossings,
    measure,
)
from wire.alert import Hazard

BLOCK = 25
"""Dwellings whose episodes are worked out together."""

MESSAGES = 1_000_000
"""About so many messages a recording: some 150 MB."""

POINTS = ("obscuration", "temperature", "co", "humidity", "battery")
LEVELS_DB_M = (0.05, 0.15, 0.30, 0.5, 1.0)
ACTIVE = {"chamber": 0.004, "rise_k": 0.3, "co": 0.8, "humidity": 1.5}
PAD_S = 120.0
BATTERY_EVERY_S = 3600.0


def months(plan: SmokePlan) -> Iterator[Recording]:
    """The plan's recordings, each of some dwellings over the whole time; one after the other to spare memory."""
    per_device = plan.seconds / plan.cadence_s
    if plan.quiet_cadence_s:
        per_device *= max(plan.cadence_s / plan.quiet_cadence_s, 0.25)
    together = max(1, min(BLOCK, int(MESSAGES / (per_device * len(plan.detectors)))))
    for block in range(0, plan.dwellings, BLOCK):
        homes = dwellings(plan, range(block, min(block + BLOCK, plan.dwellings)))
        for begin in range(0, len(homes), together):
            yield _record(plan, homes[begin : begin + together])


def _record(plan: SmokePlan, homes: list[Dwelling]) -> Recording:
    rng = np.random.default_rng([plan.seed, 3, homes[0].number])
    logs: list[Log] = []
    events: list[TruthEvent] = []
    for home in homes:
        names = tuple(f"smoke-{home.number:05d}-{zone}" for zone in plan.detectors)
        for column, zone in enumerate(plan.detectors):
            # A generator of its own: what one device measures depends neither on the others nor on the thinning.
            noise = np.random.default_rng([plan.seed, 2, home.number, column])
            log, own = _device(plan, home, column, names[column], f"dwelling-{home.number:05d}-{zone}", noise)
            logs.append(log)
            events += own
        events += [_event(plan, home, episode, names) for episode in home.episodes]
    return assemble(logs, events, plan.start_ms, plan.start_ms + round(plan.seconds * 1000), rng)


def _event(plan: SmokePlan, home: Dwelling, episode: Episode, names: tuple[str, ...]) -> TruthEvent:
    onset = plan.start_ms + round(episode.at_s * 1000)
    steps = onset + np.arange(1, episode.chamber.shape[1] + 1) * round(kitchen.STEP_S * 1000)
    return TruthEvent(
        kind=episode.kind,
        dangerous=episode.dangerous,
        hazard=Hazard.SMOKE,
        zone=f"dwelling-{home.number:05d}",
        onset=onset,
        end=onset + round(episode.duration_s * 1000),
        devices=names,
        peak={name: float(series.max()) for name, series in zip(names, episode.chamber, strict=True)},
        crossings={
            name: first_crossings(steps, series, LEVELS_DB_M)
            | {f"{54}C": at for at in first_crossings(steps, heat + 24, (54.0,)).values()}
            for name, series, heat in zip(names, episode.chamber, episode.rise_k, strict=True)
        }
        if episode.dangerous
        else {},
        detail=episode.detail,
    )


def _device(
    plan: SmokePlan, home: Dwelling, column: int, name: str, zone: str, rng: np.random.Generator
) -> tuple[Log, list[TruthEvent]]:
    """Everything one detector sends in the plan's time."""
    grid: Floats = (
        float(rng.uniform(0, plan.cadence_s)) + np.arange(int(plan.seconds / plan.cadence_s)) * plan.cadence_s
    )
    chamber, rise, co, humidity = (np.zeros(len(grid)) for _ in range(4))
    for episode in home.episodes:
        begin, stop = np.searchsorted(grid, (episode.at_s, episode.at_s + kitchen.STEP_S * episode.chamber.shape[1]))
        if begin == stop:
            continue
        steps = episode.at_s + kitchen.STEP_S * np.arange(1, episode.chamber.shape[1] + 1)
        for target, trace in (
            (chamber, episode.chamber),
            (rise, episode.rise_k),
            (co, episode.co),
            (humidity, episode.humidity),
        ):
            target[begin:stop] += np.interp(grid[begin:stop], steps, trace[column], left=0.0, right=0.0)
    bugs, events = _bugs(plan, grid, name, zone, rng)
    dust, more = _dust(plan, grid, name, zone, rng)
    baseline, dirty = _contamination(plan, grid, rng)
    quiet = _quiet(plan, grid, (chamber + bugs + dust[0], rise, co, humidity))
    kept = np.flatnonzero(~quiet)
    optical = (chamber * rng.normal(1.0, 0.07) + bugs + dust[0] + dust[1] + baseline)[kept]
    at: Floats = grid[kept]
    battery = rng.uniform(40, 100) - at / (5 * 365 * 864.0)
    device = Device(
        name,
        zone,
        "shouwang/smoke",
        Hazard.SMOKE,
        POINTS,
        plan.cadence_s,
        detail={"distance_m": round(home.distance_m, 2), "dirty": float(dirty)},
    )
    ts = plan.start_ms + np.round(at * 1000).astype(np.int64)
    obscuration = measure(optical, rng, NOISE_DB_M, RESOLUTION_DB_M, 0.0, 3.0)
    if rng.random() < plan.event_only:
        return _stand_alone(device, ts, optical, rng), events + more
    local = (kitchen.local_hours(plan.start_ms) + at / 3600) % 24
    columns: dict[str, Floats] = {
        "obscuration": obscuration,
        "temperature": measure(
            _weather(at, rng, 24.0, 1.5) + 1.2 * np.sin((local - 10) / 24 * 2 * np.pi) + rise[kept], rng, 0.1, 0.1
        ),
        "co": measure(np.abs(_weather(at, rng, 0.5, 0.5)) + co[kept], rng, 0.5, 1.0, 0.0, 1000.0),
        "humidity": measure(_weather(at, rng, 65.0, 6.0) + humidity[kept], rng, 0.5, 1.0, 0.0, 100.0),
        "battery": np.round(battery, 1),
    }
    often = np.diff(at // BATTERY_EVERY_S, prepend=-1) == 0
    return Log(device, ts, columns, {"battery": often}), events + more


def _quiet(plan: SmokePlan, grid: Floats, signals: tuple[Floats, Floats, Floats, Floats]) -> npt.NDArray[np.bool_]:
    """Samples that are thinned out: nothing happens within two minutes, and it is not the quiet cadence's turn."""
    if plan.quiet_cadence_s is None:
        return np.zeros(len(grid), dtype=np.bool_)
    active = np.zeros(len(grid), dtype=np.bool_)
    for signal, level in zip(signals, ACTIVE.values(), strict=True):
        active |= signal > level
    edges = np.concatenate([[0], np.cumsum(active)])
    reach = int(PAD_S / plan.cadence_s)
    index = np.arange(len(grid))
    near = edges[np.minimum(index + reach + 1, len(grid))] > edges[np.maximum(index - reach, 0)]
    every = max(1, round(plan.quiet_cadence_s / plan.cadence_s))
    quiet: npt.NDArray[np.bool_] = ~near & (index % every != 0)
    return quiet


def _weather(at: Floats, rng: np.random.Generator, mean: float, spread: float) -> Floats:
    """A slow wander (three hours) around a mean, by interpolation of an AR(1) series."""
    knots = np.arange(0, at[-1] + 2 * 10_800, 10_800.0)
    walk = np.empty(len(knots))
    state = rng.standard_normal()
    for index, shock in enumerate(rng.standard_normal(len(knots))):
        state = 0.9 * state + np.sqrt(1 - 0.81) * shock
        walk[index] = state
    return np.asarray(mean + spread * np.interp(at, knots, walk), dtype=np.float64)


def _contamination(plan: SmokePlan, grid: Floats, rng: np.random.Generator) -> tuple[Floats, bool]:
    """Clean-air value: an offset, and a rise by dust in the chamber."""
    dirty = bool(rng.random() < plan.dirty_share)
    per_month = rng.uniform(0.02, 0.05) if dirty else 0.003 * np.exp(0.6 * rng.standard_normal())
    return np.asarray(rng.uniform(0.0, 0.02) + per_month * grid / (30 * 86_400), dtype=np.float64), dirty


def _bugs(
    plan: SmokePlan, grid: Floats, name: str, zone: str, rng: np.random.Generator
) -> tuple[Floats, list[TruthEvent]]:
    """Insects: spikes of a sample or two, and now and then one that stays inside for minutes."""
    signal = np.zeros(len(grid))
    events = []
    for _ in range(rng.poisson(plan.insects * plan.days / 30)):
        at = int(rng.integers(0, max(1, len(grid) - 400)))
        if rng.random() < plan.insect_stays:
            length = max(2, int(rng.uniform(60, 600) / plan.cadence_s))
            steps = np.exp(np.cumsum(0.5 * rng.standard_normal(length)) * 0.5)
            flicker = rng.random(length) < 0.75
            signal[at : at + length] += np.minimum(rng.uniform(0.05, 0.5) * steps, 2.0) * flicker
            last = at + length
        else:
            spots = at + np.unique(rng.integers(0, 360, int(rng.integers(1, 10))))
            signal[spots] += np.exp(rng.uniform(np.log(0.1), np.log(2.5), len(spots)))
            last = int(spots[-1]) + 1
        last = min(last, len(grid) - 1)
        events.append(_small("insect", plan, grid[at], grid[last], name, zone, float(signal[at : last + 1].max())))
    return signal, events


def _dust(
    plan: SmokePlan, grid: Floats, name: str, zone: str, rng: np.random.Generator
) -> tuple[tuple[Floats, Floats], list[TruthEvent]]:
    """Renovation next door: plumes of dust in working hours (first), and what stays in the chamber (second)."""
    plumes, stays = np.zeros(len(grid)), np.zeros(len(grid))
    events = []
    for _ in range(rng.poisson(plan.renovation * plan.days / 30)):
        days = rng.uniform(1, 5)
        first = rng.uniform(0, max(plan.days - days, 0.1)) * 86_400
        share = np.clip((grid - first) / (days * 86_400), 0, 1)
        stays += rng.uniform(0.01, 0.06) * share
        for _ in range(rng.poisson(3 * days)):
            at = first + rng.uniform(0, days * 86_400)
            begin, stop = np.searchsorted(grid, (at, at + rng.uniform(60, 900)))
            if stop > begin:
                drift = np.exp(0.4 * rng.standard_normal(stop - begin))
                plumes[begin:stop] += np.exp(rng.uniform(np.log(0.02), np.log(0.3))) * drift
        begin, stop = np.searchsorted(grid, (first, first + days * 86_400))
        top = float(plumes[begin:stop].max()) if stop > begin else 0.0
        events.append(_small("dust", plan, first, first + days * 86_400, name, zone, top))
    return (plumes, stays), events


def _small(kind: str, plan: SmokePlan, begin_s: float, end_s: float, name: str, zone: str, peak: float) -> TruthEvent:
    onset, end = (plan.start_ms + round(float(at) * 1000) for at in (begin_s, end_s))
    return TruthEvent(kind, False, Hazard.SMOKE, zone, onset, end, (name,), peak={name: peak})


def _stand_alone(device: Device, ts: Ints, optical: Floats, rng: np.random.Generator) -> Log:
    """An event-only alarm: 1 when two samples lie above its threshold, 0 when it falls back; a heartbeat of 12 h."""
    threshold = 0.15 * float(np.exp(0.2 * rng.standard_normal()))
    measured = measure(optical, rng, NOISE_DB_M, RESOLUTION_DB_M, 0.0, 3.0)
    above = measured >= threshold
    twice = above & np.concatenate([[False], above[:-1]])
    state = np.where(twice, 1, np.where(measured < 0.6 * threshold, 0, -1))
    known = np.maximum.accumulate(np.where(state >= 0, np.arange(len(state)), 0))
    alarm = np.maximum(state[known], 0)
    sends = (np.diff(alarm, prepend=0) != 0) | (np.diff(ts // 43_200_000, prepend=-1) != 0)
    rows = np.flatnonzero(sends)
    columns: dict[str, Floats] = {
        "alarm": alarm[rows].astype(np.float64),
        "battery": np.full(len(rows), round(float(rng.uniform(40, 100)), 1)),
    }
    lone = Device(
        device.id,
        device.zone,
        "shouwang/smoke",
        device.hazard,
        ("alarm", "battery"),
        43_200.0,
        detail={**device.detail, "threshold_db_m": round(threshold, 4)},
    )
    return Log(lone, ts[rows], columns)
