"""What sets a smoke detector off though nothing is on fire – and the pot burnt dry, which is a true danger.

Shapes of DOMAIN D1: toast ramps up in one to two minutes, frying comes in bursts, steam lifts the humidity and decays,
a cigarette stays low; a dry burn (干烧) rises without a break for 10…40 minutes with little carbon monoxide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulators.fire import Gas

Kind = Literal["toast", "frying", "steam", "cigarette", "dry_burn"]
KINDS: tuple[Kind, ...] = ("toast", "frying", "steam", "cigarette", "dry_burn")


@dataclass(frozen=True, slots=True)
class Nuisance:
    """One episode under one ceiling; `strength` is the obscuration of its peak in dB/m before the chamber's lag."""

    kind: Kind
    start_s: float
    duration_s: float
    strength: float
    bursts: tuple[tuple[float, float], ...] = ()  # frying: (offset, strength)

    @classmethod
    def draw(cls, kind: Kind, start_s: float, rng: np.random.Generator) -> Nuisance:
        """An episode of a kind, with a strength and a duration as they come."""
        low, high, shortest, longest = {
            "toast": (0.1, 0.4, 60, 150),
            "frying": (0.2, 0.8, 300, 900),
            "steam": (0.1, 0.5, 240, 600),
            "cigarette": (0.02, 0.08, 300, 420),
            "dry_burn": (0.5, 1.5, 600, 2400),
        }[kind]
        duration = float(rng.uniform(shortest, longest))
        strength = float(rng.uniform(low, high))
        bursts: tuple[tuple[float, float], ...] = ()
        if kind == "frying":
            count = int(rng.integers(3, 8))
            bursts = tuple((float(rng.uniform(0, duration)), float(rng.uniform(0.3, 1.0))) for _ in range(count))
        return cls(kind, start_s, duration, strength, bursts)

    def over(self, now_s: float) -> bool:
        """Whether it has died away."""
        return now_s > self.start_s + self.duration_s + 900

    def gas(self, now_s: float) -> Gas:
        """What it adds to the air at the ceiling now."""
        age = now_s - self.start_s
        if age < 0:
            return Gas(0.0, 0.0, 0.0, 0.0)
        rising = min(age / self.duration_s, 1.0)
        tail = math.exp(-max(0.0, age - self.duration_s) / 120)
        if self.kind == "steam":
            level = (1 - math.exp(-age / 45)) * tail
            return Gas(self.strength * level, 0.0, 1.5 * level, 0.15, 35 * level)
        if self.kind == "frying":
            level = sum(s * math.exp(-(((age - at) / 25) ** 2)) for at, s in self.bursts)
            return Gas(self.strength * min(level, 1.0), 2.0 * level, 1.0, 0.2, 5.0 * min(level, 1.0))
        if self.kind == "dry_burn":
            return Gas(self.strength * rising**1.5 * tail, 12 * rising * tail, 2.0 * rising * tail, 0.15)
        level = rising * tail
        return Gas(self.strength * level, 8 * level if self.kind == "toast" else 2 * level, 1.5 * level, 0.15)
