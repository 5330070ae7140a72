"""Fires and floods that others recorded, from the broker to the incident: what the rules alone say must arrive."""

from pathlib import Path

import pytest
from player import Due, Player, clock
from recorded_fires import FIRES, PADDING_S, START_MS, stations, stream
from recorded_judgement import action_level, judge_gauge, judge_station
from stack import Stack, wait_for

from wire.alert import Verb
from wire.time import now_ms, parse_instant

pytestmark = [pytest.mark.broker, pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(600)]
SITE = "wanghuyuan"
FIRE_RATE = 30.0
FLOOD_RATE = 80_000.0
LEAD_MS = 3000
MODEL_CADENCE_S = 10.0
SLOW_TESTS = {"level": {"gap_s": 900}}
SLOW_RISE = {level: {"hold_s": 0, "min_samples": 1} for level in ("III", "II")}


def drained(stack: Stack) -> None:
    wait_for("the journal to drain", lambda: stack.edge_status()["journal"]["depth"] < 5, 120)


def test_every_station_that_burnt_is_alerted_and_the_quiet_stays_quiet(stack: Stack, data_dir: Path) -> None:
    everywhere = [station for fire in FIRES for station in stations(data_dir, fire)]
    meters = [meter for station in everywhere for meter in station.meters]
    zones = stack.zones(SITE)
    stack.set_timeline(clock("fires", now_ms(), START_MS - 1, 0.0))
    stack.register_each(
        {
            "id": meter.device,
            "name": f"{meter.fire} {meter.station}{meter.number}",
            "site_id": SITE,
            "zone_id": zones[index % len(zones)],
            "profile": "shouwang/smoke",
            "timeline": "fires",
            "rules": {"silence": None},
        }
        for index, meter in enumerate(meters)
    )
    timeline = clock("fires", now_ms() + LEAD_MS, START_MS - 1, FIRE_RATE)
    stack.set_timeline(timeline)
    due = [Due(ts, meter.device, values) for meter in meters for ts, values in meter.readings()]
    player = Player(stack.secret("bridge"), timeline, due, SITE)
    assert player.finish() == len(due)
    drained(stack)

    def opened() -> dict[str, int]:
        first: dict[str, int] = {}
        for alarm in stack.alarms():
            at = parse_instant(alarm["opened_at"])
            first[alarm["device"]] = min(at, first.get(alarm["device"], at))
        return first

    expected = {meter.device for station in everywhere for meter in station.meters if meter.peak_per_m >= 0.1}
    wait_for("the alarms in the cloud", lambda: len(expected - set(opened())) < len(expected) / 4)
    wait_for("every alarm of the edge in the cloud", lambda: stack.edge_status()["journal"]["events"]["alarm"] == 0)
    first = opened()
    judged = 0
    for station in everywhere:
        alone = judge_station(station)
        alerts = [first[meter.device] for meter in station.meters if meter.device in first]
        for meter in station.meters:
            if meter.device in first:
                assert first[meter.device] > meter.quiet_until_ms, f"{meter.device} in the quiet"
        if station.judged:
            judged += 1
            assert alerts, f"{station.fire} {station.station}: burnt, and nobody was told"
            assert alone.alert_s is not None
            piped_s = (min(alerts) - station.meters[0].ignition_ms) / 1000
            assert piped_s == pytest.approx(alone.alert_s, abs=0.001), f"{station.fire} {station.station}"
    assert judged == 18
    assert PADDING_S >= 60


def test_sligo_creek_once_dead_run_never_but_its_rise(stack: Stack, data_dir: Path) -> None:
    gauges = {"sligo": stream(data_dir, "01650800"), "dead-run": stream(data_dir, "01589330")}
    start = min(int(gauge.ts[0]) for gauge in gauges.values()) - 1
    zone = stack.zones("liuyin-underpass")[0]
    stack.set_timeline(clock("floods", now_ms(), start, 0.0))
    own = {
        name: {
            # a gauge of five minutes: believed at once, as the rules do by themselves for a slow model
            "water_depth": {"levels": action_level(gauge), "hold_s": 0, "min_samples": 1, "max_gap_s": 900},
            "water_rise": {"levels": SLOW_RISE, "window_s": 900, "max_gap_s": 900},
        }
        for name, gauge in gauges.items()
    }
    stack.register_each(
        {
            "id": name,
            "name": gauge.name,
            "site_id": "liuyin-underpass",
            "zone_id": zone,
            "profile": "shouwang/water-level",
            "timeline": "floods",
            "rules": {"silence": None, **own[name]},
            "quality": SLOW_TESTS,
        }
        for name, gauge in gauges.items()
    )
    timeline = clock("floods", now_ms() + LEAD_MS, start, FLOOD_RATE)
    stack.set_timeline(timeline)
    due = [
        Due(int(ts), name, {"level": round(float(level), 5)})
        for name, gauge in gauges.items()
        for ts, level in zip(gauge.ts, gauge.level_m, strict=True)
    ]
    player = Player(stack.secret("bridge"), timeline, due, "liuyin-underpass")
    assert player.finish() == len(due)
    drained(stack)

    def opened(device: str, rule: str) -> list[int]:
        return sorted(
            parse_instant(alarm["opened_at"])
            for alarm in stack.alarms()
            if alarm["device"] == device and alarm["rule"] == rule
        )

    alone = {
        (name, rule): sorted(
            change.opened_at
            for change in judge_gauge(gauge, MODEL_CADENCE_S, own[name], SLOW_TESTS)
            if change.rule == rule and change.verb is Verb.RAISED
        )
        for name, gauge in gauges.items()
        for rule in ("water_depth", "water_rise")
    }
    wait_for("the crossing in the cloud", lambda: opened("sligo", "water_depth"))
    assert opened("sligo", "water_depth") == alone["sligo", "water_depth"]
    assert len(alone["sligo", "water_depth"]) == 1
    assert opened("dead-run", "water_depth") == []
    rises = opened("dead-run", "water_rise")
    assert rises == alone["dead-run", "water_rise"]
    day = parse_instant("2019-05-11T00:00:00Z")
    assert sum(day <= at < day + 86_400_000 for at in rises) == 1
