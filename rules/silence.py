"""Kind `silence`: a device that says nothing.

A device is silent when its last sign of life is `after_s` old by the clock of its timeline. A device that has never
spoken is *unknown*, not silent. After a time in which nobody could be heard (a restart of the edge, a lost broker)
those not heard since have one *grace*: time to be heard before they are called silent. What of the grace is used up is
kept, so that restarts and losses cannot add up.
"""

import numpy as np

from rules.condition import NEVER
from rules.scan import Bools, Ints


def due(seen: Ints, used: Ints, after_ms: Ints, grace_ms: Ints, started: Ints) -> Ints:
    """When each device is called silent, by level.

    Args:
        seen: arrival of the last sign of life; NEVER where there was none.
        used: grace used up before we began to listen.
        after_ms: by device and level; NEVER = no such level.
        grace_ms: by device.
        started: when we began to listen on the device's timeline; NEVER where the device was heard since.

    Returns:
        Instants by device and level; the far future where it cannot be.
    """
    awaited = np.where(seen < started, started + np.maximum(grace_ms - used, 0), NEVER)
    at = np.maximum(seen[:, None] + after_ms, awaited[:, None])
    return np.where((after_ms == NEVER) | (seen == NEVER)[:, None], -NEVER, at)


def in_grace(seen: Ints, first_after_ms: Ints, started: Ints, now: int) -> Bools:
    """True for devices that are overdue and live on their grace."""
    return np.asarray((seen != NEVER) & (seen < started) & (seen + first_after_ms <= now))
