"""Kind `frequency`: temperature taken out, a drop found early, what is no panel not believed."""

import numpy as np
import pytest
from one_panel import DAY, HOUR, START, hourly, signal_of

from rules.kinds import frequency
from rules.kinds.frequency import plate_hz
from rules.parts import DeclarationError
from simulators.batch import facade
from simulators.batch.facade import FacadePlan

BASE = {"baseline_frequency_hz": 20.0}
LEARN = {"learn_days": 2, "learn_least": 10, "lag_s": 0}


def panel(hours, rng, lost=0.0, per_k=-0.002, scatter=0.003):
    """Temperature of the glass, and the frequency that goes with it; `lost` from half time on."""
    hour = np.arange(hours)
    celsius = 15 + 10 * np.sin(hour / 24 * 2 * np.pi) + 0.02 * hour
    drop = np.where(hour >= hours // 2, lost, 0.0)
    value = 20.0 * (1 + per_k * (celsius - 20)) * (1 - drop) * (1 + scatter * rng.standard_normal(hours))
    return {"frequency": hourly(value), "surface_temperature": hourly(celsius)}


@pytest.mark.parametrize(
    ("size", "thickness", "supported", "clamped"),
    [
        ((1.2, 1.5), 6, 17.1, 31.6),
        ((1.2, 2.0), 8, 18.9, 36.5),
        ((1.5, 2.4), 10, 15.4, 29.6),
        ((1.5, 3.0), 12, 16.6, 33.3),
    ],
)
def test_plates_are_those_of_the_handbook(size, thickness, supported, clamped):
    f_ss, f_cc = plate_hz(*size, [thickness / 1000])
    assert f_ss == pytest.approx(supported, rel=5e-3)
    assert f_cc == pytest.approx(clamped, rel=5e-3)
    # a square clamped plate: λ² = 35.99
    rigidity = 72e9 * 0.01**3 / 12 / (1 - 0.22**2)
    assert plate_hz(1, 1, [0.01])[1] / np.sqrt(rigidity / 25) * 2 * np.pi == pytest.approx(35.99, rel=5e-3)


def test_two_panes_without_composite_action_move_as_one():
    assert plate_hz(1.5, 2.4, [0.006, 0.006]) == pytest.approx(plate_hz(1.5, 2.4, [0.006]))


def test_temperature_is_learnt_and_no_drop_is_seen_in_the_heat():
    rng = np.random.default_rng(1)
    sound = signal_of(frequency, panel(400, rng), **LEARN)
    learnt = sound.evidence["compensated"] == 1
    assert learnt[60:].all()
    assert not learnt[:47].any()
    assert np.nanmin(sound.value[60:]) > -1.5
    raw = signal_of(frequency, panel(400, np.random.default_rng(1)), BASE, **{**LEARN, "learn_days": 1000})
    assert not raw.evidence["compensated"].any()


def test_a_drop_of_five_percent_is_told_in_half_a_day_and_its_size_is_right():
    signal = signal_of(frequency, panel(400, np.random.default_rng(2), lost=0.05), **LEARN)
    told = np.flatnonzero(signal.value <= -4.5)
    assert 200 < told[0] <= 212
    assert np.median(signal.value[220:]) == pytest.approx(-5.0, abs=0.4)
    assert np.nanmin(signal.value[50:200]) > -1.5


def test_what_loosens_slowly_does_not_teach_that_it_is_normal():
    """Frozen after the first days: a percent a week is all there after eight."""
    readings = panel(8 * 168, np.random.default_rng(3))
    readings["frequency"] = [(ts, value * (1 - 0.01 * (ts - START) / (7 * DAY))) for ts, value in readings["frequency"]]
    signal = signal_of(frequency, readings, **LEARN)
    assert np.median(signal.value[-24:]) == pytest.approx(-8, abs=0.7)
    again = signal_of(frequency, readings, {"baseline_since": (START + 50 * DAY) / 1000}, **LEARN)
    assert np.nanmin(again.value[-72:]) > -2, "a person had it learnt anew"


def test_before_it_is_learnt_what_temperature_may_do_is_forgiven():
    warm = {"frequency": hourly([18.4] * 12), "surface_temperature": hourly([40.0] * 12)}
    signal = signal_of(frequency, warm, BASE)
    assert signal.value.tolist()[3:] == pytest.approx([0.0] * 9, abs=1.1)  # 8 percent, of which 7 are forgiven
    loose = {"frequency": hourly([16.0] * 12), "surface_temperature": hourly([40.0] * 12)}
    signal = signal_of(frequency, loose, BASE)
    assert signal.value[-1] == pytest.approx(-13.0)
    assert signal.evidence["compensated"][-1] == 0
    assert np.isnan(signal_of(frequency, loose).value).all(), "nothing to judge against"


def test_a_support_weaker_than_simple_needs_no_baseline():
    glass = {"panel_a_m": 1.5, "panel_b_m": 2.4, "glass_mm": 10.0}
    loose = {"frequency": hourly([14.5] * 12), "surface_temperature": hourly([15.0] * 12)}
    assert signal_of(frequency, loose, glass).value[-1] == frequency.GONE
    sound = {"frequency": hourly([21.0] * 12), "surface_temperature": hourly([15.0] * 12)}
    signal = signal_of(frequency, sound, glass)
    assert np.nanmin(signal.value) == 0
    assert signal.evidence["fixity"][-1] >= 0


def test_no_estimate_is_no_number():
    readings = panel(300, np.random.default_rng(4))
    poor = [(ts, 3.0 if number > 150 else 20.0) for number, (ts, _) in enumerate(readings["frequency"])]
    low = [(ts, 0.5 * value) for ts, value in readings["frequency"]]
    mixed = readings["frequency"][:151] + low[151:]
    signal = signal_of(frequency, {**readings, "frequency": mixed, "prominence": poor}, **LEARN)
    assert np.isnan(signal.value[151:]).all()
    quiet = [(ts, 0.001 if number > 150 else 0.1) for number, (ts, _) in enumerate(readings["frequency"])]
    signal = signal_of(frequency, {**readings, "frequency": mixed, "rms": quiet}, {"noise_rms": 0.002}, **LEARN)
    assert np.isnan(signal.value[151:]).all()


@pytest.mark.parametrize("line", [0.2, 5.0, 24.5, 49.0])
def test_sway_and_machines_are_not_picked_as_the_panel(line):
    readings = panel(300, np.random.default_rng(5))
    values = [(ts, line if number >= 200 else value) for number, (ts, value) in enumerate(readings["frequency"])]
    signal = signal_of(frequency, {**readings, "frequency": values}, **LEARN)
    assert np.isnan(signal.value[200:]).all()


def test_repaired_is_repaired():
    readings = panel(600, np.random.default_rng(6), lost=0.1)
    values = [(ts, value / 0.9 if number >= 500 else value) for number, (ts, value) in enumerate(readings["frequency"])]
    signal = signal_of(frequency, {**readings, "frequency": values}, **LEARN)
    assert np.median(signal.value[310:500]) == pytest.approx(-10, abs=0.5)
    assert (signal.value[510:] > -1.5).all()
    assert signal.evidence["cusum"][525:].max() < 12


def test_a_doubted_reading_speaks_for_itself_and_teaches_nothing():
    readings = panel(300, np.random.default_rng(7))
    values = [(ts, 14.0 if number == 250 else value) for number, (ts, value) in enumerate(readings["frequency"])]
    doubted = signal_of(frequency, {**readings, "frequency": values}, bad=[250], **LEARN)
    assert doubted.value[250] < -20
    assert (doubted.value[251:] > -1.5).all()


def test_cuts_change_nothing():
    readings = panel(300, np.random.default_rng(8), lost=0.04)
    whole = signal_of(frequency, readings, BASE, bad=[90, 91, 200], **LEARN)
    cut = signal_of(frequency, readings, BASE, bad=[90, 91, 200], cuts=[1, 2, 47, 48, 49, 50, 160, 290], **LEARN)
    np.testing.assert_array_equal(whole.value, cut.value)
    for name, values in whole.evidence.items():
        np.testing.assert_array_equal(values, cut.evidence[name], err_msg=name)


def test_the_cusum_is_the_recursion_of_the_books():
    rng = np.random.default_rng(9)
    signal = signal_of(frequency, panel(400, rng, lost=0.012), **LEARN)
    start = int(np.flatnonzero(signal.evidence["compensated"] == 1)[0])
    s, told = 0.0, signal.evidence["cusum"]
    rising = np.flatnonzero(told > 12)
    assert len(rising)
    # while it rises without a break, S gains at most clip − drift an estimate
    assert np.diff(told[start:]).max() <= 3.25 + 1e-9
    assert told.min() >= s


def test_a_building_in_a_year_of_weather_is_quiet_and_its_losses_are_found():
    """The panels of the simulator, in the harness's own words: 4 panel-years sound, 8 drops of 5 percent."""
    for loosening, days in ((0.0, 365), (1.0, 100)):
        plan = FacadePlan(
            buildings=1, panels=4 if not loosening else 8, days=days, loosening=loosening, modes={"sudden": 1.0},
            drop_percent=(5.0, 5.0), seed=31,
        )  # fmt: skip
        recording = next(facade.months(plan))
        found = 0
        for device in recording.devices:
            readings = {
                name: list(zip(*(each.tolist() for each in recording.series(device.id, name)), strict=True))
                for name in ("frequency", "surface_temperature", "prominence")
            }
            signal = _quick(readings, device.parameters)
            times = np.array([ts for ts, _ in readings["frequency"]])
            event = next((event for event in recording.events if device.id in event.devices), None)
            before = times < (event.onset if event else recording.end)
            assert np.nanmin(signal[before]) > -4.5
            if event:
                hits = times[(signal <= -4.5) & ~before]
                found += bool(len(hits)) and hits[0] - event.onset <= 24 * HOUR
        assert found == (8 if loosening else 0)


def _quick(readings, parameters):
    """As `signal_of`, where what stands beside a reading has its time."""
    options = frequency.parse("rule", {"lag_s": 0}, 3600.0)
    settings = np.zeros(1, dtype=frequency.SETTINGS)
    frequency.settings(options, parameters, settings[0])
    memory = np.zeros(1, dtype=frequency.MEMORY)
    memory[0] = frequency.blank()
    beside = {name: dict(values) for name, values in readings.items()}

    class Frame:
        ts = np.array([ts for ts, _ in readings["frequency"]])
        value = np.array([value for _, value in readings["frequency"]])
        slot = setting = np.zeros(len(ts), dtype=np.int64)
        first = np.arange(len(ts)) == 0
        bad = np.zeros(len(ts), dtype=bool)
        usable = ~bad

        def latest(self, name):
            return np.array([beside.get(name, {}).get(ts, np.nan) for ts in self.ts.tolist()]), self.ts

    return frequency.signal(Frame(), settings, memory).value


def test_errors_name_the_key():
    with pytest.raises(DeclarationError, match=r"shift\.estimates"):
        frequency.parse("shift", {"estimates": 0}, 60)
    with pytest.raises(DeclarationError, match=r"shift\.trip"):
        frequency.parse("shift", {"trip": "much"}, 60)
