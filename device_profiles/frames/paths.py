"""Paths into what a text payload holds: keys of objects and places in lists."""

import re
from collections.abc import Callable
from typing import Any

Path = tuple[str, ...]
Reach = Callable[[Any], Any]

_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,8}")


def path_of(at: Any, default: str) -> Path:
    """A path as written: `a.b`, or [a, b] where a key itself holds a dot; a number is a key or a place in a list."""
    if at is None:
        return (default,)
    if isinstance(at, int):
        return (str(at),)
    if isinstance(at, str):
        return tuple(at.split(".")) if at else ()
    return tuple(str(step) for step in at)


def has_place(path: Path) -> bool:
    """Whether a step may be a place in a list."""
    return any(_NUMBER.fullmatch(step) for step in path)


def reach(path: Path) -> Reach:
    """What finds the value at a path; None where there is nothing."""
    if has_place(path):
        steps = tuple((step, int(step) if _NUMBER.fullmatch(step) else None) for step in path)
        return lambda found: _walk(found, steps)
    if len(path) == 1:
        only = path[0]
        return lambda found: found.get(only) if found.__class__ is dict else None
    return lambda found: _keys(found, path)


def _keys(found: Any, path: Path) -> Any:
    for step in path:
        if found.__class__ is not dict:
            return None
        found = found.get(step)
    return found


def _walk(found: Any, steps: tuple[tuple[str, int | None], ...]) -> Any:
    for step, place in steps:
        if found.__class__ is dict:
            inside = found.get(step)
            # CBOR maps may have numbers as keys
            found = found.get(place) if inside is None and place is not None else inside
        elif found.__class__ is list and place is not None and -len(found) <= place < len(found):
            found = found[place]
        else:
            return None
    return found


def is_there(found: Any, path: Path) -> bool:
    """Whether something stands at a path, be it null."""
    if not path:
        return True
    inside = reach(path[:-1])(found) if len(path) > 1 else found
    last = path[-1]
    if inside.__class__ is dict:
        return last in inside or (_NUMBER.fullmatch(last) is not None and int(last) in inside)
    return reach(path)(found) is not None
