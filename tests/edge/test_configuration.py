"""List and watch: resumed, validated as a whole, the last good one on disk; people's decisions carried out once."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest
from edge_process import until
from plain_smoke import PLAIN_SMOKE

from device_profiles.library import Library
from edge.configuration import Configuration
from edge.settings import CloudSection, EdgeSection, Settings
from edge.table import Compiler, TableError
from edge.uplink import client
from wire.configuration import Decision, DeviceConfig, DrillConfig, EdgeDocument
from wire.event import Type
from wire.time import Segment, Timeline, now_ms, to_datetime

LIBRARY = Library.load()


def device(name, **more) -> DeviceConfig:
    return DeviceConfig(id=name, site="s1", profile=more.pop("profile", "shouwang/smoke"), **more)


class Edge:
    """What the configuration is applied to."""

    def __init__(self) -> None:
        self.tables = []
        self.decisions = []

    async def apply(self, table):
        self.tables.append(table)

    async def decide(self, decision):
        self.decisions.append(decision)

    @property
    def devices(self):
        return set(self.tables[-1].devices)


@asynccontextmanager
async def watching(tmp_path, cloud):
    (tmp_path / "token").write_text("edge-token-of-the-test")
    section = CloudSection(url=cloud.url, token_file=tmp_path / "token", retry_first_s=0.05, retry_most_s=0.2)
    settings = Settings(edge=EdgeSection(id="gw-1", data_dir=tmp_path / "data"), cloud=section)
    edge = Edge()
    configuration = Configuration(settings, Compiler(LIBRARY), edge.apply, edge.decide)
    await configuration.start()
    async with client(section) as http:
        task = asyncio.create_task(configuration.run(http, section))
        try:
            yield configuration, edge
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def eventually(condition, timeout_s=15.0):
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  the condition lies in another thread
            await asyncio.sleep(0.01)


async def test_a_change_arrives_and_a_reconnected_watch_misses_none(tmp_path, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=10, devices=[device("a")])
    async with watching(tmp_path, cloud) as (configuration, edge):
        await eventually(lambda: configuration.watching)
        assert edge.devices == {"a"}
        cloud.change("device", "b", device("b"))
        await eventually(lambda: edge.devices == {"a", "b"})
        assert configuration.revision == 11
        cloud.mode = "away"
        await eventually(lambda: not configuration.watching)
        cloud.change("device", "c", device("c"))
        cloud.change("device", "a", None)
        cloud.mode = "ok"
        await eventually(lambda: edge.devices == {"b", "c"})
        assert cloud.lists == 1, "a resumed watch needs no new list"
        assert cloud.watches[-1] == 11


async def test_a_position_the_cloud_has_forgotten_gets_a_new_list(tmp_path, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=10, devices=[device("a")])
    async with watching(tmp_path, cloud) as (configuration, edge):
        await eventually(lambda: configuration.watching)
        cloud.mode = "away"
        await eventually(lambda: not configuration.watching)
        cloud.document = EdgeDocument(edge="gw-1", revision=90, devices=[device("z")])
        cloud.forget_before = 90
        cloud.mode = "ok"
        await eventually(lambda: edge.devices == {"z"})
        assert configuration.revision == 90


async def test_a_wrong_table_is_refused_as_a_whole_and_a_later_change_mends_it(tmp_path, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[device("a")])
    async with watching(tmp_path, cloud) as (configuration, edge):
        await eventually(lambda: configuration.watching)
        cloud.change("device", "b", device("b", profile="shouwang/smok"))
        cloud.change("device", "c", device("c"))
        await eventually(lambda: configuration.refused_revision == 3)
        assert edge.devices == {"a"}
        assert configuration.revision == 1
        assert "device 'b'" in configuration.refused_why
        assert "shouwang/smoke" in configuration.refused_why, "the near match is named"
        cloud.change("device", "b", device("b"))
        await eventually(lambda: edge.devices == {"a", "b", "c"})
        assert (configuration.revision, configuration.refused_revision) == (4, None)


async def test_the_last_good_one_on_disk_works_with_no_cloud(tmp_path, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=5, devices=[device("a"), device("b")])
    async with watching(tmp_path, cloud) as (configuration, _):
        await eventually(lambda: configuration.revision == 5)
        await eventually((tmp_path / "data" / "configuration.json").exists)
    cloud.mode = "away"
    async with watching(tmp_path, cloud) as (configuration, edge):
        assert edge.devices == {"a", "b"}
        assert configuration.revision == 5
    (tmp_path / "data" / "configuration.json").write_bytes(b"{")
    async with watching(tmp_path, cloud) as (configuration, edge):
        assert edge.devices == set()
        assert "can't be used" in configuration.last_error


async def test_decisions_come_with_the_list_and_by_the_watch(tmp_path, cloud):
    at = to_datetime(now_ms())

    def decision(name):
        return Decision(
            id=name, verb="acknowledge", alarm_id="a:smoke", episode=1, author="per_1", issued_at=at, expires_at=at
        )

    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[device("a")], decisions=[decision("dec_1")])
    async with watching(tmp_path, cloud) as (configuration, edge):
        await eventually(lambda: configuration.watching)
        cloud.change("decision", "dec_2", decision("dec_2"))
        await eventually(lambda: len(edge.decisions) == 2)
        assert [each.id for each in edge.decisions] == ["dec_1", "dec_2"]
        assert configuration.revision == 2
        assert len(edge.tables) == 2, "a decision is no new table"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"devices": [device("a"), device("a")]}, "stands twice"),
        ({"devices": [device("a.b")]}, "not an identifier"),
        ({"devices": [device("a", timeline="nowhere")]}, "there is no timeline 'nowhere'"),
        ({"devices": [device("a", profile="no/such")]}, "there is no profile 'no/such'"),
        ({"devices": [device("a", credential="plain")]}, "not a bcrypt hash"),
        ({"devices": [device("a", rules={"smoke": {"levels": {"V": {"enter": 1}}}})]}, "smoke.levels.V"),
        ({"devices": [device("a", rules={"mine": {"kind": "level", "point": "depth", "levels": {"I": {"enter": 1}}}})]},
         "no point 'depth'"),
        ({"timelines": [Timeline("real", (Segment(0, 5, 2.0),))]}, "real time can't be moved"),
    ],
)  # fmt: skip
def test_each_wrong_entry_is_named(document, says):
    with pytest.raises(TableError, match=says):
        Compiler(LIBRARY).compile(EdgeDocument(edge="gw-1", revision=1, **document))


def test_devices_of_one_profile_share_a_decoder_and_unchanged_ones_are_kept():
    compiler = Compiler(LIBRARY)
    first = compiler.compile(EdgeDocument(edge="e", revision=1, devices=[device("a"), device("b")]))
    assert first.devices["a"].decoder is first.devices["b"].decoder
    second = compiler.compile(EdgeDocument(edge="e", revision=2, devices=[device("a"), device("c")]))
    assert second.devices["a"] is first.devices["a"]


@pytest.mark.broker
def test_decisions_are_carried_out_once_never_late_and_reported(make_edge, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[device("smoke-1", rules={"smoke": PLAIN_SMOKE})])
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    bridge = edge.bridge()
    start = now_ms() - 60_000
    for step in range(6):
        bridge.publish("sensors/s1/smoke-1/telemetry", {"ts": start + step * 10_000, "seq": step, "obscuration": 0.6})
    until(lambda: any(alert.facts.level == "II" for alert in cloud.alerts), "the alert")
    episode = cloud.alerts[0].episode
    at = to_datetime(now_ms())

    def decision(name, verb, **more):
        fields = {
            "id": name, "verb": verb, "alarm_id": "smoke-1:smoke", "episode": episode, "author": "per_1",
            "issued_at": at, "expires_at": at + timedelta(minutes=5),
        }  # fmt: skip
        cloud.change("decision", name, Decision(**{**fields, **more}))

    def results():
        return {report.decision: report.result for report in cloud.of(Type.DECISION_REPORTED)}

    decision("dec_1", "acknowledge")
    decision("dec_2", "reset")  # the condition still holds
    decision("dec_3", "shelve", until=at + timedelta(hours=1), expires_at=at - timedelta(seconds=1))
    until(lambda: len(results()) == 3, "three results")
    assert results() == {"dec_1": "done", "dec_2": "refused", "dec_3": "expired"}
    reasons = {report.decision: report.reason for report in cloud.of(Type.DECISION_REPORTED)}
    assert "still holds" in reasons["dec_2"]
    newest = max(cloud.alerts, key=lambda alert: alert.revision)
    assert (newest.verb, newest.facts.acknowledged, newest.facts.shelved_until) == ("acknowledged", True, None)
    # After a kill the list brings them again; they are not carried out again.
    cloud.document = msgspec.structs.replace(
        cloud.document,
        revision=9,
        decisions=[
            Decision(
                id="dec_1", verb="acknowledge", alarm_id="smoke-1:smoke", episode=episode, author="per_1",
                issued_at=at, expires_at=at + timedelta(minutes=5),
            )
        ],
    )  # fmt: skip
    edge.kill()
    edge.start()
    until(lambda: edge.status()["configuration"]["revision"] == 9, "the list")
    decision("dec_4", "shelve", until=at + timedelta(hours=1), note="steam in the bath")
    until(lambda: len(results()) == 4, "the fourth result")
    verbs = [alert.verb.value for alert in sorted(cloud.alerts, key=lambda alert: alert.revision)]
    assert verbs.count("acknowledged") == 1
    assert verbs[-1] == "shelved"


@pytest.mark.broker
def test_a_registered_device_may_connect_within_seconds_and_a_removed_one_may_not(make_edge, cloud):
    from edge_process import hashed

    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[])
    edge = make_edge(cloud).start()
    assert edge.client("smoke-9", "secret").refused
    cloud.change("device", "smoke-9", device("smoke-9", credential=hashed("secret")))
    until(lambda: not edge.client("smoke-9", "secret").refused, "the credential", 5)
    sensor = edge.client("smoke-9", "secret")
    sensor.publish("sensors/s1/smoke-9/telemetry", {"ts": now_ms(), "obscuration": 0.01})
    until(cloud.readings, "its reading")
    assert edge.status()["broker"]["connected"], "a reload does not cost the agent its session"
    cloud.change("device", "smoke-9", None)
    until(lambda: edge.client("smoke-9", "secret").refused, "the credential's end", 5)


@pytest.mark.broker
def test_an_ended_drill_leaves_nothing_behind(make_edge, cloud):
    clock = Timeline("drl-1", (Segment(now_ms() - 60_000, now_ms() - 60_000, 1.0),))
    running = DrillConfig(id="drl-1", state="running", timeline=clock)
    cloud.document = EdgeDocument(
        edge="gw-1", revision=1, devices=[device("smoke-1", rules={"smoke": PLAIN_SMOKE})], drills=[running]
    )
    edge = make_edge(cloud).start()
    until(lambda: edge.status()["devices"] == 1, "the device table")
    drill = edge.drill()
    for step in range(6):
        at = now_ms() - 50_000 + step * 10_000
        drill.publish("exercise/drl-1/sensors/s1/smoke-1/telemetry", {"ts": at, "seq": step, "obscuration": 0.6})
    until(lambda: edge.status()["alarms"], "the exercise alarm")
    cloud.change("drill", "drl-1", msgspec.structs.replace(running, state="ended"))
    until(lambda: not edge.status()["alarms"], "the end")
    assert {alert.exercise for alert in cloud.alerts} == {"drl-1"}


async def test_a_burst_of_changes_is_applied_as_one(tmp_path, cloud):
    cloud.document = EdgeDocument(edge="gw-1", revision=1, devices=[])
    async with watching(tmp_path, cloud) as (configuration, edge):
        await eventually(lambda: configuration.watching)
        for number in range(300):
            cloud.change("device", f"d{number}", device(f"d{number}"))
        await eventually(lambda: len(edge.devices) == 300)
        assert configuration.revision == 301
        assert len(edge.tables) < 20
