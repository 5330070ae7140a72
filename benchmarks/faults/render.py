"""The table of the fault bench, in words and figures."""

import os
import platform
import re
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.faults.kinds import KINDS
from benchmarks.faults.run import Result

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
HEAD = {
    "en": ("fault", "runs", "alarm episodes", "lost", "doubled", "stale dispatches", "fresh, not sent",
           "opened up to 4 s off", "recovery, median / longest"),
    "zh": ("故障", "次数", "报警过程", "丢失", "重复", "过期派单", "应派未派", "起点移动（≤ 4 s）",
           "恢复：中位 / 最长"),
}  # fmt: skip
CHINESE = {
    "kill_agent": "kill -9 边缘代理，两三次",
    "kill_broker": "kill -9 消息服务器，两次",
    "kill_cloud": "kill -9 云端",
    "kill_everything": "同时 kill -9 代理、消息服务器和云端",
    "network_cut": "链路切断",
    "network_slow": "全部链路延迟与丢包",
    "network_half_open": "半开连接",
    "answers_lost": "云端或消息服务器的应答丢失",
    "disk_full": "磁盘写满（日志与消息服务器）",
    "disk_read_only": "启动时磁盘只读",
    "clock_ahead": "网关时钟拨快 1 小时，再拨正",
    "clock_behind": "网关时钟拨慢 1 小时，再拨正",
    "clock_1970": "网关时钟回到 1970 年，再拨正",
    "disorder": "重复、乱序、迟到成批",
    "poison": "十分之一为毒消息",
    "reconnect_storm": "5,000 台设备同时重连",
    "database_away": "云端数据库中断十分钟（时间快 120 倍）",
    "week_of_outage": "云端中断一周（时间快 100,800 倍）",
}


def table(results: Sequence[Result], language: str = "en") -> str:
    """Markdown: a row a kind and their sum."""
    head = HEAD[language]
    by_kind: dict[str, list[Result]] = defaultdict(list)
    for each in results:
        by_kind[each.kind].append(each)
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for kind in KINDS:
        if some := by_kind.get(kind):
            name = KINDS[kind].does if language == "en" else CHINESE[kind]
            lines.append(_row(name, some))
    lines.append(_row("**all**" if language == "en" else "**合计**", list(results)))
    return "\n".join(lines)


def _row(name: str, some: list[Result]) -> str:
    times = [each.recovery_s for each in some if each.recovery_s] or [0.0]
    figures = [
        len(some), sum(each.episodes for each in some), sum(each.lost + each.differing for each in some),
        sum(each.doubled for each in some), sum(each.stale for each in some), sum(each.unsent for each in some),
        sum(each.moved for each in some),
    ]  # fmt: skip
    broken = sum(1 for each in some if not each.good and not each.episodes)
    name += f" ({broken} not run to the end)" if broken else ""
    return (
        f"| {name} | " + " | ".join(f"{figure:,}" for figure in figures)
        + f" | {statistics.median(times):.1f} / {max(times):.1f} s |"
    )  # fmt: skip


def into(path: Path, results: Sequence[Result]) -> None:
    """Put the table between the markers of a document."""
    if not path.exists():
        return
    language = "zh" if path.name.endswith("zh-CN.md") else "en"
    dates = sorted(each.at[:10] for each in results)
    machine = f"{os.cpu_count()} × {platform.machine()}, Python {platform.python_version()}, {platform.system()}"
    of = f"{sum(each.broker == 'embedded' for each in results)} / {sum(each.broker != 'embedded' for each in results)}"
    on = f"{sum(each.database == 'SQLite' for each in results)} / {sum(each.database != 'SQLite' for each in results)}"
    readings = sum(each.readings for each in results)
    facts = {
        "en": f"{len(results)} runs, {readings:,} readings; embedded broker / Mosquitto {of}; "
        f"SQLite / PostgreSQL {on}; {machine}; {dates[0]} to {dates[-1]}.",
        "zh": f"{len(results)} 次运行，{readings:,} 条读数；内置消息服务器 / Mosquitto {of}；SQLite / PostgreSQL {on}；"
        f"{machine}；{dates[0]} 至 {dates[-1]}。",
    }[language]
    text = path.read_text(encoding="utf-8")
    new = f"{BEGIN}\n{table(results, language)}\n\n{facts}\n{END}"
    path.write_text(re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: new, text, flags=re.DOTALL), "utf-8")
