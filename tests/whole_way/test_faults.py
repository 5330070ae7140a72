"""The short form of the fault bench (`benchmarks/faults`): four seeded runs at one cloud, poison in each.

They play at the same time, so what hits the cloud hits every edge. The long form is `python -m benchmarks faults`.
"""

from pathlib import Path

import pytest

from benchmarks.faults.clock import Clock
from benchmarks.faults.run import Run, together
from benchmarks.faults.servers import MOSQUITTO, Sqlite
from benchmarks.faults.world import World

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(900)]
RUNS = (
    ("kill_everything", "embedded"),
    ("kill_broker", "mosquitto"),
    ("answers_lost", "mosquitto"),
    ("disorder", "embedded"),
)


def test_every_episode_once_and_nothing_stale(tmp_path: Path) -> None:
    folder = tmp_path / "cloud"
    folder.mkdir()
    world = World(folder, Sqlite(folder), Clock(tmp_path / "clock"))
    try:
        world.start()
        results = together([
            Run(world, seed, kind, broker if MOSQUITTO else "embedded", tmp_path / kind, brief=True)
            for seed, (kind, broker) in enumerate(RUNS)
        ])  # fmt: skip
    finally:
        world.stop()
    assert len(results) == len(RUNS)
    assert not [result for result in results if not result.good]
    assert all(result.episodes for result in results)
