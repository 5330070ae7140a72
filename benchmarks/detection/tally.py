"""What parts of a run found, put together: numbers add, lists join."""

from __future__ import annotations

from typing import Any

Tally = dict[str, Any]


def add(into: Tally, part: Tally) -> Tally:
    """`part` added into `into`, key by key and into mappings; the same for any order of the same parts but of lists."""
    for key, value in part.items():
        if isinstance(value, dict):
            add(into.setdefault(key, {}), value)
        elif isinstance(value, list):
            into.setdefault(key, []).extend(value)
        else:
            into[key] = into.get(key, 0) + value
    return into
