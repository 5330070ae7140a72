"""Whom to call for a place: kept in revisions, sealed, found from the flat up to the grid."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.calls.chain import masked_name, masked_number
from cloud.calls.model import ContactFault, ContactList
from cloud.feed import service as feed
from cloud.incidents.model import Incident
from cloud.notify.by_apprise import fits
from cloud.notify.vault import Vault
from cloud.people.access import Person, may_see
from cloud.people.model import Area
from cloud.people.service import chain as chain_of_areas
from cloud.people.service import new_id
from cloud.problems import Problem, invalid, not_found
from cloud.registry.model import Building, Site, Zone

Scope = Literal["household", "zone", "building", "site", "grid"]
MOST = 30
"""Contacts of one place: a chain of 30 takes ten minutes."""


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody to call."""

    id: str
    name: str
    role: str  # 户主, 紧急联系人, 楼组长, 中控室 …
    number: str
    person_id: str | None = None  # their account, if they have one: only such are called in a drill
    note: str = ""

    def masked(self) -> dict[str, Any]:
        """As those see it who do not respond."""
        return {
            "id": self.id,
            "name": masked_name(self.name),
            "role": self.role,
            "number": masked_number(self.number),
            "person_id": self.person_id,
            "masked": True,
        }

    def open(self) -> dict[str, Any]:
        """As those see it who respond."""
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role,
            "number": self.number,
            "tel": f"tel:{self.number}",
            "person_id": self.person_id,
            "note": self.note,
            "masked": False,
        }


def sealed(vault: Vault, contacts: Sequence[Contact]) -> str:
    """Encrypted."""
    return vault.seal(json.dumps(msgspec.to_builtins(list(contacts)), ensure_ascii=False))


def unsealed(vault: Vault, text: str) -> list[Contact]:
    """Opened."""
    return msgspec.json.decode(vault.open(text), type=list[Contact])


async def where(session: AsyncSession, person: Person, scope: Scope, place_id: str) -> tuple[str, str | None]:
    """Grid path and site of a place that a person sees.

    Raises:
        Problem: 404.
    """
    grid: str | None = None
    site_id: str | None = None
    if scope == "grid":
        area = await session.get(Area, place_id)
        grid = area.path if area else None
    else:
        if scope == "site":
            site_id = place_id
        elif scope == "building":
            building = await session.get(Building, place_id)
            site_id = building.site_id if building else None
        else:
            zone = await session.get(Zone, place_id)
            site_id = zone.site_id if zone else None
        site = await session.get(Site, site_id) if site_id else None
        grid = site.grid_path if site else None
    if grid is None or not may_see(person, grid, None, site=site_id):
        raise not_found(scope, place_id)
    return grid, site_id


async def newest(session: AsyncSession, scope: str, place_id: str) -> ContactList | None:
    """The list that holds."""
    query = select(ContactList).where(ContactList.scope == scope, ContactList.place_id == place_id)
    return (await session.scalars(query.order_by(ContactList.revision.desc()).limit(1))).first()


async def history(session: AsyncSession, scope: str, place_id: str) -> list[ContactList]:
    """Every revision, the newest first."""
    query = select(ContactList).where(ContactList.scope == scope, ContactList.place_id == place_id)
    return list(await session.scalars(query.order_by(ContactList.revision.desc())))


async def put(
    session: AsyncSession,
    vault: Vault,
    person: Person,
    scope: Scope,
    place_id: str,
    given: Sequence[dict[str, Any]],
    *,
    expected: int,
    why: str,
    now: datetime,
) -> ContactList:
    """The list of a place, whole; a contact whose number is left out keeps the one it had.

    Raises:
        Problem: 404, 412 when somebody was faster, 422.
    """
    await feed.hold(session)
    grid, site_id = await where(session, person, scope, place_id)
    before = await newest(session, scope, place_id)
    revision = before.revision if before else 0
    if revision != expected:
        what = f"the contacts of '{place_id}' are at revision {revision}, not {expected}: look again."
        raise Problem(412, "changed-meanwhile", what, headers={"ETag": f'"{revision}"'})
    standing = {one.id: one for one in unsealed(vault, before.sealed)} if before else {}
    contacts = [_contact(index, one, standing) for index, one in enumerate(given)]
    if len({one.number for one in contacts}) != len(contacts):
        raise invalid("contacts", "name one number twice", "leave one of them out")
    row = ContactList(
        id=new_id("ctl"),
        scope=scope,
        place_id=place_id,
        revision=revision + 1,
        grid_path=grid,
        site_id=site_id,
        sealed=sealed(vault, contacts),
        count=len(contacts),
        at=now,
        by=person.id,
        by_name=person.name,
        why=why,
    )
    session.add(row)
    await _faults_end(session, row, contacts, standing, now)
    key = f"contacts:{scope}:{place_id}"
    body = {"revision": row.revision, "count": row.count, "why": why}
    await audit.append(session, kind="contacts_changed", now=now, subject=key, actor=person.id, body=body)
    await session.flush()
    return row


def _contact(index: int, given: dict[str, Any], standing: dict[str, Contact]) -> Contact:
    known = standing.get(str(given.get("id") or ""))
    number = given.get("number") or (known.number if known else None)
    if number is None:
        raise invalid(f"contacts.{index}.number", "is missing", "give the number")
    number = str(number).replace(" ", "").replace("-", "")
    if not fits("voice", number):
        raise invalid(f"contacts.{index}.number", "is no telephone number", "digits, with + before a country code")
    return Contact(
        id=known.id if known else new_id("ctc"),
        name=given["name"],
        role=given["role"],
        number=number,
        person_id=given.get("person_id"),
        note=given.get("note") or "",
    )


async def _faults_end(
    session: AsyncSession, row: ContactList, contacts: Sequence[Contact], before: dict[str, Contact], now: datetime
) -> None:
    """A number that was changed, or a contact that was taken out, is put right."""
    numbers = {one.id: one.number for one in contacts}
    query = select(ContactFault).where(
        ContactFault.scope == row.scope, ContactFault.place_id == row.place_id, ContactFault.ended_at.is_(None)
    )
    for fault in await session.scalars(query):
        old = before.get(fault.contact_id)
        if old is None or numbers.get(fault.contact_id) != old.number:
            fault.ended_at, fault.ended_by, fault.end = now, row.by, "changed"


class Found(msgspec.Struct, frozen=True):
    """A contact and the list that it stands in."""

    contact: Contact
    scope: str
    place_id: str


async def for_incident(session: AsyncSession, vault: Vault, incident: Incident) -> list[Found]:
    """Whom to call, in order: the flat's own people, then those of the part, building, site, grid and above.

    A number that stands in several lists is called once, at its first place.
    """
    place = incident.place
    steps: list[tuple[str, str]] = []
    if zone := place.get("zone_id"):
        steps += [("household", zone), ("zone", zone)]
    if incident.building_id:
        steps.append(("building", incident.building_id))
    if incident.site_id:
        steps.append(("site", incident.site_id))
    steps += [("grid", path) for path in chain_of_areas(incident.grid_path)]
    found: list[Found] = []
    numbers: set[str] = set()
    for scope, place_id in steps:
        row = await newest(session, scope, place_id)
        for contact in unsealed(vault, row.sealed) if row else []:
            if contact.number not in numbers:
                numbers.add(contact.number)
                found.append(Found(contact, scope, place_id))
    return found[:MOST]
