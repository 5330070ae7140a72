"""Published payloads of real devices decode to what their publishers say, for every model in the library."""

import json

import pytest
from msgspec import json as fast_json

from device_profiles.library import Library

pytestmark = pytest.mark.realdata

LIBRARY = Library.load()

UDL = {"battery": ("battery", 1), "distance": ("distance", 0.001)}
EM400 = UDL | {"temperature": ("temperature", 1), "tilted": ("position", {"normal": 0, "tilt": 1})}
LEAK = {"battery": ("battery", 1), "leak": ("leakage_status", {"normal": 0, "leak": 1})}
CLIMATE = LEAK | {"temperature": ("temperature", 1), "humidity": ("humidity", 1)}
ALARM = {"Normal": 0, "Alarm": 1, "No Alarm": 0}
THRESHOLD = {"normal": 0, "trigger": 1}

# our point -> the publisher's key, and a factor to our unit or what its words stand for
WORDS = {
    "milesight/em500-udl": UDL,
    "milesight/em310-udl": UDL | {"tilted": ("tilt", {"normal": 0, "tilt": 1})},
    "milesight/em400-udl": EM400,
    "milesight/em400-mud": EM400,
    "milesight/em400-tld": EM400,
    "milesight/em500-swl": {"battery": ("battery", 1), "level": ("level", 0.01)},
    "milesight/em310-tilt": {
        **{f"angle_{axis}": (f"angle_{axis}", 1) for axis in "xyz"},
        **{f"threshold_{axis}": (f"threshold_{axis}", THRESHOLD) for axis in "xyz"},
    },
    "milesight/gs524n": {
        "battery": ("battery", 1),
        "smoke_concentration": ("concentration", 1),
        "temperature": ("temperature", 1),
    },
    "milesight/em300-sld": CLIMATE,
    "milesight/em300-mld": LEAK,
    "milesight/ws303": LEAK,
    "dragino/lwl02": {
        "voltage": ("BAT_V", 1),
        "leak": ("WATER_LEAK_STATUS", 1),
        "leaks": ("WATER_LEAK_TIMES", 1),
        "last_leak": ("LAST_WATER_LEAK_DURATION", 60),
    },
    "decentlab/dl-mbx": {"distance": ("distance.value", 0.001), "voltage": ("battery_voltage.value", 1)},
    "decentlab/dl-rad": {
        "distance": ("distance.value", 0.001),
        "temperature": ("temperature.value", 1),
        "reliability": ("reliability.value", 1),
        "voltage": ("battery_voltage.value", 1),
    },
    "decentlab/dl-ctd10": {
        "level": ("water_depth.value", 0.001),
        "temperature": ("temperature.value", 1),
        "conductivity": ("electrical_conductivity.value", 1),
        "voltage": ("battery_voltage.value", 1),
    },
    "netvox/ra02a": {
        "voltage": ("Volt", 1),
        "alarm": ("FireAlarm", ALARM),
        "heat_alarm": ("HighTempAlarm", ALARM),
        "temperature": ("Temp", 1),
    },
    "dragino/ldds75": {"voltage": ("Bat", 1), "distance": ("Distance", 0.001), "temperature": ("TempC_DS18B20", 1)},
    "yobiiq/sd1001": {
        "battery": ("batteryLevelInPercentage", 1),
        "low_battery": ("lowBatteryAlarm", ALARM),
        "fault": ("faultAlarm", ALARM),
        "alarm": ("smokeAlarm", ALARM),
        "interconnect_alarm": ("interconnectAlarm", ALARM),
        "test": ("testButtonPressed", {"Normal": 0, "Pushed": 1}),
    },
    "sept-s/tg563a": {
        "temperature": ("temperature", 1),
        "mounted": ("status.mounted", 1),
        "alarm": ("status.smokeAlarm", 1),
        "low_battery": ("status.batteryLow", 1),
        "chamber_fault": ("status.smokeChamberFailure", 1),
        "chamber_fouled": ("status.fouledSmokeChamber", 1),
        "voltage": ("batteryLevel", 1),
        "fouling": ("foulingSmokeChamber", 1),
    },
}


def expected(decoded, words):
    """What the publisher says, in our points and units."""
    result = {}
    for point, (path, meaning) in words.items():
        value = decoded
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            result[point] = meaning[value] if isinstance(meaning, dict) else float(value) * meaning
    return result


def test_published_bytes_mean_what_their_publisher_says(data_dir):
    rows = json.loads((data_dir / "payloads" / "lorawan_examples.json").read_text(encoding="utf-8"))
    tried = dict.fromkeys(WORDS, 0)
    for row in rows:
        name = f"{row['vendor']}/{row['model']}"
        if name not in LIBRARY:
            continue
        profile = LIBRARY[name]
        tried[profile.name] += 1
        decoder = profile.decoder()
        message = decoder.decode(bytes.fromhex(row["bytes_hex"]), row["fPort"])
        found = {point.name: value for point, value in zip(decoder.points, message.values, strict=True)}
        for point, value in expected(row["decoded"], WORDS[profile.name]).items():
            assert found[point] == pytest.approx(value, abs=1e-9), (name, row["name"], point)
        assert message.problems == (), (name, row["name"])
    assert all(tried.values()), tried
    print(f"{sum(tried.values())} of {len(rows)} published messages, of {len(tried)} models")


def test_the_gs524n_says_that_it_is_tested(data_dir):
    rows = json.loads((data_dir / "payloads" / "lorawan_examples.json").read_text(encoding="utf-8"))
    [row] = [row for row in rows if row["model"] == "gs524n"]
    message = LIBRARY["milesight/gs524n"].decoder().decode(bytes.fromhex(row["bytes_hex"]), row["fPort"])
    assert message.events == ("test",)
    assert row["decoded"]["event"].startswith("testing")


def test_what_a_zigbee_smoke_detector_published_when_its_button_was_pressed(data_dir):
    rows = json.loads((data_dir / "payloads" / "mqtt_payload_samples.json").read_text(encoding="utf-8"))
    [row] = [row for row in rows if row["family"] == "zigbee2mqtt"]
    decoder = LIBRARY["lumi/jtyj-gd-01lm-bw"].decoder()
    message = decoder.decode(fast_json.encode(row["payload"]))
    found = {point.name: value for point, value in zip(decoder.points, message.values, strict=True)}
    assert (found["alarm"], found["battery"], found["voltage"]) == (0.0, 100.0, 3.075)
    assert message.problems == ()
