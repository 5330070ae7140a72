"""MQTT in: a persistent session whose acknowledgements leave after our commit, and belong to their connection.

Reconnecting is for ever, with jittered backoff, after a refusal too: whoever mends the broker need not think of us.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from edge.batch import Arrived
from edge.broker import Credential
from edge.metrics import BROKER_CONNECTED, BROKER_CONNECTS, MESSAGES
from edge.mqtt import Connection, Put, PutMany, RefusedError
from edge.session import answered, session
from edge.supervise import backoff_s
from wire.topics import EXERCISE_FILTER, REAL_FILTER

log = logging.getLogger(__name__)

KEEPALIVE_S = 5  # a broker that hangs is noticed within 2.5 of these: before a 10 s cadence makes its device silent
STEADY_S = 10.0


class Ingest:
    """The agent's MQTT session.

    Args:
        credential: asked at each connection (it may change).
        client_id: names the persistent session at the broker.
        put: takes a message; gives the future of its commit, or None when there is nothing to wait for.
        filters: what to subscribe to.
        stale: filters that the persistent session may still hold and nobody wants any more.
        most_bytes: of a larger payload only so much is kept, for the refusal.
        put_many: instead of `put`, takes all that the socket brought at once (`edge.mqtt.Connection`).
    """

    def __init__(
        self,
        credential: Callable[[], Credential],
        client_id: str,
        put: Put,
        filters: tuple[str, ...] = (REAL_FILTER, EXERCISE_FILTER),
        stale: tuple[str, ...] = (),
        most_bytes: int = 1_048_576,
        put_many: PutMany | None = None,
    ) -> None:
        self._credential = credential
        self._client_id = client_id
        self._put = put
        self._put_many = put_many
        self._filters = filters
        self._stale = stale
        self._most_bytes = most_bytes
        self._connection: Connection | None = None
        self._count = {qos: MESSAGES.labels(qos=str(qos)) for qos in (0, 1, 2)}
        self.connected = asyncio.Event()
        self.last_error = ""
        self.connections = 0

    async def run(self) -> None:
        """Keep the session up for ever."""
        attempt = 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                started = loop.time()
                try:
                    self.last_error = await self._session()
                    BROKER_CONNECTS.labels(outcome="lost").inc()
                except (OSError, TimeoutError) as error:
                    self.last_error = str(error) or "no answer"
                    BROKER_CONNECTS.labels(outcome="refused" if isinstance(error, RefusedError) else "failed").inc()
                attempt = 1 if loop.time() - started > STEADY_S else attempt + 1
                delay = backoff_s(attempt, first_s=0.2, most_s=10.0)
                log.warning("broker: %s; trying again in %.1f s", self.last_error, delay)
                await asyncio.sleep(delay)
        finally:
            self._down()

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> "asyncio.Future[bytes] | None":
        """Send a command: a future that is done when the broker has it; None while there is no connection."""
        if self._connection is None or not self.connected.is_set():
            return None
        return self._connection.publish(topic, payload, qos)

    async def _session(self) -> str:
        """One connection, from CONNECT to its loss; why it ended."""
        credential = self._credential()
        try:
            async with session(
                credential,
                self._put,
                put_many=self._take,
                client_id=self._client_id,
                keepalive_s=KEEPALIVE_S,
                most_bytes=self._most_bytes,
            ) as connection:
                async with answered():
                    if self._stale:
                        await connection.unsubscribe(self._stale)
                    granted = await connection.subscribe(self._filters)
                if refused := [name for name, qos in zip(self._filters, granted, strict=False) if qos > 2]:
                    raise RefusedError(f"the broker refuses a subscription to {' and '.join(refused)}")
                self._connection = connection
                self.connections += 1
                self.last_error = ""
                self.connected.set()
                BROKER_CONNECTED.set(1)
                BROKER_CONNECTS.labels(outcome="connected").inc()
                log.info("connected to the broker at %s", credential.url)
                return await connection.lost
        finally:
            self._down()

    def _take(self, messages: Sequence[Arrived]) -> "Sequence[tuple[asyncio.Future[None] | None, int]]":
        for qos, count in Counter([message.qos for message in messages]).items():
            self._count[qos].inc(count)
        if self._put_many is not None:
            return self._put_many(messages)
        return [(self._put(message), 1) for message in messages]

    def _down(self) -> None:
        self._connection = None
        self.connected.clear()
        BROKER_CONNECTED.set(0)
