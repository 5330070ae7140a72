"""One beat: a synthetic alert goes in where edges hand theirs in, and the outbox sends the heartbeat.

The alert belongs to an exercise of its own in which one synthetic account takes part and nobody else. It folds into an
incident, dispatch tells the duty desk of its area (that account), and the message's only way is the heartbeat itself:
so what arrives outside has passed intake, incidents, dispatch and outbox. The incident is void when the next beat
begins. Nothing of it is in anybody's sight, and its numbers are a series of their own.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch import service as dispatch
from cloud.dispatch.policy import Policy
from cloud.incidents import service as incidents
from cloud.incidents.docket import SYSTEM, docket
from cloud.incidents.model import Incident
from cloud.incidents.states import OVER
from cloud.intake.accept import accept
from cloud.intake.parse import Item
from cloud.notify import faults
from cloud.notify.model import Notification
from cloud.notify.service import SELF_TEST
from cloud.people import passwords
from cloud.people import service as people
from cloud.people.access import Role
from cloud.people.model import Area
from cloud.registry.model import Device, Edge, IssuedExercise, Site, Zone
from cloud.retrying import retrying
from cloud.services import Services
from cloud.timers import service as timers
from wire.alert import AlarmFacts, Alert, Hazard, Verb, alarm_id
from wire.event import Type
from wire.level import Level
from wire.time import to_ms

BEAT = "heartbeat"
"""Kind of the timer, and the channel of its message."""
AREA = "/_self-test"
PERSON = f"per_{SELF_TEST}"
FAULT = "heartbeat_failed"
LATE = 1.6
"""So many periods without a heartbeat that went out are a fault."""


async def set_up(services: Services) -> None:
    """The synthetic place, device and account; again changes nothing. Nobody can sign in with the account."""
    async with services.db.transaction() as session:
        now = services.now()
        if await session.get(IssuedExercise, SELF_TEST) is not None:
            return
        session.add(Area(path=AREA, name="自检", name_en="self-test", tier="grid", parent_path=None))
        await session.flush()
        session.add(Site(id=SELF_TEST, name="自检", name_en="self-test", grid_path=AREA, lon=0.0, lat=0.0))
        session.add(Edge(id=SELF_TEST, name="自检", area_path=AREA, created_at=now, online=False))
        await session.flush()
        session.add(Zone(id=SELF_TEST, site_id=SELF_TEST, name="自检", name_en="self-test", lon=0.0, lat=0.0))
        await session.flush()
        session.add(
            Device(
                id=SELF_TEST,
                name="自检",
                site_id=SELF_TEST,
                zone_id=SELF_TEST,
                profile="shouwang/smoke",
                edge_id=SELF_TEST,
                hazard=Hazard.SMOKE.value,
                parameters={},
                rules={},
                timeline="real",
                enabled=False,
                credential=None,
                registered_at=now,
                updated_at=now,
            )
        )
        session.add(IssuedExercise(id=SELF_TEST, name="自检", state="ended", segments=[], issued_at=now))
        account = await people.add_person(
            session,
            username=SELF_TEST,
            password=secrets.token_urlsafe(32)[: passwords.MAX_LENGTH],
            name="自检",
            name_en="self-test",
            roles=[Role.DUTY_OFFICER],
            area_path=AREA,
            now=now,
            person_id=PERSON,
        )
        await people.take_part(session, SELF_TEST, [account.id])


async def keep_timer(services: Services) -> None:
    """The beat's timer runs when an address is set, and not otherwise."""
    async with services.db.transaction() as session:
        now = services.now()
        if services.settings.heartbeat_url is None:
            await timers.disarm(session, BEAT, SELF_TEST)
            await faults.end(session, FAULT, BEAT, now)
        elif await timers.get(session, BEAT, SELF_TEST) is None:
            await timers.arm(session, BEAT, SELF_TEST, now, now=now, data={"since": now.isoformat()})


async def last_sent(session: AsyncSession) -> datetime | None:
    """When a heartbeat last went out."""
    return await session.scalar(
        select(func.max(Notification.sent_at)).where(
            Notification.person_id == PERSON, Notification.channel == BEAT, Notification.state == "sent"
        )
    )


async def judge(session: AsyncSession, services: Services, since: datetime) -> None:
    """Whether the beats before this one got through; a fault that the desk sees when they did not."""
    now = services.now()
    newest = await last_sent(session)
    silent = now - max(newest or since, since)
    if silent <= timedelta(seconds=services.settings.heartbeat_every_s * LATE):
        return
    why = await session.scalar(
        select(Notification.state).where(Notification.person_id == PERSON, Notification.channel == BEAT)
        .order_by(Notification.created_at.desc()).limit(1)
    )  # fmt: skip
    where = {
        None: "the synthetic alert never came to the outbox",
        "pending": "the outbox could not hand it over",
        "abandoned": "the outbox could not hand it over",
    }.get(why, "no new one was queued")
    detail = f"no heartbeat went out for {silent.total_seconds():.0f} s: {where}"
    await faults.begin(session, FAULT, BEAT, detail, now)


async def beat(services: Services) -> None:
    """Put the last one away, and hand a new alert in."""
    await retrying(lambda: _put_away(services))
    now = services.now()
    alert = Alert(
        alarm_id=alarm_id(SELF_TEST, "smoke", SELF_TEST),
        episode=to_ms(now),
        revision=1,
        verb=Verb.RAISED,
        edge=SELF_TEST,
        site=SELF_TEST,
        device=SELF_TEST,
        rule="smoke",
        hazard=Hazard.SMOKE,
        facts=AlarmFacts(
            active=True, level=Level.II, highest=Level.II, acknowledged=False, latched=False, suspect=False
        ),
        opened_at=now,
        changed_at=now,
        recorded_at=now,
        exercise=SELF_TEST,
        replayed=False,
        evidence={"point": "obscuration", "value": 0.0, "unit": "dB/m"},
    )
    item = Item(f"{SELF_TEST}-{to_ms(now)}", str(Type.ALARM_CHANGED), alert)
    [verdict] = await accept(services, SELF_TEST, [item])
    if verdict.status != "committed":
        raise RuntimeError(f"intake {verdict.status} the synthetic alert: {verdict.reason}")


async def _put_away(services: Services) -> None:
    async with docket(services) as work:
        query = select(Incident).where(Incident.exercise == SELF_TEST, Incident.state.not_in(OVER))
        for incident in list(await work.session.scalars(query)):
            incidents.void(work, incident, SYSTEM, reason="自检结束 / self-test over")
        await dispatch.follow(work, Policy.of(services.settings))
        await work.finish()
