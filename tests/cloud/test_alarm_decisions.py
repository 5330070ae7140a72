"""Shelved, suppressed, out of service: decided at the desk, carried out by the edge, visible, and calling nobody."""

from datetime import timedelta

import msgspec
import pytest
from cloud_world import add_devices, alert, event, incidents, kinds, now, post, timeline
from sqlalchemy import select

from cloud.incidents.alarms import apply, incident_level
from cloud.incidents.headline import headline
from cloud.notify.model import Notification
from cloud.registry.model import DecisionRow
from wire.alert import Hazard, Unsteady, Verb
from wire.level import Level

ALARM = "smoke-wh7-s1-3f:smoke"


@pytest.fixture
async def devices(app, database):
    async with database.transaction() as session:
        await add_devices(session)


def muted(made, **facts):
    return msgspec.structs.replace(made, facts=msgspec.structs.replace(made.facts, **facts))


async def decide(client, incident, what, status=200, **body):
    answer = await client.post(f"/api/v1/incidents/{incident}/{what}", json={"alarm_id": ALARM, **body})
    assert answer.status_code == status, answer.text
    return answer.json()


async def sent(database):
    async with database.reading() as session:
        rows = await session.scalars(select(DecisionRow).order_by(DecisionRow.issued_at, DecisionRow.id))
        return [row.decision for row in rows]


async def told(database):
    async with database.reading() as session:
        return list(await session.scalars(select(Notification)))


async def test_the_desk_shelves_and_takes_out_of_service_by_way_of_the_edge(devices, edge_client, sign_in, database):
    await post(edge_client, event(alert(level=Level.III)))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    until = now() + timedelta(hours=2)
    end = until.isoformat()
    await decide(duty, incident["id"], "shelve", until=end, reason="浴室水汽")
    await decide(duty, incident["id"], "out-of-service", until=end, reason="检修", whole_device=True)
    await decide(duty, incident["id"], "into-service", whole_device=True)
    asked = await sent(database)
    assert {(one["verb"], one["alarm_id"], one["note"], one["author"]) for one in asked} == {
        ("shelve", ALARM, "浴室水汽", "per_duty"),
        ("out_of_service", "smoke-wh7-s1-3f:*", "检修", "per_duty"),
        ("into_service", "smoke-wh7-s1-3f:*", "", "per_duty"),
    }
    lines = [line for line in await timeline(duty, incident["id"]) if line["kind"] == "note"]
    assert [line["params"]["code"] for line in lines] == ["shelve_asked", "out_of_service_asked", "into_service_asked"]
    assert lines[0]["params"]["why"] == "浴室水汽"
    assert (await incidents(duty))[0]["alarms"][0]["isa"] == "UNACK", "until the edge has done it"


async def test_what_cannot_be_is_refused_at_the_desk(devices, edge_client, sign_in, database):
    await post(edge_client, event(alert(level=Level.I)))
    duty, guard = await sign_in("duty"), await sign_in("guard")
    [incident] = await incidents(duty)
    later = (now() + timedelta(hours=1)).isoformat()
    for what, status, body in (
        ("shelve", 409, {"until": later, "reason": "x"}),
        ("shelve", 422, {"until": later}),
        ("shelve", 422, {"until": later, "reason": " "}),
        ("unshelve", 409, {}),
        ("out-of-service", 422, {"until": (now() - timedelta(hours=1)).isoformat(), "reason": "x"}),
        ("out-of-service", 422, {"until": (now() + timedelta(days=31)).isoformat(), "reason": "x"}),
        ("out-of-service", 422, {"until": later, "reason": "x", "alarm_id": "other:smoke"}),
    ):
        await decide(duty, incident["id"], what, status, **body)
    answer = await guard.post(
        f"/api/v1/incidents/{incident['id']}/out-of-service", json={"alarm_id": ALARM, "until": later, "reason": "x"}
    )
    assert answer.status_code == 403
    assert await sent(database) == []


async def test_a_muted_alarm_is_seen_and_counted_and_calls_nobody_until_it_is_announced(
    devices, edge_client, sign_in, database
):
    opened = now()
    quiet = muted(alert(level=Level.I, opened_at=opened), out_of_service=True, out_of_service_until=opened)
    await post(edge_client, event(quiet))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    assert (incident["alarms"][0]["isa"], incident["alert_count"]) == ("OOSRV", 1)
    assert incident["assignments"] == []
    assert await told(database) == []
    line = (await timeline(duty, incident["id"]))[1]
    assert (line["kind"], line["params"]["muted"]) == ("alert_raised", "out_of_service")
    back = alert(verb=Verb.INTO_SERVICE, active=True, level=Level.I, revision=2, opened_at=opened)
    await post(edge_client, event(msgspec.structs.replace(back, because={"code": "service_over"})))
    [incident] = await incidents(duty)
    assert incident["alarms"][0]["isa"] == "UNACK"
    assert incident["assignments"], "now somebody is asked"
    assert await told(database)
    line = next(each for each in await timeline(duty, incident["id"]) if each["params"].get("code") == "into_service")
    assert line["params"]["because"] == {"code": "service_over"}


async def test_an_alarm_announced_anew_asks_for_acknowledgement_again(devices, edge_client, sign_in):
    opened = now()
    await post(edge_client, event(alert(level=Level.III, opened_at=opened)))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    await duty.post(f"/api/v1/incidents/{incident['id']}/acknowledge", json={})
    shelved = alert(verb=Verb.SHELVED, active=True, level=Level.III, revision=2, opened_at=opened)
    await post(edge_client, event(muted(shelved, acknowledged=True, shelved_until=opened)))
    assert (await incidents(duty))[0]["acknowledged_at"] is not None
    over = alert(verb=Verb.UNSHELVED, active=True, level=Level.III, revision=3, opened_at=opened)
    await post(edge_client, event(over))
    [incident] = await incidents(duty)
    assert incident["acknowledged_at"] is None
    assert incident["deadline"]["step"] == "acknowledge"


async def test_an_alarm_announced_anew_after_its_incident_was_closed_opens_another(devices, edge_client, sign_in):
    opened = now()
    await post(edge_client, event(alert(level=Level.III, opened_at=opened)))
    duty = await sign_in("duty")
    [first] = await incidents(duty)
    shelved = alert(verb=Verb.SHELVED, active=True, level=Level.III, revision=2, opened_at=opened)
    await post(edge_client, event(muted(shelved, shelved_until=opened, shelved_level=Level.III)))
    assert (await incidents(duty))[0]["alarms"][0]["isa"] == "SHLVD"
    await duty.post(f"/api/v1/incidents/{first['id']}/acknowledge", json={})
    closed = await duty.post(f"/api/v1/incidents/{first['id']}/close", json={"outcome": "nuisance"})
    assert closed.status_code == 200, closed.text
    over = alert(verb=Verb.UNSHELVED, active=True, level=Level.III, revision=3, opened_at=opened)
    await post(edge_client, event(over))
    [second] = await incidents(duty)
    assert second["id"] != first["id"]
    assert second["alarms"][0]["isa"] == "UNACK"


async def test_the_end_of_an_old_episode_writes_no_line(devices, edge_client, sign_in):
    opened = now() - timedelta(minutes=5)
    await post(
        edge_client,
        event(alert(opened_at=opened)),
        event(alert(verb=Verb.CLEARED, revision=2, opened_at=opened, latched=True)),
        event(alert()),
        event(alert(verb=Verb.SUPERSEDED, active=False, revision=3, opened_at=opened)),
    )
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    assert [one["isa"] for one in incident["alarms"]] == ["RTNUN", "UNACK"], "no latch is left that nobody can reset"
    lines = kinds(await timeline(duty, incident["id"]))
    assert lines.count("alert_raised") == 2
    assert "note" not in lines


async def test_an_edge_refusal_shows_its_reason(devices, edge_client, sign_in, database):
    await post(edge_client, event(alert(level=Level.III)))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    await decide(duty, incident["id"], "shelve", until=(now() + timedelta(hours=20)).isoformat(), reason="水汽")
    async with database.reading() as session:
        [row] = list(await session.scalars(select(DecisionRow)))
    report = {
        "decision": row.id,
        "result": "refused",
        "reason": "shelve lasts at most 28800 s",
        "code": "too_long",
        "params": {"verb": "shelve", "longest_s": 28800.0},
        "reported_at": now(),
    }
    await post(edge_client, event(report, type="org.shouwang.decision.reported.v1"))
    last = (await timeline(duty, incident["id"]))[-1]
    assert (last["params"]["code"], last["params"]["reason"]) == ("decision_refused", "shelve lasts at most 28800 s")


def views(*alerts):
    return [apply(None, each)[0] for each in alerts]


def test_a_muted_alarm_raises_no_level_and_confirms_no_fire():
    loud = alert("smoke-wh7-s1-1f", level=Level.III)
    other = muted(alert(level=Level.II), out_of_service=True)
    assert incident_level(views(loud, other), smoke=True).level is Level.III
    assert incident_level(views(other), smoke=True).level is Level.II, "alone it says what it would be"
    assert incident_level(views(loud, alert(level=Level.II)), smoke=True).level is Level.I


def test_an_unsteady_device_is_a_headline_of_its_own():
    notice = alert(rule="unsteady", hazard=Hazard.DEVICE, level=Level.IV)
    assert headline(Hazard.DEVICE, views(notice)) == {"code": "unsteady", "params": {"count": 1}}
    silent = alert("water-up-low", rule="silence", hazard=Hazard.DEVICE, level=Level.III)
    assert headline(Hazard.DEVICE, views(notice, silent))["code"] == "silence"


async def test_unsteady_alarms_show_their_mark(devices, edge_client, sign_in):
    await post(edge_client, event(muted(alert(), unsteady=Unsteady.CHATTERING, repeats=4)))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    assert (incident["alarms"][0]["unsteady"], incident["alarms"][0]["repeats"]) == ("chattering", 4)
