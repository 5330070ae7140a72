"""Kind `event`: a device's own word – the flag of a stand-alone alarm, a manual call point, a leak, a break wire.

Such a device has judged already and says so with one number, often once: 1, and nothing more until it says 0. So the
flag is *up* from a reading at or past `at` until one that is not, whatever time goes by: no gap freezes it and silence
does not end it (missing data never clears), unless `ends_after_s` says how long the word of this device holds.

With t the scenario time since the arrival of the reading that put the flag up, level l is on from

    t >= after_s(l)        the mildest: 0 s; the k-th worse: k * escalate_s, escalate_s = 60 s [P]

even though no further reading comes: time itself brings it about (`rules.watch`). It is not suspect, because nothing
was cut off: the device meant what it said. A stand-alone alarm's own flag is III at t = 0, so that the first call is
never delayed, and II after 60 s unless a 0 ends it [P] (60 s: the longest that verification may take [P]).

Repeated 1s are one episode. A 0 ends it after `clear_hold_s` (default 0 s), which passes by time too: a 0 is not said
twice either. With `ends_after_s` the flag goes down by itself so long after the last reading that said it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rules import condition, parts
from rules.condition import NEVER, State
from rules.parts import DeclarationError
from rules.rule import Bound
from rules.scan import Ints
from wire.level import Level

KIND = "event"
KEYS = frozenset({"point", "direction", "levels", "at", "escalate_s", "ends_after_s"})
AT = 0.5
ESCALATE_S = 60.0
FOR_EVER_S = condition.LONGEST_MS / 1000
"""What stands for `max_gap_s`: a gap takes nothing back."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of one rule."""

    ends_after_s: float | None = None


def parse(where: str, declaration: Mapping[str, Any], levels: Mapping[Level, Mapping[str, Any]]) -> dict[str, Any]:
    """Options and levels for a `Rule`: a level's `hold_s` is the time after which it is on.

    Raises:
        DeclarationError: naming the key.
    """
    at = parts.number(f"{where}.at", declaration.get("at", AT))
    escalate_s = parts.number(f"{where}.escalate_s", declaration.get("escalate_s", ESCALATE_S), 0.0)
    bounds: dict[Level, Bound] = {}
    latest = 0.0
    for step, (level, text) in enumerate(sorted(levels.items(), key=lambda each: each[0].rank)):
        name = f"{where}.levels.{level}"
        parts.only(name, text, ("after_s",), "unknown key of an event's level: there is after_s")
        after = parts.number(f"{name}.after_s", text.get("after_s", step * escalate_s), 0.0)
        if after < latest:
            raise DeclarationError(f"{name}.after_s", f"{after:g} is before that of a milder level")
        latest = after
        bounds[level] = Bound(enter=at, exit=at, hold_s=after, min_samples=1)
    ends = declaration.get("ends_after_s")
    options = Options(None if ends is None else parts.number(f"{where}.ends_after_s", ends, 0.001))
    return {"levels": bounds, "options": options, "max_gap_s": FOR_EVER_S}


def ends(state: State, slots: Ints, clear_ms: Ints, ends_after_ms: Ints) -> Ints:
    """When the alarm of each of some slots is over if nothing more is said; the far future: never.

    Args:
        state: of all rules.
        slots: each of an event.
        clear_ms: clear hold by slot: how long after a 0.
        ends_after_ms: by slot: how long after the last 1; NEVER = it holds until a 0.
    """
    bits, judged = state.bits[:, slots], state.judged[slots]
    held = ((bits & condition.HELD) != 0).any(axis=0)
    down = ((bits & condition.CLEARING) != 0).any(axis=0) & ~held
    on = (state.rank[slots] > 0) & (judged != NEVER)
    since = np.where((bits & condition.HELD) != 0, state.holds.since[:, state.hold_row[slots]], NEVER).max(axis=0)
    said = np.maximum(np.maximum(judged, state.opened[slots]), since)
    at = np.full(len(slots), -NEVER, dtype=np.int64)
    by_time = on & ~down & (ends_after_ms != NEVER)
    at[by_time] = (said + ends_after_ms)[by_time]
    by_word = on & down
    at[by_word] = np.maximum(judged + clear_ms, state.opened[slots])[by_word]
    return at
