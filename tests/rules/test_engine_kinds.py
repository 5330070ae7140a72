"""Kinds that look at several inputs: the engine against the plain machine, and what is around it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import trial_kind
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_rules import PlainRule

from rules.columns import Columns
from rules.declaration import DeclarationError, parse, resolve
from rules.engine import DeviceRules, Engine
from rules.kinds import KINDS
from wire.alert import Hazard, Verb
from wire.level import Level

START = 1_780_000_000_000  # a Friday, 04:26:40 in China
POINTS = ("level", "rain", "tide")
TEXT = {
    "kind": "trial",
    "levels": {
        "IV": {"enter": 6.0, "exit": 5.0, "hold_s": 1, "min_samples": 2},
        "II": {"enter": 9.0, "exit": 8.0, "min_samples": 2},
    },
    "clear_hold_s": 2.0,
    "max_gap_s": 3.0,
    "max_verify_delay_s": 600,
}


@pytest.fixture(autouse=True)
def trial(monkeypatch):
    monkeypatch.setitem(KINDS, trial_kind.NAME, trial_kind)


def devices(text=None, offset=0.0, names=("a", "b"), second=False):
    rules = {"rule": parse("rule", text or TEXT, Hazard.WATER_LEVEL, 1.0)}
    if second:
        other = {**TEXT, "gain": 2.0, "cooldown_s": 3.0, "levels": {"III": {"enter": 7.0, "exit": 4.0, "hold_s": 2}}}
        rules["second"] = parse("second", other, Hazard.WATER_LEVEL, 1.0)
        rules["plain"] = parse("plain", {**TEXT, "kind": "level", "point": "level"}, Hazard.WATER_LEVEL, 1.0)
        rules["tide"] = parse("tide", {**other, "point": "tide", "inputs": {"stage": "level"}}, Hazard.WATER_LEVEL, 1.0)
    return [DeviceRules(name, rules, POINTS, {"offset": offset}, cadence_s=1.0) for name in names]


def fresh_engine(table):
    engine = Engine(settle_s=0.0)
    engine.configure(table)
    for each, point, exercise in itertools.product(table, POINTS, (None, "drl-1")):
        engine.channel(each.device, point, exercise)
    return engine


VALUE = st.sampled_from([-7.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, float("nan")])
ORDERS = st.permutations(POINTS)


@st.composite
def messages(draw):
    """Messages (device, exercise, step, flag, counted, {point: value}) with each point at most once."""
    chosen = draw(st.sets(st.sampled_from(POINTS), min_size=1))
    return (
        draw(st.integers(0, 1)),
        draw(st.sampled_from([None, None, "drl-1"])),
        draw(st.sampled_from([0, 500, 1000, 1000, 1000, 1000, 2000, 2500, 7000, 30_000, -500, -1000, -4000, -30_000])),
        {point: (draw(VALUE), draw(st.sampled_from([1, 1, 1, 2, 3, 4]))) for point in draw(ORDERS) if point in chosen},
        draw(st.sampled_from([True, True, True, False])),
    )


def as_columns(engine, table, stream):
    """Columns, and the messages as rows of a batch each."""
    clock, rows, found = {}, [], []
    for number, (device, exercise, step, values, counted) in enumerate(stream):
        name = table[device].device
        ts = clock.get((name, exercise), START) + step
        clock[name, exercise] = max(clock.get((name, exercise), START), ts)
        found.append((name, exercise, len(rows), []))
        for point, (value, flag) in values.items():
            found[-1][3].append((point, ts, value, flag >= 3, counted))
            rows.append((engine.channel(name, point, exercise), ts, START + 1000 * number, value, flag, counted))
    channel, ts, arrival, value, flag, counted = zip(*rows, strict=True)
    tests = np.zeros(len(rows), dtype=np.uint16)
    columns = Columns.of(channel, ts, value, arrival, flag, counted)
    return columns._replace(tests=tests, clock=np.zeros(len(rows), dtype=np.bool_)), found


def plain_changes(table, found):
    machines, out = {}, []
    for device, exercise, at, rows in found:
        for name, rule in table[0].rules.items():
            machine = machines.setdefault((device, exercise, name), PlainRule(rule, dict(table[0].parameters)))
            if machine.kind is None:
                judged = [row for row in rows if row[0] == rule.point]
                answer = machine.read(*judged[0][1:]) if judged else None
            else:
                answer = machine.message(rows)
            if answer:
                index = at + next(number for number, row in enumerate(rows) if row[0] == rule.point)
                out.append((device, exercise, name, *answer, index))
    return out


def told(change, offset=0):
    return (
        change.device, change.exercise, change.rule, str(change.verb), change.level, change.at, change.opened_at,
        change.suspect, change.decided_by + offset,
    )  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    stream=st.lists(messages(), min_size=1, max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=6),
    restart=st.booleans(),
    offset=st.sampled_from([0.0, 0.0, 1.0, -1.0]),
    second=st.booleans(),
)
def test_every_cut_between_messages_and_every_restart_decide_as_one_reading_at_a_time(
    stream, cuts, restart, offset, second
):
    table = devices(offset=offset, second=second)
    engine = fresh_engine(table)
    columns, found = as_columns(engine, table, stream)
    expected = sorted(plain_changes(table, found), key=repr)
    assert sorted((told(change) for change in engine.step(columns)), key=repr) == expected
    engine = fresh_engine(table)
    journal, pieces = {}, []
    begins = [each[2] for each in found] + [len(columns.ts)]
    edges = [0, *sorted(begins[min(cut, len(stream))] for cut in cuts), len(columns.ts)]
    for start, stop in itertools.pairwise(edges):
        pieces += [told(change, start) for change in engine.step(columns.part(slice(start, stop)))]
        journal.update(engine.dirty())
        if restart:
            engine = fresh_engine(table)
            engine.restore(journal)
    assert sorted(pieces, key=repr) == expected


@pytest.mark.parametrize("seed", range(4))
def test_long_streams_of_messages_decide_as_one_reading_at_a_time(seed):
    rng = np.random.default_rng(seed)
    table = devices(second=True)
    stream, level = [], 1.0
    for _ in range(300):
        if rng.random() < 0.15:
            level = float(rng.choice([0.0, 0.5, 1.0, 1.5, 2.0, 3.0]))
        step = int(rng.choice([500, 1000, 1000, 1500, 7000, -3000, 0]))
        chosen = [str(each) for each in rng.permutation(POINTS)[: int(rng.integers(1, 4))]]
        flags = [int(rng.choice([1, 1, 1, 1, 4])) for _ in chosen]
        said = [level if rng.random() < 0.8 else 0.0 for _ in chosen]
        values = dict(zip(chosen, zip(said, flags, strict=True), strict=True))
        stream.append((int(rng.integers(0, 2)), None, step, values, bool(rng.random() > 0.05)))
    engine = fresh_engine(table)
    columns, found = as_columns(engine, table, stream)
    expected = sorted(plain_changes(table, found), key=repr)
    assert len(expected) > 4
    assert sorted((told(change) for change in engine.step(columns)), key=repr) == expected
    engine, journal, pieces, at = fresh_engine(table), {}, [], 0
    while at < len(found):
        stop = min(at + int(rng.choice([1, 2, 5, 30])), len(found))
        begin = found[at][2]
        end = found[stop][2] if stop < len(found) else len(columns.ts)
        pieces += [told(change, begin) for change in engine.step(columns.part(slice(begin, end)))]
        journal.update(engine.dirty())
        if rng.random() < 0.2:
            engine = fresh_engine(table)
            engine.restore(journal)
        at = stop
    assert sorted(pieces, key=repr) == expected


def series(engine, values, start=START, device="a", point="level", exercise=None):
    ts = start + 1000 * np.arange(len(values))
    return engine.step(Columns.of(engine.channel(device, point, exercise), ts, values))


def of(changes):
    return [(change.verb, change.level) for change in changes]


def test_the_evidence_says_what_the_kind_says():
    engine = fresh_engine(devices())
    series(engine, [2.0], point="rain")
    change = series(engine, np.full(8, 2.0))[0]
    assert change.verb is Verb.RAISED
    evidence = change.evidence
    assert evidence["value"] == 2.0
    assert evidence["rain"] == 2.0
    assert evidence["signal"] >= evidence["threshold"] == 6.0
    assert 0 < evidence["mean"] < 2.0
    assert {"held_s", "samples", "point"} <= set(evidence)


def test_an_input_of_another_device_feeds_the_rule_in_reality_and_in_an_exercise():
    text = {**TEXT, "inputs": {"rain": {"device": "b"}}, "levels": {"III": {"enter": 9.0, "exit": 8.0}}}
    rules = {"rule": parse("rule", text, Hazard.WATER_LEVEL, 1.0)}
    table = [DeviceRules("a", rules, ("level",)), DeviceRules("b", {}, ("rain",))]
    engine = Engine()
    engine.configure(table)
    assert series(engine, np.full(5, 1.0)) == []
    series(engine, [9.0], START + 5000, device="b", point="rain")
    assert of(series(engine, [1.0], START + 5000)) == [(Verb.RAISED, Level.III)]
    # an exercise in which b does not play hears the real b
    engine.channel("a", "level", "drl-1")
    series(engine, [9.0], START + 6000, device="b", point="rain")
    assert of(series(engine, [1.0], START + 6000, exercise="drl-1")) == [(Verb.RAISED, Level.III)]
    # one in which it plays hears that
    engine.channel("b", "rain", "drl-2")
    series(engine, [9.0], START + 7000, device="b", point="rain")
    assert series(engine, [1.0], START + 7000, exercise="drl-2") == []
    series(engine, [9.0], START + 8000, device="b", point="rain", exercise="drl-2")
    assert of(series(engine, [1.0], START + 8000, exercise="drl-2")) == [(Verb.RAISED, Level.III)]
    assert engine.blind == {}
    engine.configure(table[:1])
    assert "device b is not known" in engine.blind["a", "rule"]
    assert series(engine, [0.0], START + 9000) == []


def test_a_rule_that_needs_a_device_nobody_knows_is_blind_and_says_why():
    text = {**TEXT, "use": "all", "inputs": {"rain": {"device": "nobody", "point": "rain"}}}
    engine = Engine()
    engine.configure([DeviceRules("a", {"rule": parse("rule", text, Hazard.WATER_LEVEL)}, ("level",))])
    assert engine.blind == {("a", "rule"): "rule rule: input rain: device nobody is not known here"}
    assert series(engine, np.full(20, 9.0)) == []


def test_a_rule_whose_parameters_do_not_do_is_blind_and_others_are_not():
    table = devices(offset=-1.0)
    table[1] = DeviceRules("b", table[1].rules, POINTS, {"offset": 0.0})
    engine = fresh_engine(table)
    assert engine.blind == {("a", "rule"): "rule rule: parameter offset is below zero"}
    channels = [engine.channel("a", "level"), engine.channel("b", "level")]
    columns = Columns.of(np.tile(channels, 9), START + 1000 * np.repeat(np.arange(9), 2), np.full(18, 4.0))
    assert {change.device for change in engine.step(columns)} == {"b"}


def test_another_threshold_keeps_what_was_learnt_and_another_gain_does_not():
    engine = fresh_engine(devices())
    series(engine, np.full(3, 2.0))
    store = engine._table.stores[0]
    assert store.memory["count"][:1].tolist() == [3]
    engine.configure(devices({**TEXT, "levels": {"I": {"enter": 100.0}}}))
    assert store.memory["count"][:1].tolist() == [3]
    journal = engine.dirty()
    engine.configure(devices({**TEXT, "gain": 3.0}))
    assert store.memory["count"].max() == 0
    restored = fresh_engine(devices({**TEXT, "levels": {"II": {"enter": 50.0}}}))
    restored.restore(journal)
    assert restored._table.stores[0].memory["count"].max() == 3


def test_rules_that_come_and_go_give_their_lines_back():
    table = devices()
    engine = fresh_engine(table)
    size = engine.state_bytes()
    for _ in range(70):
        engine.configure([])
        engine.configure(table)
    assert len(engine._table.stores[0].memory) == 64
    assert engine.state_bytes() == pytest.approx(size, rel=0.3)


def test_an_input_that_comes_with_a_later_device_harms_none():
    """Of 100 lines without tide the fifth goes, and comes back with one."""
    one = parse("rule", TEXT, Hazard.WATER_LEVEL, 1.0)
    rules = {"rule": replace(one, inputs=one.inputs[:2])}
    table = [DeviceRules(f"d{number}", rules, ("level",)) for number in range(100)]
    engine = Engine()
    engine.configure(table)
    channels = [engine.channel(f"d{number}", "level") for number in range(100)]
    engine.configure([*table[:5], *table[6:]])
    table[5] = DeviceRules("new", {"rule": one}, POINTS)
    engine.configure(table)
    channels[5] = engine.channel("new", "level")
    tide, found = engine.channel("new", "tide"), []
    for second in range(4):
        ts = START + 1000 * second
        columns = Columns.of([tide, *channels], np.full(101, ts), np.array([9.0, *np.full(100, 1.0)]))
        found += engine.step(columns)
    assert {change.device for change in found} == {"new"}


def test_rows_that_do_not_fit_are_named():
    engine = fresh_engine(devices())
    series(engine, np.full(3, 2.0))
    rows = {key: row[:-5] if key.endswith("rule") else row for key, row in engine.dirty().items()}
    after = fresh_engine(devices())
    after.restore(rows)
    assert set(after.unreadable) == {"/a/rule"}


GOOD = {**TEXT, "point": "level"}


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"gain": "much"}, "r.gain"),
        ({"gian": 1}, "r.gian"),
        ({"inputs": ["rain"]}, "r.inputs"),
        ({"inputs": {"snow": "rain"}}, "r.inputs.snow"),
        ({"inputs": {"level": "rain"}}, "r.inputs.level"),
        ({"inputs": {"rain": 5}}, "r.inputs.rain"),
        ({"inputs": {"rain": {"device": 5}}}, "r.inputs.rain.device"),
        ({"inputs": {"rain": {"unit": "b"}}}, "r.inputs.rain.unit"),
        ({"inputs": {"rain": {"device": "b", "point": ""}}}, "r.inputs.rain.point"),
        ({"schedule": "night"}, "r.schedule"),
        ({"schedule": {"from": "22:00", "until": "06:00"}}, "r.schedule.until"),
        ({"schedule": {"from": 2200}}, "r.schedule.from"),
        ({"schedule": {"to": "24:30"}}, "r.schedule.to"),
        ({"schedule": {"days": ["sunday"]}}, "r.schedule.days"),
        ({"schedule": {"days": []}}, "r.schedule.days"),
        ({"schedule": {"utc_offset_h": 20}}, "r.schedule.utc_offset_h"),
        ({"cooldown_s": -1}, "r.cooldown_s"),
        ({"window_s": 5}, "r.window_s"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(more, where):
    with pytest.raises(DeclarationError) as caught:
        parse("r", {**GOOD, **more}, Hazard.WATER_LEVEL)
    assert caught.value.where == where


def test_inputs_are_dropped_left_out_or_missed():
    rule = resolve(Hazard.WATER_LEVEL, ["level", "rain"], 1.0, {"mine": GOOD})["mine"]
    assert [each.name for each in rule.inputs] == ["level", "rain"], "optional, and the device has no tide"
    assert rule.sources == {"level": (None, "level"), "rain": (None, "rain")}
    with pytest.raises(DeclarationError) as caught:
        resolve(Hazard.WATER_LEVEL, ["level"], 1.0, {"mine": {**GOOD, "use": "all"}})
    assert caught.value.where == "mine.inputs.rain"
    with pytest.raises(DeclarationError) as caught:
        resolve(Hazard.WATER_LEVEL, ["level"], 1.0, {"mine": {**GOOD, "inputs": {"rain": "regen"}}})
    assert caught.value.where == "mine.inputs.rain", "what is named must be there, optional or not"
    with pytest.raises(DeclarationError) as caught:
        resolve(Hazard.WATER_LEVEL, ["rain"], 1.0, {"mine": TEXT})
    assert caught.value.where == "mine.point"


def test_a_default_that_is_nothing_for_the_device_is_left_out(monkeypatch):
    from rules import defaults

    monkeypatch.setitem(defaults.WATER_LEVEL, "family", {**TEXT, "use": "all"})
    layer = {"family": {"levels": {"IV": {"enter": 5.5}}}}
    assert "family" not in resolve(Hazard.WATER_LEVEL, ["level"], 1.0, layer)
    assert "family" not in resolve(Hazard.WATER_LEVEL, ["rain"], 1.0, layer)
    assert resolve(Hazard.WATER_LEVEL, ["level", "rain"], 1.0, layer)["family"].levels[Level.IV].enter == 5.5
    far = {"family": {"inputs": {"rain": {"device": "b"}}}}
    assert resolve(Hazard.WATER_LEVEL, ["level"], 1.0, far)["family"].sources["rain"] == ("b", "rain")
