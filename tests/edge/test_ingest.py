"""The promises of the intake, against a peer that can do what no real broker does on demand."""

import asyncio
import contextlib

import pytest
from edge_scripted_broker import ScriptedBroker

from edge import ingest as module
from edge import session
from edge.batch import Arrived
from edge.broker import Credential
from edge.ingest import Ingest


class Intake:
    """Takes messages; the test commits them."""

    def __init__(self) -> None:
        self.messages: list[Arrived] = []
        self.commits: list[asyncio.Future] = []

    def __call__(self, message: Arrived) -> asyncio.Future:
        return self.put(message)

    def put(self, message: Arrived) -> asyncio.Future:
        self.messages.append(message)
        self.commits.append(asyncio.get_running_loop().create_future())
        return self.commits[-1]

    async def have(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.messages) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(broker: ScriptedBroker, username: str = ""):
    intake = Intake()
    ingest = Ingest(lambda: Credential(broker.url, username, "pw" if username else ""), "edge-1", intake)
    task = asyncio.create_task(ingest.run())
    try:
        yield ingest, intake
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settle():
    for _ in range(20):
        await asyncio.sleep(0.005)


async def test_it_speaks_3_1_1_with_a_persistent_session():
    async with ScriptedBroker() as broker, running(broker):
        connection = await broker.connection(0)
        assert connection.protocol_level == 4
        assert connection.clean_session is False
        assert connection.client_id == "edge-1"


async def test_an_acknowledgement_leaves_after_the_commit_and_not_before():
    async with ScriptedBroker() as broker, running(broker) as (_, intake):
        connection = await broker.connection(0)
        connection.publish(7, "sensors/s/d/telemetry", b"{}")
        await intake.have(1)
        await settle()
        assert connection.acknowledged == []
        intake.commits[0].set_result(None)
        await settle()
        assert connection.acknowledged == [7]


async def test_hundreds_of_messages_do_not_stall():
    """A handler that returns None is never acknowledged: the flow stops at the in-flight bound."""
    async with ScriptedBroker() as broker, running(broker) as (_, intake):
        connection = await broker.connection(0)
        for number in range(1, 301):
            connection.publish(number, "sensors/s/d/telemetry", b"{}")
        await intake.have(300)
        for commit in intake.commits:
            commit.set_result(None)
        await settle()
        assert connection.acknowledged == list(range(1, 301))


async def test_a_late_acknowledgement_dies_with_its_connection():
    """It would confirm a new message with the same packet id on the new connection, which would then be lost."""
    async with ScriptedBroker() as broker, running(broker) as (_, intake):
        first = await broker.connection(0)
        first.publish(1, "sensors/s/d/telemetry", b'{"old":1}')
        await intake.have(1)
        first.drop()
        second = await broker.connection(1)
        second.publish(1, "sensors/s/d/telemetry", b'{"new":1}')
        await intake.have(2)
        intake.commits[0].set_result(None)  # the old one is committed only now
        await settle()
        assert second.acknowledged == []
        intake.commits[1].set_result(None)
        await settle()
        assert second.acknowledged == [1]


async def test_messages_of_two_connections_in_one_commit():
    """The end of one connection must not undo the other's acknowledgements."""
    async with ScriptedBroker() as broker, running(broker) as (_, intake):
        shared = asyncio.get_running_loop().create_future()
        put = intake.put

        def into_one(message):
            put(message)
            return shared

        intake.put = into_one
        first = await broker.connection(0)
        first.publish(1, "sensors/s/d/telemetry", b"{}")
        await settle()
        first.drop()
        second = await broker.connection(1)
        second.publish(5, "sensors/s/d/telemetry", b"{}")
        await intake.have(1)
        await settle()
        for commit in intake.commits:
            commit.set_result(None)
        shared.set_result(None)
        await settle()
        assert second.acknowledged == [5]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
async def test_a_refused_connack_is_tried_again(code):
    async with ScriptedBroker() as broker:
        broker.codes = [code, code]
        async with running(broker, "edge") as (ingest, _):
            async with asyncio.timeout(5):
                while not ingest.last_error:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            assert "refuses us" in ingest.last_error
            await broker.connection(0)
            assert broker.attempts == 3
            async with asyncio.timeout(5):
                await ingest.connected.wait()
            assert ingest.last_error == ""


async def test_a_broker_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(session, "CONNECT_S", 0.3)
    async with ScriptedBroker() as broker:
        broker.codes = [None]
        async with running(broker) as (ingest, _):
            await broker.connection(0)
            assert broker.attempts == 2
            assert ingest.connections <= 1


async def test_a_refused_subscription_is_an_error_and_not_silence():
    async with ScriptedBroker() as broker:
        broker.grant = 0x80
        async with running(broker) as (ingest, _):
            async with asyncio.timeout(5):
                while "subscription" not in ingest.last_error:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            assert not ingest.connected.is_set()


async def test_flags_and_qos_0_come_through():
    async with ScriptedBroker() as broker, running(broker) as (_, intake):
        connection = await broker.connection(0)
        connection.publish(3, "sensors/s/d/telemetry", b"a", dup=True)
        connection.publish(0, "sensors/s/d/telemetry", b"b", qos=0)
        await intake.have(2)
        assert [(m.payload, m.qos, m.dup, m.retain) for m in intake.messages] == [
            (b"a", 1, True, False),
            (b"b", 0, False, False),
        ]
        assert connection.acknowledged == []


async def test_one_commit_is_acknowledged_in_one_piece_and_in_order():
    async with ScriptedBroker() as broker, running(broker) as (_, intake):
        shared = [asyncio.get_running_loop().create_future() for _ in range(2)]
        put = intake.put

        def in_two(message):
            put(message)
            return shared[len(intake.messages) > 3]

        intake.put = in_two
        connection = await broker.connection(0)
        for number in range(1, 6):
            connection.publish(number, "sensors/s/d/telemetry", b"{}", qos=1)
        await intake.have(5)
        shared[1].set_result(None)
        await settle()
        assert connection.acknowledged == [4, 5]
        shared[0].set_result(None)
        await settle()
        assert connection.acknowledged == [4, 5, 1, 2, 3]


async def test_what_is_not_mqtt_ends_the_connection_and_the_next_one_works():
    async with ScriptedBroker() as broker, running(broker) as (ingest, intake):
        first = await broker.connection(0)
        first.writer.write(b"\x36\x05\x00\x01a\x00\x01")
        second = await broker.connection(1)
        second.publish(1, "sensors/s/d/telemetry", b"{}")
        await intake.have(1)
        assert ingest.connections == 2


async def test_a_broker_that_hangs_is_noticed(monkeypatch):
    monkeypatch.setattr(module, "KEEPALIVE_S", 0.05)
    async with ScriptedBroker() as broker:
        broker.answers_pings = False
        async with running(broker):
            await broker.connection(1)


async def test_a_command_is_done_when_the_broker_has_it():
    async with ScriptedBroker() as broker, running(broker) as (ingest, _):
        connection = await broker.connection(0)
        async with asyncio.timeout(5):
            await ingest.connected.wait()
        taken = ingest.publish("sensors/s/siren/command", b"on")
        assert taken is not None
        async with asyncio.timeout(5):
            await taken
        assert connection.commands == [("sensors/s/siren/command", b"on")]
        connection.drop()
        async with asyncio.timeout(5):
            while ingest.connected.is_set():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert ingest.publish("sensors/s/siren/command", b"on") is None
