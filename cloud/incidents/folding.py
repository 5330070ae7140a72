"""Which incident an alarm belongs to: by place, kind of hazard, time and exercise. Pure.

Guarantees:
- Every alarm episode belongs to exactly one incident, and stays with it whatever revisions follow.
- A real alarm and an exercise alarm never share an incident, and no two exercises do.
- The outcome does not depend on the order in which alarms of one place arrive while the incident is handled.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cloud.incidents.states import HANDLED, State
from wire.alert import Hazard


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a device sits, as far as folding cares. `section` is one stairwell, one façade, one road."""

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


@dataclass(frozen=True, slots=True)
class Folded:
    """The incident to join, or None for a new one; and why."""

    incident: str | None
    reason: str


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
    """Keys in order of preference; the last is the key of a new incident.

    The silence of a device folds under the silence of its gateway while that is open: a gateway that is cut off is
    one incident, not a thousand.
    """
    own = fold_key(hazard, spot, edge=edge, exercise=exercise)
    if hazard is Hazard.DEVICE:
        return (fold_key(Hazard.GATEWAY, spot, edge=edge, exercise=exercise), own)
    return (own,)


def fold(keys: Iterable[str], candidates: Iterable[Candidate]) -> Folded:
    """The incident that takes an alarm in.

    Only an incident that is still being handled takes alarms in: once people have said that it is over, a new alarm
    must ring again. Should several be open under one key, the oldest wins, so that the choice is the same every time.
    """
    standing = sorted((c for c in candidates if c.state in HANDLED), key=lambda c: (c.opened_at, c.id))
    for key in keys:
        for candidate in standing:
            if candidate.fold_key == key:
                return Folded(candidate.id, "same_place_and_hazard")
    return Folded(None, "nothing_open_here")


def fold_by_hand(
    hazard: Hazard, spot: Spot, text: str, candidates: Iterable[Candidate], exercise: str | None
) -> Folded:
    """The open incident that a call, a walk-in or a patrol's report is about.

    A caller names a place less exactly than a sensor: the same section is best, then the same building, then – for
    water and for places without buildings – the same site, then the very same words.
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
        first("same_section", (c for c in same_site if spot.section and c.spot.section == spot.section))
        or first("same_building", (c for c in same_site if spot.building and c.spot.building == spot.building))
        or first("same_site", (c for c in same_site if hazard is Hazard.WATER_LEVEL or not spot.building))
        or first("same_words", (c for c in standing if not spot.site and text and c.text == text))
        or Folded(None, "nothing_open_here")
    )
