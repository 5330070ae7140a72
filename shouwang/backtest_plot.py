"""`shouwang backtest --plot FILE`: which picture a file's name asks for, and the drawing of it."""

from collections.abc import Sequence
from datetime import timezone
from pathlib import Path

from rules.preview import Pair
from shouwang import backtest_html, backtest_png
from shouwang.backtest_judge import BacktestError, Judged
from shouwang.backtest_picture import picture

LANGUAGES = ("en", "zh")


def check(path: Path, lang: str) -> None:
    """Whether the picture can be drawn, before anything is computed.

    Raises:
        BacktestError: naming the option.
    """
    if lang not in LANGUAGES:
        raise BacktestError(f"--lang {lang}: choose one of {', '.join(LANGUAGES)}")
    kind = path.suffix.lower()
    if kind not in (".png", ".html"):
        raise BacktestError(f"--plot {path}: ends neither in .png nor in .html")
    if not path.absolute().parent.is_dir():
        raise BacktestError(f"--plot {path}: there is no folder {path.parent}")
    if kind == ".png":
        backtest_png.need()


def draw(
    path: Path,
    judged: Judged,
    *,
    lang: str,
    zone: timezone | None,
    other: Judged | None = None,
    pairs: Sequence[Pair] = (),
) -> str | None:
    """Write the picture; back comes what a person should know of it.

    Raises:
        BacktestError: when the file cannot be written.
    """
    html = path.suffix.lower() == ".html"
    columns = backtest_html.COLUMNS if html else backtest_png.COLUMNS
    shown = picture(
        judged, title=judged.recording.path.name, columns=columns, zone=zone, other=other, pairs=pairs
    )  # fmt: skip
    if not shown.panels:
        raise BacktestError("--plot: no rule judges any of these points")
    if html:
        backtest_html.write(shown, path, lang)
        return None
    return backtest_png.write(shown, path, lang)
