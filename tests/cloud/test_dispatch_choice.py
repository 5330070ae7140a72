"""Who goes where, what a role never does, which clocks run, what is being forgotten: pure, so by property."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cloud.dispatch import tasks
from cloud.dispatch.alternatives import alternatives, gaps
from cloud.dispatch.clocks import Clock, Facts, wanted
from cloud.dispatch.escalation import TABLES, Step, limit
from cloud.dispatch.joint import assign, matching, why
from cloud.dispatch.progress import LIVE, AssignmentState
from cloud.dispatch.proposal import Engagement, Force, Need, propose
from cloud.dispatch.watch import IDLE, Owner, View, findings
from cloud.incidents.states import OVER, State
from wire.alert import Hazard
from wire.level import Level

T0 = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
LEVELS = st.sampled_from(list(Level))


def force(name: str, **more) -> Force:
    fields = {
        "id": name, "name": name, "kind": "person", "role": "grid_worker", "skills": frozenset({"fire"}),
        "lon": 120.301, "lat": 31.500, "shift_until": T0 + timedelta(hours=8),
    }  # fmt: skip
    return Force(**(fields | more))


def need(name: str, level: Level = Level.II, **more) -> Need:
    fields = {"hazard": Hazard.SMOKE, "level": level, "lon": 120.300, "lat": 31.500, "number": f"1122-{name}"}
    return Need(incident=name, **(fields | more))


# ---------------------------------------------------------------- the joint optimum


def test_the_matching_is_the_cheapest_there_is():
    draw = np.random.default_rng(6)
    for _ in range(300):
        rows, more = int(draw.integers(1, 5)), int(draw.integers(0, 4))
        cost = draw.integers(0, int(draw.choice([3, 30, 10**13])), (rows, rows + more)).astype(np.int64)
        found = matching(cost)
        assert len(set(found)) == rows
        cheapest = min(sum(cost[i, p[i]] for i in range(rows)) for p in permutations(range(rows + more), rows))
        assert sum(cost[i, column] for i, column in enumerate(found)) == cheapest, cost


FORCES = st.lists(
    st.builds(
        lambda lon, skills, busy, shift: {"lon": lon, "skills": skills, "busy": busy, "shift": shift},
        st.floats(120.28, 120.32),
        st.sampled_from([frozenset({"fire"}), frozenset({"fire"}), frozenset({"flood"})]),
        st.sampled_from([None, None, None, Level.I, Level.IV]),
        st.sampled_from([True, True, True, False]),
    ),
    max_size=5,
)
NEEDS = st.lists(st.tuples(LEVELS, st.sampled_from([Hazard.SMOKE, Hazard.WATER_LEVEL]), st.floats(120.28, 120.32)))


@settings(max_examples=60)
@given(NEEDS.filter(lambda all_: len(all_) <= 4), FORCES)
def test_the_plan_serves_the_worst_first_and_pulls_nobody_off_anything(wants, people):
    needs = [need(f"i{n}", level, hazard=hazard, lon=lon) for n, (level, hazard, lon) in enumerate(wants)]
    forces = [
        force(
            f"f{n}",
            lon=one["lon"],
            skills=one["skills"],
            shift_until=T0 if one["shift"] else None,
            engagements=(Engagement("elsewhere", one["busy"]),) if one["busy"] else (),
        )
        for n, one in enumerate(people)
    ]
    plan = assign(needs, forces)
    given_away = [pair.proposal.responder_id for pair in plan.pairs]
    assert len(given_away) == len(set(given_away)), "nobody goes to two places"
    assert {pair.need.incident for pair in plan.pairs} | {one.incident for one in plan.unserved} == {
        one.incident for one in needs
    }
    by_id = {one.id: one for one in forces}
    for pair in plan.pairs:
        assert pair.proposal.recommended
        assert not by_id[pair.proposal.responder_id].engagements
    # Nobody who waits could have had the person of a less urgent one: that would be the wrong way round.
    for waits in plan.unserved:
        fit = {one.responder_id for one in propose(waits, forces).items if one.recommended}
        lesser = [pair for pair in plan.pairs if pair.need.level.rank < waits.level.rank]
        assert not [pair for pair in lesser if pair.proposal.responder_id in fit]
        assert not fit - set(given_away), "somebody fit stands idle while it waits"
    assert assign(needs[::-1], forces[::-1]) == plan, "the order of the question does not matter"


def test_the_nearest_of_two_goes_where_he_is_needed_more_and_the_plan_says_so():
    near, far = force("near", lon=120.3001), force("far", lon=120.309)
    one, two = need("one", Level.II), need("two", Level.I, lon=120.2999)
    plan = assign([one, two], [near, far])
    assert [(pair.need.incident, pair.proposal.responder_id) for pair in plan.pairs] == [
        ("two", "near"),
        ("one", "far"),
    ]
    assert why(plan.pairs[0]) == {"code": "best"}
    assert why(plan.pairs[1]) == {
        "code": "yields", "name": "near", "to": "two", "number": "1122-two", "level": "I"
    }  # fmt: skip


def test_one_person_and_two_incidents_leaves_the_lesser_waiting():
    plan = assign([need("lesser", Level.III), need("worse", Level.I)], [force("only")])
    assert [pair.need.incident for pair in plan.pairs] == ["worse"]
    assert [one.incident for one in plan.unserved] == ["lesser"]


def test_the_whole_counts_and_not_each_first_choice():
    """Greedy would give A to the first and leave the second with nobody who can."""
    both = force("both", skills=frozenset({"fire", "flood"}), lon=120.3)
    only_fire = force("only_fire", lon=120.305)
    plan = assign([need("fire"), need("water", hazard=Hazard.WATER_LEVEL)], [both, only_fire])
    assert {(pair.need.incident, pair.proposal.responder_id) for pair in plan.pairs} == {
        ("fire", "only_fire"), ("water", "both")
    }  # fmt: skip


def test_kept_for_something_worse_is_not_free_and_for_something_lesser_is():
    worse = force("kept", engagements=(Engagement("x", Level.I, reserved=True, number="1"),))
    assert "reserved" in propose(need("a"), [worse]).items[0].missing
    lesser = force("kept", engagements=(Engagement("x", Level.III, reserved=True, number="1"),))
    assert propose(need("a"), [lesser]).best is not None


# ---------------------------------------------------------------- tasks


def test_what_a_role_never_does():
    for role in ("grid_worker", "volunteer", "stairwell_head", "unheard-of", "building_inspector"):
        assert tasks.judge(role, "enter_smoke").rule is tasks.Rule.NEVER, role
    for role in tasks.catalogue().roles:
        assert not tasks.judge(role, "direct_traffic").allowed, role
        assert not tasks.judge(role, "close_road").allowed, role
    assert tasks.judge("micro_fire_station", "first_attack").rule is tasks.Rule.MUST


@pytest.mark.parametrize("hazard", list(Hazard))
@pytest.mark.parametrize("role", [*tasks.catalogue().roles, "unheard-of"])
def test_nobody_is_asked_for_what_he_never_does(role, hazard):
    own = tasks.own_task(role, hazard)
    assert own is None or own.allowed
    for code in tasks.catalogue().hazards[hazard]:
        [proposal] = propose(need("a", hazard=hazard, task=code), [force("x", role=role)]).items
        assert proposal.recommended <= tasks.judge(role, code).allowed


def test_a_catalogue_that_contradicts_itself_is_refused():
    found = tasks.catalogue()
    both = tasks.RoleRules(must=("cordon",), never={"cordon": tasks.Words("", "")})
    with pytest.raises(ValueError, match="does and never does cordon"):
        tasks.check(tasks.Catalogue(found.tasks, found.hazards, found.roles | {"x": both}))
    with pytest.raises(ValueError, match="not among the tasks"):
        tasks.check(tasks.Catalogue(found.tasks, found.hazards, found.roles | {"x": tasks.RoleRules(may=("fly",))}))


def test_what_is_missing_and_what_a_person_could_decide():
    forces = [
        force("standby", shift_until=None, standby=True),
        force("soon", shift_until=None, next_shift_min=20),
        force("lesser", engagements=(Engagement("x", Level.IV, number="7"),)),
        force("worse", engagements=(Engagement("y", Level.I),)),
        force("equal", engagements=(Engagement("z", Level.II),)),
        force("two", shift_until=None, skills=frozenset()),
    ]
    found = propose(need("a"), forces)
    assert dict(gaps(found)) == {"off_shift": 3, "busy": 3, "no_skill": 1}
    options = alternatives(need("a"), forces, found)
    assert [(one.responder_id, one.how) for one in options] == [
        ("standby", "call_in"), ("lesser", "move"), ("soon", "starts_soon")
    ], "nobody is offered who is on something as bad or worse"  # fmt: skip
    other = propose(need("a", task="first_attack"), [force("grid")])
    assert [one.how for one in alternatives(need("a", task="first_attack"), [force("grid")], other)] == ["other_task"]


# ---------------------------------------------------------------- clocks


FACTS = st.builds(
    Facts,
    incident=st.just("inc"),
    state=st.sampled_from(list(State)),
    acknowledged=st.booleans(),
    assignments=st.lists(
        st.tuples(st.sampled_from(["a1", "a2"]), st.sampled_from(list(AssignmentState))),
        max_size=2,
        unique_by=lambda a: a[0],
    ),
    deferral=st.sampled_from([None, "dfr"]),
    hand_off=st.sampled_from([None, "hnd"]),
    reservations=st.sampled_from([(), ("rsv",)]),
)


@given(FACTS)
def test_whatever_is_not_over_has_a_clock_and_what_is_over_has_none(facts):
    assert bool(wanted(facts)) == (facts.state not in OVER)


@given(FACTS)
def test_a_deferral_rests_the_desk_alone(facts):
    assume(facts.deferral is not None and facts.state not in OVER)
    kinds = {clock.kind for clock in wanted(facts)}
    assert "deferral" in kinds
    assert not kinds & {Step.DISPATCH, Step.REPORT, Step.CLOSE}
    for key, state in facts.assignments:
        if state is AssignmentState.OFFERED and facts.state in (State.RAISED, State.ACCEPTED, State.DISPATCHED):
            assert Clock(Step.ACCEPT, key) in wanted(facts), "who was asked has his limit all the same"


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("hazard", list(Hazard))
def test_the_more_urgent_never_has_more_time_at_any_step(step, hazard):
    spans = [TABLES[step][hazard].of(level) for level in (Level.I, Level.II, Level.III, Level.IV)]
    assert spans == sorted(spans)
    assert limit(step, hazard, Level.I, late=True) >= spans[0]


# ---------------------------------------------------------------- what is being forgotten


def view(**more) -> View:
    facts = {"incident": "inc", "state": State.ACCEPTED, "acknowledged": True}
    facts |= {key: more.pop(key) for key in [*more] if key in Facts.__dataclass_fields__}
    seen = Facts(**facts)
    return View(**({"facts": seen, "level": Level.II, "owner": Owner.THERE, "running": wanted(seen)} | more))


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"running": frozenset()}, "no_clock"),
        ({"overdue": timedelta(minutes=3)}, "clock_stuck"),
        ({"owner": Owner.NONE}, "no_owner"),
        ({"owner": Owner.GONE}, "owner_gone"),
        ({"owner": Owner.OFF_DUTY}, "owner_off_duty"),
        ({"idle": IDLE[Level.II] + timedelta(seconds=1)}, "idle"),
    ],
)
def test_each_way_of_being_forgotten_has_a_name(more, code):
    assert findings(view()) == ()
    assert [one.code for one in findings(view(**more))] == [code]
    assert findings(view(state=State.CLOSED, **more)) == ()


def test_what_rests_by_a_persons_word_is_not_idle():
    assert findings(view(deferral="dfr", idle=timedelta(days=2))) == ()
    assert findings(view(idle=timedelta(hours=2), late=True)) == (), "history is seen to, not run to"
    on_scene = ((("a", AssignmentState.ON_SCENE)),)
    assert AssignmentState.ON_SCENE in LIVE
    assert [one.code for one in findings(view(assignments=on_scene, idle=timedelta(hours=2)))] == ["idle"]
