"""What a page is held to in a browser: axe's rules, colours to a colour-blind eye, no other host, input methods."""

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import CDPSession, Locator, Page

ROOT = Path(__file__).parent.parent.parent
AXE = ROOT / "cloud/web/node_modules/axe-core/axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NOT_OURS = ["region", "page-has-heading-one", "landmark-unique", "heading-order"]
"""Best practices that are no criterion of WCAG, and that a console of panels does not follow."""
OF_THE_BROWSER = frozenset(
    {
        "update.googleapis.com",
        "content-autofill.googleapis.com",
        "optimizationguide-pa.googleapis.com",
        "safebrowsing.googleapis.com",
        "accounts.google.com",
        "android.clients.google.com",
        "clients2.google.com",
        "mtalk.google.com",
    }
)
"""Hosts that Chromium asks for by itself, whatever page it shows, and that no page has a reason to ask for."""
DEFICIENCIES = ("deuteranopia", "protanopia", "tritanopia", "achromatopsia")


def axe(page: Page, *, within: str | None = None) -> list[str]:
    """What axe finds wrong with a page, one line a rule and element."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE.read_text(encoding="utf-8") + "\n;true")
    rules = {name: {"enabled": False} for name in NOT_OURS}
    options = {
        "runOnly": {"type": "tag", "values": WCAG},
        "rules": rules,
        "resultTypes": ["violations"],
        "elementRef": True,
    }
    found: list[str] = page.evaluate(_RUN, [within, options])
    return found


_RUN = """async ([where, options]) => {
  const found = (await axe.run(where ?? document, options)).violations;
  return found.flatMap((one) => one.nodes
    // where a mark stands on a map is essential (WCAG 2.5.8); the list beside it has every incident at full size
    .filter((node) => one.id !== "target-size" || !node.element?.closest(".mapw"))
    .slice(0, 4)
    .map((node) => `${one.id}: ${node.target.join(" ")} - ${node.failureSummary.split("\\n").at(-1).trim()}`));
}"""


_PIXELS = """async (png) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  const light = [];
  const part = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  for (let at = 0; at < data.length; at += 4)
    light.push(0.2126 * part(data[at]) + 0.7152 * part(data[at + 1]) + 0.0722 * part(data[at + 2]));
  return { light, width, height };
}"""


def luminance(page: Page, element: Locator) -> list[list[float]]:
    """Relative luminance (WCAG) of each pixel of an element as it is drawn now, row by row."""
    png = base64.b64encode(element.screenshot(animations="disabled")).decode()
    found: dict[str, Any] = page.evaluate(_PIXELS, png)
    wide = int(found["width"])
    return [found["light"][row * wide : (row + 1) * wide] for row in range(int(found["height"]))]


def shape_of(light: list[list[float]]) -> tuple[list[list[bool]], float]:
    """Which pixels stand out of the ground (its lightest or darkest part), and the contrast of the two."""
    ground = light[1][1]
    far = max((value for row in light for value in row), key=lambda value: abs(value - ground))
    middle = (ground + far) / 2
    mask = [[(value > middle) == (far > middle) for value in row] for row in light]
    high, low = max(ground, far), min(ground, far)
    return mask, (high + 0.05) / (low + 0.05)


def differs(one: list[list[bool]], other: list[list[bool]]) -> float:
    """Share of the pixels of either shape that the two do not share."""
    pairs = [(a, b) for row_a, row_b in zip(one, other, strict=False) for a, b in zip(row_a, row_b, strict=False)]
    either = sum(a or b for a, b in pairs)
    return sum(a != b for a, b in pairs) / either if either else 0.0


def _host(line: str) -> str:
    """Of the first line that a proxy hears: `CONNECT host:443 …` or `GET http://host/… …`."""
    target = [*line.split(" "), ""][1]
    return urlsplit(target if "://" in target else f"//{target}").hostname or line


@contextlib.contextmanager
def wire_tap() -> Iterator[tuple[str, list[str]]]:
    """A proxy that lets nothing through and writes down which host was asked for, by whatever part of the browser."""
    asked: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer, contextlib.suppress(OSError):
                peer.settimeout(2)
                host = _host(peer.recv(4096).split(b"\r\n", 1)[0].decode("latin-1"))
                if host not in OF_THE_BROWSER:
                    asked.append(host)
                peer.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
    finally:
        server.close()
        thread.join(3)


class InputMethod:
    """Pinyin as a browser hears it: a composition, keys that belong to it (229), then the chosen words."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)

    def compose(self, text: str) -> None:
        """Letters that are not words yet."""
        self._session.send(
            "Input.imeSetComposition", {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
        )

    def key(self, key: str) -> None:
        """A key that the input method takes: Enter and letters reach the page as 229."""
        for kind in ("rawKeyDown", "keyUp"):
            self._session.send(
                "Input.dispatchKeyEvent",
                {
                    "type": kind,
                    "key": "Process",
                    "code": key,
                    "windowsVirtualKeyCode": 229,
                    "nativeVirtualKeyCode": 229,
                },
            )

    def commit(self, text: str) -> None:
        """The words."""
        self._session.send("Input.insertText", {"text": text})
