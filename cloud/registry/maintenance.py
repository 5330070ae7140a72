"""A device that somebody works on: set and ended by people with a reason, over by itself at its time."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.problems import conflict, invalid, not_found
from cloud.registry.devices import retell
from cloud.registry.layers import Author
from cloud.registry.model import Device, DeviceAct

LONGEST = timedelta(days=30)


async def begin(session: AsyncSession, device_id: str, until: datetime, *, by: Author, now: datetime) -> Device:
    """Until then the alarms whose rules say so are suppressed; the end may be moved by beginning again.

    Raises:
        Problem: 404; 422 for an end that is past or more than 30 days away.
    """
    if until <= now:
        raise invalid("until", "is not in the future", "say when it ends")
    if until - now > LONGEST:
        raise invalid("until", f"is more than {LONGEST.days} days away", "choose an earlier end")
    device = await _held(session, device_id)
    device.maintenance_until, device.maintenance_by, device.maintenance_why = until, by.id, by.why
    await _note(session, device, "maintenance_began", until, by, now)
    return device


async def end(session: AsyncSession, device_id: str, *, by: Author, now: datetime) -> Device:
    """Before its time.

    Raises:
        Problem: 404; 409 when the device is not in maintenance.
    """
    device = await _held(session, device_id)
    if device.maintenance_until is None or device.maintenance_until <= now:
        raise conflict("not-in-maintenance", f"{device.name}: nobody works on it.")
    device.maintenance_until = device.maintenance_by = device.maintenance_why = None
    await _note(session, device, "maintenance_ended", None, by, now)
    return device


async def acts(session: AsyncSession, device_id: str, *, limit: int = 100) -> list[DeviceAct]:
    """What people did to a device, the newest first."""
    query = select(DeviceAct).where(DeviceAct.device_id == device_id).order_by(DeviceAct.id.desc()).limit(limit)
    return list(await session.scalars(query))


async def _held(session: AsyncSession, device_id: str) -> Device:
    await feed.hold(session)
    device = await session.get(Device, device_id)
    if device is None:
        raise not_found("device", device_id)
    return device


async def _note(
    session: AsyncSession, device: Device, act: str, until: datetime | None, by: Author, now: datetime
) -> None:
    session.add(
        DeviceAct(device_id=device.id, act=act, at=now, by=by.id or "", by_name=by.name, why=by.why, until=until)
    )
    device.updated_at = now
    await session.flush()
    await retell(session, device)
