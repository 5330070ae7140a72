"""Drills: their script, their clock, their score, and who may know of them."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import yaml
from cloud_world import all_that_is_due
from hypothesis import given
from hypothesis import strategies as st

from cloud.drills import clock, scenario, scoring, service
from cloud.feed import service as feed
from cloud.registry import seed
from cloud.registry import service as registry
from cloud.timers import service as timers
from wire.configuration import EdgeDocument
from wire.time import to_ms

FIRE = yaml.safe_load((scenario.FOLDER / "stairwell-fire.yaml").read_text())
T0 = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


# ---------------------------------------------------------------- script


def test_the_library_holds_the_stairwell_fire_and_each_scenario_stands_in_the_demo_world():
    zones = {zone.id for zone in seed.zones()}
    sites = {site.id for site in seed.SITES}
    assert "stairwell-fire" in scenario.library()
    for one in scenario.library().values():
        assert one.site in sites
        assert set(one.world.rooms) <= zones


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"duration_s": 0}, "duration_s"),
        ({"colour": "red"}, "colour"),
        ({"duration_s": 100}, "at_s lies after the end"),
        ({"world": {"rooms": ["wh-7-s1-3f"]}}, "is not among world.rooms"),
        ({"objectives": [FIRE["objectives"][0], FIRE["objectives"][0]]}, "one-incident"),
        ({"objectives": [FIRE["objectives"][1] | {"limit_s": None}]}, "limit_s"),
        ({"injects": [{"id": "x", "at_s": 0, "kind": "sensor", "label": {"zh": "甲", "en": "a"}}]}, "phenomenon"),
    ],
)
def test_a_broken_script_says_what_is_wrong(tmp_path, change, told):
    path = tmp_path / "broken.yaml"
    script = FIRE | change
    if "world" in change:
        script = script | {"injects": FIRE["injects"][:1]}
    path.write_text(yaml.safe_dump(script, allow_unicode=True))
    with pytest.raises(scenario.ScenarioError, match=r"broken\.yaml") as error:
        scenario.read(path)
    assert told in str(error.value)


# ---------------------------------------------------------------- clock

_moves = st.lists(st.tuples(st.integers(0, 100_000), st.sampled_from([0.0, 0.5, 1.0, 10.0, 60.0])), max_size=12)


@given(_moves, st.integers(0, 500_000))
def test_a_drills_clock_never_runs_back_and_stands_still_in_pauses(moves, look):
    start = 1_795_000_000_000
    timeline, wall = clock.created("drl-1", start), start
    for wait, rate in moves:
        wall += wait
        before = timeline.scenario(max(wall, timeline.segments[-1].wall_ms))
        timeline = clock.turned(timeline, wall, rate)
        assert timeline.scenario(timeline.segments[-1].wall_ms) >= before
    at = start + look
    assert timeline.scenario(at + 1000) >= timeline.scenario(at)
    if timeline.rate(at) == 0 and timeline.rate(at + 1) == 0:
        assert timeline.scenario(at + 1) == timeline.scenario(at)


@given(_moves, st.integers(0, 100_000))
def test_turning_the_clock_leaves_the_past_as_it_was(moves, look):
    start = 1_795_000_000_000
    timeline, wall = clock.created("drl-1", start), start
    for wait, rate in moves:
        wall += wait
        timeline = clock.turned(timeline, wall, rate)
    last = timeline.segments[-1].wall_ms
    later = clock.turned(timeline, last + 50_000, 3.0)
    at = min(start + look, last + 49_999)
    assert later.scenario(at) == timeline.scenario(at)


def test_a_pause_needs_no_adding_up():
    start = 1_795_000_000_000
    timeline = clock.turned(clock.created("drl-1", start), start + 5_000, 1.0)
    timeline = clock.turned(timeline, start + 15_000, 0.0)
    timeline = clock.turned(timeline, start + 115_000, 10.0)
    assert clock.elapsed_s(timeline, start + 5_000) == 0
    assert clock.elapsed_s(timeline, start + 100_000) == 10
    assert clock.elapsed_s(timeline, start + 116_000) == 20
    assert clock.due_wall_ms(timeline, 20) == start + 116_000
    assert clock.due_wall_ms(clock.turned(timeline, start + 117_000, 0.0), 60) is None


@pytest.mark.parametrize(
    ("move", "state", "result"),
    [
        ("start", "draft", "running"),
        ("start", "running", "running"),
        ("start", "paused", None),
        ("start", "ended", None),
        ("pause", "running", "paused"),
        ("pause", "draft", None),
        ("resume", "paused", "running"),
        ("resume", "ended", None),
        ("stop", "draft", "ended"),
        ("stop", "paused", "ended"),
        ("stop", "ended", "ended"),
    ],
)
def test_which_moves_can_be_made(move, state, result):
    if result is None:
        with pytest.raises(clock.WrongMove):
            clock.after(move, state)
    else:
        assert clock.after(move, state) == result


# ---------------------------------------------------------------- score


def _at(seconds):
    return None if seconds is None else T0 + timedelta(seconds=seconds)


def _score(kind, incidents, *, now=1000, ended=False, limit_s=None):
    objective = next(one for one in scenario.library()["stairwell-fire"].objectives if one.kind == kind)
    facts = [
        scoring.IncidentFacts(
            id=f"inc_{n}", opened_at=_at(opened), acknowledged_at=_at(taken), first_offered_at=_at(offered),
            first_on_scene_at=_at(there),
        )
        for n, (opened, taken, offered, there) in enumerate(incidents)
    ]  # fmt: skip
    score = scoring.score(objective, facts, now=_at(now), ended=ended)
    return score.met, score.value_s


@pytest.mark.parametrize(
    ("kind", "incidents", "more", "outcome"),
    [
        ("one_incident", [], {}, (None, None)),
        ("one_incident", [], {"ended": True}, (False, None)),
        ("one_incident", [(0, None, None, None)], {}, (None, None)),
        ("one_incident", [(0, None, None, None)], {"ended": True}, (True, None)),
        ("one_incident", [(0, None, None, None), (5, None, None, None)], {}, (False, None)),
        ("acknowledged_within", [], {"ended": True}, (None, None)),
        ("acknowledged_within", [(0, 60, None, None)], {}, (True, 60.0)),
        ("acknowledged_within", [(0, 60.1, None, None)], {}, (False, 60.1)),
        ("acknowledged_within", [(0, None, None, None)], {"now": 59}, (None, None)),
        ("acknowledged_within", [(0, None, None, None)], {"now": 61}, (False, None)),
        ("acknowledged_within", [(9, 70, None, None), (0, 30, None, None)], {}, (True, 30.0)),
        ("arrived_within", [(0, 10, None, None)], {"ended": True}, (None, None)),
        ("arrived_within", [(0, 10, 20, 200)], {}, (True, 180.0)),
        ("arrived_within", [(0, 10, 20, 201)], {}, (False, 181.0)),
        ("arrived_within", [(0, 10, 20, None)], {"now": 30, "ended": True}, (False, None)),
    ],
)
def test_objectives_are_judged_by_the_systems_own_stamps(kind, incidents, more, outcome):
    assert _score(kind, incidents, **more) == outcome


# ---------------------------------------------------------------- running one


@pytest.fixture
async def smoke(app, database, services):
    """A smoke detector on the third floor of the scenario's stairwell."""
    new = registry.NewDevice(
        id="smoke-wh7-s1-3f", name="烟感", site_id="wanghuyuan", zone_id="wh-7-s1-3f", profile="shouwang/smoke",
        edge_id=seed.EDGE_ID,
    )  # fmt: skip
    async with database.transaction() as session:
        await registry.register(session, new, now=services.now())


async def _make(trainer, **more):
    body = {"scenario": "stairwell-fire", "participants": ["per_duty", "per_mfs"], **more}
    return await trainer.post("/api/v1/drills", json=body)


async def test_a_drill_runs_from_making_to_its_end_and_its_edge_hears_each_step(smoke, sign_in, edge_client, services):
    trainer = await sign_in("trainer")
    made = await _make(trainer, rate=10)
    assert made.status_code == 201, made.text
    drill = made.json()
    assert drill["state"] == "draft"
    assert {one["id"]: one["part"] for one in drill["participants"]} == {
        "per_duty": "player", "per_mfs": "player", "per_trainer": "controller",
    }  # fmt: skip
    path = f"/api/v1/drills/{drill['id']}"
    assert (await trainer.post(f"{path}/pause")).status_code == 409
    now = services.now()
    for seconds, move, state in ((0, "start", "running"), (10, "pause", "paused"), (50, "resume", "running")):
        services.now = lambda at=now + timedelta(seconds=seconds): at
        answer = await trainer.post(f"{path}/{move}")
        assert answer.json()["state"] == state, answer.text
        assert (await trainer.post(f"{path}/{move}")).status_code == 200  # the same tap twice
    assert answer.json()["elapsed_s"] == pytest.approx(100, abs=0.1)
    assert [one["state"] for one in answer.json()["injects"]] == ["due", "due", "pending", "pending", "pending"]
    done = await trainer.post(f"{path}/injects/caller-402/done")
    assert [one["state"] for one in done.json()["injects"]][1] == "done"
    assert (await trainer.post(f"{path}/injects/unknown/done")).status_code == 404
    (active,) = (await trainer.get("/api/v1/drills/active")).json()["items"]
    assert [device["id"] for device in active["world"]["devices"]] == ["smoke-wh7-s1-3f"]
    assert active["injects"][0]["params"]["growth"] == "fast"
    document = msgspec.json.decode((await edge_client.get("/api/v1/edge/configuration")).content, type=EdgeDocument)
    assert [(one.id, one.state) for one in document.drills] == [(drill["id"], "running")]
    assert document.drills[0].timeline.rate(to_ms(services.now()) + 5) == 10
    assert (await trainer.post(f"{path}/stop")).json()["state"] == "ended"
    assert (await trainer.post(f"{path}/resume")).status_code == 409
    document = msgspec.json.decode((await edge_client.get("/api/v1/edge/configuration")).content, type=EdgeDocument)
    assert [(one.id, one.state) for one in document.drills] == [(drill["id"], "ended")]  # exercise for good


async def test_only_participants_and_the_trainers_of_the_area_know_of_a_drill(smoke, sign_in, database):
    trainer = await sign_in("trainer")
    drill = (await _make(trainer)).json()
    path = f"/api/v1/drills/{drill['id']}"
    for username, seen in (("duty", True), ("mfs", True), ("leader", False), ("zhou", False), ("manager", False)):
        client = await sign_in(username)
        assert ((await client.get(path)).status_code == 200) is seen, username
        assert (len((await client.get("/api/v1/drills")).json()["items"]) == 1) is seen, username
        assert (await client.post(f"{path}/start")).status_code == 403
    async with database.reading() as session:
        entries = [entry for entry in await feed.reading(session, 0) if entry.kind == "drill"]
        assert await registry.is_issued(session, drill["id"])
        assert not await registry.is_issued(session, "drl-never")
    assert {entry.exercise for entry in entries} == {drill["id"]}
    assert json.dumps(entries[-1].value)


async def test_a_drill_without_a_device_or_with_unknown_people_is_not_made(sign_in, database, request):
    trainer = await sign_in("trainer")
    refused = await _make(trainer)
    assert refused.status_code == 409
    assert "wh-7-s1-3f" in refused.json()["detail"]
    assert (await _make(trainer, scenario="none")).status_code == 422
    assert (await _make(trainer, participants=[])).status_code == 422
    assert (await _make(trainer, rate=1000)).status_code == 422
    async with database.reading() as session:
        assert await feed.position(session) == 0


async def test_an_unknown_participant_undoes_the_whole_drill(smoke, sign_in, database):
    trainer = await sign_in("trainer")
    refused = await _make(trainer, participants=["per_duty", "per_nobody"])
    assert refused.status_code == 422
    async with database.reading() as session:
        assert await service.drills(session) == []


async def _end_of(services, drill_id: str) -> float | None:
    """In how many seconds a timer will end a drill."""
    async with services.db.reading() as session:
        timer = await timers.get(session, service.END, drill_id)
    return (timer.due_at - services.now()).total_seconds() if timer else None


async def test_a_drill_ends_at_the_end_of_its_script(smoke, sign_in, services):
    trainer = await sign_in("trainer")
    drill = (await _make(trainer, rate=60)).json()
    await trainer.post(f"/api/v1/drills/{drill['id']}/start")
    now = services.now()
    assert await _end_of(services, drill["id"]) == pytest.approx(20, abs=2)
    await trainer.post(f"/api/v1/drills/{drill['id']}/pause")
    assert await _end_of(services, drill["id"]) is None, "its clock stands"
    await trainer.post(f"/api/v1/drills/{drill['id']}/resume")
    services.now = lambda: now + timedelta(seconds=31)
    await all_that_is_due(services)
    assert (await trainer.get(f"/api/v1/drills/{drill['id']}")).json()["state"] == "ended"


async def test_a_clock_of_a_drill_is_run_by_the_drill_alone(smoke, sign_in):
    trainer, admin = await sign_in("trainer"), await sign_in("admin")
    drill = (await _make(trainer)).json()
    body = {"segments": [{"wall_ms": 1, "scenario_ms": 1, "rate": 1}]}
    assert (await admin.put(f"/api/v1/timelines/{drill['id']}", json=body)).status_code == 422
