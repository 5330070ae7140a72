"""Kind `rain_nowcast`: the closed forms of steady rain, and the warning it gives in simulated storms."""

import numpy as np
import pytest
from plain_frame import PlainFrame

from rules import parts
from rules.kinds import rain_nowcast
from simulators.batch import storms

START = 1_780_000_000_000


def judged(levels, rain, parameters=(), **keys):
    """One level and one total of rain a minute."""
    options = rain_nowcast.parse("rain", keys, 10.0)
    chosen = np.zeros(1, dtype=rain_nowcast.SETTINGS)
    assert rain_nowcast.settings(options, dict(parameters), chosen[0]) is None
    memory = np.zeros(1, dtype=rain_nowcast.MEMORY)
    memory[0] = rain_nowcast.blank()
    at = [START + number * 60_000 for number in range(len(levels))]
    readings = {"level": list(zip(at, levels, strict=True)), "rain": list(zip(at, rain, strict=True))}
    return rain_nowcast.signal(PlainFrame(rain_nowcast.inputs(options), readings), chosen, memory)


def steady(mm_h, minutes=60):
    return (mm_h / 60 * np.arange(minutes)).tolist()


def test_the_inflow_of_rain_is_that_of_two_reservoirs():
    minutes = 40
    signal = judged([0.0] * minutes, steady(60.0, minutes), measure="capacity")
    inflow = 0.8 * 20_000 * 60 / 3.6e6
    through = storms.nash(np.full((1, minutes * 60), inflow), np.array([480.0]), 1.0)[0]
    assert signal.evidence["rain_mm_h"][-1] == pytest.approx(60.0)
    assert signal.evidence["inflow_m3_s"][-1] == pytest.approx(through[(minutes - 1) * 60 - 1], rel=0.02)
    assert signal.value[-1] == pytest.approx(inflow / 0.25)


def test_rain_that_the_drain_takes_fills_nothing_and_more_does():
    assert judged([0.0] * 60, steady(30.0), threshold=0.25).value[-1] == rain_nowcast.LONGEST_MIN
    strong = judged([0.0] * 60, steady(120.0), threshold=0.25).value
    assert strong[-1] < 20
    assert judged([0.0] * 60, steady(160.0), threshold=0.25).value[-1] < strong[-1]


def test_the_fuller_the_bowl_the_sooner_and_the_likelier():
    minutes = [judged([level] * 60, steady(90.0), threshold=0.25).value[-1] for level in (0.0, 0.04, 0.049)]
    assert minutes == sorted(minutes, reverse=True)
    keys = {"threshold": 0.25, "measure": "probability"}
    likely = [judged([0.0] * 60, steady(mm_h), **keys).value[-1] for mm_h in (20.0, 60.0, 80.0, 150.0)]
    assert likely == sorted(likely)
    assert likely[0] < 0.05
    assert likely[-1] > 0.95


def test_a_count_that_begins_again_is_no_rain_that_ran_backwards():
    rain = steady(60.0, 30) + steady(60.0, 30)
    told = judged([0.0] * 60, rain, measure="capacity").evidence["rain_mm_h"]
    assert told[-1] == pytest.approx(60.0)
    assert told.min() >= 0


def test_intensity_instead_of_a_count_says_the_same():
    total = judged([0.0] * 60, steady(60.0), threshold=0.25).value[-1]
    rate = judged([0.0] * 60, [60.0] * 60, threshold=0.25, rain_is="intensity").value[-1]
    assert rate == pytest.approx(total, abs=0.5)


def test_without_a_word_of_the_gauge_nothing_is_said_and_past_the_threshold_neither():
    assert np.isnan(judged([0.1] * 10, [np.nan] * 10, threshold=0.25).value).all()
    assert np.isnan(judged([0.3] * 60, steady(90.0), threshold=0.25).value[-1])


def test_what_cannot_be_is_named():
    with pytest.raises(parts.DeclarationError, match=r"r\.threshold"):
        rain_nowcast.parse("r", {}, 10.0)
    options = rain_nowcast.parse("r", {"measure": "capacity"}, 10.0)
    row = np.zeros(1, dtype=rain_nowcast.SETTINGS)[0]
    assert "drain_m3_s" in rain_nowcast.settings(options, {"drain_m3_s": 0.0}, row)
