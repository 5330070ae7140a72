"""A network of the kernel's own between a gateway and the rest: a namespace, a veth pair, what `tc` and `ip` do to it.

Unlike the proxy (`proxy.py`) nobody is told anything: packets vanish, TCP sends them again in its own time, connections
stay half open. Needs root, and iproute2.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import cache

NETNS = 0x40000000  # CLONE_NEWNET
NOBODY = "02:00:00:00:00:fe"


@cache
def possible() -> bool:
    """Whether this machine lets us: root alone is not enough in a container."""
    if os.geteuid() or shutil.which("ip") is None or shutil.which("tc") is None:
        return False
    try:
        trial = Veth(0)
    except (OSError, subprocess.CalledProcessError):
        return False
    try:
        trial.narrow(1000, 8000)
    except subprocess.CalledProcessError:
        return False
    finally:
        trial.end()
    return True


class Veth:
    """A namespace with one link to ours; the agent of a run lives in it.

    Args:
        number: of the run; tells its names and addresses from those of other runs.
    """

    def __init__(self, number: int) -> None:
        self.name = f"shouwang-{os.getpid()}-{number}"
        part = (os.getpid() * 7 + number) % 16_000
        self._here, self._there = f"swh{part}", f"swn{part}"
        net = f"10.213.{part // 64}.{part % 64 * 4}"
        base = net.rpartition(".")
        self.host, self.inside = (f"{base[0]}.{int(base[2]) + each}" for each in (1, 2))
        self._fetcher: ThreadPoolExecutor | None = None
        with contextlib.ExitStack() as undo:
            undo.callback(self.end)
            self._begin()
            undo.pop_all()

    def _begin(self) -> None:
        _ip("netns", "add", self.name)
        _ip("link", "add", self._here, "type", "veth", "peer", "name", self._there, "netns", self.name)
        _ip("addr", "add", f"{self.host}/30", "dev", self._here)
        self._in("ip", "addr", "add", f"{self.inside}/30", "dev", self._there)
        self._in("ip", "link", "set", "lo", "up")
        self._in("ip", "link", "set", self._there, "up")
        self.restore()

    @property
    def prefix(self) -> list[str]:
        """In front of a command that shall run inside."""
        return ["ip", "netns", "exec", self.name]

    def _in(self, *command: str) -> None:
        subprocess.run([*self.prefix, *command], check=True, capture_output=True)

    def cut(self) -> None:
        """The cable is out: nothing passes, and nobody is told."""
        _ip("link", "set", self._here, "down")

    def deafen(self) -> None:
        """What the gateway sends arrives; nothing comes back to it."""
        _ip("neigh", "replace", self.inside, "lladdr", NOBODY, "dev", self._here, "nud", "permanent")

    def narrow(self, kbit: int, queue: int) -> None:
        """A slow line with a short queue in both directions: delay, and loss whenever the queue is full."""
        shape = ("root", "tbf", "rate", f"{kbit}kbit", "burst", "3000", "limit", str(queue))
        subprocess.run(["tc", "qdisc", "replace", "dev", self._here, *shape], check=True, capture_output=True)
        self._in("tc", "qdisc", "replace", "dev", self._there, *shape)

    def restore(self) -> None:
        """All is well again."""
        _ip("link", "set", self._here, "up")
        for command in (
            ["ip", "neigh", "del", self.inside, "dev", self._here],
            ["tc", "qdisc", "del", "dev", self._here, "root"],
            [*self.prefix, "tc", "qdisc", "del", "dev", self._there, "root"],
        ):
            subprocess.run(command, check=False, capture_output=True)  # there may be none

    def fetch(self, url: str, timeout_s: float) -> bytes:
        """GET from inside, as a browser on the gateway would."""
        if self._fetcher is None:
            self._fetcher = ThreadPoolExecutor(1, initializer=_enter, initargs=(f"/run/netns/{self.name}",))
        return self._fetcher.submit(get, url, timeout_s).result()

    def end(self) -> None:
        """Leave nothing behind."""
        if self._fetcher is not None:
            self._fetcher.shutdown()
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("link", "del", self._here)
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("netns", "del", self.name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _enter(namespace: str) -> None:
    """Move this thread, and it alone, into a network namespace."""
    with open(namespace, "rb") as handle:  # noqa: PTH123
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), NETNS):
            raise OSError(ctypes.get_errno(), "setns")


def get(url: str, timeout_s: float) -> bytes:
    """GET."""
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:
        return bytes(answer.read())
