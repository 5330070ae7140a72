"""Source files are read as strictly as profiles: every mistake with file, line and fix."""

import re
from pathlib import Path

import pytest

from device_profiles.error import ProfileError
from device_profiles.sources.source import BUILT_IN, Source, SourceError, Sources, Use
from device_profiles.sources.source_load import parse_source

GOOD = """\
source: acme
label: {zh: 阿克米, en: Acme}
prefix: acme
address: "{address}"
topics:
  - {pattern: "{address}/up", event: up}
  - {pattern: "{address}/say/{what}", choose: "{what}", otherwise: other}
events:
  up:
    kind: up
    payload: {at: frame.bytes, encoding: hex}
    fport: frame.port
  alive: {kind: status, status: online}
  other: {kind: ignored}
own:
  - "{address}/{rest...}"
"""


def problems(text):
    with pytest.raises(ProfileError) as caught:
        parse_source(text, "acme.yaml")
    return caught.value.problems


def test_the_unbroken_one_is_right():
    source = Source(parse_source(GOOD, "acme.yaml"), Use("acme"))
    assert source.filters == ["acme/+/up", "acme/+/say/+"]
    match = source.match("acme/d1/up")
    found = source.open(match, b'{"frame": {"bytes": "0102", "port": 300}}')
    assert (found.address, found.payload, found.fport) == ("d1", b"\1\2", None)
    assert source.open(match, b'{"frame": {"bytes": 12}}') == SourceError("frame.bytes is not hex text", "d1")
    assert source.own("d1") == (["acme/d1/#"], [])


@pytest.mark.parametrize("file", sorted(BUILT_IN.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_built_in_source_can_be_read(file):
    document = parse_source(file.read_text(encoding="utf-8"), file.name)
    assert document.source == file.stem
    assert document.documentation


@pytest.mark.parametrize(
    ("old", "new", "line", "where", "says"),
    [
        ("kind: up\n", "kind: uplink\n", 10, "events.up.kind", "'uplink' stands there"),
        ("fport:", "fporte:", 12, "events.up.fporte", "did you mean 'fport'?"),
        ("encoding: hex", "encodng: hex", 11, "events.up.payload.encodng", "did you mean 'encoding'?"),
        ("event: up}", "event: upp}", 6, "topics.0.event", "did you mean 'up'?"),
        ("event: up}", "choice: up}", 6, "topics.0.choice", "did you mean 'choose'?"),
        ('"{address}/up"', '"{address}//up"', 6, "topics.0.pattern", "a level is empty"),
        ('"{address}/up"', '"{device}/up"', 9, "events.up.address", "a pattern of this event has no {address}"),
        ('choose: "{what}"', 'choose: "{which}"', 7, "topics.1.choose", "the pattern has no {which}"),
        (', otherwise: other}', ', event: up}', 7, "topics.1", "says not which event it is"),
        ("    payload: {at: frame.bytes, encoding: hex}\n", "", 9, "events.up", "has no payload"),
        (", status: online", "", 12, "events.alive", "says nothing"),
        ("{kind: status, status: online}", "off", 13, "events.alive", "'off' means true or false"),
        ('  - "{address}/{rest...}"', '  - "all/{rest...}"', 16, "own.0", "is not the device's own"),
        ("prefix: acme", "prefix: acme\nprefix: b", 4, "prefix", "stands twice"),
        ("source: acme\n", "", 1, "source", "is missing"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_line_and_fix(old, new, line, where, says):
    assert old in GOOD
    found = problems(GOOD.replace(old, new, 1))[0]
    assert says in str(found)
    assert found.where == where
    assert found.line == line or where in ("source", "events.alive")


def test_a_folder_of_ones_own_adds_and_replaces(tmp_path):
    (tmp_path / "acme.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "shelly.yaml").write_text(GOOD.replace("source: acme", "source: shelly"), encoding="utf-8")
    sources = Sources.load(folders=[tmp_path])
    assert "acme" in sources
    assert sources["shelly"].filters[0] == "acme/+/up"
    (tmp_path / "broken.yaml").write_text("source: [", encoding="utf-8")
    with pytest.raises(ProfileError, match=r"broken\.yaml:2: is not YAML"):
        Sources.load(folders=[tmp_path])


def test_the_source_of_the_page_is_one():
    page = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
    [text] = re.findall(r"^```yaml\n(source: acme.*?)^```$", page, re.DOTALL | re.MULTILINE)
    source = Source(parse_source(text, "acme.yaml"), Use("acme"))
    match = source.match("acme/d1/up/8")
    found = source.open(match, b'{"frame": {"data": "AQI=", "time": "2026-11-22T06:32:51Z", "counter": 7}}')
    assert (found.address, found.payload, found.fport, found.seq) == ("d1", b"\1\2", 8, 7)
    assert source.open(source.match("acme/d1/state"), b"down").status == "offline"


@pytest.mark.parametrize("page", ["sources.md", "sources.zh-CN.md"])
def test_the_page_tells_of_every_source(page):
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    for name in Sources.load().names():
        assert name == "native" or f"| `{name}` |" in text
