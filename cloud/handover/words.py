"""What a line of a timeline says on paper, in Chinese and English. Pure."""

from collections.abc import Mapping
from typing import Any

KINDS: Mapping[str, tuple[str, str]] = {
    "opened": ("接报", "opened"),
    "joined": ("并入报警", "joined"),
    "alert_raised": ("报警", "alarm"),
    "alert_escalated": ("报警加重", "alarm rose"),
    "alert_deescalated": ("报警减轻", "alarm fell"),
    "alert_cleared": ("报警消除", "alarm cleared"),
    "alert_suspect": ("可疑数据", "suspect reading"),
    "level_raised": ("提级处置", "level raised"),
    "level_set": ("调整处置等级", "level set"),
    "acknowledged": ("接警", "acknowledged"),
    "dispatched": ("立案派单", "dispatched"),
    "offer_sent": ("派单", "offer sent"),
    "accepted": ("接单", "accepted"),
    "declined": ("无法前往", "declined"),
    "expired": ("超时未接单", "offer expired"),
    "en_route": ("已出发", "on the way"),
    "on_scene": ("已到场", "on scene"),
    "cleared": ("归队", "cleared"),
    "cancelled": ("撤销派单", "recalled"),
    "escalated": ("逐级上报", "escalated"),
    "note": ("记录", "note"),
    "resolved": ("处置完毕", "resolved"),
    "verified": ("核查", "verified"),
    "closed": ("结案", "closed"),
    "voided": ("作废", "void"),
    "reopened": ("退回重办", "reopened"),
    "put_off": ("挂账", "put off"),
    "came_back": ("挂账恢复", "came back"),
    "alarm_reset": ("复位", "reset"),
    "merged": ("并案", "merged"),
    "merged_in": ("并入", "merged in"),
    "unmerged": ("撤销并案", "unmerged"),
    "unmerged_out": ("撤销并案", "unmerged"),
    "split": ("拆分", "split"),
    "parent_set": ("归入区域事件", "joined an area's incident"),
    "parent_left": ("移出区域事件", "left an area's incident"),
    "child_joined": ("区域事件增加", "child joined"),
    "child_left": ("区域事件移出", "child left"),
    "measure_put": ("采取管控措施", "measure in force"),
    "measure_ended": ("解除管控措施", "measure ended"),
    "card_ticked": ("处置卡完成", "card ticked"),
    "attached": ("附件", "attached"),
    "attachment_erased": ("附件删除", "attachment erased"),
    "forgotten": ("个人信息删除", "personal values forgotten"),
    "announced": ("广播", "announced"),
    "knock": ("逐户敲门", "door knocked"),
    "whistle": ("吹哨", "whistle"),
    "calls_began": ("开始叫应", "calls began"),
    "call_began": ("拨打电话", "call began"),
    "call_answered": ("已叫应", "call answered"),
    "call_on_duty": ("确认在岗", "on duty"),
    "call_ended": ("通话结束", "call ended"),
    # of the audit chain
    "mode_began": ("启动应急模式", "emergency mode began"),
    "mode_extended": ("应急模式延长", "emergency mode extended"),
    "mode_ended": ("应急模式解除", "emergency mode ended"),
    "handover_given": ("交班", "handed over"),
    "handover_taken": ("接班", "taken over"),
    "handover_refused": ("拒绝接班", "hand-over refused"),
    "handover_withdrawn": ("撤回交班", "hand-over withdrawn"),
    "handover_overdue": ("交接班超时", "hand-over overdue"),
    "handover_forgotten": ("未交接班", "hand-over forgotten"),
    "handover_countersigned": ("带班领导签字", "countersigned"),
}
STATES: Mapping[str, str] = {
    "raised": "待核实",
    "accepted": "立案",
    "dispatched": "已派单",
    "in_progress": "处置中",
    "resolved": "处置完毕",
    "verified": "核查",
    "closed": "结案",
    "void": "作废",
    "merged": "并案",
    "pending": "挂账",
}
LEVELS: Mapping[str, str] = {"I": "特急", "II": "紧急", "III": "较急", "IV": "一般"}
CLOCKS: Mapping[str, str] = {
    "acknowledge": "接警",
    "dispatch": "派单",
    "accept": "接单",
    "set_out": "出发",
    "arrive": "到场",
    "report": "报进展",
    "close": "核查结案",
    "deferral": "延期到",
    "hand_off": "转交答复",
    "reservation": "预派到",
    "pending": "挂账到",
}
WHY: Mapping[str, str] = {
    "shelved": "限时搁置",
    "suppressed": "联锁抑制",
    "out_of_service": "屏蔽",
    "maintenance": "检修",
    "disabled": "停用",
}
ERASED = "（已删除）"
_SAID = ("text", "what", "note", "why", "reason", "responder", "name", "number", "place", "device_name", "device", "to")


def told(kind: str, params: Mapping[str, Any], forgotten: frozenset[str] = frozenset()) -> str:
    """What a line says besides its kind: the words in it, each once; what was forgotten is named so."""
    parts = []
    for key in _SAID:
        value = params.get(key)
        if f"params.{key}" in forgotten:
            parts.append(ERASED)
        elif isinstance(value, str) and value and value not in parts:
            parts.append(value)
    if kind in ("level_raised", "level_set") and "from" in params and "to" in params:
        parts = [f"{LEVELS.get(str(params['from']), params['from'])} → {LEVELS.get(str(params['to']), params['to'])}"]
    if kind == "closed" and params.get("outcome"):
        parts.append(str(params["outcome"]))
    return "；".join(parts)


def word(kind: str) -> str:
    """The Chinese word of a kind of line."""
    return KINDS.get(kind, (kind, kind))[0]
