"""Three models that are not in the library, described in YAML alone by docs/profiles.md: a user's first hour.

The payloads and what they mean are published by the makers: Decentlab's decoder of the DL-ATM22, Milesight's example of
the AM103L in the device repository of The Things Network, the manual of King Pigeon's BL280.
"""

import pytest

from device_profiles.library import Library
from device_profiles.loading.load import parse_profile

PRESENCE_BITS = """\
profile: decentlab/dl-atm22
vendor: {zh: Decentlab, en: Decentlab}
model: {zh: 风速风向仪 DL-ATM22, en: DL-ATM22 wind sensor}
hazard: device
cadence_s: 600
frame:
  kind: struct
  match: [{at: 0, bytes: "02"}]
  groups: {flags: {at: 3, type: u16}, start: 5, sizes: [16, 2]}
points:
  wind_speed: {group: 0, at: 0, type: u16, bias: -32768, scale: 0.01, unit: m/s, valid: [0, 60]}
  wind_direction:
    {group: 0, at: 2, type: u16, bias: -32768, scale: 0.1, unit: deg, label: {zh: 风向, en: Wind direction}}
  gust: {group: 0, at: 4, type: u16, bias: -32768, scale: 0.01, unit: m/s, quantity: wind_speed}
  temperature: {group: 0, at: 6, type: u16, bias: -32768, scale: 0.1, unit: Cel, valid: [-40, 85]}
  voltage: {group: 1, type: u16, scale: 0.001, unit: V, valid: [1.8, 4]}
examples:
  - {name: battery alone, hex: 0208c900020bf5, values: {voltage: 3.061}}
"""

TLV = """\
profile: milesight/am103l
vendor: {zh: 星纵物联, en: Milesight}
model: {zh: 环境监测传感器 AM103L, en: AM103L ambience sensor}
hazard: device
cadence_s: 600
frame: {kind: tlv, tag_bytes: 2, order: little, ports: [85]}
points:
  battery: {tag: "0175", type: u8, unit: "%"}
  temperature: {tag: "0367", type: i16, scale: 0.1, unit: Cel}
  humidity: {tag: "0468", type: u8, scale: 0.5, unit: "%"}
  co2: {tag: "077d", type: u16, unit: "[ppm]", label: {zh: 二氧化碳, en: Carbon dioxide}}
examples:
  - {name: battery, hex: "01 75 5C", values: {battery: 92}}
"""

NESTED_JSON = """\
profile: king-pigeon/bl280
vendor: {zh: 金鸽, en: King Pigeon}
model: {zh: 采集网关 BL280, en: BL280 data acquisition}
hazard: device
cadence_s: 600
frame: {kind: keys, at: sensorDatas, key: flag, value: value}
points:
  temperature: {key: TEMP8, scale: 0.1, unit: Cel, valid: [-40, 85]}
  humidity: {key: HUMI8, scale: 0.1, unit: "%", valid: [0, 100]}
  illuminance: {key: ILLU8, unit: lx, valid: [0, 200000]}
examples:
  - {name: light, json: {sensorDatas: [{flag: ILLU8, value: 230}]}, values: {illuminance: 230}}
"""


def decoded(text, payload, fport=None):
    profile = parse_profile(text, "f")
    assert profile.name not in Library.load()
    decoder = profile.decoder()
    message = decoder.decode(payload, fport)
    assert message.problems == ()
    return {point.name: value for point, value in zip(decoder.points, message.values, strict=True) if value is not None}


def test_presence_bits():
    found = decoded(PRESENCE_BITS, bytes.fromhex("0208c900038009812b8014810880027fe8800880040bf5"))
    assert found == pytest.approx(
        {"wind_speed": 0.09, "wind_direction": 29.9, "gust": 0.2, "temperature": 26.4, "voltage": 3.061}
    )


def test_tlv():
    found = decoded(TLV, bytes.fromhex("01755C03673401046865077DE704"), 85)
    assert found == {"battery": 92, "temperature": 30.8, "humidity": 50.5, "co2": 1255}


def test_nested_json():
    payload = b"""{"sensorDatas": [{"flag": "TEMP8", "value": 288}, {"flag": "HUMI8", "value": 450},
        {"flag": "ILLU8", "value": 230}, {"flag": "CO28", "value": 400}], "time": "07:16:17 06/16/2021 UTC"}"""
    assert decoded(NESTED_JSON, payload) == pytest.approx({"temperature": 28.8, "humidity": 45, "illuminance": 230})
