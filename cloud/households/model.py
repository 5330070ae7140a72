"""Tables of households: the card of a door, knock lists, their doors, and every tap on them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class Household(Base):
    """What helps whoever stands at a door: no names, no dates of birth, no illnesses, no telephone numbers."""

    __tablename__ = "households"
    __table_args__ = (
        UniqueConstraint("building_id", "section", "door"),
        Index("ix_households_site_id", "site_id"),
        Index("ix_households_reviewed_at", "reviewed_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    building_id: Mapped[str] = mapped_column(ForeignKey("buildings.id"))
    section: Mapped[str] = mapped_column(String(64), default="")  # the stairwell, as zones name it
    floor: Mapped[int]  # below 1: basement
    door: Mapped[str] = mapped_column(String(20))  # 室号
    persons: Mapped[int | None]  # None: not known
    flags: Mapped[list[Any]]  # see order.py
    key_with: Mapped[str] = mapped_column(String(60), default="")  # the door that has a key: 601
    note: Mapped[str] = mapped_column(String(120), default="")
    consent: Mapped[bool] = mapped_column(default=False)  # the household agreed to its flags being kept
    reviewed_at: Mapped[datetime]  # somebody looked and it is still so; retention counts from here
    updated_by: Mapped[str] = mapped_column(String(64))  # person id


class KnockList(Base):
    """逐户敲门 of an incident: which doors, by which rule."""

    __tablename__ = "knock_lists"
    __table_args__ = (Index("ix_knock_lists_incident_id", "incident_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    rule: Mapped[str] = mapped_column(String(24))  # stairwell, building, site, ground_floors, below_the_line
    buildings: Mapped[list[Any]]  # ids
    made_at: Mapped[datetime]
    made_by: Mapped[dict[str, Any]]
    cleared_at: Mapped[datetime | None]  # what is personal in it was erased
    exercise: Mapped[str | None] = mapped_column(String(64))


class KnockDoor(Base):
    """One door of a list, with what its card said when the list was made."""

    __tablename__ = "knock_doors"
    __table_args__ = (Index("ix_knock_doors_list_id", "list_id", "position"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    list_id: Mapped[str] = mapped_column(ForeignKey("knock_lists.id"))
    position: Mapped[int]
    building_id: Mapped[str] = mapped_column(String(64))
    building: Mapped[str] = mapped_column(String(100))
    section: Mapped[str] = mapped_column(String(64))
    floor: Mapped[int]
    door: Mapped[str] = mapped_column(String(20))
    why: Mapped[str] = mapped_column(String(16))  # same_flat, same_floor, above, below, ground, …
    card: Mapped[bool]  # there is a household card for it
    persons: Mapped[int | None]
    flags: Mapped[list[Any]]
    key_with: Mapped[str] = mapped_column(String(60), default="")
    note: Mapped[str] = mapped_column(String(120), default="")
    part: Mapped[str | None] = mapped_column(String(64))  # responder id: whose part it is
    outcome: Mapped[str | None] = mapped_column(String(20))  # of the tap that stands
    outcome_at: Mapped[datetime | None]  # its own time
    outcome_by: Mapped[dict[str, Any] | None]
    excused: Mapped[dict[str, Any] | None]  # an officer's reason for leaving it without an outcome


class KnockTap(Base):
    """One tap at a door: all are kept, the latest by its own time stands."""

    __tablename__ = "knock_taps"
    __table_args__ = (UniqueConstraint("list_id", "key"), Index("ix_knock_taps_door_id", "door_id"))

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    list_id: Mapped[str] = mapped_column(ForeignKey("knock_lists.id"))
    door_id: Mapped[str] = mapped_column(ForeignKey("knock_doors.id"))
    key: Mapped[str] = mapped_column(String(64))  # made on the phone
    outcome: Mapped[str] = mapped_column(String(20))
    occurred_at: Mapped[datetime]  # on the phone
    recorded_at: Mapped[datetime]
    by: Mapped[dict[str, Any]]
    note: Mapped[str] = mapped_column(String(200), default="")
