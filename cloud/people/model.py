"""Tables of people and of the responsibility tree."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base, JsonColumn


class Area(Base):
    """A node of the responsibility tree city → district → street → neighbourhood → grid, named by its path."""

    __tablename__ = "areas"

    path: Mapped[str] = mapped_column(String(300), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_en: Mapped[str] = mapped_column(String(100), default="")
    tier: Mapped[str] = mapped_column(String(20))  # city, district, street, neighbourhood, grid
    parent_path: Mapped[str | None] = mapped_column(ForeignKey("areas.path"))
    outline: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)  # GeoJSON geometry
    lon: Mapped[float | None]
    lat: Mapped[float | None]


class Account(Base):
    """A person with an account."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    name_en: Mapped[str] = mapped_column(String(100), default="")
    password_hash: Mapped[str] = mapped_column(String(300))
    roles: Mapped[list[Any]] = mapped_column(JsonColumn)
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"))
    site_ids: Mapped[list[Any]] = mapped_column(JsonColumn, default=list)  # when not empty: these sites only
    phone: Mapped[str | None] = mapped_column(String(40))
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class SignIn(Base):
    """A session; the token itself is nowhere kept, only its SHA-256."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_expires_at", "expires_at"),)

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    client: Mapped[str] = mapped_column(String(200), default="")


class EdgeToken(Base):
    """The credential of an edge gateway; an edge speaks only as itself."""

    __tablename__ = "edge_tokens"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    edge_id: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Responder(Base):
    """One who can be sent: a person, or a team of which any member accepts for all."""

    __tablename__ = "responders"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_en: Mapped[str] = mapped_column(String(100), default="")
    kind: Mapped[str] = mapped_column(String(10))  # person, team
    role: Mapped[str] = mapped_column(String(40))  # grid_worker, micro_fire_station, security_guard, …
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"))
    skills: Mapped[list[Any]] = mapped_column(JsonColumn)
    lon: Mapped[float | None]
    lat: Mapped[float | None]
    position_at: Mapped[datetime | None]  # of a shared position; with `sharing_until` past it is deleted
    active: Mapped[bool] = mapped_column(default=True)
    skill_expiry: Mapped[dict[str, Any] | None]  # by skill: the last day on which the certificate holds
    organisation: Mapped[str | None] = mapped_column(String(100))  # department, firm, rescue team
    vehicle: Mapped[str | None] = mapped_column(String(100))
    equipment: Mapped[list[Any] | None]
    may_not: Mapped[list[Any] | None]  # tasks that this one is never asked for, beside what the role never does
    opted_in_at: Mapped[datetime | None]  # volunteers and rescue teams: without it nobody asks them
    post_lon: Mapped[float | None]  # where they usually are: a station, a booth
    post_lat: Mapped[float | None]
    sharing_until: Mapped[datetime | None]  # shares where they are until then
    sharing_by: Mapped[str | None] = mapped_column(String(64))  # the person who agreed to it


class ResponderMember(Base):
    """Who may act for a responder: the person, or each member of the team."""

    __tablename__ = "responder_members"

    responder_id: Mapped[str] = mapped_column(ForeignKey("responders.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True)


class Shift(Base):
    """Somebody on duty for an area from one instant to another; either a person (posts) or a responder."""

    __tablename__ = "shifts"
    __table_args__ = (
        Index("ix_shifts_starts_at_ends_at", "starts_at", "ends_at"),
        Index("ix_shifts_ends_at", "ends_at", "starts_at"),
        Index("ix_shifts_rota_id", "rota_id", "ends_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    post: Mapped[str] = mapped_column(String(20))  # duty_officer, duty_leader, standby, responder
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    responder_id: Mapped[str | None] = mapped_column(ForeignKey("responders.id", ondelete="CASCADE"), index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    rota_id: Mapped[str | None] = mapped_column(String(64))  # the rota that it was laid from (cloud/rotas)
    turn: Mapped[str | None] = mapped_column(String(40))  # 班次
    planned_id: Mapped[str | None] = mapped_column(String(64))  # A 角: whom the rota names
    deputy_id: Mapped[str | None] = mapped_column(String(64))  # B 角
    why: Mapped[str | None] = mapped_column(String(12))  # leave, swap, stand_in, extra: why it is not the planned one


class Participation(Base):
    """Who takes part in an exercise: nobody else may see or hear anything of it."""

    __tablename__ = "participations"

    exercise: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True)
    part: Mapped[str] = mapped_column(String(20), default="player")  # player, controller
