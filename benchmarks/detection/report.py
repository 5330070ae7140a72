"""Results as plain JSON, and the generated part of docs/detection.md and docs/detection.zh-CN.md."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.detection import plots, tables, targets

BEGIN, END = "<!-- generated: python -m benchmarks detection -->", "<!-- end of generated -->"
TITLES = {
    "smoke": ("Smoke", "感烟"),
    "water": ("Water", "水位"),
    "facade": ("Curtain wall", "玻璃幕墙"),
    "quality": ("Quality flags", "质量标志"),
    "recorded": ("Recorded data", "实测数据"),
}


FORMAT = 4
"""Results of another format are not read again."""


def plain(value: Any) -> Any:
    """Dataclasses to mappings, NaN and infinity to None, floats to six digits."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def section(results: Mapping[str, Any], *, zh: bool, pictures: bool = True) -> list[str]:
    """The generated part: targets, then a table and the pictures of each family."""
    out = [*targets.table(results, zh=zh), ""]
    for family, title in TITLES.items():
        if family not in results:
            continue
        run = results[family].get("run", {})
        out += [f"### {title[zh]}", "", _run_line(run, zh=zh), ""]
        out += getattr(tables, family)(results[family], zh=zh)
        for name, caption in plots.CAPTIONS.get(family, {}).items() if pictures else ():
            out += [f"![{caption[zh]}](pictures/detection-{name}.png)", "", f"*{caption[zh]}*", ""]
    return out


def _run_line(run: Mapping[str, Any], *, zh: bool) -> str:
    size, seconds, seed, jobs = (run.get(key) for key in ("size", "seconds", "seed", "jobs"))
    if zh:
        return f"规模 {size},种子 {seed},{jobs} 个进程,{seconds} s,Python {run.get('python')}。"
    return f"Size {size}, seed {seed}, {jobs} processes, {seconds} s, Python {run.get('python')}."


def facts(size: str, seed: int, jobs: int, seconds: float) -> dict[str, Any]:
    """How a family was run."""
    python = platform.python_version()
    return {
        "size": size, "seed": seed, "jobs": jobs, "seconds": round(seconds), "python": python, "format": FORMAT
    }  # fmt: skip


def load(file: Path) -> dict[str, Any]:
    """The families of an earlier run, by name, as far as they are of this format."""
    if not file.is_file():
        return {}
    whole: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return {name: each for name, each in whole.items() if each.get("run", {}).get("format") == FORMAT}


def save(results: Mapping[str, Any], file: Path) -> None:
    """Keep results, made small."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(slim(results), indent=1, ensure_ascii=False, sort_keys=True)
    file.write_text(text + "\n", encoding="utf-8")


def printed(results: Mapping[str, Any]) -> list[str]:
    """The same tables for the screen."""
    return section(results, zh=False, pictures=False)


def slim(value: Any) -> Any:
    """Long lists of delays as 51 quantiles: enough to draw from, small enough to keep."""
    if isinstance(value, Mapping):
        return {key: slim(each) for key, each in value.items()}
    if isinstance(value, list) and len(value) > 51 and all(isinstance(each, int | float) for each in value):
        ordered = sorted(value)
        return [ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1) / 50))] for share in range(51)]
    return value


def write(results: Mapping[str, Any], out: Path) -> None:
    """Pictures and the generated parts of both pages."""
    results = slim(results)
    plots.draw(results, out / "pictures")
    for name, zh in (("detection.md", False), ("detection.zh-CN.md", True)):
        page = out / name
        before, after = f"# {'检测效果' if zh else 'Detection'}\n\n", "\n"
        if page.is_file():
            whole = page.read_text(encoding="utf-8")
            before, found, rest = whole.partition(BEGIN)
            _, closed, after = rest.partition(END)
            if not found or not closed:
                raise SystemExit(f"{page}: the marks '{BEGIN}' and '{END}' are missing")
        fresh = "\n".join(section(results, zh=zh)).rstrip("\n")
        page.write_text(f"{before}{BEGIN}\n\n{fresh}\n\n{END}{after}", encoding="utf-8")
