"""Devices of the demo neighbourhood, and alerts as an edge would send them."""

import asyncio
import itertools
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.registry.model import Device
from cloud.services import Services
from cloud.timers.model import Timer
from cloud.timers.worker import run_due
from wire.alert import AlarmFacts, Alert, Hazard, Verb, alarm_id
from wire.event import Type
from wire.level import Level
from wire.time import format_instant, to_ms

EDGE = "gw-liuyin"
EVENTS = "/api/v1/edge/events"
_ids = itertools.count(1)

DEVICES = {
    "smoke-wh7-s1-1f": ("wanghuyuan", "wh-7-s1-1f", "smoke", "shouwang/smoke"),
    "smoke-wh7-s1-3f": ("wanghuyuan", "wh-7-s1-3f", "smoke", "shouwang/smoke"),
    "smoke-wh7-s2-3f": ("wanghuyuan", "wh-7-s2-3f", "smoke", "shouwang/smoke"),
    "smoke-sn12-s1-2f": ("shuinan", "sn-12-s1-2f", "smoke", "shouwang/smoke"),
    "water-up-low": ("liuyin-underpass", "up-low", "water_level", "shouwang/water-level"),
    "water-up-west": ("liuyin-underpass", "up-west", "water_level", "shouwang/water-level"),
    "facade-ljb-18e-07": ("linjiang", "lj-b-18-e", "curtain_wall", "shouwang/facade"),
}


def now() -> datetime:
    return datetime.now(UTC)


async def add_devices(session: AsyncSession, *ids: str, edge: str = EDGE) -> None:
    """Register devices without their profiles (this part judges nothing)."""
    for device in ids or DEVICES:
        site, zone, hazard, profile = DEVICES[device]
        session.add(
            Device(
                id=device,
                name=f"探测器 {device}",
                site_id=site,
                zone_id=zone,
                profile=profile,
                edge_id=edge,
                hazard=hazard,
                parameters={},
                rules={},
                timeline="real",
                enabled=True,
                credential=None,
                registered_at=now(),
                updated_at=now(),
            )
        )
    await session.flush()


def alert(
    device: str = "smoke-wh7-s1-3f",
    *,
    verb: Verb = Verb.RAISED,
    level: Level | None = Level.II,
    highest: Level | None = None,
    active: bool | None = None,
    revision: int = 1,
    opened_at: datetime | None = None,
    changed_at: datetime | None = None,
    recorded_at: datetime | None = None,
    hazard: Hazard | None = None,
    rule: str | None = None,
    exercise: str | None = None,
    edge: str = EDGE,
    evidence: dict[str, Any] | None = None,
    acknowledged: bool = False,
    latched: bool = False,
    suspect: bool = False,
    replayed: bool = False,
) -> Alert:
    known = DEVICES.get(device, ("wanghuyuan", "", "smoke", ""))
    kind = hazard or Hazard(known[2])
    name = rule or {"smoke": "smoke", "water_level": "water_depth", "curtain_wall": "tilt"}.get(kind, "silence")
    opened = opened_at or now()
    is_active = verb is not Verb.CLEARED and verb is not Verb.RESET if active is None else active
    return Alert(
        alarm_id=alarm_id(device, name, exercise),
        episode=to_ms(opened),
        revision=revision,
        verb=verb,
        edge=edge,
        site=known[0],
        device=device,
        rule=name,
        hazard=kind,
        facts=AlarmFacts(
            active=is_active,
            level=level if is_active else None,
            highest=highest or level or Level.II,
            acknowledged=acknowledged,
            latched=latched,
            suspect=suspect,
        ),
        opened_at=opened,
        changed_at=changed_at or opened,
        recorded_at=recorded_at or now(),
        exercise=exercise,
        replayed=replayed,
        evidence={"point": "obscuration", "value": 0.42, "unit": "dB/m"} if evidence is None else evidence,
    )


def event(body: Any, *, id: str | None = None, type: str = Type.ALARM_CHANGED, edge: str = EDGE, **more: Any) -> dict:  # noqa: A002
    return {
        "specversion": "1.0",
        "id": id or f"ev-{next(_ids)}",
        "source": f"/edges/{edge}",
        "type": str(type),
        "time": format_instant(to_ms(now())),
        "datacontenttype": "application/json",
        "data": msgspec.to_builtins(body),
        **more,
    }


async def post(client: httpx.AsyncClient, *events: dict) -> list[dict]:
    """Send a batch; its verdicts."""
    answer = await client.post(EVENTS, content=json.dumps(list(events)))
    assert answer.status_code == 200, answer.text
    return answer.json()["verdicts"]


async def incidents(client: httpx.AsyncClient, state: str = "open") -> list[dict]:
    answer = await client.get("/api/v1/incidents", params={"state": state})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def timeline(client: httpx.AsyncClient, incident: str) -> list[dict]:
    answer = await client.get(f"/api/v1/incidents/{incident}/timeline")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["chain_intact"] is True
    return body["items"]


def kinds(lines: Iterable[dict]) -> list[str]:
    return [line["kind"] for line in lines]


def ago(**span: float) -> datetime:
    return now() - timedelta(**span)


async def all_that_is_due(services: Services) -> None:
    """Carry out what is due by the services' clock, together with the worker that runs in the service itself."""
    async with asyncio.timeout(30):
        while True:
            await run_due(services, "test")
            async with services.db.reading() as session:
                waiting = await session.scalar(select(func.count()).where(Timer.due_at <= services.now()))
            if not waiting:
                return
            await asyncio.sleep(0.02)  # the other worker has it
