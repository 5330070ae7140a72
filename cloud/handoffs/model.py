"""Tables of hand-offs to services outside, and of what a site's place card says to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class ExternalHandOff(Base):
    """One service called for one incident. Stamps are facts; the state follows from them."""

    __tablename__ = "external_handoffs"
    __table_args__ = (
        Index("ix_external_handoffs_incident_id", "incident_id", "service"),
        Index("ix_external_handoffs_ended_at", "ended_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    service: Mapped[str] = mapped_column(String(16))  # fire, medical, police, power, gas, traffic, drainage
    state: Mapped[str] = mapped_column(String(16))  # called, answered, arrived, handed_over, stood_down
    calls: Mapped[list[Any]]  # each call: at, by, who answered
    details: Mapped[dict[str, Any]]  # what people added to the card, by code
    read: Mapped[list[Any]]  # codes of the card's lines that were known when it was read; no personal value
    step_from: Mapped[datetime]  # the running limit counts from here
    called_at: Mapped[datetime]
    called_by: Mapped[dict[str, Any]]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(String(100))  # name or number of who took the call
    reference: Mapped[str | None] = mapped_column(String(60))  # their number for it
    expected_at: Mapped[datetime | None]  # when they said that they will be there
    arrived_at: Mapped[datetime | None]
    unit: Mapped[str | None] = mapped_column(String(100))
    handed_over_at: Mapped[datetime | None]
    received_by: Mapped[str | None] = mapped_column(String(100))  # who took command of their part
    unaccounted: Mapped[int | None]  # people not accounted for, as handed over; None: not known
    note: Mapped[str] = mapped_column(String(500), default="")
    ended_at: Mapped[datetime | None]  # handed over, or stood down
    reason: Mapped[str | None] = mapped_column(String(500))  # why it was stood down
    exercise: Mapped[str | None] = mapped_column(String(64))


class SiteAccess(Base):
    """What a service outside must know of a site before it turns into the street."""

    __tablename__ = "site_access"

    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"), primary_key=True)
    address: Mapped[str] = mapped_column(String(200), default="")  # road and number, as dispatchers ask
    address_en: Mapped[str] = mapped_column(String(200), default="")
    gate: Mapped[str] = mapped_column(String(200), default="")  # where the engine comes in
    gate_lon: Mapped[float | None]
    gate_lat: Mapped[float | None]
    lane: Mapped[str] = mapped_column(String(200), default="")  # 消防车道、登高操作场地
    hydrant: Mapped[str] = mapped_column(String(200), default="")  # 消火栓、水泵接合器
    power_room: Mapped[str] = mapped_column(String(200), default="")
    gas_valve: Mapped[str] = mapped_column(String(200), default="")
    keys: Mapped[str] = mapped_column(String(200), default="")
    hazards: Mapped[str] = mapped_column(String(300), default="")  # 危险源: gas bottles, e-bike shed, chlorine
    callback: Mapped[str] = mapped_column(String(40), default="")  # telephone of the site's control room
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(String(64))
