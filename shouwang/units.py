"""Units in which recordings come, to and from the units that the rules judge in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_FOOT_M = 0.3048


@dataclass(frozen=True, slots=True)
class Unit:
    """One way to write a quantity."""

    name: str
    to_canonical: Callable[[Floats], Floats]
    from_canonical: Callable[[Floats], Floats]
    slope: float | None = None  # of a linear unit: canonical per unit; rates need it


def _linear(name: str, factor: float, shift: float = 0.0) -> Unit:
    return Unit(name, lambda value: value * factor + shift, lambda value: (value - shift) / factor, factor)


def _obscuration(name: str, per_m: float) -> Unit:
    """Percent of light lost over a length: m = -(10 / length) log10(1 - O/100), in dB/m."""

    def to_db(value: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return -10.0 * per_m * np.log10(1.0 - value / 100.0)

    return Unit(name, to_db, lambda value: 100.0 * (1.0 - 10.0 ** (-value / (10.0 * per_m))))


_LENGTH_M = {"m": 1.0, "cm": 0.01, "mm": 0.001, "ft": _FOOT_M, "in": 0.0254}
_TEMPERATURE = (_linear("Cel", 1.0), _linear("degF", 5 / 9, -160 / 9), _linear("K", 1.0, -273.15))
_OBSCURATION = (
    _linear("dB/m", 1.0),
    _linear("1/m", 10.0),  # optical density per metre, log10: D = -log10(I/I0)/L, m = 10 D
    _obscuration("%/m", 1.0),
    _obscuration("%/ft", 1 / _FOOT_M),
)
_SPELLINGS = {
    "[ft_i]": "ft", "feet": "ft", "foot": "ft", "[in_i]": "in", "inch": "in", "metre": "m", "meter": "m",
    "db/m": "dB/m", "m-1": "1/m", "/m": "1/m", "OD/m": "1/m", "%/[ft_i]": "%/ft", "C": "Cel", "°C": "Cel",
    "F": "degF", "°F": "degF", "[degF]": "degF", "ppm": "[ppm]",
}  # fmt: skip

UNITS: Mapping[str, tuple[Unit, ...]] = {
    "obscuration": _OBSCURATION,
    "temperature": _TEMPERATURE,
    "surface_temperature": _TEMPERATURE,
    "level": tuple(_linear(name, factor) for name, factor in _LENGTH_M.items()),
    "gap": tuple(_linear(name, _LENGTH_M[name] * 1000) for name in ("mm", "cm", "m", "in")),
    "co": (_linear("[ppm]", 1.0),),
    "frequency": (_linear("Hz", 1.0),),
    "tilt": (_linear("deg", 1.0), _linear("rad", 180 / np.pi)),
    "humidity": (_linear("%", 1.0),),
    "battery": (_linear("%", 1.0),),
    "alarm": (_linear("1", 1.0),),
    "rms": (_linear("m/s2", 1.0),),
    "wind": (_linear("m/s", 1.0),),
    "neighbour": tuple(_linear(name, factor) for name, factor in _LENGTH_M.items()),
    "rain": tuple(_linear(name, factor) for name, factor in (("mm", 1.0), ("in", 25.4), ("mm/h", 1.0), ("in/h", 25.4))),
    "rain_mm_h": (_linear("mm/h", 1.0), _linear("in/h", 25.4)),
    "rain_mm": (_linear("mm", 1.0), _linear("in", 25.4)),
    "peak": (_linear("m/s2", 1.0),),
    "prominence": (_linear("dB", 1.0),),
    "damping": (_linear("1", 1.0), _linear("%", 0.01)),
}
"""By point; the first is the one that the rules judge in."""


def unit_of(point: str, name: str | None) -> Unit:
    """A unit of a point; without a name the canonical one.

    Raises:
        ValueError: naming the units that the point may have.
    """
    if point not in UNITS:
        raise ValueError(f"there is no point '{point}'; known: {', '.join(UNITS)}")
    if name is None:
        return UNITS[point][0]
    spelled = _SPELLINGS.get(name, name)
    for unit in UNITS[point]:
        if unit.name == spelled:
            return unit
    raise ValueError(f"{point} does not come in '{name}'; it comes in {', '.join(unit.name for unit in UNITS[point])}")
