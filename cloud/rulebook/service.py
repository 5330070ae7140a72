"""What can be done with rules of places and devices: look, put, take back, each change a revision with its reason."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.problems import Problem, ProblemError, not_found
from cloud.registry import checks, layer_changes, layers
from cloud.registry import service as registry
from cloud.registry.layers import Author, Scope
from cloud.registry.model import Building, Device, RuleLayerRevision, RuleLayerRow, Site, Zone
from cloud.rulebook import verdict
from cloud.rulebook.verdict import Under, Verdict
from rules import layers as rule_layers
from rules.declaration import DeclarationError
from wire.configuration import RuleLayer

Act = Literal["put", "revert", "delete"]
EMPTY: Mapping[str, Any] = {"rules": {}, "quality": {}}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a layer lies: a site, a building, a zone, or one device."""

    scope: Scope
    id: str
    name: str
    site: Site
    device: Device | None = None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A layer as it is now; one that is not there is empty, at the revision of the change that took it away, or 0."""

    place: Place
    content: Mapping[str, Any]
    last: RuleLayerRevision | None

    @property
    def revision(self) -> int:
        """Of the last change."""
        return self.last.revision if self.last else 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A change that was made (or, tried only, would be)."""

    state: State
    verdict: Verdict
    edges: Mapping[str, int]  # by edge, the revision of its configuration that has it


async def place_of(session: AsyncSession, scope: Scope, place_id: str) -> Place:
    """A place by scope and id.

    Raises:
        Problem: 404.
    """
    row: Site | Building | Zone | Device | None
    if scope == "site":
        row = await session.get(Site, place_id)
    elif scope == "building":
        row = await session.get(Building, place_id)
    elif scope == "zone":
        row = await session.get(Zone, place_id)
    else:
        row = await session.get(Device, place_id)
    site = row if isinstance(row, Site) else await session.get(Site, row.site_id) if row is not None else None
    if row is None or site is None:
        raise not_found(scope, place_id)
    device = row if isinstance(row, Device) else None
    return Place(scope=scope, id=place_id, name=row.name, site=site, device=device)


async def state_of(session: AsyncSession, place: Place) -> State:
    """What a place says now."""
    query = select(RuleLayerRevision).where(
        RuleLayerRevision.scope == place.scope, RuleLayerRevision.place_id == place.id
    )
    last = await session.scalar(query.order_by(RuleLayerRevision.revision.desc()).limit(1))
    if place.device is not None:
        return State(place=place, content=layers.content(place.device), last=last)
    row = await session.get(RuleLayerRow, (place.scope, place.id))
    content = EMPTY if row is None else {"rules": row.rules, "quality": row.quality}
    return State(place=place, content=content, last=last)


async def history(session: AsyncSession, place: Place, *, before: int | None, limit: int) -> list[RuleLayerRevision]:
    """Every change, the newest first."""
    query = select(RuleLayerRevision).where(
        RuleLayerRevision.scope == place.scope, RuleLayerRevision.place_id == place.id
    )
    if before is not None:
        query = query.where(RuleLayerRevision.revision < before)
    return list(await session.scalars(query.order_by(RuleLayerRevision.revision.desc()).limit(limit)))


async def put(
    session: AsyncSession,
    place: Place,
    content: Mapping[str, Any],
    *,
    expected: int,
    by: Author,
    now: datetime,
    act: Act = "put",
    dry_run: bool = False,
) -> Outcome:
    """Let a place say something else, and tell the edges.

    Args:
        session: the caller's transaction; a dry run writes nothing and needs none.
        place: where.
        content: {rules, quality}, whole.
        expected: the revision that the person has seen.
        by: who, and why.
        now: wall time.
        act: for the record.
        dry_run: judge only.

    Raises:
        Problem: 412 when somebody was faster; 422 with every fault, each naming key and device.
    """
    if not dry_run:
        await feed.hold(session)
        if place.device is not None:
            await session.refresh(place.device)  # it was read before we held the log
    state = await state_of(session, place)
    if state.revision != expected:
        what = f"{place.scope} '{place.id}' is at revision {state.revision}, not {expected}: look again."
        raise Problem(412, "changed-meanwhile", what, headers={"ETag": f'"{state.revision}"'})
    judged = await judge(session, place, content)
    if judged.faults:
        raise Problem(422, "invalid", "These rules cannot be so.", errors=judged.faults)
    if dry_run:
        return Outcome(state=State(place=place, content=content, last=state.last), verdict=judged, edges={})
    if place.device is not None:
        revision = await registry.set_rules(session, place.device, content, by=by, now=now, act=act, eased=judged.eased)
        edges = {place.device.edge_id: revision}
        after = await state_of(session, place)
        assert after.last is not None
        await layer_changes.announce(session, after.last)
        return Outcome(state=after, verdict=judged, edges=edges)
    layer = _layer(place, content)
    _, edges = await layer_changes.put(session, layer, by=by, now=now, act=act, eased=judged.eased)
    return Outcome(state=await state_of(session, place), verdict=judged, edges=edges)


async def revert(
    session: AsyncSession, place: Place, to: int, *, expected: int, by: Author, now: datetime, dry_run: bool = False
) -> Outcome:
    """Let a place say again what it said after an earlier revision (0: nothing); that is a new revision.

    Raises:
        Problem: 404 for a revision that never was, and as `put`.
    """
    content: Mapping[str, Any] = EMPTY
    if to:
        query = select(RuleLayerRevision).where(
            RuleLayerRevision.scope == place.scope,
            RuleLayerRevision.place_id == place.id,
            RuleLayerRevision.revision == to,
        )
        row = await session.scalar(query)
        if row is None:
            raise not_found("revision", str(to))
        content = row.after or EMPTY
    return await put(session, place, content, expected=expected, by=by, now=now, act="revert", dry_run=dry_run)


async def judge(session: AsyncSession, place: Place, content: Mapping[str, Any]) -> Verdict:
    """What a change would do to every device under it."""
    devices = await layer_changes.devices_under(session, place.scope, place.id)
    book = await layers.book(session, [place.site.id])
    changed = dict(book)
    if place.device is None:
        others = [one for one in book.get(place.site.id, ()) if (one.scope, one.id) != (place.scope, place.id)]
        changed[place.site.id] = [*others, _layer(place, content)]
    under = []
    for device, zone in devices:
        own = layers.content(device)
        under.append(
            Under(
                id=device.id,
                profile=device.profile,
                parameters=device.parameters,
                before=(layers.over(book, device.site_id, zone), own),
                after=(layers.over(changed, device.site_id, zone), own if place.device is None else content),
            )
        )
    return verdict.judge(under, content)


def _layer(place: Place, content: Mapping[str, Any]) -> RuleLayer:
    layer: RuleLayer = msgspec.convert(
        {"scope": place.scope, "id": place.id, "site": place.site.id, **content}, RuleLayer
    )
    return layer


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a device, and which layers it is made of."""

    origins: rule_layers.Origins
    layers: Sequence[RuleLayer]
    revision: int  # of its own


async def effective(session: AsyncSession, device: Device) -> Effective:
    """The rules and tests of a device with the layer that each value comes from.

    Raises:
        Problem: 409 where its model is not known here, or the rules cannot be.
    """
    profile = checks.profile_of(device.profile)
    if profile is None:
        raise Problem(409, "unknown-model", f"The model {device.profile} is one of its edge's own.")
    over = await layers.over_device(session, device)
    own = rule_layers.Layer(f"device '{device.id}'", device.rules, device.quality or {})
    try:
        origins = rule_layers.trace(checks.model_of(profile), checks.shared_of(over), own)
    except DeclarationError as error:
        fault = ProblemError(where=error.where, what=str(error)[:300], fix="correct that layer", code="rule")
        raise Problem(409, "rules-wrong", "These rules cannot be.", errors=[fault]) from None
    revision = await layers.newest_revision(session, "device", device.id)
    return Effective(origins=origins, layers=over, revision=revision)


class Scoped(msgspec.Struct, frozen=True, kw_only=True):
    """A place that may have a layer, as lists show it."""

    scope: Scope
    id: str
    name: str
    site_id: str
    building_id: str | None
    devices: int
    revision: int
    rules: list[str]
    quality: list[str]


async def scopes(session: AsyncSession, site: Site) -> list[Scoped]:
    """A site with its buildings and zones: what each says, and how many devices are under it."""
    counted = select(Device.zone_id, func.count()).where(Device.site_id == site.id).group_by(Device.zone_id)
    counts: dict[str, int] = {zone_id: count for zone_id, count in await session.execute(counted)}  # noqa: C416  typed
    zones = list(await session.scalars(select(Zone).where(Zone.site_id == site.id).order_by(Zone.floor, Zone.id)))
    buildings = await session.scalars(select(Building).where(Building.site_id == site.id).order_by(Building.id))
    said = {(layer.scope, layer.id): layer for layer in (await layers.book(session, [site.id])).get(site.id, ())}
    newest: dict[tuple[str, str], int] = {
        (scope, place_id): revision
        for scope, place_id, revision in await session.execute(
            select(RuleLayerRevision.scope, RuleLayerRevision.place_id, func.max(RuleLayerRevision.revision))
            .where(RuleLayerRevision.site_id == site.id)
            .group_by(RuleLayerRevision.scope, RuleLayerRevision.place_id)
        )
    }

    def scoped(scope: Scope, row: Site | Building | Zone, devices: int, building_id: str | None) -> Scoped:
        layer = said.get((scope, row.id))  # type: ignore[arg-type]  # a device is never asked for
        return Scoped(
            scope=scope, id=row.id, name=row.name, site_id=site.id, building_id=building_id, devices=devices,
            revision=newest.get((scope, row.id), 0), rules=list(layer.rules) if layer else [],
            quality=list(layer.quality) if layer else [],
        )  # fmt: skip

    found = [scoped("site", site, sum(counts.values()), None)]
    for building in buildings:
        inside = sum(counts.get(zone.id, 0) for zone in zones if zone.building_id == building.id)
        found.append(scoped("building", building, inside, building.id))
    return found + [scoped("zone", zone, counts.get(zone.id, 0), zone.building_id) for zone in zones]
