"""What edges may move by themselves: declared here, judged and carried out there; people's words on the way down."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.problems import invalid, not_found
from cloud.registry import downlink
from cloud.registry.layers import Author
from cloud.registry.model import ActionRow, Device, Edge, Site
from rules.action_declaration import compile_all
from wire.action import ActionConfig
from wire.configuration import Decision

Verb = Literal["switch_on", "switch_off", "hand_back"]


async def put(session: AsyncSession, edge_id: str, given: Mapping[str, Any], *, by: Author, now: datetime) -> int:
    """Declare an action, or another in its place; the revision of the edge's configuration that has it.

    Checked with all other actions of the edge by the code that the edge runs: an edge that refuses a document keeps
    its old one whole.

    Raises:
        Problem: 404 for an unknown edge; 422 naming everything that is wrong.
    """
    await feed.hold(session)
    if await session.get(Edge, edge_id) is None:
        raise not_found("edge", edge_id)
    try:
        config = msgspec.convert(dict(given), ActionConfig)
    except msgspec.ValidationError as error:
        raise invalid("config", str(error), "see docs/edge.md, Actions") from None
    row = await session.get(ActionRow, config.id)
    if row is not None and row.edge_id != edge_id:
        raise invalid("id", f"'{config.id}' is an action of another edge", "choose another id")
    if await session.get(Site, config.site) is None:
        raise invalid("site", f"there is no site '{config.site}'", "register it first")
    others = [each for each in await of_edge(session, edge_id) if each.id != config.id]
    _check([*others, config], await _devices(session, edge_id))
    value = msgspec.to_builtins(config)
    if row is None:
        session.add(
            ActionRow(
                id=config.id, edge_id=edge_id, site_id=config.site, config=value, updated_at=now,
                updated_by=by.id or "", why=by.why,
            )
        )  # fmt: skip
    else:
        row.site_id, row.config, row.updated_at, row.updated_by, row.why = config.site, value, now, by.id or "", by.why
    await session.flush()
    return await downlink.push(session, edge_id, "action", config.id, config)


async def remove(session: AsyncSession, edge_id: str, action_id: str) -> int:
    """Take an action away; the edge switches off what is on, unless an interlock bars it.

    Raises:
        Problem: 404; 422 while another action's interlock names it.
    """
    await feed.hold(session)
    row = await row_of(session, edge_id, action_id)
    rest = [each for each in await of_edge(session, edge_id) if each.id != action_id]
    _check(rest, await _devices(session, edge_id))
    await session.delete(row)
    await session.flush()
    return await downlink.push(session, edge_id, "action", action_id, None)


async def decide(
    session: AsyncSession, edge_id: str, action_id: str, verb: Verb, *, until: datetime | None, by: Author,
    expires_s: float, now: datetime,
) -> Decision:  # fmt: skip
    """A person's word on an action: carried out once by its edge, never after its expiry.

    Raises:
        Problem: 404; 422 for an end that is past.
    """
    await feed.hold(session)
    await row_of(session, edge_id, action_id)
    if until is not None and until <= now:
        raise invalid("until", "is not in the future", "say when it ends, or leave it out")
    decision = Decision(
        id=f"act_{secrets.token_hex(10)}",
        verb=verb,
        alarm_id=f"action:{action_id}",
        episode=0,
        author=by.id or "",
        issued_at=now,
        expires_at=now + timedelta(seconds=expires_s),
        until=until,
        note=by.why,
    )
    await downlink.send_decision(session, edge_id, decision, exercise=None)
    return decision


async def row_of(session: AsyncSession, edge_id: str, action_id: str) -> ActionRow:
    """One action.

    Raises:
        Problem: 404.
    """
    row = await session.get(ActionRow, action_id)
    if row is None or row.edge_id != edge_id:
        raise not_found("action", action_id)
    return row


async def rows(session: AsyncSession, edge_id: str) -> list[ActionRow]:
    """All of an edge, by id."""
    return list(await session.scalars(select(ActionRow).where(ActionRow.edge_id == edge_id).order_by(ActionRow.id)))


async def of_edge(session: AsyncSession, edge_id: str) -> list[ActionConfig]:
    """As its edge is told."""
    return [msgspec.convert(row.config, ActionConfig) for row in await rows(session, edge_id)]


async def _devices(session: AsyncSession, edge_id: str) -> set[str]:
    return set(await session.scalars(select(Device.id).where(Device.edge_id == edge_id)))


def _check(configs: list[ActionConfig], devices: set[str]) -> None:
    problems: list[str] = []
    compile_all(configs, devices, problems)
    if problems:
        raise invalid("config", "; ".join(problems[:5]), "see docs/edge.md, Actions")
