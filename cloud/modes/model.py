"""The table of modes."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class Mode(Base):
    """An area in emergency mode: who decided it, what it changes, when it ends."""

    __tablename__ = "modes"
    __table_args__ = (Index("ix_modes_area_path", "area_path"), Index("ix_modes_ended_at", "ended_at"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"))
    kind: Mapped[str] = mapped_column(String(24))
    name: Mapped[str] = mapped_column(String(100))
    response: Mapped[str | None] = mapped_column(String(3))  # 应急响应 Ⅳ→Ⅰ, by order of a person
    reason: Mapped[str] = mapped_column(String(500))
    began_at: Mapped[datetime]
    began_by: Mapped[dict[str, Any]]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[dict[str, Any] | None]
    end_reason: Mapped[str | None] = mapped_column(String(500))
    layers: Mapped[list[Any]]  # what was laid over which place's rules, value by value: overlay.py
    staffing: Mapped[dict[str, Any]]  # how many a post or role must have on duty
    tell: Mapped[list[Any]]  # person ids who also hear of every urgent incident in the area
    unlifted: Mapped[list[Any]]  # places whose rules could not go back, and why: a person must look
    exercise: Mapped[str | None] = mapped_column(String(64))
