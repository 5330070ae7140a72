"""Messages a second and core through the decoders of real profiles, against code written by hand for the same bytes.

    python -m benchmarks decoding            python benchmarks/decoding.py [--seconds N] [--json]

The floor is what a programmer would write for one model with `json.loads` or `struct.unpack_from` and which gives
the same values and events: checked lengths and ports, no profile, no errors told, no states. All take the same batch
of 1,000 payloads in interleaved rounds and keep their answers; the ratio is that of the medians.
"""

import argparse
import json
import os
import platform
import statistics
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from device_profiles.library import Library  # noqa: E402
from device_profiles.loading.load import parse_profile  # noqa: E402
from device_profiles.many import decode_columns, decode_many  # noqa: E402

BATCH = 1000
Said = tuple[tuple[float | None, ...], tuple[str, ...]]
"""Values in the order of the profile, and events."""


class WrongError(ValueError):
    """What code written by hand raises."""


def smoke(payload: bytes, _fport: int | None) -> Said:
    """shouwang/smoke, JSON."""
    if len(payload) > 1 << 20:
        raise WrongError
    found = json.loads(payload)
    alarm = found.get("alarm")
    events = ("alarm",) if alarm else ()
    said = (
        found.get("obscuration"),
        found.get("temperature"),
        found.get("co"),
        found.get("humidity"),
        found.get("battery"),
        None if alarm is None else float(alarm),
    )
    return said, events


_ROAD = struct.Struct(">xBHbB").unpack_from


def road(payload: bytes, fport: int | None) -> Said:
    """The road water sensor of docs/profiles.md, struct; 3 m above the road."""
    if fport not in (10, None):
        raise WrongError
    if len(payload) != 6:
        raise WrongError
    volt, echo, temperature, flags = _ROAD(payload)
    distance = level = None
    if echo != 0xFFFF:
        distance = echo / 1000
        level = 3.0 - distance
    low = flags & 1
    return (volt / 10, distance, level, float(temperature), float(low)), ("low_battery",) if low else ()


_NETVOX = struct.Struct(">BBBBBBh").unpack_from


def netvox(payload: bytes, fport: int | None) -> Said:
    """netvox/ra02a, struct: its report 1, voltage, both alarms and temperature."""
    if fport not in (6, None):
        raise WrongError
    if len(payload) != 11:
        raise WrongError
    _version, device, report, volt, fire, heat, temperature = _NETVOX(payload)
    if device != 0x0A or report != 1:
        raise WrongError
    low = volt >> 7
    events: tuple[str, ...] = ("alarm",) if fire or heat else ()
    if low:
        events += ("low_battery",)
    return ((volt & 0x7F) / 10, float(low), float(fire), float(heat), temperature / 10), events


_TENTHS = struct.Struct("<h").unpack_from


def em300(payload: bytes, fport: int | None) -> Said:
    """milesight/em300-sld, tlv: battery, leak, temperature, humidity."""
    if fport not in (85, None):
        raise WrongError
    battery = leak = temperature = humidity = None
    at, size = 0, len(payload)
    while at < size:
        channel, kind = payload[at], payload[at + 1]
        at += 2
        if channel == 0x01 and kind == 0x75:
            battery = float(payload[at])
            at += 1
        elif channel == 0x03 and kind == 0x67:
            temperature = _TENTHS(payload, at)[0] / 10
            at += 2
        elif channel == 0x04 and kind == 0x68:
            humidity = payload[at] / 2
            at += 1
        elif channel == 0x05 and kind == 0x00:
            leak = float(payload[at])
            at += 1
        else:
            raise WrongError
    return (battery, leak, temperature, humidity), ("alarm",) if leak else ()


def samples() -> dict[str, tuple[str, Callable[[bytes, int | None], Said], list[bytes], int | None]]:
    """For each model: its frame, the code written by hand, 64 payloads and their port."""
    numbers = range(64)
    quiet = [
        {"ts": 1795329171250 + number, "seq": number, "obscuration": number / 300, "temperature": 20 + number / 10,
         "co": number % 4, "humidity": 48, "battery": 97, "alarm": number % 8 == 7}
        for number in numbers
    ]  # fmt: skip
    roads = [
        struct.pack(">BBHbB", 1, 36, 2700 + number if number % 8 else 0xFFFF, 18, number % 2) for number in numbers
    ]
    reports = [struct.pack(">BBBBBBhBH", 1, 10, 1, 30, number % 8 == 7, 0, 200 + number, 0, 0) for number in numbers]
    leaks = [
        struct.pack("<BBBBBhBBBBBB", 1, 0x75, 92, 3, 0x67, number - 9, 4, 0x68, 101, 5, 0, number % 8 == 7)
        for number in numbers
    ]
    return {
        "shouwang/smoke": ("json", smoke, [json.dumps(each).encode() for each in quiet], None),
        "acme/wl-20": ("struct", road, roads, 10),
        "netvox/ra02a": ("struct", netvox, reports, 6),
        "milesight/em300-sld": ("tlv", em300, leaks, 85),
    }


ROAD = """\
profile: acme/wl-20
vendor: {zh: 顶点仪表, en: Acme}
model: {zh: 积水监测仪 WL-20, en: WL-20 road water sensor}
hazard: water_level
cadence_s: 300
frame: {kind: struct, length: 6, ports: [10]}
parameters:
  mounting_height_m: {unit: m, default: 3, label: {zh: 安装高度, en: Mounting height}}
points:
  voltage: {at: 1, type: u8, scale: 0.1, unit: V, valid: [2.8, 3.7]}
  distance: {at: 2, type: u16, scale: 0.001, missing: [0xFFFF], unit: m, valid: [0.25, 8]}
  level: {formula: mounting_height_m - distance, unit: m, valid: [-0.5, 8]}
  temperature: {at: 4, type: i8, unit: Cel, valid: [-40, 85]}
  low_battery: {at: 5, type: u8, mask: 0x01, unit: "1", quantity: flag, event: low_battery}
examples:
  - {name: no echo, hex: "01 1D FF FF FB 00", fport: 10, values: {voltage: 2.9, temperature: -5, low_battery: 0}}
"""


def timed(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def singles(decode: Callable[[bytes, int | None], object], payloads: Sequence[bytes], fport: int | None) -> None:
    kept = [decode(payload, fport) for payload in payloads]
    del kept


def measure(name: str, seconds: float) -> dict[str, Any]:
    """Medians of interleaved rounds, in microseconds a message."""
    frame, by_hand, payloads, fport = samples()[name]
    profile = parse_profile(ROAD, "wl-20.yaml") if name == "acme/wl-20" else Library.load()[name]
    decoder = profile.decoder()
    for payload in payloads:
        message, (values, events) = decoder.decode(payload, fport), by_hand(payload, fport)
        found = message.values[: len(values)]
        assert (found, message.events) == (values, events), (name, payload.hex(), message, values, events)
        assert not any(message.values[len(values) :]), name
    batch = [payloads[index % len(payloads)] for index in range(BATCH)]
    decoders, fports = [decoder] * BATCH, [fport] * BATCH
    calls: dict[str, Callable[[], object]] = {
        "floor": lambda: singles(by_hand, batch, fport),
        "single": lambda: singles(decoder.decode, batch, fport),
        "many": lambda: decode_many(decoders, batch, fports),
        "columns": lambda: decode_columns(profile, decoders, batch, fports),
    }
    for call in calls.values():
        call()
    took: dict[str, list[float]] = {way: [] for way in calls}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(took["floor"]) < 20:
        for way, call in calls.items():
            took[way].append(timed(call) / BATCH)
    us = {way: statistics.median(rounds) * 1e6 for way, rounds in took.items()}
    ratios = {f"{way}_ratio": us[way] / us["floor"] for way in us}
    return {"model": name, "frame": frame, "rounds": len(took["floor"]), "us": us, **ratios}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each model")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [measure(name, options.seconds) for name in samples()]
    if options.json:
        print(json.dumps(rows))
        return 0
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print("| model | frame | by hand us | decode us | ratio | decode_many us | ratio | decode_columns us | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        cells = [f"{row['us']['floor']:.2f}"]
        for way in ("single", "many", "columns"):
            cells += [f"{row['us'][way]:.2f}", f"{row[f'{way}_ratio']:.2f}"]
        print(f"| {row['model']} | {row['frame']} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
