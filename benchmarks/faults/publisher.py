"""The devices of a run: each measures on time, keeps what it measured, sends the next when the last is acknowledged.

One MQTT client speaks for all of them, as a network server does. A device that has no connection loses nothing: it
sends what it kept when the connection is back, in order.
"""

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt

from benchmarks.faults.clock import Clock
from benchmarks.faults.load import Reading

MOST_WAIT_S = 300.0


class Message(NamedTuple):
    """One publish: when at the earliest, for whom it waits its turn, and what."""

    due_ms: int
    queue: str
    topic: str
    body: bytes


def telemetry(site: str, reading: Reading, due_ms: int | None = None) -> Message:
    """A reading as the device says it."""
    body = {"ts": reading.ts, "seq": reading.seq, "boot": "b1", reading.point: reading.value}
    topic = f"sensors/{site}/{reading.device}/telemetry"
    return Message(reading.ts if due_ms is None else due_ms, reading.device, topic, json.dumps(body).encode())


class Publisher:
    """Publishes in the background, QoS 1; `finish` waits until the broker has acknowledged everything."""

    def __init__(
        self, port: int, credential: Mapping[str, Any], messages: Sequence[Message], clock: Clock, name: str
    ) -> None:
        self._clock = clock
        self._messages = sorted(messages, key=lambda message: message.due_ms)
        self._queues: dict[str, deque[Message]] = {}
        self._busy: dict[int, str] = {}  # message id -> queue
        self._waiting: set[str] = set()  # queues with a message on its way
        self._early: set[int] = set()
        self._turn = threading.Condition()
        self.acknowledged = 0
        self._progress = 0
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"devices-{name}", protocol=mqtt.MQTTv311,
                             clean_session=False)  # fmt: skip
        if credential.get("username"):
            client.username_pw_set(credential["username"], credential["password"])
        client.max_inflight_messages_set(200)
        client.max_queued_messages_set(0)
        client.reconnect_delay_set(1, 1)
        client.connect_timeout = 2.0
        client.on_publish = self._acknowledged
        self._client = client
        for _ in range(100):
            with contextlib.suppress(OSError):
                client.connect("127.0.0.1", port, keepalive=2)
                break
            time.sleep(0.1)
        client.loop_start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        left = len(self._messages)
        position = 0
        while left:
            now = self._clock.now_ms()
            fresh: list[str] = []
            while position < len(self._messages) and self._messages[position].due_ms <= now:
                message = self._messages[position]
                self._queues.setdefault(message.queue, deque()).append(message)
                fresh.append(message.queue)
                position += 1
            with self._turn:
                self._progress = position
                self._turn.notify_all()
                ready = [name for name, queue in self._queues.items() if queue and name not in self._waiting]
                if not ready:
                    self._turn.wait(0.01)
                    continue
                self._waiting.update(ready)
            for name in ready:
                message = self._queues[name].popleft()
                number = self._client.publish(message.topic, message.body, qos=1).mid  # calls back under a lock of paho
                left -= 1
                with self._turn:
                    if number in self._early:
                        self._early.discard(number)
                        self._waiting.discard(name)
                    else:
                        self._busy[number] = name

    def _acknowledged(self, _client: mqtt.Client, _data: object, number: int, *_: object) -> None:
        with self._turn:
            self.acknowledged += 1
            name = self._busy.pop(number, None)
            if name is None:
                self._early.add(number)
            else:
                self._waiting.discard(name)
            self._turn.notify_all()

    def wait_for(self, share: float) -> None:
        """Until this share of the messages has come due."""
        with self._turn:
            wanted = share * len(self._messages)
            if not self._turn.wait_for(lambda: self._progress >= wanted, MOST_WAIT_S):
                raise TimeoutError(f"the devices did not come to {share:.0%} of their messages")

    def finish(self) -> int:
        """How many messages the broker has acknowledged: all."""
        end = time.monotonic() + MOST_WAIT_S
        self._thread.join(MOST_WAIT_S)
        with self._turn:
            done = not self._thread.is_alive() and self._turn.wait_for(
                lambda: not self._waiting, max(end - time.monotonic(), 1)
            )
        if not done:
            raise TimeoutError(f"the broker acknowledged {self.acknowledged} of {len(self._messages)} messages")
        return self.acknowledged

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()
