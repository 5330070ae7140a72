"""An edge agent as a process of its own, and what a test needs around it: settings, waiting, devices that publish."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bcrypt
import paho.mqtt.client as mqtt
from edge_cloud import TOKEN, StandInCloud

ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> Any:
    """Wait until something is true; its value."""
    deadline = time.monotonic() + timeout_s
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain: {what}")
        time.sleep(0.02)


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, b"2a")).decode()


def settings(folder: Path, cloud: StandInCloud | None, broker: str = "port = 0", more: str = "") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    text = f'[edge]\nid = "gw-1"\ndata_dir = "data"\n[broker]\n{broker}\n'
    if cloud is not None:
        (folder / "token").write_text(TOKEN)
        text += (
            f'[cloud]\nurl = "{cloud.url}"\ntoken_file = "token"\nretry_first_s = 0.1\nretry_most_s = 0.5\n'
            "timeout_s = 5.0\n"
        )
    return text + more


class EdgeProcess:
    """`python -m edge FILE`, in a folder of its own."""

    def __init__(self, folder: Path, toml: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "edge.toml"
        self.file.write_text(toml)
        self.data = folder / "data"
        self.process: subprocess.Popen | None = None

    def start(self, *, wait: bool = True) -> "EdgeProcess":
        run_file = self.data / "run" / "edge.json"
        run_file.unlink(missing_ok=True)
        with (self.folder / "edge.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge", str(self.file)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        if wait:
            until(lambda: run_file.exists() or self.process.poll() is not None, "the agent's run file")
            assert self.process.poll() is None, self.log
            until(lambda: self.status()["broker"]["connected"], f"the agent's broker connection\n{self.log}")
        return self

    @property
    def log(self) -> str:
        return (self.folder / "edge.log").read_text()[-6000:]

    @property
    def run(self) -> dict:
        return json.loads((self.data / "run" / "edge.json").read_text())

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.run["status_url"] + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def status(self) -> dict:
        try:
            return json.loads(self.get("/status")[1])
        except OSError:  # not there yet
            return {"broker": {"connected": False}}

    def secret(self, kind: str) -> dict:
        return json.loads((self.data / "secrets" / f"{kind}.json").read_text())

    def client(self, username: str = "", password: str = "", **options: Any) -> "Publisher":
        return Publisher(self.run["broker_url"], username, password, **options)

    def bridge(self) -> "Publisher":
        secret = self.secret("bridge")
        return Publisher(secret["url"], secret["username"], secret["password"])

    def drill(self) -> "Publisher":
        secret = self.secret("drill")
        return Publisher(secret["url"], secret["username"], secret["password"])

    def kill(self) -> None:
        """kill -9: the broker stays."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
        return self.process.returncode if self.process else 0

    def end(self) -> None:
        """Leave no process behind, whatever happened: an agent that was killed leaves its broker."""
        self.stop()
        pidfile = self.data / "broker" / "nats-server.pid.json"
        if pidfile.exists():
            pid = json.loads(pidfile.read_text())["pid"]
            command = Path(f"/proc/{pid}/cmdline")
            if command.exists() and str(self.data).encode() in command.read_bytes():
                os.kill(pid, signal.SIGKILL)


class Publisher:
    """A paho client that connects, and publishes with the acknowledgement awaited."""

    def __init__(self, url: str, username: str = "", password: str = "", *, client_id: str = "", will: tuple = (),
                 clean: bool = True) -> None:  # fmt: skip
        parts = urlsplit(url)
        self.reason: Any = None
        self.messages: list = []
        self.granted: list = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=clean)
        self.client.max_inflight_messages_set(200)
        self.client.reconnect_delay_set(1, 1)
        if username:
            self.client.username_pw_set(username, password)
        if will:
            self.client.will_set(*will)
        self.client.on_connect = self._connected
        self.acknowledged = 0
        self.client.on_publish = self._published
        self.client.on_message = lambda _c, _u, message: self.messages.append(message)
        self.client.on_subscribe = lambda _c, _u, _m, codes, _p: self.granted.extend(codes)
        self.client.connect(parts.hostname, parts.port)
        self.client.loop_start()
        until(lambda: self.reason is not None, "CONNACK")

    def _connected(self, _client: Any, _user: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.reason = reason

    def _published(self, *_: Any) -> None:
        self.acknowledged += 1

    @property
    def refused(self) -> bool:
        return self.reason.is_failure

    def publish(self, topic: str, payload: Any, qos: int = 1, *, retain: bool = False, wait: bool = True) -> Any:
        body = payload if isinstance(payload, bytes | str) else json.dumps(payload)
        info = self.client.publish(topic, body, qos, retain)
        if wait and qos:
            info.wait_for_publish(20)
        return info

    def subscribe(self, topic: str, qos: int = 1) -> bool:
        before = len(self.granted)
        self.client.subscribe(topic, qos)
        until(lambda: len(self.granted) > before, "SUBACK")
        return not self.granted[-1].is_failure

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self) -> None:
        """Drop the connection without a word: the broker publishes the last will."""
        self.client._sock.shutdown(2)
        self.client.loop_stop()
