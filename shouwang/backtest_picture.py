"""What a picture of a backtest shows, as plain data: curves, thresholds, doubts, gaps, alarms. Drawn elsewhere.

A long series is thinned without losing a peak: of each column of the picture the first, lowest, highest and last
reading are kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, timezone

import numpy as np
import numpy.typing as npt

from device_profiles.quantity import QUANTITIES
from rules import quality
from rules.declaration import Rule
from rules.preview import Fired, Pair, Verdict
from rules.quality import TIMING
from shouwang.backtest_judge import Judged, Source, of_value
from wire.level import Level
from wire.quality import Quality

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
GAP_CADENCES = 3
MOST_GAPS = 2000
_UNITS = {"Cel": "°C", "degF": "°F", "deg": "°", "[ppm]": "ppm", "m/s2": "m/s²", "1": ""}
MOST_SPANS = 5000
"""Of one lane; a picture with more would be a wall. What is left out is counted."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A line at which a level is entered, and one at which it is left."""

    rule: str
    level: Level
    enter: float  # in the unit of the panel
    exit: float
    side: str = ""  # before, after: of a comparison, where it is of one side alone


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of an alarm at one level."""

    start: int
    end: int
    level: Level
    suspect: bool
    open: bool  # still on at the end of the recording
    first: bool  # the alarm begins here
    worst: Level  # of the whole alarm
    until: int  # its end
    verdict: Verdict | None = None  # of a comparison


@dataclass(frozen=True, slots=True)
class Lane:
    """The alarms of one rule, under the curve."""

    rule: str
    kind: str
    side: str  # before, after; empty without a comparison
    spans: tuple[Span, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Doubt:
    """Where a quality test spoke, as stretches one column wide or more."""

    name: str  # of the test
    spans: tuple[tuple[int, int], ...]
    count: int


@dataclass(frozen=True, slots=True)
class Marks:
    """Doubted readings on the curve, one a column."""

    t: Ints
    value: Floats
    flag: npt.NDArray[np.uint8]


@dataclass(slots=True)
class Panel:
    """One point."""

    point: str
    unit: str
    t: Ints
    value: Floats  # NaN: the curve is broken here
    readings: int
    thinned: bool
    low: float  # of the readings that nobody doubts
    high: float
    outside: str  # doubted readings beyond the axis, in words; empty for none
    thresholds: list[Threshold]
    unseen: list[str]  # thresholds that are no value of this point, in words
    gaps: list[tuple[int, int]]
    marks: Marks
    doubts: list[Doubt]
    lanes: list[Lane]

    def limits(self) -> tuple[float, float]:
        """What the value axis must hold: the curve, and the thresholds near it."""
        low, high = self.low, self.high
        lines = sorted({each.enter for each in self.thresholds} | {each.exit for each in self.thresholds})
        reach = (high - low) or abs(high) or 1.0
        near = [line for line in lines if low - 3 * reach <= line <= high + 3 * reach]
        low, high = min([low, *near]), max([high, *near])
        room = 0.06 * ((high - low) or abs(high) or 1.0)
        return low - room, high + room


@dataclass(slots=True)
class Picture:
    """All panels over one span of time."""

    title: str
    start: int
    end: int
    relative: bool
    zone: timezone
    columns: int
    panels: list[Panel] = field(default_factory=list)
    compared: bool = False
    summary: dict[str, int] = field(default_factory=dict)  # alarms by level, or pairs by verdict


def thin(t: Ints, value: Floats, start: int, end: int, columns: int) -> Ints:
    """Rows to draw: the first, lowest, highest and last of each column. Rows are in the order of time."""
    if len(t) <= 4 * columns:
        return np.arange(len(t))
    column = (t - start) * columns // max(end - start + 1, 1)
    order = np.lexsort((value, column))
    border = np.flatnonzero(np.diff(column[order])) + 1
    heads, tails = np.concatenate(([0], border)), np.concatenate((border, [len(t)])) - 1
    edge = np.flatnonzero(np.diff(column)) + 1
    firsts, lasts = np.concatenate(([0], edge)), np.concatenate((edge, [len(t)])) - 1
    return np.unique(np.concatenate((order[heads], order[tails], firsts, lasts)))


def picture(
    judged: Judged,
    *,
    title: str,
    columns: int,
    zone: timezone | None = None,
    other: Judged | None = None,
    pairs: Sequence[Pair] = (),
) -> Picture:
    """A picture of a recording as judged.

    Args:
        judged: by the rules in force.
        title: over all.
        columns: of the picture; what the series are thinned to.
        zone: in which instants are written; UTC.
        other: the same recording by the changed rules.
        pairs: the alarms of both.
    """
    ts = judged.recording.ts
    start, end = int(ts.min()), int(ts.max())
    shown = Picture(
        title, start, max(end, start + 1), judged.recording.relative, zone or timezone(timedelta(0)), columns
    )
    shown.compared = other is not None
    if other is None:
        shown.summary = {str(level): sum(each.level is level for each in judged.fired) for level in Level}
    else:
        shown.summary = {str(verdict): sum(pair.verdict is verdict for pair in pairs) for verdict in Verdict}
    rules = {**(other.book.rules if other else {}), **judged.book.rules}
    judged_points = {rule.point for rule in rules.values() if rule.point}
    fate = {(side, each.key): pair.verdict for pair in pairs
            for side, each in (("before", pair.before), ("after", pair.after)) if each}  # fmt: skip
    for place, source in enumerate(judged.sources):
        if source.point in judged_points:
            shown.panels.append(_panel(shown, judged, other, place, source, fate))
    loose = [*_lanes(shown, judged, other, None, fate)]
    if loose and shown.panels:
        shown.panels[-1].lanes.extend(loose)
    return shown


def _panel(
    shown: Picture,
    judged: Judged,
    other: Judged | None,
    place: int,
    source: Source,
    fate: Mapping[tuple[str, tuple[str, str, int]], Verdict],
) -> Panel:
    value = judged.recording.values[source.column]
    rows = np.flatnonzero(np.isfinite(value))
    rows = rows[np.argsort(judged.recording.ts[rows], kind="stable")]
    t, value = judged.recording.ts[rows], value[rows]
    flag, tests = judged.flag[rows, place], judged.tests[rows, place]
    kept = thin(t, value, shown.start, shown.end, shown.columns) if len(t) else np.zeros(0, dtype=np.int64)
    longest = round(1000 * GAP_CADENCES * judged.book.cadence_s)
    holes = np.flatnonzero(np.diff(t) > longest)
    gaps = list(zip(t[holes].tolist(), t[holes + 1].tolist(), strict=True))
    gaps = sorted(sorted(gaps, key=lambda gap: gap[0] - gap[1])[:MOST_GAPS])
    broken = np.searchsorted(kept, holes, side="right")
    lines, unseen = _thresholds(judged, other, source)
    doubted = (flag == Quality.SUSPECT) | (flag == Quality.FAIL)
    trusted = value if doubted.all() else value[~doubted]
    panel = Panel(
        point=source.point,
        unit=_UNITS.get(source.unit.name, source.unit.name),
        t=np.insert(t[kept], broken, t[holes] + 1),
        value=np.insert(value[kept], broken, np.nan),
        readings=len(t),
        thinned=len(kept) < len(t),
        low=float(trusted.min()) if len(trusted) else 0.0,
        high=float(trusted.max()) if len(trusted) else 1.0,
        outside="",
        thresholds=lines,
        unseen=unseen,
        gaps=gaps,
        marks=_marks(shown, t, value, flag),
        doubts=_doubts(shown, t, tests),
        lanes=[*_lanes(shown, judged, other, source.point, fate)],
    )
    low, high = panel.limits()
    beyond = value[(value < low) | (value > high)]
    if len(beyond):
        panel.outside = f"{len(beyond)} ({beyond.min():.4g} … {beyond.max():.4g})"
    return panel


def _marks(shown: Picture, t: Ints, value: Floats, flag: npt.NDArray[np.uint8]) -> Marks:
    """Suspect and failed readings: of each column the worst, and of those the one that lies farthest out."""
    rows = np.flatnonzero((flag == Quality.SUSPECT) | (flag == Quality.FAIL))
    if not len(rows):
        return Marks(t[rows], value[rows], flag[rows])
    columns = shown.columns // 4  # a mark is wider than a column
    column = (t[rows] - shown.start) * columns // (shown.end - shown.start + 1)
    order = np.lexsort((np.abs(value[rows] - np.median(value)), flag[rows], column))
    last = np.concatenate((np.flatnonzero(np.diff(column[order])), [len(rows) - 1]))
    rows = rows[order[last]]
    return Marks(t[rows], value[rows], flag[rows])


def _doubts(shown: Picture, t: Ints, tests: npt.NDArray[np.uint16]) -> list[Doubt]:
    """Tests that spoke of values, each as stretches."""
    found = []
    wide = max((shown.end - shown.start) // shown.columns * 2, 1)
    for check in quality.Check:
        if check & TIMING & ~(quality.Check.CLOCK | quality.Check.SKEW):
            continue
        at = t[(tests & check) != 0]
        if not len(at):
            continue
        border = np.flatnonzero(np.diff(at) > wide)
        starts, ends = at[np.concatenate(([0], border + 1))], at[np.concatenate((border, [len(at) - 1]))]
        spans = tuple(zip(starts.tolist(), ends.tolist(), strict=True))
        found.append(Doubt(str(check.name).lower(), spans, len(at)))
    return found


def _thresholds(judged: Judged, other: Judged | None, source: Source) -> tuple[list[Threshold], list[str]]:
    before = {(each.rule, each.level): each for each in _lines(judged, source)}
    after = {(each.rule, each.level): each for each in _lines(other, source)} if other else before
    lines = [each for key, each in before.items() if after.get(key) == each]
    if other is not None:
        for side, mine, theirs in (("before", before, after), ("after", after, before)):
            lines += [
                Threshold(each.rule, each.level, each.enter, each.exit, side)
                for key, each in mine.items()
                if theirs.get(key) != each
            ]
    unseen = [*_unseen(judged, source, "")]
    if other is not None:
        changed = [*_unseen(other, source, "")]
        if changed != unseen:
            unseen = [f"− {text}" for text in unseen if text not in changed] + [
                f"+ {text}" if text not in unseen else text for text in changed
            ]
    return sorted(lines, key=lambda each: (each.enter, each.rule, each.side)), unseen


def _lines(judged: Judged, source: Source) -> Iterator[Threshold]:
    for rule in judged.book.rules.values():
        if rule.point != source.point:
            continue
        if of_value(rule):
            values = {level: (bound.enter, bound.exit) for level, bound in rule.levels.items()}
        elif rule.kind == "level" and rule.reference is not None:
            base = judged.book.parameters.get(rule.reference, np.nan)
            values = {
                level: (base * (1 + bound.enter / 100), base * (1 + bound.exit / 100))
                for level, bound in rule.levels.items()
            }
        else:
            continue
        for level, pair in values.items():
            enter, leave = source.unit.from_canonical(np.array(pair, dtype=np.float64)).tolist()
            yield Threshold(rule.id, level, enter, leave)


def _unseen(judged: Judged, source: Source, side: str) -> Iterator[str]:
    """Rules of this point whose thresholds are not values of it: a rate, a probability, an index."""
    for rule in judged.book.rules.values():
        if rule.point == source.point and rule.kind != "level" and not of_value(rule):
            yield f"{side}{rule.id} ({rule.kind}): {_bounds(rule)}"


def _bounds(rule: Rule) -> str:
    ranked = sorted(rule.levels.items(), key=lambda item: item[0].rank)
    return ", ".join(f"{level} {bound.enter:g} → {bound.exit:g}" for level, bound in ranked)


def _lanes(
    shown: Picture,
    judged: Judged,
    other: Judged | None,
    point: str | None,
    fate: Mapping[tuple[str, tuple[str, str, int]], Verdict],
) -> Iterator[Lane]:
    sides = [("before", judged), ("after", other)] if other is not None else [("", judged)]
    ids = dict.fromkeys(rule for _, side in sides for rule in side.book.rules)
    for rule_id in ids:
        fired = {name: [each for each in side.fired if each.rule == rule_id] for name, side in sides}
        rules = [side.book.rules[rule_id] for _, side in sides if rule_id in side.book.rules]
        if rules[0].point != point or not any(fired.values()):
            continue
        for name, alarms in fired.items():
            spans = [span for each in alarms[:MOST_SPANS] for span in _spans(shown, each, fate.get((name, each.key)))]
            yield Lane(rule_id, rules[0].kind, name, tuple(spans), max(len(alarms) - MOST_SPANS, 0))


def _spans(shown: Picture, one: Fired, verdict: Verdict | None) -> Iterator[Span]:
    """An alarm as stretches of one level each."""
    steps = [step for step in one.steps if step.level is not None]
    end = shown.end if one.cleared_at is None else one.cleared_at
    for number, step in enumerate(steps):
        until = steps[number + 1].at if number + 1 < len(steps) else end
        assert step.level is not None
        yield Span(
            start=step.at,
            end=max(until, step.at),
            level=step.level,
            suspect=one.suspect,
            open=one.cleared_at is None and number + 1 == len(steps),
            first=number == 0,
            worst=one.level,
            until=end,
            verdict=verdict,
        )


def label(point: str, lang: str) -> str:
    """A point in words."""
    known = QUANTITIES.get({"wind": "wind_speed", "rms": "acceleration", "surface_temperature": "temperature"}.get(
        point, point))  # fmt: skip
    if known is None:
        return point
    return known.zh if lang == "zh" else known.en
