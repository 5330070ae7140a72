"""Tables of places, devices, edges, and of what edges were told and refused."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloud.database import Base, JsonColumn

BigKey = BigInteger().with_variant(Integer, "sqlite")


class Site(Base):
    """A residential compound, an underpass, an office centre: 小区(单位)."""

    __tablename__ = "sites"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    name_en: Mapped[str] = mapped_column(String(100), default="")
    grid_path: Mapped[str] = mapped_column(ForeignKey("areas.path"), index=True)
    lon: Mapped[float]
    lat: Mapped[float]


class Building(Base):
    """A building with its outline."""

    __tablename__ = "buildings"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    name_en: Mapped[str] = mapped_column(String(100), default="")
    floors: Mapped[int] = mapped_column(default=1)
    outline: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)  # GeoJSON geometry
    lon: Mapped[float]
    lat: Mapped[float]


class Zone(Base):
    """部位: where exactly; a stairwell landing, a flat, the lowest point of an underpass, a façade panel field."""

    __tablename__ = "zones"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"), index=True)
    building_id: Mapped[str | None] = mapped_column(ForeignKey("buildings.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    name_en: Mapped[str] = mapped_column(String(100), default="")
    floor: Mapped[int | None]
    section: Mapped[str | None] = mapped_column(String(64))  # what folds together: one stairwell, one façade, one road
    lon: Mapped[float]
    lat: Mapped[float]


class MapFeature(Base):
    """What the map shows besides what is registered: a road, water, a railway, a plain building."""

    __tablename__ = "map_features"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # road, water, railway, block
    name: Mapped[str] = mapped_column(String(100), default="")
    name_en: Mapped[str] = mapped_column(String(100), default="")
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"), index=True)
    geometry: Mapped[dict[str, Any]] = mapped_column(JsonColumn)  # GeoJSON
    width_m: Mapped[float | None]  # of a line
    lon: Mapped[float | None]  # where its name stands
    lat: Mapped[float | None]


class Edge(Base):
    """An edge gateway and the last heartbeat heard of it."""

    __tablename__ = "edges"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    area_path: Mapped[str] = mapped_column(ForeignKey("areas.path"))
    created_at: Mapped[datetime]
    online: Mapped[bool] = mapped_column(default=False)
    reported_at: Mapped[datetime | None]  # wall time here of the last heartbeat
    report: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)  # wire.report.EdgeReport


class TimelineRow(Base):
    """A named clock (wire.time.Timeline) that devices may be registered on."""

    __tablename__ = "timelines"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    segments: Mapped[list[Any]] = mapped_column(JsonColumn)
    label_zh: Mapped[str] = mapped_column(String(100), default="")
    label_en: Mapped[str] = mapped_column(String(100), default="")


class IssuedExercise(Base):
    """An exercise id that was ever given out; it stays exercise for good, so rows are never deleted."""

    __tablename__ = "issued_exercises"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(10))  # running, paused, ended
    segments: Mapped[list[Any]] = mapped_column(JsonColumn)
    issued_at: Mapped[datetime]


class Device(Base):
    """A registered sensor."""

    __tablename__ = "devices"
    __table_args__ = (Index("ix_devices_edge_id_address", "edge_id", "address", unique=True),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"), index=True)
    zone_id: Mapped[str] = mapped_column(ForeignKey("zones.id"), index=True)
    profile: Mapped[str] = mapped_column(String(128))
    edge_id: Mapped[str] = mapped_column(ForeignKey("edges.id"), index=True)
    address: Mapped[str | None] = mapped_column(String(300))  # `<source>:<address>`; None = the native convention
    hazard: Mapped[str | None] = mapped_column(String(20))
    parameters: Mapped[dict[str, Any]] = mapped_column(JsonColumn, default=dict)
    rules: Mapped[dict[str, Any]] = mapped_column(JsonColumn, default=dict)
    timeline: Mapped[str] = mapped_column(String(64), default="real")
    enabled: Mapped[bool] = mapped_column(default=True)
    quality: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)  # tests by point, over the profile's
    maintenance_until: Mapped[datetime | None]  # somebody works on it; what its rules suppress meanwhile ends then
    maintenance_by: Mapped[str | None] = mapped_column(String(64))  # a person
    maintenance_why: Mapped[str | None] = mapped_column(String(500))
    credential: Mapped[str | None] = mapped_column(String(100))  # bcrypt; the secret was shown once
    registered_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ActionRow(Base):
    """Something that an edge may move by itself (wire.action.ActionConfig)."""

    __tablename__ = "actions"
    __table_args__ = (Index("ix_actions_edge_id", "edge_id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    edge_id: Mapped[str] = mapped_column(ForeignKey("edges.id"))
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    config: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(String(64))  # a person
    why: Mapped[str] = mapped_column(String(500))


class DeviceAct(Base):
    """What a person did to a device and why; only ever added to."""

    __tablename__ = "device_acts"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    device_id: Mapped[str] = mapped_column(String(64), index=True)  # it stays when the device is gone
    act: Mapped[str] = mapped_column(String(40))  # maintenance_began, maintenance_ended
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64))
    by_name: Mapped[str] = mapped_column(String(100))
    why: Mapped[str] = mapped_column(String(500))
    until: Mapped[datetime | None]


class RuleLayerRow(Base):
    """What a place says of the rules and tests of the devices in it, as their edges are told (wire RuleLayer)."""

    __tablename__ = "rule_layers"

    scope: Mapped[str] = mapped_column(String(10), primary_key=True)  # site, building, zone
    place_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"), index=True)
    rules: Mapped[dict[str, Any]] = mapped_column(JsonColumn, default=dict)
    quality: Mapped[dict[str, Any]] = mapped_column(JsonColumn, default=dict)
    revision: Mapped[int]


class RuleLayerRevision(Base):
    """One change of a layer, or of a device's own rules and tests; only ever added to."""

    __tablename__ = "rule_layer_revisions"
    __table_args__ = (
        Index("ix_rule_layer_revisions_scope_place_id_revision", "scope", "place_id", "revision", unique=True),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    scope: Mapped[str] = mapped_column(String(10))  # site, building, zone, device
    place_id: Mapped[str] = mapped_column(String(64))
    site_id: Mapped[str] = mapped_column(String(64), index=True)
    revision: Mapped[int]
    act: Mapped[str] = mapped_column(String(10))  # put, revert, delete
    at: Mapped[datetime]
    by: Mapped[str | None] = mapped_column(String(64))  # a person; None: by import or program
    by_name: Mapped[str] = mapped_column(String(100), default="")
    why: Mapped[str] = mapped_column(String(500), default="")
    before: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)  # {rules, quality}; None: there was none
    after: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)
    eased: Mapped[list[Any]] = mapped_column(JsonColumn, default=list)  # what is less strict than its model's own


class DeviceState(Base):
    """What an edge last said of a device (real ones; an exercise never changes it)."""

    __tablename__ = "device_states"

    device_id: Mapped[str] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True)
    status: Mapped[str] = mapped_column(String(20))
    last_seen: Mapped[datetime | None]
    values: Mapped[dict[str, Any]] = mapped_column(JsonColumn, default=dict)
    link: Mapped[dict[str, Any] | None] = mapped_column(JsonColumn)  # wire.report.Link
    battery_percent: Mapped[float | None]
    joined_at: Mapped[datetime | None]
    reported_at: Mapped[datetime]


class FoundRow(Base):
    """An address that speaks on a source of an edge and is registered nowhere (wire.report.FoundDevice)."""

    __tablename__ = "found_devices"
    __table_args__ = (
        Index("ix_found_devices_edge_id_source_address", "edge_id", "source", "address", unique=True),
        Index("ix_found_devices_edge_id_last_seen", "edge_id", "last_seen"),
        {"sqlite_autoincrement": True},  # an id that a person was shown never names another row
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    edge_id: Mapped[str] = mapped_column(ForeignKey("edges.id"))
    source: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(256))
    topic: Mapped[str] = mapped_column(String(1000))
    name: Mapped[str | None] = mapped_column(String(200))  # these three: what it says of itself
    vendor: Mapped[str | None] = mapped_column(String(200))
    model: Mapped[str | None] = mapped_column(String(200))
    suggested_profile: Mapped[str | None] = mapped_column(String(128))
    first_seen: Mapped[datetime]
    last_seen: Mapped[datetime]
    messages: Mapped[int] = mapped_column(BigInteger)  # since its edge started
    ignored_at: Mapped[datetime | None]
    ignored_by: Mapped[str | None] = mapped_column(String(64))  # a person


class DecisionRow(Base):
    """A person's decision on its way to an edge, and what became of it (wire.configuration.Decision)."""

    __tablename__ = "decisions"
    __table_args__ = (Index("ix_decisions_edge_id_result", "edge_id", "result"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    edge_id: Mapped[str] = mapped_column(String(64))
    alarm_id: Mapped[str] = mapped_column(String(200))
    exercise: Mapped[str | None] = mapped_column(String(64))
    decision: Mapped[dict[str, Any]] = mapped_column(JsonColumn)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    result: Mapped[str | None] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text, default="")
    reported_at: Mapped[datetime | None]


class RejectionRow(Base):
    """The side table: what came to an edge and was not taken (wire.report.Rejection)."""

    __tablename__ = "rejections"
    __table_args__ = (Index("ix_rejections_device", "device"), Index("ix_rejections_reason", "reason"))

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    edge_id: Mapped[str] = mapped_column(String(64), index=True)
    device: Mapped[str | None] = mapped_column(String(64))
    grid_path: Mapped[str | None] = mapped_column(String(300))
    topic: Mapped[str] = mapped_column(String(1000))
    reason: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(Text)
    point: Mapped[str | None] = mapped_column(String(64))
    payload_b64: Mapped[str] = mapped_column(Text, default="")
    count: Mapped[int] = mapped_column(default=1)
    received_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
