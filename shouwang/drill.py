"""`shouwang drill`: run a drill from a scenario, print its score, or keep a controller running."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from shouwang.simulate import fail
from simulators.api import Api, ApiError, Json
from simulators.drill_controller import DrillController
from simulators.people import Delays, Human, Player
from simulators.publisher import Credential

app = typer.Typer(no_args_is_help=True, help="Drills through the real pipeline: run, report, controller.")

CloudOption = Annotated[str, typer.Option(envvar="SHOUWANG_CLOUD", help="URL of the cloud.")]
UsernameOption = Annotated[str, typer.Option(help="A trainer's account.")]
PasswordOption = Annotated[str, typer.Option(envvar="SHOUWANG_PASSWORD", help="Its password.", prompt=False)]
CredentialsOption = Annotated[
    Path | None,
    typer.Option(
        "--credentials", exists=True, dir_okay=False, help="drill.json of the edge: may publish under exercise/# only."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="The drill as one JSON object.")]


def _credential(path: Path, broker: str | None) -> Credential:
    try:
        read = msgspec.json.decode(path.read_bytes(), type=Credential)
    except msgspec.DecodeError as error:
        fail(f"{path.name}: {error}")
    return Credential(broker, read.username, read.password) if broker else read


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="Id of a scenario, as stairwell-fire (GET /drills/scenarios).")],
    password: PasswordOption,
    credentials_file: CredentialsOption = None,
    cloud: CloudOption = "http://127.0.0.1:8000",
    username: UsernameOption = "trainer",
    participant: Annotated[
        list[str] | None, typer.Option(help="Id or user name of a participant; may be repeated; default: everyone.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0.1, max=60, help="Exercise seconds per wall second.")] = 1.0,
    stop_after: Annotated[float | None, typer.Option(min=1, help="End after so many exercise seconds.")] = None,
    broker: Annotated[str | None, typer.Option(help="mqtt://host:port instead of the credential's.")] = None,
    players: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="accounts.json: simulated people play for the participants."),
    ] = None,
    no_controller: Annotated[
        bool, typer.Option("--no-controller", help="A controller runs elsewhere (the demo has one).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a drill, start it, play its readings, wait to its end, print its score.

    Exit code 0 when no objective was missed, 1 when one was or the drill could not be run.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    if credentials_file is None and not no_controller:
        fail("--credentials drill.json of the edge, or --no-controller when one runs elsewhere")
    credential = None if credentials_file is None or no_controller else _credential(credentials_file, broker)
    rows = json.loads(players.read_text(encoding="utf-8")) if players else []
    accounts = {one["username"]: one["password"] for one in rows}
    work = _run(cloud, username, password, scenario, participant or [], rate, stop_after, credential, accounts)
    try:
        drill = asyncio.run(work)
    except* ApiError as errors:
        fail(str(errors.exceptions[0]), 1)
    except* KeyboardInterrupt:
        raise typer.Exit(130) from None
    _print(drill, as_json=as_json)
    if any(objective["met"] is False for objective in drill["objectives"]):
        raise typer.Exit(1)


async def _run(
    cloud: str,
    username: str,
    password: str,
    scenario: str,
    participants: Sequence[str],
    rate: float,
    stop_after: float | None,
    credential: Credential | None,
    accounts: dict[str, str],
) -> Json:
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(Api(cloud))
        await api.sign_in(username, password)
        chosen = await choose(api, participants)
        drill = await api.post(
            "/drills", {"scenario": scenario, "participants": [one["id"] for one in chosen], "rate": rate}
        )
        async with asyncio.TaskGroup() as group:
            tasks = []
            if credential is not None:
                tasks.append(group.create_task(DrillController(api, credential).run(), name="controller"))
            tasks += [
                group.create_task(player.run(), name=f"player {player.human.name}")
                for player in await _players(stack, cloud, accounts, chosen, rate)
            ]
            try:
                await api.post(f"/drills/{drill['id']}/start")
                await _wait(api, drill["id"], stop_after)
            finally:
                with contextlib.suppress(ApiError):
                    drill = await asyncio.shield(api.post(f"/drills/{drill['id']}/stop"))
                for task in tasks:
                    task.cancel()
        return await api.get(f"/drills/{drill['id']}")


async def choose(api: Api, wanted: Sequence[str]) -> list[Json]:
    """The participants by id or user name; all candidates when none is named.

    Raises:
        ApiError: for a name that is no candidate.
    """
    candidates = [one for one in await api.list("/people/participants") if one["id"] != api.person["id"]]
    if not wanted:
        return [one for one in candidates if {"duty_officer", "responder"} & set(one["roles"])]
    found = {key: one for one in candidates for key in (one["id"], one["username"])}
    for name in wanted:
        if name not in found:
            raise ApiError("participants", 0, f"'{name}' is none of {', '.join(c['username'] for c in candidates)}")
    return [found[name] for name in wanted]


async def _players(
    stack: contextlib.AsyncExitStack, cloud: str, accounts: dict[str, str], chosen: Sequence[Json], rate: float
) -> list[Player]:
    players: list[Player] = []
    seated = False
    for person in chosen:
        if person["username"] in accounts:
            api = await stack.enter_async_context(Api(cloud))
            await api.sign_in(person["username"], accounts[person["username"]])
            human = Human(api, person["username"], 11, Delays().scaled(max(0.2, 1 / rate)))
            officer = "duty_officer" in person["roles"]
            if officer and seated:
                continue  # one person sits at the console; the others look on
            seated = seated or officer
            players.append(Player(human, officer=officer))
    return players


async def _wait(api: Api, drill_id: str, stop_after: float | None) -> None:
    """Until its last second, or until a trainer ended it; asks again when its clock may have reached the end."""
    while True:
        drill = await api.get(f"/drills/{drill_id}")
        left = (stop_after or drill["duration_s"]) - drill["elapsed_s"]
        if drill["state"] == "ended" or left <= 0:
            return
        await asyncio.sleep(min(max(left / drill["rate"], 0.2), 5.0))


@app.command()
def report(
    drill_id: Annotated[str, typer.Argument(help="Id of the drill, as drl-1a2b3c4d.")],
    password: PasswordOption,
    cloud: CloudOption = "http://127.0.0.1:8000",
    username: UsernameOption = "trainer",
    as_json: JsonOption = False,
) -> None:
    """The score of a drill, by the system's own timestamps."""

    async def ask() -> Json:
        async with Api(cloud) as api:
            await api.sign_in(username, password)
            return await api.get(f"/drills/{drill_id}")

    try:
        drill = asyncio.run(ask())
    except ApiError as error:
        fail(str(error), 1)
    _print(drill, as_json=as_json)


@app.command()
def controller(
    password: PasswordOption,
    credentials_file: CredentialsOption = None,
    cloud: CloudOption = "http://127.0.0.1:8000",
    username: UsernameOption = "trainer",
    broker: Annotated[str | None, typer.Option(help="mqtt://host:port instead of the credential's.")] = None,
) -> None:
    """Keep a drill controller running: it plays whatever drill a trainer starts, until Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    if credentials_file is None:
        fail("--credentials drill.json of the edge")
    credential = _credential(credentials_file, broker)

    async def serve() -> None:
        async with Api(cloud) as api:
            await api.sign_in(username, password)
            await DrillController(api, credential).run()

    try:
        asyncio.run(serve())
    except* ApiError as errors:
        fail(str(errors.exceptions[0]), 1)
    except* KeyboardInterrupt:
        raise typer.Exit(0) from None


def _print(drill: Json, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(drill, ensure_ascii=False) + "\n")
        return
    console = Console(highlight=False)
    console.print(
        f"[bold]{drill['id']}[/] {drill['name']} · {drill['state']} at {drill['elapsed_s']:.0f} of "
        f"{drill['duration_s']:.0f} s · incidents {len(drill['incidents'])}"
    )
    injects = Table("at", "inject", "kind", "state", title="injects")
    for inject in drill["injects"]:
        injects.add_row(f"{inject['at_s']:.0f} s", inject["label_zh"], inject["kind"], inject["state"])
    objectives = Table("objective", "", "met", "value", "limit", title="objectives")
    for one in drill["objectives"]:
        met = {True: "yes", False: "[bold red]no[/]", None: "not observed"}[one["met"]]
        value = "–" if one["value_s"] is None else f"{one['value_s']:.0f} s"
        limit = "–" if one["limit_s"] is None else f"{one['limit_s']:.0f} s"
        objectives.add_row(one["label_zh"], one["label_en"], met, value, limit)
    console.print(injects)
    console.print(objectives)
