"""Kind `level`: the value itself, or percent of a device parameter, against the levels' thresholds."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rules.declaration import Rule
from rules.scan import Floats


def settings_row(rule: Rule, parameters: Mapping[str, float], row: Any) -> str | None:
    """Write a level or rate rule into its row of `condition.SETTINGS`.

    Returns:
        Why the rule cannot judge on this device (a parameter is missing), else None. It then stays blind.
    """
    sign = 1.0 if rule.direction == "above" else -1.0
    row["enter"] = np.nan
    row["exit"] = np.nan
    for level, bound in rule.levels.items():
        rank = level.rank - 1
        row["enter"][rank] = sign * bound.enter
        row["exit"][rank] = sign * bound.exit
        row["hold_ms"][rank] = round(bound.hold_s * 1000)
        row["min_samples"][rank] = bound.min_samples
    row["lowest"] = np.nanmin(row["enter"]) if rule.levels else np.inf
    row["clear_ms"] = round(rule.clear_hold_s * 1000)
    row["max_gap_ms"] = round(rule.max_gap_s * 1000)
    row["verify_ms"] = round(rule.max_verify_delay_s * 1000)
    row["sign"] = sign
    row["scale"], row["shift"] = 1.0, 0.0
    row["at_least"] = -np.inf if rule.at_least is None else rule.at_least
    row["window_ms"] = round(rule.window_s * 1000)
    row["rated"] = rule.kind == "rate"
    row["cooldown_ms"] = round(rule.cooldown_s * 1000)
    if rule.schedule is not None:
        row["scheduled"] = True
        for name in ("from_ms", "to_ms", "days", "offset_ms"):
            row[name] = getattr(rule.schedule, name)
    row["below"] = np.nanmin(row["exit"]) if rule.levels else -np.inf
    if rule.reference is None:
        return None
    base = parameters.get(rule.reference)
    if base is None or not np.isfinite(base) or base == 0:
        row["scale"], row["shift"] = np.nan, np.nan
        return f"rule {rule.id}: parameter {rule.reference} of the device is missing or zero"
    row["scale"], row["shift"] = 100.0 / base, -100.0
    return None


def signal(value: Floats, sign: Floats, scale: Floats, shift: Floats) -> Floats:
    """The judged signal, always 'above': percent v -> 100 (v - reference) / reference, sign turned for 'below'."""
    return np.asarray(sign * (value * scale + shift))
