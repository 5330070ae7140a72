"""A rule that a property manager changes for one floor judges the next reading there, and says who changed it."""

import json

import paho.mqtt.client as mqtt
import pytest
from stack import Stack, wait_for

from wire.time import now_ms

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]
SITE = "wanghuyuan"


def test_a_changed_rule_judges_the_next_reading(stack: Stack) -> None:
    here, elsewhere = stack.zones(SITE)[:2]
    names = {"smoke-here": here, "smoke-there": elsewhere}
    stack.register_each(
        {"id": name, "name": name, "site_id": SITE, "zone_id": zone, "profile": "shouwang/smoke"}
        for name, zone in names.items()
    )
    with stack.sign_in("manager") as manager:
        body = {"rules": {"heat": {"levels": {"II": {"enter": 40, "exit": 35}}}}, "why": "锅炉房旁，从严"}
        answer = manager.put(f"/rulebook/layers/zone/{here}", json=body, headers={"If-Match": "0"})
        assert answer.status_code == 200, answer.text
        [told] = answer.json()["edges"]
        wait_for("the edge to run it", lambda: stack.edge_status()["configuration"]["revision"] >= told["revision"])
        bridge = stack.secret("bridge")
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="boiler", protocol=mqtt.MQTTv311)
        client.username_pw_set(bridge["username"], bridge["password"])
        host, port = bridge["url"].removeprefix("mqtt://").split(":")
        client.connect(host, int(port))
        client.loop_start()
        start = now_ms() - 60_000
        for step in range(6):
            payload = json.dumps({"ts": start + step * 10_000, "seq": step, "boot": "a", "temperature": 42 + step % 2})
            for name in names:
                client.publish(f"sensors/{SITE}/{name}/telemetry", payload, qos=1).wait_for_publish(30)
        client.disconnect()
        client.loop_stop()
        alarms = wait_for("the alarm", stack.alarms)
        assert {(alarm["device"], alarm["rule"], alarm["level"]) for alarm in alarms} == {("smoke-here", "heat", "II")}
        chart = manager.get("/telemetry/smoke-here", params={"point": "temperature"}).json()
        assert ("II", 40) in {(one["level"], one["value"]) for one in chart["thresholds"]}
        effective = wait_for(
            "the edge to have said what it runs",
            lambda: (
                found
                if (found := manager.get("/rulebook/devices/smoke-here").json())["edge"]["running"]
                and found["edge"]["running"] >= told["revision"]
                else None
            ),
        )
        assert effective["rules"]["heat"]["origin"]["levels.II.enter"] == f"zone '{here}'"
