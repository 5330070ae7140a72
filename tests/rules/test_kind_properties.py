"""What every rule kind must hold to: thresholds, cuts of the stream, restarts, repeats, disorder.

`kind_examples.EXAMPLES` has an entry for each kind.
"""

import itertools

import numpy as np
import pytest
import trial_kind
from hypothesis import given, settings
from hypothesis import strategies as st
from kind_examples import EXAMPLES

from rules.columns import Columns
from rules.declaration import parse
from rules.engine import DeviceRules, Engine
from rules.kinds import KINDS

START = 1_780_000_000_000
HASTE = settings(max_examples=10, deadline=None, derandomize=True)
BRIEFLY = settings(max_examples=2, deadline=None, derandomize=True)
MORE_ROWS = {"forecast": 1, "upstream": 1, "shock": 1}
"""Kinds whose opening may move by a reading more than the lateness: what came in order is fewer readings to a trend, or
to count."""
SEED = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True, scope="module")
def trial():
    KINDS[trial_kind.NAME] = trial_kind
    yield
    del KINDS[trial_kind.NAME]


def every(test):
    return pytest.mark.parametrize("kind", sorted(EXAMPLES))(test)


def test_every_kind_has_an_example():
    missing = set(KINDS) - set(EXAMPLES)
    assert not missing, f"add an entry to tests/support/kind_examples.py for {', '.join(sorted(missing))}"


class Stream:
    """Messages of one device, as columns that can be cut between them, reordered and repeated."""

    def __init__(self, example, messages, flags=None):
        self.example = example
        step = example.cadence_s * 1000
        self.rows = [
            [(point, START + round(at * step), value, flags[number] if flags is not None else 1)
             for point, value in message.items()]
            for number, (at, message) in enumerate(messages)
        ]  # fmt: skip

    def engine(self, milder=0.0):
        engine = Engine(settle_s=0.0)
        example = self.example
        text = dict(example.declaration)
        rule = parse("rule", text, example.family, example.cadence_s)
        sign = 1.0 if rule.direction == "above" else -1.0
        if milder:
            text["levels"] = {
                str(level): {"enter": bound.enter - sign * milder * (abs(bound.enter) or 1.0),
                             "exit": bound.exit - sign * milder * (abs(bound.enter) or 1.0),
                             "hold_s": bound.hold_s, "min_samples": bound.min_samples}
                for level, bound in rule.levels.items()
            }  # fmt: skip
            rule = parse("rule", text, example.family, example.cadence_s)
        points = tuple(example.calm)
        device = DeviceRules("d", {"rule": rule}, points, example.parameters, cadence_s=example.cadence_s)
        engine.configure([device])
        assert not engine.blind
        return engine

    def columns(self, engine, order=None, part=slice(None)):
        """Messages in an order of arrival; each arrives when the newest event time so far has come."""
        order = range(len(self.rows)) if order is None else order
        rows, arrival = [], START
        for number in list(order)[part]:
            arrival = max(arrival + 1, *(ts for _, ts, _, _ in self.rows[number]))
            rows += [(engine.channel("d", point), ts, arrival, value, flag)
                     for point, ts, value, flag in self.rows[number]]  # fmt: skip
        channel, ts, arrivals, value, flag = zip(*rows, strict=True)
        return Columns.of(channel, ts, value, arrivals, flag)

    def judged(self, milder=0.0, order=None):
        engine = self.engine(milder)
        return engine.step(self.columns(engine, order))


def wandering(example, seed):
    """A calm stretch, then points that go their own ways, now and then a gap, a doubtful flag, a point left out."""
    rng = np.random.default_rng(seed)
    at, now, messages, flags = 0.0, dict(example.calm), [], []
    for number in range(example.calm_rows + example.count):
        calm = number < example.calm_rows
        at += 1.0 if calm else float(rng.choice([1.0, 0.5, 2.0, 8.0], p=[0.8, 0.1, 0.07, 0.03]))
        if not calm:
            mood = rng.random() < 0.05
            for point, values in example.values.items():
                if mood or rng.random() < 0.1:
                    now[point] = float(rng.choice(values))
        judged = next(iter(example.calm))
        said = [point for point in now if point == judged or calm or rng.random() < 0.9]
        messages.append((at, {point: now[point] for point in (rng.permutation(said) if not calm else said)}))
        flags.append(4 if not calm and rng.random() < 0.05 else 1)
    return Stream(example, messages, flags)


def hazardous(example):
    """Calm, the hazard, calm again until all is over."""
    moods = [example.calm] * example.calm_rows + [example.at(number) for number in range(example.hazard_rows)]
    moods += [example.calm] * example.settle_rows
    return Stream(example, [(float(number), mood) for number, mood in enumerate(moods)])


def told(change):
    return (str(change.verb), change.level, change.at, change.opened_at, change.suspect)


def evidence(change):
    return {key: value for key, value in change.evidence.items() if key != "tests"}


def intervals(changes, rank, end):
    """When the alarm was at this rank or worse."""
    found, since = [], None
    for change in changes:
        now = change.level is not None and change.level.rank >= rank
        if now and since is None:
            since = change.at
        elif not now and since is not None:
            found.append((since, change.at))
            since = None
    return found + ([(since, end)] if since is not None else [])


@every
def test_the_hazard_is_raised_and_clears(kind):
    stream = hazardous(EXAMPLES[kind])
    changes = stream.judged()
    calm = EXAMPLES[kind].calm_rows * EXAMPLES[kind].cadence_s * 1000
    assert changes, "the example's hazard must raise"
    assert changes[0].at >= START + calm, "the example's calm must not"
    assert changes[-1].level is None, "the example must settle"


@every
@HASTE
@given(seed=SEED, milder=st.sampled_from([0.05, 0.2, 0.5]))
def test_a_milder_threshold_never_alarms_less(kind, seed, milder):
    stream = wandering(EXAMPLES[kind], seed)
    end = stream.rows[-1][0][1]
    strict, mild = stream.judged(), stream.judged(milder)
    for rank in range(1, 5):
        before, after = intervals(strict, rank, end), intervals(mild, rank, end)
        assert sum(b - a for a, b in after) >= sum(b - a for a, b in before)
        if before:
            assert after[0][0] <= before[0][0]


@every
@HASTE
@given(seed=SEED, cuts=st.lists(st.floats(0, 1), min_size=1, max_size=8), restart=st.booleans())
def test_cuts_and_restarts_change_nothing(kind, seed, cuts, restart):
    stream = wandering(EXAMPLES[kind], seed)
    whole = stream.judged()
    engine, journal, pieces = stream.engine(), {}, []
    edges = sorted({0, len(stream.rows), *(round(cut * len(stream.rows)) for cut in cuts)})
    for start, stop in itertools.pairwise(edges):
        columns = stream.columns(engine, part=slice(start, stop))
        pieces += engine.step(columns)
        journal.update(engine.dirty())
        if restart:
            engine = stream.engine()
            engine.restore(journal)
    assert [told(each) for each in pieces] == [told(each) for each in whole]
    assert [evidence(each) for each in pieces] == [evidence(each) for each in whole]


@every
@BRIEFLY
@given(seed=SEED)
def test_one_message_at_a_time_is_as_good_as_all_at_once(kind, seed):
    stream = wandering(EXAMPLES[kind], seed)
    engine, pieces = stream.engine(), []
    for number in range(len(stream.rows)):
        pieces += engine.step(stream.columns(engine, part=slice(number, number + 1)))
    assert [told(each) for each in pieces] == [told(each) for each in stream.judged()]


@every
@HASTE
@given(seed=SEED, at=st.floats(0, 1), back=st.integers(1, 20))
def test_messages_that_come_again_change_nothing(kind, seed, at, back):
    """A broker repeats the tail of what it sent, without a mark: the engine sees late readings."""
    stream = wandering(EXAMPLES[kind], seed)
    count = len(stream.rows)
    here = max(round(at * count), 1)
    again = [*range(here), *range(max(0, here - back), here), *range(here, count)]
    assert [told(each) for each in stream.judged(order=again)] == [told(each) for each in stream.judged()]


@every
@HASTE
@given(seed=SEED)
def test_disorder_within_the_lateness_loses_no_hazard(kind, seed):
    example = EXAMPLES[kind]
    stream = hazardous(example)
    rng = np.random.default_rng(seed)
    lateness = example.lateness_rows
    due = np.arange(len(stream.rows)) + rng.random(len(stream.rows)) * lateness
    due[-lateness - 1 :] = np.arange(len(stream.rows))[-lateness - 1 :] + lateness  # the stream settles
    straight, shuffled = stream.judged(), stream.judged(order=np.argsort(due, kind="stable").tolist())
    openings = [[each.at for each in changes if each.verb == "raised"] for changes in (straight, shuffled)]
    assert len(openings[1]) >= len(openings[0])
    most = (lateness + MORE_ROWS.get(kind, 0)) * example.cadence_s * 1000
    for opened in openings[0]:
        assert min(abs(opened - other) for other in openings[1]) <= most
    assert shuffled[-1].level == straight[-1].level
    worst = [max(each.level.rank for each in changes if each.level) for changes in (straight, shuffled)]
    assert worst[1] >= worst[0]
