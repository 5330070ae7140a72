"""A neighbourhood of places, sensors, scheduled events and faults, stepped on scenario time.

The same seed gives the same messages to the byte, and the outcome does not depend on how a run is cut into steps.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from simulators.faults import Injector
from simulators.places import Place, Water
from simulators.sensor import Publication, Sensor
from wire.alert import Hazard


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happens: a hazard at a place from `onset` (scenario epoch ms) until `end` (None: not known yet)."""

    hazard: Hazard
    place: str
    onset: int
    end: int | None = None
    outcome: str = "hazard_true"  # the right outcome for an incident of it
    devices: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a place at a scenario second: `act(now_s)` changes the place."""

    at_s: float
    act: Callable[[float], None]
    truth: Truth | None = None


@dataclass(slots=True)
class World:
    """Step it with `until`; what leaves the devices by then comes back in the order in which it leaves."""

    start_ms: int
    places: Mapping[str, Place]
    sensors: Mapping[str, Iterable[Sensor]]  # place → its sensors
    events: list[Event] = field(default_factory=list)
    injector: Injector | None = None
    exercise: str | None = None
    truths: list[Truth] = field(default_factory=list)
    now_s: float = 0.0
    _grid: dict[str, int] = field(default_factory=dict)
    _samples: list[tuple[float, int, str, Sensor]] = field(default_factory=list)
    _leaving: list[tuple[int, int, Publication]] = field(default_factory=list)
    _order: int = 0

    def __post_init__(self) -> None:
        """Line up the first sample of every sensor and the events by time."""
        self.events.sort(key=lambda event: event.at_s)
        for place, sensors in self.sensors.items():
            for sensor in sensors:
                self._push_sample(sensor.phase_s, place, sensor)

    def prepare(self, seconds: float) -> None:
        """Run the places alone for a while before scenario second 0 (rain that has been falling for an hour)."""
        for place in self.places.values():
            count = int(seconds // place.step_s)
            for step in range(count, 0, -1):
                place.step(-(step - 1) * place.step_s)

    def step(self, until_ms: int) -> list[Publication]:
        """Everything that leaves the devices up to and including `until_ms`."""
        until_s = (until_ms - self.start_ms) / 1000
        while self._samples and self._samples[0][0] <= until_s:
            due_s, _, place, sensor = heapq.heappop(self._samples)
            self._advance(due_s)
            values = sensor.sample(self.places[place].sense(sensor.device, due_s))
            publication = sensor.publication(self.start_ms + round(due_s * 1000), values, self.exercise)
            for leaving in self.injector.apply(publication) if self.injector else [publication]:
                self._order += 1
                heapq.heappush(self._leaving, (leaving.due, self._order, leaving))
            self._push_sample(due_s + sensor.cadence_s, place, sensor)
        self._advance(until_s)
        out = []
        while self._leaving and self._leaving[0][0] <= until_ms:
            out.append(heapq.heappop(self._leaving)[2])
        return out

    def schedule(self, event: Event) -> None:
        """Something more that will happen (or happens with the next step, when its time is past)."""
        bisect.insort(self.events, event, key=lambda one: one.at_s)

    def next_ms(self) -> int | None:
        """When something leaves next; None when nothing ever will."""
        sample = self.start_ms + int(self._samples[0][0] * 1000) if self._samples else None
        leaving = self._leaving[0][0] if self._leaving else None
        return min((at for at in (sample, leaving) if at is not None), default=None)

    def crossings(self) -> dict[str, dict[float, int]]:
        """Truth: when each underpass first went up through each labelled depth, scenario epoch ms."""
        found: dict[str, dict[float, int]] = {}
        for name, place in self.places.items():
            if isinstance(place, Water):
                for crossing in place.crossings:
                    at_ms = self.start_ms + round(crossing.at_s * 1000)
                    found.setdefault(name, {}).setdefault(crossing.level_m, at_ms)
        return found

    def _push_sample(self, at_s: float, place: str, sensor: Sensor) -> None:
        self._order += 1
        heapq.heappush(self._samples, (at_s, self._order, place, sensor))

    def _advance(self, to_s: float) -> None:
        """Events and places up to a scenario second, each place on its own grid."""
        while self.events and self.events[0].at_s <= to_s:
            event = self.events.pop(0)
            self._advance_places(event.at_s)
            event.act(max(event.at_s, self.now_s))
            if event.truth is not None:
                self.truths.append(event.truth)
        self._advance_places(to_s)
        self.now_s = max(self.now_s, to_s)

    def _advance_places(self, to_s: float) -> None:
        for name, place in self.places.items():
            done = self._grid.get(name, 0)
            target = int(to_s // place.step_s)
            for step in range(done + 1, target + 1):
                place.step(step * place.step_s)
            self._grid[name] = max(done, target)
