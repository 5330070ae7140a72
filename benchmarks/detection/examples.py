"""Time series for docs/detection.md: a few hours of simulated devices with thresholds and what the rules said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.detection import judged, sites
from benchmarks.detection.judged import Told
from benchmarks.detection.plots import BLUE, DEEP, GREEN, GREY, ORANGE, RED
from rules.quality import Check
from simulators.batch import facade as batch_facade
from simulators.batch import smoke as batch_smoke
from simulators.batch import street, underpass
from simulators.batch.dwelling import SmokePlan
from simulators.batch.facade import FacadePlan
from simulators.batch.recording import Recording, TruthEvent
from simulators.batch.street import StreetPlan
from simulators.batch.underpass import UnderpassPlan
from wire.alert import Hazard, Verb

LEVEL_COLOURS = {"IV": "#3b7dd8", "III": "#d4a800", "II": "#e08214", "I": "#c0392b"}
HOUR_MS = 3_600_000
DOUBTED = Check.SPIKE | Check.RATE | Check.RANGE | Check.USER_RANGE | Check.FLAT | Check.NOT_FINITE


FEW_LINES = 12


def _mark(axes: Any, told: list[Told], device: str, zero: int, unit_ms: float, begin: int, end: int) -> None:
    """A line where the rules said something new of a device, coloured by level; short ticks where they are many."""
    said = [each for each in told if each.change.device == device and begin <= each.at <= end]
    said = [each for each in said if each.change.hazard is not Hazard.DEVICE]
    low = 0.0 if len(said) <= FEW_LINES else 0.94
    seen: set[str] = set()
    for each in said:
        change = each.change
        if change.verb in (Verb.RAISED, Verb.ESCALATED) and change.level is not None:
            name, colour, style = f"level {change.level} told", LEVEL_COLOURS[str(change.level)], "-"
        elif change.verb is Verb.CLEARED:
            name, colour, style = "a rule cleared", GREEN, ":"
        else:
            continue
        axes.axvline((each.at - zero) / unit_ms, ymin=low, color=colour, linewidth=1.2, linestyle=style,
                     label=None if name in seen else name)  # fmt: skip
        seen.add(name)


def _doubted(recording: Recording, device: str, point: str) -> tuple[np.ndarray, np.ndarray]:
    """(ts, value) of the readings that a test doubted."""
    wanted = recording.channels.index((device, point))
    ts, value = [], []
    for part, columns in judged.flags(recording, sites.witnesses):
        tests = columns.tests if columns.tests is not None else np.zeros(len(part.ts), dtype=np.uint16)
        rows = np.flatnonzero((part.channel == wanted) & ((tests & np.uint16(DOUBTED)) != 0))
        ts += part.ts[rows].tolist()
        value += part.value[rows].tolist()
    return np.array(ts), np.array(value)


def _pick(recording: Recording, kind: str, device: str, most: float, least: float) -> TruthEvent | None:
    """The first event of a kind whose peak at a device lies between."""
    found = [each for each in recording.events if each.kind == kind and least <= each.peak.get(device, 0.0) <= most]
    return found[0] if found else None


def smoke(plt: Any, _found: Mapping[str, Any]) -> Any:
    """One hall detector: a pot burnt dry, frying that passes the nominal threshold, steam."""
    plan = SmokePlan(dwellings=10, days=20, seed=424_242, dry_burns=2.0, wet_share=1.0, meal_spread=0.9, near_m=3.0)
    panels: dict[str, tuple[Recording, str, TruthEvent]] = {}
    for recording in batch_smoke.months(plan):
        for device in recording.devices:
            if not device.id.endswith("hall"):
                continue
            for kind, most, least in (("dry_burn", 0.8, 0.35), ("frying", 0.35, 0.18), ("steam", 0.45, 0.25)):
                event = _pick(recording, kind, device.id, most, least)
                if event is not None and kind not in panels:
                    panels[kind] = (recording, device.id, event)
        if len(panels) == 3:
            break
    figure, rows = plt.subplots(len(panels), 1, figsize=(8.5, 2.7 * len(panels)))
    titles = {"dry_burn": "a pot burnt dry (dangerous)", "frying": "frying", "steam": "a shower beside the detector"}
    verdicts: dict[int, list[Told]] = {}
    ordered = [(kind, panels[kind]) for kind in titles if kind in panels]
    for axes, (kind, (recording, name, event)) in zip(np.atleast_1d(rows), ordered, strict=True):
        told = verdicts.setdefault(id(recording), judged.judge(recording))
        begin, end = event.onset - 600_000, event.end + 1_800_000
        ts, value = recording.series(name, "obscuration")
        inside = (ts >= begin) & (ts <= end)
        minutes = (ts[inside] - event.onset) / 60_000
        axes.plot(minutes, value[inside], color=BLUE, linewidth=1, label="obscuration")
        bad_ts, bad = _doubted(recording, name, "obscuration")
        shown = (bad_ts >= begin) & (bad_ts <= end) if len(bad_ts) else np.zeros(0, dtype=bool)
        if shown.any():
            axes.plot((bad_ts[shown] - event.onset) / 60_000, bad[shown], "x", color=RED, label="doubted by a test")
        for text, at in (("0.15", 0.15), ("0.30", 0.30)):
            axes.axhline(at, color=GREY, linestyle="--", linewidth=0.8)
            axes.annotate(text, (minutes[0], at), fontsize=7, color=GREY, va="bottom")
        _mark(axes, told, name, event.onset, 60_000, begin, end)
        axes.axvspan(0, (event.end - event.onset) / 60_000, color=ORANGE, alpha=0.08, label="source is there")
        axes.set(ylabel="dB/m", ylim=(-0.01, None), xlim=(minutes[0], minutes[-1]))
        axes.set_title(titles[kind], fontsize=10, loc="left")
        axes.legend(fontsize=7, loc="upper right", ncol=2)
    np.atleast_1d(rows)[-1].set_xlabel("minutes after the source began")
    figure.tight_layout()
    return figure


def water(plt: Any, _found: Mapping[str, Any]) -> Any:
    """An underpass in a storm with its rain gauge, and a street sensor with junk and a flood."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(8.5, 6.4))
    recording = next(underpass.design_storms(UnderpassPlan(sites=25, seed=424_242)))
    event = next(each for each in recording.events if 0.3 < max(each.peak.values()) < 0.5)
    device = event.devices[0]
    told = judged.judge(recording, sites.with_rain)
    ts, value = recording.series(device, "level")
    begin, end = event.onset - 45 * 60_000, event.end + 45 * 60_000
    crossing = event.crossings[device]["0.25"]
    inside = (ts >= begin) & (ts <= end)
    above.plot((ts[inside] - crossing) / 60_000, 100 * value[inside], color=BLUE, linewidth=1, label="level")
    rain_ts, rain = recording.series(device.replace("-level", "-rain"), "rain_mm_h")
    wet = (rain_ts >= begin) & (rain_ts <= end)
    other = above.twinx()
    other.fill_between((rain_ts[wet] - crossing) / 60_000, rain[wet], color=DEEP, alpha=0.15, step="post")
    other.set(ylabel="rain, mm/h", ylim=(0, 400))
    other.invert_yaxis()
    other.grid(visible=False)
    above.axhline(25, color=GREY, linestyle="--", linewidth=0.8)
    _mark(above, told, device, crossing, 60_000, begin, end)
    above.set(xlabel="minutes from the water reaching 25 cm", ylabel="level, cm", ylim=(-2, 70))
    above.legend(fontsize=7, loc="center right")
    above.set_title("underpass in a storm, with a rain gauge", fontsize=10, loc="left")
    _street(below)
    figure.tight_layout()
    return figure


def _street(axes: Any) -> None:
    """The flood with the most kinds of junk around it."""
    recording = next(street.months(StreetPlan(clusters=6, days=30, seed=424_243, floods=3.0)))
    before, after = 36 * HOUR_MS, 12 * HOUR_MS

    def junk(event: TruthEvent) -> int:
        device = event.devices[0]
        near = {
            each.kind
            for each in recording.events
            if device in each.devices and event.onset - before < each.onset < event.end + after and not each.dangerous
        }
        return len(near) + ("box" in near)

    floods = [each for each in recording.events if each.kind == "flood" and 0.08 < max(each.peak.values()) < 0.5]
    event = max(floods, key=junk)
    device = event.devices[0]
    told = judged.judge(recording, sites.with_rain)
    begin, end = event.onset - before, event.end + after
    ts, value = recording.series(device, "level")
    inside = (ts >= begin) & (ts <= end)
    axes.plot((ts[inside] - event.onset) / HOUR_MS, 100 * value[inside], color=BLUE, linewidth=0.8, label="level")
    axes.axhline(2.5, color=GREY, linestyle="--", linewidth=0.8, label="25 mm")
    for each in recording.events:
        if each.kind == "flood" and each.devices[0] == device and begin < each.onset < end:
            axes.axvspan((each.onset - event.onset) / HOUR_MS, (each.end - event.onset) / HOUR_MS, color=ORANGE,
                         alpha=0.25, label="flood" if each is event else None)  # fmt: skip
    _mark(axes, told, device, event.onset, HOUR_MS, begin, end)
    axes.set(xlabel="hours from the onset of the flood", ylabel="level, cm")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(0.0, 0.9))
    axes.set_title("a street sensor: parked objects, blips, pulses – and a flood", fontsize=10, loc="left")


def facade(plt: Any, _found: Mapping[str, Any]) -> Any:
    """A panel through a year: percent of the baseline, the loosening, what was said."""
    plan = FacadePlan(buildings=1, panels=6, days=365, seed=424_242, loosening=1.0)
    plan = replace(plan, modes={"sudden": 1.0}, drop_percent=(5.0, 5.0))
    recording = next(batch_facade.months(plan))
    told = judged.judge(recording, sites.facade, window_ms=240 * HOUR_MS)
    middle = (recording.start + recording.end) // 2
    event = min(recording.events, key=lambda each: abs(each.onset - middle))
    device = next(each for each in recording.devices if each.id == event.devices[0])
    ts, value = recording.series(device.id, "frequency")
    warm_ts, warm = recording.series(device.id, "surface_temperature")
    nominal = device.parameters["baseline_frequency_hz"]
    figure, (above, below) = plt.subplots(2, 1, figsize=(8.5, 5.6), sharex=True, height_ratios=(2, 1))
    day = 86_400_000
    above.plot((ts - recording.start) / day, 100 * (value - nominal) / nominal, ".", color=BLUE, markersize=1.5,
               label="frequency as sent")  # fmt: skip
    above.axhline(-5, color=GREY, linestyle="--", linewidth=0.8, label="−5 % of the nominal frequency")
    above.axvline(
        (event.onset - recording.start) / day, color="black", linewidth=1, linestyle="-.", label="5 % drop (truth)"
    )
    _mark(above, told, device.id, recording.start, day, recording.start, recording.end)
    above.set(ylabel="% of the baseline")
    above.legend(fontsize=7, ncol=2, loc="lower left", markerscale=4)
    below.plot((warm_ts - recording.start) / day, warm, color=ORANGE, linewidth=0.5)
    below.set(ylabel="panel, °C", xlabel="days")
    figure.tight_layout()
    return figure
