"""A recorded series under a table of rules: judged by the engine that runs live, told in the units of the file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import yaml

from rules import quality, quality_declaration
from rules.columns import Columns
from rules.declaration import DeclarationError, Rule, resolve
from rules.defaults import DEFAULTS
from rules.engine import DeviceRules
from rules.preview import Fired, Readings, Replay
from rules.quality_declaration import Limits
from shouwang.recording import Recording
from shouwang.units import Unit, unit_of
from wire.alert import Hazard
from wire.level import Level
from wire.quality import Quality

MAIN_POINT = {Hazard.WATER_LEVEL: "level", Hazard.SMOKE: "obscuration", Hazard.CURTAIN_WALL: "frequency"}
MAIN_RULE = {Hazard.WATER_LEVEL: "water_depth", Hazard.SMOKE: "smoke", Hazard.CURTAIN_WALL: "frequency_shift"}
BATCH = 20_000
DEVICE = "recording"
VALUE_KINDS = frozenset({"level", "ponding"})
"""Kinds whose thresholds are values of the point."""
PERCENT_KINDS = frozenset({"frequency"})
"""Kinds whose thresholds are percent of the device's baseline."""
BASELINE = "baseline_frequency_hz"
_SECTIONS = {"rules", "quality"}
_KEPT = frozenset({"hazard", "clear_hold_s", "latch", "max_verify_delay_s", "alarm", "schedule", "cooldown_s"})
_SMOKE_HOLD_S = {Level.IV: 120, Level.III: 12, Level.II: 10, Level.I: 6}


class BacktestError(ValueError):
    """What the command line asked for and cannot be."""


@dataclass(frozen=True, slots=True)
class Source:
    """One point of the device, and the column that it comes from."""

    point: str
    column: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class Layer:
    """What a file lays over the defaults."""

    rules: Mapping[str, Any] = field(default_factory=dict)
    quality: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """By what a recording is judged."""

    rules: Mapping[str, Rule]
    quality: Mapping[str, Limits]
    parameters: Mapping[str, float]
    cadence_s: float


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


@dataclass(slots=True)
class Judged:
    """A recording with the verdicts on it."""

    recording: Recording
    sources: Sequence[Source]
    book: Rulebook
    fired: list[Fired]
    flag: npt.NDArray[np.uint8]  # by row and point; 0 = no reading
    tests: npt.NDArray[np.uint16]  # by row and point: rules.quality.Check
    blind: dict[str, str]  # rules that cannot judge here, or not yet, and why

    @property
    def until(self) -> int:
        """The newest instant of the recording."""
        return int(self.recording.ts.max())

    def source(self, point: str | None) -> Source | None:
        """Where a point comes from."""
        return next((each for each in self.sources if each.point == point), None)

    def doubts(self) -> dict[str, dict[str, int]]:
        """How many readings of each point each test spoke of; `suspect` and `fail` count flags."""
        found: dict[str, dict[str, int]] = {}
        for place, source in enumerate(self.sources):
            bits, flag = self.tests[:, place], self.flag[:, place]
            counts = {str(check.name).lower(): int(np.count_nonzero(bits & check)) for check in quality.Check}
            counts["suspect"] = int(np.count_nonzero(flag == Quality.SUSPECT))
            counts["fail"] = int(np.count_nonzero(flag == Quality.FAIL))
            found[source.point] = {name: count for name, count in counts.items() if count}
        return found


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
    """The layer that `--threshold LEVEL=VALUE` makes: these levels, and no others, of the family's main rule.

    A main rule whose own thresholds are something else (an index) gives way to a plain one of kind `level`.

    Raises:
        BacktestError: for one that cannot be read.
    """
    if not texts:
        return {}
    levels: dict[Level, Any] = dict.fromkeys(Level, None)
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
        levels[Level(name)] = {"enter": value, "exit": None}
        if kind is Hazard.SMOKE:
            levels[Level(name)]["hysteresis"] = 0.5 * value
    usual = DEFAULTS[kind][MAIN_RULE[kind]]
    if usual["kind"] in VALUE_KINDS | PERCENT_KINDS:
        return {MAIN_RULE[kind]: {"levels": levels}}
    plain = dict.fromkeys(usual.keys() - _KEPT) | {"kind": "level", "point": MAIN_POINT[kind], "levels": levels}
    for level, text_ in levels.items():
        if text_ is not None and kind is Hazard.SMOKE:
            text_.update(hold_s=_SMOKE_HOLD_S[level], min_samples=3)
    return {MAIN_RULE[kind]: plain}


def read_layer(path: Path | None) -> Layer:
    """A file of rules: declarations by name, or sections `rules` and `quality`.

    Raises:
        BacktestError: naming the file.
    """
    if path is None:
        return Layer()
    try:
        layer = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BacktestError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BacktestError(f"{path}: is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(layer, dict) or not all(isinstance(name, str) for name in layer):
        raise BacktestError(f"{path}: expected rules by name")
    if not layer or not layer.keys() <= _SECTIONS:
        return Layer(rules=layer)
    for name, part in layer.items():
        if not isinstance(part, dict):
            raise BacktestError(f"{path}: {name}: expected a mapping")
    return Layer(layer.get("rules", {}), layer.get("quality", {}))


def parameters(texts: Sequence[str]) -> dict[str, float]:
    """What `--parameter NAME=NUMBER` says.

    Raises:
        BacktestError: for one that cannot be read.
    """
    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise BacktestError(f"--parameter {text}: write NAME=NUMBER") from None
    return found


def rulebook(
    kind: Hazard,
    points: Sequence[str],
    cadence_s: float,
    layers: Sequence[Layer],
    given: Mapping[str, float],
    *,
    silence: bool,
    tested: bool,
) -> Rulebook:
    """Defaults of the family with the layers over them.

    Raises:
        BacktestError: when a rule needs a parameter that is not given.
        DeclarationError: naming the key.
    """
    rules = resolve(kind, points, cadence_s, *(layer.rules for layer in layers))
    if not silence:
        rules = {name: rule for name, rule in rules.items() if rule.kind != "silence"}
    for rule in rules.values():
        if rule.reference and not given.get(rule.reference):
            raise BacktestError(f"rule {rule.id} needs --parameter {rule.reference}=VALUE")
    limits = {}
    if tested:
        limits = quality_declaration.resolve(kind, points, cadence_s, *(layer.quality for layer in layers))
    return Rulebook(rules, limits, given, cadence_s)


def judge(
    recording: Recording,
    wanted: Sequence[Source],
    book: Rulebook,
    *,
    with_silence: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Judged:
    """Step the engine over a recording, as the edge would have, in large batches."""
    points = tuple(source.point for source in wanted)
    device = DeviceRules(
        DEVICE, book.rules, points, book.parameters, cadence_s=book.cadence_s, quality=book.quality
    )  # fmt: skip
    replay = Replay([device], watch=with_silence)
    count, width = len(recording.ts), len(wanted)
    series = [(DEVICE, point) for point in points]
    numbers = np.arange(width, dtype=np.int32)
    arrival = np.maximum.accumulate(recording.ts)
    flag = np.zeros((count, width), dtype=np.uint8)
    tests = np.zeros((count, width), dtype=np.uint16)
    for start in range(0, count, BATCH):
        part = slice(start, min(start + BATCH, count))
        rows = part.stop - start
        values = [source.unit.to_canonical(recording.values[source.column][part]) for source in wanted]
        flat = np.column_stack(values).ravel()
        present = np.isfinite(flat)
        readings = Readings(
            series,
            np.tile(numbers, rows)[present],
            np.repeat(recording.ts[part], width)[present],
            flat[present],
            arrival=np.repeat(arrival[part], width)[present],
        )
        assessed = replay.step(readings)
        if assessed:
            flag[part].reshape(-1)[present] = np.concatenate([each.flag for each in assessed])
            tests[part].reshape(-1)[present] = np.concatenate([_bits(each) for each in assessed])
        if progress is not None:
            progress(part.stop)
    blind = {rule: why for (_, rule), why in replay.blind.items()}
    for name, rule in book.rules.items():
        if rule.kind in PERCENT_KINDS and not book.parameters.get(BASELINE):
            days = rule.options.learn_days
            blind[name] = f"rule {name} judges after {days:g} days of learning: give --parameter {BASELINE}=VALUE"
    return Judged(recording, wanted, book, replay.fired(), flag, tests, blind)


def _bits(columns: Columns) -> npt.NDArray[np.uint16]:
    return np.zeros(len(columns.ts), dtype=np.uint16) if columns.tests is None else columns.tests


def cadence(recording: Recording) -> float:
    """The usual step of a recording, in seconds."""
    steps = np.diff(recording.ts)
    steps = steps[steps > 0]
    return float(np.median(steps)) / 1000 if len(steps) else 10.0


def episodes(judged: Judged) -> list[Episode]:
    """The alarms in the order of raising, in the file's own units."""
    found = [episode(each, judged) for each in judged.fired]
    return sorted(found, key=lambda each: (isinstance(each.raised_at, str), each.raised_at, each.rule))


def episode(one: Fired, judged: Judged) -> Episode:
    """One alarm in the file's own units and times."""
    recording, rule = judged.recording, judged.book.rules[one.rule]
    source = judged.source(rule.point)
    raised = one.steps[0].at
    return Episode(
        rule=one.rule,
        kind=rule.kind,
        hazard=one.hazard,
        level=one.level,
        raised_at=recording.written_time(raised),
        cleared_at=None if one.cleared_at is None else recording.written_time(one.cleared_at),
        peak=_peak(recording, source, rule, raised, one.cleared_at),
        unit=source.unit.name if source else None,
        suspect=one.suspect,
        evidence=_in_unit(one.evidence, rule, source),
        steps=[
            {"verb": step.verb, "level": step.level, "at": recording.written_time(step.at)} for step in one.steps
        ],
    )  # fmt: skip


def _peak(recording: Recording, source: Source | None, rule: Rule, start: int, end: int | None) -> float | None:
    if source is None:
        return None
    last = recording.ts.max() if end is None else end
    value = recording.values[source.column][(recording.ts >= start) & (recording.ts <= last)]
    value = value[np.isfinite(value)]
    if not len(value):
        return None
    return float(value.max() if rule.direction == "above" else value.min())


def of_value(rule: Rule) -> bool:
    """Whether the thresholds of a rule are values of its point."""
    return rule.kind in VALUE_KINDS and rule.reference is None


def _in_unit(evidence: Mapping[str, Any], rule: Rule, source: Source | None) -> dict[str, float | str | None]:
    said = dict(evidence)
    if source is None:
        return said
    said["unit"] = source.unit.name
    for key in ["value", "threshold"] if of_value(rule) else ["value"]:
        if isinstance(said.get(key), float):
            said[key] = round(float(source.unit.from_canonical(np.array([said[key]]))[0]), 9)
    if rule.kind == "rate" and source.unit.slope is not None:
        for key in ("rate", "threshold"):  # per minute
            if isinstance(said.get(key), float):
                said[key] = round(said[key] / source.unit.slope, 9)
    return said


def lines(judged: Judged) -> Iterator[str]:
    """One JSON object an alarm."""
    for each in episodes(judged):
        yield msgspec.json.encode(each).decode()


__all__ = [
    "BacktestError", "DeclarationError", "Episode", "Judged", "Layer", "Rulebook", "Source", "cadence", "episode",
    "episodes", "judge", "lines", "of_value", "parameters", "read_layer", "rulebook", "sources", "thresholds",
]  # fmt: skip
