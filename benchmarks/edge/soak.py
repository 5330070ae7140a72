"""Twenty minutes at 5,000 readings a second: does memory stay flat?"""

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.edge.machine import cpu_s
from benchmarks.edge.subjects import Subject

DEVICES = 10_000
RATE = 5000.0
PIECE_S = 30.0


def run(folder: Path, minutes: float, say: Any) -> dict[str, Any]:
    """Resident memory every half minute; its slope over the second half."""
    subject = Subject("agent", folder / "soak", DEVICES, "water")
    samples: list[dict[str, float]] = []
    try:
        subject.start()
        begin = time.monotonic()
        messages = 0
        while time.monotonic() < begin + minutes * 60:
            one = subject.load(RATE, min(PIECE_S, minutes * 60))
            messages += one.messages
            journal = sum(file.stat().st_size for file in (subject.folder / "data").glob("journal.sqlite*"))
            samples.append({
                "minute": (time.monotonic() - begin) / 60, "resident_mb": one.resident_mb, "rate": one.rate,
                "cpu_us": one.cpu_us, "journal_mb": journal / 1e6,
            })  # fmt: skip
            say(f"  soak, minute {samples[-1]['minute']:.1f}: {one.resident_mb:.1f} MB, {one.rate:,.0f}/s")
        cpu = cpu_s(subject.pid)
    finally:
        subject.stop()
    late = [each for each in samples if each["minute"] >= minutes / 2] or samples
    slope = 0.0
    if len(late) > 1:
        slope = float(np.polyfit([each["minute"] for each in late], [each["resident_mb"] for each in late], 1)[0])
    return {"devices": DEVICES, "rate": RATE, "minutes": minutes, "samples": samples, "cpu_s": cpu,
            "mb_per_minute": slope}  # fmt: skip
