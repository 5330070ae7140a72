"""Table of timers: what falls due, and who has claimed it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class Timer(Base):
    """Something that falls due. A worker leases it, and removes it in the transaction of what it sets off."""

    __tablename__ = "due_timers"
    __table_args__ = (
        UniqueConstraint("kind", "key"),
        Index("ix_due_timers_due_at", "due_at"),
        Index("ix_due_timers_subject", "subject"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))  # who carries it out: see `HANDLERS` of each domain's due.py
    key: Mapped[str] = mapped_column(String(128))  # of what thing; one timer a kind and key
    subject: Mapped[str | None] = mapped_column(String(64))  # what it belongs to (an incident), to find all of it
    urgency: Mapped[int]  # 0 first; of several that are due
    due_at: Mapped[datetime]
    data: Mapped[dict[str, Any]]  # the kind's own
    armed_at: Mapped[datetime]
    leased_by: Mapped[str | None] = mapped_column(String(64))
    leased_until: Mapped[datetime | None]
    attempts: Mapped[int]  # leases since it was set
    error: Mapped[str | None] = mapped_column(String(500))  # why the last one came to nothing
