"""What the edge takes: readings a second, CPU a reading, memory, latency – beside subscribers that only acknowledge.

    python -m benchmarks edge [--quick | --full] [--devices 100 10000] [--seconds 6] [--out FOLDER] [--docs] [--soak]

Each subject – gmqtt, our own receive path, the agent – has a Mosquitto of its own with the same settings; they are
loaded in turn, round after round, so that what else the machine does strikes all alike. One message holds one value
(a dry underpass), so that message and reading are the same; a table of smoke detectors with six values is beside it.
`--docs` writes the tables into docs/performance.md between their markers. `--soak` is 20 minutes of 5,000 readings/s.
"""

import argparse
import signal
import sys
import tempfile
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


def measure(subjects: list[Subject], rounds: int, seconds: float, say: Any) -> dict[str, dict[str, Any]]:
    """Rounds in turn; the median of each figure."""
    found: dict[str, list[Round]] = {each.kind: [] for each in subjects}
    steady: dict[str, list[Round]] = {each.kind: [] for each in subjects}
    for number in range(rounds):
        for each in subjects:
            passes = 0 if number or each.kind in FLOORS else 2  # what a first reading costs is not what the next do
            found[each.kind].append(each.load(0.0, seconds, 1.5, passes))
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


def throughput(
    folder: Path, devices: int, sends: str, kinds: tuple[str, ...], rounds: int, seconds: float, say: Any
) -> Any:
    """All subjects at one number of devices."""
    subjects: list[Subject] = []
    try:
        for kind in kinds:
            subject = Subject(kind, folder / f"{sends}-{devices}-{kind}", devices, sends)
            subjects.append(subject)
            subject.start()
        return measure(subjects, rounds, seconds, say)
    finally:
        for each in subjects:
            each.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks edge", description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="100 and 10,000 devices, 2 rounds of 4 s (default)")
    size.add_argument("--full", action="store_true", help="100, 10,000 and 100,000 devices, 5 rounds of 10 s")
    parser.add_argument("--devices", type=int, nargs="+", default=None)
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--kinds", nargs="+", default=["gmqtt", "receive", "agent"])
    parser.add_argument("--no-alerts", action="store_true", help="leave the part with alarms and a cloud away")
    parser.add_argument("--no-smoke", action="store_true", help="leave the table of six values a message away")
    parser.add_argument("--out", type=Path, default=None, help="folder for edge.json and edge.md")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/performance.md")
    parser.add_argument("--soak", type=float, nargs="?", const=20.0, default=None, metavar="MINUTES")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no process stays behind
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        result = run(chosen, Path(folder))
    print(report.markdown(result))
    if chosen.out is not None:
        report.write(chosen.out, result)
    if chosen.docs:
        report.into_docs(ROOT / "docs" / "performance.md", result)


def run(chosen: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What was asked for."""
    devices = chosen.devices or ([100, 10_000, 100_000] if chosen.full else [100, 10_000])
    seconds = chosen.seconds or (10.0 if chosen.full else 4.0)
    rounds = chosen.rounds or (5 if chosen.full else 2)

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    result: dict[str, Any] = {"machine": description(), "rounds": rounds, "seconds": seconds, "steady": STEADY}
    if chosen.soak is not None:
        result["soak"] = soak.run(folder, chosen.soak, say)
        return result
    kinds = tuple(chosen.kinds)
    result["water"] = {str(count): throughput(folder, count, "water", kinds, rounds, seconds, say) for count in devices}
    if not chosen.no_smoke:
        count = min(10_000, max(devices))
        result["smoke"] = {str(count): throughput(folder, count, "smoke", kinds, rounds, seconds, say)}
    if not chosen.no_alerts:
        result["alerts"] = alerts.run(folder / "alerts", 60.0 if chosen.full else 20.0, say)
    return result


if __name__ == "__main__":
    main()
