"""Hand-offs, cards and place cards as the API and the feed show them."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloud.handoffs import card
from cloud.handoffs.model import ExternalHandOff, SiteAccess
from cloud.handoffs.progress import MET, NAMES, Service
from cloud.incidents.views import instant
from cloud.timers import service as timers


async def handoff_json(session: AsyncSession, row: ExternalHandOff) -> dict[str, Any]:
    """As the API and the feed show it."""
    running = await timers.of_subject(session, row.id)
    zh, en = NAMES[Service(row.service)]
    return {
        "id": row.id,
        "incident_id": row.incident_id,
        "service": row.service,
        "name_zh": zh,
        "name_en": en,
        "state": row.state,
        "calls": row.calls,
        "details": row.details,
        "called_at": instant(row.called_at),
        "called_by": row.called_by,
        "answered_at": instant(row.answered_at),
        "answered_by": row.answered_by,
        "reference": row.reference,
        "expected_at": instant(row.expected_at),
        "arrived_at": instant(row.arrived_at),
        "unit": row.unit,
        "handed_over_at": instant(row.handed_over_at),
        "received_by": row.received_by,
        "unaccounted": row.unaccounted,
        "note": row.note,
        "ended_at": instant(row.ended_at),
        "reason": row.reason,
        "due_at": instant(running[0].due_at) if running else None,
        "meets": Service(row.service) in MET,
        "exercise": row.exercise,
    }


def card_json(made: card.Card, desk: str) -> dict[str, Any]:
    """A card as the screen shows it; nothing in it can be dialled by a program."""
    zh, en = NAMES[made.service]
    hello = card.greeting(made.service, desk)
    return {
        "service": made.service,
        "name_zh": zh,
        "name_en": en,
        "greeting_zh": hello[0],
        "greeting_en": hello[1],
        "lines": [line_json(line) for line in made.lines],
        "text_zh": made.text(0),
        "text_en": made.text(1),
        "unknown": list(made.unknown),
        "addable": list(card.ADDABLE[made.service]),
        "exercise": made.exercise,
    }


def line_json(line: card.Line) -> dict[str, Any]:
    """One line of a card."""
    return {
        "code": line.code,
        "ask_zh": line.ask[0],
        "ask_en": line.ask[1],
        "text_zh": line.answer[0],
        "text_en": line.answer[1],
        "known": line.known,
    }


def access_json(row: SiteAccess) -> dict[str, Any]:
    """As the API shows it."""
    names = ("site_id", "address", "address_en", "gate", "gate_lon", "gate_lat", "lane", "hydrant", "power_room",
             "gas_valve", "keys", "hazards", "callback")  # fmt: skip
    return {name: getattr(row, name) for name in names} | {"updated_at": instant(row.updated_at)}
