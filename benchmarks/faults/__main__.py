"""`python -m benchmarks faults`: so many seeded runs, one fault after another; results add up in a file."""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from benchmarks.faults import render
from benchmarks.faults.clock import Clock
from benchmarks.faults.gateway import BROKERS
from benchmarks.faults.kinds import KINDS
from benchmarks.faults.run import Result, Run, do
from benchmarks.faults.servers import MOSQUITTO, Postgres, Sqlite
from benchmarks.faults.world import ROOT, World

sys.path.insert(0, str(ROOT / "tests" / "support"))
DOC = ROOT / "docs" / "reliability.md"
DATABASES = ("sqlite", "postgresql")


def main() -> int:
    """Run, print, render."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=32, help="how many runs there shall be in the results file")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; run N has seed + N")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time, each with a cloud of its own")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS), metavar="KIND")
    parser.add_argument("--database", choices=DATABASES, help="instead of both in turn")
    parser.add_argument("--broker", choices=BROKERS, help="instead of both in turn")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "faults.jsonl", help="results; what is there counts")
    parser.add_argument("--fresh", action="store_true", help="forget the results that are there")
    parser.add_argument("--render", action="store_true", help=f"write the table into {DOC.name} (and its translation)")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        options.out.unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave no process behind
    if options.part:
        _work(options)
        return 0
    if options.jobs > 1:
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks", "faults", *_without_fresh(), "--part", f"{number}/{options.jobs}"],
                cwd=ROOT,
            )
            for number in range(options.jobs)
        ]
        try:
            for worker in workers:
                worker.wait()
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait()
    else:
        options.part = "0/1"
        _work(options)
    results = read(options.out)
    print(render.table(results))
    if options.render:
        for path in (DOC, DOC.with_suffix(".zh-CN.md")):
            render.into(path, results)
    return 0 if results and all(result.good for result in results) else 1


def _without_fresh() -> list[str]:
    return [word for word in sys.argv[1:] if word not in {"--fresh", "--render"}]


def read(path: Path) -> list[Result]:
    """Results so far; of a seed that was run again the last counts."""
    if not path.exists():
        return []
    rows = [msgspec.json.decode(line, type=Result) for line in path.read_bytes().splitlines() if line]
    return list({(row.seed, row.kind): row for row in rows}.values())


def _work(options: argparse.Namespace) -> None:
    number, of = map(int, options.part.split("/"))
    done = {(row.seed, row.kind) for row in read(options.out) if row.episodes}  # others did not come to an end
    worlds: dict[str, World] = {}
    folder = Path(tempfile.mkdtemp(prefix="shouwang-faults-"))
    clock = Clock(folder / "clock")
    try:
        for index in range(options.runs):
            seed, kind = options.seed + index, options.kinds[index % len(options.kinds)]
            turn = index // len(options.kinds)
            if index % of != number or (seed, kind) in done:
                continue
            broker = options.broker or BROKERS[(turn + index) % 2]
            if broker == "mosquitto" and MOSQUITTO is None:
                broker = "embedded"
            world = _world(worlds, options.database or DATABASES[(turn // 2 + index // 2) % 2], folder, clock)
            result = do(lambda: Run(world, seed, kind, broker, folder / f"run-{seed}"))  # noqa: B023  called at once
            with options.out.open("ab") as out:
                out.write(msgspec.json.encode(result) + b"\n")
            said = "ok  " if result.good else "BAD "
            print(
                f"{result.at[11:19]} {said} {seed:4} {kind:18} {result.note:5} {result.broker:9} {result.database:10}",
                f"{result.episodes:4} episodes {result.seconds:.1f} s ({result.recovery_s:.0f}) {result.trouble[:250]}",
                flush=True,
            )
    finally:
        for each in worlds.values():
            each.stop()
        if not any(folder.glob("run-*")):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"what went wrong is kept in {folder}")


def _world(worlds: dict[str, World], database: str, folder: Path, clock: Clock) -> World:
    """The cloud on that database; on SQLite where there is no PostgreSQL."""
    if database not in worlds:
        if database == "postgresql":
            import postgres_server

            try:
                home = folder / "postgresql"
                home.mkdir()
                server = Postgres(home, postgres_server.binaries(), postgres_server._user())  # noqa: SLF001
            except postgres_server.NoPostgresError as error:
                print(f"no PostgreSQL, on SQLite instead: {error}")
                return _world(worlds, "sqlite", folder, clock)
            worlds[database] = World(home, server, clock)
        else:
            home = folder / "sqlite"
            home.mkdir(exist_ok=True)
            worlds[database] = World(home, Sqlite(home), clock)
        worlds[database].start()  # entered before: what has started is stopped whatever happens
    return worlds[database]


if __name__ == "__main__":
    sys.exit(main())
