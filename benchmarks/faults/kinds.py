"""The faults. Each is done to a run while its devices publish; when and how hard is drawn by the run's seed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.faults import disk
from benchmarks.faults.proxy import Link, Mode

if TYPE_CHECKING:
    from benchmarks.faults.run import Run

HOUR_S = 3600


@dataclass(frozen=True)
class Kind:
    """One kind of fault.

    Args:
        does: what it is, for the table.
        act: does it.
        seconds: wall time of the load.
        pace: how fast the clock of the bench runs during it.
        devices: how many.
        rest: readings between two events of a device, at least.
        reorders: the embedded broker may bring readings out of order in it (DESIGN: it sends again after 1 s what a
            dead agent had not acknowledged, behind newer ones).
        power: the broker is killed, so Mosquitto saves at each change (else what came since its last save is lost
            at a kill, as `docs/reliability.md` says).
        disk_mb: the edge's data lies on a file system of this size.
        own_clock: the edge's own clock is wrong in it.
        by_kernel: done by the kernel (`kernel.py`) where that is possible and the broker stands elsewhere.
    """

    does: str
    act: Callable[["Run"], None]
    seconds: float = 4.0
    pace: float = 1.0
    devices: int = 24
    rest: int = 7
    reorders: bool = False
    power: bool = False
    disk_mb: int = 0
    own_clock: bool = False
    by_kernel: bool = False
    brokers: tuple[str, ...] = ("embedded", "mosquitto")
    order: str = "plain"  # how devices send: plain, disorder, poison
    first: Callable[["Run"], None] | None = None  # done before the load begins


def _pause(run: "Run", most_s: float) -> None:
    time.sleep(run.chance.uniform(0, most_s))


def _moments(run: "Run", count: int) -> list[float]:
    return sorted(run.chance.uniform(0.1, 0.85) for _ in range(count))


def nothing(run: "Run") -> None:
    """Nothing happens: what this finds is wrong with the bench."""


def kill_agent(run: "Run") -> None:
    """kill -9 of the agent, two or three times; once in a while again while it starts."""
    for share in _moments(run, run.chance.choice((2, 2, 3))):
        run.publisher.wait_for(share)
        run.gateway.kill()
        _pause(run, 0.8)
        run.gateway.start(wait=False)
        if run.chance.random() < 0.3:
            _pause(run, 1.2)
            run.gateway.kill()
            run.gateway.start(wait=False)


def kill_broker(run: "Run") -> None:
    """kill -9 of the broker, twice."""
    for share in _moments(run, 2):
        run.publisher.wait_for(share)
        run.gateway.kill_broker()
        _pause(run, 0.6)
        run.gateway.start_broker()


def kill_cloud(run: "Run") -> None:
    """kill -9 of the cloud."""
    run.publisher.wait_for(run.chance.uniform(0.1, 0.8))
    run.world.kill_cloud()
    _pause(run, 1.0)
    run.world.start_cloud()


def kill_everything(run: "Run") -> None:
    """kill -9 of agent, broker and cloud at one moment."""
    run.publisher.wait_for(run.chance.uniform(0.15, 0.8))
    victims = [run.gateway.kill, run.gateway.kill_broker, run.world.kill_cloud]
    run.chance.shuffle(victims)
    for kill in victims:
        kill()
    _pause(run, 0.5)
    run.gateway.start_broker()
    run.gateway.start(wait=False)
    run.world.start_cloud()


def _bad_network(link: Link, mode: Mode, seconds: float) -> None:
    link.set(mode)
    time.sleep(seconds)
    link.set(Mode.FINE)


def _links(run: "Run") -> list[Link]:
    return [run.gateway.to_cloud, run.gateway.devices, *([run.gateway.to_broker] if run.gateway.mosquitto else [])]


def network_cut(run: "Run") -> None:
    """Every link cut in turn: connections reset and refused; by the kernel: the cable out and in again."""
    if (net := run.gateway.net) is not None:
        for share in _moments(run, 3):
            run.publisher.wait_for(share)
            net.cut()
            _pause(run, 1.2)
            net.restore()
        return
    for share, link in zip(_moments(run, 3), run.chance.sample(_links(run) * 2, 3), strict=True):
        run.publisher.wait_for(share)
        _bad_network(link, Mode.CUT, run.chance.uniform(0.3, 1.2))


def network_slow(run: "Run") -> None:
    """Delay and loss on all links at once; by the kernel: a narrow line with a short queue."""
    if (net := run.gateway.net) is not None:
        run.publisher.wait_for(run.chance.uniform(0.05, 0.3))
        net.narrow(run.chance.choice((64, 128, 256)), run.chance.choice((4000, 8000)))
        run.publisher.wait_for(run.chance.uniform(0.7, 1.0))
        net.restore()
        return
    run.publisher.wait_for(run.chance.uniform(0.05, 0.3))
    for link in _links(run):
        link.delay_s = run.chance.uniform(0.1, 0.5)
        link.set(run.chance.choice((Mode.DELAY, Mode.LOSS)))
    run.publisher.wait_for(run.chance.uniform(0.7, 1.0))
    for link in _links(run):
        link.set(Mode.FINE)


def network_half_open(run: "Run") -> None:
    """A hole: connections stay open and nothing passes, on one link or on all."""
    run.publisher.wait_for(run.chance.uniform(0.1, 0.6))
    if (net := run.gateway.net) is not None:
        net.cut()
        time.sleep(run.chance.uniform(1.0, 6.0))
        net.restore()
        return
    links = run.chance.sample(_links(run), run.chance.randint(1, len(_links(run))))
    for link in links:
        link.set(Mode.HOLE)
    time.sleep(run.chance.uniform(1.0, 4.0))
    for link in links:
        link.set(Mode.FINE)


def answers_lost(run: "Run") -> None:
    """What is sent arrives, no answer comes back: whoever sent it must send it again."""
    if (net := run.gateway.net) is not None:
        for share in _moments(run, 2):
            run.publisher.wait_for(share)
            net.deafen()
            time.sleep(run.chance.uniform(0.5, 4.0))
            net.restore()
        return
    for share in _moments(run, 2):
        run.publisher.wait_for(share)
        link = run.chance.choice([run.gateway.to_cloud, run.gateway.to_cloud, run.gateway.devices])
        _bad_network(link, Mode.MUTE, run.chance.uniform(0.5, 1.5))


def disk_full(run: "Run") -> None:
    """The disk of the edge – journal and embedded broker – is full to the last byte for a while; once with a kill."""
    run.publisher.wait_for(run.chance.uniform(0.1, 0.6))
    disk.fill(run.gateway)
    _pause(run, 1.5)
    if run.chance.random() < 0.3:
        run.gateway.kill()
        run.gateway.start(wait=False)
    _pause(run, 1.0)
    disk.make_room(run.gateway)
    run.revive()


def disk_read_only(run: "Run") -> None:
    """The disk is read-only when the agent starts again, and is mended later."""
    run.publisher.wait_for(run.chance.uniform(0.1, 0.6))
    run.gateway.kill()
    disk.read_only(run.gateway)
    run.gateway.start(wait=False)
    assert run.gateway.process is not None
    run.gateway.process.wait(60)  # it says why and ends; the service manager starts it again
    assert run.gateway.process.returncode, "the agent ended as if all were well"
    disk.writable(run.gateway)
    run.revive()


def clock_ahead(run: "Run") -> None:
    """The gateway's clock is set an hour on."""
    _clock_step(run, HOUR_S)


def clock_behind(run: "Run") -> None:
    """The gateway's clock is set an hour back."""
    _clock_step(run, -HOUR_S)


def clock_1970(run: "Run") -> None:
    """The gateway's clock begins anew."""
    _clock_step(run, -run.world.clock.now_ms() / 1000)


def _clock_step(run: "Run", by: float) -> None:
    """The clock is set, at once or while the agent is down, and is right again later."""
    run.publisher.wait_for(run.chance.uniform(0.1, 0.5))
    if run.chance.random() < 0.4:  # a gateway without a battery starts so
        run.gateway.kill()
        run.gateway.steps.step(by)
        run.gateway.start(wait=False)
    else:
        run.gateway.steps.step(by)
    run.publisher.wait_for(run.chance.uniform(0.6, 0.95))
    run.gateway.steps.step(-by)


def reconnect_storm(run: "Run") -> None:
    """5,000 devices lose their connections and come back at once, each with a reading."""
    assert run.storm is not None
    run.publisher.wait_for(run.chance.uniform(0.1, 0.5))
    run.storm.blow()


def database_away(run: "Run") -> None:
    """The cloud's database is away for ten minutes by the clock of all; the cloud runs on."""
    run.publisher.wait_for(1.0)
    run.world.clock.fast(1.0)
    run.world.database.back()
    run.publisher.finish()


def week_of_outage(run: "Run") -> None:
    """The cloud is away for a week by the clock of all, while the edge works on."""
    run.publisher.wait_for(1.0)
    run.publisher.finish()
    run.world.clock.fast(1.0)
    run.world.start_cloud()


KINDS: dict[str, Kind] = {
    "kill_agent": Kind("kill -9 of the agent, two or three times", kill_agent, reorders=True),
    "kill_broker": Kind("kill -9 of the broker, twice", kill_broker, reorders=True, power=True),
    "kill_cloud": Kind("kill -9 of the cloud", kill_cloud),
    "kill_everything": Kind("kill -9 of agent, broker and cloud at one moment", kill_everything, reorders=True,
                            power=True),
    "network_cut": Kind("links cut", network_cut, reorders=True, by_kernel=True),
    "network_slow": Kind("delay and loss on all links", network_slow, reorders=True, by_kernel=True),
    "network_half_open": Kind("half-open connections", network_half_open, reorders=True, by_kernel=True),
    "answers_lost": Kind("answers of cloud or broker lost", answers_lost, reorders=True, by_kernel=True),
    "disk_full": Kind("disk full, journal and broker", disk_full, disk_mb=24, reorders=True),
    "disk_read_only": Kind("disk read-only at a start", disk_read_only, disk_mb=24, brokers=("mosquitto",)),
    "clock_ahead": Kind("the gateway's clock set +1 h, and back", clock_ahead, own_clock=True, reorders=True),
    "clock_behind": Kind("the gateway's clock set -1 h, and back", clock_behind, own_clock=True, reorders=True),
    "clock_1970": Kind("the gateway's clock set to 1970, and back", clock_1970, own_clock=True, reorders=True),
    "disorder": Kind("duplicates, wrong order, late bursts", nothing, order="disorder"),
    "poison": Kind("one message in ten is poison", nothing, order="poison"),
    "reconnect_storm": Kind("5,000 devices reconnect at once", reconnect_storm, reorders=True),
    "database_away": Kind("the cloud's database away for ten minutes (time runs 120-fold)", database_away,
                          seconds=5.0, pace=120.0, first=lambda run: run.world.database.away()),
    "week_of_outage": Kind("the cloud away for a week (time runs 100,800-fold)", week_of_outage, seconds=6.0,
                           pace=100_800.0, devices=10, rest=5, first=lambda run: run.world.kill_cloud()),
}  # fmt: skip
"""By name; run N of the bench is the N-th of them, round and round."""
