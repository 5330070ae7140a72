"""The short way of ordinary messages comes to the same as the long one, message by message."""

import itertools
import random

import numpy as np
import pytest

from device_profiles.library import Library
from edge import decode
from edge.accepted import Accepted, message_key, row_key
from edge.batch import MOST, Arrived, Batcher
from edge.judge import Judge
from edge.lane import Transaction
from edge.table import Compiler
from wire.configuration import DeviceConfig, EdgeDocument

NOW = 1_795_329_171_250
PAYLOADS = (
    '{{"ts":{ts},"seq":{seq},"boot":"a1","level":0.1}}',
    '{{"ts":{ts},"seq":{seq},"level":0.2,"battery":90}}',
    '{{"ts":{ts},"level":0.3}}',
    '{{"ts":{ts},"seq":{seq},"boot":"b2","level":NaN}}',
    '{{"seq":{seq},"level":0.4}}',
    '{{"level":0.5}}',
    '{{"ts":"yesterday","seq":{seq},"level":0.6}}',
    '{{"ts":{ts},"seq":{seq},"level":"high","battery":5}}',
    '{{"ts":{ts},"seq":123456789012345678901234567890,"boot":"a1","level":0.7}}',
    '{{"ts":{ts},"seq":{seq}',
    '{{"ts":{ts},"seq":{seq},"boot":"a1","obscuration":0.1,"alarm":{alarm}}}',
)


@pytest.fixture(scope="module")
def table():
    devices = [
        DeviceConfig(id=f"d{index}", site="s1", profile="shouwang/smoke" if index == 3 else "shouwang/water-level")
        for index in range(4)
    ]
    return Compiler(Library.load()).compile(EdgeDocument(edge="e", revision=1, devices=devices))


def stream(seed):
    """Messages of all sorts, some of them twice; mostly such as go the short way."""
    choice = random.Random(seed)
    found = []
    for number in range(400):
        if found and choice.random() < 0.1:
            found.append(choice.choice(found)._replace(dup=choice.random() < 0.5, arrival_ms=NOW + number))
            continue
        form = choice.choice(PAYLOADS if choice.random() < 0.3 else PAYLOADS[:2])
        payload = form.format(ts=NOW + number - choice.choice((0, 5)), seq=number // 2, alarm=number % 2)
        topic = f"sensors/{choice.choice(('s1', 's1', 's1', 's9'))}/d{choice.randrange(5)}/telemetry"
        found.append(Arrived(topic, payload.encode(), 1, choice.random() < 0.02, choice.random() < 0.05, NOW + number))
    return found


def read(table, messages, cuts):
    judge = Judge("e")
    judge.use(table, Transaction())
    said = []
    for start, stop in itertools.pairwise(cuts):
        decoded = judge.reader.read(messages[start:stop])
        if decoded is not None:
            columns = [column for column in decoded.columns if column is not None]
            said.append((
                [column.tolist() for column in columns], decoded.wall.tolist(), decoded.history.tolist(),
                {row.device.id: wall for row, wall in decoded.heard.items()},
                sorted(row.device.id for row in decoded.wordless), sorted(row.device.id for row in decoded.gone),
                [(message, row.device.id) for message, row in decoded.origins],
            ))  # fmt: skip
        said.append(sorted(np.frombuffer(judge.accepted.take(), dtype="u8").tolist()))
    refused = sorted((each.topic, each.reason, each.point or "", each.count) for each in judge.rejections.recent)
    return said, refused, judge.rejections.total


@pytest.mark.parametrize("seed", range(6))
def test_both_ways_read_the_same(table, seed, monkeypatch):
    messages = stream(seed)
    cuts = [0, *sorted(random.Random(seed).sample(range(1, 400), 5)), 400]
    short = read(table, messages, cuts)
    went = []
    monkeypatch.setattr(decode, "is_plain", lambda *_: went.append(1) and False)
    assert read(table, messages, cuts) == short
    assert len(went) > 200
    assert short[2] > 20, "some of them are refused"


def test_keys_of_many_are_the_keys_of_each(table, monkeypatch):
    judge = Judge("e")
    judge.use(table, Transaction())
    seen = []
    original = decode.take
    monkeypatch.setattr(decode, "take", lambda stretch, *rest: seen.extend(stretch) or original(stretch, *rest))
    judge.reader.read(stream(1))
    keys = np.frombuffer(judge.accepted.take(), dtype="u8").tolist()
    each = [message_key(row.key, said.boot, said.seq, said.ts, sent.payload) for sent, row, said in seen]
    assert len(seen) > 150
    assert set(each) <= set(keys)
    assert row_key("d1", None) != row_key("d2", None)


def test_many_keys_are_remembered_as_one_by_one():
    choice = random.Random(2)
    one, many = Accepted(kept=50), Accepted(kept=50)
    for _ in range(300):
        keys = [choice.randrange(400) for _ in range(choice.randrange(1, 20))]
        if choice.random() < 0.5:
            keys = choice.sample(range(10_000, 20_000), len(keys))
        added = many.add_all(keys)
        assert [not one.add(key) for key in keys] == (added or [False] * len(keys))
        assert one.take() == many.take()


async def test_many_messages_go_into_the_batches_that_they_would_go_into_one_by_one():
    batcher = Batcher(None, None, lambda _: None, bound=3 * MOST)  # type: ignore[arg-type]
    messages = [Arrived("t", b"%d" % number, 1, False, False, NOW) for number in range(2 * MOST + 5)]
    first = batcher.put_many(messages[:3])
    rest = batcher.put_many(messages[3:])
    assert [count for _, count in first + rest] == [3, MOST - 3, MOST, 5]
    assert first[0][0] is rest[0][0], "one commit, one future"
    assert len({future for future, _ in rest}) == 3
    free = [message._replace(qos=0) for message in messages[: MOST + 5]]
    taken = batcher.put_many(free)
    assert sum(count for _, count in taken) == MOST + 5
    assert [future for future, _ in taken].count(None) == 10, "QoS 0 beyond the bound is dropped, one by one"
