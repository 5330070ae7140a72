"""Tables of incidents: the incident, its alarms, the alerts as they came, and the hash-chained timeline."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base

_OPEN = "state NOT IN ('closed', 'void')"


class Incident(Base):
    """One event at one place. Snapshots (place, assignments, deadline) are kept by the services that own the facts."""

    __tablename__ = "incidents"
    __table_args__ = (
        Index("ix_incidents_fold_key", "fold_key", "state"),
        Index("ix_incidents_opened_at", "opened_at", "id"),
        Index("ix_incidents_open", "updated_at", sqlite_where=text(_OPEN), postgresql_where=text(_OPEN)),
        Index("ix_incidents_exercise", "exercise"),
        Index("ix_incidents_grid_path", "grid_path"),
        Index("ix_incidents_parent_id", "parent_id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[str] = mapped_column(String(16))  # MMDD-NNNN, local day of opening
    state: Mapped[str] = mapped_column(String(16))
    hazard: Mapped[str] = mapped_column(String(24))
    fold_key: Mapped[str] = mapped_column(String(300))
    level: Mapped[str] = mapped_column(String(3))
    highest_level: Mapped[str] = mapped_column(String(3))
    level_floor: Mapped[str | None] = mapped_column(String(3))  # raised by people or by a missed time limit
    level_cap: Mapped[dict[str, Any] | None]  # lowered by people: see levels.py
    called_level: Mapped[str | None] = mapped_column(String(3))  # worst at which it called since anybody took it
    headline: Mapped[dict[str, Any]]
    place: Mapped[dict[str, Any]]
    site_id: Mapped[str | None] = mapped_column(String(64))
    building_id: Mapped[str | None] = mapped_column(String(64))
    grid_path: Mapped[str] = mapped_column(String(300))
    origin: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[dict[str, Any] | None]
    owner: Mapped[dict[str, Any] | None]
    alert_count: Mapped[int] = mapped_column(default=0)
    late: Mapped[bool] = mapped_column(default=False)  # all its alerts late (history) or muted: nothing is sent out
    clock_from: Mapped[datetime]  # the running acknowledgement limit counts from here
    escalation_tier: Mapped[int] = mapped_column(default=0)
    exercise: Mapped[str | None] = mapped_column(String(64))
    exercise_name: Mapped[str | None] = mapped_column(String(200))
    timeline: Mapped[str] = mapped_column(String(64))
    assignments: Mapped[list[Any]]  # snapshot kept by dispatch
    deadline: Mapped[dict[str, Any] | None]  # snapshot kept by dispatch
    outcome: Mapped[str | None] = mapped_column(String(24))
    cause: Mapped[str | None] = mapped_column(String(64))
    resolved_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    happened_from: Mapped[datetime | None]  # what folds into it lies about this span of real time
    happened_to: Mapped[datetime | None]
    parent_id: Mapped[str | None] = mapped_column(String(40))  # the area's incident that it is part of
    children: Mapped[list[Any] | None]  # ids, of an area's incident
    merged_into: Mapped[str | None] = mapped_column(String(40))  # 并案: who has its alarms, people and measures now
    measures: Mapped[list[Any] | None]  # those in force; snapshot kept by measures.py
    knock_list: Mapped[dict[str, Any] | None]  # 逐户敲门: how many doors are open; snapshot kept by households
    reopened_at: Mapped[datetime | None]
    pending: Mapped[dict[str, Any] | None]  # 挂账: why, and when it comes back by itself
    pending_until: Mapped[datetime | None]
    anchor: Mapped[int | None] = mapped_column(BigInteger)  # line of the audit chain that holds `chain_head`
    position: Mapped[int] = mapped_column(BigInteger, default=0)
    entries: Mapped[int] = mapped_column(default=0)
    chain_head: Mapped[str] = mapped_column(String(64), default="")


class IncidentAlarm(Base):
    """The newest known revision of one alarm episode, and the incident that it belongs to."""

    __tablename__ = "incident_alarms"
    __table_args__ = (
        Index("ix_incident_alarms_incident_id", "incident_id"),
        Index("ix_incident_alarms_device", "device"),
    )

    alarm_id: Mapped[str] = mapped_column(String(260), primary_key=True)
    episode: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    edge_id: Mapped[str] = mapped_column(String(64))
    device: Mapped[str] = mapped_column(String(64))
    device_name: Mapped[str] = mapped_column(String(200))
    rule: Mapped[str] = mapped_column(String(64))
    hazard: Mapped[str] = mapped_column(String(24))
    revision: Mapped[int]
    missing: Mapped[list[Any]]  # revisions below it that have not come
    facts: Mapped[dict[str, Any]]
    evidence: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime]  # scenario time
    changed_at: Mapped[datetime]  # scenario time
    cleared_at: Mapped[datetime | None]  # scenario time
    recorded_at: Mapped[datetime]  # wall time at the edge
    timeline: Mapped[str] = mapped_column(String(64))
    exercise: Mapped[str | None] = mapped_column(String(64))
    claimed_exercise: Mapped[str | None] = mapped_column(String(64))  # an id that the cloud never issued


class AlertRecord(Base):
    """One alert as it came: history, never changed."""

    __tablename__ = "alerts"

    alarm_id: Mapped[str] = mapped_column(String(260), primary_key=True)
    episode: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    edge_id: Mapped[str] = mapped_column(String(64))
    event_id: Mapped[str] = mapped_column(String(128))
    verb: Mapped[str] = mapped_column(String(16))
    body: Mapped[dict[str, Any]]
    late: Mapped[bool]
    recorded_at: Mapped[datetime]
    received_at: Mapped[datetime]


class TimelineEntry(Base):
    """One line of what happened, append-only; `hash` covers the entry and the hash of the one before it."""

    __tablename__ = "timeline_entries"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]  # server
    occurred_at: Mapped[datetime | None]  # device, or the wall time at the edge
    actor: Mapped[dict[str, Any]] = mapped_column(JSON())  # not JSONB: the chain covers the text as written
    params: Mapped[dict[str, Any]] = mapped_column(JSON())
    exercise: Mapped[str | None] = mapped_column(String(64))
    salt: Mapped[str | None] = mapped_column(String(32))  # of its values; gone once one of them was forgotten
    sealed: Mapped[dict[str, Any] | None] = mapped_column(JSON())  # then: salts of those that stand, digests of others
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class Merge(Base):
    """并案 of one incident into another by a person: what moved, so that it can be undone."""

    __tablename__ = "incident_merges"
    __table_args__ = (Index("ix_incident_merges_source_id", "source_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    source_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    target_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64))
    state_before: Mapped[str] = mapped_column(String(16))
    moved: Mapped[dict[str, Any]]  # alarms, assignments, measures, children
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None] = mapped_column(String(64))


class Measure(Base):
    """管控措施: something put in force for an incident. Only a person who may ends it, by name."""

    __tablename__ = "measures"
    __table_args__ = (
        Index("ix_measures_incident_id", "incident_id"),
        Index("ix_measures_ended_at", "ended_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    kind: Mapped[str] = mapped_column(String(24))
    place: Mapped[str] = mapped_column(String(200))
    note: Mapped[str] = mapped_column(String(500), default="")
    since: Mapped[datetime]
    put_by: Mapped[dict[str, Any]]  # id, name: who entered it
    in_charge: Mapped[str] = mapped_column(String(200), default="")  # who carries it out: a post, a firm
    may_end: Mapped[str] = mapped_column(String(24))
    review_at: Mapped[datetime | None]  # when somebody wants to look at it again; nothing ends then
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[dict[str, Any] | None]
    end_reason: Mapped[str | None] = mapped_column(String(500))
    end_authority: Mapped[str | None] = mapped_column(String(200))  # who said so, where it is not who entered it
    exercise: Mapped[str | None] = mapped_column(String(64))


class Attachment(Base):
    """A photo or a voice note of an incident; the file lies under the data folder by its digest."""

    __tablename__ = "incident_attachments"
    __table_args__ = (
        Index("ix_incident_attachments_incident_id", "incident_id"),
        Index("ix_incident_attachments_digest", "digest"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the content
    media_type: Mapped[str] = mapped_column(String(40))
    size: Mapped[int]
    at: Mapped[datetime]
    occurred_at: Mapped[datetime | None]
    by: Mapped[dict[str, Any]]
    note: Mapped[str] = mapped_column(String(500), default="")
    erased_at: Mapped[datetime | None]


class PlanTick(Base):
    """A line of a plan's card that somebody has done: the first stands."""

    __tablename__ = "plan_ticks"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(40), primary_key=True)
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
    occurred_at: Mapped[datetime | None]
    by: Mapped[dict[str, Any]]


class IncidentCounter(Base):
    """The last incident number given on a local day."""

    __tablename__ = "incident_counters"

    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    last: Mapped[int]
