"""What an administrator may set of dispatch, and the time limits that follow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from cloud.dispatch.escalation import Step, limit
from cloud.incidents.model import Incident
from cloud.settings import Settings
from wire.alert import Hazard
from wire.level import Level


class Auto(StrEnum):
    """What a handling level sets off by itself."""

    OFFER = "offer"  # the plan's roles are asked at once, and the next best when they do not come
    RESERVE = "reserve"  # the best is kept for the incident until the desk decides
    PROPOSE = "propose"  # nothing: the desk chooses


AUTO: Mapping[Level, Auto] = {
    Level.I: Auto.OFFER,
    Level.II: Auto.OFFER,
    Level.III: Auto.PROPOSE,
    Level.IV: Auto.PROPOSE,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """See the module's docstring."""

    acknowledge_scale: float = 1.0
    accept_scale: float = 1.0
    automatic_offers: bool = True
    auto: Mapping[Level, Auto] = field(default_factory=lambda: AUTO)
    long_on_h: float = 12.0  # on duty without a rest for longer: shown, and asked after others
    call_levels: frozenset[Level] = frozenset({Level.I, Level.II})

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """The limits of the tables are for a minute's acknowledgement; the settings scale them."""
        return cls(
            acknowledge_scale=settings.acknowledge_within_s / 60.0,
            accept_scale=settings.accept_within_s / 60.0,
            automatic_offers=settings.automatic_offers,
            auto={level: Auto(settings.auto_dispatch.get(level.value, AUTO[level])) for level in Level},
            long_on_h=settings.long_duty_hours,
            call_levels=frozenset(Level(level) for level in settings.call_levels),
        )

    def scale(self, step: Step) -> float:
        """By what a step's limits are multiplied. The way to a place takes as long as it takes."""
        if step is Step.ACKNOWLEDGE:
            return self.acknowledge_scale
        return self.accept_scale if step in (Step.DISPATCH, Step.ACCEPT, Step.SET_OUT) else 1.0

    def limit(self, step: Step, incident: Incident) -> timedelta:
        """The limit of a step of an incident."""
        hazard, level = Hazard(incident.hazard), Level(incident.level)
        return limit(step, hazard, level, late=incident.late, scale=self.scale(step))

    def automatic(self, incident: Incident) -> Auto:
        """What is done for an incident without a person; never anything for what is only history."""
        if not self.automatic_offers or incident.late:
            return Auto.PROPOSE
        return self.auto[Level(incident.level)]
