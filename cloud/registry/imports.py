"""Verdicts on a table of devices, and its application: all rows or none."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.problems import Problem, ProblemError
from cloud.registry import addresses, checks, import_table, layers, service
from cloud.registry.model import Device, Edge, Site, TimelineRow, Zone
from wire.time import REAL

Verdict = Literal["new", "changed", "same", "error"]
_COLUMN_OF = {"site_id": "site", "zone_id": "zone", "edge_id": "edge"}


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
    id: str
    errors: list[CellFault] = []


class Credential(BaseModel):
    """A device's MQTT password; shown this once."""

    id: str
    password: str


class ImportResult(BaseModel):
    """A verdict per row; nothing was applied if any row is wrong."""

    rows: list[RowVerdict]
    counts: dict[str, int]
    applied: bool
    credentials: list[Credential] = []


class Judged(NamedTuple):
    """A table and what would become of it."""

    result: ImportResult
    new: list[service.NewDevice]
    changed: list[service.NewDevice]


async def judge(session: AsyncSession, data: bytes, *, in_scope: Callable[[Site], bool]) -> Judged:
    """Judge every row; nothing is written, so no lock is held, however long the table.

    Raises:
        Problem: 422 when the file as a whole cannot be read.
    """
    table = import_table.read(data)
    if table.faults:
        raise Problem(422, "unreadable-table", "The table cannot be read.", errors=table.faults)
    # held here, because a session forgets rows that nobody holds and would ask for them again at every line
    known = [list(await session.scalars(select(kind))) for kind in (Zone, Site, Edge, TimelineRow)]
    standing = await service.standing(session, [row.fields["id"] for row in table.rows if row.fields.get("id")])
    among = await service.addressed(session)
    book = await layers.book(session)
    rows_of: dict[tuple[str, str], int] = {}
    verdicts: list[RowVerdict] = []
    todo: dict[Verdict, list[service.NewDevice]] = {"new": [], "changed": []}
    for row in table.rows:
        verdict, device, faults = await _judge(session, row, standing, in_scope, among, book)
        if device is not None and device.address is not None:
            before = rows_of.setdefault((device.edge_id, device.address), row.number)
            if before != row.number:
                verdict, faults = "error", [_double(device.address, before)]
        errors = [CellFault(column=_COLUMN_OF.get(f.where, f.where), **f.model_dump(exclude={"where"})) for f in faults]
        verdicts.append(RowVerdict(row=row.number, verdict=verdict, id=row.fields.get("id", ""), errors=errors))
        if device is not None and verdict in todo:
            todo[verdict].append(device)
    del known
    counts = Counter(one.verdict for one in verdicts)
    counted = {name: counts.get(name, 0) for name in ("new", "changed", "same", "error")}
    return Judged(ImportResult(rows=verdicts, counts=counted, applied=False), todo["new"], todo["changed"])


async def apply(session: AsyncSession, judged: Judged, *, now: datetime) -> ImportResult:
    """Apply a table without a fault in the caller's transaction: all rows or none.

    Raises:
        Problem: 409 when the registry changed under it; run the table again.
    """
    registered = await service.register_all(session, judged.new, now=now)
    for device in judged.changed:
        await service.change(session, device, now=now)
    credentials = [Credential(id=device.id, password=secret) for device, secret in registered]
    return judged.result.model_copy(update={"applied": True, "credentials": credentials})


async def _judge(
    session: AsyncSession,
    row: import_table.Row,
    known: Mapping[str, Device],
    in_scope: Callable[[Site], bool],
    among: service.Addressed,
    book: layers.Book,
) -> tuple[Verdict, service.NewDevice | None, list[ProblemError]]:
    if row.faults:
        return "error", None, list(row.faults)
    standing = known.get(row.fields["id"])
    profile = checks.profile_of(row.fields["profile"])
    address = standing.address if standing else None  # a table without the column leaves it as it is
    if "address" in row.fields:
        address = addresses.in_form(row.fields["address"])
    device = service.NewDevice(
        id=row.fields["id"],
        name=row.fields["name"],
        site_id=row.fields["site"],
        zone_id=row.fields["zone"],
        profile=profile.name if profile else row.fields["profile"],
        edge_id=row.fields["edge"],
        address=address,
        parameters=row.parameters,
        rules=standing.rules if standing else {},
        quality=(standing.quality or {}) if standing else {},
        timeline=row.fields.get("timeline") or (standing.timeline if standing else REAL),
        enabled=row.enabled,
    )
    faults = await service.faults_of(session, device, among=among, book=book)
    for site_id in {device.site_id, standing.site_id if standing else device.site_id}:
        site = await session.get(Site, site_id)
        if site is not None and not in_scope(site):
            what = f"site '{site_id}' is not yours to change"
            faults.append(ProblemError(where="site_id", what=what, code="other_site", params={"value": site_id}))
    if standing and standing.timeline != device.timeline:
        what, fix = "a device stays on its timeline", "register another one"
        faults.append(ProblemError(where="timeline", what=what, fix=fix, code="other_timeline"))
    if faults:
        return "error", None, faults
    if standing is None:
        return "new", device, []
    told = {*device.__struct_fields__} - {"quality"}  # of that a table does not speak
    same = all(getattr(standing, key) == getattr(device, key) for key in told)
    return ("same" if same else "changed"), device, []


def _double(address: str, row: int) -> ProblemError:
    what, fix = f"'{address}' stands in row {row} already", "keep one of them"
    return ProblemError(where="address", what=what, fix=fix, code="double", params={"value": address, "row": row})
