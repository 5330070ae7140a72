"""Which incident an alarm belongs to: by place, kind of hazard, time and exercise. Pure.

Guarantees:
- Every alarm episode belongs to exactly one incident, and stays with it whatever revisions follow.
- A real alarm and an exercise alarm never share an incident, and no two exercises do.
- The outcome does not depend on the order in which alarms of one place arrive while the incident is handled.
- What is folded is told: the reason stands on the timeline.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloud.incidents.states import HANDLED, State
from wire.alert import Hazard


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a device sits, as far as folding cares. `section` is one stairwell, one façade, one road or stream."""

    site: str | None
    building: str | None = None
    section: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An incident that an alarm might join."""

    id: str
    fold_key: str
    hazard: Hazard
    state: State
    opened_at: datetime
    exercise: str | None = None
    spot: Spot = Spot(None)
    text: str = ""
    by_hand: bool = False  # a person named its place, less exactly than a sensor does
    span: tuple[datetime, datetime] | None = None  # of real time, from its first alarm or word to its last


@dataclass(frozen=True, slots=True)
class Folded:
    """The incident to join, or None for a new one; and why."""

    incident: str | None
    reason: str


WINDOW: Mapping[Hazard, timedelta] = {
    Hazard.SMOKE: timedelta(hours=2),
    Hazard.WATER_LEVEL: timedelta(hours=6),  # a cloudburst and its second cell
    Hazard.CURTAIN_WALL: timedelta(hours=12),  # a storm's night
    Hazard.DEVICE: timedelta(days=1),
    Hazard.GATEWAY: timedelta(days=365),  # cut off is cut off
}
"""An alarm so long after the last of an incident (or before its first) is another event, and must ring as one."""


def fold_key(hazard: Hazard, spot: Spot, *, edge: str = "", exercise: str | None = None) -> str:
    """Alarms with equal keys are one event.

    Smoke folds by stairwell or zone group, else by building; water by road section, else by site (an underpass is one
    site); façades by façade, else by building. Health is kept apart from hazards: silent devices fold by edge and
    site, and a gateway is one incident whatever hangs on it.
    """
    site = spot.site or "-"
    match hazard:
        case Hazard.GATEWAY:
            where = f"edge={edge}"
        case Hazard.DEVICE:
            where = f"edge={edge}/site={site}"
        case Hazard.WATER_LEVEL:
            where = f"site={site}/{spot.section or '*'}"
        case _:
            where = f"site={site}/{spot.building or '-'}/{spot.section or ('*' if spot.building else spot.zone or '*')}"
    return f"{exercise or 'real'}|{hazard.value}|{where}"


def keys_to_try(hazard: Hazard, spot: Spot, *, edge: str, exercise: str | None) -> tuple[str, ...]:
    """Keys in order of preference; `own_key` is the key of a new incident.

    The silence of a device folds under the silence of its gateway while that is open: a gateway that is cut off is
    one incident, not a thousand. A person may have named the place less exactly than the sensor does: the building,
    for water the site. (Not a whole compound for smoke: that would hide a second fire in it.)
    """
    own = own_key(hazard, spot, edge=edge, exercise=exercise)
    wanted: tuple[str, ...]
    match hazard:
        case Hazard.DEVICE:
            wanted = (fold_key(Hazard.GATEWAY, spot, edge=edge, exercise=exercise), own)
        case Hazard.GATEWAY:
            wanted = (own,)
        case Hazard.WATER_LEVEL:
            wanted = (own, fold_key(hazard, Spot(spot.site), exercise=exercise))
        case _ if spot.building:
            wanted = (own, fold_key(hazard, Spot(spot.site, spot.building), exercise=exercise))
        case _:
            wanted = (own,)
    return tuple(dict.fromkeys(wanted))


def own_key(hazard: Hazard, spot: Spot, *, edge: str, exercise: str | None) -> str:
    """The key of an incident opened for this alarm."""
    return fold_key(hazard, spot, edge=edge, exercise=exercise)


def fold(
    keys: Iterable[str],
    candidates: Iterable[Candidate],
    *,
    spot: Spot = Spot(None),
    own: str | None = None,
    at: datetime | None = None,
) -> Folded:
    """The incident that takes an alarm in.

    Only an incident that is still being handled takes alarms in: once people have said that it is over, a new alarm
    must ring again. So must one that comes long after (`WINDOW`). Should several be open under one key, the oldest
    wins, so that the choice is the same every time.

    Args:
        keys: in order of preference (`keys_to_try`).
        candidates: incidents under these keys, in any order.
        spot: where the alarm is.
        own: the alarm's own key; under a wider one only what a person reported, or a gateway, takes it in.
        at: when it happened in real time; None = no question of time.
    """
    standing = sorted((c for c in candidates if c.state in HANDLED), key=lambda c: (c.opened_at, c.id))
    why_not = "nothing_open_here"
    for key in keys:
        wider = own is not None and key != own
        for candidate in standing:
            if candidate.fold_key != key or (
                wider and not candidate.by_hand and candidate.hazard is not Hazard.GATEWAY
            ):
                continue
            if at is not None and not _near(candidate, at):
                why_not = "too_long_ago"
                continue
            return Folded(candidate.id, _same(spot, candidate))
    return Folded(None, why_not)


def _near(candidate: Candidate, at: datetime) -> bool:
    if candidate.span is None:
        return True
    first, last = candidate.span
    window = WINDOW[candidate.hazard]
    return first - window <= at <= last + window


def _same(spot: Spot, candidate: Candidate) -> str:
    there = candidate.spot
    if candidate.hazard is Hazard.GATEWAY:
        return "same_gateway"
    if spot.site is None or there.site is None or spot.site != there.site:
        return "same_place_and_hazard"
    if spot.zone and spot.zone == there.zone:
        return "same_zone"
    if spot.section and spot.section == there.section:
        return "same_section"
    if spot.building and spot.building == there.building:
        return "same_building"
    return "same_site"


def fold_by_hand(
    hazard: Hazard, spot: Spot, text: str, candidates: Iterable[Candidate], exercise: str | None
) -> Folded:
    """The open incident that a call, a walk-in or a patrol's report is about.

    A caller names a place less exactly than a sensor: the same room is best, then the same section, then the same
    building, then – for water and for places without buildings – the same site, then the very same words. Time is no
    question here: whoever takes the call sees which incident it joined.
    """
    standing = sorted(
        (c for c in candidates if c.state in HANDLED and c.hazard is hazard and c.exercise == exercise),
        key=lambda c: (c.opened_at, c.id),
    )

    def first(reason: str, matches: Iterable[Candidate]) -> Folded | None:
        found = next(iter(matches), None)
        return Folded(found.id, reason) if found else None

    same_site = [c for c in standing if spot.site and c.spot.site == spot.site]
    return (
        first("same_zone", (c for c in same_site if spot.zone and c.spot.zone == spot.zone))
        or first("same_section", (c for c in same_site if spot.section and c.spot.section == spot.section))
        or first("same_building", (c for c in same_site if spot.building and c.spot.building == spot.building))
        or first("same_site", (c for c in same_site if hazard is Hazard.WATER_LEVEL or not spot.building))
        or first("same_words", (c for c in standing if not spot.site and text and c.text == text))
        or Folded(None, "nothing_open_here")
    )
