"""What the desk does with incidents besides sending people, over the real API: on SQLite and PostgreSQL."""

import asyncio
import json
from datetime import timedelta

import pytest
from cloud_world import add_devices, ago, alert, event, incidents, kinds, now, post, timeline
from sqlalchemy import select, text
from typer.testing import CliRunner

from cloud.app import load_models
from cloud.audit import service as audit
from cloud.audit.model import AuditLine
from cloud.database import Base, Database
from cloud.incidents.model import Incident
from cloud.incidents.verification import verify
from cloud.timers.worker import run_due, worker_name
from shouwang.cloud import app as cloud_command
from wire.level import Level

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8


@pytest.fixture
async def devices(app, database):
    async with database.transaction() as session:
        await add_devices(session)


async def act(client, path: str, status: int = 200, **body) -> dict:
    answer = await client.post(f"/api/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def by_hand(client, zone: str, hazard: str = "smoke", **more) -> dict:
    body = {"place": {"zone_id": zone}, "hazard": hazard, "what": "楼道里有烟", "caller": "502 住户", **more}
    answer = await client.post("/api/v1/incidents", json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def get(client, incident: dict) -> dict:
    return (await client.get(f"/api/v1/incidents/{incident['id']}")).json()


async def test_merging_moves_alarms_people_and_measures_and_can_be_undone(devices, edge_client, sign_in):
    await post(edge_client, event(alert("smoke-wh7-s1-3f")), event(alert("smoke-wh7-s2-3f")))
    duty = await sign_in("duty")
    here, there = sorted(await incidents(duty), key=lambda one: one["alarms"][0]["device"])
    source, target = (here, there) if here["assignments"] else (there, here)
    assert source["assignments"], "the micro fire station was asked for one of them"
    await act(duty, f"incidents/{source['id']}/measures", kind="lift_stopped", place="7幢电梯")
    await act(duty, f"incidents/{source['id']}/merge", 422, into=source["id"], reason="同一起")

    merged = await act(duty, f"incidents/{source['id']}/merge", into=target["id"], reason="同一处起火")
    assert merged["id"] == target["id"]
    assert {alarm["device"] for alarm in merged["alarms"]} == {"smoke-wh7-s1-3f", "smoke-wh7-s2-3f"}
    assert (merged["level"], merged["alert_count"]) == ("I", 2), "two detectors agree, now that they are one"
    assert [one["state"] for one in merged["assignments"]] == ["offered"], "who was asked moved along"
    assert [one["place"] for one in merged["measures"]] == ["7幢电梯"]
    gone = await get(duty, source)
    assert (gone["state"], gone["merged_into"], gone["alarms"], gone["measures"]) == ("merged", target["id"], [], [])
    assert "cancelled" not in {one["state"] for one in gone["assignments"]}

    await post(edge_client, event(alert("smoke-wh7-s1-1f")))
    assert len(await incidents(duty)) == 1, "what comes for the merged one's stairwell belongs to the other now"

    back = await act(duty, f"incidents/{source['id']}/unmerge", reason="查明是两起")
    assert {alarm["device"] for alarm in back["alarms"]} == {source["alarms"][0]["device"]}
    assert (back["merged_into"], [one["place"] for one in back["measures"]]) == (None, ["7幢电梯"])
    assert [one["state"] for one in back["assignments"]] == ["offered"]
    assert back["state"] in ("accepted", "dispatched")
    left = await get(duty, target)
    assert {alarm["device"] for alarm in left["alarms"]} >= {target["alarms"][0]["device"]}
    assert left["measures"] == []
    for one in (source, target):
        lines = kinds(await timeline(duty, one["id"]))
        assert {"merged", "unmerged"} <= set(lines) or {"merged_in", "unmerged_out"} <= set(lines)
    await act(duty, f"incidents/{source['id']}/unmerge", 409, reason="再来一次")


async def test_splitting_makes_an_incident_that_somebody_must_take_anew(devices, edge_client, sign_in):
    await post(edge_client, event(alert("smoke-wh7-s1-3f", level=Level.III)), event(alert("smoke-wh7-s1-1f")))
    duty = await sign_in("duty")
    [both] = await incidents(duty)
    await act(duty, f"incidents/{both['id']}/acknowledge")
    first = next(one["alarm_id"] for one in both["alarms"] if one["device"] == "smoke-wh7-s1-1f")
    await act(duty, f"incidents/{both['id']}/split", 422, alarm_ids=["other:smoke"], reason="x")
    every = [one["alarm_id"] for one in both["alarms"]]
    await act(duty, f"incidents/{both['id']}/split", 409, alarm_ids=every, reason="x")
    other = await act(duty, f"incidents/{both['id']}/split", 201, alarm_ids=[first], reason="另一起")
    assert (other["acknowledged_at"], other["level"], len(other["alarms"])) == (None, "II", 1)
    left = await get(duty, both)
    assert [one["device"] for one in left["alarms"]] == ["smoke-wh7-s1-3f"]
    assert left["level"] == "III", "the detectors that agreed are two events now"
    await post(edge_client, event(alert("smoke-wh7-s1-1f", revision=2, level=Level.I, opened_at=now())))
    assert len(await incidents(duty)) == 2, "an alarm of that stairwell still finds a place"


async def test_a_phone_call_takes_in_the_late_alarm_of_its_place_and_nobody_is_sent(devices, edge_client, sign_in):
    """SCENARIOS 6: the basement alarm arrives marked late, joins the phone incident, dispatches nothing."""
    duty = await sign_in("duty")
    called = await by_hand(duty, "wh-7-s2-3f")
    alarm = alert("smoke-wh7-s2-3f", recorded_at=ago(minutes=12), opened_at=ago(minutes=12), replayed=True)
    await post(edge_client, event(alarm))
    [incident] = await incidents(duty)
    assert (incident["id"], incident["alert_count"]) == (called["id"], 1)
    assert len(incident["assignments"]) == len(called["assignments"]), "nothing stale is sent out"
    raised = next(one for one in await timeline(duty, called["id"]) if one["kind"] == "alert_raised")
    assert (raised["params"]["fold"], raised["params"]["late"]) == ("same_zone", True)
    again = await by_hand(duty, "wh-7-s2-3f")
    assert (again["joined"], again["id"]) == (True, called["id"])
    old = alert("smoke-wh7-s2-3f", recorded_at=ago(hours=9), opened_at=ago(hours=9), replayed=True)
    await post(edge_client, event(old))
    found = await incidents(duty)
    assert len(found) == 2, "what happened nine hours before is another event"
    assert [one["late"] for one in found if one["id"] != called["id"]] == [True]


async def test_no_incident_is_closed_over_a_measure_and_none_ends_but_by_name(devices, sign_in, database):
    duty, leader, zhou = await sign_in("duty"), await sign_in("leader"), await sign_in("zhou")
    incident = await by_hand(duty, "up-low", "water_level")
    path = f"incidents/{incident['id']}"
    await act(duty, f"{path}/measures", kind="road_closed", place="柳荫路两端", in_charge="交警二大队")
    road, moved = (await act(duty, f"{path}/measures", kind="evacuation"))["measures"]
    assert (road["may_end"], moved["may_end"]) == ("outside", "duty_leader")
    assert (await duty.get("/api/v1/summary")).json()["measures_in_force"] == 2

    for what, body in (("close", {"outcome": "hazard_true"}), ("void", {"reason": "重复"})):
        refused = await act(duty, f"{path}/{what}", 409, **body)
        assert [one["where"] for one in refused["errors"]] == [f"measures.{road['id']}", f"measures.{moved['id']}"]
        assert "封交" in refused["detail"]
        assert "road closed" in refused["detail"]
    assert (await act(duty, f"{path}/resolve"))["state"] == "resolved", "the work may be done, the road still closed"

    refused = await act(duty, f"measures/{road['id']}/end", 422, reason="水退了")
    assert refused["errors"][0]["where"] == "authority"
    ended = await act(duty, f"measures/{road['id']}/end", reason="水退了", authority="交警 王警官、排水 李工")
    assert (ended["ended_by"]["name"], ended["end_authority"]) == ("林知远", "交警 王警官、排水 李工")
    again = await act(leader, f"measures/{road['id']}/end", reason="再次", authority="x")
    assert again["ended_by"]["name"] == "林知远", "the first stands"
    await act(duty, f"measures/{moved['id']}/end", 403, reason="回家")
    assert (await zhou.post(f"/api/v1/measures/{moved['id']}/end", json={"reason": "x"})).status_code in (403, 404)
    await act(leader, f"measures/{moved['id']}/end", reason="可返回")
    listed = (await duty.get("/api/v1/measures", params={"state": "ended"})).json()["items"]
    assert {one["id"] for one in listed} == {road["id"], moved["id"]}
    assert (await duty.get("/api/v1/summary")).json()["measures_in_force"] == 0
    assert (await act(duty, f"{path}/close", outcome="hazard_true"))["state"] == "closed"
    assert {"measure_put", "measure_ended"} <= set(kinds(await timeline(duty, incident["id"])))


async def test_levels_by_people_and_what_a_look_covers(devices, edge_client, sign_in):
    opened = now()
    await post(edge_client, event(alert(level=Level.II, opened_at=opened)))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    path = f"incidents/{incident['id']}/level"
    await act(duty, path, 422, level="III", reason="做饭")
    await act(duty, path, 422, level="III", reason="做饭", checked="phone")
    await act(duty, path, 409, level="II", reason="x")
    lowered = await act(duty, path, level="III", reason="炒菜油烟，已到场看过", checked="on_scene")
    assert (lowered["level"], lowered["highest_level"]) == ("III", "II")
    worse = alert(level=Level.II, revision=2, opened_at=opened, verb="escalated")
    await post(edge_client, event(worse))
    assert (await get(duty, incident))["level"] == "III", "what was looked at"
    await post(edge_client, event(alert("smoke-wh7-s1-1f", level=Level.II)))
    after = await get(duty, incident)
    assert (after["level"], after["level_cap"]) == ("I", None), "another detector was not there when they looked"
    lines = await timeline(duty, incident["id"])
    [by_people] = [one for one in lines if one["kind"] == "level_set"]
    assert by_people["params"]["reason"] == "炒菜油烟，已到场看过"

    call = await by_hand(duty, "lj-b-18-e", "curtain_wall")
    raised = await act(duty, f"incidents/{call['id']}/level", level="I", reason="玻璃在掉")
    assert raised["level"] == "I"
    lowered = await act(duty, f"incidents/{call['id']}/level", level="IV", reason="是反光", checked="video")
    assert lowered["level"] == "IV"


async def test_sent_back_put_off_and_danger_caught(devices, edge_client, sign_in, services):
    duty = await sign_in("duty")
    incident = await by_hand(duty, "wh-7-s2-302")
    path = f"incidents/{incident['id']}"
    closed = await act(duty, f"{path}/close", outcome="danger_caught", cause="pot_burnt_dry")
    assert (closed["state"], closed["outcome"]) == ("closed", "danger_caught")
    await act(duty, f"{path}/level", 409, level="I", reason="x")
    back = await act(duty, f"{path}/reopen", reason="居民又来电：还有烟")
    assert (back["state"], back["acknowledged_at"], back["outcome"]) == ("accepted", None, None)
    assert back["deadline"] is not None, "a clock runs"
    await act(duty, f"{path}/reopen", 409, reason="x")
    await act(duty, f"{path}/acknowledge")
    until = (now() + timedelta(days=20)).isoformat()
    off = await act(duty, f"{path}/put-off", until=until, reason="待业主装修完")
    assert (off["state"], off["pending"]["reason"]) == ("pending", "待业主装修完")
    await act(duty, f"{path}/put-off", 422, until=ago(days=1).isoformat(), reason="x")
    services.now = lambda: now() + timedelta(days=21)
    seen = services.feed.position
    if not await run_due(services, worker_name()):  # the application's own worker was faster
        await services.feed.wait_beyond(seen, 10)
    services.now = now
    again = await get(duty, incident)
    assert (again["state"], again["pending"], again["acknowledged_at"]) == ("accepted", None, None)


async def test_a_storm_has_one_parent_and_no_urgent_child_is_taken_with_it(devices, edge_client, sign_in):
    """Three places of one street under water within the hour."""
    duty = await sign_in("duty")
    low = await by_hand(duty, "up-low", "water_level", level="II")
    await by_hand(duty, "wh-7-s1-1f", "water_level", level="IV")
    assert len(await incidents(duty)) == 2
    await post(edge_client, event(alert("smoke-sn12-s1-2f", level=Level.II)))
    third = await by_hand(duty, "sn-12-s1-1f", "water_level", level="III")
    found = {one["id"]: one for one in await incidents(duty)}
    [parent] = [one for one in found.values() if one["children"]]
    assert len(parent["children"]) == 3, "the fire is no part of it"
    assert (parent["level"], parent["headline"]["code"], parent["place"]["text"]) == ("II", "area", "柳荫街道")
    assert parent["acknowledged_at"] is None, "somebody must lead it"
    assert found[third["id"]]["parent_id"] == parent["id"]

    refused = await act(duty, f"incidents/{parent['id']}/close", 409, outcome="hazard_true")
    assert {one["code"] for one in refused["errors"]} == {"child_open"}
    await act(duty, f"incidents/{third['id']}/level", level="I", reason="有人被困")
    assert (await get(duty, parent))["level"] == "I", "the worst of its children's"
    await act(duty, f"incidents/{third['id']}/leave-parent", reason="单独处置")
    assert (await get(duty, parent))["level"] == "II"
    await act(duty, f"incidents/{third['id']}/parent", parent_id=parent["id"], reason="归回")
    for child in (await get(duty, parent))["children"]:
        await act(duty, f"incidents/{child['id']}/close", outcome="hazard_true")
    assert (await act(duty, f"incidents/{parent['id']}/close", outcome="hazard_true"))["state"] == "closed"
    assert low["id"] in {one["id"] for one in await incidents(duty, "closed")}


async def test_a_family_by_hand_is_taken_by_who_makes_it_and_takes_its_calm_children(devices, edge_client, sign_in):
    await post(
        edge_client,
        event(alert("water-up-low", level=Level.III)),
        event(alert("facade-ljb-18e-07", level=Level.II)),
    )
    duty = await sign_in("duty")
    water, facade = sorted(await incidents(duty), key=lambda one: one["hazard"], reverse=True)
    await act(duty, "incident-families", 422, incident_ids=[water["id"]], reason="台风")
    both = [water["id"], facade["id"]]
    parent = await act(duty, "incident-families", 201, incident_ids=both, reason="台风")
    assert parent["acknowledged_by"]["name"] == "林知远"
    assert (await get(duty, water))["acknowledged_by"]["name"] == "林知远"
    assert (await get(duty, facade))["acknowledged_at"] is None, "an urgent one is taken by itself"


async def test_the_plan_of_an_incident_and_a_site_that_changes_its_own(devices, edge_client, sign_in):
    await post(edge_client, event(alert(level=Level.II)))
    duty, mfs, manager = await sign_in("duty"), await sign_in("mfs"), await sign_in("manager")
    [incident] = await incidents(duty)
    plan = (await duty.get(f"/api/v1/incidents/{incident['id']}/plan")).json()
    assert (plan["level"], plan["own"], plan["ask"]) == ("II", False, ["micro_fire_station"])
    assert all(len(card["lines"]) <= 7 for card in plan["cards"])
    [task] = (await mfs.get("/api/v1/assignments/mine")).json()["items"]
    line = next(one for one in task["card"]["lines"] if one["tick"] and one["due_at"])
    tick = {"role": task["card"]["role"], "code": line["code"]}
    done = await act(mfs, f"incidents/{incident['id']}/plan/ticks", **tick)
    card = next(one for one in done["cards"] if one["role"] == "micro_fire_station")
    assert next(one for one in card["lines"] if one["code"] == line["code"])["done_by"]["name"] == "望湖微型消防站"
    await act(duty, f"incidents/{incident['id']}/plan/ticks", **tick)
    assert kinds(await timeline(duty, incident["id"])).count("card_ticked") == 1, "the first stands"
    await act(duty, f"incidents/{incident['id']}/plan/ticks", 422, role="micro_fire_station", code="smoke_gear")

    path = "/api/v1/plans/smoke/sites/wanghuyuan"
    shown = await manager.get(path)
    assert shown.headers["ETag"] == '"0"'
    own = shown.json()["plan"]
    own["levels"]["II"]["zh"] = "先打物业夜班电话"
    put = {"plan": own, "why": "夜班电话换了"}
    assert (await manager.put(path, json=put)).status_code == 428
    assert (await manager.put(path, json=put, headers={"If-Match": '"3"'})).status_code == 412
    kept = await manager.put(path, json=put, headers={"If-Match": '"0"'})
    assert (kept.status_code, kept.json()["revision"], kept.json()["own"]) == (200, 1, True)
    assert (await duty.get(f"/api/v1/incidents/{incident['id']}/plan")).json()["text_zh"] == "先打物业夜班电话"
    bad = put | {"plan": own | {"cards": {"grid_worker": []}}}
    assert (await manager.put(path, json=bad, headers={"If-Match": '"1"'})).status_code == 422
    back = await manager.post(f"{path}/revert", json={"revision": 0, "why": "试完了"}, headers={"If-Match": '"1"'})
    assert (back.json()["revision"], back.json()["own"]) == (2, False)
    history = (await manager.get(f"{path}/history")).json()["items"]
    assert [(one["act"], one["by_name"]) for one in history] == [("revert", "赵敏"), ("put", "赵敏")]
    assert (await mfs.get(path)).status_code == 403


async def test_attachments_are_what_they_say_served_safely_and_erased_for_good(devices, edge_client, sign_in, services):
    duty, admin, lu = await sign_in("duty"), await sign_in("admin"), await sign_in("lu")
    incident = await by_hand(duty, "wh-7-s2-3f")
    path = f"/api/v1/incidents/{incident['id']}/attachments"
    jpeg = {"Content-Type": "image/jpeg", "Idempotency-Key": "photo-1"}
    for content, kind, status in (
        (b"<script>alert(1)</script>", "image/jpeg", 415),
        (b"<html></html>", "text/html", 415),
        (JPEG, "image/svg+xml", 415),
        (b"OggS" + bytes(5 * 1024 * 1024), "audio/ogg", 413),
    ):
        answer = await duty.post(path, content=content, headers={"Content-Type": kind})
        assert answer.status_code == status, (kind, answer.text)
    first = await duty.post(path, content=JPEG, headers=jpeg, params={"note": "三楼楼道"})
    assert first.status_code == 201, first.text
    repeat = await duty.post(path, content=JPEG, headers=jpeg, params={"note": "三楼楼道"})
    assert repeat.json() == first.json()
    large = await duty.post(path, content=JPEG + bytes(2 * 1024 * 1024), headers={"Content-Type": "image/jpeg"})
    assert large.status_code == 201, "a photo may be larger than other bodies"
    url = first.json()["url"]
    shown = await duty.get(url)
    assert shown.content == JPEG
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert shown.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert (await lu.get(url)).status_code == 404, "outside their grid"
    file = services.settings.data_dir / "attachments" / first.json()["sha256"][:2] / first.json()["sha256"]
    assert not file.stat().st_mode & 0o111

    file.write_bytes(JPEG + b"x")
    assert (await duty.get(url)).status_code == 409, "a changed file is found"
    assert (await duty.post(f"/api/v1/attachments/{first.json()['id']}/erase", json={"reason": "x"})).status_code == 403
    await act(admin, f"attachments/{first.json()['id']}/erase", reason="拍到住户证件")
    assert not file.exists()
    assert (await duty.get(url)).status_code == 410
    listed = (await duty.get(path)).json()["items"]
    assert [bool(one["erased_at"]) for one in listed] == [True, False]
    assert {"attached", "attachment_erased"} <= set(kinds(await timeline(duty, incident["id"])))


async def test_personal_values_are_forgotten_and_every_change_is_found(devices, sign_in, database):
    duty, admin = await sign_in("duty"), await sign_in("admin")
    incident = await by_hand(duty, "wh-7-s2-3f", what="张三家冒烟", caller="张三 13800000000")
    await by_hand(duty, "sn-12-s1-2f")
    noted = (await admin.get("/api/v1/audit/verify")).json()
    assert noted["intact"], noted
    head = noted["audit"]["head"]

    path = f"incidents/{incident['id']}/forget"
    assert (await duty.post(f"/api/v1/{path}", json={"seq": 1, "fields": ["caller"], "reason": "x"})).status_code == 403
    await act(admin, path, 422, seq=1, fields=["nothing"], reason="x")
    await act(admin, path, seq=1, fields=["caller", "what"], reason="本人要求")
    [opened, *_] = await timeline(duty, incident["id"])
    assert opened["forgotten"] == ["params.caller", "params.what"]
    assert "13800000000" not in str(await timeline(duty, incident["id"]))
    assert "张三" not in str(await get(duty, incident))
    after = (await admin.get("/api/v1/audit/verify", params={"expected": head})).json()
    assert (after["intact"], after["audit"]["expected_holds"]) == (True, True)
    async with database.reading() as session:
        stored = [str(row.body) for row in await session.scalars(select(AuditLine))]
        raw = (await session.execute(text("SELECT params, salt FROM timeline_entries WHERE seq = 1"))).all()
    assert not any("13800000000" in str(row) for row in [*raw, *stored])

    async def broken(statement: str, **values) -> dict:
        async with database.transaction() as session:
            await session.execute(text(statement), values)
        return (await admin.get("/api/v1/audit/verify", params={"expected": head})).json()

    who = {"id": incident["id"]}
    last_line = "(SELECT entries FROM incidents WHERE id = :id)"
    cut = f"DELETE FROM timeline_entries WHERE incident_id = :id AND seq = {last_line}"
    found = await broken(cut, **who)
    assert [one["why"] for one in found["broken"]] == ["chain"], "a line cut off at the end"
    async with database.transaction() as session:
        row = await session.get(Incident, incident["id"])
        last = await session.execute(
            text("SELECT seq, hash FROM timeline_entries WHERE incident_id = :id ORDER BY seq DESC LIMIT 1"), who
        )
        row.entries, row.chain_head = last.one()
    found = (await admin.get("/api/v1/audit/verify")).json()
    assert [one["why"] for one in found["broken"]] == ["anchor"], "and the incident made to fit: the audit chain knows"
    shown = (await duty.get(f"/api/v1/incidents/{incident['id']}/timeline")).json()
    assert shown["chain_intact"] is False
    found = await broken("UPDATE audit_lines SET actor = 'nobody' WHERE seq = 2")
    assert (found["audit"]["broken_at"], found["audit"]["why"], found["intact"]) == (2, "changed", False)
    assert (await duty.get("/api/v1/audit/verify")).status_code == 403


async def test_verifying_sees_one_moment_while_others_write(devices, sign_in, database):
    duty = await sign_in("duty")
    incident = await by_hand(duty, "wh-7-s2-3f")
    async with database.snapshot() as session:
        before = await audit.head(session)
        await act(duty, f"incidents/{incident['id']}/notes", text="写在当中")
        report = await verify(session)
    assert (report.intact, report.audit.head) == (True, before)
    async with database.snapshot() as session:
        assert (await verify(session, before)).audit.head.seq > before.seq


def test_an_administrator_verifies_by_command(database_url, tmp_path):
    """In this process: what the command prints and its exit codes, on a database without a single line."""
    run = CliRunner().invoke
    url = ["--database-url", database_url, "--data-dir", str(tmp_path / "data")]
    assert run(cloud_command, ["verify-audit", *url]).exit_code == 2, "no tables: refused, and nothing is made"
    asyncio.run(_with_one_line(database_url))
    shown = run(cloud_command, ["verify-audit", *url])
    assert (shown.exit_code, shown.output.splitlines()[0]) == (0, "intact: 1 audit lines, 0 incidents"), shown.output
    head = shown.output.split()[-1]
    assert run(cloud_command, ["verify-audit", *url, "--expect", head]).exit_code == 0
    other = run(cloud_command, ["verify-audit", *url, "--expect", "1:" + "0" * 64, "--json"])
    assert (other.exit_code, json.loads(other.output)["audit"]["expected_holds"]) == (1, False)
    assert run(cloud_command, ["verify-audit", *url, "--expect", "nonsense"]).exit_code == 2


async def _with_one_line(url: str) -> None:
    load_models()
    db = Database(url)
    async with db.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with db.transaction() as session:
        await audit.append(session, kind="test", now=now())
    await db.close()
