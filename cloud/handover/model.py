"""Tables of hand-over: what was given and taken, notes that go from shift to shift, the signed duty log."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class Handover(Base):
    """交接班 of one desk, from one person to another: given, then taken; or refused, withdrawn, forgotten."""

    __tablename__ = "handovers"
    __table_args__ = (
        Index("ix_handovers_area_path", "area_path", "created_at"),
        Index("ix_handovers_from_person", "from_person", "state"),
        Index("ix_handovers_state", "state"),
        UniqueConstraint("shift_id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"))
    post: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(12))  # given, taken, refused, withdrawn, forgotten
    from_person: Mapped[str] = mapped_column(String(64))
    from_name: Mapped[str] = mapped_column(String(100))
    to_person: Mapped[str | None] = mapped_column(String(64))
    to_name: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime]
    given_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    overdue_at: Mapped[datetime | None]
    told: Mapped[int]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None] = mapped_column(String(500))  # why it was refused or withdrawn
    remarks: Mapped[str] = mapped_column(String(2000), default="")  # the outgoing's own words
    sheet: Mapped[dict[str, Any] | None]  # as it was when it was given
    moved: Mapped[list[Any] | None]  # incidents that went over
    left: Mapped[list[Any] | None]  # those that could not, and why: they stay with the outgoing
    countersigned_at: Mapped[datetime | None]
    countersigned_by: Mapped[dict[str, Any] | None]  # 带班领导
    shift_id: Mapped[str | None] = mapped_column(String(64))  # of one that was forgotten: whose shift ended


class DeskNote(Base):
    """A note of the desk that goes from shift to shift until it is done; with a time, it is a promise (回访)."""

    __tablename__ = "desk_notes"
    __table_args__ = (Index("ix_desk_notes_area_path", "area_path", "done_at"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"))
    text: Mapped[str] = mapped_column(String(500))
    due_at: Mapped[datetime | None]
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"))
    at: Mapped[datetime]
    by: Mapped[dict[str, Any]]
    done_at: Mapped[datetime | None]
    done_by: Mapped[dict[str, Any] | None]
    told: Mapped[int]


class DutyLog(Base):
    """值班日志 of one shift of an area. Signed, it holds the hashes of every line it was printed from."""

    __tablename__ = "duty_logs"
    __table_args__ = (UniqueConstraint("area_path", "since"), Index("ix_duty_logs_since", "since"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"))
    since: Mapped[datetime]
    until: Mapped[datetime]
    created_at: Mapped[datetime]
    created_by: Mapped[dict[str, Any]]
    signed_at: Mapped[datetime | None]
    signed_by: Mapped[dict[str, Any] | None]
    content: Mapped[dict[str, Any] | None]  # when signed: who was on, and which lines with their hashes
    digest: Mapped[str | None] = mapped_column(String(64))  # over `content`; it stands in the audit chain


class DutyLogNote(Base):
    """A note in a duty log; after the signature, an appendix. Never changed."""

    __tablename__ = "duty_log_notes"

    log_id: Mapped[str] = mapped_column(ForeignKey("duty_logs.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    occurred_at: Mapped[datetime | None]
    by: Mapped[dict[str, Any]]
    text: Mapped[str] = mapped_column(Text)
    appendix: Mapped[bool]
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
