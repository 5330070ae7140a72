"""A peer that speaks just enough MQTT 3.1.1 to do what no real broker does on demand: refuse, hang, drop, reuse ids."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Connection:
    """One TCP connection of the client under test, and what it said."""

    writer: asyncio.StreamWriter
    protocol_level: int = -1
    clean_session: bool = True
    client_id: str = ""
    acknowledged: list[int] = field(default_factory=list)
    commands: list[tuple[str, bytes]] = field(default_factory=list)
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, packet_id: int, topic: str, payload: bytes, *, dup: bool = False, qos: int = 1) -> None:
        """Deliver a message to the client."""
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + (packet_id.to_bytes(2, "big") if qos else b"") + payload
        self.writer.write(bytes([0x30 | qos << 1 | dup << 3]) + _length(len(body)) + body)

    def drop(self) -> None:
        """Cut the connection without a word."""
        self.writer.transport.abort()


def _length(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


class ScriptedBroker:
    """`codes` are the CONNACK codes of the next connections: 0 when they are used up; None = no answer at all."""

    def __init__(self) -> None:
        self.codes: list[int | None] = []
        self.grant = 1
        self.answers_pings = True
        self.connections: list[Connection] = []
        self.attempts = 0
        self.url = ""
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self.connections:
            connection.writer.close()

    async def connection(self, number: int) -> Connection:
        """The n-th subscribed connection (from 0), as soon as there is one."""
        async with asyncio.timeout(20):
            while len(self.connections) <= number:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await self.connections[number].subscribed.wait()
        return self.connections[number]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.attempts += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            _, body = await self._packet(reader)
            code = self.codes.pop(0) if self.codes else 0
            if code is None:
                await reader.read()
                writer.close()
                return
            writer.write(bytes([0x20, 2, 0, code]))
            if code:
                writer.close()
                return
            connection = Connection(writer, body[6], bool(body[7] & 2), body[12 : 12 + body[11]].decode())
            self.connections.append(connection)
            while True:
                kind, body = await self._packet(reader)
                if kind >> 4 == 8:
                    count = self._filters(body[2:])
                    writer.write(bytes([0x90, 2 + count]) + body[:2] + bytes([self.grant]) * count)
                    connection.subscribed.set()
                elif kind >> 4 == 4:
                    connection.acknowledged.append(int.from_bytes(body, "big"))
                elif kind >> 4 == 3:
                    size = int.from_bytes(body[:2], "big")
                    connection.commands.append((body[2 : 2 + size].decode(), body[4 + size :]))
                    writer.write(b"\x40\x02" + body[2 + size : 4 + size])
                elif kind >> 4 == 12 and self.answers_pings:
                    writer.write(b"\xd0\x00")

    @staticmethod
    def _filters(body: bytes) -> int:
        count, at = 0, 0
        while at < len(body):
            at += 2 + int.from_bytes(body[at : at + 2], "big") + 1
            count += 1
        return count

    @staticmethod
    async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
        kind = (await reader.readexactly(1))[0]
        length, shift = 0, 0
        while True:
            byte = (await reader.readexactly(1))[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return kind, await reader.readexactly(length)
