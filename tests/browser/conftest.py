"""A real browser on the real cloud: a page fails on any request to another host, a failed one, a console error."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser_watch import ARGUMENTS, CHROMIUM, CONSOLE, Watched
from hatch_screens import built
from playwright.sync_api import Browser, Page, Playwright, ViewportSize, expect, sync_playwright
from required import absent
from screen_world import ROOT, ScreenWorld

expect.set_options(timeout=30_000)  # a wait, not a measure: the machine may be busy


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScreenWorld]:
    """A seeded cloud with the demo's devices, serving the built screens."""
    if not built():
        absent("browser", "the screens are not built: python hatch_build.py")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    one = ScreenWorld(tmp_path_factory.mktemp("cloud"), port)
    try:
        one.start()
        one.register()
        yield one
    finally:
        one.close()


@pytest.fixture(scope="module")
def playwright_() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright_: Playwright) -> Iterator[Browser]:
    if CHROMIUM is None:
        absent("browser", "no Chromium on this machine: apt-get install chromium")
    found = playwright_.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield found
    found.close()


@pytest.fixture
def watched(world: ScreenWorld) -> Iterator[Watched]:
    one = Watched(world.url)
    yield one
    assert one.wrong == []


@pytest.fixture
def open_page(browser: Browser, world: ScreenWorld, watched: Watched) -> Iterator[Callable[..., Page]]:
    """`open_page("duty")`: a tab of its own, signed in, on the page where that person's work begins."""
    contexts = []

    def open_(
        username: str | None,
        *,
        size: ViewportSize = CONSOLE,
        path: str = "/",
        theme: str = "light",
        lang: str = "zh-CN",
        workers: bool = False,
    ) -> Page:
        context = browser.new_context(
            base_url=world.url, viewport=size, color_scheme=theme, service_workers="allow" if workers else "block",
            timezone_id="Asia/Shanghai", locale=lang, permissions=["clipboard-read", "clipboard-write"],
        )  # fmt: skip
        contexts.append(context)
        context.set_default_timeout(30_000)
        context.add_init_script(
            f"localStorage.getItem('shouwang.language') || localStorage.setItem('shouwang.language', '{lang}')"
        )
        page = context.new_page()
        watched.watch(page)
        page.goto("/signin" if username is None else f"/signin?to={path}" if path != "/" else "/signin")
        if username is not None:
            page.fill("input[name=username]", username)
            page.fill("input[name=password]", world.password(username))
            page.click("button[type=submit]")
            page.wait_for_url(lambda url: "/signin" not in url)
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where the pictures go that are looked at; never into the tree by themselves."""
    folder = ROOT / "var" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
