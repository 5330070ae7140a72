from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from actions_site import Site
from edge_cloud import StandInCloud
from edge_mosquitto import MOSQUITTO, Mosquitto
from edge_process import EdgeProcess, settings
from required import absent


@pytest.fixture
def cloud() -> Iterator[StandInCloud]:
    server = StandInCloud().start()
    yield server
    server.mode = "away"  # ends the watches
    server.stop()


@pytest.fixture
def make_edge(tmp_path: Path) -> Iterator[Callable[..., EdgeProcess]]:
    made: list[EdgeProcess] = []

    def make(
        cloud: StandInCloud | None, name: str = "edge", *, broker: str = "port = 0", more: str = ""
    ) -> EdgeProcess:
        folder = tmp_path / name
        made.append(EdgeProcess(folder, settings(folder, cloud, broker, more)))
        return made[-1]

    yield make
    for edge in made:
        edge.end()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    if MOSQUITTO is None:
        absent("mosquitto", "no mosquitto on this machine: apt-get install mosquitto")
    server = Mosquitto(tmp_path / "mosquitto")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Makes edges with actions (`actions_site.Site`)."""
    made = []

    def make(*actions, **more):
        made.append(Site(tmp_path, monkeypatch, *actions, **more))
        return made[-1]

    yield make
    for each in made:
        each.journal.close()
