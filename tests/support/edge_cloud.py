"""A cloud to test an edge against: a real HTTP server of the contract, which can be away, refuse, or be slow."""

import asyncio
import socket
import threading
from collections import Counter
from dataclasses import dataclass, field

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response
from sse_starlette.sse import EventSourceResponse

from wire.action import ActionReport
from wire.alert import Alert
from wire.configuration import DecisionReport, EdgeChange, EdgeDocument
from wire.event import CloudEvent, Type, Verdict, Verdicts
from wire.reading import TelemetryBlock
from wire.report import DeviceReport, EdgeReport, FoundDevice, Rejection

TOKEN = "edge-token-of-the-test"
_STRUCTS = {
    Type.ALARM_CHANGED: Alert,
    Type.TELEMETRY_RECORDED: TelemetryBlock,
    Type.DEVICE_REPORTED: DeviceReport,
    Type.DEVICE_FOUND: FoundDevice,
    Type.READING_REJECTED: Rejection,
    Type.EDGE_REPORTED: EdgeReport,
    Type.DECISION_REPORTED: DecisionReport,
    Type.ACTION_REPORTED: ActionReport,
}


@dataclass
class Received:
    event: CloudEvent
    data: object


@dataclass
class StandInCloud:
    """Start with `start()`; `mode` may be set at any time: ok, away (503), refuse (401), poison (422), slow."""

    edge: str = "gw-1"
    mode: str = "ok"
    delay_s: float = 0.0
    delay_each_s: float = 0.0  # for each event of a batch
    poison: str = ""  # an event type that is refused with 422, whatever else is in the batch
    reject: str = ""  # an event type that gets the verdict 'rejected'
    document: EdgeDocument | None = None
    forget_before: int = 0  # a watch from an older revision gets 410
    received: dict[str, Received] = field(default_factory=dict)
    repeats: Counter = field(default_factory=Counter)
    batches: list[list[str]] = field(default_factory=list)
    watches: list[int] = field(default_factory=list)
    lists: int = 0
    requests: int = 0

    def __post_init__(self) -> None:
        self.document = self.document or EdgeDocument(edge=self.edge, revision=1)
        self._log: list[EdgeChange] = []
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> "StandInCloud":
        config = uvicorn.Config(
            self._app(),
            host="127.0.0.1",
            port=self.port,
            log_level="error",
            timeout_graceful_shutdown=1,
            lifespan="off",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        for _ in range(500):
            if self._server.started:
                return self
            threading.Event().wait(0.01)
        raise RuntimeError("the stand-in cloud does not start")

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(10)

    def change(self, kind: str, key: str, value: object | None) -> int:
        """Append a change to the log; watchers see it."""
        revision = max([self.document.revision, *(change.revision for change in self._log)]) + 1
        raw = None if value is None else msgspec.Raw(msgspec.json.encode(value))
        self._log.append(EdgeChange(revision=revision, kind=kind, key=key, value=raw))
        return revision

    def of(self, kind: Type) -> list:
        return [each.data for each in list(self.received.values()) if each.event.type == kind]

    @property
    def alerts(self) -> list[Alert]:
        return self.of(Type.ALARM_CHANGED)

    def episodes(self) -> dict[tuple, list]:
        """By (alarm, opening): verbs and levels in order of revision. The oracle."""
        found: dict[tuple, list] = {}
        for alert in sorted(self.alerts, key=lambda alert: alert.revision):
            found.setdefault((alert.alarm_id, alert.episode), []).append(
                (alert.revision, alert.verb.value, alert.facts.level and alert.facts.level.value)
            )
        return found

    def readings(self) -> Counter:
        """How often each (exercise, device, point, ts) came."""
        found: Counter = Counter()
        for block in self.of(Type.TELEMETRY_RECORDED):
            for series, ts in zip(block.series, block.ts, strict=True):
                entry = block.table[series]
                found[entry.exercise, entry.device, entry.point, ts] += 1
        return found

    def late(self) -> dict[str, int]:
        """By device, by how much a reading came after a newer one, ms: blocks come in the order of judgement."""
        newest: dict[tuple, int] = {}
        found: dict[str, int] = {}
        for block in self.of(Type.TELEMETRY_RECORDED):
            for number, ts in zip(block.series, block.ts, strict=True):
                series = block.table[number]
                key = series.exercise, series.device, series.point
                if ts < newest.get(key, ts):
                    found[series.device] = max(found.get(series.device, 0), newest[key] - ts)
                newest[key] = max(ts, newest.get(key, ts))
        return found

    def rejections(self) -> Counter:
        found: Counter = Counter()
        for rejection in self.of(Type.READING_REJECTED):
            found[rejection.reason.value] += rejection.count
        return found

    def _app(self) -> FastAPI:  # noqa: C901  three routes and a gate
        app = FastAPI()

        def gate(request: Request) -> Response | None:
            self.requests += 1
            if self.mode == "away":
                return Response(status_code=503)
            if self.mode == "refuse" or request.headers.get("authorization") != f"Bearer {TOKEN}":
                return Response(
                    b'{"title":"Unauthorized","detail":"this token is not known"}',
                    status_code=401,
                    media_type="application/problem+json",
                )
            return None

        @app.post("/api/v1/edge/events")
        async def events(request: Request) -> Response:
            if answer := gate(request):
                return answer
            body = await request.body()
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            batch = msgspec.json.decode(body, type=list[CloudEvent])
            if self.delay_each_s:
                await asyncio.sleep(self.delay_each_s * len(batch))
            if self.poison and any(event.type == self.poison for event in batch):
                return Response(b'{"title":"Unprocessable","detail":"no such thing"}', status_code=422)
            verdicts = []
            for event in batch:
                if event.type == self.reject:
                    verdicts.append(Verdict(event.id, "rejected", "not wanted"))
                    continue
                data = msgspec.json.decode(event.data, type=_STRUCTS[event.type])
                if event.id in self.received:
                    self.repeats[event.id] += 1
                    verdicts.append(Verdict(event.id, "duplicate"))
                else:
                    self.received[event.id] = Received(event, data)
                    verdicts.append(Verdict(event.id, "committed"))
            self.batches.append([event.type for event in batch])
            return Response(msgspec.json.encode(Verdicts(verdicts)), media_type="application/json")

        @app.get("/api/v1/edge/configuration")
        async def configuration(request: Request) -> Response:
            if answer := gate(request):
                return answer
            self.lists += 1
            return Response(msgspec.json.encode(self.document), media_type="application/json")

        @app.get("/api/v1/edge/changes")
        async def changes(request: Request, after: int) -> Response:
            if answer := gate(request):
                return answer
            self.watches.append(after)
            if after < self.forget_before:
                return Response(status_code=410)

            async def stream():
                position = after
                while self.mode == "ok":
                    for change in self._log:
                        if change.revision > position:
                            position = change.revision
                            yield {"id": str(position), "event": "change", "data": msgspec.json.encode(change).decode()}
                    await asyncio.sleep(0.02)

            return EventSourceResponse(stream(), ping=1)

        return app
