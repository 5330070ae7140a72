"""What many show at once is told one level lower: cases by hand, plain loops in any cut, and many that fall silent."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_group import PlainGroup
from plain_rules import PlainRule

from rules.columns import Columns
from rules.declaration import DeclarationError, parse
from rules.engine import DeviceRules, Engine
from wire.alert import Hazard, Verb
from wire.level import Level

START = 1_780_000_000_000
TILT = {
    "kind": "level",
    "point": "tilt",
    "levels": {"III": {"enter": 0.2, "exit": 0.15}, "II": {"enter": 0.5, "exit": 0.4}},
    "clear_hold_s": 0,
    "max_verify_delay_s": 10_800,
    "common_mode": {"within": "building"},
}


def device(name, text=TILT, building="b1"):
    groups = {"site": "s1", **({"building": building} if building else {})}
    return DeviceRules(name, {"tilt": parse("tilt", text, Hazard.CURTAIN_WALL, 120.0)}, ("tilt",), groups=groups)


def engine_of(*devices):
    engine = Engine(settle_s=0.0)
    engine.configure(devices)
    return engine


def say(engine, *readings, exercise=None, flag=None):
    """(device, minute, value) in order of arrival."""
    channel = [engine.channel(name, "tilt", exercise) for name, _, _ in readings]
    ts = [START + 60_000 * minute for _, minute, _ in readings]
    return engine.step(Columns.of(channel, ts, [value for _, _, value in readings], flag=flag))


def short(changes):
    return [(each.device, str(each.verb), each.level) for each in changes]


def test_the_third_panel_is_told_one_lower_and_the_first_ones_follow_at_their_next_row():
    engine = engine_of(*(device(name) for name in "abc"))
    changes = say(engine, ("a", 0, 0.3), ("b", 10, 0.3), ("c", 20, 0.3))
    assert short(changes) == [
        ("a", "raised", Level.III), ("b", "raised", Level.III), ("c", "raised", Level.IV)
    ]  # fmt: skip
    assert "common_mode" not in changes[0].evidence
    assert changes[2].evidence["common_mode"] == 3
    changes = say(engine, ("a", 22, 0.3))
    assert short(changes) == [("a", "deescalated", Level.IV)]
    assert changes[0].evidence == {"point": "tilt", "value": 0.3, "common_mode": 3, "relevelled": "common_mode"}


def test_what_began_together_stays_so_whatever_the_others_do_then():
    engine = engine_of(*(device(name) for name in "abc"))
    say(engine, ("a", 0, 0.3), ("b", 10, 0.3), ("c", 20, 0.3), ("a", 30, 0.0), ("b", 30, 0.0))
    assert short(say(engine, ("c", 121, 0.3), ("a", 400, 0.3), ("c", 401, 0.3))) == [("a", "raised", Level.III)]
    assert short(say(engine, ("c", 402, 0.6))) == [("c", "escalated", Level.III)]  # it reached II


def test_a_panel_that_loosens_among_panels_that_are_on_for_long_is_alone():
    engine = engine_of(*(device(name) for name in "abc"))
    say(engine, ("a", 0, 0.3), ("b", 0, 0.3), *((name, minute, 0.3) for minute in range(60, 601, 60) for name in "ab"))
    assert short(say(engine, ("c", 610, 0.3))) == [("c", "raised", Level.III)]
    assert short(say(engine, ("a", 660, 0.3), ("c", 660, 0.3))) == []


def test_a_signal_that_hovers_at_the_threshold_does_not_begin_again_and_again():
    """With levels told anew at each change of company people would see one alarm flap."""
    engine = engine_of(*(device(name) for name in "abc"))
    readings = [(name, minute, 0.3 if (minute // 30 + number) % 3 else 0.17)
                for minute in range(0, 1200, 30) for number, name in enumerate("abc")]  # fmt: skip
    changes = say(engine, *readings)
    assert [len([each for each in changes if each.device == name]) for name in "abc"] == [1, 2, 2]


def test_a_worse_level_is_told_one_lower_too_and_the_lowest_stays():
    mild = TILT | {"levels": {"IV": {"enter": 0.1}, **TILT["levels"]}}
    engine = engine_of(*(device(name, mild) for name in "abc"))
    changes = say(engine, ("a", 0, 0.12), ("b", 0, 0.12), ("c", 0, 0.12), ("c", 2, 0.3), ("c", 4, 0.6), ("c", 6, 0.0))
    assert short(changes)[2:] == [
        ("c", "raised", Level.IV),
        ("c", "escalated", Level.III),  # II; III was told as IV, which it was already
        ("c", "cleared", None),
    ]
    assert changes[3].evidence["common_mode"] == 3


def test_a_level_that_is_left_falls_to_what_is_common():
    engine = engine_of(*(device(name) for name in "abc"))
    changes = say(engine, ("a", 0, 0.3), ("b", 0, 0.3), ("c", 0, 0.6), ("c", 2, 0.3), ("c", 4, 0.3))
    assert short(changes)[2:] == [("c", "raised", Level.III), ("c", "deescalated", Level.IV)]


def test_a_share_of_the_group_may_be_asked_for():
    text = TILT | {"common_mode": {"within": "building", "at_least": 2, "share": 0.5}}
    engine = engine_of(*(device(name, text) for name in "abcdef"))
    changes = say(engine, ("a", 0, 0.3), ("b", 1, 0.3), ("c", 2, 0.3))
    assert [each.level for each in changes] == [Level.III, Level.III, Level.IV]


def test_other_buildings_exercises_and_doubtful_readings_make_nothing_common():
    engine = engine_of(device("a"), device("b"), device("c", building="b2"), device("d", building=None), device("e"))
    say(engine, ("a", 0, 0.3), exercise="drl-1")
    say(engine, ("b", 0, 0.3), flag=[4])
    changes = say(engine, ("a", 1, 0.3), ("c", 1, 0.3), ("d", 1, 0.3), ("e", 1, 0.3))
    assert {each.level for each in changes} == {Level.III}


def test_a_late_row_raises_as_common_to_its_own_time_and_changes_nothing_else():
    engine = engine_of(*(device(name) for name in "abc"))
    say(engine, ("a", 500, 0.3), ("b", 500, 0.3), ("c", 900, 0.0))
    assert short(say(engine, ("c", 510, 0.3))) == [("c", "raised", Level.IV)]
    assert short(say(engine, ("c", 505, 0.3))) == []


def test_after_a_late_row_that_raised_as_common_it_stays_common():
    engine = engine_of(*(device(name) for name in "abc"))
    changes = say(engine, ("a", 500, 0.3), ("b", 500, 0.3), ("c", 900, 0.0), ("c", 510, 0.3), ("c", 901, 0.17))
    assert short(changes)[2:] == [("c", "raised", Level.IV)]


@pytest.mark.parametrize(
    ("hazard", "change", "where"),
    [
        (Hazard.SMOKE, {}, "x.common_mode"),
        (Hazard.WATER_LEVEL, {}, "x.common_mode"),
        (Hazard.CURTAIN_WALL, {"within": "street"}, "x.common_mode.within"),
        (Hazard.CURTAIN_WALL, {"at_least": 1}, "x.common_mode.at_least"),
        (Hazard.CURTAIN_WALL, {"share": 2}, "x.common_mode.share"),
        (Hazard.CURTAIN_WALL, {"many": 2}, "x.common_mode.many"),
    ],
)
def test_errors_name_the_key(hazard, change, where):
    with pytest.raises(DeclarationError) as error:
        parse("x", TILT | {"common_mode": change}, hazard)
    assert error.value.where == where


def test_a_flag_of_a_facade_that_time_escalates_is_told_lower_while_it_is_common():
    text = {"kind": "event", "point": "tilt", "levels": {"III": {}, "II": {}}, "common_mode": {"within": "building"}}
    engine = engine_of(*(device(name, text) for name in "abc"))
    assert [each.level for each in say(engine, ("a", 0, 1), ("b", 0, 1), ("c", 0, 1))][2] is Level.IV
    changes = engine.tick({"real": START + 61_000})
    assert short(changes) == [("c", "escalated", Level.III)]  # a and b would be told III, which they were already


# ---------------------------------------------------------------- silence

SILENCE = {
    "kind": "silence",
    "hazard": "device",
    "levels": {"IV": {"after_s": 30}},
    "common_mode": {"at_least": 3, "share": 0.5},
}


def quiet(name, site="s1"):
    rules = {"silence": parse("silence", SILENCE, Hazard.SMOKE, 10.0)}
    return DeviceRules(name, rules, ("tilt",), groups={"site": site})


def test_many_that_fall_silent_together_say_how_many_and_one_alone_does_not():
    engine = engine_of(*(quiet(name) for name in "abcde"), quiet("z", "s2"))
    say(engine, *((name, 0, 0) for name in "abcdez"))
    say(engine, ("d", 20, 0), ("e", 20, 0))
    changes = engine.tick({"real": START + 31_000})
    assert [(each.device, each.level, each.evidence.get("common_mode")) for each in changes] == [
        ("a", Level.IV, 3), ("b", Level.IV, 3), ("c", Level.IV, 3), ("z", Level.IV, None)
    ]  # fmt: skip
    changes = engine.tick({"real": START + 20 * 60_000 + 31_000})
    assert [each.evidence.get("common_mode") for each in changes] == [None, None]  # long after the others
    say(engine, *((name, 30, 0) for name in "abcde"))
    assert {each.evidence.get("common_mode") for each in engine.tick({"real": START + 31 * 60_000})} == {5}


# ---------------------------------------------------------------- against plain loops

NAMES = ("a", "b", "c", "d")
READING = st.tuples(
    st.sampled_from(range(5)),  # four devices, and the first one in an exercise
    st.sampled_from([0, 500, 1000, 1000, 2000, 5000, -500, -3000, -20_000]),
    st.sampled_from([0.0, 0.6, 1.0, 1.0, 2.0, 3.0, float("nan")]),
    st.sampled_from([1, 1, 1, 1, 4]),
    st.sampled_from([True, True, True, False]),
)


@st.composite
def texts(draw):
    hold = st.sampled_from([0, 0, 2])
    return {
        "kind": "level",
        "point": "tilt",
        "levels": {
            "IV": {"enter": 1.0, "exit": 0.5, "hold_s": draw(hold)},
            "III": {"enter": 2.0, "exit": 1.0, "hold_s": draw(hold)},
            "I": {"enter": 3.0, "exit": 2.0},
        },
        "clear_hold_s": draw(st.sampled_from([0.0, 2.0])),
        "max_gap_s": 4.0,
        "max_verify_delay_s": 600,
        "common_mode": {
            "within": "zone",
            "at_least": draw(st.sampled_from([2, 3])),
            "window_s": draw(st.sampled_from([0.0, 2.0, 6.0])),
            "at": draw(st.sampled_from([0.5, 1.0])),
        },
    }


def table_of(text):
    rules = {"tilt": parse("tilt", text, Hazard.CURTAIN_WALL, 1.0)}
    zones = dict(zip(NAMES, "zzzy", strict=True))
    return [DeviceRules(name, rules, ("tilt",), cadence_s=1.0, groups={"zone": zones[name]}) for name in NAMES]


def columns_of(engine, stream):
    channels = [engine.channel(name, "tilt") for name in NAMES] + [engine.channel("a", "tilt", "drl-1")]
    rows, clock = [], [START] * 5
    for who, step, value, flag, counted in stream:
        ts = clock[who] + step
        clock[who] = max(clock[who], ts)
        rows.append((channels[who], ts, value, flag, counted))
    channel, ts, value, flag, counted = zip(*rows, strict=True)
    return Columns.of(channel, ts, value, flag=flag, counted=counted)


def plain_changes(table, columns):
    rule = table[0].rules["tilt"]
    option = rule.common_mode
    names = [*((None, name, table[n].groups["zone"]) for n, name in enumerate(NAMES)), ("drl-1", "a", "z")]
    machines, group, level_told = [PlainRule(rule) for _ in names], PlainGroup(), [0] * 5
    was_common = [False] * 5
    newest: list[int | None] = [None] * 5
    out = []
    for index in range(len(columns.ts)):
        who, ts, value = int(columns.channel[index]), int(columns.ts[index]), float(columns.value[index])
        bad, counted = bool(columns.flag[index] >= 3), bool(columns.counted[index])
        if not np.isfinite(value):
            continue
        mine = names[who]
        in_order = counted and (newest[who] is None or ts >= newest[who])
        if in_order:
            newest[who] = ts
        if value >= option.at and not bad:
            group.show_run(mine, ts, option.window_ms)
        near = [each for each in names if each[0] == mine[0] and each[2] == mine[2]]
        common = len(group.together(near, mine, ts, option.window_ms)) >= option.at_least
        machine = machines[who]
        was_on = machine.level is not None
        answer = machine.read(ts, value, bad, counted)
        if not answer and not (in_order and not bad and machine.level):
            continue
        common = common or (was_on and was_common[who])
        was_common[who] = common and machine.level is not None
        rank = machine.level.rank if machine.level else 0
        after = max(rank - 1, 1) if common and rank else rank
        before, level_told[who] = level_told[who], after
        if after == before:
            continue
        verb = "raised" if not before else "cleared" if not after else "escalated" if after > before else "deescalated"
        out.append((mine[1], mine[0], verb, Level.of_rank(after), ts, machine.opened, index))
    return out


def told(change, offset=0):
    return (change.device, change.exercise, str(change.verb), change.level, change.at, change.opened_at,
            change.decided_by + offset)  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(
    text=texts(),
    stream=st.lists(READING, min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=5),
    restart=st.booleans(),
)
def test_every_cut_and_restart_tell_as_one_reading_at_a_time(text, stream, cuts, restart):
    table = table_of(text)
    engine = engine_of(*table)
    columns = columns_of(engine, stream)
    expected = plain_changes(table, columns)
    pieces, journal = [], {}
    for start, stop in itertools.pairwise([0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]):
        pieces += [told(change, start) for change in engine.step(columns.part(slice(start, stop)))]
        journal.update(engine.dirty())
        if restart:
            engine = engine_of(*table)
            engine.restore(journal)
            columns_of(engine, stream)
    assert sorted(pieces, key=repr) == sorted(expected, key=repr)


@settings(max_examples=60, deadline=None)
@given(
    text=texts(),
    stream=st.lists(READING.filter(lambda each: each[1] >= 0 and each[3] == 1 and each[4]), min_size=1, max_size=40),
    again=st.lists(st.integers(1, 3), min_size=40, max_size=40),
)
def test_readings_that_come_again_change_nothing(text, stream, again):
    engine, other = engine_of(*table_of(text)), engine_of(*table_of(text))
    columns = columns_of(engine, stream)
    columns_of(other, stream)
    once = [told(change)[:-1] for change in engine.step(columns)]
    order = np.repeat(np.arange(len(stream)), again[: len(stream)])
    repeated = Columns(*(None if each is None else each[order] for each in columns))
    assert [told(change)[:-1] for change in other.step(repeated)] == once


@settings(max_examples=40, deadline=None)
@given(stream=st.lists(READING, min_size=1, max_size=60), text=texts())
def test_it_never_hides_an_alarm_nor_holds_it_open(text, stream):
    """With and without the option the same alarms are raised and cleared, at the same rows."""
    alone = {key: value for key, value in text.items() if key != "common_mode"}
    ends = []
    for each in (text, alone):
        engine = engine_of(*table_of(each)) if each is text else engine_of(*(
            DeviceRules(name, {"tilt": parse("tilt", each, Hazard.CURTAIN_WALL, 1.0)}, ("tilt",), cadence_s=1.0)
            for name in NAMES
        ))  # fmt: skip
        changes = engine.step(columns_of(engine, stream))
        ends.append([told(change) for change in changes if change.verb in (Verb.RAISED, Verb.CLEARED)])
    assert [(each[0], each[2], *each[4:]) for each in ends[0]] == [(each[0], each[2], *each[4:]) for each in ends[1]]
