"""How far what smoke weighs is proven: doses of verification by row, and what is kept of them between batches."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rules import scan, smoke_verify
from rules.condition import NEVER
from rules.frame import Frame
from rules.rowwise import Rowwise
from rules.scan import Bools, Floats, Ints
from rules.smoke_weigh import RUN, Weighed

THICK = 1.0
"""dB/m where people lose their way [P]."""
HAZE = 0.2
"""Share of A from which on something stirs, and samples count."""
SURE_S = 140.0
"""Growth without a break must be seen for so long."""
FALL, FLICKER_MS = 0.3, 20_000
"""Smoke cannot leave a chamber (lag of 10 s and more) faster than to this share within so long: an insect can."""

DOSES = ("proof", "cap", "growth", "lasting", "thick", "outside", "open")
BITS = {"runs": 1, "hazy": 2, "grows": 4, "is_thick": 8, "lasts": 16}
MEMORY = [
    ("newest", "i8"),  # event time of the newest row that counted, while something is on
    ("fell_at", "i8"),  # faster than smoke can
    *((name, "i4") for name in DOSES),
    ("samples", "i4"),
    ("before", "f4"),  # m_c of the newest row that counted, while something is on
    ("on", "u1"),  # BITS: what goes on
]

State = Mapping[str, npt.NDArray[Any]]
"""By row: doses, samples, `fell_at`, and `passed` since the row before that counted, in ms."""


def blank(row: Any) -> None:
    """Nothing is on."""
    row["newest"] = row["fell_at"] = NEVER


def verify(frame: Frame, rows: Ints, moves: Bools, own: Rowwise, weighed: Weighed, memory: npt.NDArray[Any]) -> State:
    """Doses and samples as of each of some rows; the memory takes those that count.

    Args:
        frame: sorted by slot.
        rows: of it: all of the slots in which something stirs or is on.
        moves: which of them count.
        own: their settings.
        weighed: by row.
        memory: moves on.
    """
    slot = frame.slot[rows]
    at = np.flatnonzero(moves)
    if not len(at):
        kept = {name: memory[name][slot].astype(np.int64) for name in (*DOSES, "samples", "fell_at")}
        return kept | {"passed": np.zeros(len(rows), dtype=np.int64)}
    whole = len(at) == len(rows)
    line, ts = slot[at], frame.ts[rows[at]]
    first = scan.firsts(line)
    last = scan.lasts(first)
    result, passed = _moved_on(line, ts, first, at, own, weighed, memory)
    told = dict(result) if whole else _told(result, moves, slot, line, memory)
    told["passed"] = np.zeros(len(rows), dtype=np.int64)
    told["passed"][at] = passed
    for name, array in result.items():
        memory[name][line[last]] = array[last]
    return told


def _told(result: State, moves: Bools, slot: Ints, line: Ints, memory: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """By row: what the newest row that counted says, or the memory."""
    place = np.maximum.accumulate(np.where(moves, np.cumsum(moves) - 1, -1))
    mine = place >= 0
    mine[mine] = line[place[mine]] == slot[mine]
    place = np.where(mine, place, -1)
    names = (*DOSES, "samples", "fell_at")
    return {name: smoke_verify.carried_on(result[name], place, memory[name][slot].astype(np.int64)) for name in names}


def _moved_on(
    line: Ints, ts: Ints, first: Bools, at: Ints, own: Rowwise, weighed: Weighed, memory: npt.NDArray[Any]
) -> tuple[State, Ints]:
    nominal, strong, full = own["nominal"][at], weighed.held[at], weighed.fusion[at]
    outside, smoke, hot = weighed.outside[at], weighed.smoke[at], weighed.hot[at]
    then = scan.previous(ts, first, memory["newest"][line])
    passed = np.where(then == NEVER, 0, ts - np.maximum(then, 0))
    passed = np.where((passed < 0) | (passed > own["gap_ms"][at]), 0, passed)
    keep = {
        "runs": full >= RUN,
        "hazy": (outside >= HAZE * nominal) | (full >= RUN),
        "grows": weighed.grows[at],
        "is_thick": (outside >= 0.7 * THICK) | (hot > 0),
        "lasts": weighed.lasts[at],
    }
    on = np.zeros(len(at), dtype=np.uint8)
    for name, kept in keep.items():
        on |= kept * np.uint8(BITS[name])
    on_before = scan.previous(on, first, memory["on"][line])
    was = {name: (on_before & np.uint8(bit)) != 0 for name, bit in BITS.items()}
    proof = np.minimum(needed(strong), np.maximum(own["verify_ms"][at], 1.0)) + weighed.extra_ms[at]
    cap = needed(full) + np.where(weighed.weak[at], own["weak_ms"][at], own["gate_ms"][at])
    quick = weighed.warm[at] | weighed.gas[at] | weighed.open[at]
    thick = np.where(quick | (hot == 3), 6_000.0, np.maximum(needed(smoke), 12_000.0))
    growing = np.select([hot >= 2, hot == 1], [6_000.0, 60_000.0], np.maximum(needed(outside), 15_000.0))
    plans = {
        "proof": ("runs", (strong >= 1.0) & ~weighed.weak[at] & ~weighed.stalls[at], proof),
        "cap": ("runs", full >= 1.0, cap),
        "open": ("runs", full >= 1.0, 60_000.0 + proof),
        "growth": ("grows", keep["grows"] & ~weighed.falling[at], weighed.sure[at] * SURE_S * 1000),
        "lasting": ("lasts", smoke >= nominal, weighed.lasting_ms[at]),
        "thick": ("is_thick", (smoke >= THICK) | (hot == 3), thick),
        "outside": ("is_thick", (outside >= THICK) | (hot > 0), growing),
    }
    result: dict[str, npt.NDArray[Any]] = {}
    for name, (run, is_on, time) in plans.items():
        carried = memory[name][line].astype(np.int64)
        result[name] = smoke_verify.doses(first, passed, is_on, keep[run], was[run], time, carried)
    each = np.ones(len(at), dtype=np.int64)
    samples = smoke_verify.counts(first, each, keep["hazy"], was["hazy"], memory["samples"][line].astype(np.int64))
    result["samples"] = np.minimum(samples, smoke_verify.FULL)
    before = scan.previous(smoke.astype(np.float32), first, memory["before"][line])
    fell = (before >= nominal) & (smoke < FALL * before) & (ts - then <= FLICKER_MS) & (then != NEVER)
    result["fell_at"] = scan.maximum_since(np.where(fell, ts, np.where(first, memory["fell_at"][line], NEVER)), first)
    result["on"] = on
    result["newest"], result["before"] = np.where(on > 0, ts, NEVER), np.where(on > 0, smoke, 0.0)
    return result, passed


def needed(strength: Floats) -> Floats:
    """t_v in ms."""
    return np.asarray(np.clip(45_000 / np.maximum(strength, 0.1) ** 2, 6_000, 45_000))
