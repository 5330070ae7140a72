"""Laying a mode's values over a place's rules, and taking them away again. Pure.

A mode remembers, value by value, what it set and what stood there before. At its end each value goes back to what was
before – unless somebody has changed it since, whose change stands. Modes may lie over one another (a typhoon within
the flood season) and end in any order.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

Path = tuple[str, ...]


class _Absent:
    """No value there."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


def leaves(content: Mapping[str, Any], prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every single value with its path; an empty mapping is one value."""
    for key, value in content.items():
        path = (*prefix, key)
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        else:
            yield path, value


def at(content: Mapping[str, Any], path: Path) -> Any:
    """The value at a path; `ABSENT` when there is none."""
    here: Any = content
    for key in path:
        if not isinstance(here, Mapping) or key not in here:
            return ABSENT
        here = here[key]
    return here


def changed(content: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy with another value at a path; `ABSENT` takes it away, and mappings that it leaves empty with it."""
    after = dict(content)
    key, rest = path[0], path[1:]
    if not rest:
        if value is ABSENT:
            after.pop(key, None)
        else:
            after[key] = value
        return after
    below = after.get(key)
    inner = changed(below if isinstance(below, Mapping) else {}, rest, value)
    if inner or value is not ABSENT:
        after[key] = inner
    else:
        after.pop(key, None)
    return after


Laid = list[dict[str, Any]]
"""Of each value: `path`, `value`, and `before` unless there was none. JSON-able, kept with the mode."""


def lay(content: Mapping[str, Any], over: Mapping[str, Any]) -> tuple[dict[str, Any], Laid]:
    """Lay values over a place's content.

    Returns:
        The content with them, and what to remember.
    """
    after, laid = dict(content), []
    for path, value in leaves(over):
        before = at(after, path)
        one: dict[str, Any] = {"path": list(path), "value": value}
        if before is not ABSENT:
            one["before"] = before
        laid.append(one)
        after = changed(after, path, value)
    return after, laid


def blocked(content: Mapping[str, Any], over: Mapping[str, Any]) -> Path | None:
    """Where something that is no mapping (a rule taken away, say) stands above a value to be laid; None = nowhere."""
    for path, _ in leaves(over):
        for depth in range(1, len(path)):
            above = at(content, path[:depth])
            if above is ABSENT:
                break
            if not isinstance(above, Mapping):
                return path[:depth]
    return None


def lift(content: Mapping[str, Any], laid: Laid, others: Sequence[Laid] = ()) -> tuple[dict[str, Any], list[Laid]]:
    """Take a mode's values away again.

    Args:
        content: of the place now.
        laid: what this mode set there.
        others: what modes begun later and still on set there, oldest first.

    Returns:
        The content without it, and the others as they must now remember it: who lies upon this mode's value has
        before it what this mode had before it.
    """
    after = dict(content)
    kept = [[dict(one) for one in other] for other in others]
    for one in reversed(laid):
        path = tuple(one["path"])
        before = one.get("before", ABSENT)
        upon = next((mine for other in kept for mine in other if tuple(mine["path"]) == path), None)
        if upon is not None:
            upon.pop("before", None)
            if before is not ABSENT:
                upon["before"] = before
        elif at(after, path) == one["value"]:
            after = changed(after, path, before)
    return after, kept
