"""Web Push (RFC 8030): encrypted for one browser (RFC 8291), signed as ours (VAPID, RFC 8292)."""

import base64
import binascii
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import http_ece  # type: ignore[import-untyped]
import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from py_vapid import Vapid02  # type: ignore[import-untyped]

from cloud.notify import outward
from cloud.notify.channels import Message, NotSent
from cloud.secret_files import write_secret
from cloud.settings import Settings

FILE = "vapid.pem"
LIFETIME_S = {"I": 1800, "II": 1800, "III": 6 * 3600}
"""How long a push service keeps what a phone that is off has not fetched; nothing stale rings later."""
LONGEST_TEXT = 1200
"""Characters: a push service takes 4096 bytes in all, a Chinese character is three."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a browser gives: where to send, and the keys to encrypt for it."""

    endpoint: str
    p256dh: str
    auth: str

    @classmethod
    def read(cls, text: str) -> "Subscription":
        """From the address of a way."""
        return cls(**json.loads(text))

    def written(self) -> str:
        """As the address of a way."""
        return json.dumps({"endpoint": self.endpoint, "p256dh": self.p256dh, "auth": self.auth})


def unpadded(text: str) -> bytes:
    """Base64url with or without its padding.

    Raises:
        ValueError: it is none.
    """
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def check_keys(p256dh: str, auth: str) -> None:
    """Raises ValueError when the keys of a subscription are none: a point of P-256 and 16 bytes."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unpadded(p256dh))
    except ValueError:
        raise ValueError("p256dh is not a point of P-256") from None
    if len(unpadded(auth)) != 16:
        raise ValueError("auth has not 16 bytes")


@lru_cache(maxsize=64)
def _vapid(file: Path) -> Vapid02:
    if not file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        write_secret(file, pem, keep=True)
    read = load_pem_private_key(file.read_bytes(), None)
    return Vapid02(private_key=read)


def vapid(settings: Settings) -> Vapid02:
    """The key by which push services know us; made on first use and never again (browsers are subscribed to it)."""
    return _vapid(settings.secrets_dir / FILE)


def public_key(settings: Settings) -> str:
    """`applicationServerKey` for the browser."""
    point = vapid(settings).public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).decode().rstrip("=")


def payload(message: Message) -> bytes:
    """What the service worker shows: the line, its level, and the token by which it may say that it came."""
    body: dict[str, Any] = {
        "id": message.id,
        "token": message.token,
        "kind": message.kind,
        "level": message.level,
        "incident_id": message.incident_id,
        "exercise": message.exercise is not None,
        "silent": message.silent,
        "text_zh": str(message.body.get("text_zh", ""))[:LONGEST_TEXT],
    }
    written = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    room = 3900 - len(written)
    english = str(message.body.get("text_en", ""))
    if len(english.encode()) < room - 20:
        body["text_en"] = english
        written = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return written


def encrypted(content: bytes, subscription: Subscription) -> bytes:
    """For this browser only, one record of `aes128gcm`."""
    sealed: bytes = http_ece.encrypt(
        content,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=unpadded(subscription.p256dh),
        auth_secret=unpadded(subscription.auth),
        version="aes128gcm",
    )
    return sealed


class WebPushChannel:
    """To the browser or the installed app of one phone."""

    def __init__(self, settings: Settings, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._client = client

    async def send(self, message: Message) -> str:
        """Hand it to the push service; 404 and 410 say that the browser is subscribed no more."""
        subscription = Subscription.read(message.address)
        parts = urlsplit(subscription.endpoint)
        audience = f"{parts.scheme}://{parts.netloc}"
        headers = vapid(self._settings).sign({"sub": self._settings.push_contact, "aud": audience})
        headers |= {
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(LIFETIME_S.get(message.level or "", 86_400)),
            "Urgency": "high" if message.level in ("I", "II") or message.kind == "way_test" else "normal",
        }
        try:
            answer = await outward.post(
                self._client,
                subscription.endpoint,
                content=encrypted(payload(message), subscription),
                headers=headers,
                local=self._settings.notify_local_addresses,
            )
        except outward.Barred as error:
            raise NotSent(f"the push address {error}", address=True) from error
        except TimeoutError as error:
            raise NotSent(f"the push service did not answer within {outward.TIMEOUT_S:g} s") from error
        except (OSError, httpx.HTTPError) as error:
            raise NotSent(f"{type(error).__name__}: the push service is not reached") from error
        if answer.status_code in (404, 410):
            raise NotSent(f"HTTP {answer.status_code}: the browser is subscribed no more", gone=True)
        if not answer.is_success:
            raise NotSent(f"HTTP {answer.status_code} of the push service", address=answer.status_code in (400, 413))
        return f"HTTP {answer.status_code}"
