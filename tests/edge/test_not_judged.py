"""What is registered and yet not judged is said: on the machine, in the heartbeat, as a metric."""

import sqlite3

import pytest
from edge_process import until

from wire.configuration import DeviceConfig, EdgeDocument
from wire.event import Type

pytestmark = pytest.mark.broker


def notes(cloud) -> str:
    """Of the newest heartbeat."""
    return "\n".join(max(cloud.of(Type.EDGE_REPORTED), key=lambda report: report.reported_at).notes)


def metric(edge, name: str) -> float:
    lines = edge.get("/metrics")[1].decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_devices_that_lack_a_parameter_are_named_until_they_have_it(make_edge, cloud):
    cloud.document = EdgeDocument(
        edge="gw-1",
        revision=1,
        devices=[
            DeviceConfig(id="water-bare", site="s1", profile="milesight/em310-udl"),
            DeviceConfig(id="water-off", site="s1", profile="milesight/em310-udl", enabled=False),
            DeviceConfig(
                id="water-good", site="s1", profile="milesight/em310-udl", parameters={"mounting_height_m": 2.5}
            ),
            DeviceConfig(id="facade-bare", site="s1", profile="shouwang/facade"),
        ],
    )
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 4, "the device table")
    said = edge.status()["blind_rules"]
    assert {each.split(":")[0] for each in said} == {"water-bare"}, "a panel without a baseline is learnt"
    assert any("mounting_height_m" in each for each in said)
    until(lambda: "not judged: water-bare: parameter mounting_height_m" in notes(cloud), "the note")
    until(lambda: metric(edge, "shouwang_edge_blind_rules") == len(said), "the metric")
    assert edge.get("/health")[0] == 200, "the edge itself is well"
    cloud.change(
        "device",
        "water-bare",
        DeviceConfig(id="water-bare", site="s1", profile="milesight/em310-udl", parameters={"mounting_height_m": 3.0}),
    )
    until(lambda: "water-bare" not in notes(cloud), "the note's end")
    assert not any("water-bare" in each for each in edge.status()["blind_rules"])


def test_kept_state_that_cannot_be_read_is_named(make_edge, cloud):
    cloud.document = EdgeDocument(
        edge="gw-1", revision=1, devices=[DeviceConfig(id="smoke-1", site="s1", profile="shouwang/smoke")]
    )
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    assert metric(edge, "shouwang_edge_unreadable_states") == 0
    assert edge.stop() == 0
    with sqlite3.connect(edge.data / "journal.sqlite") as journal:
        journal.execute("INSERT OR REPLACE INTO engine_state VALUES ('/smoke-1/smoke', x'00ff')")
    journal.close()
    edge.start()
    until(lambda: edge.status().get("unreadable_states") == ["/smoke-1/smoke"], "the row")
    until(lambda: metric(edge, "shouwang_edge_unreadable_states") == 1, "the metric")
    until(lambda: "could not be read" in notes(cloud) and "/smoke-1/smoke" in notes(cloud), "the note")
