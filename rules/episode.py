"""From happenings to changes: which level an alarm has, when its episode opened and ended. Pure, one slot at a time."""

from typing import Any, NamedTuple

from rules.condition import NEVER, Happening
from wire.alert import Verb


class Turn(NamedTuple):
    """What a happening did to an episode."""

    verb: Verb
    rank: int


def fulfil(state: Any, happening: Happening, cooldown_ms: int = 0) -> Turn | None:
    """A level was fulfilled: the episode opens or escalates, or nothing new is said.

    For `cooldown_ms` after the end of an episode nothing opens that is no worse than that one was.

    A row of the second lane does nothing at or before the end of the last episode (that time was judged already), and
    escalates only beyond the worst so far: so a repeat of what was heard changes nothing.
    """
    rank = int(state["rank"])
    if happening.late and happening.ts <= int(state["closed"]):
        return None
    if rank == 0:
        if happening.rank <= int(state["highest"]) and happening.ts < int(state["closed"]) + cooldown_ms:
            return None
        opened = int(state["opened"])
        state["opened"] = happening.ts if opened == NEVER or happening.ts > opened else opened + 1
        state["highest"] = happening.rank
        verb = Verb.RAISED
    else:
        if happening.rank <= (int(state["highest"]) if happening.late else rank):
            return None
        verb = Verb.ESCALATED
        state["highest"] = max(int(state["highest"]), happening.rank)
    state["rank"] = happening.rank
    state["suspect"] = happening.doubt
    return Turn(verb, happening.rank)


def leave(state: Any, happening: Happening, ranks: tuple[int, ...]) -> Turn | None:
    """A level was left: the alarm falls to the next milder level that the rule has, or clears."""
    if int(state["rank"]) < happening.rank:
        return None
    milder = max((rank for rank in ranks if rank < happening.rank), default=0)
    state["rank"] = milder
    if milder:
        return Turn(Verb.DEESCALATED, milder)
    state["closed"] = happening.ts
    return Turn(Verb.CLEARED, 0)
