"""Found devices: addresses that speak on a source of an edge and are registered nowhere.

An edge tells of them (at most once a minute each); a person registers them, which takes them off the list, or ignores
them. Bounded: beyond `MOST_FOUND` of one edge those that were heard longest ago are dropped.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import and_, case, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.database import insert_into
from cloud.feed import service as feed
from cloud.people.access import STAFF, Person, within
from cloud.problems import not_found
from cloud.registry.addresses import MOST_ADDRESS, MOST_SOURCE, Address
from cloud.registry.model import Device, Edge, FoundRow
from wire.report import FoundDevice

MOST_FOUND = 5_000
"""Rows of one edge that are kept."""
Kept = Literal["new", "ignored"]
State = Literal["new", "ignored", "all"]
_MOST_MESSAGES = 2**62
_MANY = 500  # addresses in one question
_log = logging.getLogger(__name__)


def fault_of(edge_id: str, found: FoundDevice) -> str | None:
    """Why a report cannot be kept. Pure."""
    if found.edge != edge_id:
        return f"data: edge '{found.edge:.80}' is not this edge"
    if not 0 < len(found.source) <= MOST_SOURCE or not 0 < len(found.address) <= MOST_ADDRESS:
        return f"data: source needs 1 to {MOST_SOURCE} characters, address 1 to {MOST_ADDRESS}"
    return None


async def record(session: AsyncSession, edge_id: str, reports: Sequence[FoundDevice]) -> None:
    """Keep what an edge found, in a few statements however many; a repeat changes nothing.

    What is registered at the edge by now is left out. The newest report of an address stands; an ignored one stays
    ignored. The feed hears of addresses that are new or say something else of themselves, not of every message.
    """
    newest: dict[Address, FoundDevice] = {}
    for report in sorted(reports, key=lambda one: one.last_seen):
        newest[Address(report.source, report.address)] = report
    for address in await _registered(session, edge_id, list(newest)):
        del newest[address]
    if not newest:
        return
    before = await _known(session, edge_id, list(newest))
    insert = insert_into(session, FoundRow)
    row = insert.excluded
    newer = row.last_seen >= FoundRow.last_seen
    told = ("topic", "name", "vendor", "model", "suggested_profile", "last_seen", "messages")
    kept = {name: case((newer, row[name]), else_=getattr(FoundRow, name)) for name in told}
    kept["first_seen"] = case((row.first_seen < FoundRow.first_seen, row.first_seen), else_=FoundRow.first_seen)
    upsert = insert.on_conflict_do_update(index_elements=["edge_id", "source", "address"], set_=kept)
    rows = [_row(edge_id, report) for report in newest.values()]
    await session.execute(upsert, rows)
    await _drop_oldest(session, edge_id)
    said = {address: (one["name"], one["vendor"], one["model"], one["suggested_profile"]) for address, one in
            zip(newest, rows, strict=True)}  # fmt: skip
    if any(before.get(address) != words for address, words in said.items()):
        await announce(session, edge_id)
    _log.debug("edge %s found %d addresses, %d of them new", edge_id, len(newest), len(said.keys() - before.keys()))


def _row(edge_id: str, report: FoundDevice) -> dict[str, Any]:
    def cut(text: str | None, most: int) -> str | None:
        return text[:most] if text else None

    return {
        "edge_id": edge_id,
        "source": report.source,
        "address": report.address,
        "topic": report.topic[:1000],
        "name": cut(report.name, 200),
        "vendor": cut(report.vendor, 200),
        "model": cut(report.model, 200),
        "suggested_profile": cut(report.suggested_profile, 128),
        "first_seen": report.first_seen,
        "last_seen": report.last_seen,
        "messages": max(0, min(report.messages, _MOST_MESSAGES)),
        "ignored_at": None,
        "ignored_by": None,
    }


async def _registered(session: AsyncSession, edge_id: str, addresses: Sequence[Address]) -> set[Address]:
    texts = {str(address): address for address in addresses}
    names, found = list(texts), set()
    for start in range(0, len(names), _MANY):
        query = select(Device.address).where(
            Device.edge_id == edge_id, Device.address.in_(names[start : start + _MANY])
        )
        found |= {texts[text] for text in await session.scalars(query) if text is not None}
    return found


async def _known(
    session: AsyncSession, edge_id: str, addresses: Sequence[Address]
) -> dict[Address, tuple[str | None, ...]]:
    found: dict[Address, tuple[str | None, ...]] = {}
    for start in range(0, len(addresses), _MANY):
        query = select(
            FoundRow.source, FoundRow.address, FoundRow.name, FoundRow.vendor, FoundRow.model,
            FoundRow.suggested_profile,
        ).where(
            FoundRow.edge_id == edge_id,
            FoundRow.address.in_([one.address for one in addresses[start : start + _MANY]]),
        )  # fmt: skip
        found |= {Address(source, name): tuple(words) for source, name, *words in await session.execute(query)}
    return found


async def is_heard(session: AsyncSession, edge_id: str, source: str) -> bool:
    """Whether an edge has found anything on a source: then it listens to it, even if nobody here knows the source."""
    query = select(FoundRow.id).where(FoundRow.edge_id == edge_id, FoundRow.source == source).limit(1)
    return await session.scalar(query) is not None


async def _drop_oldest(session: AsyncSession, edge_id: str) -> None:
    count = await session.scalar(select(func.count()).where(FoundRow.edge_id == edge_id)) or 0
    if count <= MOST_FOUND:
        return
    oldest = (
        select(FoundRow.id)
        .where(FoundRow.edge_id == edge_id)
        .order_by(FoundRow.last_seen, FoundRow.id)
        .limit(count - MOST_FOUND)
    )
    await session.execute(delete(FoundRow).where(FoundRow.id.in_(oldest)))


async def forget(session: AsyncSession, registered: Collection[tuple[str, str | None]]) -> None:
    """Take off the list what has been registered: (edge, address) of devices."""
    wanted: dict[str, list[Address]] = {}
    for edge_id, text in registered:
        if text:
            source, _, rest = text.partition(":")
            wanted.setdefault(edge_id, []).append(Address(source, rest))
    for edge_id, addresses in wanted.items():
        gone = 0
        for start in range(0, len(addresses), _MANY):
            named = or_(
                *(
                    and_(FoundRow.source == one.source, FoundRow.address == one.address)
                    for one in addresses[start : start + _MANY]
                )
            )
            result = await session.execute(delete(FoundRow).where(FoundRow.edge_id == edge_id, named))
            gone += int(getattr(result, "rowcount", 0))
        if gone:
            await announce(session, edge_id)


async def announce(session: AsyncSession, edge_id: str, **more: Any) -> None:
    """Tell the screens that the list of an edge is another one; `more` says what a person did, and who."""
    edge = await session.get_one(Edge, edge_id)
    waiting = select(func.count()).where(FoundRow.edge_id == edge_id, FoundRow.ignored_at.is_(None))
    value = {"kind": "found", "edge": edge_id, "waiting": await session.scalar(waiting) or 0, **more}
    await feed.append(
        session, kind="registry", key=f"found:{edge_id}", value=value, grid_path=edge.area_path, exercise=None,
        audience=feed.Audience(roles=STAFF),
    )  # fmt: skip


async def listing(
    session: AsyncSession, person: Person, *, edge: str | None, state: State, before: int | None, limit: int
) -> list[FoundRow]:
    """What the edges around a person's area found, newest first, a page before a cursor."""
    near = [one.id for one in await session.scalars(select(Edge)) if may_use(person, one)]
    query = select(FoundRow).where(FoundRow.edge_id.in_(near)).order_by(FoundRow.id.desc()).limit(limit)
    if edge is not None:
        query = query.where(FoundRow.edge_id == edge)
    if state != "all":
        query = query.where(FoundRow.ignored_at.is_(None) if state == "new" else FoundRow.ignored_at.is_not(None))
    if before is not None:
        query = query.where(FoundRow.id < before)
    return list(await session.scalars(query))


def may_use(person: Person, edge: Edge) -> bool:
    """Whether an edge serves a person's area: devices of theirs may be registered on it. Pure."""
    return within(person.area_path, edge.area_path) or within(edge.area_path, person.area_path)


async def set_ignored(
    session: AsyncSession, person: Person, found_id: int, *, ignored: bool, now: datetime
) -> FoundRow:
    """Put a found device aside, or back on the list; who did it stands in the row and in the feed log.

    Raises:
        Problem: 404.
    """
    await feed.hold(session)
    row = await session.get(FoundRow, found_id)
    edge = await session.get(Edge, row.edge_id) if row else None
    if row is None or edge is None or not may_use(person, edge):
        raise not_found("found device", str(found_id))
    if (row.ignored_at is not None) == ignored:
        return row
    row.ignored_at, row.ignored_by = (now, person.id) if ignored else (None, None)
    await session.flush()
    did = {"did": "ignored" if ignored else "restored", "address": f"{row.source}:{row.address}", "by": person.id}
    await announce(session, row.edge_id, **did)
    _log.info("found device %s:%s of edge %s %s by %s", row.source, row.address, row.edge_id, did["did"], person.id)
    return row


def found_json(row: FoundRow) -> dict[str, Any]:
    """A found device as the API shows it. Pure."""
    return {
        "id": row.id,
        "edge_id": row.edge_id,
        "source": row.source,
        "address": row.address,
        "topic": row.topic,
        "name": row.name,
        "vendor": row.vendor,
        "model": row.model,
        "suggested_profile": row.suggested_profile,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "messages": row.messages,
        "state": "ignored" if row.ignored_at else "new",
        "ignored_at": row.ignored_at,
        "ignored_by": row.ignored_by,
    }
