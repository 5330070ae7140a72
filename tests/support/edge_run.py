"""A stretch of readings with alarms in it, the same for every run, and the edge that judges it."""

import time
from collections.abc import Callable, Iterator

from edge_cloud import StandInCloud
from edge_process import EdgeProcess, Publisher, until

from wire.configuration import DeviceConfig, EdgeDocument

DEVICES = 100
QUIET, SMOKE, FIRE = 0.01, 0.2, 0.6
# IV needs two minutes; III 12 s and three samples; II 10 s. Cleared after 60 s below exit.
PATTERN = [QUIET] * 6 + [SMOKE] * 4 + [FIRE] * 5 + [QUIET] * 14 + [FIRE] * 5 + [QUIET] * 12
RULES = {"smoke": {"clear_hold_s": 60}, "silence": None}
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


def readings(start_ms: int) -> Iterator[tuple[str, dict]]:
    """In order of time; the devices' fires begin one after another."""
    for step, _ in enumerate(PATTERN):
        for number in range(DEVICES):
            value = PATTERN[(step - number % 7) % len(PATTERN)] if step >= number % 7 else QUIET
            ts = start_ms + step * 10_000 + number
            yield f"sensors/s1/smoke-{number}/telemetry", {"ts": ts, "seq": step, "boot": "b", "obscuration": value}


def publish(publisher: Publisher, start_ms: int, rate: float, at: dict[int, Callable[[], None]] | None = None) -> None:
    """Publish the run at a rate, QoS 1; `at` does something before the n-th reading."""
    began, acknowledged = time.monotonic(), publisher.acknowledged
    lost = 0.0  # time spent in disturbances does not make the rest a burst
    for index, (topic, reading) in enumerate(readings(start_ms)):
        if at and index in at:
            before = time.monotonic()
            at[index]()
            lost += time.monotonic() - before
        due = began + lost + index / rate
        if (ahead := due - time.monotonic()) > 0:
            time.sleep(ahead)
        publisher.publish(topic, reading, wait=False)
    until(lambda: publisher.acknowledged - acknowledged >= READINGS, "every PUBACK", 60)


def complete(edge: EdgeProcess, cloud: StandInCloud) -> None:
    """Wait until every reading is in the cloud and nothing waits at the edge."""
    try:
        until(lambda: len(cloud.readings()) >= READINGS, "all readings in the cloud", 60)
    except AssertionError as error:
        raise AssertionError(f"{error}: {len(cloud.readings())} of {READINGS}\n{edge.log}") from None
    until(lambda: edge.status()["journal"]["events"]["alarm"] == 0, "an empty alarm lane", 30)
