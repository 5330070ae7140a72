"""应急处置卡: at most seven lines for a responder's phone, by hazard and role, as data (`cards.yaml`)."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from wire.alert import Hazard

MOST_LINES = 7
_SOURCE = Path(__file__).with_name("cards.yaml")


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line. `tick`: ticking it tells the desk something that changes what others do."""

    code: str
    zh: str
    en: str
    tick: bool = False


@cache
def all_cards() -> dict[Hazard, dict[str, tuple[Line, ...]]]:
    """Every card.

    Raises:
        ValueError: for a card with more than seven lines, or a hazard without a `default`.
    """
    cards = msgspec.convert(yaml.safe_load(_SOURCE.read_text("utf-8")), dict[Hazard, dict[str, tuple[Line, ...]]])
    for hazard in Hazard:
        if "default" not in cards.get(hazard, {}):
            raise ValueError(f"{_SOURCE.name}: {hazard} has no default card")
    for hazard, by_role in cards.items():
        for role, lines in by_role.items():
            if len(lines) > MOST_LINES:
                raise ValueError(f"{_SOURCE.name}: {hazard}/{role} has {len(lines)} lines; at most {MOST_LINES}")
    return cards


def card(hazard: Hazard, role: str) -> dict[str, Any]:
    """The card for one responder, as the phone gets it."""
    by_role = all_cards()[hazard]
    lines = by_role.get(role, by_role["default"])
    return {"lines": [{"code": line.code, "text_zh": line.zh, "text_en": line.en, "tick": line.tick} for line in lines]}
