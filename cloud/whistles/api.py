"""Routes of whistles: call, answer, send back, rule, rate; departments and how they do."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from cloud.desk.bodies import Because, Body
from cloud.dispatch.acts import Did, once
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket
from cloud.people.access import Person, Role, require, within
from cloud.problems import Problem, invalid
from cloud.services import services_of
from cloud.whistles import answers, calling, departments, disputes, ratings, service, views
from cloud.whistles.answers import Voice
from cloud.whistles.bodies import (
    AnswerBody,
    CallBody,
    CorrectionBody,
    DeclineBody,
    DepartmentBody,
    FinishBody,
    RatingBody,
    ReturnBody,
    RuleBody,
    TakeBody,
    WithdrawBody,
)
from cloud.whistles.model import Department, Whistle

router = APIRouter(tags=["whistles"])
Anyone = Annotated[Person, Depends(require())]
Caller = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.RESPONDER, Role.TRAINER))]
Officer = Annotated[Person, Depends(require(Role.DUTY_OFFICER))]
Administrator = Annotated[Person, Depends(require(Role.ADMINISTRATOR))]


async def _on_whistle(
    request: Request, person: Person, whistle_id: str, act: Callable[[Docket, Whistle], Awaitable[Whistle | None]]
) -> JSONResponse:
    """Do something with a whistle that a person sees, once; the whistle (or what it became part of) after it."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row = await service.get(work.session, whistle_id, person)
        shown = await act(work, row) or row

        async def answer() -> Did:
            return 200, await views.whistle_json(work.session, shown)

        return answer

    return await once(request, person, run)


async def _holders_voice(work: Docket, row: Whistle, person: Person, said_by: str) -> Voice:
    holder = await work.session.get_one(Department, row.holder_id)
    return await answers.voice(work.session, row, person, holder, said_by)


# ---------------------------------------------------------------- calling


@router.get("/incidents/{incident_id}/whistles", summary="吹哨 of an incident, and whom one could call")
async def of_incident(request: Request, person: Anyone, incident_id: str) -> dict[str, Any]:
    """Calls and proposals that stand; causes that it may be of; departments that serve the place.

    A department that has an open whistle names it: choosing its cause joins it, instead of calling twice.
    """
    async with services_of(request).db.reading() as session:
        incident = await incidents.get(session, incident_id, person)
        causes = await calling.causes_of(session, incident)
        calls = await service.calls_of_incident(session, incident)
        candidates = []
        for row in await departments.serving(session, incident.grid_path):
            one = departments.department_json(row, people_too=False)
            candidates.append(one | {"open": await service.open_for(session, row, incident, causes)})
        return {
            "items": [await views.call_json(session, row) for row in calls],
            "causes": [{"key": one.key, "text_zh": one.zh, "text_en": one.en, "why": one.why} for one in causes],
            "departments": candidates,
            "calls_directly": service.may_call(person, incident),
        }


@router.post("/incidents/{incident_id}/whistles", summary="街道吹哨 (below the street: 提请吹哨)", status_code=201)
async def call(request: Request, person: Caller, incident_id: str, body: CallBody) -> JSONResponse:
    """Calls a department once per cause: a second street, or a second incident, joins the whistle that is open.

    From below the street it is a proposal, which the street's desk confirms or refuses within a time limit.
    """

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        incident = await incidents.get(work.session, incident_id, person)
        if incident.exercise is None and not person.has(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.RESPONDER):
            raise Problem(403, "wrong-role", "A trainer handles incidents of exercises only.")
        cause = await calling.chosen_cause(work.session, incident, body.cause, body.cause_text)
        done = await calling.call(work, incident, body.department_id, person, cause=cause, note=body.note, at=body.at)

        async def answer() -> Did:
            whistle = await views.whistle_json(work.session, done.whistle) if done.whistle else None
            shown = {"call": await views.call_json(work.session, done.call), "whistle": whistle, "joined": done.joined}
            return 201, shown

        return answer

    return await once(request, person, run)


@router.post("/whistle-proposals/{call_id}/confirm", summary="街道同意吹哨")
async def confirm(request: Request, person: Officer, call_id: str, body: Body | None = None) -> JSONResponse:
    """The street agrees: the department is called now, or the open whistle of that cause is joined."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row, incident = await calling.proposal(work.session, call_id, person)
        done = await calling.confirm(work, row, incident, person, at=body.at if body else None)

        async def answer() -> Did:
            assert done.whistle is not None
            whistle = await views.whistle_json(work.session, done.whistle)
            return 200, {"call": await views.call_json(work.session, row), "whistle": whistle, "joined": done.joined}

        return answer

    return await once(request, person, run)


@router.post("/whistle-proposals/{call_id}/refuse", summary="街道不同意吹哨")
async def refuse(request: Request, person: Officer, call_id: str, body: Because) -> JSONResponse:
    """With the reason; whoever proposed it hears."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row, incident = await calling.proposal(work.session, call_id, person)
        await calling.refuse(work, row, incident, person, reason=body.reason, at=body.at)

        async def answer() -> Did:
            return 200, await views.call_json(work.session, row)

        return answer

    return await once(request, person, run)


@router.get("/whistle-proposals", summary="提请吹哨 that the street must answer")
async def proposals(request: Request, person: Anyone) -> dict[str, Any]:
    """The longest waiting first."""
    async with services_of(request).db.reading() as session:
        return {"items": await service.open_proposals(session, person), "next": None}


# ---------------------------------------------------------------- reading


@router.get("/whistles", summary="吹哨 in one's sight, or on one's department")
async def list_whistles(
    request: Request,
    person: Anyone,
    state: Literal["open", "ended", "all"] = "open",
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> dict[str, Any]:
    """The newest first."""
    async with services_of(request).db.reading() as session:
        return {"items": await service.page(session, person, state=state, limit=limit), "next": None}


@router.get("/whistles/{whistle_id}", summary="One whistle with its history")
async def one_whistle(request: Request, person: Anyone, whistle_id: str) -> dict[str, Any]:
    """Who called, whose it is, which clock runs, and every line of what happened."""
    async with services_of(request).db.reading() as session:
        row = await service.get(session, whistle_id, person)
        shown = await views.whistle_json(session, row)
        return shown | {"history": await views.history_json(session, row.id)}


# ---------------------------------------------------------------- the department answers


@router.post("/whistles/{whistle_id}/report-in", summary="部门报到")
async def report_in(request: Request, person: Anyone, whistle_id: str, body: AnswerBody | None = None) -> JSONResponse:
    """By the department's liaison, or by the street's desk that has them on the telephone (`said_by`)."""
    given = body or AnswerBody(at=None)

    async def act(work: Docket, row: Whistle) -> None:
        await answers.report_in(work, row, await _holders_voice(work, row, person, given.said_by), at=given.at)

    return await _on_whistle(request, person, whistle_id, act)


@router.post("/whistles/{whistle_id}/arrive", summary="部门到场")
async def arrive(request: Request, person: Anyone, whistle_id: str, body: AnswerBody | None = None) -> JSONResponse:
    """Who is there has reported in, too."""
    given = body or AnswerBody(at=None)

    async def act(work: Docket, row: Whistle) -> None:
        await answers.arrive(work, row, await _holders_voice(work, row, person, given.said_by), at=given.at)

    return await _on_whistle(request, person, whistle_id, act)


@router.post("/whistles/{whistle_id}/finish", summary="部门办结")
async def finish(request: Request, person: Anyone, whistle_id: str, body: FinishBody) -> JSONResponse:
    """What was done; the street looks and rates."""

    async def act(work: Docket, row: Whistle) -> None:
        said = await _holders_voice(work, row, person, body.said_by)
        await answers.finish(work, row, said, note=body.note, at=body.at)

    return await _on_whistle(request, person, whistle_id, act)


@router.post("/whistles/{whistle_id}/return", summary="退单 (首接负责: it stays theirs)")
async def send_back(request: Request, person: Anyone, whistle_id: str, body: ReturnBody) -> JSONResponse:
    """The holder stays responsible and no clock stops, until another accepts or the arbiter rules in time."""

    async def act(work: Docket, row: Whistle) -> None:
        said = await _holders_voice(work, row, person, body.said_by)
        await disputes.send_back(
            work, row, said, code=body.code, reason=body.reason, suggests=body.suggests, at=body.at
        )

    return await _on_whistle(request, person, whistle_id, act)


@router.post("/whistles/{whistle_id}/take-back", summary="收回退单")
async def take_back(request: Request, person: Anyone, whistle_id: str, body: AnswerBody | None = None) -> JSONResponse:
    """The holder takes it after all."""
    given = body or AnswerBody(at=None)

    async def act(work: Docket, row: Whistle) -> None:
        await disputes.take_back(work, row, await _holders_voice(work, row, person, given.said_by), at=given.at)

    return await _on_whistle(request, person, whistle_id, act)


@router.post("/whistles/{whistle_id}/accept", summary="另一部门接手")
async def accept(request: Request, person: Anyone, whistle_id: str, body: TakeBody) -> JSONResponse:
    """Of what was sent back: another department takes it, with a clock of its own from now on."""

    async def act(work: Docket, row: Whistle) -> Whistle:
        department = await departments.get(work.session, body.department_id)
        said = await answers.voice(work.session, row, person, department, body.said_by)
        return await disputes.accept(work, row, department, said, at=body.at)

    return await _on_whistle(request, person, whistle_id, act)


@router.post("/whistles/{whistle_id}/decline", summary="被推荐部门不接")
async def decline(request: Request, person: Anyone, whistle_id: str, body: DeclineBody) -> JSONResponse:
    """The department that was named says that it is not theirs either; the arbiter's clock runs on."""

    async def act(work: Docket, row: Whistle) -> None:
        department = await departments.get(work.session, body.department_id)
        said = await answers.voice(work.session, row, person, department, body.said_by)
        await disputes.decline(work, row, department, said, reason=body.reason, at=body.at)

    return await _on_whistle(request, person, whistle_id, act)


@router.post("/whistles/{whistle_id}/rule", summary="裁定")
async def rule(request: Request, person: Anyone, whistle_id: str, body: RuleBody) -> JSONResponse:
    """By whom the question has reached; binding: it can't be sent back again. Recorded in the audit chain."""

    async def act(work: Docket, row: Whistle) -> Whistle:
        return await disputes.rule(work, row, person, to=body.department_id, reason=body.reason, at=body.at)

    return await _on_whistle(request, person, whistle_id, act)


# ---------------------------------------------------------------- the street again


@router.post("/whistles/{whistle_id}/send-back", summary="退回重办")
async def not_done(request: Request, person: Officer, whistle_id: str, body: Because) -> JSONResponse:
    """The street finds that it is not done; the department's clock starts again."""

    async def act(work: Docket, row: Whistle) -> None:
        if not await answers.at_a_calling_desk(work.session, row, person):
            raise Problem(403, "not-yours", "The street that called sends it back.")
        await answers.send_back(work, row, person, reason=body.reason, at=body.at)

    return await _on_whistle(request, person, whistle_id, act)


@router.post("/whistles/{whistle_id}/withdraw", summary="撤哨")
async def withdraw(request: Request, person: Officer, whistle_id: str, body: WithdrawBody) -> JSONResponse:
    """A street takes its own calls back; with none left the whistle ends."""

    async def act(work: Docket, row: Whistle) -> None:
        await answers.withdraw(work, row, person, reason=body.reason, incident_id=body.incident_id)

    return await _on_whistle(request, person, whistle_id, act)


@router.post("/whistles/{whistle_id}/rating", summary="街道评价", status_code=201)
async def rate(request: Request, person: Officer, whistle_id: str, body: RatingBody) -> JSONResponse:
    """Each street that called rates once, with reasons; when all have, the whistle ends."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row = await service.get(work.session, whistle_id, person)
        await ratings.rate(
            work, row, person, score=body.score, reasons=body.reasons, note=body.note, street=body.street
        )

        async def answer() -> Did:
            return 201, await views.whistle_json(work.session, row)

        return answer

    return await once(request, person, run)


@router.post("/whistle-ratings/{rating_id}/correct", summary="更正评价")
async def correct(request: Request, person: Officer, rating_id: str, body: CorrectionBody) -> JSONResponse:
    """Both stay; the later one stands, with who corrected it, when and why. The whistle."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row, _ = await ratings.correct(
            work, rating_id, person, score=body.score, reasons=body.reasons, note=body.note, reason=body.reason
        )

        async def answer() -> Did:
            return 200, await views.whistle_json(work.session, row)

        return answer

    return await once(request, person, run)


# ---------------------------------------------------------------- departments


@router.get("/departments", summary="职能部门")
async def list_departments(request: Request, person: Anyone) -> dict[str, Any]:
    """Those that serve one's area or lie in it; who their people are, to those who dispatch and administer."""
    shown = person.has(Role.DUTY_OFFICER, Role.ADMINISTRATOR)
    async with services_of(request).db.reading() as session:
        rows = await departments.serving(session)
    items = [
        departments.department_json(row, people_too=shown)
        for row in rows
        if within(row.area_path, person.area_path) or within(person.area_path, row.area_path)
    ]
    return {"items": items, "next": None}


@router.put("/departments/{department_id}", summary="Enter or change a department")
async def put_department(
    request: Request, person: Administrator, department_id: str, body: DepartmentBody
) -> dict[str, Any]:
    """Who answers for it, who hears when it does not, who rules; each change is a line of the audit chain."""
    if not within(person.area_path, body.area_path):
        raise Problem(403, "not-yours", "This area is not within yours.")
    if body.trade not in departments.TRADES:
        raise invalid("trade", f"'{body.trade:.40}' is none", f"one of: {', '.join(departments.TRADES)}")
    services = services_of(request)
    wanted = departments.Wanted(**body.model_dump(exclude={"at"}))
    async with services.db.transaction() as session:
        row = await departments.put(session, department_id, wanted, person, services.now())
        return departments.department_json(row, people_too=True)


@router.get("/departments/overview", summary="各部门：按时报到、退单、评价、考核分")
async def overview(
    request: Request,
    person: Anyone,
    start: Annotated[AwareDatetime | None, Query(alias="from", description="None: 30 days back")] = None,
    stop: Annotated[AwareDatetime | None, Query(alias="to")] = None,
) -> dict[str, Any]:
    """From the stamps and the streets' ratings, with the weight that is set; exercises don't count."""
    services = services_of(request)
    now = services.now()
    until = stop or now + timedelta(seconds=1)
    since = start or until - timedelta(days=30)
    share = services.settings.whistle_street_share_percent
    async with services.db.reading() as session:
        items = await ratings.overview(session, person, start=since, stop=until, now=now, street_share_percent=share)
    return {"from": since.isoformat(), "to": until.isoformat(), "street_share_percent": share, "items": items}
