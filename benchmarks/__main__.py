"""Run the benchmarks: `python -m benchmarks [name …]`. Figures go to docs/performance.md with machine and date.

A benchmark that is a folder takes what follows its name: `python -m benchmarks detection smoke --quick`.
"""

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent
FILES = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
FOLDERS = sorted(path.parent.name for path in HERE.glob("*/__main__.py"))


def main() -> int:
    """Run the named ones, or all."""
    if len(sys.argv) > 1 and sys.argv[1] in FOLDERS:
        sys.argv = [f"benchmarks {sys.argv[1]}", *sys.argv[2:]]
        runpy.run_module(f"benchmarks.{sys.argv[0].split()[1]}", run_name="__main__", alter_sys=False)
        return 0
    wanted = sys.argv[1:] or [*FILES, *FOLDERS]
    unknown = [name for name in wanted if name not in FILES and name not in FOLDERS]
    if unknown:
        print(f"no benchmark called {', '.join(unknown)}; there are {', '.join([*FILES, *FOLDERS])}", file=sys.stderr)
        return 2
    for name in wanted:
        print(f"== {name}", flush=True)
        sys.argv = [str(HERE / f"{name}.py")]
        if name in FOLDERS:
            runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=False)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
