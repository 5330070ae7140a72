"""What makes two calls one whistle: the cause. Proposed from hazard and place, or in a person's own words. Pure.

A cause is a short key. The same department, cause and exercise is one whistle, whoever calls: nine places without
power are one call on the power company, not nine.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.people.service import TIERS
from wire.alert import Hazard

MOST = 200
STREAM = "stream:"
OWN = "own:"


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause with its words, and why it is proposed."""

    key: str
    zh: str
    en: str
    why: str  # parent, stream, outage, building, site, area

    @property
    def text(self) -> str:
        """In words."""
        return self.zh


_WORDS: Mapping[Hazard, tuple[str, str]] = {
    Hazard.SMOKE: ("火情", "fire"),
    Hazard.WATER_LEVEL: ("积水", "standing water"),
    Hazard.CURTAIN_WALL: ("幕墙险情", "façade danger"),
    Hazard.DEVICE: ("大面积停电断网", "power or network outage"),
    Hazard.GATEWAY: ("大面积停电断网", "power or network outage"),
}
_OUTAGE = frozenset({Hazard.DEVICE, Hazard.GATEWAY})


def area_of_tier(path: str, tier: str) -> str:
    """The area of a tier that a path lies in; the path itself where it does not reach so far down."""
    names = path.strip("/").split("/")
    return "/" + "/".join(names[: TIERS.index(tier) + 1])


def common_area(paths: list[str]) -> str:
    """The smallest area that holds all of these."""
    split = [path.strip("/").split("/") for path in paths]
    shared: list[str] = []
    for names in zip(*split, strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return "/" + "/".join(shared)


def proposed(hazard: Hazard, place: Mapping[str, Any], *, parent_area: str | None = None) -> list[Cause]:
    """Causes that an incident may be of, the likeliest first.

    Args:
        hazard: of the incident.
        place: its place as the incident carries it.
        parent_area: path of the area of the storm that it is part of, if it is.
    """
    zh, en = _WORDS[hazard]
    path = place["grid_path"]
    found = []
    if parent_area is not None:
        found.append(Cause(f"{hazard}:area:{parent_area}", f"{zh}（同一片区）", f"{en}, one area", "parent"))
    section = place.get("section") or ""
    if section.startswith(STREAM):
        name = section.removeprefix(STREAM)
        found.append(Cause(f"{hazard}:{section}", f"{zh}（{name}）", f"{en} along {name}", "stream"))
    if hazard in _OUTAGE:  # a feeder or a line serves more than one street
        district = area_of_tier(path, "district")
        found.append(Cause(f"outage:area:{district}", zh, en, "outage"))
    elif place.get("building_id"):
        text = place.get("building") or place["building_id"]
        where = f"{place.get('site') or ''}{text}"
        found.append(Cause(f"{hazard}:building:{place['building_id']}", f"{where}{zh}", f"{en}, {where}", "building"))
    if hazard not in _OUTAGE and place.get("site_id"):
        where = str(place.get("site") or place["site_id"])
        found.append(Cause(f"{hazard}:site:{place['site_id']}", f"{where}{zh}", f"{en}, {where}", "site"))
    if hazard not in _OUTAGE:
        street = area_of_tier(path, "street")
        found.append(Cause(f"{hazard}:area:{street}", f"本街道{zh}", f"{en} in this street", "area"))
    return list({one.key: one for one in reversed(found)}.values())[::-1]


def in_own_words(text: str) -> Cause:
    """A person's own cause: the same words, however spaced, punctuated or wide, are the same cause.

    Raises:
        ValueError: no letter or digit is in it.
    """
    bare = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())
    if not bare:
        raise ValueError("says nothing")
    return Cause(f"{OWN}{bare}"[:MOST], text.strip()[:MOST], text.strip()[:MOST], "own")
