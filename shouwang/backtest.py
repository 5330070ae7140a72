"""`shouwang backtest`: the edge's rules over a recorded series, with the very same engine as live."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timezone
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from rules.declaration import DeclarationError
from rules.preview import Pair
from shouwang import backtest_compare
from shouwang.backtest_judge import (
    MAIN_POINT,
    BacktestError,
    Episode,
    Judged,
    Layer,
    cadence,
    episodes,
    judge,
    parameters,
    read_layer,
    rulebook,
    sources,
    thresholds,
)
from shouwang.recording import Recording, RecordingError, parse_zone, read
from shouwang.units import UNITS, unit_of
from wire.alert import Hazard

SHOWN_BAD_CELLS = 5


@contextmanager
def _bar(path: Path, *, shown: bool) -> Iterator[Any]:
    """A progress bar on stderr where a person watches; gives a function that is told rows."""
    if not shown:
        yield None
        return
    size = max(path.stat().st_size, 1) if path.is_file() else 1
    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} rows"),
                  console=console, transient=True) as bar:  # fmt: skip
        task = bar.add_task(path.name, total=max(size // 24, 1))
        yield lambda rows: bar.update(task, completed=rows)


def _report(recording: Recording) -> None:
    if not recording.bad and not recording.missing:
        return
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if recording.bad:
        console.print(f"{recording.path}: {len(recording.bad)} of {recording.rows} rows hold what cannot be read")
        for cell in recording.bad[:SHOWN_BAD_CELLS]:
            console.print(f"  row {cell.row}, column '{cell.column}': {cell.problem}", markup=False)
        if len(recording.bad) > SHOWN_BAD_CELLS:
            console.print(f"  and {len(recording.bad) - SHOWN_BAD_CELLS} more")
    if recording.missing:
        console.print(f"{recording.path}: {recording.missing} empty cells, taken as missing readings")


def _print_table(found: Sequence[Episode], recording: Recording) -> None:
    table = Table(title=f"{recording.path.name}: {len(found)} alarm{'' if len(found) == 1 else 's'}")
    for name in ("rule", "level", "raised at", "cleared at", "peak", "why"):
        table.add_column(name, justify="right" if name == "peak" else "left")
    for each in found:
        evidence = each.evidence
        shown = ("value", "rate", "percent", "threshold", "held_s")
        why = ", ".join(f"{key} {evidence[key]:g}" for key in shown if isinstance(evidence.get(key), float))
        table.add_row(
            each.rule,
            f"{each.level}{' (suspect)' if each.suspect else ''}",
            str(each.raised_at),
            "–" if each.cleared_at is None else str(each.cleared_at),
            "–" if each.peak is None else f"{each.peak:g} {each.unit or ''}",
            why,
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def backtest(
    file: Annotated[Path, typer.Argument(help="CSV file with a head line.")],
    time: Annotated[
        str, typer.Option(help="Time column: RFC 3339, epoch seconds or milliseconds, or seconds from a start.")
    ],
    kind: Annotated[str, typer.Option(help="smoke, water_level or curtain_wall: whose rules are run.")],
    value: Annotated[
        str | None, typer.Option(help="Column of the family's main point (obscuration, level, frequency).")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Unit of --value and --threshold, for example ft.")] = None,
    point: Annotated[
        list[str] | None, typer.Option(help="NAME=COLUMN:UNIT, for example obscuration=SMA_1:1/m; may be repeated.")
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="LEVEL=VALUE in place of the main rule's levels, for example IV=5; may be repeated."),
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the device, for example baseline_frequency_hz=16.6.")
    ] = None,
    rules_file: Annotated[
        Path | None, typer.Option("--rules", help="YAML with rules (and `quality`) over the defaults.")
    ] = None,
    zone: Annotated[str | None, typer.Option(help="Offset of instants that have none, for example +08:00.")] = None,
    cadence_s: Annotated[
        float | None, typer.Option(help="Seconds between readings; default: the file's usual.")
    ] = None,
    silence: Annotated[bool, typer.Option(help="Report gaps as silence, and holds that a gap cut off.")] = False,
    quality: Annotated[bool, typer.Option(help="Run the quality tests, as the edge does.")] = True,
    compare: Annotated[
        Path | None, typer.Option(help="YAML with changed rules: what would have fired, and what would not.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw a picture: FILE.png or FILE.html.")] = None,
    lang: Annotated[str, typer.Option(help="Language of the picture: en or zh.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Run the edge's rules over a recorded series and print the alarms.

    Exit code 0: the file was judged (whether or not there are alarms); 2: it could not be.
    """
    try:
        hazard = _hazard(kind)
        wanted = sources(hazard, value, unit, point or [])
        main = next((source for source in wanted if source.point == MAIN_POINT[hazard]), None)
        main_unit = main.unit if main else unit_of(MAIN_POINT[hazard], unit)
        layers = [Layer(thresholds(hazard, threshold or [], main_unit)), read_layer(rules_file)]
        sets = [layers] if compare is None else [layers, [*layers, read_layer(compare)]]
        offset = None if zone is None else parse_zone(zone)
        given = parameters(parameter or [])
        if plot is not None:
            from shouwang import backtest_plot

            backtest_plot.check(plot, lang)
        with _bar(file, shown=sys.stderr.isatty()) as progress:
            recording = read(file, time, [source.column for source in wanted], offset, progress)
            step_s = cadence_s or cadence(recording)
            points = [source.point for source in wanted]
            books = [rulebook(hazard, points, step_s, one, given, silence=silence, tested=quality) for one in sets]
            sides = [judge(recording, wanted, book, with_silence=silence, progress=progress) for book in books]
        pairs = backtest_compare.pairs(*sides) if compare else []
        if plot is not None:
            _draw(plot, sides, pairs, lang, offset)
    except (BacktestError, RecordingError, DeclarationError, ValueError) as error:
        typer.echo(f"shouwang backtest: {error}", err=True)
        raise typer.Exit(2) from None
    _report(recording)
    _report_judgement(sides[-1])
    if as_json:
        told = backtest_compare.lines(pairs, *sides) if compare else map(msgspec.to_builtins, episodes(sides[0]))
        for each in told:
            typer.echo(json.dumps(each, ensure_ascii=False, allow_nan=False))
    elif compare:
        backtest_compare.print_table(pairs, *sides)
    else:
        _print_table(episodes(sides[0]), recording)


def _draw(plot: Path, sides: Sequence[Judged], pairs: Sequence[Pair], lang: str, zone: timezone | None) -> None:
    from shouwang import backtest_plot

    other = sides[1] if len(sides) > 1 else None
    note = backtest_plot.draw(plot, sides[0], lang=lang, zone=zone, other=other, pairs=pairs)
    if note:
        typer.echo(f"shouwang backtest: {note}", err=True)


def _report_judgement(judged: Judged) -> None:
    """Rules that could not judge, and what the quality tests said, in a few lines."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for why in judged.blind.values():
        console.print(f"{judged.recording.path.name}: {why}", markup=False)
    for point, counts in judged.doubts().items():
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        if counts:
            console.print(f"{judged.recording.path.name}: quality of {point}: {told}", markup=False)


def _hazard(kind: str) -> Hazard:
    for hazard in MAIN_POINT:
        if kind.replace("-", "_") == hazard:
            return hazard
    raise BacktestError(f"--kind {kind}: choose one of {', '.join(MAIN_POINT)}")


assert set(MAIN_POINT.values()) <= set(UNITS)
