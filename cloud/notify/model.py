"""Tables of the outbox: one row a message and channel, and what became of each try."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class Notification(Base):
    """One message to one person by one channel; `key` makes a second one of the same thing impossible."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_notifications_due", "state", "due_at"),
        Index("ix_notifications_person_id", "person_id"),
        Index("ix_notifications_incident_id", "incident_id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(200))
    channel: Mapped[str] = mapped_column(String(16))
    person_id: Mapped[str] = mapped_column(String(64))
    incident_id: Mapped[str | None] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(32))  # offer, escalated, opened, cancelled …
    level: Mapped[str | None] = mapped_column(String(3))
    exercise: Mapped[str | None] = mapped_column(String(64))
    body: Mapped[dict[str, Any]]  # text_zh, text_en, params
    grid_path: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(12))  # pending | sent | abandoned
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]


class Receipt(Base):
    """What became of one try, or what the receiver's side said later."""

    __tablename__ = "notification_receipts"
    __table_args__ = (Index("ix_notification_receipts_notification_id", "notification_id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    notification_id: Mapped[str] = mapped_column(ForeignKey("notifications.id"))
    at: Mapped[datetime]
    result: Mapped[str] = mapped_column(String(12))  # handed_over | failed | delivered | seen
    detail: Mapped[str] = mapped_column(String(500), default="")
