"""Signatures between this service and the telephone gateway, and speakers' gateways: HMAC-SHA256 with time and nonce.

`X-Shouwang-Signature: t=<unix seconds>,n=<nonce>,v1=<hex of HMAC-SHA256(key, "<t>.<n>." + body)>`
"""

import hashlib
import hmac
import re
import secrets
from functools import lru_cache
from pathlib import Path

from cloud.secret_files import write_secret
from cloud.settings import Settings

HEADER = "X-Shouwang-Signature"
FILE = "telephone-gateway.key"
SKEW_S = 300
"""A message whose time differs by more is refused; nonces are remembered for twice as long."""
_FORM = re.compile(r"t=(\d{1,12}),n=([A-Za-z0-9_-]{8,64}),v1=([0-9a-f]{64})")


class Unsigned(Exception):  # noqa: N818  what it is
    """Why a signature does not count."""


@lru_cache(maxsize=64)
def _key(file: Path) -> bytes:
    write_secret(file, secrets.token_urlsafe(32) + "\n", keep=True)
    return file.read_text(encoding="ascii").strip().encode()


def key(settings: Settings) -> bytes:
    """The key that both sides hold; made on first use."""
    return _key(settings.secrets_dir / FILE)


def signature(secret: bytes, body: bytes, at: int, nonce: str | None = None) -> str:
    """The header for a body."""
    nonce = nonce or secrets.token_urlsafe(12)
    mac = hmac.digest(secret, f"{at}.{nonce}.".encode() + body, "sha256").hex()
    return f"t={at},n={nonce},v1={mac}"


def checked(secret: bytes, body: bytes, header: str, now: int) -> str:
    """The nonce of a message whose signature holds.

    Raises:
        Unsigned: it does not, or its time is too far off.
    """
    found = _FORM.fullmatch(header.strip())
    if found is None:
        raise Unsigned(f"{HEADER} is missing or not t=…,n=…,v1=…")
    at, nonce, given = int(found[1]), found[2], found[3]
    expected = hmac.digest(secret, f"{at}.{nonce}.".encode() + body, "sha256").hex()
    if not hmac.compare_digest(expected, given):
        raise Unsigned("the signature does not fit the body and the key")
    if abs(now - at) > SKEW_S:
        raise Unsigned(f"its time differs by more than {SKEW_S} s: set the gateway's clock")
    return nonce


def digest(body: bytes) -> str:
    """Tells one body from another."""
    return hashlib.sha256(body).hexdigest()
