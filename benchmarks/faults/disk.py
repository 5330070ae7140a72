"""A small file system under the data of one edge, to be filled or made read-only. Root: a tmpfs; else a file limit."""

import os
import resource
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.faults.gateway import Gateway

ROOT = os.geteuid() == 0


def mount(folder: Path, megabytes: int) -> None:
    """A tmpfs of that size."""
    folder.mkdir(parents=True, exist_ok=True)
    if ROOT:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], check=True)


def unmount(folder: Path) -> None:
    """Take it away again."""
    if ROOT and os.path.ismount(folder):
        subprocess.run(["umount", "--lazy", folder], check=False)


def fill(gateway: "Gateway") -> None:
    """To the last byte. Without root: no file of the agent may grow any more."""
    if not ROOT:
        assert gateway.process is not None
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        return
    with (gateway.folder / "disk" / "ballast").open("wb", buffering=0) as ballast:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    ballast.write(bytes(size))
            except OSError:
                continue


def make_room(gateway: "Gateway") -> None:
    """As before."""
    if ROOT:
        (gateway.folder / "disk" / "ballast").unlink()
    elif gateway.process is not None and gateway.process.poll() is None:
        endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, endless)


def read_only(gateway: "Gateway") -> None:
    """Nothing can be written (nothing may be open for writing)."""
    subprocess.run(["mount", "-o", "remount,ro", gateway.folder / "disk"], check=True)


def writable(gateway: "Gateway") -> None:
    """As before."""
    subprocess.run(["mount", "-o", "remount,rw", gateway.folder / "disk"], check=True)
