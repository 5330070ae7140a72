"""What people are told, in a line they can act on."""

from cloud.dispatch.escalation import Step
from cloud.incidents.docket import Docket
from cloud.incidents.model import Incident
from cloud.notify import service as notify
from wire.alert import Hazard
from wire.level import Level

LEVELS = {Level.I: "特急", Level.II: "紧急", Level.III: "较急", Level.IV: "一般"}
LEVELS_EN = {Level.I: "most urgent", Level.II: "urgent", Level.III: "raised", Level.IV: "ordinary"}
HAZARDS = {
    Hazard.SMOKE: ("烟雾报警", "smoke"),
    Hazard.WATER_LEVEL: ("积水", "standing water"),
    Hazard.CURTAIN_WALL: ("幕墙面板异常", "façade panel"),
    Hazard.DEVICE: ("设备离线", "device silent"),
    Hazard.GATEWAY: ("边缘网关失联", "gateway cut off"),
}

Text = tuple[str, str]


def _what(incident: Incident) -> Text:
    zh, en = HAZARDS[Hazard(incident.hazard)]
    level, place = Level(incident.level), incident.place["text"]
    return f"{LEVELS[level]} {place} {zh}", f"{LEVELS_EN[level]}: {en} at {place}"


def text_of_opening(incident: Incident) -> Text:
    """To the desk: something urgent waits to be taken."""
    zh, en = _what(incident)
    return f"待接警：{zh}（{incident.number}）", f"To acknowledge – {en} ({incident.number})"


def text_of_offer(incident: Incident) -> Text:
    """To a responder: will you go?"""
    zh, en = _what(incident)
    return f"派单：{zh}，请接单（{incident.number}）", f"Assignment – {en}; accept or decline ({incident.number})"


def text_of_recall(incident: Incident) -> Text:
    """To a responder: no longer needed."""
    zh, en = _what(incident)
    return f"任务撤销：{zh}（{incident.number}）", f"Recalled – {en} ({incident.number})"


def text_of_escalation(incident: Incident, step: Step) -> Text:
    """To the desk above: a limit has passed."""
    zh, en = _what(incident)
    if step is Step.ACKNOWLEDGE:
        return (
            f"逐级上报：超时未接警，{zh}（{incident.number}）",
            f"Escalated, not acknowledged – {en} ({incident.number})",
        )
    return (
        f"逐级上报：无人接单，{zh}（{incident.number}）",
        f"Escalated, nobody has accepted – {en} ({incident.number})",
    )


async def tell(docket: Docket, incident: Incident, person_id: str, kind: str, key: str, text: Text) -> None:
    """Queue one message about an incident for one person; of one key, once."""
    await notify.queue(
        docket.session,
        key=f"{incident.id}:{key}",
        person_id=person_id,
        kind=kind,
        text_zh=text[0],
        text_en=text[1],
        grid_path=incident.grid_path,
        now=docket.now,
        incident_id=incident.id,
        level=incident.level,
        exercise=incident.exercise,
        channels=docket.channels,
        params={"number": incident.number, "hazard": incident.hazard},
    )
