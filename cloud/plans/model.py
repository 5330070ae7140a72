"""The table of plans as sites have changed them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class PlanRevision(Base):
    """One change of a site's plan for a hazard; only ever added to. The newest holds."""

    __tablename__ = "plan_revisions"

    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"), primary_key=True)
    hazard: Mapped[str] = mapped_column(String(24), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    act: Mapped[str] = mapped_column(String(10))  # put, revert, delete
    content: Mapped[dict[str, Any]]  # the plan, whole; empty: as shipped again
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64))
    by_name: Mapped[str] = mapped_column(String(100))
    why: Mapped[str] = mapped_column(String(500))
