"""MQTT in: a persistent session whose acknowledgements leave after our commit, and belong to their connection.

gmqtt's traps, each held by a test:
* it speaks MQTT 5 unless `MQTTv311` goes to `connect`; a 3.1.1 broker refuses that;
* it sends an acknowledgement over whatever connection is the newest, so one that is late for a lost connection
  confirms an unrelated new message, which is then lost. Here every connection has a client of its own and gmqtt never
  reconnects: a late acknowledgement goes to a dead socket;
* a handler that returns None is never acknowledged, and the flow stalls at the in-flight bound: ours returns 0 always;
* after a refused CONNACK it gives up for good: reconnecting is ours, for ever, with jittered backoff.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import gmqtt
from gmqtt.mqtt.constants import MQTTv311
from gmqtt.mqtt.handler import MQTTConnectError

from edge.batch import Arrived
from edge.broker import Credential
from edge.metrics import BROKER_CONNECTED, BROKER_CONNECTS, MESSAGES
from edge.supervise import backoff_s
from wire.time import now_ms
from wire.topics import EXERCISE_FILTER, REAL_FILTER

log = logging.getLogger(__name__)

# A dead socket takes late acknowledgements, by design; gmqtt warns of each.
logging.getLogger("gmqtt.mqtt.protocol").setLevel(logging.ERROR)
logging.getLogger("gmqtt.mqtt.package").setLevel(logging.WARNING)
_QUIET = logging.getLogger("edge.gmqtt")
_QUIET.setLevel(logging.CRITICAL)

KEEPALIVE_S = 5  # a broker that hangs is noticed within 2.5 of these: before a 10 s cadence makes its device silent
CONNECT_S = 10.0
STEADY_S = 10.0
_NEVER_RECONNECT = -2  # gmqtt compares its failures with this; -1 would be for ever

Put = Callable[[Arrived], "asyncio.Future[None] | None"]


class RefusedError(ConnectionError):
    """The broker answered, and said no."""


class Ingest:
    """The agent's MQTT session.

    Args:
        credential: asked at each connection (it may change).
        client_id: names the persistent session at the broker.
        put: takes a message; gives the future of its commit, or None when there is nothing to wait for.
        filters: what to subscribe to.
        stale: filters that the persistent session may still hold and nobody wants any more.
    """

    def __init__(
        self,
        credential: Callable[[], Credential],
        client_id: str,
        put: Put,
        filters: tuple[str, ...] = (REAL_FILTER, EXERCISE_FILTER),
        stale: tuple[str, ...] = (),
    ) -> None:
        self._credential = credential
        self._client_id = client_id
        self._put = put
        self._filters = filters
        self._stale = stale
        self._client: gmqtt.Client | None = None
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
                    await self._session()
                    self.last_error = "the connection was lost"
                    BROKER_CONNECTS.labels(outcome="lost").inc()
                except (OSError, TimeoutError, MQTTConnectError) as error:
                    self.last_error = str(error) or "no answer"
                    BROKER_CONNECTS.labels(outcome="refused" if isinstance(error, RefusedError) else "failed").inc()
                attempt = 1 if loop.time() - started > STEADY_S else attempt + 1
                delay = backoff_s(attempt, first_s=0.2, most_s=10.0)
                log.warning("broker: %s; trying again in %.1f s", self.last_error, delay)
                await asyncio.sleep(delay)
        finally:
            self._down()

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> bool:
        """Send a command; False while there is no connection."""
        if self._client is None or not self.connected.is_set():
            return False
        self._client.publish(topic, payload, qos=qos)
        return True

    async def _session(self) -> None:
        """One connection, from CONNECT to its loss."""
        credential = self._credential()
        url = urlsplit(credential.url)
        lost = asyncio.Event()
        subscribed: asyncio.Future[tuple[int, ...]] = asyncio.get_running_loop().create_future()

        async def on_message(_: Any, topic: str, payload: bytes, qos: int, properties: dict[str, Any]) -> int:
            self._count[qos].inc()
            committed = self._put(
                Arrived(topic, payload, qos, bool(properties["dup"]), bool(properties["retain"]), now_ms())
            )
            if qos and committed is not None:
                # Shielded: the batch is shared, and the end of one connection must not undo another's.
                await asyncio.shield(committed)
            return 0

        def on_disconnect(*_: Any) -> None:
            lost.set()

        def on_subscribe(_: Any, __: int, granted: tuple[int, ...], ___: Any) -> None:
            if not subscribed.done():
                subscribed.set_result(granted)

        client = gmqtt.Client(self._client_id, clean_session=False, optimistic_acknowledgement=False, logger=_QUIET)
        client.set_config({"reconnect_retries": _NEVER_RECONNECT})
        if credential.username:
            client.set_auth_credentials(credential.username, credential.password or None)
        client.on_message = on_message
        client.on_disconnect = on_disconnect
        client.on_subscribe = on_subscribe
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._open(client, url.hostname or "127.0.0.1", url.port, secure=url.scheme == "mqtts")
                for name in self._stale:
                    client.unsubscribe(name)
                client.subscribe([gmqtt.Subscription(name, qos=1) for name in self._filters])
                granted = await subscribed
            if refused := [name for name, qos in zip(self._filters, granted, strict=False) if qos > 2]:
                raise RefusedError(f"the broker refuses a subscription to {' and '.join(refused)}")
            self._client = client
            self.connections += 1
            self.last_error = ""
            self.connected.set()
            BROKER_CONNECTED.set(1)
            BROKER_CONNECTS.labels(outcome="connected").inc()
            log.info("connected to the broker at %s", credential.url)
            await lost.wait()
        finally:
            self._down()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await client.disconnect()

    async def _open(self, client: gmqtt.Client, host: str, port: int | None, *, secure: bool) -> None:
        context = ssl.create_default_context() if secure else False
        try:
            await client.connect(
                host, port or (8883 if secure else 1883), ssl=context, keepalive=KEEPALIVE_S, version=MQTTv311
            )
        except MQTTConnectError as error:
            raise RefusedError(f"the broker refuses us: {error}") from None

    def _down(self) -> None:
        self._client = None
        self.connected.clear()
        BROKER_CONNECTED.set(0)
