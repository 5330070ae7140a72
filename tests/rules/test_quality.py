"""Flags of readings."""

import numpy as np
import pytest

from rules.columns import Columns
from rules.quality import assess, is_bad
from wire.quality import Quality

T0 = 1_780_000_000_000
LOW, HIGH = np.array([0.0, np.nan]), np.array([5.0, np.nan])


def one(value, channel=0, ts=T0, arrival=T0, flag=2):
    columns = Columns.of([channel], [ts], [value], arrival=[arrival], flag=[flag])
    return assess(columns, LOW, HIGH)


@pytest.mark.parametrize(
    ("value", "channel", "flag"),
    [
        (1.0, 0, Quality.GOOD),
        (0.0, 0, Quality.GOOD),
        (5.0, 0, Quality.GOOD),
        (5.01, 0, Quality.FAIL),
        (-0.1, 0, Quality.FAIL),
        (float("nan"), 0, Quality.MISSING),
        (float("inf"), 0, Quality.FAIL),
        (float("inf"), 1, Quality.FAIL),
        (1e9, 1, Quality.UNKNOWN),
        (1.0, -1, Quality.UNKNOWN),
        (1.0, 99, Quality.UNKNOWN),
    ],
)
def test_range_and_not_finite(value, channel, flag):
    assert one(value, channel).flag[0] == flag


@pytest.mark.parametrize("flag", [3, 4])
def test_a_flag_is_never_made_better(flag):
    assert one(1.0, flag=flag).flag[0] == flag


@pytest.mark.parametrize(
    ("ts", "arrival", "wrong"),
    [
        (T0, T0, False),
        (T0 + 30_000, T0, False),
        (T0 + 30_001, T0, True),
        (0, T0, True),
        (946_684_800_000, T0, True),
        (T0 - 86_400_000 * 300, T0, False),  # a backlog is late, not wrong
        (1_556_683_200_000, 1_556_683_200_000, False),  # a recording of 2019 on a timeline of 2019
        (5_000, 5_000, False),
    ],
)
def test_a_wrong_clock_is_replaced_by_the_arrival_and_leaves_the_value_trusted(ts, arrival, wrong):
    assessed = one(1.0, ts=ts, arrival=arrival)
    assert bool(assessed.clock[0]) is wrong
    assert assessed.ts[0] == (arrival if wrong else ts)
    assert assessed.flag[0] == (Quality.SUSPECT if wrong else Quality.GOOD)
    assert not is_bad(assessed)[0]


def test_a_wrong_clock_does_not_excuse_a_wrong_value():
    assert is_bad(one(9.0, ts=0))[0]


def test_assessing_again_changes_nothing():
    columns = Columns.of([0, 0, 1, -1], [T0, 0, T0 + 10**9, T0], [1.0, 9.0, np.nan, 2.0], arrival=np.full(4, T0))
    once = assess(columns, LOW, HIGH)
    for before, after in zip(once, assess(once, LOW, HIGH), strict=True):
        assert before is after or np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
