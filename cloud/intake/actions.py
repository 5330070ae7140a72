"""What an edge moved by itself, onto the timeline of the incidents whose alarms asked for it."""

from cloud.incidents.docket import Actor, Docket
from cloud.incidents.model import Incident, IncidentAlarm
from wire.action import ActionReport

_KINDS = {"siren": "警笛", "barrier": "道闸", "sign": "警示牌", "pump": "水泵"}
_MOVES = {
    ("siren", "on"): "鸣响", ("siren", "off"): "停止鸣响", ("barrier", "on"): "落杆", ("barrier", "off"): "抬杆",
    ("sign", "on"): "点亮", ("sign", "off"): "熄灭", ("pump", "on"): "启动", ("pump", "off"): "停止",
}  # fmt: skip
_VERBS = {
    "commanded": "已下达{move}指令",
    "confirmed": "已确认{move}",
    "failed": "{move}失败",
    "barred": "{move}被联锁阻止",
    "contradicted": "自行改变状态，已重发{move}指令",
}
_REASONS = {
    "limit": "到达时限", "interlock": "联锁", "decision": "人工", "cleared": "报警解除", "acknowledged": "报警已确认",
    "withdrawn": "配置已撤销",
}  # fmt: skip


async def record(work: Docket, edge_id: str, report: ActionReport) -> None:
    """A note on each incident that one of its causes belongs to; without one there is nothing to write on.

    The exercise mark is the incident's own: a report of a drill reaches only incidents of that drill.
    """
    await work.session.flush()  # the alarm may have come in this very batch
    incidents: dict[str, Incident] = {}
    for cause in report.causes:
        alarm_id, _, episode = cause.rpartition("@")
        if not episode.isdecimal() or len(episode) > 18:
            continue
        alarm = await work.session.get(IncidentAlarm, (alarm_id, int(episode)))
        incident = await work.session.get(Incident, alarm.incident_id) if alarm is not None else None
        if incident is not None and incident.exercise == report.exercise:
            incidents[incident.id] = incident
    params = {
        "code": f"action_{report.verb}",
        "action": report.action,
        "name": report.name,
        "kind": report.kind,
        "move": report.move,
        "reason": report.reason,
        "detail": report.detail[:300],
        "text": words(report),
    }
    for incident in incidents.values():
        work.write(incident, "note", Actor("edge", edge_id, edge_id), params, occurred_at=report.at)


def words(report: ActionReport) -> str:
    """One sentence in Chinese, for the timeline."""
    what = report.name or f"{_KINDS.get(report.kind, '设备')} {report.action}"
    move = _MOVES.get((report.kind, report.move), report.move)
    why = _REASONS.get(report.reason, "")
    said = _VERBS[report.verb].format(move=move)
    return f"{what}：{said}" + (f"（{why}）" if why and report.verb in {"commanded", "barred"} else "")
