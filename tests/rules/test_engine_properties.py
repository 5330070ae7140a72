"""The engine against the plain machine, however the stream is cut, restored or repeated."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_rules import PlainRule

from rules.columns import Columns
from rules.declaration import parse
from rules.engine import DeviceRules, Engine
from rules.quality import Check
from wire.alert import Hazard

START = 1_780_000_000_000
POINT = "level"
SEC = st.integers(0, 4).map(float)


@st.composite
def rules(draw):
    direction = draw(st.sampled_from(["above", "below"]))
    sign = 1 if direction == "above" else -1
    names = sorted(
        draw(st.sets(st.sampled_from(["IV", "III", "II", "I"]), min_size=1)), key=["IV", "III", "II", "I"].index
    )
    kind = draw(st.sampled_from(["level", "level", "rate"]))
    enter = draw(st.sampled_from([1.0, 2.0]))
    levels = {}
    exit_ = enter - 1.0
    for name in names:
        levels[name] = {
            "enter": sign * enter,
            "exit": sign * exit_,
            "hold_s": draw(SEC),
            "min_samples": draw(st.integers(1, 4)),
        }
        step = draw(st.sampled_from([0.0, 1.0, 2.0]))
        enter += step
        exit_ = draw(st.sampled_from([exit_, enter])) if step else exit_
    text = {
        "kind": kind,
        "point": POINT,
        "direction": direction,
        "levels": levels,
        "clear_hold_s": draw(st.sampled_from([0.0, 1.0, 3.0, 6.0])),
        "max_gap_s": draw(st.sampled_from([1.0, 2.0, 5.0])),
        "max_verify_delay_s": 600,
    }
    if kind == "rate":
        text["window_s"] = draw(st.sampled_from([2.0, 4.0, 10.0]))
        if draw(st.booleans()):
            text["floor"] = {"at_least": 1.0}
    elif draw(st.booleans()):
        text["reference"] = "base"
    if draw(st.integers(0, 3)) == 0:
        text["cooldown_s"] = draw(st.sampled_from([1.0, 4.0, 20.0]))
    if draw(st.integers(0, 3)) == 0:
        begin, end = draw(st.sampled_from([("04:26", "04:27"), ("04:27", "04:26"), ("00:00", "24:00")]))
        days = draw(st.sampled_from([["fri"], ["thu", "sat"], ["thu", "fri", "sat"]]))
        text["schedule"] = {"from": begin, "to": end, "days": days}
    return text


READING = st.tuples(
    st.integers(0, 2),  # device
    st.sampled_from([0, 500, 1000, 1000, 1000, 1000, 2000, 2500, 7000, 60_000, -500, -1000, -4000, -90_000]),
    st.sampled_from([-9.0, -2.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, float("nan"), float("inf")]),
    st.sampled_from([1, 1, 1, 1, 2, 3, 4]),  # flag
    st.sampled_from([True, True, True, True, False]),  # counted
)


def as_columns(engine, stream):
    channels = [engine.channel("a", POINT), engine.channel("b", POINT), engine.channel("a", POINT, "drl-1")]
    rows = []
    clock = [START] * 3
    for device, step, value, flag, counted in stream:
        ts = clock[device] + step
        clock[device] = max(clock[device], ts)
        rows.append((channels[device], ts, value, flag, counted))
    channel, ts, value, flag, counted = zip(*rows, strict=True)
    ts = np.array(ts)
    return Columns.of(channel, ts, value, arrival=ts, flag=flag, counted=counted)


def told(change, offset=0):
    return (
        change.device,
        change.exercise,
        change.rule,
        str(change.verb),
        change.level,
        change.at,
        change.opened_at,
        change.suspect,
        change.decided_by + offset,
    )


def devices(texts, base):
    resolved = {name: parse(name, text, Hazard.WATER_LEVEL, 1.0) for name, text in texts.items()}
    parameters = {"base": base}
    return [DeviceRules(name, resolved, (POINT,), parameters, cadence_s=1.0) for name in ("a", "b")]


def plain_changes(table, columns):
    channels = {0: ("a", None), 1: ("b", None), 2: ("a", "drl-1")}
    machines = {
        (number, name): PlainRule(rule, dict(table[0].parameters))
        for number in channels
        for name, rule in table[0].rules.items()
    }
    out = []
    for index in range(len(columns.ts)):
        number = int(columns.channel[index])
        for name in table[0].rules:
            answer = machines[number, name].read(
                int(columns.ts[index]),
                float(columns.value[index]),
                bool(columns.flag[index] >= 3),
                bool(columns.counted[index]),
                columns.tests is not None and bool(columns.tests[index] & Check.SPIKE),
            )
            if answer:
                device, exercise = channels[number]
                verb, level, at, opened, suspect = answer
                out.append((device, exercise, name, verb, level, at, opened, suspect, index))
    return out


def fresh(table, settle_s=0.0):
    engine = Engine(settle_s=settle_s)
    engine.configure(table)
    return engine


@settings(max_examples=120, deadline=None)
@given(
    texts=st.fixed_dictionaries({"first": rules()}, optional={"second": rules()}),
    base=st.sampled_from([1.0, 4.0, -2.0, 0.0]),
    stream=st.lists(READING, min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    restart=st.booleans(),
)
def test_every_cut_of_a_stream_and_every_restart_decide_as_one_reading_at_a_time(texts, base, stream, cuts, restart):
    table = devices(texts, base)
    engine = fresh(table)
    columns = as_columns(engine, stream)
    expected = plain_changes(table, columns)
    whole = [told(change) for change in engine.step(columns)]
    assert sorted(whole, key=repr) == sorted(expected, key=repr)

    engine = fresh(table)
    as_columns(engine, stream)
    journal: dict[str, bytes] = {}
    pieces = []
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, stop in itertools.pairwise(edges):
        pieces += [told(change, start) for change in engine.step(columns.part(slice(start, stop)))]
        journal.update(engine.dirty())
        if restart:
            engine = fresh(table)
            engine.restore(journal)
            as_columns(engine, stream)
    assert sorted(pieces, key=repr) == sorted(expected, key=repr)


@settings(max_examples=60, deadline=None)
@given(
    text=rules(),
    stream=st.lists(READING, min_size=1, max_size=60),
    unsure=st.lists(st.booleans(), min_size=60, max_size=60),
    size=st.integers(1, 60),
)
def test_what_may_be_a_spike_ends_nothing_and_is_suspect_only_while_it_is_the_newest(text, stream, unsure, size):
    table = devices({"rule": text}, 1.0)
    engine = fresh(table)
    columns = as_columns(engine, stream)
    tests = np.where(unsure[: len(stream)], Check.SPIKE, 0).astype(np.uint16)
    columns = columns._replace(tests=tests, clock=np.zeros(len(stream), dtype=np.bool_))
    expected = plain_changes(table, columns)
    pieces = []
    for at in range(0, len(stream), size):
        pieces += [told(change, at) for change in engine.step(columns.part(slice(at, at + size)))]
    assert sorted(pieces, key=repr) == sorted(expected, key=repr)


@settings(max_examples=60, deadline=None)
@given(
    text=rules(),
    stream=st.lists(READING.filter(lambda each: each[1] >= 0 and each[3] < 3 and each[4]), min_size=1, max_size=40),
    back=st.integers(1, 40),
    at=st.integers(1, 40),
)
def test_readings_that_come_again_change_nothing(text, stream, back, at):
    """A broker repeats the tail of what it sent; without the mark of a repeat the engine sees it as late."""
    if text["kind"] == "rate":
        return
    table = devices({"rule": text}, 1.0)
    engine = fresh(table)
    columns = as_columns(engine, stream)
    once = [told(change)[:-1] for change in engine.step(columns)]
    at = min(at, len(stream))
    order = np.concatenate((np.arange(at), np.arange(max(0, at - back), at), np.arange(at, len(stream))))
    again = Columns(*(None if each is None else each[order] for each in columns))
    assert [told(change)[:-1] for change in fresh_step(table, stream, again)] == once


def fresh_step(table, stream, columns):
    engine = fresh(table)
    as_columns(engine, stream)
    return engine.step(columns)


@pytest.mark.parametrize("settle_s", [0.0, 60.0])
def test_a_settled_stream_is_exported_sparingly_and_restored_to_the_same_end(settle_s):
    text = {
        "kind": "level",
        "point": POINT,
        "levels": {"III": {"enter": 2.0, "exit": 1.0, "hold_s": 5, "min_samples": 3}},
        "clear_hold_s": 10,
        "max_gap_s": 3,
    }
    table = devices({"rule": text}, 1.0)
    value = np.concatenate((np.zeros(300), np.full(20, 3.0), np.zeros(300), np.full(20, 3.0), np.zeros(30)))
    ts = START + 1000 * np.arange(len(value))
    whole = fresh(table)
    expected = [told(each) for each in whole.step(Columns.of(whole.channel("a", POINT), ts, value))]
    assert [each[3] for each in expected] == ["raised", "cleared"] * 2
    engine, journal, rows, changes = fresh(table, settle_s), {}, 0, []
    for index in range(len(ts)):
        part = Columns.of(engine.channel("a", POINT), ts[index : index + 1], value[index : index + 1])
        changes += [told(each, index) for each in engine.step(part)]
        news = engine.dirty()
        rows += len(news)
        journal.update(news)
        if index % 7 == 0:
            engine = fresh(table, settle_s)
            engine.restore(journal)
    assert changes == expected
    assert rows <= (1400 if settle_s == 0 else 260)


def weather(rng, count):
    """Streams with regimes: long highs and lows, backlogs that arrive late, spells of bad flags."""
    stream, level, late, bad = [], 0.0, 0, 1
    for _ in range(count):
        if rng.random() < 0.15:
            level = float(rng.choice([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0]))
        if rng.random() < 0.05:
            bad = int(rng.choice([1, 1, 3, 4]))
        if late == 0 and rng.random() < 0.04:
            late = int(rng.integers(2, 12))
        step = int(rng.choice([0, 500, 1000, 1000, 1000, 1500, 7000], p=[0.05, 0.2, 0.25, 0.25, 0.15, 0.07, 0.03]))
        if late:
            step, late = -1000 * late - int(rng.integers(0, 2)) * 20_000, late - 1
        value = level if rng.random() < 0.85 else float(rng.choice([-5.0, 0.0, 2.0, 9.0, np.nan]))
        stream.append((int(rng.integers(0, 3)), step, value, bad, bool(rng.random() > 0.05)))
    return stream


@pytest.mark.parametrize("seed", range(40))
def test_long_streams_decide_as_one_reading_at_a_time(seed):
    rng = np.random.default_rng(seed)
    enters = np.cumsum(rng.choice([0.0, 1.0, 2.0], 4)) + 1.0
    names = [name for name in ("IV", "III", "II", "I") if rng.random() < 0.7] or ["III"]
    levels = {
        name: {
            "enter": float(enter),
            "exit": float(enter) - float(rng.choice([0.0, 1.0])),
            "hold_s": int(rng.integers(0, 4)),
            "min_samples": int(rng.integers(1, 4)),
        }
        for name, enter in zip(names, enters, strict=False)
    }
    exits = np.maximum.accumulate([each["exit"] for each in levels.values()])
    for each, exit_ in zip(levels.values(), exits, strict=True):
        each["exit"] = min(float(exit_), each["enter"])
    common = {"point": POINT, "levels": levels, "max_verify_delay_s": 600, "max_gap_s": 3}
    texts = {
        "depth": {"kind": "level", "clear_hold_s": int(rng.choice([0, 2, 5])), **common},
        "rise": {"kind": "rate", "window_s": int(rng.choice([2, 4, 20])), "clear_hold_s": 2, **common},
    }
    table = devices(texts, 1.0)
    stream = weather(rng, 900)
    engine = fresh(table)
    columns = as_columns(engine, stream)
    expected = sorted(plain_changes(table, columns), key=repr)
    assert len(expected) > 4, "a stream in which nothing happens proves nothing"
    assert sorted((told(change) for change in engine.step(columns)), key=repr) == expected
    engine, journal, pieces, at = fresh(table), {}, [], 0
    as_columns(engine, stream)
    while at < len(stream):
        size = int(rng.choice([1, 2, 5, 40]))
        pieces += [told(change, at) for change in engine.step(columns.part(slice(at, at + size)))]
        at += size
        journal.update(engine.dirty())
        if rng.random() < 0.2:
            engine = fresh(table)
            engine.restore(journal)
            as_columns(engine, stream)
    assert sorted(pieces, key=repr) == expected
