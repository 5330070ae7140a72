"""Group commit: a batch closes when the commit before it has ended, or at 1,000 messages. No timer.

Everything that changes judgement goes through here one after another: messages, ticks of the clock, a new
configuration, people's decisions. What one round changes is one journal transaction; acknowledgements follow it.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from edge.journal import Journal
from edge.lane import Transaction
from edge.metrics import BATCH_SIZE, BATCHES, COMMIT_SECONDS, DROPPED, DURABLE_SECONDS, JOURNAL_FAILURES
from edge.supervise import backoff_s
from wire.time import now_ms

log = logging.getLogger(__name__)

MOST = 1000
BOUND = 50_000


class Arrived(NamedTuple):
    """One message as it came from the broker."""

    topic: str
    payload: bytes
    qos: int
    dup: bool
    retain: bool
    arrival_ms: int  # wall


class Judge(Protocol):
    """What turns messages into a transaction."""

    def judge(self, messages: Sequence[Arrived], into: Transaction) -> None:
        """Decode, test, step the rules; add what changed to the transaction."""

    def withdraw(self, taken: bytes) -> None:
        """Forget that messages were taken: they failed together and are judged anew. `taken`: keys they left."""

    def set_aside(self, message: Arrived, problem: str, into: Transaction) -> None:
        """Record a message that can't be judged."""


Job = Callable[[Transaction], None]


class Batcher:
    """Collects messages, has them judged, commits.

    Args:
        judge: pure of I/O.
        journal: where the transactions go.
        after: called after each commit with what was committed.
        bound: messages held at most. QoS 1 is bounded by the broker's in-flight window and never dropped here;
            QoS 0 beyond the bound is dropped and counted.
    """

    def __init__(
        self, judge: Judge, journal: Journal, after: Callable[[Transaction], None], *, bound: int = BOUND
    ) -> None:
        self._judge = judge
        self._journal = journal
        self._after = after
        self._bound = bound
        self._batches: deque[tuple[list[Arrived], asyncio.Future[None]]] = deque()
        self._held = 0
        self._jobs: deque[tuple[Job, asyncio.Future[None]]] = deque()
        self._wake = asyncio.Event()
        self.last_error = ""

    @property
    def held(self) -> int:
        """Messages that wait for their batch."""
        return self._held

    def put(self, message: Arrived) -> "asyncio.Future[None] | None":
        """Take a message; the future is done when it is committed. None: dropped (QoS 0 beyond the bound)."""
        if self._held >= self._bound and not message.qos:
            DROPPED.labels(reason="queue_full").inc()
            return None
        if not self._batches or len(self._batches[-1][0]) >= MOST:
            self._batches.append(([], asyncio.get_running_loop().create_future()))
            self._wake.set()
        messages, committed = self._batches[-1]
        messages.append(message)
        self._held += 1
        return committed

    def put_many(self, messages: Sequence[Arrived]) -> "list[tuple[asyncio.Future[None] | None, int]]":
        """Take messages in their order; the futures with the number of messages of each, as `put` gives them."""
        if self._held + len(messages) > self._bound:
            return [(self.put(message), 1) for message in messages]
        found: list[tuple[asyncio.Future[None] | None, int]] = []
        at = 0
        while at < len(messages):
            if not self._batches or len(self._batches[-1][0]) >= MOST:
                self._batches.append(([], asyncio.get_running_loop().create_future()))
                self._wake.set()
            held, committed = self._batches[-1]
            part = messages[at : at + MOST - len(held)]
            held.extend(part)
            at += len(part)
            found.append((committed, len(part)))
        self._held += len(messages)
        return found

    def between(self, job: Job) -> "asyncio.Future[None]":
        """Have something done between batches; the future is done when what it changed is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._jobs.append((job, done))
        self._wake.set()
        return done

    async def run(self) -> None:
        """Work for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._jobs or self._batches:
                await self.step()

    async def step(self) -> None:
        """One round: all waiting jobs, then one batch, one commit, then the acknowledgements."""
        transaction = Transaction()
        waiting: list[asyncio.Future[None]] = []
        while self._jobs:
            job, done = self._jobs.popleft()
            try:
                job(transaction)
            except Exception as error:
                log.exception("a job between batches failed")
                if not done.done():
                    done.set_exception(error)
            else:
                waiting.append(done)
        messages: list[Arrived] = []
        if self._batches:
            messages, committed = self._batches.popleft()
            self._held -= len(messages)
            waiting.append(committed)
            self._judge_all(messages, transaction)
        if not transaction.empty():
            await self._commit(transaction, messages)
        for future in waiting:
            if not future.done():
                future.set_result(None)
        if transaction.empty():
            await asyncio.sleep(0)

    def _judge_all(self, messages: Sequence[Arrived], transaction: Transaction) -> None:
        """Supervisor of the judgement: what no code foresaw costs the one message that brought it, visibly."""
        known = transaction.keys
        try:
            self._judge.judge(messages, transaction)
        except Exception as error:
            log.exception("a batch of %d messages failed", len(messages))
            if len(messages) == 1:
                self._judge.set_aside(messages[0], f"{type(error).__name__}: {error}", transaction)
                return
            self._judge.withdraw(transaction.keys[len(known) :])
            transaction.keys = known
            for message in messages:
                self._judge_all([message], transaction)

    async def _commit(self, transaction: Transaction, messages: Sequence[Arrived]) -> None:
        """Commit, however long it takes: nothing is acknowledged before, so the broker keeps what comes."""
        attempt = 0
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await self._journal.commit(transaction)
            except sqlite3.Error as error:
                attempt += 1
                self.last_error = f"journal: {error}"
                JOURNAL_FAILURES.inc()
                log.error("the journal did not take a batch (%s); trying again", error)  # noqa: TRY400
                await asyncio.sleep(backoff_s(attempt, first_s=0.05, most_s=5.0))
            else:
                break
        if attempt:
            self.last_error = ""
        COMMIT_SECONDS.observe(loop.time() - started)
        BATCHES.labels(synchronous="full" if transaction.full else "normal").inc()
        if messages:
            BATCH_SIZE.observe(len(messages))
            DURABLE_SECONDS.observe((now_ms() - messages[0].arrival_ms) / 1000)
        self._after(transaction)
