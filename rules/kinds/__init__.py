"""The rule kinds that look at more than one reading: one module each, found here by its name.

A module has:

- `KEYS`: its keys in a declaration, beside the common ones;
- `parse(where, declaration, cadence_s) -> Options`: a frozen dataclass; raises `DeclarationError` naming the key
  (`where` is the rule's name; `rules.parts` has the small readers);
- `inputs(options) -> tuple[Input, ...]`: the points it looks at, the judged one first;
- `SETTINGS`, `settings(options, parameters, row) -> str | None`: its options and the device's parameters as one numpy
  row, or why it cannot judge this device;
- `MEMORY`, `blank() -> row`: what it remembers of a device beyond what the frame keeps; an empty dtype for nothing;
- `signal(frame, settings, memory) -> Signal`: vectorised; `settings[frame.setting]`, `memory[frame.slot]`;
- `DIRECTION`, if it is not "above", or `direction(options)` where a key decides;
- `DEPENDS`, if not everything: the fields of `SETTINGS` that what it remembers depends on; a rule or a device that
  changes in others only goes on with what was learnt;
- `learning(settings, memory) -> array`, if it cannot judge before it has learnt: by line, the event time (ms) until
  which that takes, NEVER where this is not known yet, 0 of what is judged;
- `PARAMETERS`, if it looks at parameters of the device: their names;
- `unproven(settings, memory) -> array`, if it verifies inside its signal: by line, the signal if what it saw last were
  proven; surfaces as suspect when the device falls silent;
- `EVERY_S`, if it looks at the first reading of each so many seconds only (`rules.rare`);
- `LONGEST_GAP_S`, if readings may lie further apart than three cadences and still count for a hold.

The signal is in the unit of the thresholds, as people declare them; the engine turns its sign for "below". The outcome
may not depend on how a stream is cut into batches (between messages), nor on memory being exported and restored in
between: what is kept is `memory` and the frame's own rings, nothing else.
"""

from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rules.frame import Frame, Input, Signal
from rules.kinds import (
    contamination,
    daily_pattern,
    forecast,
    frequency,
    ponding,
    rain_nowcast,
    residual,
    shock,
    smoke_fusion,
    upstream,
    wind_load,
)


class RuleKind(Protocol):
    """What a module of this package has."""

    KEYS: Collection[str]
    SETTINGS: "np.dtype[Any]"
    MEMORY: "np.dtype[Any]"

    def parse(self, where: str, declaration: Mapping[str, Any], cadence_s: float) -> Any:
        """The keys, read into a frozen dataclass."""

    def inputs(self, options: Any) -> tuple[Input, ...]:
        """The points that the rule looks at, the judged one first."""

    def settings(self, options: Any, parameters: Mapping[str, float], row: Any) -> str | None:
        """Fill a row of `SETTINGS`; why the rule cannot judge this device, else None."""

    def blank(self) -> Any:
        """A row of `MEMORY` that remembers nothing."""

    def signal(self, frame: Frame, settings: npt.NDArray[Any], memory: npt.NDArray[Any]) -> Signal:
        """One number a row; usable rows teach the memory."""


_MODULES: list[ModuleType] = [
    # one line each, by name
    contamination,
    daily_pattern,
    frequency,
    residual,
    shock,
    wind_load,
    smoke_fusion,
    forecast,
    ponding,
    rain_nowcast,
    upstream,
]

KINDS: dict[str, Any] = {module.__name__.rpartition(".")[2]: module for module in _MODULES}
"""Kinds by name."""
