"""Actions: declared by an administrator, told to the edge, moved by the duty desk's word."""

import pytest
from cloud_world import EDGE, add_devices

ACTION = {
    "id": "siren-7", "site": "wanghuyuan", "kind": "siren", "name": "7幢警笛", "max_on_s": 180.0,
    "causes": [{"level": "II"}], "drive": {"use": "zigbee2mqtt", "address": "siren-7", "part": "alarm"},
}  # fmt: skip
URL = f"/api/v1/edges/{EDGE}/actions"


@pytest.fixture
async def devices(app, database):
    async with database.transaction() as session:
        await add_devices(session)


async def test_an_action_reaches_the_edge_and_a_word_on_it_too(devices, edge_client, sign_in):
    admin, duty = await sign_in("admin"), await sign_in("duty")
    put = await admin.put(URL, json={"config": ACTION, "why": "新装警笛"})
    assert put.status_code == 200, put.text
    told = (await edge_client.get("/api/v1/edge/configuration")).json()
    assert [each["id"] for each in told["actions"]] == ["siren-7"]
    assert told["actions"][0]["max_on_s"] == 180.0
    [listed] = (await duty.get(URL)).json()["items"]
    assert listed["config"]["drive"]["address"] == "siren-7"
    assert listed["state"] is None
    sent = await duty.post(f"{URL}/siren-7/decisions", json={"verb": "switch_off", "why": "误报，现场已核实"})
    assert sent.status_code == 202, sent.text
    [decision] = (await edge_client.get("/api/v1/edge/configuration")).json()["decisions"]
    assert (decision["verb"], decision["alarm_id"]) == ("switch_off", "action:siren-7")
    assert decision["id"] == sent.json()["decision"]
    gone = await admin.request("DELETE", f"{URL}/siren-7", json={"why": "拆除"})
    assert gone.status_code == 200, gone.text
    assert (await edge_client.get("/api/v1/edge/configuration")).json()["actions"] == []


async def test_what_an_edge_would_refuse_is_refused_here_with_the_reason(devices, sign_in):
    admin, duty = await sign_in("admin"), await sign_in("duty")
    for change, says in (
        ({"max_on_s": None}, "time limit"),
        ({"kind": "laser"}, "Invalid enum value"),
        ({"interlocks": [{"bars": "on", "device": "nobody", "point": "level", "at_least": 1.0}]}, "not registered"),
        ({"drive": {"use": "native", "address": "x/#"}}, "<site>/<device>"),
    ):
        answer = await admin.put(URL, json={"config": ACTION | change, "why": "trial"})
        assert answer.status_code == 422, answer.text
        assert says in answer.text
    assert (await duty.put(URL, json={"config": ACTION, "why": "trial"})).status_code == 403
    assert (await duty.post(f"{URL}/none/decisions", json={"verb": "switch_on", "why": "xx"})).status_code == 404
