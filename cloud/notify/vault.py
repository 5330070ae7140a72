"""Addresses of people, encrypted at rest with a key that lies beside no database: `secrets/notify.key` (0600).

A copy of the database without that file tells nobody's number. The file may hold several keys, one a line: the first
encrypts, all decrypt, so a key is changed by putting a new one on top.
"""

import hashlib
import hmac
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from cloud.secret_files import write_secret
from cloud.settings import Settings

FILE = "notify.key"


class Sealed(Exception):  # noqa: N818  what it is
    """An address that this key does not open: the key file is another one than the one it was sealed with."""


class Vault:
    """Seals and opens short texts, and makes the tokens that prove a receipt."""

    def __init__(self, keys: list[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._secret = hashlib.sha256(b"shouwang tokens\n" + keys[-1].encode()).digest()

    def seal(self, text: str) -> str:
        """Encrypt."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Decrypt.

        Raises:
            Sealed: it was sealed with a key that is not here, or was changed.
        """
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise Sealed(f"secrets/{FILE} does not open it: was the file replaced or not restored?") from None

    def digest(self, text: str) -> str:
        """A keyed digest, to find an equal address without opening any."""
        return hmac.digest(self._secret, b"digest\n" + text.encode(), "sha256").hex()

    def token(self, purpose: str, subject: str) -> str:
        """What proves that somebody was given a thing (a message, a clip) by us."""
        return hmac.digest(self._secret, f"{purpose}\n{subject}".encode(), "sha256").hex()[:40]

    def is_token(self, purpose: str, subject: str, token: str) -> bool:
        """Whether it is that token, in constant time."""
        return hmac.compare_digest(self.token(purpose, subject).encode(), token.encode())


@lru_cache(maxsize=64)
def _vault(file: Path) -> Vault:
    write_secret(file, Fernet.generate_key().decode() + "\n", keep=True)
    return Vault(file.read_text(encoding="ascii").split())


def vault(settings: Settings) -> Vault:
    """The vault of a data folder; its key is made on first use."""
    return _vault(settings.secrets_dir / FILE)
