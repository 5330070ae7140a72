"""A cloud that takes everything at once: what an agent costs that has somewhere to send to.

    python -m benchmarks.edge.sink PORT DOCUMENT

Answers batches with `committed`, serves the document and a watch on which nothing happens.
"""

import asyncio
import email.utils
import sys
from pathlib import Path

import msgspec

from wire.event import Verdict, Verdicts


class _Item(msgspec.Struct):
    id: str


_ITEMS = msgspec.json.Decoder(list[_Item])


async def _answer(writer: asyncio.StreamWriter, body: bytes) -> None:
    date = email.utils.formatdate(usegmt=True)
    head = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, document: bytes) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split(" ", 2)
            if method == "POST":
                length = next(
                    int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")
                )
                items = _ITEMS.decode(await reader.readexactly(length))
                verdicts = Verdicts([Verdict(item.id, "committed") for item in items])
                await _answer(writer, msgspec.json.encode(verdicts))
            elif "/changes" in path:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                while True:
                    writer.write(b": here\n\n")
                    await writer.drain()
                    await asyncio.sleep(10)
            else:
                await _answer(writer, document)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    port, document = int(sys.argv[1]), Path(sys.argv[2]).read_bytes()  # noqa: ASYNC240  before it serves
    server = await asyncio.start_server(
        lambda reader, writer: _serve(reader, writer, document), "127.0.0.1", port, limit=1 << 24
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
