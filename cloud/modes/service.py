"""Emergency mode for an area: begun and ended by people, ended by its time at the latest.

Thresholds change by way of the rulebook, so each change is judged, a revision, and told to the edges; what the mode
set goes back when it ends. The whole is one transaction: a mode whose thresholds cannot be so does not begin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.feed import service as feed
from cloud.modes import overlay
from cloud.modes.model import Mode
from cloud.notify import service as notify
from cloud.people import service as people
from cloud.people.access import Person, within
from cloud.people.model import Account, Area, Responder
from cloud.problems import Problem, conflict, invalid
from cloud.registry.layers import Author, Scope
from cloud.registry.model import Site
from cloud.rulebook import service as rulebook
from cloud.timers import service as timers
from wire.level import Level

LONGEST = timedelta(days=200)  # a flood season
WARNED_BEFORE = timedelta(hours=1)
MOST_LAYERS = 200
END, WARNING = "mode_end", "mode_warning"


class Kind(StrEnum):
    """What it is for."""

    TYPHOON = "typhoon"
    FLOOD_SEASON = "flood_season"
    RAINSTORM = "rainstorm"
    COLD_WAVE = "cold_wave"
    FIRE_SEASON = "fire_season"
    EVENT = "event"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Values to lay over a place's rules; scope `area` means every site in the mode's area."""

    scope: str  # area, site, building, zone
    id: str
    rules: Mapping[str, Any]
    quality: Mapping[str, Any]


def mode_json(row: Mode, now: datetime) -> dict[str, Any]:
    """As the API and the feed show it."""
    on = row.ended_at is None
    return {
        "id": row.id,
        "area_path": row.area_path,
        "kind": row.kind,
        "name": row.name,
        "response": row.response,
        "reason": row.reason,
        "began_at": row.began_at.isoformat(),
        "began_by": row.began_by,
        "ends_at": row.ends_at.isoformat(),
        "ends_in_s": max(0, round((row.ends_at - now).total_seconds())) if on else None,
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
        "ended_by": row.ended_by,
        "end_reason": row.end_reason,
        "layers": row.layers,
        "staffing": row.staffing,
        "tell": row.tell,
        "unlifted": row.unlifted,
        "exercise": row.exercise,
    }


async def active(session: AsyncSession) -> list[Mode]:
    """All that are on, the oldest first."""
    query = select(Mode).where(Mode.ended_at.is_(None)).order_by(Mode.began_at, Mode.id)
    return list(await session.scalars(query))


async def over_place(session: AsyncSession, grid_path: str, exercise: str | None = None) -> list[Mode]:
    """Those that a place lies in."""
    return [row for row in await active(session) if within(row.area_path, grid_path) and row.exercise == exercise]


async def also_told(session: AsyncSession, grid_path: str, exercise: str | None = None) -> tuple[str, ...]:
    """Person ids who hear of every urgent incident at a place, because a mode says so."""
    modes = await over_place(session, grid_path, exercise)
    return tuple(dict.fromkeys(str(person) for mode in modes for person in mode.tell))


@dataclass(frozen=True, slots=True)
class Gap:
    """A post or role with fewer on duty than a mode asks for."""

    post: str
    wanted: int
    have: int


async def staffing_gaps(session: AsyncSession, mode: Mode, at: datetime) -> list[Gap]:
    """Where a mode's staffing is not met at an instant: posts by person, roles by responder, within its area."""
    have: dict[str, int] = {}
    roles = {row.id: row.role for row in await people.responders(session)}
    for shift in await people.shifts_at(session, at):
        if within(mode.area_path, shift.area_path):
            post = roles.get(shift.responder_id, "responder") if shift.responder_id else shift.post
            have[post] = have.get(post, 0) + 1
    gaps = (Gap(post, int(count), have.get(post, 0)) for post, count in sorted(mode.staffing.items()))
    return [gap for gap in gaps if gap.have < gap.wanted]


async def begin(
    session: AsyncSession,
    area: Area,
    person: Person,
    *,
    kind: Kind,
    name: str,
    reason: str,
    ends_at: datetime,
    now: datetime,
    response: Level | None = None,
    layers: Sequence[Wanted] = (),
    staffing: Mapping[str, int] | None = None,
    tell: Sequence[str] = (),
    exercise: str | None = None,
) -> Mode:
    """启动: an area goes into emergency mode.

    Raises:
        Problem: 422 for an end that cannot be, a person or place that is not there, thresholds that cannot be so;
            409 when the same kind is on for the same area already.
    """
    _judge_end(ends_at, now)
    await feed.hold(session)
    for row in await active(session):
        if (row.area_path, row.kind, row.exercise) == (area.path, kind, exercise):
            raise conflict("already-on", f"'{row.name}' is on for {area.name} already: extend it, or end it first.")
    await _judge_people(session, tell, staffing or {})
    if layers and exercise is not None:
        raise invalid("thresholds", "an exercise never changes real thresholds", "leave them out")
    mode = Mode(
        id=people.new_id("mod"),
        area_path=area.path,
        kind=kind,
        name=name,
        response=response,
        reason=reason,
        began_at=now,
        began_by={"id": person.id, "name": person.name},
        ends_at=ends_at,
        ended_at=None,
        ended_by=None,
        end_reason=None,
        layers=[],
        staffing=dict(staffing or {}),
        tell=list(dict.fromkeys(tell)),
        unlifted=[],
        exercise=exercise,
    )
    session.add(mode)
    await session.flush()
    author = Author(person.id, person.name, f"{name}：{reason}"[:500])
    mode.layers = [await _lay(session, place, author, now) for place in await _places(session, area, layers)]
    await _set_timers(session, mode, now)
    await _record(session, mode, "mode_began", person.id, now)
    zh = f"进入应急模式：{area.name} {name}，至 {_local(ends_at)}"
    await _tell(session, mode, "mode_began", (zh, f"Emergency mode: {name}, until {_local(ends_at)}"), now)
    return mode


def _judge_end(ends_at: datetime, now: datetime) -> None:
    if ends_at <= now:
        raise invalid("ends_at", "is not in the future", "say when it ends; it can be extended")
    if ends_at - now > LONGEST:
        raise invalid("ends_at", f"is more than {LONGEST.days} days away", "choose an earlier end; it can be extended")


async def _judge_people(session: AsyncSession, tell: Sequence[str], staffing: Mapping[str, int]) -> None:
    for person_id in tell:
        if await session.get(Account, person_id) is None:
            raise invalid("tell", f"there is no person '{person_id:.64}'", "take one of GET /people")
    known = {"duty_officer", "duty_leader", "standby", "responder"}
    known |= set(await session.scalars(select(Responder.role).distinct()))
    for post in staffing:
        if post not in known:
            raise invalid("staffing", f"'{post:.64}' is no post or role", f"one of: {', '.join(sorted(known))}")


async def _places(session: AsyncSession, area: Area, layers: Sequence[Wanted]) -> list[tuple[rulebook.Place, Wanted]]:
    found: list[tuple[rulebook.Place, Wanted]] = []
    for wanted in layers:
        if wanted.scope == "area":
            sites = await session.scalars(select(Site).order_by(Site.id))
            ids = [site.id for site in sites if within(area.path, site.grid_path)]
            found += [(await rulebook.place_of(session, "site", one), wanted) for one in ids]
        else:
            scope: Scope = wanted.scope  # type: ignore[assignment]  # the route takes these words only
            place = await rulebook.place_of(session, scope, wanted.id)
            if not within(area.path, place.site.grid_path):
                raise invalid("thresholds", f"'{place.name}' lies outside {area.name}", "leave it out")
            found.append((place, wanted))
    if len(found) > MOST_LAYERS:
        raise invalid("thresholds", f"touch {len(found)} places", f"at most {MOST_LAYERS}")
    keys = [(place.scope, place.id) for place, _ in found]
    if len(set(keys)) < len(keys):
        raise invalid("thresholds", "name a place twice", "put its values together")
    return found


async def _lay(
    session: AsyncSession, one: tuple[rulebook.Place, Wanted], author: Author, now: datetime
) -> dict[str, Any]:
    place, wanted = one
    state = await rulebook.state_of(session, place)
    over = {part: dict(given) for part, given in (("rules", wanted.rules), ("quality", wanted.quality)) if given}
    if (taken := overlay.blocked(state.content, over)) is not None:
        raise invalid("thresholds", f"'{place.name}' has taken '{'.'.join(taken)}' away", "change it in the rulebook")
    content, laid = overlay.lay(state.content, over)
    content = {"rules": content.get("rules", {}), "quality": content.get("quality", {})}
    outcome = await rulebook.put(session, place, content, expected=state.revision, by=author, now=now)
    return {
        "scope": place.scope,
        "id": place.id,
        "name": place.name,
        "revision": outcome.state.revision,
        "laid": laid,
        "eased": list(outcome.verdict.eased),
    }


async def extend(
    session: AsyncSession, mode: Mode, person: Person, *, ends_at: datetime, reason: str, now: datetime
) -> None:
    """Another end, earlier or later.

    Raises:
        Problem: 409 when it is over, 422 for an end that cannot be.
    """
    await feed.hold(session)
    await session.refresh(mode)
    if mode.ended_at is not None:
        raise conflict("over", f"'{mode.name}' ended at {mode.ended_at.isoformat()}.")
    _judge_end(ends_at, now)
    mode.ends_at = ends_at
    await _set_timers(session, mode, now)
    await _record(session, mode, "mode_extended", person.id, now, {"reason": reason})


async def end(session: AsyncSession, mode: Mode, *, by: Mapping[str, str] | None, reason: str, now: datetime) -> bool:
    """解除, by a person or (`by` None) by its time; False when it is over already.

    Rules go back first; a place whose rules cannot go back is named in `unlifted` for a person to look at, and keeps
    the mode's values: it is never left less strict than somebody decided.
    """
    await feed.hold(session)
    await session.refresh(mode)
    if mode.ended_at is not None:
        return False
    name = by["name"] if by else "到期自动解除"
    author = Author(by["id"] if by else None, name, f"{mode.name} 解除：{reason}"[:500])
    later = [
        row for row in await active(session) if row.id != mode.id and (row.began_at, row.id) > (mode.began_at, mode.id)
    ]
    unlifted = []
    for layer in reversed(mode.layers):
        fault = await _lift(session, layer, later, author, now)
        if fault:
            unlifted.append({"scope": layer["scope"], "id": layer["id"], "why": fault[:500]})
    mode.unlifted = unlifted
    mode.ended_at, mode.end_reason = now, reason
    mode.ended_by = dict(by) if by else {"id": "shouwang", "name": "系统"}
    for kind in (END, WARNING):
        await timers.disarm(session, kind, mode.id)
    await _record(session, mode, "mode_ended", mode.ended_by["id"], now, {"reason": reason, "unlifted": unlifted})
    zh = f"应急模式解除：{mode.name}（{name}）" + (f"，{len(unlifted)} 处阈值须人工恢复" if unlifted else "")
    en = f"Emergency mode over: {mode.name}" + (
        f"; thresholds of {len(unlifted)} places need a person" if unlifted else ""
    )
    await _tell(session, mode, "mode_ended", (zh, en), now)
    return True


async def _lift(
    session: AsyncSession, layer: Mapping[str, Any], later: Sequence[Mode], author: Author, now: datetime
) -> str | None:
    try:
        async with session.begin_nested():
            place = await rulebook.place_of(session, layer["scope"], layer["id"])
            state = await rulebook.state_of(session, place)
            upon = [
                (mode, index)
                for mode in later
                for index, other in enumerate(mode.layers)
                if (other["scope"], other["id"]) == (layer["scope"], layer["id"])
            ]
            content, kept = overlay.lift(
                state.content, layer["laid"], [mode.layers[index]["laid"] for mode, index in upon]
            )
            content = {"rules": content.get("rules", {}), "quality": content.get("quality", {})}
            if content != {"rules": state.content["rules"], "quality": state.content["quality"]}:
                await rulebook.put(session, place, content, expected=state.revision, by=author, now=now, act="revert")
            for (mode, index), laid in zip(upon, kept, strict=True):
                layers = [dict(one) for one in mode.layers]
                layers[index]["laid"] = laid
                mode.layers = layers
    except Problem as problem:
        first = problem.errors[0].what if problem.errors else problem.detail
        return f"{problem.detail} {first}".strip()
    return None


async def _set_timers(session: AsyncSession, mode: Mode, now: datetime) -> None:
    await timers.arm(session, END, mode.id, mode.ends_at, now=now)
    warn_at = mode.ends_at - WARNED_BEFORE
    if warn_at > now:
        await timers.arm(session, WARNING, mode.id, warn_at, now=now)
    else:
        await timers.disarm(session, WARNING, mode.id)


async def warn(session: AsyncSession, mode: Mode, now: datetime) -> None:
    """It ends soon: whoever leads decides whether that is right."""
    zh = f"应急模式即将到期：{mode.name}，{_local(mode.ends_at)} 自动解除，需要请延长"
    en = f"Emergency mode ends soon: {mode.name}, at {_local(mode.ends_at)} by itself; extend it if need be"
    await _tell(session, mode, f"mode_warning:{mode.ends_at.isoformat()}", (zh, en), now)


def _local(at: datetime) -> str:
    return (at + timedelta(hours=8)).strftime("%m-%d %H:%M")


async def _record(
    session: AsyncSession, mode: Mode, kind: str, actor: str, now: datetime, more: Mapping[str, Any] | None = None
) -> None:
    await session.flush()
    body = {
        "area": mode.area_path,
        "kind": mode.kind,
        "response": mode.response,
        "ends_at": mode.ends_at.isoformat(),
        "layers": [[one["scope"], one["id"], one["revision"]] for one in mode.layers],
        "staffing": mode.staffing,
        "tell": mode.tell,
        **(more or {}),
    }
    await audit.append(session, kind=kind, now=now, subject=mode.id, actor=actor, body=body)
    await feed.append(
        session,
        kind="mode",
        key=mode.id,
        value=mode_json(mode, now),
        grid_path=mode.area_path,
        exercise=mode.exercise,
    )


async def _tell(session: AsyncSession, mode: Mode, key: str, words: tuple[str, str], now: datetime) -> None:
    """Whoever the mode tells, and who is on duty at the desks of its area and above."""
    heard = dict.fromkeys(str(person) for person in mode.tell)
    for area in people.chain(mode.area_path):
        for person in await people.on_duty(session, area, now, "duty_officer", "duty_leader"):
            heard[person.id] = None
    for person_id in heard:
        await notify.queue(
            session,
            key=f"{mode.id}:{key}",
            person_id=person_id,
            kind=key.partition(":")[0],
            text_zh=words[0],
            text_en=words[1],
            grid_path=mode.area_path,
            now=now,
            exercise=mode.exercise,
            params={"mode": mode.id},
        )
