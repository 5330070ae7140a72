"""One device through a rule kind, whole or in pieces, without the engine."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from plain_frame import PlainFrame

from rules.frame import Signal

HOUR = 3_600_000
DAY = 24 * HOUR
START = 1_780_000_000_000


def signal_of(
    kind: Any,
    readings: Mapping[str, Sequence[tuple[int, float]]],
    parameters: Mapping[str, float] | None = None,
    *,
    bad: Sequence[int] = (),
    cuts: Sequence[int] = (),
    cadence_s: float = 3600.0,
    **keys: Any,
) -> Signal:
    """What the kind says of each reading of the judged input; `cuts` are numbers of judged readings."""
    options = kind.parse("rule", keys, cadence_s)
    inputs = kind.inputs(options)
    settings = np.zeros(1, dtype=kind.SETTINGS)
    why = kind.settings(options, parameters or {}, settings[0])
    assert why is None, why
    memory = np.zeros(1, dtype=kind.MEMORY)
    if memory.dtype.itemsize:
        memory[0] = kind.blank()
    judged = inputs[0].name
    own = list(readings[judged])
    edges = [0, *cuts, len(own)]
    parts = []
    for begin, end in pairwise(edges):
        frame = PlainFrame(inputs, {**readings, judged: own[begin:end]}, [row - begin for row in bad if begin <= row])
        parts.append(kind.signal(frame, settings, memory))
    return Signal(
        np.concatenate([part.value for part in parts]),
        {name: np.concatenate([part.evidence[name] for part in parts]) for name in parts[0].evidence},
    )


def hourly(values: Sequence[float], step_ms: int = HOUR, start: int = START) -> list[tuple[int, float]]:
    """Readings at even times."""
    return [(start + number * step_ms, float(value)) for number, value in enumerate(values)]
