"""What came of knocking: taps from phones, in any order and however late; an officer's reason; bad news goes up."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from cloud.dispatch.messages import tell
from cloud.households import knock
from cloud.households.model import KnockDoor, KnockList, KnockTap
from cloud.households.order import Outcome, Tap, moment, stands
from cloud.incidents.docket import SYSTEM, Actor, Docket
from cloud.incidents.model import Incident
from cloud.people.service import new_id
from cloud.problems import Problem, ProblemError, conflict, invalid
from cloud.timers import service as timers


@dataclass(frozen=True, slots=True)
class Given:
    """One tap as a phone sends it."""

    key: str
    door_id: str
    outcome: Outcome
    at: datetime | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one tap."""

    key: str
    result: str  # recorded | duplicate
    stands: bool


async def tap(
    docket: Docket,
    incident: Incident,
    row: KnockList,
    actor: Actor,
    given: Sequence[Given],
    *,
    only_of: Collection[str] | None = None,
) -> list[Taken]:
    """Write taps down: each key once, all kept; of several at one door the latest by its own time stands.

    Args:
        docket: the transaction.
        incident: of the list.
        row: the list.
        actor: who taps.
        given: in any order, however late.
        only_of: responder ids whose parts (and doors that are nobody's) this person may tap; None: all.

    Raises:
        Problem: 422 for a door that is not of this list or not theirs, 409 for a key used for something else.
    """
    session = docket.session
    found = {door.id: door for door in await knock.doors_in(session, row)}
    errors = [
        ProblemError(where=f"taps.{n}.door_id", what=f"'{one.door_id:.40}' is no door of yours", code="not_your_door")
        for n, one in enumerate(given)
        if one.door_id not in found or not may_tap(found[one.door_id], only_of)
    ]
    if errors:
        raise Problem(422, "invalid", "These doors are not of this list, or not of your part.", errors=errors)
    known: dict[str, KnockTap] = {
        old.key: old
        for old in await session.scalars(
            select(KnockTap).where(KnockTap.list_id == row.id, KnockTap.key.in_([one.key for one in given]))
        )
    }
    results: list[tuple[str, str, str]] = []
    for one in given:
        old = known.get(one.key)
        if old is not None:
            if (old.door_id, old.outcome) != (one.door_id, one.outcome):
                raise conflict("key-reused", f"Tap key '{one.key:.40}' was used for another tap: make a new one.")
            results.append((one.key, "duplicate", one.door_id))
            continue
        fresh = KnockTap(
            id=new_id("knt"),
            list_id=row.id,
            door_id=one.door_id,
            key=one.key,
            outcome=one.outcome,
            occurred_at=moment(one.at, docket.now),
            recorded_at=docket.now,
            by={"id": actor.id, "name": actor.name},
            note=one.note,
        )
        session.add(fresh)
        known[one.key] = fresh
        results.append((one.key, "recorded", one.door_id))
    await session.flush()
    standing = await _settle(
        docket, incident, row, actor, found, {door for _, result, door in results if result == "recorded"}
    )
    await knock.renew(docket, incident, row)
    return [Taken(key, result, standing.get(door) == key) for key, result, door in results]


def may_tap(door: KnockDoor, only_of: Collection[str] | None) -> bool:
    """Whether a door is of somebody's part, or nobody's."""
    return only_of is None or door.part is None or door.part in only_of


async def _settle(
    docket: Docket, incident: Incident, row: KnockList, actor: Actor, found: dict[str, KnockDoor], touched: set[str]
) -> dict[str, str]:
    """Bring the doors in line with their taps; the key that stands, by door. Bad news goes up at once."""
    by_door: dict[str, list[KnockTap]] = defaultdict(list)
    for one in await docket.session.scalars(select(KnockTap).where(KnockTap.door_id.in_(sorted(found)))):
        by_door[one.door_id].append(one)
    keys: dict[str, str] = {}
    counts: dict[str, int] = defaultdict(int)
    for door_id, rows in by_door.items():
        best = stands(Tap(t.key, Outcome(t.outcome), t.occurred_at, t.recorded_at) for t in rows)
        assert best is not None
        keys[door_id] = best.key
        door, tapped = found[door_id], next(t for t in rows if t.key == best.key)
        if door_id not in touched:
            continue
        changed = (door.outcome, door.outcome_at) != (best.outcome, best.occurred_at)
        door.outcome, door.outcome_at, door.outcome_by = best.outcome, best.occurred_at, tapped.by
        if changed:
            counts[best.outcome] += 1
            if best.outcome is Outcome.NO_ANSWER and door.flags:
                await _goes_up(docket, incident, door, actor, best.key, best.occurred_at)
    await docket.session.flush()
    if counts:
        said = "、".join(f"{_WORDS[Outcome(outcome)][0]} {count}" for outcome, count in counts.items())
        english = ", ".join(f"{_WORDS[Outcome(outcome)][1]} {count}" for outcome, count in counts.items())
        params = {"code": "tapped", "list": row.id, "counts": dict(counts)}
        docket.write(incident, "knock", actor, params | {"text": f"逐户敲门：{said}", "text_en": f"doors: {english}"})
    return keys


_WORDS = {
    Outcome.ANSWERED_OUT: ("已通知并撤出", "told and out"),
    Outcome.ANSWERED_REFUSES: ("拒转", "refuses"),
    Outcome.NO_ANSWER: ("无人应答", "no answer"),
    Outcome.NOT_AT_HOME: ("确认不在家", "not at home"),
    Outcome.MOVED: ("已转移", "moved"),
    Outcome.HELPED_OUT: ("协助撤出", "helped out"),
}


async def _goes_up(docket: Docket, incident: Incident, door: KnockDoor, actor: Actor, key: str, at: datetime) -> None:
    """Nobody answers where somebody may need to be fetched: the owner, the desk and the duty leader hear at once."""
    where = knock.named(door)
    text = f"逐户敲门：{where} 无人应答（重点人群）", f"knocked, no answer at a vulnerable door: {where}"
    params = {"code": "no_answer_vulnerable", "door": where, "text": text[0], "text_en": text[1]}
    docket.write(incident, "knock", actor, params, occurred_at=at)
    for person in await knock.desk(docket, incident):
        message = (f"{text[0]}（{incident.number}）", f"{text[1]} ({incident.number})")
        await tell(docket, incident, person, "escalated", f"knock:{door.id}:{key}", message)


async def excuse(
    docket: Docket, incident: Incident, row: KnockList, actor: Actor, door_ids: Sequence[str], *, reason: str
) -> int:
    """An officer's reason for leaving doors as they are; each stands on the timeline. How many were open."""
    found = {door.id: door for door in await knock.doors_in(docket.session, row)}
    if unknown := sorted(set(door_ids) - found.keys()):
        raise invalid("door_ids", f"'{unknown[0]:.40}' is no door of this list")
    chosen = [found[one] for one in dict.fromkeys(door_ids) if knock.door_open(found[one])]
    for door in chosen:
        door.excused = {"reason": reason, "by": {"id": actor.id, "name": actor.name}, "at": docket.now.isoformat()}
    if chosen:
        names = "、".join(knock.named(door) for door in chosen[:20])
        params = {"code": "excused", "list": row.id, "doors": names, "count": len(chosen), "reason": reason}
        text = f"逐户敲门：{len(chosen)} 户由值班员说明理由（{reason}）"
        docket.write(
            incident, "knock", actor, params | {"text": text, "text_en": f"{len(chosen)} doors left: {reason}"}
        )
    await knock.renew(docket, incident, row)
    return len(chosen)


async def move(docket: Docket, source: Incident, target: Incident) -> None:
    """并案: the list of one incident goes to the other, with everything that was tapped; no door is lost or doubled."""
    session = docket.session
    row = await knock.of_incident(session, source.id)
    if row is None:
        return
    there = await knock.of_incident(session, target.id)
    source.knock_list = None
    if there is None:
        row.incident_id = target.id
        await knock.renew(docket, target, row)
        return
    standing = {(one.building_id, one.section, one.door): one for one in await knock.doors_in(session, there)}
    touched: set[str] = set()
    for door in await knock.doors_in(session, row):
        same = standing.get((door.building_id, door.section, door.door))
        into = same or door
        if same is None:
            door.list_id, door.position = there.id, len(standing) + len(touched) + door.position
        for one in list(await session.scalars(select(KnockTap).where(KnockTap.door_id == door.id))):
            one.list_id, one.door_id = there.id, into.id
            touched.add(into.id)
        if same is not None:
            same.part, same.excused = same.part or door.part, same.excused or door.excused
            await session.flush()
            await session.delete(door)
    there.buildings = sorted({*there.buildings, *row.buildings})
    await session.flush()
    await timers.disarm(session, knock.SLOW, row.id)
    await session.delete(row)
    await session.flush()
    found = {door.id: door for door in await knock.doors_in(session, there)}
    await _settle(docket, target, there, SYSTEM, found, touched)
    await knock.renew(docket, target, there)
