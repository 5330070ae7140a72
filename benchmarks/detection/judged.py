"""A recording through the engine, as the edge would judge it, and its changes put together to alarms of devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from benchmarks.detection import sites
from benchmarks.detection.sites import Layer
from device_profiles.library import BUILT_IN
from device_profiles.loading.load import read_profile
from rules import quality_declaration
from rules.columns import Change, Columns
from rules.declaration import resolve
from rules.engine import DeviceRules, Engine
from simulators.batch.recording import Device, Readings, Recording
from wire.alert import Hazard, Verb
from wire.time import REAL

Layers = Callable[[Device, Recording], Sequence[Layer]]

DEVICE_RULES_OFF: Layer = {"silence": None, "battery": None}
"""Health of the device is no hazard; thinned recordings cannot be judged for silence at all."""


@dataclass(frozen=True, slots=True)
class Told:
    """A change, and when it was known: arrival of the reading that decided, or the tick."""

    change: Change
    at: int
    kind: str = "level"  # of the rule


@dataclass(frozen=True, slots=True)
class Alarm:
    """All that stood on one device without a break, whatever the rule: when each level was first told."""

    device: str
    told: tuple[int | None, ...]  # by rank: IV, III, II, I; arrival ms
    end: int  # it cleared, or the recording ended
    raised: int  # how often a rule raised within it
    rules: tuple[str, ...] = ()

    def first(self, rank: int) -> int | None:
        """When this level or a worse one was told."""
        return min((at for at in self.told[rank - 1 :] if at is not None), default=None)


@cache
def profile_of(name: str) -> Any:
    """A built-in profile, or None: a simulated gauge that no profile of ours describes."""
    file = BUILT_IN / f"{name}.yaml"
    return read_profile(file) if file.is_file() else None


def device_rules(
    device: Device,
    recording: Recording,
    layers: Layers | None = None,
    quiet_s: float | None = None,
    quality_layers: Layers | None = None,
) -> DeviceRules:
    """What the edge would know of a simulated device: family defaults, its profile, then the site's layers.

    Args:
        device: of the recording.
        recording: whose other devices a layer may name.
        layers: what the site declares for a device.
        quiet_s: the recording is thinned to this while quiet: such gaps are none.
        quality_layers: what the site declares of the tests of a device's readings.
    """
    profile = profile_of(device.profile)
    over = [DEVICE_RULES_OFF, *(layers(device, recording) if layers else ())]
    below = [] if profile is None else [profile.rules]
    limits = quality_layers(device, recording) if quality_layers else ()
    tested = [] if getattr(profile, "quality", None) is None else [profile.quality]
    rules = resolve(device.hazard, device.points, device.cadence_s, *below, *over)
    if quiet_s is not None:
        rules = {name: replace(rule, max_gap_s=max(rule.max_gap_s, 2.5 * quiet_s)) for name, rule in rules.items()}
    valid = {
        point.name: point.valid
        for point in (profile.points if profile is not None else ())
        if point.name in device.points and point.valid is not None
    }
    return DeviceRules(
        device.id,
        rules if profile is not None else {},
        device.points,
        parameters=sites.parameters(device),
        valid=valid,
        cadence_s=device.cadence_s,
        quality=quality_declaration.resolve(device.hazard, device.points, device.cadence_s, *tested, *limits),
        groups=sites.groups(device),
    )


def kind_of(rule: Any) -> str:
    """The kind; of one that can measure several things and does not forecast a time, with what it measures."""
    measure = getattr(getattr(rule, "options", None), "measure", "minutes")
    return str(rule.kind) if measure == "minutes" else f"{rule.kind} {measure}"


def flags(
    recording: Recording, quality_layers: Layers | None = None, window_ms: int = 6 * 3_600_000
) -> Iterator[tuple[Readings, Columns]]:
    """The readings batch by batch with the quality flags that the engine gives them; nothing is judged."""
    engine = Engine()
    engine.configure([device_rules(each, recording, quality_layers=quality_layers) for each in recording.devices])
    lut = np.array([engine.channel(device, point) for device, point in recording.channels], dtype=np.int32)
    for part in recording.batches(window_ms):
        yield part, engine.assess(Columns.of(lut[part.channel], part.ts, part.value, part.arrival))


def judge(
    recording: Recording,
    layers: Layers | None = None,
    *,
    quiet_s: float | None = None,
    window_ms: int = 6 * 3_600_000,
    tick: bool = False,
) -> list[Told]:
    """Every change that the engine makes of a recording.

    Args:
        recording: in order of arrival.
        layers: what a site would declare over the defaults for a device.
        quiet_s: the recording is thinned to this while quiet.
        window_ms: arrivals that come in one batch.
        tick: let time pass after each batch, so that holds cut off by silence surface.
    """
    engine = Engine()
    table = [device_rules(device, recording, layers, quiet_s) for device in recording.devices]
    engine.configure(table)
    kinds = {(each.device, name): kind_of(rule) for each in table for name, rule in each.rules.items()}

    def say(change: Change, at: int) -> Told:
        return Told(change, at, kinds.get((change.device, change.rule), "level"))

    lut = np.array([engine.channel(device, point) for device, point in recording.channels], dtype=np.int32)
    told: list[Told] = []
    for part in recording.batches(window_ms):
        columns = engine.assess(Columns.of(lut[part.channel], part.ts, part.value, part.arrival))
        arrival = part.arrival
        told += [
            say(change, int(arrival[change.decided_by]) if change.decided_by >= 0 else change.at)
            for change in engine.step(columns)
        ]
        if tick:
            now = int(arrival[-1])
            told += [say(change, change.at) for change in engine.tick({REAL: now})]
    return told


def alarms(told: Iterable[Told], until: int, hazard: Hazard, only: Callable[[Told], bool] | None = None) -> list[Alarm]:
    """Put changes of one hazard together: what overlaps on a device is one alarm.

    Args:
        told: changes of any devices.
        until: end of the recording: what has not cleared stands so long.
        hazard: of which rules.
        only: which changes may raise or escalate; those that clear always count.
    """
    by_device: dict[str, list[Told]] = {}
    for each in told:
        if each.change.hazard is hazard:
            by_device.setdefault(each.change.device, []).append(each)
    found: list[Alarm] = []
    for device, changes in by_device.items():
        changes.sort(key=lambda each: each.at)
        found += _of_device(device, changes, until, only)
    return found


def _of_device(device: str, changes: list[Told], until: int, only: Callable[[Told], bool] | None) -> list[Alarm]:
    found: list[Alarm] = []
    on: set[str] = set()
    first: list[int | None] = [None] * 4
    raised, names = 0, set[str]()
    for each in changes:
        change = each.change
        if change.verb is Verb.CLEARED:
            on.discard(change.rule)
            if not on and raised:
                found.append(Alarm(device, tuple(first), each.at, raised, tuple(sorted(names))))
                first, raised, names = [None] * 4, 0, set()
            continue
        if change.level is None or change.verb is Verb.DEESCALATED or (only is not None and not only(each)):
            continue
        if change.rule not in on:
            raised += 1
        on.add(change.rule)
        names.add(change.rule)
        rank = change.level.rank - 1
        if first[rank] is None:
            first[rank] = each.at
    if raised:
        found.append(Alarm(device, tuple(first), until, raised, tuple(sorted(names))))
    return found
