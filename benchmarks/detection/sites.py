"""What a site would declare for its devices over the defaults: gauges beside one another, and what belongs together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulators.batch.recording import Device, Recording

Layer = Mapping[str, Any]

RAIN = {"rain_nowcast": {"rain": "rain_mm"}, "rain_capacity": {"rain": "rain_mm"}}
"""By rule of the defaults: input of its kind, and the gauge's point."""
KNOWN_OF_A_PANEL = ("simply_supported_hz", "clamped_hz", "height_m")
"""By plate theory from a panel's size and glass, which an owner knows; and how high it hangs."""


def groups(device: Device) -> dict[str, str]:
    """Zone, building and site: of a detector the dwelling, whose rooms open into each other."""
    zone = device.zone
    if zone.startswith("dwelling-"):
        zone = "-".join(zone.split("-")[:2])
    return {"zone": zone, "building": zone, "site": "bench"}


def parameters(device: Device) -> dict[str, float]:
    """What is known of a device: its own parameters, and a panel's plate and height."""
    known = {name: float(device.detail[name]) for name in KNOWN_OF_A_PANEL if name in device.detail}
    return {**device.parameters, **known}


def _gauge(device: Device, recording: Recording) -> Device | None:
    same = (each for each in recording.devices if each.zone == device.zone and "rain_mm" in each.points)
    return next(same, None)


def level_only(_device: Device, _recording: Recording) -> Sequence[Layer]:
    """Nothing but the level."""
    return []


def with_rain(device: Device, recording: Recording) -> Sequence[Layer]:
    """A rain gauge at the same place: the nowcast of an underpass, the belief of a street sensor, and its neighbour."""
    gauge = _gauge(device, recording) if "level" in device.points else None
    if gauge is None:
        return []
    if device.zone.startswith("street"):
        inputs = {"rain_mm": {"device": gauge.id, "point": "rain_mm"}}
        others = [each.id for each in recording.devices if each.zone == device.zone and "level" in each.points]
        beside = others[(others.index(device.id) + 1) % len(others)]
        if beside != device.id:
            inputs["neighbour"] = {"device": beside, "point": "level"}
        return [{"water_depth": {"inputs": inputs}}]
    return [
        {
            rule: {"inputs": {name: {"device": gauge.id, "point": point} for name, point in inputs.items()}}
            for rule, inputs in RAIN.items()
        }
    ]


def facade(_device: Device, _recording: Recording) -> Sequence[Layer]:
    """Nothing: what the rules need of a panel lies in its parameters."""
    return []


def witnesses(device: Device, recording: Recording) -> Sequence[Layer]:
    """Rain that falls at a place makes its level gauge's flat line worth judging."""
    gauge = _gauge(device, recording) if "level" in device.points else None
    if gauge is None:
        return []
    return [{"level": {"witness": {"of": [{"device": gauge.id, "point": "rain_mm", "moved": 2.0}]}}}]
