"""Kind `smoke_fusion`: smoke, warmth and carbon monoxide judged together, verified in time, with nuisances held back.

    m_c = max(0, m − b)                          b: clean air, `rules.smoke_air`
    m_o = m_c + min(20 s · dm/dt, m_c)           smoke outside the chamber, which lags (Heskestad)
    s = clip((m_o − A/3)/(2A/3), 0, 3)           1 at A
    r = clip(ΔT_60s / 8 K, 0, 2)    h = clip((T − 40)/14, 0, 2)    c = clip(ΔCO_120s / 20 ppm, 0, 2)
    F = s·(1 + 0.5 r + 0.8 c) + 0.6 r + 0.6 c + h
    t_v = clip(45 s / F², 6 s, 45 s)             dose ∫dt/t_v ≥ 1 and three samples (two, where F ≥ 2 and grows fast)

The signal is F, held within the band of what is proven: below 1 until verified, 1 … 2 attention (III), 2 … 4 a fire
that grows, lasts or warms (II), from 4 on thick smoke or heat (I). `fusion` in the evidence is F as it is, verified or
not; `spreading` is F while smoke grows fast (0.6 A in 25 s) or comes with warmth or CO, else 0: two devices that say so
within minutes are no meal, whose smoke creeps from room to room.

Held back (III is delayed by at most `gate_s`, never muted): vapour (ΔRH ≥ 8 %, no warmth, no CO): A counts double; a
kitchen at 11–13 and 17–20 h with c < 0.3 and r < 0.5: 1.7 A. Smoke below 2 A that neither grows nor warms nor brings CO
is attention only after `weak_s`; IV tells it from the first minutes. Nothing is held back from 0.5 dB/m, 57 °C or
60 ppm on, nor for devices with the parameter `vulnerable` or `stand_alone`.

II asks for more than III because a meal can look like the first minute of a fire, not like the fifth:
- growth without a break: the means of the four quarters of 640 s rise by at least A/15 on average and none by less than
  0.2 of that, with 140 s of proof, longer where it is uneven, damp or without CO, and no vapour (a pot burnt dry has
  no water left; a meal's bursts come and go);
- m_o ≥ 1.0 dB/m verified; warmth (5 K in five minutes) or CO (15 ppm) with m_c ≥ A; CO with lasting smoke;
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

from rules import parts, scan, smoke_air, smoke_sight, smoke_verify
from rules.condition import NEVER
from rules.frame import Frame, Input, Signal
from rules.scan import Bools, Floats, Ints
from rules.smoke_sight import Sight

KEYS = frozenset({"utc_offset_h", "gate_s", "weak_s"})

NOMINAL_DB_M = 0.15
SPAN_S, SPAN_PARTS = 640.0, 32
HEAT_SPAN_S, GAS_SPAN_S = 320.0, 2560.0
SAMPLES = 3
THICK = 1.0
"""dB/m where people lose their way [P]."""
SURE_S = 140.0
"""Growth without a break must be seen for so long."""
STALE_MS = 120_000
"""Another input older than this (or four cadences) says nothing."""
ATTENTION, FIRE, DANGER = 1.0, 2.0, 4.0
"""Where the bands of III, II and I begin."""
JUST_BELOW = 0.99
RUN = 0.3
"""F from which on a run goes on."""
HAZE = 0.2
"""Share of A from which on something stirs, and samples count."""
STEADY, STEP = 0.2, 1 / 15
"""Growth without a break: no quarter's step below this share of the mean step, which is this share of A or more."""
VAPOUR = 8.0
"""% of relative humidity above the low of 43 minutes: somebody showers or boils."""
DAMP_RISE, DAMPER = 3.5, 4.5
"""% of relative humidity, over the window and above the low of 43 minutes, from which on vapour explains growth."""
FAST = 0.6
"""Growth of this share of A in 25 s is fast."""
FALL, FLICKER_MS, ERRATIC_MS = 0.3, 20_000, 300_000
"""Smoke cannot leave a chamber (lag of 10 s and more) faster than to this share within so long: an insect can."""
CREEP = 0.7
"""Share of A from which on smoke that grows without a break and without vapour is verified like smoke at A."""

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
DOSES = ("proof", "cap", "growth", "thick", "outside", "open")
MEMORY = np.dtype(
    [
        *smoke_air.MEMORY,
        ("newest", "i8"),
        *((name, "i8") for name in DOSES),
        ("samples", "i8"),
        ("fell_at", "i8"),  # faster than smoke can
        ("before", "f8"),  # m_c of the newest row that counted
        ("runs", "?"),
        ("hazy", "?"),
        ("grows", "?"),
        ("is_thick", "?"),
    ],
    align=True,
)


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
    row["newest"] = row["fell_at"] = NEVER
    return row


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """F within the band of what is proven."""
    nominal, stale_ms = settings["nominal"][frame.setting], settings["stale_ms"][frame.setting]
    temperature, co, humidity = (_beside(frame, name, stale_ms) for name in ("temperature", "co", "humidity"))
    air = smoke_air.learn(frame, nominal, temperature, co, memory)
    smoke = np.maximum(frame.value - air.clean, 0.0)
    with np.errstate(invalid="ignore"):
        stirs = (smoke >= HAZE * nominal) | (temperature >= 40.0) | (temperature - air.usual >= 3.0) | (co >= 10.0)
    moves = _moves(frame, memory)
    value, fusion, spreading = np.zeros(len(frame.ts)), np.zeros(len(frame.ts)), np.zeros(len(frame.ts))
    busy = np.zeros(len(memory), dtype=np.bool_)
    busy[frame.slot[stirs]] = True
    lines = frame.slot[frame.first]
    busy[lines] |= memory["hazy"][lines] | memory["grows"][lines] | memory["is_thick"][lines]
    rows = np.flatnonzero(busy[frame.slot])
    if len(rows):
        value[rows], fusion[rows], spreading[rows] = _judge(
            frame, rows, stirs[rows], moves[rows], settings[frame.setting[rows]], air.clean[rows],
            temperature[rows], co[rows], humidity[rows], memory,
        )  # fmt: skip
    taught = np.flatnonzero(moves)
    memory["newest"][frame.slot[taught]] = frame.ts[taught]  # of those of a slot the last one stays
    memory["before"][frame.slot[taught]] = smoke[taught]
    return Signal(value, {"fusion": fusion, "spreading": spreading, "smoke": smoke, "clean_air": air.clean})


def unproven(settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Floats:
    """The band of the newest smoke, as if it were proven: what a detector that fell silent may have been about to say.

    I from 1.0 dB/m, II from 2 A, III from A; 0 below.
    """
    smoke, nominal = memory["before"], settings["nominal"]
    return np.select([smoke >= THICK, smoke >= 2 * nominal, smoke >= nominal], [DANGER, FIRE, ATTENTION], 0.0)


def _beside(frame: Frame, name: str, most_ms: Ints) -> Floats:
    """Another input at each row, NaN where it is too old."""
    value, ts = frame.latest(name)
    return np.where(frame.ts - ts <= most_ms, value, np.nan)


def _moves(frame: Frame, memory: npt.NDArray[Any]) -> Bools:
    """Rows that doses may count: usable ones, and doubted ones that are newer than all before (no repeat is)."""
    if not frame.bad.any():
        return frame.usable
    newest = smoke_verify.newest_before(frame.first, frame.ts, memory["newest"][frame.slot])
    return np.asarray(frame.usable | (frame.bad & (frame.ts > newest)))


def _judge(
    frame: Frame, rows: Ints, stirs: Bools, moves: Bools, own: npt.NDArray[Any], clean: Floats,
    temperature: Floats, co: Floats, humidity: Floats, memory: npt.NDArray[Any],
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Signal, F, and F where smoke spreads as of a fire, of rows of slots where something stirs or is on."""
    count = len(rows)
    fusion, held = np.zeros(count), np.zeros(count)
    flags = {name: np.zeros(count, dtype=np.bool_) for name in ("growing", "weak", "warm", "gas", "open", "grows")}
    outside, smoke = np.zeros(count), np.zeros(count)
    extra, sure = np.zeros(count), np.ones(count)
    hot = np.zeros(count, dtype=np.int64)
    where = np.flatnonzero(stirs)
    if len(where):
        sight = smoke_sight.look(
            frame, rows[where], clean[where], own["nominal"][where], own["cadence_ms"][where],
            own["span_ms"][where], temperature[where], co[where], humidity[where],
        )  # fmt: skip
        _weigh(
            frame.ts[rows[where]], where, sight, own[where], temperature[where], co[where],
            fusion, held, flags, outside, smoke, extra, sure, hot,
        )  # fmt: skip
    state = _verify(frame, rows, moves, own, fusion, held, flags, outside, smoke, extra, sure, hot, memory)
    steady = ~((state["fell_at"] != NEVER) & (frame.ts[rows] - state["fell_at"] <= ERRATIC_MS)) | flags["open"]
    full = smoke_verify.FULL
    enough = np.where(frame.bad[rows], full * 4 // 3, full)  # a doubted reading tells only what the next would not
    swift = (state["samples"] >= 2) & (state["proof"] >= enough) & flags["growing"] & (fusion >= 2.0)
    lasted = (state["proof"] >= enough) | (state["cap"] >= full)
    proven = ((state["samples"] >= own["samples"]) & lasted) | swift
    proven &= fusion >= RUN
    nominal = own["nominal"]
    late = ~moves
    if late.any():
        # What came late can call people, not more: whether it was verified then is not known any more.
        seen = late & (fusion >= ATTENTION) & (smoke >= THICK)
        proven |= seen
    fire = proven & (
        (flags["warm"] & (smoke >= nominal))
        | (flags["gas"] & (smoke >= nominal))
        | (state["growth"] >= smoke_verify.FULL)
        | (flags["open"] & ((fusion >= 1.5) | (state["open"] >= smoke_verify.FULL)))
    )
    thick = (outside >= 0.7 * THICK) | (hot > 0)
    fire |= (state["outside"] >= smoke_verify.FULL) & thick
    fire &= steady | flags["warm"] | flags["gas"] | (hot > 0)
    danger = (state["thick"] >= smoke_verify.FULL) & thick & (steady | flags["warm"] | flags["gas"] | (hot > 0))
    danger &= ~late
    fire = (fire & ~late) | danger
    proven |= fire
    value = np.minimum(fusion, JUST_BELOW)
    value = np.where(proven, np.clip(fusion, ATTENTION, FIRE - 0.01), value)
    value = np.where(fire, np.clip(fusion, FIRE, DANGER - 0.01), value)
    value = np.where(danger, np.maximum(fusion, DANGER), value)
    spreading = np.where(flags["growing"] | flags["warm"] | flags["gas"], fusion, 0.0)
    return value, fusion, spreading


def _weigh(
    ts: Ints, where: Ints, sight: Sight, own: npt.NDArray[Any], temperature: Floats, co: Floats,
    fusion: Floats, held: Floats, flags: dict[str, Bools], outside: Floats, smoke: Floats, extra: Floats, sure: Floats,
    hot: Ints,
) -> None:  # fmt: skip
    """F, what is held back of it and what else speaks for a fire, into the arrays at `where`."""
    nominal = own["nominal"]
    rise = np.clip(np.nan_to_num(sight.rise_k) / 8, 0.0, 2.0)
    gas = np.clip(np.nan_to_num(sight.co_rise) / 20, 0.0, 2.0)
    heat = np.clip((np.nan_to_num(temperature, nan=0.0) - 40) / 14, 0.0, 2.0)

    def fused(nominal: Floats) -> Floats:
        share = np.clip((sight.outside - nominal / 3) / (2 * nominal / 3), 0.0, 3.0)
        return np.asarray(share * (1 + 0.5 * rise + 0.8 * gas) + 0.6 * rise + 0.6 * gas + heat)

    with np.errstate(invalid="ignore"):
        open_ = own["open"]
        plain = open_ | (sight.smoke >= 0.5) | (temperature >= 57.0) | (co >= 60.0)
        cool = ~(sight.warmer_k >= 3.0)
        steam = ~plain & (sight.vapour >= VAPOUR) & cool & ~(sight.more_co >= 3.0)
        hour = (ts + own["offset_ms"]) // 3_600_000 % 24
        meal = ((hour >= 11) & (hour < 13)) | ((hour >= 17) & (hour < 20))
        cooking = ~plain & own["kitchen"] & meal & (gas < 0.3) & (rise < 0.5)
        warm = sight.warmer_k >= 5.0
        even = np.clip(sight.least_step / np.maximum(sight.mean_step, 1e-6), -1.0, 1.0)
        damp = sight.damper >= DAMPER
        dry = ~(sight.damp_rise >= np.where(damp, 2.5, DAMP_RISE)) & (~damp | (even >= 0.65))
        more = (sight.more_co >= 15.0) | ((sight.more_co >= 9.0) & (sight.lasting >= 0.95) & ~damp)
        growing = sight.slope * 25 >= FAST * nominal
        creeping = dry & (even >= STEADY) & (sight.mean_step >= STEP * nominal) & (sight.smoke >= CREEP * nominal)
        weak = ~plain & (sight.smoke < 2 * nominal) & ~(growing | creeping | warm | (gas >= 0.3) | (heat > 0))
        doubt = 0.5 * np.maximum(np.nan_to_num(sight.damp_rise - 1.5), 0.0) - 0.3 * np.nan_to_num(sight.more_co - 4.0)
        sure[where] = np.clip(np.exp(doubt + 1.5 * (0.5 - np.nan_to_num(even))), 1.0, 4.0)
        grows = creeping & (sight.smoke >= nominal * 4 / 3) & ~sight.late_low
        hot[where] = np.select(
            [(temperature >= 65.0) | (co >= 150.0), temperature >= 54.0, (co >= 50.0) & (gas > 0)], [3, 2, 1], 0
        )
    full = fused(nominal)
    full = np.where(creeping, np.maximum(full, ATTENTION), full)
    fusion[where] = full
    held[where] = np.where(steam, fused(2 * nominal), np.where(cooking, fused(1.7 * nominal), full))
    extra[where] = np.where(steam, 30_000.0, 0.0)
    outside[where], smoke[where] = sight.outside, sight.smoke
    for name, flag in (
        ("growing", growing), ("weak", weak), ("warm", warm), ("gas", more), ("open", open_), ("grows", grows),
    ):  # fmt: skip
        flags[name][where] = flag


def _needed(strength: Floats) -> Floats:
    """t_v in ms."""
    return np.asarray(np.clip(45_000 / np.maximum(strength, 0.1) ** 2, 6_000, 45_000))


def _verify(
    frame: Frame, rows: Ints, moves: Bools, own: npt.NDArray[Any], fusion: Floats, held: Floats,
    flags: dict[str, Bools], outside: Floats, smoke: Floats, extra: Floats, sure: Floats, hot: Ints,
    memory: npt.NDArray[Any],
) -> dict[str, npt.NDArray[Any]]:  # fmt: skip
    """Doses and samples as of each row; the memory takes those that count."""
    at = np.flatnonzero(moves)
    slot = frame.slot[rows]
    place = np.maximum.accumulate(np.where(moves, np.cumsum(moves) - 1, -1)) if len(rows) else np.zeros(0, np.int64)
    result: dict[str, npt.NDArray[Any]] = {}
    if len(at):
        line = slot[at]
        first = scan.firsts(line)
        before = memory[line]
        ts = frame.ts[rows[at]]
        then = scan.previous(ts, first, before["newest"])
        passed = np.where(then == NEVER, 0, ts - np.maximum(then, 0))
        passed = np.where((passed < 0) | (passed > own["gap_ms"][at]), 0, passed)
        keep = {
            "runs": fusion[at] >= RUN,
            "hazy": (outside[at] >= HAZE * own["nominal"][at]) | (fusion[at] >= RUN),
            "grows": flags["grows"][at],
            "is_thick": (outside[at] >= 0.7 * THICK) | (hot[at] > 0),
        }
        was = {name: scan.previous(kept, first, before[name]) for name, kept in keep.items()}
        strong, full = held[at], fusion[at]
        limit = own["verify_ms"][at]
        proof = np.minimum(_needed(strong), np.maximum(limit, 1.0)) + extra[at]
        cap = _needed(full) + np.where(flags["weak"][at], own["weak_ms"][at], own["gate_ms"][at])
        quick = flags["warm"][at] | flags["gas"][at] | flags["open"][at]
        thick = np.where(quick | (hot[at] == 3), 6_000.0, np.maximum(_needed(smoke[at]), 12_000.0))
        growing = np.select(
            [hot[at] >= 2, hot[at] == 1], [6_000.0, 60_000.0], np.maximum(_needed(outside[at]), 15_000.0)
        )
        plans = {
            "proof": ("runs", (strong >= 1.0) & ~flags["weak"][at], proof),
            "cap": ("runs", full >= 1.0, cap),
            "open": ("runs", full >= 1.0, np.full(len(at), 60_000.0) + proof),
            "growth": ("grows", keep["grows"], sure[at] * SURE_S * 1000),
            "thick": ("is_thick", (smoke[at] >= THICK) | (hot[at] == 3), thick),
            "outside": ("is_thick", (outside[at] >= THICK) | (hot[at] > 0), growing),
        }
        last = scan.lasts(first)
        for name, (run, on, needed) in plans.items():
            result[name] = smoke_verify.doses(first, passed, on, keep[run], was[run], needed, before[name])
        result["samples"] = smoke_verify.counts(
            first, np.ones(len(at), dtype=np.int64), keep["hazy"], was["hazy"], before["samples"]
        )
        smoke_before = scan.previous(smoke[at], first, before["before"])
        fell = (smoke_before >= own["nominal"][at]) & (smoke[at] < FALL * smoke_before)
        fell &= (ts - then <= FLICKER_MS) & (then != NEVER)
        since = np.where(first, before["fell_at"], NEVER)
        result["fell_at"] = scan.maximum_since(np.where(fell, ts, since), first)
        own_place = place >= 0
        own_place[own_place] = line[place[own_place]] == slot[own_place]
        old = memory[slot]
        told = {
            name: smoke_verify.carried_on(array, np.where(own_place, place, -1), old[name])
            for name, array in result.items()
        }
        for name, array in result.items():
            memory[name][line[last]] = array[last]
        for name, kept in keep.items():
            memory[name][line[last]] = kept[last]
        return told
    return {name: memory[name][slot].copy() for name in (*DOSES, "samples", "fell_at")}
