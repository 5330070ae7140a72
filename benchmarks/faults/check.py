"""What the cloud's database holds of a run, and how it agrees with the oracle."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.faults.load import Episode
from cloud.dispatch.model import Assignment
from cloud.incidents.model import AlertRecord, Incident, IncidentAlarm
from cloud.notify.model import Notification

STALE_S = 305.0
"""An alert that is older than this when it is taken in may send nobody, nor one that the edge says is replayed: older
than 60 s when it was sent."""
FRESH_S = 45.0
CALLS = frozenset({"raised", "escalated"})


@dataclass(frozen=True)
class Told:
    """One revision as it stands in the database."""

    device: str
    rule: str
    episode: int
    revision: int
    verb: str
    level: str | None
    late: bool
    replayed: bool
    age_s: float  # since the edge stamped it, by the edge's clock
    measured_s: float  # since the device measured what decided, by the device's clock
    incident: str


@dataclass(frozen=True)
class Found:
    """Everything of one edge in the cloud's database."""

    told: tuple[Told, ...]
    missing: int  # revisions that the cloud knows it has not got
    sent_for: dict[str, list[tuple[str, datetime]]]  # incident: offers and notifications
    twice: int  # the same responder asked twice for one incident
    history: frozenset[str]  # incidents that count as history alone

    @property
    def episodes(self) -> list[Episode]:
        """As the oracle says them."""
        turns: dict[tuple[str, str, int], list[Told]] = defaultdict(list)
        for each in self.told:
            turns[each.device, each.rule, each.episode].append(each)
        return sorted(
            Episode(*key, tuple((each.verb, each.level) for each in sorted(some, key=lambda one: one.revision)))
            for key, some in turns.items()
        )


async def read(session: AsyncSession, edge: str) -> Found:
    """What there is of an edge."""
    query = select(
        AlertRecord.alarm_id, AlertRecord.episode, AlertRecord.revision, AlertRecord.verb, AlertRecord.body,
        AlertRecord.late, AlertRecord.recorded_at, AlertRecord.received_at,
    ).where(AlertRecord.edge_id == edge)  # fmt: skip
    # alerts first: on PostgreSQL each query sees a state of its own, and every alert that was seen has its alarm
    alerts = (await session.execute(query)).all()
    alarms = (await session.execute(
        select(IncidentAlarm.alarm_id, IncidentAlarm.episode, IncidentAlarm.incident_id, IncidentAlarm.device,
               IncidentAlarm.rule, IncidentAlarm.missing).where(IncidentAlarm.edge_id == edge)
    )).all()  # fmt: skip
    of = {(row.alarm_id, row.episode): row for row in alarms}
    told = []
    for row in alerts:
        alarm = of[row.alarm_id, row.episode]
        told.append(
            Told(
                alarm.device, alarm.rule, row.episode, row.revision, str(row.verb), row.body["facts"]["level"],
                row.late, row.body["replayed"], (row.received_at - row.recorded_at).total_seconds(),
                (row.received_at - datetime.fromisoformat(row.body["changed_at"])).total_seconds(), alarm.incident_id,
            )
        )  # fmt: skip
    incidents = {row.incident_id for row in alarms}
    sent: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    asked: Counter[tuple[str, str]] = Counter()
    history = set()
    for some in _chunks(sorted(incidents)):
        offers = select(Assignment.incident_id, Assignment.responder_id, Assignment.offered_at)
        for row in await session.execute(offers.where(Assignment.incident_id.in_(some))):
            sent[row.incident_id].append(("offer", row.offered_at))
            asked[row.incident_id, row.responder_id] += 1
        notices = select(Notification.incident_id, Notification.kind, Notification.created_at)
        for row in await session.execute(notices.where(Notification.incident_id.in_(some))):
            sent[row.incident_id].append((row.kind, row.created_at))
        late = select(Incident.id).where(Incident.id.in_(some), Incident.late)
        history |= set(await session.scalars(late))
    return Found(
        tuple(told), sum(len(row.missing) for row in alarms), dict(sent),
        sum(count - 1 for count in asked.values()), frozenset(history),
    )  # fmt: skip


async def incidents(session: AsyncSession, edge: str) -> list[str]:
    """Ids of the incidents of an edge."""
    return list(
        await session.scalars(select(IncidentAlarm.incident_id).distinct().where(IncidentAlarm.edge_id == edge))
    )


def _chunks(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + 500] for start in range(0, len(names), 500)]


@dataclass
class Verdict:
    """How cloud and oracle agree."""

    wanted: int = 0
    lost: list[Any] = field(default_factory=list)
    doubled: list[Any] = field(default_factory=list)
    differing: list[Any] = field(default_factory=list)  # there once, but not as the oracle tells it
    moved: int = 0  # there once; opened a little later or earlier, because the broker brought readings out of order
    stale: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)  # fresh and urgent, yet taken for history, which sends nobody

    @property
    def good(self) -> bool:
        """Nothing lost, doubled, different, stale, or kept from people."""
        return not (self.lost or self.doubled or self.differing or self.stale or self.unsent)


def compare(wanted: Sequence[Episode], found: Found, *, within_ms: int = 0, trusted_times: bool = True) -> Verdict:
    """Episode by episode.

    Args:
        wanted: the oracle's.
        found: the cloud's.
        within_ms: by how much an opening may move where the broker may bring readings out of order; 0: not at all.
        trusted_times: False where the edge's own clock was wrong: ages by its stamps mean nothing, the devices' count.
    """
    verdict = Verdict(wanted=len(wanted))
    by_device: dict[tuple[str, str], tuple[list[Episode], list[Episode]]] = defaultdict(lambda: ([], []))
    for each in wanted:
        by_device[each[:2]][0].append(each)
    for each in found.episodes:
        by_device[each[:2]][1].append(each)
    for of_device, got in by_device.values():
        if of_device == got:
            continue
        surplus = len(got) - len(of_device)
        if surplus:
            strange = sorted(set(got) - set(of_device)) if surplus > 0 else sorted(set(of_device) - set(got))
            (verdict.doubled if surplus > 0 else verdict.lost).extend([(each, got) for each in strange[: abs(surplus)]])
            continue
        for one, other in zip(of_device, got, strict=True):
            near = abs(one.opened_at - other.opened_at) <= within_ms
            if one == other:
                continue
            if within_ms and near and one.worst == other.worst and one.over == other.over:
                verdict.moved += 1
            else:
                verdict.differing.append((one, other))
    if found.missing:
        verdict.lost.append(f"{found.missing} revisions")
    if found.twice:
        verdict.doubled.append(f"{found.twice} offers")
    _dispatch(found, verdict, trusted_times=trusted_times)
    return verdict


def _dispatch(found: Found, verdict: Verdict, *, trusted_times: bool) -> None:
    calls: dict[str, list[Told]] = defaultdict(list)
    for each in found.told:
        if each.verb in CALLS:
            calls[each.incident].append(each)
    for incident, some in sorted(calls.items()):
        youngest = min(each.age_s for each in some)
        sent = found.sent_for.get(incident, [])
        old = all(each.replayed or (trusted_times and each.age_s > STALE_S) for each in some)
        if old and sent:
            verdict.stale.append(f"{incident}: {sent[0][0]}, its youngest alert was {youngest:.0f} s old")
        age = {each: each.age_s if trusted_times else each.measured_s for each in some}
        fresh = [each for each in some if age[each] < FRESH_S and each.level in {"I", "II"}]
        if fresh and incident in found.history:
            verdict.unsent.append(
                f"{incident}: {fresh[0].device} {fresh[0].level}, {fresh[0].age_s:.0f} s old, late={fresh[0].late}"
            )
