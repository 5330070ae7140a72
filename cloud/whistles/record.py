"""Writing a whistle down: its own history, the timelines of its incidents, the feed, its timers, and messages."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch import roster
from cloud.dispatch.messages import tell
from cloud.incidents.docket import SYSTEM, Actor, Docket
from cloud.incidents.model import Incident
from cloud.incidents.states import OVER
from cloud.incidents.states import State as IncidentState
from cloud.people import service as people
from cloud.timers import service as timers
from cloud.whistles import clock, departments, views
from cloud.whistles.clock import Clock, State, Step
from cloud.whistles.model import Department, Whistle, WhistleCall, WhistleLine, WhistleReturn, WhistleTurn
from cloud.whistles.words import Text, line
from wire.level import Level


async def calls_of(session: AsyncSession, whistle: Whistle) -> list[WhistleCall]:
    """Those that stand."""
    query = select(WhistleCall).where(WhistleCall.whistle_id == whistle.id, WhistleCall.state == "called")
    return list(await session.scalars(query.order_by(WhistleCall.at, WhistleCall.id)))


async def incidents_of(docket: Docket, whistle: Whistle) -> list[Incident]:
    """Its incidents, those merged since by who has them now; the first caller's first."""
    found: dict[str, Incident] = {}
    for call in await calls_of(docket.session, whistle):
        incident = await docket.heir(await docket.session.get_one(Incident, call.incident_id))
        found[incident.id] = incident
    return list(found.values())


async def open_return(session: AsyncSession, whistle: Whistle) -> WhistleReturn | None:
    """The return that waits for an answer."""
    query = select(WhistleReturn).where(WhistleReturn.whistle_id == whistle.id, WhistleReturn.ended_at.is_(None))
    return (await session.scalars(query)).first()


async def turn_of(session: AsyncSession, whistle: Whistle) -> WhistleTurn:
    """The holder's."""
    return await session.get_one(WhistleTurn, whistle.turn_id)


async def note(
    docket: Docket,
    whistle: Whistle,
    code: str,
    actor: Actor,
    zh: Mapping[str, Any],
    en: Mapping[str, Any] | None = None,
    *,
    at: datetime | None = None,
    **params: Any,
) -> Text:
    """One line in the whistle's history and on the timeline of each of its incidents."""
    text = line(code, zh, en)
    said = {"whistle": whistle.id, "number": whistle.number, "code": code, "text": text[0], "text_en": text[1]}
    said |= {"cause": whistle.cause_text} | params
    for incident in await incidents_of(docket, whistle):
        docket.write(incident, "whistle", actor, said, occurred_at=at)
    last = await docket.session.scalar(select(func.max(WhistleLine.seq)).where(WhistleLine.whistle_id == whistle.id))
    docket.session.add(
        WhistleLine(
            whistle_id=whistle.id,
            seq=(last or 0) + 1,
            code=code,
            at=docket.now,
            occurred_at=at,
            actor=actor.json(),
            params={key: said[key] for key in said if key not in ("whistle", "code")},
        )
    )
    await docket.session.flush()
    return text


async def keep(docket: Docket, whistle: Whistle) -> None:
    """Start the clocks that must run and don't, stop the others; then tell the feed."""
    session = docket.session
    await session.flush()
    waiting = await open_return(session, whistle)
    must = clock.wanted(whistle.id, State(whistle.state), waiting.id if waiting else None)
    running = {Clock(Step(timer.kind), timer.key): timer for timer in await timers.of_subject(session, whistle.id)}
    for one in sorted(running.keys() - must):
        await timers.disarm(session, one.kind, one.key)
    turn = await turn_of(session, whistle)
    for one in sorted(must):
        since = waiting.at if one.kind is Step.RULE and waiting is not None else turn.step_from
        timer = running.get(one)
        rounds = int(timer.data.get("round", 0)) if timer and timer.data.get("since") == since.isoformat() else 0
        if one.kind is Step.RULE and timer is not None:
            continue  # it was said when the question goes up
        at = clock.due(one.kind, Level(whistle.level), since, rounds)
        if timer is None or at < timer.due_at or timer.data.get("since") != since.isoformat():
            await arm(docket, whistle, one, max(at, docket.now), since, rounds)
    await say(docket, whistle)


async def arm(docket: Docket, whistle: Whistle, one: Clock, at: datetime, since: datetime, rounds: int) -> None:
    """Set one of its timers."""
    await timers.arm(
        docket.session,
        one.kind,
        one.key,
        at,
        now=docket.now,
        subject=whistle.id,
        urgency=4 - Level(whistle.level).rank,
        data={"round": rounds, "since": since.isoformat(), "whistle": whistle.id},
    )


async def say(docket: Docket, whistle: Whistle) -> None:
    """Put it into the feed, for whoever sees one of its incidents and for the department's people."""
    value = await views.whistle_json(docket.session, whistle)
    persons = await concerned(docket.session, whistle)
    for incident in await incidents_of(docket, whistle):
        docket.say(kind="whistle", key=whistle.id, value=value, incident=incident, persons=persons)


async def concerned(session: AsyncSession, whistle: Whistle) -> tuple[str, ...]:
    """People of the departments that it has to do with, and who is asked to rule."""
    ids = {whistle.first_id, whistle.holder_id}
    named: set[str] = set()
    for row in await session.scalars(select(WhistleReturn).where(WhistleReturn.whistle_id == whistle.id)):
        ids |= {row.department_id, *([row.suggests] if row.suggests else [])}
        named |= {row.arbiter} if row.arbiter else set()
    for one in ids:
        department = await session.get_one(Department, one)
        named |= {*department.liaisons, *department.supervisors}
    return tuple(sorted(await departments.present(session, sorted(named), whistle.exercise)))


async def message(docket: Docket, whistle: Whistle, people_ids: Iterable[str], kind: str, key: str, text: Text) -> None:
    """Queue one message about a whistle for some people; of one key, once."""
    incidents = await incidents_of(docket, whistle)
    if incidents:
        for person in dict.fromkeys(people_ids):
            await tell(docket, incidents[0], person, kind, f"whistle:{whistle.id}:{key}", text)


async def streets_desks(docket: Docket, whistle: Whistle) -> list[list[str]]:
    """The way up from those who called: of every incident its owner and its street's desk first, then above."""
    tiers: list[list[str]] = []
    for incident in await incidents_of(docket, whistle):
        for tier, people_ids in enumerate(await street_way(docket, incident)):
            while len(tiers) <= tier:
                tiers.append([])
            tiers[tier] += [one for one in people_ids if one not in tiers[tier]]
    return tiers


async def street_way(docket: Docket, incident: Incident) -> list[list[str]]:
    """The desks above an incident from its street up; an owner who still has it stands beside the first."""
    way = await roster.desks(docket.session, incident, docket.now)
    tiers = [
        [target.desk.person] for target in way if target.desk.person and target.desk.area.count("/") <= _STREET_DEPTH
    ] or [[target.desk.person] for target in way if target.desk.person]
    if incident.owner is not None and IncidentState(incident.state) not in OVER:
        owner = incident.owner["id"]
        tiers = [[owner, *(one for one in tiers[0] if one != owner)], *tiers[1:]] if tiers else [[owner]]
    return tiers


_STREET_DEPTH = people.TIERS.index("street") + 1


async def departments_way(docket: Docket, whistle: Whistle, department: Department) -> list[list[str]]:
    """Who hears when a department misses a limit: its supervisors one by one, then the desks above its area."""
    named = await departments.present(docket.session, list(department.supervisors), whistle.exercise)
    return [[one] for one in named] + await desks_over(docket, department.area_path, whistle.exercise)


async def arbiters_way(docket: Docket, whistle: Whistle, department: Department) -> list[str]:
    """Who rules, nearest first: the named arbiters, then the duty leaders and officers above."""
    named = await departments.present(docket.session, list(department.arbiters), whistle.exercise)
    above = [one for tier in await desks_over(docket, whistle.area_path, whistle.exercise) for one in tier]
    partial = {*department.liaisons, *department.supervisors}
    return list(dict.fromkeys([*named, *(one for one in above if one not in partial)]))


async def desks_over(docket: Docket, area_path: str, exercise: str | None) -> list[list[str]]:
    """Duty leaders and officers of an area and of those above it, tier by tier."""
    tiers = []
    for area in people.chain(area_path):
        on = await roster.who_is_on(docket.session, docket.now, area, "duty_leader", "duty_officer")
        found = [one.id for one in on if exercise is None or exercise in one.exercises]
        if found:
            tiers.append(found)
    return tiers


def at_tier(tiers: Sequence[Sequence[str]], tier: int) -> list[str]:
    """Who stands at a tier; at the top, the top again."""
    return list(tiers[min(tier, len(tiers) - 1)]) if tiers else []


__all__ = [
    "SYSTEM",
    "arbiters_way",
    "arm",
    "at_tier",
    "calls_of",
    "concerned",
    "departments_way",
    "incidents_of",
    "keep",
    "message",
    "note",
    "open_return",
    "say",
    "street_way",
    "streets_desks",
    "turn_of",
]
