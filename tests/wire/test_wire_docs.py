"""The page for integrators: its messages are real ones, and it names every event type and field that matters."""

import re
from pathlib import Path

import msgspec
import pytest

from wire.alert import Alert, Verb
from wire.configuration import EdgeChange, EdgeDocument
from wire.event import CloudEvent, Type, Verdicts
from wire.reading import TelemetryBlock
from wire.time import parse_instant
from wire.topics import CHANNELS

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["wire.md", "wire.zh-CN.md"]
KINDS = {
    "list[CloudEvent]": list[CloudEvent],
    "Verdicts": Verdicts,
    "Alert": Alert,
    "EdgeDocument": EdgeDocument,
    "EdgeChange": EdgeChange,
}


def messages(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^<!-- wire: (\S+) -->\n```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_the_messages_of_the_page_can_be_read(page):
    found = messages(page)
    assert [name for name, _ in found] == list(KINDS)
    for name, body in found:
        received = msgspec.json.decode(body, type=KINDS[name])
        if name == "list[CloudEvent]":
            assert msgspec.json.decode(received[0].data, type=TelemetryBlock).value == [0.38, 0.41, 0.02]
        if name == "Alert":
            assert set(msgspec.json.decode(body)) == set(Alert.__struct_fields__), "the page shows every field"


@pytest.mark.parametrize("page", PAGES)
def test_the_page_names_every_event_type_channel_and_verb(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    for word in [*Type, *(f"/{channel}`" for channel in CHANNELS), *Verb]:
        assert word in text, word


@pytest.mark.parametrize("page", PAGES)
def test_the_native_reading_is_one(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    [native] = re.findall(r'^```json\n(\{"ts".*)\n```$', text, re.MULTILINE)
    assert parse_instant(msgspec.json.decode(native)["ts"]) == 1_795_329_171_250


def test_both_languages_show_the_same_messages():
    assert messages(PAGES[0]) == messages(PAGES[1])
