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


MISSED = {
    Step.ACKNOWLEDGE: ("超时未接警", "not acknowledged"),
    Step.DISPATCH: ("超时未派单", "nobody has been sent"),
    Step.ACCEPT: ("无人接单", "nobody has accepted"),
    Step.SET_OUT: ("接单后未出发", "accepted, and not on the way"),
    Step.ARRIVE: ("超时未到场", "not on scene in time"),
    Step.REPORT: ("现场久无消息", "no word from the scene"),
    Step.CLOSE: ("超时未核查结案", "done, and not checked and closed"),
}


def text_of_escalation(incident: Incident, step: Step) -> Text:
    """To the desk above: a limit has passed."""
    (zh, en), (missed_zh, missed_en) = _what(incident), MISSED[step]
    return (
        f"逐级上报：{missed_zh}，{zh}（{incident.number}）",
        f"Escalated, {missed_en} – {en} ({incident.number})",
    )


def text_of_urging(incident: Incident, step: Step) -> Text:
    """To whoever is on it: a limit has passed, the desk above hears next."""
    (zh, en), (missed_zh, missed_en) = _what(incident), MISSED[step]
    return f"催办：{missed_zh}，{zh}（{incident.number}）", f"Reminder, {missed_en} – {en} ({incident.number})"


def text_of_deferral_over(incident: Incident) -> Text:
    """To the owner: the time that he asked for is over."""
    zh, en = _what(incident)
    return f"延期已到：{zh}（{incident.number}）", f"The extension is over – {en} ({incident.number})"


def text_of_hand_off(incident: Incident, who: str) -> Text:
    """To another duty officer: will you take this one?"""
    zh, en = _what(incident)
    return (
        f"转交：{who}请您接手{zh}，接手前仍由{who}负责（{incident.number}）",
        f"Hand-off – {who} asks you to take {en} ({incident.number}); it stays theirs until you do",
    )


def text_of_hand_off_end(incident: Incident, who: str, end: str) -> Text:
    """To who handed it off: what came of it."""
    zh, en = _what(incident)
    said = {
        "accepted": ("已接手", "has taken"),
        "declined": ("不接手，仍由您负责", "declines; it stays yours:"),
        "expired": ("未答复，仍由您负责", "has not answered; it stays yours:"),
    }[end]
    return f"转交：{who}{said[0]}，{zh}（{incident.number}）", f"Hand-off – {who} {said[1]} {en} ({incident.number})"


UNATTENDED = {
    "no_clock": ("无人盯办且无时限", "nobody's clock was running"),
    "no_owner": ("无责任人", "it has no owner"),
    "owner_gone": ("责任人账号已停用", "its owner's account is closed"),
    "owner_off_duty": ("责任人已下班未交接", "its owner went off duty without handing over"),
    "idle": ("长时间无人处理", "nobody has done anything for long"),
    "clock_stuck": ("时限到期未执行", "a limit that passed was not carried out"),
}


def text_of_unattended(incident: Incident, code: str) -> Text:
    """To the owner and the duty leader: this one is being forgotten."""
    (zh, en), (why_zh, why_en) = _what(incident), UNATTENDED[code]
    return f"无人跟进：{why_zh}，{zh}（{incident.number}）", f"Unattended, {why_en} – {en} ({incident.number})"


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
