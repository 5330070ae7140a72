"""What people are told of leave, swaps and stand-ins, and how the API shows one."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloud.notify import service as notify
from cloud.people import service as people
from cloud.people.model import Account
from cloud.rotas.model import RotaChange, RotaRow


def change_json(row: RotaChange) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.id,
        "kind": row.kind,
        "state": row.state,
        "rota_id": row.rota_id,
        "who": row.who,
        "by": row.by,
        "from": row.since.isoformat(),
        "to": row.until.isoformat(),
        "back_from": row.back_since.isoformat() if row.back_since else None,
        "back_to": row.back_until.isoformat() if row.back_until else None,
        "with_person": row.with_person,
        "reason": row.reason,
        "asked_at": row.asked_at.isoformat(),
        "asked_by": row.asked_by,
        "answered_at": row.answered_at.isoformat() if row.answered_at else None,
        "answered_by": row.answered_by,
        "answer": row.answer,
    }


async def tell_leaders(session: AsyncSession, row: RotaChange, of: Account, now: datetime) -> None:
    """Leave waits for the word of the nearest duty leader."""
    zh = f"{of.name}请假：{local(row.since)}—{local(row.until)}，{row.reason}，请审批"
    for area in people.chain(of.area_path):
        leaders = [one for one in await people.on_duty(session, area, now, "duty_leader") if one.id != of.id]
        for leader in leaders:
            await tell(session, row, leader.id, "leave_asked", (zh, f"{of.name} asks for leave"), now)
        if leaders:
            return


def local(at: datetime) -> str:
    """As a message says it."""
    return (at + timedelta(hours=8)).strftime("%m-%d %H:%M")


async def tell(
    session: AsyncSession,
    row: RotaChange,
    person_id: str,
    kind: str,
    words: tuple[str, str],
    now: datetime,
    rota: RotaRow | None = None,
) -> None:
    """One message to one person; of one kind, once."""
    account = await session.get(Account, person_id)
    await notify.queue(
        session,
        key=f"{row.id}:{kind}",
        person_id=person_id,
        kind=kind[:32],
        text_zh=words[0],
        text_en=words[1],
        grid_path=rota.area_path if rota else account.area_path if account else "/",
        now=now,
        params={"change": row.id},
    )
