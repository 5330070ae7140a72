"""What systemd is told (sd_notify): ready, stopping, what is wrong, and that work gets done.

Who hangs does not say the last, and is started again.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

STATUS_S = 10.0


class ServiceManager:
    """Speaks to the socket in `NOTIFY_SOCKET`; without one it says nothing.

    Args:
        environment: of the process.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog_s = int(environment.get("WATCHDOG_USEC", "0") or 0) / 1e6 if watched else 0.0
        self._status = ""

    def say(self, *lines: str) -> None:
        """Send assignments such as `READY=1`; a manager that does not listen is no reason to stop."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("the service manager does not hear us: %s", error)
            self._address = ""

    async def run(self, alive: Callable[[], bool], problems: Callable[[], list[str]]) -> None:
        """Feed the watchdog while `alive`, and pass on what is wrong.

        Args:
            alive: whether work gets done; when it is false for longer than the watchdog waits, we are started again.
            problems: sentences for `systemctl status`.
        """
        every = min(self._watchdog_s / 3, STATUS_S) if self._watchdog_s else STATUS_S
        while True:
            status = "; ".join(problems()) or "all is well"
            lines = ["WATCHDOG=1"] if self._watchdog_s and alive() else []
            if status != self._status:
                self._status = status
                lines.append(f"STATUS={' '.join(status.split())[:500]}")
            if lines:
                self.say(*lines)
            await asyncio.sleep(every)
