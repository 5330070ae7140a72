"""The bench of the edge runs, small: whatever it needs of the agent is still there, and nothing is lost on the way."""

import subprocess
import sys
from pathlib import Path

from required import absent

ROOT = Path(__file__).parents[2]


def test_a_small_run_measures_both_and_says_what_is_met(tmp_path):
    import json
    import shutil

    if not (shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")):
        absent("mosquitto", "the bench measures through a Mosquitto")
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "edge", "--devices", "20", "--seconds", "0.4", "--rounds", "1", "--kinds",
         "receive", "agent", "--no-alerts", "--no-smoke", "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    found = json.loads((tmp_path / "edge.json").read_text())["water"]["20"]
    for kind in ("receive", "agent"):
        assert found[kind]["messages_s"] > 100
        assert found[kind]["cpu_us"] > 0
        assert found[kind]["late_ms"]["50"] > 0
        assert found[kind]["resident_mb"] > 10
    table = (tmp_path / "edge.md").read_text()
    assert "| 20 | **agent**" in table
    assert "at most 28 us CPU a reading, 20 devices" in table
    assert "0.8 of the floor" not in table, "a floor that was not run is not compared with"


def test_the_tables_go_between_the_markers_of_the_page(tmp_path):
    sys.path.insert(0, str(ROOT))
    from benchmarks.edge import report

    machine = {"processor": "P", "machine": "m", "cores": 2, "memory_gib": 1, "python": "3", "date": "d",
               "load_before": "0"}  # fmt: skip
    alerts = {"rate": 500.0, "devices": 2, "seconds": 1.0, "alarms": 2, "durable_ms": [3.0, 30.0],
              "cloud_ms": [9.0, 50.0], "edge_cpu_us": 1.0, "cloud_cpu_us": 1.0}  # fmt: skip
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.into_docs(page, {"machine": machine, "alerts": alerts})
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| sensor to durable alert, median at most 5 ms | 3.0 ms | yes |" in text
    assert "| sensor to durable alert, p99 at most 25 ms | 30.0 ms | **no** |" in text
