"""What a storm is made of. Pure: stairwells that burn, the alerts of their devices, and when which edge sends them."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from wire.alert import AlarmFacts, Alert, Hazard, Verb, alarm_id
from wire.event import CloudEvent, Type
from wire.level import Level

SITES, STAIRWELLS, DEVICES, EDGES = 10, 10, 20, 4
"""Sites, stairwells of a site, devices of a stairwell: 2,000 devices, and one real event a stairwell."""
LIFE = (
    (Verb.RAISED, Level.III),
    (Verb.ESCALATED, Level.II),
    (Verb.ESCALATED, Level.I),
    (Verb.DEESCALATED, Level.II),
    (Verb.CLEARED, None),
)
"""The revisions of each device's alarm: 10,000 alerts."""
RULE = "smoke"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device of the storm sits."""

    device: str
    site: str
    building: str
    section: str
    zone: str
    edge: str


def places() -> Iterator[Place]:
    """Every device, stairwell by stairwell."""
    for site in range(SITES):
        for stairwell in range(STAIRWELLS):
            building = f"st-{site}-{stairwell // 2}"
            section = f"{building}-s{stairwell % 2 + 1}"
            for number in range(DEVICES):
                yield Place(
                    f"storm-{site}-{stairwell}-{number:02}", f"storm-{site}", building, section,
                    f"{section}-{number // 2 + 1}f", f"gw-storm-{site % EDGES}",
                )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sending:
    """One alert, and when it is due, in seconds from the storm's start."""

    due_s: float
    opened_s: float
    place: Place
    revision: int
    verb: Verb
    level: Level | None


def storm(seconds: float, seed: int) -> list[Sending]:
    """Every alert of every device, by due time: a stairwell's devices follow each other within a third of the storm."""
    chance = random.Random(seed)
    begins = {section: chance.uniform(0, seconds * 0.6) for section in sorted({one.section for one in places()})}
    due: list[Sending] = []
    for place in places():
        moments = sorted(chance.uniform(0, seconds * 0.39) for _ in LIFE)
        due += [
            Sending(begins[place.section] + moment, begins[place.section] + moments[0], place, number, verb, level)
            for number, ((verb, level), moment) in enumerate(zip(LIFE, moments, strict=True), 1)
        ]
    return sorted(due, key=lambda one: one.due_s)


def event(sending: Sending, began: datetime) -> CloudEvent:
    """The envelope as an edge sends it."""
    at = began + timedelta(seconds=sending.due_s)
    opened = int((began + timedelta(seconds=sending.opened_s)).timestamp() * 1000)
    highest = Level.I if sending.revision >= 3 else Level.II if sending.revision == 2 else Level.III
    alert = Alert(
        alarm_id=alarm_id(sending.place.device, RULE), episode=opened, revision=sending.revision, verb=sending.verb,
        edge=sending.place.edge, site=sending.place.site, device=sending.place.device, rule=RULE, hazard=Hazard.SMOKE,
        facts=AlarmFacts(active=sending.level is not None, level=sending.level, highest=highest),
        opened_at=datetime.fromtimestamp(opened / 1000, UTC), changed_at=at, recorded_at=at, reading_at=at,
        evidence={"point": "obscuration", "value": 0.4, "threshold": 0.15, "unit": "dB/m"},
    )  # fmt: skip
    return CloudEvent(
        id=f"{alert.alarm_id}-{opened}-{alert.revision}",
        source=f"/edges/{alert.edge}",
        type=Type.ALARM_CHANGED,
        time=at.isoformat(),
        data=msgspec.Raw(msgspec.json.encode(alert)),
    )
