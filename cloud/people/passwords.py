"""Passwords: argon2id by pwdlib, off the event loop and not all at once."""

import asyncio
import secrets

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

MIN_LENGTH, MAX_LENGTH = 8, 200
_AT_ONCE = 4
hasher = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1),))
"""Parameters of OWASP's password storage cheat sheet (argon2id, 19 MiB, two passes)."""
_slots = asyncio.Semaphore(_AT_ONCE)
_NOBODY = hasher.hash(secrets.token_urlsafe(16))


def generate() -> str:
    """A password for a new account: 12 characters that are read aloud without mistakes."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(3))


def hash_now(password: str) -> str:
    """The hash of a password; takes tens of milliseconds."""
    return hasher.hash(password)


async def matches(password: str, hashed: str | None) -> bool:
    """Whether a password is the right one; a name that does not exist takes as long."""

    def check() -> bool:
        try:
            return hasher.verify(password, hashed or _NOBODY)
        except UnknownHashError:
            return False

    async with _slots:
        right = await asyncio.to_thread(check)
    return right and hashed is not None
