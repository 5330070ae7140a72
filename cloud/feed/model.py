"""The feed log table."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base, JsonColumn


class FeedEntry(Base):
    """One thing that happened, at one position. Positions rise in commit order and are never used twice."""

    __tablename__ = "feed_log"
    __table_args__ = (
        Index("ix_feed_log_kind_position", "kind", "position"),
        Index("ix_feed_log_at", "at"),
        {"sqlite_autoincrement": True},
    )

    position: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    kind: Mapped[str] = mapped_column(String(100))
    key: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime]
    value: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)
    grid_path: Mapped[str | None] = mapped_column(String(300))
    site: Mapped[str | None] = mapped_column(String(64))
    exercise: Mapped[str | None] = mapped_column(String(64))
    audience: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)
