"""Drills: issue, run, score. The only writer of these tables.

A drill is entered with the registry (`IssuedExercise`) when it is made: from then on its id is exercise for good, and
every edge knows its clock. Who takes part stands with the people (`Participation`).
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch.model import Assignment
from cloud.drills import clock, scenario, scoring
from cloud.drills.model import Drill, InjectDone
from cloud.feed import service as feed
from cloud.feed.service import Audience
from cloud.incidents.model import Incident
from cloud.people import service as people
from cloud.people.access import Person, Role, may_see
from cloud.problems import conflict, invalid, not_found
from cloud.registry import service as registry
from cloud.registry.model import Device, Site, Zone
from cloud.timers import service as timers
from wire.configuration import DrillConfig
from wire.time import Segment, Timeline, to_datetime, to_ms

_STATES: dict[str, Literal["running", "paused", "ended"]] = {"running": "running", "ended": "ended"}
END = "drill_end"
"""Kind of the timer."""
MAX_RUNNING = 5
"""Drills at a time: each has rule state of its own at every edge."""


def timeline_of(drill: Drill) -> Timeline:
    """The clock of a drill."""
    return Timeline(name=drill.id, segments=tuple(msgspec.convert(drill.segments, list[Segment])))


def script_of(drill: Drill) -> scenario.Scenario:
    """The script as it was when the drill was made."""
    return scenario.Scenario.model_validate(drill.script)


async def create(
    session: AsyncSession, script: scenario.Scenario, *, by: Person, players: Sequence[str], rate: float, now: datetime
) -> Drill:
    """Issue a drill; it stands still until it is started.

    Raises:
        Problem: when the place, its devices or a participant are missing, or it lies outside the trainer's area.
    """
    site = await session.get(Site, script.site)
    if site is None or not may_see(by, site.grid_path, None, site=site.id):
        raise not_found("site", script.site)
    if not await devices_of(session, script):
        raise conflict(
            "no-devices",
            f"None of the places of this scenario ({', '.join(script.world.rooms)}) has a {script.hazard} device: "
            "register one first, its readings are what the drill simulates.",
        )
    drill_id = f"drl-{secrets.token_hex(4)}"
    standing = clock.created(drill_id, to_ms(now))
    drill = Drill(
        id=drill_id,
        name=script.name.zh,
        scenario=script.id,
        script=script.model_dump(mode="json", by_alias=True),
        state="draft",
        rate=rate,
        segments=[msgspec.to_builtins(segment) for segment in standing.segments],
        site_id=site.id,
        grid_path=site.grid_path,
        created_by=by.id,
        created_at=now,
        started_at=None,
        ended_at=None,
    )
    session.add(drill)
    await session.flush()
    await people.take_part(session, drill_id, players)
    await people.take_part(session, drill_id, [by.id], part="controller")
    await _tell(session, drill, now=now)
    return drill


async def move(session: AsyncSession, drill_id: str, how: clock.Move, *, now: datetime) -> Drill:
    """Start, pause, resume or stop; the same again changes nothing.

    Raises:
        Problem: 404, or 409 when the drill is in no state for it.
    """
    drill = await session.get(Drill, drill_id, with_for_update=True)
    if drill is None:
        raise not_found("drill", drill_id)
    before = cast("clock.State", drill.state)
    try:
        state = clock.after(how, before)
    except clock.WrongMove as error:
        raise conflict("wrong-state", str(error)) from None
    if state == before:
        return drill
    if state == "running" and before == "draft":
        await _check_room(session)
        drill.started_at = now
    if state == "ended":
        drill.ended_at = now
    turned = clock.turned(timeline_of(drill), to_ms(now), drill.rate if state == "running" else 0.0)
    drill.state, drill.segments = state, [msgspec.to_builtins(segment) for segment in turned.segments]
    await session.flush()
    await keep_end(session, drill, now=now)
    await _tell(session, drill, now=now)
    return drill


async def keep_end(session: AsyncSession, drill: Drill, *, now: datetime) -> None:
    """Set the timer that ends a drill with its script; none while its clock stands."""
    end = clock.due_wall_ms(timeline_of(drill), script_of(drill).duration_s) if drill.state == "running" else None
    if end is None:
        await timers.disarm(session, END, drill.id)
    else:
        await timers.arm(session, END, drill.id, to_datetime(end), now=now)


async def set_rate(session: AsyncSession, drill_id: str, rate: float, *, now: datetime) -> Drill:
    """Run faster or slower from now on.

    Raises:
        Problem: 404, or 409 when the drill is over.
    """
    drill = await session.get(Drill, drill_id, with_for_update=True)
    if drill is None:
        raise not_found("drill", drill_id)
    if drill.state == "ended":
        raise conflict("wrong-state", "The drill is over.")
    drill.rate = rate
    if drill.state == "running":
        turned = clock.turned(timeline_of(drill), to_ms(now), rate)
        drill.segments = [msgspec.to_builtins(segment) for segment in turned.segments]
    await session.flush()
    await keep_end(session, drill, now=now)
    await _tell(session, drill, now=now)
    return drill


async def _check_room(session: AsyncSession) -> None:
    active = await session.scalar(select(func.count()).where(Drill.state.in_(("running", "paused"))))
    if (active or 0) >= MAX_RUNNING:
        raise conflict("too-many-drills", f"{MAX_RUNNING} drills are running: stop one first.")


async def inject_done(session: AsyncSession, drill_id: str, inject_id: str, *, by: Person, now: datetime) -> Drill:
    """Note that an inject was carried out; again changes nothing.

    Raises:
        Problem: 404 for an unknown drill or inject, 409 unless the drill has been started.
    """
    drill = await session.get(Drill, drill_id)
    if drill is None:
        raise not_found("drill", drill_id)
    if inject_id not in {inject.id for inject in script_of(drill).injects}:
        raise not_found("inject", inject_id)
    if drill.state == "draft":
        raise conflict("wrong-state", "The drill has not been started.")
    if await session.get(InjectDone, (drill_id, inject_id)) is None:
        session.add(InjectDone(drill_id=drill_id, inject_id=inject_id, done_at=now, done_by=by.id))
        await session.flush()
        await _announce(session, drill, now=now)
    return drill


async def _tell(session: AsyncSession, drill: Drill, *, now: datetime) -> None:
    config = DrillConfig(id=drill.id, state=_STATES.get(drill.state, "paused"), timeline=timeline_of(drill))
    await registry.push_drill(session, config, name=drill.name, now=now)
    await _announce(session, drill, now=now)


async def announce(session: AsyncSession, drill_id: str, *, now: datetime) -> None:
    """Tell those who may know how a drill stands now."""
    drill = await session.get(Drill, drill_id)
    if drill is not None:
        await _announce(session, drill, now=now)


async def _announce(session: AsyncSession, drill: Drill, *, now: datetime) -> None:
    takers = await people.participants(session, drill.id)
    await feed.append(
        session,
        kind="drill",
        key=drill.id,
        value=await drill_out(session, drill, now=now),
        grid_path=drill.grid_path,
        site=drill.site_id,
        exercise=drill.id,
        audience=Audience(persons=tuple(account.id for account, _ in takers), roles=(Role.TRAINER,)),
    )


# ---------------------------------------------------------------- questions


async def devices_of(session: AsyncSession, script: scenario.Scenario) -> list[Device]:
    """The devices whose readings a scenario simulates: of its hazard, in its rooms, enabled."""
    query = select(Device).where(Device.zone_id.in_(script.world.rooms), Device.hazard == script.hazard, Device.enabled)
    return list(await session.scalars(query.order_by(Device.id)))


async def drills(session: AsyncSession, *states: str) -> list[Drill]:
    """Drills, newest first; in some states if given."""
    query = select(Drill).order_by(Drill.created_at.desc(), Drill.id)
    return list(await session.scalars(query.where(Drill.state.in_(states)) if states else query.limit(500)))


def visible(person: Person, drill: Drill) -> bool:
    """Whether a person may know of a drill: participants, and trainers of its area."""
    return drill.id in person.exercises or (
        person.has(Role.TRAINER) and may_see(person, drill.grid_path, drill.id, site=drill.site_id)
    )


async def drill_out(session: AsyncSession, drill: Drill, *, now: datetime) -> dict[str, Any]:
    """A drill as the API shows it, scored as of now."""
    script, timeline = script_of(drill), timeline_of(drill)
    done = {
        row.inject_id: row.done_at
        for row in await session.scalars(select(InjectDone).where(InjectDone.drill_id == drill.id))
    }
    facts = await _facts(session, drill.id)
    end = drill.ended_at or now
    reached_s = clock.elapsed_s(timeline, to_ms(end)) if drill.started_at else -1.0
    return {
        "id": drill.id,
        "name": drill.name,
        "scenario": drill.scenario,
        "state": drill.state,
        "rate": drill.rate,
        "site_id": drill.site_id,
        "grid_path": drill.grid_path,
        "created_at": drill.created_at.isoformat(),
        "started_at": drill.started_at.isoformat() if drill.started_at else None,
        "ended_at": drill.ended_at.isoformat() if drill.ended_at else None,
        "elapsed_s": max(0.0, round(reached_s, 1)),
        "duration_s": script.duration_s,
        "timeline": {"name": timeline.name, "segments": [msgspec.to_builtins(one) for one in timeline.segments]},
        "participants": [
            {"id": account.id, "name": account.name, "name_en": account.name_en, "part": part}
            for account, part in await people.participants(session, drill.id)
        ],
        "injects": [
            {
                "id": inject.id,
                "at_s": inject.at_s,
                "kind": inject.kind,
                "label_zh": inject.label.zh,
                "label_en": inject.label.en,
                "state": "done" if inject.id in done else "due" if 0 <= inject.at_s <= reached_s else "pending",
                "done_at": done[inject.id].isoformat() if inject.id in done else None,
                "zone": inject.zone,
                "device": inject.device,
                "params": inject.params,
            }
            for inject in sorted(script.injects, key=lambda one: one.at_s)
        ],
        "incidents": [one.id for one in facts],
        "objectives": [_objective_out(one, facts, end, ended=drill.state == "ended") for one in script.objectives],
    }


def _objective_out(
    objective: scenario.Objective, facts: Sequence[scoring.IncidentFacts], now: datetime, *, ended: bool
) -> dict[str, Any]:
    score = scoring.score(objective, facts, now=now, ended=ended)
    return {
        "id": objective.id,
        "kind": objective.kind,
        "label_zh": objective.label.zh,
        "label_en": objective.label.en,
        "limit_s": objective.limit_s,
        "met": score.met,
        "value_s": score.value_s,
    }


async def _facts(session: AsyncSession, drill_id: str) -> list[scoring.IncidentFacts]:
    incidents = await session.scalars(
        select(Incident).where(Incident.exercise == drill_id, Incident.state != "void").order_by(Incident.id)
    )
    found = {one.id: one for one in incidents}
    stamps = await session.execute(
        select(Assignment.incident_id, func.min(Assignment.offered_at), func.min(Assignment.on_scene_at))
        .where(Assignment.incident_id.in_(found))
        .group_by(Assignment.incident_id)
    )
    first = {incident: (offered, arrived) for incident, offered, arrived in stamps}
    return [
        scoring.IncidentFacts(
            id=one.id,
            opened_at=one.opened_at,
            acknowledged_at=one.acknowledged_at,
            first_offered_at=first.get(one.id, (None, None))[0],
            first_on_scene_at=first.get(one.id, (None, None))[1],
        )
        for one in found.values()
    ]


async def active_out(session: AsyncSession, drill: Drill, *, now: datetime) -> dict[str, Any]:
    """A drill as its controller needs it: the world to simulate, with the devices in it."""
    script = script_of(drill)
    devices = await devices_of(session, script)
    names = {zone.id: zone.name for zone in await session.scalars(select(Zone).where(Zone.id.in_(script.world.rooms)))}
    return await drill_out(session, drill, now=now) | {
        "world": {
            "hazard": script.hazard,
            "section": script.section,
            "rooms": [{"zone": zone, "name": names.get(zone, zone)} for zone in script.world.rooms],
            "draughts": [one.model_dump(by_alias=True) for one in script.world.draughts],
            "devices": [
                {
                    "id": device.id,
                    "site": device.site_id,
                    "zone": device.zone_id,
                    "profile": device.profile,
                    "parameters": device.parameters,
                }
                for device in devices
            ],
        }
    }


def wanted(scenario_id: str) -> scenario.Scenario:
    """A scenario of the library.

    Raises:
        Problem: 422 when there is none of that id.
    """
    found = scenario.library().get(scenario_id)
    if found is None:
        raise invalid("scenario", f"there is no scenario '{scenario_id:.80}'", "take one of GET /drills/scenarios")
    return found
