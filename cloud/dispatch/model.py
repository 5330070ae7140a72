"""Tables of dispatch: assignments, reservations, deferrals, hand-offs, overdue card lines, the auditor's findings."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class Assignment(Base):
    """One responder – a person or a team – on one incident. Stamps are facts; the state follows from them."""

    __tablename__ = "assignments"
    __table_args__ = (
        Index("ix_assignments_incident_id", "incident_id"),
        Index("ix_assignments_responder_id", "responder_id", "state"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    responder_id: Mapped[str] = mapped_column(String(64))
    responder: Mapped[dict[str, Any]]  # id, name, kind
    state: Mapped[str] = mapped_column(String(16))
    task: Mapped[str | None] = mapped_column(String(40))  # what he is asked for: tasks.yaml
    automatic: Mapped[bool] = mapped_column(default=False)  # offered by the level's plan, not by a person
    offered_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    en_route_at: Mapped[datetime | None]
    on_scene_at: Mapped[datetime | None]
    cleared_at: Mapped[datetime | None]
    declined_at: Mapped[datetime | None]
    expired_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    decline_reason: Mapped[str | None] = mapped_column(String(200))
    taken_by: Mapped[dict[str, Any] | None]  # who of a team accepted for all
    exercise: Mapped[str | None] = mapped_column(String(64))


class Reservation(Base):
    """预派: a responder kept for an incident before he is asked. It ends by itself; nobody hears of it."""

    __tablename__ = "reservations"
    __table_args__ = (
        Index("ix_reservations_incident_id", "incident_id"),
        Index("ix_reservations_responder_id", "responder_id", "ended_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    responder_id: Mapped[str] = mapped_column(String(64))
    responder: Mapped[dict[str, Any]]  # id, name, kind, role
    task: Mapped[str | None] = mapped_column(String(40))
    by: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    until: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end: Mapped[str | None] = mapped_column(String(16))  # offered, released, expired, taken_over, over
    exercise: Mapped[str | None] = mapped_column(String(64))


class Deferral(Base):
    """延期: the desk's clocks of an incident rest until a stated time, for a stated reason."""

    __tablename__ = "deferrals"
    __table_args__ = (Index("ix_deferrals_incident_id", "incident_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    by: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    until: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(500))
    ended_at: Mapped[datetime | None]
    end: Mapped[str | None] = mapped_column(String(16))  # passed, ended, worsened, over


class HandOff(Base):
    """转交 of an incident to another duty officer: whoever has it keeps it until the other says yes (首接负责)."""

    __tablename__ = "hand_offs"
    __table_args__ = (
        Index("ix_hand_offs_incident_id", "incident_id"),
        Index("ix_hand_offs_to_person", "to_person", "ended_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    from_person: Mapped[str] = mapped_column(String(64))
    from_name: Mapped[str] = mapped_column(String(100))
    to_person: Mapped[str] = mapped_column(String(64))
    to_name: Mapped[str] = mapped_column(String(100))
    note: Mapped[str] = mapped_column(String(500))
    at: Mapped[datetime]
    due_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end: Mapped[str | None] = mapped_column(String(16))  # accepted, declined, expired, withdrawn, over
    reason: Mapped[str | None] = mapped_column(String(500))  # why it was declined


class PlanOverdue(Base):
    """A line of a plan's card of which the limit passed, and how far up that was told."""

    __tablename__ = "plan_overdue"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(40), primary_key=True)
    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    due_at: Mapped[datetime]  # of the level that it was told for: another level's limit is another telling
    told: Mapped[int]  # 1: the owner, 2: the tier above
    told_at: Mapped[datetime]


class Unattended(Base):
    """What the auditor found: an incident that nobody works on, since when, and what it did about it."""

    __tablename__ = "unattended"
    __table_args__ = (
        Index("ix_unattended_incident_id", "incident_id"),
        Index("ix_unattended_ended_at", "ended_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    code: Mapped[str] = mapped_column(String(24))
    params: Mapped[dict[str, Any]]
    found_at: Mapped[datetime]
    seen_at: Mapped[datetime]  # when it was last so
    told: Mapped[int]  # how often somebody was told
    ended_at: Mapped[datetime | None]
