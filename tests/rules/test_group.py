"""Counting who is present: against plain loops, in any cut, repeated, in any order."""

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import group
from rules.condition import NEVER

MEMBERS = 6
GROUPS = np.array([0, 0, 0, 1, 1, -1])
ROW = st.tuples(st.integers(0, MEMBERS - 1), st.integers(0, 30), st.booleans(), st.integers(0, 8), st.integers(0, 1))


def plain(rows, last):
    """(member, ts, shows, window, group) in order of arrival -> members present, by row."""
    out = []
    for member, ts, shows, window, wanted in rows:
        if shows:
            last[member] = max(last[member], ts)
        out.append([k for k in range(MEMBERS) if GROUPS[k] == wanted and abs(ts - last[k]) <= window])
    return out


def columns(rows, start=0):
    member, ts, shows, window, wanted = (np.array(each) for each in zip(*rows, strict=True))
    order = np.arange(start, start + len(rows))
    shown = group.Shown(member[shows], order[shows], ts[shows])
    return shown, group.Asked(order, ts, window, wanted)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(ROW, min_size=1, max_size=60),
    cut=st.integers(0, 60),
    before=st.lists(st.sampled_from([NEVER, -5, 0, 9, 40]), min_size=MEMBERS, max_size=MEMBERS),
)
def test_counts_and_names_are_those_of_a_plain_loop_in_any_cut(rows, cut, before):
    expected = plain(rows, list(before))
    last = np.array(before)
    found = []
    for start, part in ((0, rows[:cut]), (cut, rows[cut:])):
        if not part:
            continue
        shown, asked = columns(part, start)
        found += group.present(last, GROUPS, shown, asked).tolist()
        crowds = group.Crowds(last, GROUPS, shown)
        for number, (_, ts, _, window, wanted) in enumerate(part):
            names = crowds.who([wanted, -1], start + number, ts, window)
            assert sorted(names.tolist()) == expected[start + number]
        group.learn(last, shown)
    assert found == [len(each) for each in expected]


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=40), before=st.sampled_from([NEVER, 0, 12]))
def test_the_newest_time_of_a_member_is_known_at_each_of_its_rows(rows, before):
    rows = sorted(rows, key=lambda row: row[0])
    member, ts, shows = (np.array(each) for each in list(zip(*rows, strict=True))[:3])
    last = np.full(MEMBERS, before)
    expected, running = [], last.tolist()
    for number in range(len(rows)):
        if shows[number]:
            running[member[number]] = max(running[member[number]], ts[number])
        expected.append(running[member[number]])
    assert group.newest_shown(last, member, ts, shows).tolist() == expected


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=40), seed=st.integers(0, 9))
def test_repeats_change_nothing_and_any_order_leaves_the_same(rows, seed):
    shown, _ = columns(rows)
    last, again, other = (np.full(MEMBERS, NEVER) for _ in range(3))
    group.learn(last, shown)
    for _ in range(2):
        group.learn(again, shown)
    shuffle = np.random.default_rng(seed).permutation(len(shown.ts))
    group.learn(other, group.Shown(*(each[shuffle] for each in shown)))
    assert last.tolist() == again.tolist() == other.tolist()


def test_nobody_in_a_group_counts_nobody():
    nothing = np.zeros(0, dtype=np.int64)
    empty = group.Shown(nothing, nothing, nothing)
    asked = group.Asked(np.array([0]), np.array([5]), np.array([10]), np.array([3]))
    assert group.present(np.full(MEMBERS, NEVER), GROUPS, empty, asked).tolist() == [0]
    assert group.present(np.full(MEMBERS, 5), np.full(MEMBERS, -1), empty, asked).tolist() == [0]


def test_ten_thousand_members_that_all_stir_in_one_batch_cost_no_pairs():
    count = 10_000
    rng = np.random.default_rng(1)
    order, member = np.arange(count), rng.permutation(count)
    ts = 1_780_000_000_000 + order
    shown = group.Shown(member, order, ts)
    asked = group.Asked(order, ts, np.full(count, 500), np.zeros(count, dtype=np.int64))
    begun = time.perf_counter()
    found = group.present(np.full(count, NEVER), np.zeros(count, dtype=np.int64), shown, asked)
    assert found.tolist() == np.minimum(order + 1, 501).tolist()
    assert time.perf_counter() - begun < 1.0
    print(time.perf_counter() - begun)
