"""Verification in event time: how much of the time that a condition must be seen has been seen, for many rows at once.

    dose(t) = ∫ dt / needed(t) while the condition is on, since the run began; verified at 1

The stronger the smoke, the less time is needed, and a run through several strengths is counted by its parts. A run ends
where `keep` fails. Time across a gap does not count. Doses are whole millionths, so that the outcome does not depend
on how a stream is cut.
"""

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.scan import Bools, Floats, Ints

FULL = 1_000_000
MOST = 1_000_000_000


def doses(first: Bools, passed_ms: Ints, on: Bools, keep: Bools, was: Bools, needed_ms: Floats, carried: Ints) -> Ints:
    """The dose after each row, in millionths.

    Args:
        first: first row of a slot; rows are sorted by slot, in order.
        passed_ms: since the row before that counted, 0 across a gap.
        on: the condition is seen.
        keep: the run goes on (or begins).
        was: it went on at the row before.
        needed_ms: time that must be seen.
        carried: dose after the row before, of first rows.
    """
    share = passed_ms * FULL // np.maximum(needed_ms, 1.0).astype(np.int64)
    amount = np.where(on & keep & was, np.minimum(share, MOST), 0)
    mark = first | ~keep | ~was
    start = np.where(keep & was, carried + amount, 0)
    return np.minimum(scan.sums_since(amount, mark, start), MOST)


def counts(first: Bools, worth: Ints, keep: Bools, was: Bools, carried: Ints) -> Ints:
    """The sum of what rows are worth since the run began."""
    amount = np.where(keep, worth, 0)
    mark = first | ~keep | ~was
    start = np.where(keep & was, carried, 0) + amount
    return scan.sums_since(amount, mark, start)


def newest_before(first: Bools, ts: Ints, newest: Ints) -> Ints:
    """The newest event time before each row, in its slot; `newest` is what was so before the batch, of first rows."""
    before = scan.previous(ts, first, newest)
    return scan.maximum_since(np.where(first, newest, before), first)


def carried_on(array: npt.NDArray[np.int64], place: Ints, before: Ints) -> Ints:
    """`array` at the place of the newest counted row (−1: none in the batch, then `before`)."""
    if not len(array):
        return before
    return np.where(place >= 0, array[np.maximum(place, 0)], before)
