"""Other people's conventions through a real broker: from their envelopes to alarms, device health and found devices."""

import base64
import json
import time
from collections.abc import Iterator

import pytest
from edge_cloud import StandInCloud
from edge_process import EdgeProcess, Publisher, hashed, settings, until

from wire.configuration import DeviceConfig, EdgeDocument
from wire.event import Type
from wire.time import format_instant, now_ms

pytestmark = pytest.mark.broker

SMOKE_EUI, WATER_EUI, STRANGER = "a84041ffff123456", "24e124713b100001", "a84041ffff999999"
AT_ONCE = {"water_depth": {"hold_s": 0, "min_samples": 1}}
IEEE = "0x00158d0001d64498"
SOURCES = """
[[sources]]
use = "chirpstack"
[[sources]]
use = "the_things_stack"
[[sources]]
use = "zigbee2mqtt"
[[sources]]
use = "tasmota"
[[sources]]
use = "shelly"
[[sources]]
use = "esphome"
[[sources]]
use = "senml"
[[sources]]
use = "home_assistant"
states = ["garage/#"]
"""


def device(name: str, profile: str, address: str, **more) -> DeviceConfig:
    return DeviceConfig(id=name, site="s1", profile=profile, address=address, **more)


DEVICES = [
    device("lora-smoke", "yobiiq/sd1001", f"chirpstack:{SMOKE_EUI.upper()}"),
    device("lora-water", "milesight/em500-udl", f"the_things_stack:{WATER_EUI}", rules=AT_ONCE,
           parameters={"mounting_height_m": 4.5}),
    device("zigbee-smoke", "lumi/jtyj-gd-01lm-bw", f"zigbee2mqtt:{IEEE}"),
    device("shelly-smoke", "shelly/plus-smoke", "shelly:shellyplussmoke-a8032ab1fe78", credential=hashed("pw-shelly")),
    device("tasmota-heat", "tasmota/ds18b20", "tasmota:tasmota_A1", credential=hashed("pw-tasmota"),
           rules={"heat_1": {"levels": {"II": {"min_samples": 1}, "I": {"min_samples": 1}}}}),
    device("esp-smoke", "esphome/smoke", "esphome:esp-hall", credential=hashed("pw-esp")),
    device("ha-smoke", "esphome/smoke", "home_assistant:garage-smoke-1"),
    device("senml-water", "senml/water-level", "senml:pump/1", rules=AT_ONCE),
    DeviceConfig(id="native", site="s1", profile="shouwang/smoke"),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[tuple[EdgeProcess, StandInCloud]]:
    """One agent with every source, for all tests of this file."""
    folder = tmp_path_factory.mktemp("edge")
    cloud = StandInCloud(document=EdgeDocument(edge="gw-1", revision=1, devices=DEVICES)).start()
    edge = EdgeProcess(folder, settings(folder, cloud, "port = 0", SOURCES))
    try:
        edge.start()
        until(lambda: edge.status()["devices"] == len(DEVICES), "the device table")
        yield edge, cloud
    finally:
        edge.end()
        cloud.mode = "away"  # ends the watches
        cloud.stop()


@pytest.fixture(scope="module")
def bridge(world):
    client = world[0].bridge()
    yield client
    client.close()


def alarm(cloud: StandInCloud, name: str):
    found = [alert for alert in cloud.alerts if alert.device == name and alert.facts.active]
    return found[0] if found else None


def newest(cloud: StandInCloud, name: str):
    return next((each for each in reversed(cloud.of(Type.DEVICE_REPORTED)) if each.device == name), None)


def health(cloud: StandInCloud, name: str, holds):
    return until(lambda: (report := newest(cloud, name)) and holds(report) and report, f"health of {name}")


def chirpstack(event: str, body: dict, eui: str = SMOKE_EUI) -> tuple[str, dict]:
    info = {"deviceName": "smoke 3F", "deviceProfileName": "EM500-UDL", "devEui": eui}
    return f"application/17c8/device/{eui}/event/{event}", {"deviceInfo": info, "time": format_instant(now_ms())} | body


def up(payload: str, seq: int) -> dict:
    return {
        "deduplicationId": f"3ac7e3c4-{seq}", "fCnt": seq, "fPort": 8,
        "data": base64.b64encode(bytes.fromhex(payload)).decode(), "object": {"alarm": 0},
        "rxInfo": [{"gatewayId": "a", "rssi": -110, "snr": -2.5}, {"gatewayId": "b", "rssi": -71, "snr": 9.2}],
    }  # fmt: skip


def test_chirpstack_uplink_becomes_an_alarm_and_health(world, bridge):
    _, cloud = world
    bridge.publish(*chirpstack("join", {"devAddr": "00189440"}))
    topic, body = chirpstack("up", up("01005F020001030000040000050001060000070000", 1))
    bridge.publish(topic, body)
    bridge.publish(topic, body)  # as a broker does after a lost acknowledgement
    bridge.publish(*chirpstack("status", {"margin": 12, "batteryLevel": 88.5}))
    assert until(lambda: alarm(cloud, "lora-smoke"), "the alarm").facts.level == "III"
    report = health(cloud, "lora-smoke", lambda each: each.battery_percent == 88.5)
    assert (report.status, report.link.rssi_dbm, report.link.snr_db, report.link.margin_db) == ("online", -71, 9.2, 12)
    assert report.joined_at is not None
    until(lambda: cloud.rejections()["duplicate"] == 1, "the repeat")


def test_an_uplink_of_another_port_or_a_broken_envelope_is_seen_with_its_reason(world, bridge):
    edge, _ = world
    bridge.publish(*chirpstack("up", {**up("010001", 2), "fPort": 77}))
    bridge.publish(f"application/17c9/device/{SMOKE_EUI}/event/up", b"{nonsense")

    def details():
        return [each["detail"] for each in edge.status()["last_rejections"]]

    until(lambda: any("port 77" in each for each in details()), "the wrong port")
    until(lambda: any("chirpstack: the envelope is not JSON" in each for each in details()), "the broken envelope")
    assert edge.status()["sources"]["chirpstack"]["errors"] >= 1


def test_a_stranger_is_a_found_device(world, bridge):
    edge, cloud = world
    for number in range(3):
        bridge.publish(*chirpstack("up", up("010001", number), STRANGER))
    found = until(lambda: [each for each in cloud.of(Type.DEVICE_FOUND) if each.address == STRANGER], "the report")
    assert len(found) == 1, "at most one a minute"
    assert (found[0].edge, found[0].source, found[0].name) == ("gw-1", "chirpstack", "smoke 3F")
    assert found[0].suggested_profile == "milesight/em500-udl"
    until(
        lambda: {each["address"]: each["messages"] for each in edge.status()["found_devices"]}.get(
            f"chirpstack:{STRANGER}"
        ) == 3,
        "three messages",
    )  # fmt: skip
    until(lambda: cloud.rejections()["unknown_device"] >= 1, "the side table")


def test_the_things_stack(world, bridge):
    _, cloud = world
    body = {
        "end_device_ids": {"device_id": "udl-1", "dev_eui": WATER_EUI.upper()},
        "uplink_message": {
            "f_port": 85, "f_cnt": 7, "frm_payload": base64.b64encode(bytes.fromhex("01755C0382B80B")).decode(),
            "rx_metadata": [{"rssi": -60, "snr": 8.5}], "received_at": format_instant(now_ms()),
        },
    }  # fmt: skip
    bridge.publish("v3/app1@ttn/devices/udl-1/up", body)
    assert until(lambda: alarm(cloud, "lora-water"), "the alarm").evidence["value"] == pytest.approx(1.5)
    health(cloud, "lora-water", lambda each: each.battery_percent == 92 and each.link and each.link.snr_db == 8.5)


def test_zigbee2mqtt_by_a_name_that_the_bridge_told(world, bridge):
    edge, cloud = world
    bridge.publish(
        "zigbee2mqtt/bridge/devices",
        [{"type": "EndDevice", "ieee_address": IEEE, "friendly_name": "hall/smoke",
          "definition": {"vendor": "Xiaomi", "model": "JTYJ-GD-01LM/BW"}},
         {"type": "EndDevice", "ieee_address": "0x00158d0001d64499", "friendly_name": "spare",
          "definition": {"vendor": "Aqara", "model": "SJCGQ11LM"}}],
        retain=True,
    )  # fmt: skip
    bridge.publish("zigbee2mqtt/hall/smoke/availability", b'{"state":"online"}', retain=True)
    bridge.publish("zigbee2mqtt/hall/smoke", {"smoke": True, "battery": 97, "linkquality": 120})
    assert until(lambda: alarm(cloud, "zigbee-smoke"), "the alarm").facts.level == "III"
    health(cloud, "zigbee-smoke", lambda each: each.battery_percent == 97)
    bridge.publish("zigbee2mqtt/hall/smoke/availability", b'{"state":"offline"}')
    health(cloud, "zigbee-smoke", lambda each: each.status == "offline")
    spare = [each for each in cloud.of(Type.DEVICE_FOUND) if each.address == "0x00158d0001d64499"]
    assert (spare[0].suggested_profile, spare[0].messages) == ("aqara/sjcgq11lm", 0), "announced, silent so far"
    until((edge.data / "announcements.json").exists, "what was learnt is written down")


def test_shelly_speaks_for_itself_and_only_for_itself(world):
    edge, cloud = world
    me = "shellyplussmoke-a8032ab1fe78"
    shelly = edge.client("shelly-smoke", "pw-shelly", will=(f"{me}/online", "false", 1, True))
    assert not shelly.refused

    def rpc(src: str, params: dict) -> dict:
        return {"src": src, "dst": "x/events", "method": "NotifyStatus", "params": {"ts": now_ms() / 1000} | params}

    shelly.publish(f"{me}/online", "true", retain=True)
    shelly.publish("shellyplussmoke-other/events/rpc", rpc("shellyplussmoke-other", {}))
    shelly.publish(f"{me}/events/rpc", rpc(me, {"wifi": {"rssi": -61}}))  # nothing of interest changed
    shelly.publish(f"{me}/events/rpc", rpc(me, {"devicepower:0": {"battery": {"V": 3.0, "percent": 96}}}))
    shelly.publish(f"{me}/events/rpc", rpc(me, {"smoke:0": {"id": 0, "alarm": True}}))
    assert until(lambda: alarm(cloud, "shelly-smoke"), "the alarm").rule == "device_alarm"
    health(cloud, "shelly-smoke", lambda each: each.battery_percent == 96 and each.link and each.link.rssi_dbm == -61)
    assert shelly.subscribe(f"{me}/rpc")
    assert not shelly.subscribe("shellyplussmoke-other/rpc")
    shelly.vanish()
    health(cloud, "shelly-smoke", lambda each: each.status == "offline")
    assert not [each for each in cloud.of(Type.DEVICE_FOUND) if "other" in each.address]


def test_tasmota(world):
    edge, cloud = world
    tasmota = edge.client("tasmota-heat", "pw-tasmota")
    tasmota.publish("tele/tasmota_A1/LWT", "Online", retain=True)
    tasmota.publish("tele/tasmota_A1/STATE", {"Time": "2026-11-22T14:32:51", "Wifi": {"RSSI": 84, "Signal": -58}})
    tasmota.publish("tele/tasmota_B2/SENSOR", {"DS18B20-1": {"Temperature": 99}})  # not its own
    body = {"Time": "2026-11-22T14:32:51", "DS18B20-1": {"Temperature": 71.5}, "TempUnit": "C"}
    tasmota.publish("tele/tasmota_A1/SENSOR", body)
    assert until(lambda: alarm(cloud, "tasmota-heat"), "the alarm").rule == "heat_1"
    health(cloud, "tasmota-heat", lambda each: each.link and each.link.rssi_dbm == -58)
    assert not [each for each in cloud.of(Type.DEVICE_FOUND) if each.source == "tasmota"]
    tasmota.close()


def test_esphome_one_value_a_topic(world):
    edge, cloud = world
    esp = edge.client("esp-smoke", "pw-esp")
    esp.publish("esp-hall/status", "online", retain=True)
    esp.publish("esp-hall/sensor/temperature/state", "21.6")
    esp.publish("esp-hall/sensor/uptime/state", "3600")
    esp.publish("esp-hall/binary_sensor/smoke/state", "ON")
    until(lambda: alarm(cloud, "esp-smoke"), "the alarm")
    health(cloud, "esp-smoke", lambda each: each.values.get("temperature") == 21.6)
    rejected = [each.detail for each in cloud.of(Type.READING_REJECTED) if each.device == "esp-smoke"]
    assert rejected == [], "an entity that the profile does not know is nothing wrong"
    esp.close()


def test_home_assistant_discovery(world, bridge):
    _, cloud = world
    about = {"ids": ["garage-smoke-1"], "mf": "Nobody", "mdl": "Smoke 1", "name": "Garage"}
    for object_id, more in {
        "smoke": {"dev_cla": "smoke", "pl_on": "alarm", "pl_off": "quiet", "val_tpl": "{{ value_json.state }}"},
        "temperature": {"dev_cla": "temperature", "val_tpl": "{{ value_json['t'] | float }}"},
    }.items():
        kind = "binary_sensor" if object_id == "smoke" else "sensor"
        config = {"~": "garage/1", "stat_t": "~/state", "avty_t": "~/available", "dev": about, "uniq_id": object_id}
        bridge.publish(f"homeassistant/{kind}/garage/{object_id}/config", config | more, retain=True)
    bridge.publish("homeassistant/sensor/x/config", {"stat_t": "elsewhere/x", "dev": about})
    bridge.publish("garage/1/available", "online", retain=True)
    bridge.publish("garage/1/state", {"state": "alarm", "t": "23.5"})
    until(lambda: alarm(cloud, "ha-smoke"), "the alarm")
    health(cloud, "ha-smoke", lambda each: each.values.get("temperature") == 23.5)
    until(
        lambda: any("under none of the `states`" in each.detail for each in cloud.of(Type.READING_REJECTED)),
        "a stranger's topic is refused, visibly",
    )


def test_senml_in_cbor_and_json_with_records_of_the_past(world, bridge):
    _, cloud = world
    at = now_ms() / 1000
    pack = [
        {"bn": "urn:dev:mac:1:", "bt": at, "n": "level", "u": "m", "t": -60, "v": 0.12},
        {"n": "level", "u": "m", "t": -30, "v": 0.31},
        {"n": "level", "u": "m", "v": 0.01},
    ]
    bridge.publish("senml/pump/1", pack)

    def told() -> list:
        return [each for each in cloud.alerts if each.device == "senml-water"]

    # one wet reading alone is not believed; two are, late as they come
    [one] = until(told, "the alert of what was measured in the past")
    assert (one.verb, one.facts.level) == ("raised", "II")
    assert (one.evidence["value"], one.evidence["lane"]) == (0.31, "late")
    readings = until(
        lambda: (found := [key for key in cloud.readings() if key[1] == "senml-water"]) and len(found) == 3 and found,
        "all three",
    )
    assert sorted(round(at * 1000 - ts, -3) for *_, ts in readings) == [0, 30_000, 60_000]
    assert health(cloud, "senml-water", lambda each: "level" in each.values).values["level"] == 0.01
    bridge.publish("senml/pump/1", pack)  # again: all of it was taken already
    time.sleep(0.3)
    assert sum(count for key, count in cloud.readings().items() if key[1] == "senml-water") == 3


def test_the_bridge_may_say_what_its_sources_say_and_nothing_else(world, bridge):
    edge, cloud = world
    before = len(cloud.rejections())
    for topic in ("exercise/d/sensors/s1/native/telemetry", "sensors/s1/native/command", "other/topic", "garage"):
        bridge.publish(topic, {"obscuration": 9})
    assert bridge.subscribe("application/+/device/+/command/#")
    assert bridge.subscribe("zigbee2mqtt/#")
    for topic in ("exercise/#", "sensors/#", "#", "shellyplussmoke-a8032ab1fe78/rpc"):
        assert not bridge.subscribe(topic), topic
    bridge.publish("sensors/s1/native/telemetry", {"ts": now_ms(), "obscuration": 0.01})
    until(lambda: any(key[1] == "native" for key in cloud.readings()), "the native reading")
    assert {key[0] for key in cloud.readings()} == {None}
    assert len(cloud.rejections()) == before
    facts = edge.status()["sources"]
    assert {name: each["devices"] for name, each in facts.items()} == dict.fromkeys(facts, 1)


def test_what_was_announced_is_known_after_a_restart(world):
    """The first message may come before the bridge repeats its announcements."""
    edge, cloud = world
    until(lambda: len(json.loads((edge.data / "announcements.json").read_text())) >= 3, "all that was learnt")
    edge.kill()
    before = len([each for each in cloud.readings() if each[1] == "ha-smoke"])
    edge.start()
    bridge = edge.bridge()
    bridge.publish("garage/1/state", {"state": "quiet", "t": 20})
    bridge.close()
    until(lambda: len([each for each in cloud.readings() if each[1] == "ha-smoke"]) >= before + 2, "its readings")


def test_a_broker_of_somebody_elses(tmp_path, mosquitto):
    """Mosquitto beside a network server, without [cloud]; names with spaces; QoS 0 as The Things Stack has it."""
    text = settings(tmp_path, None, f'mode = "external"\nurl = "{mosquitto.url}"') + (
        '[[sources]]\nuse = "zigbee2mqtt"\nprefix = "z2m"\n[[sources]]\nuse = "the_things_stack"\n'
        '[[devices]]\nid = "a"\nsite = "s1"\nprofile = "lumi/jtyj-gd-01lm-bw"\n'
        'address = "zigbee2mqtt:Kitchen smoke/1.OG"\n'
        f'[[devices]]\nid = "b"\nsite = "s1"\nprofile = "yobiiq/sd1001"\naddress = "the_things_stack:{SMOKE_EUI}"\n'
        '[[devices]]\nid = "c"\nsite = "s1"\nprofile = "yobiiq/sd1001"\naddress = "chirpstack:1"\n'
    )
    edge = EdgeProcess(tmp_path, text)
    try:
        edge.start()
        client = Publisher(mosquitto.url)
        client.publish("z2m/Kitchen smoke/1.OG", {"smoke": True})
        body = {"end_device_ids": {"dev_eui": SMOKE_EUI}, "uplink_message": {"f_port": 8, "frm_payload": "BQAB"}}
        client.publish("v3/app1/devices/smoke/up", body, qos=0)
        until(
            lambda: {each["alarm_id"] for each in edge.status()["alarms"]} == {"a:device_alarm", "b:device_alarm"},
            "both alarms",
        )
        [note] = edge.status()["not_heard"]
        assert note.startswith("c is not heard: address 'chirpstack:1': source 'chirpstack' is not in use here")
        client.close()
    finally:
        edge.end()
