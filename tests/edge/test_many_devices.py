"""Thousands of devices at a start: taken all at once, and no other for it than one by one."""

import base64
import json
import zlib
from pathlib import Path

import msgspec
import pytest

from device_profiles.error import ProfileError
from device_profiles.library import Library, Unread
from edge.batch import Arrived
from edge.judge import Judge
from edge.lane import Stored, Transaction
from edge.share import read
from edge.table import Compiler, Table
from rules.channels import Channels
from wire.configuration import DeviceConfig, EdgeDocument
from wire.time import now_ms

MODELS = {"water": "shouwang/water-level", "smoke": "shouwang/smoke", "facade": "shouwang/facade"}
KEPT = Path(__file__).parent / "kept" / "rows-before-bulk.json"


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    return Compiler(Library.load(lazily=True))


def table(compiler: Compiler, kinds: dict[str, str]) -> Table:
    """A table of devices by id and model."""
    devices = [
        DeviceConfig(
            id=name, site="s1", zone=f"z{number % 3}", profile=MODELS[kind],
            parameters={"baseline_frequency_hz": 2.0} if kind == "facade" else {},
        )
        for number, (name, kind) in enumerate(kinds.items())
    ]  # fmt: skip
    return compiler.compile(EdgeDocument(edge="e", revision=1, devices=devices))


def said(name: str, kind: str, ts: int, step: int) -> Arrived:
    """A reading; the third of each model begins to worry."""
    high = (0 if step < 20 else 1 if step < 60 else 4) if name.endswith("3") else 0
    values = {
        "water": f'"level":{0.02 + 0.2 * high}',
        "smoke": f'"obscuration":{0.02 + 0.4 * high},"temperature":{21 + high},"co":1,"humidity":40,"alarm":0',
        "facade": f'"frequency":{2.0 - 0.1 * high},"tilt":0.01,"gap":1.0,"rms":0.01,"wind":3,"surface_temperature":15',
    }[kind]
    payload = f'{{"ts":{ts},"seq":{ts},"boot":"b",{values}}}'
    return Arrived(f"sensors/s1/{name}/telemetry", payload.encode(), 1, False, False, ts)


KINDS = {f"{kind}{number}": kind for kind in MODELS for number in range(6)}


def lived(judge: Judge, begin: int, steps: range) -> dict[str, bytes]:
    """What the engine wanted kept while every device said as many readings as its number, and two more."""
    states: dict[str, bytes] = {}
    for step in steps:
        batch = [
            said(name, kind, begin + step * 30_000 + number, step)
            for number, (name, kind) in enumerate(KINDS.items())
            if step % (1 + int(name[-1])) == 0
        ]
        into = Transaction()
        judge.judge(batch, into)
        states |= into.states
    return states


def test_what_a_restart_takes_in_goes_on_as_if_nothing_had_been(compiler, monkeypatch):
    begin = now_ms() - 3_600_000
    clock = [begin]
    monkeypatch.setattr("edge.judge.now_ms", lambda: clock[0])
    first = Judge("e")
    first.engine._settle_ms = 0
    first.use(table(compiler, KINDS), Transaction())
    states = lived(first, begin, range(40))
    assert len({len(row) for key, row in states.items() if key.endswith("/water_forecast")}) > 1, (
        "rings of several lengths"
    )
    again = Judge("e")
    again.engine._settle_ms = 0
    again.restore(Stored({key: row for key, row in states.items() if row}, {}, [], set()))
    again.use(table(compiler, KINDS), Transaction())
    assert not again.engine.unreadable
    told = []
    for judge in (first, again):
        judge.engine.dirty()
        changes = []
        step = judge.engine.step
        judge.engine.step = lambda columns, step=step, changes=changes: changes.extend(found := step(columns)) or found
        kept = lived(judge, begin, range(40, 80))
        told.append((changes, kept))
    assert told[0][0] == told[1][0]
    assert any(change.device.endswith("3") for change in told[0][0]), "something happened after the restart too"
    assert [key for key, row in told[0][1].items() if told[1][1].get(key) != row] == []


@pytest.mark.parametrize("kind", ["water", "smoke"])
def test_rows_that_an_earlier_build_wrote_one_by_one_are_read(compiler, kind):
    rows = {key: zlib.decompress(base64.b85decode(row)) for key, row in json.loads(KEPT.read_text())[kind].items()}
    judge = Judge("e")
    judge.restore(Stored(rows, {}, [], set()))
    patient = {"silence": {"levels": {"IV": {"after_s": 3600}}}}
    devices = [
        DeviceConfig(id=name, site="s1", profile=MODELS[kind], rules=patient) for name in ("d000001", "d000002", "new")
    ]
    judge.use(compiler.compile(EdgeDocument(edge="e", revision=1, devices=devices)), Transaction())
    assert not judge.engine.unreadable
    seen = judge.engine.last_seen("d000001")
    assert seen is not None
    assert seen > 1_790_000_000_000
    assert judge.engine.last_seen("new") is None
    inside = judge.engine._table
    inside.touched[:], inside.saved["quiet"][:] = True, False
    written = judge.engine.dirty()
    for key, row in rows.items():
        if not key.endswith("/") and "/:" not in key:
            assert written[key] == row, key


def test_rows_that_cannot_be_read_are_named_and_harm_no_other(compiler):
    kinds = {f"w{number}": "water" for number in range(5)}
    judge = Judge("e")
    judge.engine._settle_ms = 0
    judge.use(table(compiler, kinds), Transaction())
    at = now_ms()
    into = Transaction()
    judge.judge([said(name, kind, at, 0) for name, kind in kinds.items()], into)
    rows = {key: row for key, row in into.states.items() if row}
    rows["/w1/water_depth"] = rows["/w1/water_depth"][:40]
    rows["/w2/"] = b"\x07"
    rows["/w3/:level"] = rows["/w3/:level"] + b"more"
    rows["/w4/water_forecast"] = rows["/w4/water_forecast"][:-3]
    again = Judge("e")
    again.restore(Stored(rows, {}, [], set()))
    again.use(table(compiler, kinds), Transaction())
    assert sorted(again.engine.unreadable) == ["/w1/water_depth", "/w2/", "/w3/:level", "/w4/water_forecast"]
    assert again.engine.last_seen("w2") is None
    assert again.engine.last_seen("w0") == at


def test_devices_that_go_and_come_keep_their_channels_and_leave_their_places(compiler):
    judge = Judge("e")
    all_of_them = table(compiler, KINDS)
    judge.use(all_of_them, Transaction())
    engine = judge.engine
    numbers = {name: engine.channel(name, "battery") for name in KINDS}
    assert len(set(numbers.values())) == len(KINDS)
    few = table(compiler, dict(list(KINDS.items())[:4]))
    before = engine.state_bytes()
    for _ in range(4):
        judge.use(few, Transaction())
        assert engine.channel("facade5", "battery") == -1
        judge.use(all_of_them, Transaction())
    assert {name: engine.channel(name, "battery") for name in KINDS} == numbers
    assert engine.state_bytes() < before * 1.5


def test_a_channel_says_whose_it_is():
    channels = Channels()
    assert channels.lay(None, "a", ("level", "battery")) == 0
    assert channels.add((None, "a", "late")) == 2
    assert channels.lay("drl-1", "a", ("level", "battery")) == 3
    names = [channels.whose(number) for number in range(len(channels))]
    assert names == [
        (None, "a", "level"), (None, "a", "battery"), (None, "a", "late"),
        ("drl-1", "a", "level"), ("drl-1", "a", "battery"),
    ]  # fmt: skip
    assert [channels.get(name) for name in names] == list(range(5))
    assert channels.get((None, "b", "level")) is None


def test_a_document_is_read_device_by_device_and_shares_what_is_alike():
    text = (
        b'{"edge":"e","revision":3,"devices":[{"id":"a","site":"s1","profile":"v/m","rules":{"depth":{"latch":true}}},'
        b'{"id":"b","site":"s1","profile":"v/m","rules":{"depth":{"latch":true}}}],"timelines":[]}'
    )
    document = read(text)
    assert document == msgspec.json.decode(text, type=EdgeDocument)
    one, other = document.devices
    assert one.rules is other.rules
    assert one.site is other.site
    with pytest.raises(msgspec.ValidationError, match=r"\$\.devices\[1\]\.site"):
        read(text.replace(b'"b","site":"s1"', b'"b","site":1'))


def test_a_library_read_lazily_knows_the_same_names_and_tells_what_is_wrong_with_ones_own(tmp_path):
    library, whole = Library.load(lazily=True), Library.load()
    assert library.names() == whole.names()
    assert library.aliases() == whole.aliases()
    assert any(isinstance(each, Unread) for each in library._profiles.values())
    assert library["tasmota/hc-sr04"].points == whole["tasmota/sr04"].points
    assert library["shouwang/smoke"] is library["shouwang/smoke"]
    assert len(list(library)) == len(whole)
    (tmp_path / "wrong.yaml").write_text("profile: mine/wrong\n")
    with pytest.raises(ProfileError, match=r"wrong\.yaml"):
        Library.load(tmp_path, lazily=True)
