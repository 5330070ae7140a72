"""Append to the audit chain in the caller's transaction, and walk it. Nothing here changes or removes a line.

One appender at a time: the feed's lock is taken first, as every writer takes it, so there is one order of locks.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit.chain import GENESIS, Break, first_break
from cloud.audit.model import AuditLine
from cloud.feed import service as feed

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Head:
    """The last line of the chain: whoever keeps a copy elsewhere can prove later that nothing before it changed."""

    seq: int
    hash: str

    @classmethod
    def read(cls, text: str) -> "Head":
        """From `SEQ:HASH` as `str` writes it.

        Raises:
            ValueError: it is not one.
        """
        seq, _, digest = text.strip().partition(":")
        if not seq.isdigit() or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise ValueError(f"'{text[:80]}' is not SEQ:HASH as verify-audit prints it")
        return cls(int(seq), digest)

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


async def append(
    session: AsyncSession,
    *,
    kind: str,
    now: datetime,
    subject: str = "",
    actor: str = "",
    body: Mapping[str, Any] | None = None,
) -> AuditLine:
    """Write one line in the caller's transaction.

    Args:
        session: the caller's transaction.
        kind: what it is: incidents, erased, mode_began, plan_changed, …
        now: wall time here.
        subject: id of what it is about.
        actor: id of who did it; never a name.
        body: JSON-able; nothing personal belongs here, it can't be forgotten.
    """
    await feed.hold(session)
    last = await session.scalar(select(AuditLine).order_by(AuditLine.seq.desc()).limit(1))
    line = AuditLine(
        seq=last.seq + 1 if last else 1,
        at=now,
        kind=kind,
        subject=subject,
        actor=actor,
        body=dict(body or {}),
        prev_hash=last.hash if last else GENESIS,
        hash="",
    )
    line.hash = line.computed(line.prev_hash)
    session.add(line)
    await session.flush()
    return line


async def head(session: AsyncSession) -> Head:
    """The last line; 0 and zeros while there is none."""
    last = await session.scalar(select(AuditLine).order_by(AuditLine.seq.desc()).limit(1))
    return Head(last.seq, last.hash) if last else Head(0, GENESIS)


async def get(session: AsyncSession, seq: int) -> AuditLine | None:
    """One line."""
    return await session.get(AuditLine, seq)


async def lines(
    session: AsyncSession, *, after: int = 0, kind: str | None = None, subject: str | None = None, limit: int = _PAGE
) -> list[AuditLine]:
    """Lines after a number, in order."""
    query = select(AuditLine).where(AuditLine.seq > after).order_by(AuditLine.seq).limit(limit)
    if kind is not None:
        query = query.where(AuditLine.kind == kind)
    if subject is not None:
        query = query.where(AuditLine.subject == subject)
    return list(await session.scalars(query))


async def walk(session: AsyncSession) -> AsyncIterator[list[AuditLine]]:
    """The whole chain, page by page; what was looked at is let go."""
    after = 0
    while page := await lines(session, after=after):
        yield page
        after = page[-1].seq
        session.expunge_all()


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk along the chain found."""

    lines: int
    head: Head
    broken: Break | None
    expected: Head | None = None
    expected_holds: bool | None = None  # whether a head noted earlier is still a line of the chain


async def verify(session: AsyncSession, expected: Head | None = None) -> Walked:
    """Whether the chain holds from its first line on, and still has a head that somebody noted."""
    seq, before, broken = 1, GENESIS, None
    met = None if expected is None else expected == Head(0, GENESIS)
    async for page in walk(session):
        broken, seq, before = first_break(page, seq=seq, before=before)
        if expected is not None and not met:
            met = any(line.seq == expected.seq and line.hash == expected.hash for line in page)
        if broken is not None:
            break
    return Walked(seq - 1, Head(seq - 1, before), broken, expected, met)
