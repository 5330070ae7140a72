"""Two tables of rules over the same readings: alarms paired, told apart and counted; the same however parts are cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.columns import Change
from rules.declaration import parse
from rules.preview import (
    DAY_MS,
    Fired,
    Readings,
    Replay,
    Verdict,
    compare,
    day_of,
    fired,
    fresh_flags,
    plain,
    summary,
    verdicts,
)
from rules.table import DeviceRules
from wire.alert import Hazard, Verb
from wire.level import Level

T0 = 1_780_000_000_000
S = 1000


def alarm(start, end, level="III", rule="depth", device="d", suspect=False):
    return Fired(device, rule, Hazard.WATER_LEVEL, T0 + start * S, None if end is None else T0 + end * S,
                 Level(level), suspect)  # fmt: skip


def told(before, after, until=100_000):
    return [(pair.verdict, pair.shift_s) for pair in compare(before, after, until=T0 + until * S)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([alarm(0, 100)], [alarm(0, 100)], [("same", 0)]),
        ([alarm(0, 100)], [alarm(0, 900)], [("same", 0)]),
        ([alarm(0, 100)], [alarm(-30, 90)], [("earlier", -30)]),
        ([alarm(0, 100)], [alarm(50, 300)], [("later", 50)]),
        ([alarm(0, 100)], [alarm(50, 300, "II")], [("level", 50)]),
        ([alarm(0, 100)], [], [("only_before", None)]),
        ([], [alarm(0, 100)], [("only_after", None)]),
        ([alarm(0, 100)], [alarm(150, 300)], [("later", 150)]),  # no more than a minute between them
        ([alarm(0, 100)], [alarm(161, 300)], [("only_before", None), ("only_after", None)]),
        ([alarm(0, 100), alarm(200, 900)], [alarm(0, 900)], [("joined", None), ("earlier", -200)]),
        ([alarm(0, 900)], [alarm(0, 100), alarm(200, 900)], [("split", None), ("later", 200)]),
        ([alarm(0, None)], [alarm(10, None)], [("later", 10)]),
        ([alarm(0, 100, rule="a")], [alarm(0, 100, rule="b")], [("only_before", None), ("only_after", None)]),
        ([alarm(0, 100, device="a")], [alarm(0, 100, device="b")], [("only_before", None), ("only_after", None)]),
    ],
)  # fmt: skip
def test_alarms_are_paired_once_by_the_longest_overlap(before, after, expected):
    assert sorted(told(before, after), key=str) == sorted(expected, key=str)


spans = st.lists(st.tuples(st.integers(1, 300), st.integers(0, 300)), max_size=8).map(
    lambda steps: [
        alarm(start, start + length)
        for start, length in zip(
            np.cumsum([gap for gap, _ in steps]).tolist(), [length for _, length in steps], strict=True
        )
    ]
)


def disjoint(alarms):
    kept = []
    for each in alarms:
        if not kept or each.opened_at > kept[-1].cleared_at:
            kept.append(each)
    return kept


@settings(max_examples=150, deadline=None)
@given(spans.map(disjoint), spans.map(disjoint))
def test_every_alarm_stands_in_exactly_one_pair_and_the_sides_may_be_swapped(before, after):
    until = T0 + 10_000 * S
    pairs = compare(before, after, until=until)
    assert [each.key for each in sorted((p.before for p in pairs if p.before), key=lambda e: e.key)] == [
        each.key for each in before
    ]
    assert [each.key for each in sorted((p.after for p in pairs if p.after), key=lambda e: e.key)] == [
        each.key for each in after
    ]
    counts, turned = verdicts(pairs), verdicts(compare(after, before, until=until))
    assert counts[Verdict.ONLY_BEFORE] + counts[Verdict.JOINED] - counts[Verdict.ONLY_AFTER] - counts[
        Verdict.SPLIT
    ] == len(before) - len(after)
    assert sum(counts.values()) == sum(turned.values())
    assert verdicts(compare(before, before, until=until))[Verdict.SAME] == len(before)


def test_counts_by_level_day_rule_and_device():
    alarms = [alarm(0, 3600, "II"), alarm(7200, None, "III", suspect=True), alarm(90_000, 90_060, "III", "rise", "e")]
    side = summary(alarms, until=T0 + 10_800 * S)
    assert (side.alarms, side.suspect, side.on_s) == (3, 1, 3600 + 3600 + 60)
    assert side.by_level == {Level.I: 0, Level.II: 1, Level.III: 2, Level.IV: 0}
    assert side.by_rule == {"depth": 2, "rise": 1}
    assert side.by_device == {"d": 2, "e": 1}
    assert sum(side.by_day.values()) == 3
    assert day_of(0) == "1970-01-01"
    assert day_of(DAY_MS - 1, 8 * 3_600_000) == "1970-01-02"


def test_changes_become_alarms_with_their_worst_level():
    def change(verb, level, at, opened=0):
        return Change("d", None, "depth", Hazard.WATER_LEVEL, verb, level, at, opened, evidence={"value": float("nan")})

    (one, two) = fired(
        [
            change(Verb.RAISED, Level.IV, 0),
            change(Verb.ESCALATED, Level.II, 5),
            change(Verb.DEESCALATED, Level.IV, 9),
            change(Verb.CLEARED, None, 20),
            change(Verb.RAISED, Level.III, 30, 30),
        ]
    )
    assert (one.level, one.opened_at, one.cleared_at, len(one.steps)) == (Level.II, 0, 20, 4)
    assert (two.level, two.cleared_at) == (Level.III, None)
    assert one.evidence == {"value": None}
    assert plain({"a": 1.5, "b": "x", "c": float("inf"), "d": None}) == {"a": 1.5, "b": "x", "c": None, "d": None}


def device(name, enter, cadence_s=10.0):
    declaration = {
        "kind": "level", "point": "level", "levels": {"III": {"enter": enter, "hold_s": 20, "min_samples": 3}},
        "clear_hold_s": 60,
    }  # fmt: skip
    rule = parse("depth", declaration, Hazard.WATER_LEVEL, cadence_s)
    return DeviceRules(name, {"depth": rule}, ("level",), cadence_s=cadence_s)


def many(count=40, rows=400, seed=7):
    rng = np.random.default_rng(seed)
    t = np.arange(rows) * 10 * S + T0
    wave = 0.5 + 0.5 * np.sin(np.arange(rows)[:, None] / 30 + rng.uniform(0, 6, count))
    value = wave + rng.normal(0, 0.02, (rows, count))
    return Readings(
        [(f"d{n:02d}", "level") for n in range(count)], np.tile(np.arange(count, dtype=np.int32), rows),
        np.repeat(t, count), value.ravel(), np.full(rows * count, 1, dtype=np.uint8),
    )  # fmt: skip


def cut(readings, rows):
    return Readings(
        readings.series, readings.of[rows], readings.ts[rows], readings.value[rows], readings.flag[rows]
    )  # fmt: skip


def test_many_devices_and_any_cut_give_the_same_alarms():
    readings = many()
    devices = [device(name, 0.8) for name, _ in readings.series]
    whole = Replay(devices)
    whole.step(readings)
    assert len({each.device for each in whole.fired()}) == 40
    parts = Replay(devices)
    for start, stop in ((0, 40 * 3), (40 * 3, 40 * 4), (40 * 4, 40 * 399), (40 * 399, 40 * 400)):
        parts.step(cut(readings, slice(start, stop)))
    parts.step(cut(readings, slice(0, 0)))
    assert parts.fired() == whole.fired()
    assert parts.rows == whole.rows == 16_000


def test_a_higher_threshold_never_brings_an_alarm():
    readings = many()
    sides = []
    for enter in (0.7, 0.9):
        replay = Replay([device(name, enter) for name, _ in readings.series])
        replay.step(readings)
        sides.append(replay.fired())
    pairs = compare(*sides, until=int(readings.ts[-1]))
    counts = verdicts(pairs)
    assert counts[Verdict.ONLY_AFTER] == 0
    assert counts[Verdict.LATER] > 40
    assert all(pair.shift_s >= 0 for pair in pairs if pair.shift_s is not None)


def test_watching_tells_silence_and_without_it_a_hole_is_only_a_hole():
    rule = parse("silence", {"kind": "silence", "levels": {"IV": {"after_s": 30}}}, Hazard.DEVICE)
    t = np.concatenate((np.arange(10), np.arange(100, 110))) * 10 * S + T0
    readings = Readings([("d", "level")], np.zeros(20, dtype=np.int32), t, np.zeros(20))
    for watch, expected in ((False, 0), (True, 1)):
        replay = Replay([DeviceRules("d", {"silence": rule}, ("level",))], watch=watch)
        replay.step(readings)
        assert len(replay.fired()) == expected
    assert replay.fired()[0].opened_at == T0 + 120 * S


def test_a_rule_that_cannot_judge_is_named():
    rule = parse("shift", {"kind": "level", "point": "level", "reference": "base", "levels": {"III": {"enter": 5}}},
                 Hazard.WATER_LEVEL)  # fmt: skip
    replay = Replay([DeviceRules("d", {"shift": rule}, ("level",))])
    assert list(replay.blind) == [("d", "shift")]


def test_flags_of_other_tests_are_forgotten_but_missing_stays():
    assert fresh_flags(np.array([1, 2, 3, 4, 9], dtype=np.uint8)).tolist() == [2, 2, 2, 2, 9]
