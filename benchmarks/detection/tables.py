"""The tables of docs/detection.md, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.detection.targets import number, percent, share_span

Results = Mapping[str, Any]
NAMES = {
    "rules": ("rules", "规则"),
    "rules_rain": ("rules, rain gauge", "规则＋雨量计"),
    "constant": ("one constant", "单一阈值"),
    "bare": ("one constant, every crossing", "单一阈值,每次越限"),
    "gaussian": ("windowed Gaussian", "滑动高斯"),
    "rules_II": ("rules, level II", "规则,II 级"),
}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows), ""]


def _rate(rate: Mapping[str, Any]) -> str:
    return f"{rate['count']:,} = {number(rate['rate'])} ({number(rate['low'])} … {number(rate['high'])})"


def _share(share: Mapping[str, Any], digits: int = 1) -> str:
    return f"{share['hits']:,}/{share['trials']:,} = {percent(share['share'], digits)} ({share_span(share, digits)})"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1])) or "–"


def _at_ii(by: Mapping[str, Any]) -> str:
    rules = by["rules"].get("II", {})
    told_by = "" if set(rules) <= {"value"} else f"; {_counts(rules)}"
    return _counts(by["causes"].get("II", {})) + told_by


def smoke(found: Results, *, zh: bool) -> list[str]:
    """False alarms, delays, meals."""
    out: list[str] = []
    rows = [
        [width, NAMES[name][zh], _rate(by[name]["III"]), _rate(by[name]["II"]),
         _counts(by[name]["causes"].get("III", {})), _at_ii(by[name]), _share(found["meals"][width][name]["III"], 2)]
        for width, by in found.get("false", {}).items()
        for name in ("rules", "constant", "gaussian")
    ]  # fmt: skip
    head = (
        [
            "尾部宽度",
            "检测器",
            "III 级以上误报 / 台月",
            "II 级以上误报 / 台月",
            "III 级原因",
            "II 级原因;规则",
            "3 m 外烹饪报警",
        ]
        if zh
        else [
            "spread",
            "detector",
            "false, level III, a device-month",
            "false, level II",
            "causes at III",
            "causes at II; rules",
            "meals ≥ 3 m",
        ]
    )
    out += _table(head, rows)
    rows = []
    classes = [(NAMES[name][zh], name, kind, each) for name, kinds in found.get("events", {}).items()
               for kind, each in kinds.items()]  # fmt: skip
    faulty = found.get("events_faulty", {}).get("rules", {})
    beside = ",全部故障" if zh else ", all faults"
    classes += [(NAMES["rules"][zh] + beside, "rules", kind, faulty[kind]) for kind in ("all fires", "dry_burn")
                if kind in faulty]  # fmt: skip
    for label, name, kind, each in classes:
        for level in ("III", "II") if name == "rules" else ("III",):
            part = each[level]
            late = part["delay_s"]
            rows.append(
                [label, kind, level if name == "rules" else "–", _share(part["recall"], 2),
                 number(late["median"]), number(late["p95"]), number(late["max"]), number(each["alerts_per_event"], 2)]
            )  # fmt: skip
    head = (
        ["检测器", "类", "级", "检出", "中位 s", "p95 s", "最大 s", "每起报警数"]
        if zh
        else ["detector", "class", "level", "told", "median s", "p95 s", "max s", "alerts an event"]
    )
    return out + _table(head, rows)


def water(found: Results, *, zh: bool) -> list[str]:
    """25 cm in storms and in a season; street sensors."""
    out: list[str] = []
    rows = []
    for group in ("storms", "season"):
        for name in ("rules", "rules_rain", "constant", "gaussian"):
            if group not in found:
                continue
            each = found[group][name]
            lead = each["lead_min"]
            rows.append(
                [group, NAMES[name][zh], f"{each['hits']}/{each['misses']}/{each['false']}", number(each["pod"]),
                 f"{number(each['far'])} / {number(each['far_5cm'])}", number(each["csi"]),
                 f"{number(lead['median'])} / {number(lead['p10'])}", str(each["told_within_2_min"]),
                 _rate(each["dry"]["III"])]
            )  # fmt: skip
    head = (
        ["", "检测器", "命中/漏/误", "POD", "FAR / 容差 5 cm", "CSI", "提前 min 中位/p10", "2 min 内才报",
         "无水时 III 级 / 台月"]
        if zh
        else ["", "detector", "hits/misses/false", "POD", "FAR / within 5 cm", "CSI", "lead min, median / p10",
              "told ≤ 2 min late", "level III in the dry, a device-month"]
    )  # fmt: skip
    if rows:
        out += _table(head, rows)
    outlook = found.get("storms", {}).get("outlook")
    if outlook and outlook["n"]:
        bins = ", ".join(
            f"{percent(said, 0)} → {percent(came, 0)} ({count})" for said, came, count in outlook["reliability"]
        )
        head = (
            ["30 min 内到 15 cm、20 min 内到 25 cm 的概率", "Brier", "总报均值的 Brier", "可靠性:说 → 发生(次数)"]
            if zh
            else [
                "15 cm within 30 min, 25 cm within 20",
                "Brier",
                "of always saying the mean",
                "reliability: said → came (readings)",
            ]
        )
        row = [f"{outlook['n']:,}", number(outlook["brier"]), number(outlook["brier_of_the_mean"]), bins]
        out += _table(head, [row])
    if "street" in found:
        rows = [
            [NAMES[name][zh], _share(each["recall"]), _share(each["recall_deep"]), _share(each["once"]),
             _rate(each["false"]), _counts(each["causes"]), number(each["delay_s"]["median"])]
            for name in ("rules", "rules_rain", "constant", "bare", "gaussian")
            for each in [found["street"][name]]
        ]  # fmt: skip
        head = (
            ["街面", "检出 ≥ 25 mm", "检出 ≥ 10 cm", "恰一次", "误报 / 台月", "原因", "中位延迟 s"]
            if zh
            else ["street", "floods ≥ 25 mm told", "≥ 10 cm told", "exactly once", "false a sensor-month", "causes",
                  "median delay s"]
        )  # fmt: skip
        out += _table(head, rows)
    return out


def facade(found: Results, *, zh: bool) -> list[str]:
    """False alarms a panel-year and what is found of each size of drop."""
    out: list[str] = []
    if "sound" in found:
        rows = [
            [NAMES[name][zh], *(_rate(found["sound"][name]["false"][level]) for level in ("IV", "III", "II")),
             str(found["sound"][name]["false_in_wind"]["IV"])]
            for name in ("rules", "constant", "gaussian")
        ]  # fmt: skip
        head = (
            ["完好板", "IV 级误报 / 板·年", "III 级", "II 级", "其中大风时"]
            if zh
            else ["sound panels", "false, level IV, a panel-year", "level III", "level II", "of IV in wind"]
        )
        out += _table(head, rows)
    if "sound" in found:
        gusts, years = found["sound"]["wind_alarms"], found["sound"]["panel_years"]
        out += [f"{'风荷载报警' if zh else 'Alarms of the wind load, not counted above'}: {gusts} / {years:.0f}.", ""]
    rows = []
    for group, each in found.items():
        if not group.startswith("drop") and group != "gradual":
            continue
        for name in ("rules", "constant", "gaussian"):
            part = each[name]["after_5_percent"] if group == "gradual" else each[name]["IV"]
            ever = each[name]["IV"]["ever"]
            delay = part["delay_h"]
            rows.append(
                [group, NAMES[name][zh], _share(part["within_24_h"]), _share(ever), number(delay["median"]),
                 number(delay["p95"])]
            )  # fmt: skip
    head = (
        ["频率降 %", "检测器", "24 h 内", "终究报出", "中位 h", "p95 h"]
        if zh
        else ["drop, %", "detector", "within 24 h", "ever", "median h", "p95 h"]
    )
    return out + (_table(head, rows) if rows else [])


def quality(found: Results, *, zh: bool) -> list[str]:
    """Recall and latency of quality flags by kind of fault."""
    kinds = list(dict.fromkeys(kind for family in found.values() for kind in family.get("kinds", {})))
    families = [name for name in ("smoke", "street", "facade") if name in found]
    rows = []
    for kind in kinds:
        row = [kind]
        for family in families:
            each = found[family]["kinds"].get(kind)
            if each is None:
                row += ["–", "–", "–"]
                continue
            matter = each["recall_mattering"]
            row += [
                f"{each['recall']['hits']}/{each['recall']['trials']}",
                f"{matter['hits']}/{matter['trials']}" if matter["trials"] else "–",
                number(each["latency_s"]["median"]),
            ]
        rows.append(row)
    words = ("检出", "其中要紧的", "中位延迟 s") if zh else ("found", "that mattered", "median s")
    out = _table(["故障" if zh else "fault", *(f"{name}: {word}" for name in families for word in words)], rows)
    rows = [
        [name, _share(found[name]["precision"]), _share(found[name]["precision_any_fault"]),
         _share(found[name]["recall_of_readings"]), _share(found[name]["false_flags"], 3)]
        for name in families
    ]  # fmt: skip
    head = (
        ["全部故障一起", "被疑读数确有数值故障", "有任何故障", "故障读数被疑", "干净数据上被疑"]
        if zh
        else ["all faults together", "doubted readings with a value fault", "with any fault",
              "spoilt readings that are doubted", "doubted on clean data"]
    )  # fmt: skip
    return out + _table(head, rows)


def recorded(found: Results, *, zh: bool) -> list[str]:
    """NIST, USGS, NAB."""
    out: list[str] = []
    if fires := found.get("fires"):
        rows = [
            [NAMES[name][zh], *(f"{fires[f'{name}_after_{which}'][key]:+.0f}"
             for which in ("first", "last") for key in ("median", "max")), str(fires[f"{name}_after_last"]["missed"])]
            for name in ("rules", "rules_II", "constant", "gaussian")
        ]  # fmt: skip
        head = (
            ["NIST 火灾", "首个真实报警后 s,中位", "最大", "最后一个之后 s,中位", "最大", "漏"]
            if zh
            else [
                "NIST fires",
                "after the first real alarm s, median",
                "max",
                "after the last s, median",
                "max",
                "missed",
            ]
        )
        out += _table(head, rows)
    if streams := found.get("streams"):
        rows = [
            [each["stream"], str(each["days"]), str(each["crossings"]), str(each["alarms"]), ", ".join(each["opened"]),
             str(each["rises"])]
            for each in streams
        ]  # fmt: skip
        head = (
            ["溪流", "天", "越限", "报警", "时刻", "其他报警"]
            if zh
            else ["stream", "days", "crossings of the action level", "alarms", "at", "other alarms (rise)"]
        )
        out += _table(head, rows)
    if nab := found.get("nab"):
        rows = [[name, *(number(each) for each in by.values())] for name, by in nab["scores"].items()]
        out += _table(["NAB", "standard", "low FP", "low FN"], rows)
    return out
