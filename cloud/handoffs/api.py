"""Routes of hand-offs to services outside: the card, what became of the call, 接车, and a site's place card."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field
from sqlalchemy import select

from cloud.desk.bodies import Body, Id, Reason, Short, Words
from cloud.dispatch import service as dispatch
from cloud.dispatch.acts import Did, once
from cloud.dispatch.policy import Policy
from cloud.dispatch.send_api import proposal_json
from cloud.handoffs import card, facts, service, views
from cloud.handoffs.model import ExternalHandOff, SiteAccess
from cloud.handoffs.progress import MET, Service
from cloud.households import cards
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, by
from cloud.incidents.model import Incident
from cloud.incidents.views import incidents_json
from cloud.people.access import Person, Role, may_see, require
from cloud.people.model import Area
from cloud.problems import Problem, not_found
from cloud.registry.model import Site
from cloud.services import services_of

router = APIRouter(tags=["hand-offs"])
Anyone = Annotated[Person, Depends(require())]
Desk = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.TRAINER))]
Hands = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.RESPONDER, Role.PROPERTY_MANAGER, Role.TRAINER))]
Keeper = Annotated[Person, Depends(require(Role.PROPERTY_MANAGER, Role.DUTY_OFFICER))]
Details = Annotated[dict[Id, Words], Field(max_length=10, description="What people add, by the card's `addable` codes")]


class CardBody(Body):
    """For whom, and what is known besides."""

    service: Service
    details: Details = Field(default_factory=dict)


class AnsweredBody(Body):
    """Who took the call."""

    answered_by: Short = Field("", description="Name or number of the dispatcher")
    reference: Annotated[str, Field(max_length=60)] = Field("", description="Their number for it")
    expected_at: AwareDatetime | None = Field(None, description="When they said that they will be there")
    details: Details = Field(default_factory=dict)


class AgainBody(Body):
    """Called again."""

    answered_by: Short = ""
    note: Words = ""


class ArrivedBody(Body):
    """Which unit."""

    unit: Short = ""


class HandedOverBody(Body):
    """To whom."""

    received_by: Annotated[str, Field(min_length=1, max_length=100)]
    unaccounted: Annotated[int, Field(ge=0, le=10_000)] | None = Field(
        None, description="People who are not accounted for; none = nobody knows"
    )
    note: Words = ""


class StandDownBody(Body):
    """Why they need not come."""

    reason: Reason


class MeetBody(Body):
    """Who waits at the gate."""

    responder_id: Id


class AccessBody(Body):
    """What whoever comes must know of a site."""

    address: Short = Field("", description="Road and number, as dispatchers ask")
    address_en: Short = ""
    gate: Short = ""
    gate_lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    gate_lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    lane: Short = ""
    hydrant: Short = ""
    power_room: Short = ""
    gas_valve: Short = ""
    keys: Short = ""
    hazards: Annotated[str, Field(max_length=300)] = ""
    callback: Annotated[str, Field(max_length=40, pattern=r"^[0-9+() -]*$")] = ""


def _its_desk(person: Person, incident: Incident) -> None:
    if incident.exercise is None and not person.has(Role.DUTY_OFFICER):
        raise Problem(403, "wrong-role", "A trainer handles incidents of exercises only.")


async def _card(work: Docket, incident: Incident, person: Person, body: CardBody) -> tuple[card.Card, facts.Gathered]:
    details = service.checked_details(body.service, body.details)
    found = await facts.gather(work.session, incident, work.now, caller=person.name, details=details)
    if found.cards:
        purpose = f"handoff_card:{body.service}"
        await cards.note_read(
            work.session, person, subject=incident.id, purpose=purpose, cards=found.cards, now=work.now
        )
    return card.build(body.service, found.facts, exercise=incident.exercise is not None), found


async def _card_json(work: Docket, incident: Incident, made: card.Card, found: facts.Gathered) -> dict[str, Any]:
    street = next((path for path in _up(incident.grid_path) if path.count("/") == _STREET), incident.grid_path)
    area = await work.session.get(Area, street)
    shown = views.card_json(made, f"{area.name if area else ''}值班室")
    shown["brief"] = [views.line_json(line) for line in card.brief(found.facts)]
    if made.service in MET:
        proposals = await service.meet_proposals(work.session, incident, found.access, work.now)
        shown["meet"] = {
            "task": service.MEET_TASK,
            "gate": found.access.gate if found.access else "",
            "proposals": [proposal_json(one) for one in proposals],
        }
    return shown


_STREET = 3


def _up(path: str) -> list[str]:
    names = path.strip("/").split("/")
    return ["/" + "/".join(names[:count]) for count in range(len(names), 0, -1)]


@router.post("/incidents/{incident_id}/handoffs/card", summary="报警卡 to read aloud")
async def read_card(request: Request, person: Desk, incident_id: str, body: CardBody) -> JSONResponse:
    """Built anew from what is known now, in the order in which that service asks; what is unknown says so.

    Whom to send to the gate (接车) stands beside it. Nothing is called by it: people call, with their telephone.
    """

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        incident = await incidents.get(work.session, incident_id, person)
        _its_desk(person, incident)
        made, found = await _card(work, incident, person, body)

        async def answer() -> Did:
            return 200, await _card_json(work, incident, made, found)

        return answer

    return await once(request, person, run)


@router.post("/incidents/{incident_id}/handoffs", summary="已呼叫 119、120、110 …", status_code=201)
async def call(request: Request, person: Desk, incident_id: str, body: CardBody) -> JSONResponse:
    """Writes down that it was called (now, or `at`), with the card as it stands; the clock to be answered starts.

    The incident stays owned and its own clocks run on.
    """

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        incident = await incidents.get(work.session, incident_id, person)
        _its_desk(person, incident)
        made, found = await _card(work, incident, person, body)
        known = tuple(line.code for line in made.lines if line.known)
        details = service.checked_details(body.service, body.details)
        row = await service.call(work, incident, body.service, by(person), details=details, read=known, at=body.at)

        async def answer() -> Did:
            shown = await views.handoff_json(work.session, row)
            return 201, shown | {"card": await _card_json(work, incident, made, found)}

        return answer

    return await once(request, person, run)


@router.get("/incidents/{incident_id}/handoffs", summary="Services called for an incident")
async def of_incident(request: Request, person: Anyone, incident_id: str) -> dict[str, Any]:
    """In the order of the calls."""
    async with services_of(request).db.reading() as session:
        incident = await incidents.get(session, incident_id, person)
        rows = await service.of_incident(session, incident.id)
        return {"items": [await views.handoff_json(session, row) for row in rows], "next": None}


@router.get("/handoffs", summary="Services that are out, in one's sight")
async def out(request: Request, person: Anyone) -> dict[str, Any]:
    """Those that have neither taken over nor been stood down, the longest first."""
    async with services_of(request).db.reading() as session:
        query = select(ExternalHandOff).where(ExternalHandOff.ended_at.is_(None)).order_by(ExternalHandOff.called_at)
        items = [
            await views.handoff_json(session, row)
            for row in await session.scalars(query.limit(500))
            if incidents.sees(person, await session.get_one(Incident, row.incident_id))
        ]
    return {"items": items, "next": None}


async def _on_handoff(
    request: Request,
    person: Person,
    handoff_id: str,
    act: Callable[[Docket, ExternalHandOff, Incident], Awaitable[None]],
) -> JSONResponse:
    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row, incident = await service.get(work.session, handoff_id, person)
        if row.exercise is None and not person.has(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.RESPONDER):
            raise Problem(403, "wrong-role", "A trainer handles incidents of exercises only.")
        await act(work, row, await work.heir(incident))

        async def answer() -> Did:
            return 200, await views.handoff_json(work.session, row)

        return answer

    return await once(request, person, run)


@router.post("/handoffs/{handoff_id}/answered", summary="对方已接")
async def answered(request: Request, person: Desk, handoff_id: str, body: AnsweredBody) -> JSONResponse:
    """With their reference number, and when they said that they will be there."""

    async def act(work: Docket, row: ExternalHandOff, incident: Incident) -> None:
        await service.answered(
            work,
            incident,
            row,
            by(person),
            answered_by=body.answered_by,
            reference=body.reference,
            expected_at=body.expected_at,
            details=service.checked_details(Service(row.service), body.details),
            at=body.at,
        )

    return await _on_handoff(request, person, handoff_id, act)


@router.post("/handoffs/{handoff_id}/again", summary="再次呼叫")
async def again(request: Request, person: Desk, handoff_id: str, body: AgainBody | None = None) -> JSONResponse:
    """Asked again; each call stays on record and the clock starts anew."""
    given = body or AgainBody(at=None)

    async def act(work: Docket, row: ExternalHandOff, incident: Incident) -> None:
        await service.again(
            work, incident, row, by(person), answered_by=given.answered_by, note=given.note, at=given.at
        )

    return await _on_handoff(request, person, handoff_id, act)


@router.post("/handoffs/{handoff_id}/arrived", summary="已到场")
async def arrived(request: Request, person: Hands, handoff_id: str, body: ArrivedBody | None = None) -> JSONResponse:
    """By the desk, or by whoever sees them on the scene."""
    given = body or ArrivedBody(at=None)

    async def act(work: Docket, row: ExternalHandOff, incident: Incident) -> None:
        await service.arrived(work, incident, row, by(person), unit=given.unit, at=given.at)

    return await _on_handoff(request, person, handoff_id, act)


@router.post("/handoffs/{handoff_id}/hand-over", summary="移交")
async def hand_over(request: Request, person: Hands, handoff_id: str, body: HandedOverBody) -> JSONResponse:
    """Who took command of their part, with the count of people unaccounted for. The incident stays open and owned."""

    async def act(work: Docket, row: ExternalHandOff, incident: Incident) -> None:
        await service.handed_over(
            work,
            incident,
            row,
            by(person),
            received_by=body.received_by,
            unaccounted=body.unaccounted,
            note=body.note,
            at=body.at,
        )

    return await _on_handoff(request, person, handoff_id, act)


@router.post("/handoffs/{handoff_id}/stand-down", summary="取消出动")
async def stand_down(request: Request, person: Desk, handoff_id: str, body: StandDownBody) -> JSONResponse:
    """They were told that they need not come, by whom and why."""

    async def act(work: Docket, row: ExternalHandOff, incident: Incident) -> None:
        await service.stand_down(work, incident, row, by(person), reason=body.reason, at=body.at)

    return await _on_handoff(request, person, handoff_id, act)


@router.post("/handoffs/{handoff_id}/meet", summary="派人接车")
async def meet(request: Request, person: Desk, handoff_id: str, body: MeetBody) -> JSONResponse:
    """Offers the 接车 task to somebody; a role that may not is refused, with who may. The incident after it."""
    policy = Policy.of(services_of(request).settings)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        _, incident = await service.get(work.session, handoff_id, person)
        _its_desk(person, incident)
        row = await work.heir(incident)
        await dispatch.send(work, policy, row, person, body.responder_id, body.at, task=service.MEET_TASK)

        async def answer() -> Did:
            return 200, (await incidents_json(work.session, [row]))[0]

        return answer

    return await once(request, person, run)


# ---------------------------------------------------------------- a site's place card


async def _site(work: Docket, person: Person, site_id: str) -> Site:
    site = await work.session.get(Site, site_id)
    if site is None or not may_see(person, site.grid_path, None, site=site.id):
        raise not_found("site", site_id)
    return site


@router.get("/sites/{site_id}/access", summary="What whoever comes must know of a site")
async def read_access(request: Request, person: Anyone, site_id: str) -> dict[str, Any]:
    """Address, gate, fire lane, hydrants, switches, keys, dangers."""
    async with services_of(request).db.reading() as session:
        site = await session.get(Site, site_id)
        if site is None or not may_see(person, site.grid_path, None, site=site.id):
            raise not_found("site", site_id)
        row = await session.get(SiteAccess, site_id)
        return views.access_json(row) if row else {"site_id": site_id, "updated_at": None}


@router.put("/sites/{site_id}/access", summary="Change it")
async def put_access(request: Request, person: Keeper, site_id: str, body: AccessBody) -> JSONResponse:
    """Replaced as a whole, by who looks after the site."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        site = await _site(work, person, site_id)
        values = body.model_dump(exclude={"at"})
        row = await service.put_access(work.session, site, values, person, work.now)

        async def answer() -> Did:
            return 200, views.access_json(row)

        return answer

    return await once(request, person, run)
