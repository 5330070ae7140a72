"""By what the quality of readings is tested when nobody says otherwise: the defaults of each family, by point.

Marks as in `docs/rules.md`: [S] seen in a source (QARTOD: Manual for Real-Time Quality Control of Water Level Data
v2.1), [K] engineering knowledge, [P] this project's proposal. Thresholds are in the unit of the point.
"""

from collections.abc import Mapping
from typing import Any

from wire.alert import Hazard

SMOKE: dict[str, dict[str, Any]] = {
    "obscuration": {
        "spike": {"least": 0.10},
        "flat": {"band": 0.001, "suspect_s": 86_400, "fail_s": 172_800},
    },
    "temperature": {"user_span": [-40.0, 250.0], "spike": {"least": 8.0}, "rate": {"most": 120.0}},
    "co": {"spike": {"least": 30.0}},
    "humidity": {"user_span": [0.0, 100.0], "spike": {"least": 15.0}},
}
"""Smoke and fire. Obscuration in dB/m, temperature in degrees Celsius, carbon monoxide in ppm, humidity in percent.

- obscuration: dust and insects are one sample far off (4 A and back [P]); 0.10 dB/m lies under every threshold that a
  single sample could reach. No rate: nothing bounds the rise of a fire [K]. Flat: a chamber that lives dithers by one
  or two steps; without that it is suspect after a day, failed after two [P].
- temperature: 2 K/s is faster than the thermistor of a detector follows even a flaming fire [P].
"""

WATER_LEVEL: dict[str, dict[str, Any]] = {
    "level": {
        "spike": {"least": 0.05},
        "rate": {"most": 0.10},
        "flat": {"band": 0.001, "suspect_s": 21_600, "fail_s": 86_400, "witnessed": True},
        "attenuated": {"least": 0.005, "over_s": 43_200, "witnessed": True},
    },
    "distance": {"spike": {"least": 0.05}},
    "temperature": {"user_span": [-40.0, 85.0], "spike": {"least": 8.0}},
    "rain": {"user_span": [0.0, 400.0]},
}
"""Water level in metres. QARTOD's examples of spike are 0.1 and 0.2 m, of rate 0.02 to 0.50 m in six minutes [S].

- spike: 5 cm, the echo of a car, a leaf or foam is more [P].
- rate: 10 cm a minute, three times the most that a model underpass did in a storm of fifty years [P]. A river:
  0.5 m in 6 min [S], declare 0.083.
- flat: QARTOD's three repeats within 1 mm [S] are far too eager for a dry road or a calm canal, so it is judged over
  six hours and only where a witness (rain, tide, a neighbour) moved [P]; without a witness it is not judged.
- attenuated: less than 5 mm of movement in 12 h although a witness moved [P]; QARTOD's window is 12 h [S].
"""

CURTAIN_WALL: dict[str, dict[str, Any]] = {
    "frequency": {"user_span": [2.0, 120.0], "spike": {"least": 0.5}},
    "tilt": {"spike": {"least": 0.2}, "flat": {"band": 1e-6, "suspect_s": 172_800, "fail_s": 604_800}},
    "gap": {"spike": {"least": 1.0}, "flat": {"band": 1e-6, "suspect_s": 172_800, "fail_s": 604_800}},
    "temperature": {"user_span": [-40.0, 90.0], "spike": {"least": 8.0}},
}
"""Curtain wall. Frequency in Hz, tilt in degrees, gap in mm.

- frequency: panels lie between 10 and 40 Hz [X]; building sway (under 0.3 Hz) and mains hum are no panel [K].
- spike: half of what would be an alarm of level II in one step [P].
- flat: facades breathe with the sun every day; two days without the smallest step is a stuck axis [P].
"""

DEVICE: dict[str, dict[str, Any]] = {"battery": {"user_span": [0.0, 100.0]}}

DEFAULTS: Mapping[Hazard, Mapping[str, Mapping[str, Any]]] = {
    Hazard.SMOKE: SMOKE,
    Hazard.WATER_LEVEL: WATER_LEVEL,
    Hazard.CURTAIN_WALL: CURTAIN_WALL,
    Hazard.DEVICE: DEVICE,
    Hazard.GATEWAY: {},
}

SKEW_MS = 5_000
"""Readings that are steadily further than this from their arrival say so [P]."""
WRONG_MS = 120_000
"""Steadily further behind than this, the clock is wrong and the arrival counts [P]."""
STEADY_MS = 30_000
"""The delays of a wrong clock lie within this; those of a backlog that is caught up do not [P]."""
ENOUGH_READINGS, ENOUGH_MS = 10, 60_000
"""So many readings, over so long a time of arrival, before a clock is judged [P]."""
ENVELOPE_READINGS = 100
"""The lower envelope of the delays is taken over at most so many readings [P]."""
ZONE_MS, ZONE_TOLERANCE_MS = 28_800_000, 300_000
"""Eight hours: a device that sends Chinese local time as UTC, or the other way round [K]."""
