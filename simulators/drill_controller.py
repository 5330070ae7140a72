"""The drill controller: plays what a drill's script simulates, as readings under `exercise/<drill>/…`.

It asks the cloud which drills are active and what their worlds are, simulates those worlds on the drills' own clocks –
pauses, rates and stops are followed at once –, publishes with the drill credential, and reports injects done. A
controller that is started again during a drill builds the same world (the seed is the drill's id) and goes on with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from simulators.api import Api, ApiError, Json
from simulators.faults import FaultKind, Injector, Rates, Scheduled
from simulators.fire import FUELS, GROWTH_KW_S2, Fire, Room
from simulators.nuisance import KINDS, Nuisance
from simulators.panel import Panel
from simulators.places import Facade, Place, Rooms, Water
from simulators.play import Clock, play
from simulators.publisher import Credential, Link
from simulators.rain import Storm, Underpass
from simulators.sensor import MODELS, Publication, Sensor, generator
from simulators.world import Event, World
from wire.alert import Hazard
from wire.time import Timeline

log = logging.getLogger(__name__)

SIMULATED = ("sensor", "fault")
CATCH_UP_MS = 30_000
"""Started late, a controller sends of the past only so much: what was before has been sent, or is too old to matter."""


class InjectError(ValueError):
    """An inject that cannot be played: says which and why."""


def timeline_of(drill: Json) -> Timeline:
    """The drill's clock."""
    return msgspec.convert(drill["timeline"], Timeline, strict=False)


@dataclass(slots=True)
class Stageplay:
    """One drill's world, its injects as events; `played` is called with an inject's id when it happens."""

    drill: Json
    played: Callable[[str], None]
    place: Place = field(init=False)
    seed: int = field(init=False)

    def __post_init__(self) -> None:
        """Lay out the place."""
        self.seed = zlib.crc32(self.drill["id"].encode())
        self.place = self._lay_out()

    def world(self) -> World:
        """The world, at exercise second 0.

        Raises:
            InjectError: for an inject that cannot be played.
        """
        start_ms = timeline_of(self.drill).segments[0].scenario_ms
        sensors = []
        for device in self.drill["world"]["devices"]:
            model = MODELS.get(device["profile"])
            if model is None:
                log.warning("drill %s: %s speaks no native model and stays silent", self.drill["id"], device["id"])
                continue
            sensors.append(Sensor(device["id"], device["site"], model, self.seed))
        injects = [inject for inject in self.drill["injects"] if inject["kind"] in SIMULATED]
        events = [self._event(inject) for inject in injects]
        faults = tuple(self._fault(inject, start_ms) for inject in injects if inject["kind"] == "fault")
        injector = Injector(self.seed, Rates.none(), faults) if faults else None
        place = {"drill": self.place}
        return World(start_ms, place, {"drill": sensors}, events, injector, exercise=self.drill["id"])

    def _lay_out(self) -> Place:
        world = self.drill["world"]
        devices = {device["id"]: device["zone"] for device in world["devices"]}
        match world["hazard"]:
            case Hazard.WATER_LEVEL:
                return Water(Underpass(), dict.fromkeys(devices, 0.0))
            case Hazard.CURTAIN_WALL:
                panels = {device["id"]: _panel(device.get("parameters") or {}) for device in world["devices"]}
                return Facade(panels, self.seed)
        rooms = {}
        for room in world["rooms"]:
            zone = room["zone"]
            landing = zone.rsplit("-", 1)[-1].endswith("f")
            rooms[zone] = Room(zone, area_m2=9.0, height_m=2.8, air_changes_h=2.0) if landing else Room(zone)
        draughts = tuple((one["from"], one["to"], float(one["m3_s"])) for one in world["draughts"])
        return Rooms(rooms, devices, draughts)

    def _event(self, inject: Json) -> Event:
        act = (lambda _: None) if inject["kind"] == "fault" else self._act(inject)

        def happen(now_s: float) -> None:
            act(now_s)
            self.played(inject["id"])

        return Event(float(inject["at_s"]), happen)

    def _act(self, inject: Json) -> Callable[[float], object]:
        params, zone = inject["params"], inject["zone"]
        phenomenon = params.get("phenomenon")
        match self.place:
            case Rooms() as rooms:
                return self._act_in_rooms(rooms, inject, zone, phenomenon)
            case Water(bowl=bowl):
                if phenomenon == "storm":
                    years, hours = float(params.get("years", 20)), float(params.get("hours", 2))
                    return lambda now_s: bowl.storms.append(Storm(now_s, years, hours * 3600))
                if phenomenon == "pumps_trip":
                    return lambda _: bowl.trip()
                if phenomenon == "pumps_restore":
                    return lambda _: bowl.restore(float(params.get("extra_m3_s", 0.0)))
            case Facade(panels=panels):
                device = inject["device"] or next(iter(panels), "")
                if device in panels and phenomenon == "loosen":
                    return lambda _: panels[device].loosen(float(params.get("share", 0.25)))
                if device in panels and phenomenon == "secure":
                    return lambda _: panels[device].secure()
        raise InjectError(f"drill {self.drill['id']}: inject {inject['id']}: cannot play '{phenomenon}' here")

    def _act_in_rooms(self, rooms: Rooms, inject: Json, zone: str, phenomenon: Any) -> Callable[[float], object]:
        params = inject["params"]
        if phenomenon == "fire":
            return lambda now_s: rooms.ignite(zone, fire_of(params, now_s))
        if phenomenon == "extinguish":
            return lambda now_s: rooms.put_out(now_s, float(params.get("air_changes_h", 45)))
        if phenomenon in KINDS:
            rng = generator(self.seed, inject["id"])
            return lambda now_s: rooms.disturb(zone, Nuisance.draw(phenomenon, now_s, rng))
        raise InjectError(f"drill {self.drill['id']}: inject {inject['id']}: cannot play '{phenomenon}' in a room")

    def _fault(self, inject: Json, start_ms: int) -> Scheduled:
        params = inject["params"]
        begins = start_ms + round(float(inject["at_s"]) * 1000)
        ends = begins + round(float(params.get("duration_s", 600)) * 1000)
        try:
            kind = FaultKind(params.get("fault", "dropout"))
        except ValueError:
            raise InjectError(
                f"drill {self.drill['id']}: inject {inject['id']}: no fault '{params['fault']}'"
            ) from None
        return Scheduled(inject["device"], kind, begins, ends, params.get("point"), float(params.get("size", 0.0)))


def fire_of(params: Mapping[str, Any], now_s: float) -> Fire:
    """The fire that a scenario describes: growth, fuel, peak_kw, fuel_kg, or smoulder_kg_s2.

    Raises:
        InjectError: for a growth or a fuel that is not known.
    """
    growth, fuel = params.get("growth", "medium"), params.get("fuel", "mixed")
    if growth not in GROWTH_KW_S2 or fuel not in FUELS:
        known = f"growth {', '.join(GROWTH_KW_S2)}; fuel {', '.join(FUELS)}"
        raise InjectError(f"growth '{growth}' or fuel '{fuel}' is not known ({known})")
    smoulder = params.get("smoulder_kg_s2")
    return Fire(
        now_s,
        GROWTH_KW_S2[growth],
        peak_kw=float(params.get("peak_kw", 150)),
        fuel=FUELS[fuel],
        fuel_kg=float(params.get("fuel_kg", 5)),
        smoulder_kg_s2=None if smoulder is None else float(smoulder),
    )


def _panel(parameters: Mapping[str, Any]) -> Panel:
    """A panel whose sound frequency is the device's baseline, at the façade's temperature."""
    panel = Panel()
    baseline = parameters.get("baseline_frequency_hz")
    if baseline:
        glass = panel.glass
        span = glass.clamped_hz - glass.simply_supported_hz
        panel.fixity = (float(baseline) - glass.simply_supported_hz) / span
    return panel


@dataclass(slots=True)
class _Performance:
    clock: Clock
    task: asyncio.Task[None]


class DrillController:
    """Plays every active drill that its account may see."""

    def __init__(self, api: Api, credential: Credential) -> None:
        """A signed-in trainer or administrator, and the broker's drill credential."""
        self.api = api
        self.link = Link(credential, "shouwang-drill-controller", capacity=10_000)
        self.published = 0
        self._performances: dict[str, _Performance] = {}
        self._done: asyncio.Queue[tuple[str, str]] = asyncio.Queue(maxsize=1000)

    async def run(self) -> None:
        """Until cancelled."""
        position = int((await self.api.get("/feed/position"))["position"])
        async with self.link.running(), asyncio.TaskGroup() as group:
            group.create_task(self._report(), name="injects done")
            await self._look(group)
            async for event in self.api.feed(after=position):
                if event.name in ("drill", "reset"):
                    await self._look(group)

    async def _look(self, group: asyncio.TaskGroup) -> None:
        """Begin, follow or end performances as the cloud says."""
        try:
            drills = {drill["id"]: drill for drill in await self.api.list("/drills/active")}
        except ApiError as error:
            log.warning("drill controller: %s", error)
            return
        for drill_id, drill in drills.items():
            performance = self._performances.get(drill_id)
            if performance is not None:
                performance.clock.set(timeline_of(drill))
                continue
            clock = Clock(timeline_of(drill))
            task = group.create_task(self._perform(drill, clock), name=f"drill {drill_id}")
            self._performances[drill_id] = _Performance(clock, task)
        for drill_id in set(self._performances) - drills.keys():
            self._performances.pop(drill_id).task.cancel()

    async def _perform(self, drill: Json, clock: Clock) -> None:
        def played(inject: str) -> None:
            with contextlib.suppress(asyncio.QueueFull):
                self._done.put_nowait((drill["id"], inject))

        try:
            world = Stageplay(drill, played).world()
        except InjectError as error:
            log.error("%s", error)  # noqa: TRY400  the message says it all
            return
        joined_ms = clock.now_ms() - CATCH_UP_MS

        def send(publication: Publication) -> None:
            if publication.ts >= joined_ms:
                self.published += 1
                self.link.put(publication.topic, publication.payload())

        await play(world, clock, send)

    async def _report(self) -> None:
        """Tell the cloud which injects were played; a refusal is logged, an outage waited out."""
        while True:
            drill, inject = await self._done.get()
            for pause_s in (0.5, 2.0, 5.0, None):
                try:
                    await self.api.post(f"/drills/{drill}/injects/{inject}/done")
                    break
                except ApiError as error:
                    if error.status or pause_s is None:
                        log.warning("inject %s of drill %s: %s", inject, drill, error)
                        break
                    await asyncio.sleep(pause_s)
