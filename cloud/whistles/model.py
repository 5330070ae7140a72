"""Tables of whistles: departments, the whistle, who called, whose turn it is, returns and rulings, ratings, history."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base


class Department(Base):
    """职能部门: who can be called. People are named by id; who has no account is answered for by the street's desk."""

    __tablename__ = "departments"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_en: Mapped[str] = mapped_column(String(100), default="")
    trade: Mapped[str] = mapped_column(String(24))  # power, gas, drainage, traffic, housing, …
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"))  # what it serves
    liaisons: Mapped[list[Any]]  # 部门联络员: person ids who answer for it
    supervisors: Mapped[list[Any]]  # person ids, nearest first: who hears when a limit passes
    arbiters: Mapped[list[Any]]  # person ids, nearest first: who rules when it sends a whistle back
    phone: Mapped[str | None] = mapped_column(String(40))  # of its duty room
    active: Mapped[bool] = mapped_column(default=True)
    updated_at: Mapped[datetime]


class Whistle(Base):
    """One call on one department for one cause, by however many streets and for however many incidents."""

    __tablename__ = "whistles"
    __table_args__ = (
        Index("ix_whistles_open_key", "open_key", unique=True),
        Index("ix_whistles_called_at", "called_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[str] = mapped_column(String(16))
    first_id: Mapped[str] = mapped_column(ForeignKey("departments.id"))  # 首接: the first receiver
    holder_id: Mapped[str] = mapped_column(ForeignKey("departments.id"))  # who is responsible now
    turn_id: Mapped[str] = mapped_column(String(40))  # of the holder
    cause: Mapped[str] = mapped_column(String(200))  # what makes two calls one: see cause.py
    cause_text: Mapped[str] = mapped_column(String(200))  # in words
    level: Mapped[str] = mapped_column(String(3))  # the worst of its incidents
    state: Mapped[str] = mapped_column(String(16))  # called, reported_in, arrived, done, ended
    area_path: Mapped[str] = mapped_column(String(300))  # the smallest area that holds all its incidents
    called_at: Mapped[datetime]
    open_key: Mapped[str | None] = mapped_column(String(300))  # department, cause, exercise; none once it is ended
    bound: Mapped[bool] = mapped_column(default=False)  # 裁定: it can't be sent back any more
    ended_at: Mapped[datetime | None]
    end: Mapped[str | None] = mapped_column(String(16))  # rated, unrated, withdrawn, joined
    end_reason: Mapped[str | None] = mapped_column(String(500))
    joined_into: Mapped[str | None] = mapped_column(String(40))
    exercise: Mapped[str | None] = mapped_column(String(64))


class WhistleCall(Base):
    """One street's call for one incident: proposed by a neighbourhood, or called, or refused by the street."""

    __tablename__ = "whistle_calls"
    __table_args__ = (
        Index("ix_whistle_calls_whistle_id", "whistle_id"),
        Index("ix_whistle_calls_incident_id", "incident_id"),
        Index("ix_whistle_calls_state", "state"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    whistle_id: Mapped[str | None] = mapped_column(String(40))  # none while it is proposed, or was refused
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    department_id: Mapped[str] = mapped_column(ForeignKey("departments.id"))
    cause: Mapped[str] = mapped_column(String(200))
    cause_text: Mapped[str] = mapped_column(String(200))
    street_path: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(16))  # proposed, called, refused, withdrawn
    note: Mapped[str] = mapped_column(String(500), default="")
    proposed_at: Mapped[datetime | None]
    proposed_by: Mapped[dict[str, Any] | None]
    at: Mapped[datetime | None]  # called, or refused
    by: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None] = mapped_column(String(500))
    exercise: Mapped[str | None] = mapped_column(String(64))


class WhistleTurn(Base):
    """A department's time of being responsible for a whistle, with what it did. The overview counts these."""

    __tablename__ = "whistle_turns"
    __table_args__ = (
        Index("ix_whistle_turns_whistle_id", "whistle_id"),
        Index("ix_whistle_turns_department_id", "department_id", "began_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    whistle_id: Mapped[str] = mapped_column(ForeignKey("whistles.id"))
    department_id: Mapped[str] = mapped_column(ForeignKey("departments.id"))
    how: Mapped[str] = mapped_column(String(16))  # called, accepted, ruled
    began_at: Mapped[datetime]
    step_from: Mapped[datetime]  # its present step's limit counts from here
    report_due_at: Mapped[datetime]  # what 'in time' is judged by, as it stood when the turn began
    reported_in_at: Mapped[datetime | None]
    arrived_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    answered_by: Mapped[dict[str, Any] | None]
    missed: Mapped[list[Any]]  # steps of which the limit passed
    ended_at: Mapped[datetime | None]
    end: Mapped[str | None] = mapped_column(String(16))  # ended, moved, withdrawn


class WhistleReturn(Base):
    """退单: the holder says that it is not theirs. It stays responsible until another accepts or somebody rules."""

    __tablename__ = "whistle_returns"
    __table_args__ = (Index("ix_whistle_returns_whistle_id", "whistle_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    whistle_id: Mapped[str] = mapped_column(ForeignKey("whistles.id"))
    turn_id: Mapped[str] = mapped_column(String(40))
    department_id: Mapped[str] = mapped_column(ForeignKey("departments.id"))
    code: Mapped[str] = mapped_column(String(24))  # not_our_duty, not_our_area, no_means, other
    reason: Mapped[str] = mapped_column(String(500))
    suggests: Mapped[str | None] = mapped_column(String(40))  # the department that it thinks is right
    at: Mapped[datetime]
    by: Mapped[dict[str, Any]]
    declined: Mapped[list[Any]]  # departments that were suggested and said no, with why
    tier: Mapped[int] = mapped_column(default=0)  # how far up the question has gone
    arbiter: Mapped[str | None] = mapped_column(String(64))  # person id who is asked to rule now
    due_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end: Mapped[str | None] = mapped_column(String(16))  # accepted, taken_back, ruled, over
    ruled_by: Mapped[dict[str, Any] | None]
    ruled_to: Mapped[str | None] = mapped_column(String(40))
    ruling: Mapped[str | None] = mapped_column(String(500))


class WhistleRating(Base):
    """街道评价 of one street. A correction is a row of its own; both stay."""

    __tablename__ = "whistle_ratings"
    __table_args__ = (
        Index("ix_whistle_ratings_whistle_id", "whistle_id"),
        Index("ix_whistle_ratings_department_id", "department_id", "at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    whistle_id: Mapped[str] = mapped_column(ForeignKey("whistles.id"))
    department_id: Mapped[str] = mapped_column(ForeignKey("departments.id"))
    street_path: Mapped[str] = mapped_column(String(300))
    score: Mapped[int]  # 1 to 5
    reasons: Mapped[list[Any]]
    note: Mapped[str] = mapped_column(String(500), default="")
    at: Mapped[datetime]
    by: Mapped[dict[str, Any]]
    corrects: Mapped[str | None] = mapped_column(String(40))  # the rating that this one replaces
    correction_reason: Mapped[str | None] = mapped_column(String(500))
    stands: Mapped[bool] = mapped_column(default=True)


class WhistleLine(Base):
    """One line of a whistle's history, for those who do not see the incidents. Only ever added to."""

    __tablename__ = "whistle_lines"

    whistle_id: Mapped[str] = mapped_column(ForeignKey("whistles.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(24))
    at: Mapped[datetime]
    occurred_at: Mapped[datetime | None]
    actor: Mapped[dict[str, Any]]
    params: Mapped[dict[str, Any]]
