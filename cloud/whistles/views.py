"""Whistles as the API and the feed show them."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents.model import Incident
from cloud.incidents.views import instant
from cloud.people.model import Account, Area
from cloud.timers import service as timers
from cloud.whistles.clock import Step
from cloud.whistles.model import (
    Department,
    Whistle,
    WhistleCall,
    WhistleLine,
    WhistleRating,
    WhistleReturn,
    WhistleTurn,
)


async def whistle_json(session: AsyncSession, row: Whistle) -> dict[str, Any]:
    """One in full: who called, whose it is, what runs, what came of it."""
    names = await _departments(session)
    calls = await session.scalars(
        select(WhistleCall).where(WhistleCall.whistle_id == row.id).order_by(WhistleCall.at, WhistleCall.id)
    )
    turns = await session.scalars(
        select(WhistleTurn).where(WhistleTurn.whistle_id == row.id).order_by(WhistleTurn.began_at, WhistleTurn.id)
    )
    returns = await session.scalars(
        select(WhistleReturn).where(WhistleReturn.whistle_id == row.id).order_by(WhistleReturn.at, WhistleReturn.id)
    )
    ratings = await session.scalars(
        select(WhistleRating).where(WhistleRating.whistle_id == row.id).order_by(WhistleRating.at, WhistleRating.id)
    )
    return {
        "id": row.id,
        "number": row.number,
        "state": row.state,
        "level": row.level,
        "cause": row.cause,
        "cause_text": row.cause_text,
        "first": names.get(row.first_id),
        "holder": names.get(row.holder_id),
        "called_at": instant(row.called_at),
        "bound": row.bound,
        "clocks": await clocks_json(session, row.id),
        "calls": [await call_json(session, one) for one in calls],
        "turns": [_turn_json(one, names) for one in turns],
        "returns": [await return_json(session, one, names) for one in returns],
        "ratings": [await rating_json(session, one) for one in ratings],
        "ended_at": instant(row.ended_at),
        "end": row.end,
        "end_reason": row.end_reason,
        "joined_into": row.joined_into,
        "exercise": row.exercise,
    }


async def _departments(session: AsyncSession) -> dict[str, dict[str, Any]]:
    rows = await session.scalars(select(Department))
    return {row.id: {"id": row.id, "name": row.name, "name_en": row.name_en, "phone": row.phone} for row in rows}


async def clocks_json(session: AsyncSession, subject: str) -> list[dict[str, Any]]:
    """What runs, the next due first."""
    return [
        {
            "step": Step(timer.kind).name.lower(),
            "due_at": instant(timer.due_at),
            "round": int(timer.data.get("round", 0)),
        }
        for timer in await timers.of_subject(session, subject)
    ]


async def area_name(session: AsyncSession, path: str) -> str:
    """An area in words."""
    area = await session.get(Area, path)
    return area.name if area else path


async def call_json(session: AsyncSession, row: WhistleCall) -> dict[str, Any]:
    """A street's call, or a neighbourhood's proposal, with as much of the incident as a department needs."""
    incident = await session.get_one(Incident, row.incident_id)
    return {
        "id": row.id,
        "whistle_id": row.whistle_id,
        "department_id": row.department_id,
        "state": row.state,
        "cause": row.cause,
        "cause_text": row.cause_text,
        "street": {"path": row.street_path, "name": await area_name(session, row.street_path)},
        "note": row.note,
        "proposed_at": instant(row.proposed_at),
        "proposed_by": row.proposed_by,
        "at": instant(row.at),
        "by": row.by,
        "reason": row.reason,
        "clocks": await clocks_json(session, row.id) if row.state == "proposed" else [],
        "incident": {
            "id": incident.id,
            "number": incident.number,
            "hazard": incident.hazard,
            "level": incident.level,
            "state": incident.state,
            "headline": incident.headline,
            "place": {key: incident.place.get(key) for key in ("text", "lon", "lat", "grid", "grid_path")},
        },
    }


def _turn_json(row: WhistleTurn, names: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": row.id,
        "department": names.get(row.department_id),
        "how": row.how,
        "began_at": instant(row.began_at),
        "report_due_at": instant(row.report_due_at),
        "reported_in_at": instant(row.reported_in_at),
        "arrived_at": instant(row.arrived_at),
        "done_at": instant(row.done_at),
        "answered_by": row.answered_by,
        "missed": row.missed,
        "ended_at": instant(row.ended_at),
        "end": row.end,
    }


async def return_json(
    session: AsyncSession, row: WhistleReturn, names: dict[str, dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A return, who is asked to rule on it, and the ruling."""
    known = names if names is not None else await _departments(session)
    arbiter = await session.get(Account, row.arbiter) if row.arbiter else None
    return {
        "id": row.id,
        "whistle_id": row.whistle_id,
        "department": known.get(row.department_id),
        "code": row.code,
        "reason": row.reason,
        "suggests": known.get(row.suggests) if row.suggests else None,
        "declined": row.declined,
        "at": instant(row.at),
        "by": row.by,
        "arbiter": {"id": arbiter.id, "name": arbiter.name} if arbiter else None,
        "tier": row.tier,
        "due_at": instant(row.due_at),
        "ended_at": instant(row.ended_at),
        "end": row.end,
        "ruled_by": row.ruled_by,
        "ruled_to": known.get(row.ruled_to) if row.ruled_to else None,
        "ruling": row.ruling,
    }


async def rating_json(session: AsyncSession, row: WhistleRating) -> dict[str, Any]:
    """A street's rating, or the correction of one."""
    return {
        "id": row.id,
        "whistle_id": row.whistle_id,
        "department_id": row.department_id,
        "street": {"path": row.street_path, "name": await area_name(session, row.street_path)},
        "score": row.score,
        "reasons": row.reasons,
        "note": row.note,
        "at": instant(row.at),
        "by": row.by,
        "corrects": row.corrects,
        "correction_reason": row.correction_reason,
        "stands": row.stands,
    }


async def history_json(session: AsyncSession, whistle_id: str) -> list[dict[str, Any]]:
    """What happened, line by line."""
    query = select(WhistleLine).where(WhistleLine.whistle_id == whistle_id).order_by(WhistleLine.seq)
    return [
        {
            "seq": row.seq,
            "code": row.code,
            "at": instant(row.at),
            "occurred_at": instant(row.occurred_at),
            "actor": row.actor,
            "params": row.params,
        }
        for row in await session.scalars(query)
    ]
