"""Listeners of the feed, as bare as can be: `python -m benchmarks.storm.listeners PORT TOKENS OUT`.

Each keeps one connection open and reads server-sent events; of every event it notes how long after its entry in the
log it came. Ends on a line on stdin, and writes what it saw.
"""

import asyncio
import json
import re
import sys
import time
from array import array
from datetime import datetime
from pathlib import Path
from typing import Any

_AT = re.compile(rb'"at": ?"([^"]+)"')
_ID = re.compile(rb"^id: ?(\d+)", re.MULTILINE)


class Listener:
    """One open feed."""

    def __init__(self) -> None:
        self.late_ms = array("d")
        self.positions = array("q")
        self.ended = ""

    async def follow(self, port: int, token: str, ready: asyncio.Event) -> None:
        """Read until cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        request = f"GET /api/v1/feed HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise ConnectionError(head.split(b"\r\n", 1)[0].decode())
        rest = b""
        try:
            while piece := await reader.read(2**18):
                ready.set()
                came = time.time()
                *whole, rest = (rest + piece.replace(b"\r\n", b"\n")).split(b"\n\n")
                for event in whole:
                    self._note(event, came)
            self.ended = "the cloud ended it"
        finally:
            writer.close()

    def _note(self, event: bytes, came: float) -> None:
        at, position = _AT.search(event), _ID.search(event)
        if b"event: reset" in event:
            self.ended = "told to list again"
        if at and position:
            self.late_ms.append((came - datetime.fromisoformat(at[1].decode()).timestamp()) * 1e3)
            self.positions.append(int(position[1]))


async def main(port: int, tokens: list[str]) -> list[dict[str, Any]]:
    """Listen until there is a line on stdin; what each one heard."""
    listeners = [Listener() for _ in tokens]
    ready = [asyncio.Event() for _ in tokens]
    tasks = [
        asyncio.create_task(one.follow(port, token, event))
        for one, token, event in zip(listeners, tokens, ready, strict=True)
    ]
    await asyncio.gather(*(asyncio.wait_for(event.wait(), 60) for event in ready))
    print("listening", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return [
        {"late_ms": list(one.late_ms), "last": max(one.positions, default=0), "ended": one.ended,
         "in_order": all(a < b for a, b in zip(one.positions, one.positions[1:], strict=False))}
        for one in listeners
    ]  # fmt: skip


if __name__ == "__main__":
    heard = asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]).read_text().split()))
    Path(sys.argv[3]).write_text(json.dumps(heard))
