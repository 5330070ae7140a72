"""Pages of the feed are written out once for all who may hear the same, and never for anybody else. Pure."""

from datetime import UTC, datetime

from cloud.feed.api import Pages
from cloud.feed.service import Audience, Entry
from cloud.people.access import Person, Role

AT = datetime(2026, 11, 23, tzinfo=UTC)


def person(name: str, area: str = "/c/d/s", *, exercises: frozenset[str] = frozenset()) -> Person:
    return Person(name, name, name, name, frozenset({Role.DUTY_OFFICER}), area, exercises=exercises)


def entry(position: int, key: str, **more) -> Entry:
    return Entry(position, "incident", key, AT, {"n": position}, **({"grid_path": "/c/d/s/n/g"} | more))


def positions(events: list[bytes]) -> list[int]:
    return [int(line[4:]) for line in b"".join(events).decode().split("\r\n") if line.startswith("id: ")]


def test_the_same_sight_shares_what_was_written_and_another_does_not():
    page = [
        entry(1, "a"), entry(2, "b", exercise="drill-1"), entry(3, "a"),
        entry(4, "c", grid_path="/c/d/other/n/g", audience=Audience(persons=("zhou",))),
    ]  # fmt: skip
    pages = Pages()
    first = pages.heard_by(person("lin"), page)
    assert positions(first) == [3], "of two states of one incident the newer; no drill, no foreign street"
    assert pages.heard_by(person("wang"), page) is first
    assert positions(pages.heard_by(person("zhou"), page)) == [3, 4], "named: hears what nobody else does"
    assert positions(pages.heard_by(person("gu", exercises=frozenset({"drill-1"})), page)) == [2, 3]
    assert positions(pages.heard_by(person("su", "/c/d/other"), page)) == [4]
    assert positions(pages.heard_by(person("xu", "/elsewhere"), page)) == []
