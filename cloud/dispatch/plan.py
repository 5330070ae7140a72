"""What a handling level sets off by itself. Pure."""

from collections.abc import Mapping, Sequence

from cloud.incidents.states import HANDLED, State
from wire.alert import Hazard
from wire.level import Level

AUTOMATIC: Mapping[Hazard, Mapping[Level, tuple[str, ...]]] = {
    # A micro fire station works to three minutes (DOMAIN A4): it is asked at once, the desk may add or recall.
    Hazard.SMOKE: {Level.I: ("micro_fire_station",), Level.II: ("micro_fire_station",)},
}
"""Roles that are offered an incident of this hazard at this level without waiting for anybody."""


def roles_to_ask(hazard: Hazard, level: Level, *, late: bool, state: State) -> Sequence[str]:
    """Roles to offer it to now; nothing stale is ever sent out, nor anything that is done."""
    if late or state not in HANDLED:
        return ()
    return AUTOMATIC.get(hazard, {}).get(level, ())
