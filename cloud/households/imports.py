"""Verdicts on a table of household cards, and its application: all rows or none."""

from collections import Counter
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.households import cards, import_table
from cloud.households.model import Household
from cloud.people.access import Person
from cloud.problems import Problem
from cloud.registry.model import Building, Site, Zone

Verdict = Literal["new", "changed", "same", "error"]


class CellFault(BaseModel):
    """What is wrong in one cell."""

    column: str
    what: str
    fix: str = ""
    code: str = ""
    params: dict[str, str | int | float] = {}


class RowVerdict(BaseModel):
    """What would become, or became, of one row."""

    row: int = Field(description="Line number in the table; the first line is 1")
    verdict: Verdict
    door: str
    errors: list[CellFault] = []


class ImportResult(BaseModel):
    """A verdict per row; nothing was applied if any row is wrong."""

    rows: list[RowVerdict]
    counts: dict[str, int]
    applied: bool


class Judged(NamedTuple):
    """A table and what would become of it."""

    result: ImportResult
    todo: list[cards.Card]
    same: list[str]  # ids of cards that the table says again: it reviews them


async def judge(session: AsyncSession, site: Site, data: bytes) -> Judged:
    """Judge every row against a site; nothing is written.

    Raises:
        Problem: 422 when the file as a whole cannot be read.
    """
    table = import_table.read(data)
    if table.faults:
        raise Problem(422, "unreadable-table", "The table cannot be read.", errors=list(table.faults))
    buildings = {
        name: row
        for row in await session.scalars(select(Building).where(Building.site_id == site.id))
        for name in (row.id, row.name)
    }
    sections = {
        (zone.building_id, zone.section) for zone in await session.scalars(select(Zone).where(Zone.site_id == site.id))
    }
    known = {
        (row.building_id, row.section, row.door): row
        for row in await session.scalars(select(Household).where(Household.site_id == site.id))
    }
    verdicts: list[RowVerdict] = []
    todo: list[cards.Card] = []
    same: list[str] = []
    for row in table.rows:
        faults = list(row.faults)
        building = buildings.get(row.building)
        if building is None and row.building:
            names = "、".join(sorted({one.name for one in buildings.values()})) or "none"
            what = f"'{row.building[:40]}' is no building of {site.name}"
            faults.append(import_table.fault("building", "no_building", what, f"one of: {names}"))
        section = _section(building, row.stairwell, sections) if building else None
        if building is not None and section is None:
            what, fix = f"'{row.stairwell[:40]}' is no stairwell of {building.name}", "1, 2, …, as its zones say"
            faults.append(import_table.fault("stairwell", "no_stairwell", what, fix))
        errors = [CellFault(column=one.where, **one.model_dump(exclude={"where"})) for one in faults]
        door = " ".join(filter(None, (row.building, row.stairwell, row.door)))
        if errors or building is None or section is None:
            verdicts.append(RowVerdict(row=row.number, verdict="error", door=door, errors=errors))
            continue
        card = cards.Card(building.id, section, row.floor, row.door, row.persons, [str(flag) for flag in row.flags],
                          row.key_with, row.note, row.consent)  # fmt: skip
        standing = known.get((card.building_id, card.section, card.door))
        verdict: Verdict = "new" if standing is None else "same" if _says_the_same(standing, card) else "changed"
        verdicts.append(RowVerdict(row=row.number, verdict=verdict, door=door))
        if standing is not None and verdict == "same":
            same.append(standing.id)
        else:
            todo.append(card)
    counts = Counter(one.verdict for one in verdicts)
    counted = {name: counts.get(name, 0) for name in ("new", "changed", "same", "error")}
    return Judged(ImportResult(rows=verdicts, counts=counted, applied=False), todo, same)


def _section(building: Building, stairwell: str, sections: set[tuple[str | None, str | None]]) -> str | None:
    """The stairwell as zones name it: its own name, or a number after the building's."""
    if not stairwell:
        return ""
    number = stairwell.removesuffix("单元")
    for name in (stairwell, f"{building.id}-s{number}"):
        if (building.id, name) in sections:
            return name
    return None


def _says_the_same(row: Household, card: cards.Card) -> bool:
    names = ("floor", "persons", "key_with", "note", "consent")
    return list(row.flags) == list(card.flags) and all(getattr(row, name) == getattr(card, name) for name in names)


async def apply(session: AsyncSession, site: Site, judged: Judged, person: Person, now: datetime) -> ImportResult:
    """Apply a table without a fault in the caller's transaction."""
    for card in judged.todo:
        await cards.put(session, site, card, person, now)
    for household_id in judged.same:
        await cards.review(session, household_id, person, now)
    return judged.result.model_copy(update={"applied": True})
