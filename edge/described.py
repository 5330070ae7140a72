"""Devices as the rules know them, made of the table's; what devices of one model or place share is made once."""

from collections.abc import Mapping

from edge.table import Device, Table
from rules.engine import DeviceRules

Ranges = Mapping[str, tuple[float, float]]
Place = tuple[str, str | None, str | None]


class Described:
    """What the engine is told of the devices of the newest table; the same object as long as a device is the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Device, DeviceRules]] = {}
        self._models: dict[int, tuple[tuple[str, ...], Ranges]] = {}  # by decoder
        self._places: dict[Place, dict[str, str]] = {}

    def use(self, table: Table) -> list[DeviceRules]:
        """Of all devices of a table."""
        self._models.clear()  # a decoder that is gone may have given its id to another
        known = self._known
        self._known = {
            name: kept if (kept := known.get(name)) is not None and kept[0] is device else (device, self._of(device))
            for name, device in table.devices.items()
        }
        return [rules for _, rules in self._known.values()]

    def _of(self, device: Device) -> DeviceRules:
        config = device.config
        points, valid = self._model(device)
        return DeviceRules(
            device=config.id,
            rules=device.rules if config.enabled else {},
            points=points,
            parameters=config.parameters,
            valid=valid,
            cadence_s=device.cadence_s,
            timeline=config.timeline,
            quality=device.quality if config.enabled else {},
            groups=self._groups((config.site, config.building, config.zone)),
        )

    def _model(self, device: Device) -> tuple[tuple[str, ...], Ranges]:
        known = self._models.get(id(device.decoder))
        if known is None:
            points = device.decoder.points
            valid = {point.name: point.valid for point in points if point.valid is not None}
            known = self._models[id(device.decoder)] = (tuple(point.name for point in points), valid)
        return known

    def _groups(self, place: Place) -> dict[str, str]:
        known = self._places.get(place)
        if known is None:
            named = zip(("site", "building", "zone"), place, strict=True)
            known = self._places[place] = {scope: name for scope, name in named if name}
        return known
