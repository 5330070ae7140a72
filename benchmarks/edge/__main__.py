"""What the edge takes: readings a second, CPU a reading, memory, latency – beside subscribers that only acknowledge.

    python -m benchmarks edge [--full] [--devices 100 10000] [--seconds 6] [--out FOLDER] [--docs] [--soak]

Without more it is the short form, under 90 s on a quiet machine; `--full` takes about eight minutes and gives every
verdict. What takes too long is ended (`--limit`), and a part that fails does not take the others with it: the figures
that are there are printed, and the program ends with 1.

Each subject – gmqtt, our own receive path, the agent – has a Mosquitto of its own with the same settings; they are
loaded in turn, round after round, so that what else the machine does strikes all alike. One message holds one value
(a dry underpass), so that message and reading are the same; a table of smoke detectors with six values is beside it.
`--docs` writes the tables into docs/performance.md between their markers. `--soak` is 20 minutes of 5,000 readings/s.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from benchmarks.edge import alerts, report, soak  # noqa: E402
from benchmarks.edge.machine import description  # noqa: E402
from benchmarks.edge.subjects import VALUES, Round, Subject  # noqa: E402

FLOORS = ("gmqtt", "receive")
STEADY = 5000.0
"""Messages a second at which latency is measured: what a subject can't take would be measured as its queue."""
MANY = 10_000
"""Devices of which memory and start are looked at."""


def measure(subjects: list[Subject], rounds: int, seconds: float, say: Any) -> dict[str, dict[str, Any]]:
    """Rounds in turn; the median of each figure."""
    found: dict[str, list[Round]] = {each.kind: [] for each in subjects}
    steady: dict[str, list[Round]] = {each.kind: [] for each in subjects}
    for number in range(rounds):
        for each in subjects:
            passes = 0 if number or each.kind in FLOORS else 2  # what a first reading costs is not what the next do
            found[each.kind].append(each.load(0.0, seconds, 1.0, passes))
            steady[each.kind].append(each.load(STEADY, max(seconds / 2, 1.0), 0.5))
            one = found[each.kind][-1]
            say(f"  {each.devices} devices, {each.kind}: {one.rate:,.0f} messages/s, {one.cpu_us:.1f} us")
    return {each.kind: _figures(each, found[each.kind], steady[each.kind]) for each in subjects}


def _figures(subject: Subject, rounds: list[Round], steady: list[Round]) -> dict[str, Any]:
    late = sorted(ms for each in steady for ms in each.late_ms)
    return {
        "messages_s": median(each.rate for each in rounds),
        "values_s": median(each.rate for each in rounds) * VALUES[subject.sends],
        "cpu_us": median(each.cpu_us for each in rounds),
        "broker_us": median(each.broker_s / max(each.messages, 1) * 1e6 for each in rounds),
        "load_us": median(each.load_s / max(each.messages, 1) * 1e6 for each in rounds),
        "steady_cpu_us": median(each.cpu_us for each in steady),
        "steady_s": median(each.rate for each in steady),
        "resident_mb": rounds[-1].resident_mb,
        "most_mb": rounds[-1].most_mb,
        "busy": median(each.busy for each in rounds),
        "late_ms": {share: percentile(late, float(share) / 100) for share in ("50", "90", "99", "100")},
        "start_s": subject.started_s,
        "start_cpu_s": subject.started_cpu_s,
        "rounds": [{"messages_s": each.rate, "cpu_us": each.cpu_us} for each in rounds],
    }


def percentile(ordered: list[float], share: float) -> float | None:
    """Nearest rank."""
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))] if ordered else None


@dataclass(frozen=True)
class Part:
    """One table's worth of subjects."""

    sends: str
    devices: int
    kinds: tuple[str, ...]
    rounds: int
    seconds: float
    again: bool = False  # start the agent a second time, from the journal that the load left


def throughput(folder: Path, part: Part, say: Any) -> Any:
    """All subjects at one number of devices."""
    subjects: list[Subject] = []
    try:
        for kind in part.kinds:
            subject = Subject(kind, folder / f"{part.sends}-{part.devices}-{kind}", part.devices, part.sends)
            subjects.append(subject)
            subject.start()
        found = measure(subjects, part.rounds, part.seconds, say)
        for each in subjects:
            if part.again and each.kind == "agent":
                before = found[each.kind]["start_s"], found[each.kind]["start_cpu_s"]
                each.restart()
                found[each.kind] |= {"again_s": each.started_s, "again_cpu_s": each.started_cpu_s}
                say(f"  {part.devices} devices: started in {before[0]:.1f} s, again in {each.started_s:.1f} s")
        return found
    finally:
        for each in subjects:
            each.stop()


def parts(chosen: argparse.Namespace) -> list[Part]:
    """What is measured."""
    rounds = chosen.rounds or (3 if chosen.full else 1)
    seconds = chosen.seconds or (6.0 if chosen.full else 3.0)
    devices = chosen.devices or ([100, 10_000, 100_000] if chosen.full else [100, 10_000])
    kinds = tuple(chosen.kinds or (["gmqtt", "receive", "agent"] if chosen.full else ["gmqtt", "agent"]))
    most = kinds if chosen.devices or chosen.kinds else ("agent",)  # the floors do not look at the devices
    found = [
        Part("water", count, most if count > MANY else kinds, rounds, seconds, again=count == MANY) for count in devices
    ]
    if chosen.full and not chosen.no_smoke:
        found.append(Part("smoke", MANY, ("gmqtt", "agent"), max(1, rounds - 1), seconds))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks edge", description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="100, 10,000 and 100,000 devices, 3 rounds of 6 s, alarms")
    parser.add_argument("--quick", action="store_true", help="the short form, which is what is done without --full")
    parser.add_argument("--devices", type=int, nargs="+", default=None)
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--kinds", nargs="+", default=None, choices=["gmqtt", "receive", "agent", "alone"])
    parser.add_argument("--no-alerts", action="store_true", help="leave the part with alarms and a cloud away")
    parser.add_argument("--no-smoke", action="store_true", help="leave the table of six values a message away")
    parser.add_argument("--limit", type=float, default=None, metavar="MINUTES", help="end it then, with what there is")
    parser.add_argument("--out", type=Path, default=None, help="folder for edge.json and edge.md")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--soak", type=float, nargs="?", const=20.0, default=None, metavar="MINUTES")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process stays behind
    signal.signal(signal.SIGALRM, _too_long)
    limit = chosen.limit or (2 * chosen.soak + 5 if chosen.soak else 12.0 if chosen.full else 4.0)
    signal.setitimer(signal.ITIMER_REAL, limit * 60)
    with tempfile.TemporaryDirectory(prefix="edge-bench-", ignore_cleanup_errors=True) as folder:
        result = run(chosen, Path(folder))
    print(report.markdown(result))
    if chosen.out is not None:
        report.write(chosen.out, result)
    if chosen.docs and not result["failed"]:
        report.into_docs(ROOT / "docs" / "performance.md", result)
    return 1 if result["failed"] else 0


class TooLongError(Exception):
    """The time given is over."""


def _too_long(*_: object) -> None:
    raise TooLongError("the time given (--limit) is over")


def say(line: str) -> None:
    """What is going on."""
    print(line, file=sys.stderr, flush=True)


def run(chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What was asked for; `failed` holds what went wrong."""
    begin = time.monotonic()
    todo = [] if chosen.soak is not None else parts(chosen)
    result: dict[str, Any] = {
        "machine": description(), "rounds": todo[0].rounds if todo else 0, "seconds": todo[0].seconds if todo else 0,
        "steady": STEADY, "failed": [],
    }  # fmt: skip
    work: list[tuple[str, Callable[[], None]]] = []

    def put(key: str, what: Callable[[], Any]) -> None:
        work.append((key, lambda: result.__setitem__(key, what())))

    for part in todo:

        def table(part: Part = part) -> None:
            result.setdefault(part.sends, {})[str(part.devices)] = throughput(folder, part, say)

        work.append((f"{part.sends}, {part.devices} devices", table))
    if chosen.soak is not None:
        put("soak", lambda: soak.run(folder, chosen.soak, say))
    elif not chosen.no_alerts:
        put("alerts", lambda: alerts.run(folder / "alerts", 60.0 if chosen.full else 15.0, say))
    for name, what in work:
        say(f"{name} (after {time.monotonic() - begin:.0f} s)")
        try:
            what()
        except TooLongError as error:
            result["failed"].append(f"{name}: {error}")
            break
        except (RuntimeError, OSError, AssertionError, subprocess.SubprocessError) as error:  # of `stack`, too
            say(f"  failed: {error}")
            result["failed"].append(f"{name}: {error}")
    signal.setitimer(signal.ITIMER_REAL, 0)
    result["took_s"] = time.monotonic() - begin
    return result


if __name__ == "__main__":
    sys.exit(main())
