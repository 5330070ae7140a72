"""叫应 against a real telephone gateway that speaks the documented contract: one call at a time, exactly once."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import httpx
import pytest
from cloud_world import EDGE, add_devices, alert, event
from fastapi import FastAPI
from listeners import listening
from sqlalchemy import select

from cloud import problems
from cloud.app import create_services
from cloud.calls import dialler, playing, signing
from cloud.calls.model import Call, Chain, ContactFault, Play
from cloud.dispatch.model import Assignment
from cloud.incidents.model import Incident, TimelineEntry
from cloud.intake.accept import accept
from cloud.intake.parse import parse_batch
from cloud.notify import background
from cloud.notify.model import Notification, NotifyFault
from cloud.notify.outbox import Outbox
from cloud.notify.vault import vault
from cloud.people import service as people
from cloud.people.model import Account
from cloud.registry.model import DecisionRow, IssuedExercise, Site
from cloud.settings import Settings
from cloud.timers import service as timers
from cloud.timers.worker import run_due
from wire.level import Level

START = datetime.now(UTC)
PEOPLE = [
    {"name": "陈建国", "role": "户主", "number": "138 0000 1111"},
    {"name": "陈小燕", "role": "紧急联系人", "number": "+8613900002222"},
    {"name": "王秀英", "role": "楼组长", "number": "13700003333"},
]


@pytest.fixture
def settings(database, tmp_path):
    return Settings(data_dir=tmp_path / "data", database_url=database.url)


@lru_cache
def _routes() -> FastAPI:
    from cloud.calls import api as calls_api
    from cloud.modes import api as modes_api
    from cloud.plans import api as plans_api

    app = FastAPI()
    problems.install(app)
    for module in (calls_api, modes_api, plans_api):
        app.include_router(module.router, prefix="/api/v1")
    return app


class World:
    """The cloud's parts without its background tasks, on a clock of its own, and a gateway that the test plays."""

    def __init__(self, services, client):
        self.services, self.db, self.at, self.client = services, services.db, START, client
        services.now = lambda: self.at
        self.app = _routes()
        self.app.state.services = services
        self.open: list[httpx.AsyncClient] = []

    def set(self, **changes):
        self.services.settings = self.services.settings.model_copy(update=changes)

    async def sign_in(self, username=None):
        headers = {}
        if username:
            async with self.db.transaction() as session:
                account = await session.get_one(Account, f"per_{username}")
                span = timedelta(hours=12)
                token = await people.open_session(session, account, now=self.at, lifetime=span, client="test")
            headers = {"Authorization": f"Bearer {token}"}
        transport = httpx.ASGITransport(self.app)
        made = httpx.AsyncClient(transport=transport, base_url="http://cloud.test/api/v1", headers=headers)
        self.open.append(made)
        return made

    async def keep(self, scope, place, contacts, revision=0):
        desk = await self.sign_in("duty")
        answer = await desk.put(
            f"/contacts/{scope}/{place}",
            json={"contacts": contacts, "why": "住户登记"},
            headers={"If-Match": f'"{revision}"'},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def alarm(self, device="smoke-wh7-s1-3f", **more):
        said = alert(device, **({"level": Level.II, "opened_at": self.at, "recorded_at": self.at} | more))
        verdicts = await accept(self.services, EDGE, parse_batch(json.dumps([event(said)]).encode(), EDGE))
        assert [verdict.status for verdict in verdicts] == ["committed"]
        async with self.db.reading() as session:
            newest = select(Incident.id).order_by(Incident.opened_at.desc(), Incident.number.desc()).limit(1)
            return await session.scalar(newest)

    async def due(self, worker="worker"):
        return await run_due(self.services, worker)

    async def later(self, seconds):
        self.at += timedelta(seconds=seconds)
        while await self.due():
            await dialler.place_due(self.services, self.client)
        await dialler.place_due(self.services, self.client)

    async def all(self, table, *order):
        async with self.db.reading() as session:
            return list(await session.scalars(select(table).order_by(*order)))

    async def lines(self, incident):
        async with self.db.reading() as session:
            query = select(TimelineEntry).where(TimelineEntry.incident_id == incident).order_by(TimelineEntry.seq)
            return [(line.kind, line.params) for line in await session.scalars(query)]

    async def signal(self, call, what, *, nonce=None, at=None, key=None, **more):
        body = json.dumps({"call": call, "event": what, "at": (at or self.at).isoformat(), **more}).encode()
        secret = key or signing.key(self.services.settings)
        stamp = signing.signature(secret, body, int(self.at.timestamp()), nonce)
        gateway = await self.sign_in()
        return await gateway.post(
            "/telephone/signals", content=body, headers={signing.HEADER: stamp, "Content-Type": "application/json"}
        )


@pytest.fixture
async def world(database, settings, seeded):
    services = create_services(settings)
    async with services.db.transaction() as session:
        await add_devices(session)
    async with httpx.AsyncClient(trust_env=False) as client:
        made = World(services, client)
        yield made
        for one in made.open:
            await one.aclose()
    await services.db.close()


async def test_a_chain_goes_on_every_twenty_seconds_until_somebody_is_on_duty(world):
    """Nobody, a wrong number, then one who answers and presses the key. Dispatch waits for none of it."""
    async with listening() as gateway:
        world.set(telephone_gateway_url=gateway.url, public_url="https://cloud.example")
        kept = await world.keep("household", "wh-7-s1-3f", PEOPLE[:2])
        assert [one["number"] for one in kept["contacts"]] == ["138****1111", "+86*******2222"]
        await world.keep("building", "wh-7", PEOPLE[2:])
        incident = await world.alarm()
        assert await world.all(Assignment) != []  # somebody is asked before anybody is called
        await world.later(0)
        [order] = gateway.got
        said = order.json()
        assert (said["number"], said["ring_s"], said["confirm_key"]) == ("13800001111", 20.0, "1")
        assert said["callback"] == "https://cloud.example/api/v1/telephone/signals"
        assert "烟雾报警" in said["text_zh"]
        secret, stamp = signing.key(world.services.settings), order.headers[signing.HEADER.lower()]
        assert signing.checked(secret, order.body, stamp, int(world.at.timestamp()))
        assert (await world.signal(said["call"], "ringing")).json()["repeat"] is False
        await world.later(19)
        assert len(gateway.got) == 1
        await world.later(1)
        second = gateway.got[1].json()
        assert second["number"] == "+8613900002222"
        assert (await world.signal(second["call"], "wrong_number")).status_code == 200
        await world.later(0)  # the next one at once
        third = gateway.got[2].json()
        assert third["number"] == "13700003333"
        await world.signal(third["call"], "answered")
        await world.later(20)
        assert [(one.state, one.next) for one in await world.all(Chain)] == [("calling", 3)]  # answered is not on duty
        await world.signal(third["call"], "confirmed", key_pressed="1")
        [chain] = await world.all(Chain)
        assert chain.state == "reached"
        await world.later(600)
        assert len(gateway.got) == 3
        kinds = [kind for kind, _ in await world.lines(incident) if kind.startswith("call")]
        assert kinds == [
            "calls_began", "call_began", "call_ended", "call_began", "call_ended", "call_began", "call_answered",
            "call_on_duty", "calls_reached",
        ]  # fmt: skip
        written = json.dumps(await world.lines(incident), ensure_ascii=False)
        assert "13900002222" not in written
        assert "陈小燕" not in written

    duty, guest = await world.sign_in("duty"), await world.sign_in("manager")
    shown = (await duty.get(f"/incidents/{incident}/calls")).json()["items"][0]
    assert [one["tel"] for one in shown["contacts"]] == ["tel:13800001111", "tel:+8613900002222", "tel:13700003333"]
    assert [one["result"] for one in shown["calls"]] == ["no_answer", "wrong_number", "on_duty"]
    masked = (await guest.get(f"/incidents/{incident}/calls")).json()["items"][0]["contacts"]
    assert all(one["masked"] for one in masked)
    [fault] = (await duty.get("/contacts/faults")).json()["items"]
    assert (fault["code"], fault["place_id"]) == ("wrong_number", "wh-7-s1-3f")
    ids = [{"id": one["id"], "name": one["name"], "role": one["role"]} for one in kept["contacts"]]
    ids[1]["number"] = "13900004444"
    await world.keep("household", "wh-7-s1-3f", ids, revision=1)
    assert (await duty.get("/contacts/faults")).json()["items"] == []
    assert [row.end for row in await world.all(ContactFault)] == ["changed"]
    full = await duty.post("/contacts/household/wh-7-s1-3f/reveal", json={"why": "核对号码"})
    assert [one["number"] for one in full.json()["contacts"]] == ["13800001111", "13900004444"]
    stale = await duty.put(
        "/contacts/household/wh-7-s1-3f", json={"contacts": [], "why": "清空"}, headers={"If-Match": '"1"'}
    )
    assert stale.status_code == 412


async def test_nobody_answers_is_on_the_incident_and_goes_up_exactly_once_whatever_dies(world):
    """Killed between lease and act, between order and record; two workers race. Each contact has one call."""
    async with listening() as gateway:
        world.set(telephone_gateway_url=gateway.url)
        await world.keep("site", "wanghuyuan", PEOPLE)
        incident = await world.alarm()
        await timers.lease(world.db, "dead", world.at, timedelta(seconds=30))  # it never comes back
        assert await world.due() == 0
        world.at += timedelta(seconds=31)
        await asyncio.gather(world.due("b"), world.due("c"))
        [call] = await world.all(Call)
        await dialler.order(world.services, world.client, call.id, {"number": "1"})  # and died before its record
        for _ in range(4):
            world.at += timedelta(seconds=20)
            await asyncio.gather(world.due("b"), world.due("c"))
            await asyncio.gather(*(dialler.place_due(world.services, world.client) for _ in "ab"))
        calls = await world.all(Call, Call.turn)
        assert [(one.turn, one.attempt) for one in calls] == [(0, 1), (1, 1), (2, 1)]
        assert {request.headers["idempotency-key"] for request in gateway.got} <= {one.id for one in calls}
        assert [one.state for one in await world.all(Chain)] == ["exhausted"]
        lines = await world.lines(incident)
        assert [kind for kind, _ in lines].count("calls_exhausted") == 1
        ups = [params for kind, params in lines if kind == "escalated" and params["step"] == "call"]
        assert len(ups) == 1
        told = [one for one in await world.all(Notification) if ":calls:" in one.key and one.channel == "feed"]
        assert ups[0]["person_id"] in {one.person_id for one in told}
        assert len(told) == len({one.person_id for one in told})
        late = await world.signal(calls[0].id, "confirmed")  # who calls back still counts
        assert late.status_code == 200
        assert [one.state for one in await world.all(Chain)] == ["reached"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the statements are those of the others
async def test_a_gateway_that_is_down_and_one_that_lies(world):
    world.set(telephone_gateway_url="http://127.0.0.1:9/calls")
    await world.keep("grid", await _grid(world), PEOPLE[:1])
    incident = await world.alarm()
    await world.later(0)
    [fault] = await world.all(NotifyFault)
    assert (fault.code, fault.ended_at) == ("telephone_gateway_down", None)
    assert "telephone_gateway_down" in [params.get("code") for _, params in await world.lines(incident)]
    [call] = await world.all(Call)
    assert (await world.signal(call.id, "confirmed", key=b"guessed")).status_code == 401
    gateway = await world.sign_in()
    assert (await gateway.post("/telephone/signals", json={})).status_code == 401
    assert (await world.signal(call.id, "ringing", nonce="once-only-1")).json() == {"call": call.id, "repeat": False}
    assert (await world.signal(call.id, "ringing", nonce="once-only-1")).json() == {"call": call.id, "repeat": True}
    assert (await world.signal(call.id, "answered", nonce="once-only-1")).status_code == 409
    assert (await world.signal("call_unknown", "answered")).status_code == 404
    await world.later(20)
    assert [one.state for one in await world.all(Chain)] == ["exhausted"]


async def _grid(world):
    async with world.db.reading() as session:
        return await session.scalar(select(Site.grid_path).where(Site.id == "wanghuyuan"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the statements are those of the others
async def test_by_hand_with_result_buttons_and_nothing_of_an_exercise_rings(world):
    """No gateway: people dial and press a button. In an exercise only contacts who take part would be called."""
    kept = await world.keep("site", "wanghuyuan", PEOPLE)
    first, second, third = [one["id"] for one in kept["contacts"]]
    incident = await world.alarm()
    await world.later(0)
    duty = await world.sign_in("duty")
    [chain] = (await duty.get(f"/incidents/{incident}/calls")).json()["items"]
    assert (chain["state"], chain["next_contact"]) == ("by_hand", first)
    path, at = f"/incidents/{incident}/calls", (world.at - timedelta(seconds=5)).isoformat()
    key = {"Idempotency-Key": "tap-1"}
    taps = [await duty.post(path, json={"contact_id": first, "result": "off", "at": at}, headers=key) for _ in range(2)]
    assert taps[0].json() == taps[1].json()
    assert taps[0].json()["ended_at"] == at
    assert (await duty.get(path)).json()["items"][0]["next_contact"] == second
    answered = (await duty.post(path, json={"contact_id": second, "result": "answered"})).json()
    assert (answered["result"], answered["on_duty_at"]) == ("answered", None)
    assert (await duty.post(f"/calls/{answered['id']}/on-duty")).json()["result"] == "on_duty"
    assert (await duty.get(path)).json()["items"][0]["state"] == "reached"
    assert (await duty.post(path, json={"contact_id": "ctc_none", "result": "busy"})).status_code == 404
    assert third

    async with world.db.transaction() as session:
        session.add(IssuedExercise(id="drl-1", name="演练", state="running", segments=[], issued_at=START))
        await session.flush()
        await people.take_part(session, "drl-1", ["per_duty"])
    drill = await world.alarm(exercise="drl-1", level=Level.I)
    assert drill != incident
    await world.later(0)
    assert [one.incident_id for one in await world.all(Chain)] == [incident]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the statements are those of the others
async def test_speakers_play_by_a_word_or_by_themselves_and_a_person_is_reached_by_voice(world):
    admin, duty, nobody = await world.sign_in("admin"), await world.sign_in("duty"), await world.sign_in()
    sound = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(20)
    for language in ("zh-CN", "wuu"):
        answer = await admin.put(
            f"/speakers/clips/smoke/{language}", params={"text": "请勿乘电梯"}, content=sound,
            headers={"Content-Type": "audio/wav"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
    async with listening() as gateway:
        world.set(telephone_gateway_url=gateway.url, public_url="http://cloud.test")
        body = {
            "site_id": "wanghuyuan", "name": "中庭音柱", "gateway_url": gateway.url, "languages": ["wuu", "zh-CN"],
            "automatic": {"smoke": "I"}, "why": "新装",
        }  # fmt: skip
        speaker = (await admin.put("/speakers", json=body)).json()["id"]
        assert (await duty.put("/speakers", json=body)).status_code == 403
        await world.alarm(level=Level.II)
        await world.later(0)
        assert await world.all(Play) == []  # level II says nothing by itself
        incident = await world.alarm("smoke-wh7-s1-1f", level=Level.I)
        await world.later(0)
        await playing.play_due(world.services, world.client)
        [play] = await world.all(Play)
        assert (play.state, play.incident_id) == ("handed_over", incident)
        order = gateway.got[-1].json()
        assert [clip["language"] for clip in order["clips"]] == ["wuu", "zh-CN"]
        heard = await nobody.get(order["clips"][0]["url"])
        assert heard.content == sound
        assert (
            await nobody.get(f"/speakers/clips/{order['clips'][0]['url'].split('/')[-2]}/content")
        ).status_code == 401
        word = await duty.post(f"/speakers/{speaker}/play", json={"kind": "smoke", "incident_id": incident})
        assert word.status_code == 202
        assert (await duty.post(f"/speakers/{speaker}/play", json={"kind": "evacuate"})).status_code == 409

        async with world.db.transaction() as session:
            from cloud.notify import ways

            way = await ways.add(
                session, vault(world.services.settings), person_id="per_duty", kind="voice", address="13600005555",
                label="", now=world.at,
            )  # fmt: skip
            await ways.begin_test(session, way, world.at)
        outbox = Outbox(world.services, background.channels_of(world.services, world.client))
        await outbox.send_due()
        call = next(one.json() for one in gateway.got if one.json().get("purpose") == "test")
        assert call["number"] == "13600005555"
        assert (await world.signal(call["call"], "confirmed", key_pressed="1")).status_code == 200
        rows = await world.all(ways.Way)
        assert [one.tested_by for one in rows] == ["receipt"]
    assert await world.all(DecisionRow) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the statements are those of the others
async def test_the_outbox_of_an_incident_and_a_mode_that_begins_once_for_its_key(world):
    duty = await world.sign_in("duty")
    incident = await world.alarm(level=Level.I)
    shown = (await duty.get(f"/incidents/{incident}/notifications")).json()["items"]
    kinds = {(one["kind"], one["person"]["id"]) for one in shown}
    assert ("opened", "per_duty") in kinds
    assert {person for kind, person in kinds if kind == "opened"} > {"per_duty"}  # the plan's posts hear of it too
    assert {way["channel"] for one in shown for way in one["ways"]} == {"feed", "log"}
    async with world.db.reading() as session:
        area = (await session.get_one(Account, "per_duty")).area_path
    body = {
        "area_path": area, "kind": "typhoon", "name": "台风", "reason": "预警",
        "ends_at": (world.at + timedelta(days=1)).isoformat(),
    }  # fmt: skip
    first, again = [await duty.post("/modes", json=body, headers={"Idempotency-Key": "m1"}) for _ in "ab"]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (await duty.post("/modes", json=body)).status_code == 409
    plan = await duty.get("/plans/smoke/sites/wanghuyuan")
    change = {"plan": plan.json()["plan"], "why": "核对"}
    head = {"Idempotency-Key": "p1", "If-Match": plan.headers["ETag"]}
    put = [await duty.put("/plans/smoke/sites/wanghuyuan", json=change, headers=head) for _ in "ab"]
    assert [one.status_code for one in put] == [200, 200]
    assert [one.headers["ETag"] for one in put] == ['"1"', '"1"']
    back = [
        await duty.post(
            "/plans/smoke/sites/wanghuyuan/revert", json={"revision": 0, "why": "恢复"},
            headers={"Idempotency-Key": "p2", "If-Match": '"1"'},
        )
        for _ in "ab"
    ]  # fmt: skip
    assert [one.json()["revision"] for one in back] == [2, 2]
