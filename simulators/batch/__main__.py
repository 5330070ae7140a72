"""`python -m simulators.batch`: how fast each family is simulated here, and how much memory a recording takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from simulators.batch import facade, faults, river, smoke, street, underpass
from simulators.batch.dwelling import SmokePlan
from simulators.batch.recording import Recording

FAMILIES: dict[str, Callable[[], Iterable[Recording]]] = {
    "smoke, 10 dwellings × 3 detectors × 30 d, every 10 s": lambda: smoke.months(SmokePlan(dwellings=10)),
    "smoke, 50 dwellings × 3 × 30 d, quiet thinned to 300 s": lambda: smoke.months(
        SmokePlan(dwellings=50, quiet_cadence_s=300.0)
    ),
    "smoke, 50 dwellings × 30 d, 2 fires and 2 dry burns each": lambda: smoke.months(
        SmokePlan(dwellings=50, quiet_cadence_s=300.0, fires=2.0, dry_burns=2.0)
    ),
    "underpass, 135 design storms of 6 h": lambda: underpass.design_storms(underpass.UnderpassPlan()),
    "underpass, 25 sites × 30 d of plum rain": lambda: underpass.season(
        underpass.UnderpassPlan(sites=25, quiet_cadence_s=300.0)
    ),
    "underpass, 40 sites × 10 d under moving cells": lambda: [
        underpass.moving_storms(underpass.UnderpassPlan(sites=40, quiet_cadence_s=300.0), 10)
    ],
    "river, 4 rivers × 60 d": lambda: [river.season(river.RiverPlan())],
    "street, 30 sensors × 30 d, every 60 s": lambda: street.months(street.StreetPlan()),
    "façade, 40 panel-years of features": lambda: facade.months(facade.FacadePlan(buildings=2, loosening=0.3)),
    "all faults over 10 street sensors × 30 d": lambda: [
        faults.inject(each, faults.FaultPlan(), 1) for each in street.months(street.StreetPlan(clusters=3))
    ],
}


def main() -> None:
    """Measure and print a table."""
    print("| what | messages | s | device time per second | all together against real time | largest recording |")
    print("|---|---|---|---|---|---|")
    for name, build in FAMILIES.items():
        began = time.perf_counter()
        messages = device_s = span_s = size = 0.0
        for recording in build():
            messages += len(recording)
            length = (recording.end - recording.start) / 1000
            device_s += length * len(recording.devices)
            span_s = max(span_s, length)
            size = max(size, recording.nbytes())
        took = time.perf_counter() - began
        print(
            f"| {name} | {messages:,.0f} | {took:.1f} | {device_s / took / 86_400:,.0f} d "
            f"| × {span_s / took:,.0f} | {size / 1e6:.0f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
