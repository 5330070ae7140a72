"""The edge's time: jumps of the machine's clock, the cloud's word, restarts in the past. No process, no waiting."""

from pathlib import Path

import pytest

from edge.steady_clock import SteadyClock

NOW = 1_790_000_000_000
HOUR = 3_600_000


class Machine:
    """A clock that may be set, and time since boot."""

    def __init__(self) -> None:
        self.boot, self.off = 1_000, 0

    def wall(self) -> int:
        return NOW + self.boot + self.off

    def since_boot(self) -> int:
        return self.boot

    @property
    def true(self) -> int:
        return NOW + self.boot

    def clock(self, kept: Path | None = None) -> SteadyClock:
        return SteadyClock(kept, self.wall, self.since_boot)


@pytest.mark.parametrize("by", [HOUR, -HOUR, -NOW])
def test_a_jump_against_the_clouds_word_moves_nothing(by: int) -> None:
    machine = Machine()
    clock = machine.clock()
    clock.cloud_said(machine.true + 400)
    machine.off = by
    for _ in range(5):
        machine.boot += 1000
        clock.look()
        assert clock.now_ms() == machine.true
    clock.cloud_said(machine.true - 700)
    assert clock.now_ms() == machine.true
    machine.off = 0
    clock.look()
    assert clock.now_ms() == machine.true


def test_a_start_in_1970_takes_the_clouds_time_and_knows_how_old_things_are() -> None:
    machine = Machine()
    machine.off = -NOW
    clock = machine.clock()
    at = clock.now_ms()
    machine.boot += 20_000
    clock.cloud_said(machine.true)
    assert abs(clock.now_ms() - machine.true) <= 1
    assert clock.age_ms(at) == 20_000
    machine.boot += 5_000
    assert clock.age_ms(at) == 25_000
    assert clock.age_ms(machine.true - 5_000) == 5_000
    machine.off = 0  # NTP came
    clock.look()
    assert clock.now_ms() == machine.true


def test_a_wrong_start_is_set_back_by_the_clouds_word() -> None:
    machine = Machine()
    machine.off = HOUR
    clock = machine.clock()
    at = clock.now_ms()
    machine.boot += 90_000
    clock.cloud_said(machine.true)
    assert clock.now_ms() == machine.true
    assert clock.age_ms(at) == 90_000


def test_without_a_cloud_the_machines_clock_is_believed_unless_it_is_nonsense() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.off = HOUR
    clock.look()
    assert clock.now_ms() == machine.true + HOUR
    machine.off = -NOW
    clock.look()
    assert clock.now_ms() == machine.true + HOUR


def test_a_restart_does_not_begin_in_the_past(tmp_path: Path) -> None:
    machine = Machine()
    before = machine.clock(tmp_path / "clock")
    before.look()
    machine.boot += 8_000
    before.look()
    machine.boot, machine.off = machine.boot + 2_000, -HOUR
    clock = machine.clock(tmp_path / "clock")
    assert machine.true - 3_000 <= clock.now_ms() <= machine.true
    clock.cloud_said(machine.true)
    assert machine.true - 3_000 <= clock.now_ms() <= machine.true
    # where no cloud ever speaks, a person has set the clock
    alone = machine.clock(tmp_path / "clock")
    machine.boot += 61_000
    alone.look()
    assert alone.now_ms() == machine.true - HOUR


def test_it_follows_a_clock_that_is_steered(tmp_path: Path) -> None:
    machine = Machine()
    clock = machine.clock(tmp_path / "nowhere" / "clock")
    clock.cloud_said(machine.true)
    for _ in range(20):
        machine.boot += 1000
        machine.off += 3
        clock.look()
        assert clock.now_ms() == machine.wall()
