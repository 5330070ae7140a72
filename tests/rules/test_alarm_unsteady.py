"""Chattering and flapping: found, held active and marked, never in the way of anything worse, over by itself."""

import pytest
from alarm_steps import T0, change, decision
from hypothesis import given
from hypothesis import strategies as st

from rules.alarm import Around, Isa, Refusal, advance, released, settled
from rules.alarm.policy import AlarmPolicy, Unrest
from wire.alert import Unsteady, Verb
from wire.level import Level

MINUTE = 60_000
LOOSE = Around(policy=AlarmPolicy(flapping=None))


def run(events, around=LOOSE, record=None):
    """Raise and clear at instants (s after T0; a level or None); the record, and the verbs that were told."""
    told = []
    for second, level in events:
        at = T0 + round(second * 1000)
        active = record is not None and (record.held.level is not None if record.held else record.facts.active)
        if level is None:
            this = change(Verb.CLEARED, at, None, record.following)
        elif not active:
            this = change(Verb.RAISED, at, level, at)
        else:
            worse = level.rank > (record.held.level if record.held else record.facts.level).rank
            this = change(Verb.ESCALATED if worse else Verb.DEESCALATED, at, level, record.following)
        result = advance(record, this, around=around)
        assert not isinstance(result, Refusal), result
        record = result.record
        told.append(result.verb and result.verb.value)
    return record, told


CHATTER = [(0, Level.III), (10, None), (20, Level.III), (30, None), (40, Level.III)]


def test_three_raises_within_a_minute_are_chattering_and_the_third_says_so():
    record, told = run(CHATTER)
    assert told == ["raised", "cleared", "raised", "cleared", "raised"]
    assert (record.facts.unsteady, record.isa) == (Unsteady.CHATTERING, Isa.UNACK)
    assert record.because == {"code": "chattering", "raises": 3, "within_s": 60.0, "quiet_s": 300.0}
    slow, _ = run([(second * 1.6, level) for second, level in CHATTER])
    assert slow.facts.unsteady is None


def test_it_is_held_active_in_one_episode_and_counts_what_it_does_not_tell():
    record, told = run([*CHATTER, (50, None), (55, Level.III), (70, None), (90, Level.III), (95, None)])
    assert told[5:] == [None] * 5
    assert (record.facts.active, record.facts.repeats, record.episode) == (True, 2, T0 + 40_000)
    assert record.revision == 1, "what is not told is no revision"


def test_a_worse_level_is_told_at_once_and_unacknowledged_again():
    record, _ = run(CHATTER)
    record = advance(record, decision("acknowledge", record.episode), now=T0).record
    record, told = run([(50, None), (55, Level.II), (60, Level.III), (65, Level.II), (70, Level.I)], record=record)
    assert told == [None, "escalated", None, None, "escalated"]
    assert (record.facts.level, record.facts.highest, record.isa) == (Level.I, Level.I, Isa.UNACK)


def test_quiet_ends_it_and_clears_what_is_over():
    record, _ = run([*CHATTER, (50, None)])
    assert settled(record, T0 + 340_000 - 1, LOOSE) is None
    record, verb = settled(record, T0 + 340_000, LOOSE)
    assert (verb, record.facts.active, record.facts.unsteady, record.isa) == (Verb.CLEARED, False, None, Isa.RTNUN)
    assert record.because == {"code": "chattering_over", "repeats": 0}
    assert settled(record, T0 + 400_000, LOOSE) is None
    record, told = run([(500, Level.III)], record=record)
    assert (told, record.facts.unsteady) == (["raised"], None), "counted from nothing again"


def test_quiet_ends_it_and_tells_the_true_level_of_what_goes_on():
    record, _ = run([*CHATTER, (50, Level.II), (60, Level.IV)])
    assert record.facts.level is Level.II, "held at the worst"
    record, verb = settled(record, T0 + 340_000, LOOSE)
    assert (verb, record.facts.level, record.facts.active, record.held) == (Verb.STEADY, Level.IV, True, None)
    record, told = run([(400, None)], record=record)
    assert told == ["cleared"]


def test_a_latching_rule_latches_at_the_end_of_the_hold():
    record, _ = run([*CHATTER, (50, None)])
    record, _ = settled(record, T0 + 400_000, Around(latch=True))
    assert record.isa is Isa.LATCH_UNACK


def test_changes_that_come_again_say_nothing_and_count_nothing():
    record, _ = run([*CHATTER, (50, None), (55, Level.III), (60, None)])
    for again in (
        change(Verb.RAISED, T0 + 55_000, Level.III, T0 + 55_000),
        change(Verb.RAISED, T0 + 40_000, Level.III, T0 + 40_000),
        change(Verb.ESCALATED, T0 + 57_000, Level.II, T0 + 55_000),
        change(Verb.CLEARED, T0 + 50_000, None, T0 + 40_000),
    ):
        assert isinstance(advance(record, again, around=LOOSE), Refusal)
    same = advance(record, change(Verb.CLEARED, T0 + 60_000, None, T0 + 55_000), around=LOOSE)
    assert (same.verb, same.record) == (None, record)


def test_flapping_over_hours_is_held_longer():
    hours = [(step * 2700 + offset, level) for step in range(5) for offset, level in ((0, Level.III), (600, None))]
    record, told = run(hours, around=Around())
    assert (record.facts.unsteady, told[-2:]) == (Unsteady.FLAPPING, ["raised", None])
    last = T0 + 4 * 2700_000
    assert settled(record, last + 30 * MINUTE - 1, Around()) is None
    assert settled(record, last + 30 * MINUTE, Around()).verb is Verb.CLEARED
    seldom, _ = run([(second * 1.5, level) for second, level in hours], around=Around())
    assert seldom.facts.unsteady is None


def test_a_rule_whose_detection_is_switched_off_releases_what_is_held():
    record, _ = run([*CHATTER, (50, None)])
    off = Around(policy=AlarmPolicy(chattering=None, flapping=None))
    assert settled(record, T0 + 51_000, off).verb is Verb.CLEARED
    record, told = run([*CHATTER, (50, None)], around=off)
    assert (record.facts.unsteady, told[-1]) == (None, "cleared")


@pytest.mark.parametrize("how", ["engine", "book"])
def test_a_rule_that_is_taken_away_ends_the_hold_at_once(how):
    record, _ = run([*CHATTER, (50, None)] if how == "book" else CHATTER)
    if how == "book":
        result = released(record, T0 + 60_000)
    else:
        gone = change(Verb.CLEARED, T0 + 60_000, None, record.following, because="the rule was taken away")
        result = advance(record, gone, around=Around(latch=True))
    assert (result.verb, result.record.isa, result.record.held) == (Verb.CLEARED, Isa.RTNUN, None)


def test_the_notice_itself_never_counts_as_unsteady():
    record = None
    for step in range(0, 50, 10):
        at = T0 + step * 1000
        record = advance(record, change(Verb.RAISED, at, Level.IV, at, rule="unsteady")).record
        record = advance(record, change(Verb.CLEARED, at + 1, None, at, rule="unsteady")).record
    assert record.facts.unsteady is None


STEPS = st.lists(st.tuples(st.integers(1, 40), st.sampled_from([None, *Level])), max_size=40)


@given(STEPS)
def test_nothing_worse_is_ever_held_back_and_quiet_always_ends_in_the_truth(steps):
    """Told level ≥ true level at every instant; a rise to a level worse than told is told with that very change."""
    policy = Around(policy=AlarmPolicy(chattering=Unrest(3, 60, 100), flapping=Unrest(5, 600, 200)))
    record, truth, at = None, None, T0
    for gap, level in steps:
        at += gap * 1000
        if record is not None and (done := settled(record, at, policy)) is not None:
            record = done.record
        if level == truth:
            continue
        before = record.facts.level if record is not None and record.facts.active else None
        record, told = run([((at - T0) / 1000, level)], policy, record)
        if level is not None and (before is None or level.rank > before.rank):
            assert told in (["raised"], ["escalated"])
            assert not record.facts.acknowledged
        truth = level
        if truth is not None:
            assert record.facts.active
            assert record.facts.level.rank >= truth.rank
    while record is not None and (done := settled(record, at + 300_000, policy)) is not None:
        record = done.record
    if record is not None:
        assert (record.facts.active, record.facts.level) == (truth is not None, truth)
