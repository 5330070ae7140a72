"""Thousands of simulated devices over real MQTT at a stated rate, to see what a broker, an edge and a cloud bear.

Quiet devices of the three families; every so often one goes through a hazard (smoke, water, a loose panel), and with
faults on, through the faults of `simulators.faults`. Publishing is paced in wall time; `ts` is wall time.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import heapq
import io
import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from simulators.faults import Injector, Rates
from simulators.publisher import Credential, Link, Tally
from simulators.sensor import FACADE, SMOKE, WATER_LEVEL, Model, Publication, Sensor, generator
from wire.time import now_ms
from wire.topics import DeviceTopic

EPISODE_S = {SMOKE.profile: 60.0, WATER_LEVEL.profile: 120.0, FACADE.profile: 900.0}
"""How long a hazard lasts at a fleet device."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    devices: int
    rate: float  # messages a second, all devices together
    duration_s: float
    site: str
    seed: int = 1
    prefix: str = "fleet"
    faults: bool = False
    hazards_per_minute: float = 0.0
    connections: int = 4
    qos: int = 1


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What was achieved."""

    devices: int
    connections: int
    seconds: float
    published: int
    acknowledged: int
    dropped: int
    reconnects: int
    rate_wanted: float
    rate_achieved: float
    puback_median_ms: float | None
    puback_p99_ms: float | None
    puback_max_ms: float | None
    hazards: int
    faults: dict[str, int]


def build(plan: Plan) -> list[Sensor]:
    """The devices: seven of ten smoke detectors, two water gauges, one façade sensor."""
    models: list[Model] = [SMOKE] * 7 + [WATER_LEVEL] * 2 + [FACADE]
    cadence = plan.devices / plan.rate
    return [
        Sensor(f"{plan.prefix}-{number:05d}", plan.site, models[number % 10], plan.seed, cadence_s=cadence)
        for number in range(plan.devices)
    ]


def import_table(sensors: Sequence[Sensor], edge: str, zone: str) -> str:
    """The fleet as a CSV for the registry's import."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "name", "site", "zone", "profile", "edge", "param_baseline_frequency_hz"])
    for sensor in sensors:
        baseline = 24.0 if sensor.model is FACADE else ""
        writer.writerow([sensor.device, sensor.device, sensor.site, zone, sensor.model.profile, edge, baseline])
    return text.getvalue()


@dataclass(slots=True)
class Fleet:
    """Who is due next, and what is true there."""

    plan: Plan
    sensors: list[Sensor]
    injector: Injector | None
    rng: np.random.Generator
    hazards: dict[str, float] = field(default_factory=dict)  # device → wall second at which its episode began
    hazard_count: int = 0
    _due: list[tuple[float, int]] = field(default_factory=list)
    _next_hazard_s: float = math.inf
    _leaving: list[tuple[int, int, Publication]] = field(default_factory=list)  # late ones and repeats
    _order: int = 0

    @classmethod
    def of(cls, plan: Plan) -> Fleet:
        """A fleet at rest."""
        sensors = build(plan)
        injector = Injector(plan.seed, Rates()) if plan.faults else None
        fleet = cls(plan, sensors, injector, generator(plan.seed, "fleet"))
        fleet._due = [(sensor.phase_s, index) for index, sensor in enumerate(sensors)]
        heapq.heapify(fleet._due)
        fleet._plan_hazard(0.0)
        return fleet

    def step(self, elapsed_s: float, start_ms: int) -> list[Publication]:
        """Everything due by now."""
        while elapsed_s >= self._next_hazard_s:
            sensor = self.sensors[int(self.rng.integers(len(self.sensors)))]
            self.hazards[sensor.device] = self._next_hazard_s
            self.hazard_count += 1
            self._plan_hazard(self._next_hazard_s)
        out: list[Publication] = []
        while self._due and self._due[0][0] <= elapsed_s:
            due, index = heapq.heappop(self._due)
            sensor = self.sensors[index]
            publication = sensor.publication(start_ms + round(due * 1000), sensor.sample(self._truth(sensor, due)))
            if self.injector is None:
                out.append(publication)
            else:
                for leaving in self.injector.apply(publication):
                    self._order += 1
                    heapq.heappush(self._leaving, (leaving.due, self._order, leaving))
            heapq.heappush(self._due, (due + sensor.cadence_s, index))
        while self._leaving and self._leaving[0][0] <= start_ms + elapsed_s * 1000:
            out.append(heapq.heappop(self._leaving)[2])
        return out

    def next_s(self) -> float:
        """When the next device is due."""
        return self._due[0][0]

    def _plan_hazard(self, after_s: float) -> None:
        if self.plan.hazards_per_minute > 0:
            self._next_hazard_s = after_s + float(self.rng.exponential(60 / self.plan.hazards_per_minute))

    def _truth(self, sensor: Sensor, now_s: float) -> dict[str, float]:
        """Quiet values with a slow swing; a half-sine of danger during an episode."""
        swing = math.sin(now_s / 300 + sensor.phase_s)
        began = self.hazards.get(sensor.device)
        danger = 0.0
        if began is not None:
            share = (now_s - began) / max(EPISODE_S[sensor.model.profile], 8 * sensor.cadence_s)
            danger = math.sin(math.pi * share) if 0 <= share <= 1 else 0.0
        if sensor.model is SMOKE:
            return {
                "obscuration": 0.01 + 0.6 * danger,
                "temperature": 23 + 2 * swing + 15 * danger,
                "co": 1 + 40 * danger,
                "humidity": 60 + 5 * swing,
            }
        if sensor.model is WATER_LEVEL:
            return {"level": 0.5 * danger}
        return {
            "frequency": 24.0 * (1 - 0.15 * danger),
            "tilt": 0.01 + 0.6 * danger,
            "gap": 3 * danger,
            "rms": 0.05,
            "wind": 4 + swing,
            "surface_temperature": 24 + 3 * swing,
        }


async def run(plan: Plan, credential: Credential, own: dict[str, Credential] | None = None) -> Outcome:
    """Publish for the plan's duration.

    Args:
        plan: what to run.
        credential: a bridge's, shared by `plan.connections` links.
        own: device → credential, when each device connects as itself instead.
    """
    fleet = Fleet.of(plan)
    tally = Tally()
    async with _links(plan, fleet.sensors, credential, own, tally) as links:
        start_ms, started = now_ms(), time.monotonic()
        published = 0
        while (elapsed := time.monotonic() - started) < plan.duration_s:
            for publication in fleet.step(elapsed, start_ms):
                link = links.get(publication.device) or links[f"bridge-{hash_of(publication.device, len(links))}"]
                await link.put_waiting(publication.topic, publication.payload(), qos=plan.qos)
                published += 1
            await asyncio.sleep(max(0.0, min(fleet.next_s() - (time.monotonic() - started), 1.0)))
        for link in links.values():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(link.drained(), 30)
        seconds = time.monotonic() - started
    faults: dict[str, int] = {}
    for label in fleet.injector.labels if fleet.injector else ():
        faults[label.kind.value] = faults.get(label.kind.value, 0) + 1
    return Outcome(
        devices=plan.devices,
        connections=len(links),
        seconds=round(seconds, 2),
        published=published,
        acknowledged=tally.acknowledged,
        dropped=tally.dropped,
        reconnects=tally.reconnects,
        rate_wanted=plan.rate,
        rate_achieved=round(tally.acknowledged / seconds, 1),
        puback_median_ms=tally.percentile_ms(0.5),
        puback_p99_ms=tally.percentile_ms(0.99),
        puback_max_ms=tally.percentile_ms(1.0),
        hazards=fleet.hazard_count,
        faults=faults,
    )


def hash_of(device: str, links: int) -> int:
    """Which shared link a device speaks through: always the same, so that its messages stay in order."""
    return sum(device.encode()) % links


@contextlib.asynccontextmanager
async def _links(
    plan: Plan,
    sensors: Sequence[Sensor],
    credential: Credential,
    own: dict[str, Credential] | None,
    tally: Tally,
) -> AsyncIterator[dict[str, Link]]:
    links: dict[str, Link] = {}
    async with contextlib.AsyncExitStack() as stack:
        if own is None:
            for number in range(plan.connections):
                client = f"shouwang-fleet-{plan.prefix}-{number}"
                links[f"bridge-{number}"] = Link(credential, client, tally=tally, capacity=2000)
        else:
            for sensor in sensors:
                if sensor.device not in own:
                    raise KeyError(f"no credential for device {sensor.device}")
                status = DeviceTopic(site=sensor.site, device=sensor.device, channel="status")
                links[sensor.device] = Link(own[sensor.device], sensor.device, status=status, window=2, tally=tally)
        for number, link in enumerate(links.values()):
            await stack.enter_async_context(link.running())
            if number % 50 == 49:
                await link.connected.wait()  # a broker's accept queue is short
        for link in links.values():
            await asyncio.wait_for(link.connected.wait(), 30)
        yield links
