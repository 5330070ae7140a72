"""What remains of a document with mistakes in it, so that the rest of it can be checked in the same go.

Every mistaken part gives way to a stand-in about which nothing can be said; what is then found wrong elsewhere is wrong
indeed.
"""

import copy
from collections.abc import Iterable
from typing import Any

from device_profiles.loading.yaml_source import Path

_LABEL = {"zh": "…", "en": "…"}
_POINT = {"unit": "1", "quantity": "other", "label": _LABEL, "formula": "0"}
_PARAMETER = {"unit": "1", "label": _LABEL}
_EXAMPLE = {"name": "…", "text": "", "error": "malformed"}
_WHOLE: dict[str, Any] = {
    "profile": "stand/in",
    "vendor": _LABEL,
    "model": _LABEL,
    "hazard": "device",
    "cadence_s": 60,
    "examples": [_EXAMPLE],
}


def salvage(data: Any, mistakes: Iterable[Path]) -> tuple[Any, list[Path]] | None:
    """The document with stand-ins, and where they stand; None where too little remains.

    Args:
        data: the document as plain data; stays as it is.
        mistakes: paths of what is wrong, as written in the file.
    """
    if (
        not isinstance(data, dict)
        or not isinstance(data.get("points"), dict)
        or not isinstance(data.get("frame"), dict)
    ):
        return None
    rest = copy.deepcopy(data)
    places: list[Path] = []
    for path in mistakes:
        place = _stand_in(rest, path)
        if place is None:
            return None
        places.append(place)
    return rest, places


def _stand_in(rest: dict[str, Any], path: Path) -> Path | None:
    if not path or (path[0] in ("frame", "points", "states", "parameters", "examples") and len(path) == 1):
        if path == ("examples",):
            rest["examples"] = [_EXAMPLE]
            return path
        return None
    section, name = path[0], path[1] if len(path) > 1 else None
    held = rest.get(str(section))
    if section == "frame":
        return None  # what its points may say depends on it
    if section == "points" and isinstance(held, dict):
        held[str(name)] = _POINT
        return path[:2]
    if section == "states" and isinstance(held, dict):
        held.pop(str(name), None)
        return path[:2]
    if section == "parameters" and isinstance(held, dict):
        held[str(name)] = _PARAMETER
        return path[:2]
    if section == "examples" and isinstance(held, list) and isinstance(name, int) and name < len(held):
        held[name] = _EXAMPLE
        return path[:2]
    if section in _WHOLE:
        rest[str(section)] = _WHOLE[str(section)]
    else:
        rest.pop(str(section), None)  # an unknown key, or one that may be absent
    return path[:1]


def concerns(where: Path, places: Iterable[Path]) -> bool:
    """Whether a problem is only of a stand-in, or of something that speaks of one."""
    for place in places:
        if where[: len(place)] == place:
            return True
        if place[0] == "states" and where[0] == "examples" and where[-1] == place[-1]:
            return True
    # of examples that are all stand-ins nothing can be said as a whole
    return where == ("examples",) and any(place[0] == "examples" for place in places)
