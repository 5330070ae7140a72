"""应急处置卡: at most seven lines for a responder's phone, as the plan of hazard and site says."""

from typing import Any

from cloud.incidents.plan_ticks import line_json
from cloud.plans.library import shipped
from cloud.plans.plan import MOST_LINES, Plan, lines_for
from wire.alert import Hazard
from wire.level import Level

__all__ = ["MOST_LINES", "card"]


def card(hazard: Hazard, role: str, level: Level = Level.I, plan: Plan | None = None) -> dict[str, Any]:
    """The card for one responder at a level, without what became of it (`plan_ticks.card_of` has that)."""
    return {"lines": [line_json(line) for line in lines_for(plan or shipped()[hazard], level, role)]}
