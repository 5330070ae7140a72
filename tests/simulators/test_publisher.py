"""Links and fleets over a real broker: nothing acknowledged is lost, a broker that goes away is found again."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiomqtt
import pytest
from edge_mosquitto import MOSQUITTO, Mosquitto
from required import absent

from simulators import fleet
from simulators.publisher import Credential, Link, Tally
from wire.topics import DeviceTopic

pytestmark = pytest.mark.broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if not MOSQUITTO:
        absent("mosquitto", "Mosquitto is not installed")
    mosquitto = Mosquitto(tmp_path / "mosquitto")
    mosquitto.start()
    yield mosquitto
    mosquitto.stop()


async def collect(broker: Mosquitto, into: list[tuple[str, bytes, bool]], ready: asyncio.Event) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port, identifier="listener", clean_session=True) as client:
        await client.subscribe("sensors/#", qos=1)
        ready.set()
        async for message in client.messages:
            into.append((str(message.topic), bytes(message.payload), message.retain))  # noqa: PERF401


async def until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not ready():  # noqa: ASYNC110  what a broker delivers has no event here
            await asyncio.sleep(0.02)


async def test_a_link_sends_everything_and_says_when(broker: Mosquitto) -> None:
    heard: list[tuple[str, bytes, bool]] = []
    ready = asyncio.Event()
    listener = asyncio.create_task(collect(broker, heard, ready))
    await ready.wait()
    sent: list[float] = []
    link = Link(Credential(broker.url), "one", status=DeviceTopic(site="s", device="d", channel="status"))
    async with link.running():
        await asyncio.wait_for(link.connected.wait(), 10)
        for number in range(200):
            link.put("sensors/s/d/telemetry", b"%d" % number, on_sent=sent.append)
        await asyncio.wait_for(link.drained(), 10)
    assert link.tally.acknowledged == 200
    assert len(sent) == 200
    assert all(abs(wall - time.time()) < 30 for wall in sent)
    assert (link.tally.percentile_ms(0.5) or 0) > 0
    await until(lambda: len(heard) >= 202)
    listener.cancel()
    telemetry = [int(payload) for topic, payload, _ in heard if topic.endswith("telemetry")]
    assert telemetry == list(range(200)) or sorted(telemetry) == list(range(200))
    assert [json.loads(p)["status"] for t, p, _ in heard if t.endswith("status")] == ["online", "offline"]


async def test_status_is_retained_and_the_will_speaks_for_the_dead(broker: Mosquitto) -> None:
    link = Link(Credential(broker.url), "two", status=DeviceTopic(site="s", device="d", channel="status"))
    task = asyncio.create_task(link.run())
    await asyncio.wait_for(link.connected.wait(), 10)
    heard: list[tuple[str, bytes, bool]] = []
    ready = asyncio.Event()
    listener = asyncio.create_task(collect(broker, heard, ready))
    await until(lambda: bool(heard))
    assert heard[0] == ("sensors/s/d/status", b'{"status": "online"}', True)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: len(heard) >= 2)
    assert json.loads(heard[1][1])["status"] == "offline"
    listener.cancel()


async def test_a_full_outbox_loses_the_oldest_and_counts_it() -> None:
    link = Link(Credential("mqtt://127.0.0.1:9"), "three", capacity=10)
    for number in range(15):
        link.put("t", b"%d" % number)
    assert link.tally.dropped == 5
    assert link._outbox[0].payload == b"5"


async def test_a_broker_that_restarts_gets_what_was_not_acknowledged(broker: Mosquitto) -> None:
    tally = Tally()
    link = Link(Credential(broker.url), "four", tally=tally, capacity=10_000)
    async with link.running():
        await asyncio.wait_for(link.connected.wait(), 10)
        for number in range(300):
            link.put("sensors/s/d/telemetry", b"%d" % number)
            if number == 150:
                await asyncio.sleep(0.05)
                await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(broker.start)
        await asyncio.wait_for(link.drained(), 30)
    assert tally.acknowledged >= 300
    assert tally.reconnects == 1
    assert tally.dropped == 0


async def test_a_fleet_keeps_its_rate_and_its_order(broker: Mosquitto) -> None:
    heard: list[tuple[str, bytes, bool]] = []
    ready = asyncio.Event()
    listener = asyncio.create_task(collect(broker, heard, ready))
    await ready.wait()
    plan = fleet.Plan(devices=300, rate=300, duration_s=3, site="f", hazards_per_minute=60, connections=2)
    outcome = await fleet.run(plan, Credential(broker.url))
    assert outcome.acknowledged == outcome.published >= 0.9 * 900
    assert outcome.rate_achieved > 0.8 * 300
    assert outcome.puback_p99_ms is not None
    await until(lambda: len(heard) >= outcome.acknowledged)
    listener.cancel()
    last: dict[str, int] = {}
    for topic, payload, _ in heard:
        seq = json.loads(payload)["seq"]
        assert seq == last.get(topic, 0) + 1
        last[topic] = seq
    assert len(last) == 300


async def test_each_device_may_connect_as_itself(broker: Mosquitto) -> None:
    plan = fleet.Plan(devices=20, rate=40, duration_s=1, site="f")
    own = {f"fleet-{n:05d}": Credential(broker.url, f"fleet-{n:05d}", "x") for n in range(20)}
    outcome = await fleet.run(plan, Credential(broker.url), own)
    assert outcome.connections == 20
    assert outcome.acknowledged == outcome.published > 20


def test_the_same_seed_makes_the_same_fleet() -> None:
    plan = fleet.Plan(devices=50, rate=50, duration_s=1, site="f", faults=True, hazards_per_minute=600)
    one, two = (fleet.Fleet.of(plan).step(5.0, 0) for _ in range(2))
    assert [(p.topic, p.payload()) for p in one] == [(p.topic, p.payload()) for p in two]
    assert len(one) > 200
