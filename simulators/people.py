"""Simulated people over the real HTTP API: a duty officer at the console, responders with their phones.

They do what the screens let people do, no more, with human delays: seeded, log-normal, medians as in `Delays`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from simulators.api import Api, ApiError, FeedEvent, Json
from simulators.sensor import generator

log = logging.getLogger(__name__)

OVER = frozenset({"closed", "void"})
LIVE = frozenset({"offered", "acknowledged", "en_route", "on_scene"})
CONSOLE_STEPS = frozenset(
    {"acknowledged", "dispatched", "note", "resolved", "verified", "closed", "voided", "alarm_reset"}
)
SPREAD = 0.35
"""σ of the logarithm of a delay."""


@dataclass(frozen=True, slots=True)
class Delays:
    """Medians in wall seconds."""

    acknowledge_s: float = 3.0
    dispatch_s: float = 2.5
    accept_s: float = 3.0
    leave_s: float = 2.0
    travel_s: float = 7.0
    work_s: float = 8.0
    close_s: float = 4.0
    calm_s: float = 60.0  # how long the officer waits for the readings to go back before closing on the word given

    def scaled(self, factor: float) -> Delays:
        """All delays times a factor."""
        return Delays(**{name: getattr(self, name) * factor for name in Delays.__dataclass_fields__})


class Scene(Protocol):
    """The world as people on the spot change it and see it."""

    def arrive(self, incident: Mapping[str, Any]) -> None:
        """Someone is there and does what ends the danger."""

    def safe(self, incident: Mapping[str, Any]) -> bool:
        """Whether the danger is over."""

    def outcome(self, incident: Mapping[str, Any]) -> str:
        """What it really was."""


@dataclass(slots=True)
class Human:
    """One person's hands: an API session and a seeded sense of time."""

    api: Api
    name: str
    seed: int
    delays: Delays
    acted: set[tuple[str, str]] = field(default_factory=set)  # (incident, act) that we did ourselves
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        """A generator of its own."""
        self.rng = generator(self.seed, "people", self.name)

    async def pause(self, median_s: float) -> None:
        """A human delay around a median."""
        await asyncio.sleep(median_s * float(np.exp(SPREAD * self.rng.standard_normal())))

    async def attempt(self, what: str, act: Awaitable[Json]) -> Json | None:
        """Do something; when the cloud refuses (somebody else was faster), say so and go on."""
        try:
            return await act
        except ApiError as error:
            log.info("%s could not %s: %s", self.name, what, error)
            return None


class Board:
    """Incidents as the feed tells them, for whoever waits for a change."""

    def __init__(self) -> None:
        """Empty."""
        self.incidents: dict[str, Json] = {}
        self._changed = asyncio.Condition()

    async def update(self, incident: Json) -> None:
        """Take in the newest picture of an incident; an older one than known is ignored."""
        known = self.incidents.get(incident["id"])
        if known is None or incident.get("position", 0) >= known.get("position", 0):
            async with self._changed:
                self.incidents[incident["id"]] = incident
                self._changed.notify_all()

    async def wait(self, incident: str, ready: Callable[[Json], bool], timeout_s: float) -> bool:
        """Wait until an incident satisfies a condition; False when it did not in time."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: ready(self.incidents[incident]))
        except TimeoutError:
            return False
        return True


def taken(incident: Json) -> bool:
    """Somebody has it."""
    return incident["acknowledged_at"] is not None or incident["state"] in OVER


def under_way(incident: Json) -> bool:
    """Somebody is assigned, or it is past that."""
    return incident["state"] in OVER or any(a["state"] in LIVE | {"cleared"} for a in incident["assignments"])


def cleared(incident: Json) -> bool:
    """Whoever was sent has reported it cleared, or it is past that."""
    assignments = incident["assignments"]
    live = [a for a in assignments if a["state"] in LIVE]
    return incident["state"] in OVER | {"resolved", "verified"} or (
        not live and any(a["state"] == "cleared" for a in assignments)
    )


def calm(incident: Json) -> bool:
    """No alarm of it is active any more."""
    return incident["state"] in OVER or not any(alarm["active"] for alarm in incident["alarms"])


class ExerciseScene:
    """A drill's place, for simulated players: they play their part, the script decides what burns."""

    def arrive(self, incident: Mapping[str, Any]) -> None:
        """Nothing changes: the script puts the fire out."""

    def safe(self, incident: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """A player reports back when the work is done."""
        return True

    def outcome(self, incident: Mapping[str, Any]) -> str:
        """What the script means."""
        return {"smoke": "fire", "device": "fault", "gateway": "fault"}.get(incident["hazard"], "hazard_true")


class DutyOfficer:
    """Follows the feed; takes, dispatches and closes incidents while no human has done anything for `patience_s`.

    Real incidents, or those of exercises only: a drill is for its participants to play.
    """

    def __init__(
        self, human: Human, scene: Scene, *, patience_s: float = 0.0, acting: bool = True, exercises: bool = False
    ) -> None:
        """With `patience_s` 0 it never waits for a human at the console; not `acting`, it only looks on."""
        self.human = human
        self.scene = scene
        self.patience_s = patience_s
        self.acting = acting
        self.exercises = exercises
        self.board = Board()
        self.on_event: Callable[[FeedEvent], None] | None = None
        self.human_at = time.monotonic()
        self._cases: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        api = self.human.api
        position = int((await api.get("/feed/position"))["position"])
        try:
            async with asyncio.TaskGroup() as group:
                for incident in await api.list("/incidents", state="open"):
                    await self._see(group, incident)
                async for event in api.feed(after=position):
                    if event.name == "timeline":
                        self._notice(event)
                    if self.on_event is not None:
                        self.on_event(event)
                    if event.name == "incident":
                        await self._see(group, event.data["value"])
                    elif event.name == "reset":
                        for incident in await api.list("/incidents", state="open"):
                            await self._see(group, incident)
        finally:
            self._cases.clear()

    async def _see(self, group: asyncio.TaskGroup, incident: Json) -> None:
        await self.board.update(incident)
        key = incident["id"]
        ours = self.acting and bool(incident["exercise"]) is self.exercises and incident["state"] not in OVER
        if ours and key not in self._cases:
            self._cases[key] = group.create_task(self._handle(key), name=f"case {incident['number']}")

    def _now(self, key: str) -> Json:
        return self.board.incidents[key]

    async def _left_to_human(self, key: str, done: Callable[[Json], bool], median_s: float) -> bool:
        """Wait while a human is at work, then a human delay; True when the step is done already."""
        while (idle := time.monotonic() - self.human_at) < self.patience_s:
            if await self.board.wait(key, done, self.patience_s - idle):
                return True
        if not done(self._now(key)):
            await self.human.pause(median_s)
        return done(self._now(key))

    def _notice(self, event: FeedEvent) -> None:
        """A step at the console that this program did not make was a human's."""
        value = event.data.get("value") or {}
        kind, actor = value.get("kind"), value.get("actor") or {}
        ours = (value.get("incident_id", ""), kind) in self.human.acted
        if kind in CONSOLE_STEPS and actor.get("kind") == "person" and not ours:
            self.human_at = time.monotonic()

    async def _act(self, key: str, kind: str, path: str, body: Json | None = None) -> Json | None:
        """One step at the console, remembered as our own."""
        self.human.acted.add((key, kind))
        answer = await self.human.attempt(kind, self.human.api.post(f"/incidents/{key}/{path}", body))
        if answer is not None and "state" in answer:
            await self.board.update(answer)
        return answer

    async def _handle(self, key: str) -> None:
        delays = self.human.delays
        if not await self._left_to_human(key, taken, delays.acknowledge_s):
            await self._act(key, "acknowledged", "acknowledge")
        if self._now(key)["hazard"] not in ("device", "gateway"):
            if not await self._left_to_human(key, under_way, delays.dispatch_s):
                await self._dispatch(key)
            while not await self.board.wait(key, cleared, 45):
                if not under_way(self._now(key)):
                    await self._dispatch(key)  # declined or expired: the next one
        # a panel's alarm clears an hour after it was secured: there the word of the one on the scene must do
        patience = delays.calm_s / 4 if self._now(key)["hazard"] == "curtain_wall" else delays.calm_s
        await self.board.wait(key, calm, patience)
        over = lambda incident: incident["state"] in OVER  # noqa: E731
        if await self._left_to_human(key, over, delays.close_s):
            return
        await self._close(key)

    async def _dispatch(self, key: str) -> None:
        """The first recommended proposal."""
        human, path = self.human, f"/incidents/{key}"
        answer = await human.attempt("ask for proposals", human.api.get(f"{path}/proposals"))
        proposals = (answer or {}).get("items") or []
        busy = {a["responder"]["id"] for a in self._now(key)["assignments"]}
        chosen = next(
            (p for p in proposals if p["recommended"] and p["responder_id"] not in busy),
            next((p for p in proposals if p["responder_id"] not in busy), None),
        )
        if chosen is None:
            log.warning("nobody to send to %s", self._now(key)["number"])
            await human.pause(human.delays.dispatch_s)
            return
        await self._act(key, "dispatched", "dispatch", {"responder_id": chosen["responder_id"]})

    async def _close(self, key: str) -> None:
        """Reset what is latched, verify, close with what it really was."""
        incident = self._now(key)
        for alarm in incident["alarms"]:
            if alarm["latched"] and not alarm["active"]:
                await self._act(key, "alarm_reset", "reset", {"alarm_id": alarm["alarm_id"]})
        note = "演示：模拟值班员结案"
        if not calm(incident):
            note += "（现场已处置，读数正在恢复）"
        await self._act(key, "closed", "close", {"outcome": self.scene.outcome(incident), "note": note})


class Responder:
    """Accepts what is offered, goes there, does the work, reports it cleared. A human's tap on the phone counts too."""

    def __init__(self, human: Human, scene: Scene, *, follower: bool = False, exercises: bool | None = None) -> None:
        """Ready to be called.

        Args:
            human: who.
            scene: the world as it is changed on the spot.
            follower: belongs to a team whose leader answers: takes only what is offered to itself.
            exercises: True takes only what is exercise, False only what is real, None both.
        """
        self.human = human
        self.scene = scene
        self.follower = follower
        self._jobs: set[str] = set()
        self.exercises = exercises

    async def run(self) -> None:
        """Until cancelled."""
        api = self.human.api
        position = int((await api.get("/feed/position"))["position"])
        async with asyncio.TaskGroup() as group:
            await self._look(group)
            async for event in api.feed(after=position):
                if event.name in ("assignment", "reset"):
                    await self._look(group)

    async def _look(self, group: asyncio.TaskGroup) -> None:
        with contextlib.suppress(ApiError):
            for assignment in await self.human.api.list("/assignments/mine"):
                if self._mine(assignment):
                    self._jobs.add(assignment["id"])
                    group.create_task(self._work(assignment), name=f"job {assignment['id']}")

    def _mine(self, assignment: Json) -> bool:
        if assignment["state"] not in LIVE or assignment["id"] in self._jobs:
            return False
        if self.follower and assignment["responder"]["kind"] == "team":
            return False
        return self.exercises is None or bool(assignment["exercise"]) is self.exercises

    async def _work(self, assignment: Json) -> None:
        human, delays, path = self.human, self.human.delays, f"/assignments/{assignment['id']}"
        incident = assignment["incident"]
        await human.pause(delays.accept_s)
        if await human.attempt("accept", human.api.post(f"{path}/accept")) is None:
            return
        await human.pause(delays.leave_s)
        await human.attempt("say on the way", human.api.post(f"{path}/en-route"))
        await human.pause(delays.travel_s)
        if await human.attempt("say arrived", human.api.post(f"{path}/on-scene")) is None:
            return
        if not assignment["exercise"]:
            self.scene.arrive(incident)
        await human.pause(delays.work_s)
        while not assignment["exercise"] and not self.scene.safe(incident):  # noqa: ASYNC110  a person looks again
            await asyncio.sleep(1)
        await human.attempt("report cleared", human.api.post(f"{path}/clear", {"note": "演示：现场已处置"}))


class Player:
    """A simulated participant of a drill."""

    def __init__(self, human: Human, *, officer: bool) -> None:
        """At the console, or on the phone."""
        self.human = human
        scene = ExerciseScene()
        self._part = DutyOfficer(human, scene, exercises=True) if officer else Responder(human, scene, exercises=True)

    async def run(self) -> None:
        """Until cancelled."""
        await self._part.run()
