"""What the demo makes of the feed: latency from publish to feed, the three stories."""

from shouwang.demo_record import Record
from simulators.api import FeedEvent


def incident(**changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "id": "inc_1",
        "number": "1122-0001",
        "hazard": "smoke",
        "exercise": None,
        "origin": "sensor",
        "place": {"text": "here"},
        "highest_level": "III",
        "outcome": None,
        "acknowledged_at": None,
        "assignments": [],
        "state": "raised",
    }
    return base | changes


def feed(name: str, value: dict[str, object], at: float) -> FeedEvent:
    return FeedEvent(name, 1, {"kind": name, "value": value}, at)


def line(kind: str, **params: object) -> dict[str, object]:
    return {"incident_id": "inc_1", "kind": kind, "actor": {"kind": "rule", "name": "r"}, "params": params}


def test_latency_is_from_the_deciding_readings_publish_to_the_feed() -> None:
    record = Record(started=1000.0)
    record.sent("d", 5_000, 4, 1002.0)
    record.sent("d", 15_000, 4, 1003.0)
    changed = {"device": "d", "changed_at": "1970-01-01T00:00:15.000Z"}
    record.event(feed("timeline", line("alert_raised", **changed), 1003.25))
    record.event(feed("timeline", line("alert_suspect", **changed), 1009))
    record.event(feed("timeline", line("alert_raised", device="d", changed_at="1970-01-01T00:00:16Z"), 1010))
    assert record.delays_s == [0.25]
    assert record.alerts == 3
    assert record.readings == 8


def test_a_story_needs_a_person_on_the_scene_and_a_closed_incident() -> None:
    record = Record(started=0.0)
    record.event(feed("incident", incident(), 5))
    story = record.stories["smoke"]
    assert not story.made_it
    sent = {"responder": {"name": "周启明"}, "on_scene_at": None}
    record.event(feed("incident", incident(acknowledged_at="x", assignments=[sent]), 8))
    record.event(feed("incident", incident(acknowledged_at="x", assignments=[sent], state="closed"), 9))
    assert not story.made_it
    there = sent | {"on_scene_at": "x"}
    record.event(feed("incident", incident(acknowledged_at="x", assignments=[there], state="closed"), 10))
    assert story.made_it
    assert (story.alert_s, story.acknowledged_s, story.on_scene_s, story.closed_s) == (5, 8, 10, 9)


def test_exercises_and_calls_are_no_story() -> None:
    record = Record()
    record.event(feed("incident", incident(exercise={"id": "drl-1"}), 1))
    record.event(feed("incident", incident(origin="phone"), 1))
    assert record.stories["smoke"].incident is None


def test_the_summary_counts() -> None:
    record = Record(started=0.0)
    record.event(feed("timeline", line("escalated"), 1))
    summary = record.summary(now=60, rate=20, devices=57, reconnects=0, rejections={"clock": 1}, puback_p99_ms=3.0)
    assert (summary.escalations, summary.made_it, summary.sensor_to_feed_p99_ms) == (1, False, None)
