"""`shouwang edge`: the agent on a gateway."""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The agent on a gateway: sensors in, alarms judged, alerts out.", no_args_is_help=True)


class _JsonLines(logging.Formatter):
    """One JSON object a line, for a journal or a log collector."""

    def format(self, record: logging.LogRecord) -> str:
        """As JSON."""
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def _log(level: str, *, json_lines: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _JsonLines() if json_lines else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)


@app.callback()
def edge() -> None:
    """The agent on a gateway."""


@app.command()
def run(
    config: Annotated[Path, typer.Option("--config", help="Settings file (TOML).", dir_okay=False)],
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_json: Annotated[bool, typer.Option("--log-json", help="Log one JSON object a line.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only check the settings file.")] = False,
) -> None:
    """Run the agent until it is told to stop (SIGTERM, SIGINT).

    Exit codes: 0 stopped, 2 it can't start (the message says why).
    """
    from edge import agent
    from edge.settings import load

    if log_level.lower() not in {"debug", "info", "warning", "error"}:
        typer.echo(f"--log-level: '{log_level}' is none of debug, info, warning, error.", err=True)
        raise typer.Exit(2)
    _log(log_level, json_lines=log_json)
    try:
        if check:
            load(config)
            typer.echo(f"{config}: good")
        else:
            agent.run(config)
    except agent.STARTUP_ERRORS as error:
        typer.echo(f"edge: {error}", err=True)
        raise typer.Exit(2) from None


@app.command()
def password(
    config: Annotated[Path, typer.Option("--config", help="Settings file (TOML).", dir_okay=False)],
    new: Annotated[bool, typer.Option("--new", help="Make up another one.")] = False,
    choose: Annotated[
        bool, typer.Option("--set", help="Ask for one of your own (from a pipe: its first line).")
    ] = False,
) -> None:
    """The password of the status page, which is asked for where it does not listen on loopback alone.

    A running agent takes a changed one up at once. Exit codes: 0 done, 2 it can't be read or kept.
    """
    import msgspec

    from edge.settings import SettingsError, load
    from edge.status_access import generated_password, new_password, set_password

    try:
        data_dir = load(config).edge.data_dir
        if choose:
            given = typer.prompt("password", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
            if len(given) < 12:
                typer.echo("edge: a password needs at least 12 characters. Choose a longer one.", err=True)
                raise typer.Exit(2)
            set_password(data_dir, given)
            typer.echo("kept")
            return
        found = new_password(data_dir) if new else generated_password(data_dir)
    except (SettingsError, OSError, msgspec.MsgspecError) as error:
        typer.echo(f"edge: {error}", err=True)
        raise typer.Exit(2) from None
    if found is None:
        typer.echo(
            "edge: the password was set by a person and is kept as a hash. --new makes up another one.", err=True
        )
        raise typer.Exit(2)
    typer.echo(found)
