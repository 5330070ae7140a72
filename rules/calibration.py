"""How a reading goes with temperature (and wind), learnt once and then frozen: ridge least squares from running sums.

    y = b0 + b1·(T − 20) + b2·(T − 20)² + b3·V

T in °C, V in m/s, y in the unit of the point. The sums run over the first `days_ms` of sound readings, longer if the
temperature did not move by `range_k` meanwhile or fewer than `least` readings came; then the coefficients are solved
for and stay: what loosens slowly must not teach the model that it is normal. A later `since` starts all over: that is
a person's decision, written as a revision of the device's parameters.

The sums are whole numbers (temperature in 0.1 K, wind in 0.1 m/s, y in a quantum of its own), so they do not depend
on how the stream is cut. The ridge is a prior: each coefficient is drawn towards 0 as its usual size asks, which
keeps the quadratic term sane where it is used far outside the temperatures that were learnt; `spread` says how unsure
it is there.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.condition import NEVER
from rules.rowwise import Rowwise
from rules.scan import Bools, Floats, Ints, every, some

REFERENCE_C = 20.0
TERMS = 4
_PAIRS = tuple((i, j) for i in range(TERMS) for j in range(i, TERMS))
_SUMS = len(_PAIRS) + TERMS + 1
_SCATTER, _COVARIANCE = TERMS, TERMS + 1
_FAR = 2**40

SETTINGS = [
    ("since", "i8"),  # ms; what is older does not teach
    ("days_ms", "i8"),
    ("range_k", "f8"),
    ("least", "i8"),
    ("quantum", "f8"),  # of y
]
MEMORY = [
    ("since", "i8"),
    ("begun", "i8"),  # event time of the first reading that taught
    ("low", "i4"),  # of the temperature, 0.1 K from 20 °C
    ("high", "i4"),
    ("sums", "i8", _SUMS),  # once learnt the bits of floats: coefficients, scatter of y about them, their covariance
    ("learnt", "?"),
    ("used", "?"),  # a row was judged by the model
]


def until(settings: Rowwise, memory: Rowwise) -> Ints:
    """By line: when it will have been learnt at the earliest (ms); NEVER before the first reading, 0 when it has."""
    begun = memory["begun"]
    when = np.where(begun == NEVER, NEVER, np.maximum(begun, settings["since"]) + settings["days_ms"])
    return np.where(memory["learnt"] & (memory["since"] == settings["since"]), 0, when)


class Model(NamedTuple):
    """What is known of y at each row: NaN while nothing was learnt."""

    known: Bools
    fresh: Bools  # the first row that is judged by the model
    expected: Floats
    scatter: Floats  # of single readings
    spread: Floats  # standard deviation of `expected` itself
    level: Floats  # expected at 20 °C, without wind


def blank(row: Any) -> None:
    """Set the fields of `MEMORY` to nothing learnt."""
    row["since"] = row["begun"] = NEVER
    row["low"], row["high"] = _FAR % 2**30, -(_FAR % 2**30)


def learn(
    at: Ints,
    first: Bools,
    ts: Ints,
    teach: Bools,
    y: Floats,
    temperature: Floats,
    wind: Floats,
    settings: Rowwise,
    memory: npt.NDArray[Any],
    *,
    prior: Floats,
    relative: bool = False,
    spread: bool = True,
) -> Model:
    """Take a batch in, and say what is expected at each row.

    Args:
        at: line of the memory by row, sorted.
        first: a new line begins.
        ts: event time.
        teach: rows to learn from; without a temperature one teaches only the mean.
        y: the reading.
        temperature: °C, NaN = not known.
        wind: m/s, NaN = none.
        settings: by slot, fields of `SETTINGS`.
        memory: all lines; move on.
        prior: usual sizes of b1, b2, b3 and the scatter; as shares of the mean where `relative`.
        relative: see `prior`.
        spread: whether it is asked for; costs something.
    """
    heads = at[first]
    segment = np.cumsum(first) - 1
    _restart(heads, settings["since"], memory)
    learnt = memory["learnt"][heads]
    known = learnt if len(heads) == len(at) else learnt[segment]
    fresh = np.zeros(len(at), dtype=np.bool_)
    if not every(learnt):
        young = teach & ~known & (ts >= settings["since"][segment])
        done = _take_in(heads, segment, first, ts, young, y, temperature, wind, settings, memory)
        solved = np.flatnonzero(done >= 0)
        if len(solved):
            _solve(heads[solved], settings["quantum"][solved], memory, prior, relative=relative)
            when = done[solved]
            moment = np.full(len(heads), len(at))
            moment[solved] = when
            known = known | (np.arange(len(at)) > moment[segment])
    used = memory["used"][heads]
    if not every(used):
        fresh = known & ~scan.previous(known, first, used[segment])
        memory["used"][heads] = known[scan.lasts(first)]
    expected, scatter, doubt, level = (np.full(len(at), np.nan) for _ in range(4))
    rows: Ints | slice = slice(None) if every(known) else known.nonzero()[0]
    lines = at[rows]
    if len(lines):
        # transposed: one number after the other, each of all rows
        found = np.ascontiguousarray(memory["sums"][lines].T if spread else memory["sums"][:, :_COVARIANCE][lines].T)
        numbers: Floats = found.view(np.float64)
        x, v = _tenths(temperature[rows], REFERENCE_C) / 10, _tenths(wind[rows], 0.0) / 10
        windy = some(v != 0)
        level[rows], scatter[rows] = numbers[0], numbers[_SCATTER]
        mean = numbers[0] + x * (numbers[1] + x * numbers[2])
        expected[rows] = mean + v * numbers[3] if windy else mean
        if spread:
            doubt[rows] = np.sqrt(np.maximum(_square(numbers[_COVARIANCE:], x, v, windy=windy), 0))
    return Model(known, fresh, expected, scatter, doubt, level)


def _square(covariance: Floats, x: Floats, v: Floats, *, windy: bool) -> Floats:
    """Variance of what is expected; `covariance` by `_PAIRS`."""
    c00, c01, c02, c03, c11, c12, c13, c22, c23, c33 = covariance
    calm = c00 + x * (2 * c01 + x * (2 * c02 + c11 + x * (2 * c12 + x * c22)))
    return np.asarray(calm + v * (2 * (c03 + x * (c13 + x * c23)) + v * c33) if windy else calm)


def _restart(heads: Ints, since: Ints, memory: npt.NDArray[Any]) -> None:
    again = heads[memory["since"][heads] != since]
    if len(again):
        row = np.zeros(1, dtype=memory.dtype)
        blank(row)
        for name, *_ in MEMORY:
            memory[name][again] = row[name][0]
        memory["since"][again] = since[memory["since"][heads] != since]


def _tenths(value: Floats, zero: float) -> Ints:
    return np.rint(scan.sure((value - zero) * 10)).astype(np.int64)


def _take_in(
    heads: Ints,
    segment: Ints,
    first: Bools,
    ts: Ints,
    young: Bools,
    y: Floats,
    temperature: Floats,
    wind: Floats,
    settings: Rowwise,
    memory: npt.NDArray[Any],
) -> Ints:
    """Add to the sums; by slot the row at which enough was learnt, -1 = not yet."""
    count = len(ts)
    x = _tenths(temperature, REFERENCE_C)
    begun = memory["begun"][heads]
    place = np.where(young, np.arange(count), count)
    starts = first.nonzero()[0]
    begin = np.minimum.reduceat(place, starts)
    own = ts[np.minimum(begin, count - 1)]
    begun = np.where((begun == NEVER) & (begin < count), own, begun)
    seen = young & ~np.isnan(temperature)
    low = np.where(first, np.minimum(np.where(seen, x, _FAR), memory["low"][heads][segment]), np.where(seen, x, _FAR))
    high = np.where(
        first, np.maximum(np.where(seen, x, -_FAR), memory["high"][heads][segment]), np.where(seen, x, -_FAR)
    )
    low, high = scan.minimum_since(low, first), scan.maximum_since(high, first)
    taken = memory["sums"][heads, 0][segment] + scan.sums_since(young.astype(np.int64), first, young.astype(np.int64))
    ready = young & (ts - begun[segment] >= settings["days_ms"][segment])
    ready &= (high - low >= settings["range_k"][segment] * 10) & (taken >= settings["least"][segment])
    done = np.minimum.reduceat(np.where(ready, np.arange(count), count), starts)
    use = np.flatnonzero(young & (np.arange(count) <= done[segment]))
    if len(use):
        columns = [np.ones(len(use), dtype=np.int64), x[use], x[use] ** 2, _tenths(wind[use], 0.0)]
        reading = np.rint(y[use] / settings["quantum"][segment[use]]).astype(np.int64)
        products = [columns[i] * columns[j] for i, j in _PAIRS] + [each * reading for each in columns] + [reading**2]
        groups = np.flatnonzero(scan.firsts(segment[use]))
        who = heads[segment[use][groups]]
        memory["sums"][who] += np.add.reduceat(np.column_stack(products), groups, axis=0)
    last = np.minimum(done, np.flatnonzero(scan.lasts(first)))
    bound = 2**30
    memory["begun"][heads] = begun
    memory["low"][heads], memory["high"][heads] = np.clip(low[last], -bound, bound), np.clip(high[last], -bound, bound)
    return np.where(done < count, done, -1)


def _solve(lines: Ints, quantum: Floats, memory: npt.NDArray[Any], prior: Floats, *, relative: bool) -> None:
    """Ridge least squares of some lines; the scatter is the root of what is left over n − 4."""
    sums = memory["sums"][lines].astype(np.float64)
    count = sums[:, 0]
    scale = np.array([1.0, 0.1, 0.01, 0.1])
    square = np.empty((len(lines), TERMS, TERMS))
    for number, (i, j) in enumerate(_PAIRS):
        square[:, i, j] = square[:, j, i] = sums[:, number] * scale[i] * scale[j]
    # y is measured from its mean: small numbers are left to solve with
    mean = sums[:, len(_PAIRS)] / count
    moment = (sums[:, len(_PAIRS) : len(_PAIRS) + TERMS] - mean[:, None] * sums[:, :TERMS]) * scale
    left = sums[:, -1] - count * mean**2
    moment, left, mean = moment * quantum[:, None], left * quantum**2, mean * quantum
    size = np.abs(mean)[:, None] * prior if relative else np.broadcast_to(prior, (len(lines), TERMS))
    ridge = np.zeros((len(lines), TERMS))
    ridge[:, 1:] = (size[:, 3:] / size[:, :3]) ** 2
    matrix = square + ridge[:, :, None] * np.eye(TERMS)
    inverse = np.linalg.inv(matrix)
    solution = np.einsum("nij,nj->ni", inverse, moment)
    left = left - 2 * np.einsum("ni,ni->n", solution, moment)
    left += np.einsum("ni,nij,nj->n", solution, square, solution)
    scatter = np.sqrt(np.maximum(left, 0) / np.maximum(count - TERMS, 1))
    solution[:, 0] += mean
    covariance = scatter[:, None, None] ** 2 * inverse
    known = np.column_stack([solution, scatter, *(covariance[:, i, j] for i, j in _PAIRS)])
    memory["sums"][lines] = known.view(np.int64)
    memory["learnt"][lines] = True
