"""Recorded fires, streams and two series of NAB. Nothing was tuned on them; they are read as the tests read them."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from recorded_fires import FIRES, STREAMS, Meter, Station, stations, stream
from recorded_judgement import judge_station, judge_stream

from benchmarks.detection import baselines
from benchmarks.detection.metrics import NAB_PROFILES, nab_raw, nab_score, spread
from rules import quality_declaration
from rules.columns import Columns
from rules.declaration import parse
from rules.engine import DeviceRules, Engine
from rules.quality import Check
from wire.alert import Hazard, Verb
from wire.time import to_datetime

CONSTANT = baselines.Constant(0.15)
GAUSSIAN = baselines.Gaussian(window_s=6 * 3600.0, least=0.0045, warm_s=60.0)


def run(data: Path) -> dict[str, Any] | None:
    """Everything that is there; None without the folder."""
    if not data.is_dir():
        return None
    return {"fires": fires(data), "streams": streams(data), "nab": nab(data)}


def _first(meter: Meter, out: np.ndarray) -> float | None:
    """Seconds after ignition of the first reading that is out; the padding and the first ten seconds do not count."""
    rows = np.flatnonzero(out & (meter.ts > meter.quiet_until_ms))
    return float(meter.ts[rows[0]] - meter.ignition_ms) / 1000 if len(rows) else None


def _baseline(station: Station) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name in ("constant", "gaussian"):
        times = []
        for meter in station.meters:
            value = np.asarray(meter.obscuration, dtype=np.float64)
            out = CONSTANT.out(value, {}) if name == "constant" else GAUSSIAN.out(meter.ts, value)
            at = _first(meter, out)
            times += [at] if at is not None else []
        found[name] = min(times, default=None)
    return found


def fires(data: Path) -> dict[str, Any]:
    """Every station with a truth and a meter that moved: our alert against the real alarms there."""
    rows: list[dict[str, Any]] = []
    quiet = 0
    for fire in FIRES:
        for station in stations(data, fire):
            outcome = judge_station(station)
            quiet += outcome.in_quiet
            if not station.judged:
                continue
            rows.append(
                {
                    "fire": fire,
                    "station": station.station,
                    "first_real_s": station.sounded_s[0],
                    "last_real_s": station.sounded_s[-1],
                    "rules": outcome.alert_s,
                    "rules_II": outcome.urgent_s,
                    **_baseline(station),
                }
            )
    out: dict[str, Any] = {"stations": len(rows), "alerted_in_the_quiet": quiet, "rows": rows}
    for name in ("rules", "rules_II", "constant", "gaussian"):
        for against in ("first", "last"):
            after = [row[name] - row[f"{against}_real_s"] for row in rows if row[name] is not None]
            out[f"{name}_after_{against}"] = spread(after) | {"missed": len(rows) - len(after)}
    return out


def streams(data: Path) -> list[dict[str, Any]]:
    """Stage of two urban streams, May 2019, against the official action level."""
    found = []
    for usgs_id in STREAMS:
        gauge = stream(data, usgs_id)
        changes = judge_stream(gauge)
        opened = [each for each in changes if each.rule == "water_depth" and each.verb is Verb.RAISED]
        rises = [each for each in changes if each.rule != "water_depth" and each.verb is Verb.RAISED]
        crossings = int((np.diff((gauge.level_m >= gauge.action_ft * 0.3048).astype(np.int8)) == 1).sum())
        found.append(
            {
                "stream": f"{gauge.name} ({usgs_id})",
                "days": round(float(gauge.ts[-1] - gauge.ts[0]) / 86_400_000, 1),
                "crossings": crossings,
                "alarms": len(opened),
                "opened": [to_datetime(each.at).strftime("%m-%d %H:%M") for each in opened],
                "rises": len(rises),
            }
        )
    return found


NAB_FILES: dict[str, list[tuple[str, str]]] = {
    "ambient_temperature_system_failure.csv": [
        ("2013-12-15 07:00", "2013-12-30 09:00"),
        ("2014-03-29 15:00", "2014-04-20 22:00"),
    ],
    "art_flatline.csv": [],
}
"""Windows as NAB labels them (combined_windows.json)."""
TAIL = 0.99999  # of the Gaussian's probability, as a threshold


def nab(data: Path) -> dict[str, Any] | None:
    """Two series of NAB: the quality tests of a temperature against the windowed Gaussian. Not a figure to believe."""
    folder = data / "anomaly"
    if not folder.is_dir():
        return None
    raw: dict[str, dict[str, float]] = {}
    windows = 0
    said: dict[str, dict[str, int]] = {}
    for name, labelled in NAB_FILES.items():
        ts, value = _series(folder / name)
        spans = [tuple(int(np.searchsorted(ts, _ms(each))) for each in window) for window in labelled]
        windows += len(spans)
        detected = {
            "daily pattern": _unusual(ts, value),
            "quality tests": _doubted(ts, value),
            "windowed Gaussian": _windowed(value),
            "nothing": [],
        }
        for detector, rows in detected.items():
            said.setdefault(detector, {})[name] = len(rows)
            for profile in NAB_PROFILES:
                score = nab_raw(len(ts), [(a, b) for a, b in spans], rows, profile)
                raw.setdefault(detector, {}).setdefault(profile, 0.0)
                raw[detector][profile] += score
    scores = {
        detector: {profile: nab_score(total, windows, profile) for profile, total in by.items()}
        for detector, by in raw.items()
    }
    return {"scores": scores, "said": said, "windows": windows}


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def _series(file: Path) -> tuple[np.ndarray, np.ndarray]:
    with file.open(newline="") as lines:
        rows = [(_ms(row["timestamp"]), float(row["value"])) for row in csv.DictReader(lines)]
    return np.array([row[0] for row in rows], dtype=np.int64), np.array([row[1] for row in rows])


def _doubted(ts: np.ndarray, value: np.ndarray) -> list[int]:
    cadence_s = float(np.median(np.diff(ts))) / 1000
    limits = quality_declaration.resolve(Hazard.SMOKE, ("temperature",), cadence_s)
    engine = Engine()
    engine.configure([DeviceRules("d", {}, ("temperature",), cadence_s=cadence_s, quality=limits)])
    celsius = (value - 32) / 1.8
    columns = engine.assess(Columns.of(engine.channel("d", "temperature"), ts, celsius))
    tests = columns.tests if columns.tests is not None else np.zeros(len(ts), dtype=np.uint16)
    bits = Check.RANGE | Check.USER_RANGE | Check.SPIKE | Check.RATE | Check.FLAT
    return [int(row) for row in np.flatnonzero((tests & np.uint16(bits)) != 0)]


PATTERN = {
    "kind": "daily_pattern",
    "point": "temperature",
    "least_sd": 0.5,
    "levels": {"IV": {"enter": 4.0, "exit": 2.0, "min_samples": 2}},
}
"""Two readings in a row four deviations off what this half hour was like, of half a kelvin at least."""


def _unusual(ts: np.ndarray, value: np.ndarray) -> list[int]:
    """Rows at which the learnt daily pattern raises."""
    cadence_s = float(np.median(np.diff(ts))) / 1000
    rule = parse("pattern", PATTERN, Hazard.SMOKE, cadence_s)
    engine = Engine()
    engine.configure([DeviceRules("d", {"pattern": rule}, ("temperature",), cadence_s=cadence_s)])
    columns = Columns.of(engine.channel("d", "temperature"), ts, (value - 32) / 1.8)
    return [each.decided_by for each in engine.step(columns) if each.verb is Verb.RAISED]


def _windowed(value: np.ndarray, size: int = 1000) -> list[int]:
    """NAB's detector as described: tail probability under the mean and deviation of the last `size` values."""
    sums = np.concatenate([[0.0], np.cumsum(value)])
    squares = np.concatenate([[0.0], np.cumsum(value**2)])
    here = np.arange(len(value))
    first = np.maximum(here - size, 0)
    count = np.maximum(here - first, 1)
    mean = (sums[here] - sums[first]) / count
    deviation = np.sqrt(np.maximum((squares[here] - squares[first]) / count - mean**2, 1e-12))
    away = np.abs(value - mean) / deviation
    return [int(row) for row in np.flatnonzero((away > 4.2649) & (here > 0))]
