"""Pictures of docs/detection.md, drawn from the results; `examples` draws the time series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Results = Mapping[str, Any]

BLUE, DEEP, ORANGE, GREY, RED, GREEN = "#1f77b4", "#0b3c5d", "#e08214", "#8c8c8c", "#c0392b", "#2e8b57"
COLOURS = {"rules": BLUE, "rules_rain": GREEN, "constant": ORANGE, "gaussian": GREY}
LABELS = {
    "rules": "rules",
    "rules_rain": "rules with a rain gauge",
    "constant": "one constant",
    "gaussian": "windowed Gaussian",
}
CAPTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "smoke": {
        "smoke-false": (
            "False alarms by how heavy the tail of meals is (σ of the logarithm of the peak), 95 % intervals.",
            "误报率随烹饪烟峰尾部宽度(峰值对数的 σ)的变化,95 % 区间。",
        ),
        "smoke-delay": (
            "Seconds from onset to alarm by class of fire: box 25 to 75 %, whiskers 5 to 95 %.",
            "各类火灾从起火到报警的秒数:箱 25 至 75 %,须 5 至 95 %。",
        ),
        "smoke-example": (
            "Simulated: a pot burnt dry, frying and a shower at one detector; thresholds and what the rules said.",
            "模拟:同一探测器旁的干烧、煎炒与淋浴;阈值与规则的判断。",
        ),
    },
    "water": {
        "water-lead": (
            "Lead to 25 cm in simulated storms, misses as 0.",
            "模拟暴雨中到 25 cm 的提前量,漏报记 0。",
        ),
        "water-example": (
            "Simulated: one storm in an underpass, one street sensor with junk and a flood; what was said when.",
            "模拟:下穿通道一场暴雨,街面一台传感器的干扰与积水;何时报出什么。",
        ),
    },
    "facade": {
        "facade-roc": (
            "Drops found within 24 h against false alarms, by threshold and size of drop; delay of 5 % against ARL0.",
            "按阈值与降幅:24 h 内检出率对误报率;5 % 降幅的延迟对 ARL0。",
        ),
        "facade-example": (
            "Simulated: a panel through a year with a 5 % drop; percent of the baseline, and what was said.",
            "模拟:一块板一年,其间频率降 5 %;相对基准的百分比与报警。",
        ),
    },
    "quality": {
        "quality-recall": (
            "Faults found by kind, of those that could change what a rule says (all, where size does not matter).",
            "各类故障的检出率,只计可能改变规则结论的(与大小无关的计全部)。",
        ),
    },
    "recorded": {
        "recorded-fires": (
            "NIST fires: our alert against the first and last real alarm of each station.",
            "NIST 火灾:我方报警与各测点首个、最后一个真实报警。",
        ),
    },
}


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw what the results allow; without matplotlib nothing."""
    try:
        import matplotlib as mpl
    except ImportError:
        print("no pictures: matplotlib is not installed (uv pip install matplotlib)")
        return []
    mpl.use("Agg")
    mpl.rcParams.update(
        {"font.size": 10, "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False,
         "figure.dpi": 110, "savefig.bbox": "tight", "legend.frameon": False}
    )  # fmt: skip
    from benchmarks.detection import examples

    makers: dict[str, Callable[[Any, Results], Any]] = {
        "smoke-false": smoke_false,
        "smoke-delay": smoke_delay,
        "water-lead": water_lead,
        "facade-roc": facade_roc,
        "quality-recall": quality_recall,
        "recorded-fires": recorded_fires,
        "smoke-example": examples.smoke,
        "water-example": examples.water,
        "facade-example": examples.facade,
    }
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for family, pictures in CAPTIONS.items():
        for name in pictures if family in results else ():
            figure = makers[name](plt, results[family])
            if figure is None:
                continue
            written.append(folder / f"detection-{name}.png")
            figure.savefig(written[-1])
            plt.close(figure)
    return written


def _whiskers(rate: Mapping[str, Any], floor: float) -> tuple[float, list[list[float]]]:
    """Where to draw a rate on a logarithmic axis, and its error bar; a count of 0 is drawn at its upper bound."""
    if not rate["count"]:
        return rate["high"], [[rate["high"] - floor], [0.0]]
    return rate["rate"], [[rate["rate"] - max(rate["low"], floor)], [rate["high"] - rate["rate"]]]


def smoke_false(plt: Any, found: Results) -> Any:
    """False alarms a device-month against the heaviness of the tail."""
    if not found.get("false"):
        return None
    figure, axes = plt.subplots(figsize=(7.5, 4.6))
    series = [
        ("rules", "II", BLUE, "o", "rules, level II and worse"),
        ("rules", "III", DEEP, "s", "rules, level III and worse"),
        ("constant", "III", ORANGE, "^", "0.15 dB/m"),
        ("gaussian", "III", GREY, "v", "windowed Gaussian"),
    ]
    floor = 1e-4
    for index, (name, level, colour, mark, label) in enumerate(series):
        widths = [(width, by) for width, by in sorted(found["false"].items()) if "," not in width]
        for number, (width, by) in enumerate(widths):
            rate = by[name][level]
            height, error = _whiskers(rate, floor)
            empty = not rate["count"]
            axes.errorbar(
                float(width) + 0.012 * (index - 1.5), height, yerr=error, color=colour, marker="_" if empty else mark,
                capsize=3, linestyle="none", label=label if not number else None,
            )  # fmt: skip
            if empty:
                axes.annotate("0 seen", (float(width) + 0.012 * (index - 1.5), height), textcoords="offset points",
                              xytext=(6, 2), fontsize=8, color=colour)  # fmt: skip
    axes.axhline(8.3e-4, color=RED, linestyle="--", linewidth=1)
    axes.annotate("target of level II: 8.3e-4", (0.455, 8.3e-4), textcoords="offset points", xytext=(0, 4), color=RED,
                  fontsize=8)  # fmt: skip
    axes.set(yscale="log", xlabel="σ of the logarithm of a meal's peak (1)", ylabel="false alarms per device-month",
             xticks=[0.5, 0.7, 0.9], xlim=(0.45, 0.98), ylim=(floor, None))  # fmt: skip
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9)
    axes.set_title("Smoke: false alarms in simulated dwellings")
    return figure


def _quantiles(values: Sequence[float]) -> dict[str, Any] | None:
    if not values:
        return None
    ordered = sorted(values)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * (len(ordered) - 1) + 0.5))]

    return {"med": at(0.5), "q1": at(0.25), "q3": at(0.75), "whislo": at(0.05), "whishi": at(0.95), "fliers": []}


def smoke_delay(plt: Any, found: Results) -> Any:
    """Boxes of time to detect by class."""
    events = found.get("events")
    if not events:
        return None
    classes = [kind for kind in ("flaming fast", "flaming medium", "flaming slow", "smoulder", "dry_burn")
               if kind in events["rules"]]  # fmt: skip
    series = [("rules", "III", BLUE, "rules, level III"), ("rules", "II", DEEP, "rules, level II"),
              ("constant", "III", ORANGE, "0.15 dB/m")]  # fmt: skip
    figure, axes = plt.subplots(figsize=(8, 4.8))
    handles = []
    for offset, (name, level, colour, label) in enumerate(series):
        boxes, places = [], []
        for row, kind in enumerate(classes):
            box = _quantiles(events[name][kind][level]["delays"])
            if box is not None:
                boxes.append(box)
                places.append(row + 0.25 * (1 - offset))
        drawn = axes.bxp(
            boxes, positions=places, widths=0.2, orientation="horizontal", showfliers=False, patch_artist=True,
            medianprops={"color": "black"},
        )  # fmt: skip
        for patch in drawn["boxes"]:
            patch.set(facecolor=colour, alpha=0.75)
        handles.append(plt.Rectangle((0, 0), 1, 1, color=colour, label=label))
    labels = [f"{kind.replace('_', ' ')}\nn = {events['rules'][kind]['n']}" for kind in classes]
    axes.set_yticks(range(len(classes)), labels)
    axes.set(xscale="log", xlabel="seconds from onset to alarm")
    axes.legend(handles=handles, loc="lower right", fontsize=9)
    axes.set_title("Smoke: time to detect")
    return figure


def water_lead(plt: Any, found: Results) -> Any:
    """Histograms of lead."""
    if "storms" not in found:
        return None
    figure, axes = plt.subplots(figsize=(7.5, 4.2))
    bins = [0, 0.01, *range(2, 42, 2)]
    for name in ("constant", "rules", "rules_rain"):
        each = found["storms"][name]
        leads = [min(lead, 39.9) for lead in each["leads"]]
        median = each["lead_min"]["median"]
        weights = [100 / len(leads)] * len(leads) if leads else None
        axes.hist(leads, bins=bins, weights=weights, histtype="step", linewidth=2, color=COLOURS[name],
                  label=f"{LABELS[name]}: median {median:.1f} min, CSI {each['csi']:.2f}")  # fmt: skip
        axes.axvline(median, color=COLOURS[name], linestyle=":", linewidth=1)
    axes.set(
        xlabel="minutes from the first warning to 25 cm (misses: 0; 40: all longer)",
        ylabel="% of closings",
        xlim=(0, 40),
    )
    axes.legend(fontsize=9)
    axes.set_title(f"Underpass: lead in {found['storms']['rules']['lead_min']['n']} simulated closings")
    return figure


def facade_roc(plt: Any, found: Results) -> Any:
    """ROC by size of drop, and delay against ARL0."""
    if "sweep" not in found.get("sound", {}):
        return None
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4))
    shades = plt.get_cmap("viridis")
    drops = [group for group in found if group.startswith("drop") and float(group.split()[1]) <= 10]
    sound = found["sound"]["sweep"]
    floor = 0.3 / max(found["sound"]["panel_years"], 1)
    for name, style in (("rules", "o-"), ("constant", "^:")):
        percents = sorted(sound[name], key=float)
        across = [max(sound[name][percent]["false"]["rate"], floor) for percent in percents]
        for index, group in enumerate(sorted(drops, key=lambda each: float(each.split()[1]))):
            up = [100 * (found[group]["sweep"][name][percent]["within_24_h"]["share"] or 0) for percent in percents]
            left.plot(across, up, style, color=shades(index / max(len(drops) - 1, 1)), markersize=4, linewidth=1.3,
                      label=f"{group.split()[1]} %" if name == "rules" else None)  # fmt: skip
        group = "drop 5"
        points = [
            (
                1 / max(sound[name][percent]["false"]["rate"], floor),
                found[group]["sweep"][name][percent]["delay_h"]["median"],
            )
            for percent in percents
        ]
        points = [point for point in points if point[1] is not None]
        right.plot(*zip(*points, strict=True), style, color=COLOURS[name], label=LABELS[name])
    left.axvline(1, color=RED, linestyle="--", linewidth=1)
    left.set(
        xscale="log", xlabel="false alarms per panel-year (left edge: none seen)", ylabel="% of drops found within 24 h"
    )
    left.set_title("solid: rules; dotted: constant percent")
    left.legend(title="drop", fontsize=8)
    right.axvline(1, color=RED, linestyle="--", linewidth=1)
    right.set(
        xscale="log",
        yscale="log",
        xlabel="ARL0: panel-years between false alarms",
        ylabel="median delay of a 5 % drop, h",
    )
    right.legend(fontsize=9)
    figure.suptitle("Curtain wall: frequency drops")
    return figure


def quality_recall(plt: Any, found: Results) -> Any:
    """Bars of recall by kind of fault and family."""
    families = [name for name in ("smoke", "street", "facade") if name in found]
    kinds = list(dict.fromkeys(kind for name in families for kind in found[name]["kinds"]))
    if not kinds:
        return None
    figure, axes = plt.subplots(figsize=(8.5, 6))
    colours = dict(zip(families, (BLUE, GREEN, ORANGE), strict=False))
    for offset, family in enumerate(families):
        for row, kind in enumerate(reversed(kinds)):
            each = found[family]["kinds"].get(kind)
            if each is None:
                continue
            share = each["recall_mattering"] if each["recall_mattering"]["trials"] else each["recall"]
            value_fault = kind in ("stuck", "rail", "drift", "gain", "noise", "quantisation", "unit", "sign")
            if value_fault and not each["recall_mattering"]["trials"]:
                continue
            value = 100 * share["share"]
            error = [[max(value - 100 * share["low"], 0)], [max(100 * share["high"] - value, 0)]]
            axes.errorbar(
                value, row + 0.25 * (1 - offset), xerr=error,
                color=colours[family], marker="o", capsize=2, linestyle="none", label=family if not row else None,
            )  # fmt: skip
    axes.set_yticks(range(len(kinds)), [kind.replace("_", " ") for kind in reversed(kinds)])
    axes.set(xlabel="% of faults that a test found, 95 % interval", xlim=(-3, 103))
    handles = [
        plt.Line2D([], [], color=colours[family], marker="o", linestyle="none", label=family) for family in families
    ]
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5))
    axes.set_title("Quality flags by kind of fault")
    return figure


def recorded_fires(plt: Any, found: Results) -> Any:
    """A line for each station: from the first to the last real alarm, and ours."""
    rows = found.get("fires", {}).get("rows")
    if not rows:
        return None
    figure, axes = plt.subplots(figsize=(8, 5.6))
    for row, each in enumerate(reversed(rows)):
        axes.plot([each["first_real_s"], each["last_real_s"]], [row, row], color=GREY, linewidth=5, alpha=0.5,
                  solid_capstyle="butt", label="first to last real alarm" if not row else None)  # fmt: skip
        for name, colour, mark, label in (
            ("constant", ORANGE, "^", "0.15 dB/m"), ("rules", BLUE, "o", "rules, first alert"),
            ("rules_II", DEEP, "s", "rules, level II"),
        ):  # fmt: skip
            if each[name] is not None:
                axes.plot(each[name], row, mark, color=colour, markersize=5, label=label if not row else None)
    axes.set_yticks(range(len(rows)), [f"{each['fire']} {each['station']}" for each in reversed(rows)])
    axes.set(xlabel="seconds after ignition")
    axes.legend(fontsize=9)
    axes.set_title("Recorded fires (NIST): time to alarm by station")
    return figure
