"""交接班 and 值班日志: two taps, ownership moves, no clock stops; the log is the timelines printed."""

import asyncio
import csv
import io
import itertools
from datetime import UTC, datetime, time, timedelta

import handover_model
import pytest
from cloud_world import add_devices, alert, all_that_is_due, event, incidents, post, timeline
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import create_async_engine

from cloud.audit import service as audit
from cloud.handover import printing, service
from cloud.handover.model import DutyLogNote, Handover
from cloud.incidents.model import TimelineEntry
from cloud.notify.model import Notification
from cloud.people import service as people
from cloud.registry import seed
from cloud.rotas import service as rotas
from cloud.rotas.model import RotaRow
from cloud.rotas.pattern import Member, Pattern, Turn
from cloud.timers.model import Timer

TIMERS = select(Timer.id, Timer.kind, Timer.key, Timer.armed_at, Timer.due_at).where(Timer.subject.is_not(None))


async def clocks(database):
    async with database.reading() as session:
        return set((await session.execute(TIMERS)).all())


async def told(database, kind):
    async with database.reading() as session:
        found = await session.scalars(select(Notification.person_id).where(Notification.kind == kind))
        return set(found)


async def test_a_shift_changes_hands_in_two_taps_and_its_log_is_printed(app, database, services, sign_in, edge_client):
    duty, deputy, leader = await sign_in("duty"), await sign_in("deputy"), await sign_in("leader")
    async with database.transaction() as session:
        await add_devices(session)
    await post(edge_client, event(alert("smoke-wh7-s1-3f")))
    [smoke] = await incidents(duty)
    await duty.post(f"/api/v1/incidents/{smoke['id']}/acknowledge")
    water = (
        await duty.post(
            "/api/v1/incidents",
            json={"place": {"zone_id": "up-low"}, "hazard": "water_level", "what": "=cmd|积水", "caller": "张师傅"},
        )
    ).json()
    cone = {"kind": "road_closed", "note": "封交"}
    assert (await duty.post(f"/api/v1/incidents/{water['id']}/measures", json=cone)).status_code == 200
    due = (services.now() + timedelta(hours=3)).isoformat()
    promise = {"text": "回访张师傅", "due_at": due, "incident_id": water["id"]}
    assert (await duty.post("/api/v1/desk-notes", json=promise)).status_code == 201

    sheet = (await duty.get("/api/v1/handover/sheet")).json()
    assert {one["number"] for one in sheet["incidents"]} == {smoke["number"], water["number"]}
    assert all(one["clocks"] for one in sheet["incidents"])
    assert [one["kind"] for one in sheet["measures"]] == ["road_closed"]
    assert [(one["kind"], one["text"]) for one in sheet["promises"]] == [("note", "回访张师傅")]
    assert [one["id"] for one in sheet["gateways"]] == [seed.EDGE_ID]
    assert sheet["next"] is None  # in the demonstration nobody else is rostered: the outgoing names who
    assert (await duty.post("/api/v1/handovers", json={})).status_code == 422

    before = await clocks(database)
    given = (await duty.post("/api/v1/handovers", json={"to": "per_deputy", "remarks": "注意水位"})).json()
    path = f"/api/v1/handovers/{given['id']}"
    assert (await leader.post(f"{path}/refuse", json={"reason": "不是我"})).status_code == 403
    assert (await duty.post(f"{path}/take")).status_code == 403
    refused = await deputy.post(f"{path}/refuse", json={"reason": "人未到齐"})
    assert (refused.json()["state"], refused.json()["reason"]) == ("refused", "人未到齐")
    assert await told(database, "handover_refused") == {"per_duty", "per_leader"}
    assert {one["owner"]["id"] for one in await incidents(duty)} == {"per_duty"}
    assert await clocks(database) == before

    path = f"/api/v1/handovers/{(await duty.post('/api/v1/handovers', json={'to': 'per_deputy'})).json()['id']}"
    assert (await duty.post("/api/v1/handovers", json={"to": "per_deputy"})).status_code == 409
    read = (await deputy.get("/api/v1/handover/read-in")).json()
    assert [one["from"]["id"] for one in read["waiting"]] == ["per_duty"]
    taken = (await deputy.post(f"{path}/take", headers={"Idempotency-Key": "tap"})).json()
    assert (taken["state"], len(taken["moved"]), taken["left"]) == ("taken", 2, [])
    assert (await deputy.post(f"{path}/take")).json()["moved"] == taken["moved"]
    assert await clocks(database) == before
    assert {one["owner"]["id"] for one in await incidents(duty)} == {"per_deputy"}
    lines = await timeline(duty, smoke["id"])
    assert [one["params"].get("code") for one in lines].count("handed_over") == 1
    assert (await deputy.post(f"{path}/countersign")).status_code == 403
    assert (await leader.post(f"{path}/countersign")).json()["countersigned_by"]["id"] == "per_leader"
    page = await leader.get(f"{path}/print")
    assert page.headers["content-security-policy"] == printing.POLICY
    assert smoke["number"] in page.text
    assert (await (await sign_in("zhou")).get("/api/v1/handovers")).status_code == 403

    # ---- the log of the shift
    opened = (await duty.post("/api/v1/duty-logs")).json()
    again = (await leader.post("/api/v1/duty-logs", json={"from": opened["from"], "to": opened["to"]})).json()
    assert again["id"] == opened["id"]
    log = f"/api/v1/duty-logs/{opened['id']}"
    await duty.post(f"{log}/notes", json={"text": "+防汛物资已清点"})
    signed = (await duty.post(f"{log}/sign")).json()
    assert signed["intact"] is True
    assert {"opened", "acknowledged", "measure_put", "handover_taken"} <= {line["kind"] for line in signed["lines"]}
    assert {one["name"] for one in signed["on"]} >= {"林知远", "王海燕"}
    await duty.post(f"{log}/notes", json={"text": "更正：封交时间为准"})
    await duty.post(f"/api/v1/incidents/{smoke['id']}/notes", json={"text": "签字之后"})
    after = (await duty.get(log)).json()
    assert ([note["appendix"] for note in after["notes"]], after["intact"]) == ([False, True], True)
    assert after["lines"] == signed["lines"]
    table = list(csv.reader(io.StringIO((await duty.get(f"{log}/csv")).text.removeprefix("\ufeff"))))
    assert not [cell for row in table for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert any(row[-1] == "'+防汛物资已清点" for row in table)
    assert "【处置过程】" in (await duty.get(f"{log}/text")).text
    assert "<script" not in (await duty.get(f"{log}/print")).text
    admin = await sign_in("admin")
    forget = {"seq": 1, "fields": ["caller"], "reason": "本人要求"}
    forgotten = await admin.post(f"/api/v1/incidents/{water['id']}/forget", json=forget)
    assert forgotten.status_code == 200, forgotten.text
    assert (await duty.get(log)).json()["intact"] is True  # what was personal goes; the log still verifies
    async with database.transaction() as session:
        await session.execute(update(DutyLogNote).where(DutyLogNote.seq == 1).values(text="没有清点"))
    assert (await duty.get(log)).json()["intact"] is False
    async with database.transaction() as session:
        await session.execute(update(DutyLogNote).where(DutyLogNote.seq == 1).values(text="+防汛物资已清点"))
        entry = update(TimelineEntry).where(TimelineEntry.incident_id == smoke["id"], TimelineEntry.seq == 2)
        await session.execute(entry.values(hash="0" * 64))
    assert (await duty.get(log)).json()["intact"] is False
    async with database.reading() as session:
        assert (await audit.verify(session)).broken is None
        kinds = {line.kind for line in await audit.lines(session)}
    assert {"handover_given", "handover_refused", "handover_taken", "duty_log_signed", "duty_log_appendix"} <= kinds
    await all_that_is_due(services)


async def test_one_that_nobody_takes_is_overdue_and_one_that_nobody_gave_is_forgotten(app, database, services, sign_in):
    duty = await sign_in("duty")
    made = {"place": {"zone_id": "wh-7-s1-3f"}, "hazard": "smoke", "what": "烟", "level": "IV"}
    incident = (await duty.post("/api/v1/incidents", json=made)).json()
    given = (await duty.post("/api/v1/handovers", json={"to": "per_deputy"})).json()
    due = datetime.fromisoformat(given["due_at"])
    services.now = lambda: due + timedelta(seconds=1)
    await all_that_is_due(services)
    late = (await duty.get(f"/api/v1/handovers/{given['id']}")).json()
    assert (late["state"], late["overdue_at"] is not None) == ("given", True)
    assert await told(database, "handover_overdue") == {"per_duty", "per_deputy", "per_leader"}
    assert (await duty.get(f"/api/v1/incidents/{incident['id']}")).json()["owner"]["id"] == "per_duty"
    await duty.post(f"/api/v1/handovers/{given['id']}/withdraw", json={"reason": "改派"})

    # the deputy's shift begins, the officer's has ended, and nobody gave anything
    begins = services.now() + timedelta(minutes=1)
    async with database.transaction() as session:
        admin = await people.person(session, "per_admin")
        row = await session.get_one(RotaRow, "rta_demo-duty")
        turn = Turn("全天", time(8, 30), time(8, 30), (Member("per_deputy"),))
        wanted = Pattern("Asia/Shanghai", begins.date(), 1, (turn,))
        await rotas.revise(session, row, admin, wanted=wanted, since=begins, reason="换人", now=services.now())
        await session.execute(update(Handover).values(created_at=begins - timedelta(days=3)))
    services.now = lambda: begins + timedelta(hours=1, minutes=1)
    await all_that_is_due(services)
    [row] = [one for one in (await duty.get("/api/v1/handovers")).json()["items"] if one["state"] == "forgotten"]
    assert (row["from"]["id"], row["to"]["id"], row["given_at"]) == ("per_duty", "per_deputy", None)
    assert (await duty.get(f"/api/v1/incidents/{incident['id']}")).json()["owner"]["id"] == "per_duty"
    services.now = lambda: begins + timedelta(hours=3)
    await all_that_is_due(services)
    assert (
        len([one for one in (await duty.get("/api/v1/handovers")).json()["items"] if one["state"] == "forgotten"]) == 1
    )
    deputy = await sign_in("deputy")
    taken = (await deputy.post(f"/api/v1/handovers/{row['id']}/take")).json()
    assert [one["id"] for one in taken["moved"]] == [incident["id"]]
    async with database.reading() as session:
        assert await service.owned_by(session, "per_duty") == []


async def test_children_of_an_areas_incident_go_over_with_it(app, database, services, sign_in):
    """They have no clocks of the desk's own: what is forgotten of them nobody would see."""
    duty, leader = await sign_in("duty"), await sign_in("leader")
    ids = []
    for zone in ("up-low", "wh-7-s1-1f", "sn-12-s1-1f"):
        made = {"place": {"zone_id": zone}, "hazard": "water_level", "what": "积水", "level": "III"}
        ids.append((await duty.post("/api/v1/incidents", json=made)).json()["id"])
    [parent] = [one for one in await incidents(duty) if one["children"]]
    await duty.post(f"/api/v1/incidents/{parent['id']}/acknowledge")
    other = ids[2]
    await leader.post(f"/api/v1/incidents/{other}/take-over", json={"reason": "带班领导处置"})
    asked = (await duty.post(f"/api/v1/incidents/{parent['id']}/hand-off", json={"to": "per_deputy"})).json()
    deputy = await sign_in("deputy")
    assert (await deputy.post(f"/api/v1/hand-offs/{asked['id']}/accept")).status_code == 200
    owners = {one["id"]: one["owner"]["id"] for one in await incidents(duty)}
    assert owners == {parent["id"]: "per_deputy", ids[0]: "per_deputy", ids[1]: "per_deputy", other: "per_leader"}
    given = (await deputy.post("/api/v1/handovers", json={"to": "per_duty"})).json()
    assert (await duty.post(f"/api/v1/handovers/{given['id']}/take")).status_code == 200
    owners = {one["id"]: one["owner"]["id"] for one in await incidents(duty)}
    assert owners == {parent["id"]: "per_duty", ids[0]: "per_duty", ids[1]: "per_duty", other: "per_leader"}


async def test_a_promise_is_told_to_whoever_is_on_until_it_is_done(app, database, services, sign_in):
    duty = await sign_in("duty")
    start = services.now()
    past = {"text": "回访", "due_at": (start - timedelta(seconds=1)).isoformat()}
    assert (await duty.post("/api/v1/desk-notes", json=past)).status_code == 422
    note = {"text": "回访", "due_at": (start + timedelta(hours=1)).isoformat()}
    row = (await duty.post("/api/v1/desk-notes", json=note)).json()
    services.now = lambda: start + timedelta(hours=1, seconds=1)
    await all_that_is_due(services)
    assert await told(database, "desk_note") == {"per_duty", "per_leader"}
    assert (await duty.post(f"/api/v1/desk-notes/{row['id']}/done")).json()["done_by"]["id"] == "per_duty"
    async with database.reading() as session:
        assert await session.scalar(select(Timer.id).where(Timer.key == row["id"])) is None


# ---------------------------------------------------------------- no clock is lost, whoever does what


_numbers = itertools.count(1)


def _run(machine: type, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=hypothesis_settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_clock_is_lost_when_shifts_change_hands_on_sqlite(originals, tmp_path):
    class OnSqlite(handover_model.HandoverModel):
        folder = tmp_path

        @staticmethod
        async def fresh() -> str:
            file = tmp_path / f"{next(_numbers)}.sqlite"
            await originals.sqlite("world", file)
            return f"sqlite+aiosqlite:///{file}"

    _run(OnSqlite, 1, 8)


@pytest.mark.postgres
def test_no_clock_is_lost_when_shifts_change_hands_on_postgresql(originals, postgres, tmp_path):
    names = []

    async def admin(*statements: str) -> None:
        engine = create_async_engine(postgres + "postgres", isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()

    async def fresh() -> str:
        names.append(f"handover_{next(_numbers)}")
        engine = create_async_engine(postgres + "postgres", isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await originals.postgres("world", postgres, names[-1], connection)
        await engine.dispose()
        return postgres + names[-1]

    machine = type("OnPostgresql", (handover_model.HandoverModel,), {"folder": tmp_path, "fresh": staticmethod(fresh)})
    try:
        _run(machine, 1, 4)
    finally:
        asyncio.run(admin(*(f"DROP DATABASE {name} WITH (FORCE)" for name in names)))


# ---------------------------------------------------------------- on paper


def test_what_is_printed_cannot_run_in_a_page_or_a_spreadsheet():
    page = printing.page("<b>", ["&"], [("节", ("列",), [("<script>alert(1)</script>",)])], ["签"])
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert printing.safe_cell("=1+1") == "'=1+1"
    assert (
        printing.local(datetime(2026, 11, 22, 16, 30, tzinfo=UTC), printing.ZoneInfo("Asia/Shanghai"))
        == "11-23 00:30:00"
    )
