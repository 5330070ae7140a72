"""A changed rule tried on stored readings: what would have fired, and what would not; bounds, scope, honesty."""

import asyncio

import numpy as np
import pytest
from sqlalchemy import update

from cloud.people.model import Account
from cloud.rulebook import preview_api
from cloud.rulebook.preview_work import DAY_MS, Cover, slices
from cloud.telemetry.bulk import Stock
from wire.reading import Series, TelemetryBlock
from wire.time import to_ms

DEVICE = "water-up-low"
OTHER = "water-up-east"
PATH = "/api/v1/rulebook/preview"


@pytest.fixture
def database_url(tmp_path):
    """SQLite alone: readings lie in DuckDB, and what is asked of the database is tested on both elsewhere."""


@pytest.fixture
async def database(tmp_path, originals):
    from cloud.app import load_models
    from cloud.database import Database

    load_models()
    file = tmp_path / "cloud.sqlite"
    await originals.sqlite("world", file)
    db = Database(f"sqlite+aiosqlite:///{file}")
    yield db
    await db.close()


def day_of_water(peaks, *, cadence_s=10, base=0.0):
    """Seconds of a day and depth; each peak (start h, length min, depth) rises and falls slowly."""
    t = np.arange(0, 86_400, cadence_s)
    depth = np.full(len(t), base)
    for start_h, minutes, high in peaks:
        s, e = start_h * 3600, start_h * 3600 + minutes * 60
        ramp = np.clip(np.minimum(t - s, e - t) / 300, 0, 1)
        depth = np.maximum(depth, base + ramp * (high - base))
    return t, depth


async def write(services, device, t, depth, start, *, exercise=None, point="level"):
    series = Series(device, point, "m", exercise) if exercise else Series(device, point, "m")
    stamps = (start + np.asarray(t) * 1000).astype(int).tolist()
    block = TelemetryBlock([series], [0] * len(stamps), stamps, [round(float(d), 4) for d in depth], [1] * len(stamps))
    await services.telemetry.write(f"{device}-{start}-{exercise}-{point}", block)


async def register(client, device, zone="up-low"):
    body = {
        "id": device, "name": device, "site_id": "liuyin-underpass", "zone_id": zone, "profile": "shouwang/water-level",
        "edge_id": "gw-liuyin",
    }  # fmt: skip
    answer = await client.post("/api/v1/devices", json=body)
    assert answer.status_code == 201, answer.text


@pytest.fixture
async def admin(sign_in):
    return await sign_in("admin")


@pytest.fixture
async def flooded(services, admin):
    """Two devices, three days: 20 cm for an hour each day at the low point, calm at the other."""
    await register(admin, DEVICE)
    await register(admin, OTHER, "up-east")
    start = to_ms(services.now()) // DAY_MS * DAY_MS - 4 * DAY_MS
    for day in range(3):
        t, depth = day_of_water([(6, 60, 0.20)])
        await write(services, DEVICE, t, depth, start + day * DAY_MS)
        await write(services, OTHER, t, np.full(len(t), 0.005), start + day * DAY_MS)
    return start


async def ask(client, **given):
    answer = await client.post(PATH, json=given)
    assert answer.status_code in (200, 202), answer.text
    out = answer.json()
    for _ in range(600):
        if out["state"] not in ("waiting", "running"):
            return out
        await asyncio.sleep(0.05)
        out = (await client.get(f"{PATH}/{out['id']}")).json()
    raise AssertionError("the preview did not end")


HIGHER = {"water_depth": {"levels": {"IV": {"enter": 0.25, "exit": 0.2}, "III": {"enter": 0.3, "exit": 0.25},
                                     "II": {"enter": 0.35, "exit": 0.3}}}}  # fmt: skip


async def test_a_higher_threshold_would_not_have_fired(admin, flooded):
    out = await ask(admin, scope="device", id=DEVICE, rules=HIGHER)
    assert (out["state"], out["progress"], out["problem"]) == ("done", 1.0, None)
    result = out["result"]
    assert result["changed_rules"] == ["water_depth"]
    (device,) = result["devices"]
    assert device["id"] == DEVICE
    assert device["verdicts"]["only_before"] == 3
    assert (device["before"]["alarms"], device["after"]["alarms"]) == (3, 0)
    assert device["before"]["by_level"]["III"] == 3
    assert len(device["before"]["by_day"]) == 3
    assert device["share_with_data"] == pytest.approx(3 / 30, abs=0.002)
    first = device["pairs"][0]
    assert (first["verdict"], first["rule"], first["after"]) == ("only_before", "water_depth", None)
    assert first["before"]["evidence"]["point"] == "level"
    assert {"recorded", "gaps"} <= {each["code"] for each in result["caveats"]}
    assert result["readings"] == 3 * 8640
    assert result["cut"] is None
    standing = (await admin.get(f"/api/v1/devices/{DEVICE}")).json()
    assert standing["rules"] == {}  # a preview writes nothing


async def test_a_lower_threshold_of_a_zone_opens_earlier_and_changes_no_other_zone(admin, flooded):
    rules = {"water_depth": {"levels": {"IV": {"enter": 0.015, "exit": 0.012}, "II": {"enter": 0.18, "exit": 0.16}}}}
    result = (await ask(admin, scope="zone", id="up-low", rules=rules))["result"]
    (device,) = result["devices"]
    assert device["verdicts"]["level"] == 3
    shifts = [pair["shift_s"] for pair in device["pairs"]]
    assert all(shift <= 0 for shift in shifts)
    assert [pair["after"]["level"] for pair in device["pairs"]] == ["II"] * 3
    both = (await ask(admin, scope="site", id="liuyin-underpass", rules=HIGHER))["result"]
    assert {each["id"]: each["before"]["alarms"] for each in both["devices"]} == {DEVICE: 3, OTHER: 0}
    assert both["totals"]["verdicts"]["only_before"] == 3


async def test_the_device_s_own_rules_lie_over_those_of_the_place(admin, flooded):
    body = (await admin.get(f"/api/v1/devices/{DEVICE}")).json()
    keys = ("name", "site_id", "zone_id", "profile", "edge_id")
    answer = await admin.put(f"/api/v1/devices/{DEVICE}", json={k: body[k] for k in keys} | {"rules": HIGHER})
    assert answer.status_code == 200, answer.text
    result = (await ask(admin, scope="zone", id="up-low", rules={"water_depth": {"levels": {"IV": {"enter": 0.05}}}}))[
        "result"
    ]
    assert result["totals"]["before"]["alarms"] == result["totals"]["after"]["alarms"] == 0
    assert "nothing_changed" in {each["code"] for each in result["caveats"]}


async def test_readings_of_an_exercise_and_of_a_wild_clock_do_not_count(admin, services, flooded):
    t, depth = day_of_water([(6, 60, 0.9)])
    await write(services, DEVICE, t, depth, flooded + 3 * DAY_MS, exercise="drl-flood")
    await write(services, DEVICE, [0, 10], [0.9, 0.9], flooded + 4000 * DAY_MS)
    result = (await ask(admin, scope="device", id=DEVICE, rules=HIGHER))["result"]
    assert result["readings"] == 3 * 8640
    assert result["totals"]["before"]["by_level"]["I"] == 0


async def test_what_cannot_be_is_refused_with_its_key(admin, flooded):
    async def refused(**given):
        answer = await admin.post(PATH, json=given)
        return answer.status_code, [each["where"] for each in answer.json().get("errors", [])]

    wrong = {"water_depth": {"levels": {"IV": {"enter": 0.05, "exit": 0.9}}}}
    assert await refused(scope="device", id=DEVICE, rules=wrong) == (422, ["rules.water_depth.levels.IV.exit"])
    assert (await refused(scope="device", id="nobody", rules={}))[0] == 404
    assert (await refused(scope="street", id="x", rules={}))[0] == 422
    assert (await refused(scope="device", id=DEVICE, rules={}, days=31))[0] == 422
    assert (await refused(scope="building", id="lj-b", rules={}))[0] == 409


async def test_only_who_may_write_there_may_try(sign_in, flooded, client, database):
    given = {"scope": "device", "id": DEVICE, "rules": HIGHER}
    assert (await client.post(PATH, json=given)).status_code == 401
    for username in ("zhou", "trainer"):
        assert (await (await sign_in(username)).post(PATH, json=given)).status_code == 403
    async with database.transaction() as session:
        await session.execute(
            update(Account).where(Account.username == "manager").values(site_ids=["wanghuyuan"])
        )  # fmt: skip
    manager = await sign_in("manager")
    assert (await manager.post(PATH, json=given)).status_code == 404
    mine = await ask(await sign_in("admin"), **given)
    assert (await (await sign_in("duty")).get(f"{PATH}/{mine['id']}")).status_code == 404


async def test_a_second_preview_of_a_person_ends_the_first_and_long_ones_are_polled(admin, app, flooded, monkeypatch):
    monkeypatch.setattr(preview_api, "SOON_S", 0.0)
    given = {"scope": "device", "id": DEVICE, "rules": HIGHER}
    first = await admin.post(PATH, json=given)
    assert first.status_code == 202
    second = await ask(admin, **given)
    assert second["state"] == "done"
    assert (await admin.get(f"{PATH}/{first.json()['id']}")).json()["state"] == "cancelled"
    third = await admin.post(PATH, json=given)
    assert (await admin.delete(f"{PATH}/{third.json()['id']}")).status_code == 204
    assert (await admin.get(f"{PATH}/{third.json()['id']}")).json()["state"] == "cancelled"


async def test_work_beyond_its_seconds_is_cut_and_says_so(admin, app, flooded):
    await ask(admin, scope="device", id=DEVICE, rules=HIGHER)
    app.state.previews.most_seconds = -1.0
    try:
        result = (await ask(admin, scope="device", id=DEVICE, rules=HIGHER))["result"]
    finally:
        app.state.previews.most_seconds = 60.0
    assert result["cut"]["reason"] == "seconds"
    assert result["readings"] == 0
    assert "cut" in {each["code"] for each in result["caveats"]}


async def test_other_tests_of_quality_judge_both_sides_anew(admin, services, flooded):
    quality = {"level": {"user_span": [0.0, 0.1]}}
    result = (await ask(admin, scope="device", id=DEVICE, rules={}, quality=quality))["result"]
    assert result["quality_changed"]
    assert (result["totals"]["before"]["suspect"], result["totals"]["before"]["alarms"]) != (
        result["totals"]["after"]["suspect"], 0)  # fmt: skip
    assert "quality_anew" in {each["code"] for each in result["caveats"]}


async def test_a_device_without_readings_is_told_as_such(admin, services):
    await register(admin, DEVICE)
    result = (await ask(admin, scope="device", id=DEVICE, rules=HIGHER))["result"]
    assert (result["readings"], result["devices"][0]["share_with_data"]) == (0, 0)


def test_too_much_is_cut_from_the_oldest_day_on_and_read_in_small_stretches():
    newest = 1_000 * DAY_MS + 5
    stock = Stock(((DEVICE, "level"),), ((1,),), tuple((day, 500_000) for day in range(971, 1001)), newest)
    found = slices(stock, 30, most_rows=2_100_000)
    assert found.rows == 2_000_000
    assert found.span.start == 997 * DAY_MS
    assert found.span.stop == newest + 1
    assert found.cut["reason"] == "rows"
    assert found.parts[0][0] == 997 * DAY_MS
    assert found.parts[-1][1] == newest + 1
    assert all(a[1] == b[0] for a, b in zip(found.parts, found.parts[1:], strict=False))
    assert len(found.parts) == 12
    whole = slices(stock, 30, most_rows=10**9)
    assert whole.cut is None
    assert whole.span.start == newest + 1 - 30 * DAY_MS


def test_cover_counts_a_step_up_to_three_cadences_across_parts():
    cover = Cover.of([10.0, 10.0])
    cover.take(np.array([0, 1, 0, 0]), np.array([0, 0, 10_000, 100_000]))
    cover.take(np.array([0]), np.array([110_000]))
    assert cover.covered_ms.tolist() == [10_000 + 30_000 + 10_000, 0]
    assert cover.readings.tolist() == [4, 1]
    assert cover.share(0, 0, 100_000) == 0.5
