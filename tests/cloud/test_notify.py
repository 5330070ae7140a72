"""Messages on their way to people: real channels, real servers, the next way in time, nothing twice, none lost."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import httpx
import pytest
from cloud_world import EDGE, add_devices, alert, event
from fastapi import FastAPI
from listeners import Browser, listening
from sqlalchemy import select, update

from cloud import problems
from cloud.app import create_services
from cloud.feed.model import FeedEntry
from cloud.heartbeat import service as heartbeat
from cloud.incidents import service as incidents
from cloud.incidents.model import Incident
from cloud.intake.accept import accept
from cloud.intake.parse import parse_batch
from cloud.notify import background, service, ways
from cloud.notify import due as notify_due
from cloud.notify.channels import FeedChannel, LogFileChannel, WebhookChannel
from cloud.notify.model import Notification, NotifyFault, Receipt, Way
from cloud.notify.outbox import HANDS, Outbox
from cloud.notify.vault import vault
from cloud.people import service as people
from cloud.people.model import Account, Shift
from cloud.settings import Settings
from cloud.timers import service as timers
from cloud.timers.model import Timer
from cloud.timers.worker import run_due

START = datetime.now(UTC)
DUTY = "per_duty"


@pytest.fixture
def settings(database, tmp_path):
    return Settings(data_dir=tmp_path / "data", database_url=database.url, notify_local_addresses=True)


class World:
    """The cloud's parts without its background tasks, on a clock of its own."""

    def __init__(self, services):
        self.services, self.db, self.at = services, services.db, START
        services.now = lambda: self.at

    def set(self, **changes):
        self.services.settings = self.services.settings.model_copy(update=changes)

    async def way(self, kind, address, person=DUTY, *, tested=True):
        async with self.db.transaction() as session:
            sealed = vault(self.services.settings)
            row = await ways.add(session, sealed, person_id=person, kind=kind, address=address, label=kind, now=self.at)
            if tested:
                await ways.passed(session, row, "code", self.at)
            return row.id

    async def queue(self, key, *, level="II", person=DUTY, kind="opened", **more):
        async with self.db.transaction() as session:
            return await service.queue(
                session, key=key, person_id=person, kind=kind, text_zh=f"烟雾报警 {key}", text_en=f"smoke {key}",
                grid_path="/hz", now=self.at, level=level, **more,
            )  # fmt: skip

    async def rows(self, *where):
        async with self.db.reading() as session:
            query = select(Notification).where(*where).order_by(Notification.turn, Notification.created_at)
            return list(await session.scalars(query))

    async def own(self):
        return await self.rows(Notification.way_id.is_not(None))

    async def all(self, table):
        async with self.db.reading() as session:
            return list(await session.scalars(select(table)))

    async def later(self, **span):
        """Time passes, and what falls due meanwhile is carried out."""
        self.at += timedelta(**span)
        return await run_due(self.services, "worker")

    def outbox(self, client, **channels):
        return Outbox(self.services, background.channels_of(self.services, client) | channels)


@pytest.fixture
async def world(database, settings, seeded):
    services = create_services(settings)
    made = World(services)
    async with services.db.transaction() as session:
        await add_devices(session)
    yield made
    await services.db.close()


@pytest.fixture
async def client():
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@lru_cache
def _routes() -> FastAPI:
    from cloud.calls import api as calls_api
    from cloud.heartbeat import api as heartbeat_api
    from cloud.notify import api as notify_api

    app = FastAPI()
    problems.install(app)
    for module in (notify_api, calls_api, heartbeat_api):
        app.include_router(module.router, prefix="/api/v1")
    return app


@pytest.fixture
async def signed_in(world):
    """`await signed_in("duty")`: a client of the routes of notification, calls and heartbeat."""
    app, clients = _routes(), []
    app.state.services = world.services

    async def sign_in(username=None):
        headers = {}
        if username:
            async with world.db.transaction() as session:
                account = await session.get_one(Account, f"per_{username}")
                token = await people.open_session(
                    session, account, now=world.at, lifetime=timedelta(hours=12), client="test"
                )
            headers = {"Authorization": f"Bearer {token}"}
        made = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://cloud.test/api/v1", headers=headers
        )
        clients.append(made)
        return made

    yield sign_in
    for made in clients:
        await made.aclose()


# ---------------------------------------------------------------- the next way


async def test_no_receipt_a_channel_that_is_down_and_the_next_way_with_its_reason(world, client, signed_in):
    """SMS is down, the phone takes the push and says nothing, the mail is the last: the outbox shows why."""
    async with listening() as push, listening(lambda _request: 503) as sms, listening() as mail:
        browser = Browser(push.url)
        world.set(sms_gateway_url=sms.url)
        await world.way("sms", "13800001111")
        duty = await signed_in("duty")
        answer = await duty.post("/push/subscriptions", json=browser.subscription | {"expirationTime": None})
        assert answer.status_code == 201, answer.text
        push_way = answer.json()["id"]
        async with world.db.transaction() as session:
            await ways.passed(session, await session.get_one(Way, push_way), "receipt", world.at)
        await world.way("apprise", mail.url.replace("http://", "json://"))
        outbox = world.outbox(client)
        assert await world.queue("fire") == 2  # screens and log
        assert await world.queue("fire") == 0
        await outbox.send_due()
        first, second = await world.own()
        assert (first.channel, first.state, second.channel, second.state) == ("sms", "pending", "webpush", "sent")
        assert second.why == "sms: HTTP 503"
        assert sms.got[0].json() == {"id": first.id, "to": "13800001111", "text": "烟雾报警 fire"}
        told = browser.decrypt(push.got[0].body)
        assert (told["text_zh"], told["id"], told["level"]) == ("烟雾报警 fire", second.id, "II")
        assert push.got[0].headers["urgency"] == "high"
        assert push.got[0].headers["authorization"].startswith("vapid t=")

        assert await world.later(seconds=14) == 0
        assert await world.later(seconds=1) == 1
        third = (await world.own())[-1]
        assert (third.channel, third.turn, third.why) == ("apprise", 3, "no receipt within 15 s (webpush)")
        await outbox.send_due()
        assert "烟雾报警 fire" in json.loads(mail.got[0].body)["message"]

        said = {"X-Receipt-Token": told["token"]}
        nobody = await signed_in()
        at = (world.at - timedelta(seconds=3)).isoformat()
        path = f"/notifications/{second.id}/receipts"
        assert (await nobody.post(path, json={"result": "delivered"})).status_code == 401
        other = f"/notifications/{third.id}/receipts"
        assert (await nobody.post(other, json={"result": "delivered"}, headers=said)).status_code == 401
        answer = await nobody.post(path, json={"result": "delivered", "at": at}, headers=said)
        assert (answer.status_code, answer.json()["new"]) == (200, True)
        again = await nobody.post(path, json={"result": "delivered"}, headers=said)
        assert (again.json()["new"], again.json()["delivered_at"]) == (False, at)
        assert [timer.kind for timer in await world.all(Timer) if timer.kind == service.NO_RECEIPT] == []
        await world.later(minutes=10)
        await outbox.send_due()
        first, *_rest = await world.own()
        assert first.state == "needless"  # heard elsewhere: SMS is not tried again
        assert len(await world.own()) == 3


async def test_a_webhook_that_hangs_delays_nobody_and_a_channel_that_is_down_is_seen_and_probed(
    world, client, tmp_path
):
    async with listening(lambda _request: None) as hook:
        world.set(notify_webhook_url=hook.url)
        for number in range(12):
            await world.queue(f"m{number}", channels=("feed", "log", "webhook"))
        outbox = world.outbox(client)
        others = (Notification.channel != "webhook", Notification.state != "sent")
        while await outbox.start_due() or await world.rows(*others):
            await asyncio.wait(outbox.freed(), timeout=0.1)
        assert {row.state for row in await world.rows(Notification.channel == "webhook")} == {"pending"}
        assert len([task for task in outbox.freed() if "webhook" in task.get_name()]) == HANDS  # its own only
        await outbox.stop()

    dead = WebhookChannel("http://127.0.0.1:9/hook", client)
    outbox = Outbox(world.services, {"webhook": dead})
    world.at += timedelta(seconds=61)  # what was broken off comes free with its lease
    await outbox.send_due()
    [fault] = await world.all(NotifyFault)
    assert (fault.code, fault.subject, fault.ended_at) == ("channel_down", "webhook", None)
    tried = len(await world.all(Receipt))
    await world.queue("m12", channels=("webhook",))
    await outbox.send_due()
    skipped = (await world.all(Receipt))[tried:]
    assert len(skipped) == 1
    assert "webhook is down since" in skipped[0].detail
    async with listening() as hook:
        outbox = Outbox(world.services, {"webhook": WebhookChannel(hook.url, client)}, outbox.circuits)
        world.at += timedelta(minutes=3)
        await outbox.send_due()
        world.at += timedelta(minutes=3)
        await outbox.send_due()
        assert len({request.headers["idempotency-key"] for request in hook.got}) == len(hook.got) == 13
    [fault] = await world.all(NotifyFault)
    assert fault.ended_at is not None
    assert {row.state for row in await world.rows(Notification.channel == "webhook")} == {"sent"}


async def test_a_storm_is_one_message_that_names_all_and_quiet_hours_hold_for_what_is_not_urgent(world, client):
    """Six urgent messages of one kind: two at once, four as one. What is not urgent waits for the morning."""
    async with world.db.transaction() as session:
        await session.execute(update(Shift).where(Shift.person_id == DUTY).values(ends_at=START - timedelta(hours=1)))
    async with listening() as sms:
        world.set(sms_gateway_url=sms.url)
        await world.way("sms", "13800001111")
        begin, end = [(START + timedelta(hours=8 + more)).replace(minute=0, second=0) for more in (-1, 5)]
        async with world.db.transaction() as session:
            await ways.set_quiet(session, DUTY, [[f"{begin:%H:%M}", f"{end:%H:%M}"]], "wait", START)
        outbox = world.outbox(client)
        for number in range(6):
            await world.queue(f"i{number}")
            await outbox.send_due()
        assert len(sms.got) == 2
        world.at += timedelta(seconds=5)
        await outbox.send_due()
        assert len(sms.got) == 3
        text = sms.got[-1].json()["text"]
        assert text.splitlines()[0] == "4 条消息："
        assert all(f"i{number}" in text for number in (2, 3, 4, 5))
        rows = await world.own()
        assert {row.state for row in rows} == {"sent"}
        assert sorted(row.bundled_into is None for row in rows) == [False] * 3 + [True] * 3
        async with world.db.transaction() as session:
            leader = await session.get_one(Notification, sms.got[-1].json()["id"])
            assert await service.said(session, leader, "delivered", now=world.at)
        assert sum(row.delivered_at is not None for row in await world.own()) == 4  # each key has its record

        await world.queue("low", level="III")
        await outbox.send_due()
        assert len(sms.got) == 3
        [low] = await world.rows(Notification.way_id.is_not(None), Notification.level == "III")
        assert low.why == "quiet hours"
        assert low.due_at == (end - timedelta(hours=8)).replace(microsecond=0)
        async with world.db.transaction() as session:
            await session.execute(
                update(Shift).where(Shift.person_id == DUTY).values(ends_at=START + timedelta(days=1))
            )
        await world.queue("low2", level="III")
        await outbox.send_due()
        assert len(sms.got) == 4  # on duty nobody is left alone
        world.at = low.due_at
        await outbox.send_due()
        assert len(sms.got) == 5


async def test_two_workers_and_a_kill_between_the_steps(world, client):
    """A worker dies with the timer leased, another before its record: the next way is taken once, under one id."""
    async with listening() as sms, listening() as other:
        world.set(sms_gateway_url=sms.url)
        await world.way("sms", "13800001111")
        await world.way("apprise", other.url.replace("http://", "json://"))
        await world.queue("fire")
        dying, living = world.outbox(client), world.outbox(client)
        await dying.start_due()
        await sms.came.wait()
        await dying.stop()  # handed over, never recorded
        world.at += timedelta(seconds=61)
        await asyncio.gather(living.send_due(), world.outbox(client).send_due())
        assert {request.json()["id"] for request in sms.got} == {(await world.own())[0].id}
        leased = await timers.lease(world.db, "dead", world.at, timedelta(seconds=30))
        assert [due.kind for due in leased] == [service.NO_RECEIPT]
        assert await run_due(world.services, "b") == 0
        world.at += timedelta(seconds=31)
        await asyncio.gather(run_due(world.services, "b"), run_due(world.services, "c"))
        await notify_due.no_receipt(world.services, leased[0])  # the dead one comes back
        assert [row.turn for row in await world.own()] == [1, 2]
        await living.send_due()
        await world.later(seconds=15)
        assert [row.result for row in await world.all(Receipt)].count("exhausted") == 1
        assert len(other.got) == 1


# ---------------------------------------------------------------- ways


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the statements are those of the others
async def test_ways_are_tested_on_that_phone_and_addresses_shown_to_nobody_else(world, client, signed_in, tmp_path):
    duty, admin, city = [await signed_in(name) for name in ("duty", "admin", "city")]
    async with listening() as sms:
        world.set(sms_gateway_url=sms.url)
        assert (await duty.post("/ways", json={"kind": "sms", "address": "abc"})).status_code == 422
        assert (await duty.post("/ways", json={"kind": "apprise", "address": "json://x"})).status_code == 403
        key = {"Idempotency-Key": "k1"}
        made = [await duty.post("/ways", json={"kind": "sms", "address": "13800001111"}, headers=key) for _ in "ab"]
        assert made[0].json() == made[1].json()
        way = made[0].json()["id"]
        assert "address" not in made[0].json()
        assert [one["address"] for one in (await duty.get("/ways")).json()["items"]] == ["13800001111"]
        assert (await admin.get("/ways", params={"person_id": DUTY})).json()["items"][0]["address"] == "13800001111"
        assert (await city.get("/ways", params={"person_id": DUTY})).status_code == 403
        assert (await city.post(f"/ways/{way}/test")).status_code == 404
        untested = (await admin.get("/ways/untested")).json()
        assert DUTY in [one["person"]["id"] for one in untested["items"]]

        assert (await duty.post(f"/ways/{way}/test")).status_code == 202
        outbox = world.outbox(client)
        await outbox.send_due()
        code = next(part for part in sms.got[0].json()["text"].replace("，", " ").split() if part.isdigit())
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        assert (await duty.post(f"/ways/{way}/confirm", json={"code": wrong})).status_code == 422
        right = await duty.post(f"/ways/{way}/confirm", json={"code": code})
        assert (right.status_code, right.json()["tested_by"]) == (200, "code")
        assert (await duty.post(f"/ways/{way}/confirm", json={"code": code})).status_code == 409
        assert DUTY not in [one["person"]["id"] for one in (await admin.get("/ways/untested")).json()["items"]]

        await world.queue("fire")
        await outbox.send_due()
        files = "".join(path.read_text() for path in world.services.settings.data_dir.glob("*.jsonl"))
        told = json.dumps([row.value for row in await world.all(FeedEntry)])
        assert "fire" in files
        assert "fire" in told
        kept = json.dumps(
            [row.sealed for row in await world.all(Way)] + [row.detail for row in await world.all(Receipt)]
        )
        assert "13800001111" not in files + told + kept
        assert (await duty.delete(f"/ways/{way}")).status_code == 200
        assert [row.sealed for row in await world.all(Way)] == [""]

    async with listening(lambda _request: 410) as push:
        browser = Browser(push.url)
        await duty.post("/push/subscriptions", json=browser.subscription)
        await duty.post("/push/subscriptions", json=browser.subscription)
        [standing] = (await duty.get("/ways")).json()["items"]
        await world.queue("fire2")
        await outbox.send_due()
        assert (await duty.get("/ways")).json()["items"] == []  # the browser is subscribed no more
        gone = next(row for row in await world.all(Way) if row.id == standing["id"])
        assert gone.removed_why == "HTTP 410: the browser is subscribed no more"
    world.set(notify_local_addresses=False)
    inside = Browser("https://127.0.0.1/push").subscription
    assert (await duty.post("/push/subscriptions", json=inside)).status_code == 422
    assert (await duty.put("/quiet-hours", json={"spans": [["23:00", "06:00"]], "how": "silent"})).status_code == 200
    assert (await duty.get("/quiet-hours")).json() == {"spans": [["23:00", "06:00"]], "how": "silent"}


# ---------------------------------------------------------------- the heartbeat


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the statements are those of the others
async def test_the_heartbeat_goes_out_when_a_synthetic_alert_came_through_and_nobody_sees_it(world, client, signed_in):
    answers = [201]
    async with listening(lambda _request: answers[0]) as outside:
        world.set(heartbeat_url=outside.url, heartbeat_every_s=60.0)
        before = {row.id for row in await world.all(Notification)}
        await heartbeat.set_up(world.services)
        await heartbeat.set_up(world.services)
        await heartbeat.keep_timer(world.services)
        outbox = world.outbox(client)
        await run_due(world.services, "worker")
        await outbox.send_due()
        assert outside.got[0].json()["passed"] == ["intake", "dispatch", "outbox"]
        fresh = [row for row in await world.all(Notification) if row.id not in before]
        assert [(row.person_id, row.channel, row.state) for row in fresh] == [("per_self-test", "heartbeat", "sent")]
        await world.later(seconds=60)
        await outbox.send_due()
        assert len(outside.got) == 2
        real = alert("smoke-wh7-s1-3f", opened_at=world.at, recorded_at=world.at)
        verdicts = await accept(world.services, EDGE, parse_batch(json.dumps([event(real)]).encode(), EDGE))
        assert [verdict.status for verdict in verdicts] == ["committed"]
        synthetic = [row for row in await world.all(Incident) if row.exercise == service.SELF_TEST]
        assert [row.state for row in synthetic].count("void") == 1
        [row] = [row for row in await world.all(Incident) if row.exercise is None]
        assert row.number.endswith("-0001")  # people's numbers have no gap
        async with world.db.reading() as session:
            for account in await people.people(session):
                person = await people.person(session, account.id)
                if account.id != heartbeat.PERSON:
                    assert not any(incidents.sees(person, one) for one in synthetic), account.id
        answers[0] = 500
        for _ in range(2):
            await world.later(seconds=60)
            await outbox.send_due()
        duty = await signed_in("duty")
        shown = (await duty.get("/heartbeat")).json()
        assert "no heartbeat went out for" in shown["fault"]["detail"]
        assert heartbeat.FAULT in [one["code"] for one in (await duty.get("/notifications/faults")).json()["items"]]
        answers[0] = 201
        await world.later(seconds=130)
        await outbox.send_due()
        assert (await duty.get("/heartbeat")).json()["fault"] is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the statements are those of the others
async def test_who_acts_on_an_incident_has_heard_of_it(world, client):
    """No further way is taken for somebody who has the incident in hand."""
    await world.way("sms", "13800001111", "per_duty")
    await world.way("email", "a@b.cn", "per_duty")
    world.set(sms_gateway_url="http://127.0.0.1:9/sms")
    await world.queue("x", incident_id="inc_1")
    assert [timer.key for timer in await world.all(Timer) if timer.kind == service.NO_RECEIPT]
    async with world.db.transaction() as session:
        await service.acted(session, "per_duty", "inc_1", world.at)
    assert [row.state for row in await world.own()] == ["needless"]
    assert not [timer.key for timer in await world.all(Timer) if timer.kind == service.NO_RECEIPT]
    assert (
        await world.outbox(
            client, feed=FeedChannel(world.db), log=LogFileChannel(world.services.settings.data_dir / "l")
        ).send_due()
        == 2
    )
