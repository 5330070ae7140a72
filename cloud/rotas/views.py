"""Rotas as the API shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people import service as people
from cloud.people.model import Account
from cloud.rotas import loading
from cloud.rotas.changes_said import change_json
from cloud.rotas.duties import Duty, Hole, Revision, Rota, lay
from cloud.rotas.loading import Book
from cloud.rotas.model import RotaChange, RotaDay, RotaRevision, RotaRow
from cloud.rotas.pattern import Pattern, written

MOST_CHANGES = 200


async def names(session: AsyncSession) -> Mapping[str, str]:
    """Names of people and responders, by id."""
    found = {row.id: row.name for row in await session.scalars(select(Account))}
    return found | {row.id: row.name for row in await people.responders(session, active=False)}


def duty_json(duty: Duty, known: Mapping[str, str]) -> dict[str, Any]:
    """Somebody on a post."""
    deputy = {"id": duty.deputy, "name": known.get(duty.deputy, duty.deputy)} if duty.deputy else None
    return {
        "rota_id": duty.rota,
        "area_path": duty.area,
        "post": duty.post,
        "turn": duty.turn,
        "who": {"id": duty.who, "name": known.get(duty.who, duty.who)},
        "planned": {"id": duty.planned, "name": known.get(duty.planned, duty.planned)},
        "deputy": deputy,
        "why": duty.why or None,
        "from": duty.since.isoformat(),
        "to": duty.until.isoformat(),
    }


def hole_json(hole: Hole, known: Mapping[str, str]) -> dict[str, Any]:
    """A turn on which nobody stands."""
    return {
        "rota_id": hole.rota,
        "area_path": hole.area,
        "post": hole.post,
        "turn": hole.turn,
        "planned": {"id": hole.planned, "name": known.get(hole.planned, hole.planned)},
        "why": hole.why,
        "from": hole.since.isoformat(),
        "to": hole.until.isoformat(),
    }


async def rotas(session: AsyncSession, rows: Sequence[RotaRow], now: datetime) -> list[dict[str, Any]]:
    """Each with its pattern in force and who stands there now."""
    book = await loading.book(session, since=now, rota_ids=[row.id for row in rows])
    known = await names(session)
    by_id = {rota.id: rota for rota in book.rotas}
    return [_head(row) | _now(by_id[row.id], book, known, now) for row in rows]


def _head(row: RotaRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "area_path": row.area_path,
        "post": row.post,
        "name": row.name,
        "revision": row.revision,
        "created_at": row.created_at.isoformat(),
    }


def _now(rota: Rota, book: Book, known: Mapping[str, str], now: datetime) -> dict[str, Any]:
    holds = [one for one in rota.revisions if one.since <= now]
    pattern = holds[-1].pattern if holds else None
    laid = lay(rota, book.calendar, book.changes, now, now + timedelta(microseconds=1))
    return {
        "pattern": written(pattern) if pattern else None,
        "over": bool(holds) and pattern is None,
        "now": [duty_json(one, known) for one in laid.duties],
        "holes": [hole_json(one, known) for one in laid.holes],
    }


async def whole(session: AsyncSession, row: RotaRow, now: datetime) -> dict[str, Any]:
    """One rota, with every decision about it."""
    [shown] = await rotas(session, [row], now)
    revisions = select(RotaRevision).where(RotaRevision.rota_id == row.id).order_by(RotaRevision.number)
    days = select(RotaDay).where(RotaDay.rota_id == row.id).order_by(RotaDay.day, RotaDay.at)
    changes = (
        select(RotaChange)
        .where(or_(RotaChange.rota_id == row.id), RotaChange.until > now - timedelta(days=31))
        .order_by(RotaChange.order.desc())
        .limit(MOST_CHANGES)
    )
    return shown | {
        "revisions": [
            {
                "number": one.number,
                "from": one.since.isoformat(),
                "pattern": one.pattern,
                "at": one.at.isoformat(),
                "by": one.by,
                "reason": one.reason,
            }
            for one in await session.scalars(revisions)
        ],
        "days": [
            {
                "day": one.day.isoformat(),
                "turns": one.turns,
                "at": one.at.isoformat(),
                "by": one.by,
                "reason": one.reason,
                "ended_at": one.ended_at.isoformat() if one.ended_at else None,
                "ended_by": one.ended_by,
            }
            for one in await session.scalars(days)
        ],
        "changes": [change_json(one) for one in await session.scalars(changes)],
    }


def previewed(book: Book, area: str, post: str, pattern: Pattern, since: datetime, days: int) -> tuple[Duty, ...]:
    """What a pattern would lay. Pure."""
    rota = Rota("", area, post, (Revision(1, since, pattern),))
    return lay(rota, book.calendar, book.changes, since, since + timedelta(days=days)).duties
