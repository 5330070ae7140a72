"""Rules of sites, zones and devices: revisions with reasons, judged against every device, told to the edge."""

from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import select

from cloud.feed import service as feed
from cloud.people.model import Account
from cloud.registry.model import RuleLayerRevision
from wire.configuration import DeviceConfig, EdgeDocument, RuleLayer

API = "/api/v1/rulebook"
SITE, ZONE = f"{API}/layers/site/wanghuyuan", f"{API}/layers/zone/wh-7-s1-3f"
SMOKE = {
    "id": "smoke-7",
    "name": "7幢1单元3层烟感",
    "site_id": "wanghuyuan",
    "zone_id": "wh-7-s1-3f",
    "profile": "shouwang/smoke",
    "edge_id": "gw-liuyin",
}
GAUGE = {
    "id": "gauge-8",
    "name": "地下车库水位",
    "site_id": "wanghuyuan",
    "zone_id": "wh-7-s1-1f",
    "profile": "shouwang/water-level",
    "edge_id": "gw-liuyin",
}
LATER = {"heat": {"levels": {"II": {"enter": 58, "exit": 50}}}}


async def _devices(client, *devices):
    for device in devices:
        answer = await client.post("/api/v1/devices", json=device)
        assert answer.status_code == 201, answer.text


async def _put(client, url, revision, rules=None, quality=None, why="装修期间粉尘", **more):
    body = {"rules": rules or {}, "quality": quality or {}, "why": why}
    return await client.put(url, json=body, headers={"If-Match": f'"{revision}"'}, **more)


async def _document(edge_client) -> EdgeDocument:
    return msgspec.json.decode((await edge_client.get("/api/v1/edge/configuration")).content, type=EdgeDocument)


async def test_a_layer_reaches_the_edge_and_each_value_says_where_it_comes_from(sign_in, edge_client, database):
    manager = await sign_in("manager")
    await _devices(manager, SMOKE, GAUGE)
    answer = await _put(manager, SITE, 0, LATER)
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == '"1"'
    told = answer.json()
    assert (told["devices"], told["changed"], told["unused"]) == (2, ["smoke-7"], [])
    zone = {"heat": {"clear_hold_s": 600}}
    tests = {"obscuration": {"spike": {"least": 0.2}}}
    assert (await _put(manager, ZONE, 0, zone, tests, why="楼道灰大")).status_code == 200
    async with database.reading() as session:
        changes = [entry for entry in await feed.reading(session, 0) if entry.kind == "edge:gw-liuyin"]
    assert [(entry.key, entry.value["kind"]) for entry in changes][-2:] == [
        ("site:wanghuyuan", "layer"),
        ("zone:wh-7-s1-3f", "layer"),
    ]
    assert changes[-2].position == told["edges"][0]["revision"]
    layer = msgspec.convert(changes[-2].value["value"], RuleLayer)
    assert (layer.rules, layer.revision) == (LATER, 1)
    document = await _document(edge_client)
    assert {(one.scope, one.id) for one in document.layers} == {("site", "wanghuyuan"), ("zone", "wh-7-s1-3f")}

    effective = (await manager.get(f"{API}/devices/smoke-7")).json()
    heat = effective["rules"]["heat"]
    assert heat["declaration"]["levels"]["II"]["enter"] == 58
    assert heat["origin"]["levels.II.enter"] == "site 'wanghuyuan'"
    assert heat["origin"]["clear_hold_s"] == "zone 'wh-7-s1-3f'"
    assert heat["origin"]["kind"] == "family"
    assert effective["quality"]["obscuration"]["origin"]["spike.least"] == "zone 'wh-7-s1-3f'"
    assert [(one["scope"], one["revision"]) for one in effective["layers"]] == [("site", 1), ("zone", 1)]
    assert effective["edge"]["revision"] == changes[-1].position
    assert "site 'wanghuyuan'" not in str((await manager.get(f"{API}/devices/gauge-8")).json()["rules"])


async def test_a_change_names_who_when_and_why_and_can_be_taken_back(sign_in, edge_client):
    manager, duty = await sign_in("manager"), await sign_in("duty")
    await _devices(manager, SMOKE)
    await _put(manager, SITE, 0, LATER)
    await _put(duty, SITE, 1, {"heat": None}, why="整栋停用，改用巡查")
    history = (await manager.get(f"{SITE}/history")).json()["items"]
    assert [(one["revision"], one["act"], one["by_name"]) for one in history] == [
        (2, "put", "林知远"),
        (1, "put", "赵敏"),
    ]
    assert history[0]["before"] == {"rules": LATER, "quality": {}}
    assert {"rule": "heat", "key": ""}.items() <= history[0]["eased"][0].items()
    assert {(one["key"], one["standard"], one["now"]) for one in history[1]["eased"]} == {
        ("levels.II.enter", 54.0, 58.0)
    }
    body = {"revision": 1, "why": "装修结束得早"}
    answer = await manager.post(f"{SITE}/revert", json=body, headers={"If-Match": '"2"'})
    assert answer.status_code == 200, answer.text
    layer = answer.json()["layer"]
    assert (layer["revision"], layer["rules"], layer["why"]) == (3, LATER, "装修结束得早")
    gone = await manager.delete(SITE, params={"why": "全部恢复默认"}, headers={"If-Match": "3"})
    assert (gone.json()["layer"]["revision"], gone.json()["layer"]["rules"]) == (4, {})
    assert (await _document(edge_client)).layers == []
    assert (await manager.get(SITE)).headers["etag"] == '"4"'
    assert (await _put(manager, SITE, 4, LATER)).json()["layer"]["revision"] == 5


async def test_what_is_wrong_for_a_device_is_refused_with_key_and_device(sign_in, edge_client, database):
    manager = await sign_in("manager")
    await _devices(manager, SMOKE, GAUGE)
    answer = await _put(manager, SITE, 0, {"heat": {"levels": {"II": {"enter": 70}}}})
    assert answer.status_code == 422
    [fault] = answer.json()["errors"]
    assert fault["where"] == "rules.heat.levels.I.enter"
    assert "'smoke-7'" in fault["what"]
    assert "site 'wanghuyuan'" in fault["what"]
    answer = await _put(manager, SITE, 0, quality={"level": {"rate": {"most": -1}}})
    assert answer.json()["errors"][0]["where"] == "quality.level.rate.most"
    assert answer.json()["errors"][0]["params"]["device"] == "gauge-8"
    assert (await _put(manager, SITE, 0, {"haet": {"latch": False}})).json()["unused"] == ["haet"]
    async with database.reading() as session:
        rows = list(await session.scalars(select(RuleLayerRevision)))
    assert len(rows) == 1, "what was refused left no trace"
    # What is right alone may be wrong together with what a device says itself.
    own = SMOKE | {"id": "smoke-8", "rules": {"heat": {"levels": {"I": {"enter": 60, "exit": 50}}}}}
    await _devices(manager, own)
    answer = await _put(manager, ZONE, 0, {"heat": {"levels": {"II": {"enter": 62}}}})
    assert [(one["where"], one["params"]["device"]) for one in answer.json()["errors"]] == [
        ("rules.heat.levels.I.enter", "smoke-8")
    ]


async def test_a_device_that_a_layer_does_not_suit_is_not_registered(sign_in):
    manager = await sign_in("manager")
    await _put(manager, SITE, 0, {"heat": {"levels": {"I": {"enter": 60, "exit": 52}}}})
    own = SMOKE | {"rules": {"heat": {"levels": {"II": {"enter": 63}}}}}
    answer = await manager.post("/api/v1/devices", json=own)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "rules.heat.levels.I.enter"


async def test_whoever_looked_at_an_older_revision_looks_again(sign_in):
    manager = await sign_in("manager")
    assert (await manager.put(SITE, json={"why": "试一试"})).status_code == 428
    assert (await _put(manager, SITE, 0, LATER)).status_code == 200
    answer = await _put(manager, SITE, 0, {})
    assert (answer.status_code, answer.headers["etag"]) == (412, '"1"')
    assert (await _put(manager, SITE, 1, LATER, why="")).status_code == 422


async def test_a_dry_run_says_what_would_be_and_changes_nothing(sign_in, edge_client):
    manager = await sign_in("manager")
    await _devices(manager, SMOKE)
    answer = await _put(manager, SITE, 0, LATER, params={"dry_run": "true"})
    assert answer.json()["changed"] == ["smoke-7"]
    assert answer.json()["edges"] == []
    assert (await manager.get(SITE)).json()["revision"] == 0
    assert (await _document(edge_client)).layers == []


async def test_the_rules_of_one_device_have_a_history_too_whichever_way_they_came(sign_in, edge_client):
    manager = await sign_in("manager")
    await _devices(manager, SMOKE | {"rules": LATER})
    url = f"{API}/layers/device/smoke-7"
    state = (await manager.get(url)).json()
    assert (state["revision"], state["rules"]) == (1, LATER)
    answer = await _put(manager, url, 1, quality={"temperature": {"user_span": [-20, 60]}}, why="厨房旁")
    assert answer.status_code == 200, answer.text
    device = next(one for one in (await _document(edge_client)).devices if one.id == "smoke-7")
    assert (device.rules, device.quality) == ({}, {"temperature": {"user_span": [-20, 60]}})
    form = {key: value for key, value in SMOKE.items() if key != "id"} | {"name": "烟感七"}
    assert (await manager.put("/api/v1/devices/smoke-7", json=form)).json()["quality"], "the form does not speak of it"
    assert (await manager.get(url)).json()["revision"] == 2
    form |= {"rules": {"heat": None}, "why": "改用温感二"}
    assert (await manager.put("/api/v1/devices/smoke-7", json=form)).status_code == 200
    newest = (await manager.get(f"{url}/history")).json()["items"][0]
    assert (newest["revision"], newest["why"], newest["by_name"]) == (3, "改用温感二", "赵敏")
    assert newest["eased"][0]["rule"] == "heat"
    back = await manager.post(f"{url}/revert", json={"revision": 0, "why": "恢复出厂"}, headers={"If-Match": "3"})
    assert back.json()["layer"]["rules"] == {}


async def test_an_edge_that_gets_its_first_device_of_a_site_hears_of_its_layers_before(sign_in, database):
    manager = await sign_in("manager")
    await _put(manager, SITE, 0, LATER)
    await _devices(manager, SMOKE, GAUGE)
    async with database.reading() as session:
        changes = [entry for entry in await feed.reading(session, 0) if entry.kind == "edge:gw-liuyin"]
    assert [entry.key for entry in changes] == ["site:wanghuyuan", "smoke-7", "gauge-8"]


@pytest.mark.parametrize(("who", "status"), [("trainer", 403), ("zhou", 403), ("duty", 200), ("admin", 200)])
async def test_who_may_change_rules(sign_in, who, status):
    assert (await _put(await sign_in(who), SITE, 0, LATER)).status_code == status


async def test_rules_of_a_site_that_is_not_theirs_are_nobodys_business(sign_in, database):
    manager = await sign_in("manager")
    async with database.transaction() as session:
        account = await session.scalar(select(Account).where(Account.username == "manager"))
        account.site_ids = ["shuinan"]
    for call in (manager.get(SITE), manager.get(f"{SITE}/history"), _put(manager, SITE, 0, LATER)):
        assert (await call).status_code == 404
    assert (await manager.get(f"{API}/scopes", params={"site": "wanghuyuan"})).status_code == 404


async def test_scopes_count_the_devices_under_them(sign_in):
    manager = await sign_in("manager")
    await _devices(manager, SMOKE, GAUGE)
    await _put(manager, ZONE, 0, LATER)
    items = (await manager.get(f"{API}/scopes", params={"site": "wanghuyuan"})).json()["items"]
    found = {(one["scope"], one["id"]): (one["devices"], one["revision"], one["rules"]) for one in items}
    assert found["site", "wanghuyuan"] == (2, 0, [])
    assert found["building", "wh-7"] == (2, 0, [])
    assert found["zone", "wh-7-s1-3f"] == (1, 1, ["heat"])


async def test_maintenance_is_told_to_the_edge_with_who_and_why_and_ends(sign_in, edge_client, services):
    manager = await sign_in("manager")
    await _devices(manager, SMOKE)
    url = "/api/v1/devices/smoke-7/maintenance"
    now = services.now()
    until = (now + timedelta(hours=2)).isoformat()
    assert (await manager.put(url, json={"until": until})).status_code == 422
    for wrong in (now - timedelta(minutes=1), now + timedelta(days=31)):
        assert (await manager.put(url, json={"until": wrong.isoformat(), "why": "换电池"})).status_code == 422
    answer = await manager.put(url, json={"until": until, "why": "换电池"})
    assert answer.status_code == 200, answer.text
    device: DeviceConfig = (await _document(edge_client)).devices[0]
    assert device.maintenance_until.isoformat() == until
    assert (await manager.get("/api/v1/devices/smoke-7")).json()["maintenance_why"] == "换电池"
    ended = await manager.request("DELETE", url, json={"why": "换好了"})
    assert ended.json()["until"] is None
    assert (await _document(edge_client)).devices[0].maintenance_until is None
    assert (await manager.request("DELETE", url, json={"why": "再来"})).status_code == 409
    acts = (await manager.get("/api/v1/devices/smoke-7/acts")).json()["items"]
    assert [(one["act"], one["by_name"], one["why"]) for one in acts] == [
        ("maintenance_ended", "赵敏", "换好了"),
        ("maintenance_began", "赵敏", "换电池"),
    ]
    assert (await (await sign_in("zhou")).put(url, json={"until": until, "why": "我来"})).status_code == 403
