"""街道吹哨 部门报到 over the real API, on SQLite and PostgreSQL: told as it happens on a night without power."""

import asyncio
from datetime import timedelta

import pytest
from cloud_world import all_that_is_due, kinds, now, timeline
from sqlalchemy import func, select
from street_world import ZONE, two_streets

from cloud.audit import service as audit
from cloud.notify.model import Notification
from cloud.timers.model import Timer
from cloud.whistles import clock
from cloud.whistles.clock import State
from cloud.whistles.model import Whistle, WhistleCall, WhistleReturn


@pytest.fixture
async def streets(app, database):
    async with database.transaction() as session:
        await two_streets(session, now())


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


async def by_hand(client, zone: str, hazard: str = "device") -> dict:
    body = {"place": {"zone_id": zone}, "hazard": hazard, "what": "整栋楼没电", "caller": "居民"}
    answer = await client.post("/api/v1/incidents", json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def call(client, incident: dict, department: str = "power", status: int = 201, **more) -> dict:
    return await act(client, f"incidents/{incident['id']}/whistles", status, department_id=department, **more)


async def told(database, kind: str | None = None) -> set[tuple[str, str]]:
    """Who has been told what: (person, first words)."""
    async with database.reading() as session:
        query = select(Notification.person_id, Notification.body).where(Notification.key.contains("whistle"))
        rows = await session.execute(query.where(Notification.kind == kind) if kind else query)
        return {(person, body["text_zh"]) for person, body in rows}


async def whole(database) -> None:
    """Every open whistle has a holder and exactly its clocks; every open proposal its own."""
    async with database.reading() as session:
        for row in await session.scalars(select(Whistle)):
            waiting = await session.scalar(
                select(WhistleReturn.id).where(WhistleReturn.whistle_id == row.id, WhistleReturn.ended_at.is_(None))
            )
            running = await session.execute(select(Timer.kind, Timer.key).where(Timer.subject == row.id))
            must = clock.wanted(row.id, State(row.state), waiting)
            assert {tuple(one) for one in running} == {(one.kind.value, one.key) for one in must}
            assert row.holder_id
            assert (row.open_key is None) == (row.state == "ended")
        asked = set(await session.scalars(select(WhistleCall.id).where(WhistleCall.state == "proposed")))
        confirm = set(await session.scalars(select(Timer.key).where(Timer.kind == "whistle_confirm")))
        assert asked == confirm


async def test_two_streets_one_department_one_cause(streets, sign_in, database, services, later):
    """Two streets lose power at night. One whistle; the return; the ruling; the rating."""
    duty, duty2, hood = await sign_in("duty"), await sign_in("duty2"), await sign_in("hood")
    power, drainage = await sign_in("power"), await sign_in("drainage")
    district, city = await sign_in("district"), await sign_in("city")

    # 22:10 望湖社区 sees a dark building. A neighbourhood has no whistle of its own: it asks its street.
    here = await by_hand(hood, "wh-7-s1-1f")
    offered = (await hood.get(f"/api/v1/incidents/{here['id']}/whistles")).json()
    assert offered["calls_directly"] is False
    assert offered["causes"][0]["key"] == "outage:area:/chengjiang/liuyin", "a feeder serves more than one street"
    assert "power" in {one["id"] for one in offered["departments"]}
    asked = await call(hood, here, note="7幢整栋停电，电梯困人风险")
    assert (asked["call"]["state"], asked["whistle"]) == ("proposed", None)
    await call(hood, here, status=409)
    await whole(database)
    assert ("per_duty", "提请街道吹哨：柳荫供电所") in {
        (who, text.split("）：")[-1]) for who, text in await told(database)
    }

    # The street's desk does not look for half an hour: the duty leader hears, the proposal waits on.
    later(minutes=31)
    await all_that_is_due(services)
    assert any(who == "per_leader" for who, _ in await told(database, "escalated"))
    await whole(database)
    assert (await act(hood, f"whistle-proposals/{asked['call']['id']}/confirm", 403))["type"].endswith("not-yours")
    confirmed = await act(duty, f"whistle-proposals/{asked['call']['id']}/confirm")
    whistle = confirmed["whistle"]
    assert (whistle["state"], whistle["holder"]["id"], confirmed["joined"]) == ("called", "power", False)
    assert [one["step"] for one in whistle["clocks"]] == ["report_in"]
    again = await act(duty, f"whistle-proposals/{asked['call']['id']}/confirm")
    assert again["whistle"]["id"] == whistle["id"]
    await whole(database)

    # 青石街道 goes dark, too. It sees that the power company is called for this cause already, and joins.
    there = await by_hand(duty2, ZONE)
    shown = (await duty2.get(f"/api/v1/incidents/{there['id']}/whistles")).json()
    [standing] = next(one for one in shown["departments"] if one["id"] == "power")["open"]
    assert (standing["number"], standing["same_cause"]) == (whistle["number"], True)
    joined = await call(duty2, there)
    assert (joined["joined"], joined["whistle"]["id"]) == (True, whistle["id"])
    twice = await call(duty2, there)
    assert twice["whistle"]["id"] == whistle["id"]
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Whistle)) == 1, (
            "one department, one cause: one whistle"
        )
    assert {one["street"]["name"] for one in joined["whistle"]["calls"]} == {"柳荫街道", "青石街道"}
    lines = [one for one in await timeline(duty2, there["id"]) if one["kind"] == "whistle"]
    assert [one["params"]["code"] for one in lines] == ["joined"]
    assert whistle["number"] in lines[0]["params"]["text"]

    # The liaison sees the whistle, and no incident.
    path = f"whistles/{whistle['id']}"
    [mine] = (await power.get("/api/v1/whistles")).json()["items"]
    assert mine["calls"][0]["incident"]["place"]["text"] == "望湖苑 7幢1单元1层楼道"
    assert (await power.get(f"/api/v1/incidents/{here['id']}")).status_code == 404
    assert (await drainage.get(f"/api/v1/{path}")).status_code == 404
    await act(drainage, f"{path}/report-in", 404)

    # Two thirds of the hour: a reminder. The hour: the company's chief hears, and so do both desks.
    later(minutes=41)
    await all_that_is_due(services)
    assert any(who == "per_power" and "催办" in text for who, text in await told(database, "urged"))
    later(minutes=20)
    await all_that_is_due(services)
    missed = {who for who, text in await told(database, "escalated") if "超时：报到" in text}
    assert missed >= {"per_power-chief", "per_duty", "per_duty2"}
    await whole(database)

    # 供电: "不归我们，找排水" – and it stays theirs: their clock runs on, the arbiter's starts.
    await act(duty, f"{path}/return", 422, code="not_our_duty", reason="不归我们")  # whose word is it?
    sent = await act(
        power, f"{path}/return", code="not_our_duty", reason="是泵房配电柜，产权在排水", suggests="drainage"
    )
    assert (sent["holder"]["id"], sent["first"]["id"]) == ("power", "power")
    assert {one["step"] for one in sent["clocks"]} == {"report_in", "rule"}
    assert sent["returns"][0]["arbiter"]["name"] == "程立新"
    await act(power, f"{path}/return", 409, code="other", reason="再退")
    await act(power, f"{path}/report-in", 409)
    await act(drainage, f"{path}/decline", department_id="drainage", reason="泵站一切正常，是线路跳闸")
    refused = await act(duty, f"{path}/rule", 403, department_id="power", reason="我说了算")
    assert "程立新" in refused["detail"]
    await whole(database)

    # Nobody rules in time: the question goes up. Then both may; the district does, and that binds.
    later(minutes=121)
    await all_that_is_due(services)
    asked_now = (await duty.get(f"/api/v1/{path}")).json()["returns"][0]
    assert (asked_now["arbiter"]["name"], asked_now["tier"]) == ("苏敬之", 1)
    assert any(who == "per_city" for who, _ in await told(database, "escalated"))
    await whole(database)
    ruled = await act(district, f"{path}/rule", department_id="power", reason="线路跳闸属供电设施，首接负责")
    assert (ruled["bound"], ruled["holder"]["id"]) == (True, "power")
    assert ruled["returns"][0]["end"] == "ruled"
    assert {one["step"] for one in ruled["clocks"]} == {"report_in"}
    bound = await act(power, f"{path}/return", 409, code="other", reason="还是不归我们")
    assert "binding" in bound["detail"]
    await act(city, f"{path}/rule", 409, department_id="drainage", reason="改判")
    await whole(database)

    # They come. By telephone the desk writes down whose word it was.
    await act(duty, f"{path}/report-in", 422)
    reported = await act(duty, f"{path}/report-in", said_by="供电 何建平，电话")
    assert reported["state"] == "reported_in"
    assert (await act(power, f"{path}/report-in"))["state"] == "reported_in", "again changes nothing"
    await act(power, f"{path}/arrive")
    done = await act(power, f"{path}/finish", note="10kV 望湖线分支跳闸，已合闸送电")
    assert (done["state"], [one["step"] for one in done["clocks"]]) == ("done", ["rate"])
    back = await act(duty, f"{path}/send-back", reason="7幢2单元仍无电")
    assert (back["state"], [one["step"] for one in back["clocks"]]) == ("arrived", ["finish"])
    await act(power, f"{path}/finish", note="2单元表箱已恢复")
    await whole(database)

    # Each street rates once, with reasons. A slip is corrected; both stay.
    await act(power, f"{path}/rating", 403, score=5, reasons=["prompt"])
    await act(hood, f"{path}/rating", 403, score=5, reasons=["prompt"])
    bare = await act(duty, f"{path}/rating", 422, score=2, reasons=["late"])
    assert "low rating" in bare["detail"] or "in words" in str(bare["errors"])
    rated = await act(duty, f"{path}/rating", 201, score=1, reasons=["late", "passed_on"], note="先退单，一小时无人")
    assert rated["state"] == "done", "the other street has not rated yet"
    once = await act(duty, f"{path}/rating", 409, score=5, reasons=["prompt"])
    assert "correct" in once["detail"]
    [first] = rated["ratings"]
    corrected = await act(duty, f"whistle-ratings/{first['id']}/correct", score=2, reasons=["late", "passed_on"],
                          note="先退单，裁定后办结", reason="误点 1 分")  # fmt: skip
    assert [(one["score"], one["stands"]) for one in corrected["ratings"]] == [(1, False), (2, True)]
    await act(duty, f"whistle-ratings/{first['id']}/correct", 409, score=3, reasons=["late"], reason="再改")
    await whole(database)
    ended = await act(duty2, f"{path}/rating", 201, score=4, reasons=["solved"])
    assert (ended["state"], ended["end"], ended["clocks"]) == ("ended", "rated", [])
    await whole(database)

    # The month's page says it in figures, and the audit chain who decided.
    overview = (
        await duty.get("/api/v1/departments/overview", params={"to": (now() + timedelta(days=2)).isoformat()})
    ).json()
    assert overview["street_share_percent"] == 30
    figures = next(one for one in overview["items"] if one["department"]["id"] == "power")
    assert (figures["turns"], figures["answered_late_or_not"], figures["returned"]) == (1, 1, 1)
    assert (figures["ruled_against"], figures["ratings"], figures["rating_mean"]) == (1, 2, 3.0)
    assert figures["score"] == round(0.3 * 50.0 + 0.7 * 0.0, 1)
    async with database.reading() as session:
        decided = [one.kind for one in await audit.lines(session) if one.kind.startswith("whistle_")]
        assert decided == [
            "whistle_returned",
            "whistle_ruled",
            "whistle_rated",
            "whistle_rating_corrected",
            "whistle_rated",
        ]
        assert (await audit.verify(session)).broken is None
    history = (await duty.get(f"/api/v1/{path}")).json()["history"]
    assert [one["code"] for one in history] == [
        "called", "joined", "reminded", "missed", "returned", "suggestion_declined", "missed", "ruling_missed",
        "ruled", "reported_in", "arrived", "done", "sent_back", "done", "rated", "rating_corrected", "rated",
    ]  # fmt: skip
    assert kinds(await timeline(duty, here["id"])).count("whistle") > 10, "and on the incident's own timeline"


async def test_another_department_takes_it_and_only_then_is_the_first_free(streets, sign_in, database):
    duty, power, drainage = await sign_in("duty"), await sign_in("power"), await sign_in("drainage")
    incident = await by_hand(duty, "up-low", "water_level")
    whistle = (await call(duty, incident))["whistle"]
    path = f"whistles/{whistle['id']}"
    await act(drainage, f"{path}/accept", 404, department_id="drainage")
    await act(power, f"{path}/return", code="not_our_duty", reason="泵站机械故障", suggests="drainage")
    taken = await act(drainage, f"{path}/accept", department_id="drainage")
    assert (taken["holder"]["id"], taken["first"]["id"], taken["state"]) == ("drainage", "power", "called")
    assert [(one["department"]["id"], one["how"], one["end"]) for one in taken["turns"]] == [
        ("power", "called", "moved"), ("drainage", "accepted", None),
    ]  # fmt: skip
    await act(power, f"{path}/report-in", 403)
    again = await by_hand(duty, "up-west", "water_level")
    if again["id"] != incident["id"]:
        joined = await call(duty, again, cause=whistle["cause"])
        assert joined["whistle"]["id"] == whistle["id"], "who calls the first again finds whose it is now"
    mine = await call(duty, incident, "drainage")
    assert mine["whistle"]["id"] == whistle["id"] or mine["joined"]
    await whole(database)
    await act(duty, f"{path}/withdraw", reason="水已退")
    assert (await duty.get(f"/api/v1/{path}")).json()["end"] == "withdrawn"
    fresh = await call(duty, incident)
    assert fresh["whistle"]["id"] != whistle["id"], "what comes after the end is another whistle"
    await whole(database)


async def test_two_streets_in_the_same_moment_make_one_whistle(streets, sign_in, database):
    duty, duty2 = await sign_in("duty"), await sign_in("duty2")
    here, there = await by_hand(duty, "wh-7-s1-1f"), await by_hand(duty2, ZONE)
    both = await asyncio.gather(call(duty, here), call(duty2, there))
    assert len({one["whistle"]["id"] for one in both}) == 1
    assert sorted(one["joined"] for one in both) == [False, True]
    await whole(database)


async def test_a_street_that_never_rates_leaves_it_unrated_and_said_so(streets, sign_in, database, services, later):
    duty, power = await sign_in("duty"), await sign_in("power")
    incident = await by_hand(duty, "wh-7-s1-1f")
    path = f"whistles/{(await call(duty, incident))['whistle']['id']}"
    done = await act(power, f"{path}/finish", note="远程合闸")
    assert done["turns"][0]["arrived_at"] is None, "a switch thrown from afar: nobody need have come"
    for hours in (25, 25, 25):
        later(hours=hours)
        await all_that_is_due(services)
        await whole(database)
    duty = await sign_in("duty")  # three days have passed
    shown = (await duty.get(f"/api/v1/{path}")).json()
    assert (shown["state"], shown["end"]) == ("ended", "unrated")
    assert {"per_duty", "per_leader"} <= {who for who, text in await told(database, "urged") if "评价" in text}
    late = await act(duty, f"{path}/rating", 201, score=5, reasons=["solved"])
    assert (late["end"], len(late["ratings"])) == ("unrated", 1)


async def test_who_may_call_whom(streets, sign_in):
    duty, admin, guard = await sign_in("duty"), await sign_in("admin"), await sign_in("guard")
    incident = await by_hand(duty, "wh-7-s1-1f")
    await call(duty, incident, "nobody", 404)
    await call(duty, incident, status=422, cause="smoke:building:elsewhere")
    await call(admin, incident, status=403)
    words = await call(duty, incident, "gas", cause_text="7幢地下室燃气味")
    assert words["whistle"]["cause"] == "own:7幢地下室燃气味"
    asked = await call(guard, incident, "traffic")
    assert asked["call"]["state"] == "proposed"
    refused = await act(duty, f"whistle-proposals/{asked['call']['id']}/refuse", reason="小区内道路，物业疏导")
    assert (refused["state"], refused["clocks"]) == ("refused", [])
    await act(duty, f"whistle-proposals/{asked['call']['id']}/confirm", 409)

    body = {"name": "区城管局", "trade": "city_management", "area_path": "/chengjiang/liuyin",
            "liaisons": ["per_power"], "supervisors": [], "arbiters": ["per_power"]}  # fmt: skip
    wrong = await admin.put("/api/v1/departments/urban", json=body)
    assert wrong.status_code == 422
    assert {one["where"] for one in wrong.json()["errors"]} == {"supervisors", "arbiters"}
    right = await admin.put("/api/v1/departments/urban", json=body | {"supervisors": ["per_power-chief"],
                                                                      "arbiters": ["per_district"]})  # fmt: skip
    assert right.status_code == 200, right.text
    assert (await duty.put("/api/v1/departments/urban", json=body)).status_code == 403
    seen = (await duty.get("/api/v1/departments")).json()["items"]
    assert "urban" in {one["id"] for one in seen}
