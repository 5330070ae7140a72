"""The numbers that were to be reached, beside what was measured: held or not, and over how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One number; texts in English and Chinese."""

    what: tuple[str, str]
    target: str
    measured: str
    interval: str
    over: tuple[str, str]
    held: bool | None  # None: nothing to compare, or not run


def percent(share: float | None, digits: int = 1) -> str:
    """0.123 → 12.3 %."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def number(value: float | None, digits: int = 3) -> str:
    """So many significant digits."""
    if value is None:
        return "–"
    if value and abs(value) < 0.01:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"


def share_span(share: Mapping[str, Any], digits: int = 1) -> str:
    """Wilson's interval."""
    return f"{percent(share['low'], digits)} … {percent(share['high'], digits)}"


def _smoke(smoke: Results) -> Iterator[Row]:
    events, false = smoke.get("events", {}).get("rules", {}), smoke.get("false", {})
    for kind, name in (("all fires", ("fires told at level III", "火灾以 III 级报出")),
                       ("dry_burn", ("pots burnt dry told at level III", "干烧以 III 级报出"))):  # fmt: skip
        if kind in events:
            recall = events[kind]["III"]["recall"]
            over = (f"{recall['trials']} events", f"{recall['trials']} 起")
            yield Row(name, "≥ 99 %", percent(recall["share"], 2), share_span(recall, 2), over, recall["share"] >= 0.99)
    for width, by in sorted(false.items()):
        rate = by["rules"]["II"]
        title = (f"false alarms of level II a device-month, spread {width}", f"每台月 II 级以上误报,尾部宽度 {width}")
        enough = rate["exposure"] >= 4000
        target = "≤ 8.3e-4 (upper bound, ≥ 4,000)" if width == "0.7" else "–"
        over = (f"{rate['exposure']:,.0f} device-months", f"{rate['exposure']:,.0f} 台月")
        held = (rate["bound"] <= 8.3e-4 and enough) if width == "0.7" else None
        measured = f"{rate['count']} = {number(rate['rate'])}; bound {number(rate['bound'])}"
        yield Row(title, target, measured, f"{number(rate['low'])} … {number(rate['high'])}", over, held)
    if "0.7" in false:
        yield from _smoke_meals(smoke)
        yield from _smoke_against(smoke)


def _smoke_meals(smoke: Results) -> Iterator[Row]:
    for level in ("III", "II"):
        meals = smoke["meals"]["0.7"]["rules"][level]
        title = (f"meals at 3 m and more that alarm at level {level}", f"3 m 外的烹饪引起 {level} 级报警")
        over = (f"{meals['trials']:,} meals", f"{meals['trials']:,} 次")
        yield Row(title, "≤ 0.5 %", percent(meals["share"], 3), share_span(meals, 3), over, meals["share"] <= 0.005)


def _smoke_against(smoke: Results) -> Iterator[Row]:
    false, events = smoke["false"]["0.7"], smoke.get("events", {})
    for level in ("III", "II"):
        ours, theirs = false["rules"][level]["rate"], false["constant"]["III"]["rate"]
        fewer = 1 - ours / theirs if theirs else 0.0
        title = (f"fewer false alarms than 0.15 dB/m, level {level}", f"误报少于 0.15 dB/m 单一阈值,{level} 级")
        over = (
            f"{false['rules'][level]['exposure']:,.0f} device-months",
            f"{false['rules'][level]['exposure']:,.0f} 台月",
        )
        yield Row(title, "≥ 70 %", percent(fewer), "", over, fewer >= 0.7)
        for kind, name in (("all fires", ("fires", "火灾")), ("dry_burn", ("pots burnt dry", "干烧"))):
            if kind not in events.get("rules", {}):
                continue
            mine, other = (events[who][kind][level] for who in ("rules", "constant"))
            late = mine["delay_s"]["median"], other["delay_s"]["median"]
            title = (f"median detection of {name[0]}, level {level}, against the threshold's",
                     f"{name[1]}{level} 级检出时间中位数,对比单一阈值")  # fmt: skip
            ends = mine["median_interval"]
            span = f"{ends[0]:.0f} … {ends[1]:.0f} s" if ends[0] is not None else ""
            over = (f"{mine['delay_s']['n']} events", f"{mine['delay_s']['n']} 起")
            yield Row(title, f"≤ {number(late[1])} s", f"{number(late[0])} s", span, over, late[0] <= late[1])


def _water(water: Results) -> Iterator[Row]:
    if "storms" in water:
        for name, title, lead in (
            ("rules", ("level only", "仅水位"), 5.0),
            ("rules_rain", ("with a rain gauge", "有雨量计"), 10.0),
        ):
            found = water["storms"][name]
            span = found["csi_interval"]
            over = (f"{span['trials']} storms and warnings", f"{span['trials']} 次暴雨与预警")
            what = (f"CSI of 25 cm in the underpass, {title[0]}", f"下穿通道 25 cm 的 CSI,{title[1]}")
            held = (found["csi"] or 0) >= 0.6
            yield Row(
                what, "≥ 0.6", number(found["csi"]), f"{number(span['low'])} … {number(span['high'])}", over, held
            )
            median, ends = found["lead_min"]["median"], found["median_interval"]
            what = (f"median lead to 25 cm, {title[0]}", f"25 cm 提前量中位数,{title[1]}")
            over = (f"{found['lead_min']['n']} closings, misses as 0", f"{found['lead_min']['n']} 次封闭,漏报记 0")
            span_min = f"{number(ends[0])} … {number(ends[1])} min" if ends[0] is not None else ""
            yield Row(what, f"≥ {lead:g} min", f"{number(median)} min", span_min, over, (median or 0) >= lead)
    if "street" in water:
        yield from _street(water["street"])


def _street(street: Results) -> Iterator[Row]:
    ours, plain = street["rules_rain"], street["constant"]
    over = (f"{ours['recall']['trials']} floods", f"{ours['recall']['trials']} 次积水")
    times = plain["false"]["count"] / ours["false"]["count"] if ours["false"]["count"] else float("inf")
    title = ("fewer alarms on street junk than a plain 25 mm", "街面干扰上的报警比 25 mm 单一阈值少")
    months = (f"{ours['false']['exposure']:,.0f} sensor-months", f"{ours['false']['exposure']:,.0f} 台月")
    bare = street["bare"]["false"]["count"]
    measured = f"{number(times)} × ({ours['false']['count']} / {plain['false']['count']}; {bare:,} bare crossings)"
    yield Row(title, "≥ 10 ×", measured, "",
              months, times >= 10)  # fmt: skip
    recall = ours["recall"]
    yield Row(("… at a recall of street floods", "……同时街面积水检出率"), "≥ 95 %", percent(recall["share"]),
              share_span(recall), over, (recall["share"] or 0) >= 0.95)  # fmt: skip
    once = ours["once"]
    yield Row(("exactly one alarm a street flood (simulated)", "每次街面积水恰一次报警(模拟)"), "≥ 95 %",
              percent(once["share"]), share_span(once), over, (once["share"] or 0) >= 0.95)  # fmt: skip


def _facade(facade: Results) -> Iterator[Row]:
    if "drop 5" in facade:
        for level in ("IV", "III"):
            found = facade["drop 5"]["rules"][level]["within_24_h"]
            title = (f"5 % drops told at level {level} within 24 h", f"频率降 5 % 在 24 h 内报 {level} 级")
            over = (f"{found['trials']} drops", f"{found['trials']} 次")
            held = (found["share"] or 0) >= 0.95 if level == "IV" else None
            target = "≥ 95 %" if level == "IV" else "–"
            yield Row(title, target, percent(found["share"]), share_span(found), over, held)
    if "sound" in facade:
        for level in ("IV", "III"):
            rate = facade["sound"]["rules"]["false"][level]
            wind = facade["sound"]["rules"]["false_in_wind"][level]
            title = (f"false alarms of level {level} a panel-year", f"每块板每年 {level} 级误报")
            over = (f"{rate['exposure']:.0f} panel-years, {wind} of them in wind",
                    f"{rate['exposure']:.0f} 板·年,其中 {wind} 次在大风中")  # fmt: skip
            span = f"{number(rate['low'])} … {number(rate['high'])}"
            yield Row(title, "≤ 1", f"{rate['count']} = {number(rate['rate'])}", span, over, rate["rate"] <= 1)


def _recorded(recorded: Results) -> Iterator[Row]:
    fires = recorded.get("fires")
    if fires:
        after = fires["rules_after_last"]
        over = (
            f"{fires['stations']} stations, {after['missed']} missed",
            f"{fires['stations']} 个测点,漏 {after['missed']}",
        )
        title = (
            "NIST fires: median after the station's last real alarm",
            "NIST 火灾:相对测点最后一个真实报警的中位数",
        )
        held = after["median"] <= 0 and after["missed"] == 0
        yield Row(title, "≤ 0 s", f"{after['median']:+.0f} s", f"max {after['max']:+.0f} s", over, held)
    title = ("recorded street floods: one alarm, peak, duration", "实测街面积水:一次报警、峰值、历时")
    floods = recorded.get("floods")
    if floods is None:
        yield Row(title, "≥ 95 %", "–", "", ("no such recording is here", "此处没有这类记录"), None)
    else:
        once = floods["once"]
        over = (f"{once['trials']} floods", f"{once['trials']} 次")
        yield Row(title, "≥ 95 %", percent(once["share"]), share_span(once), over, once["share"] >= 0.95)


def rows(results: Results) -> list[Row]:
    """All rows of what was run."""
    out: list[Row] = []
    for family, make in (("smoke", _smoke), ("water", _water), ("facade", _facade), ("recorded", _recorded)):
        if family in results:
            out += make(results[family])
    return out


def table(results: Results, *, zh: bool) -> list[str]:
    """The rows as a Markdown table."""
    head = (
        "| 数 | 目标 | 测得 | 95 % 区间 | 样本 | 达到 |"
        if zh
        else "| number | target | measured | 95 % interval | over | held |"
    )
    said = {True: "是" if zh else "yes", False: "**否**" if zh else "**NO**", None: "–"}
    return [
        head,
        "|---|---|---|---|---|---|",
        *(
            f"| {row.what[zh]} | {row.target} | {row.measured} | {row.interval} | {row.over[zh]} | {said[row.held]} |"
            for row in rows(results)
        ),
    ]
