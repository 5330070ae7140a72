"""Cards, knock list and hand-offs over the real API, on both databases: an e-bike burns in a stairwell at night."""

from datetime import timedelta

import pytest
from cloud_world import add_devices, alert, all_that_is_due, event, incidents, now, post, timeline
from sqlalchemy import func, select, update

from cloud.audit import service as audit
from cloud.handoffs import seed as access
from cloud.households import seed as cards
from cloud.households.model import Household, KnockDoor, KnockTap
from cloud.notify.model import Notification
from cloud.timers import service as timers
from wire.level import Level


@pytest.fixture
async def place(app, database):
    async with database.transaction() as session:
        await add_devices(session)
        await cards.demo(session, now=now())
        await access.demo(session, now=now())


@pytest.fixture
def later(services, monkeypatch):
    """Moves the service's clock on."""
    moved = timedelta()

    def on(**span: float) -> None:
        nonlocal moved
        moved += timedelta(**span)
        monkeypatch.setattr(services, "now", lambda: now() + moved)

    return on


async def act(client, path: str, status: int = 200, **body) -> dict:
    answer = await client.post(f"/api/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def told(database, part: str) -> set[str]:
    """Who has been told something with these words in it."""
    async with database.reading() as session:
        rows = await session.execute(select(Notification.person_id, Notification.body))
        return {person for person, body in rows if part in body["text_zh"]}


async def test_the_stairwell_the_engine_and_the_doors(place, edge_client, sign_in, database, services, later):
    duty, guard, zhou = await sign_in("duty"), await sign_in("guard"), await sign_in("zhou")
    await post(edge_client, event(alert("smoke-wh7-s1-3f", level=Level.I)))
    [incident] = await incidents(duty)
    path = f"incidents/{incident['id']}"
    await act(duty, f"{path}/acknowledge")

    # The card is read; what is unknown is said to be unknown. Then 119 is called, by a person.
    card = await act(duty, f"{path}/handoffs/card", service="fire")
    lines = {line["code"]: line["text_zh"] for line in card["lines"]}
    assert lines["where"].startswith("柳荫区 柳荫街道 望湖路18号 望湖苑 7幢 1单元 3层 楼道")
    assert "12户" in lines["at_risk"]
    assert "7幢1单元102（轮椅）" in lines["at_risk"]
    assert {"burning", "trapped"} <= set(card["unknown"])
    assert card["meet"]["gate"] == "望湖路南门，进门左转50米"
    assert {one["role"] for one in card["meet"]["proposals"]} <= {"security_guard", "grid_worker", "micro_fire_station"}
    await act(duty, f"{path}/handoffs/card", 422, service="fire", details={"pumps": "x"})
    called = await act(duty, f"{path}/handoffs", 201, service="fire", details={"burning": "电动自行车"})
    assert (called["state"], called["name_zh"]) == ("called", "119 消防救援")
    assert "burning" not in called["card"]["unknown"]
    await act(duty, f"{path}/handoffs", 409, service="fire")
    handoff = f"handoffs/{called['id']}"
    assert "电动自行车" in (await act(duty, f"{path}/handoffs/card", service="fire"))["text_zh"], "said once, it stands"

    # Nobody answers there for a minute: ask again. They answer, with their number; they are late: again, and above.
    later(seconds=61)
    await all_that_is_due(services)
    assert "per_duty" in await told(database, "119 消防救援超时未接")
    answered = await act(duty, f"{handoff}/answered", answered_by="17号", reference="XF-0031")
    assert (answered["state"], answered["reference"], answered["calls"][0]["answered_by"]) == (
        "answered",
        "XF-0031",
        "17号",
    )
    later(minutes=9)
    await all_that_is_due(services)
    assert "per_duty" in await told(database, "119 消防救援超时未到场")
    assert "per_leader" not in await told(database, "119 消防救援超时未到场")
    later(minutes=5)
    await all_that_is_due(services)
    assert "per_leader" in await told(database, "119 消防救援超时未到场"), "and then the tier above"
    assert len((await act(duty, f"{handoff}/again", answered_by="22号"))["calls"]) == 2

    # 接车: a role that may not is refused, and the answer says who may.
    refused = await act(duty, f"{handoff}/meet", 409, responder_id="rsp_han")
    assert "who may" in refused["detail"]
    assert "security_guard" in refused["errors"][0]["params"]["who"]
    sent = await act(duty, f"{handoff}/meet", responder_id="rsp_guard")
    tasks = {
        one["task"] for one in sent["assignments"] if one["responder"]["id"] == "rsp_guard" and not one["cleared_at"]
    }
    assert "meet_engine" in tasks

    # 逐户敲门: vulnerable first; split among those whose role knocks on doors.
    made = await act(duty, f"{path}/knock-list", 201)
    assert (made["rule"], len(made["doors"]), made["summary"]["vulnerable_open"]) == ("stairwell", 12, 4)
    assert [one["door"] for one in made["doors"][:4]] == ["102", "502", "301", "602"]
    assert made["doors"][0]["flags"] == ["wheelchair"]
    await act(duty, f"{path}/close", 409, outcome="danger_caught")
    not_his = await act(duty, f"{path}/knock-list/parts", 409, responder_id="rsp_han",
                        door_ids=[made["doors"][0]["id"]])  # fmt: skip
    assert not_his["type"].endswith("not-their-task")
    assert (await zhou.get(f"/api/v1/{path}/knock-list")).status_code == 403, "not yet on this incident"
    split = await act(duty, f"{path}/knock-list/split", responder_ids=["rsp_guard", "rsp_zhou"])
    assert {one["part"] for one in split["doors"]} == {"rsp_guard", "rsp_zhou"}
    for one in (await zhou.get("/api/v1/assignments/mine")).json()["items"]:
        await act(zhou, f"assignments/{one['id']}/accept")
    mine = (await zhou.get(f"/api/v1/{path}/knock-list")).json()["doors"]
    assert {one["part"] for one in mine} == {"rsp_zhou"}
    assert 4 <= len(mine) <= 8

    # In the stairwell there is no signal: taps come later, twice, and out of order. The latest own time stands.
    own = next(one for one in mine if not one["vulnerable"])
    start = services.now() - timedelta(minutes=5)
    first = {"key": "tap-0001", "door_id": own["id"], "outcome": "no_answer", "at": start.isoformat()}
    second = first | {"key": "tap-0002", "outcome": "answered_out", "at": (start + timedelta(minutes=2)).isoformat()}
    await act(zhou, f"{path}/knock-list/taps", taps=[second])
    late = await act(zhou, f"{path}/knock-list/taps", taps=[first, second])
    assert [(one["result"], one["stands"]) for one in late["items"]] == [("recorded", False), ("duplicate", True)]
    await act(zhou, f"{path}/knock-list/taps", 409, taps=[first | {"outcome": "moved"}])
    other = next(one["id"] for one in split["doors"] if one["part"] == "rsp_guard")
    await act(zhou, f"{path}/knock-list/taps", 422, taps=[first | {"key": "tap-0003", "door_id": other}])
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(KnockTap)) == 2, "both are kept"
        assert (await session.get_one(KnockDoor, own["id"])).outcome == "answered_out"

    # Nobody answers at 502, where somebody deaf lives alone: it goes up at once, and onto 119's card.
    deaf = next(one for one in made["doors"] if one["door"] == "502")
    await act(
        duty, f"{path}/knock-list/taps", taps=[{"key": "desk-0001", "door_id": deaf["id"], "outcome": "no_answer"}]
    )
    assert {"per_duty", "per_leader"} <= await told(database, "7幢 1单元 502 无人应答（重点人群）")
    assert "敲门无人应答：7幢 1单元 502" in (await act(duty, f"{path}/handoffs/card", service="fire"))["text_zh"]
    later(minutes=9)
    await all_that_is_due(services)
    assert "per_leader" in await told(database, "户重点人群没有结果")

    # The engine is there. Handed over is not closed: the incident stays owned.
    await act(guard, f"{handoff}/arrived", unit="望湖站一车")
    brief = (await act(duty, f"{path}/handoffs/card", service="fire"))["brief"]
    assert brief[0]["code"] == "at_risk"
    over = await act(duty, f"{handoff}/hand-over", received_by="站长 周海", unaccounted=1)
    assert (over["state"], over["unaccounted"], over["due_at"]) == ("handed_over", 1, None)
    await act(duty, f"{handoff}/again", 409)
    still = (await duty.get(f"/api/v1/{path}")).json()
    assert (still["state"] in ("dispatched", "in_progress"), still["owner"]["name"]) == (True, "林知远")

    # No blanks at close: every door has an outcome, or an officer's reason.
    blank = await act(duty, f"{path}/close", 409, outcome="fire")
    [why] = [one for one in blank["errors"] if one["code"] == "knock_list_open"]
    assert why["params"] == {"open": 11, "doors": 12}, "502 without an answer counts as open"
    rest = [one["id"] for one in made["doors"] if one["id"] not in (own["id"], deaf["id"])]
    at_once = [{"key": f"desk-{n:04}", "door_id": one, "outcome": "moved"} for n, one in enumerate(rest, 10)]
    await act(duty, f"{path}/knock-list/taps", taps=at_once)
    await act(duty, f"{path}/close", 409, outcome="fire")
    await act(duty, f"{path}/knock-list/excuse", door_ids=[deaf["id"]], reason="消防破门，屋内无人，女儿接走")
    assert (await act(duty, f"{path}/close", outcome="fire"))["state"] == "closed"

    # Afterwards nobody reads who lives where; that it was read, and by whom, is on the audit chain.
    after = (await duty.get(f"/api/v1/{path}/knock-list")).json()
    assert "flags" not in after["doors"][0]
    assert (await zhou.get(f"/api/v1/{path}/knock-list")).status_code == 403
    async with database.reading() as session:
        reads = await audit.lines(session, kind="household_read", subject=incident["id"])
    assert {one.actor for one in reads} >= {"per_duty", "per_zhou"}
    codes = [
        one["params"]["code"] for one in await timeline(duty, incident["id"]) if one["kind"] in ("handoff", "knock")
    ]
    assert codes[:3] == ["called", "overdue", "answered"]
    assert {"list_made", "tapped", "no_answer_vulnerable", "slow", "excused", "handed_over"} <= set(codes)


async def test_cards_are_imported_kept_read_for_a_purpose_and_gone_after_their_time(
    place, sign_in, database, services, later
):
    manager, duty, shen = await sign_in("manager"), await sign_in("duty"), await sign_in("shen")
    table = "building,stairwell,floor,door,persons,flags,key_with,note,consent\n8幢,2,4,401,2,轮椅,402,,1\n"
    upload = {"content": table.encode(), "headers": {"Content-Type": "text/csv"}}
    where = "/api/v1/households/import?site_id=wanghuyuan"
    wrong = await manager.post(where, content=(table + "9幢,7,1,101,1,,,,\n99幢,,1,1,1,,,,\n").encode())
    assert wrong.json()["counts"] == {"new": 1, "changed": 0, "same": 0, "error": 2}
    assert [one["errors"][0]["column"] for one in wrong.json()["rows"][1:]] == ["stairwell", "building"]
    assert (await manager.post(f"{where}&dry_run=false", content=(table + "99幢,,1,1,1,,,,\n").encode())).json()[
        "applied"
    ] is False
    assert (await manager.post(where, **upload)).json()["applied"] is False, "a dry run unless one says otherwise"
    assert (await manager.post(f"{where}&dry_run=false", **upload)).json()["counts"]["new"] == 1
    assert (await manager.post(f"{where}&dry_run=false", **upload)).json()["counts"]["same"] == 1
    assert (await shen.post(where, **upload)).status_code == 403
    assert (await manager.get("/api/v1/households/import/template.csv")).text.startswith("\ufeffbuilding,stairwell")

    body = {"site_id": "wanghuyuan", "building_id": "wh-8", "section": "wh-8-s1", "floor": 2, "door": "202"}
    refused = await manager.put("/api/v1/households", json=body | {"flags": ["deaf"], "note": "电话 13800000000"})
    assert {one["code"] for one in refused.json()["errors"]} == {"no_consent", "personal"}
    fresh = await manager.put("/api/v1/households", json=body | {"flags": ["deaf"], "consent": True, "persons": 1})
    assert fresh.status_code == 200, fresh.text

    listing = "/api/v1/households"
    assert (await manager.get(listing, params={"site_id": "wanghuyuan", "purpose": "季度走访"})).status_code == 200
    assert (await duty.get(listing, params={"site_id": "wanghuyuan", "purpose": "看看"})).status_code == 403
    assert (await shen.get(listing, params={"site_id": "wanghuyuan", "purpose": "看看"})).status_code == 403
    body = {"place": {"zone_id": "wh-8-s1-2f"}, "hazard": "smoke", "what": "烟味", "caller": "居民"}
    incident = (await duty.post("/api/v1/incidents", json=body)).json()
    reading = {"site_id": "wanghuyuan", "purpose": f"incident:{incident['id']}", "building_id": "wh-8"}
    seen = await duty.get(listing, params=reading)
    assert {one["door"] for one in seen.json()["items"]} == {"101", "401", "202"}
    await act(duty, f"incidents/{incident['id']}/void", reason="邻居炒菜")
    assert (await duty.get(listing, params=reading)).status_code == 409, "nobody responds there now"
    await act(manager, f"households/{fresh.json()['id']}/erase", reason="住户要求")
    await act(manager, f"households/{fresh.json()['id']}/erase", 404, reason="再来一次")

    async with database.transaction() as session:
        kinds = {one.kind for one in await audit.lines(session)}
        assert {"household_read", "household_put", "households_imported", "household_erased"} <= kinds
        stale = services.now() - timedelta(days=400)
        await session.execute(update(Household).where(Household.building_id == "wh-7").values(reviewed_at=stale))
        assert await timers.get(session, "household_sweep", "households") is not None, "armed by itself at the start"
    later(days=1, minutes=1)
    await all_that_is_due(services)
    async with database.reading() as session:
        left = set(await session.scalars(select(Household.building_id)))
        assert "wh-7" not in left
        assert "wh-8" in left
        [line] = await audit.lines(session, kind="households_expired")
        assert line.body == {"cards": 7}


async def test_a_merge_takes_the_list_along_and_no_tap_is_lost(place, sign_in, database):
    duty = await sign_in("duty")

    async def by_hand(zone: str) -> dict:
        body = {"place": {"zone_id": zone}, "hazard": "smoke", "what": "烟", "caller": "居民"}
        return (await duty.post("/api/v1/incidents", json=body)).json()

    one, other = await by_hand("wh-7-s1-1f"), await by_hand("wh-8-s2-1f")
    first = await act(duty, f"incidents/{one['id']}/knock-list", 201, buildings=["wh-7", "wh-8"])
    second = await act(duty, f"incidents/{other['id']}/knock-list", 201)
    assert (len(first["doors"]), len(second["doors"])) == (48, 12)
    far = await act(duty, f"incidents/{one['id']}/knock-list", 422, buildings=["lj-b"])
    assert "another grid" in far["errors"][0]["what"], "a list is no way to read another's cards"
    door = second["doors"][0]
    tap = {"key": "tap-0001", "door_id": door["id"], "outcome": "helped_out"}
    await act(duty, f"incidents/{other['id']}/knock-list/taps", taps=[tap])
    await act(duty, f"incidents/{other['id']}/merge", into=one["id"], reason="同一处")
    after = (await duty.get(f"/api/v1/incidents/{one['id']}/knock-list")).json()
    assert len(after["doors"]) == 48
    [same] = [row for row in after["doors"] if (row["section"], row["door"]) == (door["section"], door["door"])]
    assert same["outcome"] == "helped_out"
    assert after["summary"]["open"] == 47
