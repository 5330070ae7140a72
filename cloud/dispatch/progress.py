"""An assignment's stamps and its state. Pure.

A phone without signal queues its taps and sends them later, perhaps twice, perhaps in another order. So a tap sets a
stamp (when it happened on the device), of two times for one stamp the earlier stands, and the state follows from the
stamps: any order of arrival ends the same, and a repeat changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class AssignmentState(StrEnum):
    """Where an assignment stands."""

    OFFERED = "offered"
    ACKNOWLEDGED = "acknowledged"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    CLEARED = "cleared"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


LIVE = frozenset(
    {AssignmentState.OFFERED, AssignmentState.ACKNOWLEDGED, AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE}
)
TAKEN = frozenset({AssignmentState.ACKNOWLEDGED, AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE})


class Tap(StrEnum):
    """What a responder presses."""

    ACCEPT = "accept"
    DECLINE = "decline"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    CLEAR = "clear"


FUTURE_TOLERANCE = timedelta(seconds=30)
"""A phone's clock may run ahead by so much; beyond it, the server's time stands."""


@dataclass(frozen=True, slots=True)
class Stamps:
    """The facts of one assignment."""

    offered_at: datetime
    due_at: datetime | None = None
    acknowledged_at: datetime | None = None
    en_route_at: datetime | None = None
    on_scene_at: datetime | None = None
    cleared_at: datetime | None = None
    declined_at: datetime | None = None
    expired_at: datetime | None = None
    cancelled_at: datetime | None = None


_STAMP = {
    Tap.ACCEPT: "acknowledged_at",
    Tap.DECLINE: "declined_at",
    Tap.EN_ROUTE: "en_route_at",
    Tap.ON_SCENE: "on_scene_at",
    Tap.CLEAR: "cleared_at",
}


def state_of(stamps: Stamps) -> AssignmentState:
    """The state that the stamps say.

    Work that was done outweighs a recall or an expiry: who cleared the scene has cleared it. A decline that is later
    than an acceptance takes the acceptance back; an acceptance that is later than an expiry still counts.
    """
    started = max((t for t in (stamps.acknowledged_at, stamps.en_route_at, stamps.on_scene_at) if t), default=None)
    checks = (
        (stamps.cleared_at is not None, AssignmentState.CLEARED),
        (stamps.cancelled_at is not None, AssignmentState.CANCELLED),
        (
            stamps.declined_at is not None and (started is None or stamps.declined_at >= started),
            AssignmentState.DECLINED,
        ),
        (stamps.on_scene_at is not None, AssignmentState.ON_SCENE),
        (stamps.en_route_at is not None, AssignmentState.EN_ROUTE),
        (stamps.acknowledged_at is not None, AssignmentState.ACKNOWLEDGED),
        (stamps.expired_at is not None, AssignmentState.EXPIRED),
    )
    return next((state for holds, state in checks if holds), AssignmentState.OFFERED)


@dataclass(frozen=True, slots=True)
class Tapped:
    """The stamps after a tap; `recorded` says whether the tap told anything new."""

    stamps: Stamps
    state: AssignmentState
    recorded: bool


def tap(stamps: Stamps, what: Tap, at: datetime | None, now: datetime) -> Tapped:
    """One tap, at its own time.

    Args:
        stamps: facts so far.
        what: the button.
        at: time of the device; None, or a time ahead of the server's, counts as now.
        now: time of the server.
    """
    moment = now if at is None or at > now + FUTURE_TOLERANCE else min(at, now)
    moment = max(moment, stamps.offered_at)  # a phone whose clock is behind can't act before it was asked
    fields = {_STAMP[what]}
    if what in (Tap.EN_ROUTE, Tap.ON_SCENE, Tap.CLEAR):
        fields.add(_STAMP[Tap.ACCEPT])  # whoever is on the way has taken it
    earlier = {field: moment for field in fields if (known := getattr(stamps, field)) is None or moment < known}
    after = replace(stamps, **earlier)
    return Tapped(after, state_of(after), recorded=bool(earlier))
