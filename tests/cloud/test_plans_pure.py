"""Plans: what is shipped is sound, what people hand in is judged, and what a card's lines stand at."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.plans.library import shipped
from cloud.plans.plan import (
    DEFAULT,
    MOST_LINES,
    ROLES,
    AtLevel,
    Line,
    Plan,
    Tick,
    faults,
    lines_for,
    read,
    steps,
    written,
)
from cloud.plans.service import judged
from cloud.problems import Problem
from wire.alert import Hazard
from wire.level import Level

T0 = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize("hazard", list(Hazard))
def test_every_shipped_plan_is_sound_and_survives_being_written_and_read(hazard):
    plan = shipped()[hazard]
    assert faults(plan) == []
    assert read(written(plan)) == plan


@given(st.sampled_from(list(Hazard)), st.sampled_from(list(Level)), st.sampled_from(ROLES))
def test_every_role_has_a_card_of_at_most_seven_lines_at_every_level(hazard, level, role):
    lines = lines_for(shipped()[hazard], level, role)
    assert len(lines) <= MOST_LINES
    if role not in shipped()[hazard].cards:
        assert lines, "the default card is never empty"


def test_grid_workers_never_enter_smoke_and_never_direct_traffic():
    for level in Level:
        smoke = [line.zh for line in lines_for(shipped()[Hazard.SMOKE], level, "grid_worker")]
        water = [line.zh for line in lines_for(shipped()[Hazard.WATER_LEVEL], level, "grid_worker")]
        assert any("不进烟" in line for line in smoke), level
        assert any("不指挥交通" in line for line in water), level


def test_a_pot_burnt_dry_is_danger_caught_on_the_card_too():
    lines = [line.zh for line in lines_for(shipped()[Hazard.SMOKE], Level.III, "micro_fire_station")]
    assert any("干烧" in line and "险情" in line for line in lines)


def plan(**cards: list[dict]) -> dict:
    line = {"code": "a", "zh": "看", "en": "look"}
    return {
        "name_zh": "预案",
        "name_en": "plan",
        "levels": {level.value: {"zh": "一", "en": "one"} for level in Level},
        "cards": {DEFAULT: [line]} | cards,
    }


LINE = {"code": "x", "zh": "做", "en": "do"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (plan(grid_worker=[LINE | {"code": str(n)} for n in range(8)]), "8 lines"),
        (plan(grid_worker=[LINE, LINE]), "twice"),
        (plan(wizard=[LINE]), "no role"),
        (plan(grid_worker=[LINE | {"within_s": 0}]), "0 s"),
        (plan(grid_worker=[LINE | {"zh": "长" * 61}]), "61 characters"),
        (plan() | {"levels": {"I": {"zh": "一", "en": "one"}}}, "missing"),
        (plan() | {"levels": plan()["levels"] | {"II": {"zh": "二", "en": "two", "ask": ["ghost"]}}}, "ghost"),
        (plan() | {"cards": {"grid_worker": [LINE]}}, "missing"),
        (plan() | {"surprise": 1}, "surprise"),
        (plan() | {"hazard": "smoke"}, "smoke"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_with_its_fault(content, says):
    with pytest.raises(Problem) as refused:
        judged(content, Hazard.WATER_LEVEL)
    assert refused.value.status == 422
    assert any(says in error.what or says in error.where for error in refused.value.errors), refused.value.errors


def test_limits_count_from_the_level_and_a_done_line_keeps_what_it_was():
    lines = (
        Line("a", "一", "one", tick=True, within_s={Level.I: 60}),
        Line("b", "二", "two", tick=True, within_s=600),
        Line("c", "三", "three", within_s=60),
        Line("d", "四", "four", tick=True, levels=(Level.IV,)),
    )
    at = {level: AtLevel("一", "one") for level in Level}
    made = Plan(Hazard.SMOKE, "预案", "plan", at, {DEFAULT: lines})
    ticks = [Tick(DEFAULT, "a", T0 + timedelta(seconds=90), {"id": "p", "name": "人"})]
    now = T0 + timedelta(seconds=300)
    found = {step.line.code: step for step in steps(made, Level.I, since=T0, now=now, ticks=ticks)}
    assert list(found) == ["a", "b", "c"]
    assert (found["a"].overdue, found["a"].due_at) == (True, T0 + timedelta(seconds=60)), "done, but late"
    assert not found["b"].overdue
    assert found["c"].due_at is None, "what is only read falls due never"
    assert {step.line.code for step in steps(made, Level.IV, since=T0, now=now)} == {"a", "b", "c", "d"}
    much_later = T0 + timedelta(hours=5)
    standing = steps(made, Level.I, since=T0, now=much_later, over=True)
    assert not any(step.overdue for step in standing), "over: nobody is late any more"
