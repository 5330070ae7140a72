"""The demo as its first visitor sees it: the real programs, three stories, two keys, a phone; takes pictures.

`SHOUWANG_PICTURES=docs` writes them to docs/pictures; else they go to a folder of the test.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from browser_watch import CONSOLE, PHONE, Watched
from playwright.sync_api import Browser, Page, ViewportSize, expect

ROOT = Path(__file__).parents[2]
STORIES = {"smoke", "water_level", "curtain_wall"}
UP_S, STORIES_S, DOWN_S = 120.0, 180.0, 60.0
LARGEST = 400_000
"""Bytes of a picture: they travel with every clone."""

pytestmark = [pytest.mark.browser, pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(480)]


class Demo:
    """`shouwang demo --no-auto`, and its people's API."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            listen = f"127.0.0.1:{probe.getsockname()[1]}"
        self.folder, self.url = folder, f"http://{listen}"
        self.log = folder.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "shouwang.main", "demo", "--no-auto", "--listen", listen, "--data-dir", folder],
                stdout=log, stderr=log, cwd=ROOT,
            )  # fmt: skip
        self.client = httpx.Client(base_url=f"{self.url}/api/v1", timeout=20, trust_env=False)

    def password(self, username: str) -> str:
        accounts = json.loads((self.folder / "cloud" / "secrets" / "accounts.json").read_text())
        return next(one["password"] for one in accounts if one["username"] == username)

    def wait(self, what: str, seconds: float, happened: Any) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"{what} did not happen in {seconds:g} s:\n{self.log.read_text()}"
            time.sleep(0.3)

    def sign_in(self) -> None:
        """As the duty officer, once everything stands (the cloud answers before its sensors are there)."""
        self.wait("the demo", UP_S, lambda: "Ctrl-C ends it" in self.log.read_text())
        answer = self.client.post("/session", json={"username": "duty", "password": self.password("duty")})
        self.client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['token']}"
        self.client.cookies.clear()

    def open(self) -> dict[str, dict[str, Any]]:
        """The newest open real incident of each hazard."""
        items = self.client.get("/incidents", params={"state": "open"}).raise_for_status().json()["items"]
        return {one["hazard"]: one for one in sorted(items, key=lambda one: one["opened_at"])}

    def end(self) -> None:
        """As Ctrl-C does; whatever it does not take along is ended by name of its folder, and told."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(DOWN_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            left = psutil.wait_procs(self._own(), timeout=20)[1]
            for process in left:
                process.kill()
        assert left == []
        assert self.process.returncode == 0, self.log.read_text()

    def _own(self) -> list[psutil.Process]:
        found = psutil.process_iter(["cmdline", "status"])
        return [
            one
            for one in found
            if str(self.folder) in " ".join(one.info["cmdline"] or []) and one.info["status"] != psutil.STATUS_ZOMBIE
        ]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    one = Demo(tmp_path / "demo")
    try:
        one.sign_in()
        yield one
    finally:
        one.end()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    folder = ROOT / "docs" / "pictures" if os.environ.get("SHOUWANG_PICTURES") == "docs" else tmp_path / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_the_demo_is_worth_looking_at(demo: Demo, browser: Browser, album: Path) -> None:
    watched, contexts = Watched(demo.url), []

    def open_(username: str, size: ViewportSize = CONSOLE, theme: str = "light") -> Page:
        context = browser.new_context(
            base_url=demo.url, viewport=size, color_scheme=theme, locale="zh-CN", timezone_id="Asia/Shanghai",
            service_workers="block",
        )  # fmt: skip
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        watched.watch(page)
        page.goto("/signin")
        page.fill("input[name=username]", username)
        page.fill("input[name=password]", demo.password(username))
        page.click("button[type=submit]")
        page.wait_for_url(lambda url: "/signin" not in url)
        return page

    def take(page: Page, name: str) -> None:
        page.wait_for_timeout(800)  # the map's last frame
        page.screenshot(path=album / f"{name}.png", animations="disabled")
        assert (album / f"{name}.png").stat().st_size < LARGEST

    def choose(page: Page, place: str) -> None:
        page.locator(".row", has_text=place).first.click()
        expect(page.locator(".mapw canvas")).to_be_visible()
        expect(page.locator(".mk-event.sel")).to_be_visible()
        expect(page.locator(".mk-name", has_text="柳荫路")).to_have_count(1)
        expect(page.locator(".chart canvas")).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("接警并派"))).to_be_visible()

    try:
        demo.wait("three open incidents", STORIES_S, lambda: set(demo.open()) >= STORIES)
        demo.wait("deep water", STORIES_S, lambda: demo.open()["water_level"]["headline"]["code"] == "water_deep")
        console = open_("duty")
        expect(console.locator(".demo[role=note]")).to_contain_text("×20")
        expect(console.locator(".row")).not_to_have_count(0)
        choose(console, "铁路下穿")
        take(console, "console-light")
        dark = open_("duty", theme="dark")
        choose(dark, "铁路下穿")
        take(dark, "console-dark")
        water = demo.open()["water_level"]
        first = demo.client.get(f"/incidents/{water['id']}/proposals").raise_for_status().json()["items"][0]
        phone = open_(first["responder_id"].removeprefix("rsp_"), PHONE)
        expect(phone.locator(".demo[role=note]")).to_contain_text("×20")
        console.keyboard.press("a")
        console.keyboard.press("d")
        expect(phone.locator("h1")).to_contain_text("积水")
        expect(phone.locator(".plan svg").first).to_be_visible()
        take(phone, "phone")
        expect(console.locator("[data-assignment]").first).to_be_visible()
        water = demo.open()["water_level"]
        assert water["acknowledged_by"]["name"] == "林知远"
        assert water["assignments"][0]["responder"]["id"] == first["responder_id"]
        trainer = open_("trainer")
        trainer.get_by_role("checkbox", name=re.compile("林知远")).check()
        trainer.get_by_role("checkbox", name=re.compile("周启明")).check()
        trainer.click("[data-act=create]")
        trainer.click("[data-act=start]")
        expect(trainer.locator("[data-drill-state=running]")).to_be_visible()
        expect(trainer.locator(".tclk")).not_to_have_text(re.compile(r"T\+00:00"))
        take(trainer, "drill")
        registry = open_("manager")
        newest = registry.locator("[data-device=water-up-low]")
        expect(newest).to_contain_text(" m", timeout=90_000)  # edges report a device once a minute
        take(registry, "registry")
    finally:
        for context in contexts:
            context.close()
    assert watched.wrong == []
