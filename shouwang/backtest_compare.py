"""`shouwang backtest --compare FILE`: the rules in force against changed ones, alarm by alarm."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from rules.preview import Fired, Pair, Verdict, compare, summary, verdicts
from shouwang.backtest_judge import Judged, episode
from shouwang.backtest_words import WORDS
from wire.level import Level


def pairs(before: Judged, after: Judged) -> list[Pair]:
    """The alarms of both sides, paired."""
    return compare(before.fired, after.fired, until=before.until)


def lines(found: Sequence[Pair], before: Judged, after: Judged) -> Iterator[dict[str, Any]]:
    """One object a pair: `verdict`, `rule`, `shift_s`, and the alarm of each side as backtest tells it."""
    for pair in found:
        sides = {
            name: None if one is None else msgspec.to_builtins(episode(one, judged))
            for name, one, judged in (("before", pair.before, before), ("after", pair.after, after))
        }
        either = pair.before or pair.after
        assert either is not None
        yield {"verdict": str(pair.verdict), "rule": either.rule, "shift_s": pair.shift_s, **sides}


def totals(found: Sequence[Pair], before: Judged, after: Judged) -> dict[str, Any]:
    """Counts of both sides."""
    sides = {"before": before, "after": after}
    counted = {name: summary(judged.fired, until=judged.until) for name, judged in sides.items()}
    return {
        "verdicts": {str(verdict): count for verdict, count in verdicts(found).items()},
        **{name: msgspec.to_builtins(side) for name, side in counted.items()},
    }


def print_table(found: Sequence[Pair], before: Judged, after: Judged) -> None:
    """What a person reads."""
    words = WORDS["en"]
    console = Console(width=None if sys.stdout.isatty() else 160)
    counts = ", ".join(f"{words[name]} {count}" for name, count in verdicts(found).items() if count)
    table = Table(title=f"{before.recording.path.name}: {counts or 'no alarm on either side'}")
    for name in ("", "rule", "now: raised at", "level", "lasts", "changed: raised at", "level", "lasts", "shift"):
        table.add_column(name, justify="right" if name in ("lasts", "shift") else "left")
    for pair in found:
        one = pair.before or pair.after
        assert one is not None
        shift = "" if not pair.shift_s else f"{'+' if pair.shift_s > 0 else '−'}{_long(abs(pair.shift_s))}"
        table.add_row(
            words[pair.verdict], one.rule, *_side(pair.before, before), *_side(pair.after, after), shift,
            style="bold" if pair.verdict in (Verdict.ONLY_AFTER, Verdict.ONLY_BEFORE) else None,
        )  # fmt: skip
    console.print(table)
    levels = Table()
    for name in ("alarms", *Level, "all", "suspect", "hours on"):
        levels.add_column(name, justify="left" if name == "alarms" else "right")
    for name, judged in (("before", before), ("after", after)):
        side = summary(judged.fired, until=judged.until)
        row = [str(side.by_level[level]) for level in Level]
        levels.add_row(words[name], *row, str(side.alarms), str(side.suspect), f"{side.on_s / 3600:.1f}")
    console.print(levels)


def _side(one: Fired | None, judged: Judged) -> tuple[str, str, str]:
    if one is None:
        return ("–", "–", "–")
    raised = str(judged.recording.written_time(one.opened_at))
    level = f"{one.level}{' (suspect)' if one.suspect else ''}"
    if one.cleared_at is None:
        return (raised, level, "still on")
    return (raised, level, _long((one.cleared_at - one.opened_at) / 1000))


def _long(seconds: float) -> str:
    """A duration as people write it."""
    if seconds < 60:
        return f"{seconds:g} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} d"
