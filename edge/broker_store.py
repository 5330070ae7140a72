"""Whether the embedded broker can still store. One that met a full disk stores nothing more until it is started anew.

nats-server keeps running then, and keeps its connections, but acknowledges nothing – even when there is room again.
Nothing is lost by starting it anew: what it acknowledged lies on the disk.
"""

import errno
import os
from pathlib import Path

FAILURES = (b"critical write error", b"failed to store a msg", b"Critical write error", b"will be DISABLED")
"""What it says when it can't write (nats-server 2.12, `server/filestore.go`, `server/stream.go`)."""
ROOM_BYTES = 1 << 20
MOST_READ = 1 << 20


class StoreWatch:
    """Follows the broker's log.

    Args:
        log: of the broker.
        store: its folder.
    """

    def __init__(self, log: Path, store: Path) -> None:
        self._log = log
        self._store = store
        self._at = 0
        self.failure = ""

    def begin(self) -> None:
        """A broker was started, or adopted: what was said before is of no matter."""
        self._at = self._size()
        self.failure = ""

    def look(self) -> str:
        """Why it stores nothing any more, in its own words; empty while it does."""
        size = self._size()
        if size < self._at:
            self._at = 0  # put aside, and begun anew
        if size > self._at:
            with self._log.open("rb") as log:
                log.seek(max(self._at, size - MOST_READ))
                said = log.read(MOST_READ).splitlines()
            self._at = size
            failures = [line for line in said if any(word in line for word in FAILURES)]
            if failures:
                self.failure = failures[-1].decode(errors="replace").partition("[ERR]")[2].strip()[:300] or "no reason"
        return self.failure

    def has_room(self) -> bool:
        """Whether something can be written there now."""
        probe = self._store / "room"
        try:
            with probe.open("wb", buffering=0) as file:
                return file.write(bytes(ROOM_BYTES)) == ROOM_BYTES
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}:
                raise
            return False
        finally:
            if probe.exists():
                os.unlink(probe)  # noqa: PTH108

    def _size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0
