"""A TCP proxy that misbehaves on command: stands in for the network between two processes.

- `cut`: connections are reset and refused.
- `hole`: nothing passes in either direction and nobody is told; connections that exist stay, half open.
- `mute`: what is sent arrives, the answers do not: the sender cannot know that it was heard.
- `delay`: every chunk is late by up to `delay_s`, in order.
- `loss`: what loss does to TCP: chunks stall as if sent again, and now and then a connection breaks.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from enum import StrEnum


class Mode(StrEnum):
    """What the network does."""

    FINE = "fine"
    CUT = "cut"
    HOLE = "hole"
    MUTE = "mute"
    DELAY = "delay"
    LOSS = "loss"


class Network:
    """One event loop in a thread; every link of a bench runs on it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def link(self, to_port: int, chance: random.Random, host: str = "127.0.0.1") -> "Link":
        """A link to a port of this machine, that listens on one of its addresses."""
        link = Link(to_port, chance, self.loop, host)
        asyncio.run_coroutine_threadsafe(link.open(), self.loop).result(10)
        return link

    def stop(self) -> None:
        """End the loop."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class Link:
    """Listens on a port of its own and passes on to another. Use `Network.link`."""

    def __init__(self, to_port: int, chance: random.Random, loop: asyncio.AbstractEventLoop, host: str) -> None:
        self.to_port = to_port
        self.host = host
        self.port = 0
        self.mode = Mode.FINE
        self.delay_s = 0.2
        self.connections = 0
        self._chance = chance
        self._loop = loop
        self._fine = asyncio.Event()
        self._fine.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def set(self, mode: Mode) -> None:
        """Change what the network does; returns when it does it."""
        asyncio.run_coroutine_threadsafe(self._set(mode), self._loop).result(10)

    def close(self) -> None:
        """Reset everything and listen no more."""

        async def end() -> None:
            await self._set(Mode.CUT)
            if self._server is not None:
                self._server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)

    async def _set(self, mode: Mode) -> None:
        before, self.mode = self.mode, mode
        if mode in {Mode.HOLE, Mode.MUTE}:
            self._fine.clear()
        else:
            self._fine.set()
        # after a hole or lost answers the old connections are of no use to either side, as after a new route
        if mode is Mode.CUT or (before in {Mode.HOLE, Mode.MUTE} and mode is not before):
            for writer in list(self._open):
                _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        other: asyncio.StreamWriter | None = None
        try:
            if self.mode is Mode.CUT:
                return
            if self.mode is Mode.HOLE:
                await self._fine.wait()
            far, other = await asyncio.open_connection("127.0.0.1", self.to_port)
            self._open.add(other)
            self.connections += 1
            pumps = [
                asyncio.ensure_future(self._pump(reader, other, up=True)),
                asyncio.ensure_future(self._pump(far, writer, up=False)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass
        finally:
            for each in (writer, other):
                if each is not None:
                    self._open.discard(each)
                    _reset(each)
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                if self.mode is Mode.HOLE or (self.mode is Mode.MUTE and not up):
                    await self._fine.wait()
                    return  # what was on its way is gone
                if self.mode is Mode.DELAY:
                    await asyncio.sleep(self._chance.uniform(0, self.delay_s))
                elif self.mode is Mode.LOSS:
                    fate = self._chance.random()
                    if fate < 0.02:
                        return
                    if fate < 0.15:
                        await asyncio.sleep(self._chance.choice((0.2, 0.2, 0.4, 0.8)))
                writer.write(chunk)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST, as when a host has no memory of the connection."""
    with contextlib.suppress(OSError, AttributeError, RuntimeError):
        sock = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(RuntimeError):
        writer.transport.abort()
