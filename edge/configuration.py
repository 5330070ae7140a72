"""Down: list-and-watch of what this edge must know, the last good one kept on disk.

The document is validated as a whole. A refused one leaves the running one in place and is reported with its reason;
a later change may mend it. Without a cloud the kept document, or the local tables of the settings, is run.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import httpx_sse
import msgspec

from edge.files import write_private
from edge.settings import CloudSection, Settings
from edge.share import read
from edge.supervise import backoff_s
from edge.table import Compiler, Table, TableError, changed
from edge.uplink import AwayError, RefusedError, check
from wire.configuration import Decision, EdgeChange, EdgeDocument

log = logging.getLogger(__name__)

SETTLE_S = 0.1  # a burst of changes is over when nothing came for so long,
BURST_S = 1.0  # or is applied as far as it came
IDLE_S = 30.0  # the cloud says something every 10 s, a comment line if nothing else
_CHANGE = msgspec.json.Decoder(EdgeChange)

Apply = Callable[[Table], Awaitable[None]]
Decide = Callable[[Decision], Awaitable[None]]


class Configuration:
    """What the edge runs, and where it comes from.

    Args:
        settings: the whole settings (local tables, data folder, `[cloud]`).
        compiler: makes tables of documents.
        apply: puts a table to work, between batches.
        decide: carries out a person's decision, once.
    """

    def __init__(self, settings: Settings, compiler: Compiler, apply: Apply, decide: Decide) -> None:
        self._settings = settings
        self._compiler = compiler
        self._apply = apply
        self._decide = decide
        self._file = settings.edge.data_dir / "configuration.json"
        self._newest = EdgeDocument(edge=settings.edge.id, revision=0)
        self._runs = self._newest
        self.revision = 0
        self.refused_revision: int | None = None
        self.refused_why: str | None = None
        self.watching = False
        self.last_error = ""
        self._behind = False  # the newest document is not the one that runs

    async def start(self) -> Table:
        """The table to begin with: the last good one on disk, or the local one.

        Raises:
            TableError: when the local tables can't be run (there is nothing else to run then).
        """
        if self._settings.cloud is None:
            local = EdgeDocument(
                edge=self._settings.edge.id,
                revision=0,
                devices=self._settings.devices,
                timelines=self._settings.timelines,
                actions=self._settings.actions,
            )
            table = self._compiler.compile(local)
        else:
            table = self._kept()
        self._newest = self._runs = table.document
        self.revision = table.revision
        await self._apply(table)
        return table

    def _kept(self) -> Table:
        empty = EdgeDocument(edge=self._settings.edge.id, revision=0)
        try:
            document = read(self._file.read_bytes())
            return self._compiler.compile(document)
        except FileNotFoundError:
            log.info("no configuration yet; waiting for the cloud")
        except (OSError, msgspec.MsgspecError, TableError) as error:
            self.last_error = f"the kept configuration can't be used: {error}"
            log.error("%s", self.last_error)  # noqa: TRY400
        return self._compiler.compile(empty)

    async def run(self, http: httpx.AsyncClient, cloud: CloudSection) -> None:
        """List and watch for ever."""
        attempt = 0
        listed = False
        while True:
            try:
                if not listed:
                    await self._list(http)
                    listed = True
                await self._watch(http)
                attempt = 0
            except RefusedError as error:
                if error.status == 410:
                    listed = False  # our position is older than what the cloud keeps
                    continue
                attempt = max(attempt + 1, 5)
                self.last_error = f"the cloud refuses: {error}"
            except (AwayError, httpx.HTTPError, TimeoutError) as error:
                attempt += 1
                self.last_error = f"{type(error).__name__}: {error}"
            except (msgspec.MsgspecError, httpx_sse.SSEError) as error:
                attempt += 1
                listed = False
                self.last_error = f"the cloud's answer can't be read: {error}"
            finally:
                self.watching = False
            if attempt:
                log.warning("configuration: %s", self.last_error)
            await asyncio.sleep(backoff_s(max(attempt, 1), first_s=cloud.retry_first_s, most_s=cloud.retry_most_s))

    async def _list(self, http: httpx.AsyncClient) -> None:
        response = await http.get("/configuration")
        check(response)
        document = read(response.content)
        decisions, document = document.decisions, msgspec.structs.replace(document, decisions=[])
        if document.revision and document == self._runs:  # as kept from before: nothing is made anew
            self._newest = self._runs
            self._behind, self.revision = False, document.revision
            self.refused_revision = self.refused_why = None
        else:
            self._newest = document
            await self._use(document)
        for decision in decisions:
            await self._decide(decision)

    async def _watch(self, http: httpx.AsyncClient) -> None:
        after = self._newest.revision
        async with http.stream(
            "GET",
            "/changes",
            params={"after": after},
            headers={"Accept": "text/event-stream", "Cache-Control": "no-store"},
            timeout=httpx.Timeout(10.0, read=IDLE_S),
        ) as response:
            if not response.is_success:
                await response.aread()
            check(response)
            self.watching = True
            self.last_error = ""
            await self._follow(httpx_sse.EventSource(response).aiter_sse())

    async def _follow(self, events: AsyncGenerator[httpx_sse.ServerSentEvent, None]) -> None:
        """Apply changes as they come; a burst of them (an import of thousands of devices) as one."""
        loop = asyncio.get_running_loop()
        upcoming = asyncio.ensure_future(anext(events, None))
        oldest: float | None = None  # when the first change came that is not applied yet
        try:
            while True:
                done, _ = await asyncio.wait({upcoming}, timeout=None if oldest is None else SETTLE_S)
                if oldest is not None and (not done or loop.time() - oldest > BURST_S):
                    oldest = None
                    await self._use(self._newest)
                    continue
                event = upcoming.result()
                if event is None:
                    break
                upcoming = asyncio.ensure_future(anext(events, None))
                if event.event == "change" and event.data and await self._change(_CHANGE.decode(event.data)):
                    oldest = oldest or loop.time()
        finally:
            upcoming.cancel()
            if oldest is not None:
                await self._use(self._newest)

    async def _change(self, change: EdgeChange) -> bool:
        """Take one change; True when the table is another now."""
        value = None if change.value is None else bytes(change.value)
        self._newest = changed(self._newest, revision=change.revision, kind=change.kind, key=change.key, value=value)
        if change.kind != "decision":
            self._behind = True
            return True
        if not self._behind:
            self.revision = change.revision
        if value is not None:
            await self._decide(msgspec.json.decode(value, type=Decision))
        return False

    async def _use(self, document: EdgeDocument) -> None:
        try:
            table = self._compiler.compile(document)
        except TableError as error:
            self.refused_revision, self.refused_why = document.revision, str(error)[:500]
            log.error("configuration revision %d refused: %s", document.revision, error)  # noqa: TRY400
            return
        await self._apply(table)
        self._runs = table.document
        self._behind = False
        self.refused_revision = self.refused_why = None
        self.revision = document.revision
        content = msgspec.json.encode(document)
        try:
            await asyncio.to_thread(write_private, Path(self._file), content)
        except OSError as error:
            self.last_error = f"the configuration can't be kept: {error}"
            log.error("%s", self.last_error)  # noqa: TRY400

    def facts(self) -> dict[str, Any]:
        """For /status."""
        return {
            "revision": self.revision,
            "refused_revision": self.refused_revision,
            "refused_why": self.refused_why,
            "watching": self.watching,
            "last_error": self.last_error,
        }
