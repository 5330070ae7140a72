"""The phone and the duty leader's page: woken by a push, taps without a network, a word given with its reason."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from browser_watch import PHONE, Watched
from playwright.sync_api import Page, expect
from screen_world import ScreenWorld

from cloud.notify.vault import FILE, Vault
from wire.level import Level

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Open = Callable[..., Page]


def until(page: Page, look: Callable[[], Any], seconds: float = 20) -> Any:
    """What the cloud says as soon as it says anything; the page lives on meanwhile."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        page.wait_for_timeout(150)
    assert found, "the cloud did not come to it in time"
    return found


def sent_to(world: ScreenWorld, name: str, device: str, level: Level, value: float) -> dict[str, Any]:
    """An alarm, and that one asked to go."""
    world.raise_alarm(device, level, value)
    desk = world.by("duty")
    incident = world.incidents()[0]
    if not any(one["responder"]["name"] == name for one in incident["assignments"]):
        items = desk.get(f"/incidents/{incident['id']}/proposals").json()["items"]
        who = next(one["responder_id"] for one in items if one["name"] == name)
        desk.post(f"/incidents/{incident['id']}/dispatch", json={"responder_id": who}).raise_for_status()
    return incident


def deliver(page: Page, world: ScreenWorld, message: dict[str, Any]) -> None:
    """What the push service would hand to this browser: the payload of `cloud/notify/webpush.py`."""
    session = page.context.new_cdp_session(page)
    known: list[str] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda said: known.extend(one["registrationId"] for one in said["registrations"] if not one["isDeleted"]),
    )
    session.send("ServiceWorker.enable")
    until(page, lambda: known)

    given = {"origin": world.url, "registrationId": known[0], "data": json.dumps(message)}
    session.send("ServiceWorker.deliverPushMessage", given)


def test_a_push_wakes_the_phone_and_taps_made_offline_keep_their_own_time(
    open_page: Open, world: ScreenWorld, watched: Watched, pictures: Path
) -> None:
    phone = open_page("zhou", size=PHONE, workers=True)
    phone.context.grant_permissions(["notifications"])
    phone.evaluate("navigator.serviceWorker.ready.then(() => true)")
    expect(phone.get_by_text("没有任务")).to_be_visible()
    phone.screenshot(path=pictures / "phone-none.png")
    phone.click("[data-act=alerts]")
    expect(phone.locator("[data-push=off]")).to_be_visible()
    phone.screenshot(path=pictures / "phone-alerts.png")
    phone.keyboard.press("Escape")

    incident = sent_to(world, "周启明", "smoke-wh7-s1-3f", Level.II, 0.4)
    where = f"/incidents/{incident['id']}"
    world.by("duty").post(f"{where}/knock-list", json={}).raise_for_status()
    phone.locator("[data-act=accept]").wait_for()
    zhou = world.by("zhou")

    def mine() -> dict[str, Any] | None:
        items = zhou.get("/notifications/mine").json()["items"]
        return next((one for one in items if one["incident_id"] == incident["id"]), None)

    told = until(phone, mine)
    keys = (world.folder / "secrets" / FILE).read_text().split()
    push = {name: told[name] for name in ("id", "kind", "level", "incident_id", "silent", "text_zh", "text_en")}
    deliver(phone, world, push | {"token": Vault(keys).token("receipt", told["id"]), "exercise": False})
    until(phone, lambda: (mine() or {})["delivered_at"])
    shown = phone.evaluate(
        "navigator.serviceWorker.ready.then((one) => one.getNotifications())"
        ".then((all) => all.map((one) => [one.title, one.body, one.tag, one.requireInteraction]))"
    )
    assert shown == [["▲ 紧急", told["text_zh"], incident["id"], True]]
    [worker] = phone.context.service_workers
    worker.evaluate(  # only a person's finger may bring a window to the front; the receipt goes all the same
        "self.registration.getNotifications().then(([one]) => clicked(one))"
        ".catch((error) => { if (error.name !== 'InvalidAccessError') throw error; })"
    )
    until(phone, lambda: (mine() or {})["seen_at"])
    phone.screenshot(path=pictures / "phone-offer-team.png")

    watched.forgiving = True
    phone.locator("[data-act=accept]").click()
    phone.click("[data-act=knock]")
    doors = phone.locator("[data-door]")
    expect(doors.first).to_contain_text("102")  # who must be carried
    phone.context.set_offline(True)
    expect(phone.locator(".nonet")).to_be_visible()
    tapped = datetime.now(UTC)
    phone.locator("[data-door='7幢 1单元 102'] [data-tap=no_answer]").click()
    phone.wait_for_timeout(1500)
    phone.locator("[data-door='7幢 1单元 102'] [data-tap=moved]").click()
    phone.locator("[data-door='7幢 1单元 301'] [data-tap=no_answer]").click()
    expect(phone.locator("[data-door='7幢 1单元 102']")).to_have_attribute("data-outcome", "moved")
    phone.screenshot(path=pictures / "phone-knock.png")
    phone.click("[data-act=back]")
    tick = phone.locator("[data-tick]").first
    tick.click()
    expect(tick).to_have_attribute("aria-checked", "true")
    phone.click("[data-act=en-route]")
    phone.set_input_files("[data-act=photo]", pictures / "phone-none.png")
    expect(phone.locator(".filed")).to_contain_text("1 个待传")
    phone.wait_for_timeout(300)
    phone.screenshot(path=pictures / "phone-task-offline.png")
    assert all(one["outcome"] is None for one in world.by("duty").get(f"{where}/knock-list").json()["doors"])
    phone.wait_for_timeout(2500)
    phone.context.set_offline(False)
    expect(phone.locator(".nonet")).to_have_count(0)
    watched.forgiving = False

    listed = {one["door"]: one for one in world.by("duty").get(f"{where}/knock-list").json()["doors"]}
    assert (listed["102"]["outcome"], listed["301"]["outcome"]) == ("moved", "no_answer")
    moved = datetime.fromisoformat(listed["102"]["outcome_at"])
    assert timedelta(seconds=1) < moved - tapped < timedelta(seconds=4)
    assignment = next(
        one
        for one in world.by("duty").get(where).json()["assignments"]
        if one["responder"]["name"] == "周启明" and one["state"] == "en_route"
    )
    assert datetime.fromisoformat(assignment["en_route_at"]) - tapped < timedelta(seconds=10)
    [photo] = world.by("duty").get(f"{where}/attachments").json()["items"]
    assert photo["media_type"] == "image/jpeg"  # made smaller, and without what the camera wrote into it
    expect(phone.locator(".filed")).to_contain_text("已上传 1 个")
    phone.evaluate("localStorage.setItem('shouwang.language','en'); localStorage.setItem('shouwang.theme','dark')")
    phone.reload()
    phone.locator("[data-act=knock]").wait_for()
    phone.wait_for_timeout(400)
    phone.screenshot(path=pictures / "phone-task-en-dark.png")
    phone.click("[data-act=knock]")
    expect(phone.locator("[data-door='7幢 1单元 102']")).to_have_attribute("data-outcome", "moved")
    phone.screenshot(path=pictures / "phone-knock-en-dark.png")


def test_the_duty_leader_gives_their_word_with_a_reason(open_page: Open, world: ScreenWorld, pictures: Path) -> None:
    desk = world.by("duty")
    world.raise_alarm("water-up-low", Level.II, 0.3)
    incident = next(one for one in world.incidents() if one["hazard"] == "water_level")
    where = f"/incidents/{incident['id']}"
    desk.post(f"{where}/acknowledge", json={}).raise_for_status()
    kind = {"kind": "evacuation", "place": "下穿西口两户", "may_end": "duty_leader"}
    desk.post(f"{where}/measures", json=kind).raise_for_status()
    desk.post(f"{where}/hand-off", json={"to": "per_leader", "note": "我去开会"}).raise_for_status()
    begin = datetime.now(UTC) + timedelta(days=3)
    leave = {"from": begin.isoformat(), "to": (begin + timedelta(days=1)).isoformat(), "reason": "家里有事"}
    asked = desk.post("/leaves", json=leave)
    assert asked.status_code == 201, asked.text

    page = open_page("leader", size=PHONE)
    page.wait_for_url("**/leader")
    expect(page.locator("[data-question]")).to_have_count(2)
    page.wait_for_timeout(300)
    page.screenshot(path=pictures / "leader.png")
    hand_off = page.locator("[data-question=hand_off]")
    hand_off.locator("[data-act=no]").click()
    page.click("[data-act=settle]")
    expect(page.locator("dialog[open] .problem")).to_contain_text("请写原因")
    page.fill("textarea[name=reason]", "我在现场，请找副班")
    page.screenshot(path=pictures / "leader-refuse.png")
    page.click("[data-act=settle]")
    expect(hand_off).to_have_count(0)
    assert desk.get(where).json()["owner"]["name"] == "林知远"
    page.locator("[data-question=change] [data-act=yes]").click()
    page.fill("textarea[name=reason]", "同意，何清顶班")
    page.click("[data-act=settle]")
    expect(page.locator("[data-question]")).to_have_count(0)
    changes = desk.get("/rota-changes").json()["items"]
    assert [(one["state"], one["answered_by"]["name"]) for one in changes if one["id"] == asked.json()["id"]] == [
        ("agreed", "王海燕")
    ]
    page.locator("[data-measure=evacuation] [data-act=end]").click()
    page.fill("textarea[name=reason]", "水退了，住户已回")
    page.locator("dialog[open] button[type=submit]").click()
    expect(page.locator("[data-measure]")).to_have_count(0)
    assert desk.get("/measures", params={"state": "in_force"}).json()["items"] == []
    page.evaluate("localStorage.setItem('shouwang.language','en'); localStorage.setItem('shouwang.theme','dark')")
    page.reload()
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    page.screenshot(path=pictures / "leader-en-dark.png")
