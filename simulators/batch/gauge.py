"""What level gauges make of the true level: noise, steps, temperature, ripples, echoes off cars and litter."""

from __future__ import annotations

import numpy as np

from simulators.batch.recording import Floats, measure

NOISE_M, RESOLUTION_M = 0.004, 0.001
QUIET_M = 0.008
SOUND_PER_K = 0.0017
"""An ultrasonic gauge that does not know its air's temperature errs by 0.17 % of the distance a kelvin."""


def ultrasonic(
    times: Floats,
    level_m: Floats,
    cadence_s: float,
    rng: np.random.Generator,
    *,
    echoes_a_day: float = 2.0,
    mounting_m: float = 4.0,
    uncompensated_k: float = 0.5,
    quiet_cadence_s: float | None = None,
) -> tuple[Floats, Floats]:
    """Seconds and levels as sent.

    Args:
        times: of the true level, evenly spaced.
        level_m: the truth.
        cadence_s: one reading each.
        rng: for noise and echoes.
        echoes_a_day: a car, a leaf, foam: −0.3 … +0.6 m for one to three samples.
        mounting_m: height above the ground.
        uncompensated_k: what is left of the day's temperature swing after the sensor's own compensation, K.
        quiet_cadence_s: thin out what is dry and undisturbed.
    """
    count = int(times[-1] / cadence_s)
    at = np.asarray((rng.random() + np.arange(count)) * cadence_s, dtype=np.float64)
    truth = np.interp(at, times, level_m, left=level_m[0])
    drift = mounting_m * SOUND_PER_K * uncompensated_k * np.sin(2 * np.pi * at / 86_400 + rng.uniform(0, 6.28))
    ripple = 0.003 * np.minimum(truth / 0.1, 1.0) * rng.standard_normal(count)
    echo = np.zeros(count)
    for start in rng.integers(0, count, rng.poisson(echoes_a_day * times[-1] / 86_400)):
        echo[start : start + int(rng.integers(1, 4))] = rng.uniform(-0.3, 0.6)
    value = measure(truth + drift + ripple + echo, rng, NOISE_M, RESOLUTION_M, 0.0, 6.0)
    if quiet_cadence_s is None:
        return at, value
    busy = (truth > QUIET_M) | (np.abs(echo) > 0)
    edges = np.concatenate([[0], np.cumsum(busy)])
    index, reach = np.arange(count), max(1, int(120 / cadence_s))
    near = edges[np.minimum(index + reach + 1, count)] > edges[np.maximum(index - reach, 0)]
    kept = near | (index % max(1, round(quiet_cadence_s / cadence_s)) == 0)
    return at[kept], value[kept]
