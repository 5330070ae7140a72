"""What is told with a change, so that a person sees why: the reading, the signal, the threshold, how long it held."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rules import quality
from rules.columns import Columns
from rules.condition import Happening
from rules.frame import Signal
from rules.rule import Rule
from rules.scan import Ints
from wire.level import Level

Evidence = dict[str, float | str | None]


@dataclass(slots=True)
class Told:
    """What rule kinds said of the rows of a batch."""

    parts: list[tuple[Ints, Ints, Signal]] = field(default_factory=list)
    places: list[slice | Ints] = field(default_factory=list)
    """Where the rows of each part stand among all that are judged."""
    _order: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = field(default_factory=list)

    def add(self, row: Ints, slot: Ints, signal: Signal, place: slice | Ints) -> None:
        """What one kind said of some rows, that stand at a place among all that are judged."""
        self.parts.append((row, slot, signal))
        self.places.append(place)

    def of(self, row: int, slot: int, rows: int) -> Evidence:
        """What was said of one row; `rows` is the length of the batch."""
        if len(self._order) < len(self.parts):
            for some, slots, _ in self.parts[len(self._order) :]:
                key = slots * rows + some
                order = np.argsort(key, kind="stable")
                self._order.append((key[order], order))
        for (key, order), (_, _, signal) in zip(self._order, self.parts, strict=True):
            at = int(np.searchsorted(key, slot * rows + row))
            if at < len(key) and key[at] == slot * rows + row:
                where = int(order[at])
                found: Evidence = {"signal": float(signal.value[where])}
                for name, each in signal.evidence.items():
                    value = float(each[where])
                    if np.isfinite(value):
                        found[name] = value
                return found
        return {}


def gathered(rule: Rule, happening: Happening, columns: Columns, told: Told) -> Evidence:
    """The evidence of one change that a reading brought about."""
    evidence: Evidence = {"point": rule.point, "value": float(columns.value[happening.row])}
    sign = 1.0 if rule.direction == "above" else -1.0
    if rule.kind == "rate":
        evidence["rate"] = sign * happening.signal if np.isfinite(happening.signal) else None
    elif rule.reference is not None:
        evidence["percent"] = sign * happening.signal
    elif rule.inputs:
        evidence.update(told.of(happening.row, happening.slot, len(columns.ts)))
    bound = rule.levels.get(Level.of_rank(happening.rank) or Level.IV)
    if bound is not None:
        evidence["threshold"] = bound.exit if happening.leaves else bound.enter
    evidence["held_s"] = happening.held_s
    if not happening.leaves:
        evidence["samples"] = happening.samples
    if happening.late:
        evidence["lane"] = "late"
    if columns.tests is not None and columns.tests[happening.row]:
        evidence["tests"] = quality.names(int(columns.tests[happening.row]))
    return evidence
