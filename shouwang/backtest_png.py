"""The picture of a backtest as PNG, by matplotlib (the extra `plot`)."""

from collections.abc import Callable
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from shouwang.backtest_judge import BacktestError
from shouwang.backtest_picture import Lane, Panel, Picture, label
from shouwang.backtest_words import COLOURS, SHAPES, WORDS
from wire.level import Level
from wire.quality import Quality
from wire.time import EPOCH

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 110
WIDTH_IN = 14.5
COLUMNS = 1400
"""Pixels of the value axis, about."""
CHINESE = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Noto Sans CJK JP",
    "Noto Sans CJK TC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Microsoft YaHei", "SimHei", "PingFang SC",
    "Heiti SC", "Arial Unicode MS", "Droid Sans Fallback",
)  # fmt: skip
INK, INK_2, LINE, SUNK = "#11171b", "#5a656e", "#d2d8dc", "#e1e5e8"
_MARKERS = {Level.I: "s", Level.II: "^", Level.III: "D", Level.IV: "o"}
_SIDES = {"": "-", "before": ":", "after": "-"}


def need() -> None:
    """Look for matplotlib before the work, not after it.

    Raises:
        BacktestError: with the command that installs it.
    """
    if find_spec("matplotlib") is None:
        raise BacktestError(
            "--plot to a PNG needs matplotlib: pip install 'shouwang[plot]'; --plot FILE.html needs nothing"
        )


def chinese_font() -> str | None:
    """A font of this machine that has Chinese characters."""
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE if name in known), None)


def write(shown: Picture, path: Path, lang: str) -> str | None:
    """Draw the picture; back comes what a person should know of it (no Chinese font), or None.

    Raises:
        BacktestError: when the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    font = chinese_font()
    note = None
    if lang == "zh" and font is None:
        lang, note = "en", "no font with Chinese characters on this machine: the labels are English"
    families = [*([font] if font and lang == "zh" else []), "DejaVu Sans", *([font] if font else [])]
    with mpl.rc_context({"font.family": families, "axes.unicode_minus": False, "font.size": 9, "hatch.linewidth": 0.6}):
        heights: list[float] = []
        for panel in shown.panels:
            heights += [3.1, 0.24 * max(len(panel.lanes) + len(panel.doubts), 1) + 0.08]
        figure = Figure(figsize=(WIDTH_IN, sum(heights) + 1.2 + 0.35 * len(heights)), dpi=DPI, layout="constrained")
        grid = figure.add_gridspec(len(heights) or 1, 1, height_ratios=heights or [1])
        first: Axes | None = None
        for number, panel in enumerate(shown.panels):
            curve = figure.add_subplot(grid[2 * number], sharex=first)
            first = first or curve
            strip = figure.add_subplot(grid[2 * number + 1], sharex=first)
            _curve(curve, panel, shown, lang)
            _strip(strip, panel, shown, lang)
        _time_axis(figure.axes, shown, lang)
        figure.suptitle(_title(shown, lang), x=0.01, ha="left", fontsize=11, fontweight="bold")
        try:
            figure.savefig(path, format="png", metadata={"Software": "shouwang backtest"})
        except OSError as error:
            raise BacktestError(f"--plot {path}: {error.strerror}") from None
    return note


def _title(shown: Picture, lang: str) -> str:
    words = WORDS[lang]
    if shown.compared:
        counts = ", ".join(f"{words[name]} {count}" for name, count in shown.summary.items() if count)
    else:
        counts = ", ".join(f"{SHAPES[name]} {words[name]} {count}" for name, count in shown.summary.items() if count)
    return f"{shown.title}    {counts or words['no_alarm']}"


def _clock(shown: Picture) -> Callable[[Any], Any]:
    """From ms to what the time axis counts: hours of a relative recording, else days of matplotlib."""
    if shown.relative:
        return lambda ms: np.asarray(ms, dtype=np.float64) / 1000
    shift = shown.zone.utcoffset(None).total_seconds() * 1000
    return lambda ms: (np.asarray(ms, dtype=np.float64) + shift) / 86_400_000


def _time_axis(axes: list["Axes"], shown: Picture, lang: str) -> None:
    from matplotlib import dates, ticker

    clock, words = _clock(shown), WORDS[lang]
    for axis in axes:
        axis.set_xlim(clock(shown.start), clock(shown.end))
        axis.tick_params(labelbottom=axis is axes[-1], colors=INK_2, labelsize=8)
    if not axes:
        return
    if shown.relative:
        axes[-1].xaxis.set_major_formatter(ticker.FuncFormatter(lambda s, _: str(timedelta(seconds=round(s)))))
        axes[-1].xaxis.set_major_locator(ticker.MaxNLocator(10, steps=[1, 1.5, 2, 3, 6, 10]))
        axes[-1].set_xlabel(words["seconds"])
        return
    locator: Any = dates.AutoDateLocator(minticks=5, maxticks=12)  # type: ignore[no-untyped-call]
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes[-1].set_xlabel(f"{words['time']} {(EPOCH.astimezone(shown.zone)).tzname()}")


def _curve(axis: "Axes", panel: Panel, shown: Picture, lang: str) -> None:
    words, clock = WORDS[lang], _clock(shown)
    low, high = panel.limits()
    axis.set_ylim(low, high)
    wide = (shown.end - shown.start) / 40
    for start, end in panel.gaps:
        axis.axvspan(clock(start), clock(end), facecolor=SUNK, edgecolor="#b9c1c6", hatch="///", linewidth=0, zorder=0)
        if end - start > wide:
            axis.text(clock((start + end) / 2), high, words["gap"], ha="center", va="top", color=INK_2, fontsize=8)
    for lane in panel.lanes:
        if lane.side == "before":
            continue
        for span in lane.spans:
            fill = COLOURS[span.level][0]
            axis.axvspan(clock(span.start), clock(max(span.end, span.start)), color=fill, alpha=0.10, lw=0, zorder=0.5)
    axis.plot(clock(panel.t), panel.value, color=INK, linewidth=0.8, zorder=3)
    _thresholds(axis, panel, words)
    for flag, marker, name in ((Quality.SUSPECT, "^", "suspect"), (Quality.FAIL, "x", "fail")):
        mine = panel.marks.flag == flag
        if mine.any():
            shown_at = np.clip(panel.marks.value[mine], low + 0.01 * (high - low), high - 0.015 * (high - low))
            axis.plot(clock(panel.marks.t[mine]), shown_at, linestyle="none", marker=marker,
                      markersize=5, markerfacecolor="white", markeredgecolor=INK, markeredgewidth=0.9, zorder=4,
                      label=words[name])  # fmt: skip
    if len(panel.marks.t):
        axis.legend(loc="upper left", fontsize=8, framealpha=0.9, edgecolor=LINE)
    axis.set_ylabel(", ".join(filter(None, (label(panel.point, lang), panel.unit))), color=INK)
    axis.grid(axis="x", color=LINE, linewidth=0.5)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    notes = [
        *panel.unseen,
        *([f"{words['outside']} {panel.outside}"] if panel.outside else []),
        *([words["thinned"]] if panel.thinned else []),
    ]
    axis.set_title("   ".join([f"{panel.readings:,} {words['readings']}", *notes]), loc="left", fontsize=8, color=INK_2)


def _thresholds(axis: "Axes", panel: Panel, words: Any) -> None:
    """Lines to enter and (thin, dotted) to leave a level; their words at the right edge, pushed apart."""
    low, high = axis.get_ylim()
    step, lowest = (high - low) * 0.055, -np.inf
    several = len({each.rule for each in panel.thresholds}) > 1
    for each in panel.thresholds:
        if not low <= each.enter <= high:
            continue
        _, _, ink = COLOURS[each.level]
        axis.axhline(each.enter, color=ink, linewidth=1.1, linestyle=":" if each.side == "before" else "--", zorder=2)
        if low <= each.exit <= high:
            axis.axhline(each.exit, color=ink, linewidth=0.6, linestyle=(0, (1, 4)), zorder=2)
        lowest = max(each.enter, lowest + step)
        side = f" ({words[each.side]})" if each.side else ""
        whose = f"{each.rule} " if several else ""
        axis.annotate(
            f"{SHAPES[each.level]} {whose}{each.level} {each.enter:.4g}, {words['exit']} {each.exit:.4g}{side}",
            xy=(1.0, each.enter), xycoords=axis.get_yaxis_transform(), xytext=(1.008, lowest),
            textcoords=axis.get_yaxis_transform(), color=ink, fontsize=7.5, va="center", annotation_clip=False,
        )  # fmt: skip


def _strip(axis: "Axes", panel: Panel, shown: Picture, lang: str) -> None:
    """Lanes under the curve: alarms by rule, then the tests that spoke."""
    words, clock = WORDS[lang], _clock(shown)
    names: list[str] = []
    for lane in panel.lanes:
        name = f"{lane.rule} – {words[lane.side]}" if lane.side else lane.rule
        names.append(f"{name} (+{lane.left_out} {words['more']})" if lane.left_out else name)
        _lane(axis, lane, len(names) - 1, shown, words)
    for doubt in panel.doubts:
        names.append(f"{words.get(doubt.name, doubt.name)} × {doubt.count}")
        least = (shown.end - shown.start) / shown.columns * 2
        bars = [(float(clock(a)), float(clock(max(b, a + least)) - clock(a))) for a, b in doubt.spans]
        axis.broken_barh(bars, (len(names) - 1.25, 0.5), color=INK_2, linewidth=0)
    if not names:
        names.append(words["no_alarm"])
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.grid(axis="x", color=LINE, linewidth=0.5)
    axis.set_axisbelow(True)


def _lane(axis: "Axes", lane: Lane, row: int, shown: Picture, words: Any) -> None:
    clock = _clock(shown)
    least = (shown.end - shown.start) / shown.columns * 3
    letter = (shown.end - shown.start) / shown.columns * 22
    for span in lane.spans:
        fill, on, _ = COLOURS[span.level]
        end = max(span.end, span.start + least)
        axis.broken_barh(
            [(float(clock(span.start)), float(clock(end) - clock(span.start)))], (row - 0.36, 0.72),
            facecolor=fill, edgecolor=INK, linewidth=0.4, hatch="////" if span.suspect else None,
        )  # fmt: skip
        if span.until - span.start <= letter and span.first:
            axis.plot([clock((span.start + max(span.until, span.start + least)) / 2)], [row], linestyle="none",
                      marker=_MARKERS[span.worst], markersize=6, markerfacecolor=COLOURS[span.worst][0],
                      markeredgecolor=INK, markeredgewidth=0.7, clip_on=False, zorder=5)  # fmt: skip
        elif end - span.start > letter:
            more = " …" if span.open else ""
            axis.text(clock(span.start + letter / 5), row, f"{span.level}{more}", color=on, fontsize=7, va="center",
                      fontweight="bold", clip_on=True)  # fmt: skip
        if span.first and span.verdict is not None and span.verdict != "same":
            axis.annotate(
                words[span.verdict], xy=(clock(max(span.until, end)), row), xytext=(6, 0), fontsize=6.5,
                textcoords="offset points", va="center", color=INK, annotation_clip=True,
            )  # fmt: skip
