"""Sending, keeping, planning, handing off: over HTTP, with roles, refusals and keys, as the desk does it."""

from datetime import timedelta

import pytest
from cloud_world import add_devices, all_that_is_due
from sqlalchemy import select

from cloud.dispatch import auditor
from cloud.dispatch.model import Unattended
from cloud.incidents.model import Incident
from cloud.notify.model import Notification
from cloud.people.model import Shift
from cloud.timers.model import Timer

V1 = "/api/v1"
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # both: test_dispatch, test_duty_model


@pytest.fixture
def settings(settings):
    """People decide here: nothing is offered by itself."""
    return settings.model_copy(update={"automatic_offers": False})


async def by_hand(client, zone: str, hazard: str, level: str) -> dict:
    body = {"place": {"zone_id": zone}, "hazard": hazard, "what": "冒烟", "level": level}
    answer = await client.post(f"{V1}/incidents", json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def post(client, path: str, body: dict | None = None, status: int = 200, **headers: str) -> dict:
    answer = await client.post(f"{V1}{path}", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_what_a_role_never_does_is_refused_with_the_reason(sign_in):
    duty = await sign_in("duty")
    fire = await by_hand(duty, "wh-7-s1-3f", "smoke", "II")
    path = f"/incidents/{fire['id']}/dispatch"
    refused = await post(duty, path, {"responder_id": "rsp_zhou", "task": "enter_smoke"}, 409)
    assert refused["type"].endswith("never")
    assert "网格员不进烟" in refused["detail"]
    assert refused["errors"][0]["code"] == "never_task"
    traffic = await post(duty, path, {"responder_id": "rsp_zhou", "task": "direct_traffic"}, 409)
    assert "Grid workers never direct traffic" in traffic["detail"]
    await post(duty, path, {"responder_id": "rsp_zhou", "task": "juggle"}, 422)
    sent = await post(duty, path, {"responder_id": "rsp_zhou", "task": "knock_doors"})
    assert [(one["responder"]["id"], one["task"]) for one in sent["assignments"]] == [("rsp_zhou", "knock_doors")]
    found = (await duty.get(f"{V1}/incidents/{fire['id']}/proposals", params={"task": "first_attack"})).json()
    assert {one["responder_id"] for one in found["items"] if one["recommended"]} == {
        "rsp_wanghu-mfs",
        "rsp_guard",
    }
    assert [one["how"] for one in found["alternatives"]] == ["other_task"] * len(found["alternatives"])
    listed = (await (await sign_in("zhou")).get(f"{V1}/tasks")).json()
    assert "enter_smoke" in [one["task"] for one in listed["roles"]["grid_worker"]["never"]]


async def test_nobody_is_pulled_off_a_worse_incident_and_moving_off_a_lesser_one_is_a_decision(sign_in):
    duty = await sign_in("duty")
    worse = await by_hand(duty, "wh-7-s1-3f", "smoke", "I")
    lesser = await by_hand(duty, "wh-8-s1-2f", "smoke", "III")
    await post(duty, f"/incidents/{worse['id']}/dispatch", {"responder_id": "rsp_zhou"})
    refused = await post(duty, f"/incidents/{lesser['id']}/dispatch", {"responder_id": "rsp_zhou", "move": True}, 409)
    assert refused["type"].endswith("on-a-worse-incident")
    assert worse["number"] in refused["detail"]

    await post(duty, f"/incidents/{lesser['id']}/dispatch", {"responder_id": "rsp_lu"})
    moved = await post(duty, f"/incidents/{worse['id']}/dispatch", {"responder_id": "rsp_lu", "move": True})
    assert {one["responder"]["id"] for one in moved["assignments"]} == {"rsp_zhou", "rsp_lu"}
    left = (await duty.get(f"{V1}/incidents/{lesser['id']}")).json()
    assert [one["state"] for one in left["assignments"]] == ["cancelled"]
    assert (left["state"], left["deadline"]["step"]) == ("accepted", "dispatch"), "whoever is left has a clock"


async def test_the_plan_for_two_incidents_is_sent_whole_or_not_at_all(sign_in, services):
    duty = await sign_in("duty")
    fire = await by_hand(duty, "wh-7-s1-3f", "smoke", "I")
    water = await by_hand(duty, "up-low", "water_level", "II")
    plan = (await duty.get(f"{V1}/dispatch/plan")).json()
    pairs = [
        {"incident_id": one["incident_id"], "responder_id": one["responder"]["responder_id"]} for one in plan["pairs"]
    ]
    assert [pair["incident_id"] for pair in plan["pairs"]] == [fire["id"], water["id"]]
    assert plan["unserved"] == []
    assert len({pair["responder_id"] for pair in pairs}) == 2
    wrong = [pairs[0], {"incident_id": water["id"], "responder_id": "rsp_zhou", "task": "wade"}]
    await post(duty, "/dispatch/plan", {"pairs": wrong}, 409)
    assert (await duty.get(f"{V1}/incidents/{fire['id']}")).json()["assignments"] == []
    key = {"Idempotency-Key": "plan-1"}
    sent = await post(duty, "/dispatch/plan", {"pairs": pairs}, **key)
    assert await post(duty, "/dispatch/plan", {"pairs": pairs}, **key) == sent
    assert sorted(len(one["assignments"]) for one in sent["items"]) == [1, 1]
    assert (await duty.get(f"{V1}/dispatch/plan")).json()["pairs"] == []
    assert (await (await sign_in("zhou")).get(f"{V1}/dispatch/plan")).status_code == 403


async def test_a_reservation_is_kept_offered_taken_over_or_let_go(sign_in, services, database):
    duty = await sign_in("duty")
    lesser = await by_hand(duty, "wh-7-s1-3f", "smoke", "III")
    kept = await post(duty, f"/incidents/{lesser['id']}/reserve", {"responder_id": "rsp_zhou"}, 201)
    await post(duty, f"/incidents/{lesser['id']}/reserve", {"responder_id": "rsp_zhou"}, 409)
    assert (await (await sign_in("zhou")).get(f"{V1}/assignments/mine")).json()["items"] == [], "not asked yet"
    same = await by_hand(duty, "wh-8-s1-2f", "smoke", "III")
    proposals = (await duty.get(f"{V1}/incidents/{same['id']}/proposals")).json()
    assert "reserved" in next(one["missing"] for one in proposals["items"] if one["responder_id"] == "rsp_zhou")
    worse = await by_hand(duty, "wh-8-s2-2f", "smoke", "I")
    await post(duty, f"/incidents/{worse['id']}/dispatch", {"responder_id": "rsp_zhou"})
    await post(duty, f"/reservations/{kept['id']}/offer", {}, 409)
    again = await post(duty, f"/incidents/{lesser['id']}/reserve", {"responder_id": "rsp_lu"}, 201)
    offered = await post(duty, f"/reservations/{again['id']}/offer", {})
    assert [one["responder"]["id"] for one in offered["assignments"]] == ["rsp_lu"]
    third = await post(duty, f"/incidents/{same['id']}/reserve", {"responder_id": "rsp_wanghu-mfs"}, 201)
    assert (await post(duty, f"/reservations/{third['id']}/release", {}))["end"] == "released"
    await post(duty, f"/incidents/{same['id']}/reserve", {"responder_id": "rsp_wanghu-mfs"}, 201)
    at = services.now()
    services.now = lambda: at + timedelta(minutes=11)
    await all_that_is_due(services)
    lines = (await duty.get(f"{V1}/incidents/{same['id']}/timeline")).json()["items"]
    assert [one["params"].get("code") for one in lines if one["kind"] == "note"].count("reservation_expired") == 1


async def test_a_hand_off_stays_with_the_first_until_the_other_says_yes(sign_in, services, database):
    duty, leader, district = await sign_in("duty"), await sign_in("leader"), await sign_in("district")
    row = await by_hand(duty, "wh-7-s1-3f", "smoke", "III")
    path = f"/incidents/{row['id']}"
    await post(duty, f"{path}/hand-off", {"to": "per_zhou"}, 422)
    asked = await post(duty, f"{path}/hand-off", {"to": "per_leader", "note": "电话占线"}, 201)
    await post(duty, f"{path}/hand-off", {"to": "per_district"}, 409)
    [waiting] = (await leader.get(f"{V1}/hand-offs/mine")).json()["items"]
    assert (waiting["id"], waiting["from"]["id"]) == (asked["id"], "per_duty")
    assert (await leader.get(f"{V1}{path}")).json()["owner"]["id"] == "per_duty"
    await post(district, f"/hand-offs/{asked['id']}/accept", {}, 404)
    assert (await post(leader, f"/hand-offs/{asked['id']}/decline", {"reason": "在火场"}))["owner"]["id"] == "per_duty"
    second = await post(duty, f"{path}/hand-off", {"to": "per_leader"}, 201)
    assert (await post(leader, f"/hand-offs/{second['id']}/accept", {}))["owner"]["id"] == "per_leader"
    await post(duty, f"{path}/take-over", {"reason": "还是我来"}, 409)
    assert (await post(district, f"{path}/take-over", {"reason": "升级督办"}))["owner"]["id"] == "per_district"
    third = await post(district, f"{path}/hand-off", {"to": "per_duty"}, 201)
    at = services.now()
    services.now = lambda: at + timedelta(minutes=6)
    await all_that_is_due(services)
    now = (await duty.get(f"{V1}{path}")).json()
    assert now["owner"]["id"] == "per_district", "nobody answered: whoever had it has it"
    async with database.reading() as session:
        told = {
            (one.person_id, one.key.split("|")[0].split(":", 1)[1])
            for one in await session.scalars(select(Notification))
        }
    assert ("per_district", f"hand_off:{third['id']}:expired") in told


async def test_a_deferral_has_an_end_and_a_reason_and_nothing_urgent_is_put_off(sign_in, services, database):
    duty = await sign_in("duty")
    urgent = await by_hand(duty, "wh-7-s1-3f", "smoke", "I")
    calm = await by_hand(duty, "up-low", "water_level", "III")
    until = (services.now() + timedelta(minutes=30)).isoformat()
    await post(duty, f"/incidents/{urgent['id']}/defer", {"until": until, "reason": "等"}, 409)
    far = (services.now() + timedelta(hours=5)).isoformat()
    await post(duty, f"/incidents/{calm['id']}/defer", {"until": far, "reason": "等"}, 422)
    deferred = await post(duty, f"/incidents/{calm['id']}/defer", {"until": until, "reason": "等排水到场"})
    assert deferred["deadline"]["step"] == "deferral"
    at = services.now()
    services.now = lambda: at + timedelta(minutes=31)
    await all_that_is_due(services)
    after = (await duty.get(f"{V1}/incidents/{calm['id']}")).json()
    assert after["deadline"]["step"] == "dispatch", "its clocks run again"
    async with database.reading() as session:
        kinds = {(one.kind, one.person_id) for one in await session.scalars(select(Notification))}
    assert ("deferral", "per_duty") in kinds
    resumed = await post(
        duty, f"/incidents/{calm['id']}/defer", {"until": (at + timedelta(minutes=40)).isoformat(), "reason": "再等"}
    )
    assert resumed["deadline"]["step"] == "deferral"
    assert (await post(duty, f"/incidents/{calm['id']}/resume", {}))["deadline"]["step"] == "dispatch"


async def test_the_auditor_finds_what_nobody_works_on_mends_its_clock_and_tells(sign_in, services, database):
    duty = await sign_in("duty")
    row = await by_hand(duty, "wh-7-s1-3f", "smoke", "II")
    async with database.transaction() as session:
        await add_devices(session)
        for timer in await session.scalars(select(Timer).where(Timer.subject == row["id"])):
            await session.delete(timer)
        for shift in await session.scalars(select(Shift).where(Shift.person_id == "per_duty")):
            await session.delete(shift)
    await auditor.begin(services)
    await all_that_is_due(services)
    found = (await duty.get(f"{V1}/unattended")).json()
    codes = {one["code"] for one in found["items"]}
    assert "owner_off_duty" in codes
    assert codes <= {"no_clock", "owner_off_duty"}, "a second look finds the clock mended"
    assert (await duty.get(f"{V1}/summary")).json()["unattended"] == 1
    async with database.reading() as session:
        incident = await session.get_one(Incident, row["id"])
        assert incident.deadline["step"] == "dispatch", "its clock runs again"
        told = {one.person_id for one in await session.scalars(select(Notification)) if one.kind == "unattended"}
    assert told == {"per_leader", "per_duty"}
    leader = await sign_in("leader")
    await post(leader, f"/incidents/{row['id']}/take-over", {"reason": "值班员已下班"})
    at = services.now()
    services.now = lambda: at + timedelta(seconds=61)
    await all_that_is_due(services)
    assert (await leader.get(f"{V1}/unattended")).json()["items"] == []
    async with database.reading() as session:
        assert all(one.ended_at for one in await session.scalars(select(Unattended)))
    assert (await (await sign_in("zhou")).get(f"{V1}/unattended")).status_code == 403
