"""Up to the cloud: a verdict an item, alarms first, replay said, refusal told from absence."""

import asyncio
import time
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest
from edge_cloud import TOKEN

from edge.journal import Journal
from edge.lane import Lane, Outgoing, Transaction
from edge.settings import CloudSection
from edge.uplink import ALARM_EVENTS, REFUSED_PAUSE_S, REPLAY_AFTER_MS, AwayError, Cloud, Uplink, check, client
from wire.alert import AlarmFacts, Alert, Hazard, Verb
from wire.event import Type
from wire.level import Level
from wire.reading import Series, TelemetryBlock
from wire.report import DeviceReport
from wire.time import now_ms, to_datetime

MIB = 1_048_576


def alert(number: int, born_ms: int | None = None, exercise: str | None = None) -> Outgoing:
    at = to_datetime(now_ms())
    data = Alert(
        alarm_id=f"d{number}:smoke", episode=1, revision=1, verb=Verb.RAISED, edge="gw-1", site="s",
        device=f"d{number}", rule="smoke", hazard=Hazard.SMOKE,
        facts=AlarmFacts(active=True, level=Level.II, highest=Level.II),
        opened_at=at, changed_at=at, recorded_at=at, exercise=exercise,
    )  # fmt: skip
    return Outgoing(
        id=f"alert{number}", lane=Lane.ALARM, type=Type.ALARM_CHANGED, data=msgspec.json.encode(data),
        born_ms=born_ms or now_ms(), exercise=exercise,
    )  # fmt: skip


def block(number: int, readings: int = 10, born_ms: int | None = None) -> Outgoing:
    data = TelemetryBlock(
        [Series("d", "p", "m")], [0] * readings, list(range(readings)), [1.0] * readings, [1] * readings
    )
    return Outgoing(
        id=f"block{number}", lane=Lane.TELEMETRY, type=Type.TELEMETRY_RECORDED, data=msgspec.json.encode(data),
        born_ms=born_ms or now_ms(),
    )  # fmt: skip


def report(number: int) -> Outgoing:
    data = DeviceReport(device=f"d{number}", site="s", status="online", last_seen=None)
    return Outgoing(
        id=f"report{number}",
        lane=Lane.STATE,
        type=Type.DEVICE_REPORTED,
        data=msgspec.json.encode(data),
        born_ms=now_ms(),
    )


@asynccontextmanager
async def running(tmp_path, cloud, *events: Outgoing):
    (tmp_path / "token").write_text(TOKEN + "\n")
    section = CloudSection(
        url=cloud.url, token_file=tmp_path / "token", retry_first_s=0.05, retry_most_s=0.3, timeout_s=3
    )
    journal = Journal(tmp_path / "j", telemetry_bytes=50 * MIB, state_events=1000)
    await journal.open()
    await journal.commit(Transaction(events=list(events)))
    async with client(section) as http:
        uplink = Uplink(section, "gw-1", journal, http)
        tasks = [asyncio.create_task(uplink.run_alarms()), asyncio.create_task(uplink.run_others())]
        try:
            yield uplink, journal
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    await journal.close()


async def until(condition, timeout_s=15.0):
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def empty(journal):
    """The journal lets go once the answer has been read, a moment after the cloud has the events."""
    async with asyncio.timeout(15):
        while (await journal.depth()).total:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_everything_arrives_once_and_the_journal_lets_go(tmp_path, cloud):
    async with running(tmp_path, cloud, alert(1), report(1), *(block(n) for n in range(300))) as (uplink, journal):
        await until(lambda: len(cloud.received) == 302)
        await empty(journal)
        assert not cloud.repeats
        assert uplink.cloud is Cloud.REACHABLE
        assert {each.event.source for each in cloud.received.values()} == {"/edges/gw-1"}
        assert not any(each.event.replayed for each in cloud.received.values())


async def test_away_then_back(tmp_path, cloud):
    cloud.mode = "away"
    async with running(tmp_path, cloud, alert(1), block(1)) as (uplink, journal):
        await until(lambda: uplink.cloud is Cloud.AWAY)
        assert "503" in uplink.last_error
        assert (await journal.depth()).total == 2
        cloud.mode = "ok"
        await until(lambda: len(cloud.received) == 2)
        await until(lambda: uplink.cloud is Cloud.REACHABLE)  # said when the answer has been read


async def test_no_server_at_all_is_away(tmp_path, cloud):
    cloud.stop()
    async with running(tmp_path, cloud, alert(1)) as (uplink, _):
        await until(lambda: uplink.cloud is Cloud.AWAY)
        cloud.start()
        await until(lambda: len(cloud.received) == 1)


async def test_a_refusal_is_told_from_an_absence_and_loses_nothing(tmp_path, cloud):
    cloud.mode = "refuse"
    async with running(tmp_path, cloud, alert(1), block(1)) as (uplink, journal):
        await until(lambda: uplink.cloud is Cloud.REFUSING)
        assert "this token is not known" in uplink.last_error
        assert (await journal.depth()).total == 2
        cloud.mode = "ok"
        await until(lambda: len(cloud.received) == 2, 30)


@pytest.mark.parametrize(("mode", "most_s"), [("away", 0.3), ("refuse", REFUSED_PAUSE_S)])
async def test_pauses_between_tries_are_jittered_grow_and_are_bounded(tmp_path, cloud, monkeypatch, mode, most_s):
    cloud.mode = mode
    pauses: list[float] = []

    async def hurry(_self, pause_s, _wake, *, cut):
        pauses.append(pause_s)
        await asyncio.sleep(0)

    monkeypatch.setattr(Uplink, "_pause", hurry)
    async with running(tmp_path, cloud, alert(1)) as (uplink, _):
        await until(lambda: len(pauses) >= 40)
        assert uplink.sent == 0
    late = pauses[12:]
    assert pauses[0] <= 0.1, "the first try comes soon"
    assert all(most_s / 2 <= pause <= most_s for pause in late), "never more than the bound, however long it is away"
    assert len(set(late)) == len(late), "a thousand gateways that were cut off at one moment do not come back at one"
    assert max(late) - min(late) > 0.2 * most_s


@pytest.mark.parametrize(("said", "pause_s"), [("7", 7.0), ("100000", 300.0), ("soon", None)])
def test_a_cloud_that_names_a_time_is_given_it_up_to_a_bound(said, pause_s):
    with pytest.raises(AwayError) as away:
        check(httpx.Response(503, headers={"Retry-After": said}))
    assert away.value.pause_s == pause_s


async def test_one_item_the_cloud_cannot_take_is_set_aside_and_the_rest_goes_on(tmp_path, cloud):
    cloud.poison = Type.DEVICE_REPORTED
    async with running(tmp_path, cloud, *(block(n) for n in range(20)), report(1)) as (_, journal):
        await until(lambda: len(cloud.received) == 20, 20)
        [(name, kind, reason)] = await journal.set_aside()
        assert (name, kind) == ("report1", Type.DEVICE_REPORTED)
        assert "no such thing" in reason
        await empty(journal)


async def test_a_rejected_item_is_set_aside_with_its_reason(tmp_path, cloud):
    cloud.reject = Type.DEVICE_REPORTED
    async with running(tmp_path, cloud, block(1), report(1)) as (_, journal):
        await until(lambda: len(cloud.received) == 1)
        async with asyncio.timeout(5):
            while not (found := await journal.set_aside()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert found == [("report1", Type.DEVICE_REPORTED, "not wanted")]


async def test_an_answer_lost_on_the_way_is_sent_again_and_doubles_nothing(tmp_path, cloud):
    cloud.delay_s = 0.5
    section_timeout = 0.2
    (tmp_path / "token").write_text(TOKEN)
    section = CloudSection(
        url=cloud.url, token_file=tmp_path / "token", retry_first_s=0.05, retry_most_s=0.2, timeout_s=section_timeout
    )
    journal = Journal(tmp_path / "j", telemetry_bytes=MIB, state_events=100)
    await journal.open()
    await journal.commit(Transaction(events=[alert(1)]))
    async with client(section) as http:
        uplink = Uplink(section, "gw-1", journal, http)
        task = asyncio.create_task(uplink.run_alarms())
        await until(lambda: uplink.cloud is Cloud.AWAY)
        await until(lambda: "alert1" in cloud.received)  # committed there, though we do not know
        cloud.delay_s = 0
        await until(lambda: uplink.cloud is Cloud.REACHABLE)
        task.cancel()
    assert list(cloud.received) == ["alert1"]
    assert cloud.repeats["alert1"] >= 1
    assert (await journal.depth()).total == 0
    await journal.close()


async def test_what_is_old_at_its_sending_says_that_it_is_replayed(tmp_path, cloud):
    old = now_ms() - 61_000
    async with running(tmp_path, cloud, alert(1, old), alert(2), block(1, born_ms=old)):
        await until(lambda: len(cloud.received) == 3)
    said = {name: each.event.replayed for name, each in cloud.received.items()}
    assert said == {"alert1": True, "alert2": False, "block1": True}
    assert cloud.received["alert1"].data.replayed
    assert not cloud.received["alert2"].data.replayed


async def test_the_mark_of_an_exercise_is_on_the_envelope(tmp_path, cloud):
    async with running(tmp_path, cloud, alert(1, exercise="drl-1")):
        await until(lambda: cloud.received)
    assert cloud.received["alert1"].event.exercise == "drl-1"


async def test_a_fresh_alarm_does_not_wait_behind_a_backlog(tmp_path, cloud):
    cloud.delay_s = 0.1
    async with running(tmp_path, cloud, *(block(n, 300) for n in range(3000))) as (uplink, journal):
        await until(lambda: len(cloud.received) > 100)
        began = time.monotonic()
        await journal.commit(Transaction(events=[alert(1)], full=True))
        uplink.wake(alarms=True, others=False)
        await until(lambda: "alert1" in cloud.received)
        assert time.monotonic() - began < 1.0
        assert len(cloud.received) < 3000


async def test_a_fresh_alarm_does_not_become_history_behind_alarms_that_are(tmp_path, cloud):
    cloud.delay_s = 0.05
    long_ago = now_ms() - 2 * REPLAY_AFTER_MS
    async with running(tmp_path, cloud, *(alert(n, long_ago) for n in range(2, 1002))) as (uplink, journal):
        await until(lambda: len(cloud.received) >= ALARM_EVENTS)
        await journal.commit(Transaction(events=[alert(1)], full=True))
        uplink.wake(alarms=True, others=False)
        await until(lambda: "alert1" in cloud.received)
        assert len(cloud.received) < 500, "and not after the thousand"
        cloud.delay_s = 0.0
        await until(lambda: len(cloud.received) == 1001)
        await empty(journal)
        replayed = {name for name, each in cloud.received.items() if each.event.replayed}
        assert replayed == set(cloud.received) - {"alert1"}


async def test_a_cloud_too_slow_for_a_whole_batch_gets_smaller_ones(tmp_path, cloud):
    cloud.delay_each_s = 0.2  # all forty would take eight of the three seconds that it has, each time
    async with running(tmp_path, cloud, *(alert(n) for n in range(40))) as (uplink, journal):
        await until(lambda: uplink.sent >= 10, 30)
        cloud.delay_each_s = 0.0
        await empty(journal)
        assert len(cloud.received) == 40


async def test_a_fresh_alarm_cuts_a_long_pause_short(tmp_path, cloud):
    cloud.mode = "away"
    async with running(tmp_path, cloud) as (uplink, journal):
        uplink._settings = msgspec.structs.replace(uplink._settings, retry_first_s=0.05, retry_most_s=60.0)
        await journal.commit(Transaction(events=[alert(1)]))
        uplink.wake(alarms=True, others=False)
        await until(lambda: cloud.requests >= 7)  # the pauses have grown to seconds
        cloud.mode = "ok"
        await journal.commit(Transaction(events=[alert(2)]))
        began = time.monotonic()
        uplink.wake(alarms=True, others=False)
        await until(lambda: len(cloud.received) == 2)
        assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("answer", [b"<html>", b'{"verdicts": []}'])
async def test_an_answer_without_verdicts_lets_go_of_nothing(tmp_path, answer):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(answer), answer))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)

    class Elsewhere:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async with running(tmp_path, Elsewhere, alert(1)) as (uplink, journal):
        await until(lambda: uplink.cloud is Cloud.AWAY)
        assert (await journal.depth()).total == 1
    server.close()
