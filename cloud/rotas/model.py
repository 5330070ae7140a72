"""Tables of rotas: what repeats, what was decided beside it, what must be covered, who could be reached, who was on."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class RotaRow(Base):
    """A rota 值班表 of one post of one area."""

    __tablename__ = "rotas"
    __table_args__ = (Index("ix_rotas_area_path", "area_path"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"))
    post: Mapped[str] = mapped_column(String(20))  # duty_officer, duty_leader, standby, responder
    name: Mapped[str] = mapped_column(String(100))
    revision: Mapped[int]
    created_at: Mapped[datetime]


class RotaRevision(Base):
    """A pattern and from when it holds; never changed. `pattern` null: the rota is over from then on."""

    __tablename__ = "rota_revisions"

    rota_id: Mapped[str] = mapped_column(ForeignKey("rotas.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    pattern: Mapped[dict[str, Any] | None]
    at: Mapped[datetime]
    by: Mapped[dict[str, Any]]
    reason: Mapped[str] = mapped_column(String(500))


class RotaDay(Base):
    """One date given by itself: its turns instead of those that repeat. The newest that was not withdrawn counts."""

    __tablename__ = "rota_days"
    __table_args__ = (Index("ix_rota_days_rota_id", "rota_id", "day"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    rota_id: Mapped[str] = mapped_column(ForeignKey("rotas.id"))
    day: Mapped[date] = mapped_column(Date)
    turns: Mapped[list[Any]]
    at: Mapped[datetime]
    by: Mapped[dict[str, Any]]
    reason: Mapped[str] = mapped_column(String(500))
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[dict[str, Any] | None]


class RotaChange(Base):
    """Leave, a swap, a stand-in, an extra turn: asked for, agreed, withdrawn. Counts while `state` is `agreed`."""

    __tablename__ = "rota_changes"
    __table_args__ = (
        Index("ix_rota_changes_until", "until", "state"),
        Index("ix_rota_changes_who", "who"),
        Index("ix_rota_changes_with_person", "with_person"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))  # leave, swap, stand_in, extra
    state: Mapped[str] = mapped_column(String(12))  # asked, agreed, refused, withdrawn
    rota_id: Mapped[str | None] = mapped_column(ForeignKey("rotas.id"))
    who: Mapped[str] = mapped_column(String(64))  # whose turn: a person, or a responder
    by: Mapped[str | None] = mapped_column(String(64))  # who stands there instead
    since: Mapped[datetime]
    until: Mapped[datetime]
    back_since: Mapped[datetime | None]  # of a swap: the turn that `who` takes over from `by`
    back_until: Mapped[datetime | None]
    with_person: Mapped[str | None] = mapped_column(String(64))  # whose word is wanted
    reason: Mapped[str] = mapped_column(String(500))
    order: Mapped[int]  # of several the newest counts
    asked_at: Mapped[datetime]
    asked_by: Mapped[dict[str, Any]]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[dict[str, Any] | None]
    answer: Mapped[str | None] = mapped_column(String(500))


class CalendarDay(Base):
    """A public holiday, or a day that is worked in its place (调休)."""

    __tablename__ = "calendar_days"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    works: Mapped[bool]
    name: Mapped[str] = mapped_column(String(100), default="")


class CoverNeed(Base):
    """What must be covered in an area; with none for an area, the built-in ones hold (`needs.py`)."""

    __tablename__ = "cover_needs"
    __table_args__ = (Index("ix_cover_needs_area_path", "area_path"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"))
    post: Mapped[str] = mapped_column(String(20))
    role: Mapped[str | None] = mapped_column(String(40))
    count: Mapped[int]
    each_grid: Mapped[bool]
    begins: Mapped[str | None] = mapped_column(String(8))  # HH:MM, wall time
    ends: Mapped[str | None] = mapped_column(String(8))
    set_at: Mapped[datetime]
    set_by: Mapped[dict[str, Any]]


class CoverGap(Base):
    """A gap that was found, until it is gone: so that a leader hears of it once, and again before the night."""

    __tablename__ = "cover_gaps"
    __table_args__ = (UniqueConstraint("key"), Index("ix_cover_gaps_ended_at", "ended_at"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(400))
    area_path: Mapped[str] = mapped_column(String(300))
    gap: Mapped[dict[str, Any]]
    since: Mapped[datetime]
    until: Mapped[datetime]
    found_at: Mapped[datetime]
    told: Mapped[int]  # 0 not yet, 1 when it was found, 2 within a day of its beginning
    ended_at: Mapped[datetime | None]


class ReachCheck(Base):
    """Somebody was called and answered (or did not): a confirmed call 试叫."""

    __tablename__ = "reach_checks"
    __table_args__ = (Index("ix_reach_checks_person_id", "person_id", "at"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    by: Mapped[dict[str, Any]]
    way: Mapped[str] = mapped_column(String(20))  # phone, radio, in_person
    reached: Mapped[bool]
    note: Mapped[str] = mapped_column(String(200), default="")


class DutyStamp(Base):
    """到岗, 离岗: somebody's own tap. Never changed."""

    __tablename__ = "duty_stamps"
    __table_args__ = (UniqueConstraint("person_id", "at", "on"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    at: Mapped[datetime]  # when it was tapped
    recorded_at: Mapped[datetime]
    on: Mapped[bool]
    origin: Mapped[str] = mapped_column(String(12))  # tap, handover
