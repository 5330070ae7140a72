"""The agent: everything of an edge put together on one event loop, and kept running."""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import msgspec

from device_profiles.library import Library
from edge import subscriptions, thrift, uplink
from edge.account import Account
from edge.actions_link import ActionsLink
from edge.batch import Batcher
from edge.broker import BrokerError, Credential, EmbeddedBroker
from edge.clock_trust import ClockTrust
from edge.configuration import Configuration
from edge.files import write_private
from edge.foreign import Foreign, suggestion
from edge.found import Found
from edge.ingest import Ingest
from edge.journal import Journal
from edge.journal_file import JournalError
from edge.judge import Judge
from edge.lane import Lane, Outgoing, Transaction
from edge.local_notice import LocalNotifier
from edge.metrics import QUEUE, REVISION
from edge.reduce_gather import Gatherer
from edge.service_manager import ServiceManager
from edge.settings import Settings, SettingsError, host_port, load
from edge.status import StatusServer
from edge.status_access import Access, generated_password, is_local
from edge.steady_clock import SteadyClock
from edge.supervise import supervise
from edge.table import Compiler, Table, TableError
from edge.uplink import Uplink
from wire.configuration import Decision
from wire.event import Type
from wire.time import live_by, now_ms
from wire.topics import EXERCISE_FILTER, REAL_FILTER

log = logging.getLogger(__name__)

WORKS_S = 15.0
TICK_S = 1.0
REPORT_S = 5.0
CANCEL_AGAIN_S = 1.0
"""A library that fails while it cleans up hides the cancellation behind its own error; the task is told again."""
KEEP_S = 2.0
ALARM_LOG = 10_000  # alarm events kept by an edge without a cloud


class Agent:
    """One edge.

    Args:
        settings: of this edge.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = self._settings = settings
        self._data_dir = settings.edge.data_dir
        cloud = settings.cloud
        library = Library.load(*settings.edge.profiles_dir, lazily=True)
        conventions = settings.conventions()
        self._foreign = (
            None if conventions is None else Foreign(conventions, Found(settings.edge.id, suggestion(library)))
        )
        self.judge = Judge(
            settings.edge.id,
            max_payload_bytes=settings.broker.max_payload_bytes,
            telemetry=cloud is not None,
            by_exception=settings.telemetry.send == "by_exception",
            foreign=self._foreign,
        )
        self.journal = Journal(
            self._data_dir / "journal.sqlite",
            telemetry_bytes=settings.journal.telemetry_bytes,
            state_events=settings.journal.state_events,
            keep_alarms=None if cloud is not None else ALARM_LOG,
        )
        self.gatherer = Gatherer(self.journal, self.judge.telemetry.stirring)
        self.batcher = Batcher(self.judge, self.journal, self._committed)
        compiler = Compiler(library)
        self.configuration = Configuration(settings, compiler, self._apply, self._decide)
        self._credential = Credential(settings.broker.url, settings.broker.username)
        filters = (REAL_FILTER, EXERCISE_FILTER, *(conventions.filters if conventions else ()))
        self.ingest = Ingest(
            lambda: self._credential,
            f"shouwang-edge-{settings.edge.id}",
            self.batcher.put,
            filters,
            subscriptions.changed(self._data_dir / "subscriptions.json", filters),
            put_many=self.batcher.put_many,
        )
        self.notifier = LocalNotifier(settings.local, self.journal, self.ingest.publish)
        self.steady = SteadyClock(self._data_dir / "run" / "clock")
        self.clock = ClockTrust(self.steady)
        self.actions = ActionsLink(
            self.judge.actions, self.batcher, lambda: self._credential, f"shouwang-edge-{settings.edge.id}-actions"
        )
        self.broker: EmbeddedBroker | None = None
        self._http: httpx.AsyncClient | None = None
        self.uplink: Uplink | None = None
        if cloud is not None:
            self._http = uplink.client(cloud)
            self.uplink = Uplink(
                cloud, settings.edge.id, self.journal, self._http, self.clock.cloud_said, self.steady.age_ms
            )
        self.account = Account(self)
        host, _ = host_port(settings.status.listen, "status.listen")
        self._guarded = not is_local(host)
        self.status = StatusServer(
            self.account.facts,
            self.account.problems,
            self.account.devices,
            Access(self._data_dir) if self._guarded else None,
        )
        self._service = ServiceManager()
        self._ticked = 0.0  # loop time of the last tick that was committed
        self.ready = asyncio.Event()
        self._say = asyncio.Event()  # a heartbeat is wanted now

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`; then stop cleanly, the embedded broker included.

        Raises:
            SettingsError, JournalError, BrokerError, TableError, OSError: it can't start; the message says why.
        """
        async with contextlib.AsyncExitStack() as cleanup:
            cleanup.enter_context(_only_one(self._data_dir))
            live_by(self.steady.now_ms)
            cleanup.callback(live_by, None)
            if self._foreign is not None:
                self._foreign.restore(self._data_dir / "announcements.json")
            self.judge.restore(await self.journal.open())
            cleanup.push_async_callback(self.journal.close)
            if self._http is not None:
                cleanup.push_async_callback(self._http.aclose)
            tasks: list[asyncio.Task[None]] = []
            cleanup.push_async_callback(_cancel, tasks)

            def task(name: str, work: Callable[[], Awaitable[None]]) -> None:
                tasks.append(asyncio.create_task(supervise(name, work), name=name))

            task("batches", self.batcher.run)
            table = await self.configuration.start()
            await self._start_broker(table, cleanup)
            host, port = host_port(self._settings.status.listen, "status.listen")
            if self._guarded:
                await asyncio.to_thread(generated_password, self._data_dir)
            await self.status.start(host, port)
            cleanup.push_async_callback(self.status.stop)
            if self.broker is not None:
                task("broker", self.broker.run)
            task("ingest", self.ingest.run)
            task("actions", self.actions.run)
            task("session of actions", self.actions.run_session)
            task("tick", self._tick)
            if self._foreign is not None:
                foreign = self._foreign
                task("announcements", lambda: self._keep_announcements(foreign))
            task("local notice", self.notifier.run)
            if self.uplink is not None and self._http is not None and self._settings.cloud is not None:
                http, cloud = self._http, self._settings.cloud
                task("uplink of alarms", self.uplink.run_alarms)
                task("uplink", self.uplink.run_others)
                task("held readings", self.gatherer.run)
                task("configuration", lambda: self.configuration.run(http, cloud))
                task("heartbeat", self._heartbeat)
            cleanup.push_async_callback(_cancel, tasks)  # first of all: whoever restarts what is being stopped
            self._write_run_file()
            task("service manager", lambda: self._service.run(self._works, self.account.problems))
            self.ready.set()
            self._service.say("READY=1")
            log.info("edge %s runs; broker %s, status %s", self._settings.edge.id, self.broker_url, self.status.url)
            await stop.wait()
            self._service.say("STOPPING=1")
            log.info("stopping")

    @property
    def broker_url(self) -> str:
        """Where devices connect."""
        return self.broker.url if self.broker is not None else self._settings.broker.url

    async def _start_broker(self, table: Table, cleanup: contextlib.AsyncExitStack) -> None:
        broker = self._settings.broker
        if broker.mode == "external":
            password = broker.password_file.read_text(encoding="utf-8").strip() if broker.password_file else ""
            self._credential = Credential(broker.url, broker.username, password)
            return
        self.broker = EmbeddedBroker(
            broker,
            self._settings.edge.id,
            self._data_dir,
            self._settings.local.command_topic,
            None if self._foreign is None else self._foreign.sources,
        )
        cleanup.push_async_callback(self.broker.stop)
        self._allow(self.broker, table)
        self._credential = await self.broker.start(table.document.devices)

    def _write_run_file(self) -> None:
        facts = {"pid": os.getpid(), "status_url": self.status.url, "broker_url": self.broker_url}
        write_private(self._data_dir / "run" / "edge.json", msgspec.json.encode(facts))

    @staticmethod
    def _allow(broker: EmbeddedBroker, table: Table) -> None:
        ready = table.actions.values()
        broker.allow(
            (message.topic for each in ready for message in (each.on, each.off, each.ask) if message is not None),
            (each.confirm.topic for each in ready if each.confirm is not None),
        )

    def _committed(self, transaction: Transaction) -> None:
        if transaction.alarms:
            self.actions.wake()
        if self.uplink is not None and transaction.events:
            lanes = {event.lane for event in transaction.events}
            self.uplink.wake(alarms=Lane.ALARM in lanes, others=bool(lanes - {Lane.ALARM}))

    async def _apply(self, table: Table) -> None:
        """A new table, between two batches; its devices may connect from then on."""
        await self.batcher.between(lambda transaction: self.judge.use(table, transaction))
        REVISION.set(table.revision)
        self._say.set()
        if self.broker is not None:
            self._allow(self.broker, table)
            self.broker.reload(table.document.devices)
        self.actions.changed()
        if self.ready.is_set():  # what the table before leaves behind
            thrift.settle()

    async def _decide(self, decision: Decision) -> None:
        await self.batcher.between(lambda transaction: self.judge.decide(decision, transaction))

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        connections = 0
        while True:
            # Read when the tick has its turn: the journal may have held it up.
            def tick(transaction: Transaction) -> None:
                nonlocal connections
                if connections != self.ingest.connections:  # lost and found again, be it between two ticks
                    connections = self.ingest.connections
                    self.judge.resume()
                self.judge.tick(transaction, deaf=self._deaf())

            self.steady.look()
            await self.batcher.between(tick)
            self._ticked = loop.time()
            QUEUE.set(self.batcher.held)
            due = max(due + TICK_S, loop.time() + TICK_S / 10)
            await asyncio.sleep(due - loop.time())

    def _deaf(self) -> bool:
        """Whether nothing that devices say can reach us, so that nobody is to be called silent."""
        return not self.ingest.connected.is_set() or (self.broker is not None and bool(self.broker.fault))

    def _works(self) -> bool:
        """Whether ticks get through; a journal that says why it cannot write would not be mended by a restart."""
        return asyncio.get_running_loop().time() - self._ticked < WORKS_S or bool(self.batcher.last_error)

    async def _keep_announcements(self, foreign: Foreign) -> None:
        """Write down what sources taught, some time after it changed."""
        while True:
            await asyncio.sleep(KEEP_S)
            if foreign.news:
                foreign.news = False
                await asyncio.to_thread(foreign.save, self._data_dir / "announcements.json")

    async def _heartbeat(self) -> None:
        while True:
            report = await self.account.report()
            number = now_ms()
            event = Outgoing(
                id=f"{self._settings.edge.id}/report/{number}",
                lane=Lane.STATE,
                type=Type.EDGE_REPORTED,
                data=msgspec.json.encode(report),
                born_ms=number,
                replaces="edge",  # only the newest is of interest
            )
            await self.batcher.between(lambda transaction, event=event: transaction.events.append(event))  # type: ignore[misc]
            self._say.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_S):
                    await self._say.wait()


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    """End tasks, those too that lose their cancellation on the way."""
    waiting = {task for task in tasks if not task.done()}
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=CANCEL_AGAIN_S)
        for task in waiting:
            log.warning("task %s did not end; telling it again", task.get_name())


@contextlib.contextmanager
def _only_one(data_dir: Path) -> Any:
    """Hold the data folder; two agents on one journal would send everything twice."""
    (data_dir / "run").mkdir(parents=True, exist_ok=True)
    data_dir.chmod(0o700)
    with (data_dir / "run" / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                "edge.data_dir", f"another agent runs on '{data_dir}'", "Stop it, or give this one a folder of its own"
            ) from None
        yield


STARTUP_ERRORS = (SettingsError, JournalError, BrokerError, TableError, OSError)


def run(config: Path) -> None:
    """Run the agent of a settings file until SIGTERM or SIGINT.

    Raises:
        SettingsError, JournalError, BrokerError, TableError, OSError: it can't start; the message says why.
    """
    thrift.begin()
    settings = load(config)
    _run(_until_signal(settings))


async def _until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    agent = Agent(settings)
    sparing = asyncio.create_task(spare_collector(agent.ready))
    await agent.run(stop)
    sparing.cancel()


async def spare_collector(ready: asyncio.Event) -> None:
    """When the agent is ready, see `thrift.settle`."""
    await ready.wait()
    thrift.settle()


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)
