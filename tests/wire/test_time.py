"""Instants as devices write them, and timelines: scenario time of wall time and back."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.time import LAST_MS, REAL, Segment, Timeline, format_instant, parse_instant, to_datetime, to_ms

T0 = 1_795_329_171_250  # 2026-11-22T06:32:51.250Z


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-22T06:32:51.250Z",
        "2026-11-22T14:32:51.250+08:00",
        "2026-11-22T14:32:51.25+08:00",
        "20261122T063251.250Z",
        T0,
        float(T0),
    ],
)
def test_the_same_instant_in_every_form_that_devices_write(written):
    assert parse_instant(written) == T0


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-22T06:32:51.250",  # zone-less: whose time would it be?
        "2026-11-22",
        "yesterday",
        "",
        "2026-13-01T00:00:00Z",
        True,
        None,
        [],
        {},
        -1,
        LAST_MS + 1,
        float("nan"),
        float("inf"),
        float("-inf"),
    ],
)
def test_what_is_no_instant_says_so(written):
    with pytest.raises(ValueError, match=r"instant|offset|neither"):
        parse_instant(written)


def test_a_long_text_is_cut_in_the_message():
    with pytest.raises(ValueError, match="instant") as caught:
        parse_instant("x" * 5000)
    assert len(str(caught.value)) < 120


@given(st.integers(min_value=0, max_value=LAST_MS))
def test_format_then_parse_gives_the_same_millisecond(ms):
    assert parse_instant(format_instant(ms)) == ms


@given(st.integers(min_value=0, max_value=LAST_MS))
def test_datetime_then_ms_gives_the_same_millisecond(ms):
    assert to_ms(to_datetime(ms)) == ms
    assert to_datetime(ms).tzinfo is UTC


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001  zone comes below
    st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_the_offset_does_not_change_the_instant(naive, minutes):
    aware = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert abs(parse_instant(aware.isoformat()) - aware.timestamp() * 1000) <= 0.51


@given(st.text(max_size=40))
def test_no_text_makes_parse_instant_raise_anything_but_value_error(text):
    with contextlib.suppress(ValueError):
        parse_instant(text)


def test_the_real_timeline_is_wall_time():
    real = Timeline()
    assert real.name == REAL
    assert real.scenario(T0) == T0
    assert real.wall(T0) == T0
    assert real.rate(T0) == 1.0


def test_before_its_first_segment_a_timeline_stands_still():
    drill = Timeline("drl-1", (Segment(wall_ms=10_000, scenario_ms=500_000, rate=4),))
    assert drill.scenario(3_000) == 500_000
    assert drill.rate(3_000) == 0.0
    assert drill.scenario(11_000) == 504_000
    assert drill.rate(11_000) == 4.0


def test_a_pause_holds_the_clock_and_resuming_goes_on_from_there():
    drill = Timeline("drl-1", (Segment(0, 0, 2.0), Segment(10_000, 20_000, 0.0), Segment(60_000, 20_000, 1.0)))
    assert drill.scenario(9_999) == 19_998
    assert drill.scenario(10_000) == drill.scenario(59_999) == 20_000
    assert drill.rate(30_000) == 0.0
    assert drill.scenario(61_000) == 21_000
    assert drill.wall(20_000) == 10_000, "the first wall time at which the clock showed it"
    assert drill.wall(20_001) == 60_001


def test_a_jump_ahead_is_reached_at_the_moment_of_the_jump():
    drill = Timeline("drl-1", (Segment(0, 0, 1.0), Segment(5_000, 3_600_000, 1.0)))
    assert drill.scenario(4_999) == 4_999
    assert drill.scenario(5_000) == 3_600_000
    assert drill.wall(1_000_000) == 5_000, "skipped scenario time counts as passed when the clock jumps"
    assert drill.wall(3_600_500) == 5_500


def test_a_time_that_a_paused_clock_never_shows_has_no_wall_time():
    paused = Timeline("drl-1", (Segment(0, 0, 1.0), Segment(1_000, 1_000, 0.0)))
    assert paused.wall(1_000) == 1_000
    assert paused.wall(1_001) is None


def test_a_demo_at_sixty_times():
    demo = Timeline("demo", (Segment(T0, T0, 60.0),))
    assert demo.scenario(T0 + 1_000) == T0 + 60_000
    assert demo.wall(T0 + 60_000) == T0 + 1_000


@st.composite
def forward_timelines(draw):
    """Clocks that pause, speed up and jump ahead, but never run backwards."""
    wall, scenario = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**6))
    segments = []
    for _ in range(draw(st.integers(1, 5))):
        rate = draw(st.sampled_from([0.0, 0.5, 1.0, 2.0, 10.0, 60.0]))
        segments.append(Segment(wall, scenario, rate))
        span = draw(st.integers(1, 10**6))
        wall += span
        scenario += round(span * rate) + draw(st.sampled_from([0, 0, 1_000, 3_600_000]))
    return Timeline("drl-1", tuple(segments))


@given(forward_timelines(), st.integers(0, 10**7), st.integers(0, 10**6))
def test_scenario_time_never_runs_backwards(timeline, wall, later):
    assert timeline.scenario(wall) <= timeline.scenario(wall + later)


@given(forward_timelines(), st.integers(0, 10**7))
def test_wall_is_the_first_moment_at_which_the_clock_shows_or_has_passed_a_time(timeline, wall_ms):
    shown = timeline.scenario(wall_ms)
    first = timeline.wall(shown)
    assert first is not None, "a time that the clock shows was reached at some moment"
    start = timeline.segments[0].wall_ms
    assert first <= max(wall_ms, start) + 1, "no later than now (one millisecond of rounding)"
    step = max(segment.rate for segment in timeline.segments)
    assert timeline.scenario(first) >= shown - step, "and then the clock showed it"


@given(forward_timelines(), st.integers(0, 10**8))
def test_the_inverse_never_names_a_moment_before_the_clock_shows_the_time(timeline, scenario_ms):
    first = timeline.wall(scenario_ms)
    if first is None:
        last = timeline.segments[-1]
        assert last.rate == 0.0
        assert timeline.scenario(last.wall_ms + 10**9) < scenario_ms
    else:
        step = max(segment.rate for segment in timeline.segments)
        assert timeline.scenario(first) >= scenario_ms - step
