"""Edge batches in: judged item by item, committed together, answered after the commit.

Order within a batch: alarms, refusals and reports on decisions in one transaction first; then what edges and devices
report of themselves; then telemetry to its store. Each answer says what is durable when it leaves.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import msgspec
import numpy as np
import prometheus_client
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch import service as dispatch
from cloud.dispatch.service import Policy
from cloud.incidents import arrivals, exercises, places
from cloud.incidents.alarms import LATE_AFTER, Applied, is_late
from cloud.incidents.docket import Actor, Docket, Exercise, docket, lock
from cloud.incidents.model import Incident, IncidentAlarm
from cloud.incidents.places import PlacedDevice
from cloud.intake import actions, gateways
from cloud.intake.model import IntakeEvent
from cloud.intake.parse import Item
from cloud.registry import service as registry
from cloud.registry.model import Device, Edge
from cloud.retrying import retrying
from cloud.services import Services
from wire.action import ActionReport
from wire.alert import Alert
from wire.configuration import Decision, DecisionReport
from wire.event import Verdict
from wire.reading import Aggregates, TelemetryBlock
from wire.report import DeviceReport, EdgeReport, FoundDevice, Reason, Rejection

_CORE = Alert | Rejection | DecisionReport | ActionReport
_log = logging.getLogger(__name__)
_verdicts = prometheus_client.Counter("shouwang_cloud_intake_items_total", "Items of edge batches", ["type", "status"])


async def accept(services: Services, edge_id: str, items: Sequence[Item]) -> list[Verdict]:
    """Take a batch in; one verdict an item, in order, each true when this returns."""
    came = services.now()  # a database that is away may keep us waiting until nothing of it is fresh any more
    verdicts: dict[int, Verdict] = {
        index: Verdict(item.id, "rejected", item.refusal) for index, item in enumerate(items) if item.refusal
    }
    core = {i: item for i, item in enumerate(items) if isinstance(item.body, _CORE)}
    verdicts |= await _in_one_transaction(services, edge_id, core, [item for item in items if item.refusal], came)
    reports = {
        i: item for i, item in enumerate(items) if isinstance(item.body, EdgeReport | DeviceReport | FoundDevice)
    }
    verdicts |= await _take_reports(services, edge_id, reports)
    blocks = {i: item for i, item in enumerate(items) if isinstance(item.body, TelemetryBlock)}
    verdicts |= await _take_telemetry(services, edge_id, blocks)
    for index, item in enumerate(items):
        _verdicts.labels(item.type.rsplit(".", 3)[-3:][0] if item.body else "refused", verdicts[index].status).inc()
    return [verdicts[index] for index in range(len(items))]


# ---------------------------------------------------------------- alarms, refusals, decisions


async def _in_one_transaction(
    services: Services, edge_id: str, items: dict[int, Item], refused: Sequence[Item], came: datetime
) -> dict[int, Verdict]:
    """The whole batch in one transaction; if the database cannot take it, one transaction an item."""
    if not items and not refused:
        return {}
    try:
        return await retrying(lambda: _take_core(services, edge_id, items, refused, came))
    except DBAPIError as error:
        if not _about_the_data(error):
            raise
        _log.warning("a batch of %s cannot be committed whole, going item by item: %s", edge_id, error.orig)
    verdicts: dict[int, Verdict] = {}
    for index, item in items.items():
        try:
            verdicts |= await retrying(lambda one={index: item}: _take_core(services, edge_id, one, [], came))  # type: ignore[misc]
        except DBAPIError as error:
            if not _about_the_data(error):
                raise
            why = f"data: the database cannot hold it: {str(error.orig)[:200]}"
            verdicts[index] = Verdict(item.id, "rejected", why)
            refused = [*refused, Item(item.id, item.type, None, why)]
    await retrying(lambda: _take_core(services, edge_id, {}, refused, came))
    return verdicts


def _about_the_data(error: DBAPIError) -> bool:
    """Whether the value is at fault rather than the database."""
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state)[:2] in ("22", "23")  # data exception, integrity constraint
    return type(error).__name__ in ("DataError", "IntegrityError", "InterfaceError", "StatementError")


async def _take_core(
    services: Services, edge_id: str, items: dict[int, Item], refused: Sequence[Item], came: datetime
) -> dict[int, Verdict]:
    verdicts: dict[int, Verdict] = {}
    async with docket(services) as work:
        known = await _known(work.session, edge_id, [item.id for item in items.values()])
        alerts = [item.body for item in items.values() if isinstance(item.body, Alert)]
        devices = await places.of_devices(work.session, {alert.device for alert in alerts})
        issued = await exercises.issued(work.session, {alert.exercise for alert in alerts})
        await arrivals.look_up(work, alerts, devices, issued)
        trusted = await _clock_trusted(work.session, edge_id)
        for index, item in items.items():
            if item.id in known:
                verdicts[index] = Verdict(item.id, "duplicate")
                continue
            verdict = await _take_one(
                work, edge_id, item, devices=devices, issued=issued, clock_trusted=trusted, came=came
            )
            verdicts[index] = verdict
            if verdict.status == "rejected":
                await _show(work.session, edge_id, item, verdict.reason or "", work.now)
                continue
            known.add(item.id)
            work.session.add(IntakeEvent(edge_id=edge_id, event_id=item.id, type=item.type, received_at=work.now))
        for item in refused:
            await _show(work.session, edge_id, item, item.refusal or "", work.now)
        await dispatch.follow(work, Policy.of(services.settings))
        await work.finish()
    return verdicts


async def _known(session: AsyncSession, edge_id: str, ids: Sequence[str]) -> set[str]:
    if not ids:
        return set()
    query = select(IntakeEvent.event_id).where(IntakeEvent.edge_id == edge_id, IntakeEvent.event_id.in_(ids))
    return set(await session.scalars(query))


async def _clock_trusted(session: AsyncSession, edge_id: str) -> bool:
    """Whether the times an edge writes can tell a late alert: not while it says that its own clock is not set."""
    edge = await session.get(Edge, edge_id)
    return bool(edge.report.get("clock_trusted")) if edge and edge.report else True


async def _take_one(
    work: Docket,
    edge_id: str,
    item: Item,
    *,
    devices: dict[str, PlacedDevice],
    issued: dict[str, Exercise],
    clock_trusted: bool,
    came: datetime,
) -> Verdict:
    match item.body:
        case Alert() as alert:
            device = devices.get(alert.device)
            if device is None or device.edge_id != edge_id:
                return Verdict(item.id, "rejected", f"device '{alert.device}' is not one of edge '{edge_id}'")
            stale = is_late(alert, work.now) if clock_trusted else alert.replayed or work.now - came > LATE_AFTER
            taken = await arrivals.take_alert(
                work,
                alert,
                event_id=item.id,
                edge_id=edge_id,
                device=device,
                exercise=issued.get(alert.exercise) if alert.exercise else None,
                late=stale or item.replayed,
            )
            return Verdict(item.id, "duplicate" if taken.applied is Applied.REPEAT else "committed")
        case Rejection() as rejection:
            await registry.record_rejection(work.session, edge_id, rejection, now=work.now)
            return Verdict(item.id, "committed")
        case DecisionReport() as report:
            return await _take_decision_report(work, edge_id, item, report)
        case ActionReport() as action:
            await actions.record(work, edge_id, action)
            return Verdict(item.id, "committed")
        case _:
            raise AssertionError(f"not for here: {item.type}")


async def _take_decision_report(work: Docket, edge_id: str, item: Item, report: DecisionReport) -> Verdict:
    row = await registry.record_decision_report(work.session, edge_id, report)
    if row is None:
        return Verdict(item.id, "rejected", f"decision '{report.decision:.80}' was never given to edge '{edge_id}'")
    decision = msgspec.convert(row.decision, Decision)
    alarm = await work.session.get(IncidentAlarm, (decision.alarm_id, decision.episode))
    incident = await work.session.get(Incident, alarm.incident_id) if alarm else None
    harmless = report.result == "done" or (decision.verb == "acknowledge" and report.result == "refused")
    if incident is not None and alarm is not None and not harmless:
        words = {"expired": "已过期，未执行", "refused": "网关未执行"}[report.result]
        params = {
            "code": f"decision_{report.result}",
            "verb": decision.verb,
            "alarm_id": decision.alarm_id,
            "device_name": alarm.device_name,
            "reason": report.reason[:300],
            "text": f"{alarm.device_name}：{words}",
        }
        work.write(incident, "note", Actor("edge", edge_id, edge_id), params, occurred_at=report.reported_at)
    return Verdict(item.id, "committed")


async def _show(session: AsyncSession, edge_id: str, item: Item, why: str, now: datetime) -> None:
    """Put a refused item where people see it."""
    device = item.body.device if isinstance(item.body, Alert | DeviceReport) else None
    rejection = Rejection(
        received_at=now,
        topic=f"cloud:{item.type}"[:200],
        reason=Reason.UNKNOWN_DEVICE if "is not one of edge" in why else Reason.MALFORMED,
        detail=f"{item.id}: {why}"[:1000].replace("\x00", "�"),
        device=device,
    )
    await registry.record_rejection(session, edge_id, rejection, now=now)


# ---------------------------------------------------------------- reports


async def _take_reports(services: Services, edge_id: str, items: dict[int, Item]) -> dict[int, Verdict]:
    """Heartbeats, device health, found devices: the newest stands, so a repeat does no harm."""
    if not items:
        return {}
    bodies = [item.body for item in items.values()]
    health = [body for body in bodies if isinstance(body, DeviceReport)]
    found = [body for body in bodies if isinstance(body, FoundDevice)]

    async def take() -> tuple[dict[int, Verdict], bool]:
        back = False
        async with services.db.transaction() as session:
            await lock(session)  # heartbeats and decisions both write the edge's row: one order for both
            for body in bodies:
                if isinstance(body, EdgeReport):
                    back |= await registry.record_edge_report(session, body, now=services.now())
            foreign = await registry.record_device_reports(session, edge_id, health, now=services.now())
            await registry.record_found(session, edge_id, found)
            verdicts = {index: _report_verdict(edge_id, item, foreign) for index, item in items.items()}
            for index, verdict in verdicts.items():
                if verdict.status == "rejected":
                    await _show(session, edge_id, items[index], verdict.reason or "", services.now())
        return verdicts, back

    verdicts, back = await retrying(take)
    if back:
        await retrying(lambda: gateways.came_back(services, edge_id))
    return verdicts


def _report_verdict(edge_id: str, item: Item, foreign: set[str]) -> Verdict:
    if isinstance(item.body, DeviceReport) and item.body.device in foreign:
        return Verdict(item.id, "rejected", f"device '{item.body.device:.64}' is not one of edge '{edge_id}'")
    return Verdict(item.id, "committed")


# ---------------------------------------------------------------- telemetry


async def _take_telemetry(services: Services, edge_id: str, items: dict[int, Item]) -> dict[int, Verdict]:
    if not items:
        return {}
    own = await _own_devices(services, edge_id, items)
    foreign: Counter[str] = Counter()

    async def write(item: Item) -> Verdict:
        assert isinstance(item.body, TelemetryBlock)
        block = _only_own(item.body, own, foreign)
        try:
            new = await services.telemetry.write(f"{edge_id}:{item.id}", block)
        except (duckdb.Error, ValueError, OverflowError) as error:
            return Verdict(item.id, "rejected", f"data: the store cannot hold it: {str(error)[:200]}")
        return Verdict(item.id, "committed" if new else "duplicate")

    verdicts = dict(zip(items, await asyncio.gather(*map(write, items.values())), strict=True))
    rejected = [(items[index], verdict) for index, verdict in verdicts.items() if verdict.status == "rejected"]
    if foreign or rejected:
        async with services.db.transaction() as session:
            for item, verdict in rejected:
                await _show(session, edge_id, item, verdict.reason or "", services.now())
            for device, count in foreign.items():
                rejection = Rejection(
                    received_at=services.now(),
                    topic="cloud:telemetry",
                    reason=Reason.UNKNOWN_DEVICE,
                    detail=f"device '{device:.64}' is not one of edge '{edge_id}': readings left out",
                    device=device[:64],
                    count=min(count, 2**31 - 1),
                )
                await registry.record_rejection(session, edge_id, rejection, now=services.now())
    return verdicts


async def _own_devices(services: Services, edge_id: str, items: dict[int, Item]) -> set[str]:
    named = {
        series.device for item in items.values() if isinstance(item.body, TelemetryBlock) for series in item.body.table
    }
    async with services.db.reading() as session:
        query = select(Device.id).where(Device.edge_id == edge_id, Device.id.in_(named))
        return set(await session.scalars(query))


def _only_own(block: TelemetryBlock, own: set[str], foreign: Counter[str]) -> TelemetryBlock:
    """The block without readings of devices that are not this edge's; those are counted by device."""
    strange = [index for index, series in enumerate(block.table) if series.device not in own]
    if not strange:
        return block
    renumbered = np.cumsum(~np.isin(np.arange(len(block.table)), strange)) - 1

    def sorted_out(of: list[int], number: list[int] | None) -> tuple[list[int], list[int]]:
        """Rows that stay, and their series anew."""
        columns = np.asarray(of, dtype=np.int64)
        count = np.ones(len(of), dtype=np.int64) if number is None else np.asarray(number, dtype=np.int64)
        for index in strange:
            if readings := int(count[columns == index].sum()):
                foreign[block.table[index].device] += readings
        keep = ~np.isin(columns, strange)
        return np.flatnonzero(keep).tolist(), renumbered[columns[keep]].tolist()

    kept, series = sorted_out(block.series, None)
    aggregates = block.aggregates
    if aggregates is not None:
        rows, of = sorted_out(aggregates.series, aggregates.count)
        columns: dict[str, Any] = msgspec.structs.asdict(aggregates)
        columns = {name: [column[i] for i in rows] if column else [] for name, column in columns.items()}
        aggregates = Aggregates(**(columns | {"series": of}))
    return TelemetryBlock(
        table=[series for series in block.table if series.device in own],
        series=series,
        ts=[block.ts[i] for i in kept],
        value=[block.value[i] for i in kept],
        flag=[block.flag[i] for i in kept],
        tests=[block.tests[i] for i in kept] if block.tests else [],
        aggregates=aggregates,
    )
