"""Layers of rules at the edge: they lie over the devices of their place, and a wrong one refuses the document."""

import msgspec
import pytest
from edge_process import until

import edge.table
from device_profiles.library import Library
from edge.table import Compiler, TableError, changed
from wire.configuration import DeviceConfig, EdgeDocument, RuleLayer
from wire.level import Level
from wire.time import now_ms

LIBRARY = Library.load()


def smoke(name, zone="z1", site="s1", **more):
    return DeviceConfig(id=name, site=site, building="b1", zone=zone, profile="shouwang/smoke", **more)


def layer(scope, place, enter=None, site="s1", revision=1, **more):
    rules = {}
    if enter is not None:
        rules = {"heat": {"levels": {"II": {"enter": enter, "exit": enter - 10}}}}
    return RuleLayer(scope=scope, id=place, site=site, rules=rules, revision=revision, **more)


def document(*layers, devices=None):
    devices = devices or [smoke("a"), smoke("b", "z2"), smoke("c", site="s2")]
    return EdgeDocument(edge="gw-1", revision=1, devices=devices, layers=list(layers))


def entered(table):
    return {name: device.rules["heat"].levels[Level.II].enter for name, device in table.devices.items()}


def test_the_narrowest_layer_of_a_place_holds():
    table = Compiler(LIBRARY).compile(
        document(layer("zone", "z2", 50), layer("site", "s1", 58), layer("building", "b1", 57))
    )
    assert entered(table) == {"a": 57, "b": 50, "c": 57}
    table = Compiler(LIBRARY).compile(document(layer("site", "s1", 58)))
    assert entered(table) == {"a": 58, "b": 58, "c": 54}


def test_a_changed_layer_compiles_only_the_devices_under_it(monkeypatch):
    compiler = Compiler(LIBRARY)
    first = document(layer("zone", "z1", 57), layer("zone", "z2", 58))
    before = compiler.compile(first)
    compiled = []
    monkeypatch.setattr(edge.table, "Device", lambda config, *rest: compiled.append(config.id))
    value = msgspec.json.encode(layer("zone", "z2", 59, revision=2))
    second = changed(first, revision=2, kind="layer", key="zone:z2", value=value)
    after = compiler.compile(second)
    assert compiled == ["b"]
    assert after.devices["a"] is before.devices["a"]


def test_a_layer_that_is_gone_leaves_the_models_own_rules():
    compiler = Compiler(LIBRARY)
    first = document(layer("site", "s1", 58))
    compiler.compile(first)
    table = compiler.compile(changed(first, revision=2, kind="layer", key="site:s1", value=None))
    assert set(entered(table).values()) == {54}


def test_a_layer_that_is_wrong_for_a_device_names_layer_device_and_key():
    with pytest.raises(TableError) as caught:
        Compiler(LIBRARY).compile(document(layer("zone", "z2", 70), layer("site", "s1", 58)))
    assert caught.value.problems == [
        "device 'b': zone 'z2': heat.levels.I.enter: is reached before that of II",
    ]
    tests = layer("site", "s1", quality={"obscuration": {"spike": {"least": "much"}}})
    with pytest.raises(TableError, match=r"device 'a': site 's1': quality\.obscuration\.spike\.least"):
        Compiler(LIBRARY).compile(document(tests))


def test_a_layer_that_stands_twice_is_refused():
    with pytest.raises(TableError, match="layer site 's1': stands twice"):
        Compiler(LIBRARY).compile(document(layer("site", "s1", 58), layer("site", "s1", 57)))


@pytest.mark.broker
def test_a_layer_reaches_a_running_edge_and_a_wrong_one_leaves_what_runs(make_edge, cloud):
    cloud.document = document(devices=[smoke("smoke-1")])
    running = make_edge(cloud).start()
    until(lambda: running.status()["devices"] == 1, "the device table")
    revision = cloud.change("layer", "zone:z1", layer("zone", "z1", 40))
    until(lambda: running.status()["configuration"]["revision"] == revision, "the layer")
    publisher = running.bridge()
    start = now_ms() - 60_000
    for step in range(6):
        said = {"ts": start + step * 10_000, "seq": step, "temperature": 49 + step % 2}
        publisher.publish("sensors/s1/smoke-1/telemetry", said)
    until(lambda: [one["level"] for one in running.status()["alarms"]] == ["II"], "an alarm by the layer's threshold")
    wrong = cloud.change("layer", "zone:z1", layer("zone", "z1", 70))
    until(lambda: running.status()["configuration"]["refused_revision"] == wrong, "the refusal")
    assert "zone 'z1': heat.levels.I.enter" in running.status()["configuration"]["refused_why"]
    assert running.status()["configuration"]["revision"] == revision
