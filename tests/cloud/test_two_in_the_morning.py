"""02:00, a stand-alone smoke alarm in the flat of someone who lives alone: from the alarm to *danger caught*."""

from datetime import datetime, timedelta, timezone

import pytest
from cloud_world import DEVICES, add_devices, alert, all_that_is_due, event, incidents, kinds, now, post, timeline
from listeners import listening
from sqlalchemy import select

from cloud.calls import signing
from cloud.calls.model import Call, Chain
from cloud.handoffs import seed as access
from cloud.households import seed as cards
from cloud.notify.model import Notification
from wire.alert import Verb
from wire.level import Level

LOCAL = timezone(timedelta(hours=8))
FLAT = "wh-7-s1-602"
ALARM = "smoke-flat-602"
FAMILY = [
    {"name": "顾阿婆", "role": "户主", "number": "13800001111"},
    {"name": "顾小琴", "role": "女儿", "number": "13900002222"},
]


@pytest.fixture
async def flat(app, database, services, monkeypatch):
    """The flat with its stand-alone alarm, its card and whom to call; and the clock at two in the morning."""
    today = now().astimezone(LOCAL)
    at = datetime(today.year, today.month, today.day, 2, tzinfo=LOCAL) + timedelta(days=today.hour >= 2)

    def later(**span: float) -> None:  # it stands still between: what starts later than at once would never start
        nonlocal at
        at += timedelta(**span)

    monkeypatch.setattr(services, "now", lambda: at)
    monkeypatch.setitem(DEVICES, ALARM, ("wanghuyuan", FLAT, "smoke", "shouwang/smoke"))
    async with database.transaction() as session:
        await add_devices(session, ALARM)
        await cards.demo(session, now=now())
        await access.demo(session, now=now())
    return later


async def act(client, path, status=200, **body):
    answer = await client.post(f"/api/v1/{path}", json=body)
    assert answer.status_code == status, f"{path}: {answer.text}"
    return answer.json()


async def told(database, kind):
    async with database.reading() as session:
        return set(await session.scalars(select(Notification.person_id).where(Notification.kind == kind)))


async def test_somebody_lives_alone_and_the_pot_burns_dry(flat, services, database, edge_client, sign_in, client):
    later = flat
    duty, leader, station, guard = [await sign_in(who) for who in ("duty", "leader", "mfs", "guard")]
    async with listening() as exchange:
        services.settings = services.settings.model_copy(update={"telephone_gateway_url": exchange.url})
        kept = await duty.put(
            f"/api/v1/contacts/household/{FLAT}",
            json={"contacts": FAMILY, "why": "入户登记"},
            headers={"If-Match": '"0"'},
        )
        assert kept.status_code == 200, kept.text

        # 02:00:00. Smoke in 602. Who is nearest and the old lady's telephone are both asked at once.
        began = services.now()
        await post(
            edge_client,
            event(alert(ALARM, level=Level.II, opened_at=began, recorded_at=began, changed_at=began)),
        )
        [incident] = await incidents(duty)
        path = f"incidents/{incident['id']}"
        asked = [one for one in incident["assignments"] if one["state"] == "offered"]
        assert asked
        await exchange.came.wait()
        assert exchange.got[0].json()["number"] == "13800001111"
        async with database.reading() as session:
            [first] = await session.scalars(select(Call))
        offered = min(datetime.fromisoformat(one["offered_at"]) for one in asked)
        assert abs(first.began_at - offered) < timedelta(seconds=1)
        assert "per_duty" in await told(database, "opened")

        # Nobody picks up: not she, not her daughter, twenty seconds each. The night goes on without them.
        exchange.came.clear()
        later(seconds=21)
        await all_that_is_due(services)
        await exchange.came.wait()
        assert [one.json()["number"] for one in exchange.got] == ["13800001111", "13900002222"]
        later(seconds=21)
        await all_that_is_due(services)
        async with database.reading() as session:
            [chain] = await session.scalars(select(Chain))
        assert chain.state == "exhausted"

        # Nobody at the desk either, and nobody accepts: a minute, and the next tier is told.
        later(seconds=20)
        await all_that_is_due(services)
        assert "escalated" in kinds(await timeline(duty, incident["id"]))
        assert "per_leader" in await told(database, "escalated")

        # The duty leader takes it. The micro fire station accepts, goes, is there.
        await act(leader, f"{path}/acknowledge")
        mine = (await station.get("/api/v1/assignments/mine")).json()["items"]
        if not mine:
            await act(leader, f"{path}/dispatch", responder_id="rsp_wanghu-mfs")
            mine = (await station.get("/api/v1/assignments/mine")).json()["items"]
        task = f"assignments/{mine[0]['id']}"
        await act(station, f"{task}/accept")
        await act(station, f"{task}/en-route")

        # 119 is called with the card read aloud; the guard meets the engine.
        card = await act(leader, f"{path}/handoffs/card", service="fire")
        assert "602" in card["text_zh"]
        assert "独居" in card["text_zh"]
        called = await act(leader, f"{path}/handoffs", 201, service="fire", details={"burning": "厨房锅具"})
        await act(leader, f"handoffs/{called['id']}/answered", answered_by="9号", reference="XF-0207")
        await act(leader, f"handoffs/{called['id']}/meet", responder_id="rsp_guard")

        # Door by door, who needs help first; nobody may leave a blank.
        doors = (await act(leader, f"{path}/knock-list", 201))["doors"]
        assert doors[0]["vulnerable"]
        alone = next(one for one in doors if one["door"] == "602")
        later(minutes=3)
        await act(station, f"{task}/on-scene")
        await act(leader, f"{path}/knock-list/parts", responder_id="rsp_wanghu-mfs",
                  door_ids=[one["id"] for one in doors])  # fmt: skip
        taps = [
            {"key": f"night-{number:03}", "door_id": one["id"],
             "outcome": "helped_out" if one["id"] == alone["id"] else "answered_out"}
            for number, one in enumerate(doors)
        ]  # fmt: skip
        await act(station, f"{path}/knock-list/taps", taps=taps)

        # The daughter sees the missed call and is on her way: the second receipt.
        late = exchange.got[1].json()["call"]
        said = f'{{"call": "{late}", "event": "confirmed", "at": "{services.now().isoformat()}"}}'.encode()
        stamp = signing.signature(signing.key(services.settings), said, int(services.now().timestamp()))
        answer = await client.post(
            "/api/v1/telephone/signals", content=said,
            headers={signing.HEADER: stamp, "Content-Type": "application/json"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text

        # The pot is off the stove, the power of the flat is cut; it stays cut until somebody who may ends it.
        cut = (await act(station, f"{path}/measures", kind="power_cut", place="602室"))["measures"][0]
        await act(station, f"handoffs/{called['id']}/arrived", unit="望湖站一车")
        await act(leader, f"handoffs/{called['id']}/hand-over", received_by="站长 周海", unaccounted=0)
        later(minutes=5)
        at = services.now()
        await post(
            edge_client,
            event(alert(ALARM, verb=Verb.CLEARED, level=None, highest=Level.II, revision=2, opened_at=began,
                        changed_at=at, recorded_at=at)),
        )  # fmt: skip
        for mate in (station, guard):
            for one in (await mate.get("/api/v1/assignments/mine")).json()["items"]:
                if one["state"] == "offered":
                    await act(mate, f"assignments/{one['id']}/accept")
                await act(mate, f"assignments/{one['id']}/clear", note="锅已移开，已通风")
        refused = await act(leader, f"{path}/close", 409, outcome="danger_caught")
        assert [one["where"] for one in refused["errors"]] == [f"measures.{cut['id']}"]
        await act(leader, f"measures/{cut['id']}/end", reason="电工复核线路完好", authority="供电所 陈工")
        closed = await act(leader, f"{path}/close", outcome="danger_caught", note="锅烧干，老人平安")
        assert (closed["state"], closed["outcome"]) == ("closed", "danger_caught")

        lines = kinds(await timeline(duty, incident["id"]))  # and its chain is intact
        assert {"opened", "calls_began", "call_ended", "escalated", "acknowledged", "accepted", "on_scene",
                "handoff", "knock", "measure_put", "measure_ended", "closed"} <= set(lines)  # fmt: skip
        assert (await incidents(duty)) == []
