"""Folding, alarm application, levels, states and the hash chain: pure, so by property."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from types import SimpleNamespace

import pytest
from cloud_world import alert
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.audit.chain import new_salt
from cloud.incidents import timeline
from cloud.incidents.alarms import AlarmView, Applied, apply, incident_level, is_late
from cloud.incidents.folding import (
    WINDOW,
    Candidate,
    Folded,
    Spot,
    fold,
    fold_by_hand,
    fold_key,
    keys_to_try,
    own_key,
)
from cloud.incidents.headline import headline
from cloud.incidents.states import ALLOWED, HANDLED, OVER, State, move, state_on_acknowledging
from wire.alert import AlarmFacts, Hazard, Verb
from wire.level import Level

T0 = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
LEVELS = st.sampled_from(list(Level))
HAZARDS = st.sampled_from(list(Hazard))
SPOTS = st.builds(
    Spot,
    site=st.sampled_from(["s1", "s2"]),
    building=st.sampled_from([None, "b1", "b2"]),
    section=st.sampled_from([None, "x1", "x2"]),
    zone=st.sampled_from([None, "z1", "z2"]),
)
EXERCISES = st.sampled_from([None, "drl-1", "drl-2"])
EDGES = st.sampled_from(["gw-1", "gw-2"])
ALARMS = st.lists(st.tuples(HAZARDS.filter(lambda h: h is not Hazard.GATEWAY), SPOTS, EDGES, EXERCISES), max_size=12)


def folded(arrivals):
    """Which alarms end up together, whatever the order of arrival."""
    incidents: dict[str, list[int]] = {}
    standing: list[Candidate] = []
    for order, (index, (hazard, spot, edge, exercise)) in enumerate(arrivals):
        keys = keys_to_try(hazard, spot, edge=edge, exercise=exercise)
        own = own_key(hazard, spot, edge=edge, exercise=exercise)
        chosen = fold(keys, standing, spot=spot, own=own).incident
        if chosen is None:
            chosen = f"inc-{order}"
            opened = T0 + timedelta(seconds=order)
            standing.append(Candidate(chosen, own, hazard, State.RAISED, opened, exercise, spot))
        incidents.setdefault(chosen, []).append(index)
    return {frozenset(members) for members in incidents.values()}


@given(ALARMS, st.randoms(use_true_random=False))
def test_folding_does_not_depend_on_the_order_of_arrival(alarms, random):
    numbered = list(enumerate(alarms))
    shuffled = numbered[:]
    random.shuffle(shuffled)
    assert folded(numbered) == folded(shuffled)


@given(ALARMS)
def test_no_incident_mixes_real_and_exercise_hazards_or_sites(alarms):
    for members in folded(list(enumerate(alarms))):
        assert len({alarms[i][3] for i in members}) == 1, "exercise"
        assert len({alarms[i][0] for i in members}) == 1, "hazard"
        assert len({alarms[i][1].site for i in members}) == 1, "site"


@given(ALARMS)
def test_every_alarm_is_in_exactly_one_incident(alarms):
    groups = folded(list(enumerate(alarms)))
    assert sorted(i for group in groups for i in group) == list(range(len(alarms)))


def test_a_stairwell_is_one_event_and_the_next_stairwell_another():
    def key(section: str, zone: str) -> str:
        return fold_key(Hazard.SMOKE, Spot("s", "b", section, zone))

    assert key("b-s1", "1f") == key("b-s1", "3f") != key("b-s2", "3f")


def test_the_mouths_of_an_underpass_are_one_event():
    west, low = Spot("up", None, "up", "west"), Spot("up", None, "up", "low")
    assert fold_key(Hazard.WATER_LEVEL, west) == fold_key(Hazard.WATER_LEVEL, low)


@pytest.mark.parametrize(
    ("spot", "reason"),
    [
        (Spot("s", "b", "x1", "z1"), "same_zone"),
        (Spot("s", "b", "x1", "z2"), "same_section"),
        (Spot("s", "b", "x2", "z3"), "nothing_open_here"),
        (Spot("s", "b2", "x1", "z1"), "nothing_open_here"),
    ],
)
def test_folding_tells_its_reason(spot, reason):
    there = Spot("s", "b", "x1", "z1")
    standing = Candidate("i", fold_key(Hazard.SMOKE, there), Hazard.SMOKE, State.RAISED, T0, spot=there)
    keys = keys_to_try(Hazard.SMOKE, spot, edge="", exercise=None)
    own = own_key(Hazard.SMOKE, spot, edge="", exercise=None)
    assert fold(keys, [standing], spot=spot, own=own).reason == reason


def test_an_alarm_joins_the_call_that_named_the_whole_building_but_not_an_alarm_there():
    spot, building = Spot("s", "b", "x1", "z1"), Spot("s", "b")
    keys = keys_to_try(Hazard.SMOKE, spot, edge="", exercise=None)
    own = own_key(Hazard.SMOKE, spot, edge="", exercise=None)
    key = fold_key(Hazard.SMOKE, building)
    called = Candidate("call", key, Hazard.SMOKE, State.ACCEPTED, T0, spot=building, by_hand=True)
    assert fold(keys, [called], spot=spot, own=own) == Folded("call", "same_building")
    assert fold(keys, [replace(called, by_hand=False)], spot=spot, own=own).incident is None


@given(HAZARDS, st.integers(-600_000, 600_000))
def test_what_comes_long_after_is_another_event(hazard, after_s):
    spot = Spot("s", "b", "x")
    key = fold_key(hazard, spot, edge="g")
    span = (T0, T0 + timedelta(hours=1))
    standing = Candidate("i", key, hazard, State.IN_PROGRESS, T0, spot=spot, span=span)
    at = T0 + timedelta(seconds=after_s)
    near = span[0] - WINDOW[hazard] <= at <= span[1] + WINDOW[hazard]
    folded = fold([key], [standing], spot=spot, own=key, at=at)
    assert (folded.incident == "i") == near
    assert near or folded.reason == "too_long_ago"


def test_silences_fold_under_the_gateway_that_is_cut_off():
    spot = Spot("s", "b", "x", "z")
    gateway = Candidate("g", fold_key(Hazard.GATEWAY, spot, edge="gw-1"), Hazard.GATEWAY, State.RAISED, T0)
    keys = keys_to_try(Hazard.DEVICE, spot, edge="gw-1", exercise=None)
    assert fold(keys, [gateway]).incident == "g"
    assert fold(keys_to_try(Hazard.DEVICE, spot, edge="gw-2", exercise=None), [gateway]).incident is None
    assert fold(keys_to_try(Hazard.SMOKE, spot, edge="gw-1", exercise=None), [gateway]).incident is None
    assert fold(keys_to_try(Hazard.DEVICE, spot, edge="gw-1", exercise="drl-1"), [gateway]).incident is None


@pytest.mark.parametrize("state", list(State))
def test_only_an_incident_that_is_being_handled_takes_alarms_in(state):
    key = fold_key(Hazard.SMOKE, Spot("s", "b", "x"))
    chosen = fold([key], [Candidate("i", key, Hazard.SMOKE, state, T0)]).incident
    assert (chosen is not None) == (state in HANDLED)


def test_a_call_joins_by_section_then_building_and_never_another_exercise():
    def open_at(name: str, spot: Spot, exercise: str | None = None, hazard: Hazard = Hazard.SMOKE) -> Candidate:
        return Candidate(name, fold_key(hazard, spot, exercise=exercise), hazard, State.DISPATCHED, T0, exercise, spot)

    here, there = open_at("here", Spot("s", "b", "x1")), open_at("there", Spot("s", "b", "x2"))
    drill = open_at("drill", Spot("s", "b", "x1"), "drl-1")
    everything = [there, drill, here]
    assert fold_by_hand(Hazard.SMOKE, Spot("s", "b", "x1", "z"), "", everything, None).incident == "here"
    assert fold_by_hand(Hazard.SMOKE, Spot("s", "b"), "", [there, drill], None).incident == "there"
    assert fold_by_hand(Hazard.SMOKE, Spot("s", "b", "x1"), "", everything, "drl-1").incident == "drill"
    assert fold_by_hand(Hazard.WATER_LEVEL, Spot("s", "b", "x1"), "", everything, None).incident is None
    assert fold_by_hand(Hazard.SMOKE, Spot("other", "b9"), "", everything, None).incident is None


# ---------------------------------------------------------------- alerts in any order


def history(steps: list[tuple[bool, Level]]):
    """Revisions of one episode: whether active, and the level."""
    worst, revisions = Level.IV, []
    for number, (active, level) in enumerate(steps, start=1):
        worst = max(worst, level, key=lambda one: one.rank) if active else worst
        verb = Verb.RAISED if number == 1 else Verb.ESCALATED if active else Verb.CLEARED
        revisions.append(
            alert(
                verb=verb, level=level if active else None, highest=worst, active=active, revision=number,
                opened_at=T0, changed_at=T0 + timedelta(seconds=number), recorded_at=T0 + timedelta(seconds=number),
                latched=not active, evidence={"value": float(number)},
            )
        )  # fmt: skip
    return revisions


def applied(alerts) -> AlarmView:
    view = None
    for one in alerts:
        view, _ = apply(view, one)
    assert view is not None
    return view


STEPS = st.lists(st.tuples(st.booleans(), LEVELS), min_size=1, max_size=8)


@given(STEPS, st.randoms(use_true_random=False), st.lists(st.integers(0, 7), max_size=6))
def test_any_order_of_arrival_with_any_repeats_ends_in_one_state(steps, random, repeats):
    revisions = history(steps)
    shuffled = revisions + [revisions[i % len(revisions)] for i in repeats]
    random.shuffle(shuffled)
    assert applied(shuffled) == applied(revisions)


def test_every_order_of_a_raise_a_rise_and_a_clear_is_the_same():
    revisions = history([(True, Level.III), (True, Level.II), (False, Level.II)])
    results = {str(applied(order)) for order in permutations(revisions)}
    assert len(results) == 1


@given(STEPS, st.sets(st.integers(1, 8)))
def test_what_has_not_come_is_known_by_number(steps, lost):
    revisions = [one for one in history(steps) if one.revision not in lost]
    if not revisions:
        return
    view = applied(revisions)
    newest = max(one.revision for one in revisions)
    assert set(view.missing) == {n for n in range(1, newest) if n in lost}
    assert view.facts == max(revisions, key=lambda one: one.revision).facts


def test_a_repeat_is_told_from_history():
    first, second, third = history([(True, Level.III), (True, Level.II), (True, Level.I)])
    view, what = apply(None, third)
    assert what is Applied.NEWEST
    view, what = apply(view, first)
    assert what is Applied.HISTORY
    assert apply(view, first)[1] is Applied.REPEAT
    assert apply(view, third)[1] is Applied.REPEAT
    assert apply(view, second)[1] is Applied.HISTORY


def test_late_is_replayed_or_old():
    now = T0 + timedelta(minutes=10)
    assert is_late(alert(recorded_at=T0), now)
    assert not is_late(alert(recorded_at=now - timedelta(minutes=4)), now)
    assert is_late(alert(recorded_at=now, replayed=True), now)


# ---------------------------------------------------------------- level and headline


def view(device: str, level: Level, *, active: bool = True, at_s: float = 0, latched: bool = False) -> AlarmView:
    facts = AlarmFacts(active=active, level=level if active else None, highest=level, latched=latched)
    at = T0 + timedelta(seconds=at_s)
    evidence = {"value": 0.4, "unit": "dB/m", "point": "obscuration"}
    return AlarmView(f"{device}:smoke", 0, device, "smoke", 1, (), facts, evidence, 1, at, at, at)


def test_two_detectors_within_three_minutes_are_most_urgent():
    pair = [view("a", Level.III), view("b", Level.III, at_s=170)]
    assert incident_level(pair, smoke=True).level is Level.I
    assert incident_level(pair, smoke=True).reason == "cross_zone"
    assert incident_level(pair, smoke=False).level is Level.III
    assert incident_level([view("a", Level.III), view("b", Level.III, at_s=181)], smoke=True).level is Level.III
    assert incident_level([view("a", Level.III), view("b", Level.IV, at_s=10)], smoke=True).level is Level.III
    assert incident_level([view("a", Level.III), view("a", Level.III, at_s=10)], smoke=True).level is Level.III


def test_a_cleared_reading_calms_nobody():
    cleared = [view("a", Level.II, active=False)]
    assert incident_level(cleared, smoke=True).level is Level.II


@given(st.lists(st.tuples(st.sampled_from("abc"), LEVELS, st.booleans(), st.integers(0, 400)), min_size=1, max_size=5))
def test_the_level_never_passes_the_highest_nor_misses_a_standing_alarm(rows):
    alarms = [view(d, lv, active=a, at_s=t) for d, lv, a, t in rows]
    standing = incident_level(alarms, smoke=True)
    assert standing.level.rank <= standing.highest.rank
    assert all(standing.level.rank >= a.facts.level.rank for a in alarms if a.facts.active and a.facts.level)
    assert incident_level(alarms[::-1], smoke=True) == standing


def test_a_level_that_people_raised_is_a_floor():
    assert incident_level([view("a", Level.IV)], smoke=True, floor=Level.I).level is Level.I


def test_the_headline_follows_the_worst_alarm_and_invents_no_figure():
    calm, bad = view("a", Level.IV), view("b", Level.I)
    bad = replace(bad, evidence={"value": 1.2, "unit": "dB/m", "point": "obscuration"})
    assert headline(Hazard.SMOKE, [calm, bad]) == {"code": "smoke_high", "params": {"value": 1.2, "unit": "dB/m"}}
    assert headline(Hazard.SMOKE, [replace(bad, evidence={})])["code"] == "device_alarm"
    agreed = {"point": "obscuration", "value": 0.12, "source": "smoke", "count": 2.0, "devices": "d1, d2"}
    assert headline(Hazard.SMOKE, [replace(bad, evidence=agreed)]) == {
        "code": "smoke_together", "params": {"count": 2, "value": 0.12, "unit": "dB/m"},
    }  # fmt: skip
    agreed = {"point": "alarm", "source": "device_alarm", "count": 3}
    assert headline(Hazard.SMOKE, [replace(bad, evidence=agreed)]) == {"code": "smoke_together", "params": {"count": 3}}
    assert headline(Hazard.DEVICE, [calm, bad]) == {"code": "silence", "params": {"count": 2}}
    assert headline(Hazard.SMOKE, [], by_hand="冒烟") == {"code": "by_hand", "params": {"text": "冒烟"}}


# ---------------------------------------------------------------- states, chain


def test_over_is_over_and_every_other_state_can_end():
    for state in State:
        assert bool(ALLOWED[state]) == (state not in OVER)
        reached, frontier = {state}, [state]
        while frontier:
            for following in ALLOWED[frontier.pop()] - reached:
                reached.add(following)
                frontier.append(following)
        assert State.CLOSED in reached or state in OVER


def test_what_is_over_comes_back_only_where_a_person_asks_for_just_that():
    for state in OVER:
        assert not any(move(state, wanted).allowed for wanted in State if wanted is not state)
    assert move(State.CLOSED, State.ACCEPTED, back=True).changes
    assert move(State.MERGED, State.RAISED, back=True).changes
    assert not move(State.CLOSED, State.IN_PROGRESS, back=True).allowed


@given(st.sampled_from(list(State)), st.sampled_from(list(State)))
def test_a_refused_move_says_what_is_possible(current, wanted):
    judged = move(current, wanted)
    assert judged.allowed == (wanted is current or wanted in ALLOWED[current])
    assert judged.allowed or judged.reason


def test_only_the_most_urgent_is_accepted_by_acknowledging():
    assert state_on_acknowledging(State.RAISED, Level.I) is State.ACCEPTED
    assert state_on_acknowledging(State.RAISED, Level.II) is State.RAISED
    assert state_on_acknowledging(State.DISPATCHED, Level.I) is State.DISPATCHED


def chain(count: int, *, salted: bool = True) -> list[SimpleNamespace]:
    lines, previous = [], timeline.GENESIS
    for seq in range(1, count + 1):
        line = SimpleNamespace(
            incident_id="inc", seq=seq, kind="note", at=T0, occurred_at=None, actor={"kind": "person", "id": "p"},
            params={"text": f"第{seq}条", "value": 0.1 * seq}, exercise=None, prev_hash=previous, hash="",
            salt=new_salt() if salted else None, sealed=None,
        )  # fmt: skip
        line.hash = previous = timeline.entry_hash(line, previous)
        lines.append(line)
    return lines


@settings(max_examples=40)
@given(st.integers(1, 6), st.booleans(), st.data())
def test_any_change_to_any_line_breaks_the_chain_there(count, salted, data):
    lines = chain(count, salted=salted)
    assert timeline.first_break(lines) is None
    victim = data.draw(st.integers(0, count - 1))
    what, value = data.draw(
        st.sampled_from([("kind", "closed"), ("at", T0 + timedelta(microseconds=1)), ("params", {}), ("exercise", "x")])
    )
    setattr(lines[victim], what, value)
    assert timeline.first_break(lines) == victim + 1


@settings(max_examples=40)
@given(st.integers(1, 5), st.data())
def test_what_is_forgotten_is_gone_and_the_chain_still_holds_and_still_catches_changes(count, data):
    lines = chain(count)
    fields = ["params.text", "params.value", "actor.id", "actor.kind"]
    forgotten: dict[int, set[str]] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        victim = data.draw(st.integers(0, count - 1))
        wanted = set(data.draw(st.lists(st.sampled_from(fields), min_size=1, max_size=3)))
        gone = timeline.forget(lines[victim], wanted)
        assert set(gone) == wanted - forgotten.get(victim, set())
        forgotten.setdefault(victim, set()).update(wanted)
        assert timeline.first_break(lines) is None
    for index, line in enumerate(lines):
        assert set(timeline.forgotten(line.sealed)) == forgotten.get(index, set())
        assert not forgotten.get(index, set()) & timeline.values_of(line).keys()
        assert (line.salt is None) == (index in forgotten), "nobody can try values with the salt of the line"
    victim = data.draw(st.sampled_from(sorted(forgotten)))
    before = dict(lines[victim].params)
    lines[victim].params = before | {"text": "put back"}
    assert timeline.first_break(lines) == victim + 1


def test_a_line_from_before_values_had_salts_keeps_its_values():
    [line] = chain(1, salted=False)
    assert timeline.first_break([line]) is None
    with pytest.raises(ValueError, match="before values had salts"):
        timeline.forget(line, ["params.text"])


def test_a_deleted_line_breaks_the_chain():
    lines = chain(4)
    assert timeline.first_break(lines[:1] + lines[2:]) == 2
