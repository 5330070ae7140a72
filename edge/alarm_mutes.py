"""What keeps alarms of one edge from being announced: who is out of service, which suppressing conditions hold."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from edge.lane import Transaction
from edge.table import Device, Table
from rules.alarm import GATEWAY_LOST, MAINTENANCE, USUAL, AlarmRecord, Around, OutOfService, muted, suppressor
from wire.alert import Hazard
from wire.level import Level
from wire.time import to_ms

PREFIX = "#service/"
"""Of the rows of what is out of service beside those of alarms; no device is named so."""
_SERVICE = msgspec.json.Decoder(OutOfService)


class Services:
    """Devices and rules that people took out of service, by target; kept in the journal."""

    def __init__(self) -> None:
        self._targets: dict[str, OutOfService] = {}

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Take up what the journal kept; rows of other things are passed over."""
        for name, row in rows.items():
            if name.startswith(PREFIX):
                self._targets[name.removeprefix(PREFIX)] = _SERVICE.decode(row)

    def __len__(self) -> int:
        return len(self._targets)

    def all(self) -> list[OutOfService]:
        """Everything that is out of service."""
        return list(self._targets.values())

    def of(self, device: str, rule: str, exercise: str | None) -> OutOfService | None:
        """What takes a rule of a device out of service; the entry that lasts longest."""
        if not self._targets:
            return None
        mark = f"{exercise}:" if exercise else ""
        found = [self._targets.get(f"{mark}{device}:{each}") for each in (rule, "*")]
        return max((each for each in found if each is not None), key=lambda each: each.until, default=None)

    def put(self, service: OutOfService, into: Transaction) -> None:
        """Take out of service, or for another time."""
        self._targets[service.target] = service
        into.alarms[PREFIX + service.target] = msgspec.json.encode(service)

    def end(self, target: str, into: Transaction) -> bool:
        """Put back into service; False when it is."""
        if self._targets.pop(target, None) is None:
            return False
        into.alarms[PREFIX + target] = None
        return True

    def over(self, now_ms: int) -> list[str]:
        """Targets whose time is over."""
        return [target for target, service in self._targets.items() if to_ms(service.until) <= now_ms]


class Parents:
    """Active alarms that others may be suppressed by, found by rule."""

    def __init__(self) -> None:
        self._by_rule: dict[str, set[str]] = defaultdict(set)

    def note(self, record: AlarmRecord) -> None:
        """An alarm as it is now; one that is muted itself suppresses nothing, so that never all are silent."""
        for key in (record.rule, f"#{record.hazard}"):
            if record.facts.active and muted(record.facts) is None:
                self._by_rule[key].add(record.alarm_id)
            else:
                self._by_rule[key].discard(record.alarm_id)

    def forget(self, record: AlarmRecord) -> None:
        """An alarm that is no more."""
        for key in (record.rule, f"#{record.hazard}"):
            self._by_rule[key].discard(record.alarm_id)

    def of(self, condition: str) -> Iterable[str]:
        """Alarms that may make a condition hold."""
        if condition == GATEWAY_LOST:
            return self._by_rule.get(f"#{Hazard.GATEWAY}", ())
        return self._by_rule.get(condition.partition(":")[2], ())


class Conditions:
    """Which conditions hold around a device.

    Args:
        records: of all alarms.
    """

    def __init__(self, records: Mapping[str, AlarmRecord]) -> None:
        self._records = records
        self.parents = Parents()
        self.deaf = False  # there is no broker: for our devices the gateway is lost
        self.table: Table | None = None

    def around(
        self, device: Device, rule_id: str, exercise: str | None, level: Level | None, services: Services, now_ms: int
    ) -> Around:
        """What an alarm depends on besides its own facts.

        Args:
            device: whose alarm it is.
            rule_id: its rule.
            exercise: its drill.
            level: that it has, or is about to have.
            services: what is out of service.
            now_ms: wall time.
        """
        rule = device.rules.get(rule_id)
        policy = USUAL if rule is None else rule.alarm
        by = None
        if policy.suppressed_while and level is not None:
            by = suppressor(policy, level, lambda condition: self._holds(condition, device, rule_id, exercise, now_ms))
        return Around(
            latch=rule is not None and rule.latch,
            policy=policy,
            suppressed_by=by,
            service=services.of(device.id, rule_id, exercise),
        )

    def _holds(self, condition: str, device: Device, rule_id: str, exercise: str | None, now_ms: int) -> bool:
        if condition == MAINTENANCE:
            until = device.config.maintenance_until
            return until is not None and to_ms(until) > now_ms
        if condition == GATEWAY_LOST and self.deaf:
            return True
        scope = "site" if condition == GATEWAY_LOST else condition.partition(":")[0]
        for name in self.parents.of(condition):
            parent = self._records[name]
            if parent.exercise == exercise and (parent.device, parent.rule) != (device.id, rule_id):
                other = self.table.devices.get(parent.device) if self.table is not None else None
                if other is not None and _together(scope, device, other):
                    return True
        return False


def _together(scope: str, one: Device, other: Device) -> bool:
    """Whether two devices are in one scope; a place that is not known holds nothing together."""
    if scope == "edge":
        return True
    if scope == "device":
        return one.id == other.id
    here, there = one.config, other.config
    if here.site != there.site:
        return False
    if scope == "site":
        return True
    if scope == "building":
        return here.building is not None and here.building == there.building
    return here.zone is not None and here.zone == there.zone
