"""Messages of sources, made up: topics of every convention, and JSON of the keys that envelopes have."""

import json

from hypothesis import strategies as st

EUI = "a84041ffff123456"
TOPICS = [
    f"application/1/device/{EUI}/event/up", f"application/1/device/{EUI}/event/status",
    f"application/1/device/{EUI}/event/join", "v3/app1@ttn/devices/d/up", "v3/app1@ttn/devices/d/join",
    "zigbee2mqtt/a/b", "zigbee2mqtt/a/availability", "zigbee2mqtt/bridge/devices", "zigbee2mqtt/bridge/event",
    "tasmota/discovery/A4CF12000001/config", "tele/t/SENSOR", "tele/t/STATE", "tele/t/LWT", "stat/t/RESULT",
    "stat/t/STATUS8", "s/events/rpc", "s/online", "s/status/smoke:0", "e/sensor/x/state", "e/status",
    "esphome/discover/e", "homeassistant/sensor/n/o/config", "homeassistant/device/o/config",
    "homeassistant/binary_sensor/o/config", "senml/a/b", "sensors/s/d/telemetry", "sensors/s/d/status",
]  # fmt: skip
KEYS = [
    "data", "fPort", "fCnt", "time", "rxInfo", "rssi", "snr", "deviceInfo", "devEui", "batteryLevel", "margin",
    "object",
    "end_device_ids", "dev_eui", "device_id", "uplink_message", "frm_payload", "f_port", "f_cnt", "rx_metadata",
    "received_at", "last_battery_percentage", "value", "simulated", "type", "ieee_address", "friendly_name",
    "definition", "vendor", "model", "battery", "linkquality", "last_seen", "device", "ieeeAddr", "t", "mac",
    "dn", "md", "StatusSNS",
    "Wifi", "Signal", "method", "params", "src", "ts", "devicepower:0", "percent", "wifi", "~", "state_topic", "stat_t",
    "value_template", "val_tpl", "device_class", "dev_cla", "availability", "avty", "topic", "payload_on", "pl_on",
    "components", "cmps", "platform", "identifiers", "ids", "connections", "cns", "unique_id", "name", "object_id",
]  # fmt: skip
WORDS = ["up", "NotifyStatus", "device_joined", "device_interview", "EndDevice", "binary_sensor", "sensor", "on", "~/x",
         "2026-11-22T06:32:51Z", "AQID", "0x00158d0001d64498", "{{ value_json.a }}", "{{ value }}",
         "garage/x"]  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=20),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.sampled_from(KEYS), each, max_size=6),
    max_leaves=25,
)
PAYLOADS = st.binary(max_size=200) | JSON.map(lambda data: json.dumps(data).encode())
