"""Handling levels: order, ranks in arrays, the worst of several."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.level import Level, worst


def test_ranks_rise_with_urgency_and_leave_zero_for_no_hazard():
    assert [level.rank for level in (Level.IV, Level.III, Level.II, Level.I)] == [1, 2, 3, 4]
    assert Level.of_rank(0) is None


@pytest.mark.parametrize("level", list(Level))
def test_a_level_survives_the_way_through_an_array(level):
    assert Level.of_rank(level.rank) is level


@pytest.mark.parametrize("rank", [-1, 5, 100])
def test_a_rank_outside_the_scale_is_refused(rank):
    with pytest.raises(ValueError, match="outside"):
        Level.of_rank(rank)


def test_the_worst_of_none_is_none():
    assert worst([]) is None


@given(st.lists(st.sampled_from(list(Level)), min_size=1))
def test_the_worst_is_at_least_as_urgent_as_each(levels):
    found = worst(levels)
    assert found in levels
    assert all(found.rank >= level.rank for level in levels)
