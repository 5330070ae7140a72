"""A property manager registers devices by form and by table: the edge knows them within seconds, and a device may
speak at once, as itself only."""

import json
import time

import paho.mqtt.client as mqtt
import pytest
from stack import Stack, wait_for

from wire.time import now_ms

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]
SITE = "wanghuyuan"
ZONE = "wh-7-s1-3f"


def connected(url: str, username: str, password: str) -> mqtt.Client:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=username, protocol=mqtt.MQTTv311)
    client.username_pw_set(username, password)
    host, port = url.removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.loop_start()
    wait_for("the broker to let it in", client.is_connected)
    return client


def test_by_form_and_by_table_within_five_seconds_and_only_as_itself(stack: Stack) -> None:
    with stack.sign_in("manager") as manager:
        before = time.monotonic()
        answer = manager.post(
            "/devices",
            json={
                "id": "form-1", "name": "表单登记", "site_id": SITE, "zone_id": ZONE, "profile": "shouwang/smoke",
                "edge_id": "gw-liuyin",
            },
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        wait_for("the edge to know it", lambda: stack.edge_status()["devices"] == 1, 5)
        assert time.monotonic() - before < 5
        mqtt_access = answer.json()["mqtt"]
        rows = [
            {"id": f"table-{n}", "name": f"表格登记{n}", "site": SITE, "zone": ZONE, "profile": "shouwang/smoke",
             "edge": "gw-liuyin"}
            for n in range(3)
        ]  # fmt: skip
    passwords = stack.register(rows)
    assert set(passwords) == {"table-0", "table-1", "table-2"}
    wait_for("the edge to know all", lambda: stack.edge_status()["devices"] == 4, 5)
    url = stack.edge_status()["broker"]["url"]
    itself = connected(url, mqtt_access["username"], mqtt_access["password"])
    other = connected(url, "table-1", passwords["table-1"])
    alarm = {"ts": now_ms(), "seq": 1, "boot": "b", "alarm": 1}
    other.publish(f"sensors/{SITE}/table-2/telemetry", json.dumps(alarm), qos=1)  # in another's name
    itself.publish(f"sensors/{SITE}/form-1/telemetry", json.dumps(alarm), qos=1)
    raised = wait_for("its own alarm", lambda: [alarm["device"] for alarm in stack.alarms()])
    assert raised == ["form-1"]
    for client in (itself, other):
        client.disconnect()
        client.loop_stop()
