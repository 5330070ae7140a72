"""Kind `ponding`: what is water, and what is not."""

import numpy as np
import pytest
from plain_frame import PlainFrame

from rules import parts
from rules.columns import Columns
from rules.declaration import resolve
from rules.engine import DeviceRules, Engine
from rules.kinds import ponding
from simulators.batch.street import pulse
from wire.alert import Hazard, Verb
from wire.level import Level

START = 1_780_000_000_000


def known(cadence_s):
    """Dry for so long that a sudden deep level is doubted."""
    return [0.0] * round(1500 / cadence_s)


def believed(depths, cadence_s=60.0, bad=(), **others):
    """The signal over readings of one sensor, and its evidence."""
    options = ponding.parse("water", {}, cadence_s)
    chosen = np.zeros(1, dtype=ponding.SETTINGS)
    assert ponding.settings(options, {}, chosen[0]) is None
    memory = np.zeros(1, dtype=ponding.MEMORY)
    memory[0] = ponding.blank()
    at = [START + round(number * cadence_s * 1000) for number in range(len(depths))]
    readings = {"level": list(zip(at, depths, strict=True))}
    readings |= {name: list(zip(at, values, strict=True)) for name, values in others.items()}
    return ponding.signal(PlainFrame(ponding.inputs(options), readings, bad), chosen, memory)


def alarms(depths, cadence_s=60.0):
    """What the default rule says, by the engine."""
    rules = resolve(Hazard.WATER_LEVEL, ("level",), cadence_s)
    engine = Engine()
    engine.configure([DeviceRules("d", {"water_depth": rules["water_depth"]}, ("level",), cadence_s=cadence_s)])
    ts = START + np.round(np.arange(len(depths)) * cadence_s * 1000).astype(np.int64)
    return engine.step(Columns.of(engine.channel("d", "level"), ts, np.asarray(depths)))


def raised(changes):
    return [change for change in changes if change.verb is Verb.RAISED]


DRY = [0.0] * 30


def test_water_that_rises_and_drains_is_believed_and_its_peak_and_duration_are_told():
    flood = [0.0, 0.012, 0.03, 0.05, 0.08, 0.10, 0.09, 0.07, 0.05, 0.04, 0.03, 0.02, 0.012, 0.004]
    changes = alarms(DRY + flood + DRY)
    assert [change.verb for change in changes] == [Verb.RAISED, Verb.CLEARED]
    end = changes[-1].evidence
    assert end["peak_m"] == pytest.approx(0.10, abs=0.002)
    assert end["wet_s"] == 11 * 60
    assert end["onset_ms"] == START + 31 * 60_000


@pytest.mark.parametrize("height", [0.08, 0.2, 0.9])
def test_one_reading_that_stands_alone_is_nothing(height):
    assert raised(alarms([*DRY, height, *DRY])) == []


def test_a_chain_of_short_pulses_is_nothing():
    chain = ([0.0, 0.0, 0.12, 0.12, 0.0, 0.0, 0.0, 0.2, 0.0, 0.07, 0.07, 0.0] * 5)[:50]
    assert raised(alarms(DRY + chain + DRY)) == []


def test_a_parked_object_is_not_believed_until_it_moves_slowly():
    rng = np.random.default_rng(1)
    box = (0.18 + 0.002 * rng.standard_normal(300)).tolist()
    assert raised(alarms(DRY + box + DRY)) == []
    rising = (0.18 + 0.002 * np.arange(20)).tolist()
    assert len(raised(alarms(DRY + box + rising + DRY))) == 1


@pytest.mark.parametrize("cadence_s", [10.0, 60.0])
@pytest.mark.parametrize("height", [0.3, 0.6, 1.4])
def test_a_deep_box_at_a_sensor_that_was_heard_before_is_no_alarm_nor_is_another_in_its_place(height, cadence_s):
    rng = np.random.default_rng(2)
    count = round(3600 / cadence_s)
    noise = 0.003 * rng.standard_normal(2 * count)
    boxes = np.repeat([height, 0.6 * height], count) + noise
    boxes[count // 2] = 0.0  # one echo that missed it
    assert raised(alarms(known(cadence_s) + boxes.tolist() + DRY, cadence_s)) == []


def test_a_sensor_whose_view_is_taken_can_say_so_as_a_device():
    """What is no water is told by whoever declares it: a rule over what `ponding` tells of an object."""
    blocked = {
        "kind": "co_occurrence",
        "hazard": "device",
        "of": [{"rule": "water_depth", "field": "object_m", "at": 0.05}],
        "levels": {"IV": {"enter": 1, "hold_s": 1800}},
        "clear_hold_s": 600,
    }
    rules = resolve(Hazard.WATER_LEVEL, ("level",), 60.0, {"blocked": blocked})
    engine = Engine()
    engine.configure([DeviceRules("d", {name: rules[name] for name in ("water_depth", "blocked")}, ("level",))])
    depths = np.array(known(60.0) + [0.6] * 120 + [0.0] * 60)
    ts = START + 60_000 * np.arange(len(depths))
    changes = engine.step(Columns.of(engine.channel("d", "level"), ts, depths))
    assert [(change.rule, change.verb) for change in changes] == [("blocked", Verb.RAISED), ("blocked", Verb.CLEARED)]
    assert changes[0].hazard is Hazard.DEVICE
    assert changes[0].at - START >= (25 + 30) * 60_000


@pytest.mark.parametrize("cadence_s", [10.0, 60.0])
def test_a_deep_box_at_a_sensor_just_put_up_is_suspect_within_a_minute_then_mild_and_stays(cadence_s):
    changes = alarms([0.0] * 6 + [0.45] * round(3600 / cadence_s), cadence_s)
    first = raised(changes)[0]
    assert first.level is Level.I
    assert first.suspect
    assert first.at - (START + 6 * cadence_s * 1000) <= 60_000
    assert [change.verb for change in changes[1:]] == [Verb.DEESCALATED]
    assert changes[-1].level is Level.IV


@pytest.mark.parametrize("cadence_s", [10.0, 60.0])
def test_water_that_came_up_in_one_step_is_told_as_soon_as_it_moves(cadence_s):
    minutes = np.arange(0, 60, cadence_s / 60)
    drains = (0.5 * np.exp(-minutes / 20)).tolist()
    found = raised(alarms(known(cadence_s) + drains + DRY * 6, cadence_s))
    assert len(found) == 1
    assert found[0].level is Level.II or found[0].level is Level.I
    assert found[0].at - (START + len(known(cadence_s)) * cadence_s * 1000) <= 5 * 60_000


def test_torrents_make_a_sudden_deep_level_an_alarm_at_once():
    depths = known(60.0) + [0.45] * 5
    dry, wet = (believed(depths, rain_mm_h=[rain] * len(depths)) for rain in (0.0, 40.0))
    assert dry.value[-5:].max() < 0.025
    assert wet.value[-5:-3].max() > 0.4
    assert wet.doubt[-5]


def test_pulses_that_follow_without_a_dry_reading_are_nothing():
    chain = [0.05, 0.35, 0.08, 0.26, 0.54, 0.58, 0.55, 0.03, 0.37, 0.3, 0.06]
    assert raised(alarms(known(60.0) + chain + DRY)) == []


def test_an_event_goes_on_through_a_gap_in_the_readings():
    flood = np.interp(np.arange(90), [0, 10, 40, 80, 90], [0, 0.2, 0.25, 0.04, 0])
    times = np.concatenate((np.arange(60), 60 + np.r_[0:20, 45:90], 150 + np.arange(40)))
    depths = np.concatenate((np.zeros(60), flood[np.r_[0:20, 45:90]], np.zeros(40)))
    rules = resolve(Hazard.WATER_LEVEL, ("level",), 60.0)
    engine = Engine()
    engine.configure([DeviceRules("d", {"water_depth": rules["water_depth"]}, ("level",), cadence_s=60.0)])
    changes = engine.step(Columns.of(engine.channel("d", "level"), START + 60_000 * times.astype(np.int64), depths))
    assert [change.verb for change in changes if change.verb in (Verb.RAISED, Verb.CLEARED)] == [
        Verb.RAISED,
        Verb.CLEARED,
    ]
    assert changes[-1].evidence["wet_s"] == pytest.approx(88 * 60, abs=180)
    assert changes[-1].evidence["peak_m"] == pytest.approx(0.225, abs=0.003)  # the highest that was heard


def test_the_first_reading_counts_though_it_was_in_doubt():
    """A quality test doubts the first reading of a sudden flood; what comes after bears it out."""
    depths = [0.0] * 10 + [0.30, 0.26, 0.22, 0.18, 0.14, 0.10, 0.06, 0.02, 0.0, 0.0, 0.0, 0.0]
    for cadence_s in (300.0, 900.0):
        signal = believed(depths, cadence_s, bad=[10])
        assert signal.evidence["onset_ms"][-1] == START + 10 * cadence_s * 1000
        assert signal.evidence["peak_m"][-1] == pytest.approx(0.30, abs=0.005)
        assert signal.evidence["wet_s"][-1] == 7 * cadence_s


def test_a_sharp_peak_of_a_slow_gauge_is_the_peak():
    signal = believed([0.0] * 10 + [0.08, 0.16, 0.25, 0.18, 0.12, 0.06, 0.02, 0.0, 0.0], 300.0)
    assert signal.evidence["peak_m"][-1] == pytest.approx(0.25, abs=0.003)


def test_drift_is_learnt_and_a_flood_upon_it_still_found():
    drifting = np.linspace(0.0, 0.045, 5 * 24 * 4)  # five days of quarter hours
    level = drifting.copy()
    assert raised(alarms(level, 900.0)) == []
    level[-20:-10] += 0.08
    assert len(raised(alarms(level, 900.0))) == 1


def test_noise_is_not_water():
    rng = np.random.default_rng(3)
    noisy = np.clip(0.015 * rng.standard_normal(600), 0, None)
    assert raised(alarms(noisy)) == []


def test_rain_or_a_wet_neighbour_make_shallow_water_believed_sooner():
    flood = [0.0] * 20 + [0.01, 0.02, 0.03, 0.03, 0.04, 0.04, 0.04, 0.04]

    def when(**others):
        return int(np.argmax(believed(flood, **others).value > 0))

    count = len(flood)
    alone = when()
    assert when(rain_mm=np.linspace(0, 6, count)) < alone
    assert when(rain_mm_h=[20.0] * count) < alone
    assert when(neighbour=[0.05] * count) < alone


def test_a_gauge_slower_than_the_verification_is_believed_at_its_second_wet_word():
    signal = believed([0.0, 0.0, 0.1, 0.12, 0.1], 600.0)
    assert signal.value.tolist() == pytest.approx([0, 0, 0, 0.12, 0.1], abs=0.001)


@pytest.mark.parametrize("seed", range(12))
def test_a_flood_of_any_shape_is_one_alarm(seed):
    rng = np.random.default_rng(seed)
    while True:
        depth, _ = pulse(np.arange(0, 30_000, 60.0), rng)
        if np.diff(np.flatnonzero(depth >= 0.01)).max(initial=0) <= 15:
            break  # longer dry between two peaks it is two floods
    changes = alarms([0.0] * 20 + np.round(depth, 3).tolist() + [0.0] * 60)
    assert len(raised(changes)) == 1
    assert changes[-1].verb is Verb.CLEARED
    assert changes[-1].evidence["peak_m"] == pytest.approx(depth.max(), rel=0.05, abs=0.003)


def test_a_declaration_that_cannot_be_names_its_key():
    with pytest.raises(parts.DeclarationError, match=r"water\.believe_m"):
        ponding.parse("water", {"believe_m": 0.5}, 10.0)
    with pytest.raises(parts.DeclarationError, match=r"water\.window_s"):
        ponding.parse("water", {"window_s": 120, "persist_s": 180}, 10.0)
