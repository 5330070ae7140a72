"""One transaction's work on incidents: what it touched, what it wrote on timelines, and what it tells the feed.

Every change of an incident goes through a `Docket`, so that timeline, hash chain, levels and feed never fall apart:
services change rows and write entries; `finish` settles each touched incident once and appends to the feed.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import chain
from cloud.audit import service as audit
from cloud.feed import service as feed
from cloud.feed.model import FeedEntry
from cloud.feed.service import Audience
from cloud.incidents import timeline, views
from cloud.incidents.alarms import incident_level
from cloud.incidents.folding import Spot
from cloud.incidents.headline import headline
from cloud.incidents.levels import Cap, capped
from cloud.incidents.model import Incident, IncidentAlarm, IncidentCounter, TimelineEntry
from cloud.incidents.places import Placed
from cloud.incidents.states import HANDLED, State, move
from cloud.notify.service import SELF_TEST
from cloud.people.access import Person
from cloud.people.service import new_id
from cloud.problems import conflict
from cloud.services import Services
from wire.alert import Hazard
from wire.level import Level, worst
from wire.time import REAL

_LOCK = 0x5357_494E  # advisory lock of incidents: 'SWIN'
LOCAL = timezone(timedelta(hours=8))  # the day in an incident's number; China has no summer time


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it."""

    kind: Literal["person", "edge", "system", "rule"]
    id: str
    name: str

    def json(self) -> dict[str, Any]:
        """As timelines keep it."""
        return {"kind": self.kind, "id": self.id, "name": self.name}


SYSTEM = Actor("system", "shouwang", "系统")


def by(person: Person) -> Actor:
    """A person as the one who acts."""
    return Actor("person", person.id, person.name)


@dataclass(frozen=True, slots=True)
class Exercise:
    """The exercise that something comes of; no exercise = real."""

    id: str
    name: str


Happened = Literal["opened", "level_raised", "reopened", "acknowledged", "over", "calmed", "joined"]


@dataclass(frozen=True, slots=True)
class Change:
    """Something that dispatch must follow up in the same transaction."""

    incident: Incident
    what: Happened


@dataclass(slots=True)
class Docket:
    """See the module's docstring; made by `docket`."""

    session: AsyncSession
    now: datetime
    channels: tuple[str, ...] = ("feed", "log")  # ways out for messages
    changes: list[Change] = field(default_factory=list)
    unsettled: dict[str, Incident] = field(default_factory=dict)  # their alarms have changed
    alarms: dict[tuple[str, int], IncidentAlarm] = field(default_factory=dict)  # (alarm_id, episode): read or made
    open_by_key: dict[str, list[Incident]] = field(default_factory=dict)  # fold keys asked for in this transaction
    opened: list[Incident] = field(default_factory=list)  # in this transaction, and not yet seen by families
    calls: dict[str, tuple[Incident, Level]] = field(default_factory=dict)  # its worst level that is fresh
    _touched: dict[str, Incident] = field(default_factory=dict)
    _entries: list[TimelineEntry] = field(default_factory=list)
    _later: list[dict[str, Any]] = field(default_factory=list)

    def touch(self, incident: Incident) -> None:
        """Settle and tell this incident when the docket is finished."""
        incident.updated_at = self.now
        self._touched[incident.id] = incident

    def touched(self) -> list[Incident]:
        """What this transaction has changed so far."""
        return list(self._touched.values())

    async def open(
        self,
        *,
        hazard: Hazard,
        level: Level,
        fold_key: str,
        placed: Placed,
        origin: str,
        actor: Actor,
        exercise: Exercise | None,
        timeline_name: str = REAL,
        late: bool = False,
        occurred_at: datetime | None = None,
        said: dict[str, Any] | None = None,
        happened_at: datetime | None = None,
    ) -> Incident:
        """A new incident, with its number and its first line.

        `happened_at` is the real time that folding goes by, where it is not now.
        """
        day = self.now.astimezone(LOCAL)
        own = exercise is not None and exercise.id == SELF_TEST  # synthetic alerts leave no gap in people's numbers
        series = SELF_TEST if own else day.date().isoformat()
        counter = await self.session.get(IncidentCounter, series)
        if counter is None:
            counter = IncidentCounter(day=series, last=0)
            self.session.add(counter)
        counter.last += 1
        incident = Incident(
            id=new_id("inc"),
            number=f"T-{counter.last}" if own else f"{day:%m%d}-{counter.last:04d}",
            state=State.RAISED,
            hazard=hazard,
            fold_key=fold_key,
            level=level,
            highest_level=level,
            level_floor=None,
            headline=headline(hazard, [], by_hand=(said or {}).get("what")),
            place=placed.place,
            site_id=placed.spot.site,
            building_id=placed.spot.building,
            grid_path=placed.grid_path,
            origin=origin,
            opened_at=self.now,
            updated_at=self.now,
            acknowledged_at=None,
            acknowledged_by=None,
            owner=None,
            alert_count=0,
            late=late,
            clock_from=self.now,
            escalation_tier=0,
            exercise=exercise.id if exercise else None,
            exercise_name=exercise.name if exercise else None,
            timeline=timeline_name,
            assignments=[],
            deadline=None,
            outcome=None,
            cause=None,
            resolved_at=None,
            closed_at=None,
            happened_from=happened_at or self.now,
            happened_to=happened_at or self.now,
            position=0,
            entries=0,
            chain_head=timeline.GENESIS,
        )
        self.session.add(incident)
        if fold_key in self.open_by_key:
            self.open_by_key[fold_key].append(incident)
        params = {"hazard": hazard.value, "level": level.value, "place": placed.place["text"], "origin": origin}
        self.write(incident, "opened", actor, params | (said or {}), occurred_at=occurred_at)
        self.changes.append(Change(incident, "opened"))
        self.opened.append(incident)
        await self.session.flush()
        return incident

    async def read_alarms(self, keys: Collection[tuple[str, int]]) -> None:
        """Read the episodes that a batch is about in one question; `alarms` then holds those that exist."""
        query = select(IncidentAlarm).where(
            IncidentAlarm.alarm_id.in_({alarm for alarm, _ in keys}),
            IncidentAlarm.episode.in_({episode for _, episode in keys}),
        )
        self.alarms |= {(row.alarm_id, row.episode): row for row in await self.session.scalars(query)}

    async def handled(self, keys: Sequence[str]) -> list[tuple[str, Incident]]:
        """Incidents that are still being handled, with the fold key by which they were found.

        One that was merged stands for the one that has its alarms now.
        """
        unknown = [key for key in keys if key not in self.open_by_key]
        if unknown:
            self.open_by_key |= {key: [] for key in unknown}
            query = select(Incident).where(Incident.fold_key.in_(unknown), Incident.state.in_([*HANDLED, State.MERGED]))
            for incident in list(await self.session.scalars(query.order_by(Incident.opened_at, Incident.id))):
                heir = await self.heir(incident)
                if heir is incident or heir not in self.open_by_key[incident.fold_key]:
                    self.open_by_key[incident.fold_key].append(heir)
        return [(key, one) for key in keys for one in self.open_by_key[key] if State(one.state) in HANDLED]

    async def heir(self, incident: Incident) -> Incident:
        """Itself, or who has its alarms since people merged it; merges make no ring (`merging.py`)."""
        while incident.merged_into is not None:
            following = await self.session.get(Incident, incident.merged_into)
            assert following is not None  # incidents are never deleted
            incident = following
        return incident

    def write(
        self,
        incident: Incident,
        kind: str,
        actor: Actor,
        params: dict[str, Any] | None = None,
        *,
        occurred_at: datetime | None = None,
    ) -> None:
        """Append one line to an incident's timeline, chained to the line before."""
        incident.entries += 1
        entry = TimelineEntry(
            incident_id=incident.id,
            seq=incident.entries,
            kind=kind,
            at=self.now,
            occurred_at=occurred_at,
            actor=actor.json(),
            params=params or {},
            exercise=incident.exercise,
            salt=chain.new_salt(),
            prev_hash=incident.chain_head,
            hash="",
        )
        entry.hash = timeline.entry_hash(entry, incident.chain_head)
        incident.chain_head = entry.hash
        self.session.add(entry)
        self._entries.append(entry)
        self.touch(incident)

    def advance(self, incident: Incident, wanted: State, *, back: bool = False) -> bool:
        """Move an incident to a state; False when it stands there already. `back`: open again what is over.

        Raises:
            Problem: 409 for a move that the table of states does not have.
        """
        judged = move(State(incident.state), wanted, back=back)
        if not judged.allowed:
            raise conflict("wrong-state", f"Incident {incident.number}: {judged.reason}.")
        if judged.changes:
            incident.state = wanted
            if wanted is not State.PENDING:
                incident.pending = incident.pending_until = None
            self.touch(incident)
        return judged.changes

    def say(self, *, kind: str, key: str, value: dict[str, Any], incident: Incident, persons: tuple[str, ...]) -> None:
        """Something else for the feed (an assignment), in the sight of an incident and of these people."""
        self._later.append(
            {
                "kind": kind,
                "key": key,
                "value": value,
                "grid_path": incident.grid_path,
                "site": incident.site_id,
                "exercise": incident.exercise,
                "audience": Audience(persons=persons),
            }
        )

    def call(self, incident: Incident, level: Level) -> None:
        """Note that a fresh alarm calls at this level. People are asked by the worst call, however brief it was."""
        before = self.calls.get(incident.id)
        if before is None or level.rank > before[1].rank:
            self.calls[incident.id] = incident, level
        self.unsettled[incident.id] = incident

    async def settle_all(self) -> None:
        """Settle every incident whose alarms have changed, then the families of what was touched."""
        from cloud.incidents import families  # it stands on this module

        await self.session.flush()
        while self.unsettled:
            changed, self.unsettled = self.unsettled, {}
            alarms = await views.alarms_of(self.session, list(changed))
            for incident in changed.values():
                self.settle(incident, alarms[incident.id])
        await families.keep(self)

    def settle(self, incident: Incident, rows: Sequence[IncidentAlarm]) -> None:
        """Level and headline from the alarms; a rise is written down and followed up.

        While nobody has acknowledged an incident it keeps the worst level at which it called: an alarm that falls to a
        milder level, even before anybody could be told, calms nobody. One that was acknowledged before keeps it for
        this transaction, so that people are asked by it.
        """
        if incident.children:
            return  # its level is its children's: families.py
        called = self._called(incident)
        alarms = [views.view_of(row) for row in rows]
        before, stood = Level(incident.highest_level), Level(incident.level)
        hazard = Hazard(incident.hazard)
        floor = Level(incident.level_floor) if incident.level_floor else None
        cap = Cap.read(incident.level_cap)
        if alarms:
            standing = incident_level(alarms, smoke=hazard is Hazard.SMOKE)
            line = headline(hazard, alarms)
            incident.headline = (
                line
                if hazard is not Hazard.GATEWAY
                else incident.headline | {"params": incident.headline["params"] | line["params"]}
            )
            said = worst([standing.level, *([called] if called else [])]) or standing.level
            judged = capped(said, floor, cap, calling=sum(alarm.muted is None for alarm in alarms))
            reason = standing.reason if judged.reason == "alarms" else judged.reason
            highest = max(standing.highest, judged.level, key=lambda level: level.rank)
        else:
            judged = capped(Level.IV if cap else stood, floor, cap, calling=0)
            reason, highest = judged.reason, max(before, judged.level, key=lambda level: level.rank)
        if cap is not None and judged.cap is None:
            incident.level_cap = None  # what is worse than what was looked at is not covered by that look
        incident.level, incident.highest_level = judged.level, highest
        called_anew = incident.id in self.calls or (cap is not None and judged.cap is None)
        again = called_anew and judged.level.rank > stood.rank
        if highest.rank > before.rank or again:
            params = {"from": stood.value if again else before.value, "to": judged.level.value, "reason": reason}
            self.write(incident, "level_raised", SYSTEM, params)
            self.changes.append(Change(incident, "level_raised"))

    def _called(self, incident: Incident) -> Level | None:
        """The worst level that has called since somebody took the incident, or in this transaction."""
        kept = Level(incident.called_level) if incident.called_level else None
        _, now = self.calls.get(incident.id, (incident, None))
        called = worst([level for level in (kept, now) if level])
        if incident.acknowledged_at is None:
            incident.called_level = called
        return called

    async def finish(self) -> None:
        """Tell the feed: every line, then each touched incident once. The last thing before the commit."""
        self.unsettled |= {one.id: one for one, _ in self.calls.values() if one.acknowledged_at is not None}
        self.calls = {}  # everybody has been asked
        await self.settle_all()
        await self.session.flush()
        by_id = self._touched
        await self._anchor()
        for entry in self._entries:
            incident = by_id[entry.incident_id]
            await self._tell(incident, "timeline", views.entry_json(entry))
        for said in self._later:
            await feed.enter(self.session, **said)
        alarms = await views.alarms_of(self.session, list(by_id))
        told = [
            (incident, await self._tell(incident, "incident", views.incident_json(incident, alarms[incident.id])))
            for incident in by_id.values()
        ]
        await self.session.flush()  # all lines at once; they have their positions now
        for incident, line in told:
            incident.position = line.position
        self._touched, self._entries, self._later = {}, [], []

    async def _tell(self, incident: Incident, kind: str, value: dict[str, Any]) -> FeedEntry:
        return await feed.enter(
            self.session,
            kind=kind,
            key=incident.id,
            value=value,
            grid_path=incident.grid_path,
            site=incident.site_id,
            exercise=incident.exercise,
            audience=Audience(persons=assigned_persons(incident)),
        )

    async def _anchor(self) -> None:
        """Hold the heads of the timelines written on in the audit chain: one line a transaction."""
        written = {entry.incident_id: self._touched[entry.incident_id] for entry in self._entries}
        if not written:
            return
        heads = {one.id: [one.entries, one.chain_head] for one in written.values()}
        line = await audit.append(self.session, kind="incidents", now=self.now, body={"heads": heads})
        for incident in written.values():
            incident.anchor = line.seq


def exercise_of(incident: Incident) -> Exercise | None:
    """The exercise that an incident comes of."""
    return Exercise(incident.exercise, incident.exercise_name or "") if incident.exercise else None


def assigned_persons(incident: Incident) -> tuple[str, ...]:
    """Who sees the incident because they are (or were) on it."""
    return tuple(sorted({person for entry in incident.assignments for person in entry.get("persons", ())}))


def spot_of(incident: Incident) -> Spot:
    """The incident's place as folding sees it."""
    place = incident.place
    return Spot(place.get("site_id"), place.get("building_id"), place.get("section"), place.get("zone_id"))


async def lock(session: AsyncSession) -> None:
    """One writer of incidents at a time (SQLite has one writer anyway): folding must see every open incident."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


@asynccontextmanager
async def docket(services: Services) -> AsyncIterator[Docket]:
    """A transaction on incidents. The caller calls `finish` when all is done; leaving commits."""
    async with services.db.transaction() as session:
        await lock(session)
        webhook = ("webhook",) if services.settings.notify_webhook_url else ()
        yield Docket(session, services.now(), ("feed", "log", *webhook))
