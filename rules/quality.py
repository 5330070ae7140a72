"""Quality tests on columns of readings: not finite, range, clock. Streaming, vectorised, flags of QARTOD.

A flag never takes a reading away: a hazard that rests on flagged readings surfaces as suspect, and a flagged reading
never ends one (`rules.condition`).
"""

import numpy as np
import numpy.typing as npt

from rules.columns import Columns
from wire.quality import Quality

FUTURE_MS = 30_000
"""A reading may lie so far ahead of its arrival (clock jitter); beyond that its clock is wrong."""
FIRST_PLAUSIBLE_MS = 1_577_836_800_000
"""2020-01-01: devices that lost their clock say 1970 or 2000. Recorded series older than that arrive then, too."""


def assess(columns: Columns, lowest: npt.NDArray[np.float64], highest: npt.NDArray[np.float64]) -> Columns:
    """The same columns with flags, and with the arrival time where the device's clock is wrong.

    Args:
        columns: in order of arrival.
        lowest: by channel, lower end of the valid range; NaN where none is known.
        highest: by channel, upper end.

    Returns:
        Columns with `flag` never better than it was given (UNKNOWN becomes GOOD where a range was known and held),
        `ts` of readings with a wrong clock replaced by `arrival`, and `clock` true there. Assessing again
        changes nothing.
    """
    known = (columns.channel >= 0) & (columns.channel < len(lowest))
    channel = np.where(known, columns.channel, 0)
    if len(lowest):
        low, high = lowest[channel], highest[channel]
    else:
        low = high = np.full(len(channel), np.nan)
    value = columns.value
    ranged = known & ~(np.isnan(low) & np.isnan(high))
    outside = known & ((value < low) | (value > high))
    finite = np.isfinite(value)
    wrong = (columns.ts > columns.arrival + FUTURE_MS) | (
        (columns.ts < FIRST_PLAUSIBLE_MS) & (columns.arrival >= FIRST_PLAUSIBLE_MS)
    )
    if columns.clock is not None:
        wrong |= columns.clock
    flag = np.where(columns.flag == 0, Quality.UNKNOWN, columns.flag)
    flag = np.where((flag == Quality.UNKNOWN) & ranged & finite, Quality.GOOD, flag)
    flag = np.where(outside, np.maximum(flag, Quality.FAIL), flag)
    flag = np.where(np.isinf(value), np.maximum(flag, Quality.FAIL), flag)
    flag = np.where(np.isnan(value), Quality.MISSING, flag)
    flag = np.where(wrong, np.maximum(flag, Quality.SUSPECT), flag)
    ts = np.where(wrong, columns.arrival, columns.ts)
    return columns._replace(ts=ts, flag=flag.astype(np.uint8), clock=wrong)


def is_bad(columns: Columns) -> npt.NDArray[np.bool_]:
    """Whether the value (not merely its time) is in doubt."""
    bad = columns.flag >= Quality.SUSPECT
    if columns.clock is not None:
        bad &= ~(columns.clock & (columns.flag == Quality.SUSPECT))
    return bad
