"""交办记录: notes of the desk that go from shift to shift until they are done; with a time, promises (回访)."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from cloud.handover.model import DeskNote
from cloud.handover.service import MOST_REMINDERS, POSTS, REMIND
from cloud.notify import service as notify
from cloud.people import service as people
from cloud.people.access import Person
from cloud.people.service import new_id
from cloud.problems import invalid
from cloud.timers import service as timers

NOTE_DUE = "desk_note"


async def add(
    session: AsyncSession,
    person: Person,
    area_path: str,
    *,
    text: str,
    due_at: datetime | None,
    incident_id: str | None,
    now: datetime,
) -> DeskNote:
    """A note that goes from shift to shift until it is done; at its time, whoever is on hears of it.

    Raises:
        Problem: 422 for a time that has passed.
    """
    if due_at is not None and due_at <= now:
        raise invalid("due_at", "has passed", "say when it is due")
    row = DeskNote(
        id=new_id("dnt"), area_path=area_path, text=text, due_at=due_at, incident_id=incident_id, at=now,
        by={"id": person.id, "name": person.name}, done_at=None, done_by=None, told=0,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    if due_at is not None:
        await timers.arm(session, NOTE_DUE, row.id, due_at, now=now)
    return row


async def done(session: AsyncSession, row: DeskNote, person: Person, now: datetime) -> bool:
    """It is done; False when it was already."""
    if row.done_at is not None:
        return False
    row.done_at, row.done_by = now, {"id": person.id, "name": person.name}
    await timers.disarm(session, NOTE_DUE, row.id)
    await session.flush()
    return True


async def due(session: AsyncSession, row: DeskNote, now: datetime) -> None:
    """Its time has come: the desk hears, and again every half hour until it is done."""
    row.told += 1
    if row.told < MOST_REMINDERS:
        await timers.arm(session, NOTE_DUE, row.id, now + REMIND, now=now)
    told = [one.id for one in await people.on_duty(session, row.area_path, now, *POSTS)] or [str(row.by["id"])]
    for person in told:
        await notify.queue(
            session, key=f"{row.id}:{row.told}", person_id=person, kind="desk_note", text_zh=f"到时：{row.text}",
            text_en=f"Due: {row.text}", grid_path=row.area_path, now=now, incident_id=row.incident_id,
            params={"note": row.id},
        )  # fmt: skip
