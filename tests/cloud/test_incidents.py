"""Incidents over the real API: life, drill beside a real alarm, sight, chain, paging, idempotency."""

import asyncio
from datetime import timedelta

import pytest
from cloud_world import EDGE, add_devices, alert, event, incidents, kinds, now, post, timeline
from sqlalchemy import select, text

from cloud.feed.model import FeedEntry
from cloud.incidents.model import Incident
from cloud.notify.model import Notification
from cloud.people import service as people
from cloud.registry.model import DecisionRow, IssuedExercise
from wire.alert import Hazard, Verb
from wire.event import Type
from wire.level import Level
from wire.report import EdgeReport

DRILL = "drl-0001"


@pytest.fixture
async def devices(app, database):
    async with database.transaction() as session:
        await add_devices(session)


@pytest.fixture
async def drill(devices, database):
    """An issued exercise in which 林知远 (duty) and 周启明 (zhou) take part, and nobody else."""
    async with database.transaction() as session:
        session.add(IssuedExercise(id=DRILL, name="演练", state="running", segments=[], issued_at=now()))
        await session.flush()
        await people.take_part(session, DRILL, ["per_duty", "per_zhou"])


async def feed_of(database, **where) -> list[FeedEntry]:
    async with database.reading() as session:
        return list(await session.scalars(select(FeedEntry).filter_by(**where).order_by(FeedEntry.position)))


async def act(client, incident: str, what: str, status: int = 200, **body) -> dict:
    answer = await client.post(f"/api/v1/incidents/{incident}/{what}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_two_floors_of_one_stairwell_are_one_incident_and_most_urgent(devices, edge_client, sign_in):
    await post(
        edge_client,
        event(alert("smoke-wh7-s1-1f", level=Level.III)),
        event(alert("smoke-wh7-s1-3f", level=Level.III)),
        event(alert("smoke-wh7-s2-3f", level=Level.III)),
    )
    duty = await sign_in("duty")
    found = await incidents(duty)
    assert sorted(len(one["alarms"]) for one in found) == [1, 2]
    both = next(one for one in found if len(one["alarms"]) == 2)
    assert (both["level"], both["alert_count"]) == ("I", 2)
    raised = next(line for line in await timeline(duty, both["id"]) if line["kind"] == "level_raised")
    assert raised["params"]["reason"] == "cross_zone"
    assert [one["responder"]["name"] for one in both["assignments"]] == ["望湖微型消防站"], "asked without waiting"


async def test_a_drill_beside_a_real_alarm_on_the_same_floor(drill, edge_client, sign_in, database):
    """Two incidents, one marked; of the marked one nothing reaches anybody who does not take part."""
    await post(edge_client, event(alert(exercise=DRILL)), event(alert()))
    duty, leader, mfs = await sign_in("duty"), await sign_in("leader"), await sign_in("mfs")
    seen = await incidents(duty)
    assert sorted(bool(one["exercise"]) for one in seen) == [False, True]
    marked = next(one for one in seen if one["exercise"])
    real = next(one for one in seen if not one["exercise"])
    assert marked["exercise"]["id"] == DRILL
    assert marked["place"] == real["place"]

    assert [one["id"] for one in await incidents(leader)] == [real["id"]]
    for client in (leader, mfs):
        for path in ("", "/timeline"):
            answer = await client.get(f"/api/v1/incidents/{marked['id']}{path}")
            assert answer.status_code == 404
    assert (await leader.post(f"/api/v1/incidents/{marked['id']}/acknowledge", json={})).status_code == 404

    assert [one["responder"]["name"] for one in real["assignments"]] == ["望湖微型消防站"]
    assert marked["assignments"] == [], "the station takes no part: it is not even asked"
    mine = (await mfs.get("/api/v1/assignments/mine")).json()["items"]
    assert [one["incident_id"] for one in mine] == [real["id"]]

    proposals = (await duty.get(f"/api/v1/incidents/{marked['id']}/proposals")).json()
    assert [one["name"] for one in proposals["items"] if one["recommended"]] == ["周启明"]
    refused = await act(duty, marked["id"], "dispatch", 409, responder_id="rsp_wanghu-mfs")
    assert "takes no part" in refused["detail"]
    await act(duty, marked["id"], "dispatch", responder_id="rsp_zhou")

    of_the_drill = [entry for entry in await feed_of(database) if entry.key == marked["id"] or entry.exercise]
    assert of_the_drill
    assert all(entry.exercise == DRILL for entry in of_the_drill), "every hop carries the mark"
    async with database.reading() as session:
        messages = list(await session.scalars(select(Notification)))
    about_drill = [one for one in messages if one.incident_id == marked["id"]]
    assert {one.person_id for one in about_drill} <= {"per_duty", "per_zhou"}
    assert all(
        one.body["text_zh"].startswith("【演练】") and one.body["text_zh"].endswith("【演练】") for one in about_drill
    )
    assert all("演练" not in one.body["text_zh"] for one in messages if one.incident_id == real["id"])

    summary = (await duty.get("/api/v1/summary")).json()
    assert summary["unacknowledged"] == 1, "a drill never counts among the real ones"


async def test_the_life_of_an_incident_from_alarm_to_closed(devices, edge_client, sign_in, database):
    opened = now()
    await post(edge_client, event(alert(opened_at=opened)))
    duty, mfs = await sign_in("duty"), await sign_in("mfs")
    [incident] = await incidents(duty)
    deadline = incident["deadline"]
    assert deadline["step"] in ("acknowledge", "accept")
    assert deadline["escalates_to"]["person"] == "王海燕"

    taken = await act(duty, incident["id"], "acknowledge")
    assert taken["acknowledged_by"]["name"] == "林知远"
    assert taken["owner"]["id"] == "per_duty"
    [sent] = await decisions(database)
    assert (sent.decision["verb"], sent.edge_id, sent.decision["author"]) == ("acknowledge", EDGE, "per_duty")
    again = await act(duty, incident["id"], "acknowledge")
    assert again["acknowledged_at"] == taken["acknowledged_at"]

    [task] = (await mfs.get("/api/v1/assignments/mine")).json()["items"]
    assert task["incident"]["id"] == incident["id"]
    assert 1 <= len(task["card"]["lines"]) <= 7
    for step, state in (("accept", "acknowledged"), ("en-route", "en_route"), ("on-scene", "on_scene")):
        answer = await mfs.post(f"/api/v1/assignments/{task['id']}/{step}", json={})
        assert answer.json()["state"] == state
    assert (await incidents(duty))[0]["state"] == "in_progress"
    assert (await duty.get("/api/v1/summary")).json()["people_on_scene"] == 1

    cleared = alert(verb=Verb.CLEARED, highest=Level.II, revision=2, opened_at=opened, latched=True, acknowledged=True)
    await post(edge_client, event(cleared))
    [incident] = await incidents(duty)
    assert incident["state"] == "in_progress", "a cleared reading ends nothing"
    assert incident["alarms"][0]["isa"] == "LATCH_ACK"
    await act(duty, incident["id"], "reset", alarm_id=incident["alarms"][0]["alarm_id"])
    assert [row.decision["verb"] for row in await decisions(database)] == ["acknowledge", "reset"]

    await mfs.post(f"/api/v1/assignments/{task['id']}/clear", json={"note": "锅烧干,已关火"})
    [incident] = await incidents(duty)
    assert incident["state"] == "resolved", "the last one to clear resolves"
    assert incident["deadline"]["step"] == "close", "done is not closed: somebody has still to check"
    await act(duty, incident["id"], "verify")
    closed = await act(duty, incident["id"], "close", outcome="danger_caught", cause="dry_burn")
    assert (closed["state"], closed["outcome"], closed["cause"]) == ("closed", "danger_caught", "dry_burn")
    assert await incidents(duty) == []
    assert [one["id"] for one in await incidents(duty, "closed")] == [incident["id"]]
    lines = await timeline(duty, incident["id"])
    wanted = ["opened", "alert_raised", "offer_sent", "acknowledged", "accepted", "en_route", "on_scene"]
    wanted += ["alert_cleared", "alarm_reset", "cleared", "resolved", "verified", "closed"]
    assert kinds(lines) == wanted
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    await act(duty, incident["id"], "acknowledge", 409)


async def decisions(database) -> list[DecisionRow]:
    async with database.reading() as session:
        return list(await session.scalars(select(DecisionRow).order_by(DecisionRow.issued_at, DecisionRow.id)))


async def test_an_unknown_cause_keeps_the_incident_open(devices, edge_client, sign_in):
    await post(edge_client, event(alert("water-up-low", level=Level.III)))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    kept = await act(duty, incident["id"], "close", outcome="unknown")
    assert (kept["state"], kept["outcome"]) == ("resolved", "unknown")
    assert (await act(duty, incident["id"], "close", outcome="nuisance", cause="vehicle"))["state"] == "closed"


async def test_void_needs_a_reason_and_is_over(devices, edge_client, sign_in):
    await post(edge_client, event(alert()))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    await act(duty, incident["id"], "void", 422)
    voided = await act(duty, incident["id"], "void", reason="测试来电")
    assert voided["state"] == "void"
    assert voided["assignments"][0]["state"] == "cancelled"
    refused = await act(duty, incident["id"], "resolve", 409)
    assert "void" in refused["detail"]


async def test_a_new_alarm_after_the_end_opens_a_new_incident_and_rings_again(devices, edge_client, sign_in):
    opened = now()
    await post(edge_client, event(alert(opened_at=opened)))
    duty = await sign_in("duty")
    [first] = await incidents(duty)
    await act(duty, first["id"], "resolve")
    worse = alert(verb=Verb.ESCALATED, level=Level.I, revision=2, opened_at=opened)
    await post(edge_client, event(worse))
    [back] = await incidents(duty)
    assert (back["id"], back["acknowledged_at"]) == (first["id"], None)
    assert back["state"] in ("raised", "dispatched")
    await act(duty, first["id"], "close", outcome="human")
    await post(edge_client, event(alert("smoke-wh7-s1-1f")))
    [second] = await incidents(duty)
    assert second["id"] != first["id"]


async def test_a_call_joins_the_open_incident_of_its_place_and_otherwise_opens_one(devices, edge_client, sign_in):
    await post(edge_client, event(alert()))
    duty = await sign_in("duty")
    call = {
        "place": {"zone_id": "wh-7-s1-502"},
        "hazard": "smoke",
        "what": "楼下着火了,楼梯下不去",
        "caller": "502 住户",
    }
    answer = await duty.post("/api/v1/incidents", json=call)
    assert answer.status_code == 200
    assert answer.json()["joined"] is True
    assert "joined" in kinds(await timeline(duty, answer.json()["id"]))
    other = await duty.post("/api/v1/incidents", json=call | {"place": {"site_id": "shuinan"}})
    assert other.status_code == 201
    assert other.json()["origin"] == "phone"
    assert other.json()["headline"] == {"code": "by_hand", "params": {"text": call["what"]}}
    assert other.json()["acknowledged_by"]["id"] == "per_duty", "who takes the call has taken it"
    words = await duty.post(
        "/api/v1/incidents", json=call | {"place": {"text": "桥头便利店", "lon": 120.3, "lat": 31.501}}
    )
    assert words.status_code == 201
    assert words.json()["place"]["grid_id"].startswith("grid-")
    assert len(await incidents(duty)) == 3
    nowhere = await duty.post("/api/v1/incidents", json=call | {"place": {"zone_id": "mars"}})
    assert nowhere.status_code == 422


async def test_an_idempotency_key_does_it_once(devices, sign_in, edge_client):
    duty = await sign_in("duty")
    call = {"place": {"site_id": "linjiang"}, "hazard": "curtain_wall", "what": "玻璃掉了"}
    headers = {"Idempotency-Key": "tap-1"}
    first = await duty.post("/api/v1/incidents", json=call, headers=headers)
    again = await duty.post("/api/v1/incidents", json=call, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "joined" not in kinds(await timeline(duty, first.json()["id"]))
    other = await duty.post("/api/v1/incidents", json=call | {"what": "别的"}, headers=headers)
    assert other.status_code == 409


async def test_nobody_sees_what_is_outside_their_area(devices, edge_client, sign_in):
    await post(edge_client, event(alert("smoke-sn12-s1-2f", level=Level.III)))
    duty, zhou, lu = await sign_in("duty"), await sign_in("zhou"), await sign_in("lu")
    [incident] = await incidents(duty)
    assert [one["id"] for one in await incidents(lu)] == [incident["id"]]
    assert await incidents(zhou) == []
    assert (await zhou.get(f"/api/v1/incidents/{incident['id']}")).status_code == 404
    assert (await zhou.post(f"/api/v1/incidents/{incident['id']}/notes", json={"text": "x"})).status_code == 404
    assert (await lu.post(f"/api/v1/incidents/{incident['id']}/acknowledge", json={})).status_code == 403
    trainer = await sign_in("trainer")
    assert (await trainer.post(f"/api/v1/incidents/{incident['id']}/acknowledge", json={})).status_code == 403


async def test_pages_hold_every_incident_once(devices, sign_in):
    duty = await sign_in("duty")
    for number in range(7):
        call = {"place": {"text": f"路口{number}"}, "hazard": "smoke", "level": "IV", "what": "冒烟"}
        assert (await duty.post("/api/v1/incidents", json=call)).status_code == 201
    seen, cursor = [], None
    while True:
        answer = (
            await duty.get("/api/v1/incidents", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += [one["number"] for one in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen, reverse=True)
    assert (await duty.get("/api/v1/incidents", params={"cursor": "nonsense"})).status_code == 422


async def test_a_forged_line_shows(devices, edge_client, sign_in, database):
    await post(edge_client, event(alert()))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    async with database.transaction() as session:
        await session.execute(
            text("UPDATE timeline_entries SET kind = 'note' WHERE incident_id = :id AND seq = 2"),
            {"id": incident["id"]},
        )
    body = (await duty.get(f"/api/v1/incidents/{incident['id']}/timeline")).json()
    assert body["chain_intact"] is False


async def test_batches_at_the_same_time_fold_into_one_incident(devices, edge_client, database, sign_in):
    batches = [[event(alert(device, level=Level.III))] for device in ("smoke-wh7-s1-1f", "smoke-wh7-s1-3f")]
    batches += [[event(alert("smoke-wh7-s1-3f", rule=f"r{n}", level=Level.IV))] for n in range(6)]
    await asyncio.gather(*(post(edge_client, *batch) for batch in batches))
    [incident] = await incidents(await sign_in("duty"))
    assert len(incident["alarms"]) == 8
    async with database.reading() as session:
        assert len(list(await session.scalars(select(Incident)))) == 1


async def test_silent_devices_of_a_site_are_one_incident(devices, edge_client, sign_in):
    silences = [
        event(alert(device, hazard=Hazard.DEVICE, rule="silence", level=Level.IV, evidence={}))
        for device in ("smoke-wh7-s1-1f", "smoke-wh7-s1-3f", "smoke-wh7-s2-3f")
    ]
    await post(edge_client, *silences)
    [incident] = await incidents(await sign_in("duty"))
    assert incident["hazard"] == "device"
    assert incident["headline"] == {"code": "silence", "params": {"count": 3}}


async def test_the_feed_tells_the_incident_after_the_lines_and_the_list_says_where_to_go_on(
    devices, edge_client, sign_in, database
):
    await post(edge_client, event(alert()))
    duty = await sign_in("duty")
    answer = await duty.get("/api/v1/incidents")
    [incident] = answer.json()["items"]
    entries = await feed_of(database, key=incident["id"])
    assert [entry.kind for entry in entries][-1] == "incident"
    assert entries[-1].position == incident["position"] <= int(answer.headers["X-Feed-Position"])
    assert entries[-1].value["id"] == incident["id"]


async def test_a_refused_decision_shows_on_the_timeline(devices, edge_client, sign_in, database):
    await post(edge_client, event(alert()))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    await act(duty, incident["id"], "acknowledge")
    [row] = await decisions(database)
    report = {"decision": row.id, "result": "expired", "reason": "late", "reported_at": now() + timedelta(0)}
    [verdict] = await post(edge_client, event(report, type=Type.DECISION_REPORTED))
    assert verdict["status"] == "committed"
    last = (await timeline(duty, incident["id"]))[-1]
    assert last["params"]["code"] == "decision_expired"
    stranger = event(report | {"decision": "dec_none"}, type=Type.DECISION_REPORTED)
    assert (await post(edge_client, stranger))[0]["status"] == "rejected"


async def test_heartbeats_beside_decisions_never_lock_each_other_out(devices, edge_client, sign_in, database):
    """Both write the edge's row and the feed; in two orders that is a deadlock on PostgreSQL."""
    for device in ("smoke-wh7-s1-1f", "smoke-wh7-s2-3f", "smoke-sn12-s1-2f", "water-up-low", "facade-ljb-18e-07"):
        await post(edge_client, event(alert(device, level=Level.III)))
    duty = await sign_in("duty")
    found = await incidents(duty)

    def heartbeat(number: int) -> dict:
        report = EdgeReport(
            edge=EDGE, version=f"1.{number}", started_at=now(), reported_at=now(), revision=number, clock_trusted=True
        )
        return event(report, type=Type.EDGE_REPORTED)

    answers = await asyncio.gather(
        *(post(edge_client, heartbeat(number)) for number in range(8)),
        *(act(duty, one["id"], "acknowledge") for one in found),
    )
    assert len(answers) == 8 + len(found) == 13
    assert len(await decisions(database)) == 5


async def test_a_report_by_hand_stays_within_ones_area(app, sign_in):
    zhou = await sign_in("zhou")
    report = {"hazard": "smoke", "what": "有烟", "origin": "patrol"}
    assert (await zhou.post("/api/v1/incidents", json=report | {"place": {"site_id": "shuinan"}})).status_code == 403
    made = await zhou.post("/api/v1/incidents", json=report | {"place": {"zone_id": "wh-7-s1-3f"}})
    assert made.status_code == 201
    assert made.json()["acknowledged_at"] is None, "the desk still has to take it"
    assert made.json()["deadline"]["step"] in ("acknowledge", "accept")
