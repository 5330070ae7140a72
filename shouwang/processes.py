"""Child processes of the demo: started with their output in a file, stopped in order, none left behind."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

STOP_S = 10.0
"""After SIGTERM a child has so long before SIGKILL."""

_PR_SET_PDEATHSIG = 1


class ChildFailed(RuntimeError):  # noqa: N818  an event of life, told in the past tense
    """A child ended that should not have: says which, its exit code and its last lines."""


def _die_with_parent() -> None:
    """Linux: SIGTERM to the child when this program is killed, so that even kill -9 leaves nothing behind."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One `shouwang …` process in a session of its own (Ctrl-C reaches only us; we stop it in order)."""

    def __init__(
        self, name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Not started yet."""
        self.name = name
        self.arguments = [sys.executable, "-m", "shouwang.main", *arguments]
        self.log = log
        self.environment = {**os.environ, **(environment or {})}
        self.process: asyncio.subprocess.Process | None = None
        self.ended: asyncio.Task[int] | None = None

    async def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        self.ended = asyncio.create_task(self.process.wait(), name=f"wait for {self.name}")

    async def finished(self) -> None:
        """Wait for a child that is to end by itself.

        Raises:
            ChildFailed: when its exit code is not 0.
        """
        assert self.ended is not None
        code = await asyncio.shield(self.ended)
        if code != 0:
            raise ChildFailed(self.obituary())

    def check(self) -> None:
        """Raise ChildFailed when it has ended."""
        if self.ended is not None and self.ended.done():
            raise ChildFailed(self.obituary())

    def obituary(self) -> str:
        """Name, exit code, last lines."""
        code = self.process.returncode if self.process else None
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:] if self.log.exists() else []
        return f"{self.name} ended with exit code {code}; the end of {self.log}:\n" + "\n".join(lines)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL to its whole group if it does not end in time."""
        if self.process is None or self.ended is None or self.ended.done():
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(self.ended), STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.ended


def free_port(host: str, wanted: int) -> int:
    """The wanted port, or the next of the following hundred that nobody listens on.

    Raises:
        OSError: when none is free.
    """
    for port in range(wanted, wanted + 100) if wanted else [0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port from {wanted} on at {host}")
