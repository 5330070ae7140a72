"""Limits of card lines: shown overdue, told to the owner, then to the tier above; and files that nothing names."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from cloud_world import add_devices, alert, all_that_is_due, event, incidents, now, post, timeline
from sqlalchemy import select

from cloud.audit import service as audit
from cloud.desk.attachments_api import store_of
from cloud.dispatch.plan_limits import AT_THE_DESK, LEAST, owed
from cloud.notify.model import Notification
from cloud.plans.library import shipped
from cloud.plans.plan import Tick, steps
from cloud.timers import service as timers
from wire.alert import Hazard
from wire.level import Level

AT = datetime(2026, 1, 1, 2, tzinfo=UTC)
DESK = {"duty_officer": AT, "duty_leader": AT}
SMOKE = shipped()[Hazard.SMOKE]


def lines(at: datetime, *, there=None, told=None, ticks=()):
    found = steps(SMOKE, Level.I, since=AT, now=at, ticks=ticks)
    return owed(found, Level.I, there_since=DESK if there is None else there, told=told or {})


def test_nobody_is_late_for_what_nobody_was_there_to_do():
    later = AT + timedelta(hours=1)
    assert lines(later, there={}) == [], "nobody has taken it: that has a clock of its own"
    assert {one.step.role for one in lines(later)} <= DESK.keys(), "lines of the desk only, while nobody has accepted"
    taken = lines(later, there={"duty_officer": later})
    assert {one.at for one in taken} == {later + min(one.limit, AT_THE_DESK) for one in taken}
    came = AT + timedelta(minutes=30)
    theirs = [one for one in lines(later, there={"micro_fire_station": came}) if one.step.role == "micro_fire_station"]
    assert theirs
    assert all(one.at == max(one.step.due_at, came + one.limit) for one in theirs)


def test_a_line_is_told_twice_and_a_tick_or_another_level_settles_it():
    first = lines(AT)[0]
    key = (first.step.role, first.step.line.code)
    again = next(one for one in lines(AT, told={key: (first.step.due_at, 1, first.at)}) if one.step == first.step)
    assert (again.told, again.at >= first.at + LEAST) == (1, True)
    assert first.step not in [one.step for one in lines(AT, told={key: (first.step.due_at, 2, first.at)})]
    other_level = lines(AT, told={key: (AT - timedelta(days=1), 2, first.at)})
    assert first.step.line in [one.step.line for one in other_level], "what was told of another limit is told anew"
    done = Tick(*key, AT, {"id": "per_duty"})
    assert key not in [(one.step.role, one.step.line.code) for one in lines(AT, ticks=[done])]


@pytest.fixture
async def devices(app, database):
    async with database.transaction() as session:
        await add_devices(session)


async def test_an_overdue_line_goes_to_the_owner_then_up_and_is_shown(
    devices, edge_client, sign_in, services, database, monkeypatch
):
    duty = await sign_in("duty")
    await post(edge_client, event(alert("smoke-wh7-s1-3f", level=Level.I)))
    [incident] = await incidents(duty)
    path = f"/api/v1/incidents/{incident['id']}"
    await duty.post(f"{path}/acknowledge", json={})
    plan = (await duty.get(f"{path}/plan")).json()
    desk = {one["code"]: one for card in plan["cards"] if card["role"] == "duty_officer" for one in card["lines"]}
    ticked = {code for code, one in desk.items() if one["due_at"]}
    assert ticked, "the smoke plan gives the desk lines with a limit"
    moved = timedelta()
    for minutes in (31, 31, 31):
        moved += timedelta(minutes=minutes)
        monkeypatch.setattr(services, "now", lambda: now() + moved)  # noqa: B023  read at once
        await all_that_is_due(services)
    async with database.reading() as session:
        rows = await session.execute(select(Notification.person_id, Notification.kind, Notification.body))
        told = {(person, kind) for person, kind, body in rows if "处置卡超时" in body["text_zh"]}
    assert {("per_duty", "urged"), ("per_leader", "escalated")} <= told
    shown = (await duty.get(f"{path}/plan")).json()
    assert shown["overdue"] >= len(ticked)
    notes = [one for one in await timeline(duty, incident["id"]) if one["params"].get("code") == "card_overdue"]
    assert ticked <= {line["code"] for one in notes for line in one["params"]["lines"]}
    async with database.reading() as session:
        assert await timers.get(session, "plan_line", incident["id"]) is None, "told twice, it rests"


async def test_files_that_no_attachment_names_are_swept_and_that_is_on_record(
    app, sign_in, services, database, monkeypatch
):
    duty = await sign_in("duty")
    body = {"place": {"zone_id": "wh-8-s1-2f"}, "hazard": "smoke", "what": "烟味", "caller": "居民"}
    incident = (await duty.post("/api/v1/incidents", json=body)).json()
    photo = b"\xff\xd8\xff\xe0" + bytes(range(256))
    answer = await duty.post(
        f"/api/v1/incidents/{incident['id']}/attachments", content=photo, headers={"Content-Type": "image/jpeg"}
    )
    kept, store = answer.json(), store_of(services)
    orphan, young = store.keep(b"an upload that broke off"), store.keep(b"an upload on its way")
    broken = store.path(orphan).with_name(".new-rest")
    broken.write_bytes(b"half")
    old = (now() - timedelta(days=3)).timestamp()
    for file in (store.path(orphan), store.path(kept["sha256"]), broken):
        os.utime(file, (old, old))
    async with database.transaction() as session:
        timer = await timers.get(session, "attachment_sweep", "attachments")
        assert timer is not None, "armed by itself at the start"
        await timers.arm(session, "attachment_sweep", "attachments", services.now(), now=services.now())
    await all_that_is_due(services)
    assert store.read(orphan) is None
    assert not broken.exists()
    assert store.read(young) is not None, "what is young may still get its name"
    assert (await duty.get(kept["url"])).content == photo
    async with database.reading() as session:
        [line] = await audit.lines(session, kind="attachments_swept")
        assert line.body == {"files": 1, "bytes": 24, "sha256": [orphan]}
        following = await timers.get(session, "attachment_sweep", "attachments")
        assert following is not None
        assert following.due_at > services.now()
    store.keep(b"an upload that broke off")
    assert store.drop_old(orphan, old) == 0, "wanted again since: it stays"
