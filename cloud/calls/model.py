"""Tables of 叫应: contacts by place, chains of calls, attempts, signals of the gateway; site speakers and clips."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base, JsonColumn


class ContactList(Base):
    """Whom to call for a place, in order: one revision, whole. Names and numbers are encrypted."""

    __tablename__ = "contact_lists"
    __table_args__ = (
        UniqueConstraint("scope", "place_id", "revision"),
        Index("ix_contact_lists_grid_path", "grid_path"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    scope: Mapped[str] = mapped_column(String(12))  # household, zone, building, site, grid
    place_id: Mapped[str] = mapped_column(String(300))
    revision: Mapped[int]
    grid_path: Mapped[str] = mapped_column(String(300))
    site_id: Mapped[str | None] = mapped_column(String(64))
    sealed: Mapped[str] = mapped_column(Text)  # JSON of the contacts
    count: Mapped[int]
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64))
    by_name: Mapped[str] = mapped_column(String(100))
    why: Mapped[str] = mapped_column(String(500))


class Chain(Base):
    """One chain of calls for an incident: whom, in which order, how far it came."""

    __tablename__ = "call_chains"
    __table_args__ = (UniqueConstraint("incident_id", "round"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    round: Mapped[int]
    level: Mapped[str] = mapped_column(String(3))
    state: Mapped[str] = mapped_column(String(12))  # calling, by_hand, reached, exhausted, stopped, over
    sealed: Mapped[str] = mapped_column(Text)  # the contacts as they were when it began
    total: Mapped[int]
    next: Mapped[int]  # whose turn comes next, from 0
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)
    exercise: Mapped[str | None] = mapped_column(String(64))


class Call(Base):
    """One call of a chain. *Answered* and *on duty* are two receipts; stamps are facts, the state follows from them."""

    __tablename__ = "calls"
    __table_args__ = (
        UniqueConstraint("chain_id", "turn", "attempt"),
        Index("ix_calls_incident_id", "incident_id"),
        Index("ix_calls_to_place", "placing", "placing_until"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    chain_id: Mapped[str] = mapped_column(ForeignKey("call_chains.id"))
    incident_id: Mapped[str] = mapped_column(String(40))
    turn: Mapped[int]  # which contact of the chain, from 0
    attempt: Mapped[int]  # by hand a contact may be tried again
    contact_id: Mapped[str] = mapped_column(String(40))
    way: Mapped[str] = mapped_column(String(8))  # gateway | tel
    began_at: Mapped[datetime]
    placing: Mapped[bool]  # to be handed to the gateway
    placing_until: Mapped[datetime | None]  # a dialler has it
    placed_at: Mapped[datetime | None]  # the gateway took it
    ringing_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    on_duty_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    result: Mapped[str | None] = mapped_column(String(16))  # see chain.py
    detail: Mapped[str] = mapped_column(String(300), default="")
    by: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)  # who dialled by hand


class GatewaySignal(Base):
    """A signed message of the telephone gateway that was taken: a replay is known by its nonce."""

    __tablename__ = "gateway_signals"
    __table_args__ = (Index("ix_gateway_signals_at", "at"),)

    nonce: Mapped[str] = mapped_column(String(64), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


class ContactFault(Base):
    """A number that does not lead to the person: to be put right by whoever keeps the list."""

    __tablename__ = "contact_faults"
    __table_args__ = (Index("ix_contact_faults_place", "scope", "place_id", "ended_at"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    scope: Mapped[str] = mapped_column(String(12))
    place_id: Mapped[str] = mapped_column(String(300))
    contact_id: Mapped[str] = mapped_column(String(40))
    grid_path: Mapped[str] = mapped_column(String(300))
    site_id: Mapped[str | None] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(16))  # wrong_number, off
    call_id: Mapped[str] = mapped_column(String(40))
    incident_id: Mapped[str] = mapped_column(String(40))
    since: Mapped[datetime]
    times: Mapped[int]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(64))
    end: Mapped[str | None] = mapped_column(String(16))  # changed, checked


class Speaker(Base):
    """A loudspeaker of a site, and how it is made to play."""

    __tablename__ = "speakers"
    __table_args__ = (Index("ix_speakers_site_id", "site_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    grid_path: Mapped[str] = mapped_column(String(300))
    name: Mapped[str] = mapped_column(String(100))
    gateway_url: Mapped[str | None] = mapped_column(String(500))  # of the speaker's gateway, or else:
    edge_id: Mapped[str | None] = mapped_column(String(64))
    actions: Mapped[dict[str, Any]] = mapped_column(JsonColumn)  # by message kind, the edge's action that plays it
    languages: Mapped[list[Any]] = mapped_column(JsonColumn)  # in which order clips are played
    automatic: Mapped[dict[str, Any]] = mapped_column(JsonColumn)  # by hazard, from which level on it plays by itself
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(String(64))


class Clip(Base):
    """A recorded message: what kind, in which language; the file lies under the data folder by its digest."""

    __tablename__ = "speaker_clips"
    __table_args__ = (UniqueConstraint("kind", "language", "site_key"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))  # smoke, water_level, curtain_wall, all_clear, exercise, test
    language: Mapped[str] = mapped_column(String(35))  # BCP 47: zh-CN, wuu, yue …
    site_key: Mapped[str] = mapped_column(String(64))  # a site's own; empty: for all
    digest: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(40))
    size: Mapped[int]
    text: Mapped[str] = mapped_column(String(500))  # what is said
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64))


class Play(Base):
    """That a speaker was told to say something, and what became of it."""

    __tablename__ = "speaker_plays"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_speaker_plays_incident_id", "incident_id"),
        Index("ix_speaker_plays_due", "state", "due_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(200))
    speaker_id: Mapped[str] = mapped_column(ForeignKey("speakers.id"))
    incident_id: Mapped[str | None] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(32))
    repeat: Mapped[int]
    state: Mapped[str] = mapped_column(String(12))  # pending, handed_over, failed
    attempts: Mapped[int]
    due_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    detail: Mapped[str] = mapped_column(String(300))
    by: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    exercise: Mapped[str | None] = mapped_column(String(64))
