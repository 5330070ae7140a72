"""With no cloud, or while it is away: the edge judges, keeps, and makes itself heard."""

import http.server
import json
import threading

import pytest
from edge_process import until
from plain_smoke import PLAIN_SMOKE
from required import absent

from wire.alert import Alert
from wire.configuration import DeviceConfig, DrillConfig, EdgeDocument
from wire.time import Segment, Timeline, now_ms

pytestmark = pytest.mark.broker


def toml(value) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)


LOCAL = f"""[[devices]]
id = "smoke-1"
site = "s1"
profile = "shouwang/smoke"
rules = {toml({"smoke": PLAIN_SMOKE})}
"""


@pytest.fixture
def siren():
    """A web hook on the local network."""
    heard: list[dict] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/siren", heard
    server.shutdown()
    server.server_close()


def fire(publisher, prefix="", device="smoke-1"):
    for step in range(6):
        at = now_ms() - 50_000 + step * 10_000
        publisher.publish(f"{prefix}sensors/s1/{device}/telemetry", {"ts": at, "seq": step, "obscuration": 0.6})


def test_an_edge_without_a_cloud_judges_from_its_local_table_and_notifies(make_edge, siren):
    url, heard = siren
    edge = make_edge(None, more=f'[local]\nwebhook_url = "{url}"\nafter_s = 0\n' + LOCAL).start()
    fire(edge.bridge())
    until(lambda: heard, "the local notice")
    assert heard[0]["device"] == "smoke-1"
    status = edge.status()
    assert status["cloud"] is None
    assert [alarm["level"] for alarm in status["alarms"]] == ["II"]
    assert status["journal"]["events"]["telemetry"] == 0, "nothing piles up for a cloud that is not there"
    until(lambda: edge.status()["local_notices"]["last"] == "delivered", "the outcome")


def test_a_cloud_that_is_away_makes_the_edge_speak_once_and_a_drill_never_does(make_edge, cloud, siren):
    url, heard = siren
    clock = Timeline("drl-1", (Segment(now_ms() - 90_000, now_ms() - 90_000, 1.0),))
    cloud.document = EdgeDocument(
        edge="gw-1",
        revision=1,
        devices=[
            DeviceConfig(id="smoke-1", site="s1", profile="shouwang/smoke", rules={"smoke": PLAIN_SMOKE}),
            DeviceConfig(id="smoke-2", site="s1", profile="shouwang/smoke", rules={"smoke": PLAIN_SMOKE}),
        ],
        drills=[DrillConfig(id="drl-1", state="running", timeline=clock)],
    )
    more = f'[local]\nwebhook_url = "{url}"\ncommand_topic = "siren/block-7/command"\nafter_s = 1\n'
    edge = make_edge(cloud, more=more).start()
    until(lambda: edge.status()["devices"] == 2, "the device table")
    cloud.mode = "away"
    fire(edge.drill(), "exercise/drl-1/", "smoke-2")
    fire(edge.bridge())
    until(lambda: heard, "the local notice")
    until(lambda: edge.status()["local_notices"]["count"] >= 1, "its record")
    assert edge.status()["local_notices"]["last"] == "delivered, published"
    edge.kill()
    edge.start()
    cloud.mode = "ok"
    until(lambda: {alert.exercise for alert in cloud.alerts} == {None, "drl-1"}, "the alerts, after all")
    assert {alert["device"] for alert in heard} == {"smoke-1"}
    revisions = [alert["revision"] for alert in heard]
    assert len(revisions) == len(set(revisions)), "each alert once, over a kill"


def test_what_the_cloud_commits_in_time_is_not_notified(make_edge, cloud, siren):
    url, heard = siren
    cloud.document = EdgeDocument(
        edge="gw-1",
        revision=1,
        devices=[DeviceConfig(id="smoke-1", site="s1", profile="shouwang/smoke", rules={"smoke": PLAIN_SMOKE})],
    )
    edge = make_edge(cloud, more=f'[local]\nwebhook_url = "{url}"\nafter_s = 3\n').start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    fire(edge.bridge())
    until(lambda: any(alert.facts.level == "II" for alert in cloud.alerts), "the alert")
    threading.Event().wait(6)
    assert heard == []


def test_silence_is_reported_and_ends_with_a_sign_of_life(make_edge, cloud):
    rules = {"silence": {"levels": {"IV": {"after_s": 2}}, "grace_s": 2}}
    cloud.document = EdgeDocument(
        edge="gw-1", revision=1, devices=[DeviceConfig(id="smoke-1", site="s1", profile="shouwang/smoke", rules=rules)]
    )
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    bridge = edge.bridge()
    bridge.publish("sensors/s1/smoke-1/telemetry", {"ts": now_ms(), "obscuration": 0.01})

    def silences() -> list[Alert]:
        return [alert for alert in cloud.alerts if alert.rule == "silence"]

    until(lambda: [alert.verb for alert in silences()] == ["raised"], "the silence")
    bridge.publish("sensors/s1/smoke-1/status", "online")
    until(lambda: [alert.verb for alert in silences()][-1] == "cleared", "its end")


def test_a_fast_timeline_is_judged_in_scenario_time(make_edge, cloud):
    """At sixty times the rate a hold of ten scenario seconds takes a sixth of a second, silence of 60 s one second."""
    start = now_ms()
    clock = Timeline("demo", (Segment(start, 1_700_000_000_000, 60.0),))
    rules = {"silence": {"levels": {"IV": {"after_s": 300}}, "grace_s": 300}}
    cloud.document = EdgeDocument(
        edge="gw-1",
        revision=1,
        devices=[DeviceConfig(id="smoke-1", site="s1", profile="shouwang/smoke", timeline="demo", rules=rules)],
        timelines=[clock],
    )
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    bridge = edge.bridge()
    for step in range(6):
        at = clock.scenario(now_ms()) - (5 - step) * 10_000
        bridge.publish("sensors/s1/smoke-1/telemetry", {"ts": at, "seq": step, "obscuration": 0.6})
    until(lambda: any(alert.facts.level == "II" for alert in cloud.alerts), "the alert")
    assert {alert.timeline for alert in cloud.alerts} == {"demo"}
    assert cloud.rejections()["clock"] == 0
    assert all(alert.opened_at.year == 2023 for alert in cloud.alerts)
    assert all(alert.recorded_at.year >= 2024 for alert in cloud.alerts)
    until(lambda: any(alert.rule == "silence" for alert in cloud.alerts), "silence after five wall seconds")


def test_health_and_metrics(make_edge, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=1)
    edge = make_edge(cloud).start()
    until(lambda: edge.get("/health")[0] == 200, "good health")
    cloud.mode = "away"
    until(lambda: edge.get("/health")[0] == 503, "the cloud's absence")
    assert "cloud away" in edge.get("/health")[1].decode()
    assert edge.get("/nothing")[0] == 404
    text = edge.get("/metrics")[1].decode()
    assert "shouwang_edge_broker_connected 1.0" in text
    assert "shouwang_edge_cloud_reachable 0.0" in text


def test_an_external_broker_by_url_with_status_and_last_will(make_edge, cloud, mosquitto):
    from edge_process import Publisher

    from wire.event import Type

    cloud.document = EdgeDocument(
        edge="gw-1",
        revision=1,
        devices=[DeviceConfig(id="smoke-1", site="s1", profile="shouwang/smoke", rules={"smoke": PLAIN_SMOKE})],
    )
    edge = make_edge(cloud, broker=f'mode = "external"\nurl = "{mosquitto.url}"').start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    topic = "sensors/s1/smoke-1/status"
    sensor = Publisher(mosquitto.url, will=(topic, '{"status": "offline"}', 1, True))
    sensor.publish(topic, {"status": "online"}, retain=True)
    for qos in (0, 1):
        sensor.publish("sensors/s1/smoke-1/telemetry", {"ts": now_ms() + qos, "obscuration": 0.01}, qos)
    until(lambda: len(cloud.readings()) == 2, "both qualities of service")
    sensor.vanish()
    until(
        lambda: [report.status for report in cloud.of(Type.DEVICE_REPORTED)][-1:] == ["offline"], "offline by last will"
    )
    # The broker goes and comes back; the session was persistent.
    mosquitto.stop()
    until(lambda: not edge.status()["broker"]["connected"], "the loss")
    mosquitto.start()
    until(lambda: edge.status()["broker"]["connected"], "the return")


def test_a_broker_that_refuses_the_agent_is_said_and_tried_again(make_edge, tmp_path):
    from edge_mosquitto import MOSQUITTO, Mosquitto

    if MOSQUITTO is None:
        absent("mosquitto", "no mosquitto on this machine: apt-get install mosquitto")
    server = Mosquitto(tmp_path / "strict", allow=False)
    server.start()
    try:
        edge = make_edge(None, broker=f'mode = "external"\nurl = "{server.url}"', more=LOCAL)
        edge.start(wait=False)
        until((edge.data / "run" / "edge.json").exists, "the agent")
        until(lambda: "refuses us" in edge.get("/health")[1].decode(), "the reason")
        server.stop()
        server.allow = True
        server.start()
        until(lambda: edge.status()["broker"]["connected"], "the connection")
    finally:
        server.stop()
