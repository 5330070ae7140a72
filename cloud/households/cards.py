"""Household cards: kept by those who look after a site, read only for a stated purpose, gone after their time.

Every read is a line of the audit chain: who, for which incident or upkeep, how many cards. Responders never read
cards; they get the doors of their part of a knock list, while they are on the incident.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.audit.model import AuditLine
from cloud.households.import_table import MOST_PERSONS, personal_faults
from cloud.households.model import Household
from cloud.households.order import WORDS, Flag, natural
from cloud.incidents.views import instant
from cloud.people.access import Person, Role, may_see
from cloud.people.service import new_id
from cloud.problems import Problem, ProblemError, not_found
from cloud.registry.model import Building, Site

READ = "household_read"
ONE_READ = timedelta(minutes=15)
"""Looking again within so long at the same thing is one read."""


@dataclass(frozen=True, slots=True)
class Card:
    """A door as people hand it in."""

    building_id: str
    section: str
    floor: int
    door: str
    persons: int | None
    flags: Sequence[str]
    key_with: str
    note: str
    consent: bool


def keeps(person: Person, site: Site) -> bool:
    """Whether a person looks after the cards of a site: its property manager, or a duty officer of the area."""
    if not person.has(Role.PROPERTY_MANAGER, Role.DUTY_OFFICER):
        return False
    return may_see(person, site.grid_path, None, site=site.id)


async def site_of(session: AsyncSession, person: Person, site_id: str) -> Site:
    """A site whose cards a person looks after.

    Raises:
        Problem: 404.
    """
    site = await session.get(Site, site_id)
    if site is None or not keeps(person, site):
        raise not_found("site", site_id)
    return site


def faults(card: Card) -> list[ProblemError]:
    """What cannot be so. Pure."""
    errors = personal_faults({"door": card.door, "key_with": card.key_with, "note": card.note})
    if unknown := sorted(set(card.flags) - set(Flag)):
        known = ", ".join(Flag)
        errors.append(
            ProblemError(where="flags", what=f"'{unknown[0]:.40}' is none", fix=f"of: {known}", code="no_flag")
        )
    if card.flags and not card.consent:
        what, fix = "the household has not agreed that its flags are kept", "ask them, or leave the flags empty"
        errors.append(ProblemError(where="consent", what=what, fix=fix, code="no_consent"))
    if card.persons is not None and not 0 <= card.persons <= MOST_PERSONS:
        errors.append(ProblemError(where="persons", what="is not a number of people", fix=f"0 to {MOST_PERSONS}"))
    return errors


async def standing(session: AsyncSession, building_id: str, section: str, door: str) -> Household | None:
    """The card of a door."""
    query = select(Household).where(
        Household.building_id == building_id, Household.section == section, Household.door == door
    )
    return (await session.scalars(query)).first()


async def put(session: AsyncSession, site: Site, card: Card, person: Person, now: datetime) -> Household:
    """Enter the card of a door, or replace it.

    Raises:
        Problem: 422 with every fault.
    """
    errors = faults(card)
    building = await session.get(Building, card.building_id)
    if building is None or building.site_id != site.id:
        errors.append(ProblemError(where="building_id", what=f"'{card.building_id:.64}' is no building of this site"))
    if errors:
        raise Problem(422, "invalid", "The card cannot be so.", errors=errors)
    row = await standing(session, card.building_id, card.section, card.door)
    if row is None:
        row = Household(id=new_id("hh"), building_id=card.building_id, section=card.section, door=card.door)
        session.add(row)
    row.site_id, row.floor, row.persons = site.id, card.floor, card.persons
    row.flags = list(dict.fromkeys(card.flags))
    row.key_with, row.note, row.consent = card.key_with, card.note, card.consent
    row.reviewed_at, row.updated_by = now, person.id
    await session.flush()
    return row


async def of_buildings(session: AsyncSession, building_ids: Sequence[str]) -> list[Household]:
    """Cards of some buildings, door by door."""
    rows = await session.scalars(select(Household).where(Household.building_id.in_(list(building_ids))))
    return sorted(rows, key=lambda row: (row.building_id, row.section, row.floor, natural(row.door)))


async def buildings_of(session: AsyncSession, site_id: str) -> list[str]:
    """Buildings of a site."""
    return list(await session.scalars(select(Building.id).where(Building.site_id == site_id).order_by(Building.id)))


async def erase(session: AsyncSession, household_id: str, person: Person, *, reason: str, now: datetime) -> None:
    """A card goes for good; that there was one, who erased it and why, stays.

    Raises:
        Problem: 404.
    """
    row = await session.get(Household, household_id)
    site = await session.get(Site, row.site_id) if row else None
    if row is None or site is None or not (keeps(person, site) or person.has(Role.ADMINISTRATOR)):
        raise not_found("household", household_id)
    await session.delete(row)
    await audit.append(
        session, kind="household_erased", now=now, subject=household_id, actor=person.id, body={"reason": reason[:200]}
    )


async def review(session: AsyncSession, household_id: str, person: Person, now: datetime) -> Household:
    """Somebody asked at the door: it is still so.

    Raises:
        Problem: 404.
    """
    row = await session.get(Household, household_id)
    site = await session.get(Site, row.site_id) if row else None
    if row is None or site is None or not keeps(person, site):
        raise not_found("household", household_id)
    row.reviewed_at, row.updated_by = now, person.id
    await session.flush()
    return row


async def note_read(
    session: AsyncSession, person: Person, *, subject: str, purpose: str, cards: int, now: datetime
) -> None:
    """Write down that a person read cards; again within a quarter of an hour is the same read."""
    query = select(AuditLine.seq).where(
        AuditLine.kind == READ,
        AuditLine.subject == subject,
        AuditLine.actor == person.id,
        AuditLine.at > now - ONE_READ,
    )
    if await session.scalar(query.limit(1)) is None:
        body = {"purpose": purpose, "cards": cards}
        await audit.append(session, kind=READ, now=now, subject=subject, actor=person.id, body=body)


async def sweep(session: AsyncSession, *, keep: timedelta, now: datetime) -> int:
    """Erase cards that nobody has reviewed for so long; how many went."""
    old = list(await session.scalars(select(Household.id).where(Household.reviewed_at <= now - keep)))
    if old:
        for start in range(0, len(old), 500):
            await session.execute(delete(Household).where(Household.id.in_(old[start : start + 500])))
        await audit.append(session, kind="households_expired", now=now, body={"cards": len(old)})
    return len(old)


def card_json(row: Household, *, keep: timedelta) -> dict[str, Any]:
    """As its keepers see it."""
    return {
        "id": row.id,
        "site_id": row.site_id,
        "building_id": row.building_id,
        "section": row.section,
        "floor": row.floor,
        "door": row.door,
        "persons": row.persons,
        "flags": row.flags,
        "key_with": row.key_with,
        "note": row.note,
        "consent": row.consent,
        "reviewed_at": instant(row.reviewed_at),
        "erased_after": instant(row.reviewed_at + keep),
    }


def flags_json() -> list[dict[str, str]]:
    """What may be flagged, in words."""
    words: Mapping[Flag, tuple[str, str]] = WORDS
    return [{"code": flag.value, "text_zh": zh, "text_en": en} for flag, (zh, en) in words.items()]
