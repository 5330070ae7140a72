"""One run: a site, an edge and devices of its own; one fault; then the cloud's database against the oracle."""

import contextlib
import json
import random
import shutil
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.faults import check, disk, kernel, load, storm
from benchmarks.faults.gateway import BROKERS, Gateway
from benchmarks.faults.kinds import KINDS, Kind
from benchmarks.faults.load import Reading
from benchmarks.faults.publisher import Message, Publisher, telemetry
from benchmarks.faults.servers import NotReachedError, wait_for
from benchmarks.faults.world import World

SETTLE_S = 180.0
"""Recovery plus drain: what is not in the cloud so long after the fault counts as lost."""
MOVED_MS = 4000
"""The broker sends again after 1 s what a dead agent had not acknowledged; restarts take up to some seconds."""


class Result(msgspec.Struct, kw_only=True):
    """What became of one run; one line of the results file."""

    seed: int
    kind: str
    broker: str
    database: str
    good: bool
    note: str = ""
    episodes: int = 0
    readings: int = 0
    lost: int = 0
    doubled: int = 0
    differing: int = 0
    moved: int = 0
    stale: int = 0
    unsent: int = 0
    recovery_s: float = 0.0
    seconds: float = 0.0
    at: str = ""
    trouble: str = ""


class Run:
    """One seeded run; `prepare`, `play`, `judge`, `end` in turn (several runs may share a cloud).

    Args:
        world: the cloud.
        seed: of load, fault and moments.
        kind: of fault.
        broker: embedded or mosquitto.
        folder: of everything it writes; taken away when all went well.
        brief: a shorter load of fewer devices; one message in ten is poison whatever the kind.
    """

    def __init__(
        self, world: World, seed: int, kind: str, broker: str, folder: Path, *, brief: bool = False,
        storm_devices: int = storm.DEVICES,
    ) -> None:  # fmt: skip
        self.world: World = world
        self.seed = seed
        self.kind_name = kind
        self.kind: Kind = KINDS[kind]
        self.chance = random.Random(f"{kind} {seed}")
        self.broker = broker if broker in self.kind.brokers else self.kind.brokers[0]
        assert self.broker in BROKERS
        self.folder = folder
        self.name = f"fb{seed}-{int(time.time() * 1000) % 10_000_000}"
        self.storm_devices = storm_devices
        self.storm: storm.Storm | None = None
        self.note = ""
        self.net: kernel.Veth | None = None
        seconds = self.kind.seconds / (2 if brief else 1)
        self.poison = brief or self.kind.order == "poison"
        self.load = load.make(
            seed, devices=self.kind.devices // (2 if brief else 1), seconds=seconds, pace=self.kind.pace,
            rest=self.kind.rest, step_s=0.1 if self.kind.pace < 1000 else 0.01,
        )  # fmt: skip
        self.gateway: Gateway
        self.publisher: Publisher
        self.sent: list[Reading] = []
        self._recovered_at = 0.0
        self._began = time.monotonic()

    def prepare(self) -> None:
        """Register, start the edge, connect the devices."""
        token = self.world.enter(self.name, self.load)
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.kind.disk_mb:
            disk.mount(self.folder / "disk", self.kind.disk_mb)
        if self.kind.by_kernel and self.broker == "mosquitto" and kernel.possible():
            self.net = kernel.Veth(self.seed)
            self.note = "netns"
        self.gateway = Gateway(
            self.world, self.name, token, self.folder, self.broker, self.chance, save_each=self.kind.power, net=self.net
        )
        self.gateway.start_broker()
        self.gateway.start()
        count = len(self.load.devices)
        wait_for("the device table", lambda: self.gateway.status()["devices"] == count, 60)
        if self.kind.act.__name__ == "reconnect_storm":
            site, devices = self.name, self.load.devices
            topics = [f"sensors/{site}/{device.id}/status" for device in devices]
            order = storm.Order(
                self.gateway.broker_port, topics, self.gateway.credential(), self.storm_devices, str(self.seed)
            )
            self.storm = storm.Storm(order)

    def play(self) -> None:
        """The load, and the fault while it runs."""
        if self.kind.first is not None:
            self.kind.first(self)
        clock = self.world.clock
        step_ms = self.load.step_ms
        start_ms = clock.now_ms() + 200
        if self.kind.pace > 1:
            clock.fast(self.kind.pace)
            start_ms += step_ms
        readings = self.load.readings(start_ms)
        messages = self._messages(readings)
        self.publisher = Publisher(self.gateway.devices.port, self.gateway.credential(), messages, clock, self.name)
        self.kind.act(self)
        self.publisher.finish()
        clock.fast(1.0)
        self._recovered_at = time.monotonic()
        self.publisher.close()

    def _messages(self, readings: list[Reading]) -> list[Message]:
        """What is published, in order; `sent` becomes what of it the rules see."""
        site = self.name
        if self.kind.order == "disorder":
            messages = self._disorder(readings)
        else:
            self.sent = readings
            messages = [telemetry(site, reading) for reading in readings]
        if self.poison:
            for number in range(len(readings) // 10):
                near = self.chance.choice(readings)
                topic, body = _poison(self.chance, site, near)
                messages.append(Message(near.ts, f"poison {number}", topic, body))
        return messages

    def _disorder(self, readings: list[Reading]) -> list[Message]:
        """Each device sends some readings twice, some in the wrong order, and holds some back for a burst."""
        sent: list[tuple[int, int, Reading]] = []  # due, tie, reading
        for device in self.load.devices:
            own = [reading for reading in readings if reading.device == device.id]
            hold_from = self.chance.randrange(len(own)) if self.chance.random() < 0.5 else len(own)
            for reading in own:
                due = reading.ts
                if hold_from <= reading.seq < hold_from + 8:
                    due = own[min(hold_from + self.chance.choice((8, 12)), len(own) - 1)].ts
                elif self.chance.random() < 0.05:
                    due += round(self.chance.uniform(1, 3) * self.load.step_ms)
                sent.append((due, len(sent), reading))
                while self.chance.random() < 0.15:
                    sent.append((due + self.chance.choice((0, 150, 900)), len(sent), reading))
        sent.sort()
        seen: set[Reading] = set()
        self.sent = [one for _, _, one in sent if not (one in seen or seen.add(one))]  # type: ignore[func-returns-value]
        return [telemetry(self.name, reading, due) for due, _, reading in sent]

    def revive(self) -> None:
        """As a service manager does: start the agent again if it has ended; until it works."""
        process = self.gateway.process
        if process is None or process.poll() is not None:
            self.gateway.start(wait=False)
        self.gateway.until_up()

    def judge(self) -> Result:
        """Wait for recovery and drain, sound the coda, compare."""
        self.gateway.start_broker()
        self.revive()
        clock = self.world.clock
        coda = self.load.coda(max(clock.now_ms(), max(reading.ts for reading in self.sent) + 1))
        last = Publisher(
            self.gateway.devices.port, self.gateway.credential(),
            [telemetry(self.name, reading) for reading in coda], clock, f"{self.name}-coda",
        )  # fmt: skip
        last.finish()
        last.close()
        self.sent = self.sent + coda
        wanted = load.oracle(self.load, self.sent)
        if not wanted:
            raise AssertionError("a load without an episode")
        within = MOVED_MS if self.kind.reorders else 0
        options: dict[str, Any] = {"within_ms": within, "trusted_times": not self.kind.own_clock}
        if self.kind.own_clock:
            options["within_ms"] = 90 * 365 * 86_400_000
        verdict = check.Verdict()

        def settled() -> bool:
            nonlocal verdict
            verdict = check.compare(wanted, self.world.ask(lambda session: check.read(session, self.name)), **options)
            return verdict.good

        def drained() -> bool:
            events = self.gateway.status()["journal"]["events"]
            return not events["alarm"]

        # first the cheap question, then the dear one
        with contextlib.suppress(NotReachedError):
            wait_for("an empty alarm lane", drained, SETTLE_S, 0.1)
        with contextlib.suppress(NotReachedError):
            wait_for("agreement", settled, SETTLE_S, 1.0)
        recovery_s = time.monotonic() - self._recovered_at
        with contextlib.suppress(NotReachedError):
            wait_for("an empty alarm lane", drained, 20, 0.1)
        settled()  # what comes twice comes after
        return self.result(
            "" if verdict.good else repr(verdict)[:6000], good=verdict.good, episodes=verdict.wanted,
            readings=len(self.sent), lost=len(verdict.lost), doubled=len(verdict.doubled),
            differing=len(verdict.differing), moved=verdict.moved, stale=len(verdict.stale),
            unsent=len(verdict.unsent), recovery_s=round(recovery_s, 1),
        )  # fmt: skip

    def result(self, trouble: str, *, good: bool = False, **figures: Any) -> Result:
        """What became of it."""
        return Result(
            seed=self.seed, kind=self.kind_name, broker=self.broker, database=self.world.database.name, good=good,
            note=self.note, seconds=round(time.monotonic() - self._began, 1), trouble=trouble,
            at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **figures,
        )  # fmt: skip

    def end(self, *, keep: bool, last: bool = False) -> None:
        """Leave nothing behind, but the folder of a run that went wrong; the cloud too is over after the last."""
        self.world.clock.fast(1.0)
        with contextlib.ExitStack() as steps:  # from the last to the first, each whatever became of the others
            if not keep:
                steps.callback(shutil.rmtree, self.folder, ignore_errors=True)
            if not last:
                steps.callback(self._put_away)
            steps.callback(disk.unmount, self.folder / "disk")
            if hasattr(self, "gateway"):
                steps.callback(self.gateway.end)
            elif self.net is not None:
                steps.callback(self.net.end)
            if self.storm is not None:
                steps.callback(self.storm.end)
            if hasattr(self, "publisher"):
                steps.callback(self.publisher.close)
            steps.callback(self.world.database.back)

    def _put_away(self) -> None:
        self.world.start_cloud()
        self.world.void(self.world.ask(lambda session: check.incidents(session, self.name)))


def do(make: Callable[[], Run]) -> Result:
    """A run from beginning to end; what goes wrong with it is a result too."""
    run = make()
    with contextlib.ExitStack() as ends:
        ends.callback(run.end, keep=True)  # whatever else may come
        try:
            run.prepare()
            run.play()
            result = run.judge()
        except Exception as error:  # noqa: BLE001  told in the results, and the bench goes on
            result = run.result(f"{error!r}\n{traceback.format_exc()[-3000:]}")
        ends.pop_all()
        try:
            run.end(keep=not result.good)
        except Exception as error:  # noqa: BLE001  what could not be put away is a fault of the run too
            result = msgspec.structs.replace(result, good=False, trouble=f"{result.trouble}\nat its end: {error!r}")
    return result


def together(runs: list[Run]) -> list[Result]:
    """Several runs at one cloud at the same time, its last ones: what hits the cloud hits them all."""
    results: list[Result] = []
    failed: list[BaseException] = []

    def each(work: Callable[[Run], None]) -> None:
        def guarded(run: Run) -> None:
            try:
                work(run)
            except BaseException as error:  # noqa: BLE001  raised in the caller's thread
                failed.append(error)

        threads = [threading.Thread(target=guarded, args=(run,)) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]

    try:
        each(Run.prepare)
        each(Run.play)
        each(lambda run: results.append(run.judge()))
    finally:
        keep = bool(failed) or any(not result.good for result in results)
        with contextlib.ExitStack() as ends:
            for run in runs:
                ends.callback(run.end, keep=keep, last=True)
    return results


def _poison(chance: random.Random, site: str, near: Reading) -> tuple[str, bytes]:
    """A message that no device should send."""
    topic = f"sensors/{site}/{near.device}/telemetry"
    shapes: tuple[Callable[[], tuple[str, bytes]], ...] = (
        lambda: (topic, chance.randbytes(chance.randrange(1, 400))),
        lambda: (topic, b""),
        lambda: (topic, b'{"ts": 1, "seq": '),
        lambda: (topic, b"[" * chance.randrange(10, 20_000)),
        lambda: (topic, b'{"a": ' * 5000 + b"1" + b"}" * 5000),
        lambda: (
            topic,
            json.dumps({"ts": near.ts, "seq": 10**6 + near.seq, "boot": "p", near.point: "dense"}).encode(),
        ),
        lambda: (topic, b'{"' + near.point.encode() + b'": 1e999}'),
        lambda: (topic, b'{"' + near.point.encode() + b'": NaN}'),
        lambda: (topic, b'{"seq": -1, "boot": ["x"], "ts": {}}'),
        lambda: (topic, b'{"x": "' + b"a" * chance.choice((70_000, 1_100_000)) + b'"}'),
        lambda: (f"sensors/{site}/nobody-{chance.randrange(50)}/telemetry", b'{"obscuration": 9}'),
        lambda: (f"sensors/elsewhere/{near.device}/telemetry", b'{"obscuration": 9}'),
        lambda: (f"sensors/{site}/{near.device}/perhaps/this", b"1"),
        lambda: (f"sensors/{site}/{near.device}/status", chance.randbytes(8)),
        lambda: (f"sensors/{site}/{near.device}/event", b'{"event": 7}'),
        lambda: (topic, '{"备注": "\\ud800"}'.encode()),
    )
    return chance.choice(shapes)()
