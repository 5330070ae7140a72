"""`shouwang demo`: the whole way on one machine – broker, edge, cloud, screens, a neighbourhood and its people.

Cloud and edge run as child processes, exactly as they would on their own machines; the neighbourhood's sensors speak
MQTT to the edge's broker under their own names, its people use the HTTP API. Nothing else is needed, no network either.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from shouwang.demo_record import Record, Summary, show
from shouwang.demo_stage import EDGE, TIMELINE, Stage, StageFailed
from shouwang.processes import ChildFailed
from simulators.api import Api, ApiError
from simulators.drill_controller import DrillController
from simulators.neighbourhood import MissingZoneError, Neighbourhood
from simulators.people import Delays, DutyOfficer, Human, Responder
from simulators.play import Clock, play
from simulators.publisher import Credential, Link, Tally
from simulators.sensor import Publication
from wire.time import Segment, Timeline, now_ms
from wire.topics import DeviceTopic

log = logging.getLogger(__name__)

RATE = 20.0
MOST_RATE = 60.0
STORY_MINUTES = 3.0
"""At ×20 the three stories take less than so long; a shorter demo runs its world faster."""
LEAD_S = 1.5
WIDTH = 132
"""Columns where the output is no terminal."""
PATIENCE_S = 20.0
SILENCE_S = 300.0
"""Scenario seconds that a device may be silent: its own three cadences are 1.5 s of wall time at ×20."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    headless: bool
    minutes: float | None
    host: str
    port: int
    data_dir: Path | None
    rate: float
    auto: bool
    as_json: bool
    seed: int


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Nobody watches: run, print a summary, end.")] = False,
    minutes: Annotated[float | None, typer.Option(min=0.5, help="End after so long (headless: 3).")] = None,
    listen: Annotated[str, typer.Option(help="HOST:PORT of the screens; the next free port if taken.")] = (
        "127.0.0.1:8080"
    ),
    data_dir: Annotated[Path | None, typer.Option(help="Keep everything here; default: a folder that is removed.")] = (
        None
    ),
    rate: Annotated[float | None, typer.Option(min=1, max=MOST_RATE, help="Scenario seconds per wall second.")] = None,
    auto: Annotated[
        bool, typer.Option("--auto/--no-auto", help="A simulated duty officer acts when nobody has for 20 s.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as one JSON object.")] = False,
    seed: Annotated[int, typer.Option(help="Same seed, same world.")] = 7,
) -> None:
    """The whole way on one machine: a fire, a flooding underpass, a loosening panel, from sensor to closed incident.

    Exit code 0 when it went as told; 1 when one of the three did not make it (headless), or something did not start.
    """
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        typer.echo(f"--listen '{listen}': write HOST:PORT, as 127.0.0.1:8080", err=True)
        raise typer.Exit(2)
    if headless and minutes is None:
        minutes = STORY_MINUTES
    if rate is None:
        rate = min(RATE * max(1.0, STORY_MINUTES / minutes), MOST_RATE) if headless and minutes else RATE
    options = Options(headless, minutes, host, int(port), data_dir, rate, auto, as_json, seed)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("simulators").setLevel(logging.WARNING if headless else logging.INFO)
    raise typer.Exit(asyncio.run(_main(options)))


async def _main(options: Options) -> int:
    console = Console(stderr=options.as_json, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH
    work = asyncio.current_task()
    assert work is not None
    loop = asyncio.get_running_loop()
    stopped_by: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if not stopped_by:
            stopped_by.append(number)
            work.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        return await _guarded(options, console)
    except asyncio.CancelledError:
        if not stopped_by:
            raise
        console.print("stopped.")
        return 128 + stopped_by[0] if options.headless else 0  # to end an interactive demo is no failure


async def _guarded(options: Options, console: Console) -> int:
    """Errors that a person can do something about, in one line each."""
    try:
        return await _run(options, console)
    except* (StageFailed, ChildFailed, MissingZoneError, ApiError, OSError) as failures:
        for failure in _leaves(failures):
            console.print(f"demo failed: {failure}", style="bold red", markup=False)
    return 1


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


@contextlib.contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        yield wanted.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="shouwang-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _run(options: Options, console: Console) -> int:
    with _folder(options.data_dir) as folder:
        async with Stage.up(folder, options.host, options.port, console) as stage:
            return await _play(options, stage, console)


async def _play(options: Options, stage: Stage, console: Console) -> int:
    async with contextlib.AsyncExitStack() as stack:
        admin = await stage.signed_in(stack, "admin")
        clock, start_ms = await _set_clock(admin, options.rate)
        devices, credentials = await stage.register_devices(stack, TIMELINE, SILENCE_S)
        town = Neighbourhood.build(devices, start_ms=start_ms, seed=options.seed)
        await stage.start_edge(len(devices))
        record, tally = Record(), Tally()
        links = {
            device.id: Link(
                Credential(stage.broker_url, device.id, credentials[device.id]),
                device.id,
                status=DeviceTopic(site=device.site, device=device.id, channel="status"),
                window=2,
                tally=tally,
            )
            for device in devices
        }
        for link in links.values():
            await stack.enter_async_context(link.running())
        async with asyncio.timeout(60):
            for link in links.values():
                await link.connected.wait()
        stranger = Link(stage.secret("bridge"), "shouwang-demo-stranger", window=1, tally=Tally())
        await stack.enter_async_context(stranger.running())
        delays = Delays().scaled(RATE / options.rate)
        officer = await _officer(options, stage, stack, town, delays, record)
        responders = [await _responder(stage, stack, name, town, delays, options.seed) for name in stage.responders()]
        controller = DrillController(await stage.signed_in(stack, "trainer"), stage.secret("drill"))
        record.started = await _start_clock(admin, clock, options.rate)
        if not options.headless:
            record.on_line = lambda line: console.print(line, style="dim")
        _announce(options, stage, console, len(devices))

        def send(publication: Publication) -> None:
            link = links.get(publication.device, stranger)
            points = len(publication.values)
            link.put(
                publication.topic,
                publication.payload(),
                on_sent=lambda wall: record.sent(publication.device, publication.ts, points, wall),
            )

        end = None if options.minutes is None else record.started + 60 * options.minutes
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(play(town.world, clock, send), name="neighbourhood"),
                group.create_task(officer.run(), name="duty officer"),
                group.create_task(controller.run(), name="drill controller"),
                *(group.create_task(responder.run(), name="responder") for responder in responders),
            ]
            await stage.watch(None if end is None else end - time.time())
            for task in tasks:
                task.cancel()
        summary = record.summary(
            now=time.time(),
            rate=options.rate,
            devices=len(devices),
            reconnects=tally.reconnects,
            rejections=await _rejections(admin),
            puback_p99_ms=tally.percentile_ms(0.99),
        )
    return _report(options, summary, console)


def _report(options: Options, summary: Summary, console: Console) -> int:
    show(summary, console)
    if options.as_json:
        sys.stdout.write(json.dumps(msgspec.to_builtins(summary), ensure_ascii=False) + "\n")
    if not summary.made_it:
        missing = ", ".join(story.title for story in summary.stories if not story.made_it)
        console.print(f"[bold red]did not make it from sensor to closed incident:[/] {missing}")
    return 0 if summary.made_it or not options.headless else 1


async def _set_clock(admin: Api, rate: float) -> tuple[Clock, int]:
    """The demo's timeline, standing still until everything is up."""
    wall = now_ms()
    timeline = Timeline(TIMELINE, (Segment(wall, wall, 0.0),))
    await admin.put_timeline(timeline, label_zh=f"演示世界 ×{rate:g}", label_en=f"Demo world ×{rate:g}")
    return Clock(timeline), wall


async def _start_clock(admin: Api, clock: Clock, rate: float) -> float:
    """Let it run, from a moment that the edge will have heard of; answers that moment in wall seconds."""
    standing = clock.timeline.segments[0]
    wall = now_ms() + round(LEAD_S * 1000)
    timeline = Timeline(TIMELINE, (standing, Segment(wall, standing.scenario_ms, rate)))
    await admin.put_timeline(timeline)
    clock.set(timeline)
    return wall / 1000


async def _officer(
    options: Options,
    stage: Stage,
    stack: contextlib.AsyncExitStack,
    town: Neighbourhood,
    delays: Delays,
    record: Record,
) -> DutyOfficer:
    human = Human(await stage.signed_in(stack, "duty"), "duty", options.seed, delays)
    patience = 0.0 if options.headless else PATIENCE_S
    officer = DutyOfficer(human, town, patience_s=patience, acting=options.auto)
    officer.on_event = record.event
    return officer


async def _responder(
    stage: Stage, stack: contextlib.AsyncExitStack, name: str, town: Neighbourhood, delays: Delays, seed: int
) -> Responder:
    human = Human(await stage.signed_in(stack, name), name, seed, delays)
    return Responder(human, town, follower=name == "guard")


async def _rejections(admin: Api) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in await admin.list("/rejections", edge=EDGE):
        counts[row["reason"]] = counts.get(row["reason"], 0) + row["count"]
    return counts


def _announce(options: Options, stage: Stage, console: Console, devices: int) -> None:
    wall = RATE / options.rate
    console.print(f"\n[bold]Shouwang 守望[/]  {stage.url}")
    console.print(f"world: {devices} sensors in six buildings, an underpass and a façade, at ×{options.rate:g}")
    console.print("what will happen, in seconds of wall time from now:")
    for at, what in (
        (12, "fire in a flat: 望湖苑 7幢1单元302室; the landing's detectors follow"),
        (15, "a curtain-wall panel loosens: 临江中心 B座18层东立面"),
        (22, "the underpass floods: 柳荫路铁路下穿; its pumps trip"),
        (270, "and then, every minute or two, cooking, a pot burnt dry, another fire"),
    ):
        if options.minutes is None or at * wall < options.minutes * 60:
            console.print(f"  {at * wall + LEAD_S:5.0f} s  {what}")
    if options.headless:
        console.print(f"ends after {options.minutes:g} minutes.\n")
        return
    console.print("accounts:")
    for account in stage.accounts.values():
        roles = ", ".join(account["roles"])
        console.print(f"  {account['username']:9} {account['password']:18} {account['name']} ({roles})")
    if options.auto:
        console.print(f"A simulated duty officer acts while nobody has done anything for {PATIENCE_S:g} s.")
    else:
        console.print("Nobody sits at the console but you (--no-auto); the responders answer on their phones.")
    console.print("Ctrl-C ends it.\n")
