"""What every test may ask for: the recorded data, and a refusal to skip where CI must not."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from required import absent

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")  # how busy the machine is says nothing about the code

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Recorded data by others; lies beside the project, never in it."""
    folder = Path(os.environ.get("SHOUWANG_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        absent("data", f"no recorded data at {folder}: set SHOUWANG_DATA")
    return folder


@pytest.fixture
def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with slow tests first: two workers then finish together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
