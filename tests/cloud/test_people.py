"""Accounts, sessions, and what a person may see."""

import dataclasses
from datetime import datetime, timedelta

import httpx
import pytest
from cloud_world import all_that_is_due
from demo_accounts import PASSWORD
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from cloud.dispatch import roster
from cloud.people import force, service
from cloud.people.access import Person, Role, guards_of, may_see, within
from cloud.people.model import Account, Responder, SignIn
from cloud.people.throttle import MAX_NAMES, LoginThrottle
from cloud.registry import seed


async def _try(client, username, password):
    return await client.post("/api/v1/session", json={"username": username, "password": password})


async def test_signing_in_gives_a_cookie_that_scripts_cannot_read_and_a_token_for_programs(client):
    answer = await _try(client, "duty", PASSWORD)
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"].lower()
    assert "shouwang_session=" in cookie
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert answer.json()["person"] | {"roles": ["duty_officer"], "name": "林知远"} == answer.json()["person"]
    by_cookie = await client.get("/api/v1/session")
    assert by_cookie.json()["person"]["username"] == "duty"
    assert by_cookie.json()["token"] is None
    client.cookies.clear()
    by_token = await client.get("/api/v1/session", headers={"Authorization": f"Bearer {answer.json()['token']}"})
    assert by_token.json()["person"]["username"] == "duty"


async def test_neither_password_nor_token_is_kept(client, database):
    token = (await _try(client, "duty", PASSWORD)).json()["token"]
    async with database.reading() as session:
        hashes = (await session.scalars(select(Account.password_hash))).all()
        tokens = (await session.scalars(select(SignIn.token_hash))).all()
    assert all(one.startswith("$argon2id$") for one in hashes)
    assert token not in tokens
    assert len(tokens[0]) == 64


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(client):
    wrong, unknown = await _try(client, "duty", "not this one"), await _try(client, "nobody", "not this one")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.headers["content-type"] == "application/problem+json"


async def test_after_some_failures_even_the_right_password_waits(client, services):
    for _ in range(services.settings.login_failures):
        assert (await _try(client, "duty", "wrong one here")).status_code == 401
    answer = await _try(client, "duty", PASSWORD)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    later = services.now() + timedelta(seconds=services.settings.login_window_s + 1)
    services.now = lambda: later
    assert (await _try(client, "duty", PASSWORD)).status_code == 200


async def test_a_session_ends_by_signing_out_by_time_and_with_its_account(client, services, database):
    first = (await _try(client, "duty", PASSWORD)).json()["token"]
    second = (await _try(client, "duty", PASSWORD)).json()["token"]
    client.cookies.clear()
    me = "/api/v1/session"
    assert (await client.delete(me, headers={"Authorization": f"Bearer {first}"})).status_code == 204
    assert (await client.get(me, headers={"Authorization": f"Bearer {first}"})).status_code == 401
    assert (await client.get(me, headers={"Authorization": f"Bearer {second}"})).status_code == 200
    now = services.now()
    services.now = lambda: now + timedelta(hours=services.settings.session_hours, seconds=1)
    assert (await client.get(me, headers={"Authorization": f"Bearer {second}"})).status_code == 401
    services.now = lambda: now
    async with database.transaction() as session:
        await session.execute(update(Account).where(Account.username == "duty").values(active=False))
    assert (await client.get(me, headers={"Authorization": f"Bearer {second}"})).status_code == 401
    assert (await _try(client, "duty", PASSWORD)).status_code == 401


async def test_a_write_by_cookie_from_another_sites_page_is_refused(client):
    await _try(client, "duty", PASSWORD)
    body = {"old": PASSWORD, "new": "another-password"}
    foreign = await client.put("/api/v1/session/password", json=body, headers={"Origin": "http://elsewhere.test"})
    assert foreign.status_code == 403
    own = await client.put("/api/v1/session/password", json=body, headers={"Origin": "http://cloud.test"})
    assert own.status_code == 204
    assert (await client.get("/api/v1/session")).status_code == 401  # a new password ends every session
    assert (await _try(client, "duty", "another-password")).status_code == 200


async def test_an_administrator_opens_changes_and_closes_accounts(sign_in):
    admin = await sign_in("admin")
    new = {
        "username": "wu",
        "password": "long-enough",
        "name": "吴桐",
        "roles": ["responder"],
        "area_path": seed.GRID_02,
    }
    added = await admin.post("/api/v1/people", json=new)
    assert added.status_code == 201
    assert "password" not in added.text
    assert (await admin.post("/api/v1/people", json=new)).status_code == 409
    wu = await sign_in("wu", "long-enough")
    assert (await wu.get("/api/v1/people")).status_code == 403
    path = f"/api/v1/people/{added.json()['id']}"
    assert (await admin.put(path, json={"active": False})).status_code == 200
    assert (await wu.get("/api/v1/session")).status_code == 401
    assert (await admin.put(path, json={"area_path": "/nowhere"})).status_code == 422
    own = (await admin.get("/api/v1/session")).json()["person"]["id"]
    assert (await admin.put(f"/api/v1/people/{own}", json={"roles": ["trainer"]})).status_code == 409


async def test_faulty_input_is_answered_with_what_is_wrong_where(sign_in):
    admin = await sign_in("admin")
    answer = await admin.post("/api/v1/people", json={"username": "A B", "password": "x", "roles": []})
    assert answer.status_code == 422
    assert {"body.username", "body.password", "body.roles", "body.name"} <= {
        e["where"] for e in answer.json()["errors"]
    }


async def test_a_position_is_shared_by_agreement_rounded_for_a_time_and_then_deleted(sign_in, database, services):
    zhou = await sign_in("zhou")
    put = zhou.put
    start = services.now()
    fix = {"lon": 120.30149, "lat": 31.50051, "at": start.isoformat()}
    answer = await put("/api/v1/responders/rsp_zhou/position", json=fix)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:shouwang:problem:not-sharing")
    shared = await put("/api/v1/responders/rsp_zhou/sharing", json={})
    until = datetime.fromisoformat(shared.json()["sharing_until"])
    assert start < until <= start + timedelta(hours=12)
    far = {"until": (start + timedelta(hours=13)).isoformat()}
    assert (await put("/api/v1/responders/rsp_zhou/sharing", json=far)).status_code == 422
    assert (await put("/api/v1/responders/rsp_zhou/position", json=fix)).status_code == 204
    old = {"lon": 1.0, "lat": 1.0, "at": (start - timedelta(minutes=5)).isoformat()}
    assert (await put("/api/v1/responders/rsp_zhou/position", json=old)).status_code == 204
    for path in ("position", "sharing"):
        body = fix if path == "position" else {}
        assert (await put(f"/api/v1/responders/rsp_shen/{path}", json=body)).status_code == 404
    async with database.reading() as session:
        row = await session.get(Responder, "rsp_zhou")
    assert (row.lon, row.lat, row.position_at) == (120.301, 31.501, start)
    assert force.place_of(row, start)[:2] == (120.301, 31.501)
    assert force.place_of(row, until) == (row.post_lon, row.post_lat, None)
    services.now = lambda: until
    await all_that_is_due(services)
    async with database.reading() as session:
        row = await session.get(Responder, "rsp_zhou")
    assert (row.lon, row.lat, row.position_at, row.sharing_until) == (None, None, None, None)


async def test_a_team_is_kept_by_its_property_manager_and_its_skills_run_out(sign_in, services):
    manager, admin, zhou = await sign_in("manager"), await sign_in("admin"), await sign_in("zhou")
    new = {
        "name": "水南物业应急队",
        "kind": "team",
        "role": "property_engineer",
        "area_path": seed.SHUINAN,
        "person_ids": ["per_lu"],
        "skills": ["drainage", "power"],
        "skill_expiry": {"power": "2020-01-01"},
        "vehicle": "抢险车",
        "equipment": ["水泵", "沙袋"],
    }
    added = await manager.post("/api/v1/responders", json=new)
    assert added.status_code == 201, added.text
    team = added.json()
    assert (team["skills"], team["skills_ending"]) == (
        ["drainage"],
        [{"skill": "power", "until": "2020-01-01", "state": "expired"}],
    )
    assert (await manager.post("/api/v1/responders", json=new | {"role": "volunteer"})).status_code == 403
    assert (await admin.post("/api/v1/responders", json=new | {"area_path": "/nowhere"})).status_code == 403
    wrong = await admin.post("/api/v1/responders", json=new | {"skill_expiry": {"flying": "2030-01-01"}})
    assert (wrong.status_code, wrong.json()["errors"][0]["where"]) == (422, "skill_expiry")
    path = f"/api/v1/responders/{team['id']}"
    assert (await manager.put(path, json={"skill_expiry": {}})).json()["skills"] == ["drainage", "power"]
    assert (await zhou.put(path, json={"vehicle": None})).status_code == 403


async def test_a_volunteer_is_asked_only_after_saying_yes(sign_in, database, services):
    admin, zhou, lu = await sign_in("admin"), await sign_in("zhou"), await sign_in("lu")
    new = {
        "name": "平安志愿者",
        "kind": "person",
        "role": "volunteer",
        "area_path": seed.GRID_02,
        "person_ids": ["per_zhou"],
        "may_not": ["knock_doors"],
    }
    unknown = await admin.post("/api/v1/responders", json=new | {"may_not": ["fly"]})
    assert (unknown.status_code, unknown.json()["errors"][0]["where"]) == (422, "may_not")
    row = (await admin.post("/api/v1/responders", json=new)).json()
    assert (row["voluntary"], row["opted_in_at"]) == (True, None)

    async def forces() -> dict:
        async with database.reading() as session:
            return {one.id: one for one in await roster.forces(session, None, services.now())}

    path = f"/api/v1/responders/{row['id']}"
    assert row["id"] not in await forces()
    assert (await lu.post(f"{path}/join")).status_code == 404
    assert (await zhou.post(f"{path}/join")).json()["opted_in_at"] is not None
    assert (await forces())[row["id"]].may_not == {"knock_doors"}
    await zhou.post(f"{path}/leave")
    assert row["id"] not in await forces()
    assert (await zhou.post("/api/v1/responders/rsp_zhou/leave")).status_code == 409


async def test_the_demo_world_has_somebody_on_duty_at_each_tier_and_seeding_again_changes_nothing(database, services):
    now = services.now()
    async with database.transaction() as session:
        assert await seed.demo(session, now=now, password=lambda _: "unused-password") == []
    async with database.reading() as session:
        street = await service.on_duty(session, seed.STREET, now, "duty_officer", "duty_leader")
        district = await service.on_duty(session, seed.DISTRICT, now, "duty_officer")
        on_shift = {shift.responder_id for shift in await service.shifts_at(session, now) if shift.responder_id}
    assert {person.username for person in street} == {"duty", "leader"}
    assert [person.username for person in district] == ["district"]
    assert {"rsp_zhou", "rsp_shen", "rsp_lu", "rsp_han", "rsp_guard", seed.TEAM_ID} == on_shift


async def test_responders_are_listed_with_the_end_of_their_shift_and_areas_with_the_way_up(sign_in):
    duty = await sign_in("duty")
    responders = {one["id"]: one for one in (await duty.get("/api/v1/responders")).json()["items"]}
    assert responders[seed.TEAM_ID]["person_ids"] == ["per_guard", "per_mfs"] or set(
        responders[seed.TEAM_ID]["person_ids"]
    ) == {"per_guard", "per_mfs"}
    assert responders["rsp_zhou"]["on_shift_until"]
    zhou = await sign_in("zhou")
    paths = [area["path"] for area in (await zhou.get("/api/v1/areas")).json()["items"]]
    assert paths == [seed.CITY, seed.DISTRICT, seed.STREET, seed.WANGHU, seed.GRID_02]
    assert (await zhou.get("/api/v1/responders")).status_code == 403


def test_the_chain_of_an_area_goes_up_tier_by_tier():
    assert service.chain("/a/b/c") == ["/a/b/c", "/a/b", "/a"]


# ---------------------------------------------------------------- may this person see that?

OFFICER = Person("p1", "u", "n", "", frozenset({Role.DUTY_OFFICER}), "/city/street")
_names = st.lists(st.sampled_from(["a", "ab", "b"]), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(area=_names, path=_names)
def test_within_goes_by_whole_names(area, path):
    assert within(area, path) == (path.split("/")[: len(area.split("/"))] == area.split("/"))


@pytest.mark.parametrize(
    ("change", "thing", "seen"),
    [
        ({}, {"grid_path": "/city/street/grid"}, True),
        ({}, {"grid_path": "/city/street"}, True),
        ({}, {"grid_path": "/city/street-2/grid"}, False),
        ({}, {"grid_path": "/city"}, False),
        ({}, {"grid_path": None}, True),
        ({"roles": frozenset({Role.RESPONDER})}, {"grid_path": None}, False),
        ({"site_ids": frozenset({"s1"})}, {"grid_path": "/city/street/grid", "site": "s1"}, True),
        ({"site_ids": frozenset({"s1"})}, {"grid_path": "/city/street/grid", "site": "s2"}, False),
        ({"site_ids": frozenset({"s1"})}, {"grid_path": "/city/street/grid"}, False),
        ({}, {"grid_path": "/elsewhere", "persons": ("p1",)}, True),
        ({}, {"grid_path": "/city/street", "roles": ("trainer",)}, False),
        ({}, {"grid_path": "/city/street", "exercise": "drl-1"}, False),
        ({"exercises": frozenset({"drl-1"})}, {"grid_path": "/city/street", "exercise": "drl-1"}, True),
        ({"exercises": frozenset({"drl-2"})}, {"grid_path": "/city/street", "exercise": "drl-1"}, False),
        ({}, {"grid_path": "/city/street", "exercise": "drl-1", "persons": ("p1",)}, False),
        ({"roles": frozenset({Role.TRAINER})}, {"grid_path": "/city/street", "exercise": "drl-1"}, True),
        ({"roles": frozenset({Role.TRAINER})}, {"grid_path": "/elsewhere", "exercise": "drl-1"}, False),
    ],
)
def test_sight_is_bounded_by_area_site_role_and_exercise(change, thing, seen):
    person = dataclasses.replace(OFFICER, **change)
    assert may_see(person, **{"exercise": None, **thing}) is seen


# ---------------------------------------------------------------- every route behind a role

OPEN = {
    ("POST", "/api/v1/session"),
    ("DELETE", "/api/v1/session"),
    ("GET", "/api/v1/health"),
    ("GET", "/health"),
    ("GET", "/{path:path}"),
}


def _dependencies(dependant):
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from _dependencies(dependency)


def _routes(app):
    from fastapi.routing import iter_route_contexts

    yield from iter_route_contexts(app.routes)


async def test_every_route_stands_behind_a_role(app):
    unguarded, seen = set(), 0
    for route in _routes(app):
        methods = route.methods or set()
        for method in methods - {"HEAD"}:
            seen += 1
            guards = [guard for call in _dependencies(route.dependant) for guard in guards_of(call)]
            if not guards and (method, route.path) not in OPEN:
                unguarded.add((method, route.path))
    assert seen > 50
    assert unguarded == set()


async def test_without_a_session_nothing_is_told(app, client):
    """The same by asking: each route of the API document, without credentials."""
    told = []
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            if (method.upper(), path) in OPEN:
                continue
            concrete = path.replace("{", "").replace("}", "")
            answer = await client.request(method, concrete)
            if answer.status_code not in (401, 403):
                told.append((method, path, answer.status_code))
    assert told == []


# ---------------------------------------------------------------- the throttle


@given(st.lists(st.tuples(st.floats(0, 1000), st.sampled_from(["a", "b"])), max_size=60))
def test_the_throttle_counts_failures_in_a_sliding_window(tries):
    throttle, recent = LoginThrottle(3, 60.0), []
    for now, name in sorted(tries):
        expected = [t for t, n in recent if n == name and t > now - 60][-3:]
        waits = throttle.wait_s(now, name)
        assert (waits > 0) == (len(expected) >= 3)
        throttle.failed(now, name)
        recent.append((now, name))


def test_the_throttle_remembers_a_bounded_number_of_names():
    throttle = LoginThrottle(1, 60.0)
    for number in range(MAX_NAMES + 10):
        throttle.failed(0.0, f"name-{number}")
    assert throttle.wait_s(1.0, "name-0") == 0
    assert throttle.wait_s(1.0, f"name-{MAX_NAMES + 9}") > 0


# ---------------------------------------------------------------- screens


async def test_the_screens_come_with_a_strict_policy_and_the_index_is_never_cached(client):
    index = await client.get("/")
    policy = index.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "blob:" not in policy
    assert "http" not in policy
    assert index.headers["cache-control"] == "no-store"
    assert (await client.get("/incidents/inc_1")).text == index.text  # the screens' own routes
    asset = await client.get("/assets/index-abc.js")
    assert "immutable" in asset.headers["cache-control"]
    assert (await client.get("/assets/missing.js")).status_code == 404
    assert (await client.get("/api/v1/nothing-here")).status_code == 404
    for escape in ("/../data/secrets/metrics.token", "/%2e%2e/data/secrets/metrics.token", "/..%2fcloud.sqlite"):
        answer = await client.get(httpx.URL("http://cloud.test").copy_with(raw_path=escape.encode()))
        assert answer.status_code == 404 or answer.text == index.text


async def test_metrics_want_the_token_of_their_file_and_bodies_have_a_limit(client, services):
    assert (await client.get("/metrics")).status_code == 401
    token = (services.settings.secrets_dir / "metrics.token").read_text()
    assert (services.settings.secrets_dir / "metrics.token").stat().st_mode & 0o777 == 0o600
    answer = await client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert "shouwang_cloud_task_restarts_total" in answer.text
    big = await client.post("/api/v1/session", content=b"x" * (services.settings.body_limit_bytes + 1))
    assert big.status_code == 413

    async def endless():
        for _ in range(40):
            yield b"x" * 65536

    assert (await client.post("/api/v1/session", content=endless())).status_code == 413
