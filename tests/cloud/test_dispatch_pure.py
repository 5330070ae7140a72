"""Proposals, taps, time limits, cards: pure, so by property."""

import random as stdlib_random
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.dispatch import cards
from cloud.dispatch.escalation import ACCEPT, ACKNOWLEDGE, CALM, Desk, Step, above, limit, missed, way_up
from cloud.dispatch.plan import roles_to_ask
from cloud.dispatch.progress import AssignmentState, Stamps, Tap, state_of, tap
from cloud.dispatch.proposal import Engagement, Force, Need, haversine_m, propose
from cloud.incidents.states import State
from cloud.notify.outbox import FIRST_PAUSE, LONGEST_PAUSE, pause_after
from cloud.notify.service import framed
from wire.alert import Hazard
from wire.level import Level

T0 = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
LEVELS = st.sampled_from(list(Level))
HAZARDS = st.sampled_from(list(Hazard))
FIRE = Need("inc", Hazard.SMOKE, Level.II, 120.300, 31.500)


def force(name: str = "zhou", **more) -> Force:
    fields = {
        "id": name, "name": name, "kind": "person", "role": "grid_worker", "skills": frozenset({"fire"}),
        "lon": 120.301, "lat": 31.500, "shift_until": T0 + timedelta(hours=8), "covers_grid": True,
    }  # fmt: skip
    return Force(**(fields | more))


# ---------------------------------------------------------------- proposals


def test_a_proposal_explains_itself():
    [proposal] = propose(FIRE, [force()]).items
    assert proposal.recommended
    assert {reason.code for reason in proposal.reasons} == {"on_shift", "task", "skill", "idle", "distance", "grid"}
    assert proposal.distance_m == round(haversine_m(120.300, 31.500, 120.301, 31.500))
    assert proposal.walk_min == 2


@pytest.mark.parametrize(
    ("lacking", "missing"),
    [
        ({"shift_until": None}, "off_shift"),
        ({"skills": frozenset({"flood"})}, "no_skill"),
        ({"lon": None, "lat": None}, "no_position"),
        ({"engagements": (Engagement("other", Level.I),)}, "busy"),
        ({"engagements": (Engagement("other", Level.IV),)}, "busy"),
    ],
)
def test_nobody_is_recommended_who_lacks_something_essential(lacking, missing):
    result = propose(FIRE, [force("shen", **lacking)])
    assert result.best is None
    assert missing in result.items[0].missing
    assert result.not_recommended == (("shen", missing),)


def test_the_nearer_goes_first_and_those_asked_are_not_asked_again():
    near, far = force("near", lon=120.3005), force("far", lon=120.310)
    assert propose(FIRE, [far, near]).best.responder_id == "near"
    assert propose(FIRE, [far, near], asked=["near"]).best.responder_id == "far"
    assert propose(FIRE, [far, near], asked=["near", "far"]).best is None


def test_being_on_this_very_incident_is_no_other_load():
    assert propose(FIRE, [force(engagements=(Engagement("inc", Level.I),))]).best is not None


def test_an_exercise_goes_to_participants_only():
    drill = Need("inc", Hazard.SMOKE, Level.II, 120.3, 31.5, exercise="drl-1")
    result = propose(drill, [force("in", exercises=frozenset({"drl-1"})), force("out")])
    assert result.best.responder_id == "in"
    assert ("out", "not_participant") in result.not_recommended


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_order_of_the_question_does_not_matter(names):
    forces = [force(name, lon=120.3 + 0.001 * ord(name)) for name in names]
    assert [p.responder_id for p in propose(FIRE, forces).items] == ["a", "b", "c", "d"]


def test_haversine_knows_a_degree_of_latitude():
    assert haversine_m(120, 31, 120, 32) == pytest.approx(111_195, rel=1e-4)


# ---------------------------------------------------------------- taps


TAPS = [Tap.ACCEPT, Tap.EN_ROUTE, Tap.ON_SCENE, Tap.CLEAR]


def test_taps_of_a_phone_without_signal_end_the_same_in_any_order():
    results = set()
    for order in permutations(range(4)):
        stamps = Stamps(T0)
        for index in order:
            at = T0 + timedelta(minutes=index + 1)
            stamps = tap(stamps, TAPS[index], at, T0 + timedelta(hours=1)).stamps
        results.add(stamps)
    assert len(results) == 1
    [stamps] = results
    assert state_of(stamps) is AssignmentState.CLEARED
    assert stamps.acknowledged_at == T0 + timedelta(minutes=1)


@given(
    st.lists(st.tuples(st.sampled_from(list(Tap)), st.integers(-600, 600)), max_size=8),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_any_taps_in_any_order_with_repeats_agree(taps, seed, twice):
    def run(sequence):
        stamps = Stamps(T0)
        for what, at_s in sequence:
            stamps = tap(stamps, what, T0 + timedelta(seconds=at_s), T0 + timedelta(hours=1)).stamps
        return stamps

    shuffled = taps * 2 if twice else taps[:]
    stdlib_random.Random(seed).shuffle(shuffled)
    assert run(shuffled) == run(taps)


@given(st.sampled_from(list(Tap)), st.integers(0, 600))
def test_the_same_tap_again_tells_nothing_new(what, at_s):
    now = T0 + timedelta(hours=1)
    first = tap(Stamps(T0), what, T0 + timedelta(seconds=at_s), now)
    assert first.recorded
    assert not tap(first.stamps, what, T0 + timedelta(seconds=at_s), now).recorded
    assert not tap(first.stamps, what, None, now).recorded


def test_a_phone_clock_that_runs_ahead_counts_as_now_and_one_behind_as_the_offer():
    now = T0 + timedelta(minutes=2)
    assert tap(Stamps(T0), Tap.ACCEPT, now + timedelta(hours=1), now).stamps.acknowledged_at == now
    assert tap(Stamps(T0), Tap.ACCEPT, T0 - timedelta(days=1), now).stamps.acknowledged_at == T0


def test_accepting_after_the_offer_expired_still_counts_and_a_late_decline_takes_it_back():
    expired = Stamps(T0, expired_at=T0 + timedelta(minutes=1))
    assert state_of(expired) is AssignmentState.EXPIRED
    late = tap(expired, Tap.ACCEPT, T0 + timedelta(minutes=5), T0 + timedelta(minutes=5))
    assert late.state is AssignmentState.ACKNOWLEDGED
    back = tap(late.stamps, Tap.DECLINE, T0 + timedelta(minutes=6), T0 + timedelta(minutes=6))
    assert back.state is AssignmentState.DECLINED


def test_work_done_outweighs_a_recall():
    stamps = Stamps(T0, cancelled_at=T0 + timedelta(minutes=1))
    assert state_of(stamps) is AssignmentState.CANCELLED
    assert tap(stamps, Tap.CLEAR, T0 + timedelta(minutes=2), T0 + timedelta(minutes=2)).state is AssignmentState.CLEARED


# ---------------------------------------------------------------- escalation


AREAS = ["/c/d/s/n/g", "/c/d/s/n", "/c/d/s", "/c/d", "/c"]
DUTY = [
    Desk("/c/d/s", "officer"),
    Desk("/c/d/s", "leader", "duty_leader"),
    Desk("/c/d", "district"),
    Desk("/c", "city"),
]


def test_the_way_up_goes_from_officer_to_leader_to_district_to_city():
    assert [target.desk.person for target in way_up(AREAS, DUTY[::-1])] == ["officer", "leader", "district", "city"]


def test_a_rota_with_nobody_still_has_a_way_up():
    way = way_up(AREAS, [])
    assert [target.desk.area for target in way] == AREAS
    assert all(target.desk.person is None for target in way)


@given(
    st.lists(
        st.builds(
            Desk, st.sampled_from(AREAS), st.sampled_from("pqrst"), st.sampled_from(["duty_officer", "duty_leader"])
        ),
        max_size=8,
    )
)
def test_the_way_up_never_goes_down_and_asks_nobody_twice(desks):
    way = way_up(AREAS, desks)
    depths = [AREAS.index(target.desk.area) for target in way]
    assert depths == sorted(depths)
    assert [target.tier for target in way] == list(range(len(way)))
    people = [target.desk.person for target in way if target.desk.person]
    assert len(people) == len(set(people))


@given(st.sampled_from(list(Step)), HAZARDS, LEVELS, st.integers(0, 9), st.integers(0, 4000), st.booleans())
def test_a_missed_limit_always_goes_somewhere_and_the_clock_goes_on(step, hazard, level, tier, elapsed_s, late):
    way = way_up(AREAS, DUTY)
    now = T0 + timedelta(seconds=elapsed_s)
    outcome = missed(step, hazard, level, way=way, tier=tier, clock_from=T0, now=now, late=late)
    assert outcome.next_due > now
    assert outcome.target.tier > tier or (outcome.repeats and outcome.target == way[-1])
    assert outcome.next_due - now <= max(CALM, limit(step, hazard, level))
    assert outcome.reason == f"no_{step}_in_time"


def test_every_smoke_alarm_is_acknowledged_within_a_minute_or_escalates():
    assert all(limit(Step.ACKNOWLEDGE, Hazard.SMOKE, level) <= timedelta(seconds=60) for level in Level)
    assert limit(Step.ACKNOWLEDGE, Hazard.SMOKE, Level.I, late=True) == CALM


@pytest.mark.parametrize("table", [ACKNOWLEDGE, ACCEPT])
@pytest.mark.parametrize("hazard", list(Hazard))
def test_the_more_urgent_never_has_more_time(table, hazard):
    limits = [table[hazard].of(level) for level in (Level.I, Level.II, Level.III, Level.IV)]
    assert limits == sorted(limits)


def test_an_unacknowledged_smoke_alarm_of_level_two_becomes_most_urgent_after_two_minutes():
    way = way_up(AREAS, DUTY)

    def at(seconds: int):
        now = T0 + timedelta(seconds=seconds)
        return missed(Step.ACKNOWLEDGE, Hazard.SMOKE, Level.II, way=way, tier=0, clock_from=T0, now=now)

    assert at(60).level is None
    assert at(120).level is Level.I
    assert above(way, 3).tier == 3


# ---------------------------------------------------------------- plan, cards, messages


@given(HAZARDS, LEVELS, st.booleans(), st.sampled_from(list(State)))
def test_nothing_stale_and_nothing_done_is_sent_out(hazard, level, late, state):
    roles = roles_to_ask(hazard, level, late=late, state=state)
    assert not roles or (not late and hazard is Hazard.SMOKE and level in (Level.I, Level.II))


@pytest.mark.parametrize("hazard", list(Hazard))
@pytest.mark.parametrize("role", ["micro_fire_station", "grid_worker", "security_guard", "unheard-of"])
def test_every_card_has_at_most_seven_lines_in_both_languages(hazard, role):
    lines = cards.card(hazard, role)["lines"]
    assert 1 <= len(lines) <= 7
    assert all(line["text_zh"] and line["text_en"] and line["code"] for line in lines)
    assert len({line["code"] for line in lines}) == len(lines)


def test_grid_workers_are_told_not_to_enter_smoke_nor_direct_traffic():
    assert "不进烟" in cards.card(Hazard.SMOKE, "grid_worker")["lines"][0]["text_zh"]
    assert any("不指挥交通" in line["text_zh"] for line in cards.card(Hazard.WATER_LEVEL, "grid_worker")["lines"])


@given(st.text(max_size=40))
def test_every_message_of_an_exercise_says_so_first_and_last(text):
    out = framed(text, "drl-1")
    assert out.startswith("【演练】")
    assert out.endswith("【演练】")
    assert framed(out, "drl-1") == out
    assert framed(text, None) == text


@given(st.integers(1, 1000))
def test_pauses_between_tries_grow_and_are_bounded(attempts):
    assert FIRST_PAUSE <= pause_after(attempts) <= pause_after(attempts + 1) <= LONGEST_PAUSE
