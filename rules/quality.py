"""Quality flags of QARTOD on columns of readings, and the tests that need no memory: not finite, range, clock.

`rules.stream` has the tests that remember. A flag never takes a reading away: a hazard that rests on flagged
readings surfaces as suspect, and a flagged reading never ends one (`rules.condition`). Flags are given once, at the
arrival; a verdict that only the next reading allows (a spike) travels with that next reading.
"""

from enum import IntFlag
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rules.columns import Columns
from rules.quality_defaults import ZONE_MS, ZONE_TOLERANCE_MS
from rules.scan import Bools, every, inside, some
from wire.quality import Quality

FUTURE_MS = 30_000
"""A reading may lie so far ahead of its arrival (clock jitter); beyond that its clock is wrong."""
FIRST_PLAUSIBLE_MS = 1_577_836_800_000
"""2020-01-01: devices that lost their clock say 1970 or 2000. Recorded series older than that arrive then, too."""


class Check(IntFlag):
    """Which tests spoke of a reading; names are those of `docs/rules.md`. Wire format: bits stay."""

    RANGE = 1  # outside what the sensor can say
    USER_RANGE = 2  # outside what can be at this place
    SPIKE = 4  # far from the last five; not decided before the next reading
    AFTER_SPIKE = 8  # the reading before this one was a spike
    RATE = 16  # changes faster than the quantity can
    FLAT = 32  # stands still where it should not
    ATTENUATED = 64  # moves far less than it should
    NEIGHBOUR = 128  # not what its neighbours say
    NOT_FINITE = 256  # infinite or not a number
    CLOCK = 512  # its time was not believed: judged by arrival
    SKEW = 1024  # its time is steadily off by more than five seconds, and was kept
    ZONE = 2048  # CLOCK, and it is off by eight hours: a time zone
    GAP = 4096  # the reading before this one is too old
    ORDER = 8192  # older than one that was here before
    DUPLICATE = 16384  # an instant that was told already


TIMING = Check.CLOCK | Check.SKEW | Check.ZONE | Check.GAP | Check.ORDER | Check.DUPLICATE | Check.AFTER_SPIKE
"""What puts the time, not the value, in doubt; alone these leave the value trusted."""

Bits = npt.NDArray[np.uint16]


def names(bits: int) -> str:
    """The tests of a bit set as words, by comma: `spike,rate`."""
    return ",".join(str(each.name).lower() for each in Check if bits & each)


Floats = npt.NDArray[np.float64]
Spans = tuple[Floats, Floats]
"""Lower and upper end of the valid range, NaN where none is known."""


def spans(channel: npt.NDArray[np.int32], lowest: Floats, highest: Floats) -> Spans:
    """The valid range of each reading."""
    count = len(lowest)
    if count and inside(channel, count):
        return lowest[channel], highest[channel]
    if not count:
        none = np.full(len(channel), np.nan)
        return none, none
    known = (channel >= 0) & (channel < count)
    safe = np.where(known, channel, 0)
    return np.where(known, lowest[safe], np.nan), np.where(known, highest[safe], np.nan)


def assess(columns: Columns, lowest: Floats, highest: Floats, found: Spans | None = None) -> Columns:
    """The same columns with flags, and with the arrival time where the device's clock is wrong.

    Args:
        columns: in order of arrival.
        lowest: by channel, lower end of the valid range; NaN where none is known.
        highest: by channel, upper end.
        found: `spans` of the readings, where that is known already.

    Returns:
        Columns with `flag` never better than it was given (UNKNOWN becomes GOOD where a range was known and held),
        `ts` of readings with a wrong clock replaced by `arrival`, and `clock` true there. Assessing again
        changes nothing.
    """
    value = columns.value
    low, high = spans(columns.channel, lowest, highest) if found is None else found
    wrong = columns.ts > columns.arrival + FUTURE_MS
    if len(value) and int(columns.ts.min()) < FIRST_PLAUSIBLE_MS:
        wrong |= (columns.ts < FIRST_PLAUSIBLE_MS) & (columns.arrival >= FIRST_PLAUSIBLE_MS)
    if columns.clock is not None:
        wrong |= columns.clock
    flag = columns.flag.astype(np.uint8)
    if 0 in flag.tobytes():
        flag[flag == 0] = Quality.UNKNOWN
    within = (value >= low) & (value <= high)
    if not every(within):
        finite = np.isfinite(value)
        ranged = ~(np.isnan(low) & np.isnan(high))
        outside = (value < low) | (value > high)
        flag[(flag == Quality.UNKNOWN) & ranged & finite] = Quality.GOOD
        worse = outside | np.isinf(value)
        flag[worse] = np.maximum(flag[worse], Quality.FAIL)
        flag[np.isnan(value)] = Quality.MISSING
    else:
        np.copyto(flag, np.uint8(Quality.GOOD), where=flag == np.uint8(Quality.UNKNOWN))
    ts = columns.ts
    if some(wrong):
        flag[wrong] = np.maximum(flag[wrong], Quality.SUSPECT)
        ts = np.where(wrong, columns.arrival, ts)
    return columns._replace(ts=ts, flag=flag, clock=wrong)


def is_bad(columns: Columns) -> npt.NDArray[np.bool_]:
    """Whether the value (not merely its time) is in doubt."""
    bad = np.asarray(columns.flag >= np.uint8(Quality.SUSPECT))
    if columns.clock is not None and some(columns.clock):
        excused = columns.clock & (columns.flag == Quality.SUSPECT)
        if columns.tests is not None:
            excused &= (columns.tests & ~np.uint16(TIMING)) == 0
        bad &= ~excused
    return bad


def is_unsure(columns: Columns) -> npt.NDArray[np.bool_]:
    """Whether a reading waits for the next one to be believed: it may be a spike."""
    if columns.tests is None:
        return np.zeros(len(columns.value), dtype=np.bool_)
    return np.asarray((columns.tests & np.uint16(Check.SPIKE)) != 0)


def first_bits(
    given: Columns, assessed: Columns, lowest: npt.NDArray[np.float64], highest: npt.NDArray[np.float64]
) -> Bits:
    """The tests without memory that spoke: what `assess` made of columns, in words."""
    bits = np.zeros(len(given.value), dtype=np.uint16)
    assert assessed.clock is not None
    if not len(bits):
        return bits
    if some(assessed.clock):
        bits[assessed.clock] = Check.CLOCK
        ahead = np.abs(given.ts - given.arrival - ZONE_MS) <= ZONE_TOLERANCE_MS
        bits[assessed.clock & ahead] |= np.uint16(Check.ZONE)
    if int(assessed.flag.max()) >= Quality.FAIL:
        worse = np.flatnonzero(assessed.flag >= Quality.FAIL)
        channel, value = given.channel[worse], given.value[worse]
        known = (channel >= 0) & (channel < len(lowest))
        bits[worse[~np.isfinite(value)]] |= np.uint16(Check.NOT_FINITE)
        worse, channel, value = worse[known], channel[known], value[known]
        bits[worse[(value < lowest[channel]) | (value > highest[channel])]] |= np.uint16(Check.RANGE)
    return bits


class Doubt(NamedTuple):
    """Readings that are not simply believed."""

    any: Bools
    unsure: Bools  # in doubt only until the next reading
    some: bool  # whether there is any

    @classmethod
    def of(cls, columns: Columns) -> "Doubt":
        """Of assessed columns."""
        bad, unsure = is_bad(columns), is_unsure(columns)
        both = bad | unsure
        return cls(both, unsure & ~bad, some(both))
