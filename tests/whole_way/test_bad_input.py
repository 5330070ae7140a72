"""A malformed payload, an unknown device, a reading from 2035, a duplicate, a NaN: each visible to people with its
reason, and none stops the flow."""

import json

import paho.mqtt.client as mqtt
import pytest
from stack import Stack, wait_for

from wire.time import now_ms

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]
SITE = "wanghuyuan"


def test_each_bad_input_is_visible_with_its_reason_and_the_alarm_after_it_arrives(stack_on_each: Stack) -> None:
    stack = stack_on_each
    zone = stack.zones(SITE)[0]
    stack.register_each(
        [{"id": "smoke-bad", "name": "烟感", "site_id": SITE, "zone_id": zone, "profile": "shouwang/smoke"}]
    )
    bridge = stack.secret("bridge")
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bad", protocol=mqtt.MQTTv311)
    client.username_pw_set(bridge["username"], bridge["password"])
    host, port = bridge["url"].removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.loop_start()
    now = now_ms()
    good = {"ts": now, "seq": 1, "boot": "b", "obscuration": 0.01}
    sent = [
        ("smoke-bad", b"\xff{not json"),
        ("nobody", json.dumps(good).encode()),
        ("smoke-bad", json.dumps({**good, "ts": 2_051_222_400_000, "seq": 7}).encode()),
        ("smoke-bad", json.dumps(good).encode()),
        ("smoke-bad", json.dumps(good).encode()),
        ("smoke-bad", b'{"ts": %d, "seq": 2, "boot": "b", "obscuration": NaN}' % (now + 1)),
        ("smoke-bad", json.dumps({"ts": now + 1000, "seq": 3, "boot": "b", "alarm": 1}).encode()),
    ]
    for device, payload in sent:
        client.publish(f"sensors/{SITE}/{device}/telemetry", payload, qos=1).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()
    with stack.sign_in("admin") as admin:

        def reasons() -> dict[str, str]:
            rows = stack.everything(admin, "/rejections")
            return {row["reason"]: row["detail"] for row in rows}

        wanted = {"malformed", "unknown_device", "clock", "duplicate", "not_finite"}
        wait_for("every reason in the side table", lambda: wanted <= set(reasons()))
        assert all(reasons().values())
    alarm = wait_for("the alarm after all that", lambda: [it for it in stack.alarms() if it["device"] == "smoke-bad"])
    assert alarm[0]["rule"] == "device_alarm"
