"""Devices on other conventions: their addresses, their health, and those that an edge found."""

from datetime import timedelta

import msgspec
import pytest
from cloud_world import EDGE, event, now, post
from sqlalchemy import func, select, update

from cloud.feed import service as feed
from cloud.people.model import Account, Area
from cloud.registry import addresses, found, seed, service
from cloud.registry.model import DeviceState, Edge, FoundRow
from wire.configuration import EdgeDocument
from wire.event import Type
from wire.report import DeviceReport, FoundDevice, Link

EUI = "a84041ffff123456"
SMOKE = {
    "id": "smoke-wh7-s1-3f",
    "name": "7幢1单元3层烟感",
    "site_id": "wanghuyuan",
    "zone_id": "wh-7-s1-3f",
    "profile": "shouwang/smoke",
    "edge_id": EDGE,
}
HEADER = "id,name,site,zone,profile,edge,address"
ROW = "{id},烟感,wanghuyuan,wh-7-s1-1f,shouwang/smoke,gw-liuyin,{address}"


def told(address: str = EUI, **more) -> FoundDevice:
    seen = more.pop("last_seen", now())
    common = {"edge": EDGE, "source": "chirpstack", "topic": f"application/a/device/{address}/event/up"}
    return FoundDevice(address=address, first_seen=more.pop("first_seen", seen), last_seen=seen, **common | more)


async def upload(client, *rows: str, header: str = HEADER, dry_run: bool = False) -> dict:
    answer = await client.post(
        f"/api/v1/devices/import?dry_run={str(dry_run).lower()}",
        content="\n".join((header, *rows)).encode(),
        headers={"Content-Type": "text/csv"},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def listed(client, **params) -> list[dict]:
    answer = await client.get("/api/v1/found-devices", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


# ---------------------------------------------------------------- addresses


async def test_an_address_is_put_in_form_kept_and_reaches_the_edge(sign_in, edge_client):
    manager = await sign_in("manager")
    answer = await manager.post("/api/v1/devices", json=SMOKE | {"address": " ChirpStack:A8-40-41-FF-FF-12-34-56 "})
    assert answer.status_code == 201, answer.text
    assert answer.json()["device"]["address"] == f"chirpstack:{EUI}"
    document = msgspec.json.decode((await edge_client.get("/api/v1/edge/configuration")).content, type=EdgeDocument)
    assert [device.address for device in document.devices] == [f"chirpstack:{EUI}"]
    body = {key: value for key, value in SMOKE.items() if key != "id"}
    native = await manager.put(f"/api/v1/devices/{SMOKE['id']}", json=body | {"address": None})
    assert native.json()["address"] is None


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("a84041ffff123456", "address_form"),
        ("nobody:a84041ffff123456", "no_source"),
        ("chirpstack:a84041", "address_eui"),
        ("shelly:" + "x" * 300, "address_length"),
        ("shelly:a\nb", "address_length"),
    ],
)
def test_what_is_wrong_with_an_address_has_a_code(address, code):
    fault = addresses.normalised(address)
    assert (fault.where, fault.code) == ("address", code)
    assert addresses.in_form(address) == address  # kept as written, so that the fault names what was written


async def test_an_address_belongs_to_one_device_of_an_edge(sign_in):
    manager, admin = await sign_in("manager"), await sign_in("admin")
    await admin.post("/api/v1/edges", json={"id": "gw-2", "name": "二号", "area": seed.SHUINAN})
    first = SMOKE | {"address": f"chirpstack:{EUI}"}
    assert (await manager.post("/api/v1/devices", json=first)).status_code == 201
    again = await manager.post("/api/v1/devices", json=first | {"id": "smoke-2"})
    assert again.status_code == 422
    (fault,) = again.json()["errors"]
    assert (fault["code"], fault["params"]["device"]) == ("address_taken", SMOKE["id"])
    other_edge = await manager.post("/api/v1/devices", json=first | {"id": "smoke-2", "edge_id": "gw-2"})
    assert other_edge.status_code == 201
    bad = await manager.post("/api/v1/devices", json=first | {"id": "smoke-3", "address": "nobody:1"})
    assert [(one["where"], one["code"]) for one in bad.json()["errors"]] == [("address", "no_source")]
    moved = await manager.put(
        "/api/v1/devices/smoke-2", json={key: value for key, value in first.items() if key != "id"}
    )
    assert moved.status_code == 422


async def test_a_table_carries_addresses_there_and_back(sign_in):
    manager = await sign_in("manager")
    rows = [ROW.format(id="a", address=f"chirpstack:{EUI}"), ROW.format(id="b", address="")]
    assert (await upload(manager, *rows))["applied"]
    exported = (await manager.get("/api/v1/devices/export.csv")).text.lstrip("\ufeff").splitlines()
    assert f"chirpstack:{EUI}" in exported[1]
    assert (await upload(manager, *exported[1:], header=exported[0]))["counts"]["same"] == 2
    bare = [row.rsplit(",", 1)[0] for row in rows]  # a table without the column leaves addresses as they are
    assert (await upload(manager, *bare, header=HEADER.removesuffix(",address")))["counts"]["same"] == 2
    assert (await upload(manager, ROW.format(id="a", address=""), dry_run=True))["counts"]["changed"] == 1
    taken = await upload(manager, ROW.format(id="c", address=f"chirpstack:{EUI.upper()}"))
    twice = await upload(manager, *(ROW.format(id=name, address="shelly:flood-1") for name in "de"))
    assert [one["code"] for one in taken["rows"][0]["errors"]] == ["address_taken"]
    assert [one["params"] for one in twice["rows"][1]["errors"]] == [{"value": "shelly:flood-1", "row": 2}]


async def test_every_fault_of_a_table_has_a_code_and_what_its_text_needs(sign_in):
    manager = await sign_in("manager")
    header = HEADER + ",enabled,mounting_height_m"
    rows = [
        "a b,烟感,wanghuyuan,wh-7-s1-1f,shouwang/smoke,gw-liuyin,,1,",
        "a,烟感,nowhere,wh-7-s1-1f,shouwang/smok,gw-none,,1,",
        "b,烟感,wanghuyuan,up-low,shouwang/facade,gw-liuyin,,1,3",
        "c,,wanghuyuan,wh-7-s1-1f,shouwang/smoke,gw-liuyin,,perhaps,high",
        "b,烟感,wanghuyuan,wh-7-s1-1f,shouwang/smoke,gw-liuyin,,1,,more",
    ]
    result = await upload(manager, *rows, header=header, dry_run=True)
    codes = [[one["code"] for one in row["errors"]] for row in result["rows"]]
    assert codes == [
        ["id_form"],
        ["no_site", "no_edge", "no_profile"],
        ["no_zone", "no_parameter", "parameter_missing"],
        ["yes_no", "number", "empty"],
        ["cells", "double"],
    ]
    assert result["rows"][4]["errors"][1]["params"] == {"value": "b", "row": 4}
    broken = await manager.post("/api/v1/devices/import", content=b"id,name\na,b", headers={"Content-Type": "text/csv"})
    assert {one["code"] for one in broken.json()["errors"]} == {"column_missing"}


# ---------------------------------------------------------------- health


async def test_health_is_kept_over_reports_that_do_not_speak_of_it(sign_in, edge_client):
    manager = await sign_in("manager")
    await manager.post("/api/v1/devices", json=SMOKE)
    await manager.post("/api/v1/devices", json=SMOKE | {"id": "smoke-2"})
    seen = now()
    common = {"device": SMOKE["id"], "site": "wanghuyuan", "status": "online", "last_seen": seen}
    verdicts = await post(
        edge_client,
        event(DeviceReport(**common, link=Link(rssi_dbm=-112, snr_db=-9.5), battery_percent=17.0, joined_at=seen),
              type=Type.DEVICE_REPORTED),
        event(DeviceReport(**common, values={"temperature": 21.0}, link=Link(margin_db=7)), type=Type.DEVICE_REPORTED),
        event(DeviceReport(**common | {"device": "nobody"}), type=Type.DEVICE_REPORTED),
        event(DeviceReport(**common | {"device": "smoke-2"}, values={"battery": 9.0}), type=Type.DEVICE_REPORTED),
    )  # fmt: skip
    assert [one["status"] for one in verdicts] == ["committed", "committed", "rejected", "committed"]
    shown = (await manager.get(f"/api/v1/devices/{SMOKE['id']}")).json()
    assert shown["link"] == {"rssi_dbm": -112, "snr_db": -9.5, "lqi": None, "margin_db": 7.0}
    assert (shown["battery_percent"], shown["values"]) == (17.0, {"temperature": 21.0})
    assert shown["joined_at"].startswith(seen.isoformat()[:19])
    shown = {one["id"]: one["battery_percent"] for one in (await manager.get("/api/v1/devices")).json()["items"]}
    assert shown == {SMOKE["id"]: 17.0, "smoke-2": 9.0}  # no word of its network: the point `battery` counts


async def test_a_batch_of_reports_ends_as_one_after_the_other_would(sign_in, database):
    """The story: 2,000 devices that first appear took the cloud 10 ms each, so history lagged by 20 s."""
    manager = await sign_in("manager")
    assert (await upload(manager, *(ROW.format(id=f"d{n}", address="") for n in range(12))))["applied"]
    start = now()
    reports = [
        DeviceReport(device=f"d{n % 12}", site="wanghuyuan", last_seen=start + timedelta(seconds=n),
                     status="silent" if n % 7 == 3 else "online", values={f"p{n % 3}": float(n)})
        for n in range(50)
    ]  # fmt: skip

    async def states(session) -> dict:
        rows = await session.scalars(select(DeviceState).execution_options(populate_existing=True))
        return {row.device_id: (row.status, row.last_seen, row.values, row.reported_at) for row in rows}

    async with database.transaction() as session:
        position = await feed.position(session)
        assert await service.record_device_reports(session, EDGE, reports, now=start) == set()
        whole = await states(session)
        entries = await feed.reading(session, position)
        await session.rollback()
    assert len(entries) == 12  # one a device: all have a status that they had not
    assert all(entry.value["status"] == whole[entry.key][0] for entry in entries)
    async with database.transaction() as session:
        for report in reports:
            await service.record_device_reports(session, EDGE, [report], now=start)
        assert await states(session) == whole


# ---------------------------------------------------------------- found devices


async def test_what_an_edge_found_is_listed_once_however_often_it_says_so(sign_in, edge_client, database):
    duty = await sign_in("duty")
    forms = {one["name"]: one["form"] for one in (await duty.get("/api/v1/sources")).json()["items"]}
    assert forms["chirpstack"] == "eui"
    assert {"zigbee2mqtt", "shelly", "tasmota"} <= forms.keys()
    assert "native" not in forms
    first = now() - timedelta(minutes=5)
    batch = [
        event(told(first_seen=first, last_seen=first, messages=1), type=Type.DEVICE_FOUND),
        event(
            told(first_seen=first, messages=9, name="烟感 3F", vendor="Dragino", suggested_profile="dragino/lds02"),
            type=Type.DEVICE_FOUND,
        ),
    ]
    assert [one["status"] for one in await post(edge_client, *batch)] == ["committed"] * 2
    async with database.reading() as session:
        position = await feed.position(session)
    assert [one["status"] for one in await post(edge_client, *reversed(batch))] == ["committed"] * 2
    (one,) = await listed(duty)
    assert (one["source"], one["address"], one["messages"], one["state"]) == ("chirpstack", EUI, 9, "new")
    assert (one["name"], one["vendor"], one["suggested_profile"]) == ("烟感 3F", "Dragino", "dragino/lds02")
    assert one["first_seen"].startswith(first.isoformat()[:19])
    async with database.reading() as session:
        assert await feed.position(session) == position  # the same again is no news
    strange = await post(
        edge_client,
        event(msgspec.structs.replace(told(), edge="gw-other"), type=Type.DEVICE_FOUND),
        event(told("x" * 300), type=Type.DEVICE_FOUND),
    )
    assert [one["status"] for one in strange] == ["rejected"] * 2


async def test_registering_a_found_device_takes_it_off_the_list_for_good(sign_in, edge_client, database):
    manager = await sign_in("manager")
    await post(edge_client, *(event(told(f"a84041ffff12345{n}"), type=Type.DEVICE_FOUND) for n in range(4)))
    assert len(await listed(manager)) == 4
    answer = await manager.post("/api/v1/devices", json=SMOKE | {"address": "chirpstack:a84041ffff123450"})
    assert answer.status_code == 201, answer.text
    rows = [ROW.format(id=f"d{n}", address=f"chirpstack:A84041FFFF12345{n}") for n in (1, 2)]
    assert (await upload(manager, *rows))["applied"]
    assert [one["address"] for one in await listed(manager, state="all")] == ["a84041ffff123453"]
    own = told("Meter 7", source="our_meters")  # a source file of that edge alone
    assert (
        await manager.post("/api/v1/devices", json=SMOKE | {"id": "m", "address": "our_meters:Meter 7"})
    ).status_code == 422
    await post(edge_client, event(own, type=Type.DEVICE_FOUND))
    answer = await manager.post("/api/v1/devices", json=SMOKE | {"id": "m", "address": "our_meters:Meter 7"})
    assert answer.json()["device"]["address"] == "our_meters:Meter 7"
    late = event(told("a84041ffff123450"), type=Type.DEVICE_FOUND)  # was on its way when it was registered
    assert [one["status"] for one in await post(edge_client, late)] == ["committed"]
    assert len(await listed(manager)) == 1
    async with database.reading() as session:
        news = [entry for entry in await feed.reading(session, 0) if entry.key == f"found:{EDGE}"]
    assert [entry.value["waiting"] for entry in news] == [4, 3, 1, 2, 1]
    assert news[-1].kind == "registry"


async def test_an_ignored_device_stays_ignored_until_it_is_restored_and_the_log_says_who(
    sign_in, edge_client, database
):
    manager, duty = await sign_in("manager"), await sign_in("duty")
    await post(edge_client, event(told(), type=Type.DEVICE_FOUND))
    (one,) = await listed(manager)
    path = f"/api/v1/found-devices/{one['id']}"
    assert (await duty.post(f"{path}/ignore")).status_code == 403
    ignored = (await manager.post(f"{path}/ignore")).json()
    assert (ignored["state"], ignored["ignored_by"]) == ("ignored", "per_manager")
    await manager.post(f"{path}/ignore")
    await post(edge_client, event(told(messages=50), type=Type.DEVICE_FOUND))
    assert await listed(manager) == []
    assert [row["messages"] for row in await listed(manager, state="ignored")] == [50]
    assert (await manager.post(f"{path}/restore")).json()["state"] == "new"
    assert len(await listed(manager, edge=EDGE)) == 1
    assert (await manager.post("/api/v1/found-devices/999/ignore")).status_code == 404
    async with database.reading() as session:
        acts = [entry.value for entry in await feed.reading(session, 0) if "did" in (entry.value or {})]
    assert [(act["did"], act["by"], act["address"]) for act in acts] == [
        ("ignored", "per_manager", f"chirpstack:{EUI}"),
        ("restored", "per_manager", f"chirpstack:{EUI}"),
    ]


async def test_only_those_around_whom_an_edge_stands_see_what_it_found(sign_in, edge_client, database):
    admin, manager = await sign_in("admin"), await sign_in("manager")
    await admin.post("/api/v1/edges", json={"id": "gw-2", "name": "二号", "area": seed.SHUINAN})
    async with database.transaction() as session:
        await service.record_found(session, "gw-2", [told("a84041ffff12345f", edge="gw-2")])
        await session.execute(update(Account).where(Account.username == "manager").values(area_path=seed.WANGHU))
    await post(edge_client, *(event(told(f"a84041ffff12345{n}"), type=Type.DEVICE_FOUND) for n in range(3)))
    pages = (await manager.get("/api/v1/found-devices?limit=2")).json()
    rest = await listed(manager, cursor=pages["next"])
    assert [one["address"][-1] for one in (*pages["items"], *rest)] == ["2", "1", "0"]
    (other,) = await listed(admin, edge="gw-2")
    assert (await manager.post(f"/api/v1/found-devices/{other['id']}/ignore")).status_code == 404
    assert (await manager.get("/api/v1/found-devices?state=other")).status_code == 422
    assert (await (await sign_in("guard")).get("/api/v1/found-devices")).status_code == 403


async def test_of_too_many_the_longest_silent_go(database, monkeypatch):
    async with database.transaction() as session:
        session.add(Area(path="/a", tier="grid", name="a"))
        await session.flush()
        session.add(Edge(id=EDGE, name="e", area_path="/a", created_at=now()))
    monkeypatch.setattr(found, "MOST_FOUND", 10)
    start = now()
    reports = [told(f"{n:016x}", last_seen=start + timedelta(seconds=n)) for n in range(15)]
    async with database.transaction() as session:
        await service.record_found(session, EDGE, reports[5:])
        await service.record_found(session, EDGE, reports[:5])
        await service.record_found(session, EDGE, [told("f" * 16, last_seen=start + timedelta(hours=1))])
        assert await session.scalar(select(func.count()).select_from(FoundRow)) == 10
        kept = set(await session.scalars(select(FoundRow.address)))
    assert kept == {f"{n:016x}" for n in range(6, 15)} | {"f" * 16}
