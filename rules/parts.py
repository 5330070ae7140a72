"""Small readers of declarations: each takes the name of a key and what stands there, and names the key in its error."""

import math
from collections.abc import Iterable, Mapping
from typing import Any


class DeclarationError(ValueError):
    """A rule that cannot be: says which key, and what it should have been."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


def number(where: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DeclarationError(where, f"{value!r} is not a finite number")
    if value < low:
        raise DeclarationError(where, f"{value!r} is below {low:g}")
    if value > high:
        raise DeclarationError(where, f"{value!r} is above {high:g}")
    return float(value)


def whole(where: str, value: Any, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise DeclarationError(where, f"{value!r} is not a whole number of {low} to {high}")
    return value


def switch(where: str, value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise DeclarationError(where, "is true or false")
    return value


def choice(where: str, value: Any, choices: Iterable[str]) -> str:
    """One of some words."""
    known = list(choices)
    if value not in known:
        raise DeclarationError(where, f"{value!r} is not one of {', '.join(known)}")
    return str(value)


def word(where: str, value: Any, what: str) -> str:
    """A name that is not empty; `what` says of what."""
    if not isinstance(value, str) or not value:
        raise DeclarationError(where, f"{value!r:.60} is not {what}")
    return value


def mapping(where: str, value: Any) -> Mapping[str, Any]:
    """A mapping."""
    if not isinstance(value, Mapping):
        raise DeclarationError(where, f"{value!r:.60} is not a mapping")
    return value


def only(where: str, text: Mapping[str, Any], keys: Iterable[str], what: str = "unknown key") -> None:
    """No keys but these."""
    unknown = set(text) - set(keys)
    if unknown:
        raise DeclarationError(f"{where}.{min(map(str, unknown))}", what)
