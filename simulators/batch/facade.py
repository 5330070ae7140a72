"""Years of curtain-wall panels as the features that their devices send (DOMAIN C2, D3).

The features are drawn, not computed from waveforms: their means come from the same spectra as `simulators.vibration`
(the RMS and the prominence by integration), their scatter from that module's records – a test holds both together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from simulators.batch import climate
from simulators.batch.recording import Device, Log, Recording, TruthEvent, assemble, measure
from simulators.panel import Glass, Panel
from simulators.vibration import AMBIENT_M_S2, PROMINENCE_DB, RECORD_S, expected_prominence_db, expected_rms
from simulators.wind import mean_at
from wire.alert import Hazard

Floats = npt.NDArray[np.floating[Any]]

POINTS = (
    "frequency",
    "tilt",
    "gap",
    "rms",
    "wind",
    "surface_temperature",
    "peak",
    "crest",
    "kurtosis",
    "damping",
    "prominence",
    "battery",
)
DROPS_PERCENT = (1.0, 2.0, 3.0, 5.0, 10.0, 20.0)
SCATTER = 0.0030
"""Standard deviation of a frequency estimate over 300 s at 2 % damping, as a share."""

GLASSES = (Glass(1.2, 1.5, 0.006), Glass(1.2, 2.0, 0.008), Glass(1.5, 2.4, 0.010), Glass(1.5, 3.0, 0.012))
MODES = ("sudden", "fatigue", "slow", "debond")
REFERENCE_C = 20.0
SPEEDS_M_S = np.concatenate([np.arange(0.5, 12, 0.5), np.arange(12, 61, 2.0)])


@dataclass(frozen=True, slots=True)
class FacadePlan:
    """Buildings of panels; a loosening befalls a panel with `loosening`, after its first 45 days."""

    buildings: int = 5
    panels: int = 20
    days: int = 365
    seed: int = 1
    start_ms: int = 1_767_196_800_000  # 2026-01-01 00:00 in China
    loosening: float = 0.0  # share of panels
    modes: Mapping[str, float] = field(
        default_factory=lambda: {"sudden": 0.5, "fatigue": 0.2, "slow": 0.1, "debond": 0.2}
    )
    drop_percent: tuple[float, float] = (5.0, 20.0)  # frequency lost by a sudden one
    ageing: float = 0.002  # stiffness lost a year by every sealant
    every_s: float = 3600.0
    windy_every_s: float = 600.0
    windy_m_s: float = 8.0
    typhoons_a_year: float = 1.5
    wander: float = 0.0015  # of the frequency, from what no sensor sees (moisture, neighbours), over days


def months(plan: FacadePlan) -> Iterator[Recording]:
    """One recording a building: all its panels share the weather."""
    for number in range(plan.buildings):
        rng = np.random.default_rng([plan.seed, 51, number])
        hour = (plan.start_ms / 3_600_000 + 8) % 24
        first_day = ((plan.start_ms + 8 * 3_600_000) / 86_400_000) % 365.2425
        weather = climate.year(plan.days, first_day, hour, rng, plan.typhoons_a_year)
        logs, events = [], []
        for panel in range(plan.panels):
            log, own = _panel(plan, f"facade-{number:03d}-{panel:03d}", weather, rng)
            logs.append(log)
            events += own
        yield assemble(logs, events, plan.start_ms, plan.start_ms + plan.days * 86_400_000, rng)


def _panel(
    plan: FacadePlan, name: str, weather: climate.Climate, rng: np.random.Generator
) -> tuple[Log, list[TruthEvent]]:
    panel = Panel(
        height_m=float(rng.uniform(10, 120)),
        glass=GLASSES[int(rng.integers(len(GLASSES)))],
        fixity=float(rng.uniform(0.4, 0.85)),
        temperature_k=-float(rng.uniform(0.002, 0.006)),
        damping=float(rng.uniform(0.012, 0.03)),
    )
    rows = _records(plan, weather, rng)
    at = weather.times[rows]
    facing = float(rng.uniform(4, 20))  # how much the sun heats it, K
    glass_c = weather.air_c + facing * weather.sun
    # The sealant follows the glass with an hour's lag.
    follows = _lag(glass_c, climate.STEP_S / 3600)[rows]
    lost, events = _loosen(plan, name, panel, weather, rng)
    lost = lost[rows]
    stiffness = (1 + panel.temperature_k * (follows - REFERENCE_C) + 2e-5 * (follows - REFERENCE_C) ** 2) * (1 - lost)
    unseen = plan.wander * climate.wander(len(weather.times), math.exp(-climate.STEP_S / 430_000), rng)[rows]
    natural = panel.sound_hz * np.sqrt(np.maximum(stiffness, 0.05)) * (1 + unseen)
    wind = weather.wind_m_s[rows]
    hour = (plan.start_ms / 3_600_000 + 8 + at / 3600) % 24
    columns, absent = _features(panel, natural, lost, wind, glass_c[rows], (hour > 7) & (hour < 22), rng)
    columns["battery"] = np.round(100 - 0.5 * at / (30 * 86_400) * rng.uniform(0.5, 1.5), 1)
    device = Device(
        name,
        name.rsplit("-", 1)[0],
        "shouwang/facade",
        Hazard.CURTAIN_WALL,
        POINTS,
        plan.every_s,
        parameters={"baseline_frequency_hz": round(panel.sound_hz, 2)},
        detail={
            "simply_supported_hz": panel.glass.simply_supported_hz,
            "clamped_hz": panel.glass.clamped_hz,
            "height_m": panel.height_m,
        },
    )
    return Log(device, plan.start_ms + np.round(at * 1000).astype(np.int64), columns, absent), events


def _records(plan: FacadePlan, weather: climate.Climate, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Which of the weather's steps have a record: each hour, and more often in wind."""
    step = np.arange(len(weather.times))
    hourly = step % round(plan.every_s / climate.STEP_S) == int(rng.integers(round(plan.every_s / climate.STEP_S)))
    windy = (weather.wind_m_s >= plan.windy_m_s) & (step % max(1, round(plan.windy_every_s / climate.STEP_S)) == 0)
    return np.flatnonzero(hourly | windy)


def _lag(series: Floats, weight: float) -> Floats:
    out, state = [], float(series[0])
    for value in series.tolist():
        state += (value - state) * weight
        out.append(state)
    return np.array(out)


def _features(
    panel: Panel,
    natural: Floats,
    lost: Floats,
    wind: Floats,
    glass_c: Floats,
    by_day: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[dict[str, Floats], dict[str, npt.NDArray[np.bool_]]]:
    """What the device finds in each record."""
    n = len(natural)
    noise = rng.standard_normal
    damping = panel.damping * (1 + 2 * lost)
    prominence, rms = np.empty(n), np.empty(n)
    for hours, ambient in ((by_day, AMBIENT_M_S2), (~by_day, AMBIENT_M_S2 / 4)):
        table = [expected_prominence_db(panel, float(speed), REFERENCE_C, ambient) for speed in SPEEDS_M_S]
        prominence[hours] = np.interp(wind[hours], SPEEDS_M_S, table)
        table = [expected_rms(panel, float(speed), REFERENCE_C, ambient_m_s2=ambient) for speed in SPEEDS_M_S]
        rms[hours] = np.exp(np.interp(wind[hours], SPEEDS_M_S, np.log(table)))
    prominence += 0.7 * noise(n) - 10 * np.log10(damping / panel.damping)
    # A looser panel answers more: its modal answer goes with ω^(−1/2) at equal force near resonance, and with damping.
    rms = np.hypot(rms * (natural / panel.sound_hz) ** -0.5 * (1 + 0.04 * noise(n)), 0.0016)
    weak = 1 + 2.0 * np.clip((12 - prominence) / 12, 0, 1)  # a low peak scatters more
    scatter = SCATTER * np.sqrt(300 / RECORD_S) * np.sqrt(damping / 0.02 * 25 / natural) * weak
    crest = 4.25 + 0.25 * noise(n) + 3.0 * np.clip(lost - 0.3, 0, None)
    mean = wind * mean_at(1.0, panel.height_m)
    lean = 2.0 * lost * (1 + 0.03 * noise(n)) + 0.02 * mean**2 / 1600 + 0.0006 * (glass_c - REFERENCE_C)
    columns: dict[str, Floats] = {
        "frequency": np.round(natural * (1 + scatter * noise(n)), 2),
        "tilt": measure(lean, rng, 0.01, 0.005, -45.0, 45.0),
        "gap": measure(8.0 * lost**1.3 + 0.006 * (glass_c - REFERENCE_C), rng, 0.02, 0.01),
        "rms": np.round(rms, 4),
        "wind": measure(wind, rng, 0.2, 0.1, 0.0, 80.0),
        "surface_temperature": measure(glass_c + rng.normal(0, 0.3), rng, 0.3, 0.1, -40.0, 90.0),
        "peak": np.round(crest * rms, 4),
        "crest": np.round(crest, 2),
        "kurtosis": np.round(3 + 0.05 * noise(n) + 1.6 * np.clip(lost - 0.3, 0, None) / 0.1 * 0.3, 2),
        "damping": np.round(damping * (1 + 0.12 * noise(n)), 4),
        "prominence": np.round(prominence, 1),
    }
    blind = prominence < PROMINENCE_DB
    return columns, {"frequency": blind, "damping": blind}


def _loosen(
    plan: FacadePlan, name: str, panel: Panel, weather: climate.Climate, rng: np.random.Generator
) -> tuple[Floats, list[TruthEvent]]:
    """Share of the stiffness that is lost, by the weather's steps; and the truth, where more than ageing is at work."""
    times = weather.times
    lost = plan.ageing * rng.uniform(0.5, 1.5) * times / (365 * 86_400)
    if plan.days <= 60 or rng.random() >= plan.loosening:
        return lost, []
    kinds = list(plan.modes)
    kind = kinds[int(rng.choice(len(kinds), p=np.array(list(plan.modes.values())) / sum(plan.modes.values())))]
    onset = float(rng.uniform(45, plan.days - 10)) * 86_400
    after = np.maximum(times - onset, 0) / 86_400
    match kind:
        case "sudden":
            drop = float(rng.uniform(*plan.drop_percent)) / 100
            own = np.where(times >= onset, 1 - (1 - drop) ** 2, 0.0)
        case "slow":
            own = float(rng.uniform(0.01, 0.03)) / 365 * after
        case "fatigue":
            # dd/dt = c·(σ_w/σ_0)^m, by gusts squared as pressure; m = 3.
            gust = (weather.wind_m_s * mean_at(1.0, panel.height_m) / 15) ** 2
            own = 0.03 + np.cumsum(np.where(times >= onset, float(rng.uniform(1, 6)) * 1e-5 * gust**1.5, 0.0))
            own = np.where(times >= onset, np.minimum(own, 0.7), 0.0)
        case _:
            # An edge comes off within days: from the panel's own fixity towards simple support, or below.
            floor = (panel.glass.simply_supported_hz * float(rng.uniform(0.85, 1.05)) / panel.sound_hz) ** 2
            own = (1 - floor) * -np.expm1(-after / float(rng.uniform(3, 20)))
    lost = 1 - (1 - lost) * (1 - own)
    drop = 100 * (1 - np.sqrt(1 - own))
    ts = plan.start_ms + np.round(times * 1000).astype(np.int64)
    crossings = {f"{level:g}": int(ts[int(np.argmax(drop >= level))]) for level in DROPS_PERCENT if drop[-1] >= level}
    event = TruthEvent(
        kind=kind,
        dangerous=True,
        hazard=Hazard.CURTAIN_WALL,
        zone=name.rsplit("-", 1)[0],
        onset=plan.start_ms + round(onset * 1000),
        end=int(ts[-1]),
        devices=(name,),
        peak={name: float(drop[-1])},
        crossings={name: crossings},
        detail={"unit": "percent of frequency"},
    )
    return lost, [event]
