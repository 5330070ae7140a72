"""Smoke by plain thresholds: where a test is about what becomes of an alarm and not about what makes one."""

from typing import Any

PLAIN_SMOKE: dict[str, Any] = {
    "kind": "level",
    "point": "obscuration",
    "levels": {
        "IV": {"enter": 0.10, "exit": 0.05, "hold_s": 120, "min_samples": 3},
        "III": {"enter": 0.15, "exit": 0.06, "hold_s": 12, "min_samples": 3},
        "II": {"enter": 0.30, "exit": 0.15, "hold_s": 10, "min_samples": 3},
        "I": {"enter": 1.0, "exit": 0.5, "hold_s": 6, "min_samples": 3},
    },
}
"""In place of the default rule `smoke`; II at the third reading of 0.3 dB/m and more."""
