"""A reading's way through a running agent: in by MQTT, out to the cloud."""

import time

import pytest
from edge_process import hashed, until
from plain_smoke import PLAIN_SMOKE

from wire.configuration import DeviceConfig, DrillConfig, EdgeDocument
from wire.event import Type
from wire.time import Segment, Timeline, now_ms

pytestmark = pytest.mark.broker


def smoke(name: str = "smoke-1", **more) -> DeviceConfig:
    return DeviceConfig(
        id=name,
        site="s1",
        profile="shouwang/smoke",
        credential=hashed("pw-" + name),
        rules={"smoke": PLAIN_SMOKE},
        **more,
    )


def fire(publisher, device="smoke-1", *, prefix="", start=None, count=6, value=0.5, step_ms=10_000):
    """Readings of a fire, ten seconds apart, ending about now."""
    start = start or now_ms() - step_ms * (count - 1)
    for index in range(count):
        publisher.publish(
            f"{prefix}sensors/s1/{device}/telemetry",
            {"ts": start + index * step_ms, "seq": index, "obscuration": value},
        )


def test_a_fire_reaches_the_cloud_as_one_episode_with_its_readings(make_edge, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=7, devices=[smoke()])
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    publisher = edge.bridge()
    fire(publisher)
    until(lambda: any(alert.facts.level == "II" for alert in cloud.alerts), "an alert of level II")
    until(lambda: len(cloud.readings()) == 6, "six readings")
    [episode] = {(alert.alarm_id, alert.episode) for alert in cloud.alerts}
    assert episode[0] == "smoke-1:smoke"
    first = min(cloud.alerts, key=lambda alert: alert.revision)
    assert first.verb == "raised"
    assert first.site == "s1"
    assert first.edge == "gw-1"
    assert first.timeline == "real"
    assert first.exercise is None
    assert not first.replayed
    assert first.reading_at is not None
    assert (first.recorded_at - first.reading_at).total_seconds() < 1
    assert set(cloud.readings().values()) == {1}
    until(lambda: any(report.revision == 7 for report in cloud.of(Type.EDGE_REPORTED)), "a heartbeat")
    until(lambda: any(r.status == "online" and r.device == "smoke-1" for r in cloud.of(Type.DEVICE_REPORTED)), "health")
    publisher.close()
    assert edge.stop() == 0


def test_a_device_publishes_only_as_itself(make_edge, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[smoke("smoke-1"), smoke("smoke-2")])
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 2, "the device table")
    device = edge.client("smoke-1", "pw-smoke-1")
    assert not device.refused
    assert edge.client("smoke-1", "wrong").refused
    at = now_ms()
    device.publish("sensors/s1/smoke-2/telemetry", {"ts": at, "seq": 1, "obscuration": 0.9})
    device.publish("exercise/drl-1/sensors/s1/smoke-1/telemetry", {"ts": at, "seq": 1, "obscuration": 0.9})
    device.publish("sensors/s1/smoke-1/telemetry", {"ts": at, "seq": 1, "obscuration": 0.01}, qos=0)
    device.publish("sensors/s1/smoke-1/telemetry", {"ts": at + 1, "seq": 2, "obscuration": 0.01})
    until(lambda: len(cloud.readings()) == 2, "its own two readings")
    time.sleep(0.5)
    assert {(exercise, name) for exercise, name, _, _ in cloud.readings()} == {(None, "smoke-1")}
    assert device.subscribe("sensors/s1/smoke-1/command")
    assert not device.subscribe("sensors/s1/smoke-2/command")
    assert not device.subscribe("sensors/#")
    device.close()


def test_bridge_and_drill_credentials_have_their_own_halves(make_edge, cloud):
    clock = Timeline("drl-1", (Segment(now_ms(), now_ms(), 1.0),))
    cloud.document = EdgeDocument(
        edge="gw-1", revision=1, devices=[smoke()], drills=[DrillConfig(id="drl-1", state="running", timeline=clock)]
    )
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    bridge, drill = edge.bridge(), edge.drill()
    bridge.publish("exercise/drl-1/sensors/s1/smoke-1/telemetry", {"ts": now_ms(), "seq": 1, "obscuration": 0.5})
    drill.publish("sensors/s1/smoke-1/telemetry", {"ts": now_ms(), "seq": 2, "obscuration": 0.5})
    bridge.publish("sensors/s1/smoke-1/telemetry", {"ts": now_ms(), "seq": 3, "obscuration": 0.01})
    drill.publish("exercise/drl-1/sensors/s1/smoke-1/telemetry", {"ts": now_ms(), "seq": 4, "obscuration": 0.02})
    until(lambda: len(cloud.readings()) == 2, "two readings")
    time.sleep(0.5)
    assert len(cloud.readings()) == 2
    assert {exercise for exercise, *_ in cloud.readings()} == {None, "drl-1"}


def test_an_exercise_has_alarms_of_its_own_beside_a_real_fire(make_edge, cloud):
    clock = Timeline("drl-1", (Segment(now_ms() - 60_000, now_ms() - 60_000, 1.0),))
    cloud.document = EdgeDocument(
        edge="gw-1", revision=1, devices=[smoke()], drills=[DrillConfig(id="drl-1", state="running", timeline=clock)]
    )
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    bridge, drill = edge.bridge(), edge.drill()
    fire(drill, prefix="exercise/drl-1/")
    fire(bridge)
    until(lambda: {alert.exercise for alert in cloud.alerts if alert.facts.level == "II"} == {None, "drl-1"}, "both")
    for each in list(cloud.received.values()):
        if each.event.type == Type.ALARM_CHANGED:
            assert each.event.exercise == each.data.exercise
            assert each.data.alarm_id.startswith("drl-1:") == (each.data.exercise == "drl-1")
    until(lambda: len(cloud.readings()) == 12, "all readings")
    marks = {
        each.event.exercise for each in list(cloud.received.values()) if each.event.type == Type.TELEMETRY_RECORDED
    }
    assert marks == {None, "drl-1"}
    # An exercise is never urgent: the local notifier does not see it.
    assert cloud.rejections()["unknown_exercise"] == 0


def test_a_drill_nobody_knows_is_passed_on_marked_and_visible(make_edge, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[smoke()])
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    fire(edge.drill(), prefix="exercise/drl-unknown/")
    until(lambda: any(alert.exercise == "drl-unknown" for alert in cloud.alerts), "the marked alert")
    until(lambda: cloud.rejections()["unknown_exercise"] >= 1, "the visible row")
    assert edge.status()["unknown_exercises"] == ["drl-unknown"]


def test_status_is_retained_and_the_last_will_says_offline(make_edge, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[smoke()])
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    topic = "sensors/s1/smoke-1/status"
    device = edge.client("smoke-1", "pw-smoke-1", will=(topic, "offline", 1, True))
    device.publish(topic, "online", retain=True)

    def states():
        return [report.status for report in cloud.of(Type.DEVICE_REPORTED)]

    until(lambda: "online" in states(), "online")
    device.vanish()
    until(lambda: states()[-1:] == ["offline"], "offline by last will")
    # Kept by the broker for whoever comes later.
    bridge = edge.client(**{key: edge.secret("agent")[key] for key in ("username", "password")})
    bridge.subscribe(topic)
    message = until(lambda: bridge.messages, "the retained status")[0]
    assert (message.payload, message.retain) == (b"offline", True)


def test_a_retained_reading_is_history(make_edge, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[smoke()])
    first = make_edge(cloud)
    first.start()
    until(lambda: first.status()["devices"] == 1, "the device table")
    publisher = first.bridge()
    # Not judged at the delivery that follows a new subscription, whatever it says: it has no fresh time.
    publisher.publish("sensors/s1/smoke-1/telemetry", {"obscuration": 3.0, "alarm": True}, retain=True)
    until(lambda: any(alert.rule == "device_alarm" for alert in cloud.alerts), "the live delivery is judged")
    alerts, seen = len(cloud.alerts), first.status()["readings"]
    first.kill()
    first.start()
    until(lambda: first.status()["readings"] >= 2, "the retained delivery")
    time.sleep(1.5)
    assert len(cloud.alerts) == alerts
    assert seen == 2
