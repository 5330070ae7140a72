"""`shouwang simulate`: fleets of devices and recorded series over real MQTT."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import numpy as np
import typer

from shouwang.units import unit_of
from simulators import fleet as fleets
from simulators import replay as replays
from simulators.api import Api, ApiError
from simulators.play import Clock, play
from simulators.publisher import Credential, Link, Tally
from simulators.sensor import Publication
from wire.time import REAL, Segment, Timeline, format_instant, now_ms, parse_instant
from wire.topics import DeviceTopic, is_identifier

app = typer.Typer(
    no_args_is_help=True, help="Simulated devices over real MQTT: thousands of them, or a recorded series."
)

LEAD_S = 1.0
"""A replay's timeline begins so long after it was announced, so that the edge knows it before the first reading."""

BrokerOption = Annotated[str | None, typer.Option(help="mqtt://host:port; default: the credentials file's url.")]
CredentialsOption = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        exists=True,
        dir_okay=False,
        help="bridge.json of an edge, or a CSV with id,password (devices).",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]


def fail(message: str, code: int = 2) -> NoReturn:
    """A person's mistake: say it and end."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


def credentials(path: Path | None, broker: str | None) -> tuple[Credential, dict[str, Credential] | None]:
    """The shared credential, and each device's own when the file is a table of devices."""
    if path is None:
        if broker is None:
            fail("give --broker URL, or --credentials bridge.json")
        return Credential(broker), None
    if path.suffix == ".csv":
        if broker is None:
            fail("--credentials with a table of devices needs --broker")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        if not rows or not {"id", "password"} <= rows[0].keys():
            fail(f"{path.name}: expected the columns id and password")
        return Credential(broker), {row["id"]: Credential(broker, row["id"], row["password"]) for row in rows}
    try:
        read = msgspec.json.decode(path.read_bytes(), type=Credential)
    except msgspec.DecodeError as error:
        fail(f"{path.name}: {error}")
    return (Credential(broker, read.username, read.password) if broker else read), None


@app.command()
def fleet(
    devices: Annotated[int, typer.Option(min=1, max=100_000, help="How many devices.")] = 1000,
    rate: Annotated[float, typer.Option(min=0.01, help="Messages a second, all devices together.")] = 100.0,
    duration: Annotated[float, typer.Option(min=0.1, help="Seconds.")] = 30.0,
    broker: BrokerOption = None,
    credentials_file: CredentialsOption = None,
    site: Annotated[str, typer.Option(help="Site id of the devices.")] = "fleet",
    prefix: Annotated[str, typer.Option(help="Device ids are PREFIX-00000 and so on.")] = "fleet",
    seed: Annotated[int, typer.Option(help="Same seed, same fleet.")] = 1,
    faults: Annotated[bool, typer.Option("--faults", help="Inject faults at the usual rates.")] = False,
    hazards_per_minute: Annotated[float, typer.Option(min=0, help="Devices a minute that go through a hazard.")] = 0.0,
    connections: Annotated[int, typer.Option(min=1, max=64, help="Shared connections (with a bridge's name).")] = 4,
    write_import: Annotated[
        Path | None, typer.Option(help="Write the fleet as a CSV for the registry's import, and end.")
    ] = None,
    edge: Annotated[str, typer.Option(help="With --write-import: the edge of the devices.")] = "gw-1",
    zone: Annotated[str, typer.Option(help="With --write-import: their zone.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Thousands of devices over real MQTT at a stated rate; prints the rate achieved and publish-to-PUBACK latency.

    Exit code 1 when less than 95 % of the wanted rate was achieved or a message was lost.
    """
    if not (is_identifier(site) and is_identifier(prefix)):
        fail("--site and --prefix are letters, digits, '-' and '_'")
    plan = fleets.Plan(
        devices=devices,
        rate=rate,
        duration_s=duration,
        site=site,
        seed=seed,
        prefix=prefix,
        faults=faults,
        hazards_per_minute=hazards_per_minute,
        connections=connections,
    )
    if write_import is not None:
        write_import.write_text(fleets.import_table(fleets.build(plan), edge, zone), encoding="utf-8")
        typer.echo(f"{devices} devices written to {write_import}")
        return
    shared, own = credentials(credentials_file, broker)
    try:
        outcome = asyncio.run(fleets.run(plan, shared, own))
    except KeyError as error:
        fail(str(error.args[0]))
    except TimeoutError:
        fail(f"no connection to {shared.url}: is the broker there, is the password right?", 1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if as_json:
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    else:
        typer.echo(
            f"{outcome.devices} devices over {outcome.connections} connections, {outcome.seconds} s\n"
            f"  published {outcome.published}, acknowledged {outcome.acknowledged}, dropped {outcome.dropped}, "
            f"reconnects {outcome.reconnects}\n"
            f"  rate {outcome.rate_achieved} of {outcome.rate_wanted} messages/s\n"
            f"  publish to PUBACK: median {outcome.puback_median_ms} ms, p99 {outcome.puback_p99_ms} ms, "
            f"longest {outcome.puback_max_ms} ms\n"
            f"  hazards {outcome.hazards}, faults {outcome.faults or 'none'}"
        )
    if outcome.acknowledged < outcome.published or (not faults and outcome.rate_achieved < 0.95 * rate):
        raise typer.Exit(1)


def conversion(point: str, unit: str | None) -> replays.Convert:
    """From a unit of a point to its canonical one.

    Raises:
        ValueError: for a unit that the point cannot have.
    """
    found = unit_of(point, unit)
    return lambda value: float(found.to_canonical(np.asarray(value, dtype=np.float64)))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV with a header.")],
    device: Annotated[str, typer.Option(help="Device id that speaks.")],
    profile: Annotated[str, typer.Option(help="Its profile, as shouwang/smoke.")],
    point: Annotated[list[str], typer.Option(help="NAME=COLUMN:UNIT; may be repeated.")],
    time: Annotated[str, typer.Option(help="Column of time: RFC 3339, epoch ms, or seconds from --start.")],
    site: Annotated[str, typer.Option(help="Site id of the device.")] = "replay",
    rate: Annotated[float, typer.Option(min=0.001, help="Scenario seconds per wall second.")] = 1.0,
    timeline: Annotated[str, typer.Option(help="Name of the timeline of the device.")] = "replay",
    start: Annotated[str, typer.Option(help="Scenario time of second 0.")] = "2026-01-01T00:00:00Z",
    pad: Annotated[float, typer.Option(min=0, help="Seconds of the first row repeated before it.")] = 0.0,
    broker: BrokerOption = None,
    credentials_file: CredentialsOption = None,
    cloud: Annotated[str | None, typer.Option(help="URL of the cloud: sets the timeline there.")] = None,
    username: Annotated[str, typer.Option(help="Administrator of the cloud.")] = "admin",
    password: Annotated[str | None, typer.Option(envvar="SHOUWANG_PASSWORD", help="Its password.")] = None,
    edge_toml: Annotated[bool, typer.Option("--edge-toml", help="Print what edge.toml needs, and end.")] = False,
    lead: Annotated[float, typer.Option(min=0, help="Wall seconds between announcing and starting.")] = LEAD_S,
    as_json: JsonOption = False,
) -> None:
    """A recorded series as a device, at ×RATE on a named timeline whose times are those of the recording."""
    try:
        recording = replays.load(
            file,
            device=device,
            site=site,
            time_column=time,
            points=[replays.Source.parse(text, conversion) for text in point],
            start_ms=parse_instant(start),
            pad_s=pad,
        )
    except (replays.ReplayError, ValueError) as error:
        fail(str(error))
    if timeline == REAL:
        fail("a recording cannot be played on real time: name a timeline")
    starts = now_ms() + round(lead * 1000)
    clock = Timeline(timeline, (Segment(starts, recording.first_ms, rate),))
    if edge_toml or cloud is None:
        typer.echo(_toml(clock, device, site, profile), err=not edge_toml)
        if edge_toml:
            return
    shared, own = credentials(credentials_file, broker)
    credential = own.get(device, shared) if own else shared
    try:
        summary = asyncio.run(_replay(recording, clock, credential, cloud, username, password))
    except ApiError as error:
        fail(str(error), 1)
    except TimeoutError:
        fail(f"no connection to {credential.url}: is the broker there, is the password right?", 1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if as_json:
        sys.stdout.write(json.dumps(summary) + "\n")
    else:
        typer.echo(
            f"{summary['published']} readings of {device} from {summary['from']} to {summary['to']} "
            f"in {summary['wall_s']} s (×{rate:g} on '{timeline}')"
        )


async def _replay(
    recording: replays.Recording,
    timeline: Timeline,
    credential: Credential,
    cloud: str | None,
    username: str,
    password: str | None,
) -> dict[str, object]:
    if cloud is not None:
        async with Api(cloud) as api:
            await api.sign_in(username, password or "")
            await api.put_timeline(timeline)
    started = datetime.now(UTC)
    tally = Tally()
    status = DeviceTopic(site=recording.site, device=recording.device, channel="status")
    link = Link(credential, recording.device, status=status, capacity=100_000, window=4, tally=tally)
    async with link.running():
        await asyncio.wait_for(link.connected.wait(), 30)

        def send(publication: Publication) -> None:
            link.put(publication.topic, publication.payload())

        await play(recording, Clock(timeline), send)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(link.drained(), 60)
    return {
        "device": recording.device,
        "published": tally.acknowledged,
        "from": format_instant(recording.first_ms),
        "to": format_instant(recording.last_ms),
        "wall_s": round((datetime.now(UTC) - started).total_seconds(), 2),
        "timeline": timeline.name,
        "rate": timeline.segments[0].rate,
        "puback_p99_ms": tally.percentile_ms(0.99),
    }


def _toml(timeline: Timeline, device: str, site: str, profile: str) -> str:
    segment = timeline.segments[0]
    return (
        f'[[timelines]]\nname = "{timeline.name}"\n'
        f"segments = [{{ wall_ms = {segment.wall_ms}, "
        f"scenario_ms = {segment.scenario_ms}, rate = {segment.rate} }}]\n\n"
        f'[[devices]]\nid = "{device}"\nsite = "{site}"\nprofile = "{profile}"\ntimeline = "{timeline.name}"'
    )
