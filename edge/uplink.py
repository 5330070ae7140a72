"""Up: events to the cloud in idempotent batches, alarms first and at once, let go of only when it says so."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

import httpx
import msgspec

from edge.journal import Journal
from edge.lane import Lane, Waiting
from edge.metrics import CLOUD_REACHABLE, UPLINK_BATCHES, UPLINK_EVENTS
from edge.settings import CloudSection
from edge.supervise import backoff_s
from wire.alert import Alert
from wire.event import CONTENT_TYPE, CloudEvent, Type, Verdict, Verdicts
from wire.time import format_instant, now_ms

log = logging.getLogger(__name__)

REPLAY_AFTER_MS = 60_000
MOST_EVENTS = 200
MOST_BYTES = 1_000_000
ALARM_EVENTS = 50
PACE_S = 0.25  # between batches of state and telemetry: readings wait at most this and one round trip
REFUSED_PAUSE_S = 15.0
_VERDICTS = msgspec.json.Decoder(Verdicts)


class Cloud(StrEnum):
    """How the cloud is, seen from here."""

    UNKNOWN = "unknown"  # not tried yet
    REACHABLE = "reachable"
    AWAY = "away"  # no answer, or a server's error: try again
    REFUSING = "refusing"  # it answers, and refuses us or what we say: a person must look


class AwayError(Exception):
    """No usable answer; `slow`: not within the time that it was given, which may be for the size of what it got."""

    def __init__(self, why: str, pause_s: float | None = None, *, slow: bool = False) -> None:
        self.pause_s = pause_s
        self.slow = slow
        super().__init__(why)


class RefusedError(Exception):
    """401, 403, 422 …: trying again alone does not help."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


def client(settings: CloudSection) -> httpx.AsyncClient:
    """The one HTTP client of an agent; the token is read from its file at start."""
    token = Path(settings.token_file).read_text(encoding="utf-8").strip()
    return httpx.AsyncClient(
        base_url=settings.url.rstrip("/") + "/api/v1/edge",
        headers={"Authorization": f"Bearer {token}"},
        timeout=httpx.Timeout(settings.timeout_s),
        limits=httpx.Limits(max_connections=8, max_keepalive_connections=4),
    )


class Uplink:
    """Two drains over one client: alarms, woken at once; state and telemetry, paced.

    Args:
        settings: the `[cloud]` section.
        edge: id of this edge, the source of every event.
        journal: where events wait.
        http: see `client`.
        on_date: told the cloud's Date header, for judging our own clock.
        age_ms: how long ago something was stamped, whatever happened to our clock since.
    """

    def __init__(
        self,
        settings: CloudSection,
        edge: str,
        journal: Journal,
        http: httpx.AsyncClient,
        on_date: Callable[[str], None] = lambda _: None,
        age_ms: Callable[[int], int] = lambda born_ms: now_ms() - born_ms,
    ) -> None:
        self._settings = settings
        self._source = f"/edges/{edge}"
        self._journal = journal
        self._http = http
        self._on_date = on_date
        self._age_ms = age_ms
        self._alarms = asyncio.Event()
        self._others = asyncio.Event()
        self.cloud = Cloud.UNKNOWN
        self.last_error = ""
        self.sent = 0

    def wake(self, *, alarms: bool, others: bool) -> None:
        """There is something new; alarms do not wait for the end of a pause that an earlier failure began."""
        if alarms:
            self._alarms.set()
        if others:
            self._others.set()

    async def run_alarms(self) -> None:
        """Drain the alarm lane for ever."""
        self._alarms.set()
        await self._drain((Lane.ALARM,), self._alarms, ALARM_EVENTS, 0.0)

    async def run_others(self) -> None:
        """Drain state and telemetry for ever."""
        self._others.set()
        await self._drain((Lane.STATE, Lane.TELEMETRY), self._others, MOST_EVENTS, PACE_S)

    async def _drain(self, lanes: tuple[Lane, ...], wake: asyncio.Event, most: int, pace_s: float) -> None:
        attempt = 0
        size = most
        while True:
            await wake.wait()
            wake.clear()
            while batch := await self._next(lanes, size):
                try:
                    await self._send(batch)
                except AwayError as error:
                    attempt += 1
                    pause = error.pause_s or backoff_s(
                        attempt, first_s=self._settings.retry_first_s, most_s=self._settings.retry_most_s
                    )
                    self._is(Cloud.AWAY, str(error))
                    if error.slow:
                        size = max(1, len(batch) // 2)  # a cloud that is slow gets on with less at a time
                    await self._pause(pause, wake, cut=pace_s == 0 and error.pause_s is None)
                    continue
                except RefusedError as error:
                    if error.status in {400, 413, 422} and len(batch) > 1:
                        size = max(1, len(batch) // 2)  # down to the one that the cloud can't take
                        continue
                    self._is(Cloud.REFUSING, str(error))
                    if error.status in {400, 413, 422}:
                        await self._journal.settle((), [(batch[0].id, str(error))])
                        log.error("the cloud can't take event %s: %s; set aside", batch[0].id, error)  # noqa: TRY400
                    else:
                        attempt += 1
                        pause = backoff_s(attempt, first_s=self._settings.retry_first_s * 2, most_s=REFUSED_PAUSE_S)
                        await self._pause(pause, wake, cut=False)
                    continue
                attempt = 0
                size = min(most, size * 2)
                self._is(Cloud.REACHABLE)
                if pace_s:
                    await asyncio.sleep(pace_s)

    async def _next(self, lanes: tuple[Lane, ...], most: int) -> Sequence[Waiting]:
        """What to send now: the oldest; but alarms that are still fresh go before those that are history by now.

        Behind a long backlog a fresh alarm would become history itself, and send nobody.
        """
        batch = await self._journal.waiting(lanes, most, MOST_BYTES)
        if batch and lanes == (Lane.ALARM,) and self._is_history(batch[0]):
            fresh = [event for event in await self._journal.alarm_log(most) if not self._is_history(event)]
            if fresh:
                return fresh[::-1]
        return batch

    def _is_history(self, event: Waiting) -> bool:
        return self._age_ms(event.born_ms) > REPLAY_AFTER_MS

    async def _pause(self, pause_s: float, wake: asyncio.Event, *, cut: bool) -> None:
        """Wait; a fresh alarm cuts the wait short after the first pause of a series, so that it is tried at once."""
        if not cut:
            await asyncio.sleep(pause_s)
            return
        least = min(pause_s, self._settings.retry_first_s)
        await asyncio.sleep(least)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s - least):
                await wake.wait()

    async def _send(self, batch: Sequence[Waiting]) -> None:
        verdicts = await self._post(b"[" + b",".join(self._envelope(event) for event in batch) + b"]")
        known = {event.id: event for event in batch}
        done, refused = [], []
        for verdict in verdicts:
            if verdict.id not in known:
                continue
            UPLINK_EVENTS.labels(status=verdict.status).inc()
            if verdict.status == "rejected":
                reason = verdict.reason or "no reason given"
                refused.append((verdict.id, reason))
                log.error("the cloud rejected %s: %s", verdict.id, reason)
            else:
                done.append(verdict.id)
        if not done and not refused:
            raise AwayError("the cloud answered without a verdict on any item")
        await self._journal.settle(done, refused)
        self.sent += len(done)

    async def _post(self, body: bytes) -> list[Verdict]:
        try:
            response = await self._http.post("/events", content=body, headers={"Content-Type": CONTENT_TYPE})
        except httpx.HTTPError as error:
            slow = isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout)
            raise AwayError(f"{type(error).__name__}: {error}", slow=slow) from None
        finally:
            UPLINK_BATCHES.labels(outcome="tried").inc()
        check(response)
        if date := response.headers.get("Date"):  # of whoever knows our token, not of a captive portal
            self._on_date(date)
        try:
            return _VERDICTS.decode(response.content).verdicts
        except msgspec.MsgspecError as error:
            raise AwayError(f"the cloud's answer is not a list of verdicts: {error}") from None

    def _envelope(self, event: Waiting) -> bytes:
        """An event that is old at its first try after an outage says so, and its alert too."""
        replayed = self._is_history(event)
        data = event.data
        if replayed and event.type == Type.ALARM_CHANGED:
            alert = msgspec.json.decode(data, type=Alert)
            data = msgspec.json.encode(msgspec.structs.replace(alert, replayed=True))
        return msgspec.json.encode(
            CloudEvent(
                id=event.id,
                source=self._source,
                type=event.type,
                time=format_instant(event.born_ms),
                data=msgspec.Raw(data),
                exercise=event.exercise,
                replayed=replayed,
            )
        )

    def _is(self, state: Cloud, error: str = "") -> None:
        if state is not self.cloud:
            log.log(logging.INFO if state is Cloud.REACHABLE else logging.WARNING, "cloud %s %s", state.value, error)
        self.cloud = state
        self.last_error = error
        CLOUD_REACHABLE.set({Cloud.REACHABLE: 1, Cloud.REFUSING: -1}.get(state, 0))


def check(response: httpx.Response) -> None:
    """Tell a refusal from an absence.

    Raises:
        RefusedError: for 4xx that trying again does not help.
        AwayError: for everything else that is not 2xx.
    """
    status = response.status_code
    if response.is_success:
        return
    why = f"{status} {_detail(response)}"
    if status in {408, 425, 429} or status >= 500 or status < 400:
        after = response.headers.get("Retry-After", "")
        raise AwayError(why, min(float(after), 300.0) if after.isdecimal() else None)
    raise RefusedError(status, why)


class _Problem(msgspec.Struct):
    title: str = ""
    detail: str | None = None


def _detail(response: httpx.Response) -> str:
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except msgspec.MsgspecError:
        return response.reason_phrase
    return problem.detail or problem.title or response.reason_phrase
