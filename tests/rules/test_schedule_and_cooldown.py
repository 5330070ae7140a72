"""When a rule may enter, and how long after an episode the next one waits."""

import numpy as np
import pytest

from rules.columns import Columns
from rules.condition import Settings
from rules.declaration import parse
from rules.engine import DeviceRules, Engine
from rules.schedule import DAYS, Schedule, inside
from wire.alert import Hazard, Verb
from wire.level import Level

MONDAY = 1_779_638_400_000  # 2026-05-25 00:00 in China
HOUR = 3_600_000
TEXT = {
    "kind": "level",
    "point": "level",
    "levels": {"III": {"enter": 1.0, "exit": 0.5, "min_samples": 1}, "I": {"enter": 3.0, "exit": 2.5}},
    "clear_hold_s": 0,
    "max_gap_s": 3600,
    "max_verify_delay_s": 60,
}


def engine_of(**more):
    engine = Engine(settle_s=0)
    rule = parse("rule", {**TEXT, **more}, Hazard.WATER_LEVEL)
    engine.configure([DeviceRules("a", {"rule": rule}, ("level",))])
    return engine


def series(engine, ts, values):
    found = engine.step(Columns.of(engine.channel("a", "level"), ts, values))
    return [(each.verb, each.level, each.at) for each in found]


def times(**more):
    settings = Settings()
    from rules import condition, level

    row = np.zeros(1, dtype=condition.SETTINGS)
    level.settings_row(parse("r", {**TEXT, "schedule": more}, Hazard.WATER_LEVEL), {}, row[0])
    settings.admit(row[0], b"")
    return settings


def within(ts, **more):
    ts = np.atleast_1d(np.array(ts, dtype=np.int64))
    return inside(ts, times(**more), np.zeros(len(ts), dtype=np.int64)).tolist()


def test_a_night_belongs_to_the_day_on_which_it_began():
    night = {"from": "22:00", "to": "06:00", "days": ["mon"]}
    hours = [-1, 21.99, 22, 24, 29.99, 30, 46, 7 * 24 + 22]
    assert within([MONDAY + round(each * HOUR) for each in hours], **night) == [
        False, False, True, True, True, False, False, True,
    ]  # fmt: skip


def test_a_day_has_its_hours_and_the_week_its_days():
    office = {"from": "08:30", "to": "17:00", "days": ["mon", "tue"]}
    assert within([MONDAY + round(each * HOUR) for each in (8.49, 8.5, 16.99, 17, 32.5, 56.5)], **office) == [
        False, True, True, False, True, False,
    ]  # fmt: skip
    assert within(MONDAY + np.arange(7) * 24 * HOUR, days=["sun"]) == [False] * 6 + [True]
    assert all(within(MONDAY + np.arange(200) * HOUR))


def test_an_offset_moves_the_day():
    assert within(MONDAY, days=["mon"]) == [True]
    assert within(MONDAY - 1, days=["mon"]) == [False]
    assert within(MONDAY + 8 * HOUR, days=["mon"], utc_offset_h=0) == [True]
    assert within(MONDAY + 8 * HOUR - 1, days=["mon"], utc_offset_h=0) == [False]


def test_days_are_bits():
    rule = parse("r", {**TEXT, "schedule": {"days": list(DAYS[5:])}}, Hazard.WATER_LEVEL)
    assert rule.schedule == Schedule(days=0b1100000)


NIGHT = {"from": "22:00", "to": "06:00"}


def test_outside_nothing_enters_and_what_is_on_may_leave():
    engine = engine_of(schedule=NIGHT)
    noon = MONDAY + 12 * HOUR
    assert series(engine, noon + 10_000 * np.arange(5), np.full(5, 5.0)) == []
    night = MONDAY + 22 * HOUR
    assert series(engine, [night], [1.2]) == [(Verb.RAISED, Level.III, night)]
    morning = MONDAY + 31 * HOUR
    # high in the morning: neither worse nor over; low: over
    assert series(engine, [morning, morning + 1000], [5.0, 0.7]) == []
    assert series(engine, [morning + 2000, morning + 3000], [0.0, 5.0]) == [(Verb.CLEARED, None, morning + 2000)]


def test_a_worse_level_is_left_outside_and_stays_while_it_is_high():
    engine = engine_of(schedule=NIGHT)
    night, morning = MONDAY + 23 * HOUR, MONDAY + 30 * HOUR
    assert series(engine, [night], [4.0]) == [(Verb.RAISED, Level.I, night)]
    assert series(engine, [morning], [4.0]) == []
    assert series(engine, [morning + 1000], [1.5]) == [(Verb.DEESCALATED, Level.III, morning + 1000)]
    assert series(engine, [morning + 2000], [4.0]) == []


def test_silence_outside_does_not_surface_a_hold():
    hold = {"III": {"hold_s": 20}, "I": {"enter": 3.0, "exit": 2.5, "hold_s": 20}}
    levels = {name: {**TEXT["levels"][name], **more} for name, more in hold.items()}
    for begin, expected in ((MONDAY + 6 * HOUR - 5000, []), (MONDAY + 5 * HOUR, [Verb.RAISED])):
        engine = engine_of(schedule=NIGHT, levels=levels)
        assert series(engine, [begin], [1.2]) == []
        assert [each.verb for each in engine.tick({"real": begin + HOUR // 2})] == expected


def test_after_an_episode_the_next_one_waits_unless_it_is_worse():
    engine = engine_of(cooldown_s=60)
    at = MONDAY + 1000 * np.arange(200)
    value = np.zeros(200)
    value[[10, 20, 30]] = 1.5  # twice too soon
    value[75] = 1.5  # 64 s after the end
    assert series(engine, at, value) == [
        (Verb.RAISED, Level.III, at[10]), (Verb.CLEARED, None, at[11]),
        (Verb.RAISED, Level.III, at[75]), (Verb.CLEARED, None, at[76]),
    ]  # fmt: skip
    value[80] = 4.0
    value[[81, 82]] = 1.5
    later = at + 1_000_000
    assert series(engine, later, value) == [
        (Verb.RAISED, Level.III, later[10]), (Verb.CLEARED, None, later[11]),
        (Verb.RAISED, Level.III, later[75]), (Verb.CLEARED, None, later[76]),
        (Verb.RAISED, Level.I, later[80]), (Verb.DEESCALATED, Level.III, later[81]), (Verb.CLEARED, None, later[83]),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 200])
def test_what_is_still_met_when_the_cooldown_is_over_opens_then(size):
    value = np.zeros(200)
    value[10] = 4.0
    value[30:] = 1.5
    value[100:] = 4.0
    engine, found = engine_of(cooldown_s=60), []
    for at in range(0, 200, size):
        ts = MONDAY + 1000 * np.arange(at, min(at + size, 200))
        found += series(engine, ts, value[at : at + size])
        after = engine_of(cooldown_s=60)
        after.restore(engine.dirty())
        engine = after
    seconds = [(verb, level, (ts - MONDAY) // 1000) for verb, level, ts in found]
    assert seconds == [
        (Verb.RAISED, Level.I, 10), (Verb.CLEARED, None, 11), (Verb.RAISED, Level.III, 71),
        (Verb.ESCALATED, Level.I, 100),
    ]  # fmt: skip


def test_what_silence_cut_off_in_a_cooldown_surfaces_after_it():
    engine = engine_of(cooldown_s=600)
    assert len(series(engine, MONDAY + 1000 * np.arange(4), [0.0, 1.5, 0.0, 1.5])) == 2
    assert engine.tick({"real": MONDAY + 500_000}) == []
    found = engine.tick({"real": MONDAY + 700_000})
    assert [(each.verb, each.level, each.at, each.suspect) for each in found] == [
        (Verb.RAISED, Level.III, MONDAY + 602_000, True)
    ]
