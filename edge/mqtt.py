"""One MQTT 3.1.1 connection: messages as the socket brings them, acknowledgements when their commit says so.

Why it is written here: a general client spends more on a message than decoding and judging it together take
(`docs/performance.md`), and acknowledges on whatever connection is the newest: an acknowledgement that is late for a
lost connection would confirm an unrelated new message, which is then lost. `gmqtt` stays in `benchmarks` as the floor.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import cast

from edge.batch import Arrived
from edge.mqtt_packets import (
    CONNACK,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    SUBACK,
    UNSUBACK,
    Control,
    MqttError,
    Parser,
    Publish,
    connect,
    pubacks,
    publish,
    subscribe,
    unsubscribe,
)
from wire.time import now_ms

Put = Callable[[Arrived], "asyncio.Future[None] | None"]
PutMany = Callable[[Sequence[Arrived]], "Sequence[tuple[asyncio.Future[None] | None, int]]"]

_REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not take our client id",
    3: "it is not available",
    4: "user name or password is wrong",
    5: "we are not authorised",
}
_LAST_ID = 65_535


class RefusedError(ConnectionError):
    """The broker answered, and said no."""


class Connection(asyncio.Protocol):
    """A connection from CONNECT to its loss. Use `open`.

    Args:
        put: takes a message; gives the future of its commit, or None when there is nothing to wait for.
        keepalive_s: how often the broker hears from us; one that says nothing for two and a half of these is lost.
        most_bytes: payloads are kept up to this.
        put_many: instead of `put`, takes all that the socket brought at once; gives the futures in their order, each
            with the number of messages that wait for it.
    """

    def __init__(self, put: Put, keepalive_s: float, most_bytes: int, put_many: PutMany | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = loop.create_future()
        """Why the connection ended, when it has."""
        self.session_present = False
        self._loop = loop
        self._put_many = put_many or (lambda messages: [(put(message), 1) for message in messages])
        self._keepalive_s = keepalive_s
        self._parser = Parser(most_bytes)
        self._transport: asyncio.Transport | None = None
        self._connack: asyncio.Future[int] = loop.create_future()
        self._replies: dict[int, asyncio.Future[bytes]] = {}
        self._packet_id = 0
        self._heard = loop.time()
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        put: Put,
        *,
        client_id: str,
        username: str = "",
        password: str = "",
        keepalive_s: float = 5,
        most_bytes: int = 1_048_576,
        tls: ssl.SSLContext | None = None,
        clean: bool = False,
        put_many: PutMany | None = None,
    ) -> "Connection":
        """Connect to a persistent session, or (`clean`) to one that ends with the connection.

        Raises:
            RefusedError: the broker said no.
            OSError: there is nobody, or it hung up.
        """
        loop = asyncio.get_running_loop()
        _, self = await loop.create_connection(lambda: cls(put, keepalive_s, most_bytes, put_many), host, port, ssl=tls)
        try:
            self._write(
                connect(
                    client_id,
                    keepalive_s=max(round(keepalive_s), 1),
                    username=username,
                    password=password,
                    clean=clean,
                )
            )
            code = await self._connack
        except BaseException:
            self.abort()
            raise
        if code:
            self.abort()
            raise RefusedError(f"the broker refuses us: {_REFUSALS.get(code, f'code {code}')}")
        self._timer = loop.call_later(keepalive_s, self._beat)
        return self

    async def subscribe(self, filters: Sequence[str], qos: int = 1) -> tuple[int, ...]:
        """The QoS granted for each filter; 0x80 = refused."""
        packet_id, reply = self._ask()
        self._write(subscribe(packet_id, filters, qos))
        return tuple(await reply)

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """Give filters up."""
        packet_id, reply = self._ask()
        self._write(unsubscribe(packet_id, filters))
        await reply

    def publish(self, topic: str, payload: bytes, qos: int = 1) -> "asyncio.Future[bytes] | None":
        """Send a message; the future (QoS 1) is done when the broker has it."""
        if not qos:
            self._write(publish(topic, payload))
            return None
        packet_id, reply = self._ask()
        self._write(publish(topic, payload, packet_id=packet_id, qos=1))
        return reply

    def close(self) -> None:
        """Say goodbye; nothing is acknowledged from here on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(DISCONNECT)
            self._transport.close()
        self._end("closed by us")

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self._transport is not None:
            self._transport.abort()
        self._end("dropped by us")

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one without being a subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """Of asyncio."""
        self._end(f"the connection was lost{f': {exc}' if exc else ''}")

    def data_received(self, data: bytes) -> None:
        """Of asyncio: hand the messages on; those of one commit share one acknowledgement callback."""
        self._heard = self._loop.time()
        arrival_ms = now_ms()
        try:
            packets = self._parser.feed(data)
            published = [packet for packet in packets if packet.__class__ is Publish]
            if len(published) < len(packets):
                for packet in packets:
                    if packet.__class__ is not Publish:
                        self._control(cast("Control", packet))
            if published:
                at, new = (arrival_ms,), tuple.__new__  # as `Arrived(*packet[:5], arrival_ms)`, at a third of its cost
                messages: list[Arrived] = [new(Arrived, packet[:5] + at) for packet in published]
                self._hand_on(messages, [packet[5] for packet in published])
        except MqttError as error:
            self._end(f"what the broker sent is not MQTT 3.1.1: {error}")
            if self._transport is not None:
                self._transport.abort()

    # ours

    def _hand_on(self, messages: Sequence[Arrived], ids: list[int]) -> None:
        at = 0
        waiting: asyncio.Future[None] | None = None
        mine: list[int] = []
        for committed, count in self._put_many(messages):
            if committed is not waiting:
                self._acknowledge(mine, waiting)
                waiting, mine = committed, []
            mine += [packet_id for packet_id in ids[at : at + count] if packet_id]  # QoS 0 has none
            at += count
        self._acknowledge(mine, waiting)

    def _acknowledge(self, ids: list[int], committed: "asyncio.Future[None] | None") -> None:
        if not ids:
            return
        if committed is None or committed.done():
            self._write(pubacks(ids))
        else:
            committed.add_done_callback(lambda done: None if done.cancelled() else self._write(pubacks(ids)))

    def _control(self, packet: Control) -> None:
        kind, body = packet
        if kind == CONNACK:
            if len(body) != 2:
                raise MqttError("a CONNACK that is not two bytes")
            self.session_present = bool(body[0] & 1)
            if not self._connack.done():
                self._connack.set_result(body[1])
        elif kind in {SUBACK, UNSUBACK, PUBACK}:
            if len(body) < 2:
                raise MqttError(f"a packet of kind {kind} without an id")
            reply = self._replies.pop(body[0] << 8 | body[1], None)
            if reply is not None and not reply.done():
                reply.set_result(body[2:])

    def _ask(self) -> tuple[int, "asyncio.Future[bytes]"]:
        if self.lost.done():
            raise ConnectionError(self.lost.result())
        if len(self._replies) >= _LAST_ID:
            raise ConnectionError("the broker has not answered 65535 times")
        while True:
            self._packet_id = self._packet_id % _LAST_ID + 1
            if self._packet_id not in self._replies:
                break
        reply = self._replies[self._packet_id] = self._loop.create_future()
        return self._packet_id, reply

    def _write(self, data: bytes) -> None:
        """To this connection or to nowhere: what is late for a lost one must not reach the next."""
        if self._transport is not None and not self.lost.done() and not self._transport.is_closing():
            self._transport.write(data)

    def _beat(self) -> None:
        if self._loop.time() - self._heard > 2.5 * self._keepalive_s:
            self._end("the broker says nothing any more")
            if self._transport is not None:
                self._transport.abort()
            return
        self._write(PINGREQ)
        self._timer = self._loop.call_later(self._keepalive_s, self._beat)

    def _end(self, why: str) -> None:
        if self.lost.done():
            return
        self.lost.set_result(why)
        if self._timer is not None:
            self._timer.cancel()
        if not self._connack.done():
            self._connack.set_exception(ConnectionError(why))
            self._connack.exception()  # nobody may be waiting
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(ConnectionError(why))
                reply.exception()
        self._replies.clear()
