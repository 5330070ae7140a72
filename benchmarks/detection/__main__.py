"""How well the rules detect, on simulated months and recorded data, against two baselines.

python -m benchmarks detection [smoke] [water] [facade] [quality] [recorded] [--quick | --full] [--out docs]

Without families: all. `--quick` (default) takes two or three minutes, `--full` about twenty-five on two cores. With
`--out` the results go to FOLDER/detection.json, the generated parts of FOLDER/detection.md and .zh-CN.md, and
FOLDER/pictures/detection-*.png; families that were not run keep what stands in the JSON.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: E402

from benchmarks.detection import facade, quality, recorded, report, smoke, water  # noqa: E402
from benchmarks.detection.tally import Tally, add  # noqa: E402

SIMULATED: dict[str, ModuleType] = {"smoke": smoke, "water": water, "facade": facade, "quality": quality}
FAMILIES = (*SIMULATED, "recorded")


def run(name: str, size: str, seed: int, jobs: int, progress: Progress) -> dict[str, Any]:
    """All parts of a family, in as many processes as asked, put together in their order."""
    module = SIMULATED[name]
    tasks = module.tasks(size, seed)
    bar = progress.add_task(name, total=len(tasks))
    tally: Tally = {}
    if jobs == 1:
        for task in tasks:
            add(tally, module.run(task))
            progress.advance(bar)
    else:
        with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=8) as pool:
            for part in pool.imap(module.run, tasks):
                add(tally, part)
                progress.advance(bar)
    summary: dict[str, Any] = module.summary(tally)
    return summary


def main() -> int:
    """Run what was asked, print the tables, write them where asked."""
    parser = argparse.ArgumentParser(
        prog="benchmarks detection", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("families", nargs="*", metavar="family", help=", ".join(FAMILIES))
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const="quick", default="quick")
    size.add_argument("--full", dest="size", action="store_const", const="full")
    parser.add_argument("--out", type=Path, help="folder of detection.json, detection.md and pictures/")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--render", action="store_true", help="only write tables and pictures from the JSON again")
    default = Path(os.environ.get("SHOUWANG_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=default, help="recorded data (SHOUWANG_DATA)")
    options = parser.parse_args()
    unknown = [name for name in options.families if name not in FAMILIES]
    if unknown:
        parser.error(f"no family {', '.join(unknown)}; there are {', '.join(FAMILIES)}")
    kept = options.out / "detection.json" if options.out else None
    results = report.load(kept) if kept is not None else {}
    fresh: dict[str, Any] = {}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        for name in [] if options.render else options.families or FAMILIES:
            began = time.perf_counter()
            if name == "recorded":
                found = recorded.run(options.data)
                if found is None:
                    console.print(f"no recorded data at {options.data}: set SHOUWANG_DATA")
                    continue
            else:
                found = run(name, options.size, options.seed, options.jobs, progress)
            run_facts = report.facts(options.size, options.seed, options.jobs, time.perf_counter() - began)
            fresh[name] = report.plain({"run": run_facts, **found})
            if kept is not None:
                report.save(results | fresh, kept)
    if options.out is None:
        print("\n".join(report.printed(fresh)))
        return 0
    report.write(results | fresh, options.out)
    print(f"{options.out}/detection.json, detection.md, detection.zh-CN.md and pictures/detection-*.png")
    return 0


if __name__ == "__main__":
    code = main()
    if code:
        sys.exit(code)
