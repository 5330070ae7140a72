"""Kind `wind_load`: how much of its characteristic wind load a façade panel bears now.

    u = w/w_k,  w = β_gz·μ_sl·μ_z·q,  w_k = β_gz·μ_sl·μ_z·w0,  q = V²/1600 kPa      (GB 50009-2012, 8.1.1-2 [S])
    β_gz = 1 + 2·g·I10·(z/10)^−α,  g = 2.5,  I10 = 0.12, 0.14, 0.23, 0.39,  α = 0.12, 0.15, 0.22, 0.30
    μ_z = 1.284, 1.000, 0.544, 0.262 · (z/10)^2α,  z not below 5, 10, 15, 30 m      for terrain A, B, C, D [K]
    μ_sl = 1.0 on a wall, 1.4 at a corner, 0.2 more for the pressure inside [K]

of a pane, which bears the wind itself; where `area_m2` is given (a mullion), μ_sl without the inner pressure falls
with the logarithm of the area to 0.8 of itself from 1 to 25 m² [K]. w0 is the basic pressure of the place, at least
0.3 kPa [S]. Shanghai, w0 = 0.55, terrain C, corner: w_k = 1.17, 1.48, 1.76, 2.23, 2.57 kPa at 10, 30, 50, 100,
150 m [X].

What `wind` is, is said by the key `wind_is`:

- `mean_10m` (default): the ten-minute mean at 10 m over open land (terrain B), as weather stations give it: u = q/w0;
- `gust_10m`: the gust there; it contains β already: u = μ_sl·μ_z·q/w_k;
- `mean_here`: the ten-minute mean before the panel; it contains μ_z already: u = β_gz·μ_sl·q/w_k;
- `gust_here`: the gust before the panel: u = μ_sl·q/w_k.

Keys: `wind_is`; `basic_pressure_kpa`; `terrain` 3 (1 to 4 for A to D); `corner` true, the worse (a parameter: 0, 1).
Parameters of the device go before keys of the same name. Where nobody says the basic pressure, nothing is judged: a
site that wants this rule declares `wind_load: {basic_pressure_kpa: 0.55}`. Further parameters:
`height_m`, needed for all but `mean_10m`; `area_m2`; `panel_a_m` and `sealant_bite_mm`: with both, the stress of the
structural sealant stands in the evidence. Levels 0.4, 0.6, 0.8, 1.0 [P]. It says how hard the wind pulls, not that
something is damaged.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import parts
from rules.frame import Frame, Input, Signal

KEYS = frozenset({"wind_is", "corner", "basic_pressure_kpa", "terrain"})
PARAMETERS = frozenset(
    {"basic_pressure_kpa", "height_m", "terrain", "corner", "area_m2", "panel_a_m", "sealant_bite_mm"}
)
WIND_IS = ("mean_10m", "gust_10m", "mean_here", "gust_here")
LEAST_KPA = 0.3
GUST = 2.5
TURBULENCE = (0.12, 0.14, 0.23, 0.39)
EXPONENT = (0.12, 0.15, 0.22, 0.30)
PROFILE = (1.284, 1.000, 0.544, 0.262)
FLOOR_M = (5.0, 10.0, 15.0, 30.0)
WALL, CORNER, INSIDE = 1.0, 1.4, 0.2
SEALANT_MPA = 0.2
"""Design strength f1 of structural sealant under wind, JGJ 102-2003 5.6.2 [K]."""

SETTINGS = np.dtype([("scale", "f8"), ("w_k", "f8"), ("stress", "f8")])
DEPENDS: tuple[str, ...] = ()
MEMORY = np.dtype([])


@dataclass(frozen=True, slots=True)
class Options:
    """The keys."""

    wind_is: str
    corner: bool
    basic_pressure_kpa: float  # NaN: the device says
    terrain: int


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """The keys; see the module."""
    return Options(
        parts.choice(f"{where}.wind_is", declaration.get("wind_is", "mean_10m"), WIND_IS),
        parts.switch(f"{where}.corner", declaration.get("corner", True)),
        parts.number(f"{where}.basic_pressure_kpa", declaration["basic_pressure_kpa"], LEAST_KPA, 3.0)
        if "basic_pressure_kpa" in declaration
        else math.nan,
        parts.whole(f"{where}.terrain", declaration.get("terrain", 3), 1, 4),
    )


def inputs(options: Options) -> tuple[Input, ...]:
    """The wind."""
    return (Input("wind"),)


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row; or which parameter is missing."""
    basic = parameters.get("basic_pressure_kpa", options.basic_pressure_kpa)
    if not basic > 0:
        row["scale"] = row["w_k"] = row["stress"] = math.nan
        return None
    basic = max(basic, LEAST_KPA)
    height = parameters.get("height_m", math.nan)
    if not height >= 0 and options.wind_is != "mean_10m":
        return f"parameter height_m of the device is missing (wind_is {options.wind_is})"
    terrain = parameters.get("terrain", options.terrain)
    if terrain not in (1, 2, 3, 4):
        return f"parameter terrain of the device is {terrain:g}, not 1, 2, 3 or 4 (for A, B, C, D)"
    number = int(terrain) - 1
    corner = bool(parameters["corner"]) if "corner" in parameters else options.corner
    local = local_shape(corner=corner, area_m2=parameters.get("area_m2", 0.0))
    height = height if height >= 0 else 10.0
    gust, profile = gust_factor(height, number), height_factor(height, number)
    per_q = {
        "mean_10m": gust * local * profile,
        "gust_10m": local * profile,
        "mean_here": gust * local,
        "gust_here": local,
    }[options.wind_is]
    row["w_k"] = gust * local * profile * basic
    row["scale"] = per_q / 1600 / row["w_k"]
    side, bite = parameters.get("panel_a_m", math.nan), parameters.get("sealant_bite_mm", math.nan)
    row["stress"] = sealant_stress_mpa(1.0, side, bite) if side > 0 and bite > 0 else math.nan
    return None


def gust_factor(height_m: float, terrain: int) -> float:
    """β_gz at a height; terrain 0 to 3 for A to D."""
    z = max(height_m, FLOOR_M[terrain])
    return 1 + 2 * GUST * TURBULENCE[terrain] * float((z / 10) ** -EXPONENT[terrain])


def height_factor(height_m: float, terrain: int) -> float:
    """μ_z at a height; terrain 0 to 3 for A to D."""
    z = max(height_m, FLOOR_M[terrain])
    return PROFILE[terrain] * float((z / 10) ** (2 * EXPONENT[terrain]))


def local_shape(*, corner: bool, area_m2: float = 0.0) -> float:
    """Size of the local shape factor μ_sl with the pressure inside; `area_m2` of what bears it, 0 = a pane."""
    outside = CORNER if corner else WALL
    share = min(max(math.log10(area_m2), 0.0) / 1.4, 1.0) if area_m2 > 0 else 0.0
    return outside * (1 - 0.2 * share) + INSIDE


def characteristic_kpa(basic_kpa: float, height_m: float, terrain: int, *, corner: bool) -> float:
    """w_k of a pane; terrain 0 to 3 for A to D."""
    gust, profile = gust_factor(height_m, terrain), height_factor(height_m, terrain)
    return gust * local_shape(corner=corner) * profile * max(basic_kpa, LEAST_KPA)


def sealant_stress_mpa(wind_kpa: float, short_side_m: float, bite_mm: float) -> float:
    """Stress of the structural sealant of a pane held on four sides, σ1 = w·a/(2000·c_s) (JGJ 102-2003, 5.6.3 [K]).

    Args:
        wind_kpa: wind load w.
        short_side_m: short side a, metres (millimetres in the formula).
        bite_mm: bonded width c_s.

    Returns:
        MPa; the design value is `SEALANT_MPA`.
    """
    return wind_kpa * short_side_m * 1000 / (2000 * bite_mm)


def blank() -> Any:
    """Nothing is remembered."""
    return np.zeros(1, dtype=MEMORY)[0]


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """Share of the characteristic load."""
    share = frame.value**2 * settings["scale"][frame.setting]
    load = share * settings["w_k"][frame.setting]
    evidence = {"wind_kpa": load, "sealant_mpa": load * settings["stress"][frame.setting]}
    return Signal(share, evidence)
