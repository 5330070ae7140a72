"""Which process is ours: told by its number and when it started, or by what it runs."""

import os
from pathlib import Path

import msgspec


class Pid(msgspec.Struct):
    """One process; the start tells it from a later one with the same number."""

    pid: int
    started: int  # clock ticks since boot


def start_ticks(pid: int) -> int | None:
    """When a process started, from /proc; None when there is none (or only its ashes)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def that_runs(config: Path) -> Pid | None:
    """A broker on this configuration whose agent was killed before it could write the pidfile."""
    ours = os.fsencode(config)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 2 and words[1:3] == [b"-c", ours] and (started := start_ticks(int(folder.name))):
            return Pid(int(folder.name), started)
    return None
