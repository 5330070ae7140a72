"""What the cloud remembers of edge batches: the ids already taken."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class IntakeEvent(Base):
    """The id of an item already committed, so that a repeat changes nothing."""

    __tablename__ = "intake_events"
    __table_args__ = (Index("ix_intake_events_received_at", "received_at"),)

    edge_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    event_id: Mapped[str] = mapped_column(String(128), primary_key=True)
    type: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime]
