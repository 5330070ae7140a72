"""What the rules, straight from the defaults of each family, say of the recorded fires and floods."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from recorded_fires import Meter, Station, Stream

from rules import quality_declaration
from rules.columns import Change, Columns
from rules.declaration import resolve
from rules.engine import DeviceRules, Engine
from wire.alert import Hazard, Verb

SMOKE_POINTS = ("obscuration", "temperature")
SMOKE_CADENCE_S = 10.0
"""Of the native smoke model, though the recordings step by two seconds."""


def judge_meter(meter: Meter) -> list[Change]:
    """The changes that one smoke meter, with its thermocouple, causes."""
    rules = resolve(Hazard.SMOKE, SMOKE_POINTS, SMOKE_CADENCE_S)
    engine = Engine()
    tests = quality_declaration.resolve(Hazard.SMOKE, SMOKE_POINTS, SMOKE_CADENCE_S)
    engine.configure([DeviceRules(meter.device, rules, SMOKE_POINTS, cadence_s=SMOKE_CADENCE_S, quality=tests)])
    channels = [engine.channel(meter.device, point) for point in SMOKE_POINTS]
    values = np.column_stack([meter.obscuration, meter.temperature]).ravel()
    return engine.step(Columns.of(np.tile(channels, len(meter.ts)), np.repeat(meter.ts, 2), values))


def judge_stream(stream: Stream) -> list[Change]:
    """The changes that a stage gauge causes with its official action level as level IV and the default rate rule."""
    cadence_s = float(np.median(np.diff(stream.ts))) / 1000
    return judge_gauge(
        stream, cadence_s, {"water_depth": {"levels": action_level(stream)}, "water_rise": {"window_s": 900}}
    )


def action_level(stream: Stream) -> dict[str, Any]:
    """The official action level as level IV, and no other."""
    return {"IV": {"enter": stream.action_ft * 0.3048}, "III": None, "II": None, "I": None}


def judge_gauge(
    stream: Stream, cadence_s: float, own: dict[str, Any], own_tests: dict[str, Any] | None = None
) -> list[Change]:
    """The changes that a stage gauge causes with rules and quality tests of its own over the defaults."""
    points = ("level",)
    rules = resolve(Hazard.WATER_LEVEL, points, cadence_s, own)
    tests = quality_declaration.resolve(Hazard.WATER_LEVEL, points, cadence_s, own_tests or {})
    engine = Engine()
    engine.configure([DeviceRules(stream.usgs_id, rules, points, cadence_s=cadence_s, quality=tests)])
    return engine.step(Columns.of(engine.channel(stream.usgs_id, "level"), stream.ts, stream.level_m))


@dataclass(frozen=True)
class Outcome:
    """One station: the first alert, and the first of level II or worse, in seconds after ignition."""

    station: Station
    alert_s: float | None
    by: str  # meter and rule of the first alert
    urgent_s: float | None
    in_quiet: bool  # something was raised in the padding or in the first ten seconds


def judge_station(station: Station) -> Outcome:
    """All meters of a station together."""
    raised: list[tuple[float, str]] = []
    urgent: list[float] = []
    in_quiet = False
    for meter in station.meters:
        for change in judge_meter(meter):
            if change.level is None or change.verb is Verb.DEESCALATED:
                continue
            after_s = (change.at - meter.ignition_ms) / 1000
            in_quiet |= change.at <= meter.quiet_until_ms
            if change.verb is Verb.RAISED:
                raised.append((after_s, f"{meter.station}_{meter.number} {change.rule}"))
            if change.level.rank >= 3:
                urgent.append(after_s)
    first = min(raised, default=None)
    return Outcome(
        station=station,
        alert_s=None if first is None else first[0],
        by="" if first is None else first[1],
        urgent_s=min(urgent, default=None),
        in_quiet=in_quiet,
    )
