"""Many fires in many flats at once: the equations of `simulators.fire`, over arrays (a test holds them equal).

A flat is a few zones joined by openings; each fire burns in one zone of its own flat. The detectors of all flats hang
at the same zones' ceilings. One step is one second, as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulators.fire import AIR_KG_M3, AMBIENT_AIR_M_S, EXTINCTION_M2_KG, FUELS, GROWTH_KW_S2

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

LAGS = 64
"""Seconds of history that transport to a detector can take."""

NEVER = 1e12


@dataclass(frozen=True, slots=True)
class Flats:
    """n flats of z zones."""

    area_m2: Floats  # n × z
    height_m: Floats  # n × z
    air_changes_h: Floats  # n × z
    flow_m3_s: Floats  # n × z × z, from the first to the second zone


@dataclass(frozen=True, slots=True)
class Fires:
    """One fire a flat; `smoulder_kg_s2` 0 = flaming. Ignition is second 0."""

    zone: Ints  # n
    alpha: Floats
    peak_kw: Floats
    soot: Floats
    co: Floats
    heat_mj_kg: Floats
    fuel_kg: Floats
    smoulder_kg_s2: Floats
    out_s: Floats  # when somebody puts it out; NEVER

    @classmethod
    def draw(cls, rng: np.random.Generator, zone: Ints, smoulder_share: float = 0.25, out_s: float = 1500.0) -> Fires:
        """A mix as dwellings have them: growth slow to fast, a quarter smouldering for two hours.

        The mass loss of a smoulder grows at 10⁻⁹ … 5·10⁻⁹ kg/s²; bedding and foam give off 3 … 10 % of it as smoke [K].
        """
        n = len(zone)
        growths = np.array([GROWTH_KW_S2[name] for name in ("slow", "medium", "fast")])
        fuels = list(FUELS.values())
        fuel = rng.choice(len(fuels), n, p=_fuel_shares(list(FUELS)))
        smoulders = rng.random(n) < smoulder_share
        rate = np.exp(rng.uniform(np.log(1e-9), np.log(5e-9), n))
        return cls(
            zone=zone,
            alpha=growths[rng.choice(3, n, p=(0.35, 0.45, 0.20))],
            peak_kw=rng.uniform(60, 800, n),
            soot=np.where(smoulders, rng.uniform(0.03, 0.10, n), np.array([one.soot for one in fuels])[fuel]),
            co=np.array([one.co for one in fuels])[fuel],
            heat_mj_kg=np.array([one.heat_mj_kg for one in fuels])[fuel],
            fuel_kg=rng.uniform(1.0, 8.0, n),
            smoulder_kg_s2=np.where(smoulders, rate, 0.0),
            out_s=np.where(smoulders, 7200.0, rng.uniform(0.6, 1.0, n) * out_s),
        )


def _fuel_shares(names: list[str]) -> Floats:
    shares = {"wood": 0.30, "upholstery": 0.25, "heptane": 0.05, "mixed": 0.30, "battery": 0.10}
    found = np.array([shares.get(name, 0.0) for name in names])
    return np.asarray(found / found.sum(), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Traces:
    """What the detectors' chambers, thermistors and cells follow, second by second: n × d × T, T from second 1."""

    chamber: npt.NDArray[np.float32]  # dB/m
    rise_k: npt.NDArray[np.float32]
    co: npt.NDArray[np.float32]  # ppm


def jets(power_kw: Floats, height_m: Floats, radius_m: Floats) -> tuple[Floats, Floats]:
    """Alpert's ceiling jet: temperature rise K and speed m/s; still air moves at `AMBIENT_AIR_M_S`."""
    power = np.maximum(power_kw, 1e-12)
    ratio = radius_m / height_m
    rise = np.where(
        ratio > 0.18,
        5.38 * np.cbrt(power / radius_m) ** 2 / height_m,
        16.9 * np.cbrt(power) ** 2 / height_m ** (5 / 3),
    )
    speed = np.where(
        ratio > 0.15,
        0.195 * np.cbrt(power) * np.sqrt(height_m) / radius_m ** (5 / 6),
        0.96 * np.cbrt(power / height_m),
    )
    burning = power_kw > 0
    return np.where(burning, rise, 0.0), np.where(burning, np.maximum(speed, AMBIENT_AIR_M_S), AMBIENT_AIR_M_S)


class _Burning:
    """The fires' state: heat, soot and CO of each second."""

    def __init__(self, fires: Fires) -> None:
        self.fires = fires
        self.out_s = fires.out_s.copy()
        self.burnt_kg = np.zeros(len(fires.zone))
        self.smoulders = fires.smoulder_kg_s2 > 0
        self.part = np.where(self.smoulders, 0.3, 1.0)  # of the fuel's heat
        self.co = np.where(self.smoulders, 0.12, fires.co)

    def power_kw(self, now_s: float) -> Floats:
        fires = self.fires
        age = np.minimum(now_s, self.out_s)
        flaming = np.minimum(fires.alpha * age * age, fires.peak_kw)
        slow = 0.3 * fires.smoulder_kg_s2 * age * fires.heat_mj_kg * 1000
        grown = np.where(self.smoulders, slow, flaming)
        power = grown * np.exp(-np.maximum(now_s - self.out_s, 0.0) / 20)
        return np.where((power <= 0.01) & (now_s > self.out_s), 0.0, power)

    def step(self, now_s: float) -> tuple[Floats, Floats, Floats]:
        power = self.power_kw(now_s)
        burning = power / (self.fires.heat_mj_kg * 1000) / self.part
        self.burnt_kg += burning
        self.out_s = np.where((self.burnt_kg >= self.fires.fuel_kg) & (self.out_s > now_s), now_s, self.out_s)
        return power, burning * self.fires.soot, burning * self.co


def burn(
    flats: Flats, fires: Fires, detector_zone: Ints, radius_m: Floats, seconds: int, length_m: float = 3.0
) -> Traces:
    """Run the fires for `seconds`.

    Args:
        flats: n flats.
        fires: one in each.
        detector_zone: d zones with a detector, the same in every flat.
        radius_m: n × d, distance of each detector from the axis of a fire in its zone.
        seconds: length of the run.
        length_m: Heskestad's characteristic length of the chambers.
    """
    n, z = flats.area_m2.shape
    d = len(detector_zone)
    rows = np.arange(n)
    floor, height = flats.area_m2, flats.height_m
    volume = floor * height
    layer = 0.08 * volume
    soot, carbon = np.zeros((n, z)), np.zeros((n, z))
    keep = np.exp(-flats.air_changes_h / 3600)
    settle = np.exp(-2e-4)
    burning = _Burning(fires)
    past = np.zeros((3, LAGS, n, z))  # obscuration, CO, power by second modulo LAGS
    chamber, rise, cell = np.zeros((n, d)), np.zeros((n, d)), np.zeros((n, d))
    out = np.zeros((3, n, d, seconds), dtype=np.float32)
    row, column = rows[:, None], detector_zone[None, :]
    ceiling = height[row, column]
    edges = [(a, b) for a in range(z) for b in range(z) if a != b and flats.flow_m3_s[:, a, b].any()]
    for second in range(1, seconds + 1):
        heat, soot_rate, co_rate = burning.step(float(second))
        power = np.zeros((n, z))
        power[rows, fires.zone] = heat
        soot[rows, fires.zone] += soot_rate
        carbon[rows, fires.zone] += co_rate
        clear = np.maximum(0.3, height - layer / floor)
        plume = 0.071 * np.cbrt(0.7 * power) * clear ** (5 / 3) / AIR_KG_M3
        layer = np.minimum(layer + np.where(power > 0.01, plume, 0.0), 0.5 * volume)
        soot *= keep * settle
        carbon *= keep
        slot = second % LAGS
        past[0, slot] = 10 * EXTINCTION_M2_KG * soot / layer / 2.303
        past[1, slot] = carbon / (AIR_KG_M3 * layer) * (29 / 28) * 1e6
        past[2, slot] = power
        here = power[row, column]
        _, speed = jets(here, ceiling, radius_m)
        lag = np.minimum(60.0, radius_m / speed + 0.67 * ceiling ** (4 / 3) / np.cbrt(np.maximum(here, 1e-12)))
        lag = np.where(here > 0, np.minimum(lag.astype(np.int64), min(second, LAGS) - 1), 0)
        seen = past[:, (second - lag) % LAGS, row, column]
        jet_k, speed = jets(seen[2], ceiling, radius_m)
        chamber += (seen[0] - chamber) * -np.expm1(-speed / length_m)
        rise += (jet_k - rise) * -np.expm1(-np.sqrt(speed) / 60)
        cell += (seen[1] - cell) * -np.expm1(-1 / 20)
        out[0, :, :, second - 1], out[1, :, :, second - 1], out[2, :, :, second - 1] = chamber, rise, cell
        for a, b in edges:
            flow = flats.flow_m3_s[:, a, b]
            moved = np.minimum(1.0, flow / layer[:, a])
            layer[:, b] = np.minimum(layer[:, b] + 0.3 * flow * (soot[:, a] > 1e-7), 0.5 * volume[:, b])
            for mass in (soot, carbon):
                shift = mass[:, a] * moved
                mass[:, a] -= shift
                mass[:, b] += shift
    return Traces(out[0], out[1], out[2])
