"""A gateway that falls silent is one incident, whatever hangs on it, from its silence to its return and its end."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cloud_world import EDGE, alert, event
from sqlalchemy import insert, select

from cloud.app import create_services
from cloud.incidents import service as incidents
from cloud.incidents.docket import by, docket
from cloud.incidents.model import Incident
from cloud.incidents.states import Outcome
from cloud.intake import gateways
from cloud.intake.accept import accept
from cloud.intake.parse import parse_batch
from cloud.people import service as people
from cloud.registry import seed
from cloud.registry.model import Device
from wire.alert import Hazard, Verb
from wire.event import Type
from wire.level import Level
from wire.report import EdgeReport

START = datetime(2026, 11, 22, 2, 15, tzinfo=UTC)
DEVICES = 2_000
BATCH = 200


class Gateway:
    """One edge and its devices, as the cloud hears them."""

    def __init__(self, services):
        self.services = services
        self.at = START
        services.now = lambda: self.at

    async def says(self, *events: dict) -> set[str]:
        verdicts = await accept(self.services, EDGE, parse_batch(json.dumps(events).encode(), EDGE))
        return {verdict.status for verdict in verdicts}

    async def beats(self) -> None:
        report = EdgeReport(
            edge=EDGE, version="1", started_at=START, reported_at=self.at, revision=1, clock_trusted=True
        )
        await self.says(event(report, type=Type.EDGE_REPORTED))

    async def falls_silent(self) -> list[str]:
        self.at += timedelta(seconds=self.services.settings.edge_offline_after_s + 1)
        return await gateways.look(self.services)

    async def incidents(self) -> list[Incident]:
        async with self.services.db.reading() as session:
            return list(await session.scalars(select(Incident).order_by(Incident.opened_at)))

    async def notes(self, incident: Incident) -> list[str]:
        async with self.services.db.reading() as session:
            lines = await incidents.entries(session, incident.id)
        return [line.params["code"] for line in lines if line.kind == "note" and "code" in line.params]

    def silence(self, device: str, verb: Verb = Verb.RAISED, **more) -> dict:
        said = alert(
            device, hazard=Hazard.DEVICE, rule="silence", level=Level.IV, highest=Level.IV, evidence={}, verb=verb,
            **({"opened_at": self.at, "recorded_at": self.at, "revision": 1} | more),
        )  # fmt: skip
        return event(said)


@pytest.fixture
async def gateway(database, settings, cheap_passwords):
    services = create_services(settings)
    made = Gateway(services)
    async with services.db.transaction() as session:
        await seed.demo(session, now=START, password=lambda _name: "correct-horse-battery")
        rows = [
            {"id": f"d-{number:04d}", "name": f"探测器 {number}", "site_id": "wanghuyuan", "zone_id": "wh-7-s1-3f",
             "profile": "shouwang/smoke", "edge_id": EDGE, "hazard": "smoke", "parameters": {}, "rules": {},
             "timeline": "real", "enabled": True, "registered_at": START, "updated_at": START}
            for number in range(DEVICES)
        ]  # fmt: skip
        await session.execute(insert(Device), rows)
    yield made
    await services.db.close()


async def test_two_thousand_silent_devices_behind_a_silent_gateway_accuse_nobody(gateway):
    await gateway.beats()
    assert await gateway.falls_silent() == [EDGE]
    began = gateway.at
    gateway.at += timedelta(minutes=4)
    await gateway.beats()  # it has its line again, and tells what it saw: the power of the whole building was off
    for first in range(0, DEVICES, BATCH):
        names = [f"d-{number:04d}" for number in range(first, first + BATCH)]
        assert await gateway.says(*(gateway.silence(name, recorded_at=began) for name in names)) == {"committed"}
    [only] = await gateway.incidents()
    assert (only.hazard, only.level, only.alert_count) == ("gateway", "III", DEVICES)
    assert only.headline["code"] == "gateway_lost"
    assert only.headline["params"]["silent"] == DEVICES
    assert await gateway.notes(only) == ["gateway_back"]


async def test_what_becomes_of_the_incident_when_the_gateway_comes_back(gateway):
    await gateway.beats()
    await gateway.falls_silent()
    assert await gateway.falls_silent() == [], "silent is silent"
    [lost] = await gateway.incidents()
    async with docket(gateway.services) as work:
        duty = await people.person(work.session, "per_duty")
        incidents.acknowledge(work, await incidents.get(work.session, lost.id), by(duty))
        await work.finish()
    opened = gateway.at
    await gateway.says(gateway.silence("d-0001"))
    await gateway.beats()
    [back] = await gateway.incidents()
    assert "back_at" in back.headline["params"]
    assert back.acknowledged_at is not None
    assert back.state not in ("closed", "resolved"), "a person says that all is well, not a heartbeat"
    await gateway.says(gateway.silence("d-0001", Verb.CLEARED, revision=2, opened_at=opened, active=False))

    await gateway.falls_silent()
    [again] = await gateway.incidents()
    assert await gateway.notes(again) == ["gateway_back", "gateway_lost_again"]
    assert again.acknowledged_at is None, "somebody has to look anew"
    assert "back_at" not in again.headline["params"]

    await gateway.beats()
    async with docket(gateway.services) as work:
        row = await incidents.get(work.session, lost.id)
        incidents.close(work, row, by(await people.person(work.session, "per_duty")), outcome=Outcome.FAULT)
        await work.finish()
    await gateway.falls_silent()
    states = [one.state for one in await gateway.incidents()]
    assert (states[0], len(states)) == ("closed", 2), "after its end another silence is another incident"
    gateway.at += timedelta(minutes=1)
    await gateway.says(gateway.silence("d-0002"))
    assert len(await gateway.incidents()) == 2
