"""Plays readings onto a broker in step with a timeline: one bridge connection, QoS 1, kept until acknowledged.

As with a real sensor, a device's next reading leaves when its last one is acknowledged: paho lets a publish overtake
the ones it repeats after a reconnect, and what is then late would be the client's doing.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt

from wire.time import Segment, Timeline


class Due(NamedTuple):
    """What one device says at one instant of the timeline."""

    ts: int
    device: str
    values: Mapping[str, float]


def clock(name: str, starts_at_wall_ms: int, scenario_ms: int, rate: float) -> Timeline:
    """A timeline of one segment."""
    return Timeline(name=name, segments=(Segment(wall_ms=starts_at_wall_ms, scenario_ms=scenario_ms, rate=rate),))


class Player:
    """Publishes in the background; `finish` waits until the broker has acknowledged everything."""

    def __init__(
        self, credentials: Mapping[str, Any], timeline: Timeline, readings: Sequence[Due], site: str, exercise: str = ""
    ) -> None:
        self.timeline = timeline
        self.readings = sorted(readings)
        self.prefix = f"exercise/{exercise}/" if exercise else ""
        self.site = site
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=f"player-{timeline.name}", protocol=mqtt.MQTTv311,
            clean_session=False,
        )  # fmt: skip
        self.client.username_pw_set(credentials["username"], credentials["password"])
        self.client.max_inflight_messages_set(100)
        self.client.max_queued_messages_set(0)
        self.client.reconnect_delay_set(min_delay=1, max_delay=1)
        self.client.on_publish = self._acknowledged
        self.progress = threading.Condition()
        self.unacknowledged: dict[int, str] = {}
        self.early: set[int] = set()
        self.acknowledged = 0
        host, port = credentials["url"].removeprefix("mqtt://").split(":")
        self.client.connect(host, int(port), keepalive=10)
        self.client.loop_start()
        self.published_at: dict[tuple[str, int], float] = {}
        self.ts = 0
        self.thread = threading.Thread(target=self._publish, daemon=True)
        self.thread.start()

    def _publish(self) -> None:
        pace = threading.Event()
        seq: Counter[str] = Counter()
        for reading in self.readings:
            due = self.timeline.wall(reading.ts)
            assert due is not None
            if (wait := due / 1000 - time.time()) > 0:
                pace.wait(wait)
            body = json.dumps({"ts": reading.ts, "seq": seq[reading.device], "boot": "b1", **reading.values})
            seq[reading.device] += 1
            topic = f"{self.prefix}sensors/{self.site}/{reading.device}/telemetry"
            with self.progress:
                assert self.progress.wait_for(
                    lambda device=reading.device: device not in self.unacknowledged.values(), timeout=120
                )
            self.published_at[(reading.device, reading.ts)] = time.time()
            mid = self.client.publish(topic, body, qos=1).mid  # outside our lock: paho calls back under its own
            with self.progress:
                if mid in self.early:
                    self.early.discard(mid)
                else:
                    self.unacknowledged[mid] = reading.device
                self.ts = reading.ts
                self.progress.notify_all()

    def _acknowledged(self, _client: mqtt.Client, _data: object, mid: int, *_: object) -> None:
        with self.progress:
            self.acknowledged += 1
            if self.unacknowledged.pop(mid, None) is None:
                self.early.add(mid)
            self.progress.notify_all()

    def wait_until(self, ts: int) -> None:
        """Until the publishing has come so far."""
        with self.progress:
            assert self.progress.wait_for(lambda: self.ts >= ts, timeout=240)

    def finish(self) -> int:
        """How many messages the broker has acknowledged: all."""
        self.thread.join(timeout=240)
        assert not self.thread.is_alive()
        with self.progress:
            assert self.progress.wait_for(lambda: not self.unacknowledged, timeout=120)
        self.client.disconnect()
        self.client.loop_stop()
        return self.acknowledged
