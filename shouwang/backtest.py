"""`shouwang backtest`: the edge's rules over a recorded series, with the very same engine as live."""

import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from rules.columns import Change, Columns
from rules.declaration import DeclarationError, Rule, resolve
from rules.engine import DeviceRules, Engine
from shouwang.recording import Recording, RecordingError, parse_zone, read
from shouwang.units import UNITS, Unit, unit_of
from wire.alert import Hazard, Verb
from wire.level import Level

MAIN_POINT = {Hazard.WATER_LEVEL: "level", Hazard.SMOKE: "obscuration", Hazard.CURTAIN_WALL: "frequency"}
MAIN_RULE = {Hazard.WATER_LEVEL: "water_depth", Hazard.SMOKE: "smoke", Hazard.CURTAIN_WALL: "frequency_shift"}
BATCH = 20_000
DEVICE = "recording"
SHOWN_BAD_CELLS = 5


class BacktestError(ValueError):
    """What the command line asked for and cannot be."""


@dataclass(frozen=True, slots=True)
class Source:
    """One point of the device, and the column that it comes from."""

    point: str
    column: str
    unit: Unit


class Episode(msgspec.Struct, kw_only=True):
    """One alarm of the recording, from raise to clear."""

    rule: str
    kind: str
    hazard: Hazard
    level: Level  # the worst it reached
    raised_at: str | float
    cleared_at: str | float | None
    peak: float | None
    unit: str | None
    suspect: bool
    evidence: dict[str, float | str | None]
    steps: list[dict[str, Any]]


def sources(kind: Hazard, value: str | None, unit: str | None, points: Sequence[str]) -> list[Source]:
    """The points that the options name.

    Raises:
        BacktestError: for one that cannot be read.
    """
    found = []
    try:
        if value is not None:
            found.append(Source(MAIN_POINT[kind], value, unit_of(MAIN_POINT[kind], unit)))
        for text in points:
            name, equals, rest = text.partition("=")
            column, _, unit_name = rest.partition(":")
            if not equals or not column:
                raise BacktestError(f"--point {text}: write NAME=COLUMN:UNIT, for example obscuration=SMA_1:1/m")
            found.append(Source(name, column, unit_of(name, unit_name or None)))
    except ValueError as error:
        if isinstance(error, BacktestError):
            raise
        raise BacktestError(str(error)) from None
    if not found:
        raise BacktestError(
            f"nothing to judge: give --value COLUMN (as {MAIN_POINT[kind]}) or --point NAME=COLUMN:UNIT"
        )
    names = [source.point for source in found]
    if len(set(names)) < len(names):
        raise BacktestError("a point is given twice")
    return found


def thresholds(kind: Hazard, texts: Sequence[str], unit: Unit) -> dict[str, Any]:
    """The layer that `--threshold LEVEL=VALUE` makes: these levels, and no others, of the family's main rule."""
    if not texts:
        return {}
    levels: dict[str, Any] = dict.fromkeys(Level, None)
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = np.nan
        if not equals or name not in levels or not np.isfinite(value):
            raise BacktestError(f"--threshold {text}: write LEVEL=NUMBER with a level of I, II, III, IV")
        if kind is not Hazard.CURTAIN_WALL:  # there thresholds are percent of the baseline
            value = float(unit.to_canonical(np.array([value]))[0])
        levels[name] = {"enter": value, "exit": None}
        if kind is Hazard.SMOKE:
            levels[name]["hysteresis"] = 0.5 * value
    return {MAIN_RULE[kind]: {"levels": levels}}


def episodes(
    changes: Sequence[Change], recording: Recording, rules: Mapping[str, Rule], by_point: Mapping[str, Source]
) -> Iterator[Episode]:
    """Changes of one device, put together to episodes in the order of raising, in the file's own units."""
    opened: dict[tuple[str, int], list[Change]] = {}
    for change in changes:
        opened.setdefault((change.rule, change.opened_at), []).append(change)
    for (rule_id, _), story in opened.items():
        rule, first = rules[rule_id], story[0]
        source = by_point.get(rule.point or "")
        cleared = story[-1].at if story[-1].verb is Verb.CLEARED else None
        reached = [change for change in story if change.verb in (Verb.RAISED, Verb.ESCALATED) and change.level]
        yield Episode(
            rule=rule_id,
            kind=rule.kind,
            hazard=rule.hazard,
            level=max((change.level for change in reached if change.level), key=lambda level: level.rank),
            raised_at=recording.written_time(first.at),
            cleared_at=None if cleared is None else recording.written_time(cleared),
            peak=_peak(recording, source, rule, first.at, cleared),
            unit=source.unit.name if source else None,
            suspect=first.suspect,
            evidence=_in_unit(first.evidence, rule, source),
            steps=[
                {"verb": change.verb, "level": change.level, "at": recording.written_time(change.at)}
                for change in story
            ],
        )


def _peak(recording: Recording, source: Source | None, rule: Rule, start: int, end: int | None) -> float | None:
    if source is None:
        return None
    last = recording.ts.max() if end is None else end
    value = recording.values[source.column][(recording.ts >= start) & (recording.ts <= last)]
    value = value[np.isfinite(value)]
    if not len(value):
        return None
    return float(value.max() if rule.direction == "above" else value.min())


def _in_unit(evidence: Mapping[str, Any], rule: Rule, source: Source | None) -> dict[str, float | str | None]:
    said = dict(evidence)
    if source is None:
        return said
    said["unit"] = source.unit.name
    keys = ["value"] if rule.kind == "rate" or rule.reference else ["value", "threshold"]
    for key in keys:
        if isinstance(said.get(key), float):
            said[key] = round(float(source.unit.from_canonical(np.array([said[key]]))[0]), 9)
    if rule.kind == "rate" and source.unit.slope is not None:
        for key in ("rate", "threshold"):  # per minute
            if isinstance(said.get(key), float):
                said[key] = round(said[key] / source.unit.slope, 9)
    return said


def run(
    recording: Recording,
    wanted: Sequence[Source],
    rules: Mapping[str, Rule],
    parameters: Mapping[str, float],
    cadence_s: float,
    *,
    with_silence: bool = False,
    progress: Any = None,
) -> list[Change]:
    """Step the engine over a recording, as the edge would have, in large batches."""
    points = tuple(source.point for source in wanted)
    engine = Engine()
    engine.configure([DeviceRules(DEVICE, rules, points, parameters, cadence_s=cadence_s)])
    count, width = len(recording.ts), len(wanted)
    channels = np.array([engine.channel(DEVICE, point) for point in points], dtype=np.int32)
    values = np.column_stack([source.unit.to_canonical(recording.values[source.column]) for source in wanted])
    arrival = np.maximum.accumulate(recording.ts)
    cuts = {*range(0, count, BATCH), count}
    if with_silence:
        cuts.update((np.flatnonzero(np.diff(arrival) > engine_patience_ms(rules)) + 1).tolist())
    changes: list[Change] = []
    edges = sorted(cuts)
    for start, stop in itertools.pairwise(edges):
        part = slice(start, stop)
        flat = values[part].ravel()
        present = np.isfinite(flat)
        columns = Columns.of(
            np.tile(channels, stop - start)[present],
            np.repeat(recording.ts[part], width)[present],
            flat[present],
            arrival=np.repeat(arrival[part], width)[present],
        )
        if with_silence:
            changes += engine.tick({"real": int(arrival[start]) - 1})
        changes += engine.step(columns)
        if progress is not None:
            progress(stop)
    return changes


def engine_patience_ms(rules: Mapping[str, Rule]) -> int:
    """The shortest time after which something happens because nothing came."""
    waits = [rule.max_gap_s for rule in rules.values() if rule.point]
    waits += [min(rule.after_s.values()) for rule in rules.values() if rule.after_s]
    return round(min(waits, default=1e9) * 1000)


def cadence(recording: Recording) -> float:
    """The usual step of a recording, in seconds."""
    steps = np.diff(recording.ts)
    steps = steps[steps > 0]
    return float(np.median(steps)) / 1000 if len(steps) else 10.0


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


def _parameters(texts: Sequence[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise BacktestError(f"--parameter {text}: write NAME=NUMBER") from None
    return found


def _need_parameters(rules: Mapping[str, Rule], given: Mapping[str, float]) -> None:
    for rule in rules.values():
        if rule.reference and not given.get(rule.reference):
            raise BacktestError(f"rule {rule.id} needs --parameter {rule.reference}=VALUE")


def _layer(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        layer = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BacktestError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BacktestError(f"{path}: is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(layer, dict):
        raise BacktestError(f"{path}: expected rules by name")
    return layer


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
    rules_file: Annotated[Path | None, typer.Option("--rules", help="YAML with rules over the defaults.")] = None,
    zone: Annotated[str | None, typer.Option(help="Offset of instants that have none, for example +08:00.")] = None,
    cadence_s: Annotated[
        float | None, typer.Option(help="Seconds between readings; default: the file's usual.")
    ] = None,
    silence: Annotated[bool, typer.Option(help="Report gaps as silence, and holds that a gap cut off.")] = False,
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
        layers = [thresholds(hazard, threshold or [], main_unit), _layer(rules_file)]
        offset = None if zone is None else parse_zone(zone)
        with _bar(file, shown=sys.stderr.isatty()) as progress:
            recording = read(file, time, [source.column for source in wanted], offset, progress)
            step_s = cadence_s or cadence(recording)
            rules = resolve(hazard, [source.point for source in wanted], step_s, *layers)
            if not silence:
                rules = {name: rule for name, rule in rules.items() if rule.kind != "silence"}
            given = _parameters(parameter or [])
            _need_parameters(rules, given)
            changes = run(recording, wanted, rules, given, step_s, with_silence=silence, progress=progress)
    except (BacktestError, RecordingError, DeclarationError, ValueError) as error:
        typer.echo(f"shouwang backtest: {error}", err=True)
        raise typer.Exit(2) from None
    _report(recording)
    found = sorted(
        episodes(changes, recording, rules, {source.point: source for source in wanted}),
        key=lambda each: (isinstance(each.raised_at, str), each.raised_at, each.rule),
    )
    if as_json:
        for each in found:
            typer.echo(json.dumps(msgspec.to_builtins(each), ensure_ascii=False, allow_nan=False))
    else:
        _print_table(found, recording)


def _hazard(kind: str) -> Hazard:
    for hazard in MAIN_POINT:
        if kind.replace("-", "_") == hazard:
            return hazard
    raise BacktestError(f"--kind {kind}: choose one of {', '.join(MAIN_POINT)}")


assert set(MAIN_POINT.values()) <= set(UNITS)
