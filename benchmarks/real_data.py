"""The table of docs/real-data.md: recorded fires and floods through the rules, written between the marks of the page.

python benchmarks/real_data.py [--data FOLDER] [--check]
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from recorded_fires import FIRES, STREAMS, stations, stream  # noqa: E402
from recorded_judgement import judge_station, judge_stream  # noqa: E402

from wire.alert import Verb  # noqa: E402
from wire.time import to_datetime  # noqa: E402

PAGES = (ROOT / "docs" / "real-data.md", ROOT / "docs" / "real-data.zh-CN.md")
BEGIN, END = "<!-- table: benchmarks/real_data.py -->", "<!-- end of table -->"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _signed(value: float) -> str:
    return f"{value:+.0f}"


def fire_rows(data: Path) -> list[str]:
    head = (
        "| fire | station | peak 1/m | first real alarm s | last real alarm s | alert s | by | level II s "
        "| after first | after last |"
    )
    rows = [head, "|---|---|---|---|---|---|---|---|---|---|"]
    after_first, after_last, in_quiet = [], [], 0
    for fire in FIRES:
        for station in stations(data, fire):
            outcome = judge_station(station)
            in_quiet += outcome.in_quiet
            peak = max(meter.peak_per_m for meter in station.meters)
            first = last = "–"
            compared = ["–", "–"]
            if station.sounded_s:
                first, last = _seconds(station.sounded_s[0]), _seconds(station.sounded_s[-1])
                if outcome.alert_s is not None:
                    after_first.append(outcome.alert_s - station.sounded_s[0])
                    after_last.append(outcome.alert_s - station.sounded_s[-1])
                    compared = [_signed(after_first[-1]), _signed(after_last[-1])]
            note = "" if station.judged else " (not counted: meter never moved)" if station.sounded_s else " (no truth)"
            rows.append(
                f"| {fire} | {station.station}{note} | {peak:.3f} | {first} | {last} | {_seconds(outcome.alert_s)} "
                f"| {outcome.by or '–'} | {_seconds(outcome.urgent_s)} | {compared[0]} | {compared[1]} |"
            )
    rows += [
        "",
        (
            f"{len(after_last)} stations with real alarm times and an alert. Median after the first real alarm "
            f"{np.median(after_first):+.0f} s, after the last {np.median(after_last):+.0f} s "
            f"(worst {max(after_last):+.0f} s). "
            f"Stations alerted in the padding or in the first ten seconds: {in_quiet}."
        ),
    ]
    return rows


def water_rows(data: Path) -> list[str]:
    rows = ["| stream | action level ft | crossings | opened | cleared | rises reported | on 2019-05-11 |",
            "|---|---|---|---|---|---|---|"]  # fmt: skip
    for usgs_id in STREAMS:
        gauge = stream(data, usgs_id)
        changes = judge_stream(gauge)
        depth = [change for change in changes if change.rule == "water_depth"]
        opened = [to_datetime(each.at).strftime("%m-%d %H:%M") for each in depth if each.verb is Verb.RAISED]
        cleared = [to_datetime(each.at).strftime("%m-%d %H:%M") for each in depth if each.verb is Verb.CLEARED]
        rises = [to_datetime(each.at) for each in changes if each.rule == "water_rise" and each.verb is Verb.RAISED]
        that_day = [each.strftime("%H:%M") for each in rises if each.date().isoformat() == "2019-05-11"]
        rows.append(
            f"| {gauge.name} ({usgs_id}) | {gauge.action_ft:g} | {len(opened)} | {', '.join(opened) or '–'} "
            f"| {', '.join(cleared) or '–'} | {len(rises)} | {', '.join(that_day) or '–'} |"
        )
    return rows


def table(data: Path) -> str:
    return "\n".join([*fire_rows(data), "", *water_rows(data)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("SHOUWANG_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--check", action="store_true", help="exit 1 if a page is not up to date; write nothing")
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"no recorded data at {options.data}: set SHOUWANG_DATA", file=sys.stderr)
        return 2
    fresh = table(options.data)
    stale = False
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        before, found, rest = text.partition(BEGIN)
        _, closed, after = rest.partition(END)
        if not found or not closed:
            print(f"{page}: the marks '{BEGIN}' and '{END}' are missing", file=sys.stderr)
            return 2
        new = f"{before}{BEGIN}\n\n{fresh}\n\n{END}{after}"
        if new != text:
            stale = True
            if not options.check:
                page.write_text(new, encoding="utf-8")
    print(fresh)
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
