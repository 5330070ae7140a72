"""Alarm floods: more than ten in ten minutes begin one, fewer than five end it; against a plain count of everything."""

from hypothesis import given
from hypothesis import strategies as st

from rules.alarm.flood import FEWER_THAN, MORE_THAN, WINDOW_MS, Flood, Turn, announced, passed

T0 = 1_780_000_000_000


def feed(instants, flood=None):
    turns = []
    flood = flood or Flood()
    for at in instants:
        flood, turn = announced(flood, T0 + at)
        turns.append(turn)
    return flood, turns


def test_the_eleventh_alarm_within_ten_minutes_begins_a_flood():
    flood, turns = feed(range(0, 11_000, 1000))
    assert turns == [None] * 10 + [Turn.BEGAN]
    assert (flood.began, flood.alarms) == (T0 + 10_000, 11)
    _, turns = feed(range(0, 20 * 60_000, 60_000))
    assert turns == [None] * 20, "one a minute is ten in ten minutes"


def test_it_ends_when_fewer_than_five_are_left_in_the_last_ten_minutes():
    flood, _ = feed(range(0, 11_000, 1000))
    flood, turn = passed(flood, T0 + 6000 + WINDOW_MS - 1)
    assert (turn, len(flood.last)) == (None, 5)
    flood, turn = passed(flood, T0 + 6000 + WINDOW_MS)
    assert (turn, flood.began, flood.idle) == (Turn.ENDED, None, False)
    flood, turn = passed(flood, T0 + 10_000 + WINDOW_MS)
    assert (turn, flood.idle) == (None, True)


def test_between_five_and_ten_a_flood_goes_on_and_none_begins():
    flood, _ = feed(range(0, 11_000, 1000))
    flood, turns = feed(range(100_000, 40 * 100_000, 100_000), flood)
    assert set(turns) == {None}
    assert flood.began == T0 + 10_000
    _, turns = feed(range(0, 40 * 100_000, 100_000))
    assert set(turns) == {None}


def test_its_memory_is_eleven_instants_whatever_comes():
    flood, _ = feed(range(5000))
    assert (len(flood.last), flood.alarms) == (11, 5000)


def test_a_clock_that_goes_back_counts_as_standing_still():
    flood, turns = feed([60_000 - step * 1000 for step in range(11)])
    assert turns[-1] is Turn.BEGAN
    assert flood.last[-1] == T0 + 60_000


@given(st.lists(st.integers(0, 300_000), max_size=60))
def test_it_is_what_counting_every_alarm_gives(gaps):
    flood, everything, running, at = Flood(), [], False, 0
    for gap in gaps:
        at += gap
        flood, ended = passed(flood, T0 + at)
        within = [each for each in everything if at - each < WINDOW_MS]
        if running and len(within) < FEWER_THAN:
            running = False
            assert ended is Turn.ENDED
        assert (flood.began is not None) == running
        flood, turn = announced(flood, T0 + at)
        everything.append(at)
        if not running and len(within) + 1 > MORE_THAN:
            running = True
            assert turn is Turn.BEGAN
        assert (flood.began is not None) == running
