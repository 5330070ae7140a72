"""街道评价: each street that called rates the answer once; a correction is a row of its own, with its reason."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.incidents.docket import Docket, by
from cloud.people.access import Person, within
from cloud.people.service import new_id
from cloud.problems import Problem, conflict, invalid, not_found
from cloud.whistles import answers, record, service, views
from cloud.whistles.assessment import Turn, assess
from cloud.whistles.calling import street_calls
from cloud.whistles.clock import State
from cloud.whistles.model import Department, Whistle, WhistleRating, WhistleReturn, WhistleTurn

REASONS = (
    "prompt",
    "late",
    "solved",
    "half_solved",
    "unsolved",
    "clear_word",
    "passed_on",
    "well_equipped",
    "careless",
)
"""What a street may tick; the rest it says in words."""


async def streets_of(session: AsyncSession, whistle: Whistle) -> list[str]:
    """Streets that called."""
    return list(dict.fromkeys(row.street_path for row in await record.calls_of(session, whistle)))


async def standing(session: AsyncSession, whistle: Whistle) -> dict[str, WhistleRating]:
    """The rating that stands, by street."""
    query = select(WhistleRating).where(WhistleRating.whistle_id == whistle.id, WhistleRating.stands)
    return {row.street_path: row for row in await session.scalars(query)}


async def rate(
    docket: Docket,
    whistle: Whistle,
    person: Person,
    *,
    score: int,
    reasons: Sequence[str],
    note: str,
    street: str | None = None,
) -> WhistleRating:
    """Rate what the department did. When every street has, the whistle ends.

    Raises:
        Problem: 409 before it is done or when this street has rated, 403 for anybody but the street, 422 when a person
            stands for several and names none, or a low rating says no reason.
    """
    if State(whistle.state) is not State.DONE and whistle.end != "unrated":
        raise conflict("wrong-state", f"Whistle {whistle.number} is {whistle.state}: rate it when it is done.")
    _reasoned(score, reasons, note)
    mine = [one for one in await streets_of(docket.session, whistle) if street_calls(person, one)]
    if not mine:
        raise Problem(403, "not-yours", "The street that called rates the answer.")
    rated = await standing(docket.session, whistle)
    open_ones = [one for one in mine if one not in rated]
    chosen = street or (open_ones[0] if len(open_ones) == 1 else mine[0] if len(mine) == 1 else None)
    if chosen is None:
        raise invalid("street", "is needed: you stand for several streets", f"one of: {', '.join(mine)}")
    if chosen not in mine:
        raise Problem(403, "not-yours", f"You do not rate for {chosen:.80}.")
    if chosen in rated:
        fix = f"POST /whistle-ratings/{rated[chosen].id}/correct"
        raise conflict("rated", f"This street has rated whistle {whistle.number}; correct that rating: {fix}")
    row = await _write(docket, whistle, person, chosen, score, reasons, note, code="rated")
    if State(whistle.state) is State.DONE and set(await streets_of(docket.session, whistle)) <= {*rated, chosen}:
        await answers.end(docket, whistle, "rated")
    else:
        await record.keep(docket, whistle)
    return row


async def correct(
    docket: Docket, rating_id: str, person: Person, *, score: int, reasons: Sequence[str], note: str, reason: str
) -> tuple[Whistle, WhistleRating]:
    """Correct a rating: both stay, the later stands, and the audit chain says who and when.

    Raises:
        Problem: 404, 403, 409 for one that was corrected before.
    """
    old = await docket.session.get(WhistleRating, rating_id)
    whistle = await docket.session.get(Whistle, old.whistle_id) if old else None
    if old is None or whistle is None or not await service.sees(docket.session, whistle, person):
        raise not_found("rating", rating_id)
    if not street_calls(person, old.street_path):
        raise Problem(403, "not-yours", "The street that rated corrects its rating.")
    if not old.stands:
        raise conflict("corrected", "This rating was corrected already: correct the one that stands.")
    _reasoned(score, reasons, note)
    old.stands = False
    row = await _write(docket, whistle, person, old.street_path, score, reasons, note, code="rating_corrected",
                       corrects=old, reason=reason)  # fmt: skip
    await record.keep(docket, whistle)
    return whistle, row


def _reasoned(score: int, reasons: Sequence[str], note: str) -> None:
    if unknown := sorted(set(reasons) - set(REASONS)):
        raise invalid("reasons", f"'{unknown[0]:.40}' is none", f"of: {', '.join(REASONS)}; or say it in `note`")
    if not reasons and not note:
        raise invalid("reasons", "is empty", "a rating says why: tick a reason, or write a note")
    if score <= 2 and not note:
        raise invalid("note", "is empty", "a low rating says in words what was wrong")


async def _write(
    docket: Docket,
    whistle: Whistle,
    person: Person,
    street: str,
    score: int,
    reasons: Sequence[str],
    note: str,
    *,
    code: str,
    corrects: WhistleRating | None = None,
    reason: str | None = None,
) -> WhistleRating:
    department_id = corrects.department_id if corrects else whistle.holder_id
    row = WhistleRating(
        id=new_id("wra"),
        whistle_id=whistle.id,
        department_id=department_id,
        street_path=street,
        score=score,
        reasons=list(dict.fromkeys(reasons)),
        note=note,
        at=docket.now,
        by=by(person).json(),
        corrects=corrects.id if corrects else None,
        correction_reason=reason,
        stands=True,
    )
    docket.session.add(row)
    await docket.session.flush()
    department = await docket.session.get_one(Department, department_id)
    named = {
        "street": await views.area_name(docket.session, street),
        "department": department.name,
        "score": score,
        "reason": reason or "",
    }
    await record.note(docket, whistle, code, by(person), named, score=score, reasons=row.reasons, note=note,
                      rating=row.id, street=street)  # fmt: skip
    await audit.append(
        docket.session,
        kind=f"whistle_{code}",
        now=docket.now,
        subject=whistle.id,
        actor=person.id,
        body={"rating": row.id, "street": street, "score": score, "corrects": row.corrects},
    )
    return row


async def overview(
    session: AsyncSession,
    person: Person,
    *,
    start: datetime,
    stop: datetime,
    now: datetime,
    street_share_percent: float,
) -> list[dict[str, Any]]:
    """By department within a person's area (or that serves it): answers in time, returns, ratings, the assessment."""
    found = []
    for department in await session.scalars(select(Department).order_by(Department.id)):
        mine = person.id in {*department.liaisons, *department.supervisors}
        if not (
            mine or within(department.area_path, person.area_path) or within(person.area_path, department.area_path)
        ):
            continue
        turns = await _turns(session, department.id, start, stop, now)
        query = (
            select(WhistleRating.score)
            .join(Whistle, Whistle.id == WhistleRating.whistle_id)
            .where(WhistleRating.department_id == department.id, WhistleRating.stands, Whistle.exercise.is_(None))
            .where(WhistleRating.at >= start, WhistleRating.at < stop)
        )
        scores = list(await session.scalars(query))
        named = {"id": department.id, "name": department.name, "name_en": department.name_en}
        found.append({"department": named} | asdict(assess(turns, scores, street_share_percent)))
    return found


async def _turns(
    session: AsyncSession, department_id: str, start: datetime, stop: datetime, now: datetime
) -> list[Turn]:
    query = (
        select(WhistleTurn)
        .join(Whistle, Whistle.id == WhistleTurn.whistle_id)
        .where(WhistleTurn.department_id == department_id, Whistle.exercise.is_(None))
        .where(WhistleTurn.began_at >= start, WhistleTurn.began_at < stop)
    )
    rows = list(await session.scalars(query))
    sent = await session.scalars(select(WhistleReturn).where(WhistleReturn.turn_id.in_([row.id for row in rows])))
    returns: dict[str, list[WhistleReturn]] = {}
    for one in sent:
        returns.setdefault(one.turn_id, []).append(one)
    return [
        Turn(
            in_time=_in_time(row, now),
            returned=bool(returns.get(row.id)),
            ruled_against=any(one.end == "ruled" and one.ruled_to == department_id for one in returns.get(row.id, ())),
            missed=len(row.missed),
        )
        for row in rows
    ]


def _in_time(row: WhistleTurn, now: datetime) -> bool | None:
    """Whether a turn was answered in time; None while it still can be, or when it went to another before its limit."""
    if row.reported_in_at is not None:
        return row.reported_in_at <= row.report_due_at
    until = min(row.ended_at or now, now)
    return False if until > row.report_due_at else None
