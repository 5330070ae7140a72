"""What browser tests share: where Chromium is, sizes of screens, and what a page must not do."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page, Response, ViewportSize

CHROMIUM = next(
    (
        path
        for path in ("/usr/bin/chromium", shutil.which("chromium"), shutil.which("google-chrome"))
        if path and Path(path).is_file()
    ),
    None,
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card: the map
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
CONSOLE: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}


class Watched:
    """Everything that a page must not do."""

    def __init__(self, home: str) -> None:
        self.home = urlsplit(home).netloc
        self.wrong: list[str] = []
        self.forgiving = False
        """While the network is cut on purpose."""

    def request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self.home:
            self.wrong.append(f"request to another host: {url}")

    def watch(self, page: Page) -> None:
        page.on("request", lambda request: self.request(request.url))
        page.on("pageerror", lambda error: self.wrong.append(f"error in the page: {error}"))
        page.on("console", self._said)
        page.on("response", self._answered)
        page.on("websocket", lambda socket: self.wrong.append(f"websocket: {socket.url}"))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not self.forgiving:
            self.wrong.append(f"console: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and not self.forgiving:
            self.wrong.append(f"{response.status} {response.request.method} {response.url}")
