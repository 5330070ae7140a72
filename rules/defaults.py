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
        "kind": "smoke_fusion",
        "levels": {
            "IV": {"enter": 0.5, "exit": 0.2, "hold_s": 120, "min_samples": 3},
            "III": {"enter": 1.0, "exit": 0.3},
            "II": {"enter": 2.0, "exit": 0.3},
            "I": {"enter": 4.0, "exit": 0.3},
        },
        "clear_hold_s": 900,
        "latch": True,
        "max_verify_delay_s": 60,
    },
    "contamination": {
        "kind": "contamination",
        "hazard": "device",
        "levels": {
            "IV": {"enter": 0.3, "exit": 0.2, "min_samples": 3},
            "III": {"enter": 0.5, "exit": 0.4, "min_samples": 3},
            "II": {"enter": 0.6, "exit": 0.5, "min_samples": 3},
        },
        "clear_hold_s": 3600,
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
        "kind": "event",
        "point": "alarm",
        "levels": {"III": {}, "II": {"after_s": 60}},
        "clear_hold_s": 300,
        "latch": True,
    },
    "cross_zone": {
        "kind": "co_occurrence",
        "of": [{"rule": "smoke", "field": "spreading", "at": 0.7}, {"rule": "device_alarm", "at": 0.5}],
        "within": "zone",
        "window_s": 180,
        "levels": {"I": {"enter": 2}},
        "clear_hold_s": 900,
        "latch": True,
    },
}
"""Smoke and fire. Obscuration in dB/m, temperature in degrees Celsius, carbon monoxide in ppm.

- `smoke`: obscuration, temperature and carbon monoxide together (`docs/rules/smoke_fusion.md`). The signal is F, 1 at
  the nominal alarm threshold A = 0.15 dB/m [P], inside what GB 4715-2024 clause 5.7 [S] and EN 14604 [K] allow.
  Verified F is III, a fire that grows, lasts or warms II (from 2 on), 1.0 dB/m or 65 degrees I (from 4 on) [P]. IV:
  half of it for two minutes [P].
- `contamination`: the share of A that drift compensation takes off: clean, clean soon, exhausted [P]. No hazard.
- `heat`: 54 and 65 degrees, the static response range of class A1 heat detectors, EN 54-5 / GB 4716 [K]. It stays
  beside `smoke` for the day on which the chamber is blind; `carbon_monoxide` for a flue that leaks without smoke.
- `carbon_monoxide`: 50 ppm for a minute, 150 ppm [P].
- `device_alarm`: a stand-alone alarm's own flag is III at once, so that the first call is never delayed; unless
  it says 0, II after 60 s [P].
- `cross_zone`: two devices of one zone within three minutes are I at once, without waiting for either's verification
  [S, values P].
Clear after 15 min below exit, and a person resets [P].
"""

WATER_LEVEL: dict[str, dict[str, Any]] = {
    "water_depth": {
        "kind": "ponding",
        "hysteresis": 0.02,
        "min_samples": 2,
        "hold_s": 30,
        "levels": {
            "IV": {"enter": 0.025},
            "III": {"enter": 0.15},
            "II": {"enter": 0.25},
            "I": {"enter": 0.40},
        },
        "clear_hold_s": 900,
        "max_verify_delay_s": 60,
    },
    "water_rise": {
        "kind": "forecast",
        "measure": "rate",
        "at_least": 0.10,
        "min_samples": 3,
        "hold_s": 20,
        "levels": {"III": {"enter": 0.01, "exit": 0.004}, "II": {"enter": 0.02, "exit": 0.01}},
        "clear_hold_s": 900,
        "max_verify_delay_s": 60,
    },
    "water_forecast": {
        "kind": "forecast",
        "measure": "rank",
        "ahead": {
            "IV": {"threshold": 0.15, "within_s": 1800},
            "III": {"threshold": 0.25, "within_s": 1200},
            "II": {"threshold": 0.40, "within_s": 600},
        },
        "min_samples": 3,
        "hold_s": 20,
        "levels": {
            "IV": {"enter": 1, "exit": 0.5},
            "III": {"enter": 2, "exit": 1.5},
            "II": {"enter": 3, "exit": 2.5},
        },
        "clear_hold_s": 900,
        "max_verify_delay_s": 60,
    },
    "rain_nowcast": {
        "kind": "rain_nowcast",
        "threshold": 0.25,
        "min_samples": 3,
        "hold_s": 20,
        "levels": {"III": {"enter": 20.0, "exit": 40.0}},
        "clear_hold_s": 900,
        "max_verify_delay_s": 60,
    },
    "rain_capacity": {
        "kind": "rain_nowcast",
        "measure": "capacity",
        "levels": {"IV": {"enter": 1.0, "exit": 0.7}},
        "clear_hold_s": 900,
        "max_verify_delay_s": 60,
    },
    "wet_area": {
        "kind": "co_occurrence",
        "of": [{"rule": "water_depth", "at": 0.05}],
        "within": "site",
        "window_s": 1800,
        "levels": {"III": {"enter": 3}},
        "clear_hold_s": 900,
    },
}
"""Standing water in an underpass, a road, a basement entrance. Level in metres above ground, rates in m/min.

- `water_depth`: 0.15 m the design criterion of drainage (GB 51222, GB 50014) [K]; 0.25 m the closing line of
  Shanghai's underpasses, where the board turns to "no entry" [S]; 0.40 m where an adult wades and cars float [K];
  0.025 m wet onset [P]. Hysteresis 2 cm, clear after 15 min below [P]. Held for 30 s, because
  an ultrasonic echo off a car or a leaf lasts one to three samples of ten seconds [P]. What is shallow must look like
  water first; what is deep waits only where it came as water cannot (`rules.kinds.ponding`).
- `water_rise`: 2 cm/min with at least 0.10 m standing closes the road before the line is reached, which is real
  practice in Shanghai when backflow rises fast [S, value P]; 1 cm/min warns [P].
- `water_forecast`: 0.25 m within 20 min is III, 0.40 m within 10 min II, 0.15 m within half an hour at evens IV
  (`rules.kinds.forecast`) [P].
- `rain_nowcast`, `rain_capacity`: where a rain gauge is declared as input `rain`: 0.25 m within 20 min, and rain that
  is all that drain or pump can take for five minutes (`rules.kinds.rain_nowcast`) [P].
- `wet_area`: three gauges of one site with 5 cm of believed water within half an hour: a street floods, no puddle [P].
A river gauge needs thresholds of its own (warning and guarantee stage): declare them for the device.
"""

CURTAIN_WALL: dict[str, dict[str, Any]] = {
    "frequency_shift": {
        "kind": "frequency",
        "point": "frequency",
        "hysteresis": 1.0,
        "min_samples": 3,
        "levels": {"IV": {"enter": -2.7}, "III": {"enter": -4.5}, "II": {"enter": -9.0}, "I": {"enter": -18.0}},
        "clear_hold_s": 3600,
        "latch": True,
        "max_verify_delay_s": 10800,
    },
    "tilt": {
        "kind": "residual",
        "point": "tilt",
        "least": 1,
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
        "common_mode": {"within": "zone", "at_least": 3, "window_s": 7200},
    },
    "gap": {
        "kind": "residual",
        "point": "gap",
        "least": 1,
        "min_samples": 3,
        "hysteresis": 0.3,
        "levels": {"IV": {"enter": 1.0}, "III": {"enter": 2.0}, "II": {"enter": 3.0}, "I": {"enter": 5.0}},
        "clear_hold_s": 3600,
        "latch": True,
        "max_verify_delay_s": 10800,
        "common_mode": {"within": "zone", "at_least": 3, "window_s": 7200},
    },
    "damping": {
        "kind": "residual",
        "point": "damping",
        "against": "ratio",
        "calm_m_s": 100,
        "learn_range_k": 0,
        "quantum": 1e-6,
        "least": 6,
        "min_samples": 3,
        "levels": {"IV": {"enter": 1.5, "exit": 1.35}, "III": {"enter": 2.0}, "II": {"enter": 3.0}},
        "clear_hold_s": 3600,
        "latch": True,
        "max_verify_delay_s": 10800,
    },
    "shock": {
        "kind": "shock",
        "point": "peak",
        "levels": {"IV": {"enter": 2.0}, "III": {"enter": 5.0}, "II": {"enter": 10.0}},
        "clear_hold_s": 3600,
        "latch": True,
    },
    "breakage": {
        "kind": "shock",
        "point": "peak",
        "judge": "breakage",
        "levels": {"I": {"enter": 0.5, "exit": 0.5, "min_samples": 3}},
        "clear_hold_s": 3600,
        "latch": True,
        "max_verify_delay_s": 10800,
    },
    "wind_load": {
        "kind": "wind_load",
        "point": "wind",
        "levels": {"IV": {"enter": 0.4}, "III": {"enter": 0.6}, "II": {"enter": 0.8}, "I": {"enter": 1.0}},
        "clear_hold_s": 3600,
    },
}
"""Curtain wall panels. Frequency in Hz, tilt in degrees from the installed position, gap in mm, peak in m/s2, damping a
ratio, wind the ten-minute mean in m/s. Each kind says in its module how it judges.

- `frequency_shift`: 3, 5, 10, 20 percent under what is expected at this temperature, three estimates in a row [P], or a
  support weaker than simple support (I). Entered at nine tenths of that: an estimate is uncertain by itself, and a drop
  of 5 percent is to be found as one. For a single degree of freedom df/f is half of dk/k, so 5 percent is about a tenth
  of the support stiffness [X]; measured panels range between 20 percent below the clamped and 20 percent above the
  simply supported value [S]. No common mode: temperature is taken out already, and supports that loosened one after
  the other are no less loose for being several.
- `tilt`: 0.1, 0.2, 0.5, 1.0 degrees; `gap`: 1, 2, 3, 5 mm; what remains of a day's calm hours without temperature [P].
  No standard among JGJ 102, JGJ/T 139 and GB/T 21086 gives alarm thresholds for sensors [K].
- Three panels of one zone that shift within two hours are likely temperature or wind: told one level lower [P].
- `damping`: 1.5, 2, 3 times what it was in the first 30 days [P].
- `shock`: 2, 5, 10 g [P]; `breakage`: 5 g and the panel is not heard again (I) [P].
- `wind_load`: 0.4, 0.6, 0.8, 1.0 of the characteristic load of GB 50009 [P]; only where a site or a device says its
  basic pressure (Shanghai 0.55, Suzhou, Wuxi, Hangzhou 0.45 kPa [K]): every panel of a building feels a storm.
"""

DEVICE: dict[str, dict[str, Any]] = {
    "silence": {
        "kind": "silence",
        "hazard": "device",
        "levels": {"IV": {}},
        "common_mode": {"within": "site", "at_least": 5, "share": 0.5},
    },
    "battery": {
        "kind": "level",
        "hazard": "device",
        "point": "battery",
        "direction": "below",
        "levels": {"IV": {"enter": 15.0, "exit": 25.0, "min_samples": 3}},
        "clear_hold_s": 3600,
    },
}
"""Every device, whatever it watches: silent for three cadences [P] – five devices and half of a site that fall silent
together are a gateway or its power, and say so [P]; battery under 15 percent [P]. Maintenance, never a
hazard: a dead battery does not make a blue flood.
"""

DEFAULTS: Mapping[Hazard, Mapping[str, Mapping[str, Any]]] = {
    Hazard.SMOKE: SMOKE,
    Hazard.WATER_LEVEL: WATER_LEVEL,
    Hazard.CURTAIN_WALL: CURTAIN_WALL,
    Hazard.DEVICE: DEVICE,
    Hazard.GATEWAY: {},
}
