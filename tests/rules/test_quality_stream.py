"""The quality tests that remember: against the plain machine, however the stream is cut; and each by its story."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_quality import PlainChannel, connect

from rules.columns import Columns
from rules.declaration import resolve as resolve_rules
from rules.engine import DeviceRules, Engine
from rules.quality import names
from rules.quality_declaration import Limits, Link, parse
from wire.alert import Hazard, Verb
from wire.quality import Quality

T0 = 1_780_000_000_000
NAN = math.nan


def maybe(*choices):
    return st.sampled_from([NAN, *choices])


@st.composite
def limits(draw, links=()):
    flat = draw(maybe(0.5, 1.5))
    attenuated = draw(maybe(0.75, 2.5))
    suspect = draw(st.sampled_from([4.0, 8.0, 16.0]))
    neighbours = draw(st.booleans())
    return Limits(
        user_low=-8.0 if draw(st.booleans()) else NAN,
        user_high=7.0 if draw(st.booleans()) else NAN,
        gap_s=draw(st.sampled_from([2.0, 5.0, 60.0])),
        spike=draw(maybe(0.5, 2.0)),
        spike_mad=draw(st.sampled_from([1.0, 3.0])),
        rate=draw(maybe(60.0, 120.0)),
        flat_band=flat,
        flat_suspect_s=NAN if math.isnan(flat) else suspect,
        flat_fail_s=NAN if math.isnan(flat) else suspect * draw(st.sampled_from([1, 2])),
        flat_witnessed=draw(st.booleans()),
        attenuated=attenuated,
        attenuated_s=NAN if math.isnan(attenuated) else draw(st.sampled_from([4.0, 12.0])),
        attenuated_witnessed=draw(st.booleans()),
        neighbour_suspect=1.0 if neighbours else NAN,
        neighbour_fail=3.0 if neighbours else NAN,
        neighbour_age_s=3.0,
        witness_s=5.0,
        links=tuple(each for each in links if draw(st.booleans())),
    )


LINKS_OF_A = (
    Link("level", "b", bias=0.5),
    Link("rain", bias=0.0),
    Link("rain", at_least=3.0),
    Link("level", "b", moved=2.0),
    Link("level", "nobody", moved=2.0),
)
READING = st.tuples(
    st.integers(0, 2),  # channel
    st.sampled_from([0, 500, 1000, 1000, 1000, 1000, 2000, 7000, 60_000, -1000, -4000, -28_800_000]),
    st.sampled_from([0.0, 0.0, 0.0, 0.25, 0.5, 1.0, 1.0, 2.0, 3.0, 6.0, 9.0, -3.0, -9.0, 20.0, NAN, math.inf]),
    st.sampled_from([2, 2, 2, 2, 2, 2, 0, 1, 3, 4]),
    st.sampled_from([True, True, True, True, True, False]),
    st.sampled_from([0, 0, 0, 0, 0, 2000, 8000, 8000, 8000, 150_000, 28_800_000, -20_000, -60_000, -28_800_000]),
)


def machines(table):
    channels = {
        (each.device, point): PlainChannel(each.quality[point], each.valid.get(point))
        for each in table
        for point in each.points
    }
    connect(channels)
    return channels


def as_columns(engine, stream, exercise=None):
    channels = [engine.channel("a", "level", exercise), engine.channel("b", "level", exercise)]
    channels.append(engine.channel("a", "rain", exercise))
    clock = [T0] * 3
    rows = []
    for channel, step, value, flag, counted, delay in stream:
        ts = clock[channel] + step
        clock[channel] = max(clock[channel], ts)
        rows.append((channels[channel], ts - delay, ts, value, flag, counted))
    channel, ts, arrival, value, flag, counted = zip(*rows, strict=True)
    return Columns.of(channel, ts, value, arrival=arrival, flag=flag, counted=counted)


def said(columns):
    return [
        (int(flag), set(names(int(tests)).split(",")) - {""}, int(ts))
        for flag, tests, ts in zip(columns.flag, columns.tests, columns.ts, strict=True)
    ]


def plain(table, columns):
    whose = [("a", "level"), ("b", "level"), ("a", "rain")]
    known = machines(table)
    numbers = sorted(set(columns.channel.tolist()))
    engine = fresh(table)
    by_number = {engine.channel(*key): key for key in whose}
    assert set(numbers) <= set(by_number)
    return [
        known[by_number[int(columns.channel[index])]].read(
            int(columns.ts[index]),
            int(columns.arrival[index]),
            float(columns.value[index]),
            int(columns.flag[index]),
            bool(columns.counted[index]),
        )
        for index in range(len(columns.ts))
    ]


def fresh(table):
    engine = Engine(settle_s=0)
    engine.configure(table)
    return engine


def table_of(of_a, of_b, of_rain, valid):
    return [
        DeviceRules("a", {}, ("level", "rain"), valid={"level": valid} if valid else {},
                    quality={"level": of_a, "rain": of_rain}),
        DeviceRules("b", {}, ("level",), quality={"level": of_b}),
    ]  # fmt: skip


def check_cuts(table, stream, cuts, restart):
    engine = fresh(table)
    columns = as_columns(engine, stream)
    expected = plain(table, columns)
    assert said(engine.assess(columns)) == expected
    engine, journal, pieces = fresh(table), {}, []
    as_columns(engine, stream)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, stop in itertools.pairwise(edges):
        pieces += said(engine.assess(columns.part(slice(start, stop))))
        journal.update(engine.dirty())
        if restart:
            engine = fresh(table)
            engine.restore(journal)
            assert not engine.unreadable
            as_columns(engine, stream)
    assert pieces == expected
    return expected


@settings(max_examples=60, deadline=None)
@given(
    of_a=limits(links=LINKS_OF_A),
    of_b=limits(links=(Link("level", "a", bias=0.0),)),
    of_rain=limits(),
    valid=st.sampled_from([None, (-5.0, 8.0)]),
    stream=st.lists(READING, min_size=1, max_size=80),
    cuts=st.lists(st.integers(0, 80), max_size=6),
    restart=st.booleans(),
)
def test_every_cut_and_every_restart_flag_as_one_reading_at_a_time(of_a, of_b, of_rain, valid, stream, cuts, restart):
    check_cuts(table_of(of_a, of_b, of_rain, valid), stream, cuts, restart)


def weather(rng, count):
    """Regimes: calm, stuck, ramps, spikes, gaps, backlogs, clocks that are off."""
    stream, value, delay, stuck = [], 0.0, 0, False
    for _ in range(count):
        if rng.random() < (0.04 if delay else 0.008):
            delay = 0 if delay else int(rng.choice([7000, 150_000, 28_800_000, -8000]))
        if rng.random() < (0.01 if stuck else 0.02):
            stuck = not stuck
        if not stuck:
            value = float(np.clip(value + rng.choice([-1.0, -0.25, 0.0, 0.0, 0.25, 1.0]), -4, 4))
        shown = value + float(rng.choice([0, 0, 0, 0, 0, 0, 6.0, -6.0])) * (rng.random() < 0.3 and not stuck)
        step = int(
            rng.choice([1000, 1000, 1000, 500, 2000, 9000, 0, -3000], p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.04, 0.03, 0.03])
        )
        jitter = int(rng.integers(0, 3000)) if delay else 0
        flag = 3 if rng.random() < 0.02 else 2
        stream.append((int(rng.choice([0, 0, 1, 2])), step, shown, flag, bool(rng.random() > 0.03), delay + jitter))
    return stream


@pytest.mark.parametrize("seed", range(12))
def test_long_streams_flag_as_one_reading_at_a_time(seed):
    rng = np.random.default_rng(seed)
    band = float(rng.choice([0.2, 0.6]))
    common = {
        "gap_s": 8.0, "spike": 1.5, "rate": 100.0, "flat_band": band, "flat_suspect_s": 16.0, "flat_fail_s": 32.0,
        "attenuated": 1.5, "attenuated_s": 24.0, "neighbour_suspect": 3.0, "neighbour_fail": 6.0, "witness_s": 10.0,
    }  # fmt: skip
    of_a = Limits(**common, flat_witnessed=bool(seed % 2), links=LINKS_OF_A)
    table = table_of(of_a, Limits(**common), Limits(gap_s=8.0), (-9.0, 9.0))
    stream = weather(rng, 900)
    cuts = np.cumsum(rng.choice([1, 2, 5, 60], 600))
    found = check_cuts(table, stream, cuts[cuts < 900].tolist(), restart=seed % 5 == 0)
    seen = set().union(*(tests for _, tests, _ in found))
    assert {"spike", "after_spike", "rate", "gap", "order"} <= seen
    assert {"flat", "attenuated"} & seen


def one(limits_, valid=None, rules=None, point="level"):
    engine = Engine(settle_s=0)
    engine.configure(
        [DeviceRules("w", rules or {}, (point,), quality={point: limits_}, valid={point: valid} if valid else {})]
    )
    return engine


def run(engine, values, step_ms=10_000, start=T0, delay=0, point="level", device="w"):
    arrival = start + step_ms * np.arange(len(values))
    columns = Columns.of(engine.channel(device, point), arrival - delay, values, arrival=arrival)
    return engine.assess(columns)


LEVEL = parse("level", {"spike": {"least": 0.05}, "rate": {"most": 0.1}})


def test_a_spike_is_unknown_until_the_next_reading_tells():
    told = said(run(one(LEVEL), [0.1] * 6 + [0.6] + [0.1] * 3))
    assert told[6][:2] == (Quality.UNKNOWN, {"spike"})
    assert told[7][:2] == (Quality.GOOD, {"after_spike"})
    assert [flag for flag, _, _ in told[8:]] == [Quality.GOOD] * 2


def test_what_stays_for_two_readings_is_a_step_and_kept():
    told = said(run(one(LEVEL), [0.1] * 6 + [0.6] * 6))
    assert told[6][1] == {"spike"}
    assert all(tests == set() and flag == Quality.GOOD for flag, tests, _ in told[7:])


def test_five_quiet_readings_come_before_a_spike_can_be_known():
    assert [tests for _, tests, _ in said(run(one(LEVEL), [0.1] * 4 + [0.6, 0.1]))][4] == {"rate"}


def test_noise_makes_its_own_threshold():
    rng = np.random.default_rng(1)
    noisy = 0.5 + rng.normal(0, 0.05, 4000)
    noisy[2000] = 2.0
    told = said(run(one(parse("level", {"spike": {"least": 0.15}})), noisy))
    assert told[2000][1] == {"spike"}
    assert sum("spike" in tests for _, tests, _ in told) < 40


def test_a_rise_faster_than_water_can_is_suspect():
    told = said(run(one(LEVEL), np.concatenate((np.full(6, 0.1), 0.1 + 0.03 * np.arange(1, 6)))))
    assert any("rate" in tests and flag == Quality.SUSPECT for flag, tests, _ in told)


def rainy(rain_values, road_values):
    road = parse("level", {"spike": {"least": 0.05}, "rate": {"most": 0.1},
                           "witness": {"of": [{"device": "r", "point": "rain", "at_least": 10.0}]}})  # fmt: skip
    engine = Engine(settle_s=0)
    engine.configure([
        DeviceRules("w", {}, ("level",), quality={"level": road}),
        DeviceRules("r", {}, ("rain",), quality={"rain": parse("rain", {})}),
    ])  # fmt: skip
    run(engine, rain_values, start=T0 - 60_000, point="rain", device="r")
    return said(run(engine, road_values))


def test_a_step_in_the_rain_is_believed_at_once():
    values = [0.1] * 6 + [0.6] * 3
    assert rainy([0.0, 12.0], values)[6][:2] == (Quality.GOOD, set())
    assert rainy([0.0, 2.0], values)[6][:2] == (Quality.UNKNOWN, {"spike"})


FLAT = {"flat": {"band": 0.001, "suspect_s": 3600, "fail_s": 7200}, "gap_s": 30}


def test_flat_line_is_judged_by_time_and_ends_with_the_first_movement():
    told = said(run(one(parse("level", FLAT)), np.concatenate((np.full(1000, 0.2), [0.25, 0.21]))))
    flags = np.array([flag for flag, _, _ in told])
    first_suspect, first_fail = np.argmax(flags == 3), np.argmax(flags == 4)
    stretch = 7200 / 7
    assert 3600 <= first_suspect * 10 <= 3600 + 2 * stretch + 10
    assert 7200 <= first_fail * 10 <= 7200 + 2 * stretch + 10
    assert flags[-1] == flags[-2] == Quality.UNKNOWN


def test_a_gap_of_a_day_in_constant_data_is_no_flat_line():
    engine = one(parse("level", FLAT))
    run(engine, np.full(30, 0.2))
    told = said(run(engine, np.full(200, 0.2), start=T0 + 86_400_000))
    assert told[0][1] == {"gap"}
    assert all(not tests for _, tests, _ in told[1:])


@pytest.mark.parametrize("tide_moves", [False, True])
def test_a_dry_road_is_no_flat_line_unless_a_witness_moved(tide_moves):
    witnessed = parse("level", {
        "flat": {"band": 0.001, "suspect_s": 21_600, "witnessed": True},
        "witness": {"of": [{"device": "t", "point": "stage", "moved": 0.05}]},
    }, 60.0)  # fmt: skip
    engine = Engine(settle_s=0)
    engine.configure([
        DeviceRules("w", {}, ("level",), quality={"level": witnessed}, cadence_s=60),
        DeviceRules("t", {}, ("stage",), quality={"stage": parse("stage", {}, 60.0)}, cadence_s=60),
    ])  # fmt: skip
    hours = np.arange(0, 15, 1 / 60)
    tide = 0.5 * np.sin(hours / 2) if tide_moves else np.zeros(len(hours))
    flags = []
    for minute, height in enumerate(tide):
        at = T0 + 60_000 * minute
        run(engine, [height], start=at, point="stage", device="t")
        flags.append(said(run(engine, [0.0], start=at))[0])
    assert any("flat" in tests for _, tests, _ in flags) is tide_moves


def test_attenuation_is_less_movement_than_there_should_be():
    text = {"attenuated": {"least": 0.5, "over_s": 3600}, "gap_s": 30}
    wide, narrow = 2 * np.sin(np.arange(1000) / 10), 0.1 * np.sin(np.arange(1000) / 10)
    told = said(run(one(parse("level", text)), np.concatenate((wide, narrow))))
    assert not any("attenuated" in tests for _, tests, _ in told[:1000])
    assert told[-1][:2] == (Quality.SUSPECT, {"attenuated"})


def test_neighbours_a_pair_with_bias_and_the_median_of_a_group():
    def flags_of(others, mine):
        near = [{"device": f"n{number}", "point": "level", "bias": 0.1} for number in range(len(others))]
        text = {"neighbours": {"of": near, "suspect": 0.03, "fail": 0.05}}
        engine = Engine(settle_s=0)
        engine.configure([
            DeviceRules("w", {}, ("level",), quality={"level": parse("level", text)}),
            *(DeviceRules(f"n{number}", {}, ("level",), quality={"level": parse("level", {})})
              for number in range(len(others))),
        ])  # fmt: skip
        for number, other in enumerate(others):
            run(engine, [other], device=f"n{number}")
        return said(run(engine, [mine], start=T0 + 1000))[0][:2]

    assert flags_of([0.2], 0.3) == (Quality.UNKNOWN, set())
    assert flags_of([0.2], 0.34) == (Quality.SUSPECT, {"neighbour"})
    assert flags_of([0.2], 0.36) == (Quality.FAIL, {"neighbour"})
    assert flags_of([0.2, 0.21, 9.0], 0.31) == (Quality.UNKNOWN, set()), "one mad neighbour does not outvote two"


def clocked(delay, count=60, step_ms=10_000):
    return said(run(one(Limits()), np.zeros(count), step_ms=step_ms, delay=delay))


def test_a_clock_eight_hours_off_is_found_within_a_few_readings_and_judged_by_arrival():
    behind = clocked(28_800_000)
    found = [index for index, (_, tests, _) in enumerate(behind) if "zone" in tests]
    assert found == list(range(9, 60))
    assert behind[-1][2] == T0 + 59 * 10_000
    assert all("zone" in tests for _, tests, _ in clocked(-28_800_000))


def test_small_skew_is_told_and_the_time_kept():
    told = clocked(8_000)
    assert told[-1][1] == {"skew"}
    assert told[-1][2] == T0 + 59 * 10_000 - 8_000
    assert all(not tests for _, tests, _ in clocked(3_000))


def test_a_clock_that_fell_to_1970_is_judged_by_arrival():
    assert clocked(T0)[0][:2] == (Quality.SUSPECT, {"clock"})


@pytest.mark.parametrize("drain", [1, 100, 5_000])
def test_a_backlog_that_is_caught_up_is_late_and_not_a_wrong_clock(drain):
    """Stored for hours, then sent faster than it was made: its delays shrink, a wrong clock's do not."""
    ts = T0 + 10_000 * np.arange(2000)
    arrival = T0 + 8 * 3_600_000 + drain * np.arange(2000)
    arrival = np.maximum(arrival, ts)
    engine = one(Limits())
    told = engine.assess(Columns.of(engine.channel("w", "level"), ts, np.zeros(2000), arrival=arrival))
    assert not told.clock.any()


def test_order_and_duplicates_are_told_and_leave_the_value_alone():
    engine = one(parse("level", {"user_span": [0, 1]}))
    ts = T0 + np.array([0, 10_000, 10_000, 5_000, 20_000])
    told = engine.assess(Columns.of(engine.channel("w", "level"), ts, np.full(5, 0.1)))
    assert [tests for _, tests, _ in said(told)] == [set(), set(), {"duplicate"}, {"order"}, set()]
    assert set(told.flag.tolist()) == {1}


def smoke_engine():
    rules = resolve_rules(Hazard.WATER_LEVEL, ("level",), 10.0)
    return one(LEVEL, valid=(-0.5, 5.0), rules=rules)


def changes_of(engine, values, start=T0):
    ts = start + 10_000 * np.arange(len(values))
    return engine.step(Columns.of(engine.channel("w", "level"), ts, values))


def test_a_bad_flag_never_drops_a_flood_it_is_suspect_at_the_same_reading():
    """What fails every test still raises, at the reading at which a trusted one would have."""
    trusted = changes_of(
        one(Limits(), rules=resolve_rules(Hazard.WATER_LEVEL, ("level",), 10.0)), [0.0] * 6 + [7.0] * 6
    )
    doubted = changes_of(smoke_engine(), [0.0] * 6 + [7.0] * 6)
    assert [(each.verb, each.level, each.at) for each in doubted] == [
        (each.verb, each.level, each.at) for each in trusted if each.rule == "water_depth"
    ]
    assert all(each.suspect for each in doubted)
    assert "range" in doubted[0].evidence["tests"]


def test_a_real_step_is_raised_without_suspicion_and_a_spike_down_ends_nothing():
    plainly = {"water_depth": {"kind": "level", "point": "level"}}  # kind `ponding` has its own doubt about steps
    engine = one(LEVEL, valid=(-0.5, 5.0), rules=resolve_rules(Hazard.WATER_LEVEL, ("level",), 10.0, plainly))
    raised = [each for each in changes_of(engine, [0.0] * 6 + [0.5] * 6) if each.rule == "water_depth"]
    assert [(each.verb, each.suspect) for each in raised] == [(Verb.RAISED, False)]
    dropouts = np.tile([0.5, 0.5, 0.5, 0.0], 300)
    assert not [each for each in changes_of(engine, dropouts, T0 + 120_000) if each.rule == "water_depth"]


def test_limits_that_change_begin_anew_and_those_that_stay_go_on():
    engine = one(LEVEL)
    run(engine, [0.1] * 6)
    engine.configure([DeviceRules("w", {}, ("level", "more"), quality={"level": LEVEL})])
    assert said(run(engine, [0.6], start=T0 + 60_000))[0][1] == {"spike"}
    engine.configure([DeviceRules("w", {}, ("level",), quality={"level": parse("level", {"spike": {"least": 0.06}})})])
    assert said(run(engine, [9.0], start=T0 + 70_000))[0] == (Quality.UNKNOWN, set(), T0 + 70_000)
    engine.configure([DeviceRules("w", {}, ("level",))])
    assert said(run(engine, [99.0], start=T0 + 80_000))[0][1] == set()


def test_an_exercise_has_a_memory_of_its_own_and_it_goes_with_it():
    engine = one(LEVEL)
    columns = Columns.of(engine.channel("w", "level", "drl-1"), T0 + 10_000 * np.arange(6), np.full(6, 5.0))
    engine.assess(columns)
    assert all(not tests for _, tests, _ in said(run(engine, [0.1] * 6)))
    assert "drl-1/w/:level" in engine.dirty()
    engine.forget_exercise("drl-1")
    assert engine.dirty()["drl-1/w/:level"] == b""
