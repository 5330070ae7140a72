"""From a sensor's publish to a client of the feed, at 500 readings/s through broker, edge and cloud, hop by hop.

Side by side in the same run: the broker alone, publish to a bare subscriber that only acknowledges (the floor).
All clocks are this machine's, so the hops add up.
"""

import argparse
import asyncio
import itertools
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from player import Due, Player, clock
from stack import Stack, wait_for

from simulators.api import Api
from wire.time import now_ms, parse_instant

SITE = "wanghuyuan"
HOPS = ("device to edge", "edge (judge, journal)", "edge to cloud, commit", "cloud to feed client")


def percentile(values: list[float], share: float) -> float:
    """Nearest rank."""
    return sorted(values)[min(len(values) - 1, round(share * (len(values) - 1)))]


def line(name: str, seconds: list[float]) -> str:
    """Median, p99, max in ms."""
    return (
        f"{name:26} n={len(seconds):5}  median {statistics.median(seconds) * 1e3:7.1f} ms  "
        f"p99 {percentile(seconds, 0.99) * 1e3:7.1f} ms  max {max(seconds) * 1e3:7.1f} ms"
    )


class Bare:
    """A subscriber on the same broker that only acknowledges: when each message came."""

    def __init__(self, credentials: dict[str, Any]) -> None:
        self.came: dict[tuple[str, int], float] = {}
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="bare", protocol=mqtt.MQTTv311)
        self.client.username_pw_set(credentials["username"], credentials["password"])
        self.client.on_message = self._note
        host, port = credentials["url"].removeprefix("mqtt://").split(":")
        self.client.connect(host, int(port))
        self.client.subscribe("sensors/#", qos=1)
        self.client.loop_start()

    def _note(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        came = time.time()
        self.came[(message.topic.split("/")[2], json.loads(message.payload)["ts"])] = came

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Feed(threading.Thread):
    """A duty officer's feed, on an event loop of its own."""

    def __init__(self, url: str, username: str, password: str) -> None:
        super().__init__(daemon=True)
        self.who = (url, username, password)
        self.lines: list[tuple[float, dict[str, Any]]] = []
        self.listening = threading.Event()
        self.start()

    def run(self) -> None:
        asyncio.run(self._listen())

    async def _listen(self) -> None:
        url, username, password = self.who
        async with Api(url) as api:
            await api.sign_in(username, password)
            position = (await api.get("/feed/position"))["position"]
            self.listening.set()
            async for event in api.feed(position):
                if event.name == "timeline":
                    self.lines.append((event.at, event.data["value"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        try:
            stack.start()
            measure(stack, chosen.seconds, chosen.devices, as_json=chosen.json)
        finally:
            stack.stop()


def measure(stack: Stack, seconds: int, devices: int, *, as_json: bool) -> None:
    """Every device speaks five times a second; each second a few of them raise their alarm flag for the first time."""
    zones = stack.zones(SITE)
    names = [f"lat-{index:04d}" for index in range(devices)]
    stack.register_each(
        {"id": name, "name": name, "site_id": SITE, "zone_id": zones[index % len(zones)], "profile": "shouwang/smoke"}
        for index, name in enumerate(names)
    )
    feed = Feed(stack.url, "duty", stack.accounts["duty"])
    assert feed.listening.wait(30)
    bare = Bare(stack.secret("agent"))
    start = now_ms() + 2000
    alarm_at = {name: start + 3000 + index * (seconds - 6) * 1000 // devices for index, name in enumerate(names)}
    due = [
        Due(ts, name, {"obscuration": 0.01, "temperature": 21.0, "alarm": int(ts >= alarm_at[name])})
        for step in range(seconds * 5)
        for offset, name in enumerate(names)
        for ts in [start + step * 200 + offset * 200 // devices]
    ]
    player = Player(stack.secret("bridge"), clock("wall", start, start, 1.0), due, SITE)
    began = time.time()
    sent = player.finish()
    took = time.time() - began
    raised = wait_for(
        "the last alert on the feed",
        lambda: (
            found if len(found := [it for it in feed.lines if it[1]["kind"] == "alert_raised"]) >= devices else None
        ),
    )
    whole, hops = [], {hop: [] for hop in HOPS}
    for at, entry in raised:
        params = entry["params"]
        published = player.published_at[(params["device"], parse_instant(params["changed_at"]))]
        stamps = [params["reading_at"], params["recorded_at"], entry["at"]]
        moments = [published, *(parse_instant(stamp) / 1000 for stamp in stamps), at]
        whole.append(at - published)
        for hop, (before, after) in zip(HOPS, itertools.pairwise(moments), strict=True):
            hops[hop].append(after - before)
    floor = [came - player.published_at[key] for key, came in bare.came.items() if key in player.published_at]
    bare.close()
    if as_json:
        print(json.dumps({"rate": sent / took, "sensor_to_feed_s": whole, "hops_s": hops}))
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{sent} messages of 3 readings in {took:.0f} s: {sent / took:.0f} messages/s, {len(raised)} alerts")
    print(line("broker to bare subscriber", floor))
    print(line("sensor to feed", whole))
    for hop, values in hops.items():
        print("  " + line(hop, values))
    print(f"the edge's share of the median: {statistics.median(hops[HOPS[1]]) / statistics.median(whole):.0%}")


if __name__ == "__main__":
    main()
