"""What a device is judged by when nobody says otherwise: the defaults of each family.

Marks as in `docs/rules.md`: [S] seen in a source, [K] engineering knowledge, [P] this project's proposal. No national
scale of four colours exists for one smoke alarm or one facade sensor: the levels are handling levels, a policy
that a district may change, while the thresholds lean on what is cited.
"""

from collections.abc import Mapping
from typing import Any

from wire.alert import Hazard

SMOKE: dict[str, dict[str, Any]] = {
    "smoke": {
        "kind": "level",
        "point": "obscuration",
        "levels": {
            "IV": {"enter": 0.10, "exit": 0.05, "hold_s": 120, "min_samples": 3},
            "III": {"enter": 0.15, "exit": 0.06, "hold_s": 12, "min_samples": 3},
            "II": {"enter": 0.30, "exit": 0.15, "hold_s": 10, "min_samples": 3},
            "I": {"enter": 1.0, "exit": 0.5, "hold_s": 6, "min_samples": 3},
        },
        "clear_hold_s": 900,
        "latch": True,
        "max_verify_delay_s": 60,
    },
    "heat": {
        "kind": "level",
        "point": "temperature",
        "levels": {
            "II": {"enter": 54.0, "exit": 45.0, "hold_s": 6, "min_samples": 2},
            "I": {"enter": 65.0, "exit": 54.0, "hold_s": 6, "min_samples": 2},
        },
        "clear_hold_s": 900,
        "latch": True,
        "max_verify_delay_s": 60,
    },
    "heat_rise": {
        "kind": "rate",
        "point": "temperature",
        "window_s": 60,
        "floor": {"at_least": 30.0},
        "levels": {"III": {"enter": 8.0, "exit": 3.0, "hold_s": 12, "min_samples": 3}},
        "clear_hold_s": 900,
        "max_verify_delay_s": 60,
    },
    "carbon_monoxide": {
        "kind": "level",
        "point": "co",
        "levels": {
            "II": {"enter": 50.0, "exit": 30.0, "hold_s": 60, "min_samples": 3},
            "I": {"enter": 150.0, "exit": 75.0, "hold_s": 10, "min_samples": 3},
        },
        "clear_hold_s": 900,
        "latch": True,
        "max_verify_delay_s": 60,
    },
    "device_alarm": {
        "kind": "level",
        "point": "alarm",
        "levels": {"III": {"enter": 0.5, "exit": 0.5}, "II": {"enter": 0.5, "exit": 0.5, "hold_s": 60}},
        "clear_hold_s": 300,
        "latch": True,
        "max_verify_delay_s": 60,
    },
}
"""Smoke and fire. Obscuration in dB/m, temperature in degrees Celsius, carbon monoxide in ppm.

- `smoke` III: nominal alarm threshold A = 0.15 dB/m [P], inside what GB 4715-2024 clause 5.7 [S] and EN 14604 [K]
  allow (from 0.05 dB/m; type B from 0.15); exit 0.4 A. IV: two thirds of A for two minutes, the slow path [P].
  II: 2 A; I: 1.0 dB/m, where people lose their way [P]. Holds are the verification time of a few samples [P]: it
  keeps dust and insects (one sample) out and adds no more than twelve seconds to a fire. The three samples are kept
  up to `max_verify_delay_s`: a device too slow to give them in that time is believed sooner.
- `heat`: 54 and 65 degrees, the static response range of class A1 heat detectors, EN 54-5 / GB 4716 [K].
- `heat_rise`: 8 K in a minute from 30 degrees up, inside the 1 to 30 K/min for which rate-of-rise detectors are
  rated [K], the value [P].
- `carbon_monoxide`: 50 ppm for a minute, 150 ppm [P].
- `device_alarm`: a stand-alone alarm's own flag is III at once, so that the first call is never delayed; unless
  somebody ends it, II after 60 s [P].
Clear after 15 min below exit, and a person resets [P].
"""

WATER_LEVEL: dict[str, dict[str, Any]] = {
    "water_depth": {
        "kind": "level",
        "point": "level",
        "hysteresis": 0.02,
        "min_samples": 3,
        "hold_s": 20,
        "levels": {"IV": {"enter": 0.03}, "III": {"enter": 0.15}, "II": {"enter": 0.25}, "I": {"enter": 0.40}},
        "clear_hold_s": 900,
        "max_verify_delay_s": 60,
    },
    "water_rise": {
        "kind": "rate",
        "point": "level",
        "floor": {"at_least": 0.10},
        "levels": {
            "III": {"enter": 0.01, "exit": 0.004, "min_samples": 3, "hold_s": 20},
            "II": {"enter": 0.02, "exit": 0.01, "min_samples": 3, "hold_s": 20},
        },
        "clear_hold_s": 900,
        "max_verify_delay_s": 60,
    },
}
"""Standing water in an underpass, a road, a basement entrance. Level in metres above ground, rates in m/min.

- `water_depth`: 0.15 m the design criterion of drainage (GB 51222, GB 50014) [K]; 0.25 m the closing line of
  Shanghai's underpasses, where the board turns to "no entry" [S]; 0.40 m where an adult wades and cars float [K];
  0.03 m wet onset [P]. Hysteresis 2 cm, clear after 15 min below [P]. Three samples within 20 s and more, because an
  ultrasonic echo off a car or a leaf lasts one to three [P].
- `water_rise`: 2 cm/min with at least 0.10 m standing closes the road before the line is reached, which is real
  practice in Shanghai when backflow rises fast [S, value P]; 1 cm/min warns [P]. The window is five minutes, or three
  cadences of a slower gauge.
A river gauge needs thresholds of its own (warning and guarantee stage): declare them for the device.
"""

CURTAIN_WALL: dict[str, dict[str, Any]] = {
    "frequency_shift": {
        "kind": "level",
        "point": "frequency",
        "direction": "below",
        "reference": "baseline_frequency_hz",
        "hysteresis": 1.0,
        "min_samples": 3,
        "levels": {"IV": {"enter": -3.0}, "III": {"enter": -5.0}, "II": {"enter": -10.0}, "I": {"enter": -20.0}},
        "clear_hold_s": 3600,
        "latch": True,
        "max_verify_delay_s": 10800,
    },
    "tilt": {
        "kind": "level",
        "point": "tilt",
        "min_samples": 3,
        "levels": {
            "IV": {"enter": 0.10, "exit": 0.07},
            "III": {"enter": 0.20, "exit": 0.15},
            "II": {"enter": 0.50, "exit": 0.40},
            "I": {"enter": 1.0, "exit": 0.8},
        },
        "clear_hold_s": 3600,
        "latch": True,
        "max_verify_delay_s": 10800,
    },
    "gap": {
        "kind": "level",
        "point": "gap",
        "min_samples": 3,
        "hysteresis": 0.3,
        "levels": {"IV": {"enter": 1.0}, "III": {"enter": 2.0}, "II": {"enter": 3.0}, "I": {"enter": 5.0}},
        "clear_hold_s": 3600,
        "latch": True,
        "max_verify_delay_s": 10800,
    },
}
"""Curtain wall panels. Frequency in Hz judged in percent of the device's `baseline_frequency_hz`, tilt in degrees from
the installed position, gap in mm.

- `frequency_shift`: 3, 5, 10, 20 percent below the baseline over three consecutive estimates [P]. For a single degree
  of freedom df/f is half of dk/k, so 5 percent is about a tenth of the support stiffness [X]; measured panels range
  between 20 percent below the clamped and 20 percent above the simply supported value [S]. Temperature is not
  yet compensated: silicone softens by 0.1 to 0.3 percent a kelvin [K], so set the baseline for the season.
- `tilt`: 0.1, 0.2, 0.5, 1.0 degrees; `gap`: 1, 2, 3, 5 mm [P]. No standard among JGJ 102, JGJ/T 139 and GB/T 21086
  gives alarm thresholds for sensors [K].
"""

DEVICE: dict[str, dict[str, Any]] = {
    "silence": {"kind": "silence", "hazard": "device", "levels": {"IV": {}}},
    "battery": {
        "kind": "level",
        "hazard": "device",
        "point": "battery",
        "direction": "below",
        "levels": {"IV": {"enter": 15.0, "exit": 25.0, "min_samples": 3}},
        "clear_hold_s": 3600,
    },
}
"""Every device, whatever it watches: silent for three cadences [P]; battery under 15 percent [P]. Maintenance, never a
hazard: a dead battery does not make a blue flood.
"""

DEFAULTS: Mapping[Hazard, Mapping[str, Mapping[str, Any]]] = {
    Hazard.SMOKE: SMOKE,
    Hazard.WATER_LEVEL: WATER_LEVEL,
    Hazard.CURTAIN_WALL: CURTAIN_WALL,
    Hazard.DEVICE: DEVICE,
    Hazard.GATEWAY: {},
}
