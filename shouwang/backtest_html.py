"""The picture of a backtest as one HTML file: data, script and style inside, nothing is fetched."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from shouwang.backtest_judge import BacktestError
from shouwang.backtest_picture import Panel, Picture, label
from shouwang.backtest_words import COLOURS, SHAPES, WORDS

COLUMNS = 6000
"""Finer than a screen, so that one can zoom in by four or five."""


def write(shown: Picture, path: Path, lang: str) -> None:
    """Write the page.

    Raises:
        BacktestError: when the file cannot be written.
    """
    page = files("shouwang").joinpath("backtest_page.html").read_text(encoding="utf-8")
    data = json.dumps(contents(shown, lang), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    title = shown.title.replace("&", "&amp;").replace("<", "&lt;")
    text = page.replace("@LANG@", "zh-CN" if lang == "zh" else "en").replace("@TITLE@", title)
    text = text.replace("@DATA@", data.replace("<", "\\u003c"))
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BacktestError(f"--plot {path}: {error.strerror}") from None


def contents(shown: Picture, lang: str) -> dict[str, Any]:
    """The picture as the page's script takes it."""
    return {
        "title": shown.title,
        "start": shown.start,
        "end": shown.end,
        "relative": shown.relative,
        "offset": round(shown.zone.utcoffset(None).total_seconds() * 1000),
        "zone": shown.zone.tzname(None),
        "columns": shown.columns,
        "compared": shown.compared,
        "summary": {name: count for name, count in shown.summary.items() if count},
        "words": WORDS[lang],
        "shapes": SHAPES,
        "colours": COLOURS,
        "panels": [_panel(panel, lang) for panel in shown.panels],
    }


def _panel(panel: Panel, lang: str) -> dict[str, Any]:
    return {
        "label": label(panel.point, lang),
        "unit": panel.unit,
        "t": panel.t.tolist(),
        "v": [float(f"{value:.7g}") if np.isfinite(value) else None for value in panel.value.tolist()],
        "readings": panel.readings,
        "thinned": panel.thinned,
        "limits": panel.limits(),
        "outside": panel.outside,
        "thresholds": [
            {"rule": each.rule, "level": each.level, "enter": each.enter, "exit": each.exit, "side": each.side}
            for each in panel.thresholds
        ],
        "unseen": panel.unseen,
        "gaps": panel.gaps,
        "marks": [
            [int(t), float(value), int(flag)]
            for t, value, flag in zip(panel.marks.t, panel.marks.value, panel.marks.flag, strict=True)
        ],
        "doubts": [{"name": each.name, "count": each.count, "spans": each.spans} for each in panel.doubts],
        "lanes": [
            {
                "rule": lane.rule,
                "kind": lane.kind,
                "side": lane.side,
                "out": lane.left_out,
                "spans": [
                    [
                        s.start,
                        s.end,
                        s.level,
                        int(s.suspect),
                        int(s.open),
                        int(s.first),
                        s.verdict or "",
                        s.worst,
                        s.until,
                    ]
                    for s in lane.spans
                ],
            }
            for lane in panel.lanes
        ],
    }
