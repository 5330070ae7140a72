"""Starts `shouwang …` on a clock of the bench: `python -m benchmarks.faults.clocked TIME STEPS -- edge run …`.

TIME is the clock that all processes of a bench share; STEPS, or `-`, is how far this one process's wall clock is off.
The wall clock is the sum of both; the clock since boot knows only of time that passes.
"""

import sys
import time
from datetime import datetime, tzinfo
from pathlib import Path

from benchmarks.faults.clock import Clock


def install(shared: Clock, steps: Clock | None) -> None:
    """Give this process its clock, before anything of the product is imported."""
    real_ns = time.time_ns
    since_boot_ns = time.clock_gettime_ns

    def now_ns() -> int:
        now = shared.now_ns()
        return now if steps is None else now + steps.now_ns() - real_ns()

    def gettime_ns(clock: int) -> int:
        if clock == time.CLOCK_BOOTTIME:
            return since_boot_ns(clock) + shared.now_ns() - real_ns()
        return since_boot_ns(clock)

    time.time_ns = now_ns
    time.time = lambda: now_ns() / 1e9
    time.clock_gettime_ns = gettime_ns


class Shown(datetime):
    """In place of `datetime` where the cloud asks it for the time."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        """By this process's clock."""
        return datetime.fromtimestamp(time.time(), tz)


def main() -> None:
    """Install the clock and hand over."""
    shared, steps, separator, *arguments = sys.argv[1:]
    assert separator == "--"
    install(Clock(Path(shared)), None if steps == "-" else Clock(Path(steps)))
    if arguments[0] == "cloud":
        import cloud.feed.service
        import cloud.services

        cloud.services.datetime = Shown  # type: ignore[misc, attr-defined]
        cloud.feed.service.datetime = Shown  # type: ignore[misc, attr-defined]
    from shouwang.main import app

    sys.argv = ["shouwang", *arguments]
    app()


if __name__ == "__main__":
    main()
