"""How the alarm of a rule behaves: what suppresses it, how long it may be shelved, when it counts as unsteady.

The key `alarm` of a rule's declaration; `docs/alarms.md` lists it, with the source of every number.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wire.alert import Unsteady
from wire.level import Level

UNSTEADY_RULE = "unsteady"
"""The maintenance notice of a device with an unsteady alarm; an alarm like others, of hazard `device`."""
MAINTENANCE = "maintenance"
GATEWAY_LOST = "gateway_lost"
SCOPES = ("device", "zone", "building", "site", "edge")
_PARENT = re.compile(rf"({'|'.join(SCOPES)}):[a-z][a-z0-9_]{{0,39}}")


class PolicyError(ValueError):
    """A declaration that cannot be: says which key, and what it should have been."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Unrest:
    """So many raises within such a time are unsteady; quiet for so long ends it."""

    raises: int
    within_s: float
    quiet_s: float


CHATTERING = Unrest(raises=3, within_s=60.0, quiet_s=300.0)
"""Three times a minute: ISA-18.2, EEMUA 191 [S]; five quiet minutes [P]."""
FLAPPING = Unrest(raises=5, within_s=4 * 3600.0, quiet_s=1800.0)
"""Five times in four hours, half an hour of quiet [P]."""
LONGEST_SHELF_S = 8 * 3600.0
"""One shift [P]: ISA-18.2 asks for a limit [S] and leaves the number to the site."""
LONGEST_SERVICE_S = 30 * 86_400.0
"""A month out of service [P]; whoever needs longer says so again, or takes the rule away."""
MOST_KEPT = 16


@dataclass(frozen=True, slots=True)
class AlarmPolicy:
    """Of one rule."""

    suppressed_while: tuple[str, ...] = ()  # maintenance, gateway_lost, or `<scope>:<rule>` of a parent alarm
    suppressed_up_to: Level = Level.III  # a worse level is announced all the same
    longest_shelf_s: float = LONGEST_SHELF_S
    chattering: Unrest | None = CHATTERING
    flapping: Unrest | None = FLAPPING

    def unrest(self, kind: Unsteady) -> Unrest | None:
        """The figures of one kind."""
        return self.chattering if kind is Unsteady.CHATTERING else self.flapping

    def unsteady(self, raises: Sequence[int]) -> Unsteady | None:
        """What the last raises (epoch ms, in order) amount to."""
        for kind in Unsteady:
            figures = self.unrest(kind)
            if figures is not None and len(raises) >= figures.raises:
                span = raises[-1] - raises[-figures.raises]
                if span <= figures.within_s * 1000:
                    return kind
        return None


USUAL = AlarmPolicy()


def parse(where: str, declaration: Any) -> AlarmPolicy:
    """The policy of one rule.

    Raises:
        PolicyError: naming the key.
    """
    text = _mapping(where, declaration)
    known = {"suppressed_while", "suppressed_up_to", "longest_shelf_s", "chattering", "flapping"}
    if set(text) - known:
        raise PolicyError(f"{where}.{min(set(text) - known)}", f"unknown key (there are: {', '.join(sorted(known))})")
    policy = USUAL
    if "suppressed_while" in text:
        policy = replace(policy, suppressed_while=_conditions(f"{where}.suppressed_while", text["suppressed_while"]))
    if "suppressed_up_to" in text:
        level = text["suppressed_up_to"]
        if level not in list(Level):
            raise PolicyError(f"{where}.suppressed_up_to", f"{level!r} is not one of {', '.join(Level)}")
        policy = replace(policy, suppressed_up_to=Level(level))
    if "longest_shelf_s" in text:
        longest = _number(f"{where}.longest_shelf_s", text["longest_shelf_s"], 60.0, 86_400.0)
        policy = replace(policy, longest_shelf_s=longest)
    if "chattering" in text:
        policy = replace(policy, chattering=_unrest(f"{where}.chattering", text["chattering"], CHATTERING))
    if "flapping" in text:
        policy = replace(policy, flapping=_unrest(f"{where}.flapping", text["flapping"], FLAPPING))
    return policy


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PolicyError(where, f"{value!r:.60} is not a mapping")
    return value


def _number(where: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PolicyError(where, f"{value!r} is not a finite number")
    if not low <= value <= high:
        raise PolicyError(where, f"{value!r} is outside {low:g} to {high:g}")
    return float(value)


def _conditions(where: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise PolicyError(where, f"{value!r:.60} is not a list")
    for each in value:
        if each not in (MAINTENANCE, GATEWAY_LOST) and not (isinstance(each, str) and _PARENT.fullmatch(each)):
            expected = f"{MAINTENANCE}, {GATEWAY_LOST}, or <scope>:<rule> with a scope of {', '.join(SCOPES)}"
            raise PolicyError(where, f"{each!r:.60} is not {expected}")
    return tuple(value)


def _unrest(where: str, value: Any, usual: Unrest) -> Unrest | None:
    if value is False:
        return None
    text = _mapping(where, value)
    if set(text) - {"raises", "within_s", "quiet_s"}:
        raise PolicyError(f"{where}.{min(set(text) - {'raises', 'within_s', 'quiet_s'})}", "unknown key")
    raises = text.get("raises", usual.raises)
    if isinstance(raises, bool) or not isinstance(raises, int) or not 2 <= raises <= MOST_KEPT:
        raise PolicyError(f"{where}.raises", f"{raises!r} is not a whole number of 2 to {MOST_KEPT}")
    return Unrest(
        raises=raises,
        within_s=_number(f"{where}.within_s", text.get("within_s", usual.within_s), 1.0, 7 * 86_400.0),
        quiet_s=_number(f"{where}.quiet_s", text.get("quiet_s", usual.quiet_s), 1.0, 86_400.0),
    )
