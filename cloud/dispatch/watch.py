"""When is an incident being forgotten? Pure: the auditor's judgement (`auditor.py` gathers the facts and acts)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from cloud.dispatch.clocks import Clock, Facts, wanted
from cloud.incidents.states import HANDLED, OVER
from wire.level import Level

STUCK = timedelta(minutes=2)
"""A limit that passed so long ago and was not carried out: no worker is alive, or it fails."""
IDLE: Mapping[Level, timedelta] = {
    Level.I: timedelta(minutes=15),
    Level.II: timedelta(minutes=30),
    Level.III: timedelta(hours=4),
    Level.IV: timedelta(hours=24),
}


class Owner(StrEnum):
    """How it stands with who is responsible."""

    NONE = "none"
    GONE = "gone"  # the account is closed
    OFF_DUTY = "off_duty"  # no shift, while somebody else has one
    THERE = "there"


@dataclass(frozen=True, slots=True)
class View:
    """One incident as the auditor sees it."""

    facts: Facts
    level: Level
    owner: Owner
    running: frozenset[Clock] = frozenset()
    overdue: timedelta = timedelta(0)  # of the clock that is most overdue
    idle: timedelta = timedelta(0)  # since a person last did anything
    late: bool = False  # only history


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which it is being forgotten."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)


def findings(view: View) -> tuple[Finding, ...]:
    """What is wrong with how an incident is looked after; nothing for one that is over."""
    facts = view.facts
    if facts.state in OVER:
        return ()
    found = []
    if missing := wanted(facts) - view.running:
        found.append(Finding("no_clock", {"clocks": sorted({clock.kind for clock in missing})}))
    if view.overdue > STUCK:
        found.append(Finding("clock_stuck", {"s": round(view.overdue.total_seconds())}))
    if not facts.acknowledged:
        return tuple(found)
    if view.owner is Owner.NONE:
        found.append(Finding("no_owner"))
    elif view.owner is Owner.GONE:
        found.append(Finding("owner_gone"))
    elif view.owner is Owner.OFF_DUTY and facts.state in HANDLED:
        found.append(Finding("owner_off_duty"))
    if facts.part_of_open:
        return tuple(found)  # what has to be done is asked of its area's incident
    longest = IDLE[Level.IV if view.late else view.level]
    if facts.state in HANDLED and facts.deferral is None and view.idle > longest:
        found.append(Finding("idle", {"min": round(view.idle.total_seconds() / 60)}))
    return tuple(found)
