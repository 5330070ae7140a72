"""The property manager tries a threshold on the last days, in a real browser on the real cloud."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cloud_world import event
from playwright.sync_api import Page, expect
from screen_world import ScreenWorld

from wire.event import Type
from wire.reading import Series, TelemetryBlock

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Open = Callable[..., Page]
DEVICE = "water-up-low"


def rain(world: ScreenWorld, *, days: int = 6) -> None:
    """Days of readings a minute apart, with a flood of 20 cm, one of 8 cm, and half a day without data."""
    end = int(time.time() * 1000)
    t = np.arange(0, days * 1440) * 60_000 + end - days * 86_400_000
    depth = np.full(len(t), 0.003)
    for day, minutes, high in ((1.2, 90, 0.2), (3.6, 60, 0.08)):
        at = (t - t[0]) / 60_000 - day * 1440
        depth = np.maximum(depth, high * np.clip(np.minimum(at, minutes - at) / 15, 0, 1))
    keep = (t < t[0] + 2 * 86_400_000) | (t > t[0] + 2.5 * 86_400_000)
    t, depth = t[keep], depth[keep]
    for part in np.array_split(np.arange(len(t)), 4):
        block = TelemetryBlock(
            [Series(DEVICE, "level", "m")], [0] * len(part), t[part].tolist(), depth[part].round(4).tolist(),
            [1] * len(part),
        )  # fmt: skip
        world.post(event(msgspec.to_builtins(block), type=Type.TELEMETRY_RECORDED))


def test_a_threshold_is_tried_on_the_last_days_before_it_is_changed(
    open_page: Open, world: ScreenWorld, pictures: Path
) -> None:
    rain(world)
    page = open_page("manager", path="/preview")
    page.wait_for_url("**/preview")
    site = page.locator("select[name=site]")
    site.select_option("liuyin-underpass")
    page.locator("select[name=place]").select_option(f"device:{DEVICE}")
    page.locator("select[name=rule]").select_option("water_depth")
    enter = page.locator("input[name=IV-enter]")
    expect(enter).not_to_have_value("")
    run = page.locator("[data-act=preview]")
    expect(run).to_be_disabled()
    enter.fill("0.12")
    enter.press("Tab")
    expect(enter).to_have_class("moved")
    run.click()
    before, after = page.locator("[data-sum=before] dd"), page.locator("[data-sum=after] dd")
    expect(before).to_have_text("2")
    expect(after).to_have_text("1")
    expect(page.locator("[data-sum=only_before] dd")).to_have_text("1")
    expect(page.locator("tr[data-verdict=only_before]")).to_contain_text("不再报警")
    expect(page.locator("svg.pv-chart [data-lane=before] rect.bar").first).to_be_visible()
    expect(page.locator(".caveats")).to_contain_text("到达云端")
    page.screenshot(path=pictures / "preview.png")
    page.get_by_role("button", name="English").click()
    expect(page.locator("tr[data-verdict=only_before]")).to_contain_text("Would not fire")
    page.screenshot(path=pictures / "preview-en.png")
    assert world.by("manager").get(f"/devices/{DEVICE}").json()["rules"] == {}


def test_what_cannot_be_is_said_and_a_zone_is_told_device_by_device(
    open_page: Open, world: ScreenWorld, pictures: Path, watched
) -> None:
    page = open_page("duty", path="/preview", theme="dark")
    page.wait_for_url("**/preview")
    page.locator("select[name=site]").select_option("liuyin-underpass")
    page.locator("select[name=place]").select_option("site:liuyin-underpass")
    page.locator("select[name=rule]").select_option("water_depth")
    exit_ = page.locator("input[name=IV-exit]")
    exit_.fill("0.9")
    exit_.press("Tab")
    watched.forgiving = True
    page.locator("[data-act=preview]").click()
    expect(page.get_by_role("alert")).to_be_visible()
    watched.forgiving = False
    exit_.fill("0.005")
    exit_.press("Tab")
    page.locator("[data-act=preview]").click()
    expect(page.locator("[data-sum=before] dd")).to_be_visible()
    page.screenshot(path=pictures / "preview-dark.png")
