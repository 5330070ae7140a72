"""值班日志: printed from the timelines, so that nothing is typed twice; notes; a signature; then appendices only.

A signed log holds no copy of what the lines say but their places and hashes: what was personal can be forgotten on a
timeline later, the log still verifies, and prints what is left.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.audit.chain import GENESIS, canonical
from cloud.audit.model import AuditLine
from cloud.feed import service as feed
from cloud.handover import words
from cloud.handover.model import DutyLog, DutyLogNote
from cloud.handover.service import LOOK_BACK, POSTS, desk_of
from cloud.incidents.model import Incident, TimelineEntry
from cloud.incidents.timeline import forgotten
from cloud.incidents.views import instant
from cloud.people import service as people
from cloud.people.access import Person, within
from cloud.people.model import Account, Area, Shift
from cloud.people.service import new_id
from cloud.problems import Problem, conflict, invalid
from cloud.rotas.service import may_keep

LONGEST = timedelta(hours=48)
MOST_LINES = 20_000
_AUDITED = ("mode_%", "handover_%")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log."""

    at: datetime
    occurred_at: datetime | None
    source: str  # incident, area, note, appendix
    number: str
    place: str
    kind: str
    who: str
    text: str
    ref: tuple[str, int, str]  # what it was printed from: where, which, its hash

    def json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "at": instant(self.at),
            "occurred_at": instant(self.occurred_at),
            "source": self.source,
            "number": self.number,
            "place": self.place,
            "kind": self.kind,
            "kind_zh": words.word(self.kind),
            "who": self.who,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Printed:
    """A log as it is now."""

    log: DutyLog
    area: str
    on: Sequence[Mapping[str, Any]]
    lines: Sequence[Line]
    counts: Mapping[str, int]
    notes: Sequence[DutyLogNote]
    intact: bool | None  # of a signed one: whether everything is as it was signed


# ---------------------------------------------------------------- opening


async def begin(
    session: AsyncSession,
    person: Person,
    *,
    area_path: str | None,
    since: datetime | None,
    until: datetime | None,
    now: datetime,
) -> DutyLog:
    """The log of a shift: one's own present (or last) one, or a span that is given. The same shift has one log.

    Raises:
        Problem: 422 for a span that cannot be, 403 for an area out of sight.
    """
    await feed.hold(session)
    area = area_path or (await desk_of(session, person, now)).area
    if await session.get(Area, area) is None or not within(person.area_path, area):
        raise Problem(403, "outside-area", "This area is not one that you are responsible for.")
    if since is None:
        since, until = await _shift(session, person, area, now)
    if until is None or not since < until <= since + LONGEST:
        raise invalid("to", f"is not within {LONGEST.total_seconds() / 3600:.0f} hours after from", "choose a span")
    if since > now:
        raise invalid("from", "is in the future", "a log is of what has happened")
    query = select(DutyLog).where(DutyLog.area_path == area, DutyLog.since == since)
    if (standing := (await session.scalars(query)).first()) is not None:
        return standing
    row = DutyLog(
        id=new_id("dlg"), area_path=area, since=since, until=until, created_at=now,
        created_by={"id": person.id, "name": person.name}, signed_at=None, signed_by=None, content=None, digest=None,
    )  # fmt: skip
    session.add(row)
    await session.flush()
    return row


async def _shift(session: AsyncSession, person: Person, area: str, now: datetime) -> tuple[datetime, datetime]:
    query = (
        select(Shift)
        .where(Shift.area_path == area, Shift.post.in_(POSTS), Shift.starts_at <= now, Shift.ends_at > now - LOOK_BACK)
        .order_by((Shift.person_id == person.id).desc(), Shift.starts_at.desc())
        .limit(1)
    )
    row = (await session.scalars(query)).first()
    if row is None:
        raise invalid("from", "no shift is known here", "give from and to")
    return max(row.starts_at, row.ends_at - LONGEST), row.ends_at


# ---------------------------------------------------------------- printing


async def printed(session: AsyncSession, row: DutyLog, now: datetime) -> Printed:
    """The log with every line. A signed one prints the lines that it was signed over, and says whether they stand."""
    area = await session.get_one(Area, row.area_path)
    notes = list(
        await session.scalars(select(DutyLogNote).where(DutyLogNote.log_id == row.id).order_by(DutyLogNote.seq))
    )
    if row.content is None:
        lines = await _lines(session, row.area_path, row.since, min(row.until, now))
        return Printed(row, area.name, await _on(session, row), lines, _counts(lines), notes, None)
    lines = await _of_refs(session, row.content)
    own = [note for note in notes if not note.appendix]
    held = {tuple(ref) for ref in row.content["lines"]}
    intact = (
        row.digest == digest(row.content)
        and {line.ref for line in lines} == held
        and row.content["notes"] == [note.hash for note in own]
        and _chain_holds(notes)
    )
    return Printed(row, area.name, row.content["on"], lines, _counts(lines), notes, intact)


async def _on(session: AsyncSession, row: DutyLog) -> list[dict[str, Any]]:
    """Who was on duty at the desks of the area, from when to when."""
    query = (
        select(Shift, Account.name)
        .join(Account, Account.id == Shift.person_id)
        .where(Shift.area_path == row.area_path, Shift.starts_at < row.until, Shift.ends_at > row.since)
        .order_by(Shift.post, Shift.starts_at, Shift.id)
    )
    return [
        {
            "post": shift.post,
            "person_id": shift.person_id,
            "name": name,
            "from": instant(max(shift.starts_at, row.since)),
            "to": instant(min(shift.ends_at, row.until)),
            "why": shift.why,
        }
        for shift, name in await session.execute(query)
    ]


def _counts(lines: Sequence[Line]) -> Mapping[str, int]:
    kinds = Counter(line.kind for line in lines)
    return {
        "opened": kinds["opened"],
        "closed": kinds["closed"],
        "escalated": kinds["escalated"],
        "incidents": len({line.number for line in lines if line.number}),
        "lines": len(lines),
    }


async def _lines(session: AsyncSession, area: str, since: datetime, until: datetime) -> list[Line]:
    inside = or_(Incident.grid_path == area, Incident.grid_path.startswith(area + "/", autoescape=True))
    query = (
        select(TimelineEntry, Incident)
        .join(Incident, Incident.id == TimelineEntry.incident_id)
        .where(inside, TimelineEntry.exercise.is_(None), TimelineEntry.at >= since, TimelineEntry.at < until)
        .order_by(TimelineEntry.at, TimelineEntry.incident_id, TimelineEntry.seq)
        .limit(MOST_LINES + 1)
    )
    found = [_of_entry(entry, incident) for entry, incident in await session.execute(query)]
    if len(found) > MOST_LINES:
        raise conflict("too-long", f"This span has more than {MOST_LINES} lines: make logs of shorter spans.")
    audited = (
        select(AuditLine)
        .where(AuditLine.at >= since, AuditLine.at < until, or_(*(AuditLine.kind.like(kind) for kind in _AUDITED)))
        .order_by(AuditLine.seq)
    )
    names = await _names(session)
    found += [_of_audit(line, names) for line in await session.scalars(audited) if _concerns(line, area)]
    return sorted(found, key=lambda line: (line.at, line.ref[0], line.ref[1]))


def _concerns(line: AuditLine, area: str) -> bool:
    of = str(line.body.get("area", ""))
    return bool(of) and (within(area, of) or (line.kind.startswith("mode_") and within(of, area)))


def _of_entry(entry: TimelineEntry, incident: Incident) -> Line:
    gone = frozenset(forgotten(entry.sealed))
    who = words.ERASED if "actor.name" in gone else str(entry.actor.get("name", ""))
    return Line(
        entry.at,
        entry.occurred_at,
        "incident",
        incident.number,
        str(incident.place.get("text", "")),
        entry.kind,
        who,
        words.told(entry.kind, entry.params, gone),
        (entry.incident_id, entry.seq, entry.hash),
    )


def _of_audit(line: AuditLine, names: Mapping[str, str]) -> Line:
    body = {key: value for key, value in line.body.items() if key in ("reason", "kind")}
    text = "；".join(str(value) for value in body.values() if value)
    if line.kind.startswith("handover_"):
        pair = (names.get(str(line.body.get(key)), "") for key in ("from", "to"))
        text = " → ".join(part for part in pair if part) + (
            f"；{line.body['reason']}" if line.body.get("reason") else ""
        )
    who = names.get(line.actor, "系统")
    return Line(line.at, None, "area", "", "", line.kind, who, text, ("audit", line.seq, line.hash))


async def _names(session: AsyncSession) -> Mapping[str, str]:
    return {one.id: one.name for one in await people.people(session)}


async def _of_refs(session: AsyncSession, content: Mapping[str, Any]) -> list[Line]:
    """The lines that a signed log holds, as they are now; one that is gone is not among them."""
    refs = [tuple(ref) for ref in content["lines"]]
    keys = [(ref[0], ref[1]) for ref in refs if ref[0] != "audit"]
    found: list[Line] = []
    for first in range(0, len(keys), 300):
        part = keys[first : first + 300]
        query = (
            select(TimelineEntry, Incident)
            .join(Incident, Incident.id == TimelineEntry.incident_id)
            .where(tuple_(TimelineEntry.incident_id, TimelineEntry.seq).in_(part))
        )
        found += [_of_entry(entry, incident) for entry, incident in await session.execute(query)]
    seqs = [ref[1] for ref in refs if ref[0] == "audit"]
    names = await _names(session)
    for first in range(0, len(seqs), 300):
        query_ = select(AuditLine).where(AuditLine.seq.in_(seqs[first : first + 300]))
        found += [_of_audit(line, names) for line in await session.scalars(query_)]
    return sorted(found, key=lambda line: (line.at, line.ref[0], line.ref[1]))


# ---------------------------------------------------------------- notes, signature, appendices


async def add_note(
    session: AsyncSession, row: DutyLog, person: Person, *, text: str, at: datetime | None, now: datetime
) -> DutyLogNote:
    """A note while the log is open, an appendix once it is signed; neither is ever changed."""
    await feed.hold(session)
    await session.refresh(row)
    query = select(DutyLogNote).where(DutyLogNote.log_id == row.id).order_by(DutyLogNote.seq.desc()).limit(1)
    last = (await session.scalars(query)).first()
    note = DutyLogNote(
        log_id=row.id,
        seq=last.seq + 1 if last else 1,
        at=now,
        occurred_at=at,
        by={"id": person.id, "name": person.name},
        text=text,
        appendix=row.signed_at is not None,
        prev_hash=last.hash if last else GENESIS,
        hash="",
    )
    note.hash = _note_hash(note)
    session.add(note)
    await session.flush()
    if note.appendix:
        body = {"area": row.area_path, "seq": note.seq, "hash": note.hash}
        await audit.append(session, kind="duty_log_appendix", now=now, subject=row.id, actor=person.id, body=body)
    return note


def _note_hash(note: DutyLogNote) -> str:
    content = {
        "log": note.log_id,
        "seq": note.seq,
        "at": note.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "occurred_at": note.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
        if note.occurred_at
        else None,
        "by": note.by,
        "text": note.text,
        "appendix": note.appendix,
        "prev": note.prev_hash,
    }
    return hashlib.sha256(canonical(content)).hexdigest()


def _chain_holds(notes: Sequence[DutyLogNote]) -> bool:
    before = GENESIS
    for number, note in enumerate(notes, 1):
        if note.seq != number or note.prev_hash != before or note.hash != _note_hash(note):
            return False
        before = note.hash
    return True


async def sign(session: AsyncSession, row: DutyLog, person: Person, now: datetime) -> bool:
    """签字: the log is what it is from now on. Before the end of the shift it closes the span at this moment.

    By who stood at the desk in its span, or one who keeps the rotas there. False when it is signed already.

    Raises:
        Problem: 403 for others.
    """
    await feed.hold(session)
    await session.refresh(row)
    if row.signed_at is not None:
        return False
    on = await _on(session, row)
    if person.id not in {one["person_id"] for one in on} and not may_keep(person, row.area_path, "duty_officer"):
        raise Problem(403, "not-yours", "It is signed by who was on duty in this span.")
    row.until = min(row.until, now)
    lines = await _lines(session, row.area_path, row.since, row.until)
    query = select(DutyLogNote).where(DutyLogNote.log_id == row.id).order_by(DutyLogNote.seq)
    notes = list(await session.scalars(query))
    row.content = {
        "area": row.area_path,
        "from": instant(row.since),
        "to": instant(row.until),
        "on": await _on(session, row),
        "lines": [list(line.ref) for line in lines],
        "notes": [note.hash for note in notes],
    }
    row.digest = digest(row.content)
    row.signed_at, row.signed_by = now, {"id": person.id, "name": person.name}
    await session.flush()
    body = {"area": row.area_path, "digest": row.digest, "lines": len(lines)}
    await audit.append(session, kind="duty_log_signed", now=now, subject=row.id, actor=person.id, body=body)
    return True


def digest(content: Mapping[str, Any]) -> str:
    """What stands in the audit chain of a signed log."""
    return hashlib.sha256(canonical(content)).hexdigest()


def log_json(row: DutyLog) -> dict[str, Any]:
    """A log in a list."""
    return {
        "id": row.id,
        "area_path": row.area_path,
        "from": instant(row.since),
        "to": instant(row.until),
        "created_at": instant(row.created_at),
        "created_by": row.created_by,
        "signed_at": instant(row.signed_at),
        "signed_by": row.signed_by,
        "digest": row.digest,
    }


def note_json(note: DutyLogNote) -> dict[str, Any]:
    """A note or appendix."""
    return {
        "seq": note.seq,
        "at": instant(note.at),
        "occurred_at": instant(note.occurred_at),
        "by": note.by,
        "text": note.text,
        "appendix": note.appendix,
    }


def printed_json(found: Printed) -> dict[str, Any]:
    """A whole log."""
    return log_json(found.log) | {
        "area": found.area,
        "on": list(found.on),
        "counts": dict(found.counts),
        "lines": [line.json() for line in found.lines],
        "notes": [note_json(note) for note in found.notes],
        "intact": found.intact,
    }
