"""Whom we cannot hear is not silent: a lost broker, a broker that hangs, an agent that stood still."""

import signal
import threading
import time

import pytest
from edge_process import Publisher, until

from wire.configuration import DeviceConfig, EdgeDocument
from wire.time import now_ms, to_ms

pytestmark = pytest.mark.broker


def device(name: str, after_s: float) -> DeviceConfig:
    rules = {"silence": {"levels": {"IV": {"after_s": after_s}}}}  # the grace is as long
    return DeviceConfig(id=name, site="s1", profile="shouwang/smoke", rules=rules)


def speak(publisher: Publisher, name: str) -> None:
    publisher.publish(f"sensors/s1/{name}/telemetry", {"ts": now_ms(), "obscuration": 0.01})


def silences(cloud) -> dict[str, int]:
    """When each device was called silent, epoch ms."""
    return {alert.device: to_ms(alert.opened_at) for alert in cloud.alerts if alert.rule == "silence"}


def watched(cloud, *devices: DeviceConfig) -> None:
    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=list(devices))


def test_after_a_lost_broker_the_slow_are_waited_for_and_the_silent_named_within_one_grace(make_edge, cloud, mosquitto):
    watched(cloud, device("slow", 5), device("gone", 2))
    edge = make_edge(cloud, broker=f'mode = "external"\nurl = "{mosquitto.url}"').start()
    until(lambda: edge.status()["devices"] == 2, "the device table")
    sensor = Publisher(mosquitto.url)
    speak(sensor, "gone")
    speak(sensor, "slow")
    until(lambda: edge.status()["readings"] == 2, "both of them")
    sensor.close()
    mosquitto.stop()
    until(lambda: not edge.status()["broker"]["connected"], "the loss")
    threading.Event().wait(6)  # longer than either may be silent
    assert silences(cloud) == {}
    before_ms = now_ms()
    mosquitto.start()
    until(lambda: edge.status()["broker"]["connected"], "the return")
    back_ms = now_ms()
    threading.Event().wait(1.5)  # a tick at least
    sensor = Publisher(mosquitto.url)
    speak(sensor, "slow")
    until(lambda: "gone" in silences(cloud), "the one that is really silent")
    assert before_ms + 2000 <= silences(cloud)["gone"] <= back_ms + 2000 + 1500  # one grace, and a tick
    assert set(silences(cloud)) == {"gone"}
    sensor.close()


def test_a_broker_that_hangs_is_noticed_before_a_device_is_called_silent(make_edge, cloud, mosquitto):
    """Its socket stays open: only the keepalive tells. Three cadences of ten seconds are longer."""
    watched(cloud, device("smoke-1", 30))
    edge = make_edge(cloud, broker=f'mode = "external"\nurl = "{mosquitto.url}"').start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    mosquitto.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        until(lambda: not edge.status()["broker"]["connected"], "the loss", 30)
        assert time.monotonic() - began < 20  # a device has spoken within the ten before
    finally:
        mosquitto.process.send_signal(signal.SIGCONT)
    until(lambda: edge.status()["broker"]["connected"], "the return")


def test_an_agent_that_stood_still_accuses_nobody(make_edge, cloud):
    """What was said meanwhile waits at the broker, and is read after the first tick."""
    watched(cloud, device("smoke-1", 5.5), device("gone", 3))
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 2, "the device table")
    bridge = edge.bridge()
    speak(bridge, "smoke-1")
    speak(bridge, "gone")
    until(lambda: edge.status()["readings"] == 2, "both of them")
    edge.process.send_signal(signal.SIGSTOP)
    try:
        threading.Event().wait(6)
        speak(bridge, "smoke-1")
    finally:
        edge.process.send_signal(signal.SIGCONT)
    awake_ms = now_ms()
    until(lambda: edge.status()["readings"] == 3, "what was said meanwhile")

    def others_silent() -> bool:
        speak(bridge, "smoke-1")
        threading.Event().wait(1)
        return bool(silences(cloud))

    until(others_silent, "the one that is really silent")
    assert set(silences(cloud)) == {"gone"}
    assert awake_ms <= silences(cloud)["gone"] <= awake_ms + 3000 + 2000
