"""Silence, its grace across restarts, and holds that silence cuts off."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.columns import Columns
from rules.declaration import resolve
from rules.engine import DeviceRules, Engine
from wire.alert import Hazard, Verb
from wire.level import Level

T0 = 1_780_000_000_000
POINTS = ("obscuration", "battery")


def smoke(count=1, overrides=None, timeline="real", cadence_s=10.0):
    rules = resolve(Hazard.SMOKE, POINTS, cadence_s, overrides or {})
    names = [f"s{number}" for number in range(count)]
    return [DeviceRules(name, rules, POINTS, cadence_s=cadence_s, timeline=timeline) for name in names]


def engine_of(devices, journal=None):
    engine = Engine(settle_s=0)
    if journal is not None:
        engine.restore(journal)
    engine.configure(devices)
    return engine


def say(engine, at, device="s0", value=0.0, exercise=None, **more):
    channel = engine.channel(device, "obscuration", exercise)
    return engine.step(Columns.of([channel], [at], [value], **more))


def brief(changes):
    return [(change.device, change.rule, change.verb, change.level) for change in changes]


def test_a_device_is_silent_after_three_cadences_and_speaks_again():
    engine = engine_of(smoke())
    say(engine, T0)
    assert engine.tick({"real": T0 + 29_999}) == []
    raised = engine.tick({"real": T0 + 31_000})
    assert brief(raised) == [("s0", "silence", Verb.RAISED, Level.IV)]
    assert raised[0].at == T0 + 30_000
    assert raised[0].hazard is Hazard.DEVICE
    assert engine.tick({"real": T0 + 90_000}) == []
    cleared = say(engine, T0 + 95_000)
    assert brief(cleared) == [("s0", "silence", Verb.CLEARED, None)]
    assert cleared[0].opened_at == raised[0].opened_at
    assert cleared[0].decided_by == 0


def test_a_device_that_never_spoke_is_unknown_not_silent():
    engine = engine_of(smoke())
    assert engine.tick({"real": T0}) == []
    assert engine.tick({"real": T0 + 10**9}) == []
    assert engine.last_seen("s0") is None


def test_a_reading_that_is_not_a_number_is_still_a_sign_of_life():
    engine = engine_of(smoke())
    say(engine, T0)
    say(engine, T0 + 25_000, value=float("nan"))
    assert engine.tick({"real": T0 + 40_000}) == []
    assert engine.seen("s0", T0 + 50_000) == []
    assert engine.last_seen("s0") == T0 + 50_000
    assert engine.tick({"real": T0 + 79_000}) == []


def test_silence_worsens_by_its_levels():
    levels = {"silence": {"levels": {"IV": {"after_s": 30}, "III": {"after_s": 600}}}}
    engine = engine_of(smoke(overrides=levels))
    say(engine, T0)
    assert [change.level for change in engine.tick({"real": T0 + 60_000})] == [Level.IV]
    assert brief(engine.tick({"real": T0 + 600_000})) == [("s0", "silence", Verb.ESCALATED, Level.III)]


def test_a_restart_does_not_call_everyone_silent_at_once():
    before = engine_of(smoke(50))
    for number in range(50):
        say(before, T0, f"s{number}")
    after = engine_of(smoke(50), before.dirty())
    down = T0 + 3_600_000
    assert after.tick({"real": down}) == []
    for number in range(49):
        say(after, down + 9_000, f"s{number}")
    assert brief(after.tick({"real": down + 30_000})) == [("s49", "silence", Verb.RAISED, Level.IV)]


@pytest.mark.parametrize("pause_s", [0, 1, 3600])
def test_restarts_in_a_row_extend_a_silence_by_one_grace_in_all(pause_s):
    engine = engine_of(smoke())
    say(engine, T0)
    journal = engine.dirty()
    now, running = T0 + 60_000, 0
    for _ in range(20):
        engine = engine_of(smoke(), journal)
        for _ in range(8):  # each run lasts seven seconds
            if engine.tick({"real": now}):
                assert 29_000 <= running <= 31_000
                return
            journal.update(engine.dirty())
            now += 1000
            running += 1000
        now += pause_s * 1000
        running -= 1000  # the first tick of a run is its start
    pytest.fail("restarts put silence off for ever")


def test_after_a_loss_each_device_has_the_grace_of_its_own_rule():
    slow = DeviceRules("slow", resolve(Hazard.CURTAIN_WALL, ("tilt",), 120.0), ("tilt",), cadence_s=120.0)
    engine = engine_of([*smoke(2), slow])
    for device, point in (("s0", "obscuration"), ("s1", "obscuration"), ("slow", "tilt")):
        engine.step(Columns.of([engine.channel(device, point)], [T0], [0.0]))
    assert engine.tick({"real": T0 + 5_000}) == []
    back = T0 + 3_600_000
    engine.resume({"real": back})
    assert engine.tick({"real": back}) == []
    say(engine, back + 9_000, "s0")
    assert engine.tick({"real": back + 29_000}) == []
    say(engine, back + 29_500, "s0")
    assert brief(engine.tick({"real": back + 30_000})) == [("s1", "silence", Verb.RAISED, Level.IV)]
    engine.step(Columns.of([engine.channel("slow", "tilt")], [back + 115_000], [0.0]))
    say(engine, back + 470_000, "s0")
    assert engine.tick({"real": back + 474_000}) == []
    assert brief(engine.tick({"real": back + 476_000})) == [("slow", "silence", Verb.RAISED, Level.IV)]


def test_while_we_are_deaf_nobody_falls_silent_and_a_hold_that_is_cut_off_surfaces_all_the_same():
    engine = engine_of(smoke())
    say(engine, T0)
    assert say(engine, T0 + 10_000, value=0.5) == []
    surfaced = [each for at in range(11, 200) for each in engine.tick({"real": T0 + at * 1000}, deaf=True)]
    assert brief(surfaced) == [("s0", "smoke", Verb.RAISED, Level.II)]
    assert surfaced[0].suspect
    assert surfaced[0].at == T0 + 70_000


def test_a_silence_known_before_a_loss_goes_on_and_worsens():
    levels = {"silence": {"levels": {"IV": {"after_s": 30}, "III": {"after_s": 600}}}}
    engine = engine_of(smoke(overrides=levels))
    say(engine, T0)
    assert len(engine.tick({"real": T0 + 40_000})) == 1
    engine.resume({"real": T0 + 300_000})
    assert engine.tick({"real": T0 + 599_000}) == []
    assert brief(engine.tick({"real": T0 + 600_000})) == [("s0", "silence", Verb.ESCALATED, Level.III)]
    assert [change.verb for change in say(engine, T0 + 601_000)] == [Verb.CLEARED]


def test_only_the_timelines_that_are_named_begin_anew():
    engine = engine_of([*smoke(), DeviceRules("d0", smoke()[0].rules, POINTS, timeline="demo")])
    say(engine, T0)
    say(engine, T0, "d0")
    engine.tick({"real": T0, "demo": T0})
    engine.resume({"demo": T0 + 25_000})
    assert [each.device for each in engine.tick({"real": T0 + 31_000, "demo": T0 + 31_000})] == ["s0"]
    assert [each.device for each in engine.tick({"real": T0 + 56_000, "demo": T0 + 56_000})] == ["d0"]


STEP = st.one_of(
    st.tuples(st.just("say"), st.just(0)),
    st.tuples(st.just("listen"), st.integers(1, 25)),
    st.tuples(st.just("lost"), st.sampled_from([0, 1, 10, 29, 31, 3600])),
)


@settings(max_examples=50, deadline=None)
@given(script=st.lists(STEP, min_size=3, max_size=25), grace_s=st.sampled_from([10, 30, 45]))
def test_whatever_is_lost_and_found_a_device_is_called_silent_for_its_own_silence_and_at_most_one_grace_late(
    script, grace_s
):
    """And a loss of the broker decides as a restart would."""
    table = smoke(overrides={"silence": {"grace_s": grace_s}})
    lost, restarted, journal = engine_of(table), engine_of(table), {}
    now, accused = T0, False
    seen, listened, overdue = now, 0, 0  # s since the last sign of life; of these, s beyond `after_s`

    def tick():
        nonlocal accused
        changes = lost.tick({"real": now})
        assert changes == restarted.tick({"real": now})
        journal.update(restarted.dirty())
        if changes:
            assert not accused
            assert now >= seen + 30_000
            assert listened >= min(30, grace_s), "called silent because we could not hear"
        accused = accused or bool(changes)
        assert accused or overdue < grace_s or now < seen + 30_000, "put off beyond one grace"

    for what, seconds in [("say", 0), *script, ("lost", 3600), ("listen", 25), ("lost", 5), ("listen", 25)]:
        if what == "say":
            assert [each.verb for each in say(lost, now)] == ([Verb.CLEARED] if accused else [])
            say(restarted, now)
            journal.update(restarted.dirty())
            seen, listened, overdue, accused = now, 0, 0, False
        elif what == "lost":
            assert lost.tick({"real": now + seconds * 500}, deaf=True) == []
            now += seconds * 1000
            lost.resume({"real": now})
            restarted = engine_of(table, journal)
            tick()
        for _ in range(seconds if what == "listen" else 0):
            now += 1000
            listened += 1
            overdue += now > seen + 30_000
            tick()
    assert accused


def test_a_silence_known_before_a_restart_is_not_told_again_and_still_clears():
    engine = engine_of(smoke())
    say(engine, T0)
    opened = engine.tick({"real": T0 + 40_000})[0].opened_at
    engine = engine_of(smoke(), engine.dirty())
    assert engine.tick({"real": T0 + 100_000}) == []
    assert engine.tick({"real": T0 + 300_000}) == []
    cleared = say(engine, T0 + 301_000)
    assert [(change.verb, change.opened_at) for change in cleared] == [(Verb.CLEARED, opened)]


def test_silence_runs_on_the_timeline_of_the_device():
    engine = engine_of(smoke(timeline="demo"))
    say(engine, T0)
    assert engine.tick({"real": T0 + 10**9}) == []
    assert len(engine.tick({"demo": T0 + 40_000})) == 1


def test_missing_data_never_clears():
    engine = engine_of(smoke())
    for step in range(4):
        changes = say(engine, T0 + 10_000 * step, value=0.5)
    assert changes == [] or changes[0].level
    later = engine.tick({"real": T0 + 10**8})
    assert [each.rule for each in later if each.verb is Verb.CLEARED] == []
    assert ("smoke", Level.II, True) in {(each.rule, each.level, each.suspect) for each in later}  # smoke, then silence
    # and what comes after the gap needs its clear hold in full
    late = T0 + 10**8
    for step in range(0, 890, 10):
        assert [change for change in say(engine, late + 1000 * step) if change.rule == "smoke"] == []
    cleared = [change for step in range(890, 930, 10) for change in say(engine, late + 1000 * step)]
    assert [change.verb for change in cleared] == [Verb.CLEARED]


def test_a_hold_that_silence_cuts_off_surfaces_as_suspect_at_the_maximum_verify_delay():
    engine = engine_of(smoke())
    say(engine, T0)
    assert say(engine, T0 + 10_000, value=0.5) == []
    assert [each for each in engine.tick({"real": T0 + 69_000}) if each.rule == "smoke"] == []
    surfaced = [each for each in engine.tick({"real": T0 + 71_000}) if each.rule == "smoke"]
    assert brief(surfaced) == [("s0", "smoke", Verb.RAISED, Level.II)]
    assert surfaced[0].suspect
    assert surfaced[0].at == T0 + 70_000
    assert surfaced[0].decided_by == -1
    assert [each for each in engine.tick({"real": T0 + 99_000}) if each.rule == "smoke"] == []


def test_a_hold_that_goes_on_is_not_called_suspect():
    engine = engine_of(smoke())
    for step in range(3):
        changes = say(engine, T0 + 10_000 * step, value=0.5)
        assert engine.tick({"real": T0 + 10_000 * step + 500}) == []
    assert [(each.verb, each.suspect) for each in changes] == [(Verb.RAISED, False)]


def test_a_cut_off_hold_survives_a_restart():
    engine = engine_of(smoke())
    say(engine, T0)
    say(engine, T0 + 10_000, value=0.5)
    engine = engine_of(smoke(), engine.dirty())
    assert engine.tick({"real": T0 + 20_000}) == []
    assert [each.rule for each in engine.tick({"real": T0 + 75_000}) if each.suspect] == ["smoke"]


def test_an_exercise_has_a_clock_and_a_silence_of_its_own():
    engine = engine_of(smoke())
    say(engine, T0)
    say(engine, T0 + 5_000, value=0.5, exercise="drl-1")
    assert engine.tick({"real": T0 + 20_000, "drl-1": T0 + 6_000}) == []
    changes = engine.tick({"real": T0 + 20_000, "drl-1": T0 + 100_000})
    assert {(each.exercise, each.rule) for each in changes} == {("drl-1", "silence"), ("drl-1", "smoke")}
    engine = engine_of(smoke(), engine.dirty())
    assert engine.tick({"drl-1": T0 + 200_000}) == []
    engine.forget_exercise("drl-1")
    gone = engine.dirty()
    assert {key for key, row in gone.items() if row == b""} == {
        "drl-1/s0/",
        *(
            f"drl-1/s0/{rule}"
            for rule in ("smoke", "contamination", "silence", "battery", "cross_zone", ":~cross_zone", ":~silence")
        ),
    }
    assert engine.last_seen("s0", "drl-1") is None
    assert engine.last_seen("s0") == T0


def test_a_stand_alone_alarm_that_speaks_once_a_day_is_urgent_a_minute_after_its_alarm():
    points = ("alarm", "battery")
    rules = resolve(Hazard.SMOKE, points, 86_400.0)
    engine = engine_of([DeviceRules("s0", rules, points, cadence_s=86_400.0)])
    raised = engine.step(Columns.of([engine.channel("s0", "alarm")], [T0], [1.0]))
    assert brief(raised) == [("s0", "device_alarm", Verb.RAISED, Level.III)]
    assert engine.tick({"real": T0 + 59_000}) == []
    assert brief(engine.tick({"real": T0 + 61_000})) == [("s0", "device_alarm", Verb.ESCALATED, Level.II)]
    assert engine.tick({"real": T0 + 86_400_000}) == []


def test_a_hold_longer_than_the_verify_delay_waits_for_its_readings():
    slow = {
        "kind": "level",
        "point": "obscuration",
        "levels": {"IV": {"enter": 0.1, "hold_s": 900}},
        "max_verify_delay_s": 60,
    }
    engine = engine_of(smoke(overrides={"smoke": None, "slow": slow}, cadence_s=300.0))
    for step in range(3):
        assert say(engine, T0 + 300_000 * step, value=0.2) == []
        assert engine.tick({"real": T0 + 300_000 * step + 290_000}) == []
    assert [change.suspect for change in say(engine, T0 + 900_000, value=0.2)] == [False]
