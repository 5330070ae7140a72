"""Changes: what became of a rule on a device, told with all that names it."""

from collections.abc import Mapping

from rules.columns import Change
from rules.episode import Turn
from rules.table import Table
from wire.level import Level


def tell(
    table: Table, number: int, turn: Turn, at: int, decided_by: int, evidence: Mapping[str, float | str | None]
) -> Change:
    """A turn of the episode of a slot that has a rule."""
    slot, state = table.slots[number], table.state[number]
    assert slot is not None
    entity = table.by_index[slot.entity]
    assert entity is not None
    return Change(
        device=entity.device,
        exercise=entity.exercise,
        rule=slot.rule.id,
        hazard=slot.rule.hazard,
        verb=turn.verb,
        level=Level.of_rank(turn.rank),
        at=at,
        opened_at=int(state["opened"]),
        suspect=bool(state["suspect"]),
        decided_by=decided_by,
        evidence=evidence,
    )
