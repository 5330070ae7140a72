"""kill -9 of the agent, the broker, the cloud and the agent again in 500 readings/s: no episode lost, none doubled.

The oracle is the very same load through the rules alone: no broker, no network, no process to kill.
"""

from collections import Counter

import numpy as np
import pytest
from episode_load import DEVICES, EVERY_S, RATE, RULES, SCENARIO_S, SITE, columns, device_ids, readings
from player import Player, clock
from stack import Stack, wait_for

from rules.declaration import resolve
from rules.engine import Columns, DeviceRules, Engine
from wire.alert import Hazard, Verb
from wire.time import now_ms, parse_instant

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(600)]
Episode = tuple[str, str, int]


def by_the_rules_alone() -> Counter[Episode]:
    """Episodes of the load with no broker, no network, no process: the pure engine over the same values."""
    rules = {"smoke": resolve(Hazard.SMOKE, {"obscuration"}, EVERY_S, RULES)["smoke"]}
    engine = Engine()
    engine.configure(
        DeviceRules(device=device, rules=rules, points=("obscuration",), cadence_s=EVERY_S) for device in device_ids()
    )
    base = 1_700_000_000_000
    values = columns()
    channel = np.array([engine.channel(device, "obscuration") for device in device_ids()], dtype=np.int32)
    found: Counter[Episode] = Counter()
    for second in range(SCENARIO_S):
        ts = np.full(DEVICES, base + second * 1000, dtype=np.int64)
        changes = engine.step(
            Columns(
                channel=channel,
                ts=ts,
                arrival=ts,
                value=values[:, second],
                flag=np.ones(DEVICES, dtype=np.uint8),
                counted=np.ones(DEVICES, dtype=bool),
            )
        )
        found.update(
            (change.device, change.rule, change.opened_at - base) for change in changes if change.verb is Verb.RAISED
        )
    return found


LATE_MS = 20_000
"""What an agent that died had not acknowledged may come back after newer readings: within four wall seconds here."""
KILLS = ((20, "edge"), (40, "broker"), (60, "cloud"), (80, "edge"))  # scenario second, victim


def run_load(stack: Stack) -> Counter[Episode]:
    """Register, publish, kill on the way, wait until all is in the cloud; its episodes."""
    zones = stack.zones(SITE)
    wall = now_ms() + 1000
    timeline = clock("kill-test", wall, wall // 1000 * 1000, 0.0)
    stack.set_timeline(timeline)
    stack.register_each(
        {
            "id": device,
            "name": f"试验烟感 {index}",
            "site_id": SITE,
            "zone_id": zones[index % len(zones)],
            "profile": "shouwang/smoke",
            "timeline": timeline.name,
            "rules": {**RULES, "silence": None},
        }
        for index, device in enumerate(device_ids())
    )
    timeline = clock("kill-test", now_ms() + 3000, wall // 1000 * 1000, RATE)
    stack.set_timeline(timeline)
    start_ms = timeline.segments[0].scenario_ms
    load = Player(stack.secret("bridge"), timeline, readings(start_ms), SITE)
    for second, victim in KILLS:
        load.wait_until(start_ms + second * 1000)
        stack.kill(victim)
        if victim == "edge":
            stack.start_edge()
        elif victim == "cloud":
            load.wait_until(start_ms + (second + 10) * 1000)  # two seconds without a cloud
            stack.start_cloud()
    sent = load.finish()
    assert sent == DEVICES * SCENARIO_S

    def episodes() -> Counter[Episode]:
        return Counter(
            (alarm["device"], alarm["rule"], parse_instant(alarm["opened_at"]) - start_ms)
            for alarm in stack.alarms()
            if alarm["rule"] == "smoke"
        )

    wait_for("the journal to drain", lambda: stack.edge_status()["journal"]["depth"] < 5, 120)
    wanted = by_the_rules_alone()
    wait_for("all episodes in the cloud", lambda: sum(episodes().values()) >= sum(wanted.values()), 60)
    return episodes()


def test_episodes_are_those_of_an_undisturbed_run(stack: Stack) -> None:
    wanted = by_the_rules_alone()
    assert sum(wanted.values()) > DEVICES  # most devices alarm, many twice
    got = run_load(stack)
    lost, added = sorted((wanted - got).elements()), sorted((got - wanted).elements())
    assert len(lost) == len(added), f"not told: {lost}; told beside: {added}"
    for one, other in zip(lost, added, strict=True):
        assert one[:2] == other[:2], f"not told: {lost}; told beside: {added}"
        assert abs(one[2] - other[2]) <= LATE_MS, f"{one} opened at {other[2]}"
