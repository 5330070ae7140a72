"""Fire and smoke in rooms: t² heat release, ceiling jet, a smoke layer, drift to the next room, detector chambers.

Simple but physical (DOMAIN D1): soot and carbon monoxide fill a growing layer under the ceiling, the detector's chamber
and its thermistor follow the gas that passes them with a lag. Smoke therefore leads heat by tens of seconds.

Sources: Alpert's ceiling-jet correlations; Zukoski's plume entrainment; Heskestad's chamber lag with characteristic
length L (Björkman et al. 2002: L = 2…10 m); mass-specific extinction 8700 m²/kg (Mulholland); growth classes
of NFPA 204.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

STEP_S = 1.0
"""Rooms advance on a fixed grid of scenario seconds, so that the outcome never depends on how a run is cut."""

GROWTH_KW_S2 = {"slow": 0.00293, "medium": 0.01172, "fast": 0.0469, "ultra": 0.1876}
"""α of Q = α·t²: 1 MW is reached after 600, 300, 150, 75 s."""

EXTINCTION_M2_KG = 8700.0
AIR_KG_M3 = 1.15
AMBIENT_AIR_M_S = 0.05
"""Air that always moves past a detector, fire or not."""


@dataclass(frozen=True, slots=True)
class Fuel:
    """What burns: soot and CO yields in kg per kg, heat of combustion in MJ/kg."""

    soot: float
    co: float
    heat_mj_kg: float


FUELS = {
    "wood": Fuel(soot=0.015, co=0.005, heat_mj_kg=17.0),
    "upholstery": Fuel(soot=0.10, co=0.03, heat_mj_kg=24.0),
    "heptane": Fuel(soot=0.037, co=0.01, heat_mj_kg=44.0),
    "mixed": Fuel(soot=0.02, co=0.01, heat_mj_kg=20.0),
    "battery": Fuel(soot=0.08, co=0.03, heat_mj_kg=18.0),
}


@dataclass(slots=True)
class Fire:
    """One fire. Flaming: Q = min(α·t², peak) until the fuel is used up or someone puts it out.

    Smouldering (`smoulder_kg_s2` set): mass burns at a·t with little heat and ten times the carbon monoxide.
    """

    ignition_s: float  # scenario seconds since the start of its world
    alpha: float = GROWTH_KW_S2["medium"]
    peak_kw: float = 150.0
    fuel: Fuel = FUELS["mixed"]
    fuel_kg: float = 50.0
    smoulder_kg_s2: float | None = None
    extinguished_s: float | None = None
    burnt_kg: float = 0.0

    def power_kw(self, now_s: float) -> float:
        """Heat release now; decays with 20 s once out of fuel or extinguished."""
        age = now_s - self.ignition_s
        if age <= 0:
            return 0.0
        if self.extinguished_s is not None and now_s > self.extinguished_s:
            return self._grown(self.extinguished_s - self.ignition_s) * math.exp(-(now_s - self.extinguished_s) / 20)
        return self._grown(age)

    def _grown(self, age: float) -> float:
        if self.smoulder_kg_s2 is not None:
            return 0.3 * self.smoulder_kg_s2 * age * self.fuel.heat_mj_kg * 1000
        return min(self.alpha * age * age, self.peak_kw)

    def burn(self, now_s: float, step_s: float) -> tuple[float, float, float]:
        """Heat kW, soot kg/s and CO kg/s during one step; uses up fuel."""
        power = self.power_kw(now_s)
        if power <= 0:
            return 0.0, 0.0, 0.0
        smouldering = self.smoulder_kg_s2 is not None
        burning = power / (self.fuel.heat_mj_kg * 1000) / (0.3 if smouldering else 1.0)
        self.burnt_kg += burning * step_s
        if self.extinguished_s is None and self.burnt_kg >= self.fuel_kg:
            self.extinguished_s = now_s
        return power, burning * self.fuel.soot, burning * (0.12 if smouldering else self.fuel.co)


@dataclass(slots=True)
class Air:
    """The smoke layer of one room: kilograms of soot and CO in `layer_m3`."""

    area_m2: float
    height_m: float
    air_changes_h: float = 1.0
    layer_m3: float = 0.0
    soot_kg: float = 0.0
    co_kg: float = 0.0

    def __post_init__(self) -> None:
        """A thin layer under the ceiling is always there."""
        self.layer_m3 = self.layer_m3 or 0.08 * self.area_m2 * self.height_m

    def fill(self, power_kw: float, step_s: float) -> None:
        """Grow by Zukoski's entrainment, up to half of the room; shrink slowly when the plume is gone."""
        room = self.area_m2 * self.height_m
        if power_kw > 0.01:
            clear = max(0.3, self.height_m - self.layer_m3 / self.area_m2)
            self.layer_m3 += 0.071 * (0.7 * power_kw) ** (1 / 3) * clear ** (5 / 3) / AIR_KG_M3 * step_s
        self.layer_m3 = min(self.layer_m3, 0.5 * room)

    def obscuration_db_m(self) -> float:
        """10 · optical density per metre."""
        return 10 * EXTINCTION_M2_KG * self.soot_kg / self.layer_m3 / 2.303

    def co_ppm(self) -> float:
        """Volume parts per million of carbon monoxide."""
        return self.co_kg / (AIR_KG_M3 * self.layer_m3) * (29 / 28) * 1e6

    def exchange(self, step_s: float) -> None:
        """Ventilation and deposition."""
        keep = math.exp(-step_s * self.air_changes_h / 3600)
        self.soot_kg *= keep * math.exp(-step_s * 2e-4)
        self.co_kg *= keep


@dataclass(frozen=True, slots=True)
class Gas:
    """What passes a detector: obscuration dB/m, CO ppm, temperature rise K, speed m/s, relative humidity rise %."""

    obscuration: float
    co: float
    rise_k: float
    speed: float
    humidity: float = 0.0


@dataclass(slots=True)
class Detector:
    """Chamber and thermistor of one ceiling detector, lagging behind the gas."""

    radius_m: float = 2.5
    length_m: float = 3.0  # Heskestad's L
    chamber: float = 0.0
    rise_k: float = 0.0
    co: float = 0.0
    humidity: float = 0.0

    def follow(self, gas: Gas, step_s: float) -> None:
        """One step of the lags: chamber L/u, thermistor 60/√u s, CO cell 20 s."""
        self.chamber += (gas.obscuration - self.chamber) * -math.expm1(-gas.speed / self.length_m * step_s)
        self.rise_k += (gas.rise_k - self.rise_k) * -math.expm1(-math.sqrt(gas.speed) / 60 * step_s)
        self.co += (gas.co - self.co) * -math.expm1(-step_s / 20)
        self.humidity += (gas.humidity - self.humidity) * -math.expm1(-step_s / 15)


def ceiling_jet(power_kw: float, height_m: float, radius_m: float) -> tuple[float, float]:
    """Alpert: temperature rise K and speed m/s of the jet under the ceiling at a radius from the fire's axis."""
    if power_kw <= 0:
        return 0.0, AMBIENT_AIR_M_S
    if radius_m / height_m > 0.18:
        rise = 5.38 * (power_kw / radius_m) ** (2 / 3) / height_m
    else:
        rise = 16.9 * power_kw ** (2 / 3) / height_m ** (5 / 3)
    if radius_m / height_m > 0.15:
        speed = 0.195 * power_kw ** (1 / 3) * height_m**0.5 / radius_m ** (5 / 6)
    else:
        speed = 0.96 * (power_kw / height_m) ** (1 / 3)
    return float(rise), float(max(speed, AMBIENT_AIR_M_S))


def transport_s(power_kw: float, height_m: float, radius_m: float) -> float:
    """How long the gas needs from the flame to the detector, at most a minute."""
    if power_kw <= 0:
        return 60.0
    _, speed = ceiling_jet(power_kw, height_m, radius_m)
    return float(min(60.0, radius_m / speed + 0.67 * height_m ** (4 / 3) / power_kw ** (1 / 3)))


@dataclass(slots=True)
class Room:
    """One room with its fires, its detectors and the rooms that its smoke drifts into (`draughts`, m³/s)."""

    name: str
    area_m2: float = 16.0
    height_m: float = 2.7
    air_changes_h: float = 1.0
    fires: list[Fire] = field(default_factory=list)
    detectors: dict[str, Detector] = field(default_factory=dict)
    air: Air = field(init=False)
    power_kw: float = 0.0
    _past: deque[tuple[float, float, float]] = field(init=False)

    def __post_init__(self) -> None:
        """Clean air."""
        self.air = Air(self.area_m2, self.height_m, self.air_changes_h)
        self._past = deque(maxlen=64)

    @property
    def quiet(self) -> bool:
        """Nothing burns and the air is clean: no step is needed."""
        lagging = any(d.chamber > 1e-5 or d.rise_k > 1e-3 or d.co > 1e-3 for d in self.detectors.values())
        return not self.fires and self.air.soot_kg < 1e-9 and self.air.co_kg < 1e-9 and not lagging

    def ventilate(self, air_changes_h: float) -> None:
        """Windows opened, or a fan put in."""
        self.air.air_changes_h = air_changes_h

    def extinguish(self, now_s: float) -> None:
        """Someone puts every fire of the room out."""
        for fire in self.fires:
            if fire.extinguished_s is None or fire.extinguished_s > now_s:
                fire.extinguished_s = now_s

    def step(self, now_s: float, added: Gas | None = None) -> None:
        """One `STEP_S` that ends at `now_s`; `added` is a nuisance at the ceiling (steam, frying …)."""
        power = soot = carbon = 0.0
        for fire in self.fires:
            heat, soot_rate, co_rate = fire.burn(now_s, STEP_S)
            power, soot, carbon = power + heat, soot + soot_rate, carbon + co_rate
        self.fires = [fire for fire in self.fires if fire.extinguished_s is None or fire.power_kw(now_s) > 0.01]
        self.power_kw = power
        self.air.fill(power, STEP_S)
        self.air.soot_kg += soot * STEP_S
        self.air.co_kg += carbon * STEP_S
        self.air.exchange(STEP_S)
        self._past.appendleft((self.air.obscuration_db_m(), self.air.co_ppm(), power))
        for detector in self.detectors.values():
            detector.follow(self._gas(detector, added), STEP_S)

    def _gas(self, detector: Detector, added: Gas | None) -> Gas:
        lag = 0
        if self.power_kw > 0:
            lag = min(int(transport_s(self.power_kw, self.height_m, detector.radius_m) / STEP_S), len(self._past) - 1)
        obscuration, co, power = self._past[lag]
        rise, speed = ceiling_jet(power, self.height_m, detector.radius_m)
        if added is None:
            return Gas(obscuration, co, rise, speed)
        return Gas(
            obscuration + added.obscuration,
            co + added.co,
            rise + added.rise_k,
            max(speed, added.speed),
            added.humidity,
        )


def drift(source: Room, target: Room, flow_m3_s: float) -> None:
    """Smoke carried from one room's layer into another's during one `STEP_S` (stack effect, an open door)."""
    moved = min(1.0, flow_m3_s * STEP_S / source.air.layer_m3)
    target.air.layer_m3 = min(
        max(target.air.layer_m3, target.air.layer_m3 + 0.3 * flow_m3_s * STEP_S * (source.air.soot_kg > 1e-7)),
        0.5 * target.area_m2 * target.height_m,
    )
    soot, carbon = source.air.soot_kg * moved, source.air.co_kg * moved
    source.air.soot_kg -= soot
    source.air.co_kg -= carbon
    target.air.soot_kg += soot
    target.air.co_kg += carbon
