"""What is told when the calls reach nobody: to the desk, and to the one above it."""

from cloud.dispatch import roster
from cloud.dispatch.escalation import above
from cloud.dispatch.messages import HAZARDS, LEVELS, LEVELS_EN, tell
from cloud.dispatch.snapshots import target_json
from cloud.incidents.docket import SYSTEM, Docket
from cloud.incidents.model import Incident
from wire.alert import Hazard
from wire.level import Level


def text_of_nobody(incident: Incident, answered: int) -> tuple[str, str]:
    """In a line to act on."""
    zh, en = HAZARDS[Hazard(incident.hazard)]
    level, place = Level(incident.level), incident.place["text"]
    how_zh = f"{answered} 人接听但无人到岗" if answered else "全部未叫应"
    how_en = f"{answered} answered, nobody is on the way" if answered else "nobody answered"
    return (
        f"叫应无果：{how_zh}，{LEVELS[level]} {place} {zh}（{incident.number}）",
        f"All contacts called, {how_en} – {LEVELS_EN[level]}: {en} at {place} ({incident.number})",
    )


async def nobody_answered(docket: Docket, incident: Incident, chain_id: str, *, answered: int) -> None:
    """逐级上报: the desk that has it and the next one up hear of it; the tier rises as for a missed limit."""
    way = await roster.desks(docket.session, incident, docket.now)
    owner = incident.owner["id"] if incident.owner else None
    tier = next((target.tier for target in way if target.desk.person == owner), incident.escalation_tier)
    target = above(way, tier)
    incident.escalation_tier = max(incident.escalation_tier, target.tier)
    params = await target_json(docket.session, target) | {
        "step": "call",
        "reason": "nobody_answered_the_calls",
        "repeats": target.tier <= tier,
        "set_off_by": chain_id,
    }
    docket.write(incident, "escalated", SYSTEM, params)
    told = {target.desk.person, owner, way[0].desk.person} - {None}
    for person in sorted(one for one in told if one is not None):
        await tell(docket, incident, person, "escalated", f"calls:{chain_id}", text_of_nobody(incident, answered))
