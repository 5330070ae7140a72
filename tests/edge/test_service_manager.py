"""What systemd hears, on a real datagram socket: ready, alive, what is wrong, stopping; silence of one who hangs."""

import asyncio
import contextlib
import os
import signal
import socket

import pytest
from edge_process import EdgeProcess, settings

from edge.service_manager import ServiceManager


@pytest.fixture
def ear(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(str(tmp_path / "notify"))
        found.settimeout(30)
        yield found


def hear(ear: socket.socket, *wanted: str) -> None:
    """Wait until every one was said."""
    missing = set(wanted)
    while missing:
        lines = ear.recv(4096).decode().split("\n")
        missing = {each for each in missing if not any(line.startswith(each) for line in lines)}


async def silence(ear: socket.socket) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            await asyncio.get_running_loop().sock_recv(ear, 4096)
            pytest.fail("somebody spoke")


@pytest.mark.broker
def test_the_agent_says_ready_alive_and_stopping(ear, tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", ear.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    edge = EdgeProcess(tmp_path / "edge", settings(tmp_path / "edge", None)).start()
    try:
        hear(ear, "READY=1", "WATCHDOG=1", "STATUS=")
        edge.process.send_signal(signal.SIGTERM)
        hear(ear, "STOPPING=1")
        assert edge.process.wait(30) == 0
    finally:
        edge.end()


async def test_who_hangs_says_nothing(ear):
    ear.setblocking(False)
    manager = ServiceManager({"NOTIFY_SOCKET": ear.getsockname(), "WATCHDOG_USEC": "30000"})
    alive = True
    task = asyncio.create_task(manager.run(lambda: alive, lambda: ["no broker: gone"]))
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(30):
        assert (await loop.sock_recv(ear, 4096)).decode().split("\n") == ["WATCHDOG=1", "STATUS=no broker: gone"]
        assert await loop.sock_recv(ear, 4096) == b"WATCHDOG=1"
        alive = False
        await silence(ear)
        alive = True
        assert await loop.sock_recv(ear, 4096) == b"WATCHDOG=1"
    task.cancel()


async def test_another_process_is_watched_and_not_we(ear):
    other = ServiceManager(
        {"NOTIFY_SOCKET": ear.getsockname(), "WATCHDOG_USEC": "30000", "WATCHDOG_PID": str(os.getpid() + 1)}
    )
    task = asyncio.create_task(other.run(lambda: True, list))
    ear.setblocking(False)
    async with asyncio.timeout(30):
        assert await asyncio.get_running_loop().sock_recv(ear, 4096) == b"STATUS=all is well"
    task.cancel()


def test_nobody_listens(tmp_path):
    ServiceManager({}).say("READY=1")
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).say("READY=1")
