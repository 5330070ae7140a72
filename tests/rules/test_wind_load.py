"""Kind `wind_load`: GB 50009-2012."""

import numpy as np
import pytest
from one_panel import hourly, signal_of

from rules.kinds import wind_load
from rules.kinds.wind_load import characteristic_kpa, local_shape, sealant_stress_mpa
from rules.parts import DeclarationError

SHANGHAI = {"basic_pressure_kpa": 0.55, "height_m": 100.0}


@pytest.mark.parametrize(("height", "kpa"), [(10, 1.17), (30, 1.48), (50, 1.76), (100, 2.23), (150, 2.57)])
def test_the_characteristic_load_of_shanghai(height, kpa):
    assert characteristic_kpa(0.55, height, 2, corner=True) == pytest.approx(kpa, abs=0.006)


def test_below_the_floor_of_a_terrain_nothing_falls_further():
    assert characteristic_kpa(0.5, 5, 3, corner=False) == characteristic_kpa(0.5, 30, 3, corner=False)


def test_a_basic_pressure_is_never_below_the_least_of_the_code():
    assert characteristic_kpa(0.1, 50, 1, corner=False) == characteristic_kpa(0.3, 50, 1, corner=False)


def test_a_large_area_lowers_the_local_shape_factor():
    assert [local_shape(corner=True, area_m2=area) for area in (0, 1, 25, 400)] == pytest.approx(
        [1.6, 1.6, 1.32, 1.32], abs=1e-3
    )


def test_sealant_stress():
    assert sealant_stress_mpa(2.23, 1.5, 12) == pytest.approx(0.139, abs=5e-4)


@pytest.mark.parametrize("wind_is", wind_load.WIND_IS)
def test_at_the_wind_of_the_code_the_share_is_one(wind_is):
    """The basic pressure is that of a ten-minute mean at 10 m; before the panel and in a gust it blows harder."""
    mean = np.sqrt(0.55 * 1600)
    gust, profile = wind_load.gust_factor(100, 2), wind_load.height_factor(100, 2)
    speed = {"mean_10m": mean, "gust_10m": mean * np.sqrt(gust), "mean_here": mean * np.sqrt(profile),
             "gust_here": mean * np.sqrt(gust * profile)}[wind_is]  # fmt: skip
    signal = signal_of(wind_load, {"wind": hourly([0.0, speed / 2, speed])}, SHANGHAI, wind_is=wind_is)
    assert signal.value == pytest.approx([0, 0.25, 1.0])
    assert signal.evidence["wind_kpa"][-1] == pytest.approx(2.232, abs=0.002)


def test_the_sealant_stands_in_the_evidence():
    panel = {**SHANGHAI, "panel_a_m": 1.5, "sealant_bite_mm": 12.0}
    assert signal_of(wind_load, {"wind": hourly([29.67])}, panel).evidence["sealant_mpa"][0] == pytest.approx(
        0.139, abs=1e-3
    )


def test_without_a_basic_pressure_nothing_is_judged():
    assert np.isnan(signal_of(wind_load, {"wind": hourly([60.0])}).value).all()
    declared = signal_of(wind_load, {"wind": hourly([np.sqrt(480.0)])}, basic_pressure_kpa=0.3)
    assert declared.value == pytest.approx([1.0])


def test_what_is_missing_is_named():
    row = np.zeros(1, dtype=wind_load.SETTINGS)[0]
    options = wind_load.parse("w", {"wind_is": "gust_here"}, 60)
    assert "height_m" in wind_load.settings(options, {"basic_pressure_kpa": 0.5}, row)
    assert "terrain" in wind_load.settings(options, {**SHANGHAI, "terrain": 7}, row)
    with pytest.raises(DeclarationError, match=r"w\.wind_is"):
        wind_load.parse("w", {"wind_is": "somewhere"}, 60)
