"""Tables of the outbox, of the ways on which people are reached, and of what is wrong with them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base, JsonColumn


class Notification(Base):
    """One message to one person on one way; `key` makes a second one of the same thing impossible.

    All rows with one `message_id` are the same message: on screens, in the log, and on the person's own ways in turn.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_notifications_due", "state", "due_at"),
        Index("ix_notifications_person_id", "person_id"),
        Index("ix_notifications_incident_id", "incident_id"),
        Index("ix_notifications_message_id", "message_id"),
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
    state: Mapped[str] = mapped_column(String(12))  # pending | sent | needless | abandoned
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    message_id: Mapped[str | None] = mapped_column(String(40))
    way_id: Mapped[str | None] = mapped_column(String(40))  # the person's own way; None: a channel of the house
    turn: Mapped[int] = mapped_column(server_default="0")  # which of the person's ways, from 1
    why: Mapped[str | None] = mapped_column(String(300))  # why it was this way's turn
    silent: Mapped[bool | None]  # in quiet hours: arrives without a sound
    bundled_into: Mapped[str | None] = mapped_column(String(40))  # it went out as part of that one
    delivered_at: Mapped[datetime | None]  # by the clock of whoever says so
    seen_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]


class Receipt(Base):
    """What became of one try, or what the receiver's side said later."""

    __tablename__ = "notification_receipts"
    __table_args__ = (Index("ix_notification_receipts_notification_id", "notification_id"),)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    notification_id: Mapped[str] = mapped_column(ForeignKey("notifications.id"))
    at: Mapped[datetime]
    result: Mapped[str] = mapped_column(String(12))  # handed_over, failed, delivered, seen, acknowledged, exhausted
    detail: Mapped[str] = mapped_column(String(500), default="")
    occurred_at: Mapped[datetime | None]  # on the device


class Way(Base):
    """One of the ways on which a person is reached, in the person's order."""

    __tablename__ = "person_ways"
    __table_args__ = (
        Index("ix_person_ways_person_id", "person_id", "turn"),
        Index("ix_person_ways_digest", "digest"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    label: Mapped[str] = mapped_column(String(60))
    turn: Mapped[int]
    sealed: Mapped[str] = mapped_column(Text)  # the address, encrypted: see vault.py
    digest: Mapped[str | None] = mapped_column(String(64))  # keyed digest of a push address: one browser, one person
    created_at: Mapped[datetime]
    tested_at: Mapped[datetime | None]  # the person confirmed what came
    tested_by: Mapped[str | None] = mapped_column(String(16))  # code, receipt
    code_hash: Mapped[str | None] = mapped_column(String(64))
    code_until: Mapped[datetime | None]
    code_tries: Mapped[int] = mapped_column(default=0)
    failed_at: Mapped[datetime | None]  # its last hand-over failed, none has worked since
    failure: Mapped[str] = mapped_column(String(300), default="")
    removed_at: Mapped[datetime | None]
    removed_why: Mapped[str] = mapped_column(String(100), default="")


class QuietHours(Base):
    """When a person wants to be left alone, where it is not as the settings say. Never for levels I and II."""

    __tablename__ = "quiet_hours"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    spans: Mapped[list[Any]] = mapped_column(JsonColumn)  # [["22:00", "07:00"], …] in local time; none: never quiet
    how: Mapped[str] = mapped_column(String(8))  # wait | silent
    updated_at: Mapped[datetime]


class NotifyFault(Base):
    """Something wrong with reaching people, for the desk to see: since when, and when it was over."""

    __tablename__ = "notify_faults"
    __table_args__ = (Index("ix_notify_faults_code", "code", "subject", "ended_at"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    code: Mapped[str] = mapped_column(String(32))  # channel_down, heartbeat_failed, telephone_gateway_down
    subject: Mapped[str] = mapped_column(String(100))  # which channel
    detail: Mapped[str] = mapped_column(String(500))
    since: Mapped[datetime]
    ended_at: Mapped[datetime | None]
