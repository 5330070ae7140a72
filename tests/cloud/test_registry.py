"""Devices, edges, imports: what people enter, and what reaches the edge."""

import asyncio
import json
from datetime import timedelta

import bcrypt
import httpx
import msgspec
import pytest
from httpx_sse import aconnect_sse
from sqlalchemy import select, update

from cloud.feed import service as feed
from cloud.people.model import Account
from cloud.registry import import_table, places, reports, seed, service, timelines
from cloud.registry.model import DecisionRow, Device, DeviceState, Edge
from wire.configuration import Decision, DecisionReport, EdgeChange, EdgeDocument
from wire.report import DeviceReport, EdgeReport, Reason, Rejection
from wire.time import Segment, Timeline, to_ms

SMOKE = {
    "id": "smoke-wh7-s1-3f",
    "name": "7幢1单元3层烟感",
    "site_id": "wanghuyuan",
    "zone_id": "wh-7-s1-3f",
    "profile": "shouwang/smoke",
    "edge_id": "gw-liuyin",
}
HEADER = "id,name,site,zone,profile,edge,mounting_height_m,param_baseline_frequency_hz"
GOOD = "smoke-1,烟感一,wanghuyuan,wh-7-s1-1f,shouwang/smoke,gw-liuyin,,"
FACADE = "facade-1,板块,linjiang,lj-b-18-e,shouwang/facade,gw-liuyin,,17.25"


def _csv(*lines: str, encoding: str = "utf-8") -> bytes:
    return "\n".join((HEADER, *lines)).encode(encoding)


async def _upload(client, data: bytes, *, dry_run: bool = False):
    url = f"/api/v1/devices/import?dry_run={str(dry_run).lower()}"
    return await client.post(url, content=data, headers={"Content-Type": "text/csv"})


async def test_a_registered_device_shows_its_password_once_and_its_edge_knows_only_the_hash(
    sign_in, edge_client, database
):
    manager = await sign_in("manager")
    answer = await manager.post("/api/v1/devices", json=SMOKE)
    assert answer.status_code == 201, answer.text
    mqtt = answer.json()["mqtt"]
    assert mqtt["topic"] == "sensors/wanghuyuan/smoke-wh7-s1-3f/telemetry"
    assert answer.headers["cache-control"] == "no-store"
    document = msgspec.json.decode((await edge_client.get("/api/v1/edge/configuration")).content, type=EdgeDocument)
    (device,) = document.devices
    assert device.credential.startswith("$2b$04$")
    assert bcrypt.checkpw(mqtt["password"].encode(), device.credential.encode())
    assert (device.building, device.zone, device.hazard) == ("wh-7", "wh-7-s1-3f", "smoke")
    for path in ("/api/v1/devices", "/api/v1/devices/smoke-wh7-s1-3f"):
        shown = (await manager.get(path)).text
        assert mqtt["password"] not in shown
        assert "$2b$" not in shown
    async with database.reading() as session:
        entries = await feed.reading(session, 0)
    assert [entry.kind for entry in entries] == ["edge:gw-liuyin", "registry"]
    assert "$2b$" not in json.dumps(entries[1].value)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"profile": "shouwang/smok"}, "profile"),
        ({"zone_id": "up-low"}, "zone_id"),
        ({"site_id": "nowhere"}, "site_id"),
        ({"edge_id": "gw-none"}, "edge_id"),
        ({"timeline": "unset"}, "timeline"),
        ({"parameters": {"height": 1.0}}, "height"),
        ({"rules": {"smoke": {"levels": {"III": {"enter": "much"}}}}}, "rules.smoke.levels.III.enter"),
        ({"profile": "shouwang/facade"}, "baseline_frequency_hz"),
    ],
)
async def test_what_is_wrong_with_a_device_is_named(sign_in, change, where):
    manager = await sign_in("manager")
    answer = await manager.post("/api/v1/devices", json=SMOKE | change)
    assert answer.status_code == 422
    assert where in [error["where"] for error in answer.json()["errors"]], answer.text
    assert (await manager.get("/api/v1/devices")).json()["items"] == []


async def test_a_device_keeps_its_timeline_and_its_password_when_changed(sign_in, database):
    manager, admin = await sign_in("manager"), await sign_in("admin")
    segments = [{"wall_ms": 1_795_000_000_000, "scenario_ms": 1_795_000_000_000, "rate": 20}]
    assert (await manager.put("/api/v1/timelines/demo", json={"segments": segments})).status_code == 403
    assert (await admin.put("/api/v1/timelines/demo", json={"segments": segments})).status_code == 204
    assert (await manager.post("/api/v1/devices", json=SMOKE)).status_code == 201
    body = {key: value for key, value in SMOKE.items() if key != "id"}
    path = f"/api/v1/devices/{SMOKE['id']}"
    moved = await manager.put(path, json=body | {"timeline": "demo"})
    assert moved.status_code == 409  # a real device can't be moved off real time
    async with database.reading() as session:
        before = await session.scalar(select(Device.credential))
    assert (await manager.put(path, json=body | {"name": "换了名"})).json()["name"] == "换了名"
    async with database.reading() as session:
        assert await session.scalar(select(Device.credential)) == before
    renewed = (await manager.post(f"{path}/credential")).json()["password"]
    async with database.reading() as session:
        after = await session.scalar(select(Device.credential))
    assert after != before
    assert bcrypt.checkpw(renewed.encode(), after.encode())
    assert (await manager.post("/api/v1/devices", json=SMOKE)).status_code == 409


async def test_nobody_changes_a_device_outside_their_sites(sign_in, database):
    manager = await sign_in("manager")
    assert (await manager.post("/api/v1/devices", json=SMOKE)).status_code == 201
    async with database.transaction() as session:
        await session.execute(update(Account).where(Account.username == "manager").values(site_ids=["linjiang"]))
    assert [site["id"] for site in (await manager.get("/api/v1/sites")).json()] == ["linjiang"]
    assert (await manager.get("/api/v1/devices")).json()["items"] == []
    path = f"/api/v1/devices/{SMOKE['id']}"
    body = {key: value for key, value in SMOKE.items() if key != "id"}
    assert (await manager.get(path)).status_code == 404
    assert (await manager.put(path, json=body)).status_code == 404
    assert (await manager.delete(path)).status_code == 404
    assert (await manager.post("/api/v1/devices", json=SMOKE | {"id": "smoke-2"})).status_code == 403
    row = (await _upload(manager, _csv(GOOD))).json()["rows"][0]
    assert row["verdict"] == "error"
    assert "not yours" in row["errors"][0]["what"]
    guard = await sign_in("guard")
    assert (await guard.post("/api/v1/devices", json=SMOKE)).status_code == 403


async def test_a_removed_device_is_gone_at_the_edge_too(sign_in, edge_client):
    manager = await sign_in("manager")
    await manager.post("/api/v1/devices", json=SMOKE)
    assert (await manager.delete(f"/api/v1/devices/{SMOKE['id']}")).status_code == 204
    document = msgspec.json.decode((await edge_client.get("/api/v1/edge/configuration")).content, type=EdgeDocument)
    assert document.devices == []
    assert (await manager.get(f"/api/v1/devices/{SMOKE['id']}")).status_code == 404


# ---------------------------------------------------------------- import


async def test_a_dry_run_judges_each_row_and_writes_nothing(sign_in):
    manager = await sign_in("manager")
    answer = await _upload(manager, _csv(GOOD, FACADE), dry_run=True)
    assert answer.json()["counts"] == {"new": 2, "changed": 0, "same": 0, "error": 0}
    assert answer.json()["applied"] is False
    assert (await manager.get("/api/v1/devices")).json()["items"] == []


async def test_one_wrong_row_and_nothing_is_imported(sign_in):
    manager = await sign_in("manager")
    result = (await _upload(manager, _csv(GOOD, FACADE.replace("17.25", "soft"), GOOD))).json()
    assert result["applied"] is False
    assert [row["verdict"] for row in result["rows"]] == ["new", "error", "error"]
    assert result["rows"][1]["errors"][0]["column"] == "param_baseline_frequency_hz"
    assert "row 2 already" in result["rows"][2]["errors"][0]["what"]
    assert (await manager.get("/api/v1/devices")).json()["items"] == []


async def test_running_a_table_again_changes_nothing_and_an_export_is_the_same_table(sign_in, database):
    manager = await sign_in("manager")
    first = (await _upload(manager, _csv(GOOD, FACADE))).json()
    assert first["applied"]
    assert {one["id"] for one in first["credentials"]} == {"smoke-1", "facade-1"}
    async with database.reading() as session:
        position = await feed.position(session)
    again = (await _upload(manager, _csv(GOOD, FACADE))).json()
    assert again["counts"] == {"new": 0, "changed": 0, "same": 2, "error": 0}
    assert again["credentials"] == []
    exported = (await manager.get("/api/v1/devices/export.csv")).content
    assert (await _upload(manager, exported)).json()["counts"]["same"] == 2
    async with database.reading() as session:
        assert await feed.position(session) == position
    changed = (await _upload(manager, _csv(GOOD.replace("烟感一", "烟感二"), FACADE))).json()
    assert changed["counts"] == {"new": 0, "changed": 1, "same": 1, "error": 0}
    assert changed["credentials"] == []


async def test_an_import_takes_a_form_upload_and_the_encoding_of_chinese_spreadsheets(sign_in):
    manager = await sign_in("manager")
    files = {"file": ("devices.csv", _csv(GOOD, encoding="gb18030"), "text/csv")}
    answer = await manager.post("/api/v1/devices/import?dry_run=false", files=files)
    assert answer.json()["applied"], answer.text
    assert (await manager.get("/api/v1/devices/smoke-1")).json()["name"] == "烟感一"


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", "file"),
        (b"\xff\xfe\x00\x01", "file"),
        (b"id,name\na,b", "site"),
        (_csv().replace(b"id,", b"id,id,", 1), "id"),
        (_csv().replace(b"edge,", b"edge,colour,", 1), "colour"),
        (b"id,name,site,zone,profile,edge\n" + b"x,,,,,\n" * (import_table.MAX_ROWS + 1), "file"),
        (b'id,name,site,zone,profile,edge\n"never ends', "file"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(data, where):
    table = import_table.read(data)
    assert where in [fault.where for fault in table.faults]
    assert table.rows == ()


def test_a_cell_never_becomes_a_formula_in_a_spreadsheet():
    device = {"id": "a", "name": "=cmd()", "site_id": "s", "zone_id": "z", "profile": "p", "edge_id": "e"}
    text = import_table.write([device | {"address": None, "timeline": "real", "enabled": True, "parameters": {}}])
    assert "'=cmd()" in text


# ---------------------------------------------------------------- edges


async def test_an_edge_is_entered_once_and_a_new_token_ends_the_old_one(sign_in, app):
    admin = await sign_in("admin")
    new = {"id": "gw-2", "name": "二号", "area": seed.SHUINAN}
    first = (await admin.post("/api/v1/edges", json=new)).json()["token"]
    assert (await admin.post("/api/v1/edges", json=new)).status_code == 409
    manager = await sign_in("manager")
    assert (await manager.post("/api/v1/edges", json=new)).status_code == 403
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cloud.test") as edge:
        edge.headers["Authorization"] = f"Bearer {first}"
        assert (await edge.get("/api/v1/edge/configuration")).json()["edge"] == "gw-2"
        assert (await edge.get("/api/v1/devices")).status_code == 401  # an edge is not a person
        second = (await admin.post("/api/v1/edges/gw-2/token")).json()["token"]
        assert (await edge.get("/api/v1/edge/configuration")).status_code == 401
        edge.headers["Authorization"] = f"Bearer {second}"
        assert (await edge.get("/api/v1/edge/configuration")).status_code == 200


async def test_changes_reach_the_edge_within_a_second_and_only_its_own(sign_in, database, services, served):
    manager, admin = await sign_in("manager"), await sign_in("admin")
    await admin.post("/api/v1/edges", json={"id": "gw-2", "name": "二号", "area": seed.SHUINAN})
    async with database.transaction() as session:
        from cloud.people import service as people

        token = await people.issue_edge_token(session, seed.EDGE_ID, now=services.now())
    headers = {"Authorization": f"Bearer {token}"}
    got: list[EdgeChange] = []
    async with httpx.AsyncClient(base_url=served, headers=headers, timeout=20) as edge:
        revision = (await edge.get("/api/v1/edge/configuration")).json()["revision"]
        async with aconnect_sse(edge, "GET", f"/api/v1/edge/changes?after={revision}") as stream:
            events = stream.aiter_sse()
            await manager.post("/api/v1/devices", json=SMOKE | {"id": "other", "edge_id": "gw-2"})
            await manager.post("/api/v1/devices", json=SMOKE)
            body = {key: value for key, value in SMOKE.items() if key != "id"} | {"edge_id": "gw-2"}
            await manager.put(f"/api/v1/devices/{SMOKE['id']}", json=body)
            async with asyncio.timeout(10):
                async for event in events:
                    if event.event == "change":
                        got.append(msgspec.json.decode(event.data, type=EdgeChange))
                        assert int(event.id) == got[-1].revision
                        if len(got) == 2:
                            break
    assert [(change.kind, change.key) for change in got] == [("device", SMOKE["id"])] * 2
    assert got[1].value is None or bytes(got[1].value) == b"null"  # moved away: gone here
    async with httpx.AsyncClient(base_url=served, headers=headers) as edge:
        assert (await edge.get("/api/v1/edge/changes?after=999999")).status_code == 410


async def test_what_edges_report_is_kept_and_only_changes_are_told(database, services):
    now = services.now()
    report = EdgeReport(edge=seed.EDGE_ID, version="0.1", started_at=now, reported_at=now, revision=3)
    async with database.transaction() as session:
        assert await service.record_edge_report(session, report, now=now)
        assert not await service.record_edge_report(session, report, now=now + timedelta(seconds=5))
    async with database.reading() as session:
        assert [entry.kind for entry in await feed.reading(session, 0)] == ["edge"]
    async with database.transaction() as session:
        assert await service.lose_edges(session, now=now + timedelta(seconds=10), after_s=20) == []
        (lost,) = await service.lose_edges(session, now=now + timedelta(seconds=60), after_s=20)
        assert lost.id == seed.EDGE_ID
        assert await service.lose_edges(session, now=now + timedelta(seconds=90), after_s=20) == []
        assert await service.record_edge_report(session, report, now=now + timedelta(seconds=95))
        assert (await session.get(Edge, seed.EDGE_ID)).online


async def test_an_exercise_never_changes_a_devices_state_and_an_edge_speaks_only_of_its_own(
    sign_in, database, services
):
    manager = await sign_in("manager")
    await manager.post("/api/v1/devices", json=SMOKE)
    seen = services.now()
    common = {"device": SMOKE["id"], "site": "wanghuyuan", "status": "online", "last_seen": seen}
    async with database.transaction() as session:
        exercise = DeviceReport(**common, exercise="drl-1", values={"obscuration": 9.0})
        assert not await service.record_device_reports(session, seed.EDGE_ID, [exercise], now=seen)
        assert await session.get(DeviceState, SMOKE["id"]) is None
        foreign = await service.record_device_reports(session, "gw-other", [DeviceReport(**common)], now=seen)
        assert foreign == {SMOKE["id"]}
        older = DeviceReport(**common | {"last_seen": seen - timedelta(minutes=1)}, values={"co": 1.0})
        reports = [DeviceReport(**common, values={"battery": 91}), older]
        assert not await service.record_device_reports(session, seed.EDGE_ID, reports, now=seen)
    shown = (await manager.get(f"/api/v1/devices/{SMOKE['id']}")).json()
    assert shown["status"] == "online"
    assert shown["values"] == {"battery": 91, "co": 1.0}
    assert shown["last_seen"].startswith(seen.isoformat()[:19])


async def test_rejections_are_shown_with_their_reason_to_those_whose_area_it_is(
    sign_in, database, services, monkeypatch
):
    now = services.now()
    async with database.transaction() as session:
        for reason in (Reason.MALFORMED, Reason.UNKNOWN_DEVICE, Reason.CLOCK):
            row = Rejection(received_at=now, topic="sensors/x/y/telemetry", reason=reason, detail="why", device="ghost")
            await service.record_rejection(session, seed.EDGE_ID, row, now=now)
    duty = await sign_in("duty")
    first = (await duty.get("/api/v1/rejections?limit=2")).json()
    assert [row["reason"] for row in first["items"]] == ["clock", "unknown_device"]
    rest = (await duty.get(f"/api/v1/rejections?cursor={first['next']}")).json()
    assert [row["reason"] for row in rest["items"]] == ["malformed"]
    assert len((await duty.get("/api/v1/rejections?reason=clock")).json()["items"]) == 1
    assert (await duty.get("/api/v1/rejections?reason=nonsense")).status_code == 422
    monkeypatch.setattr(reports, "REJECTION_LIMIT", 2)  # the side table is bounded: the oldest go
    async with database.transaction() as session:
        await service.prune_rejections(session)
    assert [row["reason"] for row in (await duty.get("/api/v1/rejections")).json()["items"]] == [
        "clock",
        "unknown_device",
    ]


async def test_a_decision_reaches_its_edge_once_and_its_first_report_stands(database, services, edge_client):
    now = services.now()
    decision = Decision(
        id="dec_1", verb="acknowledge", alarm_id="a:smoke", episode=1, author="per_duty", issued_at=now,
        expires_at=now + timedelta(minutes=1),
    )  # fmt: skip
    async with database.transaction() as session:
        await service.send_decision(session, seed.EDGE_ID, decision, exercise=None)
        await service.send_decision(session, seed.EDGE_ID, decision, exercise=None)
    document = msgspec.json.decode((await edge_client.get("/api/v1/edge/configuration")).content, type=EdgeDocument)
    assert document.decisions == [decision]
    async with database.transaction() as session:
        for result in ("done", "refused"):
            report = DecisionReport(decision="dec_1", result=result, reported_at=now)
            assert await service.record_decision_report(session, seed.EDGE_ID, report)
        assert await service.record_decision_report(session, "gw-other", report) is None
        assert (await session.get(DecisionRow, "dec_1")).result == "done"
    document = msgspec.json.decode((await edge_client.get("/api/v1/edge/configuration")).content, type=EdgeDocument)
    assert document.decisions == []


# ---------------------------------------------------------------- places, clocks, map


async def test_a_place_is_said_in_full(database, services):
    async with database.reading() as session:
        zone = await places.of_zone(session, "wh-7-s1-3f")
        low = await places.of_zone(session, "up-low")
        grid = await places.of_point(session, *seed.at(-200, 100))
        outside = await places.of_point(session, 0.0, 0.0)
    assert zone.text == "望湖苑 7幢1单元3层楼道"
    assert (zone.section, zone.grid_id, zone.grid) == ("wh-7-s1", "grid-02", "望湖网格02")
    assert low.text == "柳荫路铁路下穿 最低点"
    assert grid.path == seed.GRID_02
    assert outside is None


async def test_every_site_stands_in_its_grid(database, services):
    async with database.reading() as session:
        for site in seed.SITES:
            for building in site.buildings or (site,):
                assert (await places.of_point(session, *seed.at(*building.middle))).path == site.grid


async def test_a_clock_may_not_run_back(database, services):
    from cloud.problems import Problem

    start = to_ms(services.now())
    good = Timeline("demo", (Segment(start, start, 20.0), Segment(start + 1000, start + 20_000, 1.0)))
    async with database.transaction() as session:
        await timelines.write(session, good)
        for segments in (
            (Segment(start, start, 20.0), Segment(start + 1000, start + 19_000, 1.0)),
            (Segment(start, start, 1.0), Segment(start, start, 1.0)),
            (),
        ):
            with pytest.raises(Problem):
                await timelines.write(session, Timeline("demo", segments))
        with pytest.raises(Problem):
            await timelines.write(session, Timeline("real", good.segments))
        assert await timelines.timeline(session, "demo") == good


async def test_the_map_holds_what_one_may_see(sign_in):
    manager, duty, zhou = await sign_in("manager"), await sign_in("duty"), await sign_in("zhou")
    await manager.post("/api/v1/devices", json=SMOKE)
    whole = (await duty.get("/api/v1/map")).json()
    counts = {name: len(collection["features"]) for name, collection in whole.items()}
    ground = {name: counts.pop(name) for name in ("roads", "railways", "water", "blocks")}
    assert counts == {"grids": 3, "buildings": 7, "devices": 1, "responders": 6}
    assert (ground["railways"], ground["water"]) == (1, 3)
    assert ground["roads"] >= 5
    assert ground["blocks"] >= 50
    road = next(one for one in whole["roads"]["features"] if one["id"] == "liuyin-road")
    assert (road["geometry"]["type"], road["properties"]["name"]) == ("LineString", "柳荫路")
    assert len(road["properties"]["label"]) == 2
    own = (await zhou.get("/api/v1/map")).json()
    assert [feature["id"] for feature in own["grids"]["features"]] == ["grid-02"]
    assert own["responders"]["features"] == []
    assert {feature["properties"]["site_id"] for feature in own["buildings"]["features"]} == {"wanghuyuan"}
    assert "shouwang/smoke" in [one["name"] for one in (await manager.get("/api/v1/profiles")).json()["items"]]
