"""One example of each rule kind for the properties that all kinds share (`tests/rules/test_kind_properties.py`).

The owner of a kind adds an entry: a declaration, what a message says while nothing is wrong and while something is, and
what readings may wander about.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wire.alert import Hazard

Message = dict[str, float]


@dataclass(frozen=True)
class Example:
    """A rule on one device, and what the device may say."""

    declaration: Mapping[str, Any]  # without cooldown: with one, a milder threshold may well alarm less
    calm: Message  # by point; while nothing is wrong
    hazard: Message | Callable[[int], Message]  # what must raise, by number of the message
    values: Mapping[str, tuple[float, ...]]  # by point: what a reading wanders about, from calm to worse than the worst
    cadence_s: float = 10.0
    parameters: Mapping[str, float] = field(default_factory=dict)
    calm_rows: int = 30  # messages before the hazard; the rule has learnt then what it must
    hazard_rows: int = 40
    settle_rows: int = 40  # calm ones after it, until the rule has cleared
    count: int = 60  # messages of a stream that wanders; after `calm_rows` of calm
    lateness_rows: int = 3
    family: Hazard = Hazard.SMOKE

    def at(self, number: int) -> Message:
        """What the device says in the hazard."""
        return self.hazard(number) if callable(self.hazard) else self.hazard


_LEVELS = {"IV": {"enter": 1.0, "exit": 0.5, "hold_s": 10}, "II": {"enter": 2.0, "exit": 1.5, "min_samples": 2}}
_COMMON = {"levels": _LEVELS, "clear_hold_s": 60, "max_gap_s": 60, "max_verify_delay_s": 600}

EXAMPLES: dict[str, Example] = {
    "level": Example(
        declaration={"kind": "level", "point": "level", **_COMMON},
        calm={"level": 0.0},
        hazard={"level": 2.5},
        values={"level": (0.0, 0.4, 0.7, 1.2, 2.5, 4.0)},
    ),
    "rate": Example(
        declaration={"kind": "rate", "point": "level", "window_s": 60, **_COMMON},
        calm={"level": 0.0},
        hazard=lambda number: {"level": 0.5 * number},
        values={"level": (0.0, 1.0, 3.0, 6.0)},
    ),
    "trial": Example(
        declaration={"kind": "trial", **_COMMON, "levels": {"IV": {"enter": 6.0, "exit": 5.0}}},
        calm={"level": 0.0, "rain": 0.0, "tide": 0.0},
        hazard={"level": 4.0, "rain": 2.0, "tide": 1.0},
        values={"level": (0.0, 1.0, 2.0, 3.0, 4.0), "rain": (0.0, 1.0, 2.0), "tide": (0.0, 0.5, 1.0)},
    ),
    "smoke_fusion": Example(
        declaration={
            "kind": "smoke_fusion",
            "levels": {
                "IV": {"enter": 0.5, "exit": 0.2, "hold_s": 60, "min_samples": 3},
                "III": {"enter": 1.0, "exit": 0.6},
                "II": {"enter": 2.0, "exit": 1.2},
                "I": {"enter": 4.0, "exit": 2.4},
            },
            "clear_hold_s": 60,
            "max_verify_delay_s": 60,
        },
        calm={"obscuration": 0.01, "temperature": 21.0, "co": 1.0, "humidity": 50.0},
        hazard=lambda number: {
            "obscuration": 0.01 + 0.001 * number * number,
            "temperature": 21.0 + 0.05 * number * number,
            "co": 1.0 + 0.05 * number * number,
            "humidity": 50.0,
        },
        values={
            "obscuration": (0.0, 0.05, 0.1, 0.2, 0.45, 1.2),
            "temperature": (21.0, 26.0, 45.0, 58.0),
            "co": (1.0, 12.0, 70.0),
            "humidity": (50.0, 55.0, 70.0),
        },
    ),
    "contamination": Example(
        declaration={
            "kind": "contamination",
            "levels": {"IV": {"enter": 0.1, "exit": 0.05}, "III": {"enter": 0.2, "exit": 0.1}},
            "clear_hold_s": 3600,
        },
        calm={"obscuration": 0.0, "temperature": 21.0, "co": 1.0},
        hazard={"obscuration": 0.1, "temperature": 21.0, "co": 1.0},
        values={"obscuration": (0.0, 0.05, 0.1), "temperature": (20.0, 26.0), "co": (0.0, 15.0)},
        cadence_s=600.0,
        calm_rows=12,
        hazard_rows=210,
        settle_rows=330,
    ),
    "forecast": Example(
        declaration={
            "kind": "forecast",
            "threshold": 0.4,
            "levels": {"III": {"enter": 20.0, "exit": 40.0}},
            "clear_hold_s": 60,
            "max_gap_s": 60,
            "max_verify_delay_s": 600,
        },
        calm={"level": 0.01},
        hazard=lambda number: {"level": 0.01 + 0.006 * number},
        values={"level": (0.01, 0.05, 0.1, 0.2, 0.35)},
        settle_rows=60,
        family=Hazard.WATER_LEVEL,
    ),
    "ponding": Example(
        declaration={
            "kind": "ponding",
            "levels": {"IV": {"enter": 0.025, "exit": 0.01}, "II": {"enter": 0.25, "hysteresis": 0.02}},
            "clear_hold_s": 360,
            "max_gap_s": 360,
            "max_verify_delay_s": 600,
        },
        calm={"level": 0.0},
        hazard=lambda number: {"level": 0.008 * number},
        values={"level": (0.0, 0.03, 0.1, 0.26, 0.5)},
        cadence_s=60.0,  # half an hour of calm: what stands in one step then is doubted
        family=Hazard.WATER_LEVEL,
    ),
    "rain_nowcast": Example(
        declaration={
            "kind": "rain_nowcast",
            "rain_is": "intensity",
            "threshold": 0.25,
            "levels": {"III": {"enter": 20.0, "exit": 40.0}},
            "clear_hold_s": 60,
            "max_gap_s": 60,
            "max_verify_delay_s": 600,
        },
        calm={"level": 0.0, "rain": 0.0},
        hazard=lambda number: {"level": 0.004 * number, "rain": 200.0},
        values={"level": (0.0, 0.05, 0.2), "rain": (0.0, 30.0, 120.0)},
        settle_rows=120,
        family=Hazard.WATER_LEVEL,
    ),
    "upstream": Example(
        declaration={
            "kind": "upstream",
            "fit": {"a": 0.0, "b": 1.0, "c": 0.2, "lag_s": 60, "delta_s": 60, "r2": 0.9},
            "levels": {"IV": {"enter": 1.0, "exit": 0.5, "hold_s": 10}},
            "clear_hold_s": 60,
            "max_gap_s": 60,
            "max_verify_delay_s": 600,
        },
        calm={"level": 0.0, "upstream": 0.0},
        hazard={"level": 0.0, "upstream": 2.0},
        values={"level": (0.0, 1.0), "upstream": (0.0, 0.6, 1.2, 2.5)},
        family=Hazard.WATER_LEVEL,
    ),
    "frequency": Example(
        declaration={
            "kind": "frequency",
            "learn_days": 0.5,
            "learn_range_k": 5,
            "learn_least": 10,
            "trip": 3,
            "estimates": 1,
            "clear_hold_s": 3600,
            "max_gap_s": 40_000,
            "levels": {"III": {"enter": -5.0, "exit": -4.0}, "I": {"enter": -20.0, "exit": -15.0, "min_samples": 2}},
        },
        calm={"frequency": 20.0, "surface_temperature": 20.0, "wind": 2.0, "prominence": 15.0, "rms": 0.01},
        hazard=lambda number: {"frequency": 17.0, "surface_temperature": 10.0, "prominence": 12.0},
        values={
            "frequency": (20.0, 20.1, 19.4, 18.8, 18.0, 15.0, 2.0),
            "surface_temperature": (20.0, 10.0, 45.0),
            "prominence": (15.0, 3.0),
            "rms": (0.01, 0.1),
        },
        cadence_s=3600.0,
        parameters={"baseline_frequency_hz": 20.0, "simply_supported_hz": 15.4, "clamped_hz": 29.6},
        family=Hazard.CURTAIN_WALL,
    ),
    "residual": Example(
        declaration={
            "kind": "residual",
            "window_s": 21_600,
            "least": 1,
            "learn_days": 0.5,
            "learn_range_k": 0,
            "learn_least": 10,
            "clear_hold_s": 3600,
            "max_gap_s": 40_000,
            "levels": {"III": {"enter": 0.2, "exit": 0.15}, "I": {"enter": 1.0, "exit": 0.8, "min_samples": 2}},
        },
        calm={"tilt": 0.01, "wind": 2.0, "surface_temperature": 20.0},
        hazard={"tilt": 0.6, "wind": 3.0, "surface_temperature": 25.0},
        values={"tilt": (0.0, 0.1, -0.3, 0.9, 1.4), "wind": (2.0, 9.0), "surface_temperature": (10.0, 20.0, 45.0)},
        cadence_s=3600.0,
        settle_rows=60,
        lateness_rows=2,
        family=Hazard.CURTAIN_WALL,
    ),
    "shock": Example(
        declaration={
            "kind": "shock",
            "judge": "breakage",
            "clear_hold_s": 600,
            "max_gap_s": 2000,
            "levels": {"I": {"enter": 0.5, "exit": 0.4, "min_samples": 3}},
            "max_verify_delay_s": 3600,
        },
        calm={"peak": 0.1, "rms": 0.02, "frequency": 20.0, "wind": 4.0},
        hazard=lambda number: {"peak": 80.0 if number < 5 else 0.01, "rms": 0.002, "wind": 5.0},
        values={
            "peak": (0.1, 20.0, 60.0, 120.0),
            "rms": (0.001, 0.02, 0.1),
            "wind": (1.0, 5.0),
            "frequency": (20.0, 18.0),
        },
        cadence_s=120.0,
        family=Hazard.CURTAIN_WALL,
    ),
    "wind_load": Example(
        declaration={
            "kind": "wind_load",
            "clear_hold_s": 3600,
            "max_gap_s": 40_000,
            "levels": {"IV": {"enter": 0.4}, "II": {"enter": 0.8, "min_samples": 2}},
        },
        calm={"wind": 3.0},
        hazard={"wind": 30.0},
        values={"wind": (3.0, 10.0, 19.0, 22.0, 28.0, 35.0)},
        cadence_s=3600.0,
        parameters={"basic_pressure_kpa": 0.55, "height_m": 80.0},
        family=Hazard.CURTAIN_WALL,
    ),
    "daily_pattern": Example(
        declaration={
            "kind": "daily_pattern",
            "least_sd": 0.05,
            "min_days": 3,
            "teach_below": 4.0,
            "clear_hold_s": 3600,
            "max_gap_s": 40_000,
            "levels": {"IV": {"enter": 5.0, "exit": 3.0}, "III": {"enter": 10.0, "exit": 6.0}},
        },
        calm={"level": 1.0},
        hazard={"level": 2.0},
        values={"level": (1.0, 1.05, 0.9, 1.3, 1.6, 3.0)},
        cadence_s=3600.0,
        calm_rows=110,
        count=80,
        family=Hazard.WATER_LEVEL,
    ),
}
