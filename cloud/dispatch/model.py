"""Tables of dispatch: assignments, and timers as rows with a due time."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
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


class Timer(Base):
    """Something that falls due. A worker leases it, acts, and deletes it in the transaction of the act."""

    __tablename__ = "timers"
    __table_args__ = (UniqueConstraint("kind", "key"), Index("ix_timers_due_at", "due_at"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # acknowledge | offer | accept
    key: Mapped[str] = mapped_column(String(40))  # incident id | assignment id
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    due_at: Mapped[datetime]
    leased_by: Mapped[str | None] = mapped_column(String(64))
    leased_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
