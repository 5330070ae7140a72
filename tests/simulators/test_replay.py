"""Recordings: units, times, gaps, padding, and the pace of a timeline."""

import asyncio
from pathlib import Path

import pytest

from shouwang.simulate import conversion
from simulators.play import Clock, play
from simulators.replay import ReplayError, Source, Together, load
from simulators.sensor import Publication
from wire.time import Segment, Timeline, now_ms


def recording(tmp_path: Path, text: str, **options: object):
    path = tmp_path / "series.csv"
    path.write_text(text, encoding="utf-8")
    defaults: dict[str, object] = {
        "device": "d",
        "site": "s",
        "time_column": "t",
        "points": [Source.parse("level=stage:ft", conversion)],
    }
    return load(path, **(defaults | options))  # type: ignore[arg-type]


def test_feet_become_metres_and_gaps_stay_gaps(tmp_path: Path) -> None:
    one = recording(tmp_path, "t,stage\n2019-05-11T00:00:00Z,1\n2019-05-11T00:05:00Z,\n2019-05-11T00:10:00Z,10\n")
    assert [values for _, values in one.rows] == [{"level": 0.3048}, {"level": 3.048}]
    assert one.last_ms - one.first_ms == 600_000


def test_seconds_count_from_the_start_and_the_padding_is_quiet(tmp_path: Path) -> None:
    one = recording(tmp_path, "t,stage\n0,1\n2,2\n", start_ms=1_000_000, pad_s=10)
    assert [ts for ts, _ in one.rows] == [990_000, 992_000, 994_000, 996_000, 998_000, 1_000_000, 1_002_000]
    assert {values["level"] for ts, values in one.rows if ts <= 1_000_000} == {0.3048}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "no column 't'"),
        ("t,stage\n0,high\n", "line 2, column 'stage': 'high' is not a number"),
        ("t,stage\nyesterday,1\n", "line 2"),
        ("t,stage\n0,\n", "no row with a value"),
    ],
)
def test_errors_say_where(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ReplayError, match=says):
        recording(tmp_path, text)


def test_a_point_is_written_name_column_unit() -> None:
    source = Source.parse("obscuration=SMA_1:1/m", conversion)
    assert (source.point, source.column) == ("obscuration", "SMA_1")
    assert source.convert(0.015) == pytest.approx(0.15)
    assert Source.parse("level=h", conversion).convert(7) == 7
    with pytest.raises(ReplayError, match="NAME=COLUMN:UNIT"):
        Source.parse("level", conversion)
    with pytest.raises(ReplayError, match="furlong"):
        Source.parse("level=h:furlong", conversion)


@pytest.mark.parametrize(
    ("point", "value", "unit", "expected"),
    [
        ("obscuration", 0.015, "1/m", 0.15),
        ("obscuration", 3.39, "%/m", 0.15),
        ("level", 4, "ft", 1.2192),
        ("temperature", 300, "K", 26.85),
    ],
)
def test_units(point: str, value: float, unit: str, expected: float) -> None:
    assert conversion(point, unit)(value) == pytest.approx(expected, abs=0.001)


async def test_playing_follows_the_rate_and_a_pause_at_once(tmp_path: Path) -> None:
    one = recording(tmp_path, "t,stage\n" + "".join(f"{k},{k}\n" for k in range(40)))
    sent: list[tuple[int, Publication]] = []
    start = now_ms()
    clock = Clock(Timeline("x", (Segment(start, 0, 100),)))
    half = asyncio.Event()

    def send(publication: Publication) -> None:
        sent.append((now_ms(), publication))
        if len(sent) >= 20:
            half.set()

    task = asyncio.create_task(play(one, clock, send))
    await asyncio.wait_for(half.wait(), 10)
    pause = now_ms()
    clock.set(Timeline("x", (Segment(start, 0, 100), Segment(pause, (pause - start) * 100, 0))))
    await asyncio.sleep(0.05)
    paused_at = len(sent)
    await asyncio.sleep(0.3)
    assert len(sent) == paused_at < 40
    go = now_ms()
    clock.set(Timeline("x", (Segment(go, (pause - start) * 100, 1000),)))
    await asyncio.wait_for(task, 5)
    assert len(sent) == 40
    assert all(wall >= start + p.ts / 100 - 1 for wall, p in sent[:20])


def test_together_keeps_time_order(tmp_path: Path) -> None:
    one = recording(tmp_path, "t,stage\n0,1\n4,1\n")
    two = recording(tmp_path, "t,stage\n1,1\n3,1\n", device="e")
    both = Together([one, two])
    assert both.next_ms() == 0
    assert [p.device for p in both.step(10_000)] == ["d", "e", "e", "d"]
    assert both.next_ms() is None
