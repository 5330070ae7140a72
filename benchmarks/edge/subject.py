"""What is measured, each a process of its own that tells how many messages it is through with.

    python -m benchmarks.edge.subject gmqtt|receive|agent FOLDER PORT|SETTINGS

- `gmqtt`: the floor. A gmqtt client whose handlers wait for a future that stands for a commit and then acknowledge.
- `receive`: our own receive path (`edge.mqtt`) with the same future.
- `agent`: `edge.agent.Agent` as it runs anywhere, with a note at each commit.

In the folder: `done` (how many), `late` (of some messages, when they were published and when they were through, us),
`alerts` (of alerts, the same by line as JSON), `ready` (appears when it is connected).
"""

import asyncio
import json
import signal
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.edge.load import SEQ
from benchmarks.edge.machine import Counter
from edge.batch import Arrived
from edge.lane import Lane, Transaction

EVERY = 100
"""Of so many messages one is noted."""
_PAIR = struct.Struct("<qq")


class Notes:
    """What the bench reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._done = Counter(folder / "done")
        self._late = (folder / "late").open("wb", buffering=0)
        self._alerts = (folder / "alerts").open("w", buffering=1)

    def through(self, payloads: Sequence[bytes], count: int) -> None:
        """So many are; `payloads`: of those that are noted."""
        now = time.time_ns() // 1000
        self._late.write(b"".join([_PAIR.pack(int(payload[SEQ]), now) for payload in payloads]))
        self._count += count
        self._done.set(self._count)

    def alert(self, **what: Any) -> None:
        print(json.dumps({"us": time.time_ns() // 1000, **what}), file=self._alerts)

    def ready(self) -> None:
        (self._folder / "ready").write_text(str(time.time()))

    def close(self) -> None:
        self._late.close()
        self._alerts.close()


class Commits:
    """A commit that costs nothing, at the next turn of the loop: what waits for it is acknowledged together."""

    def __init__(self, notes: Notes) -> None:
        self._loop = asyncio.get_running_loop()
        self._notes = notes
        self._waiting: asyncio.Future[None] | None = None
        self._count = 0
        self._payloads: list[bytes] = []

    def put(self, payload: bytes) -> "asyncio.Future[None]":
        if self._waiting is None:
            self._waiting = self._loop.create_future()
            self._loop.call_soon(self._commit)
        if not self._count % EVERY:
            self._payloads.append(payload)
        self._count += 1
        return self._waiting

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        waiting.set_result(None)
        self._notes.through(self._payloads, self._count)
        self._count, self._payloads = 0, []


async def gmqtt(notes: Notes, port: str, stop: asyncio.Event) -> None:
    from gmqtt import Client
    from gmqtt.mqtt.constants import MQTTv311

    commits = Commits(notes)
    client = Client("floor", clean_session=True, optimistic_acknowledgement=False)

    async def on_message(_client: Any, _topic: str, payload: bytes, _qos: int, _properties: Any) -> int:
        await commits.put(payload)
        return 0

    client.on_message = on_message
    client.on_subscribe = lambda *_: notes.ready()
    await client.connect("127.0.0.1", int(port), version=MQTTv311)
    client.subscribe("sensors/#", qos=1)
    await stop.wait()


async def receive(notes: Notes, port: str, stop: asyncio.Event) -> None:
    from edge.mqtt import Connection

    commits = Commits(notes)
    connection = await Connection.open(
        "127.0.0.1", int(port), lambda message: commits.put(message.payload), client_id="receive"
    )
    await connection.subscribe(["sensors/#"])
    notes.ready()
    await stop.wait()
    connection.close()


async def agent(notes: Notes, config: str, stop: asyncio.Event) -> None:
    from edge import thrift
    from edge.agent import Agent, spare_collector
    from edge.settings import load

    thrift.begin()
    subject = Agent(load(Path(config)))
    _watch_commits(subject.batcher, notes)
    if subject.uplink is not None:
        _watch_verdicts(subject.uplink, notes)

    async def tell() -> None:
        await subject.ready.wait()
        await subject.ingest.connected.wait()
        notes.ready()

    others = [asyncio.create_task(tell()), asyncio.create_task(spare_collector(subject.ready))]
    await subject.run(stop)
    for each in others:
        each.cancel()


def _watch_commits(batcher: Any, notes: Notes) -> None:
    commit = batcher._commit  # noqa: SLF001  nobody else needs to know when

    async def committed(transaction: Transaction, messages: Sequence[Arrived]) -> None:
        await commit(transaction, messages)
        if messages:
            notes.through([message.payload for message in messages[::EVERY]], len(messages))
        if transaction.full:
            for event in transaction.events:
                if event.lane is Lane.ALARM:
                    facts = msgspec.json.decode(event.data)
                    notes.alert(
                        what="durable", id=event.id, **{key: facts.get(key) for key in ("device", "verb", "rule")}
                    )

    batcher._commit = committed  # noqa: SLF001


def _watch_verdicts(uplink: Any, notes: Notes) -> None:
    send = uplink._send  # noqa: SLF001

    async def sent(batch: Any) -> None:
        await send(batch)
        for event in batch:
            if event.lane is Lane.ALARM:
                notes.alert(what="answered", id=event.id)

    uplink._send = sent  # noqa: SLF001


async def main() -> None:
    kind, folder, where = sys.argv[1:4]
    notes = Notes(Path(folder))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await {"gmqtt": gmqtt, "receive": receive, "agent": agent}[kind](notes, where, stop)
    finally:
        notes.close()


if __name__ == "__main__":
    uvloop.run(main())
