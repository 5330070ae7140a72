"""What real devices published over MQTT decodes to what they meant, and what bridges publish beside it does no harm."""

import json

import pytest
from msgspec import json as fast_json

from device_profiles.decoder import DecodeError
from device_profiles.library import Library
from device_profiles.sources.source import Envelope, Sources, Use

pytestmark = pytest.mark.realdata

LIBRARY = Library.load()


@pytest.fixture(scope="module")
def samples(data_dir):
    rows = json.loads((data_dir / "payloads" / "mqtt_payload_samples.json").read_text(encoding="utf-8"))
    return {row["family"]: row for row in rows}


def decoded(name, payload, **parameters):
    """The message and its values by point, those that are there."""
    decoder = LIBRARY[name].decoder(parameters)
    message = decoder.decode(payload if isinstance(payload, bytes) else fast_json.encode(payload))
    values = zip(decoder.points, message.values, strict=True)
    return message, {point.name: value for point, value in values if value is not None}


def test_a_smoke_detector_as_zigbee2mqtt_published_it(samples):
    message, values = decoded("lumi/jtyj-gd-01lm-bw", samples["zigbee2mqtt"]["payload"])
    assert values == {"alarm": 0.0, "battery": 100.0, "voltage": 3.075, "link_quality": 81.0}
    assert message.events == ()
    assert message.problems == ()


def test_a_shelly_thermometer_as_it_published_it(samples):
    message, values = decoded("shelly/plus-ht", samples["shelly-gen2"]["payload"])
    assert values.pop("reserve") == 100.0  # it hangs on a plug, without cells
    assert values == {"temperature": 19.8, "humidity": 42.2, "external_power": 1.0, "battery": 0.0, "voltage": 0.43}
    assert message.ts == 1680962879620
    assert message.problems == ()


def test_the_announcement_of_a_device_is_no_reading_of_it(samples):
    row = samples["zigbee2mqtt-homeassistant-discovery"]
    message, values = decoded("climax/sd-8sczbs", row["payload"])
    assert values == {}
    assert [code for _, code, _ in message.problems] == ["nothing_known"]


@pytest.mark.parametrize(
    ("name", "payload", "events"),
    [
        ("aqara/jy-gz-01aq", {"smoke": True, "smoke_density": 4, "smoke_density_dbm": 0.095}, ("alarm",)),
        ("heiman/hs1sa", {"smoke": True, "tamper": False, "battery_low": False, "test": False}, ("alarm",)),
        ("heiman/hs1ca-e", {"carbon_monoxide": True, "tamper": False, "battery_low": False}, ("alarm",)),
        ("heiman/hs3cg", {"gas": True, "tamper": False, "battery_low": False}, ("alarm",)),
        ("heiman/hs1wl", {"water_leak": True, "tamper": False, "battery_low": False}, ("alarm",)),
        ("climax/sd-8sczbs", {"smoke": True, "tamper": True, "trouble": False, "test": False}, ("alarm", "tamper")),
        ("develco/smszb-120", {"smoke": True, "test": False, "restore_reports": True}, ("alarm",)),
        ("tuya/ts0205", {"smoke": True, "tamper": True}, ("alarm", "tamper")),
        ("aqara/sjcgq11lm", {"water_leak": True, "battery_low": False}, ("alarm",)),
        ("aqara/sjcgq12lm", {"water_leak": True, "tamper": True, "battery_low": False}, ("alarm", "tamper")),
        ("ikea/e2202", {"water_leak": True}, ("alarm",)),
        ("sonoff/snzb-05p", {"water_leak": True, "battery_low": True}, ("alarm", "low_battery")),
        ("third-reality/3rws18bz", {"water_leak": True, "battery_low": True}, ("alarm", "low_battery")),
        ("tuya/ts0207", {"water_leak": False, "tamper": True, "battery_low": False}, ("tamper",)),
    ],
)
def test_what_the_converters_of_zigbee2mqtt_make_of_an_alarm(name, payload, events):
    """The payloads came out of its converters when they were fed the alarm bits of the zone status."""
    message, _ = decoded(name, payload)
    assert message.events == events
    assert message.problems == ()


ZIGBEE = sorted(
    profile.name for profile in LIBRARY if profile.documentation and profile.documentation.startswith("Zigbee2MQTT")
)


def read_keys(profile):
    """The keys that a profile of flat messages reads."""
    for name, extract in (profile.document.points | profile.document.states).items():
        keys = extract.key if isinstance(extract.key, list) else [extract.key or extract.at or name]
        yield from map(str, keys)


@pytest.mark.parametrize("name", ZIGBEE)
def test_zigbee2mqtt_before_it_knows_anything_and_in_plain_words(name):
    message, values = decoded(name, dict.fromkeys(read_keys(LIBRARY[name])))
    assert values == {}
    assert message.events == ()
    for word in (b"online", b"offline", b"", b"null", b"[]", b'"offline"'):
        with pytest.raises(DecodeError, match="malformed"):
            LIBRARY[name].decoder().decode(word)


def test_a_closed_window_is_not_open():
    for name in ("aqara/mccgq14lm", "sonoff/snzb-04pr2", "develco/wiszb-120"):
        assert decoded(name, {"contact": True})[1]["open"] == 0.0
        assert decoded(name, {"contact": False})[1]["open"] == 1.0


def test_a_part_of_a_status_leaves_the_rest_alone():
    message, values = decoded(
        "shelly/flood-gen4",
        {"method": "NotifyStatus", "params": {"ts": 1795329171.25, "flood:0": {"id": 0, "mute": True}}},
    )
    assert values == {"muted": 1.0}
    assert message.events == ("silenced",)


def test_a_device_that_woke_a_second_ago_and_knows_no_time_is_dated_by_its_arrival():
    [example] = [one for one in LIBRARY["shelly/plus-smoke"].examples if one.name.startswith("published; woken")]
    assert b'"ts":1.33' in example.payload.replace(b" ", b"")
    message, values = decoded("shelly/plus-smoke", example.payload)
    assert values["alarm"] == 0.0
    assert (message.ts, message.ts_problem) == (None, None)


@pytest.mark.parametrize(
    "payload",
    [
        {
            "Time": "2024-02-24T22:20:38",
            "Uptime": "0T00:10:11",
            "Heap": 24,
            "POWER": "OFF",
            "Wifi": {"RSSI": 44, "Signal": -78},
        },
        {"POWER": "ON"},
    ],
)
def test_a_state_telegram_of_tasmota_holds_no_reading(payload):
    message, values = decoded("tasmota/sr04", payload)
    assert values == {}
    assert [code for _, code, _ in message.problems] == ["nothing_known"]


TUYA = [  # status of devices in the field, as their owners published it
    ("tuya/ywbj", {"smoke_sensor_status": "normal", "battery_state": "high"}, {"alarm": 0.0, "low_battery": 0.0}),
    (
        "tuya/ywbj",
        {"smoke_sensor_status": "normal", "smoke_sensor_value": 0, "battery_state": "low", "battery_percentage": 100},
        {"alarm": 0.0, "smoke_value": 0.0, "low_battery": 1.0, "battery": 100.0},
    ),
    ("tuya/sj", {"watersensor_state": "normal", "battery_percentage": 98}, {"leak": 0.0, "battery": 98.0}),
    (
        "tuya/cobj",
        {"co_status": "normal", "co_value": 0, "checking_result": "check_success", "battery_percentage": 97},
        {"alarm": 0.0, "co": 0.0, "battery": 97.0},
    ),
    (
        "tuya/rqbj",
        {"checking_result": "check_success", "gas_sensor_status": "normal", "gas_sensor_value": 0, "muffling": True},
        {"alarm": 0.0, "gas": 0.0, "muted": 1.0},
    ),
    (
        "tuya/me201w",
        {"liquid_state": "upper_alarm", "liquid_depth": 42, "max_set": 100, "liquid_level_percent": 100},
        {"level": 0.42, "fill": 100.0},
    ),
]


@pytest.mark.parametrize(("name", "status", "expected"), TUYA)
def test_tuya_devices_in_the_field(name, status, expected):
    message, values = decoded(name, {"dps": status})
    assert values == pytest.approx(expected)
    assert message.problems == ()


@pytest.mark.parametrize("name", ["tuya/ywbj", "tuya/cobj", "tuya/rqbj"])
def test_a_tuya_alarm_is_one_in_words_however_it_is_wrapped_and_none_by_a_number(name):
    assert decoded(name, {"dps": {"1": "alarm"}})[0].events == ("alarm",)
    assert decoded(name, {"data": {"dps": {"1": "alarm"}}})[0].events == ("alarm",)
    assert decoded(name, {"1": "alarm"})[0].events == ("alarm",)
    assert decoded(name, {"dps": {"1": "normal"}})[1] == {"alarm": 0.0}
    for number in (0, 1):
        message, values = decoded(name, {"dps": {"1": number}})
        assert values == {}
        assert [code for _, code, _ in message.problems] == ["unmapped"]


def from_topic(source, name, topic, payload, **parameters):
    """What the profile makes of a message as it stands on the broker."""
    match = source.match(topic)
    assert match is not None, topic
    envelope = source.open(match, payload if isinstance(payload, bytes) else fast_json.encode(payload))
    assert isinstance(envelope, Envelope), envelope
    assert envelope.kind == "up"
    return decoded(name, envelope.payload, **parameters)


def test_an_announced_detector_speaks(samples):
    row = samples["zigbee2mqtt-homeassistant-discovery"]
    source = Sources.load(Use("home_assistant", states=("zigbee2mqtt/#",)))["home_assistant"]
    match = source.match(row["topic"])
    assert match is not None
    assert source.learn(match, source.open(match, fast_json.encode(row["payload"])))
    state = {"smoke": True, "battery": 71, "tamper": False, "linkquality": 66}
    message, values = from_topic(source, "home-assistant/smoke", row["payload"]["state_topic"], state)
    assert values == {"alarm": 1.0}
    assert message.events == ("alarm",)


FROM_TOPIC = [
    (
        "tasmota",
        "tasmota/float-switch",
        "tele/sump/SENSOR",
        {"Time": "2026-11-22T14:32:51", "Switch1": "ON"},
        "leak",
        1,
    ),
    ("tasmota", "tasmota/float-switch", "stat/sump/RESULT", {"Switch1": {"Action": "OFF"}}, "leak", 0),
    ("tasmota", "tasmota/sr04", "tele/sump/SENSOR", {"SR04": {"Distance": 12.5}}, "distance", 0.125),
    ("tasmota", "tasmota/sr04", "stat/sump/STATUS10", {"StatusSNS": {"SR04": {"Distance": 9}}}, "distance", 0.09),
    ("esphome", "esphome/water-level", "underpass/sensor/distance/state", b"2.38", "distance", 2.38),
    ("esphome", "esphome/water-leak", "cellar/binary_sensor/water_leak/state", b"ON", "leak", 1),
    ("esphome", "esphome/smoke", "hall/binary_sensor/smoke/state", b"OFF", "alarm", 0),
    ("shelly", "shelly/flood-gen4", "shellyfloodg4-98a316e5f1c4/status/flood:0", {"id": 0, "alarm": True}, "leak", 1),
    ("zigbee2mqtt", "aqara/jy-gz-01aq", "zigbee2mqtt/8/1702/hall", {"smoke": True}, "alarm", 1),
    ("senml", "senml/water-level", "senml/g12", [{"n": "level", "u": "m", "v": 0.183}], "level", 0.183),
]


@pytest.mark.parametrize(("source", "name", "topic", "payload", "point", "value"), FROM_TOPIC)
def test_from_the_topic_to_the_value(source, name, topic, payload, point, value):
    message, values = from_topic(Sources.load(Use(source))[source], name, topic, payload)
    assert values[point] == pytest.approx(value)
    assert message.problems == ()


def test_a_battery_that_is_low_is_not_one_of_one_percent():
    """Home Assistant has device classes that mean one thing of a sensor and another of a binary sensor."""
    source = Sources.load(Use("home_assistant", states=("alarms/#",)))["home_assistant"]
    about = {"device": {"identifiers": ["hall"]}, "state_topic": "alarms/hall"}
    entities = {
        "binary_sensor": [("battery", "{{ value_json.weak }}"), ("carbon_monoxide", "{{ value_json.co_alarm }}")],
        "sensor": [("battery", "{{ value_json.charge }}"), ("carbon_monoxide", "{{ value_json.ppm }}")],
    }
    for component, announced in entities.items():
        for device_class, template in announced:
            match = source.match(f"homeassistant/{component}/hall_{component}_{device_class}/config")
            assert match is not None
            words = {"payload_on": True, "payload_off": False} if component == "binary_sensor" else {}
            config = about | words | {"device_class": device_class, "value_template": template}
            assert source.learn(match, source.open(match, fast_json.encode(config)))
    state = {"weak": True, "charge": 9, "co_alarm": True, "ppm": 61}
    message, values = from_topic(source, "home-assistant/smoke", "alarms/hall", state)
    assert values == {"low_battery": 1.0, "battery": 9.0, "co_alarm": 1.0, "co": 61.0}
    assert message.events == ("alarm", "low_battery")
