"""What a process costs, where we are, and a Mosquitto of our own. All from /proc: Linux only."""

import mmap
import os
import platform
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
IN_FLIGHT = 4096
"""`max_inflight_messages` of the brokers measured; the embedded broker of an edge has the same."""
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system time of all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int) -> float:
    """What it holds in memory, in 10^6 bytes."""
    return _status_mb(pid, "VmRSS:")


def most_resident_mb(pid: int) -> float:
    """The most it ever held."""
    return _status_mb(pid, "VmHWM:")


def _status_mb(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"{pid} has no {name}")


def busy_s() -> tuple[float, float]:
    """CPU seconds of the whole machine so far: busy, and all there were."""
    times = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(times) - times[3] - times[4]) / _TICKS, sum(times) / _TICKS


def description() -> dict[str, str | int]:
    """Of this machine."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "machine": platform.machine(), "processor": model, "cores": os.cpu_count() or 0,
        "memory_gib": round(int(memory) / 2**20), "python": platform.python_version(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "load_before": f"{os.getloadavg()[0]:.1f}",
    }  # fmt: skip


class Counter:
    """A number in a file that one process writes and others read, without a system call."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    def get(self) -> int:
        return int(struct.unpack_from("<q", self._map)[0])

    def set(self, value: int) -> None:
        struct.pack_into("<q", self._map, 0, value)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int, process: "subprocess.Popen[bytes]", seconds: float = 20.0) -> None:
    """Wait until somebody listens there."""
    end = time.monotonic() + seconds
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"nobody listens on {port}: {process.args}")
        time.sleep(0.01)


@dataclass
class Mosquitto:
    """A broker; nothing is queued away, nothing persisted, nobody is asked who he is."""

    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    port: int = 0

    def start(self) -> "Mosquitto":
        if MOSQUITTO is None:
            raise RuntimeError("mosquitto is not installed (apt install mosquitto)")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        lines = [
            f"max_inflight_messages {IN_FLIGHT}", "max_queued_messages 0", "max_queued_bytes 536870912",
            "persistence false", f"listener {self.port} 127.0.0.1", "allow_anonymous true", "set_tcp_nodelay true",
        ]  # fmt: skip
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n")
        self.folder.chmod(0o755)
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=log, stderr=log)
        listening(self.port, self.process)
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def stop(self) -> None:
        end([self.process])


def end(processes: "Sequence[subprocess.Popen[bytes] | None]") -> None:
    """Ask, wait, insist."""
    for process in processes:
        if process is not None and process.poll() is None:
            process.terminate()
    for process in processes:
        if process is not None:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
