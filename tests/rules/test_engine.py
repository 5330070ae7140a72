"""What the engine does at its edges: odd readings, changed tables, exercises, the families' defaults."""

import time
from dataclasses import replace

import numpy as np
import pytest

from rules.columns import Columns
from rules.declaration import resolve
from rules.engine import DeviceRules, Engine
from wire.alert import Hazard, Verb
from wire.level import Level

T0 = 1_780_000_000_000
WATER = ("level", "battery")
FACADE = ("frequency", "tilt", "gap", "battery")


PLAIN = {
    "water_depth": {
        "kind": "level",
        "hazard": "water_level",
        "point": "level",
        "hysteresis": 0.02,
        "min_samples": 3,
        "hold_s": 20,
        "levels": {"IV": {"enter": 0.03}, "III": {"enter": 0.15}, "II": {"enter": 0.25}, "I": {"enter": 0.40}},
        "clear_hold_s": 900,
        "max_verify_delay_s": 60,
    },
    "water_rise": {
        "kind": "rate",
        "hazard": "water_level",
        "point": "level",
        "floor": {"at_least": 0.10},
        "min_samples": 3,
        "hold_s": 20,
        "levels": {"III": {"enter": 0.01, "exit": 0.004}, "II": {"enter": 0.02, "exit": 0.01}},
        "clear_hold_s": 900,
        "max_verify_delay_s": 60,
    },
}


def water(name="w0", overrides=None, valid=None, cadence_s=10.0):
    """A gauge judged by plain levels and rates: what the family's defaults are is another matter."""
    rules = resolve(Hazard.DEVICE, WATER, cadence_s, PLAIN, overrides or {})
    return DeviceRules(name, rules, WATER, cadence_s=cadence_s, valid=valid or {"level": (0.0, 5.0)})


def configured(*devices):
    engine = Engine(settle_s=0)
    engine.configure(devices)
    return engine


def series(engine, values, device="w0", point="level", start=T0, step_ms=10_000, exercise=None, **more):
    ts = start + step_ms * np.arange(len(values))
    return engine.step(Columns.of(engine.channel(device, point, exercise), ts, values, **more))


def told(changes, rule=None):
    return [(change.verb, change.level) for change in changes if rule in (None, change.rule)]


def test_an_underpass_fills_and_drains():
    engine = configured(water())
    values = np.concatenate(
        (np.zeros(10), np.linspace(0, 0.5, 120), np.full(30, 0.5), np.linspace(0.5, 0, 120), np.zeros(120))
    )
    assert told(series(engine, values), "water_depth") == [
        (Verb.RAISED, Level.IV), (Verb.ESCALATED, Level.III), (Verb.ESCALATED, Level.II), (Verb.ESCALATED, Level.I),
        (Verb.DEESCALATED, Level.II), (Verb.DEESCALATED, Level.III), (Verb.DEESCALATED, Level.IV), (Verb.CLEARED, None),
    ]  # fmt: skip


def test_the_rise_of_water_is_told_before_the_line_is_reached():
    engine = configured(water())
    depth = 0.05 + 0.03 / 6 * np.arange(60)  # 3 cm a minute
    changes = series(engine, np.concatenate((np.full(40, 0.05), depth)))
    rise = next(change for change in changes if change.rule == "water_rise" and change.level is Level.II)
    closing = next(change for change in changes if change.rule == "water_depth" and change.level is Level.II)
    assert rise.at < closing.at
    assert rise.evidence["rate"] == pytest.approx(0.03, rel=0.4)
    assert rise.evidence["threshold"] == 0.02


def test_one_echo_off_a_car_is_no_flood():
    engine = configured(water())
    values = np.zeros(200)
    values[[50, 51, 90, 140]] = 0.6
    assert series(engine, values) == []


def test_a_panel_is_judged_in_percent_of_its_own_baseline():
    rules = resolve(Hazard.CURTAIN_WALL, FACADE, 120.0)
    panel = DeviceRules("f0", rules, FACADE, {"baseline_frequency_hz": 20.0}, cadence_s=120)
    engine = configured(panel)
    values = np.concatenate((np.full(20, 20.0), [16.8, 20.0, 16.9, 20.0], np.full(8, 17.0)))
    changes = series(engine, values, "f0", "frequency", step_ms=120_000)
    assert told(changes) == [(Verb.RAISED, Level.III)]
    # 15 percent, of which 8.5 are forgiven as long as no temperature is known
    assert changes[0].evidence["percent"] == pytest.approx(-6.5)
    assert changes[0].evidence["compensated"] == 0
    assert changes[0].evidence["threshold"] == -4.5
    assert changes[0].evidence["samples"] == 3


def test_a_panel_without_a_baseline_has_no_drop_but_a_tilt():
    rules = resolve(Hazard.CURTAIN_WALL, FACADE, 120.0)
    engine = configured(DeviceRules("f0", rules, FACADE, cadence_s=120))
    assert series(engine, np.full(10, 1.0), "f0", "frequency", step_ms=120_000) == []
    assert not engine.blind
    assert told(series(engine, np.full(10, 0.6), "f0", "tilt", step_ms=120_000)) == [(Verb.RAISED, Level.II)]


def test_an_impossible_level_is_a_suspect_hazard_not_nothing():
    engine = configured(water())
    changes = series(engine, np.full(6, 7.5))
    assert told(changes, "water_depth") == [(Verb.RAISED, Level.I)]
    assert changes[0].suspect


def test_an_impossible_low_never_clears():
    engine = configured(water())
    series(engine, np.full(6, 0.5))
    assert series(engine, np.full(500, -3.0), start=T0 + 60_000) == []
    assert told(series(engine, np.zeros(100), start=T0 + 60_000 + 5_000_000), "water_depth") == [(Verb.CLEARED, None)]


def test_odd_readings_harm_nothing():
    engine = configured(water())
    channel = engine.channel("w0", "level")
    ts = [T0, T0, T0 - 5, T0 + 10**14, -(10**15), 0, T0 + 1, T0 + 2, 2**62, T0 + 3]
    value = [0.0, np.nan, np.inf, 0.0, -np.inf, 1e308, -1e308, 0.0, np.nan, 0.0]
    channels = [channel, channel, channel, channel, channel, -1, 10**6, channel, channel, channel]
    columns = Columns.of(channels, ts, value, arrival=np.full(10, T0 + 5))
    assert engine.step(columns) == []
    assert engine.step(columns.part(slice(0, 0))) == []
    assert engine.channel("w0", "nonsense") == -1
    assert engine.channel("nobody", "level") == -1
    assert told(series(engine, np.full(5, 0.5), start=T0 + 60_000), "water_depth") == [(Verb.RAISED, Level.I)]


def test_a_reading_from_2035_is_judged_by_its_arrival():
    engine = configured(water())
    channel = engine.channel("w0", "level")
    arrival = T0 + 10_000 * np.arange(6)
    future = Columns.of(channel, arrival + 10 * 365 * 86_400_000, np.full(6, 0.5), arrival=arrival)
    changes = engine.step(future)
    assert told(changes, "water_depth") == [(Verb.RAISED, Level.I)]
    assert changes[0].at == T0 + 20_000
    assert not changes[0].suspect, "the clock is wrong, the value is not in doubt"
    assert engine.assess(future).flag.tolist() == [3] * 6
    # and the clock's repair does not make everything late
    assert told(series(engine, np.zeros(200), start=T0 + 60_000), "water_depth") == [(Verb.CLEARED, None)]


def test_a_gap_freezes_a_hold_and_does_not_fulfil_it():
    text = {"water_depth": {"hold_s": 60, "min_samples": 2, "max_verify_delay_s": 600}}
    engine = configured(water(overrides=text))
    assert series(engine, [0.5, 0.5, 0.5]) == []  # 20 s
    assert series(engine, [0.5], start=T0 + 10_000_000) == []  # hours later: nothing added
    assert series(engine, [0.5, 0.5, 0.5], start=T0 + 10_010_000) == []  # 50 s
    assert told(series(engine, [0.5], start=T0 + 10_040_000)) == [(Verb.RAISED, Level.I)]


def test_a_backlog_that_comes_late_raises_and_never_retracts():
    engine = configured(water())
    series(engine, [0.0], start=T0 + 3_600_000)
    changes = series(engine, np.full(5, 0.5), start=T0)
    assert told(changes, "water_depth") == [(Verb.RAISED, Level.I)]
    assert changes[0].evidence["lane"] == "late"
    assert series(engine, np.zeros(200), start=T0 + 50_000) == []


def test_rows_of_an_exercise_are_its_own():
    engine = configured(water())
    assert told(series(engine, np.full(5, 0.5), exercise="drl-1"), "water_depth") == [(Verb.RAISED, Level.I)]
    assert series(engine, np.zeros(5)) == []
    assert told(series(engine, np.full(5, 0.5), start=T0 + 50_000), "water_depth") == [(Verb.RAISED, Level.I)]
    engine.forget_exercise("drl-1")
    again = series(engine, np.full(5, 0.5), exercise="drl-1")
    assert [change.exercise for change in again] == ["drl-1"]


def test_another_table_keeps_what_did_not_change():
    engine = configured(water("w0"), water("w1"))
    for name in ("w0", "w1"):
        series(engine, np.full(5, 0.5), name)
    other = water("w1", {"water_depth": {"levels": {"I": {"enter": 0.45}}}})
    assert engine.configure([water("w0"), other, water("w2")]) == []
    assert series(engine, np.full(5, 0.5), "w0", start=T0 + 50_000) == []
    assert series(engine, np.full(5, 0.5), "w1", start=T0 + 50_000) == [], "the episode goes on under the new threshold"
    assert told(series(engine, np.full(5, 0.5), "w2"), "water_depth") == [(Verb.RAISED, Level.I)]
    cleared = engine.configure([water("w0", {"water_depth": None}), other])
    assert sorted((change.device, change.rule, change.verb) for change in cleared) == [
        ("w0", "water_depth", Verb.CLEARED), ("w2", "water_depth", Verb.CLEARED),
    ]  # fmt: skip
    assert engine.channel("w2", "level") == -1


def test_a_level_taken_out_of_a_rule_does_not_stay_on():
    engine = configured(water())
    series(engine, np.full(5, 0.5))
    engine.configure([water(overrides={"water_depth": {"levels": {"I": None, "II": None}}})])
    assert told(series(engine, np.zeros(200), start=T0 + 50_000), "water_depth") == [(Verb.CLEARED, None)]


def test_a_rule_changed_while_the_edge_was_down_keeps_its_episode():
    engine = configured(water())
    opened = series(engine, np.full(5, 0.5))[0].opened_at
    after = Engine()
    after.restore(engine.dirty())
    after.configure([water(overrides={"water_depth": {"clear_hold_s": 60}})])
    cleared = series(after, np.zeros(20), start=T0 + 50_000)
    assert [(change.verb, change.opened_at) for change in cleared if change.rule == "water_depth"] == [
        (Verb.CLEARED, opened)
    ]


def test_an_alarm_whose_rule_went_while_the_edge_was_down_is_cleared():
    engine = configured(water("w0"), water("w1"))
    for name in ("w0", "w1"):
        series(engine, np.full(5, 0.5), name)
    after = Engine()
    after.restore(engine.dirty())
    cleared = after.configure([water("w0", {"water_depth": None})])
    assert {(change.device, change.rule, change.verb) for change in cleared} == {
        ("w0", "water_depth", Verb.CLEARED), ("w1", "water_depth", Verb.CLEARED),
    }  # fmt: skip
    assert after.configure([water("w0", {"water_depth": None})]) == []


def test_rows_that_cannot_be_read_are_named_and_harm_nothing():
    engine = Engine()
    engine.restore({"/w0/water_depth": b"\x09rubbish", "/w0/": b"\x01", "/nobody/x": b"?"})
    engine.configure([water()])
    assert set(engine.unreadable) == {"/w0/water_depth", "/w0/"}
    assert told(series(engine, np.full(5, 0.5)), "water_depth") == [(Verb.RAISED, Level.I)]


@pytest.mark.slow
def test_a_burst_of_one_device_and_a_row_of_many_take_the_time_they_may():
    names = [f"w{number}" for number in range(10_000)]
    one = water()
    engine = configured(*(replace(one, device=name) for name in names))
    channels = np.array([engine.channel(name, "level") for name in names])
    calm = np.zeros(10_000)
    engine.step(Columns.of(channels, np.full(10_000, T0), calm))
    took = []
    for round_ in range(1, 6):
        columns = Columns.of(channels, np.full(10_000, T0 + 10_000 * round_), calm)
        began = time.perf_counter()
        engine.step(columns)
        took.append(time.perf_counter() - began)
    burst = Columns.of(channels[0], T0 + 60_000 + 1000 * np.arange(10_000), np.sin(np.arange(10_000) / 50) * 0.4 + 0.3)
    began = time.perf_counter()
    engine.step(burst)
    assert time.perf_counter() - began < 0.5
    assert min(took) < 0.1
