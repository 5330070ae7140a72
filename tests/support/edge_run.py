"""A stretch of readings with alarms in it, the same for every run, and the edge that judges it."""

from collections.abc import Callable, Mapping
from typing import Any

from edge_cloud import StandInCloud
from edge_process import EdgeProcess, until
from plain_smoke import PLAIN_SMOKE
from player import Due, Player, clock

from wire.configuration import DeviceConfig, EdgeDocument
from wire.time import now_ms

DEVICES = 100
EVERY_MS = 10_000
QUIET, SMOKE, FIRE = 0.01, 0.2, 0.6
# IV needs two minutes; III 12 s and three samples; II 10 s. Cleared after 60 s below exit.
PATTERN = [QUIET] * 6 + [SMOKE] * 4 + [FIRE] * 5 + [QUIET] * 14 + [FIRE] * 5 + [QUIET] * 12
RULES = {"smoke": {**PLAIN_SMOKE, "clear_hold_s": 60}, "silence": None}
READINGS = DEVICES * len(PATTERN)


def document(edge: str = "gw-1") -> EdgeDocument:
    return EdgeDocument(
        edge=edge,
        revision=1,
        devices=[
            DeviceConfig(id=f"smoke-{number}", site="s1", profile="shouwang/smoke", rules=RULES)
            for number in range(DEVICES)
        ],
    )


def readings(start_ms: int) -> list[Due]:
    """The devices' fires begin one after another; the devices speak one after another within each ten seconds."""
    return [
        Due(
            start_ms + step * EVERY_MS + number * (EVERY_MS // DEVICES),
            f"smoke-{number}",
            {"obscuration": PATTERN[(step - number % 7) % len(PATTERN)] if step >= number % 7 else QUIET},
        )
        for step, _ in enumerate(PATTERN)
        for number in range(DEVICES)
    ]


def publish(
    credentials: Mapping[str, Any], start_ms: int, rate: float, at: Mapping[int, Callable[[], None]] | None = None
) -> None:
    """Publish the run at a rate, QoS 1, each device in order; `at` does something when the n-th reading is out."""
    due = readings(start_ms)
    wall_ms = now_ms() + 200
    player = Player(credentials, clock("run", wall_ms, start_ms, rate * EVERY_MS / DEVICES / 1000), due, "s1")
    for index, disturb in sorted((at or {}).items()):
        player.wait_until(due[index].ts)
        disturb()
    assert player.finish() == READINGS


def complete(edge: EdgeProcess, cloud: StandInCloud) -> None:
    """Wait until every reading is in the cloud and nothing waits at the edge."""
    try:
        until(lambda: len(cloud.readings()) >= READINGS, "all readings in the cloud", 60)
    except AssertionError as error:
        raise AssertionError(f"{error}: {len(cloud.readings())} of {READINGS}\n{edge.log}") from None
    until(lambda: edge.status()["journal"]["events"]["alarm"] == 0, "an empty alarm lane", 30)
