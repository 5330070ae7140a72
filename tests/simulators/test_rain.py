"""Rain to stage: DOMAIN D2's figures for storms of given return periods."""

import pytest

from simulators.rain import STEP_S, Pump, PumpState, Storm, Underpass, design_intensity_mm_h


def run(years: float, hours: float = 4, trip_at_s: float | None = None) -> tuple[float, float, float | None]:
    """Deepest cm, fastest cm/min, minute at which 25 cm was reached."""
    bowl = Underpass([Storm(1200, years)])
    deepest = fastest = 0.0
    closed = None
    for step in range(1, int(hours * 3600 / STEP_S)):
        now = step * STEP_S
        if trip_at_s is not None and now >= trip_at_s:
            bowl.trip()
        bowl.step(now)
        deepest, fastest = max(deepest, 100 * bowl.depth_m()), max(fastest, bowl.rate_cm_min)
        if closed is None and bowl.depth_m() >= 0.25:
            closed = now / 60
    return deepest, fastest, closed


@pytest.mark.parametrize(("years", "depth_cm"), [(1, 0), (3, 21), (5, 29), (10, 39), (20, 48), (50, 59)])
def test_return_periods_give_the_published_depths(years: float, depth_cm: float) -> None:
    deepest, fastest, _ = run(years)
    assert deepest == pytest.approx(depth_cm, abs=2)
    if depth_cm > 20:
        assert 1.5 <= fastest <= 3.3


def test_25_cm_is_reached_sooner_in_a_heavier_storm_and_after_the_peak() -> None:
    minutes = [run(years)[2] for years in (5, 10, 20, 50)]
    assert all(minute is not None and 68 <= minute <= 90 for minute in minutes)
    assert minutes == sorted(minutes, reverse=True)


def test_design_intensities_are_shanghais() -> None:
    found = [round(design_intensity_mm_h(minutes, 1)) for minutes in (5, 15, 30, 60)]
    assert found == pytest.approx([113, 76, 54, 37], abs=1)


def test_the_storm_rains_as_much_as_its_design_intensity_says() -> None:
    storm = Storm(0, 10)
    fallen = sum(storm.intensity_mm_h(second) / 3600 for second in range(7200))
    assert fallen == pytest.approx(2 * design_intensity_mm_h(120, 10), rel=0.05)
    assert storm.intensity_mm_h(storm.peak_s) == max(storm.intensity_mm_h(second) for second in range(0, 7200, 10))


def test_tripped_pumps_make_it_deeper_and_restored_ones_empty_it() -> None:
    assert run(5, trip_at_s=3600)[0] > run(5)[0] + 10
    bowl = Underpass([], bowl_m3=80.0)
    bowl.trip()
    bowl.step(5)
    full = bowl.depth_m()
    assert full > 0.1
    bowl.restore(0.2)
    for step in range(2, 400):
        bowl.step(step * STEP_S)
    assert bowl.depth_m() == 0


def test_pump_states() -> None:
    flows = [Pump(1.0, state).flow() for state in (PumpState.ON, PumpState.OFF, PumpState.TRIPPED, PumpState.BLOCKED)]
    assert flows == [1.0, 0.0, 0.0, 0.15]
    assert Pump(1.0, outfall_submerged=True).flow() == 0.3
