"""The journal: bounds with their stated behaviour, what survives, what is set aside."""

import asyncio
import sqlite3

import pytest

from edge.batch import Arrived, Batcher
from edge.journal import Journal
from edge.journal_file import VERSION, JournalError
from edge.lane import Lane, Outgoing, Transaction
from wire.event import Type

MIB = 1_048_576


def event(name, lane=Lane.TELEMETRY, size=1000, **more) -> Outgoing:
    kind = {Lane.ALARM: Type.ALARM_CHANGED, Lane.STATE: Type.DEVICE_REPORTED}.get(lane, Type.TELEMETRY_RECORDED)
    return Outgoing(id=name, lane=lane, type=kind, data=b"x" * size, born_ms=more.pop("born_ms", 1), **more)


@pytest.fixture
async def journal(tmp_path):
    opened = Journal(tmp_path / "journal.sqlite", telemetry_bytes=MIB, state_events=100, kept_keys=100)
    await opened.open()
    yield opened
    await opened.close()


async def reopened(path, **more):
    other = Journal(path, telemetry_bytes=MIB, state_events=100, **more)
    return other, await other.open()


async def test_what_is_committed_is_found_at_the_next_start(tmp_path):
    path = tmp_path / "journal.sqlite"
    journal, _ = await reopened(path)
    keys = (7).to_bytes(8, "little") + (8).to_bytes(8, "little")
    await journal.commit(
        Transaction(
            states={"/d/smoke": b"s", "/d/": b"t"},
            alarms={"d:smoke": b"r"},
            keys=keys,
            events=[event("a", Lane.ALARM)],
            decisions=[("dec_1", "done", 1 << 60)],
            full=True,
        )
    )
    await journal.commit(Transaction(states={"/d/": b""}, alarms={"gone": None}))
    await journal.close()
    journal, stored = await reopened(path)
    assert stored.states == {"/d/smoke": b"s"}
    assert stored.alarms == {"d:smoke": b"r"}
    assert stored.keys == [keys]
    assert stored.decisions == {"dec_1"}
    assert [waiting.id for waiting in await journal.waiting((Lane.ALARM,), 10, MIB)] == ["a"]
    assert (await journal.depth()).events[Lane.ALARM] == 1
    assert path.stat().st_mode & 0o777 == 0o600
    await journal.close()


async def test_the_oldest_readings_go_when_the_lane_is_full_and_the_loss_is_recorded(journal):
    for number in range(30):
        await journal.commit(Transaction(events=[event(f"t{number}", size=50_000, items=7, born_ms=number + 1)]))
    depth = await journal.depth()
    assert depth.bytes[Lane.TELEMETRY] <= MIB
    left = [waiting.id for waiting in await journal.waiting((Lane.TELEMETRY,), 100, 10 * MIB)]
    assert left[-1] == "t29"
    assert "t0" not in left
    losses = await journal.losses(0)
    lost = sum(loss.events for loss in losses)
    assert lost == 30 - len(left)
    assert sum(loss.items for loss in losses) == 7 * lost
    assert min(loss.first_ms for loss in losses) == 1
    assert max(loss.last_ms for loss in losses) == lost


async def test_alarms_are_never_dropped(journal):
    for start in range(0, 5000, 500):
        await journal.commit(Transaction(events=[event(f"a{start + n}", Lane.ALARM) for n in range(500)], full=True))
        await journal.commit(Transaction(events=[event(f"s{start + n}", Lane.STATE) for n in range(500)]))
        await journal.commit(Transaction(events=[event(f"t{start}", size=300_000)]))
    depth = await journal.depth()
    assert depth.events[Lane.ALARM] == 5000
    assert depth.events[Lane.STATE] <= 100
    assert {loss.lane for loss in await journal.losses(0)} == {Lane.STATE, Lane.TELEMETRY}


async def test_an_edge_without_a_cloud_keeps_the_newest_alarms_as_a_log(tmp_path):
    journal, _ = await reopened(tmp_path / "j", keep_alarms=100)
    for number in range(300):
        await journal.commit(Transaction(events=[event(f"a{number}", Lane.ALARM)]))
    assert 100 <= (await journal.depth()).events[Lane.ALARM] <= 105
    assert (await journal.alarm_log(1))[0].id == "a299"
    assert await journal.losses(0) == []
    await journal.close()


async def test_a_newer_report_takes_the_place_of_an_unsent_older_one(journal):
    for number in range(5):
        await journal.commit(Transaction(events=[event(f"r{number}", Lane.STATE, replaces="device/d")]))
    await journal.commit(
        Transaction(events=[event("r5", Lane.STATE, replaces="device/d"), event("r6", Lane.STATE, replaces="device/d")])
    )
    assert [waiting.id for waiting in await journal.waiting((Lane.STATE,), 10, MIB)] == ["r6"]
    assert (await journal.depth()).events[Lane.STATE] == 1


async def test_alarms_come_before_everything_else(journal):
    await journal.commit(Transaction(events=[event("t"), event("s", Lane.STATE), event("a", Lane.ALARM)]))
    waiting = await journal.waiting((Lane.ALARM, Lane.STATE, Lane.TELEMETRY), 10, MIB)
    assert [each.id for each in waiting] == ["a", "s", "t"]
    assert len(await journal.waiting((Lane.ALARM, Lane.STATE, Lane.TELEMETRY), 10, 10)) == 1, "at least one"


async def test_keys_are_kept_up_to_their_bound(tmp_path):
    path = tmp_path / "j"
    journal, _ = await reopened(path, kept_keys=100)
    for number in range(300):
        await journal.commit(Transaction(keys=number.to_bytes(8, "little") * 3))
    await journal.close()
    journal, stored = await reopened(path, kept_keys=100)
    assert 100 <= sum(len(row) // 8 for row in stored.keys) <= 103
    assert stored.keys[-1] == (299).to_bytes(8, "little") * 3
    await journal.close()


async def test_settling_lets_go_and_sets_aside(journal):
    await journal.commit(Transaction(events=[event(name, Lane.ALARM) for name in "abc"]))
    await journal.settle(["a"], [("b", "no such device")])
    assert [waiting.id for waiting in await journal.waiting((Lane.ALARM,), 10, MIB)] == ["c"]
    assert [(name, reason) for name, _, reason in await journal.set_aside()] == [("b", "no such device")]
    await journal.settle(["never was"], [])
    assert (await journal.depth()).total == 1


async def test_an_event_made_again_after_a_kill_is_the_same_event(journal):
    await journal.commit(Transaction(events=[event("gw/a/1/1", Lane.ALARM)]))
    await journal.commit(Transaction(events=[event("gw/a/1/1", Lane.ALARM)]))
    assert (await journal.depth()).events[Lane.ALARM] == 1


async def test_a_damaged_journal_is_set_aside_and_work_goes_on(tmp_path):
    path = tmp_path / "journal.sqlite"
    journal, _ = await reopened(path)
    await journal.commit(Transaction(events=[event(f"t{n}") for n in range(500)]))
    await journal.close()
    content = bytearray(path.read_bytes())
    content[8192:60_000] = b"\xaa" * (60_000 - 8192)
    path.write_bytes(content)
    journal, stored = await reopened(path)
    assert stored.alarms == {}
    assert journal.set_aside_as is not None
    assert journal.set_aside_as.exists()
    await journal.commit(Transaction(events=[event("new")]))
    await journal.close()


async def test_no_journal_at_all_behind_the_name(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"this is a shopping list, not a database" * 100)
    journal, _ = await reopened(path)
    assert journal.set_aside_as is not None
    await journal.close()


async def test_a_journal_of_a_later_version_is_refused_and_untouched(tmp_path):
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={VERSION + 1}")
    db.close()
    with pytest.raises(JournalError, match="later version"):
        await reopened(path)


async def test_a_failed_commit_changes_nothing_and_counts_nothing(journal):
    await journal.commit(Transaction(events=[event("a", Lane.ALARM)]))
    await journal._call(lambda: journal._file._db.execute("PRAGMA max_page_count=30"))
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await journal.commit(
            Transaction(events=[event(f"b{n}", Lane.ALARM, size=5000) for n in range(50)], keys=b"x" * 8)
        )
    depth = await journal.depth()
    assert depth.events[Lane.ALARM] == 1
    await journal._call(lambda: journal._file._db.execute("PRAGMA max_page_count=100000"))
    await journal.commit(Transaction(events=[event("c", Lane.ALARM)]))
    assert (await journal.depth()).events[Lane.ALARM] == 2


class Echo:
    """Judges by putting an event for each message."""

    def judge(self, messages, into):
        into.events += [event(message.payload.decode(), Lane.ALARM, size=3000) for message in messages]

    def set_aside(self, message, problem, into):
        raise AssertionError(problem)


def arrived(name, qos=1):
    return Arrived("t", name.encode(), qos, False, False, 1)


async def test_a_full_disk_holds_acknowledgements_back_until_there_is_room(journal):
    batcher = Batcher(Echo(), journal, lambda _: None)
    task = asyncio.create_task(batcher.run())
    await journal._call(lambda: journal._file._db.execute("PRAGMA max_page_count=30"))
    waits = [batcher.put(arrived(f"m{number}")) for number in range(100)]
    await asyncio.sleep(0.3)
    assert not any(wait.done() for wait in waits)
    assert "full" in batcher.last_error
    await journal._call(lambda: journal._file._db.execute("PRAGMA max_page_count=100000"))
    async with asyncio.timeout(10):
        await asyncio.gather(*waits)
    assert batcher.last_error == ""
    assert (await journal.depth()).events[Lane.ALARM] == 100
    task.cancel()


async def test_batches_close_at_a_thousand_and_everything_is_taken_in_order(journal):
    sizes = []

    class Counting(Echo):
        def judge(self, messages, into):
            sizes.append(len(messages))
            super().judge(messages, into)

    batcher = Batcher(Counting(), journal, lambda _: None)
    waits = [batcher.put(arrived(f"m{number:05}")) for number in range(2500)]
    task = asyncio.create_task(batcher.run())
    async with asyncio.timeout(20):
        await asyncio.gather(*waits)
    task.cancel()
    assert sizes == [1000, 1000, 500]
    waiting = await journal.waiting((Lane.ALARM,), 3000, 100 * MIB)
    assert [each.id for each in waiting] == [f"m{number:05}" for number in range(2500)]


async def test_beyond_the_bound_qos_0_is_dropped_and_counted_and_qos_1_is_not(journal):
    from prometheus_client import REGISTRY

    def dropped():
        return REGISTRY.get_sample_value("shouwang_edge_dropped_total", {"reason": "queue_full"}) or 0

    before = dropped()
    batcher = Batcher(Echo(), journal, lambda _: None, bound=10)
    assert all(batcher.put(arrived(f"a{number}", qos=0)) is not None for number in range(10))
    assert batcher.put(arrived("b", qos=0)) is None
    assert batcher.put(arrived("c", qos=1)) is not None
    assert dropped() == before + 1


async def test_a_job_that_fails_is_told_and_the_flow_goes_on(journal):
    batcher = Batcher(Echo(), journal, lambda _: None)

    def broken(_):
        raise ValueError("nonsense")

    failed, good = batcher.between(broken), batcher.put(arrived("m"))
    task = asyncio.create_task(batcher.run())
    with pytest.raises(ValueError, match="nonsense"):
        await failed
    async with asyncio.timeout(5):
        await good
    task.cancel()
