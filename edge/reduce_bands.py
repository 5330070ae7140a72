"""Dead bands: how far a value must move before the change is told at once. Half of what a person would call a change.

By unit, since a quantity has one unit here (`device_profiles.quantity`); a profile may say otherwise of its point
(`dead_band`). What stands in no line has a band of zero: every change is told.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from wire.reading import Series

_BY_UNIT = {
    "dB/m": 0.01,  # a tenth of the mildest threshold
    "Cel": 0.5,
    "[ppm]": 2.0,
    "m": 0.01,  # resolution of ultrasonic gauges
    "kPa": 0.1,
    "uS/cm": 10.0,
    "Hz": 0.02,
    "deg": 0.02,
    "mm": 0.2,
    "m/s2": 0.02,
    "mm/s": 0.1,
    "m/s": 0.5,
    "lx": 20.0,
    "V": 0.05,
    "mA": 5.0,
    "dBm": 5.0,
    "%": 2.0,  # humidity, battery
}
_BY_POINT = {"rain": 0.0, "alarm": 0.0, "leak": 0.0, "flag": 0.0, "count": 0.0}


def band(point: str, unit: str, own: float | None = None) -> float:
    """Of one point; `own`: what its profile says."""
    if own is not None:
        return own
    return _BY_POINT.get(point, _BY_UNIT.get(unit, 0.0))


def bands(table: Sequence[Series], own: Mapping[tuple[str, str], float]) -> npt.NDArray[np.float64]:
    """Of series; `own` by device and point."""
    return np.array([band(each.point, each.unit, own.get((each.device, each.point))) for each in table])
