"""Rows picked in stretches are the rows that were asked for, however they lie."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rules.pick import FEW, Pick

STRETCH = st.tuples(st.integers(0, 50), st.integers(1, 6), st.integers(1, 200))


@given(st.lists(st.one_of(STRETCH, st.integers(0, 1500)), min_size=1, max_size=8), st.booleans())
def test_picked_rows_are_those_asked_for(parts, shuffled):
    each = [[part] if isinstance(part, int) else part[0] + part[1] * np.arange(part[2]) for part in parts]
    numbers = np.concatenate(each).astype(np.int64)
    if shuffled:
        numbers = np.random.default_rng(1).permutation(numbers)
    pick, asked = Pick(numbers.copy()), numbers.tolist()
    array, wide = np.arange(2000) * 3, np.arange(6000).reshape(3, 2000)
    assert pick.of(array).tolist() == array[asked].tolist()
    assert pick.across(wide).tolist() == wide[:, asked].tolist()
    if len(set(asked)) == len(asked):
        written, expected = array.copy(), array.copy()
        pick.put(written, np.arange(len(asked)))
        expected[asked] = np.arange(len(asked))
        assert written.tolist() == expected.tolist()
        pick.put(written, -1)
        assert (written == -1).sum() == len(asked)


def test_a_poll_is_read_in_stretches_and_what_has_no_order_is_not():
    devices, points = 500, 6
    of_each_point = np.arange(devices * points).reshape(devices, points).T.ravel().copy()
    assert Pick(of_each_point).regular
    assert Pick(np.arange(FEW + 1)).stretch == slice(0, FEW + 1, 1)
    assert not Pick(np.random.default_rng(2).permutation(3000)).regular
    assert not Pick(np.zeros(3000, dtype=np.int64)).regular
