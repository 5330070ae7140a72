"""Option `common_mode`: what many neighbours show at once is likely the weather, the building or the gateway.

A panel that loosens changes alone. When at least `at_least` devices of the same zone, building or site show the same
within `window_s`, this is likely temperature, wind or how they are read; the alarm is told one level lower, never lower
than IV, with the number as evidence `common_mode`. Hazards smoke and water are never softened: there, many at once are
a fire or a flood.

What counts is that they began together, not that many are on: a panel that loosens alone in a building where others
have been on for weeks is alone. A device *shows* at a row of this rule at or past `at` (default the mildest `enter`),
not in doubt, and *begins* to at one before which it had not shown for longer than w = `window_s`. With B its newest
beginning, L the newest event time at which it showed, and R the level that the rule reached at a row, 0 = none:

    b = B                where B - w <= t <= L + w      of the row at event time t
        t                else: nothing began, or it is another time
    n = number of devices of the group with |B - b| <= w, this one counted always
    told(R) = max(R - 1, IV)   where n >= at_least and n >= share * size of the group, or so before in this alarm
              R                else

It is looked at anew at each row in order and not in doubt while the alarm is on: what turns out to be common is told
one level lower from that row on, and stays so until the alarm is cleared: that others end or begin again says nothing
of how this one began. Late and doubtful rows change nothing but raise and escalate as ever, as told of their own time.
So the outcome depends on the readings and their order alone.

On `silence` the group is asked who has fallen silent (and is still) within `window_s` of each other, by their last
sign of life: nothing is lower than IV, so it only gets the evidence, by which people see that not this device is lost.
"""

from dataclasses import dataclass
from typing import Any

from rules import parts
from rules.co_occurrence import WITHIN, Within
from rules.parts import DeclarationError
from wire.alert import Hazard
from wire.level import Level

AT_LEAST = 3
WINDOW_S = 7200.0
HARDENED = (Hazard.SMOKE, Hazard.WATER_LEVEL)


@dataclass(frozen=True, slots=True)
class CommonMode:
    """Of one rule."""

    within: Within = "site"
    at_least: int = AT_LEAST
    share: float = 0.0  # of the devices of the group that have the rule
    window_ms: int = round(WINDOW_S * 1000)
    at: float | None = None  # None: the mildest enter


def parse(where: str, text: Any, hazard: Hazard, window_s: float = WINDOW_S) -> CommonMode:
    """The option, as written in a rule of this hazard.

    Raises:
        DeclarationError: naming the key.
    """
    text = parts.mapping(where, text)
    parts.only(where, text, ("within", "at_least", "share", "window_s", "at"))
    if hazard in HARDENED:
        raise DeclarationError(where, f"is not for hazard {hazard}: there many at once are no reason to doubt")
    within: Any = parts.choice(f"{where}.within", text.get("within", "site"), WITHIN)
    at = text.get("at")
    return CommonMode(
        within=within,
        at_least=parts.whole(f"{where}.at_least", text.get("at_least", AT_LEAST), 2, 100_000),
        share=parts.number(f"{where}.share", text.get("share", 0.0), 0.0, 1.0),
        window_ms=round(parts.number(f"{where}.window_s", text.get("window_s", window_s), 0.0, 7 * 86_400.0) * 1000),
        at=None if at is None else parts.number(f"{where}.at", at),
    )


def told(rank: int, *, common: bool) -> int:
    """The level to tell, as a rank, of one that was reached."""
    return max(rank - 1, Level.IV.rank) if common and rank else rank
