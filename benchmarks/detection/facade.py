"""Curtain wall: sound panels through a year for false alarms, sudden drops of given size for delay and misses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.detection import baselines, judged, sites
from benchmarks.detection.baselines import Constant, Gaussian
from benchmarks.detection.judged import Alarm, Told
from benchmarks.detection.metrics import Rate, Share, spread
from benchmarks.detection.tally import Tally, add
from simulators.batch import facade
from simulators.batch.facade import FacadePlan
from simulators.batch.recording import Recording
from wire.alert import Hazard

WINDY_M_S = 8.0
DAY_MS = 86_400_000
LEVELS = {"IV": 1, "III": 2, "II": 3, "I": 4}
FREQUENCY = "frequency_shift"
FULL_PANELS = 20
SWEEP = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
"""Percent at which the one level of the sweep is entered."""
DROPS = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0)
CONSTANT = {"constant": Constant(-5.0, below=True, reference="baseline_frequency_hz")}
GAUSSIAN = {"gaussian": Gaussian(window_s=30 * 86_400.0, least=0.1, warm_s=7 * 86_400.0, below=True)}
SOUND = FacadePlan(buildings=1, panels=20, loosening=0.0)
SIZES = {"quick": {"sound": 1, "panels": 10, "drops": 1}, "full": {"sound": 8, "panels": 20, "drops": 3}}
"""Buildings of sound panels (a year), panels of each, buildings for each size of drop (120 days)."""


def tasks(size: str, seed: int) -> list[tuple[str, FacadePlan]]:
    """(group, plan) of every part."""
    counts, base = SIZES[size], seed * 10_000
    plan = replace(SOUND, panels=counts["panels"])
    out = [("sound", replace(plan, seed=base + part)) for part in range(counts["sound"])]
    for index, drop in enumerate(DROPS):
        loose = replace(plan, days=120, loosening=1.0, modes={"sudden": 1.0}, drop_percent=(drop, drop))
        out += [
            (f"drop {drop:g}", replace(loose, seed=base + 1000 * (index + 1) + part)) for part in range(counts["drops"])
        ]
    slow = replace(plan, loosening=1.0, modes={"fatigue": 0.4, "slow": 0.3, "debond": 0.3})
    out += [("gradual", replace(slow, seed=base + 8000 + part)) for part in range(counts["drops"])]
    return out


def run(task: tuple[str, FacadePlan]) -> Tally:
    """Judge one part with the rules and the baselines."""
    group, plan = task
    tally: Tally = {}
    for recording in facade.months(plan):
        told = judged.judge(recording, sites.facade, window_ms=10 * DAY_MS)
        found = {"rules": judged.alarms(told, recording.end, Hazard.CURTAIN_WALL, of_the_panel)}
        found |= baselines.judge(recording, "frequency", CONSTANT, GAUSSIAN)
        years = recording.benign_device_months(0, "frequency") * 30 / 365
        gusts = judged.alarms(told, recording.end, Hazard.CURTAIN_WALL, lambda each: not of_the_panel(each))
        part: Tally = {"panel_years": years, "panels": len(recording.devices), "wind_alarms": len(gusts)}
        for name, alarms in found.items():
            part[name] = score(recording, alarms)
        if group != "gradual":
            part["sweep"] = sweep(recording, SWEEP if plan.panels >= FULL_PANELS else SWEEP[1:6:2])
        add(tally, part)
    return {group: tally}


def of_the_panel(told: Told) -> bool:
    """All but the wind's own load, which is told because it blows and says nothing of the panel."""
    return told.kind != "wind_load"


def layers_at(percent: float) -> judged.Layers:
    """Layers under which the frequency rule has one level, entered at so many percent."""
    level = {"enter": -percent, "exit": None, "hysteresis": 0.2 * percent}
    layer = {FREQUENCY: {"levels": {"IV": level, "III": None, "II": None, "I": None}}}
    return lambda _device, _recording: [*sites.facade(_device, _recording), layer]


def sweep(recording: Recording, percents: Sequence[float]) -> Tally:
    """Only the frequency, with one threshold, from tight to wide: false alarms, and drops found within a day."""
    onset = {event.devices[0]: event.onset for event in recording.events if event.dangerous}
    out: Tally = {}
    for percent in percents:
        told = judged.judge(recording, layers_at(percent), window_ms=10 * DAY_MS)
        ours = judged.alarms(told, recording.end, Hazard.CURTAIN_WALL, lambda each: each.change.rule == FREQUENCY)
        constant = {"constant": Constant(-percent, below=True, reference="baseline_frequency_hz")}
        theirs = baselines.judge(recording, "frequency", constant, {})["constant"]
        for name, alarms in (("rules", ours), ("constant", theirs)):
            false = sum(alarm.device not in onset for alarm in alarms)
            delays = []
            for device, begin in onset.items():
                times = [
                    at
                    for alarm in alarms
                    if alarm.device == device
                    for at in alarm.told
                    if at is not None and at >= begin
                ]
                delays += [round((min(times) - begin) / 3_600_000, 2)] if times else []
            add(out, {name: {f"{percent:g}": {"false": false, "n": len(onset), "delays": delays}}})
    return out


def score(recording: Recording, alarms: Sequence[Alarm]) -> Tally:
    """False alarms before anything loosened; delay from the onset (gradual: from the crossing of 5 %)."""
    onset = {event.devices[0]: event for event in recording.events if event.dangerous}
    out: Tally = {"false": dict.fromkeys(LEVELS, 0), "false_rules": {}, "n": len(onset)}
    out["false_in_wind"] = dict.fromkeys(LEVELS, 0)
    out |= {f"delay_h_{level}": [] for level in LEVELS} | {"crossed_5": 0, "from_5_h": []}
    blowing = _wind(recording)
    for alarm in alarms:
        event = onset.get(alarm.device)
        for level, rank in LEVELS.items():
            at = alarm.first(rank)
            if at is None or (event is not None and at >= event.onset):
                continue
            out["false"][level] += 1
            out["false_in_wind"][level] += blowing(alarm.device, at) >= WINDY_M_S
            if level == "IV":
                add(out["false_rules"], {"+".join(alarm.rules) or "value": 1})
    for device, event in onset.items():
        own = [alarm for alarm in alarms if alarm.device == device]
        for level, rank in LEVELS.items():
            times = [at for alarm in own for at in alarm.told[rank - 1 :] if at is not None and at >= event.onset]
            if times:
                out[f"delay_h_{level}"].append(round((min(times) - event.onset) / 3_600_000, 2))
        crossing = event.crossings[device].get("5")
        if crossing is not None:
            out["crossed_5"] += 1
            times = [at for alarm in own for at in alarm.told if at is not None and at >= event.onset]
            out["from_5_h"] += [round((min(times) - crossing) / 3_600_000, 2)] if times else []
    return out


def _wind(recording: Recording) -> Callable[[str, int], float]:
    """The most wind of the six hours before, by device and time."""
    cache: dict[str, tuple[Any, Any]] = {}

    def most(device: str, at: int) -> float:
        if device not in cache:
            cache[device] = recording.series(device, "wind")
        ts, wind = cache[device]
        begin, end = np.searchsorted(ts, (at - 6 * 3_600_000, at + 1))
        return float(wind[begin:end].max(initial=0.0))

    return most


def summary(tally: Tally) -> dict[str, Any]:
    """False alarms per panel-year, share found within a day by size of drop, delays, gradual loosening."""
    out: dict[str, Any] = {}
    for group, part in tally.items():
        names = [name for name in ("rules", "constant", "gaussian") if name in part]
        out[group] = {key: part[key] for key in ("panel_years", "panels", "wind_alarms")}
        out[group] |= {name: _figures(part[name], float(part["panel_years"])) for name in names}
        for name, points in part.get("sweep", {}).items():
            out[group].setdefault("sweep", {})[name] = {
                percent: {
                    "false": Rate.of(found["false"], float(part["panel_years"])),
                    "within_24_h": Share.of(sum(delay <= 24 for delay in found["delays"]), found["n"]),
                    "delay_h": spread(found["delays"]),
                }
                for percent, found in points.items()
            }
    return out


def _figures(found: Mapping[str, Any], years: float) -> dict[str, Any]:
    out: dict[str, Any] = {
        "false": {level: Rate.of(found["false"][level], years) for level in LEVELS},
        "false_in_wind": found["false_in_wind"],
        "rules": found["false_rules"],
        "n": found["n"],
    }
    if found["n"]:
        for level in LEVELS:
            delays = found[f"delay_h_{level}"]
            within = sum(delay <= 24 for delay in delays)
            out[level] = {
                "within_24_h": Share.of(within, found["n"]),
                "ever": Share.of(len(delays), found["n"]),
                "delay_h": spread(delays),
            }
        out["after_5_percent"] = {
            "within_24_h": Share.of(sum(delay <= 24 for delay in found["from_5_h"]), found["crossed_5"]),
            "delay_h": spread(found["from_5_h"]),
        }
    return out
