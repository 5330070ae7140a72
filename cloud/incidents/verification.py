"""Whether anything was changed unseen: the audit chain, every incident's chain, and each against the other."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.audit.service import Head, Walked
from cloud.incidents import service
from cloud.incidents.model import Incident

MOST_BREAKS = 100
"""Told; more are counted."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An incident whose timeline is not what it was."""

    incident: str
    number: str
    seq: int
    why: str  # chain | anchor | missing


@dataclass(slots=True)
class Report:
    """What was found."""

    audit: Walked
    incidents: int = 0
    broken: list[Broken] = field(default_factory=list)
    more: int = 0

    @property
    def intact(self) -> bool:
        """Nothing was changed, cut off or taken away, as far as the chains can tell."""
        return self.audit.broken is None and not self.broken and self.audit.expected_holds is not False

    def add(self, broken: Broken) -> None:
        """One more."""
        if len(self.broken) < MOST_BREAKS:
            self.broken.append(broken)
        else:
            self.more += 1

    def json(self) -> dict[str, Any]:
        """As the API and the command line show it."""
        walked = self.audit
        return {
            "intact": self.intact,
            "audit": {
                "lines": walked.lines,
                "head": str(walked.head),
                "broken_at": walked.broken.seq if walked.broken else None,
                "why": walked.broken.why if walked.broken else None,
                "expected": str(walked.expected) if walked.expected else None,
                "expected_holds": walked.expected_holds,
            },
            "incidents": self.incidents,
            "broken": [
                {"incident": one.incident, "number": one.number, "line": one.seq, "why": one.why} for one in self.broken
            ],
            "more": self.more,
        }


async def verify(session: AsyncSession, expected: Head | None = None) -> Report:
    """Walk everything. The session is used up: what was looked at is let go.

    Args:
        session: a snapshot: what is written meanwhile must not look like a break.
        expected: a head of the audit chain that somebody noted earlier.
    """
    report = Report(await audit.verify(session, expected))
    anchors = await _last_anchors(session)
    ids = list(await session.scalars(select(Incident.id).order_by(Incident.opened_at, Incident.id)))
    for incident_id in ids:
        incident = await session.get(Incident, incident_id)
        if incident is None:
            continue
        report.incidents += 1
        found = await _judge(session, incident, anchors.pop(incident_id, None))
        if found is not None:
            report.add(found)
        session.expunge_all()
    for incident_id in sorted(anchors):  # anchored once, and gone
        report.add(Broken(incident_id, "", 0, "missing"))
    return report


async def _judge(session: AsyncSession, incident: Incident, anchor: tuple[int, str] | None) -> Broken | None:
    broken = await service.first_break(session, incident)
    if broken is not None:
        return Broken(incident.id, incident.number, broken, "chain")
    if anchor is None:
        return None if incident.anchor is None else Broken(incident.id, incident.number, incident.entries, "anchor")
    entries, head = anchor
    if (entries, head) != (incident.entries, incident.chain_head):
        return Broken(incident.id, incident.number, min(entries, incident.entries), "anchor")
    return None


async def _last_anchors(session: AsyncSession) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    async for page in audit.walk(session):
        for line in page:
            if line.kind == "incidents":
                found |= {one: (int(held[0]), str(held[1])) for one, held in line.body["heads"].items()}
    return found


async def anchored(session: AsyncSession, incident: Incident) -> bool:
    """Whether the audit chain holds the head of one timeline as it stands (quick: looks at one line)."""
    if incident.anchor is None:
        return True  # nothing was written since there is an audit chain
    line = await audit.get(session, incident.anchor)
    if line is None or line.hash != line.computed(line.prev_hash):
        return False
    held: list[object] | None = line.body.get("heads", {}).get(incident.id)
    return held == [incident.entries, incident.chain_head]
