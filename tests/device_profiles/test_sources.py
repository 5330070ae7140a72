"""Sources: whose message it is, what sort, and the device's own bytes – for each convention in its real envelopes."""

import base64
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_messages import EUI, PAYLOADS, TOPICS

from device_profiles.sources.source import Envelope, SourceError, Sources, UnknownSourceError, Use, address_key
from device_profiles.sources.topic_pattern import PatternError, TopicPattern, covers, fewest

ALL = Sources.load(
    *(Use(name) for name in Sources.load().names() if name != "home_assistant"),
    Use("home_assistant", states=("zigbee2mqtt/#", "node1/#", "garage/#")),
)


def opened(topic, payload, sources=ALL):
    match = sources.match(topic)
    assert match is not None, topic
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return match, sources.open(match, body)


def envelope(topic, payload, sources=ALL) -> Envelope:
    match, found = opened(topic, payload, sources)
    assert isinstance(found, Envelope), found
    for each in (found, *found.more):
        sources.learn(match, each)
    return found


def refused(topic, payload, sources=ALL) -> str:
    found = opened(topic, payload, sources)[1]
    assert isinstance(found, SourceError), found
    return found.detail


# --- ChirpStack -------------------------------------------------------------------------------------------------------


def chirpstack(event, body, eui=EUI):
    return envelope(f"application/17c8/device/{eui}/event/{event}", body)


UPLINK = {
    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    "time": "2026-11-22T06:32:51.250113+00:00",
    "deviceInfo": {"deviceName": "smoke 3F", "deviceProfileName": "SD-1001", "devEui": EUI},
    "devAddr": "00189440", "adr": True, "dr": 1, "fCnt": 12, "fPort": 8, "confirmed": False,
    "data": "BQAB", "object": {"alarm": "lies of somebody's codec"},
    "rxInfo": [{"gatewayId": "a", "rssi": -110, "snr": -2.5}, {"gatewayId": "b", "rssi": -71, "snr": 9.2}],
}  # fmt: skip


def test_chirpstack_uplink():
    found = chirpstack("up", UPLINK)
    assert (found.address, found.kind, found.payload, found.fport, found.seq) == (EUI, "up", b"\5\0\1", 8, 12)
    assert found.ts == 1_795_329_171_250
    assert (found.link.rssi_dbm, found.link.snr_db) == (-71, 9.2), "of the gateway that heard it best"
    assert (found.name, found.model) == ("smoke 3F", "SD-1001")


def test_chirpstack_addresses_are_normalised():
    assert chirpstack("up", UPLINK, "A8-40-41-FF-FF-12-34-56").address == EUI
    assert address_key("chirpstack: A84041FFFF123456", ALL) == f"chirpstack:{EUI}"


def test_chirpstack_uplink_without_a_payload_is_a_sign_of_life():
    body = {key: value for key, value in UPLINK.items() if key not in ("data", "fPort")}
    found = chirpstack("up", body)
    assert (found.kind, found.status, found.payload) == ("status", "online", b"")
    assert found.link is not None


def test_chirpstack_status_tells_battery_and_margin():
    found = chirpstack("status", {"margin": 10, "batteryLevel": 88.3})
    assert (found.kind, found.battery_percent, found.link.margin_db, found.status) == ("status", 88.3, 10, "online")


@pytest.mark.parametrize("mains", ["externalPowerSource", "batteryLevelUnavailable"])
def test_chirpstack_knows_no_battery_where_there_is_none(mains):
    assert chirpstack("status", {"margin": 10, mains: True, "batteryLevel": 0.0}).battery_percent is None


@pytest.mark.parametrize("event", ["ack", "txack", "log", "location", "integration"])
def test_chirpstack_events_that_say_nothing_of_the_device(event):
    assert chirpstack(event, {"anything": 1}).kind == "ignored"


def test_chirpstack_mistakes_are_said():
    topic = f"application/1/device/{EUI}/event/"
    assert "not JSON" in refused(topic + "up", b"{")
    assert "not base64" in refused(topic + "up", {"data": "*"})
    assert "'error' is none of" in refused(topic + "error", {})


@pytest.mark.realdata
def test_the_recorded_chirpstack_events(data_dir):
    for each in json.loads((data_dir / "payloads" / "chirpstack_v4_events.json").read_text(encoding="utf-8")):
        kind = each["section"].split("`")[1]
        found = chirpstack(kind, each["event"], each["event"]["deviceInfo"]["devEui"])
        assert found.kind == (kind if kind in ("up", "status", "join") else "ignored")
        if kind == "up":
            assert (found.payload, found.fport, found.ts) == (b"\xaa", 1, 1_658_136_855_775)
            assert (found.link.rssi_dbm, found.link.snr_db) == (-36, 10.5)
        if kind == "status":
            assert (found.battery_percent, found.link.margin_db) == (88.3, 10)


# --- The Things Stack -------------------------------------------------------------------------------------------------

THINGS = {
    "end_device_ids": {"device_id": "udl-1", "application_ids": {"application_id": "app1"}, "dev_eui": EUI.upper()},
    "received_at": "2026-11-22T06:32:51.900Z",
    "uplink_message": {
        "f_port": 85, "f_cnt": 7, "frm_payload": base64.b64encode(bytes.fromhex("01755C03821E00")).decode(),
        "decoded_payload": {"distance": -1},
        "rx_metadata": [{"rssi": -90, "snr": 3}, {"rssi": -60, "channel_rssi": -60, "snr": 8.5}],
        "received_at": "2026-11-22T06:32:51.250Z",
        "last_battery_percentage": {"f_cnt": 6, "value": 94.1, "received_at": "2026-11-22T06:00:00Z"},
        "version_ids": {"brand_id": "milesight-iot", "model_id": "em500-udl"},
    },
}  # fmt: skip


def things(event, body):
    return envelope(f"v3/app1@ttn/devices/udl-1/{event}", body)


def test_the_things_stack_uplink():
    found = things("up", THINGS)
    assert (found.address, found.aliases, found.fport, found.seq) == (EUI, ("udl-1",), 85, 7)
    assert found.payload.hex() == "01755c03821e00"
    assert (found.ts, found.battery_percent) == (1_795_329_171_250, 94.1)
    assert (found.link.rssi_dbm, found.link.snr_db) == (-60, 8.5)
    assert (found.name, found.vendor, found.model) == ("udl-1", "milesight-iot", "em500-udl")


def test_the_things_stack_join_and_downlinks():
    body = {**THINGS, "uplink_message": None, "join_accept": {"received_at": "2026-11-22T06:32:51.250Z"}}
    assert (things("join", body).kind, things("join", body).ts) == ("join", 1_795_329_171_250)
    for event in ("down/queued", "down/ack", "location/solved", "service/data"):
        assert things(event, body).kind == "ignored"


def test_an_uplink_that_somebody_simulated_in_the_console_is_not_the_devices():
    assert "simulated" in refused("v3/app1@ttn/devices/udl-1/up", {**THINGS, "simulated": True})


def test_a_device_without_an_eui_goes_by_its_name():
    body = {**THINGS, "end_device_ids": {"device_id": "abp-1"}}
    assert envelope("v3/app1/devices/abp-1/up", body).address == "abp-1"


# --- Zigbee2MQTT ------------------------------------------------------------------------------------------------------


def test_zigbee2mqtt_states_of_friendly_names_with_slashes():
    found = envelope("zigbee2mqtt/kitchen/smoke", {"smoke": True, "battery": 97, "linkquality": 120})
    assert (found.address, found.kind, found.battery_percent, found.link.lqi) == ("kitchen/smoke", "up", 97, 120)
    assert json.loads(found.payload)["smoke"] is True


@pytest.mark.parametrize("payload", [b"online", b'{"state":"online"}'])
def test_zigbee2mqtt_availability_plain_and_json(payload):
    found = envelope("zigbee2mqtt/kitchen/smoke/availability", payload)
    assert (found.address, found.kind, found.status) == ("kitchen/smoke", "status", "online")
    assert envelope("zigbee2mqtt/kitchen/smoke/availability", payload.replace(b"on", b"off", 1)).status == "offline"


def test_zigbee2mqtt_requests_are_not_readings():
    for topic in ("kitchen/smoke/set", "kitchen/smoke/get", "bridge/logging", "bridge/request/permit_join"):
        assert envelope(f"zigbee2mqtt/{topic}", {"state": ""}).kind == "ignored"


def test_zigbee2mqtt_tells_which_name_is_which_device():
    sources = Sources.load(Use("zigbee2mqtt", prefix="z2m"))
    found = envelope(
        "z2m/bridge/devices",
        [
            {"type": "Coordinator", "ieee_address": "0x00124b0000000000", "friendly_name": "Coordinator"},
            {"type": "EndDevice", "ieee_address": "0x00158D0001D64498", "friendly_name": "hall/smoke",
             "definition": {"vendor": "Xiaomi", "model": "JTYJ-GD-01LM/BW"}, "model_id": "lumi.sensor_smoke"},
            "nonsense",
            {"type": "EndDevice", "ieee_address": "0x00158d0001d64499", "friendly_name": "leak", "definition": None},
        ],
        sources,
    )  # fmt: skip
    assert [each.address for each in (found, *found.more)] == ["0x00158d0001d64498", "0x00158d0001d64499"]
    assert (found.kind, found.vendor, found.model) == ("announce", "Xiaomi", "JTYJ-GD-01LM/BW")
    match, state = opened("z2m/hall/smoke", {"smoke": False}, sources)
    assert "0x00158d0001d64498" in list(sources["zigbee2mqtt"].addresses(state))
    assert sources.canonical(match, state) == "zigbee2mqtt:0x00158d0001d64498"
    joined = envelope(
        "z2m/bridge/event",
        {"type": "device_joined", "data": {"friendly_name": "0xa", "ieee_address": "0x00158d0001d6449a"}},
        sources,
    )
    assert (joined.kind, joined.address, joined.status) == ("join", "0x00158d0001d6449a", "online")
    assert envelope("z2m/bridge/event", {"type": "device_interview", "data": {"status": "started"}}, sources).kind == (
        "ignored"
    )
    left = {"type": "device_leave", "data": {"ieee_address": "0x00158d0001d6449a", "friendly_name": "x"}}
    assert envelope("z2m/bridge/event", left, sources).status == "offline"


# --- Tasmota, Shelly, ESPHome, SenML ----------------------------------------------------------------------------------


def test_tasmota():
    body = {"Time": "2026-11-22T14:32:51", "Switch1": "ON", "AM2301": {"Temperature": 21.4}}
    for topic in ("tele/tasmota_A1/SENSOR", "tasmota_A1/tele/SENSOR"):
        found = envelope(topic, body)
        assert (found.address, found.kind, found.ts) == ("tasmota_A1", "up", None), "its time has no offset"
    assert json.loads(envelope("stat/tasmota_A1/STATUS8", {"StatusSNS": body}).payload) == body
    state = envelope("tele/tasmota_A1/STATE", {"Vcc": 3.1, "Wifi": {"RSSI": 84, "Signal": -58}})
    assert state.link.rssi_dbm == -58
    assert envelope("tele/tasmota_A1/LWT", b"Online").status == "online"
    assert envelope("tele/tasmota_A1/LWT", b"Offline").status == "offline"
    told = envelope(
        "tasmota/discovery/A4CF12000001/config",
        {
            "ip": "192.0.2.7",
            "dn": "Smoke",
            "t": "tasmota_A1",
            "md": "Generic",
            "mac": "A4CF12000001",
            "ft": "%prefix%/",
        },
    )
    assert (told.kind, told.address, told.name, told.model) == ("announce", "tasmota_A1", "Smoke", "Generic")


def test_shelly():
    frame = {"src": "shellyplussmoke-a8", "dst": "x", "method": "NotifyStatus",
             "params": {"ts": 1795329171.25, "smoke:0": {"id": 0, "alarm": True, "mute": False}}}  # fmt: skip
    found = envelope("shellyplussmoke-a8/events/rpc", frame)
    assert (found.address, found.kind, found.ts, found.partial) == ("shellyplussmoke-a8", "up", 1_795_329_171_250, True)
    assert json.loads(found.payload) == frame
    full = {**frame, "method": "NotifyFullStatus",
            "params": {"ts": 1.0, "devicepower:0": {"battery": {"percent": 96}}, "wifi": {"rssi": -61}}}  # fmt: skip
    found = envelope("home-1/events/rpc", full)
    assert (found.address, found.aliases) == ("home-1", ("shellyplussmoke-a8",)), "its topic may be called otherwise"
    assert (found.battery_percent, found.link.rssi_dbm) == (96, -61)
    assert found.ts is None, "seconds since it woke up are no time"
    assert envelope("shellyplussmoke-a8/online", b"false").status == "offline"
    part = envelope("shellyplussmoke-a8/status/smoke:0", {"id": 0, "alarm": True})
    assert json.loads(part.payload) == {"params": {"smoke:0": {"id": 0, "alarm": True}}}
    assert envelope("x/events/rpc", {"src": "x", "method": "Other"}).kind == "ignored"


@pytest.mark.parametrize(
    ("word", "value"), [(b"ON", "ON"), (b"23.5", 23.5), (b"-4", -4), (b"nan", "nan"), (b"1_0", "1_0")]
)
def test_esphome_values_stand_alone_on_their_topics(word, value):
    found = envelope("esp-node/binary_sensor/smoke_alarm/state", word)
    assert (found.address, json.loads(found.payload), found.partial) == ("esp-node", {"smoke_alarm": value}, True)


def test_esphome_status_and_discovery():
    assert envelope("esp-node/status", b"offline").status == "offline"
    assert envelope("esp-node/light/lamp/state", b"{}").kind == "ignored"
    told = envelope("esphome/discover/esp-node", {"ip": "192.0.2.9", "name": "esp-node", "board": "esp32dev"})
    assert (told.address, told.name, told.model) == ("esp-node", "esp-node", "esp32dev")


def test_senml_packs_are_handed_on_as_they_are():
    found = envelope("senml/urn:dev:mac:0024befffe804ff1", b"\x81\xa1")
    assert (found.address, found.kind, found.payload) == ("urn:dev:mac:0024befffe804ff1", "up", b"\x81\xa1")


@pytest.mark.realdata
def test_the_recorded_messages(data_dir):
    for each in json.loads((data_dir / "payloads" / "mqtt_payload_samples.json").read_text(encoding="utf-8")):
        found = envelope(each["topic"].replace("<id>", "shellyplusht-b8d61a8b17cc"), each["payload"])
        if each["family"] == "zigbee2mqtt":
            assert (found.address, found.aliases, found.link.lqi) == ("Smoke", ("0x00158d0001d64498",), 81)
        if each["family"] == "shelly-gen2":
            assert (found.battery_percent, found.ts) == (0, 1_680_962_879_620)
        if each["family"] == "zigbee2mqtt-homeassistant-discovery":
            assert found.kind == "announce"
            assert found.vendor == "Climax"
            told = Sources.load(Use("home_assistant", states=("zigbee2mqtt/#",)))
            envelope(each["topic"], each["payload"], told)
            state = envelope(each["payload"]["state_topic"], {"smoke": True, "battery": 97}, told)
            assert state.address == "zigbee2mqtt_0x00124b00168change"
            assert json.loads(state.payload) == {"smoke": True, "binary_sensor.smoke": True}
            away = envelope("zigbee2mqtt/0x00124b00168change/availability", b"offline", told)
            assert (away.address, away.status) == ("zigbee2mqtt_0x00124b00168change", "offline")


# --- what holds for all -----------------------------------------------------------------------------------------------


def test_a_prefix_replaces_the_usual_one():
    sources = Sources.load(Use("zigbee2mqtt", prefix="site-a/z2m"), Use("chirpstack", prefix="eu868/"))
    assert sources.filters == ["site-a/z2m/#", "eu868/application/+/device/+/event/+"]
    assert sources.match("zigbee2mqtt/x") is None
    assert sources.match("site-a/z2m/x").captures == {"address": "x"}


def test_what_is_native_is_nobody_elses():
    for topic in ("sensors/s1/smoke-1/telemetry", "exercise/drl-1/sensors/s1/smoke-1/status"):
        assert ALL.match(topic).source == "native"
    assert ALL.match("tele/x/LWT").source == "tasmota", "a name of its own goes before a wildcard"


def test_an_unknown_source_names_those_there_are():
    with pytest.raises(UnknownSourceError, match="there is no source 'chirpstak'; there are chirpstack, esphome"):
        Sources.load(Use("chirpstak"))


@pytest.mark.parametrize("address", ["chirpstack", "chirpstack:", "nobody:1", ""])
def test_addresses_that_are_none(address):
    with pytest.raises(ValueError, match="address"):
        address_key(address, ALL)


def test_a_megabyte_is_refused_unread():
    assert "bytes" in refused("zigbee2mqtt/x", b" " * (1 << 20))


def test_patterns():
    pattern = TopicPattern("a/{x}/{rest...}/end")
    assert pattern.match("a/1/2/3/end") == {"x": "1", "rest": "2/3"}
    assert pattern.match("a/1/end") is None
    assert pattern.filter() == "a/+/#"
    for wrong in ("", "a//b", "a/#", "a/{x}/{x}", "a/{X}", "a/b{x}", "{a...}/{b...}"):
        with pytest.raises(PatternError):
            TopicPattern(wrong)


def test_filters_that_others_cover_are_left_out():
    assert fewest(["a/+", "a/b", "a/#", "+/status", "c/status", "a/#"]) == ["a/#", "+/status"]
    assert not covers("+/status", "a/+")
    assert not covers("#", "$SYS/x")


def is_whole(found):
    for each in (found, *found.more):
        assert each.kind == "ignored" or (each.address and each.address.isprintable())
        assert each.payload == b"" or each.kind in ("up", "announce")
        assert each.fport is None or 0 <= each.fport <= 255
        assert each.battery_percent is None or 0 <= each.battery_percent <= 100
        msgspec.json.encode(msgspec.structs.replace(each, payload=b"", more=()))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(TOPICS), PAYLOADS)
def test_no_message_of_a_source_raises_anything(topic, payload):
    match, found = opened(topic, payload)
    if isinstance(found, SourceError):
        assert found.detail
        return
    is_whole(found)
    for each in (found, *found.more):
        ALL.learn(match, each)
        list(ALL[match.source].addresses(each))
    for learnt in ("garage/x", "node1/x"):
        if (again := ALL.match(learnt)) is not None:
            state = ALL.open(again, payload)
            if isinstance(state, Envelope):
                is_whole(state)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_no_topic_raises_anything(topic):
    ALL.match(topic)


def test_an_envelope_of_a_thousand_levels():
    for payload in (b"[" * 100_000, b'{"data":' * 50_000, b'{"a":' * 400 + b"1" + b"}" * 400):
        for topic in TOPICS:
            opened(topic, payload)
