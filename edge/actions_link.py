"""The MQTT session by which actions go out and states come back: beside the readings, so that no backlog holds it up.

A session that ends with its connection: a state from before is worth nothing, commands are told again by `Actions`.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from edge.actions import Actions
from edge.batch import Arrived, Batcher
from edge.broker import Credential
from edge.lane import Transaction
from edge.mqtt import Connection
from edge.session import answered, session
from edge.supervise import backoff_s
from rules.action_declaration import Message
from wire.time import now_ms

log = logging.getLogger(__name__)

STEP_S = 1.0
KEEPALIVE_S = 5.0
STEADY_S = 10.0
MOST_BYTES = 65_536
MOST_HEARD = 10_000
"""State messages held for the next step; more than that in one turn are dropped, the newest state comes again."""


class ActionsLink:
    """Steps the actions each second and whenever something changes, and publishes what they command.

    Args:
        actions: judges; only ever called between batches.
        batcher: gives the turn, and commits before anything is published.
        credential: asked at each connection.
        client_id: of this session.
    """

    def __init__(
        self, actions: Actions, batcher: Batcher, credential: Callable[[], Credential], client_id: str
    ) -> None:
        self._actions = actions
        self._batcher = batcher
        self._credential = credential
        self._client_id = client_id
        self._connection: Connection | None = None
        self._subscribed: tuple[str, ...] = ()
        self._heard: list[tuple[str, bytes]] = []
        self._received: list[str] = []
        self._refused: tuple[str, ...] = ()
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self.last_error = ""

    def wake(self) -> None:
        """Something changed: an alarm, a person's word."""
        self._wake.set()

    def changed(self) -> None:
        """There are other actions now."""
        self._changed.set()
        self._wake.set()

    @property
    def refused(self) -> tuple[str, ...]:
        """State topics that the broker does not let us hear."""
        return self._refused

    @property
    def connected(self) -> bool:
        """Whether commands can go out."""
        return self._connection is not None

    async def run(self) -> None:
        """Step for ever."""
        while True:
            self._wake.clear()
            await self._batcher.between(self._step)
            for name, message in self._actions.take():
                self._publish(name, message)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STEP_S if len(self._actions) else None):
                    await self._wake.wait()

    async def run_session(self) -> None:
        """Keep a connection up while there are actions, for ever."""
        attempt = 0
        loop = asyncio.get_running_loop()
        while True:
            while not len(self._actions):
                self._changed.clear()
                await self._changed.wait()
            started = loop.time()
            try:
                self.last_error = await self._session()
            except (OSError, TimeoutError) as error:
                self.last_error = str(error) or "no answer"
            attempt = 1 if loop.time() - started > STEADY_S else attempt + 1
            log.warning("actions: no broker: %s", self.last_error)
            await asyncio.sleep(backoff_s(attempt, first_s=0.2, most_s=5.0))

    async def _session(self) -> str:
        try:
            async with session(
                self._credential(),
                self._take,
                client_id=self._client_id,
                keepalive_s=KEEPALIVE_S,
                most_bytes=MOST_BYTES,
                clean=True,
            ) as connection:
                return await self._serve(connection)
        finally:
            self._connection = None

    async def _serve(self, connection: Connection) -> str:
        """Until the connection is lost or there is no action left; why it ended."""
        self._subscribed = self._refused = ()
        while not connection.lost.done() and len(self._actions):
            self._changed.clear()
            await self._subscribe(connection)
            if not self.connected:
                self._connection = connection
                self.last_error = ""
                self.wake()
            changed = asyncio.create_task(self._changed.wait())
            # A refusal may be mended by the broker's own reload a moment later.
            timeout = STEP_S if self.refused else None
            some: set[asyncio.Future[Any]] = {connection.lost, changed}
            await asyncio.wait(some, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
        return connection.lost.result() if connection.lost.done() else "there are no actions"

    async def _subscribe(self, connection: Connection) -> None:
        """What the actions want to hear now."""
        topics = self._actions.topics()
        if topics == self._subscribed:
            return
        async with answered():
            if gone := tuple(topic for topic in self._subscribed if topic not in topics):
                await connection.unsubscribe(gone)
            fresh = tuple(topic for topic in topics if topic not in self._subscribed)
            granted = await connection.subscribe(fresh) if fresh else ()
        refused = tuple(topic for topic, qos in zip(fresh, granted, strict=False) if qos > 2)
        if refused and refused != self._refused:
            log.error("actions: the broker refuses the state topics %s", ", ".join(refused))
        self._refused = refused
        self._subscribed = tuple(topic for topic in topics if topic not in refused)

    def _take(self, message: Arrived) -> None:
        if len(self._heard) < MOST_HEARD:
            self._heard.append((message.topic, message.payload))
        self._wake.set()

    def _step(self, into: Transaction) -> None:
        mono, at = time.monotonic(), now_ms()
        heard, self._heard = self._heard, []
        received, self._received = self._received, []
        for topic, payload in heard:
            self._actions.heard(topic, payload, mono, at, into)
        for name in received:
            self._actions.received(name, at, into)
        self._actions.step(mono, at, into, connected=self.connected)

    def _publish(self, name: str, message: Message) -> None:
        if self._connection is None:
            log.warning("action %s: %s can't be sent, there is no broker", name, message.topic)
            return
        try:
            taken = self._connection.publish(message.topic, message.payload, 1)
        except ConnectionError as error:
            log.warning("action %s: %s can't be sent: %s", name, message.topic, error)
            return
        log.info("action %s: %s %r", name, message.topic, message.payload[:200])
        if taken is not None:
            taken.add_done_callback(lambda done: self._acknowledged(name, done))

    def _acknowledged(self, name: str, done: "asyncio.Future[bytes]") -> None:
        if not done.cancelled() and done.exception() is None:
            self._received.append(name)
            self._wake.set()
