"""How simulated devices speak: MQTT over aiomqtt, QoS 1, status retained with a last will, reconnecting as devices do.

A link is one connection: of one device under its own name, or one bridge that many devices share.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiomqtt
import msgspec

from wire.topics import DeviceTopic

log = logging.getLogger(__name__)
_paho_log = logging.getLogger(f"{__name__}.paho")
_paho_log.setLevel(logging.ERROR)  # aiomqtt warns above ten publishes in flight, which is what a fleet is for

WINDOW = 20
"""Publishes in flight on one link."""

BACKOFF_S = (0.2, 10.0)


class Credential(msgspec.Struct, frozen=True):
    """Who speaks, and to which broker; the shape of the secrets files that an embedded broker writes."""

    url: str
    username: str | None = None
    password: str | None = None

    @property
    def host(self) -> str:
        """Host of the broker."""
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """Port of the broker; 1883 when the URL has none."""
        return urlsplit(self.url).port or 1883


@dataclass(slots=True)
class Tally:
    """What a link, or several that share it, did; latencies are seconds from publish to PUBACK, the newest 100,000."""

    acknowledged: int = 0
    dropped: int = 0
    reconnects: int = 0
    latencies_s: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))

    def percentile_ms(self, share: float) -> float | None:
        """Publish-to-PUBACK latency below which a share of the publishes lies; None of none."""
        if not self.latencies_s:
            return None
        ordered = sorted(self.latencies_s)
        return round(1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)], 2)


@dataclass(slots=True)
class _Outgoing:
    topic: str
    payload: bytes
    qos: int
    retain: bool
    on_sent: Callable[[float], None] | None  # wall time of the first attempt
    order: int = 0


class Link:
    """One MQTT connection with a bounded outbox.

    When the outbox is full the oldest message goes (a device has little memory) and `tally.dropped` counts it;
    `put_waiting` waits for room instead. What was not acknowledged when a connection breaks is sent again on the next.
    """

    def __init__(
        self,
        credential: Credential,
        client_id: str,
        *,
        status: DeviceTopic | None = None,
        capacity: int = 1000,
        window: int = WINDOW,
        tally: Tally | None = None,
    ) -> None:
        """A link that `running()` opens; `status` is the device's status topic, its last will says offline."""
        self.credential = credential
        self.client_id = client_id
        self.status = status
        self.capacity = capacity
        self.window = window
        self.tally = tally or Tally()
        self.connected = asyncio.Event()
        self._outbox: deque[_Outgoing] = deque()
        self._flying: set[int] = set()
        self._order = 0
        self._was_connected = False
        self._room = asyncio.Event()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._room.set()
        self._idle.set()

    def put(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        on_sent: Callable[[float], None] | None = None,
    ) -> None:
        """Queue one message; the oldest is dropped when the outbox is full."""
        if len(self._outbox) >= self.capacity:
            self._outbox.popleft()
            self.tally.dropped += 1
        self._order += 1
        self._outbox.append(_Outgoing(topic, payload, qos, retain, on_sent, self._order))
        if len(self._outbox) >= self.capacity:
            self._room.clear()
        self._idle.clear()
        self._work.set()

    async def put_waiting(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Queue one message once there is room."""
        await self._room.wait()
        self.put(topic, payload, qos=qos)

    async def drained(self) -> None:
        """Wait until everything queued has been acknowledged."""
        await self._idle.wait()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Link]:
        """Connected (and reconnecting) inside the block; what is queued is given two seconds at the end."""
        task = asyncio.create_task(self.run(), name=f"link {self.client_id}")
        try:
            yield self
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), 2)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def run(self) -> None:
        """Connect, send, reconnect with jittered backoff, until cancelled."""
        delay = BACKOFF_S[0]
        while True:
            try:
                async with self._client() as client:
                    self.tally.reconnects += self._was_connected
                    self._was_connected = True
                    self.connected.set()
                    delay = BACKOFF_S[0]
                    await self._converse(client)
            except aiomqtt.MqttError as error:
                log.info("link %s lost: %s", self.client_id, error)
            finally:
                self.connected.clear()
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(delay * 2, BACKOFF_S[1])

    def _client(self) -> aiomqtt.Client:
        will = None
        if self.status is not None:
            will = aiomqtt.Will(str(self.status), b'{"status": "offline"}', qos=1, retain=True)
        return aiomqtt.Client(
            self.credential.host,
            self.credential.port,
            username=self.credential.username,
            password=self.credential.password,
            identifier=self.client_id,
            will=will,
            logger=_paho_log,
            max_inflight_messages=self.window,
            timeout=15,
        )

    async def _converse(self, client: aiomqtt.Client) -> None:
        if self.status is not None:
            await client.publish(str(self.status), b'{"status": "online"}', qos=1, retain=True)
        workers = [asyncio.create_task(self._send(client)) for _ in range(self.window)]
        watcher = asyncio.create_task(_watch(client))
        try:
            done, _ = await asyncio.wait([*workers, watcher], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in [*workers, watcher]:
                task.cancel()
            await asyncio.gather(*workers, watcher, return_exceptions=True)
            self._outbox = deque(sorted(self._outbox, key=lambda item: item.order))  # what came back, in its place
            if self.status is not None:
                with contextlib.suppress(aiomqtt.MqttError):
                    await client.publish(str(self.status), b'{"status": "offline"}', qos=1, retain=True, timeout=1)

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            while not self._outbox:
                if not self._flying:
                    self._idle.set()
                self._work.clear()
                await self._work.wait()
            item = self._outbox.popleft()
            self._room.set()
            self._flying.add(id(item))
            started = time.perf_counter()
            if item.on_sent is not None:
                item.on_sent(time.time())
                item.on_sent = None
            try:
                await client.publish(item.topic, item.payload, qos=item.qos, retain=item.retain)
            except BaseException:
                self._outbox.appendleft(item)
                self._work.set()
                raise
            finally:
                self._flying.discard(id(item))
            self.tally.acknowledged += 1
            self.tally.latencies_s.append(time.perf_counter() - started)


async def _watch(client: aiomqtt.Client) -> None:
    """Ends with MqttError when the connection does, even while nothing is being sent."""
    async for _ in client.messages:
        pass
