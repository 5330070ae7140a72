"""Clean air: what a smoke chamber reads when there is no smoke, and how that creeps up as it gets dirty (DOMAIN A3.1).

    b → q20 of the means of the last 24 stretches of three hours, moved by at most A/40 an hour, 0 ≤ b ≤ 0.6·A

The first sound reading of each minute is looked at, and b moves on with it: dirt takes weeks. A stretch's mean leaves
out readings while it is warm (3 K over the last stretch) or carbon monoxide is about (10 ppm). Sums are whole numbers
(10⁻⁶ dB/m, mK), so that they do not depend on how a stream is cut.

EN 54-7 4.8 [K] asks: growth R > A/4 an hour may not delay the alarm beyond 1.6·A/R. Compensation that moves by r = A/40
an hour delays it to A/(R − r) = 1.11·A/R at R = A/4 and by less above: ten times slower than what has to be found.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.condition import NEVER
from rules.frame import Frame
from rules.scan import Bools, Floats, Ints

STRETCH_MS = 3 * 3_600_000
EVERY_MS = 60_000
STRETCHES = 24
SHARE = 0.2
SLEW = 1 / 40  # of A an hour
MOST = 0.6  # of A
WARM_K, CO_PPM = 3.0, 10.0
LEAST = 6
"""A stretch with fewer readings says nothing."""
MICRO = 1e6
THICKEST = 10.0
"""dB/m; what is thicker counts as this."""
STEP = 1e5
"""Means are kept in steps of 10⁻⁵ dB/m, up to 0.65: compensation ends at 0.6."""
_MOST_STEPS = 65_535
_NO_STRETCH = -(2**31)

MEMORY = [
    ("until", "i8"),  # the next reading that is looked at is not older than this
    ("clean", "f4"),  # b in dB/m, as of the newest reading that was looked at
    ("usual", "f4"),  # °C, mean of the last stretch
    ("base_at", "i8"),  # when b was `base`, at the end of the last stretch
    ("base", "f4"),
    ("target", "f4"),
    ("stretch", "i4"),
    ("total", "i4"),  # of the stretch, 10⁻⁶ dB/m
    ("warmth", "i4"),  # of the stretch, mK
    ("known", "u2"),  # stretches that ended
    ("count", "u1"),
    ("warm_count", "u1"),
    ("means", "u2", STRETCHES),
]
_SUMS = ("total", "count", "warmth", "warm_count")


class Air(NamedTuple):
    """At each row of a frame."""

    clean: Floats  # dB/m
    usual: Floats  # °C; NaN = not known


def blank(row: Any) -> None:
    """Nothing is known of the chamber: it is taken for clean."""
    row["until"] = row["base_at"] = NEVER
    row["stretch"] = _NO_STRETCH
    row["usual"] = np.nan


def learn(
    frame: Frame, nominal: Floats, temperature: Floats | None, co: Floats | None, memory: npt.NDArray[Any]
) -> Air:
    """The clean-air value at each row; the memory moves on.

    Args:
        frame: of obscuration.
        nominal: A of each row, dB/m.
        temperature: at each row, NaN where there is none; None: it is not looked at.
        co: likewise, ppm.
        memory: moves on; by `frame.slot`.
    """
    slot = frame.slot
    clean, usual = memory["clean"][slot], memory["usual"][slot]
    rows = np.flatnonzero(frame.usable & (frame.ts >= memory["until"][slot]))
    if not len(rows):
        return Air(clean, usual)
    alone = bool(frame.first.all())
    if not alone:
        minute = frame.ts[rows] // EVERY_MS
        first = scan.firsts(slot[rows])
        first[1:] |= minute[1:] != minute[:-1]
        rows = rows[first]
    taught = _teach(frame, rows, nominal[rows], temperature, co, memory)
    if alone:
        clean[rows], usual[rows] = taught
        return Air(clean, usual)
    # every row stands where the newest reading of its slot stands that was looked at
    mark = np.zeros(len(slot), dtype=np.int64)
    mark[rows] = np.arange(1, len(rows) + 1)
    at = np.maximum.accumulate(mark) - 1
    known = at >= 0
    known[known] = slot[rows[at[known]]] == slot[known]
    clean[known], usual[known] = taught.clean[at[known]], taught.usual[at[known]]
    return Air(clean, usual)


def _slewed(base: Floats, base_at: Ints, target: Floats, nominal: Floats, now: Ints) -> Floats:
    hours = np.where(base_at == NEVER, 0, np.maximum(now - base_at, 0)) / 3_600_000
    most = SLEW * nominal * hours
    return np.asarray(np.clip(base + np.clip(target - base, -most, most), 0.0, MOST * nominal))


def _teach(
    frame: Frame, rows: Ints, nominal: Floats, temperature: Floats | None, co: Floats | None, memory: npt.NDArray[Any]
) -> Air:
    """Add up the readings that are looked at, stretch by stretch; b and the usual temperature at each of them."""
    slot, ts = frame.slot[rows], frame.ts[rows]
    stretch = ts // STRETCH_MS
    first = scan.firsts(slot)
    head = first.copy()
    head[1:] |= stretch[1:] != stretch[:-1]
    starts = np.flatnonzero(head)
    stops = np.append(starts[1:], len(rows))
    own = slot[starts]
    fair = np.ones(len(rows), dtype=np.bool_) if co is None else ~(co[rows] > CO_PPM)
    heat = None if temperature is None else temperature[rows]
    micro = np.rint(np.clip(frame.value[rows], 0.0, THICKEST) * MICRO).astype(np.int64)
    found = Air(np.empty(len(rows), dtype=np.float32), np.empty(len(rows), dtype=np.float32))
    for these in _turns(first[starts]):
        of, begin = own[these], starts[these]
        new = memory["stretch"][of] != stretch[begin]
        if new.any():
            _close(of[new], stretch[begin[new]], ts[begin[new]], nominal[begin[new]], memory)
        at, offset = scan.spread(stops[these] - begin)
        inside = begin[at] + offset
        usual = memory["usual"][of][at]  # what is warm is told by the stretch before, which is known now
        _add(of, at, inside, micro, fair, heat, usual, memory)
        clean = _slewed(
            memory["base"][of][at], memory["base_at"][of][at], memory["target"][of][at], nominal[inside], ts[inside]
        )
        found.clean[inside], found.usual[inside] = clean, usual
        memory["clean"][of] = found.clean[stops[these] - 1]
    last = scan.lasts(first)
    memory["until"][slot[last]] = (ts[last] // EVERY_MS + 1) * EVERY_MS
    return found


def _turns(first: Bools) -> list[Ints]:
    """Stretches in rounds: of each slot one, in order."""
    if first.all():
        return [np.arange(len(first))]
    numbers = np.arange(len(first))
    turn = numbers - numbers[first][np.cumsum(first) - 1]
    return [np.flatnonzero(turn == number) for number in range(int(turn.max()) + 1)]


def _add(
    of: Ints,
    at: Ints,
    inside: Ints,
    micro: Ints,
    fair: Bools,
    heat: Floats | None,
    usual: Floats,
    memory: npt.NDArray[Any],
) -> None:
    """Take readings into the sums of their stretches (`of`, one line each; `at` says which by reading)."""
    cool = fair[inside]
    warmth = known = np.zeros(len(inside), dtype=np.int64)
    if heat is not None:
        heat = heat[inside]
        with np.errstate(invalid="ignore"):
            cool &= ~(heat - usual > WARM_K)
        is_known = np.isfinite(heat)
        warmth, known = np.rint(np.where(is_known, heat, 0.0) * 1000).astype(np.int64), is_known.astype(np.int64)
    edges = np.flatnonzero(scan.firsts(at))
    for name, each in zip(_SUMS, (np.where(cool, micro[inside], 0), cool, warmth, known), strict=True):
        amount = each if len(edges) == len(inside) else np.add.reduceat(each.astype(np.int64), edges)
        memory[name][of] += amount.astype(memory[name].dtype)


def _close(of: Ints, stretch: Ints, now: Ints, nominal: Floats, memory: npt.NDArray[Any]) -> None:
    """A stretch is over: its mean counts from here on."""
    memory["base"][of] = _slewed(memory["base"][of], memory["base_at"][of], memory["target"][of], nominal, now)
    memory["base_at"][of] = now
    full = memory["count"][of] >= LEAST
    told = of[full]
    if len(told):
        means = memory["means"][told]
        known = memory["known"][told].astype(np.int64)
        mean = memory["total"][told] / memory["count"][told] / MICRO
        means[np.arange(len(told)), known % STRETCHES] = np.minimum(np.rint(mean * STEP), _MOST_STEPS)
        memory["means"][told] = means
        memory["known"][told] = np.where(known + 1 >= 2 * STRETCHES, known + 1 - STRETCHES, known + 1)
        held = np.minimum(known + 1, STRETCHES)
        ranked = np.sort(np.where(np.arange(STRETCHES) < held[:, None], means, _MOST_STEPS), axis=1)
        memory["target"][told] = ranked[np.arange(len(told)), (SHARE * (held - 1)).astype(np.int64)] / STEP
    warm = memory["warm_count"][of] >= LEAST
    memory["usual"][of[warm]] = memory["warmth"][of[warm]] / memory["warm_count"][of[warm]] / 1000
    for name in _SUMS:
        memory[name][of] = 0
    memory["stretch"][of] = stretch
