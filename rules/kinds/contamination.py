"""Kind `contamination`: how much of its drift compensation a smoke chamber has used up, a matter of maintenance.

    CI = b/A

b is the clean-air value that `smoke_fusion` takes off as well (`rules.smoke_air`), A the device's nominal threshold. At
0.6 A compensation ends (EN 54-7 4.8 [K]): from there on dirt makes the alarm more sensitive, until it cannot be told
from smoke. 0.3: clean it; 0.5: soon; 0.6: exhausted, a fault [P]. It is no hazard: declare `hazard: device`.

Keys: none. Parameter: `alarm_threshold_db_m` (A, 0.15 dB/m).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import smoke_air
from rules.frame import Frame, Input, Signal

KEYS: frozenset[str] = frozenset()
NOMINAL_DB_M = 0.15
STALE_MS = 120_000
SETTINGS = np.dtype([("nominal", "f8"), ("stale_ms", "i8")], align=True)
MEMORY = np.dtype(smoke_air.MEMORY, align=True)


@dataclass(frozen=True, slots=True)
class Options:
    """Only the cadence."""

    cadence_s: float


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """There are no keys of its own."""
    return Options(cadence_s)


def inputs(options: Options) -> tuple[Input, ...]:
    """Obscuration; warmth and carbon monoxide tell when it may be smoke."""
    return (Input("obscuration"), Input("temperature", optional=True), Input("co", optional=True))


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row."""
    nominal = parameters.get("alarm_threshold_db_m", NOMINAL_DB_M)
    if not 0.03 <= nominal <= 1.0:
        return f"alarm_threshold_db_m {nominal:g} is not within 0.03 and 1.0 dB/m"
    row["nominal"] = nominal
    row["stale_ms"] = max(STALE_MS, round(4000 * options.cadence_s))
    return None


def blank() -> Any:
    """Clean."""
    row = np.zeros(1, dtype=MEMORY)[0]
    smoke_air.blank(row)
    return row


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """CI; rounded, so that the end of compensation is 0.6 and not a little less."""
    own = settings[frame.setting]
    beside = []
    for name in ("temperature", "co"):
        value, ts = frame.latest(name)
        beside.append(np.where(frame.ts - ts <= own["stale_ms"], value, np.nan))
    air = smoke_air.learn(frame, own["nominal"], beside[0], beside[1], memory)
    return Signal(np.round(air.clean / own["nominal"], 6), {"clean_air": air.clean})
