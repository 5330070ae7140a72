"""Emergency mode: values laid over rules and taken away again (pure), and the whole on a database."""

from datetime import timedelta
from typing import Any

import pytest
from cloud_world import add_devices, all_that_is_due, now
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cloud.modes import service
from cloud.modes.overlay import ABSENT, at, blocked, changed, lay, lift
from cloud.notify.model import Notification
from cloud.problems import invalid
from cloud.registry.seed import DISTRICT, GRID_03, STREET

KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.integers(0, 3) | st.just("x")
RULES: Any = st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, min_size=1, max_size=3), max_size=3)


def fits(content: dict, over: dict) -> bool:
    """What a mode lays has the shape of what is there: the rulebook sees to that for real rules."""
    same = all(isinstance(content[key], dict) == isinstance(over[key], dict) for key in over.keys() & content.keys())
    return same and blocked(content, over) is None


@given(RULES, RULES)
def test_what_was_laid_holds_and_lifting_it_leaves_nothing(content, over):
    if not fits(content, over):
        return
    during, laid = lay(content, over)
    assert all(at(during, tuple(one["path"])) == one["value"] for one in laid)
    after, _ = lift(during, laid)
    assert after == content


@given(RULES, RULES, RULES, RULES, st.permutations([0, 1, 2]))
def test_modes_over_one_another_end_in_any_order_and_leave_nothing(content, one, two, three, order):
    overs = [one, two, three]
    now_, kept = content, {}
    for index, over in enumerate(overs):
        if not fits(now_, over):
            return
        now_, kept[index] = lay(now_, over)
    for index in order:
        later = [other for other in sorted(kept) if other > index]
        now_, renewed = lift(now_, kept.pop(index), [kept[other] for other in later])
        kept |= dict(zip(later, renewed, strict=True))
        for other in kept:  # what is still on holds, unless a later one lies upon it
            for value in kept[other]:
                path = value["path"]
                upon = [v for o in kept if o > other for v in kept[o] if v["path"] == path]
                assert upon or at(now_, tuple(path)) == value["value"]
    assert now_ == content


@given(RULES, RULES, VALUES)
def test_what_somebody_changed_meanwhile_stands(content, over, value):
    if not fits(content, over):
        return
    during, laid = lay(content, over)
    if not laid or laid[0]["value"] == value:
        return
    path = tuple(laid[0]["path"])
    after, _ = lift(changed(during, path, value), laid)
    assert at(after, path) == value


def test_a_rule_that_a_place_has_taken_away_is_not_brought_back():
    assert blocked({"rules": {"depth": None}}, {"rules": {"depth": {"enter": 1}}}) == ("rules", "depth")
    assert at({"a": 1}, ("a", "b")) is ABSENT


# ---------------------------------------------------------------- on a database


PLACE = "liuyin-underpass"
DEPTH = {"water_depth": {"levels": {"II": {"enter": 0.2, "exit": 0.15}}}}


@pytest.fixture
async def devices(app, database):
    async with database.transaction() as session:
        await add_devices(session)


def typhoon(**more) -> dict:
    return {
        "area_path": STREET,
        "kind": "typhoon",
        "name": "台风蓝色预警",
        "reason": "区防汛办通知",
        "ends_at": (now() + timedelta(hours=30)).isoformat(),
        **more,
    }


async def test_a_mode_begins_tells_lacks_warns_and_ends_by_itself(devices, sign_in, services, database):
    duty, zhou, city = await sign_in("duty"), await sign_in("zhou"), await sign_in("city")
    for body, status in (
        (typhoon(ends_at=(now() - timedelta(hours=1)).isoformat()), 422),
        (typhoon(ends_at=(now() + timedelta(days=300)).isoformat()), 422),
        (typhoon(tell=["per_nobody"]), 422),
        (typhoon(staffing={"wizard": 1}), 422),
        (typhoon(area_path=DISTRICT), 403),
        (
            typhoon(thresholds=[{"scope": "site", "id": PLACE, "rules": {"water_depth": {"kind": "x"}}}]),
            422,
        ),
    ):
        assert (await duty.post("/api/v1/modes", json=body)).status_code == status, body
    assert (await zhou.post("/api/v1/modes", json=typhoon())).status_code == 403
    wanted = [{"scope": "site", "id": PLACE, "rules": DEPTH}]
    staffing = {"duty_officer": 2, "grid_worker": 1}
    body = typhoon(thresholds=wanted, staffing=staffing, tell=["per_han"], response="IV")
    begun = await duty.post("/api/v1/modes", json=body)
    assert begun.status_code == 201, begun.text
    mode = begun.json()
    assert (await duty.post("/api/v1/modes", json=typhoon())).status_code == 409
    assert mode["staffing_gaps"] == [{"post": "duty_officer", "wanted": 2, "have": 1}]
    assert 29 * 3600 < mode["ends_in_s"] <= 30 * 3600
    layer = f"/api/v1/rulebook/layers/site/{PLACE}"
    during = (await duty.get(layer)).json()
    assert during["rules"] == DEPTH
    assert "台风蓝色预警" in during["why"]
    shown = (await zhou.get("/api/v1/modes")).json()["items"]
    assert [one["id"] for one in shown] == [mode["id"]], "it is in force here"

    season = typhoon(kind="flood_season", name="汛期", area_path=DISTRICT)
    season["ends_at"] = (now() + timedelta(days=90)).isoformat()
    season["thresholds"] = [{"scope": "area", "rules": {"water_depth": {"levels": {"II": {"enter": 0.18}}}}}]
    flood = await city.post("/api/v1/modes", json=season)
    assert flood.status_code == 201, flood.text

    until = (now() + timedelta(hours=40)).isoformat()
    moved = await duty.post(f"/api/v1/modes/{mode['id']}/extend", json={"ends_at": until, "reason": "路径北调"})
    assert moved.json()["ends_in_s"] > 39 * 3600

    services.now = lambda: now() + timedelta(hours=39, minutes=5)
    await all_that_is_due(services)
    services.now = lambda: now() + timedelta(hours=40, minutes=1)
    await all_that_is_due(services)
    services.now = now
    ended = (await duty.get(f"/api/v1/modes/{mode['id']}")).json()
    assert (ended["ended_by"]["name"], ended["end_reason"]) == ("系统", "到期")
    assert ended["unlifted"] == []
    kept = (await duty.get(layer)).json()["rules"]["water_depth"]["levels"]["II"]
    assert kept == {"enter": 0.18}, "the flood season goes on"
    async with database.reading() as session:
        told = list(await session.scalars(select(Notification).where(Notification.channel == "feed")))
    by_kind = {kind: {one.person_id for one in told if one.kind == kind} for kind in ("mode_began", "mode_warning")}
    assert by_kind["mode_began"] >= {"per_han", "per_duty", "per_leader", "per_district"}
    assert "per_han" in by_kind["mode_warning"], "visible before it ends"
    assert "mode_ended" in {one.kind for one in told}
    audit = (await (await sign_in("admin")).get("/api/v1/audit/lines", params={"subject": mode["id"]})).json()["items"]
    assert [one["kind"] for one in audit] == ["mode_began", "mode_extended", "mode_ended"]
    assert audit[-1]["actor"] == "shouwang"


async def test_two_modes_over_one_place_leave_what_was_before_and_what_people_changed(devices, sign_in, monkeypatch):
    duty, leader = await sign_in("duty"), await sign_in("leader")
    layer = f"/api/v1/rulebook/layers/site/{PLACE}"

    def at_level(enter: float, **more) -> dict:
        rules = {"water_depth": {"levels": {"II": {"enter": enter, "exit": 0.15, **more}}}}
        return {"scope": "site", "id": PLACE, "rules": rules}

    one = await duty.post("/api/v1/modes", json=typhoon(area_path=GRID_03, thresholds=[at_level(0.2)]))
    two = await duty.post("/api/v1/modes", json=typhoon(kind="rainstorm", thresholds=[at_level(0.18, hold_s=5)]))
    assert (one.status_code, two.status_code) == (201, 201), (one.text, two.text)
    ended = await duty.post(f"/api/v1/modes/{one.json()['id']}/end", json={"reason": "台风远去"})
    assert ended.json()["unlifted"] == []
    during = (await duty.get(layer)).json()
    assert during["rules"]["water_depth"]["levels"]["II"]["enter"] == 0.18, "the rainstorm goes on"
    rules = during["rules"]
    rules["water_depth"]["levels"]["II"]["hold_s"] = 9
    put = {"rules": rules, "quality": {}, "why": "现场调整"}
    etag = {"If-Match": f'"{during["revision"]}"'}
    assert (await leader.put(layer, json=put, headers=etag)).status_code == 200
    await duty.post(f"/api/v1/modes/{two.json()['id']}/end", json={"reason": "雨停"})
    again = await duty.post(f"/api/v1/modes/{two.json()['id']}/end", json={"reason": "再次"})
    assert again.json()["end_reason"] == "雨停"
    assert (await duty.get(layer)).json()["rules"] == {"water_depth": {"levels": {"II": {"hold_s": 9}}}}

    three = await duty.post("/api/v1/modes", json=typhoon(thresholds=[at_level(0.2)]))
    held = (await duty.get(layer)).json()

    async def refuses(*_: object, **__: object) -> None:
        raise invalid("rules", "these cannot be so any more")

    monkeypatch.setattr(service.rulebook, "put", refuses)
    ended = (await duty.post(f"/api/v1/modes/{three.json()['id']}/end", json={"reason": "台风远去"})).json()
    assert [(one["id"], "cannot be so" in one["why"]) for one in ended["unlifted"]] == [(PLACE, True)]
    assert ended["ended_at"] is not None, "the mode is over, and a person is told what is left"
    assert (await duty.get(layer)).json() == held, "never left less strict than somebody decided"
