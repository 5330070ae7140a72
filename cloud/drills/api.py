"""Routes of drills: scenarios, make, run, score; and what the drill controller asks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from cloud.drills import clock, scenario, service
from cloud.drills.model import Drill
from cloud.feed.api import with_position
from cloud.people.access import EVERYONE, Person, Role, require
from cloud.problems import not_found
from cloud.retrying import retrying
from cloud.services import Services, services_of

router = APIRouter(prefix="/drills", tags=["drills"])
Shared = Annotated[Services, Depends(services_of)]
AnyPerson = Annotated[Person, Depends(require(*EVERYONE))]
Trainer = Annotated[Person, Depends(require(Role.TRAINER))]
Controller = Annotated[Person, Depends(require(Role.TRAINER, Role.ADMINISTRATOR))]
Id = Annotated[str, Path(max_length=64)]
Rate = Annotated[float, Field(ge=clock.MIN_RATE, le=clock.MAX_RATE, allow_inf_nan=False)]


class ScenarioInject(BaseModel):
    """One line of a script."""

    id: str
    at_s: float
    kind: str
    label_zh: str
    label_en: str


class ScenarioObjective(BaseModel):
    """What is to be shown."""

    id: str
    kind: str
    label_zh: str
    label_en: str
    limit_s: float | None


class ScenarioOut(BaseModel):
    """A scenario of the library."""

    id: str
    version: int
    name_zh: str
    name_en: str
    description_zh: str
    description_en: str
    duration_s: float
    hazard: str
    site: str
    injects: list[ScenarioInject]
    objectives: list[ScenarioObjective]


class ScenarioPage(BaseModel):
    """Scenarios by id."""

    items: Sequence[ScenarioOut]
    next: str | None = None


class SegmentOut(BaseModel):
    """From `wall_ms` on, exercise time runs from `scenario_ms` at `rate`; 0 = it stands still."""

    wall_ms: int
    scenario_ms: int
    rate: float


class TimelineOut(BaseModel):
    """The clock of a drill."""

    name: str
    segments: list[SegmentOut]


class ParticipantOut(BaseModel):
    """Who takes part: a player, or the controller who runs it."""

    id: str
    name: str
    name_en: str
    part: str


class InjectOut(ScenarioInject):
    """An inject with what became of it: pending, due, done."""

    state: str
    done_at: datetime | None
    zone: str | None
    device: str | None
    params: dict[str, Any]


class ObjectiveOut(ScenarioObjective):
    """An objective with its score; `met` null = not (yet) observed."""

    met: bool | None
    value_s: float | None


class DrillOut(BaseModel):
    """A drill, scored as of now."""

    id: str
    name: str
    scenario: str
    state: str
    rate: float
    site_id: str
    grid_path: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    elapsed_s: float
    duration_s: float
    timeline: TimelineOut
    participants: list[ParticipantOut]
    injects: list[InjectOut]
    incidents: list[str]
    objectives: list[ObjectiveOut]


class ActiveDrill(DrillOut):
    """A drill with the world that its controller simulates."""

    world: dict[str, Any]


class DrillPage(BaseModel):
    """Drills, newest first."""

    items: Sequence[DrillOut]
    next: str | None = None


class ActivePage(BaseModel):
    """Drills that are running or paused."""

    items: Sequence[ActiveDrill]
    next: str | None = None


class DrillIn(BaseModel):
    """A drill to be made."""

    model_config = ConfigDict(extra="forbid")

    scenario: Annotated[str, Field(max_length=64)]
    participants: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=500)]
    rate: Rate = 1.0


class RateIn(BaseModel):
    """How fast exercise time runs."""

    rate: Rate


def _scenario_out(one: scenario.Scenario) -> ScenarioOut:
    return ScenarioOut(
        id=one.id,
        version=one.version,
        name_zh=one.name.zh,
        name_en=one.name.en,
        description_zh=one.description.zh,
        description_en=one.description.en,
        duration_s=one.duration_s,
        hazard=one.hazard,
        site=one.site,
        injects=[
            ScenarioInject(id=i.id, at_s=i.at_s, kind=i.kind, label_zh=i.label.zh, label_en=i.label.en)
            for i in sorted(one.injects, key=lambda inject: inject.at_s)
        ],
        objectives=[
            ScenarioObjective(id=o.id, kind=o.kind, label_zh=o.label.zh, label_en=o.label.en, limit_s=o.limit_s)
            for o in one.objectives
        ],
    )


@router.get("/scenarios", summary="The scenario library")
async def list_scenarios(_person: Controller) -> ScenarioPage:
    """Scripts that a drill can be made of."""
    return ScenarioPage(items=[_scenario_out(one) for one in scenario.library().values()])


@router.get("/active", summary="What the drill controller carries out")
async def list_active(person: Controller, services: Shared) -> ActivePage:
    """Running and paused drills within the controller's area, with the world to simulate and its devices."""
    async with services.db.reading() as session:
        found = [one for one in await service.drills(session, "running", "paused") if _runs(person, one)]
        items = [await service.active_out(session, one, now=services.now()) for one in found]
    return ActivePage(items=[ActiveDrill.model_validate(item) for item in items])


def _runs(person: Person, drill: Drill) -> bool:
    return person.has(Role.ADMINISTRATOR) or service.visible(person, drill)


@router.get("", summary="Drills", dependencies=[Depends(with_position)])
async def list_drills(person: AnyPerson, services: Shared) -> DrillPage:
    """Those that one takes part in; a trainer sees all of their area."""
    async with services.db.reading() as session:
        found = [one for one in await service.drills(session) if service.visible(person, one)]
        items = [await service.drill_out(session, one, now=services.now()) for one in found[:100]]
    return DrillPage(items=[DrillOut.model_validate(item) for item in items])


@router.post("", status_code=201, summary="Make a drill")
async def create_drill(new: DrillIn, person: Trainer, services: Shared) -> DrillOut:
    """Issues its id, which marks everything that comes of it, for good. It stands still until it is started."""
    script = service.wanted(new.scenario)
    async with services.db.transaction() as session:
        drill = await service.create(
            session, script, by=person, players=new.participants, rate=new.rate, now=services.now()
        )
        return DrillOut.model_validate(await service.drill_out(session, drill, now=services.now()))


@router.get("/{drill_id}", summary="One drill")
async def get_drill(drill_id: Id, person: AnyPerson, services: Shared) -> DrillOut:
    """With its injects, its incidents and its score as of now."""
    async with services.db.reading() as session:
        drill = await session.get(Drill, drill_id)
        if drill is None or not service.visible(person, drill):
            raise not_found("drill", drill_id)
        return DrillOut.model_validate(await service.drill_out(session, drill, now=services.now()))


async def _run(drill_id: str, person: Person, services: Services, how: clock.Move) -> DrillOut:
    async def move() -> DrillOut:
        async with services.db.transaction() as session:
            drill = await session.get(Drill, drill_id)
            if drill is None or not service.visible(person, drill):
                raise not_found("drill", drill_id)
            drill = await service.move(session, drill_id, how, now=services.now())
            return DrillOut.model_validate(await service.drill_out(session, drill, now=services.now()))

    return await retrying(move)  # the timer of its end may be falling due just now


@router.post("/{drill_id}/start", summary="Start a drill")
async def start_drill(drill_id: Id, person: Trainer, services: Shared) -> DrillOut:
    """Exercise time begins to run."""
    return await _run(drill_id, person, services, "start")


@router.post("/{drill_id}/pause", summary="Pause a drill")
async def pause_drill(drill_id: Id, person: Trainer, services: Shared) -> DrillOut:
    """Exercise time stands still."""
    return await _run(drill_id, person, services, "pause")


@router.post("/{drill_id}/resume", summary="Go on with a drill")
async def resume_drill(drill_id: Id, person: Trainer, services: Shared) -> DrillOut:
    """Exercise time runs on from where it stood."""
    return await _run(drill_id, person, services, "resume")


@router.post("/{drill_id}/stop", summary="End a drill")
async def stop_drill(drill_id: Id, person: Trainer, services: Shared) -> DrillOut:
    """For good; its id stays exercise."""
    return await _run(drill_id, person, services, "stop")


@router.post("/{drill_id}/rate", summary="Run a drill faster or slower")
async def set_rate(drill_id: Id, given: RateIn, person: Trainer, services: Shared) -> DrillOut:
    """From now on; the past stays as it was."""

    async def turn() -> DrillOut:
        async with services.db.transaction() as session:
            drill = await session.get(Drill, drill_id)
            if drill is None or not service.visible(person, drill):
                raise not_found("drill", drill_id)
            drill = await service.set_rate(session, drill_id, given.rate, now=services.now())
            return DrillOut.model_validate(await service.drill_out(session, drill, now=services.now()))

    return await retrying(turn)


@router.post("/{drill_id}/injects/{inject_id}/done", summary="Note that an inject was carried out")
async def inject_done(drill_id: Id, inject_id: Id, person: Controller, services: Shared) -> DrillOut:
    """By the controller for simulated ones, by a trainer for calls and messages."""
    async with services.db.transaction() as session:
        drill = await session.get(Drill, drill_id)
        if drill is None or not _runs(person, drill):
            raise not_found("drill", drill_id)
        drill = await service.inject_done(session, drill_id, inject_id, by=person, now=services.now())
        return DrillOut.model_validate(await service.drill_out(session, drill, now=services.now()))
