"""Kind `smoke_fusion`: smoke, warmth and carbon monoxide judged together, verified in time, with nuisances held back.

    m_c = max(0, m − b)                          b: clean air, `rules.smoke_air`
    m_o = m_c + min(30 s · dm/dt, m_c)           smoke outside the chamber, which lags (Heskestad)
    s = clip((m_o − A/3)/(2A/3), 0, 3)           1 at A
    r = clip(ΔT_60s / 8 K, 0, 2)    h = clip((T − 40)/14, 0, 2)    c = clip(ΔCO_120s / 20 ppm, 0, 2)
    F = s·(1 + 0.5 r + 0.8 c) + 0.6 r + 0.6 c + h
    t_v = clip(45 s / F², 6 s, 45 s)             dose ∫dt/t_v ≥ 1 and three samples

Where smoke grows fast (0.6 A in 25 s), F ≥ 1 at three samples or F ≥ 2 at two is proven if they lie 8 s or more apart;
quicker ones that grow fast to F ≥ 2 need no third. Time in which smoke of F < 2 gains less than 0.05 A in 25 s, with no
warmth and less than 5 ppm of CO, does not count: a pan's burst falls again.

The signal is F, held within the band of what is proven: below 1 until verified, 1 … 2 attention (III), 2 … 4 a fire
that grows, lasts or warms (II), from 4 on thick smoke or heat (I). `fusion` in the evidence is F as it is, verified or
not; `spreading` is F while smoke grows fast (0.6 A in 25 s) or comes with warmth or CO, else 0: two devices that say so
within minutes are no meal, whose smoke creeps from room to room.

Held back (III is delayed by at most `gate_s`, never muted): vapour (ΔRH ≥ 8 %, no warmth, no CO): A counts double; a
kitchen at 11–13 and 17–20 h with c < 0.3 and r < 0.5: 1.7 A; from ΔRH 2 % on a minute more. Smoke below 2 A that
neither grows nor warms nor brings CO is attention only after `weak_s`; IV tells it from the first minutes. Nothing is
held back from 0.5 dB/m, 57 °C or 60 ppm on, nor for devices with the parameter `vulnerable` or `stand_alone`.

II asks for more than III because a meal can look like the first minute of a fire, not like the fifth:
- growth without a break: the means of the four quarters of 640 s rise by at least A/15 on average and none by less than
  0.2 of that, with 140 s of proof in which smoke does not fall, longer where it is uneven, damp or without CO, and no
  vapour (a pot burnt dry has no water left; a meal's bursts come and go);
- smoke that stays: m_c at A or more for 20 minutes, or at 0.5 dB/m for 10, never below 0.7 A and without vapour; twice
  as long where nobody measures humidity;
- m_o (of 20 s) ≥ 1.0 dB/m verified; warmth (5 K in five minutes) or CO (15 ppm) with m_c ≥ A; CO with lasting smoke;
- T ≥ 54 °C for 6 s; CO ≥ 50 ppm and rising for 60 s.
I: m_c ≥ 1.0 dB/m verified in clip(45 s/m_c², 12 s, 45 s), with warmth or CO in 6 s; T ≥ 65 °C or CO ≥ 150 ppm for 6 s.
Where nothing is held back II is F ≥ 1.5 or a minute of III.

Keys: `utc_offset_h` 8 (cooking hours); `gate_s` 120; `weak_s` 600. Parameters of the device: `alarm_threshold_db_m`
(A, 0.15 dB/m, 0.03 … 1.0), `kitchen`, `vulnerable`, `stand_alone` (0 or 1).
Sources: DOMAIN A3, A4; product of obscuration and CO change: Gottuk et al. [S]; temperature rise with CO: Cestari,
Worrell and Milke [S]; chamber lag: Björkman et al. [S]; class A1 heat, EN 54-5 [K]; sizes and bands [P].
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import parts, smoke_air, smoke_proof, smoke_sight, smoke_verify
from rules.condition import NEVER
from rules.frame import Frame, Input, Signal
from rules.rowwise import Rowwise
from rules.scan import Bools, Floats, Ints
from rules.smoke_proof import HAZE, THICK
from rules.smoke_weigh import ATTENTION, DANGER, FIRE, RUN, SWIFT, SWIFTEST, Weighed, weigh

KEYS = frozenset({"utc_offset_h", "gate_s", "weak_s"})

NOMINAL_DB_M = 0.15
SPAN_S, SPAN_PARTS = 640.0, 32
HEAT_SPAN_S, GAS_SPAN_S = 320.0, 2560.0
SAMPLES = 3
STALE_MS = 120_000
"""Another input older than this (or four cadences) says nothing."""
JUST_BELOW = 0.99
ERRATIC_MS = 300_000
"""After smoke that fell faster than smoke can, so long no more than III by smoke alone."""
SELDOM_MS = 8_000
"""Samples that lie so far apart prove growth by their number; closer ones by the time that they fill."""
STIRS_C, STIRS_K, STIRS_PPM = 40.0, 3.0, 10.0
"""Warmth and carbon monoxide that are looked at even without smoke."""

SETTINGS = np.dtype(
    [
        ("nominal", "f8"),
        ("open", "?"),  # nothing is held back
        ("kitchen", "?"),
        ("offset_ms", "i8"),
        ("gate_ms", "f8"),
        ("weak_ms", "f8"),
        ("verify_ms", "f8"),
        ("gap_ms", "i8"),
        ("cadence_ms", "i8"),
        ("span_ms", "i8"),
        ("stale_ms", "i8"),
        ("samples", "i4"),
    ],
    align=True,
)
MEMORY = np.dtype([*smoke_air.MEMORY, *smoke_proof.MEMORY], align=True)


@dataclass(frozen=True, slots=True)
class Options:
    """The keys, and what of the common ones is needed."""

    utc_offset_h: float
    gate_s: float
    weak_s: float
    verify_s: float
    gap_s: float
    cadence_s: float


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """The keys; see the module."""

    def number(key: str, usual: float, low: float, high: float = math.inf) -> float:
        return parts.number(f"{where}.{key}", declaration.get(key, usual), low, high)

    return Options(
        utc_offset_h=number("utc_offset_h", 8.0, -12.0, 14.0),
        gate_s=number("gate_s", 120.0, 0.0, 120.0),
        weak_s=number("weak_s", 600.0, 0.0, 3600.0),
        verify_s=number("max_verify_delay_s", 60.0, 0.0),
        gap_s=number("max_gap_s", 3 * cadence_s, 0.0),
        cadence_s=cadence_s,
    )


def inputs(options: Options) -> tuple[Input, ...]:
    """Obscuration, and beside it temperature, carbon monoxide and humidity, each of which may be missing."""
    span_ms = round(max(SPAN_S, 16 * options.cadence_s) * 1000)
    return (
        Input("obscuration", span_ms, SPAN_PARTS),
        Input("temperature", round(max(HEAT_SPAN_S, 8 * options.cadence_s) * 1000), 8, optional=True),
        Input("co", round(GAS_SPAN_S * 1000), 12, optional=True),
        Input("humidity", round(GAS_SPAN_S * 1000), 32, optional=True),
    )


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row."""
    nominal = parameters.get("alarm_threshold_db_m", NOMINAL_DB_M)
    if not 0.03 <= nominal <= 1.0:
        return f"alarm_threshold_db_m {nominal:g} is not within 0.03 and 1.0 dB/m"
    row["nominal"] = nominal
    row["open"] = parameters.get("vulnerable", 0.0) >= 0.5 or parameters.get("stand_alone", 0.0) >= 0.5
    row["kitchen"] = parameters.get("kitchen", 0.0) >= 0.5
    row["offset_ms"] = round(options.utc_offset_h * 3_600_000)
    row["gate_ms"], row["weak_ms"] = options.gate_s * 1000, options.weak_s * 1000
    row["verify_ms"], row["gap_ms"] = options.verify_s * 1000, round(options.gap_s * 1000)
    row["cadence_ms"] = round(options.cadence_s * 1000)
    row["span_ms"] = round(max(SPAN_S, 16 * options.cadence_s) * 1000)
    row["stale_ms"] = max(STALE_MS, round(4000 * options.cadence_s))
    row["samples"] = max(1, min(SAMPLES, 1 + int(options.verify_s / options.cadence_s)))
    return None


def blank() -> Any:
    """Clean air, nothing on."""
    row = np.zeros(1, dtype=MEMORY)[0]
    smoke_air.blank(row)
    smoke_proof.blank(row)
    return row


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """F within the band of what is proven."""
    own = Rowwise(settings, frame.setting)
    nominal = own["nominal"]
    temperature, co = (_beside(frame, name, own) for name in ("temperature", "co"))
    air = smoke_air.learn(frame, nominal, temperature, co, memory)
    smoke = np.maximum(frame.value - air.clean, 0.0)
    with np.errstate(invalid="ignore"):
        stirs = (smoke >= HAZE * nominal) | (temperature - air.usual >= STIRS_K)
        stirs |= (temperature >= STIRS_C) | (co >= STIRS_PPM)
    value, fusion, spreading = np.zeros(len(frame.ts)), np.zeros(len(frame.ts)), np.zeros(len(frame.ts))
    rows = np.flatnonzero(stirs | (memory["on"][frame.slot] != 0))
    if len(rows):
        if not frame.first.all():
            busy = np.zeros(len(memory), dtype=np.bool_)
            busy[frame.slot[rows]] = True
            rows = np.flatnonzero(busy[frame.slot])
        humidity = _beside(frame, "humidity", own)[rows]
        value[rows], fusion[rows], spreading[rows] = _judge(
            frame, rows, stirs[rows], own.only(rows), air.clean[rows], temperature[rows], co[rows], humidity, memory
        )
    return Signal(value, {"fusion": fusion, "spreading": spreading, "smoke": smoke, "clean_air": air.clean})


def unproven(settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Floats:
    """The band of the newest smoke, as if it were proven: what a detector that fell silent may have been about to say.

    I from 1.0 dB/m, II from 2 A, III from A; 0 below.
    """
    smoke, nominal = memory["before"], settings["nominal"]
    return np.select([smoke >= THICK, smoke >= 2 * nominal, smoke >= nominal], [DANGER, FIRE, ATTENTION], 0.0)


def _beside(frame: Frame, name: str, own: Rowwise) -> Floats:
    """Another input at each row, NaN where it is too old."""
    value, ts = frame.latest(name)
    old = frame.ts - ts > own["stale_ms"]
    return np.where(old, np.nan, value) if old.any() else value


def _judge(
    frame: Frame, rows: Ints, stirs: Bools, own: Rowwise, clean: Floats,
    temperature: Floats, co: Floats, humidity: Floats, memory: npt.NDArray[Any],
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Signal, F, and F where smoke spreads as of a fire, of rows of slots where something stirs or is on."""
    bad = frame.bad[rows]
    moves = frame.usable[rows] | (bad & frame.fresh[rows])  # a doubted reading is seen, too
    weighed = Weighed.nothing(len(rows))
    where = np.flatnonzero(stirs)
    if len(where):
        seen = own.only(where)
        sight = smoke_sight.look(
            frame, rows[where], clean[where], seen["nominal"], seen["cadence_ms"], seen["span_ms"],
            temperature[where], co[where], humidity[where],
        )  # fmt: skip
        weigh(frame.ts[rows[where]], where, sight, seen, temperature[where], co[where], weighed)
    state = smoke_proof.verify(frame, rows, moves, own, weighed, memory)
    fusion, outside, hot = weighed.fusion, weighed.outside, weighed.hot > 0
    full, nominal = smoke_verify.FULL, own["nominal"]
    erratic = (state["fell_at"] != NEVER) & (frame.ts[rows] - state["fell_at"] <= ERRATIC_MS) & ~weighed.open
    believed = ~erratic | weighed.warm | weighed.gas | hot
    enough = np.where(bad, full * 4 // 3, full)  # a doubted reading tells only what the next would not
    seldom = state["passed"] >= SELDOM_MS
    swift = (state["samples"] >= 2) & (weighed.held >= SWIFTEST) & (seldom | (state["proof"] >= full))
    swift |= (state["samples"] >= 3) & (weighed.held >= SWIFT) & seldom
    swift &= weighed.growing & (~bad | weighed.backed | (state["proof"] >= enough))
    lasted = (state["proof"] >= enough) | (state["cap"] >= full)
    proven = ((state["samples"] >= own["samples"]) & lasted) | swift
    proven &= fusion >= RUN
    late = ~moves
    if late.any():
        # What came late can call people, not more: whether it was verified then is not known any more.
        proven |= late & (fusion >= ATTENTION) & (weighed.smoke >= THICK)
    fire = proven & (
        ((weighed.warm | weighed.gas) & (weighed.smoke >= nominal))
        | (state["growth"] >= full)
        | (state["lasting"] >= full)
        | (weighed.open & ((fusion >= 1.5) | (state["open"] >= full)))
    )
    thick = (outside >= 0.7 * THICK) | hot
    fire |= (state["outside"] >= full) & thick
    danger = (state["thick"] >= full) & thick & believed & ~late
    fire = (fire & believed & ~late) | danger
    proven |= fire
    value = np.minimum(fusion, JUST_BELOW)
    value = np.where(proven, np.clip(fusion, ATTENTION, FIRE - 0.01), value)
    value = np.where(fire, np.clip(fusion, FIRE, DANGER - 0.01), value)
    value = np.where(danger, np.maximum(fusion, DANGER), value)
    spreading = np.where(weighed.growing | weighed.warm | weighed.gas, fusion, 0.0)
    return value, fusion, spreading
