"""Readings as columns, in order of arrival, and what the rules make of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wire.alert import Hazard, Verb
from wire.level import Level


class Columns(NamedTuple):
    """Readings of many channels, equal lengths, in order of arrival."""

    channel: npt.NDArray[np.int32]  # Engine.channel(); -1 = unknown, passed over
    ts: npt.NDArray[np.int64]  # event time, epoch ms, scenario
    arrival: npt.NDArray[np.int64]  # scenario time of the device's timeline at arrival
    value: npt.NDArray[np.float64]
    flag: npt.NDArray[np.uint8]  # wire.Quality; 0 is read as UNKNOWN
    counted: npt.NDArray[np.bool_]  # False: a repeat that cannot be told from its original: judged, not counted
    clock: npt.NDArray[np.bool_] | None = None  # set by quality.assess: ts is the arrival's, the value is not in doubt
    tests: npt.NDArray[np.uint16] | None = None  # set by Engine.assess: quality.Test, what spoke of the reading

    @classmethod
    def of(
        cls,
        channel: npt.ArrayLike,
        ts: npt.ArrayLike,
        value: npt.ArrayLike,
        arrival: npt.ArrayLike | None = None,
        flag: npt.ArrayLike | None = None,
        counted: npt.ArrayLike | None = None,
    ) -> "Columns":
        """Columns from anything array-like; arrival defaults to `ts`, flags to unknown, everything counted."""
        times = np.asarray(ts, dtype=np.int64)
        n = len(times)
        return cls(
            channel=np.broadcast_to(np.asarray(channel, dtype=np.int32), (n,)),
            ts=times,
            arrival=times if arrival is None else np.asarray(arrival, dtype=np.int64),
            value=np.asarray(value, dtype=np.float64),
            flag=np.full(n, 2, dtype=np.uint8) if flag is None else np.asarray(flag, dtype=np.uint8),
            counted=np.ones(n, dtype=np.bool_) if counted is None else np.asarray(counted, dtype=np.bool_),
        )

    def part(self, rows: slice) -> "Columns":
        """A stretch of the columns."""
        return Columns(*(None if column is None else column[rows] for column in self))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one rule on one device."""

    device: str
    exercise: str | None
    rule: str
    hazard: Hazard
    verb: Verb  # raised, escalated, deescalated, cleared
    level: Level | None  # now; None when cleared
    at: int  # event ms of the reading that decided (or of the silence)
    opened_at: int  # event ms; names the episode
    suspect: bool = False
    decided_by: int = -1  # index of the reading in the batch; -1 = decided by time
    evidence: Mapping[str, float | str | None] = field(default_factory=dict)
