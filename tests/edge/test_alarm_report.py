"""What an agent tells of its alarms: counts and floods in the heartbeat and as metrics, decisions carried out."""

from datetime import timedelta

import pytest
from edge_process import until
from plain_smoke import PLAIN_SMOKE

from wire.configuration import Decision, DeviceConfig, EdgeDocument
from wire.event import Type
from wire.time import now_ms, to_datetime

pytestmark = pytest.mark.broker
DEVICES = [f"smoke-{number}" for number in range(12)]


def newest(cloud):
    return max(cloud.of(Type.EDGE_REPORTED), key=lambda report: report.reported_at)


def metric(edge, name: str) -> float:
    lines = edge.get("/metrics")[1].decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_a_fire_in_twelve_places_is_a_flood_and_one_of_them_goes_out_of_service(make_edge, cloud):
    cloud.document = EdgeDocument(
        edge="gw-1",
        revision=1,
        devices=[
            DeviceConfig(id=name, site="s1", profile="shouwang/smoke", rules={"silence": None, "smoke": PLAIN_SMOKE})
            for name in DEVICES
        ],
    )
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 12, "the device table")
    bridge = edge.bridge()
    start = now_ms() - 60_000
    for step in range(6):
        for name in DEVICES:
            reading = {"ts": start + step * 10_000, "seq": step, "obscuration": 0.2}
            bridge.publish(f"sensors/s1/{name}/telemetry", reading)
    until(lambda: len({alert.device for alert in cloud.alerts}) == 12, "the alerts")
    until(lambda: {flood.area for flood in newest(cloud).floods} == {"", "s1"}, "the floods")
    assert any("alarm flood" in note for note in newest(cloud).notes)
    until(lambda: metric(edge, "shouwang_edge_alarm_floods") == 2, "the metric")
    assert newest(cloud).alarms.active == 12
    at = to_datetime(now_ms())
    cloud.change(
        "decision",
        "dec_1",
        Decision(
            id="dec_1", verb="out_of_service", alarm_id="smoke-0:*", episode=0, author="per_1", issued_at=at,
            expires_at=at + timedelta(minutes=5), until=at + timedelta(hours=1), note="painting",
        ),
    )  # fmt: skip
    until(lambda: [report.result for report in cloud.of(Type.DECISION_REPORTED)] == ["done"], "the result")
    until(lambda: newest(cloud).alarms.services == 1, "the count")
    edge.kill()
    edge.start()
    until(lambda: edge.status()["out_of_service"], "what is out of service, after a kill")
    [service] = edge.status()["out_of_service"]
    assert (service["target"], service["by"], service["why"]) == ("smoke-0:*", "per_1", "painting")
    assert {flood["area"] for flood in edge.status()["alarm_floods"]} == {"", "s1"}
    [alert] = [alert for alert in cloud.alerts if alert.verb == "out_of_service"]
    assert (alert.facts.out_of_service, alert.because["why"]) == (True, "painting")
