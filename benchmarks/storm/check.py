"""What the cloud made of the storm, read from its database: incidents, alarms, and what people were told."""

from typing import Any

from sqlalchemy import func, select

from benchmarks.storm.alerts import Sending
from cloud.database import Database
from cloud.incidents.model import AlertRecord, Incident, IncidentAlarm
from cloud.notify.model import Notification
from cloud.registry.model import Device, Zone


async def counts(url: str, alerts: list[Sending]) -> dict[str, Any]:
    """Figures that must come out; `told_twice` counts messages beyond the first of one thing to one person."""
    wanted = {(one.place.device, one.revision) for one in alerts}
    db = Database(url)
    try:
        async with db.reading() as session:
            rows = await session.execute(select(AlertRecord.alarm_id, AlertRecord.revision))
            kept = [(row[0].split(":")[0], row[1]) for row in rows if row[0].startswith("storm-")]
            final = await session.execute(
                select(IncidentAlarm.device, IncidentAlarm.revision, IncidentAlarm.missing, IncidentAlarm.facts,
                       IncidentAlarm.incident_id).where(IncidentAlarm.device.startswith("storm-"))
            )  # fmt: skip
            alarms = list(final)
            of_section: dict[str, set[str]] = {}
            sections = dict(
                (await session.execute(select(Device.id, Zone.section).join(Zone, Zone.id == Device.zone_id))).all()  # type: ignore[arg-type]
            )
            for row in alarms:
                of_section.setdefault(str(sections[row.device]), set()).add(row.incident_id)
            storms = [
                row for row in await session.scalars(select(Incident).where(Incident.origin != "phone"))
                if row.fold_key.find("storm-") >= 0
            ]  # fmt: skip
            told = await session.execute(
                select(Notification.person_id, Notification.incident_id, Notification.kind, Notification.level,
                       Notification.channel, func.count())
                .group_by(Notification.person_id, Notification.incident_id, Notification.kind, Notification.level,
                          Notification.channel)
            )  # fmt: skip
            messages = list(told)
            states = await session.execute(select(Notification.state, func.count()).group_by(Notification.state))
            waiting = dict(states.all())  # type: ignore[arg-type]
    finally:
        await db.close()
    return {
        "events": len({one.place.section for one in alerts}),
        "incidents": len([row for row in storms if row.children is None]),
        "area_incidents": len([row for row in storms if row.children is not None]),
        "events_with_two_incidents": sum(len(found) > 1 for found in of_section.values()),
        "alerts": len(wanted),
        "lost": len(wanted - set(kept)),
        "doubled": len(kept) - len(set(kept)),
        "alarms_behind": sum(row.revision != 5 or bool(row.missing) or row.facts["active"] for row in alarms),
        "messages": sum(row[5] for row in messages),
        "told_twice": sum(row[5] - 1 for row in messages),
        "message_states": waiting,
    }
