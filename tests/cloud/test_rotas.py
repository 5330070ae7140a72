"""Rotas on a database: what is laid out is what the pure function says; consent; gaps told before the night."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from cloud_world import all_that_is_due
from sqlalchemy import select, update

from cloud.audit import service as audit
from cloud.dispatch import roster
from cloud.dispatch.proposal import Force, Need, assess
from cloud.handover import service as handover
from cloud.modes import service as modes
from cloud.notify.model import Notification
from cloud.people import service as people
from cloud.people.model import Area, Shift
from cloud.registry import seed
from cloud.rotas import loading, service, watch
from cloud.rotas.model import CoverGap, ReachCheck
from wire.alert import Hazard
from wire.level import Level

ROTA = "/api/v1/rotas/rta_demo-duty"
SHANGHAI = ZoneInfo("Asia/Shanghai")


def turn(*members, begins="08:30", ends="08:30", **more):
    made = [{"id": who, "deputy": deputy} for who, deputy in members]
    return {"name": "全天", "begins": begins, "ends": ends, "members": made, **more}


async def same_as_pure(database, now):
    """The shifts in the table, from now on, are what the rotas say at every change of them."""
    async with database.reading() as session:
        book = await loading.book(session, since=now)
        laid = book.lay(now, now + timedelta(days=5))
        rows = list(await session.scalars(select(Shift).where(Shift.rota_id.is_not(None), Shift.ends_at > now)))
    edges = {at for one in laid.duties for at in (one.since, one.until)} | {now}
    for at in sorted(edge for edge in edges if now <= edge < now + timedelta(days=5)):
        said = {(one.rota, one.who, one.why) for one in laid.duties if one.since <= at < one.until}
        stands = {
            (row.rota_id, row.person_id or row.responder_id, row.why or "")
            for row in rows
            if row.starts_at <= at < row.ends_at
        }
        assert stands == said, at


async def test_the_demonstration_covers_every_hour_and_every_grid_and_dispatch_reads_the_same_list(database, services):
    now = services.now()
    async with database.reading() as session:
        found = await watch.look(session, "Asia/Shanghai", now, now + timedelta(days=14))
        assert found.gaps == ()
        assert {force.id for force in await roster.forces(session, None, now) if force.shift_until} == {
            f"rsp_{one.username}" for one in seed.PEOPLE if one.responder
        } | {seed.TEAM_ID}
        assert {one.username for one in await roster.who_is_on(session, now, seed.STREET, *handover.POSTS)} == {
            "duty",
            "leader",
        }
    await same_as_pure(database, now)


async def test_a_rota_is_entered_revised_and_ended_and_what_has_passed_stands(database, services, sign_in):
    admin, duty, manager = await sign_in("admin"), await sign_in("duty"), await sign_in("manager")
    start = services.now()
    services.now = lambda: start
    anchor = start.astimezone(SHANGHAI).date().isoformat()
    rotation = {
        "anchor": anchor,
        "crews": [[{"id": "per_duty", "deputy": "per_leader"}], [{"id": "per_deputy"}]],
        "sequence": [
            {"name": "白", "begins": "08:30", "ends": "17:30"},
            {"name": "夜", "begins": "17:30", "ends": "08:30"},
        ],
    }
    new = {"area_path": seed.STREET, "post": "standby", "name": "备勤二", "rotation": rotation, "reason": "两班"}
    shown = (await duty.post("/api/v1/rotas/preview?days=2", json=new)).json()
    assert {one["who"]["name"] for one in shown["items"]} == {"林知远", "何清"}
    assert shown["pattern"]["cycle_days"] == 2
    assert (await manager.post("/api/v1/rotas", json=new)).status_code == 403
    bad = new | {"rotation": rotation | {"crews": [[{"id": "per_nobody"}]]}}
    refused = (await admin.post("/api/v1/rotas", json=bad)).json()
    assert refused["errors"][0]["where"] == "turns.0.members.0.id"
    officer = await admin.post(
        "/api/v1/rotas", json=bad | {"post": "duty_officer", "rotation": rotation | {"crews": [[{"id": "per_zhou"}]]}}
    )
    assert "duty officer" in officer.json()["errors"][0]["what"]
    both = await admin.post("/api/v1/rotas", json=new | {"pattern": {"anchor": anchor, "turns": []}})
    assert both.status_code == 422
    made = await duty.post("/api/v1/rotas", json=new, headers={"Idempotency-Key": "one"})
    assert made.status_code == 201, made.text
    assert (await duty.post("/api/v1/rotas", json=new, headers={"Idempotency-Key": "one"})).json()["id"] == made.json()[
        "id"
    ]
    path = f"/api/v1/rotas/{made.json()['id']}"
    await same_as_pure(database, start)

    later = start + timedelta(hours=30)
    services.now = lambda: later
    duty = await sign_in("duty")  # the session was over by then
    async with database.reading() as session:
        query = (
            select(Shift).where(Shift.rota_id == made.json()["id"], Shift.ends_at <= later).order_by(Shift.starts_at)
        )
        before = [(row.person_id, row.starts_at, row.ends_at) for row in await session.scalars(query)]
    assert before
    change = {
        "pattern": {"anchor": anchor, "cycle_days": 1, "turns": [turn(("per_leader", None))]},
        "reason": "一班",
        "expected": 1,
    }
    assert (await duty.put(f"{path}/pattern", json=change | {"expected": 7})).status_code == 409
    revised = (await duty.put(f"{path}/pattern", json=change)).json()
    assert [one["number"] for one in revised["revisions"]] == [1, 2]
    assert [one["by"]["name"] for one in revised["revisions"]] == ["林知远", "林知远"]
    await same_as_pure(database, later)
    async with database.reading() as session:
        rows = [(row.person_id, row.starts_at, row.ends_at) for row in await session.scalars(query)]
        assert rows[: len(before)] == before
        running = select(Shift).where(
            Shift.rota_id == made.json()["id"], Shift.ends_at > later, Shift.starts_at <= later
        )
        assert [(row.person_id, row.starts_at) for row in await session.scalars(running)] == [("per_leader", later)]
    over = (await duty.put(f"{path}/pattern", json={"reason": "撤销"})).json()
    assert (over["over"], over["now"]) == (True, [])
    await same_as_pure(database, later)
    async with database.reading() as session:
        kinds = [line.kind for line in await audit.lines(session, subject=made.json()["id"])]
    assert kinds == ["rota_revised"] * 3


async def test_days_leave_swaps_and_stand_ins_change_who_stands_there(database, services, sign_in):
    duty, deputy, leader, admin = [await sign_in(one) for one in ("duty", "deputy", "leader", "admin")]
    start = services.now()
    services.now = lambda: start
    span = {"from": (start + timedelta(hours=1)).isoformat(), "to": (start + timedelta(hours=5)).isoformat()}
    inside = {"at": (start + timedelta(hours=2)).isoformat(), "area": seed.STREET}

    async def stands(**when):
        items = (await duty.get("/api/v1/on-call", params=inside | when)).json()["items"]
        return [(one["who"]["id"], one["why"]) for one in items if one["rota_id"] == "rta_demo-duty"]

    # leave: asked by oneself, granted by who leads, the B 角 stands in; taken back
    asked = (await duty.post("/api/v1/leaves", json=span | {"reason": "就医"})).json()
    assert (asked["state"], await stands()) == ("asked", [("per_duty", None)])
    assert (await duty.post(f"/api/v1/rota-changes/{asked['id']}/agree")).status_code == 403
    waiting = (await leader.get("/api/v1/rota-changes", params={"state": "asked"})).json()["items"]
    assert [(one["id"], one["mine_to_answer"]) for one in waiting] == [(asked["id"], True)]
    assert (await leader.post(f"/api/v1/rota-changes/{asked['id']}/agree")).json()["state"] == "agreed"
    assert await stands() == [("per_deputy", "leave")]
    await same_as_pure(database, start)
    assert (await duty.post(f"/api/v1/rota-changes/{asked['id']}/withdraw")).json()["state"] == "withdrawn"
    assert await stands() == [("per_duty", None)]
    await same_as_pure(database, start)

    # a stand-in: by the B 角, not by anybody
    stand_in = {"who": "per_duty", "by": "per_deputy", "reason": "临时外出", **span}
    zhou = await sign_in("zhou")
    assert (await zhou.post(f"{ROTA}/stand-ins", json=stand_in)).status_code == 403
    assert (await deputy.post(f"{ROTA}/stand-ins", json=stand_in | {"by": "per_zhou"})).status_code == 422
    made = (await deputy.post(f"{ROTA}/stand-ins", json=stand_in)).json()
    assert await stands() == [("per_deputy", "stand_in")]
    services.now = lambda: start + timedelta(hours=3)
    assert (await deputy.post(f"/api/v1/rota-changes/{made['id']}/withdraw")).json()["to"] == services.now().isoformat()
    services.now = lambda: start
    assert await stands() == [("per_deputy", "stand_in")]  # what had passed stands
    assert await stands(at=(start + timedelta(hours=4)).isoformat()) == [("per_duty", None)]

    # a swap needs the word of both
    mine = datetime.combine(start.astimezone(SHANGHAI).date() + timedelta(days=2), time(12), SHANGHAI)
    day = {"turns": [turn(("per_leader", None))], "reason": "值守调整"}
    other = (mine + timedelta(days=1)).date().isoformat()
    assert (await admin.put(f"{ROTA}/days/{other}", json=day)).status_code == 200
    assert await stands(at=(mine + timedelta(days=1)).isoformat()) == [("per_leader", None)]
    swap = {"mine": mine.isoformat(), "with": "per_leader", "theirs": (mine + timedelta(days=1)).isoformat()}
    row = (await duty.post(f"{ROTA}/swaps", json=swap)).json()
    assert (await deputy.post(f"/api/v1/rota-changes/{row['id']}/agree")).status_code == 403
    assert await stands(at=mine.isoformat()) == [("per_duty", None)]
    assert (await leader.post(f"/api/v1/rota-changes/{row['id']}/agree")).json()["state"] == "agreed"
    assert await stands(at=mine.isoformat()) == [("per_leader", "swap")]
    assert await stands(at=(mine + timedelta(days=1)).isoformat()) == [("per_duty", "swap")]
    assert (await leader.post(f"/api/v1/rota-changes/{row['id']}/refuse")).status_code == 409
    await same_as_pure(database, start)
    assert (await admin.delete(f"{ROTA}/days/{other}")).status_code == 200
    await same_as_pure(database, start)
    async with database.reading() as session:
        told = set(await session.scalars(select(Notification.kind).where(Notification.person_id == "per_duty")))
        assert {"leave_agreed", "swap_agreed"} <= told
        assert (await audit.verify(session)).broken is None


async def test_public_holidays_are_marked_for_everybody(database, services, sign_in):
    admin, duty = await sign_in("admin"), await sign_in("duty")
    local = services.now().astimezone(SHANGHAI)
    monday = local.date() + timedelta(days=7 - local.weekday())
    noon = datetime.combine(monday, time(12), SHANGHAI).isoformat()
    standby = {"area": seed.STREET, "at": noon}

    async def on():
        return [one["post"] for one in (await duty.get("/api/v1/on-call", params=standby)).json()["items"]]

    assert "standby" not in await on()
    marks = {"days": [{"day": monday.isoformat(), "works": False, "name": "元旦"}]}
    assert (await duty.put("/api/v1/calendar", json=marks)).status_code == 403
    assert (await admin.put("/api/v1/calendar", json=marks)).json()["items"][0]["name"] == "元旦"
    assert "standby" in await on()
    await same_as_pure(database, services.now())


async def test_a_gap_is_red_before_the_night_and_told_once_and_again_when_it_is_near(database, services, sign_in):
    duty, leader, deputy = await sign_in("duty"), await sign_in("leader"), await sign_in("deputy")
    start = services.now()
    services.now = lambda: start
    away = {"from": (start + timedelta(days=3)).isoformat(), "to": (start + timedelta(days=3, hours=6)).isoformat()}
    assert (await duty.get("/api/v1/cover")).json()["items"] == []
    for who in ("per_duty", "per_deputy"):
        made = await leader.post("/api/v1/leaves", json=away | {"person_id": who, "reason": "培训"})
        assert made.json()["state"] == "agreed"
    cover = (await duty.get("/api/v1/cover")).json()
    [gap] = cover["items"]
    assert (gap["post"], gap["area_path"], gap["from"], gap["to"]) == (
        "duty_officer",
        seed.STREET,
        away["from"],
        away["to"],
    )
    assert ([one["code"] for one in gap["why"]], cover["red"]) == (["on_leave"], False)

    async def messages():
        async with database.reading() as session:
            query = select(Notification).where(Notification.kind == "cover_gap", Notification.channel == "feed")
            return [
                (row.person_id, row.body["text_zh"])
                for row in await session.scalars(query.order_by(Notification.created_at))
            ]

    await all_that_is_due(services)
    [(person, words)] = await messages()
    assert person == "per_leader"
    assert "柳荫街道 值班员，请假无人顶班" in words
    services.now = lambda: start + timedelta(days=1, hours=1)
    await all_that_is_due(services)
    assert len(await messages()) == 1
    services.now = lambda: start + timedelta(days=2, hours=23)
    await all_that_is_due(services)  # it looks by itself, every day
    assert len(await messages()) == 2
    duty, leader, deputy = [await sign_in(one) for one in ("duty", "leader", "deputy")]
    assert (await duty.get("/api/v1/cover")).json()["red"] is True
    rows = (await leader.get("/api/v1/rota-changes")).json()["items"]
    await leader.post(f"/api/v1/rota-changes/{rows[0]['id']}/withdraw")
    await all_that_is_due(services)
    assert (await duty.get("/api/v1/cover")).json()["items"] == []
    async with database.reading() as session:
        assert [row.ended_at is not None for row in await session.scalars(select(CoverGap))] == [True]
    assert len(await messages()) == 2
    assert (await deputy.get("/api/v1/cover?days=32")).status_code == 422


async def test_who_cannot_be_reached_does_not_cover_and_a_call_that_is_answered_proves_it(database, services, sign_in):
    duty, manager = await sign_in("duty"), await sign_in("manager")
    start = services.now()
    async with database.transaction() as session:
        old = update(ReachCheck).where(ReachCheck.person_id == "per_lu")
        await session.execute(old.values(at=start - timedelta(days=36)))
    gaps = (await duty.get("/api/v1/cover")).json()["items"]
    assert {one["area_path"] for one in gaps} == {seed.GRID_05}
    assert {(why["code"], why["name"]) for one in gaps for why in one["why"]} == {("no_channel", "陆建国")}
    found = (await duty.get("/api/v1/cover/reach")).json()["items"]
    assert [one["person_id"] for one in found if not one["reachable"]] == ["per_lu"]
    check = "/api/v1/people/per_lu/reach-checks"
    assert (await manager.post(check, json={"reached": True})).status_code == 403
    assert (await duty.post(check, json={"reached": True})).status_code == 201
    assert (await duty.get("/api/v1/cover")).json()["items"] == []
    await duty.post(check, json={"reached": False, "note": "关机"})
    assert len((await duty.get("/api/v1/cover")).json()["items"]) == 1


async def test_needs_are_set_by_area_and_a_modes_staffing_counts_while_it_is_on(database, services, sign_in):
    admin, duty = await sign_in("admin"), await sign_in("duty")
    need = {"post": "responder", "role": "security_guard", "each_grid": True, "from": "22:00", "to": "06:00"}
    body = {"area_path": seed.STREET, "needs": [need]}
    assert (await duty.put("/api/v1/cover/needs", json=body)).status_code == 403
    for wrong in ({"to": None}, {"post": "standby"}):
        answer = await admin.put("/api/v1/cover/needs", json=body | {"needs": [need | wrong]})
        assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, "needs.0")
    assert (await admin.put("/api/v1/cover/needs", json=body)).status_code == 200
    gaps = (await duty.get("/api/v1/cover?days=2")).json()["items"]
    assert {one["area_path"] for one in gaps} == {seed.GRID_03, seed.GRID_05}
    local = {(datetime.fromisoformat(one["from"]).astimezone(SHANGHAI).hour, one["to"][11:13]) for one in gaps[2:4]}
    assert local == {(22, "22")}
    assert (await admin.put("/api/v1/cover/needs", json=body | {"needs": []})).status_code == 200
    now = services.now()
    async with database.transaction() as session:
        area, person = await session.get_one(Area, seed.STREET), await people.person(session, "per_leader")
        await modes.begin(
            session, area, person, kind=modes.Kind.TYPHOON, name="台风", reason="预警", now=now,
            ends_at=now + timedelta(hours=8), staffing={"standby": 3},
        )  # fmt: skip
    [*_, last] = (await duty.get("/api/v1/cover")).json()["items"]
    assert (last["post"], last["wanted"]) == ("standby", 3)
    assert datetime.fromisoformat(last["to"]) <= now + timedelta(hours=8)


async def test_hours_come_of_ones_own_stamps_and_are_shown_and_ranked_lower(database, services, sign_in):
    zhou, duty = await sign_in("zhou"), await sign_in("duty")
    start = services.now()
    services.now = lambda: start
    tap = {"at": (start - timedelta(hours=13)).isoformat()}
    for _ in range(2):  # a phone that sends it twice
        on = (await zhou.post("/api/v1/duty/on", json=tap)).json()
    assert (on["on"], on["hours"], on["long"]) == (True, 13.0, True)
    assert (await zhou.post("/api/v1/duty/on", json={"at": (start - timedelta(days=3)).isoformat()})).status_code == 422
    [shown] = (await duty.get("/api/v1/duty/hours?of=all")).json()["items"]
    assert (shown["person_id"], shown["long"]) == ("per_zhou", True)
    assert (await zhou.get("/api/v1/duty/hours?of=all")).status_code == 403
    made = {"place": {"zone_id": "wh-7-s1-3f"}, "hazard": "smoke", "what": "烟", "level": "IV"}
    incident = (await duty.post("/api/v1/incidents", json=made)).json()
    answer = (await duty.get(f"/api/v1/incidents/{incident['id']}/proposals")).json()
    [mine] = [one for one in answer["items"] if one["responder_id"] == "rsp_zhou"]
    [reason] = [one for one in mine["reasons"] if one["code"] == "long_on_duty"]
    assert reason["params"] == {"h": 13.0, "limit": 12.0}
    await zhou.post("/api/v1/duty/off")
    after = (await duty.get(f"/api/v1/incidents/{incident['id']}/proposals")).json()
    [rested] = [one for one in after["items"] if one["responder_id"] == "rsp_zhou"]
    assert rested["score"] > mine["score"]


@pytest.mark.parametrize(
    ("hours", "limit", "long"), [(11.9, 12, False), (12.1, 12, True), (12.1, 24, False), (None, 12, False)]
)
def test_long_on_duty_is_a_reason_and_never_excludes(hours, limit, long):
    force = Force(
        "r",
        "r",
        "person",
        "grid_worker",
        lon=120.3,
        lat=31.5,
        shift_until=datetime(2026, 1, 1, tzinfo=UTC),
        on_for_h=hours,
    )
    need = Need("i", Hazard.DEVICE, Level.IV, 120.3, 31.5, long_on_h=limit)
    found = assess(need, force)
    assert ("long_on_duty" in [one.code for one in found.reasons]) is long
    assert found.recommended


def test_the_daily_look_is_before_the_night():
    at = datetime(2026, 11, 23, 7, 59, tzinfo=UTC)
    assert watch.next_look(at, "Asia/Shanghai") == datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    assert watch.next_look(at + timedelta(minutes=1), "Asia/Shanghai") == datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    assert timedelta(days=watch.DAYS) < service.AHEAD
