"""Quality flags: one kind of fault at a time, then all of them together, over clean recordings of each family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.detection import judged, sites
from benchmarks.detection.metrics import Share, spread
from benchmarks.detection.tally import Tally, add
from rules.quality import Check
from simulators.batch import facade, faults, smoke, street
from simulators.batch.dwelling import SmokePlan
from simulators.batch.facade import FacadePlan
from simulators.batch.faults import FaultPlan
from simulators.batch.recording import BIT, MONTH_MS, Device, FaultInterval, Recording
from simulators.batch.street import StreetPlan
from simulators.faults import FaultKind

VALUE = (
    Check.RANGE | Check.USER_RANGE | Check.SPIKE | Check.RATE | Check.FLAT | Check.ATTENUATED | Check.NEIGHBOUR
    | Check.NOT_FINITE
)  # fmt: skip
"""Tests that doubt a value."""
LOST = Check.GAP
EXPECTED: dict[FaultKind, Check] = {
    FaultKind.SPIKE: Check.SPIKE | Check.RATE | Check.RANGE | Check.USER_RANGE,
    FaultKind.STUCK: Check.FLAT | Check.ATTENUATED,
    FaultKind.RAIL: VALUE,
    FaultKind.DRIFT: VALUE,
    FaultKind.GAIN: VALUE,
    FaultKind.NOISE: VALUE,
    FaultKind.NAN: Check.NOT_FINITE,
    FaultKind.QUANTISATION: VALUE,
    FaultKind.UNIT: VALUE,
    FaultKind.SIGN: VALUE,
    FaultKind.DROPOUT: LOST,
    FaultKind.BATTERY: LOST,
    FaultKind.DUPLICATE: Check.DUPLICATE | Check.ORDER,
    FaultKind.LATE: Check.ORDER | LOST,
    FaultKind.REORDER: Check.ORDER | Check.DUPLICATE,
    FaultKind.CLOCK_SKEW: Check.SKEW | Check.CLOCK,
    FaultKind.TIMEZONE: Check.CLOCK | Check.ZONE,
    FaultKind.EPOCH: Check.CLOCK,
}
"""Which tests may find a kind of fault: anything else that speaks is chance. One message lost (a garbled one, another's
id, a restart) is no gap by the rules' definition, and a backlog after an outage is late but not wrong: not counted."""
RATES = {
    FaultKind.SPIKE: 0.002, FaultKind.NAN: 0.002, FaultKind.DUPLICATE: 0.005, FaultKind.LATE: 0.005,
    FaultKind.DROPOUT: 0.0005, FaultKind.CLOCK_SKEW: 1.0,
}  # fmt: skip
"""Chances a message; of the other kinds so many spells that `SPELLS` can be expected."""
SPELLS, MOST_A_MONTH = 40.0, 10.0
LONG_S = {"obscuration": 31 * 3600.0, "tilt": 62 * 3600.0, "gap": 62 * 3600.0}
"""A stuck value is found by its flat line: after a day, of tilt and gap after two; shorter ones cannot be."""
MATTERS = {
    "obscuration": 0.10,
    "level": 0.05,
    "frequency": 0.5,
    "tilt": 0.2,
    "gap": 1.0,
    "temperature": 8.0,
    "co": 30.0,
}
"""A spoilt value further off than this could change what the rules say."""
MAIN = {"smoke": "obscuration", "street": "level", "facade": "frequency"}
SIZES = {
    "quick": {"smoke": (1, 8), "street": (1, 20), "facade": (4, 60)},
    "full": {"smoke": (2, 20), "street": (4, 30), "facade": (20, 90)},
}
"""Dwellings, clusters or panels; days."""
GRACE_CADENCES = 3


class Task(NamedTuple):
    """One family, spoilt in one way."""

    family: str
    kind: str  # a FaultKind, "all" or "none"
    seed: int
    units: int
    days: int


def tasks(size: str, seed: int) -> list[Task]:
    """Every kind of fault on every family, then all together, then none."""
    kinds = [*map(str, EXPECTED), "all", "none"]
    return [Task(family, kind, seed, *units) for family, units in SIZES[size].items() for kind in kinds]


def recording_of(task: Task) -> list[Recording]:
    """Clean data: dwellings, clusters of street sensors (floods, little junk), panels."""
    match task.family:
        case "smoke":
            return list(smoke.months(SmokePlan(dwellings=task.units, days=task.days, seed=task.seed, insects=0.0)))
        case "street":
            plan = StreetPlan(task.units, task.days, task.seed, blips=0, chains=0, boxes=0, noisy_spells=0, drifts=0)
            return list(street.months(plan))
        case _:
            return list(facade.months(FacadePlan(buildings=1, panels=task.units, days=task.days, seed=task.seed)))


def run(task: Task) -> Tally:
    """Assess one spoilt recording."""
    tally: Tally = {}
    for clean in recording_of(task):
        if task.kind == "none":
            add(tally, _false_flags(clean))
            continue
        if task.kind == "all":
            spoilt = faults.inject(clean, FaultPlan(), task.seed + 77)
            add(tally, _precision(spoilt))
            continue
        kind = FaultKind(task.kind)
        months = (clean.end - clean.start) / MONTH_MS * len(clean.devices)
        rate = RATES.get(kind, min(SPELLS / months, MOST_A_MONTH))
        spoilt = faults.inject(clean, FaultPlan.only(kind, rate), task.seed + 7)
        add(tally, _recall(clean, spoilt, kind, task.family))
    return {task.family: {task.kind: tally}}


class Assessed(NamedTuple):
    """All readings of a recording in order of arrival, with what the tests said."""

    channel: np.ndarray
    true_ts: np.ndarray
    tests: np.ndarray
    flag: np.ndarray
    truth: np.ndarray
    value: np.ndarray


def assessed(recording: Recording) -> Assessed:
    """Run the quality tests over a recording."""
    parts: list[list[np.ndarray]] = [[] for _ in Assessed._fields]
    for part, columns in judged.flags(recording, sites.witnesses):
        tests = columns.tests if columns.tests is not None else np.zeros(len(part.ts), dtype=np.uint16)
        row = (part.channel, recording.true_ts[part.message], tests, columns.flag, part.truth, part.value)
        for into, each in zip(parts, row, strict=True):
            into.append(np.asarray(each))
    return Assessed(*(np.concatenate(each) for each in parts))


def _recall(clean: Recording, spoilt: Recording, kind: FaultKind, family: str) -> Tally:
    """Of the intervals of one kind: found at all, after how long; those that mattered; false flags beside them."""
    found = assessed(spoilt)
    spoke = (found.tests & np.uint16(EXPECTED[kind])) != 0
    devices = {device.id: number for number, device in enumerate(spoilt.devices)}
    width = len(spoilt.points)
    order = np.lexsort((found.true_ts, found.channel))
    cuts = np.searchsorted(found.channel[order], np.arange(len(spoilt.devices) * width + 1))
    size = _sizes(clean, spoilt) if kind in faults.SPELLS or kind is FaultKind.SPIKE else {}
    out: Tally = {"n": 0, "found": 0, "mattered": 0, "mattered_found": 0, "latency_s": []}
    for interval in spoilt.faults:
        device = spoilt.devices[devices[interval.device]]
        if interval.kind is not kind or (interval.point or MAIN[family]) not in MATTERS:
            continue
        if device.profile == "rain-gauge" or not _counts(spoilt, device, interval):
            continue
        points = [interval.point] if interval.point else list(device.points)
        times = []
        for point in points:
            channel = devices[device.id] * width + spoilt.points.index(point)
            rows = order[cuts[channel] : cuts[channel + 1]]
            until = interval.end + round(GRACE_CADENCES * device.cadence_s * 1000)
            span = slice(*np.searchsorted(found.true_ts[rows], (interval.start, until + 1)).tolist())
            hit = np.flatnonzero(spoke[rows[span]])
            if len(hit):
                times.append(int(found.true_ts[rows[span]][hit[0]]) - interval.start)
        matters = _matters(size, interval, kind)
        out["n"] += 1
        out["found"] += bool(times)
        out["mattered"] += matters
        out["mattered_found"] += matters and bool(times)
        out["latency_s"] += [round(min(times) / 1000, 1)] if times else []
    bad = (found.tests & np.uint16(VALUE)) != 0
    marked = (found.truth & BIT[kind]) != 0
    return out | {"doubted": int(bad.sum()), "doubted_right": int((bad & marked).sum())}


Sizes = dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]


def _sizes(clean: Recording, spoilt: Recording) -> Sizes:
    """How far off each reading is, by device and point: (true time, difference); value faults lose no message."""
    off = np.abs(np.nan_to_num(spoilt.value - clean.value))
    return {
        (device.id, point): (spoilt.true_ts[rows], off[rows, column])
        for number, device in enumerate(spoilt.devices)
        for rows in [np.flatnonzero(spoilt.device == number)]
        for column, point in enumerate(spoilt.points)
        if point in device.points
    }


def _matters(size: Sizes, interval: FaultInterval, kind: FaultKind) -> bool:
    if interval.point is None or interval.point not in MATTERS or not size:
        return False
    if kind is FaultKind.STUCK:
        return (interval.end - interval.start) / 1000 >= LONG_S.get(interval.point, math.inf)
    times, off = size[interval.device, interval.point]
    inside = (times >= interval.start) & (times <= interval.end)
    return bool(off[inside].max(initial=0.0) >= MATTERS[interval.point])


def _counts(spoilt: Recording, device: Device, interval: FaultInterval) -> bool:
    """Whether there is anything to find: three messages lost, or one that came after the next."""
    cadence_ms = device.cadence_s * 1000
    if interval.kind in (FaultKind.DROPOUT, FaultKind.BATTERY):
        return interval.end - interval.start >= 1.9 * cadence_ms
    if interval.kind is FaultKind.LATE:
        number = spoilt.devices.index(device)
        row = np.flatnonzero((spoilt.device == number) & (spoilt.true_ts == interval.start))
        return bool(len(row)) and bool((spoilt.arrival[row] - interval.start).max() > cadence_ms)
    return True


def _precision(spoilt: Recording) -> Tally:
    """All faults together: of the readings that the tests doubt, how many a fault had touched."""
    found = assessed(spoilt)
    bad = (found.tests & np.uint16(VALUE)) != 0
    fault = np.zeros(len(bad), dtype=np.bool_)
    for bit in BIT.values():
        fault |= (found.truth & bit) != 0
    value = np.zeros(len(bad), dtype=np.bool_)
    for kind in (*faults.SPELLS, FaultKind.SPIKE, FaultKind.NAN):
        value |= (found.truth & BIT[kind]) != 0
    return {
        "readings": len(bad),
        "doubted": int(bad.sum()),
        "doubted_right": int((bad & value).sum()),
        "doubted_touched": int((bad & fault).sum()),
        "value_faults": int(value.sum()),
        "value_found": int((bad & value).sum()),
    }


def _false_flags(clean: Recording) -> Tally:
    found = assessed(clean)
    bad = (found.tests & np.uint16(VALUE)) != 0
    days = (clean.end - clean.start) / 86_400_000 * len(clean.devices)
    by_test = {str(each.name).lower(): int((found.tests & np.uint16(each) != 0).sum()) for each in Check}
    return {"readings": len(bad), "doubted": int(bad.sum()), "device_days": days, "tests": by_test}


def summary(tally: Tally) -> dict[str, Any]:
    """By family: recall and latency by kind, precision with all faults, false flags with none."""
    out: dict[str, Any] = {}
    for family, kinds in tally.items():
        rows: dict[str, Any] = {}
        for kind, found in kinds.items():
            if kind in ("all", "none"):
                continue
            if found.get("n"):
                rows[kind] = {
                    "recall": Share.of(found["found"], found["n"]),
                    "recall_mattering": Share.of(found["mattered_found"], found["mattered"]),
                    "latency_s": spread(found["latency_s"]),
                }
        whole, none = kinds.get("all", {}), kinds.get("none", {})
        out[family] = {
            "kinds": rows,
            "precision": Share.of(whole.get("doubted_right", 0), whole.get("doubted", 0)),
            "precision_any_fault": Share.of(whole.get("doubted_touched", 0), whole.get("doubted", 0)),
            "recall_of_readings": Share.of(whole.get("value_found", 0), whole.get("value_faults", 0)),
            "false_flags": Share.of(none.get("doubted", 0), none.get("readings", 0)),
            "false_by_test": {name: count for name, count in none.get("tests", {}).items() if count},
        }
    return out


def families(results: dict[str, Any]) -> Sequence[str]:
    """The families that a result has."""
    return [name for name in SIZES["quick"] if name in results]
