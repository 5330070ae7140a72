"""Recorded fires (NIST) and floods (USGS), read as devices of this system would have measured them.

Fires: `TIME` seconds from ignition; `SM<station>_<n>` optical density per metre (log10), times ten in dB/m;
`TC<station>_<n>` degrees Celsius. Each smoke meter becomes one device with the thermocouple of the same number
(1 = under the ceiling, 3 and 4 lower down) as its temperature. A station holds what hung there; its alert is the
earliest of its devices, as the alarm of any real detector at a station is an alarm there. The first readings, before
the fire shows, are repeated backwards in time to give `PADDING_S` of quiet.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FIRES = ("SDC02", "SDC07", "SDC33", "SDC38")
PADDING_S = 300.0
QUIET_ROWS = 5
"""The first ten seconds: repeated, in turn, for the padding."""
MOVED_PER_M = 0.05
"""A meter whose optical density peaks lower never saw the smoke."""
METER = re.compile(r"SM[A-Z]_[0-9]")
START_MS = 1_767_225_600_000
"""2026-01-01: where the recordings are laid in time."""
FT_M = 0.3048


@dataclass(frozen=True)
class Meter:
    """One smoke meter of one fire as a device: times in ms, obscuration in dB/m, temperature in degrees."""

    fire: str
    station: str
    number: int
    ts: np.ndarray
    obscuration: np.ndarray
    temperature: np.ndarray
    ignition_ms: int
    quiet_until_ms: int  # end of the padding and of the first ten seconds of the recording

    @property
    def device(self) -> str:
        """A valid id."""
        return f"nist-{self.fire.lower()}-{self.station.lower()}{self.number}"

    @property
    def peak_per_m(self) -> float:
        """Of the optical density."""
        return float(self.obscuration.max() / 10)

    def readings(self) -> Iterator[tuple[int, dict[str, float]]]:
        """(ts, values by point) in order, as a `shouwang/smoke` device would publish them."""
        for ts, smoke, warmth in zip(self.ts, self.obscuration, self.temperature, strict=True):
            yield int(ts), {"obscuration": round(float(smoke), 5), "temperature": round(float(warmth), 2)}


@dataclass(frozen=True)
class Station:
    """What hung at one place: our meters, and when the real alarms there sounded (s after ignition)."""

    fire: str
    station: str
    meters: tuple[Meter, ...]
    sounded_s: tuple[float, ...]

    @property
    def moved(self) -> bool:
        """Whether any meter saw smoke."""
        return max(meter.peak_per_m for meter in self.meters) >= MOVED_PER_M

    @property
    def judged(self) -> bool:
        """Whether an alert is due: real alarms sounded and a meter moved."""
        return bool(self.sounded_s) and self.moved


def _padded(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    step = float(np.median(np.diff(times)))
    count = int(PADDING_S / step)
    before = times[0] - step * np.arange(count, 0, -1)
    quiet = values[:QUIET_ROWS][np.arange(count)[::-1] % QUIET_ROWS]
    return np.concatenate((before, times)), np.concatenate((quiet, values))


def stations(data_dir: Path, fire: str) -> list[Station]:
    """The stations of one fire, in order."""
    with (data_dir / "smoke" / f"nist_{fire}.csv").open(newline="") as file:
        rows = csv.reader(file)
        head = next(rows)
        table = np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])
    sounded: dict[str, list[float]] = {}
    with (data_dir / "smoke" / "nist_activation_times.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["test"] == fire:
                sounded.setdefault(row["station"], []).append(float(row["t_s"]))
    times = table[:, head.index("TIME")]
    meters: dict[str, list[Meter]] = {}
    for name in head:
        if METER.fullmatch(name) is None:
            continue
        station, number = name[2], int(name[4:])
        warmth = f"TC{station}_{number}"
        seconds, smoke = _padded(times, table[:, head.index(name)] * 10)
        _, temperature = _padded(times, table[:, head.index(warmth)])
        meter = Meter(
            fire=fire,
            station=station,
            number=number,
            ts=START_MS + np.round((seconds - seconds[0]) * 1000).astype(np.int64),
            obscuration=smoke,
            temperature=temperature,
            ignition_ms=START_MS + round(-seconds[0] * 1000),
            quiet_until_ms=START_MS + round((times[0] - seconds[0] + 10) * 1000),
        )
        meters.setdefault(station, []).append(meter)
    return [
        Station(fire, station, tuple(found), tuple(sorted(sounded.get(station, ()))))
        for station, found in sorted(meters.items())
    ]


@dataclass(frozen=True)
class Stream:
    """A stream gauge's stage: ms, metres; official thresholds in feet by name."""

    usgs_id: str
    name: str
    ts: np.ndarray
    level_m: np.ndarray
    action_ft: float


STREAMS = {"01650800": ("Sligo Creek near Takoma Park, MD", 4.0), "01589330": ("Dead Run at Franklintown, MD", 8.0)}


def stream(data_dir: Path, usgs_id: str) -> Stream:
    """The recorded stage of one stream, 2019."""
    ts, level = [], []
    with (data_dir / "water" / f"usgs_{usgs_id}_2019_2019.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["gage_height_ft"]:
                ts.append(np.datetime64(row["datetime_utc"].removesuffix("Z"), "ms").astype(np.int64))
                level.append(float(row["gage_height_ft"]) * FT_M)
    name, action = STREAMS[usgs_id]
    return Stream(usgs_id, name, np.array(ts), np.array(level), action)
