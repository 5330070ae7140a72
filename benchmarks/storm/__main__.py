"""A storm through the cloud: `python -m benchmarks storm [--postgres]`.

10,000 alerts of 2,000 devices behind four edges within a minute, each edge posting batches as it does, three in a
hundred of them twice; 100 stairwells burn, so there are 100 real events. 200 people listen to the feed. Cloud,
edges and listeners share the machine. Afterwards the database is asked what became of it.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.edge import machine
from benchmarks.faults.servers import end_process, free_port, wait_for
from benchmarks.storm.alerts import storm
from benchmarks.storm.check import counts
from benchmarks.storm.send import Sent, send
from benchmarks.storm.world import settle

ROOT = Path.cwd()
sys.path.insert(0, str(ROOT / "tests" / "support"))


def share(values: list[float], of: float) -> float:
    """Nearest rank."""
    return sorted(values)[min(len(values) - 1, round(of * (len(values) - 1)))]


def spread(values: list[float]) -> str:
    """Median, p99 and the longest, in ms."""
    return " | ".join(f"{share(values, of):,.0f}" for of in (0.5, 0.99, 1.0))


def start_cloud(url: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    """The cloud as it runs anywhere."""
    with (folder / "cloud.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "shouwang.main", "cloud", "run", "--database-url", url, "--data-dir",
             str(folder / "cloud"), "--listen", f"127.0.0.1:{port}"],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/api/v1/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    wait_for("the cloud", answers, 120)
    return process


async def run(url: str, folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """One storm against one database."""
    tokens, sessions = await settle(url, chosen.listeners)
    alerts = storm(chosen.seconds, chosen.seed)
    port = free_port()
    cloud = start_cloud(url, folder, port)
    try:
        (folder / "tokens").write_text("\n".join(sessions))
        room = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.storm.listeners", str(port), str(folder / "tokens"),
            str(folder / "heard.json"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert room.stdout is not None
        assert (await asyncio.wait_for(room.stdout.readline(), 120)).strip() == b"listening"
        cpu = machine.cpu_s(cloud.pid)
        began = time.time()
        sent = await send(f"http://127.0.0.1:{port}", tokens, alerts, datetime.now(UTC), chosen.seed)
        took = time.time() - began
        cpu = machine.cpu_s(cloud.pid) - cpu
        await asyncio.sleep(3)  # what was written last is on its way to the listeners
        await room.communicate(b"enough\n")
        memory = machine.most_resident_mb(cloud.pid)
        found = await counts(url, alerts)
    finally:
        end_process(cloud)
    heard = json.loads((folder / "heard.json").read_text())
    return {"sent": sent, "took": took, "cpu": cpu, "memory": memory, "heard": heard, "found": found}


def tell(name: str, result: dict[str, Any]) -> bool:
    """Print the figures as the table of docs/performance.md; whether everything holds that was asked for."""
    sent: Sent = result["sent"]
    found, heard = result["found"], result["heard"]
    late = [each for one in heard for each in one["late_ms"]]
    cut = [one["ended"] for one in heard if one["ended"]]
    print(
        f"\n**{name}**: {found['alerts']:,} alerts in {result['took']:.0f} s, {sent.batches} batches, {sent.again} of "
        f"them sent twice; {len(heard)} listeners, {len(late):,} events heard; the cloud took {result['cpu']:.0f} s "
        f"of CPU and {result['memory']:.0f} MB at most.\n"
    )
    print("| ms | median | p99 | longest |\n|---|---|---|---|")
    print(f"| alert due to its verdict | {spread(sent.late_ms)} |")
    print(f"| entry in the log to listener | {spread(late)} |\n")
    asked = {
        "at most one incident per real event": found["incidents"] <= found["events"]
        and not found["events_with_two_incidents"],
        "none lost, none doubled": not (found["lost"] or found["doubled"] or found["alarms_behind"]),
        "nobody told twice of one thing": not found["told_twice"],
        f"feed p99 under 1 s for {len(heard)} listeners": bool(late) and share(late, 0.99) < 1000 and not cut,
        "every listener in order": all(one["in_order"] for one in heard),
    }
    print("| asked for | |\n|---|---|")
    for what, holds in asked.items():
        print(f"| {what} | {'yes' if holds else '**no**'} |")
    print(f"\n{json.dumps(found)} verdicts {dict(sent.verdicts)} cut off: {len(cut)}")
    return all(asked.values())


def main() -> int:
    """Run the storm on SQLite, and on PostgreSQL where asked."""
    parser = argparse.ArgumentParser(prog="benchmarks storm", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long it lasts (60)")
    parser.add_argument("--listeners", type=int, default=200, help="people at the feed (200)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own instead of SQLite")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shouwang-storm-") as name:
        folder = Path(name)
        if not chosen.postgres:
            url = f"sqlite+aiosqlite:///{folder / 'cloud.sqlite'}"
            return 0 if tell("SQLite", asyncio.run(run(url, folder, chosen))) else 1
        import postgres_server

        with postgres_server.running() as server:
            return 0 if tell("PostgreSQL", asyncio.run(run(server + "postgres", folder, chosen))) else 1


if __name__ == "__main__":
    sys.exit(main())
