"""Offers, taps and time limits on a real database; the timers survive their worker."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cloud_world import EDGE, EVENTS, add_devices, alert, event
from sqlalchemy import delete, func, select

from cloud.app import create_services
from cloud.dispatch import plan_limits, service
from cloud.dispatch.model import Assignment
from cloud.dispatch.progress import Tap
from cloud.dispatch.service import Policy
from cloud.feed.model import FeedEntry
from cloud.incidents import service as incidents
from cloud.incidents.docket import by, docket
from cloud.incidents.model import Incident, TimelineEntry
from cloud.incidents.states import Outcome
from cloud.intake import gateways
from cloud.intake.accept import accept
from cloud.intake.parse import parse_batch
from cloud.notify.channels import FeedChannel, LogFileChannel, Message, NotSent, WebhookChannel
from cloud.notify.model import Notification, Receipt
from cloud.notify.outbox import Outbox
from cloud.people import service as people
from cloud.registry import seed
from cloud.registry.model import Edge, IssuedExercise
from cloud.timers import service as timers
from cloud.timers.model import Timer
from cloud.timers.worker import run_due
from wire.alert import Verb
from wire.event import Type
from wire.level import Level
from wire.report import EdgeReport

START = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
POLICY = Policy()
LEASE = timedelta(seconds=30)


class World:
    """The cloud's parts without its background tasks, on a clock of its own."""

    def __init__(self, services):
        self.services = services
        self.db = services.db
        self.at = START
        services.now = lambda: self.at

    def pass_(self, **span: float) -> None:
        self.at += timedelta(**span)

    async def edge_says(self, *events: dict) -> list[str]:
        verdicts = await accept(self.services, EDGE, parse_batch(json.dumps(list(events)).encode(), EDGE))
        return [verdict.status for verdict in verdicts]

    async def alarm(self, device: str = "smoke-wh7-s1-3f", **more) -> str:
        """One alarm; the id of its incident."""
        said = alert(device, **({"opened_at": self.at, "recorded_at": self.at} | more))
        assert await self.edge_says(event(said)) == ["committed"]
        await run_due(self.services, "calls")  # 叫应 begins with the alarm; nobody is kept for this place
        async with self.db.reading() as session:
            newest = select(Incident.id).order_by(Incident.opened_at.desc(), Incident.number.desc()).limit(1)
            return await session.scalar(newest)

    async def due(self, worker: str = "worker") -> int:
        """Carry out what is due; how much, but for calls (叫应) that begin anew with a rise in level, and cards."""
        async with self.db.reading() as session:
            apart = (service.CALLS, plan_limits.KIND)
            query = select(func.count()).where(Timer.kind.in_(apart), Timer.due_at <= self.at)
            others = await session.scalar(query)
        return await run_due(self.services, worker) - others

    async def incident(self, incident_id: str) -> Incident:
        async with self.db.reading() as session:
            return await session.get(Incident, incident_id)

    async def all(self, table, *order):
        async with self.db.reading() as session:
            return list(await session.scalars(select(table).order_by(*order) if order else select(table)))

    async def lines(self, incident_id: str) -> list[str]:
        async with self.db.reading() as session:
            return [line.kind for line in await incidents.entries(session, incident_id)]

    async def person(self, username: str):
        async with self.db.reading() as session:
            return await people.person(session, f"per_{username}")

    @contextlib.asynccontextmanager
    async def change(self):
        async with docket(self.services) as work:
            yield work
            await service.follow(work, POLICY)
            await work.finish()

    async def tap(self, assignment_id: str, username: str, what: Tap, at: datetime | None = None, text=None) -> bool:
        person = await self.person(username)
        async with self.change() as work:
            row, incident = await service.assignment_for(work.session, assignment_id, person)
            return await service.tapped(work, POLICY, row, incident, person, what, at=at, text=text)


@pytest.fixture
async def world(database, settings, cheap_passwords):
    services = create_services(settings)
    made = World(services)
    async with services.db.transaction() as session:
        await seed.demo(session, now=START, password=lambda _name: "correct-horse-battery")
        await add_devices(session)
        await session.execute(delete(Timer))  # the demo world's watches over rotas and hand-overs: not of this house
    yield made
    await services.db.close()


# ---------------------------------------------------------------- time limits


async def test_unacknowledged_smoke_goes_up_the_tree_and_rises_to_most_urgent(world):
    world.services.settings = world.services.settings.model_copy(update={"automatic_offers": False})
    incident = await world.alarm(level=Level.II)
    assert (await world.incident(incident)).escalation_tier == 0
    told = []
    for second in (60, 120, 180, 240):
        world.at = START + timedelta(seconds=second - 1)
        assert await world.due() == 0
        world.at = START + timedelta(seconds=second)
        assert await world.due() == 1
        row = await world.incident(incident)
        told.append((row.escalation_tier, row.level))
    assert told == [(1, "II"), (2, "I"), (3, "I"), (3, "I")]
    escalated = [row for row in await world.all(Notification, Notification.created_at) if row.kind == "escalated"]
    assert {row.person_id for row in escalated} == {"per_leader", "per_district", "per_city"}
    assert "escalated" in await world.lines(incident)
    assert "level_raised" in await world.lines(incident)
    entries = [row for row in await world.all(TimelineEntry, TimelineEntry.seq) if row.kind == "escalated"]
    assert [row.params["person"] for row in entries] == ["王海燕", "程立新", "苏敬之", "苏敬之"]
    assert entries[-1].params["repeats"] is True, "at the top it goes on: no dead end"
    deadline = (await world.incident(incident)).deadline
    assert deadline["step"] == "acknowledge"


async def test_acknowledging_stops_that_clock_and_the_next_step_has_its_own(world):
    incident = await world.alarm("water-up-low", level=Level.II)
    duty = await world.person("duty")
    async with world.change() as work:
        incidents.acknowledge(work, await incidents.get(work.session, incident, duty), by(duty))
    deadline = (await world.incident(incident)).deadline
    assert (deadline["step"], deadline["due_at"]) == ("dispatch", "2026-11-22T02:17:00.000Z"), "somebody must go"
    world.pass_(seconds=119)
    assert await world.due() == 0
    assert "escalated" not in await world.lines(incident)
    world.pass_(seconds=1)
    assert await world.due() == 1
    [line] = [row for row in await world.all(TimelineEntry, TimelineEntry.seq) if row.kind == "escalated"]
    assert (line.params["step"], line.params["person"]) == ("dispatch", "王海燕"), "the desk above the owner's"


async def test_a_rise_in_level_shortens_a_running_limit(world):
    incident = await world.alarm("water-up-low", level=Level.IV)
    before = (await world.incident(incident)).deadline["due_at"]
    world.pass_(seconds=30)
    worse = alert("water-up-low", verb=Verb.ESCALATED, level=Level.I, revision=2, opened_at=START, recorded_at=world.at)
    await world.edge_says(event(worse))
    after = (await world.incident(incident)).deadline["due_at"]
    assert after < before
    assert after == "2026-11-22T02:16:00.000Z"


async def test_an_offer_that_nobody_takes_expires_escalates_and_goes_to_the_next(world):
    incident = await world.alarm(level=Level.II)
    [offer] = await world.all(Assignment)
    assert (offer.responder["name"], offer.automatic, offer.due_at) == (
        "望湖微型消防站",
        True,
        START + timedelta(seconds=60),
    )
    world.pass_(seconds=60)
    await world.due()
    rows = await world.all(Assignment, Assignment.offered_at)
    assert rows[0].state == "expired"
    assert [row.state for row in rows[1:]] == ["offered"]
    assert rows[1].responder_id != rows[0].responder_id
    lines = await world.lines(incident)
    assert "expired" in lines
    assert "escalated" in lines
    assert (await world.incident(incident)).state == "dispatched"


async def test_when_all_have_declined_the_clock_still_runs(world):
    incident = await world.alarm(level=Level.II)
    members = {"rsp_wanghu-mfs": "mfs", "rsp_zhou": "zhou", "rsp_guard": "guard", "rsp_lu": "lu"}
    for _ in range(12):
        offered = [row for row in await world.all(Assignment) if row.state == "offered"]
        if not offered:
            break
        await world.tap(offered[0].id, members[offered[0].responder_id], Tap.DECLINE, text="走不开")
    row = await world.incident(incident)
    assert row.state == "accepted"
    assert row.deadline is not None
    tier = row.escalation_tier
    world.pass_(minutes=2)
    assert await world.due() >= 1
    assert (await world.incident(incident)).escalation_tier >= tier
    assert (await world.incident(incident)).deadline is not None


async def test_a_late_acceptance_still_counts(world):
    incident = await world.alarm(level=Level.III)
    duty = await world.person("duty")
    async with world.change() as work:
        row = await incidents.get(work.session, incident, duty)
        offer = await service.send(work, POLICY, row, duty, "rsp_zhou", None)
    world.pass_(seconds=61)
    await world.due()
    assert (await world.incident(incident)).state == "accepted"
    assert await world.tap(offer.id, "zhou", Tap.ACCEPT, START + timedelta(seconds=50))
    assert (await world.incident(incident)).state == "dispatched"
    [row] = await world.all(Assignment)
    assert (row.state, row.acknowledged_at) == ("acknowledged", START + timedelta(seconds=50))


# ---------------------------------------------------------------- the timers' worker


async def test_a_worker_that_dies_after_its_lease_loses_nothing(world):
    incident = await world.alarm("water-up-low", level=Level.I)
    world.pass_(seconds=60)
    leased = await timers.lease(world.db, "dead", world.at, LEASE)
    assert len(leased) == 1
    assert await world.due("alive") == 0, "the lease holds"
    world.pass_(seconds=31)
    assert await world.due("alive") == 1
    assert (await world.lines(incident)).count("escalated") == 1


async def test_what_fell_due_while_no_worker_was_alive_is_carried_out_at_the_start(world):
    made = [await world.alarm("water-up-low", level=Level.I), await world.alarm("facade-ljb-18e-07", level=Level.I)]
    world.pass_(hours=3)
    assert await world.due("after-restart") == 2
    for incident in made:
        assert (await world.lines(incident)).count("escalated") == 1


async def test_two_workers_do_each_thing_once(world):
    made = [await world.alarm("water-up-low", level=Level.I), await world.alarm("facade-ljb-18e-07", level=Level.I)]
    world.pass_(seconds=60)
    done = await asyncio.gather(*(world.due(f"w{n}") for n in range(4)))
    assert sum(done) == 2
    for incident in made:
        assert (await world.lines(incident)).count("escalated") == 1


async def test_a_lease_that_was_lost_acts_no_more(world):
    await world.alarm("water-up-low", level=Level.I)
    world.pass_(seconds=60)
    [timer] = await timers.lease(world.db, "slow", world.at, LEASE)
    world.pass_(seconds=31)
    await world.due("quick")
    async with docket(world.services) as work:
        assert not await timers.take(work.session, timer)


# ---------------------------------------------------------------- taps over the database


async def test_queued_taps_in_the_wrong_order_and_twice_end_the_same(world):
    incident = await world.alarm(level=Level.II)
    [offer] = await world.all(Assignment)
    stamps = {Tap.ACCEPT: 10, Tap.EN_ROUTE: 20, Tap.ON_SCENE: 150}
    world.pass_(minutes=4)
    for what in (Tap.ON_SCENE, Tap.ACCEPT, Tap.EN_ROUTE, Tap.ACCEPT, Tap.ON_SCENE):
        await world.tap(offer.id, "guard", what, START + timedelta(seconds=stamps[what]))
    [row] = [one for one in await world.all(Assignment) if one.id == offer.id]
    assert row.state == "on_scene"
    assert row.acknowledged_at == START + timedelta(seconds=10)
    assert row.on_scene_at == START + timedelta(seconds=150)
    assert row.taken_by["name"] == "马涛", "one of a team takes it for all"
    lines = await world.lines(incident)
    assert (lines.count("accepted"), lines.count("en_route"), lines.count("on_scene")) == (1, 1, 1)
    assert (await world.incident(incident)).state == "in_progress"


async def test_a_stranger_cannot_tap_and_the_desk_may_on_behalf(world):
    await world.alarm(level=Level.II)
    [offer] = await world.all(Assignment)
    with pytest.raises(Exception, match="no assignment"):
        await world.tap(offer.id, "shen", Tap.ACCEPT)
    assert await world.tap(offer.id, "duty", Tap.ACCEPT)
    entry = [row for row in await world.all(TimelineEntry, TimelineEntry.seq) if row.kind == "accepted"][-1]
    assert entry.params["on_behalf"] is True


async def test_closing_recalls_whoever_is_on_the_way(world):
    incident = await world.alarm(level=Level.II)
    [offer] = await world.all(Assignment)
    await world.tap(offer.id, "mfs", Tap.EN_ROUTE)
    duty = await world.person("duty")
    async with world.change() as work:
        row = await incidents.get(work.session, incident, duty)
        incidents.close(work, row, by(duty), outcome=Outcome.NUISANCE, cause="cooking")
    [row] = await world.all(Assignment)
    assert row.state == "cancelled"
    assert [timer for timer in await world.all(Timer) if timer.subject == incident] == []
    assert "cancelled" in {one.kind for one in await world.all(Notification)}


async def test_someone_on_another_incident_is_not_pulled_off_it(world):
    await world.alarm("smoke-wh7-s1-3f", level=Level.I)
    [offer] = await world.all(Assignment)
    await world.tap(offer.id, "mfs", Tap.ACCEPT)
    await world.alarm("smoke-wh7-s2-3f", level=Level.II, opened_at=START - timedelta(hours=1))
    assert len([row for row in await world.all(Assignment) if row.responder_id == offer.responder_id]) == 1


async def test_a_drill_makes_nobody_busy_for_a_real_alarm(world):
    async with world.db.transaction() as session:
        session.add(IssuedExercise(id="drl-1", name="演练", state="running", segments=[], issued_at=START))
        await session.flush()
        await people.take_part(session, "drl-1", ["per_mfs", "per_duty"])
    await world.alarm(level=Level.II, exercise="drl-1")
    [first] = await world.all(Assignment)
    assert first.exercise == "drl-1"
    await world.tap(first.id, "mfs", Tap.ACCEPT)
    await world.alarm(level=Level.II)
    real = [row for row in await world.all(Assignment) if row.exercise is None]
    assert [row.responder["name"] for row in real] == ["望湖微型消防站"]


async def test_a_missed_limit_of_a_drill_tells_participants_only(world):
    async with world.db.transaction() as session:
        session.add(IssuedExercise(id="drl-1", name="演练", state="running", segments=[], issued_at=START))
        await session.flush()
        await people.take_part(session, "drl-1", ["per_duty", "per_city"])
    incident = await world.alarm(level=Level.II, exercise="drl-1")
    for _ in range(4):
        world.pass_(minutes=1)
        await world.due()
    assert (await world.lines(incident)).count("escalated") >= 3
    assert {row.person_id for row in await world.all(Notification)} <= {"per_duty", "per_city"}


# ---------------------------------------------------------------- gateways


def heartbeat(world) -> dict:
    report = EdgeReport(edge=EDGE, version="1", started_at=START, reported_at=world.at, revision=1, clock_trusted=True)
    return event(report, type=Type.EDGE_REPORTED)


async def test_a_gateway_that_is_cut_off_is_one_incident_and_its_return_is_noted(world):
    await world.edge_says(heartbeat(world))
    world.pass_(seconds=15)
    assert await gateways.look(world.services) == []
    world.pass_(seconds=16)
    assert await gateways.look(world.services) == [EDGE]
    assert await gateways.look(world.services) == []
    [lost] = await world.all(Incident)
    assert (lost.hazard, lost.level, lost.headline["code"]) == ("gateway", "III", "gateway_lost")
    silence = alert(hazard=None, rule="silence", level=Level.IV, evidence={}, opened_at=world.at, recorded_at=world.at)
    from msgspec.structs import replace

    from wire.alert import Hazard

    world.pass_(seconds=5)
    await world.edge_says(event(replace(silence, hazard=Hazard.DEVICE)))
    [still_one] = await world.all(Incident)
    assert (still_one.level, still_one.headline["params"]["silent"]) == ("III", 1)
    await world.edge_says(heartbeat(world))
    assert "note" in await world.lines(lost.id)
    async with world.db.reading() as session:
        assert (await session.get(Edge, EDGE)).online is True


# ---------------------------------------------------------------- messages


async def test_messages_are_handed_over_once_with_a_receipt(world, tmp_path):
    await world.alarm(level=Level.II)
    log = tmp_path / "messages.jsonl"
    channels = {"feed": FeedChannel(world.db), "log": LogFileChannel(log)}
    queued = len(await world.all(Notification))
    assert queued > 0
    assert await Outbox(world.services, channels).send_due() == queued
    assert await Outbox(world.services, channels).send_due() == 0
    assert {row.state for row in await world.all(Notification)} == {"sent"}
    assert {row.result for row in await world.all(Receipt)} == {"handed_over"}
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == queued // 2
    assert any("派单" in line["text_zh"] for line in lines)
    told = [row for row in await world.all(FeedEntry) if row.kind == "notification"]
    assert all(row.audience["persons"] for row in told)


async def test_a_channel_that_is_down_is_tried_again_and_shows_why(world, tmp_path):
    await world.alarm(level=Level.II)
    channels = {"feed": FeedChannel(world.db), "log": LogFileChannel(tmp_path)}  # a folder is no file
    await Outbox(world.services, channels).send_due()
    failed = [row for row in await world.all(Notification) if row.channel == "log"]
    assert all(row.state == "pending" and row.due_at > world.at for row in failed)
    assert any("directory" in row.detail.lower() for row in await world.all(Receipt) if row.result == "failed")
    channels["log"] = LogFileChannel(tmp_path / "log.jsonl")
    world.pass_(seconds=3)
    assert await Outbox(world.services, channels).send_due() == len(failed)
    assert {row.state for row in await world.all(Notification)} == {"sent"}


async def test_a_message_to_one_who_left_the_exercise_is_abandoned(world, tmp_path):
    async with world.db.transaction() as session:
        session.add(IssuedExercise(id="drl-1", name="演练", state="running", segments=[], issued_at=START))
        await session.flush()
        await people.take_part(session, "drl-1", ["per_duty"])
    await world.alarm(level=Level.I, exercise="drl-1")
    from cloud.people.model import Participation

    async with world.db.transaction() as session:
        await session.execute(Participation.__table__.delete())
    log = tmp_path / "messages.jsonl"
    channels = {"log": LogFileChannel(log), "feed": FeedChannel(world.db)}
    await Outbox(world.services, channels).send_due()
    assert {row.state for row in await world.all(Notification)} == {"abandoned"}
    assert not log.exists()


async def test_a_webhook_gets_the_message_and_its_refusal_is_a_reason(served):
    """Against a real HTTP server: the application's own, which knows no such address."""
    message = Message("msg_1", "per_duty", "offer", "II", None, None, {"text_zh": "派单"}, START)
    async with httpx.AsyncClient() as client:
        with pytest.raises(NotSent, match="HTTP 4"):
            await WebhookChannel(f"{served}{EVENTS}", client).send(message)
        with pytest.raises(NotSent, match="Connect"):
            await WebhookChannel("http://127.0.0.1:9/hook", client).send(message)


async def test_a_webhook_that_takes_it_is_a_receipt():
    got = []

    async def hook(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(
            next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split()[1]
        )
        got.append((head, json.loads(await reader.readexactly(length))))
        writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(hook, "127.0.0.1", 0) as server, httpx.AsyncClient() as client:
        port = server.sockets[0].getsockname()[1]
        message = Message("msg_1", "per_duty", "offer", "II", None, None, {"text_zh": "派单"}, START)
        assert await WebhookChannel(f"http://127.0.0.1:{port}/hook", client).send(message) == "HTTP 204"
    head, body = got[0]
    assert b"idempotency-key: msg_1" in head.lower()
    assert body["text_zh"] == "派单"


async def test_a_log_that_has_grown_is_put_aside(tmp_path):
    log = tmp_path / "log.jsonl"
    channel = LogFileChannel(log, limit_bytes=100)
    for number in range(4):
        await channel.send(Message(f"msg_{number}", "p", "offer", None, None, None, {"text_zh": "x" * 80}, START))
    assert log.with_suffix(".jsonl.1").exists()
    assert len(log.read_text().splitlines()) == 1
