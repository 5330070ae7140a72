"""What a handling level sets off by itself, as the plan (预案) of the hazard and site says. Pure."""

from collections.abc import Sequence

from cloud.incidents.states import HANDLED, State
from cloud.plans.library import shipped
from cloud.plans.plan import Plan
from wire.alert import Hazard
from wire.level import Level


def roles_to_ask(hazard: Hazard, level: Level, *, late: bool, state: State, plan: Plan | None = None) -> Sequence[str]:
    """Roles to offer it to now; nothing stale is ever sent out, nor anything that is done.

    `plan` is the one that holds at the site; None = as shipped. A micro fire station works to three minutes (DOMAIN
    A4): the shipped plan asks it at once, the desk may add or recall.
    """
    if late or state not in HANDLED:
        return ()
    return (plan or shipped()[hazard]).levels[level].ask


def posts_to_tell(hazard: Hazard, level: Level, *, late: bool, plan: Plan | None = None) -> Sequence[str]:
    """Posts that hear of an incident when it opens, or rises to this level."""
    return () if late else (plan or shipped()[hazard]).levels[level].tell
