"""The demo as a newcomer runs it: headless, on free ports, nothing left behind."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.broker, pytest.mark.timeout(420)]


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "shouwang.main", "demo", "--listen", "127.0.0.1:0", "--data-dir", str(folder), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(folder.parent)},
    )


def left_behind(folder: Path) -> list[str]:
    """Processes whose command line names the demo's folder."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line and process.info["pid"] != os.getpid() and process.info["status"] != "zombie":
            found.append(line)
    return found


def gone(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while left_behind(folder):
        assert time.monotonic() < deadline, left_behind(folder)
        time.sleep(0.1)


def test_headless_runs_all_three_to_a_closed_incident(tmp_path: Path) -> None:
    demo = start(tmp_path / "demo", "--headless", "--minutes", "1", "--json")
    out, err = demo.communicate(timeout=380)
    assert demo.returncode == 0, err
    summary = json.loads(out)
    assert summary["made_it"] is True
    assert {story["hazard"]: story["outcome"] for story in summary["stories"]} == {
        "smoke": "fire",
        "water_level": "hazard_true",
        "curtain_wall": "hazard_true",
    }
    for story in summary["stories"]:
        assert story["alert_s"] < story["on_scene_s"] < story["closed_s"] < 60
        assert story["responder"]
    assert summary["readings"] > 10_000
    assert summary["devices"] >= 55
    assert summary["measured"] >= 3
    assert summary["sensor_to_feed_median_ms"] < 5_000
    assert summary["puback_p99_ms"] is not None
    assert summary["escalations"] == 0
    for reason in ("clock", "malformed", "not_finite", "duplicate"):
        assert summary["rejections"].get(reason, 0) >= 1, summary["rejections"]
    gone(tmp_path / "demo")


def test_a_killed_demo_takes_its_children_with_it(tmp_path: Path) -> None:
    """How it ends by Ctrl-C is seen in tests/browser/test_demo_pictures.py."""
    demo = start(tmp_path / "demo", "--no-auto")
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:  # ends when the demo does
        lines.append(line)
        if "Ctrl-C ends it" in line:
            break
    said = "".join(lines)
    assert "http://127.0.0.1:" in said
    assert "trainer" in said
    assert "fire in a flat" in said
    assert len(left_behind(tmp_path / "demo")) >= 3
    demo.kill()
    demo.wait(10)
    demo.stdout.close()
    gone(tmp_path / "demo")


def test_wrong_use_is_said_in_one_line() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "shouwang.main", "demo", "--listen", "nowhere"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 2
    assert "write HOST:PORT" in answer.stderr
