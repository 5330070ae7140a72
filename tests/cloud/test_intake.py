"""Edge batches: each item judged alone, nothing taken twice, an edge speaks for its own devices only."""

import json

import httpx
import pytest
from cloud_world import EDGE, EVENTS, add_devices, ago, alert, event, incidents, kinds, now, post, timeline
from sqlalchemy import func, select

from cloud.feed.model import FeedEntry
from cloud.incidents.model import AlertRecord, Incident, IncidentAlarm, TimelineEntry
from cloud.registry.model import Edge, RejectionRow
from wire.alert import Verb
from wire.event import Type
from wire.level import Level
from wire.reading import Series, TelemetryBlock
from wire.report import DeviceReport, EdgeReport, Reason, Rejection


@pytest.fixture
async def devices(app, database):
    async with database.transaction() as session:
        await add_devices(session)


async def count(database, table) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table))


async def test_an_alert_becomes_an_open_incident_that_the_duty_desk_sees(devices, edge_client, sign_in):
    [verdict] = await post(edge_client, event(alert(), id="a-1"))
    assert verdict == {"id": "a-1", "status": "committed"}
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    assert incident["state"] in ("raised", "dispatched")
    assert incident["hazard"] == "smoke"
    assert incident["level"] == "II"
    assert incident["place"]["text"] == "望湖苑 7幢1单元3层楼道"
    assert incident["headline"] == {"code": "smoke_high", "params": {"value": 0.42, "unit": "dB/m"}}
    assert incident["exercise"] is None
    assert incident["alarms"][0]["isa"] == "UNACK"
    assert incident["number"].endswith("-0001")
    lines = await timeline(duty, incident["id"])
    assert kinds(lines)[:2] == ["opened", "alert_raised"]


async def test_a_repeated_batch_changes_nothing(devices, edge_client, database):
    batch = [event(alert(), id="r-1"), event(alert("water-up-low", level=Level.III), id="r-2")]
    first = await post(edge_client, *batch)
    tables = (Incident, IncidentAlarm, AlertRecord, TimelineEntry)
    before = [await count(database, table) for table in tables]
    feed_before = await count_feed(database)
    second = await post(edge_client, *batch)
    assert [v["status"] for v in first] == ["committed", "committed"]
    assert [v["status"] for v in second] == ["duplicate", "duplicate"]
    assert [await count(database, table) for table in tables] == before
    assert await count_feed(database) == feed_before


async def count_feed(database) -> int:
    async with database.reading() as session:
        return await session.scalar(
            select(func.count()).select_from(FeedEntry).where(FeedEntry.kind.in_(("incident", "timeline")))
        )


async def test_the_same_id_twice_in_one_batch_is_taken_once(devices, edge_client, database):
    one = event(alert(), id="twice")
    assert [v["status"] for v in await post(edge_client, one, one)] == ["committed", "duplicate"]
    assert await count(database, Incident) == 1


async def test_the_same_revision_under_another_id_is_a_duplicate(devices, edge_client, database):
    said = alert()
    await post(edge_client, event(said, id="x-1"))
    [verdict] = await post(edge_client, event(said, id="x-2"))
    assert verdict["status"] == "duplicate"
    assert await count(database, AlertRecord) == 1


async def test_one_bad_item_never_stops_the_others(devices, edge_client, database, sign_in):
    good = event(alert(), id="good")
    no_level = alert("water-up-low")
    broken = event(no_level, id="broken")
    broken["data"]["facts"]["level"] = None
    bad = [
        {"id": "no-envelope"},
        event({"nonsense": True}, id="nonsense"),
        event({}, id="unknown-type", type="org.shouwang.moon.landed.v9"),
        event(alert(edge="gw-other"), id="other-edge"),
        event(alert("smoke-wh7-s1-1f"), id="other-source", edge="gw-other"),
        event(alert("no-such-device"), id="stranger"),
        broken,
        event(alert(evidence={"point": "x\x00y"}), id="nul"),
    ]
    verdicts = await post(edge_client, *bad[:4], good, *bad[4:])
    by_id = {v["id"]: v for v in verdicts}
    assert [v["id"] for v in verdicts][4] == "good"
    assert by_id["good"]["status"] == "committed"
    assert all(v["status"] == "rejected" and v["reason"] for v in verdicts if v["id"] != "good")
    assert await count(database, Incident) == 1
    async with database.reading() as session:
        shown = list(await session.scalars(select(RejectionRow).order_by(RejectionRow.id)))
    assert len(shown) == len(bad)
    assert {row.reason for row in shown} == {"malformed", "unknown_device"}
    admin = await sign_in("duty")
    listed = await admin.get("/api/v1/rejections")
    assert listed.status_code == 200
    assert len(listed.json()["items"]) == len(bad)


@pytest.mark.parametrize("body", [b"", b"{}", b"[1,", b"null", b'"x"', b"\xff\xfe"])
async def test_a_body_that_is_no_list_is_refused_whole(devices, edge_client, body):
    answer = await edge_client.post(EVENTS, content=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_too_many_items_and_too_many_bytes_are_refused(devices, edge_client, settings):
    answer = await edge_client.post(EVENTS, content="[" + ",".join(["{}"] * 5001) + "]")
    assert answer.status_code == 422
    answer = await edge_client.post(EVENTS, content=b" " * (settings.upload_limit_bytes + 1))
    assert answer.status_code == 413


async def test_without_an_edge_token_nothing_is_taken(devices, app, database, sign_in):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cloud.test") as nobody:
        assert (await nobody.post(EVENTS, content="[]")).status_code == 401
    duty = await sign_in("duty")
    assert (await duty.post(EVENTS, content=json.dumps([event(alert())]))).status_code == 401
    assert await count(database, Incident) == 0


async def test_an_edge_cannot_speak_for_the_device_of_another(app, database, edge_client):
    async with database.transaction() as session:
        area = (await session.get(Edge, EDGE)).area_path
        session.add(Edge(id="gw-other", name="另一网关", area_path=area, created_at=now()))
        await session.flush()
        await add_devices(session, "smoke-wh7-s1-3f", edge="gw-other")
    [verdict] = await post(edge_client, event(alert()))
    assert verdict["status"] == "rejected"
    assert "not one of edge" in verdict["reason"]
    block = TelemetryBlock([Series("smoke-wh7-s1-3f", "obscuration", "dB/m")], [0], [to_ts()], [0.1], [1])
    await post(edge_client, event(block, type=Type.TELEMETRY_RECORDED))
    async with database.reading() as session:
        rows = list(await session.scalars(select(RejectionRow)))
    assert {row.topic.split(":")[0] for row in rows} == {"cloud"}
    assert len(rows) == 2
    assert await count(database, Incident) == 0


def to_ts() -> int:
    return int(now().timestamp() * 1000)


async def test_telemetry_is_committed_before_the_answer_and_taken_once(app, database, devices, edge_client, services):
    block = TelemetryBlock(
        [Series("smoke-wh7-s1-3f", "obscuration", "dB/m"), Series("stranger", "obscuration", "dB/m")],
        [0, 1, 0],
        [to_ts(), to_ts(), to_ts() + 1],
        [0.1, 9.9, 0.2],
        [1, 1, 1],
    )
    batch = event(block, id="t-1", type=Type.TELEMETRY_RECORDED)
    assert [v["status"] for v in await post(edge_client, batch)] == ["committed"]
    assert [v["status"] for v in await post(edge_client, batch)] == ["duplicate"]
    history = await services.telemetry.history("smoke-wh7-s1-3f", "obscuration")
    assert sum(history.count) == 2
    assert await services.telemetry.points("stranger") == []


async def test_a_block_the_store_cannot_hold_is_rejected_alone(devices, edge_client):
    def block(ts: int) -> TelemetryBlock:
        return TelemetryBlock([Series("smoke-wh7-s1-3f", "obscuration", "dB/m")], [0], [ts], [0.1], [1])

    verdicts = await post(
        edge_client,
        event(block(2**70), id="far", type=Type.TELEMETRY_RECORDED),
        event(block(to_ts()), id="near", type=Type.TELEMETRY_RECORDED),
    )
    assert {v["id"]: v["status"] for v in verdicts} == {"far": "rejected", "near": "committed"}


async def test_rejections_and_reports_of_the_edge_are_kept(devices, edge_client, database, sign_in):
    rejection = Rejection(
        received_at=now(), topic="sensors/wanghuyuan/x/telemetry", reason=Reason.NOT_FINITE, detail="NaN", device="x"
    )
    report = DeviceReport(device="smoke-wh7-s1-3f", site="wanghuyuan", status="online", last_seen=now())
    verdicts = await post(
        edge_client,
        event(rejection, id="rej", type=Type.READING_REJECTED),
        event(report, type=Type.DEVICE_REPORTED),
        event(heartbeat(), type=Type.EDGE_REPORTED),
    )
    assert [v["status"] for v in verdicts] == ["committed"] * 3
    assert (await post(edge_client, event(rejection, id="rej", type=Type.READING_REJECTED)))[0]["status"] == "duplicate"
    assert await count(database, RejectionRow) == 1
    async with database.reading() as session:
        assert (await session.get(Edge, EDGE)).online is True


def heartbeat(*, clock_trusted: bool = True) -> EdgeReport:
    return EdgeReport(
        edge=EDGE, version="1", started_at=ago(hours=1), reported_at=now(), revision=1, clock_trusted=clock_trusted
    )


async def test_a_revision_out_of_order_never_moves_an_alarm_back(devices, edge_client, sign_in, database):
    opened = ago(seconds=60)
    later = alert(verb=Verb.CLEARED, highest=Level.II, revision=3, opened_at=opened, latched=True)
    first = alert(level=Level.III, revision=1, opened_at=opened)
    middle = alert(verb=Verb.ESCALATED, level=Level.II, revision=2, opened_at=opened)
    await post(edge_client, event(later))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    assert incident["alarms"][0]["missing_revisions"] == [1, 2]
    await post(edge_client, event(first))
    [incident] = await incidents(duty)
    [alarm] = incident["alarms"]
    assert (alarm["active"], alarm["latched"], alarm["missing_revisions"]) == (False, True, [2])
    await post(edge_client, event(middle))
    [incident] = await incidents(duty)
    [alarm] = incident["alarms"]
    assert (alarm["active"], alarm["revision"], alarm["missing_revisions"]) == (False, 3, [])
    assert incident["highest_level"] == "II"
    lines = await timeline(duty, incident["id"])
    raised = next(line for line in lines if line["kind"] == "alert_raised")
    assert raised["params"]["out_of_order"] is True


async def test_a_replayed_alert_becomes_visible_history_and_sends_nobody(devices, edge_client, sign_in, database):
    await post(edge_client, event(alert(replayed=True)), event(alert("water-up-low", recorded_at=ago(hours=2))))
    duty = await sign_in("duty")
    found = await incidents(duty)
    assert len(found) == 2
    assert all(one["late"] and one["assignments"] == [] for one in found)
    assert all(one["deadline"]["step"] == "acknowledge" for one in found), "someone must still look"
    async with database.reading() as session:
        from cloud.notify.model import Notification

        assert list(await session.scalars(select(Notification))) == []


async def test_a_fresh_alert_on_a_late_incident_starts_the_ordinary_clock(devices, edge_client, sign_in):
    opened = ago(minutes=1)
    await post(edge_client, event(alert(replayed=True, opened_at=opened)))
    await post(edge_client, event(alert(verb=Verb.ESCALATED, level=Level.I, revision=2, opened_at=opened)))
    [incident] = await incidents(await sign_in("duty"))
    assert incident["late"] is False
    assert [one["responder"]["name"] for one in incident["assignments"]] == ["望湖微型消防站"]


async def test_while_an_edge_distrusts_its_clock_its_times_make_nothing_late(devices, edge_client, sign_in):
    await post(edge_client, event(heartbeat(clock_trusted=False), type=Type.EDGE_REPORTED))
    await post(edge_client, event(alert(recorded_at=ago(days=400))))
    [incident] = await incidents(await sign_in("duty"))
    assert incident["late"] is False


async def test_an_exercise_id_never_issued_is_treated_as_real_and_flagged(devices, edge_client, sign_in):
    await post(edge_client, event(alert(exercise="drl-never")))
    duty = await sign_in("duty")
    [incident] = await incidents(duty)
    assert incident["exercise"] is None
    assert incident["alarms"][0]["unknown_exercise"] == "drl-never"
    notes = [line for line in await timeline(duty, incident["id"]) if line["kind"] == "note"]
    assert notes[0]["params"]["code"] == "unknown_exercise"


async def test_an_absurd_revision_is_refused_and_a_wide_gap_is_bounded(devices, edge_client, database):
    opened = now()
    verdicts = await post(
        edge_client,
        event(alert(revision=2**40, opened_at=opened), id="absurd"),
        event(alert(revision=900_000, opened_at=opened), id="wide"),
    )
    assert [v["status"] for v in verdicts] == ["rejected", "committed"]
    async with database.reading() as session:
        [alarm] = list(await session.scalars(select(IncidentAlarm)))
    assert (len(alarm.missing), alarm.missing[-1]) == (1_000, 899_999)


async def test_a_value_the_database_cannot_hold_costs_only_its_own_item(devices, edge_client, database):
    huge = Rejection(received_at=now(), topic="t", reason=Reason.DUPLICATE, detail="d", count=2**40)
    verdicts = await post(edge_client, event(huge, id="huge", type=Type.READING_REJECTED), event(alert(), id="fine"))
    by_id = {v["id"]: v["status"] for v in verdicts}
    assert by_id == {"huge": "committed" if database.is_sqlite else "rejected", "fine": "committed"}
    assert await count(database, Incident) == 1
