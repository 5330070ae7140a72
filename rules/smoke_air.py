"""Clean air: what a smoke chamber reads when there is no smoke, and how that creeps up as it gets dirty (DOMAIN A3.1).

    b → q20 of the means of the last 24 stretches of three hours, moved by at most A/40 an hour, 0 ≤ b ≤ 0.6·A

A stretch's mean leaves out readings while it is warm (3 K over the last stretch) or carbon monoxide is about (10 ppm).
The means are of whole numbers (10⁻⁶ dB/m), so that they do not depend on how a stream is cut.

EN 54-7 4.8 [K] asks: growth R > A/4 an hour may not delay the alarm beyond 1.6·A/R. Compensation that moves by r = A/40
an hour delays it to A/(R − r) = 1.11·A/R at R = A/4 and by less above: ten times slower than what has to be found.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.condition import NEVER
from rules.frame import Frame
from rules.scan import Floats, Ints

STRETCH_MS = 3 * 3_600_000
STRETCHES = 24
SHARE = 0.2
SLEW = 1 / 40  # of A an hour
MOST = 0.6  # of A
WARM_K, CO_PPM = 3.0, 10.0
LEAST = 6
"""A stretch with fewer readings says nothing."""
MICRO = 1e6

MEMORY = [
    ("stretch", "i8"),
    ("total", "i8"),  # of the stretch, 10⁻⁶ dB/m
    ("warmth", "i8"),  # of the stretch, mK
    ("count", "i4"),
    ("warm_count", "i4"),
    ("means", "f4", STRETCHES),
    ("known", "i4"),
    ("clean", "f8"),  # dB/m at `clean_at`
    ("clean_at", "i8"),
    ("target", "f8"),
    ("usual", "f8"),  # °C, mean of the last stretch
]


class Air(NamedTuple):
    """At each row of a frame."""

    clean: Floats  # dB/m
    usual: Floats  # °C; NaN = not known


def blank(row: Any) -> None:
    """Nothing is known of the chamber: it is taken for clean."""
    row["stretch"] = row["clean_at"] = NEVER
    row["usual"] = np.nan


def learn(frame: Frame, nominal: Floats, temperature: Floats, co: Floats, memory: npt.NDArray[Any]) -> Air:
    """The clean-air value at each row; the memory moves on.

    Args:
        frame: of obscuration.
        nominal: A of each row, dB/m.
        temperature: at each row, NaN where there is none.
        co: likewise, ppm.
        memory: moves on; by `frame.slot`.
    """
    slot = frame.slot
    state = [memory[name][slot] for name in ("clean", "clean_at", "target", "usual")]
    sound = frame.usable & (frame.value >= 0)
    if sound.all() and frame.first.all() and (memory["stretch"][slot] == frame.ts // STRETCH_MS).all():
        _add(slot, frame.value, temperature, co, state[3], memory)
    elif sound.any():
        _teach(frame, np.flatnonzero(sound), nominal, temperature, co, memory, state)
    clean, clean_at, target, usual = state
    return Air(_slewed(clean, clean_at, target, nominal, frame.ts), usual)


def _slewed(clean: Floats, clean_at: Ints, target: Floats, nominal: Floats, now: Ints) -> Floats:
    hours = np.where(clean_at == NEVER, 0, np.maximum(now - clean_at, 0)) / 3_600_000
    most = SLEW * nominal * hours
    return np.asarray(np.clip(clean + np.clip(target - clean, -most, most), 0.0, MOST * nominal))


def _add(slot: Ints, value: Floats, temperature: Floats, co: Floats, usual: Floats, memory: npt.NDArray[Any]) -> None:
    """The usual case: each slot once, and no stretch is over."""
    with np.errstate(invalid="ignore"):
        cool = ~(temperature - usual > WARM_K) & ~(co > CO_PPM)
        known = np.isfinite(temperature)
        milli = np.rint(np.where(known, temperature, 0.0) * 1000).astype(np.int64)
    memory["total"][slot] += np.where(cool, np.rint(value * MICRO), 0.0).astype(np.int64)
    memory["count"][slot] += cool
    memory["warmth"][slot] += milli
    memory["warm_count"][slot] += known


def _teach(
    frame: Frame,
    rows: Ints,
    nominal: Floats,
    temperature: Floats,
    co: Floats,
    memory: npt.NDArray[Any],
    state: list[npt.NDArray[Any]],
) -> None:
    slot, ts = frame.slot[rows], frame.ts[rows]
    stretch = ts // STRETCH_MS
    first = scan.firsts(slot)
    head = first.copy()
    head[1:] |= stretch[1:] != stretch[:-1]
    starts = np.flatnonzero(head)
    own = slot[starts]
    numbers = np.arange(len(starts))
    turn: Ints = (
        numbers - numbers[first[starts]][np.cumsum(first[starts]) - 1]
    )  # how many stretches of its slot came before
    heat, gas = temperature[rows], co[rows]
    micro = np.rint(frame.value[rows] * MICRO).astype(np.int64)
    milli = np.where(np.isfinite(heat), np.rint(np.where(np.isfinite(heat), heat, 0.0) * 1000), 0).astype(np.int64)
    fair = ~(gas > CO_PPM)
    after = [np.empty(len(starts), dtype=each.dtype) for each in state]
    for number in range(int(turn.max()) + 1 if len(turn) else 0):
        these = np.flatnonzero(turn == number)
        of = own[these]
        new = these[memory["stretch"][of] != stretch[starts[these]]]
        if len(new):
            _close(own[new], stretch[starts[new]], ts[starts[new]], nominal[rows[starts[new]]], memory)
        # what is warm is told by the stretch before, which is known now
        begin = starts[these]
        end = np.append(starts, len(rows))[these + 1]
        if len(these) == len(rows):
            cool = fair & ~(heat - memory["usual"][of] > WARM_K)
            sums = [np.where(cool, micro, 0), cool.astype(np.int64), milli, np.isfinite(heat).astype(np.int64)]
        else:
            at, offset = scan.spread(end - begin)
            inside = begin[at] + offset
            cool = fair[inside] & ~(heat[inside] - memory["usual"][of][at] > WARM_K)
            edges = np.cumsum(end - begin) - (end - begin)
            sums = [
                np.add.reduceat(each, np.asarray(edges, dtype=np.int64))
                for each in (
                    np.where(cool, micro[inside], 0),
                    cool.astype(np.int64),
                    milli[inside],
                    np.isfinite(heat[inside]).astype(np.int64),
                )
            ]
        for name, amount in zip(("total", "count", "warmth", "warm_count"), sums, strict=True):
            memory[name][of] += amount.astype(memory[name].dtype)
        for each, name in zip(after, ("clean", "clean_at", "target", "usual"), strict=True):
            each[these] = memory[name][of]
    # every row of the frame stands where the newest stretch of its slot stands
    mark = np.zeros(len(frame.ts), dtype=np.int64)
    mark[rows[starts]] = numbers + 1
    group = np.maximum.accumulate(mark)
    known = group > 0
    known[known] = own[group[known] - 1] == frame.slot[known]
    for each, now in zip(state, after, strict=True):
        each[known] = now[group[known] - 1]


def _close(of: Ints, stretch: Ints, now: Ints, nominal: Floats, memory: npt.NDArray[Any]) -> None:
    """A stretch is over: its mean counts from here on."""
    memory["clean"][of] = _slewed(memory["clean"][of], memory["clean_at"][of], memory["target"][of], nominal, now)
    memory["clean_at"][of] = now
    full = memory["count"][of] >= LEAST
    told = of[full]
    if len(told):
        means = memory["means"][told]
        known = memory["known"][told]
        means[np.arange(len(told)), known % STRETCHES] = memory["total"][told] / memory["count"][told] / MICRO
        memory["means"][told] = means
        memory["known"][told] = known + 1
        held = np.minimum(known + 1, STRETCHES)
        ranked = np.sort(np.where(np.arange(STRETCHES) < held[:, None], means, np.inf), axis=1)
        memory["target"][told] = ranked[np.arange(len(told)), (SHARE * (held - 1)).astype(np.int64)]
    warm = memory["warm_count"][of] >= LEAST
    memory["usual"][of[warm]] = memory["warmth"][of[warm]] / memory["warm_count"][of[warm]] / 1000
    for name in ("total", "count", "warmth", "warm_count"):
        memory[name][of] = 0
    memory["stretch"][of] = stretch
