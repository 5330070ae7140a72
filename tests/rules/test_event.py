"""A device's own word: up until it says otherwise, worse by time alone, one episode however often it is said."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.columns import Columns
from rules.declaration import DeclarationError, parse
from rules.engine import DeviceRules, Engine
from wire.alert import Hazard
from wire.level import Level

START = 1_780_000_000_000
ALARM = {"kind": "event", "point": "alarm", "levels": {"III": {}, "II": {}}}


def engine_of(text=ALARM, settle_s=0.0):
    engine = Engine(settle_s=settle_s)
    rules = {"flag": parse("flag", text, Hazard.SMOKE, 10.0)}
    engine.configure([DeviceRules("a", rules, ("alarm",))])
    return engine


def say(engine, *readings, exercise=None, flag=None, lag=0):
    """(second, value) in order of arrival."""
    channel = engine.channel("a", "alarm", exercise)
    ts = [START + round(1000 * second) for second, _ in readings]
    columns = Columns.of(channel, ts, [value for _, value in readings], [each + 1000 * lag for each in ts], flag)
    return short(engine.step(columns))


def tick(engine, second, name="real", **more):
    return short(engine.tick({name: START + round(1000 * second)}, **more))


def short(changes):
    return [(str(each.verb), each.level, (each.at - START) / 1000, each.suspect) for each in changes]


def test_it_is_told_at_once_and_is_worse_after_a_minute_without_another_word():
    engine = engine_of()
    assert say(engine, (0, 0), (10, 1)) == [("raised", Level.III, 10, False)]
    assert tick(engine, 69.9) == []
    assert tick(engine, 71) == [("escalated", Level.II, 70, False)]
    assert tick(engine, 86_400) == []


def test_a_device_that_burns_and_an_edge_that_is_deaf_make_no_difference():
    engine = engine_of()
    say(engine, (10, 1))
    assert tick(engine, 70, deaf=True) == [("escalated", Level.II, 70, False)]


def test_a_zero_ends_it_before_it_is_worse():
    engine = engine_of()
    assert say(engine, (0, 1), (59, 0)) == [("raised", Level.III, 0, False), ("cleared", None, 59, False)]
    assert tick(engine, 600) == []


def test_repeated_words_are_one_episode_and_may_themselves_bring_the_minute_about():
    engine = engine_of()
    assert say(engine, (0, 1), (30, 1), (3630, 1)) == [
        ("raised", Level.III, 0, False), ("escalated", Level.II, 3630, False)
    ]  # fmt: skip
    assert say(engine, (3700, 1), (3700, 1), (4000, 0)) == [("cleared", None, 4000, False)]


def test_a_clear_hold_after_a_zero_passes_by_time():
    engine = engine_of(ALARM | {"clear_hold_s": 300})
    say(engine, (0, 1), (20, 0))
    assert tick(engine, 319) == []
    assert tick(engine, 330) == [("cleared", None, 320, False)]
    assert say(engine, (400, 1)) == [("raised", Level.III, 400, False)]
    assert tick(engine, 461) == [("escalated", Level.II, 460, False)]


def test_a_word_in_the_clear_hold_goes_on_with_the_episode():
    engine = engine_of(ALARM | {"clear_hold_s": 300})
    say(engine, (0, 1), (20, 0), (30, 1))
    assert tick(engine, 3600) == [("escalated", Level.II, 90, False)]


def test_without_an_end_it_is_on_for_ever_and_with_one_it_ends_by_itself():
    assert tick(engine_of(), 1e7) == []
    forever = engine_of()
    say(forever, (0, 1))
    assert tick(forever, 1e7) == [("escalated", Level.II, 60, False)]
    short_lived = engine_of(ALARM | {"levels": {"IV": {}}, "ends_after_s": 600})
    say(short_lived, (0, 1), (100, 1))
    assert tick(short_lived, 699) == []
    assert tick(short_lived, 701) == [("cleared", None, 700, False)]
    assert tick(short_lived, 5000) == []
    assert say(short_lived, (800, 1)) == [("raised", Level.IV, 800, False)]


def test_the_minute_runs_from_the_arrival_because_nobody_could_act_before():
    engine = engine_of()
    say(engine, (0, 1), lag=25)
    assert tick(engine, 84) == []
    assert tick(engine, 86) == [("escalated", Level.II, 85, False)]


def test_a_doubtful_word_is_suspect_then_and_later():
    engine = engine_of()
    assert say(engine, (0, 1), flag=[4]) == [("raised", Level.III, 0, True)]
    assert tick(engine, 61) == [("escalated", Level.II, 60, True)]


def test_a_call_point_is_red_at_once_and_steps_may_have_times_of_their_own():
    assert say(engine_of(ALARM | {"levels": {"I": {}}}), (0, 1)) == [("raised", Level.I, 0, False)]
    engine = engine_of(ALARM | {"levels": {"IV": {}, "III": {}, "II": {"after_s": 300}}, "escalate_s": 30})
    say(engine, (0, 1))
    assert tick(engine, 31) == [("escalated", Level.III, 30, False)]
    assert tick(engine, 301) == [("escalated", Level.II, 300, False)]


def test_a_wire_says_zero_when_it_breaks():
    engine = engine_of({"kind": "event", "point": "alarm", "direction": "below", "levels": {"I": {}}})
    assert say(engine, (0, 1), (5, 0), (9, 1)) == [("raised", Level.I, 5, False), ("cleared", None, 9, False)]


def test_a_late_word_raises_and_does_not_end():
    engine = engine_of()
    assert say(engine, (100, 0), (50, 1)) == [("raised", Level.III, 50, False)]
    assert say(engine, (40, 0)) == []
    assert say(engine, (110, 0)) == [("cleared", None, 110, False)]


def test_an_exercise_has_its_own_clock():
    engine = engine_of()
    say(engine, (0, 1), exercise="drl-1")
    assert tick(engine, 500) == []
    assert tick(engine, 61, "drl-1") == [("escalated", Level.II, 60, False)]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"levels": {}}, "flag.levels"),
        ({"levels": {"III": {"enter": 1}}}, "flag.levels.III.enter"),
        ({"levels": {"III": {"after_s": 60}, "II": {"after_s": 0}}}, "flag.levels.II.after_s"),
        ({"ends_after_s": 0}, "flag.ends_after_s"),
        ({"escalate_s": -1}, "flag.escalate_s"),
        ({"at": "up"}, "flag.at"),
        ({"point": None}, "flag.point"),
        ({"hold_s": 3}, "flag.hold_s"),
    ],
)
def test_errors_name_the_key(change, where):
    with pytest.raises(DeclarationError) as error:
        parse("flag", ALARM | change, Hazard.SMOKE)
    assert error.value.where == where


STEP = st.tuples(st.sampled_from([0, 1, 1, 5, 20, 61, -3, -40]), st.sampled_from([0, 1, 1]), st.booleans())


@settings(max_examples=150, deadline=None)
@given(
    stream=st.lists(STEP, min_size=1, max_size=40),
    ends=st.sampled_from([None, 10.0, 90.0]),
    clear=st.sampled_from([0.0, 15.0]),
    restart=st.booleans(),
)
def test_readings_one_by_one_or_together_and_restarts_come_to_the_same(stream, ends, clear, restart):
    """Ticks stand where they stood; between two of them the cut makes no difference."""
    text = ALARM | {"ends_after_s": ends, "clear_hold_s": clear} if ends else ALARM | {"clear_hold_s": clear}
    now, whole, parts = 0, engine_of(text), engine_of(text)
    journal, batch, expected, found = {}, [], [], []
    for step, value, ticks in stream:
        batch.append((now + step, value))
        now = max(now, now + step)
        if not ticks:
            continue
        expected += say(whole, *batch) + tick(whole, now)
        for reading in batch:
            found += say(parts, reading)
            journal.update(parts.dirty())
            if restart:
                parts = engine_of(text)
                parts.restore(journal)
        found += tick(parts, now)
        batch = []
    assert found == expected


@settings(max_examples=100, deadline=None)
@given(stream=st.lists(STEP.filter(lambda each: each[0] >= 0), min_size=1, max_size=30), again=st.integers(1, 3))
def test_words_that_come_again_change_nothing(stream, again):
    once, twice = engine_of(), engine_of()
    times = list(itertools.accumulate(step for step, _, _ in stream))
    readings = [(at, value) for at, (_, value, _) in zip(times, stream, strict=True)]
    assert say(once, *readings) == say(twice, *(each for each in readings for _ in range(again)))
    assert tick(once, times[-1] + 60) == tick(twice, times[-1] + 60)
