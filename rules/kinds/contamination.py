"""Kind `contamination`: how much of its drift compensation a smoke chamber has used up, a matter of maintenance.

    CI = b/A

b is the clean-air value of `rules.smoke_air`, A the device's nominal threshold. At 0.6 A compensation ends
(EN 54-7 4.8 [K]): from there on dirt makes the alarm more sensitive, until it cannot be told from smoke. 0.3: clean it;
0.5: soon; 0.6: exhausted, a fault [P]. It is no hazard: declare `hazard: device`.

One reading in five minutes is looked at, whatever the device sends: dirt takes weeks. Smoke that comes and goes does
not reach the lower fifth of three days, so neither warmth nor carbon monoxide is asked.

Keys: none. Parameter: `alarm_threshold_db_m` (A, 0.15 dB/m).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import smoke_air
from rules.frame import Frame, Input, Signal
from rules.rowwise import Rowwise

KEYS: frozenset[str] = frozenset()
EVERY_S = 300
LONGEST_GAP_S = 3.0 * EVERY_S
NOMINAL_DB_M = 0.15
SETTINGS = np.dtype([("nominal", "f8")], align=True)
MEMORY = np.dtype(smoke_air.MEMORY, align=True)


@dataclass(frozen=True, slots=True)
class Options:
    """Nothing may be chosen."""


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """There are no keys of its own."""
    return Options()


def inputs(options: Options) -> tuple[Input, ...]:
    """Obscuration alone."""
    return (Input("obscuration"),)


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row."""
    nominal = parameters.get("alarm_threshold_db_m", NOMINAL_DB_M)
    if not 0.03 <= nominal <= 1.0:
        return f"alarm_threshold_db_m {nominal:g} is not within 0.03 and 1.0 dB/m"
    row["nominal"] = nominal
    return None


def blank() -> Any:
    """Clean."""
    row = np.zeros(1, dtype=MEMORY)[0]
    smoke_air.blank(row)
    return row


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """CI; rounded, so that the end of compensation is 0.6 and not a little less."""
    nominal = Rowwise(settings, frame.setting)["nominal"]
    clean = smoke_air.learn(frame, nominal, None, None, memory).clean
    return Signal(np.round(clean / nominal, 6), {"clean_air": clean})
