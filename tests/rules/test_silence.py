"""Silence, its grace across restarts, and holds that silence cuts off."""

import pytest

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
    assert all(change.rule == "silence" for change in engine.tick({"real": T0 + 10**8}))
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
        *(f"drl-1/s0/{rule}" for rule in ("smoke", "silence", "battery")),
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
