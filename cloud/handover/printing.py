"""A duty log or a hand-over sheet as a page to print, as text, as a table. Pure.

The page loads nothing and runs nothing: one style, allowed by its own hash.
"""

import base64
import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from cloud.handover import words

STYLE = (
    "body{font:14px/1.5 'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei',sans-serif;margin:16mm;color:#111}"
    "h1{font-size:20px;margin:0 0 4px}h2{font-size:15px;margin:16px 0 4px;border-bottom:1px solid #111}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #888;padding:3px 6px;text-align:left;"
    "vertical-align:top}th{background:#eee}td.t{white-space:nowrap;font-variant-numeric:tabular-nums}"
    ".sign{margin-top:24px}"
    ".sign span{display:inline-block;min-width:14em;border-bottom:1px solid #111;margin-right:2em}"
    "@media print{body{margin:0}thead{display:table-header-group}tr{break-inside:avoid}}"
)
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; style-src 'sha256-{_HASH}'"
"""Content-Security-Policy of these pages."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
POSTS = {"duty_officer": "值班员", "duty_leader": "带班领导", "standby": "备勤", "responder": "处置力量"}

Section = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""Title, heads of the columns, rows."""


def local(at: str | datetime | None, zone: ZoneInfo) -> str:
    """An instant as people of the place read it."""
    if at is None:
        return ""
    value = datetime.fromisoformat(at) if isinstance(at, str) else at
    return value.astimezone(zone).strftime("%m-%d %H:%M:%S")


def log_sections(log: Mapping[str, Any], zone: ZoneInfo) -> list[Section]:
    """A duty log as tables."""
    counts = log["counts"]
    said = [
        (
            local(note["at"], zone),
            str(note["by"].get("name", "")),
            str(note["text"]),
            "附录" if note["appendix"] else "",
        )
        for note in log["notes"]
    ]
    return [
        ("在岗人员", ("岗位", "姓名", "自", "至", "说明"), [
            (POSTS.get(one["post"], one["post"]), one["name"], local(one["from"], zone), local(one["to"], zone),
             {"leave": "B 角顶班", "swap": "换班", "stand_in": "顶班", "extra": "加班"}.get(one["why"] or "", ""))
            for one in log["on"]
        ]),
        ("统计", ("接报", "结案", "逐级上报", "涉及事件", "处置过程条数"), [
            [str(counts[key]) for key in ("opened", "closed", "escalated", "incidents", "lines")]
        ]),
        ("处置过程", ("时间", "事件", "地点", "事项", "人员", "内容"), [
            (local(line["at"], zone), line["number"], line["place"], line["kind_zh"], line["who"], line["text"])
            for line in log["lines"]
        ]),
        ("补记与附录", ("时间", "人员", "内容", ""), said),
    ]  # fmt: skip


def sheet_sections(sheet: Mapping[str, Any], zone: ZoneInfo) -> list[Section]:
    """A hand-over sheet as tables; what there is nothing of says 无."""

    def clocks(one: Mapping[str, Any]) -> str:
        return "、".join(f"{words.CLOCKS.get(c['kind'], c['kind'])} {local(c['due_at'], zone)}" for c in one["clocks"])

    return [
        ("未结事件", ("编号", "等级", "状态", "地点", "责任人", "计时", "在途力量"), [
            (one["number"], words.LEVELS.get(one["level"], one["level"]), words.STATES.get(one["state"], one["state"]),
             one["place"], (one["owner"] or {}).get("name", "无"), clocks(one),
             "、".join(who["name"] for who in one["assignments"]))
            for one in sheet["incidents"]
        ]),
        ("管控措施（在用）", ("事件", "措施", "位置", "自", "谁可解除", "负责"), [
            (one["number"], one["text_zh"], one["place"], local(one["since"], zone), one["may_end"], one["in_charge"])
            for one in sheet["measures"]
        ]),
        ("到时事项（回访、复看、挂账）", ("时间", "事件", "内容", ""), [
            (local(one["due_at"], zone), one["number"] or "", one["text"], "已过时" if one["overdue"] else "")
            for one in sheet["promises"]
        ]),
        ("搁置、抑制、屏蔽的报警", ("设备", "规则", "原因", "至"), [
            (one["device_name"], one["rule"], words.WHY.get(one["why"], one["why"]), local(one["until"], zone))
            for one in sheet["alarms"]
        ]),
        ("停用设备", ("设备", "小区", "原因", "至"), [
            (one["name"], one["site"], one["reason"] or words.WHY.get(one["why"], one["why"]),
             local(one["until"], zone))
            for one in sheet["devices"]
        ]),
        ("失联网关", ("网关", "最后心跳"), [(one["name"], local(one["heard_at"], zone)) for one in sheet["gateways"]]),
        ("平急状态", ("模式", "自", "至"), [
            (one["name"], local(one["began_at"], zone), local(one["ends_at"], zone)) for one in sheet["modes"]
        ]),
        ("通知故障", ("通道", "情况", "自"), [
            (one["subject"], one["detail"], local(one["since"], zone)) for one in sheet["faults"]
        ]),
        ("值班缺口（24 小时内）", ("区域", "岗位", "自", "至", "原因"), [
            (one["area"], one["text_zh"], local(one["from"], zone), local(one["to"], zone),
             "、".join(f"{why['text_zh']}{why['name']}" for why in one["why"]))
            for one in sheet["gaps"]
        ]),
        ("演练", ("名称", "状态"), [(one["name"], one["state"]) for one in sheet["drills"]]),
        ("交办记录", ("时间", "人员", "内容"), [
            (local(one["at"], zone), str(one["by"].get("name", "")), one["text"]) for one in sheet["notes"]
        ]),
    ]  # fmt: skip


def page(title: str, heads: Sequence[str], sections: Iterable[Section], signs: Sequence[str]) -> str:
    """A page to print."""
    parts = [
        "<!doctype html><html lang='zh-CN'><head><meta charset='utf-8'>",
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
        *(f"<div>{escape(line)}</div>" for line in heads),
    ]
    for name, columns, rows in sections:
        parts.append(f"<h2>{escape(name)}</h2>")
        if not rows:
            parts.append("<div>无</div>")
            continue
        head = "".join(f"<th>{escape(column)}</th>" for column in columns)
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>")
        parts += ["<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows]
        parts.append("</tbody></table>")
    parts.append("<div class='sign'>" + "".join(f"<span>{escape(sign)}</span>" for sign in signs) + "</div>")
    parts.append("</body></html>")
    return "".join(parts)


def text(title: str, heads: Sequence[str], sections: Iterable[Section], signs: Sequence[str]) -> str:
    """The same in plain lines."""
    lines = [title, *heads]
    for name, columns, rows in sections:
        lines += ["", f"【{name}】"]
        lines += [_line(columns, row) for row in rows] or ["无"]
    return "\n".join([*lines, "", "    ".join(signs), ""])


def _line(columns: Sequence[str], row: Sequence[str]) -> str:
    return " | ".join(
        f"{column}：{_flat(cell)}" if column else _flat(cell)
        for column, cell in zip(columns, row, strict=True)
        if str(cell)
    )


def _flat(cell: object) -> str:
    return " ".join(str(cell).split())


def table(log: Mapping[str, Any], zone: ZoneInfo) -> str:
    """A duty log's lines and notes as CSV, with a mark that spreadsheets read as UTF-8.

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("时间", "设备时间", "事件", "地点", "事项", "人员", "内容"))
    for line in log["lines"]:
        cells = (local(line["at"], zone), local(line["occurred_at"], zone), line["number"], line["place"],
                 line["kind_zh"], line["who"], line["text"])  # fmt: skip
        writer.writerow([safe_cell(cell) for cell in cells])
    for note in log["notes"]:
        kind = "附录" if note["appendix"] else "补记"
        cells = (local(note["at"], zone), local(note["occurred_at"], zone), "", "", kind,
                 str(note["by"].get("name", "")), note["text"])  # fmt: skip
        writer.writerow([safe_cell(cell) for cell in cells])
    return "\ufeff" + out.getvalue()


def safe_cell(cell: str) -> str:
    """A cell that is text for every spreadsheet."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
