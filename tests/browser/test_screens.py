"""The main job of each kind of user, in a real browser on the real cloud."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from browser_watch import PHONE, Watched
from playwright.sync_api import Page, expect
from screen_world import ScreenWorld

from wire.level import Level
from wire.report import Link

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Open = Callable[..., Page]


def newest(world: ScreenWorld, hazard: str) -> dict:
    return next(one for one in world.incidents() if one["hazard"] == hazard)


def close_all(world: ScreenWorld) -> None:
    for one in world.incidents():
        world.by("duty").post(f"/incidents/{one['id']}/close", json={"outcome": "test"}).raise_for_status()


@pytest.fixture(autouse=True)
def quiet(world: ScreenWorld) -> None:
    close_all(world)


def test_sign_in_refuses_and_then_lets_in(
    open_page: Open, world: ScreenWorld, watched: Watched, pictures: Path
) -> None:
    page = open_page(None)
    page.screenshot(path=pictures / "signin.png")
    page.fill("input[name=username]", "duty")
    page.fill("input[name=password]", "not this one")
    watched.forgiving = True
    page.click("button[type=submit]")
    expect(page.get_by_role("alert")).to_contain_text("账号或密码不对")
    watched.forgiving = False
    page.fill("input[name=password]", world.password("duty"))
    page.click("button[type=submit]")
    page.wait_for_url("**/console**")
    page.get_by_role("button", name="EN", exact=False).first.click()
    expect(page.get_by_text("Nothing to handle")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Nothing to handle")).to_be_visible()  # the language is remembered, the session too


def test_an_alarm_is_on_the_console_in_a_second_and_two_keys_take_and_send(
    open_page: Open, world: ScreenWorld, pictures: Path
) -> None:
    page = open_page("duty")
    expect(page.get_by_text("没有需要处理的事件")).to_be_visible()
    expect(page.locator(".live")).to_contain_text("实时")
    world.readings("water-up-low", 0.27)
    began = time.monotonic()
    world.raise_alarm("water-up-low", Level.II, 0.27)
    row = page.locator(".row")
    row.first.wait_for()
    assert time.monotonic() - began < 5  # a second on a quiet machine; this one is shared
    expect(row).to_contain_text("积水 0.27 m")
    expect(row.locator(".blk")).to_have_class(re.compile("solid lII"))
    expect(page.locator("[data-kpi=unacknowledged]")).to_contain_text("1")
    row.click()
    expect(page.get_by_role("button", name=re.compile("接警并派"))).to_be_visible()
    expect(page.locator(".chart canvas")).to_be_visible()
    expect(page.locator(".mapw canvas")).to_be_visible()
    expect(page.locator(".mk-event.sel")).to_be_visible()
    page.wait_for_timeout(600)
    page.screenshot(path=pictures / "console-light.png")
    page.keyboard.press("a")
    page.keyboard.press("d")
    expect(page.locator("[data-assignment=offered]")).to_be_visible()
    expect(row.locator(".blk")).to_have_class(re.compile("tint lII"))
    incident = newest(world, "water_level")
    assert incident["acknowledged_by"]["name"] == "林知远"
    assert incident["state"] == "dispatched"
    expect(page.locator(".process")).to_contain_text("接警")


def test_letter_keys_do_nothing_while_someone_writes(open_page: Open, world: ScreenWorld) -> None:
    world.raise_alarm("smoke-wh7-s1-3f", Level.III, 0.16)
    page = open_page("duty")
    page.locator(".row").first.click()
    page.keyboard.press("n")
    note = page.get_by_placeholder("看到什么、做了什么")
    expect(note).to_be_focused()
    page.keyboard.type("ad c?")
    expect(note).to_have_value("ad c?")
    assert newest(world, "smoke")["acknowledged_at"] is None
    assert page.locator("dialog[open]").count() == 0
    note.fill("")
    session = page.context.new_cdp_session(page)
    session.send("Input.imeSetComposition", {"text": "zhao", "selectionStart": 4, "selectionEnd": 4})
    page.keyboard.press("a")
    assert newest(world, "smoke")["acknowledged_at"] is None
    session.send("Input.insertText", {"text": "到场"})
    note.fill("到场核实，阳台有烟")
    page.keyboard.press("Enter")
    expect(page.locator(".process")).to_contain_text("到场核实，阳台有烟")


def test_the_telephone_rings_and_three_fields_make_an_incident(open_page: Open, world: ScreenWorld) -> None:
    page = open_page("duty")
    expect(page.get_by_text("没有需要处理的事件")).to_be_visible()
    page.keyboard.press("c")
    page.fill("input[name=place]", "望湖苑 7幢1单元3层")
    page.locator(".offered button").first.click()
    page.fill("textarea[name=what]", "楼下着火了，楼梯下不去")
    page.fill("input[name=caller]", "402 住户")
    page.locator("dialog[open] button[type=submit]").click()
    expect(page.locator(".row")).to_contain_text("楼下着火了")
    incident = newest(world, "smoke")
    assert (incident["origin"], incident["headline"]["code"]) == ("phone", "by_hand")


def test_closing_names_what_it_was(open_page: Open, world: ScreenWorld) -> None:
    world.raise_alarm("smoke-wh7-s2-3f", Level.III, 0.2)
    page = open_page("duty")
    page.locator(".row").first.click()
    page.keyboard.press("f")
    page.locator("[data-outcome=danger_caught]").click()
    page.get_by_role("button", name="干烧").click()
    page.locator("dialog[open] button[type=submit]").click()
    expect(page.get_by_text("没有需要处理的事件")).to_be_visible()
    closed = world.incidents("closed")[0]
    assert (closed["outcome"], closed["cause"]) == ("danger_caught", "dry_pot")


def test_a_lost_feed_says_so_and_misses_nothing(
    open_page: Open, world: ScreenWorld, watched: Watched, pictures: Path
) -> None:
    page = open_page("duty")
    expect(page.locator(".live")).to_contain_text("实时")
    watched.forgiving = True
    world.stop()
    expect(page.locator(".stale")).to_be_visible(timeout=40_000)
    page.screenshot(path=pictures / "console-stale.png")
    world.run()
    world.raise_alarm("smoke-sn12-s1-2f", Level.II, 0.41)
    expect(page.locator(".row")).to_contain_text("烟雾 0.41 dB/m", timeout=60_000)
    expect(page.locator(".stale")).to_have_count(0)
    watched.forgiving = False


def test_a_responder_accepts_without_a_network_and_the_tap_keeps_its_own_time(
    open_page: Open, world: ScreenWorld, watched: Watched, pictures: Path
) -> None:
    phone = open_page("shen", size=PHONE, workers=True)
    expect(phone.get_by_text("没有任务")).to_be_visible()
    world.raise_alarm("water-up-west", Level.II, 0.3)
    incident = newest(world, "water_level")
    if not incident["assignments"]:
        items = world.by("duty").get(f"/incidents/{incident['id']}/proposals").json()["items"]
        shen = next(one["responder_id"] for one in items if one["name"] == "沈雨桐")
        world.by("duty").post(f"/incidents/{incident['id']}/dispatch", json={"responder_id": shen}).raise_for_status()
    accept = phone.locator("[data-act=accept]")
    accept.wait_for()
    expect(phone.locator("h1")).to_contain_text("积水 0.30 m")
    phone.wait_for_timeout(500)
    phone.screenshot(path=pictures / "phone-offer.png")
    watched.forgiving = True
    phone.context.set_offline(True)
    tapped = datetime.now(UTC)
    accept.click()
    phone.locator("[data-act=en-route]").click()
    expect(phone.locator("[data-step=en-route]")).to_have_attribute("data-done", "yes")
    expect(phone.locator(".nonet")).to_contain_text("2 步已存在手机里")
    expect(phone.locator("[data-step=accept] .q")).to_be_visible()
    phone.screenshot(path=pictures / "phone-offline.png")
    assert newest(world, "water_level")["assignments"][0]["acknowledged_at"] is None
    phone.wait_for_timeout(3000)
    phone.context.set_offline(False)
    expect(phone.locator(".nonet")).to_have_count(0, timeout=30_000)
    watched.forgiving = False
    assignment = newest(world, "water_level")["assignments"][0]
    assert assignment["state"] == "en_route"
    accepted = datetime.fromisoformat(assignment["acknowledged_at"])
    assert abs((accepted - tapped).total_seconds()) < 2.5
    phone.locator("[data-act=on-scene]").click()
    phone.locator("[data-act=clear]").click()
    phone.locator("[data-act=finish]").click()
    expect(phone.get_by_text("没有任务")).to_be_visible()
    deadline = time.monotonic() + 20
    while newest(world, "water_level")["state"] != "resolved" and time.monotonic() < deadline:
        phone.wait_for_timeout(200)
    assert newest(world, "water_level")["state"] == "resolved"


def test_the_phone_page_opens_without_a_network(open_page: Open, watched: Watched) -> None:
    phone = open_page("shen", size=PHONE, workers=True)
    phone.evaluate("navigator.serviceWorker.ready.then(() => true)")
    phone.reload()
    expect(phone.get_by_text("没有任务")).to_be_visible()
    watched.forgiving = True
    phone.context.set_offline(True)
    phone.reload()
    expect(phone.locator(".nonet")).to_contain_text("没有网络")
    expect(phone.locator(".bar")).to_contain_text("沈雨桐")
    phone.context.set_offline(False)
    watched.forgiving = False


def test_a_manager_registers_by_form_and_by_table(
    open_page: Open, world: ScreenWorld, tmp_path: Path, pictures: Path
) -> None:
    page = open_page("manager")
    expect(page.locator("[data-device=water-up-low]")).to_be_visible()
    page.click("[data-act=register]")
    page.fill("input[name=id]", "smoke-wh8-s1-2f")
    page.fill("input[name=name]", "8幢1单元2层烟感")
    page.select_option("select[name=profile]", "shouwang/smoke")
    page.select_option("select[name=site]", "wanghuyuan")
    page.select_option("select[name=zone]", "wh-8-s1-2f")
    page.locator(".wizard button[type=submit]").click()
    expect(page.locator("[data-credential=username]")).to_have_text("smoke-wh8-s1-2f")
    assert len(page.locator("[data-credential=password]").inner_text()) >= 12
    expect(page.locator(".dg")).to_contain_text("还没收到读数")
    expect(page.locator("[data-device=smoke-wh8-s1-2f]")).to_be_visible()
    page.screenshot(path=pictures / "registry.png")

    columns = world.by("manager").get("/devices/import/template.csv").text.lstrip("\ufeff").splitlines()[0]
    names = columns.split(",")

    def line(**values: str) -> str:
        return ",".join(values.get(name, "") for name in names)

    good = {
        "name": "9幢烟感",
        "site": "wanghuyuan",
        "zone": "wh-9-s1-1f",
        "profile": "shouwang/smoke",
        "edge": "gw-liuyin",
    }
    table = tmp_path / "devices.csv"
    table.write_text(
        "\n".join([columns, line(id="smoke-wh9-a", **good), line(id="smoke-wh9-b", **(good | {"zone": "nowhere"}))])
    )
    page.click("[data-act=import]")
    page.set_input_files("input[name=file]", table)
    expect(page.locator("[data-verdict=error]")).to_have_count(1)
    expect(page.locator("[data-verdict=error] .fix")).to_have_text(
        "部位：“wanghuyuan”里没有部位“nowhere”。写台账里的部位编号，或先建这个部位"
    )
    expect(page.locator("[data-act=apply]")).to_be_disabled()
    page.screenshot(path=pictures / "registry-import.png")
    table.write_text("\n".join([columns, line(id="smoke-wh9-a", **good)]))
    page.set_input_files("input[name=file]", table)
    expect(page.locator("[data-count=new] b")).to_have_text("1")
    page.click("[data-act=apply]")
    expect(page.locator("[data-device=smoke-wh9-a]")).to_be_visible()


def test_a_device_that_speaks_unregistered_is_found_ignored_and_registered(
    open_page: Open, world: ScreenWorld, watched: Watched, pictures: Path
) -> None:
    page = open_page("manager", path="/registry/found")
    expect(page.locator(".nofound")).to_contain_text("认得的来源：ChirpStack")
    expect(page.locator("[data-view=found] .badge")).to_have_count(0)
    page.screenshot(path=pictures / "found-empty.png")
    eui, leak = "a84041ffff123456", "0x00158d0001d64498"
    world.find("chirpstack", eui, name="地下室水浸", vendor="Milesight", model="EM300-SLD",
               suggested_profile="milesight/em300-sld", messages=12)  # fmt: skip
    world.find("zigbee2mqtt", leak, name="厨房 水浸", messages=3)
    expect(page.locator("[data-view=found] .badge")).to_have_text("2")  # live: nobody reloaded
    row = page.locator(f"[data-found-device='{eui}']")
    expect(row).to_contain_text("地下室水浸")

    page.locator(f"[data-found-device='{leak}'] [data-act=ignore]").click()
    expect(page.locator(f"[data-found-device='{leak}']")).to_have_count(0)
    page.locator(".toasts button", has_text="撤回").click()
    expect(page.locator(f"[data-found-device='{leak}']")).to_be_visible()

    row.locator("[data-act=register-found]").click()
    for field, value in (("address", eui), ("name", "地下室水浸"), ("id", "water-123456")):
        expect(page.locator(f".wizard input[name={field}]")).to_have_value(value)
    for field, value in (("source", "chirpstack"), ("profile", "milesight/em300-sld"), ("edge", "gw-liuyin")):
        expect(page.locator(f".wizard select[name={field}]")).to_have_value(value)
    page.select_option("select[name=site]", "wanghuyuan")
    page.select_option("select[name=zone]", "wh-9-s1-1f")
    page.screenshot(path=pictures / "found.png")
    page.locator(".wizard button[type=submit]").click()
    expect(page.locator(".wizard .cred")).to_contain_text(f"chirpstack:{eui}")
    expect(row).to_have_count(0)

    page.click("[data-act=register]")  # a second one under the same address: the refusal is in Chinese, field by field
    for field, value in (("id", "water-2"), ("name", "水浸")):
        page.fill(f".wizard input[name={field}]", value)
    page.select_option(".wizard select[name=source]", "chirpstack")
    page.fill(".wizard input[name=address]", eui.upper())
    page.select_option(".wizard select[name=profile]", "milesight/em300-sld")
    page.select_option(".wizard select[name=site]", "wanghuyuan")
    page.select_option(".wizard select[name=zone]", "wh-9-s1-1f")
    watched.forgiving = True  # a browser's console counts every refusal
    page.locator(".wizard button[type=submit]").click()
    refusal = page.locator(".wizard .problem")
    expect(refusal).to_contain_text(f"地址：“chirpstack:{eui}”已是设备“water-123456”的地址")
    assert not re.search(r"\b(device|already|registered|correct)\b", refusal.inner_text())
    watched.forgiving = False
    page.screenshot(path=pictures / "found-refused.png")

    page.click("[data-view=devices]")
    world.health("water-123456", battery_percent=17.0, link=Link(rssi_dbm=-119.0, snr_db=-13.0))
    device = page.locator("[data-device=water-123456]")
    expect(device.locator("[data-health=battery]")).to_have_text("17%")
    page.click("[data-filter=low_battery]")
    expect(page.locator(".dt tbody tr")).to_have_count(1)
    device.click()
    page.locator(".wizard .ph button").click()
    expect(page.locator("[data-device-panel=water-123456]")).to_contain_text("RSSI −119 dBm · SNR −13 dB")
    page.click("[data-filter=all]")
    page.screenshot(path=pictures / "registry-device.png")
    page.click("[data-act=edit-device]")
    page.fill("input[name=device-name]", "地下室集水井")
    page.locator(".device button[type=submit]").click()
    expect(device).to_contain_text("地下室集水井")


def test_a_trainer_starts_a_drill_pauses_and_stops_it(open_page: Open, world: ScreenWorld, pictures: Path) -> None:
    page = open_page("trainer")
    page.get_by_role("checkbox", name=re.compile("林知远")).check()
    page.get_by_role("checkbox", name=re.compile("周启明")).check()
    page.click("[data-act=create]")
    page.click("[data-act=start]")
    expect(page.locator("[data-drill-state=running]")).to_be_visible()
    expect(page.locator(".tclk")).not_to_have_text(re.compile(r"T\+00:00"))
    expect(page.locator("[data-inject]").first).to_be_visible()
    page.screenshot(path=pictures / "drill.png")
    page.click("[data-act=pause]")
    expect(page.locator("[data-drill-state=paused]")).to_be_visible()
    page.click("[data-act=resume]")
    expect(page.locator("[data-drill-state=running]")).to_be_visible()
    page.click("[data-act=stop]")
    page.click("[data-act=stop-sure]")
    expect(page.locator("[data-drill-state=ended]")).to_be_visible()
    assert page.url.rsplit("/", 1)[-1].startswith("drl-")


def test_an_exercise_stands_beside_a_real_alarm_and_never_rings(
    open_page: Open, world: ScreenWorld, pictures: Path
) -> None:
    trainer = world.by("trainer")
    people = {one["username"]: one["id"] for one in trainer.get("/people/participants").json()["items"]}
    made = trainer.post(
        "/drills", json={"scenario": "stairwell-fire", "participants": [people["duty"], people["zhou"]]}
    )
    assert made.status_code == 201, made.text
    drill = made.json()["id"]
    trainer.post(f"/drills/{drill}/start").raise_for_status()
    world.raise_alarm("smoke-wh7-s1-1f", Level.I, 1.2, exercise=drill)
    page = open_page("duty", theme="dark")
    expect(page.locator(".row.exr")).to_contain_text("演练")
    expect(page.locator("[data-kpi=unacknowledged]")).to_contain_text("0")
    expect(page.get_by_role("button", name=re.compile("声音已开|点一下开声音"))).to_be_visible()
    world.raise_alarm("smoke-wh7-s1-3f", Level.III, 0.16)
    rows = page.locator(".row")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).not_to_have_class(re.compile("exr"))  # real first, though the exercise is the worse
    expect(rows.nth(0).locator(".blk")).to_have_class(re.compile("solid"))
    expect(rows.nth(1).locator(".blk")).to_have_class(re.compile("ex"))
    page.locator(".row").first.click()
    page.wait_for_timeout(800)
    page.screenshot(path=pictures / "console-dark.png")
    exercise = next(one for one in world.incidents() if one["exercise"])
    items = world.by("duty").get(f"/incidents/{exercise['id']}/proposals").json()["items"]
    zhou = next(one["responder_id"] for one in items if one["name"] == "周启明")
    world.by("duty").post(f"/incidents/{exercise['id']}/dispatch", json={"responder_id": zhou}).raise_for_status()
    phone = open_page("zhou", size=PHONE)
    expect(phone.locator(".phone.ex .hero")).to_contain_text("演练")
    expect(phone.locator("h1")).to_contain_text("演练：")
    phone.wait_for_timeout(500)
    phone.screenshot(path=pictures / "phone-exercise.png")
    page.locator(".top .btn", has_text="EN").click()
    expect(page.locator(".row.exr")).to_contain_text("EXERCISE")
    page.wait_for_timeout(300)
    page.screenshot(path=pictures / "console-english.png")
    trainer.post(f"/drills/{drill}/stop").raise_for_status()


def test_nothing_stands_in_for_a_missing_role(open_page: Open) -> None:
    page = open_page("zhou", size=PHONE, path="/console")
    page.wait_for_url("**/phone")
