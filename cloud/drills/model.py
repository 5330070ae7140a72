"""Tables of drills."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base, JsonColumn


class Drill(Base):
    """An exercise: its id is issued for good, so rows are never deleted."""

    __tablename__ = "drills"
    __table_args__ = (Index("ix_drills_state", "state"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    scenario: Mapped[str] = mapped_column(String(64))
    script: Mapped[dict[str, Any]] = mapped_column(JsonColumn)  # the scenario as it was when the drill was made
    state: Mapped[str] = mapped_column(String(10))  # draft, running, paused, ended
    rate: Mapped[float]
    segments: Mapped[list[Any]] = mapped_column(JsonColumn)
    site_id: Mapped[str] = mapped_column(String(64))
    grid_path: Mapped[str] = mapped_column(String(300))
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class InjectDone(Base):
    """An inject that was carried out, by the controller or by a trainer."""

    __tablename__ = "drill_injects_done"

    drill_id: Mapped[str] = mapped_column(ForeignKey("drills.id"), primary_key=True)
    inject_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    done_at: Mapped[datetime]
    done_by: Mapped[str] = mapped_column(String(64))
