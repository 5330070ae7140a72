"""Actions over real brokers, with a siren that is a client of its own: with a cloud, without one, over a kill -9."""

import json
import threading

import msgspec
import pytest
from edge_cloud import StandInCloud
from edge_process import Publisher, until
from plain_smoke import PLAIN_SMOKE

from wire.action import ActionConfig, Cause, Command, Confirmation, Drive
from wire.configuration import Decision, DeviceConfig, EdgeDocument
from wire.event import Type
from wire.time import now_ms, to_datetime

pytestmark = pytest.mark.broker
SMOKE = DeviceConfig(id="smoke", site="s1", profile="shouwang/smoke", rules={"smoke": PLAIN_SMOKE, "silence": None})
SIREN = ActionConfig(
    id="siren", site="s1", kind="siren", max_on_s=60.0, causes=[Cause()],
    on=Command(topic="plant/siren/set", payload="on"), off=Command(topic="plant/siren/set", payload="off"),
    confirm=Confirmation(topic="plant/siren/state", within_s=1.0, retries=2),
)  # fmt: skip


class Siren:
    """Does what it is told and says so; `deaf`: it does neither."""

    def __init__(self, client: Publisher) -> None:
        self.client = client
        self.on = False
        self.deaf = False
        self.told: list[str] = []
        self.moved = threading.Event()
        client.client.on_message = self._command
        assert client.subscribe("plant/siren/set")

    def _command(self, _client, _user, message) -> None:
        self.told.append(message.payload.decode())
        if not self.deaf:
            self.on = message.payload == b"on"
            self.client.client.publish("plant/siren/state", "ON" if self.on else "OFF", 1)
            self.moved.set()


def burn(client: Publisher) -> None:
    """A fire, ten seconds a reading, ending about now: level II and worse."""
    start = now_ms() - 50_000
    for index in range(6):
        client.publish("sensors/s1/smoke/telemetry", {"ts": start + index * 10_000, "seq": index, "obscuration": 0.5})


def inline(value) -> str:
    """As TOML in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {inline(each)}" for key, each in value.items() if each is not None) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


def reports(cloud):
    return [(each.verb, each.move, each.reason) for each in cloud.of(Type.ACTION_REPORTED)]


def test_mosquitto_a_siren_sounds_at_once_fails_is_reported_and_survives_a_kill(cloud, make_edge, mosquitto):
    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[SMOKE], actions=[SIREN])
    edge = make_edge(cloud, broker=f'mode = "external"\nurl = "{mosquitto.url}"').start()
    until(lambda: edge.status()["configuration"]["revision"] == 1, "the configuration")
    plant, sensor = Publisher(mosquitto.url), Publisher(mosquitto.url)
    siren = Siren(plant)
    siren.deaf = True
    until(lambda: edge.status()["actions"], "the action")
    burn(sensor)
    until(lambda: siren.told, "a command", 5)
    until(lambda: ("failed", "on", "alarm") in reports(cloud), "that it failed", 10)
    assert siren.told.count("on") == 3, "three tries"
    assert any("siren" in problem for problem in edge.status()["problems"])
    assert edge.get("/health")[0] == 503
    edge.kill()  # the siren is wanted on, and is not
    siren.deaf = False
    siren.moved.clear()
    edge.start()
    assert siren.moved.wait(10), "told again after the kill"
    until(lambda: edge.status()["actions"][0]["state"] == "on", "confirmed")
    edge.kill()
    edge.start()
    assert edge.status()["actions"][0]["on"], "known after the restart"
    decision = Decision(
        id="dec-1", verb="switch_off", alarm_id="action:siren", episode=0, author="li",
        issued_at=to_datetime(now_ms()), expires_at=to_datetime(now_ms() + 60_000),
    )  # fmt: skip
    cloud.change("decision", decision.id, decision)
    until(lambda: not siren.on, "silenced by a person", 10)
    until(lambda: ("confirmed", "off", "decision") in reports(cloud), "its report")
    assert reports(cloud).count(("commanded", "on", "alarm")) == 1
    for client in (plant, sensor):
        client.close()


def test_the_embedded_broker_lets_only_the_agent_command_and_takes_an_action_that_comes_later(make_edge, tmp_path):
    cloud = StandInCloud().start()
    try:
        cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[SMOKE])
        edge = make_edge(cloud).start()
        until(lambda: edge.status()["devices"] == 1, "the device")
        native = msgspec.structs.replace(
            SIREN, on=None, off=None, confirm=None, drive=Drive(use="native", address="s1/horn")
        )
        cloud.change("action", "siren", native)
        until(lambda: edge.status()["actions"], "the action")
        bridge = edge.bridge()
        told = []
        bridge.client.on_message = lambda _c, _u, message: told.append(message)
        assert bridge.subscribe("sensors/s1/horn/command")
        cloud.mode = "away"
        burn(bridge)
        until(lambda: told, "a command while the cloud is away", 10)
        assert json.loads(told[0].payload) == {"on": True}
        bridge.publish("sensors/s1/horn/telemetry", {"on": 1})
        until(lambda: edge.status()["actions"][0]["state"] == "on", "confirmed by its telemetry", 10)
        bridge.close()
    finally:
        cloud.mode = "away"
        cloud.stop()


def test_an_edge_without_a_cloud_has_its_actions_in_its_file(make_edge, mosquitto):
    more = """
[[devices]]
id = "smoke"
site = "s1"
profile = "shouwang/smoke"
rules.smoke = {PLAIN}
[[actions]]
id = "siren"
site = "s1"
kind = "siren"
max_on_s = 1.5
causes = [{level = "II"}]
on = {topic = "plant/siren/set", payload = "on"}
off = {topic = "plant/siren/set", payload = "off"}
confirm = {topic = "plant/siren/state"}
"""
    more = more.replace("{PLAIN}", inline(PLAIN_SMOKE))
    edge = make_edge(None, broker=f'mode = "external"\nurl = "{mosquitto.url}"', more=more).start()
    plant, sensor = Publisher(mosquitto.url), Publisher(mosquitto.url)
    siren = Siren(plant)
    burn(sensor)
    until(lambda: siren.told[:1] == ["on"], "on", 10)
    until(lambda: siren.told[-1] == "off", "off by its time limit", 10)
    assert edge.status()["actions"][0]["on"] is False
    for client in (plant, sensor):
        client.close()
