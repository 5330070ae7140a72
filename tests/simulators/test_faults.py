"""The live injector's scheduled faults, kind by kind, as messages that leave a device."""

import math

import pytest

from simulators.faults import FaultKind, Injector, Rates, Scheduled
from simulators.sensor import Publication

START, STEP = 1_795_329_000_000, 10_000


def play(kind: FaultKind, size: float, count: int = 40) -> tuple[list[Publication], Injector]:
    fault = Scheduled("d", kind, START + 10 * STEP, START + 29 * STEP, "level", size)
    injector = Injector(1, Rates.none(), (fault,))
    out: list[Publication] = []
    for number in range(count):
        values = {"level": 0.123 + 0.001 * number, "battery": 80.0}
        out += injector.apply(Publication("d", "s", START + number * STEP, number + 1, "b", values))
    return out, injector


@pytest.mark.parametrize(
    ("kind", "size", "first"),
    [
        (FaultKind.RAIL, 6.0, 6.0),
        (FaultKind.GAIN, 1.5, 0.1995),
        (FaultKind.UNIT, 100.0, 13.3),
        (FaultKind.QUANTISATION, 0.05, 0.15),
        (FaultKind.SIGN, 0.0, -0.133),
        (FaultKind.SPIKE, 1.0, 1.133),
        (FaultKind.STUCK, 0.0, 0.133),
        (FaultKind.NAN, 0.0, math.nan),
    ],
)
def test_a_value_fault_changes_the_value_while_it_lasts(kind: FaultKind, size: float, first: float) -> None:
    out, injector = play(kind, size)
    assert out[10].values["level"] == pytest.approx(first, nan_ok=True)
    assert out[9].values["level"] == pytest.approx(0.132)
    assert out[30].values["level"] == pytest.approx(0.153)
    assert [(label.kind, label.start, label.end) for label in injector.labels] == [
        (kind, START + 10 * STEP, START + 29 * STEP)
    ]


def test_clocks_say_something_else_than_when_it_was_measured() -> None:
    for kind, size, said in (
        (FaultKind.TIMEZONE, 0.0, START + 10 * STEP + 8 * 3_600_000),
        (FaultKind.CLOCK_SKEW, 20_000.0, START + 10 * STEP + 20_000),
        (FaultKind.EPOCH, 0.0, 0),
    ):
        out, _ = play(kind, size)
        assert out[10].sent_ts == said
        assert out[9].sent_ts is None


def test_a_gateway_that_was_away_sends_all_at_once() -> None:
    out, _ = play(FaultKind.OUTAGE, 0.0)
    held = out[10:30]
    assert {publication.due // 1000 for publication in held} == {(START + 29 * STEP) // 1000}
    assert [publication.due for publication in held] == sorted(publication.due for publication in held)


def test_reordered_messages_overtake_each_other() -> None:
    out, _ = play(FaultKind.REORDER, 60_000.0)
    dues = [publication.due for publication in out[10:30]]
    assert dues != sorted(dues)


def test_a_dying_battery_reads_empty_and_loses_messages() -> None:
    out, injector = play(FaultKind.BATTERY, 0.5)
    assert len(out) < 36
    assert {publication.values["battery"] for publication in out} == {80.0, 0.0}
    assert {label.kind for label in injector.labels} == {FaultKind.BATTERY}
