"""The `shouwang` command: every part of the system, and the demo that composes them.

Each sub-command lives in a module of its own name and is imported only when it is asked for, so that
`shouwang profiles decode` does not wait for the cloud's libraries.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from shouwang import __version__

# name -> (module, attribute, one line for --help). The attribute is a typer sub-application or a command function.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("shouwang.demo", "demo", "The whole way on one machine: broker, edge, cloud, screens, a neighbourhood."),
    "edge": ("shouwang.edge", "app", "The edge agent: run."),
    "cloud": ("shouwang.cloud", "app", "The cloud service: run, seed."),
    "profiles": ("shouwang.profiles", "app", "Device profiles: list, show, new, check, decode, try."),
    "simulate": ("shouwang.simulate", "app", "Simulated sensors over real MQTT: fleet, replay."),
    "backtest": ("shouwang.backtest", "backtest", "Run the edge's rules over a recorded series."),
    "drill": ("shouwang.drill", "app", "Drills: run, report, controller."),
    "registry": ("shouwang.registry", "app", "The device registry: import, export."),
}


class LazyGroup(TyperGroup):
    """Loads a sub-command's module on first use."""

    _listing = False  # `shouwang --help` wants names and lines, not what stands behind them

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Without importing every part of the system."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order in which people meet them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:
        """Import the module behind one name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, attribute, summary = COMMANDS[cmd_name]
        if self._listing:
            return TyperCommand(cmd_name, short_help=summary, rich_help_panel=None)
        target = getattr(importlib.import_module(module), attribute)
        if isinstance(target, typer.Typer):
            command = typer.main.get_command(target)
        else:
            single = typer.Typer(add_completion=False)
            single.command(name=cmd_name)(target)
            command = typer.main.get_command(single)
        if not isinstance(command, TyperCommand | TyperGroup):
            raise TypeError(f"{module}.{attribute} is not a typer command")
        command.name = cmd_name
        command.short_help = summary
        return command


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    help="Shouwang 守望: community safety sensing, from the sensor to the responder.",
)


@app.callback(invoke_without_command=True)
def root(
    version: bool = typer.Option(False, "--version", help="Print the version and end."),
) -> None:
    """Shouwang 守望: community safety sensing, from the sensor to the responder."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code says what happened (0 good, 1 not so, 2 wrong use)."""
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="shouwang", standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
