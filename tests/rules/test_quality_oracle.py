"""Our tests against the formulas that QARTOD (water level manual v2.1) and its best-known library, ioos_qc, document.

ioos_qc itself brings 364 MB; what is needed of it are three formulas, written out here and compared where they are
sound: regular data of one second and slower, without gaps (the library truncates time steps to whole seconds).
"""

import numpy as np
import pytest

from rules.columns import Columns
from rules.engine import DeviceRules, Engine
from rules.quality import Check
from rules.quality_declaration import Limits

T0 = 1_780_000_000_000


def gross_range(values, fail, suspect):
    """4 outside what the sensor can say, 3 outside what the operator expects, else 1."""
    flags = np.where((values < suspect[0]) | (values > suspect[1]), 3, 1)
    return np.where((values < fail[0]) | (values > fail[1]), 4, flags)


def rate_of_change(values, step_s, most_per_s):
    """3 where the change from the reading before, over the time between, is more than the threshold; the first is 2."""
    rate = np.abs(np.diff(values)) / step_s
    return np.concatenate(([False], rate > most_per_s))


def differential_spike(values, least):
    """The smaller of the jumps to and from a reading, where they go in opposite directions."""
    up, down = values[1:-1] - values[:-2], values[2:] - values[1:-1]
    jump = np.where(up * down < 0, np.minimum(np.abs(up), np.abs(down)), 0.0)
    return np.concatenate(([False], jump > least, [False]))


def flagged(limits, values, step_s=10, valid=None, cuts=50):
    engine = Engine()
    engine.configure([DeviceRules("w", {}, ("x",), quality={"x": limits}, valid={"x": valid} if valid else {})])
    ts = T0 + 1000 * step_s * np.arange(len(values))
    columns = Columns.of(engine.channel("w", "x"), ts, values)
    parts = [engine.assess(columns.part(slice(at, at + cuts))) for at in range(0, len(values), cuts)]
    return np.concatenate([each.flag for each in parts]), np.concatenate([each.tests for each in parts])


@pytest.mark.parametrize("seed", range(5))
def test_gross_range_agrees(seed):
    values = np.random.default_rng(seed).normal(1, 3, 2000)
    flag, _ = flagged(Limits(user_low=-2.0, user_high=4.0), values, valid=(-5.0, 6.0))
    assert flag.tolist() == gross_range(values, (-5.0, 6.0), (-2.0, 4.0)).tolist()


@pytest.mark.parametrize(("seed", "step_s"), [(0, 1), (1, 6), (2, 60), (3, 360)])
def test_rate_of_change_agrees_on_regular_data(seed, step_s):
    values = np.cumsum(np.random.default_rng(seed).normal(0, 0.1, 2000))
    most_per_s = 0.15 / step_s
    _, tests = flagged(Limits(rate=most_per_s * 60, gap_s=10 * step_s), values, step_s)
    found = (tests & Check.RATE) != 0
    expected = rate_of_change(values, step_s, most_per_s)
    assert expected.sum() > 100
    assert (found != expected).sum() == 0


@pytest.mark.parametrize("seed", range(5))
def test_single_spikes_on_slow_data_are_those_of_the_differential_test(seed):
    rng = np.random.default_rng(seed)
    values = 0.5 + 0.2 * np.sin(np.arange(3000) / 300) + rng.normal(0, 0.004, 3000)
    at = np.arange(20, 2980, 23) + rng.integers(0, 8, 129)
    values[at] += rng.choice([-1, 1], 129) * rng.uniform(0.15, 0.6, 129)
    expected = differential_spike(values, 0.10)
    assert expected.sum() == 129
    _, tests = flagged(Limits(spike=0.10, gap_s=60.0), values)
    assert ((tests & Check.SPIKE) != 0).tolist() == expected.tolist()
    told_after = (tests & Check.AFTER_SPIKE) != 0
    assert told_after[1:].tolist() == expected[:-1].tolist(), "told by the next reading, and of no other"


def test_where_the_library_is_wrong_we_are_not():
    """Two readings a second, a gap of a day in constant data, a spike as the last reading: its known traps."""
    limits = Limits(rate=60.0, spike=0.5, flat_band=0.01, flat_suspect_s=3600.0, flat_fail_s=7200.0, gap_s=60.0)
    engine = Engine()
    engine.configure([DeviceRules("w", {}, ("x",), quality={"x": limits})])
    channel = engine.channel("w", "x")
    half = engine.assess(Columns.of(channel, T0 + 500 * np.arange(100), 0.3 * (np.arange(100) % 2)))
    assert not (half.tests & Check.RATE).any()
    assert set(half.flag.tolist()) <= {1, 2}
    gap = engine.assess(Columns.of(channel, T0 + 86_400_000 + 1000 * np.arange(300), np.zeros(300)))
    assert not (gap.tests & Check.FLAT).any()
    end = engine.assess(Columns.of(channel, [T0 + 86_400_000 + 300_000], [5.0]))
    assert (end.flag[0], end.tests[0]) == (2, Check.SPIKE)
