"""5,000 connections, one a device, broken at one moment and all back as fast as they can. MQTT 3.1.1 by hand, QoS 1."""

import asyncio
import random
import resource
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

DEVICES = 5000
AT_ONCE = 500  # connections that a host opens at one time
PATIENCE_S = 240.0  # other work may share the machine


def _packet(kind: int, body: bytes) -> bytes:
    length, rest = b"", len(body)
    while True:
        rest, low = divmod(rest, 128)
        length += bytes([low | (128 if rest else 0)])
        if not rest:
            return bytes([kind]) + length + body


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _connect(name: str, credential: dict[str, Any]) -> bytes:
    flags = 0x02 | (0xC0 if credential.get("username") else 0)
    body = _text("MQTT") + bytes([4, flags]) + struct.pack(">H", 60) + _text(name)
    if credential.get("username"):
        body += _text(credential["username"]) + _text(credential["password"])
    return _packet(0x10, body)


class _Device:
    def __init__(self, name: str, topic: str, port: int, credential: dict[str, Any]) -> None:
        self.name, self.topic, self.port, self.credential = name, topic, port, credential
        self.writer: asyncio.StreamWriter | None = None
        self.said = 0

    async def come(self, gate: asyncio.Semaphore, chance: random.Random) -> None:
        """Connect and say one thing, again and again until it is acknowledged."""
        while True:
            try:
                async with gate:
                    reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
                    self.writer.write(_connect(self.name, self.credential))
                    async with asyncio.timeout(20):
                        answer = await reader.readexactly(4)
                        if answer[3]:
                            raise ConnectionError("refused")
                        body = b'{"status": "online"}'
                        self.writer.write(_packet(0x32, _text(self.topic) + b"\0\1" + body))
                        await reader.readexactly(4)
                self.said += 1
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                await asyncio.sleep(chance.uniform(0.1, 0.5))
            else:
                return

    def vanish(self) -> None:
        if self.writer is not None:
            self.writer.transport.abort()


async def _storm(order: "Order") -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    chance = random.Random(order.seed)
    # Each says that one of the registered devices is there: a status, which no rule of the bench looks at.
    devices = [
        _Device(f"storm-{number}", order.topics[number % len(order.topics)], order.port, order.credential)
        for number in range(order.devices)
    ]
    async with asyncio.timeout(PATIENCE_S * 2):
        await asyncio.gather(*(device.come(gate, chance) for device in devices))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for device in devices:
            device.vanish()
        await asyncio.gather(*(device.come(gate, chance) for device in devices))
    print("back", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for device in devices:
        device.vanish()


class Order(msgspec.Struct):
    """What a storm is to do."""

    port: int
    topics: list[str]
    credential: dict[str, Any]
    devices: int
    seed: str


class Storm:
    """A process of its own, because of its thousands of sockets; all of its devices are connected when it is there."""

    def __init__(self, order: Order) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults.storm"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        self._say(msgspec.json.encode(order).decode())
        self._hear("ready")

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self, wanted: str) -> None:
        assert self._process.stdout is not None
        heard = self._process.stdout.readline().strip()
        if heard != wanted:
            raise AssertionError(f"not all devices of the storm came: '{heard}', not '{wanted}'")

    def blow(self) -> None:
        """All connections break, and all come back."""
        self._say("go")
        self._hear("back")

    def end(self) -> None:
        """Leave."""
        self._process.kill()
        self._process.wait(20)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_storm(msgspec.json.decode(sys.stdin.readline(), type=Order)))
