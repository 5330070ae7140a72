"""What else could be done when nobody fits, or nobody near: for a person to decide. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cloud.dispatch.proposal import Force, Need, Proposal, Proposals
from cloud.dispatch.tasks import own_task

SOON_ON_SHIFT_MIN = 60
MOST = 5


@dataclass(frozen=True, slots=True)
class Alternative:
    """One thing that a person could decide, with what it costs."""

    responder_id: str
    name: str
    how: str  # call_in | starts_soon | move | other_task | ask_position
    params: dict[str, Any] = field(default_factory=dict)


_ORDER = ("call_in", "other_task", "move", "starts_soon", "ask_position")


def gaps(found: Proposals) -> tuple[tuple[str, int], ...]:
    """Why nobody is recommended: what is missing, of how many; empty when somebody is."""
    if found.best is not None:
        return ()
    if not found.items:
        return (("nobody", 0),)
    return tuple(Counter(code for one in found.items for code in one.missing).most_common())


def alternatives(need: Need, forces: Sequence[Force], found: Proposals) -> tuple[Alternative, ...]:
    """Responders of whom one single thing is missing that a person can do something about; the nearest first."""
    by_id = {force.id: force for force in forces}
    options = [
        (_ORDER.index(option.how), one.walk_min if one.walk_min is not None else 10_000, option)
        for one in found.items
        if len(one.missing) == 1 and (option := _option(need, by_id[one.responder_id], one)) is not None
    ]
    options.sort(key=lambda entry: (entry[0], entry[1], entry[2].responder_id))
    return tuple(option for _, _, option in options[:MOST])


def _option(need: Need, force: Force, one: Proposal) -> Alternative | None:
    def alternative(how: str, **params: Any) -> Alternative:
        return Alternative(force.id, force.name, how, params | {"walk_min": one.walk_min})

    [lacking] = one.missing
    if lacking == "off_shift" and force.standby:
        return alternative("call_in")
    if lacking == "off_shift" and force.next_shift_min is not None and force.next_shift_min <= SOON_ON_SHIFT_MIN:
        return alternative("starts_soon", min=force.next_shift_min)
    if lacking == "no_position":
        return alternative("ask_position")
    if lacking in ("never", "not_ours", "no_skill") and need.task is not None:
        own = own_task(force.role, need.hazard)
        return alternative("other_task", task=own.task) if own is not None and own.task != need.task else None
    if lacking == "busy":
        others = [each for each in force.engagements if each.incident != need.incident and not each.reserved]
        if all(each.level.rank < need.level.rank for each in others):  # never off something as bad or worse
            return alternative(
                "move", incidents=[{"id": each.incident, "number": each.number, "level": each.level} for each in others]
            )
    return None
