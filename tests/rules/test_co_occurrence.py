"""Several devices at once: cases by hand, and the engine against plain loops in any cut, restart and repetition."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_group import PlainGroup
from plain_rules import PlainRule

from rules.columns import Columns
from rules.declaration import DeclarationError, parse, resolve
from rules.engine import DeviceRules, Engine
from wire.alert import Hazard, Verb
from wire.level import Level

START = 1_780_000_000_000
SMOKE = {
    "kind": "level", "point": "obscuration", "levels": {"III": {"enter": 0.15, "exit": 0.06}}, "clear_hold_s": 0,
}  # fmt: skip
CROSS = {
    "kind": "co_occurrence", "of": [{"rule": "smoke", "at": 0.10}, {"rule": "flag", "at": 0.5}], "window_s": 180,
    "levels": {"I": {"enter": 2}}, "clear_hold_s": 0, "latch": True,
}  # fmt: skip
FLAG = {"kind": "event", "point": "alarm", "levels": {"III": {}}}


def device(name, zone="kitchen", cross=CROSS, **more):
    rules = {"smoke": SMOKE, "flag": FLAG, "cross_zone": cross, **more}
    groups = {"site": "s1", "building": "b1", **({"zone": zone} if zone else {})}
    parsed = {rule: parse(rule, text, Hazard.SMOKE, 10.0) for rule, text in rules.items()}
    return DeviceRules(name, parsed, ("obscuration", "alarm"), groups=groups)


def engine_of(*devices):
    engine = Engine(settle_s=0.0)
    engine.configure(devices)
    return engine


def say(engine, *readings, exercise=None):
    """(device, second, value) or (device, second, value, point), in order of arrival."""
    channel = [engine.channel(each[0], each[3] if len(each) > 3 else "obscuration", exercise) for each in readings]
    ts = [START + 1000 * each[1] for each in readings]
    return engine.step(Columns.of(channel, ts, [each[2] for each in readings]))


def crossed(changes):
    return [(each.device, str(each.verb), each.level) for each in changes if each.rule == "cross_zone"]


def test_two_detectors_of_one_zone_are_red_at_once_and_one_is_not():
    engine = engine_of(device("a"), device("b"), device("c", zone="hall"))
    assert crossed(say(engine, ("a", 0, 0.12), ("c", 1, 0.5))) == []
    changes = say(engine, ("b", 180, 0.11))
    assert crossed(changes) == [("b", "raised", Level.I)]
    assert changes[-1].evidence["devices"] == "a, b"
    assert changes[-1].evidence["count"] == 2
    assert (changes[-1].evidence["point"], changes[-1].evidence["source"]) == ("obscuration", "smoke")
    assert crossed(say(engine, ("a", 181, 0.0))) == []  # its own time is over
    assert crossed(say(engine, ("a", 190, 0.13))) == [("a", "raised", Level.I)]


def test_a_device_that_is_still_present_sees_the_other_at_its_own_next_row():
    engine = engine_of(device("a"), device("b"))
    say(engine, ("a", 0, 0.12), ("b", 100, 0.12))
    changes = say(engine, ("a", 110, 0.02))
    assert crossed(changes) == [("a", "raised", Level.I)]


def test_after_the_window_there_are_two_no_more_and_it_ends():
    engine = engine_of(device("a"), device("b"))
    say(engine, ("a", 0, 0.12), ("b", 10, 0.12))
    assert crossed(say(engine, ("b", 180, 0.0))) == []
    assert crossed(say(engine, ("b", 181, 0.0))) == [("b", "cleared", None)]


def test_silence_ends_nothing():
    engine = engine_of(device("a"), device("b"))
    say(engine, ("a", 0, 0.12), ("b", 10, 0.12))
    assert crossed(engine.tick({"real": START + 86_400_000})) == []


def test_a_manual_call_point_or_a_flag_is_a_source_too():
    engine = engine_of(device("a"), device("b"))
    changes = say(engine, ("a", 0, 1.0, "alarm"), ("b", 20, 0.2))
    assert crossed(changes) == [("b", "raised", Level.I)]


def test_zones_that_are_named_count_too():
    here = CROSS | {"adjacent": ["hall", "kitchen"]}
    engine = engine_of(device("a", cross=here), device("c", zone="hall"), device("d", zone="attic"))
    assert crossed(say(engine, ("c", 0, 0.2), ("d", 0, 0.2), ("a", 5, 0.2))) == [("a", "raised", Level.I)]
    assert crossed(say(engine, ("c", 6, 0.2))) == []  # the hall does not name the kitchen


def test_a_device_without_a_zone_has_only_itself():
    engine = engine_of(device("a", zone=None), device("b", zone=None))
    assert crossed(say(engine, ("a", 0, 0.2), ("b", 0, 0.2))) == []


def test_a_building_and_a_number_of_devices():
    wet = CROSS | {"within": "building", "levels": {"III": {"enter": 2}, "II": {"enter": 3}}}
    engine = engine_of(*(device(name, zone=name, cross=wet) for name in "abc"))
    changes = say(engine, ("a", 0, 0.2), ("b", 1, 0.2), ("c", 2, 0.2), ("b", 3, 0.2))
    assert crossed(changes) == [
        ("b", "raised", Level.III), ("c", "raised", Level.II), ("b", "escalated", Level.II)
    ]  # fmt: skip


def test_a_drill_is_a_group_of_its_own():
    engine = engine_of(device("a"), device("b"))
    say(engine, ("a", 0, 0.2), exercise="drl-1")
    assert crossed(say(engine, ("b", 1, 0.2))) == []
    assert crossed(say(engine, ("b", 2, 0.2), exercise="drl-1")) == [("b", "raised", Level.I)]


def test_a_doubtful_reading_is_no_confirmation_for_another_but_raises_its_own_as_suspect():
    engine = engine_of(device("a"), device("b"))
    channels = [engine.channel(name, "obscuration") for name in "ab"]
    step = Columns.of([channels[0]], [START], [0.2], flag=[4])
    assert crossed(engine.step(step)) == []
    assert crossed(say(engine, ("b", 1, 0.2))) == []
    changes = engine.step(Columns.of([channels[0]], [START + 2000], [0.2], flag=[4]))
    assert [(each.verb, each.suspect) for each in changes if each.rule == "cross_zone"] == [(Verb.RAISED, True)]
    assert changes[-1].evidence["devices"] == "b, a"


def test_at_most_eight_are_named_and_all_are_counted():
    engine = engine_of(*(device(f"d{number:02}") for number in range(12)))
    changes = say(engine, *((f"d{number:02}", number, 0.2) for number in range(12)))
    last = [each for each in changes if each.rule == "cross_zone"][-1]
    assert last.evidence["count"] == 12
    assert last.evidence["devices"].split(", ") == [f"d{number:02}" for number in range(8)]


def test_a_device_that_moves_to_another_zone_leaves_its_group():
    engine = engine_of(device("a"), device("b"))
    say(engine, ("a", 0, 0.2))
    engine.configure([device("a", zone="hall"), device("b")])
    assert crossed(say(engine, ("b", 1, 0.2))) == []


def test_two_that_are_not_verified_yet_are_enough():
    """The number of the evidence is the fusion before its verification."""
    smoke = {
        "kind": "smoke_fusion",
        "levels": {"III": {"enter": 1.0, "exit": 0.4}, "II": {"enter": 2.0}, "I": {"enter": 4.0}},
    }
    cross = CROSS | {"of": [{"rule": "smoke", "field": "fusion", "at": 0.7}, {"rule": "flag", "at": 0.5}]}
    engine = engine_of(device("a", cross=cross, smoke=smoke), device("b", cross=cross, smoke=smoke))
    assert say(engine, *((name, 10 * number, 0.002) for number in range(60) for name in "ab")) == []
    assert say(engine, ("a", 600, 0.09), ("b", 600, 0.002)) == []
    changes = say(engine, ("a", 610, 0.09), ("b", 610, 0.09))
    assert [(each.device, each.rule, each.level) for each in changes] == [("b", "cross_zone", Level.I)]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"of": []}, "x.of"),
        ({"of": [{"rule": "smoke"}]}, "x.of[0].at"),
        ({"of": [{"rule": "smoke", "at": 1, "is": 2}]}, "x.of[0].is"),
        ({"within": "street"}, "x.within"),
        ({"adjacent": "hall"}, "x.adjacent"),
        ({"window_s": -1}, "x.window_s"),
        ({"direction": "below"}, "x.direction"),
        ({"point": "obscuration"}, "x.point"),
        ({"common_mode": {}}, "x.common_mode"),
    ],
)
def test_errors_name_the_key(change, where):
    with pytest.raises(DeclarationError) as error:
        parse("x", CROSS | change, Hazard.CURTAIN_WALL)
    assert error.value.where == where


def test_a_device_without_any_source_is_told():
    with pytest.raises(DeclarationError, match=r"cross\.of"):
        resolve(Hazard.DEVICE, ["level"], 10.0, {"cross": CROSS})
    with pytest.raises(DeclarationError, match="judges readings"):
        resolve(Hazard.DEVICE, ["level"], 10.0, {"cross": CROSS | {"of": [{"rule": "silence", "at": 1}]}})


# ---------------------------------------------------------------- against plain loops

TABLE = (("a", "z"), ("b", "z"), ("c", "y"), ("d", "z"))
READING = st.tuples(
    st.sampled_from(range(5)),  # four devices, and the first one in an exercise
    st.sampled_from([0, 500, 1000, 1000, 2000, 5000, -500, -3000, -20_000]),
    st.sampled_from([0.0, 0.4, 0.5, 0.6, 1.0, 2.0, float("nan")]),
    st.sampled_from([1, 1, 1, 1, 4]),
    st.sampled_from([True, True, True, False]),
    st.sampled_from("xxxy"),  # point
)


@st.composite
def gatherings(draw):
    return {
        "kind": "co_occurrence",
        "of": [{"rule": "source", "at": 0.5}, {"rule": "other", "at": -1.0}],
        "within": "zone",
        "adjacent": draw(st.sampled_from([[], ["y"]])),
        "window_s": draw(st.sampled_from([0.0, 1.0, 3.0, 8.0])),
        "levels": {"III": {"enter": 2, "hold_s": draw(st.sampled_from([0, 2]))}, "I": {"enter": 3}},
        "clear_hold_s": draw(st.sampled_from([0.0, 2.0])),
        "max_gap_s": 4.0,
        "max_verify_delay_s": 600,
    }


def table_of(text):
    source = {"kind": "level", "point": "x", "levels": {"IV": {"enter": 9.0}}, "max_verify_delay_s": 600}
    other = source | {"point": "y", "direction": "below", "levels": {"IV": {"enter": -9.0}}}
    texts = {"source": source, "other": other, "many": text, "few": text | {"adjacent": [], "window_s": 2.0}}
    rules = {name: parse(name, each, Hazard.WATER_LEVEL, 1.0) for name, each in texts.items()}
    return [DeviceRules(name, rules, ("x", "y"), cadence_s=1.0, groups={"zone": zone}) for name, zone in TABLE]


def columns_of(engine, stream):
    whose = [(name, None) for name, _ in TABLE] + [("a", "drl-1")]
    channels = [engine.channel(name, point, exercise) for name, exercise in whose for point in "xy"]
    rows, clock = [], [START] * 5
    for who, step, value, flag, counted, point in stream:
        ts = clock[who] + step
        clock[who] = max(clock[who], ts)
        # the wire is pulled down where the other point goes up
        rows.append((channels[2 * who + "xy".index(point)], ts, value if point == "x" else -2 * value, flag, counted))
    channel, ts, value, flag, counted = zip(*rows, strict=True)
    return Columns.of(channel, ts, value, flag=flag, counted=counted)


def plain_changes(table, columns):
    """(device, exercise, rule, what the plain machine says, row)."""
    names = [(None, name, zone) for name, zone in TABLE] + [("drl-1", "a", "z")]
    out = []
    for rule_id in ("many", "few"):
        rule = replace(table[0].rules[rule_id], kind="level", point="x")
        machines, group, options = [PlainRule(rule) for _ in names], PlainGroup(), rule.options
        for index in range(len(columns.ts)):
            who, is_other = divmod(int(columns.channel[index]), 2)
            ts, value = int(columns.ts[index]), float(columns.value[index])
            bad = bool(columns.flag[index] >= 3)
            exercise, _, zone = mine = names[who]
            shows = value <= -1.0 if is_other else value >= 0.5
            if not np.isfinite(value) or (is_other and not shows):
                continue
            if shows and not bad:
                group.show(mine, ts)
            near = [each for each in names if each[0] == exercise and each[2] in (zone, *options.adjacent)]
            here = group.present(near, ts, options.window_ms)
            count = len({*here, mine}) if mine in here or shows else 0
            answer = machines[who].read(ts, float(count), bad, bool(columns.counted[index]))
            if answer:
                out.append((mine[1], exercise, rule_id, *answer, index))
    return out


def told(change, offset=0):
    return (change.device, change.exercise, change.rule, str(change.verb), change.level, change.at, change.opened_at,
            change.suspect, change.decided_by + offset)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    text=gatherings(),
    stream=st.lists(READING, min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=5),
    restart=st.booleans(),
)
def test_every_cut_and_restart_decide_as_one_reading_at_a_time(text, stream, cuts, restart):
    table = table_of(text)
    engine = engine_of(*table)
    expected = plain_changes(table, columns_of(engine, stream))
    pieces, journal = [], {}
    columns = columns_of(engine, stream)
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
    text=gatherings(),
    stream=st.lists(READING.filter(lambda each: each[1] >= 0 and each[3] == 1 and each[4]), min_size=1, max_size=40),
    again=st.lists(st.integers(1, 3), min_size=40, max_size=40),
)
def test_readings_that_come_again_change_nothing(text, stream, again):
    """Said again before others speak. Later, a repeat is a late reading: it finds who has shown since."""
    engine = engine_of(*table_of(text))
    columns = columns_of(engine, stream)
    once = [told(change)[:-1] for change in engine.step(columns)]
    order = np.repeat(np.arange(len(stream)), again[: len(stream)])
    repeated = Columns(*(None if each is None else each[order] for each in columns))
    other = engine_of(*table_of(text))
    columns_of(other, stream)
    assert [told(change)[:-1] for change in other.step(repeated)] == once
    assert {key: row for key, row in other.dirty().items() if "/:~" in key} == {
        key: row for key, row in engine.dirty().items() if "/:~" in key
    }
