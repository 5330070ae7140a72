"""A load with alarms in it whose episodes are known: 100 devices, 500 readings/s, QoS 1, on a named timeline."""

import math
from typing import Any

import numpy as np
from player import Due

DEVICES = 100
EVERY_S = 1.0  # scenario seconds between two readings of one device
RATE = 5.0  # so that 100 devices make 500 readings a wall second
SCENARIO_S = 110
QUIET_END_S = 12
SITE = "wanghuyuan"
RULES: dict[str, Any] = {
    "smoke": {
        "kind": "level",
        "point": "obscuration",
        "levels": {
            "IV": None,
            "I": None,
            "III": {"enter": 0.15, "exit": 0.06, "hold_s": 5, "min_samples": 3},
            "II": {"enter": 0.30, "exit": 0.15, "hold_s": 5, "min_samples": 3},
        },
        "clear_hold_s": 8,
        "latch": False,
        "max_gap_s": 60,
        "max_verify_delay_s": 600,  # a busy machine takes long to start a killed agent, five times as long here
    }
}


def device_ids() -> list[str]:
    return [f"kill-smoke-{index:03d}" for index in range(DEVICES)]


def value(index: int, second: int) -> float:
    """Smooth humps, one or two a device, most of them over the limit, none at the same second for all; quiet at the
    end, because a hold that silence cuts short would surface a minute later as suspect."""
    if second >= SCENARIO_S - QUIET_END_S:
        return 0.01
    phase = (second + 7 * index) % 75
    height = 0.05 + 0.45 * ((index * 37) % 100) / 100
    return round(0.01 + height * math.exp(-(((phase - 30) / 9.0) ** 2)), 4)


def columns() -> np.ndarray:
    """By device and second."""
    return np.array([[value(index, second) for second in range(SCENARIO_S)] for index in range(DEVICES)])


def readings(start_ms: int) -> list[Due]:
    """The load, from a scenario time on."""
    return [
        Due(start_ms + second * 1000, device, {"obscuration": value(index, second)})
        for second in range(SCENARIO_S)
        for index, device in enumerate(device_ids())
    ]
