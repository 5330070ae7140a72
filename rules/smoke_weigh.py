"""What smoke weighs: F, what is held back of it, what else speaks for a fire; equations: `rules.kinds.smoke_fusion`."""

from dataclasses import dataclass

import numpy as np

from rules.rowwise import Rowwise
from rules.scan import Bools, Floats, Ints
from rules.smoke_sight import Sight

ATTENTION, FIRE, DANGER = 1.0, 2.0, 4.0
"""Where the bands of III, II and I begin."""
RUN = 0.3
"""F from which on a run goes on."""
STEADY, STEP = 0.2, 1 / 15
"""Growth without a break: no quarter's step below this share of the mean step, which is this share of A or more."""
VAPOUR = 8.0
"""% of relative humidity above the low of 43 minutes: somebody showers or boils."""
DAMP_RISE, DAMPER = 3.5, 4.5
"""% of relative humidity, over the window and above the low of 43 minutes, from which on vapour explains growth."""
FAST = 0.6
"""Growth of this share of A in 25 s is fast."""
CREEP = 0.7
"""Share of A from which on smoke that grows without a break and without vapour is verified like smoke at A."""
AHEAD_S = 30.0
"""F is of the smoke that will be in the chamber: the lag is 10 … 50 s (Heskestad) [S]."""
DENSE_DB_M, HOT_C, CO_PPM = 0.5, 57.0, 60.0
"""From here on nothing is held back."""
SWIFT, SWIFTEST = 1.0, 2.0
"""F from which on smoke that grows fast is proven by three samples, and by two."""
BACKED_PPM, BACKED_K = 2.0, 1.0
"""So much CO above the low of 43 minutes, or warmth in five, lets a jump of smoke be believed one sample earlier."""
STALLS, STALLS_F, STALLS_PPM = 0.05, 2.0, 5.0
"""Below F = 2, smoke that does not gain this share of A in 25 s and brings no such CO nor warmth proves nothing."""
FALLING = 0.1
"""Loss of this share of A in 25 s: what falls does not grow, even if its quarters still do."""
MOIST, MOIST_MS, STEAM_MS = 2.0, 60_000.0, 30_000.0
"""% of relative humidity above the low of 43 minutes, and longer proof there; and in vapour."""
LASTING_MS, DENSE_LASTING_MS, LASTS = 1_200_000.0, 600_000.0, 0.7
"""Smoke without vapour that stays at A, or dense, for so long is a fire; it may fall to this share of A."""


@dataclass(slots=True)
class Weighed:
    """By row of the slots in which something stirs or is on."""

    fusion: Floats  # F
    held: Floats  # what is left of it where something is held back
    outside: Floats
    smoke: Floats
    extra_ms: Floats  # longer proof
    sure: Floats  # growth without a break must be seen so many times longer
    lasting_ms: Floats  # smoke that stays must be seen so long
    hot: Ints  # 3: danger by heat or gas alone; 2: a fire by heat; 1: by gas
    growing: Bools
    weak: Bools
    warm: Bools
    gas: Bools
    open: Bools  # nothing is held back on this device
    grows: Bools  # without a break
    falling: Bools
    stalls: Bools
    lasts: Bools  # smoke, and no vapour that explains it
    backed: Bools  # a trace of CO or warmth beside it, which no insect brings

    @classmethod
    def nothing(cls, count: int) -> "Weighed":
        """Clean air at every row."""

        def zero() -> Floats:
            return np.zeros(count)

        def no() -> Bools:
            return np.zeros(count, dtype=np.bool_)

        return cls(
            zero(), zero(), zero(), zero(), zero(), np.ones(count), np.ones(count), np.zeros(count, dtype=np.int64),
            no(), no(), no(), no(), no(), no(), no(), no(), no(), no(),
        )  # fmt: skip


def weigh(ts: Ints, where: Ints, sight: Sight, own: Rowwise, temperature: Floats, co: Floats, into: Weighed) -> None:
    """Weigh some rows.

    Args:
        ts: of the rows.
        where: their places in `into`.
        sight: what is seen at them.
        own: their settings.
        temperature: at them, NaN where there is none.
        co: likewise.
        into: takes the result.
    """
    nominal = own["nominal"]
    rise = np.clip(np.nan_to_num(sight.rise_k) / 8, 0.0, 2.0)
    gas = np.clip(np.nan_to_num(sight.co_rise) / 20, 0.0, 2.0)
    heat = np.clip((np.nan_to_num(temperature, nan=0.0) - 40) / 14, 0.0, 2.0)

    ahead = sight.smoke + np.minimum(AHEAD_S * np.maximum(sight.slope, 0.0), sight.smoke)

    def fused(nominal: Floats) -> Floats:
        share = np.clip((ahead - nominal / 3) / (2 * nominal / 3), 0.0, 3.0)
        return np.asarray(share * (1 + 0.5 * rise + 0.8 * gas) + 0.6 * rise + 0.6 * gas + heat)

    with np.errstate(invalid="ignore"):
        open_ = own["open"]
        plain = open_ | (sight.smoke >= DENSE_DB_M) | (temperature >= HOT_C) | (co >= CO_PPM)
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
        into.sure[where] = np.clip(np.exp(doubt + 1.5 * (0.5 - np.nan_to_num(even))), 1.0, 4.0)
        into.grows[where] = creeping & (sight.smoke >= nominal * 4 / 3) & ~sight.late_low
        moist = ~plain & (sight.damper >= MOIST)
        into.extra_ms[where] = steam * STEAM_MS + moist * MOIST_MS
        gain = sight.slope * 25
        into.falling[where] = gain < -FALLING * nominal
        warms = warm | (rise >= 0.3) | (heat > 0)
        stalls = (gain < STALLS * nominal) & ~(sight.more_co >= STALLS_PPM) & ~warms & ~open_
        into.backed[where] = (sight.more_co >= BACKED_PPM) | (sight.warmer_k >= BACKED_K) | open_
        into.lasts[where] = (sight.smoke >= LASTS * nominal) & ~damp
        patience = np.where(sight.smoke >= DENSE_DB_M, DENSE_LASTING_MS, LASTING_MS)
        into.lasting_ms[where] = np.where(np.isnan(sight.damper), 2 * patience, patience)
        into.hot[where] = np.select(
            [(temperature >= 65.0) | (co >= 150.0), temperature >= 54.0, (co >= 50.0) & (gas > 0)], [3, 2, 1], 0
        )
    full = fused(nominal)
    full = np.where(creeping, np.maximum(full, ATTENTION), full)
    into.fusion[where] = full
    held = np.where(steam, fused(2 * nominal), np.where(cooking, fused(1.7 * nominal), full))
    into.held[where], into.stalls[where] = held, stalls & (held < STALLS_F)
    into.outside[where], into.smoke[where] = sight.outside, sight.smoke
    into.growing[where], into.weak[where], into.warm[where] = growing, weak, warm
    into.gas[where], into.open[where] = more, open_
