"""When people merge incidents, those who are on them move along: nobody on the way is called back for it."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch.model import Assignment
from cloud.dispatch.progress import LIVE, AssignmentState, state_of
from cloud.dispatch.snapshots import assignments_of, say, stamps_of
from cloud.incidents.docket import Docket
from cloud.incidents.model import Incident


async def live(session: AsyncSession, incident_id: str) -> list[Assignment]:
    """Assignments that are not over."""
    return [row for row in await assignments_of(session, incident_id) if AssignmentState(row.state) in LIVE]


async def move_live(
    docket: Docket, source: Incident, target: Incident, only: Collection[str] | None = None
) -> list[str]:
    """Move live assignments (None: all of them) from one incident to another; their ids.

    A responder who is on both keeps the one at the target; the other is closed without a word to them.
    """
    there = {row.responder_id for row in await live(docket.session, target.id)}
    moved: list[str] = []
    for row in await live(docket.session, source.id):
        if only is not None and row.id not in only:
            continue
        if row.responder_id in there:
            row.cancelled_at = docket.now
            row.state = state_of(stamps_of(row))
            await say(docket, source, row)
            continue
        row.incident_id = target.id
        moved.append(row.id)
        await say(docket, target, row)
    await docket.session.flush()
    return moved
