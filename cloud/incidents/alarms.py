"""Applying alerts to an alarm by revision, whatever the order of arrival. Pure.

Guarantees: the newest revision holds; an older one never moves an alarm back; a repeat changes nothing; revisions
that have not come are known by number until they do. Any order of arrival of one set of alerts ends in one state.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rules.alarm import Mute, muted
from wire.alert import AlarmFacts, Alert
from wire.level import Level, worst

LATE_AFTER = timedelta(minutes=5)
"""An alert recorded at the edge so long before it arrives is history: it dispatches nothing."""

MOST_MISSING = 1_000
"""Revisions known to be missing from one episode; older ones are forgotten (the alarm's state does not need them)."""

CROSS_ZONE = timedelta(seconds=180)
"""Two detectors of one place within this time make a smoke incident the most urgent (DOMAIN A3, step 6)."""

Evidence = dict[str, float | str | None]


class Applied(StrEnum):
    """What an alert did to its alarm."""

    NEWEST = "newest"
    HISTORY = "history"  # an older revision that had been missing
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class AlarmView:
    """One alarm episode as the cloud knows it."""

    alarm_id: str
    episode: int
    device: str
    rule: str
    revision: int
    missing: tuple[int, ...]
    facts: AlarmFacts
    evidence: Evidence  # of the newest revision in which the alarm was active
    evidence_revision: int
    opened_at: datetime
    changed_at: datetime
    recorded_at: datetime

    @property
    def cleared_at(self) -> datetime | None:
        """Scenario time since when the condition is over."""
        return None if self.facts.active else self.changed_at

    @property
    def muted(self) -> Mute | None:
        """Why it calls nobody (shelved, suppressed, out of service); None when it does."""
        return muted(self.facts)

    @property
    def standing(self) -> bool:
        """Whether anybody need still look at it: the condition holds, or a person must reset."""
        return self.facts.active or self.facts.latched


def apply(current: AlarmView | None, alert: Alert) -> tuple[AlarmView, Applied]:
    """The alarm after one more alert, and what the alert did."""
    seen_from = current.revision if current else 0
    if current and alert.revision <= seen_from and alert.revision not in current.missing:
        return current, Applied.REPEAT
    gap_from = max(seen_from + 1, alert.revision - MOST_MISSING)
    missing = set(current.missing if current else ()) | set(range(gap_from, alert.revision))
    missing.discard(alert.revision)
    evidence, evidence_revision = (current.evidence, current.evidence_revision) if current else ({}, 0)
    if alert.facts.active and alert.revision > evidence_revision:
        evidence, evidence_revision = dict(alert.evidence), alert.revision
    newest = alert.revision > seen_from
    source = alert if newest or current is None else current
    view = AlarmView(
        alarm_id=alert.alarm_id,
        episode=alert.episode,
        device=alert.device,
        rule=alert.rule,
        revision=max(seen_from, alert.revision),
        missing=tuple(sorted(missing)[-MOST_MISSING:]),
        facts=source.facts,
        evidence=evidence,
        evidence_revision=evidence_revision,
        opened_at=alert.opened_at,
        changed_at=source.changed_at,
        recorded_at=source.recorded_at,
    )
    return view, Applied.NEWEST if newest else Applied.HISTORY


def is_late(alert: Alert, received_at: datetime) -> bool:
    """Whether an alert is history: sent again after an outage, or recorded too long ago."""
    return alert.replayed or received_at - alert.recorded_at > LATE_AFTER


@dataclass(frozen=True, slots=True)
class Standing:
    """The level that an incident's alarms give it, and why."""

    level: Level
    highest: Level
    reason: str  # alarms | cross_zone | floor


def incident_level(alarms: list[AlarmView], *, smoke: bool, floor: Level | None = None) -> Standing:
    """Level now and worst ever of an incident, from the final facts of its alarms alone.

    While nothing is active the level stays at the worst that was: a cleared reading alone calms nobody. Two smoke
    detectors agreeing within three minutes make it the most urgent for good (exit by a person only, DOMAIN A4). Muted
    alarms count only where all are muted: what is shelved or out of service raises no level and confirms no fire.
    """
    alarms = [alarm for alarm in alarms if alarm.muted is None] or alarms
    highest = worst([a.facts.highest for a in alarms]) or floor or Level.IV
    now = worst([a.facts.level for a in alarms if a.facts.active and a.facts.level]) or highest
    reason = "alarms"
    if smoke and _detectors_agree(alarms):
        now = highest = Level.I
        reason = "cross_zone"
    if floor:
        if floor.rank > now.rank:
            now, reason = floor, "floor"
        highest = worst([highest, floor]) or highest
    return Standing(now, highest, reason)


def _detectors_agree(alarms: list[AlarmView]) -> bool:
    firm = sorted((a.opened_at, a.device) for a in alarms if a.facts.highest.rank >= Level.III.rank)
    return any(
        device != other_device and other_at - at <= CROSS_ZONE
        for index, (at, device) in enumerate(firm)
        for other_at, other_device in firm[index + 1 :]
    )
