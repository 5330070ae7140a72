"""A real Mosquitto, where it is installed."""

import shutil
import socket
import subprocess
from pathlib import Path

from edge_process import until

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """A Mosquitto as `deploy/mosquitto.conf` configures it, on a free port."""

    def __init__(self, folder: Path, *, allow: bool = True) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self.allow = allow
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        example = (Path(__file__).parents[2] / "deploy" / "mosquitto.conf").read_text()
        kept = [line for line in example.splitlines() if line.split(" ")[0] in {
            "max_inflight_messages", "max_queued_messages", "max_queued_bytes", "persistence", "autosave_interval",
            "autosave_on_changes", "message_size_limit",
        }]  # fmt: skip
        (self.folder / "mosquitto.conf").write_text(
            "\n".join(
                [
                    *kept,
                    f"persistence_location {self.folder}/",
                    f"listener {self.port} 127.0.0.1",
                    f"allow_anonymous {str(self.allow).lower()}",
                ]
            )
            + "\n"
        )
        self.folder.chmod(0o777)
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("ab"),
        )

        def listens() -> bool:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        until(listens, "mosquitto")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
