"""Kind `daily_pattern`: a reading that is not what this place is like at this time of the day.

For each half hour of the local day the kind learns a mean and a variance of the readings, one day after the other,
newer days counting more (EWMA with weight a = `weight`, in the first days 1/n):

    d = x − μ over the sound readings of a half hour
    μ ← μ + a·mean(d);   v ← (1 − a)·v + a·mean(d²) − (a·mean(d))²
    signal = |x − μ|/√max(v, least_sd²)      in standard deviations; signed with `both_ways: false`

A half hour is judged by what the days before it taught, never by itself, and once `min_days` days taught it. What is
in doubt does not teach; nor does, once a half hour is judged, a reading beyond `teach_below` standard deviations
(default: the mildest `enter`), so an alarm never teaches that it is normal. A lasting change therefore stays told
until a person has the pattern learnt anew by raising the parameter `pattern_since`.

For a canal's level or a temperature; no family has it by default. It is not a hazard's threshold: it says "unusual
here". Keys: `least_sd` (required), the smallest scatter that counts, in the unit of the point: at least its
resolution; `min_days` 14; `weight` 0.1; `teach_below`; `weekend` false (Saturday and Sunday are learnt apart);
`utc_offset_h` 8; `both_ways` true [P]. Parameter: `pattern_since`, Unix seconds. State 1.4 kB a device.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rules import parts, scan
from rules.condition import NEVER
from rules.frame import Frame, Input, Signal
from rules.scan import Bools, Floats, Ints

KEYS = frozenset({"least_sd", "min_days", "weight", "teach_below", "weekend", "utc_offset_h", "both_ways"})
PARAMETERS = frozenset({"pattern_since"})
BUCKETS = 48
BUCKET_MS = 1_800_000
DAY_MS = 86_400_000
MANY_DAYS = 60_000
FINE = 256
MOST = 2**21
"""Deviations are summed in so many parts of `least_sd`, up to `MOST`: whole numbers do not mind how a stream is cut."""

SETTINGS = np.dtype(
    [("since", "i8"), ("offset_ms", "i8"), ("least_sd", "f8"), ("weight", "f8"), ("teach_below", "f8"),
     ("min_days", "i4"), ("weekend", "?"), ("both_ways", "?")],
    align=True,
)  # fmt: skip
DEPENDS: tuple[str, ...] = ("offset_ms", "least_sd", "weekend")
MEMORY = np.dtype(
    [
        ("since", "i8"),
        ("visit", "i8"),  # the half hour that is on, by number since 1970
        ("taught", "i8", 3),  # its readings: how many, sum of d, sum of d²
        ("mean", "f8", 2 * BUCKETS),
        ("variance", "f4", 2 * BUCKETS),
        ("days", "u2", 2 * BUCKETS),
    ],
    align=True,
)


@dataclass(frozen=True, slots=True)
class Options:
    """The keys."""

    least_sd: float
    min_days: int
    weight: float
    teach_below: float
    weekend: bool
    utc_offset_h: float
    both_ways: bool


def parse(where: str, declaration: Mapping[str, Any], cadence_s: float) -> Options:
    """The keys; see the module."""
    if "least_sd" not in declaration:
        raise parts.DeclarationError(f"{where}.least_sd", "missing: the smallest scatter that counts")
    levels = declaration.get("levels")
    enters = [each.get("enter") for each in levels.values() if isinstance(each, Mapping)] if levels else []
    mildest = min((abs(each) for each in enters if isinstance(each, int | float)), default=4.0)
    return Options(
        least_sd=parts.number(f"{where}.least_sd", declaration["least_sd"], 1e-9),
        min_days=parts.whole(f"{where}.min_days", declaration.get("min_days", 14), 2, 1000),
        weight=parts.number(f"{where}.weight", declaration.get("weight", 0.1), 0.001, 1.0),
        teach_below=parts.number(f"{where}.teach_below", declaration.get("teach_below", mildest), 1.0),
        weekend=parts.switch(f"{where}.weekend", declaration.get("weekend", False)),
        utc_offset_h=parts.number(f"{where}.utc_offset_h", declaration.get("utc_offset_h", 8.0), -12.0, 14.0),
        both_ways=parts.switch(f"{where}.both_ways", declaration.get("both_ways", True)),
    )


def inputs(options: Options) -> tuple[Input, ...]:
    """The reading alone; a declaration names its point."""
    return (Input("value", usual="level"),)


def settings(options: Options, parameters: Mapping[str, float], row: Any) -> str | None:
    """One row."""
    row["since"] = round(parameters.get("pattern_since", 0.0) * 1000)
    row["offset_ms"] = round(options.utc_offset_h * 3_600_000)
    row["least_sd"], row["weight"], row["teach_below"] = options.least_sd, options.weight, options.teach_below
    row["min_days"], row["weekend"], row["both_ways"] = options.min_days, options.weekend, options.both_ways
    return None


def blank() -> Any:
    """Nothing learnt."""
    row = np.zeros(1, dtype=MEMORY)[0]
    row["since"] = row["visit"] = NEVER
    row["mean"] = np.nan
    return row


class _Visits(NamedTuple):
    """Stretches of rows that look at one half hour, in order; a row that may not teach is one of its own."""

    start: Ints
    length: Ints
    key: Ints  # index into the half hours of all slots that the batch touches
    number: Ints  # of the half hour since 1970; of a row that may not teach the one that is on at its slot
    teaching: Bools
    turn: Ints  # so many stretches of the same key came before


class _Halves(NamedTuple):
    """The half hours of slots that a batch touches, and what waits to be folded into each."""

    slot: Ints
    bucket: Ints
    setting: Ints
    mean: Floats
    variance: Floats
    days: Ints
    visit: Ints
    taught: Ints


def signal(frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
    """Deviations in standard deviations; NaN where too little was learnt."""
    count = len(frame.ts)
    if not count:
        return Signal(np.zeros(0), {})
    heads = np.flatnonzero(frame.first)
    slots = frame.slot[heads]
    since = settings["since"][frame.setting[heads]]
    for slot in slots[memory["since"][slots] != since].tolist():
        memory[slot] = blank()
    memory["since"][slots] = since
    local = frame.ts + settings["offset_ms"][frame.setting]
    number = local // BUCKET_MS
    weekend = ((local // DAY_MS + 3) % 7 >= 5) & settings["weekend"][frame.setting]  # 1970 began on a Thursday
    bucket = number % BUCKETS + BUCKETS * weekend
    teach = frame.usable & np.isfinite(frame.value) & (frame.ts >= settings["since"][frame.setting])
    visits, halves = _visits(frame, heads, number, bucket, teach, settings, memory)
    expected, sd, days = (np.full(count, np.nan) for _ in range(3))
    order = np.argsort(visits.turn, kind="stable")
    turns = np.cumsum(np.bincount(visits.turn))
    for begin, end in zip([0, *turns[:-1].tolist()], turns.tolist(), strict=True):
        _round(frame, visits, order[begin:end], halves, settings, expected, sd, days)
    _store(frame, heads, number, teach, halves, settings, memory)
    z = (frame.value - expected) / sd
    z[days < settings["min_days"][frame.setting]] = np.nan
    value = np.where(settings["both_ways"][frame.setting], np.abs(z), z)
    return Signal(value, {"expected": expected, "sd": sd, "z": z, "days": days})


def _visits(
    frame: Frame,
    heads: Ints,
    number: Ints,
    bucket: Ints,
    teach: Bools,
    settings: npt.NDArray[Any],
    memory: npt.NDArray[Any],
) -> tuple[_Visits, _Halves]:
    """Cut the rows into stretches, and lay out the half hours that they touch."""
    count = len(number)
    slots = frame.slot[heads]
    segment = np.cumsum(frame.first) - 1
    # the half hour that is on at each row: that of the newest teaching row up to it
    opening = memory["visit"][slots]
    mark = teach | frame.first
    on = np.where(teach, number, opening[segment])[scan.marked_before(mark)]
    before = scan.previous(on, frame.first, opening[segment])
    was_teaching = scan.previous(teach, frame.first, np.zeros(count, dtype=np.bool_))
    start = np.flatnonzero(frame.first | ~teach | ~was_teaching | (on != before))
    length = np.diff(np.append(start, count))
    identity = segment * (2 * BUCKETS) + bucket
    carried = np.flatnonzero((memory["taught"][slots, 0] > 0) & (opening != NEVER))
    day = (opening[carried] * BUCKET_MS) // DAY_MS
    waits = opening[carried] % BUCKETS
    waits = waits + BUCKETS * (((day + 3) % 7 >= 5) & settings["weekend"][frame.setting[heads[carried]]])
    known, key = np.unique(np.concatenate([identity[start], carried * 2 * BUCKETS + waits]), return_inverse=True)
    key = key.astype(np.int64)
    group, half = known // (2 * BUCKETS), known % (2 * BUCKETS)
    visit, taught = np.full(len(known), NEVER), np.zeros((len(known), 3), dtype=np.int64)
    visit[key[len(start) :]], taught[key[len(start) :]] = opening[carried], memory["taught"][slots[carried]]
    slot = slots[group]
    halves = _Halves(
        slot,
        half,
        frame.setting[heads][group],
        memory["mean"][slot, half],
        memory["variance"][slot, half].astype(np.float64),
        memory["days"][slot, half].astype(np.int64),
        visit,
        taught,
    )
    own = key[: len(start)]
    order = np.argsort(own, kind="stable")
    first = scan.firsts(own[order])
    turn = np.empty(len(start), dtype=np.int64)
    turn[order] = np.arange(len(start)) - np.flatnonzero(first)[np.cumsum(first) - 1]
    return _Visits(start, length, own, on[start], teach[start], turn), halves


def _round(
    frame: Frame,
    visits: _Visits,
    which: Ints,
    halves: _Halves,
    settings: npt.NDArray[Any],
    expected: Floats,
    sd: Floats,
    days: Floats,
) -> None:
    """Judge, and let teach, stretches of which no two share a half hour of a slot."""
    key = visits.key[which]
    _fold(halves, key[halves.visit[key] != visits.number[which]], settings)
    line, offset = scan.spread(visits.length[which])
    rows = visits.start[which][line] + offset
    teaching = visits.teaching[which]
    new = teaching & (halves.days[key] == 0) & (halves.taught[key, 0] == 0)
    halves.mean[key[new]] = frame.value[visits.start[which[new]]]
    at = key[line]
    least = settings["least_sd"][halves.setting[at]]
    expected[rows] = halves.mean[at]
    sd[rows] = np.sqrt(np.maximum(halves.variance[at], least**2))
    days[rows] = halves.days[at]
    deviation = frame.value[rows] - halves.mean[at]
    wild = np.abs(deviation) > settings["teach_below"][halves.setting[at]] * sd[rows]
    wild &= halves.days[at] >= settings["min_days"][halves.setting[at]]
    use = np.flatnonzero(teaching[line] & ~wild)
    if not len(use):
        return
    fine = np.clip(np.rint(deviation[use] * FINE / least[use]), -MOST, MOST).astype(np.int64)
    groups = np.flatnonzero(scan.firsts(line[use]))
    sums = np.add.reduceat(np.column_stack([np.ones(len(use), dtype=np.int64), fine, fine**2]), groups, axis=0)
    who = at[use[groups]]
    halves.taught[who] += sums
    halves.visit[who] = visits.number[which[line[use[groups]]]]


def _fold(halves: _Halves, key: Ints, settings: npt.NDArray[Any]) -> None:
    """What a half hour that is over taught goes into mean and variance."""
    key = key[halves.taught[key, 0] > 0]
    if not len(key):
        return
    number, total, square = (halves.taught[key, place].astype(np.float64) for place in range(3))
    unit = settings["least_sd"][halves.setting[key]] / FINE
    mean, squared = total / number * unit, square / number * unit**2
    weight = np.maximum(settings["weight"][halves.setting[key]], 1 / (halves.days[key] + 1))
    halves.mean[key] += weight * mean
    spread = (1 - weight) * halves.variance[key] + weight * squared - (weight * mean) ** 2
    halves.variance[key] = np.maximum(spread, 0.0).astype(np.float32)  # as it is kept
    halves.days[key] = np.minimum(halves.days[key] + 1, MANY_DAYS)
    halves.taught[key] = 0
    halves.visit[key] = NEVER


def _store(
    frame: Frame,
    heads: Ints,
    number: Ints,
    teach: Bools,
    halves: _Halves,
    settings: npt.NDArray[Any],
    memory: npt.NDArray[Any],
) -> None:
    slots = frame.slot[heads]
    place = np.maximum.reduceat(np.where(teach, np.arange(len(teach)), -1), heads)
    newest = np.where(place >= 0, number[place], memory["visit"][slots])
    memory["visit"][slots] = newest
    on = memory["visit"][halves.slot]
    _fold(halves, np.flatnonzero(halves.visit != on), settings)
    memory["taught"][slots] = 0
    waiting = np.flatnonzero(halves.taught[:, 0] > 0)
    memory["taught"][halves.slot[waiting]] = halves.taught[waiting]
    memory["mean"][halves.slot, halves.bucket] = halves.mean
    memory["variance"][halves.slot, halves.bucket] = halves.variance
    memory["days"][halves.slot, halves.bucket] = halves.days
