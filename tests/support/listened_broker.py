"""A Mosquitto that wants a password and also speaks TLS, for commands that listen to brokers of others."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import paho.mqtt.client as mqtt
from edge_mosquitto import MOSQUITTO
from edge_process import until

USER, PASSWORD = "ann", "p@ss:word"
OPENSSL = shutil.which("openssl")
PASSWD = shutil.which("mosquitto_passwd")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ListenedBroker:
    """Mosquitto on two free ports: plain, and TLS with a certificate of its own."""

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self.url = f"mqtt://{USER}:p%40ss%3Aword@127.0.0.1:{self.port}"
        self.tls = tls
        self.process: subprocess.Popen | None = None

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def start(self) -> None:
        passwords = self.folder / "passwords"
        passwords.touch()
        subprocess.run([PASSWD, "-b", str(passwords), USER, PASSWORD], check=True, capture_output=True)
        access = self.folder / "access"
        access.write_text(f"user {USER}\ntopic readwrite lab/#\n")
        lines = [
            *(["user root"] if os.geteuid() == 0 else []),  # it would else give up the right to read what pytest made
            "per_listener_settings false",
            "allow_anonymous false",
            f"password_file {passwords}",
            f"acl_file {access}",
            f"listener {self.port} 127.0.0.1",
        ]
        if self.tls:
            subprocess.run(
                [
                    OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", str(self.folder / "key.pem"), "-out", str(self.ca), "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                ],
                check=True, capture_output=True,
            )  # fmt: skip
            lines += [
                f"listener {self.tls_port} 127.0.0.1", f"certfile {self.ca}", f"keyfile {self.folder / 'key.pem'}",
            ]  # fmt: skip
        for file in self.folder.iterdir():
            file.chmod(0o644)
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self.run()

    def run(self) -> None:
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")],
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("ab"),
        )

        def listens() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log").read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        until(listens, "mosquitto")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    def publish(self, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.username_pw_set(USER, PASSWORD)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)
        client.disconnect()
        client.loop_stop()
