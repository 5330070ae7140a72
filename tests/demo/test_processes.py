"""Children of the demo, and the ports they are given."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from shouwang.processes import Child, ChildFailed, free_port


def child(tmp_path: Path, code: str) -> Child:
    one = Child("one", [], tmp_path / "log")
    one.arguments = [sys.executable, "-c", code]
    return one


async def test_a_child_that_fails_is_told_with_its_last_lines(tmp_path: Path) -> None:
    one = child(tmp_path, "print('no such table'); raise SystemExit(3)")
    await one.start()
    with pytest.raises(ChildFailed, match=r"one ended with exit code 3(.|\n)*no such table"):
        await one.finished()


async def test_a_child_that_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shouwang.processes.STOP_S", 0.3)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    one = child(tmp_path, code)
    await one.start()
    async with asyncio.timeout(20):
        while "up" not in one.log.read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await one.stop()
    assert one.process is not None
    assert one.process.returncode == -9


def test_a_taken_port_gives_the_next_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) != port
    assert free_port("127.0.0.1", 0) > 0
