"""Alarm facts, their ISA-18.2 state, and how they move: the table of docs/alarms.md is the table of the code."""

import re
from itertools import product
from pathlib import Path

import msgspec
import pytest
from alarm_steps import HOUR, T0, change, decision, shelve, stimulate

from rules.alarm import AlarmRecord, Around, Isa, Mute, Refusal, advance, muted, state, superseded, unshelve_if_due
from rules.alarm.record import _REASONS
from wire.alert import AlarmFacts, Verb
from wire.level import Level
from wire.time import to_datetime

DOCS = Path(__file__).parents[2] / "docs"
PATHS = {
    "NORM": ["raise", "acknowledge", "clear"],
    "UNACK": ["raise"],
    "ACKED": ["raise", "acknowledge"],
    "RTNUN": ["raise", "clear"],
    "LATCH_UNACK": ["raise", "clear, latching"],
    "LATCH_ACK": ["raise", "acknowledge", "clear, latching"],
    "SHLVD, active": ["raise", "shelve"],
    "SHLVD, over": ["raise", "clear", "shelve"],
    "DSUPR, active": ["raise", "suppress"],
    "DSUPR, over": ["raise", "clear", "suppress"],
    "OOSRV, active": ["raise", "out of service"],
    "OOSRV, over": ["raise", "clear", "out of service"],
}


def table(page="alarms.md"):
    """The transitions as the page draws them: from → stimulus → to; `–` is refused or nothing."""
    rows = re.findall(r"^\|(.+)\|$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    start = next(number for number, row in enumerate(cells) if row[0] in {"from", "自"})
    stimuli = [cell.strip("`") for cell in cells[start][1:]]
    return {row[0]: dict(zip(stimuli, row[1:], strict=True)) for row in cells[start + 2 :][: len(PATHS)]}


TABLE = table()
STIMULI = list(TABLE["NORM"])


def reached(path):
    record = None
    for step in path:
        record = stimulate(record, step).record
    return record


def test_the_table_has_every_state_and_both_languages_draw_it_alike():
    assert set(TABLE) == set(PATHS)
    assert {name.split(",")[0] for name in TABLE} == set(Isa)
    assert table("alarms.zh-CN.md") == TABLE


@pytest.mark.parametrize(("begin", "what"), list(product(PATHS, STIMULI)))
def test_alarms_move_as_the_table_says_and_not_otherwise(begin, what):
    record = reached(PATHS[begin])
    assert record.isa == begin.split(",")[0]
    answer = stimulate(record, what)
    wanted = TABLE[begin][what]
    if wanted == "–":
        assert answer is None or (isinstance(answer, Refusal) and answer.reason)
    else:
        assert answer.record.isa == wanted
        assert answer.record.revision == (1 if what == "raise" else record.revision + 1)
        assert answer.record.verb is answer.verb


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
    plain = {
        (True, False): Isa.UNACK,
        (True, True): Isa.ACKED,
        (False, False): Isa.LATCH_UNACK if latched else Isa.RTNUN,
        (False, True): Isa.LATCH_ACK if latched else Isa.NORM,
    }
    expected = Isa.OOSRV if out else Isa.DSUPR if suppressed else Isa.SHLVD if shelved else plain[active, acknowledged]
    assert state(facts) is expected
    assert (muted(facts) is None) == (expected in plain.values())
    assert muted(facts) in {None, *Mute}


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
    assert advance(record, change(Verb.RAISED)).code == "already_known"
    assert advance(record, change(Verb.CLEARED, T0 + 9, None, opened=T0 - 5)).code == "other_episode"
    assert advance(None, change(Verb.CLEARED, T0 + 9, None)).code == "other_episode"
    assert advance(None, change(Verb.RAISED, level=None)).code == "no_level"
    record, _ = advance(record, change(Verb.CLEARED, T0 + 9, None))
    assert advance(record, change(Verb.CLEARED, T0 + 9, None)).code == "over"


def test_an_expired_decision_is_never_carried_out():
    record, _ = advance(None, change(Verb.RAISED))
    refusal = advance(record, decision("acknowledge"), now=T0 + 60_001)
    assert (refusal.expired, refusal.code) == (True, "expired")
    assert not advance(record, decision("reset"), now=T0).expired


def test_every_refusal_has_its_sentence():
    record, _ = advance(None, change(Verb.RAISED, level=Level.I))
    for refusal in (
        advance(record, decision("reset"), now=T0),
        advance(record, decision("unshelve"), now=T0),
        advance(record, shelve(), now=T0),
        advance(record, decision("acknowledge", episode=T0 + 1), now=T0),
        advance(record, decision("out_of_service"), now=T0),
    ):
        assert refusal.reason == _REASONS[refusal.code].format_map(refusal.params)


def test_a_reset_is_refused_while_the_condition_holds_and_does_not_acknowledge():
    record = reached(["raise"])
    assert stimulate(record, "reset").code == "still_active"
    record = reached(["raise", "clear"])
    assert stimulate(record, "reset").code == "not_latched"
    record = reached(["raise", "clear, latching"])
    assert stimulate(record, "reset").record.isa is Isa.RTNUN


def test_a_latched_alarm_that_is_raised_again_opens_an_episode_and_leaves_nothing_of_the_old_one_standing():
    latched = reached(["raise", "clear, latching"])
    fresh = stimulate(latched, "raise").record
    assert (fresh.episode > latched.episode, fresh.revision, fresh.isa) == (True, 1, Isa.UNACK)
    old, verb = superseded(latched, fresh.opened_at)
    assert (verb, old.episode, old.revision, old.facts.latched) == (
        Verb.SUPERSEDED,
        latched.episode,
        latched.revision + 1,
        False,
    )
    assert superseded(old, T0) is None
    refusal = advance(fresh, decision("reset", latched.episode), now=T0)
    assert refusal.code == "unknown_alarm", "a reset meant for the old episode does nothing to the new one"
    fresh, _ = advance(fresh, change(Verb.CLEARED, T0 + 9000, None, fresh.episode), around=Around(latch=True))
    assert fresh.isa is Isa.LATCH_UNACK


def test_a_rule_that_is_taken_away_leaves_no_latch_that_nobody_could_reset():
    record = reached(["raise"])
    gone = change(Verb.CLEARED, T0 + 9, None, because="the rule was taken away")
    record, _ = advance(record, gone, around=Around(latch=True))
    assert record.isa is Isa.RTNUN


def test_a_shelving_ends_by_itself_and_outlives_the_episode():
    record, _ = advance(None, change(Verb.RAISED))
    record, verb = advance(record, shelve(), now=T0, at=T0 + 77)
    assert (verb, record.isa, record.changed_at) == (Verb.SHELVED, Isa.SHLVD, T0 + 77)
    assert record.because["why"] == "steam in the bath"
    assert record.because["by"] == "per_1"
    record, _ = advance(record, change(Verb.CLEARED, T0 + 9, None))
    record, _ = advance(record, change(Verb.RAISED, T0 + 99, opened=T0 + 99))
    assert record.isa is Isa.SHLVD
    assert unshelve_if_due(record, T0 + HOUR - 1) is None
    record, verb = unshelve_if_due(record, T0 + HOUR)
    assert (verb, record.isa) == (Verb.UNSHELVED, Isa.UNACK)
    assert isinstance(record, AlarmRecord)


def test_records_written_before_there_were_mutes_and_holds_are_read():
    old = (
        b'{"alarm_id":"d:smoke","device":"d","rule":"smoke","hazard":"smoke","episode":1780000000000,"revision":3,'
        b'"verb":"shelved","facts":{"active":true,"level":"II","highest":"II","acknowledged":true,"latched":false,'
        b'"suspect":false,"shelved_until":"2026-05-28T21:26:40Z","suppressed":false,"out_of_service":false},'
        b'"opened_at":1780000000000,"changed_at":1780000000000,"exercise":null,"evidence":{}}'
    )
    record = msgspec.json.decode(old, type=AlarmRecord)
    assert (record.isa, record.following) == (Isa.SHLVD, T0)
    record, _ = advance(record, change(Verb.CLEARED, T0 + 9, None))
    record, _ = advance(record, change(Verb.RAISED, T0 + 99, Level.II, opened=T0 + 99))
    assert record.isa is Isa.SHLVD, "the shelf covers what the person saw: level II"
    record, _ = advance(record, change(Verb.ESCALATED, T0 + 99, Level.I, opened=T0 + 99))
    assert record.isa is Isa.UNACK
