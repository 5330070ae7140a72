"""Timers of whistles: reminders, limits that pass, questions that go up. Each act once (cloud/timers)."""

from functools import partial

from cloud.dispatch.messages import tell
from cloud.dispatch.policy import Policy
from cloud.dispatch.service import follow
from cloud.incidents.docket import SYSTEM, Docket, docket
from cloud.incidents.model import Incident
from cloud.retrying import retrying
from cloud.services import DueHandler, Services
from cloud.timers import service as timers
from cloud.timers.service import Due
from cloud.whistles import answers, calling, clock, departments, disputes, ratings, record
from cloud.whistles.clock import Clock, State, Step
from cloud.whistles.model import Department, Whistle, WhistleCall, WhistleReturn
from cloud.whistles.views import area_name
from cloud.whistles.words import STEPS, about, line
from wire.level import Level


async def _carried_out(services: Services, due: Due) -> None:
    await retrying(partial(_in_one_transaction, services, due))


async def _in_one_transaction(services: Services, due: Due) -> None:
    async with docket(services) as work:
        if not await timers.take(work.session, due):
            return
        step = Step(due.kind)
        if step is Step.CONFIRM:
            await _not_confirmed(work, due)
        elif (whistle := await work.session.get(Whistle, due.subject)) is not None:
            await _rang(work, whistle, step, due)
        await follow(work, Policy.of(services.settings))
        await work.finish()


async def _not_confirmed(work: Docket, due: Due) -> None:
    """The street has not answered a neighbourhood: the desk above hears, again and again until somebody does."""
    row = await work.session.get(WhistleCall, due.key)
    if row is None or row.state != "proposed":
        return
    incident = await work.session.get_one(Incident, row.incident_id)
    rounds = int(due.data.get("round", 0)) + 1
    text = line("confirm_missed", {})
    params = {"code": "confirm_missed", "call": row.id, "text": text[0], "text_en": text[1], "set_off_by": due.id}
    work.write(incident, "whistle", SYSTEM, params)
    for one in record.at_tier(await record.street_way(work, incident), rounds):
        told = about(incident.number, row.cause_text, text)
        await tell(work, incident, one, "escalated", f"whistle-proposed:{row.id}:{rounds}", told)
    await calling.arm_confirm(work, row, incident, min(rounds, 6))


async def _rang(work: Docket, whistle: Whistle, step: Step, due: Due) -> None:
    waiting = await record.open_return(work.session, whistle)
    if Clock(step, due.key) not in clock.wanted(whistle.id, State(whistle.state), waiting.id if waiting else None):
        return
    if step is Step.RULE:
        await disputes.ruling_missed(work, whistle, await work.session.get_one(WhistleReturn, due.key))
        return
    rounds = int(due.data.get("round", 0))
    if step is Step.RATE:
        await _not_rated(work, whistle, rounds)
    else:
        await _not_answered(work, whistle, step, rounds)
    if State(whistle.state) is not State.ENDED:
        turn = await record.turn_of(work.session, whistle)
        at = max(clock.due(step, Level(whistle.level), turn.step_from, rounds + 1), work.now)
        await record.arm(work, whistle, Clock(step, whistle.id), at, turn.step_from, rounds + 1)
    await record.keep(work, whistle)


async def _not_answered(work: Docket, whistle: Whistle, step: Step, rounds: int) -> None:
    department = await work.session.get_one(Department, whistle.holder_id)
    rung = clock.rung(step, rounds)
    zh, en = STEPS[step]
    names = {"department": department.name, "step": zh}
    english = {"department": department.name_en or department.name, "step": en}
    liaisons = await departments.present(work.session, list(department.liaisons), whistle.exercise)
    turn = await record.turn_of(work.session, whistle)
    key = f"{step.name.lower()}:{turn.id}:{turn.step_from.isoformat()}:{rounds}"
    if rung.act == "remind":
        text = await record.note(work, whistle, "reminded", SYSTEM, names, english, step=step.name.lower())
        told = about(whistle.number, whistle.cause_text, text)
        await record.message(work, whistle, liaisons, "urged", key, told)
        return
    if rung.first:
        turn.missed = [*turn.missed, step.name.lower()]
    text = await record.note(work, whistle, "missed", SYSTEM, names, english, step=step.name.lower(), tier=rung.tier)
    told = about(whistle.number, whistle.cause_text, text)
    above = record.at_tier(await record.departments_way(work, whistle, department), rung.tier)
    desks = record.at_tier(await record.streets_desks(work, whistle), 0)
    await record.message(work, whistle, [*liaisons, *above, *desks], "escalated", key, told)


async def _not_rated(work: Docket, whistle: Whistle, rounds: int) -> None:
    rated = await ratings.standing(work.session, whistle)
    if rounds + 1 >= clock.RATE_ROUNDS:
        await record.note(work, whistle, "unrated", SYSTEM, {})
        await answers.end(work, whistle, "unrated")
        return
    for street in await ratings.streets_of(work.session, whistle):
        if street in rated:
            continue
        named = {"street": await area_name(work.session, street)}
        text = await record.note(work, whistle, "rating_missed", SYSTEM, named, street=street)
        told = about(whistle.number, whistle.cause_text, text)
        people = record.at_tier(await record.streets_desks(work, whistle), rounds)
        await record.message(work, whistle, people, "urged", f"rate:{street}:{rounds}:{whistle.turn_id}", told)


HANDLERS: dict[str, DueHandler] = dict.fromkeys([step.value for step in Step], _carried_out)
