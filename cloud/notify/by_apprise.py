"""WeCom, DingTalk, Feishu, e-mail and what else Apprise knows; SMS by the webhook of a gateway.

A person gives only an address (a token, a mailbox, a number): where it leads is written here or by an administrator.
"""

import asyncio
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx

from cloud.notify.channels import Message, NotSent, posted
from cloud.settings import Settings

HAND_OVER_S = 8.0
AT_ONCE = 4
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="apprise")
"""Threads of their own: a service that hangs takes none from the rest of the process. Each ends by its time-outs."""
_WORD = r"[A-Za-z0-9_-]{8,120}"
PATTERNS: dict[str, tuple[str, str]] = {
    "wecom": (_WORD, "the key of a group robot of WeCom (企业微信群机器人)"),
    "dingtalk": (rf"(SEC{_WORD}@)?{_WORD}", "the token of a DingTalk robot, or SECRET@TOKEN where it signs"),
    "feishu": (_WORD, "the token of a Feishu robot"),
    "email": (r"[^@\s/?#,;]{1,64}@[A-Za-z0-9.-]{3,200}", "a mailbox"),
    "sms": (r"\+?[0-9]{5,20}", "a telephone number, digits only"),
    "voice": (r"\+?[0-9]{3,20}", "a telephone number, digits only"),
    "apprise": (r"[a-z0-9+]{2,20}://\S{1,900}", "an address as Apprise writes it"),
}
"""What the address of each kind looks like, and what it is in words."""
SUBJECTS = {"I": "特急", "II": "紧急", "III": "较急", "IV": "一般"}


def fits(kind: str, address: str) -> bool:
    """Whether an address is one of its kind. Pure."""
    return re.fullmatch(PATTERNS[kind][0], address) is not None


def url_of(kind: str, address: str, smtp_url: str | None) -> str | None:
    """The address as Apprise writes it; None: the kind is not set up. Pure."""
    match kind:
        case "wecom":
            return f"wecombot://{address}"
        case "dingtalk":
            return f"dingtalk://{address}"
        case "feishu":
            return f"feishu://{address}"
        case "email":
            if smtp_url is None:
                return None
            return f"{smtp_url}{'&' if '?' in smtp_url else '?'}to={quote(address, safe='')}"
        case _:
            return address


class AppriseChannel:
    """One kind of address."""

    def __init__(self, kind: str, settings: Settings) -> None:
        self._kind = kind
        smtp = settings.smtp_url
        self._smtp = smtp.get_secret_value() if smtp else None

    async def send(self, message: Message) -> str:
        """In a thread, with a time-out; Apprise says only whether it worked."""
        url = url_of(self._kind, message.address, self._smtp)
        if url is None:
            raise NotSent(f"'{self._kind}' is not set up: an administrator sets smtp_url")
        text = str(message.body.get("text_zh", ""))
        subject = SUBJECTS.get(message.level or "", "通知")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(HAND_OVER_S):
                sent, status = await loop.run_in_executor(_threads, _notify, url, text, f"守望 {subject}")
        except TimeoutError as error:
            raise NotSent(f"{self._kind} did not answer within {HAND_OVER_S:g} s") from error
        if not sent:
            known = f"HTTP {status}" if status else "refused, or not reached"
            raise NotSent(f"{self._kind}: {known}", address=status in (400, 401, 403, 404, 410))
        return f"{self._kind} took it"


def _notify(url: str, text: str, subject: str) -> tuple[bool, int]:
    """Whether Apprise took it, and the HTTP status that it complains of. Its log may hold addresses: not kept."""
    import apprise  # late: it takes a second

    said = _Status()
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(said)
    try:
        limits = f"{'&' if '?' in url else '?'}cto=3&rto=4"
        asset = apprise.AppriseAsset(app_id="Shouwang", app_desc="守望", async_mode=False)
        one = apprise.Apprise(asset=asset)
        if not one.add(url + limits):
            return False, 400
        return bool(one.notify(body=text, title=subject)), said.status
    finally:
        logger.removeHandler(said)


class _Status(logging.Handler):
    """Catches the HTTP status out of Apprise's warnings, of the thread that listens."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        import threading

        self._thread = threading.get_ident()
        self.status = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a status, forget the rest."""
        found = re.search(r"error=(\d{3})", record.getMessage())
        if found and record.thread == self._thread:
            self.status = int(found[1])


class SmsChannel:
    """A text by the webhook of an SMS gateway: `{id, to, text}`, the id as idempotency key."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client

    async def send(self, message: Message) -> str:
        """Post it; any 2xx is a hand-over."""
        url, token = self._settings.sms_gateway_url, self._settings.sms_gateway_token
        if url is None:
            raise NotSent("SMS is not set up: an administrator sets sms_gateway_url")
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        body = {"id": message.id, "to": message.address, "text": str(message.body.get("text_zh", ""))[:500]}
        return await posted(self._client, url, message.id, body, headers)
