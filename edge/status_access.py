"""Who may see the status page over the network: one password, hashed by scrypt, guessed slowly."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import msgspec

from edge.files import write_private

FILE = Path("secrets") / "status.json"
USER = "shouwang"
"""The user name is not looked at; browsers ask for one."""
FREE_TRIES = 5
LOCKED_S = 60.0
MOST_PEERS = 1000
ALL_TRIES = 60
"""Wrong passwords a minute of all peers together; beyond them everyone waits."""
_N, _R, _P = 2**14, 8, 1


class _Kept(msgspec.Struct):
    salt: str
    hash: str
    generated: str | None = None  # in clear only as long as nobody has set one: the file is 0600


def set_password(data_dir: Path, password: str, *, generated: bool = False) -> None:
    """Keep a password; a running agent takes it up at once."""
    salt = secrets.token_bytes(16)
    kept = _Kept(salt.hex(), _hash(password, salt).hex(), password if generated else None)
    write_private(data_dir / FILE, msgspec.json.encode(kept))


def new_password(data_dir: Path) -> str:
    """Make one up and keep it: 80 bits, without letters that look alike."""
    letters = "abcdefghijkmnpqrstuvwxyz23456789"
    password = "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))
    set_password(data_dir, password, generated=True)
    return password


def generated_password(data_dir: Path) -> str | None:
    """The one that was made up, if nobody has set another; makes one if there is none.

    Raises:
        OSError, msgspec.MsgspecError: the file can't be read.
    """
    try:
        return msgspec.json.decode((data_dir / FILE).read_bytes(), type=_Kept).generated
    except FileNotFoundError:
        return new_password(data_dir)


def is_local(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Access:
    """Judges the Authorization header of requests. Wrong ones cost time, by peer and over all.

    Args:
        data_dir: where the password is kept.
        clock: monotonic.
    """

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._data_dir = data_dir
        self._file = data_dir / FILE
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # by peer: how often, when last
        self._all: list[float] = []
        self._good: tuple[bytes, int] | None = None  # digest of the header that was right, for this file
        self._one = asyncio.Lock()  # a hash takes 16 MB: one at a time

    async def refusal(self, peer: str, authorization: str) -> tuple[str, float] | None:
        """None: welcome. Else the status line, and after how many seconds to try again (0: now)."""
        if not authorization:
            return "401 Unauthorized", 0.0
        stamp = await asyncio.to_thread(self._stamp)
        digest = hashlib.sha256(authorization.encode()).digest()
        if self._good is not None and self._good[1] == stamp and hmac.compare_digest(self._good[0], digest):
            return None
        wait = self._wait(peer)
        if wait > 0:
            return "429 Too Many Requests", wait
        async with self._one:
            if await asyncio.to_thread(self._right, authorization):
                self._good = digest, stamp
                self._wrong.pop(peer, None)
                return None
        self._note(peer)
        return "401 Unauthorized", 0.0

    def _wait(self, peer: str) -> float:
        now = self._clock()
        tries, last = self._wrong.get(peer, (0, 0.0))
        of_peer = LOCKED_S - (now - last) if tries >= FREE_TRIES else 0.0
        self._all = [at for at in self._all if now - at < LOCKED_S]
        of_all = LOCKED_S - (now - self._all[0]) if len(self._all) >= ALL_TRIES else 0.0
        return max(of_peer, of_all, 0.0)

    def _note(self, peer: str) -> None:
        now = self._clock()
        tries, last = self._wrong.pop(peer, (0, now))
        self._wrong[peer] = (1 if now - last > LOCKED_S else tries + 1, now)
        self._all.append(now)
        while len(self._wrong) > MOST_PEERS:
            self._wrong.popitem(last=False)

    def _stamp(self) -> int:
        try:
            return self._file.stat().st_mtime_ns
        except OSError:
            return 0

    def _right(self, authorization: str) -> bool:
        kind, _, encoded = authorization.partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            said = base64.b64decode(encoded, validate=True).decode()
            kept = msgspec.json.decode(self._file.read_bytes(), type=_Kept)
            salt, known = bytes.fromhex(kept.salt), bytes.fromhex(kept.hash)
        except (binascii.Error, ValueError, OSError, msgspec.MsgspecError):
            return False
        return hmac.compare_digest(_hash(said.partition(":")[2], salt), known)


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_N, r=_R, p=_P, dklen=32)
