"""An alarm that rose and fell again before anybody could be told: its worst fresh level decides who is asked."""

from itertools import count

import pytest
from cloud_world import add_devices, ago, alert, event, incidents, kinds, post, timeline
from sqlalchemy import select

from cloud.notify.model import Notification
from wire.alert import Verb
from wire.level import Level

TOWER, HALL, FACADE, UNDERPASS = "smoke-wh7-s1-3f", "smoke-sn12-s1-2f", "facade-ljb-18e-07", "water-up-low"
VERBS = {(None, "III"): Verb.RAISED, (None, "II"): Verb.RAISED, ("III", "II"): Verb.ESCALATED,
         ("II", "III"): Verb.DEESCALATED}  # fmt: skip


class Story:
    """One alarm episode of a device, told as the levels it went through."""

    def __init__(self, device: str, *levels: str) -> None:
        self.device, self.opened_at = device, ago(seconds=20)
        highest = None
        self.alerts = []
        for revision, before, level in zip(count(1), (None, *levels), levels, strict=False):
            highest = max(filter(None, (highest, Level(level))), key=lambda one: one.rank)
            self.alerts.append({"verb": VERBS[before, level], "level": Level(level), "highest": highest,
                                "revision": revision})  # fmt: skip

    def event(self, revision: int, **more) -> dict:
        return event(alert(self.device, opened_at=self.opened_at, **self.alerts[revision - 1], **more))

    def events(self, *revisions: int, **more) -> list[dict]:
        return [self.event(revision, **more) for revision in revisions]


@pytest.fixture
async def desk(app, database, edge_client, sign_in):
    async with database.transaction() as session:
        await add_devices(session)
    duty = await sign_in("duty")

    class Desk:
        send = staticmethod(lambda *events: post(edge_client, *events))

        async def of(self, device: str) -> dict:
            [found] = [one for one in await incidents(duty) if one["alarms"][0]["device"] == device]
            return found

        async def told(self, incident: dict) -> bool:
            """Whether the desk was told of level II."""
            async with database.reading() as session:
                rows = await session.scalars(select(Notification).filter_by(incident_id=incident["id"], kind="opened"))
                return "II" in {row.level for row in rows}

        async def acknowledge(self, incident: dict) -> dict:
            answer = await duty.post(f"/api/v1/incidents/{incident['id']}/acknowledge", json={})
            assert answer.status_code == 200, answer.text
            return answer.json()

        async def lines(self, incident: dict) -> list[str]:
            return kinds(await timeline(duty, incident["id"]))

    return Desk()


async def test_a_peak_within_one_batch_is_told_and_sent_for_and_stands_until_somebody_takes_it(desk):
    first, falls, later = (
        Story(TOWER, "III", "II", "III"),
        Story(HALL, "II", "III"),
        Story(UNDERPASS, "III", "II", "III"),
    )
    await desk.send(*first.events(1, 2, 3), *falls.events(1, 2), *later.events(1))
    await desk.send(*later.events(2, 3))
    offers: list[str] = []
    for story in (first, falls, later):
        incident = await desk.of(story.device)
        assert (incident["level"], incident["highest_level"]) == ("II", "II"), "a fall alone calms nobody"
        assert await desk.told(incident)
        offers += [one["state"] for one in incident["assignments"]]
    assert set(offers) == {"offered"}, "level II sends whoever is free by itself"
    incident = await desk.of(TOWER)
    assert (await desk.lines(incident)).count("level_raised") == 1
    await desk.acknowledge(incident)
    taken = await desk.of(TOWER)
    assert (taken["level"], taken["highest_level"]) == ("III", "II"), "whoever took it sees what stands now"


async def test_a_peak_and_its_fall_in_two_batches_in_any_order(desk):
    fell, swapped = Story(TOWER, "III", "II", "III"), Story(HALL, "III", "II", "III")
    await desk.send(*fell.events(1, 2), *swapped.events(3))
    assert not await desk.told(await desk.of(HALL)), "the fresh word says III; the peak has not been heard of fresh"
    await desk.send(*fell.events(3), *swapped.events(1, 2))
    for story in (fell, swapped):
        incident = await desk.of(story.device)
        assert (incident["level"], await desk.told(incident)) == ("II", True)
        offered = len(incident["assignments"])
        assert offered or story is swapped, "there is one team: it went to the first"
        await desk.send(*story.events(1, 2, 3))
        incident = await desk.of(story.device)
        assert (incident["level"], await desk.told(incident), len(incident["assignments"])) == ("II", True, offered)


async def test_a_peak_that_is_history_sends_nobody_though_the_rest_is_fresh(desk):
    whole, part, drop = (
        Story(TOWER, "III", "II", "III"),
        Story(HALL, "III", "II", "III"),
        Story(FACADE, "III", "II", "III"),
    )
    await desk.send(*whole.events(1, 2, 3, replayed=True))
    await desk.send(*part.events(1, 2, replayed=True), *part.events(3))
    await desk.send(*drop.events(1), *drop.events(2, recorded_at=ago(hours=1)), *drop.events(3))
    for story, late in ((whole, True), (part, True), (drop, False)):
        incident = await desk.of(story.device)
        assert (incident["late"], incident["level"], incident["highest_level"]) == (late, "III", "II")
        assert not await desk.told(incident)
        assert incident["assignments"] == []


async def test_a_peak_in_what_was_acknowledged_before_calls_once_more(desk):
    story = Story(TOWER, "III", "II", "III")
    await desk.send(*story.events(1))
    incident = await desk.of(TOWER)
    await desk.acknowledge(incident)
    await desk.send(*story.events(2, 3))
    after = await desk.of(TOWER)
    assert (after["level"], after["highest_level"], await desk.told(after)) == ("III", "II", True)
    assert after["assignments"]
