"""`shouwang profiles try` against a real Mosquitto that wants a password."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from queue import Empty, Queue

import pytest
from edge_mosquitto import MOSQUITTO
from listened_broker import OPENSSL, PASSWORD, USER, ListenedBroker
from profile_yaml import JSON
from required import absent

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    if MOSQUITTO is None:
        absent("mosquitto", "mosquitto is not installed")
    broker = ListenedBroker(tmp_path_factory.mktemp("broker"), tls=OPENSSL is not None)
    broker.start()
    yield broker
    broker.stop()


class Trying:
    """`shouwang profiles try` as a process, its lines as they come."""

    def __init__(self, *arguments, environment=None):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shouwang.main", "profiles", "try", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.out, self.err = Queue(), Queue()
        self.readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.out), (self.process.stderr, self.err))
        ]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def _read(stream, queue):
        for line in stream:
            queue.put(line.rstrip("\n"))

    def line(self, queue=None, timeout_s=30):
        try:
            return (queue or self.out).get(timeout=timeout_s)
        except Empty:
            raise AssertionError(f"nothing came; it ended: {self.process.poll()}, {list(self.err.queue)}") from None

    def listening(self):
        while not (line := self.line(self.err)).startswith("listening"):
            pass
        return line

    def json(self):
        return json.loads(self.line())

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(20)
        for reader in self.readers:
            reader.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


@pytest.fixture
def trying():
    started = []

    def start(*arguments, **more):
        started.append(Trying(*arguments, **more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.end()


def test_decoded_values_come_as_lines_and_one_bad_payload_ends_nothing(broker, trying):
    one = trying("shouwang/water-level", "--broker", broker.url, "--topic", "lab/+/telemetry", "--count", 3, "--json")
    one.listening()
    broker.publish("lab/a/telemetry", '{"level": 0.25}')
    broker.publish("lab/a/telemetry", b"\x00\xff nonsense")
    broker.publish("lab/b/telemetry", '{"level": 0.5}')
    first, second, third = one.json(), one.json(), one.json()
    assert first["topic"] == "lab/a/telemetry"
    assert first["readings"] == [{"point": "level", "value": 0.25, "unit": "m"}]
    assert first["text"] == '{"level": 0.25}'
    assert second["errors"][0]["code"] == "malformed"
    assert second["hex"].startswith("00ff")
    assert third["readings"][0]["value"] == 0.5
    assert one.process.wait(20) == 0


def test_the_profile_is_read_again_when_its_author_saves_it(broker, trying, tmp_path):
    file = tmp_path / "probe.yaml"
    file.write_text(JSON, encoding="utf-8")
    one = trying("--profile", file, "--broker", broker.url, "-t", "lab/edit", "--json")
    one.listening()
    broker.publish("lab/edit", '{"level": 250}')
    assert one.json()["readings"][0]["value"] == 250
    scaled = JSON.replace("level: {unit: m}", "level: {unit: m, scale: 0.001}")
    file.write_text(scaled, encoding="utf-8")
    assert one.json() == {"reloaded": str(file), "problems": []}
    again = one.json()
    assert again["again"] is True
    assert again["readings"][0]["value"] == 0.25
    file.write_text(scaled.replace("unit: m", "unti: m"), encoding="utf-8")
    problems = one.json()["problems"]
    assert any("did you mean 'unit'?" in problem for problem in problems)
    assert one.json()["readings"][0]["value"] == 0.25  # by the last one that could be read
    file.write_text(scaled, encoding="utf-8")
    assert one.json()["problems"] == []
    assert one.end() == 0


def test_a_parameter_may_come_and_go_while_it_listens(broker, trying, tmp_path):
    file = tmp_path / "probe.yaml"
    plain = JSON.replace("  level: {unit: m}", "  distance: {unit: m}").replace("{level: 0.2}", "{distance: 0.2}")
    derived = plain.replace("points:\n", "parameters:\n  h: {unit: m, label: {zh: 高, en: h}}\npoints:\n", 1).replace(
        "  distance: {unit: m}\n", "  distance: {unit: m}\n  level: {formula: h - distance, unit: m}\n"
    )
    file.write_text(derived, encoding="utf-8")
    one = trying(file, "--broker", broker.url, "-t", "lab/height", "-p", "h=3", "--json")
    one.listening()
    broker.publish("lab/height", '{"distance": 1}')
    assert one.json()["readings"][1] == {"point": "level", "value": 2, "unit": "m"}
    file.write_text(plain, encoding="utf-8")
    assert one.json()["problems"] == []
    assert [reading["point"] for reading in one.json()["readings"]] == ["distance"]
    file.write_text(derived, encoding="utf-8")
    assert one.json()["problems"] == []
    assert one.json()["readings"][1]["value"] == 2


def test_a_broken_file_can_be_mended_while_it_listens(broker, trying, tmp_path):
    file = tmp_path / "probe.yaml"
    file.write_text(JSON.replace("unit: m", "unti: m"), encoding="utf-8")
    one = trying(file, "--broker", broker.url, "-t", "lab/mend", "--json")
    one.listening()
    broker.publish("lab/mend", '{"level": 1}')
    assert one.json()["errors"][0]["code"] == "profile"
    file.write_text(JSON, encoding="utf-8")
    assert one.json()["problems"] == []
    assert one.json()["readings"][0]["value"] == 1


def test_it_finds_back_to_a_broker_that_was_away(trying, tmp_path):
    if MOSQUITTO is None:
        absent("mosquitto", "mosquitto is not installed")
    broker = ListenedBroker(tmp_path / "broker")
    broker.start()
    try:
        one = trying("shouwang/water-level", "--broker", broker.url, "-t", "lab/#", "--json")
        one.listening()
        broker.stop()
        assert "connection lost" in one.line(one.err)
        broker.run()
        one.listening()
        broker.publish("lab/a", '{"level": 1}')
        assert one.json()["readings"][0]["value"] == 1
    finally:
        broker.stop()


def test_credentials_come_from_a_file_or_the_environment_and_tls_is_checked(broker, trying, tmp_path):
    if OPENSSL is None:
        pytest.skip("openssl is not installed")
    credentials = tmp_path / "bridge.json"
    credentials.write_text(json.dumps({"url": "mqtt://nobody:1", "username": USER, "password": PASSWORD}))
    secure = f"mqtts://localhost:{broker.tls_port}"
    arguments = ("shouwang/water-level", "-t", "lab/tls", "--count", 1, "--json")
    by_file = trying(*arguments, "--broker", secure, "--ca", broker.ca, "--credentials", credentials)
    environment = {
        "SHOUWANG_BROKER": f"mqtt://127.0.0.1:{broker.port}",
        "SHOUWANG_BROKER_USERNAME": USER,
        "SHOUWANG_BROKER_PASSWORD": PASSWORD,
    }
    by_environment = trying(*arguments, environment=environment)
    by_file.listening()
    by_environment.listening()
    broker.publish("lab/tls", '{"level": 2}')
    assert by_file.json()["readings"] == by_environment.json()["readings"]
    distrusting = trying(*arguments, "--broker", secure, "--credentials", credentials)
    assert distrusting.process.wait(20) == 2
    assert "certificate" in distrusting.line(distrusting.err)


def test_envelopes_are_taken_off_and_joins_shown(broker, trying):
    one = trying(
        "milesight/em500-udl", "--broker", broker.url, "--source", "chirpstack", "--prefix", "lab", "--json"
    )  # fmt: skip
    assert one.listening() == "listening: lab/application/+/device/+/event/+"
    topic = "lab/application/1/device/24e124713c000001/event/"
    up = {"deviceInfo": {"devEui": "24e124713c000001"}, "fPort": 85, "data": "AXVc", "fCnt": 1}
    broker.publish(topic + "join", json.dumps({"deviceInfo": {"devEui": "24e124713c000001"}}))
    broker.publish(topic + "txack", "{}")
    broker.publish(topic + "up", json.dumps(up))
    broker.publish(topic + "up", json.dumps(up | {"data": "!"}))
    broker.publish(topic + "up", json.dumps(up | {"fPort": 2}))
    join, first, broken, port = one.json(), one.json(), one.json(), one.json()
    assert join["envelope"]["kind"] == "join"
    assert join["errors"] == []
    assert first["readings"] == [{"point": "battery", "value": 92, "unit": "%"}]
    assert first["envelope"]["address"] == "24e124713c000001"
    assert broken["errors"][0]["code"] == "envelope"
    assert port["errors"][0]["code"] == "wrong_port"
    assert one.end() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "helps"),
    [
        (("--broker", "mqtt://ann:wrong@127.0.0.1:{port}", "-t", "lab/#"), 2, "refuses"),
        (("--broker", "mqtt://127.0.0.1:1", "-t", "lab/#"), 2, "no broker answers at 127.0.0.1:1"),
        (("--broker", "http://127.0.0.1", "-t", "lab/#"), 2, "mqtt://host:1883"),
        (("--broker", "{url}"), 2, "--topic"),
        (("-t", "lab/#"), 2, "--broker"),
        (("--broker", "{url}", "-t", "elsewhere/#", "--seconds", "1"), 1, "elsewhere"),
        (("--broker", "{url}", "--source", "chirpstak"), 2, "the_things_stack"),
        (("--broker", "{url}", "-t", "lab/#", "-p", "height=2"), 2, "no parameter 'height'"),
        (("--broker", "{url}", "-t", "lab/#/b"), 2, "lab/#/b"),
        (("--broker", "{url}", "-t", "lab/silent", "--seconds", "0.5"), 1, "no message came"),
    ],
)
def test_what_cannot_work_ends_with_a_sentence(broker, trying, arguments, code, helps):
    filled = [one.format(port=broker.port, url=broker.url) for one in arguments]
    one = trying("shouwang/water-level", *filled)
    assert one.process.wait(30) == code
    one.end()
    said = "\n".join(one.err.queue)
    assert helps in said
    assert "Traceback" not in said


def test_on_a_terminal_a_table_is_drawn(broker):
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(COLUMNS="110", LINES="40", TERM="xterm")
        arguments = ["profiles", "try", "shouwang/water-level", "--broker", broker.url, "-t", "lab/screen"]
        os.execv(sys.executable, [sys.executable, "-m", "shouwang.main", *arguments, "--count", "2"])
    shown = b""
    deadline = time.monotonic() + 40
    sent = 0
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:
                break  # the terminal closed: it ended
        if sent == 0 and b"listening" in shown:
            broker.publish("lab/screen", '{"level": 0.375}')
            sent = 1
        elif sent == 1 and b"0.375" in shown:
            broker.publish("lab/screen", "nonsense")
            sent = 2
    _, status = os.waitpid(child, 0)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(errors="replace"))
    assert os.waitstatus_to_exitcode(status) == 0, text
    assert "积水深度 / Water depth" in text
    assert "malformed" in text
    assert "2 messages, 1 wrong" in text
