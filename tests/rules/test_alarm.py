"""Alarm facts, their ISA-18.2 state, and what changes and decisions make of them."""

from datetime import timedelta
from itertools import product

import pytest

from rules.alarm import AlarmRecord, Isa, Refusal, advance, state, unshelve_if_due
from rules.columns import Change
from wire.alert import AlarmFacts, Hazard, Verb
from wire.configuration import Decision
from wire.level import Level
from wire.time import to_datetime

T0 = 1_780_000_000_000
DIAGRAM = {
    # from: {what happens: to}. The part of the ISA-18.2 diagram that readings and the operator move in.
    Isa.NORM: {"raise": Isa.UNACK},
    Isa.UNACK: {
        "acknowledge": Isa.ACKED,
        "clear": Isa.RTNUN,
        "clear latching": Isa.LATCH_UNACK,
        "escalate": Isa.UNACK,
        "raise": Isa.UNACK,
    },  # a new episode whose predecessor's end was lost: never an alarm less
    Isa.ACKED: {
        "raise": Isa.UNACK,
        "clear": Isa.NORM,
        "clear latching": Isa.LATCH_ACK,
        "escalate": Isa.UNACK,
        "deescalate": Isa.ACKED,
    },
    Isa.RTNUN: {"acknowledge": Isa.NORM, "raise": Isa.UNACK},
    Isa.LATCH_UNACK: {"acknowledge": Isa.LATCH_ACK, "reset": Isa.RTNUN, "raise": Isa.UNACK},
    Isa.LATCH_ACK: {"reset": Isa.NORM, "raise": Isa.UNACK},
}
STIMULI = ["raise", "escalate", "deescalate", "clear", "clear latching", "acknowledge", "reset"]
PATHS = {
    Isa.NORM: ["raise", "acknowledge", "clear"],
    Isa.UNACK: ["raise"],
    Isa.ACKED: ["raise", "acknowledge"],
    Isa.RTNUN: ["raise", "clear"],
    Isa.LATCH_UNACK: ["raise", "clear latching"],
    Isa.LATCH_ACK: ["raise", "acknowledge", "clear latching"],
}


def change(verb, at=T0, level=Level.III, opened=T0, suspect=False):
    return Change("d", None, "smoke", Hazard.SMOKE, verb, level, at, opened, suspect, 0, {"value": 1.0})


def decision(verb, episode=T0, expires=T0 + 60_000, until=None):
    return Decision(
        id="dec-1",
        verb=verb,
        alarm_id="d:smoke",
        episode=episode,
        author="duty",
        issued_at=to_datetime(T0),
        expires_at=to_datetime(expires),
        until=until,
    )


def stimulate(record, what):
    opened = record.episode if record else T0
    if what == "raise":
        opened = T0 if record is None else record.episode + 1000
        return advance(record, change(Verb.RAISED, opened, opened=opened))
    if what == "escalate":
        return advance(record, change(Verb.ESCALATED, T0 + 5, Level.II, opened))
    if what == "deescalate":
        return advance(record, change(Verb.DEESCALATED, T0 + 5, Level.IV, opened))
    if what.startswith("clear"):
        return advance(record, change(Verb.CLEARED, T0 + 9, None, opened), latch="latching" in what)
    return advance(record, decision(what, opened), now=T0 + 10)


@pytest.mark.parametrize(("begin", "what"), list(product(PATHS, STIMULI)))
def test_alarms_move_as_the_diagram_draws_and_not_otherwise(begin, what):
    record = None
    for step in PATHS[begin]:
        record, _ = stimulate(record, step)
    assert record.isa is begin
    answer = stimulate(record, what)
    arrow = DIAGRAM[begin].get(what)
    if arrow is None:
        # deescalation keeps the state; anything else that is not drawn is refused
        if what == "deescalate" and record.facts.active:
            assert answer[0].isa is begin
        else:
            assert isinstance(answer, Refusal)
            assert answer.reason
    else:
        assert answer[0].isa is arrow


@pytest.mark.parametrize(
    ("active", "acknowledged", "latched", "shelved", "suppressed", "out"), list(product([False, True], repeat=6))
)
def test_the_state_is_a_table_of_the_facts(active, acknowledged, latched, shelved, suppressed, out):
    facts = AlarmFacts(
        active=active,
        level=Level.III if active else None,
        highest=Level.III,
        acknowledged=acknowledged,
        latched=latched,
        shelved_until=to_datetime(T0) if shelved else None,
        suppressed=suppressed,
        out_of_service=out,
    )
    table = {
        (True, False): Isa.UNACK,
        (True, True): Isa.ACKED,
        (False, False): Isa.LATCH_UNACK if latched else Isa.RTNUN,
        (False, True): Isa.LATCH_ACK if latched else Isa.NORM,
    }
    expected = Isa.OOSRV if out else Isa.DSUPR if suppressed else Isa.SHLVD if shelved else table[active, acknowledged]
    assert state(facts) is expected


def test_an_episode_counts_its_revisions_from_one_and_keeps_its_worst_level():
    record, verb = advance(None, change(Verb.RAISED, suspect=True))
    assert (record.revision, verb, record.alarm_id, record.episode) == (1, Verb.RAISED, "d:smoke", T0)
    assert record.facts.suspect
    record, _ = advance(record, decision("acknowledge"), now=T0 + 1)
    record, verb = advance(record, change(Verb.ESCALATED, T0 + 5, Level.I))
    assert (record.revision, verb, record.facts.acknowledged, record.facts.suspect) == (3, Verb.ESCALATED, False, False)
    record, _ = advance(record, change(Verb.DEESCALATED, T0 + 6, Level.III))
    assert (record.facts.level, record.facts.highest) == (Level.III, Level.I)


def test_what_is_known_already_is_refused():
    record, _ = advance(None, change(Verb.RAISED))
    assert "known already" in advance(record, change(Verb.RAISED)).reason
    assert "not the one" in advance(record, change(Verb.CLEARED, T0 + 9, None, opened=T0 - 5)).reason
    assert "not the one" in advance(None, change(Verb.CLEARED, T0 + 9, None)).reason


def test_an_expired_decision_is_never_carried_out():
    record, _ = advance(None, change(Verb.RAISED))
    refusal = advance(record, decision("acknowledge"), now=T0 + 60_001)
    assert refusal.expired
    assert not advance(record, decision("reset"), now=T0).expired


def test_a_shelving_ends_by_itself_and_outlives_the_episode():
    record, _ = advance(None, change(Verb.RAISED))
    until = to_datetime(T0) + timedelta(hours=1)
    assert "end" in advance(record, decision("shelve"), now=T0).reason
    record, verb = advance(record, decision("shelve", until=until), now=T0, at=T0 + 77)
    assert (verb, record.isa, record.changed_at) == (Verb.SHELVED, Isa.SHLVD, T0 + 77)
    record, _ = advance(record, change(Verb.CLEARED, T0 + 9, None))
    record, _ = advance(record, change(Verb.RAISED, T0 + 99, opened=T0 + 99))
    assert record.isa is Isa.SHLVD
    assert unshelve_if_due(record, T0 + 3_599_999) is None
    record, verb = unshelve_if_due(record, T0 + 3_600_000)
    assert (verb, record.isa) == (Verb.UNSHELVED, Isa.UNACK)
    assert isinstance(record, AlarmRecord)
