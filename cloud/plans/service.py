"""Which plan holds at a site, and changing it: each change a revision, with who and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.feed import service as feed
from cloud.people.access import Person
from cloud.plans.library import shipped
from cloud.plans.model import PlanRevision
from cloud.plans.plan import Plan, faults, read, written
from cloud.problems import Problem, ProblemError, not_found
from cloud.registry.model import Site
from wire.alert import Hazard

Act = Literal["put", "revert", "delete"]


@dataclass(frozen=True, slots=True)
class Effective:
    """The plan that holds, and where it comes from."""

    plan: Plan
    revision: int  # of the site's own; 0 = never changed
    own: bool  # the site's own, else as shipped
    last: PlanRevision | None = None


async def effective(session: AsyncSession, site_id: str | None, hazard: Hazard) -> Effective:
    """What holds at a site (None: at no site) for a hazard."""
    plan = shipped()[hazard]
    if site_id is None:
        return Effective(plan, 0, own=False)
    query = select(PlanRevision).where(PlanRevision.site_id == site_id, PlanRevision.hazard == hazard)
    last = await session.scalar(query.order_by(PlanRevision.revision.desc()).limit(1))
    if last is None or not last.content:
        return Effective(plan, last.revision if last else 0, own=False, last=last)
    return Effective(read(last.content), last.revision, own=True, last=last)


async def history(session: AsyncSession, site_id: str, hazard: Hazard) -> Sequence[PlanRevision]:
    """Every change, the newest first."""
    query = select(PlanRevision).where(PlanRevision.site_id == site_id, PlanRevision.hazard == hazard)
    return list(await session.scalars(query.order_by(PlanRevision.revision.desc())))


def judged(content: Mapping[str, Any], hazard: Hazard) -> Plan:
    """A plan that people hand in.

    Raises:
        Problem: 422 with every fault.
    """
    try:
        plan = read({**content, "hazard": content.get("hazard", hazard.value)})
    except msgspec.ValidationError as error:
        raise Problem(
            422, "invalid", "预案格式不对 / the plan does not fit its schema.", errors=[_error("plan", str(error), "")]
        ) from None
    errors = [_error(fault.where, fault.what, fault.fix) for fault in faults(plan)]
    if plan.hazard is not hazard:
        errors.append(_error("hazard", f"is {plan.hazard}", f"this is the plan of {hazard}"))
    if errors:
        raise Problem(422, "invalid", "预案不能这样 / the plan cannot be so.", errors=errors[:50])
    return plan


def _error(where: str, what: str, fix: str) -> ProblemError:
    return ProblemError(where=where, what=what, fix=fix)


async def put(
    session: AsyncSession,
    site: Site,
    hazard: Hazard,
    plan: Plan | None,
    *,
    expected: int,
    person: Person,
    why: str,
    now: datetime,
    act: Act = "put",
) -> Effective:
    """Let a site have a plan of its own (None: the shipped one again).

    Raises:
        Problem: 412 when somebody was faster.
    """
    await feed.hold(session)
    before = await effective(session, site.id, hazard)
    if before.revision != expected:
        what = f"the {hazard} plan of '{site.id}' is at revision {before.revision}, not {expected}: look again."
        raise Problem(412, "changed-meanwhile", what, headers={"ETag": f'"{before.revision}"'})
    row = PlanRevision(
        site_id=site.id,
        hazard=hazard.value,
        revision=before.revision + 1,
        act=act,
        content=written(plan) if plan else {},
        at=now,
        by=person.id,
        by_name=person.name,
        why=why,
    )
    session.add(row)
    await session.flush()
    key = f"plan:{site.id}:{hazard.value}"
    await audit.append(
        session,
        kind="plan_changed",
        now=now,
        subject=key,
        actor=person.id,
        body={"revision": row.revision, "act": act, "content": row.content},
    )
    value = {"kind": "plan", "site_id": site.id, "hazard": hazard.value, "revision": row.revision, "act": act}
    await feed.append(
        session, kind="registry", key=key, value=value, grid_path=site.grid_path, site=site.id, exercise=None
    )
    return await effective(session, site.id, hazard)


async def revert(
    session: AsyncSession,
    site: Site,
    hazard: Hazard,
    to: int,
    *,
    expected: int,
    person: Person,
    why: str,
    now: datetime,
) -> Effective:
    """Back to what an earlier revision said (0: as shipped); that is a new revision.

    Raises:
        Problem: 404 for a revision that never was, and as `put`.
    """
    plan = None
    if to:
        row = await session.get(PlanRevision, (site.id, hazard.value, to))
        if row is None:
            raise not_found("revision", str(to))
        plan = read(row.content) if row.content else None
    return await put(session, site, hazard, plan, expected=expected, person=person, why=why, now=now, act="revert")
