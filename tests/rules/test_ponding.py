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


def believed(depths, cadence_s=60.0, **others):
    """The signal over readings of one sensor, and its evidence."""
    options = ponding.parse("water", {}, cadence_s)
    chosen = np.zeros(1, dtype=ponding.SETTINGS)
    assert ponding.settings(options, {}, chosen[0]) is None
    memory = np.zeros(1, dtype=ponding.MEMORY)
    memory[0] = ponding.blank()
    at = [START + round(number * cadence_s * 1000) for number in range(len(depths))]
    readings = {"level": list(zip(at, depths, strict=True))}
    readings |= {name: list(zip(at, values, strict=True)) for name, values in others.items()}
    return ponding.signal(PlainFrame(ponding.inputs(options), readings), chosen, memory)


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


def test_a_deep_box_is_a_suspect_alarm_within_a_minute_falls_to_the_mildest_level_and_stays():
    for cadence_s in (10.0, 60.0):
        count = round(3600 / cadence_s)
        changes = alarms([0.0] * 20 + [0.45] * count, cadence_s)
        first = raised(changes)[0]
        assert first.level is Level.I
        assert first.suspect
        assert first.at - (START + 20 * cadence_s * 1000) <= 60_000
        if cadence_s == 60.0:
            assert changes[-1].verb is Verb.DEESCALATED
            assert changes[-1].level is Level.IV
    assert all(change.verb is not Verb.CLEARED for change in changes)


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
