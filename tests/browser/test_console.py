"""The duty officer's console: what it shows in a flood, what it is held to, and that every button does what it says."""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from browser_checks import DEFICIENCIES, InputMethod, axe, differs, luminance, shape_of, wire_tap
from browser_watch import ARGUMENTS, CHROMIUM, CONSOLE, Watched
from cloud_world import DEVICES
from playwright.sync_api import Browser, Error, Page, Playwright, expect
from screen_world import ScreenWorld

from wire.level import Level

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Open = Callable[..., Page]


@pytest.fixture(autouse=True)
def quiet(world: ScreenWorld) -> None:
    for one in world.by("duty").get("/measures").json()["items"]:
        world.by("duty").post(
            f"/measures/{one['id']}/end", json={"reason": "test", "authority": "test"}
        ).raise_for_status()
    for one in world.incidents():
        world.by("duty").post(f"/incidents/{one['id']}/close", json={"outcome": "test"}).raise_for_status()


@pytest.fixture(scope="module")
def crowd(world: ScreenWorld) -> list[str]:
    """A smoke detector in each stairwell of the neighbourhood: each its own incident."""
    stairwells: dict[str, tuple[str, str]] = {}
    for site in world.by("manager").get("/sites").json():
        for building in site["buildings"]:
            for zone in building["zones"]:
                stairwells.setdefault("-".join(zone["id"].split("-")[:3]), (site["id"], zone["id"]))
    made = []
    for site_id, zone in stairwells.values():
        body = {"id": f"smoke-{zone}-x", "name": zone, "site_id": site_id, "zone_id": zone,
                "profile": "shouwang/smoke", "edge_id": "gw-liuyin"}  # fmt: skip
        world.by("manager").post("/devices", json=body).raise_for_status()
        DEVICES[body["id"]] = (site_id, zone, "smoke", "shouwang/smoke")
        made.append(body["id"])
    return made


def test_a_flood_is_folded_by_grid_and_kind_and_fire_is_not(
    open_page: Open, world: ScreenWorld, crowd: list[str], pictures: Path
) -> None:
    page = open_page("duty")
    expect(page.locator(".live")).to_contain_text("实时")
    for device in crowd[1:]:
        world.raise_alarm(device, Level.III, 0.16)
    expect(page.locator(".flood")).to_contain_text("10 分钟新增")
    assert len(world.incidents()) > 10, "a flood needs more than ten"
    raised = [one["place"]["grid"] for one in world.incidents() if one["level"] in ("III", "IV")]
    grids = {grid: raised.count(grid) for grid in raised}
    groups = page.locator(".row.grp")
    expect(groups).to_have_count(sum(count > 1 for count in grids.values()))
    world.raise_alarm(crowd[0], Level.I, 1.3)
    rows = page.locator(".row")
    expect(rows.first).not_to_have_class(re.compile("grp"))  # what burns stands by itself, and first
    expect(rows.first.locator(".blk")).to_have_class(re.compile("solid lI"))
    most = max(grids.values())
    groups.filter(has=page.locator(".count", has_text=f"{most} 起")).click()
    expect(page.locator(".row.child")).to_have_count(most)
    page.wait_for_timeout(500)
    page.screenshot(path=pictures / "console-storm.png")
    page.locator("[data-act=one-by-one]").click()
    expect(page.locator(".row.grp")).to_have_count(0)
    expect(page.locator(".mk-event.many").first).to_be_visible()
    assert axe(page) == []


def test_two_tabs_share_one_stream_and_go_on_when_one_closes(
    open_page: Open, world: ScreenWorld, browser: Browser
) -> None:
    first = open_page("duty")
    second = first.context.new_page()
    asked: list[str] = []
    second.on("request", lambda request: asked.append(request.url))
    second.goto("/console")
    expect(second.locator(".live")).to_contain_text("实时")
    session = browser.new_browser_cdp_session()
    targets = session.send("Target.getTargets")["targetInfos"]
    assert len([one for one in targets if one["type"] == "shared_worker"]) == 1
    assert [url for url in asked if "/api/v1/feed" in url] == []
    first.close()
    world.raise_alarm("smoke-sn12-s1-2f", Level.II, 0.44)
    expect(second.locator(".row")).to_contain_text("烟雾 0.44 dB/m")


def test_measures_levels_and_shelving_are_decided_at_the_desk(
    open_page: Open, world: ScreenWorld, watched: Watched, pictures: Path
) -> None:
    world.readings("water-up-low", 0.27)
    world.raise_alarm("water-up-low", Level.II, 0.27, evidence={"rate": 0.021})
    page = open_page("duty")
    page.locator(".row").first.click()
    page.keyboard.press("a")
    expect(page.locator(".plan [data-tick]").first).to_be_visible()
    page.locator(".plan [data-tick]").first.click()
    expect(page.locator(".plan li.done")).to_have_count(1)

    page.keyboard.press("p")
    page.locator("[data-kind=road_closed]").click()
    page.fill("input[name=place]", "西口")
    page.locator("dialog[open] button[type=submit]").click()
    expect(page.locator(".measures [data-measure=road_closed]")).to_contain_text("西口")
    expect(page.locator("[data-kpi=measures]")).to_contain_text("封交 1")

    page.keyboard.press("f")
    page.locator("[data-outcome=hazard_true]").click()
    watched.forgiving = True  # the cloud refuses, and says so in Chinese
    with page.expect_response(re.compile("/close$")):
        page.locator("dialog[open] button[type=submit]").click()
    expect(page.locator(".toasts")).to_contain_text(re.compile("[一-鿿]"))
    assert not re.search(r"[a-z]{4,}", page.locator(".toasts").inner_text())
    page.keyboard.press("Escape")

    page.get_by_role("button", name="更多").click()
    page.locator("[data-choice=level]").click()
    page.locator("[data-level=III]").click()
    watched.forgiving = False
    page.locator("dialog[open] button[type=submit]").click()
    expect(page.get_by_role("alert")).to_contain_text("怎么核实")
    page.get_by_role("button", name="到场核实").click()
    page.fill("textarea[name=reason]", "水尺 0.12 m，传感器被杂物顶住")
    page.locator("dialog[open] button[type=submit]").click()
    expect(page.locator(".ihead .meta")).to_contain_text("已人工降级")

    page.keyboard.press("s")
    page.locator("[data-span='30']").click()
    page.get_by_role("button", name="施工已报备").click()
    page.locator("dialog[open] button[type=submit]").click()
    expect(page.locator(".process")).to_contain_text("请求限时搁置")

    page.locator(".measures [data-measure=road_closed] button").click()
    page.fill("textarea[name=reason]", "水退")
    page.fill("input[name=authority]", "交警 张队")
    page.wait_for_timeout(300)
    page.screenshot(path=pictures / "console-end-measure.png")
    page.locator("dialog[open] button[type=submit]").click()
    expect(page.locator(".measures [data-measure]")).to_have_count(0)
    expect(page.locator(".process")).to_contain_text("解除管控措施")
    page.wait_for_timeout(300)
    page.screenshot(path=pictures / "console-busy.png")


def test_an_input_method_sends_nothing_early_and_fires_no_shortcut_in_any_field(
    open_page: Open, world: ScreenWorld
) -> None:
    world.raise_alarm("smoke-wh7-s1-3f", Level.III, 0.16)
    page = open_page("duty")
    page.locator(".row").first.click()
    expect(page.locator(".prop").first).to_be_visible()
    sent: list[str] = []
    page.on("request", lambda request: request.method != "GET" and sent.append(f"{request.method} {request.url}"))
    method = InputMethod(page)
    openers = {"note": "n", "call": "c", "close": "f", "shelve": "s", "measure": "p", "commands": "/"}
    tried = 0
    for name, key in [*openers.items(), ("search", "")]:
        if key:
            page.keyboard.press(key)
        else:
            page.locator("[data-act=search]").click()
        where = page.locator("dialog[open]") if key not in ("n", "") else page.locator(".process, .list .search")
        fields = where.locator("input:not([type=checkbox]), textarea")
        fields.first.wait_for()
        for at in range(fields.count()):
            field = fields.nth(at)
            field.focus()
            for syllable in ("a", "adc", "zhaohuo"):
                method.compose(syllable)
                for code in ("KeyA", "KeyD", "KeyC", "Digit1", "Enter", "Escape"):
                    method.key(code)
            open_ = page.locator("dialog[open]").count()
            assert open_ == (0 if key in ("n", "") else 1), f"{name}: a dialog opened or closed"
            assert sent == [], name
            method.commit("着火")
            expect(field).to_have_value("着火")
            field.fill("")
            tried += 1
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
    assert tried >= 10
    assert world.incidents()[0]["acknowledged_at"] is None


def test_axe_finds_nothing_and_every_level_is_told_by_shape_and_word(
    open_page: Open, world: ScreenWorld, pictures: Path
) -> None:
    world.raise_alarm("water-up-low", Level.II, 0.27)
    page = open_page("duty", theme="dark")
    page.locator(".row").first.click()
    expect(page.locator(".prop").first).to_be_visible()
    expect(page.locator(".plan")).to_be_visible()
    wrong = axe(page)
    page.keyboard.press("p")
    wrong += axe(page, within="dialog[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    wrong += axe(page, within="dialog[open]")
    page.keyboard.press("Escape")
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--t-mid').trim()") == "0ms"
    page.locator(".top .btn", has_text="EN").click()
    expect(page.locator(".prop").first).to_contain_text("On shift")
    wrong += axe(page)
    page.goto("/gallery")
    page.locator(".uplot canvas").first.wait_for()
    wrong += axe(page)
    page.screenshot(path=pictures / "gallery.png", full_page=True)
    assert wrong == []

    session = page.context.new_cdp_session(page)
    for deficiency in DEFICIENCIES:
        session.send("Emulation.setEmulatedVisionDeficiency", {"type": deficiency})
        for theme in ("light", "dark"):
            blocks = page.locator(f"[data-theme={theme}] [data-part=levels] > .blk")
            words = blocks.all_inner_texts()
            assert len(set(words[:4])) == 4
            for first in (0, 4, 8):  # not taken, taken, exercise
                shapes = []
                for at in range(first, first + 4):
                    mask, contrast = shape_of(luminance(page, blocks.nth(at))[:28])  # above its word
                    assert contrast >= 2.9, f"{deficiency} {theme} block {at}: {contrast:.1f}"
                    shapes.append(mask)
                for a in range(4):
                    for b in range(a):
                        assert differs(shapes[a], shapes[b]) > 0.12, f"{deficiency} {theme} {first}: {a}, {b}"
    session.send("Emulation.setEmulatedVisionDeficiency", {"type": "none"})


def test_nothing_is_asked_of_another_host(playwright_: Playwright, world: ScreenWorld) -> None:
    with wire_tap() as (proxy, asked):
        found = playwright_.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, proxy={"server": proxy, "bypass": "127.0.0.1"}
        )
        page = found.new_context(base_url=world.url, viewport=CONSOLE, locale="zh-CN").new_page()
        page.goto("/signin")
        page.fill("input[name=username]", "duty")
        page.fill("input[name=password]", world.password("duty"))
        page.click("button[type=submit]")
        page.locator(".mapw canvas, .maplist").first.wait_for()
        for path in ("/gallery", "/preview"):
            page.goto(path)
            page.wait_for_load_state("networkidle") if path == "/gallery" else page.wait_for_timeout(300)
        seen = list(asked)
        with contextlib.suppress(Error):  # the tap itself: it hears what goes outside, and refuses it
            page.goto("http://elsewhere.example/")
        found.close()
        assert [one for one in asked if one not in seen] != []
    assert set(seen) == set()
