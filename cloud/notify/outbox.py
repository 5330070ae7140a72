"""Sending what the outbox holds: leased, tried side by side, retried with growing pauses, each try with a receipt.

Each channel has so many hands: one that hangs fills its own and delays no other. A channel that fails again and again
counts as down (circuit.py): its messages take the person's next way at once, and it is probed now and then.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

import prometheus_client
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.notify import faults, service
from cloud.notify.channels import Channel, FeedChannel, NotSent
from cloud.notify.circuit import Circuits
from cloud.notify.leasing import AT_ONCE, HANDS, LEASE, Leased, lease, next_due
from cloud.notify.model import Notification, Way
from cloud.notify.vault import vault
from cloud.retrying import retrying
from cloud.services import Services

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
MOST_ATTEMPTS = 12
"""Then a message is abandoned, with its receipts saying why."""
LONGEST_HAND_OVER_S = 12.0
"""A channel that has not come back by then is broken off; each has shorter time-outs of its own."""
DOWN = "channel_down"

_log = logging.getLogger(__name__)
_tries = prometheus_client.Counter("shouwang_notify_tries_total", "Hand-overs tried", ["channel", "result"])
_took = prometheus_client.Histogram("shouwang_notify_hand_over_seconds", "How long a hand-over took", ["channel"])

__all__ = ["AT_ONCE", "HANDS", "LEASE", "MOST_ATTEMPTS", "Outbox", "next_due", "pause_after"]


def pause_after(attempts: int) -> timedelta:
    """How long to wait before the next try. Pure."""
    return min(FIRST_PAUSE * float(2 ** min(max(attempts - 1, 0), 20)), LONGEST_PAUSE)


class Outbox:
    """The sender of one process."""

    def __init__(self, services: Services, channels: Mapping[str, Channel], circuits: Circuits | None = None) -> None:
        self._services = services
        self._channels = channels
        self._vault = vault(services.settings)
        self.circuits = circuits or Circuits()
        self._busy: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start_due(self) -> int:
        """Lease what is due and set it going, without waiting for any; how many were leased."""
        now = self._services.now()
        leased = await retrying(lambda: lease(self._services, self._vault, now, self._busy))
        in_house = [one for one in leased if isinstance(self._channels.get(one.channel), FeedChannel)]
        if in_house:
            await retrying(lambda: self._enter(in_house, now))
        for one in leased:
            if one not in in_house:
                self._busy[one.channel] += 1
                task = asyncio.create_task(self._carry(one), name=f"notify {one.channel}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return len(leased)

    async def send_due(self) -> int:
        """Send what is due, and wait for all of it; how many were tried."""
        count = 0
        while leased := await self.start_due():
            count += leased
            await self.settled()
        return count

    async def settled(self) -> None:
        """Wait until nothing is on its way."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def freed(self) -> "list[asyncio.Task[None]]":
        """Hand-overs on their way: when one is over, its channel has a hand free."""
        return list(self._tasks)

    async def stop(self) -> None:
        """Break off what is on its way: its leases run out, and it is tried again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _enter(self, leased: list[Leased], now: datetime) -> None:
        """The feed is our own table: hand-over and record in one transaction."""
        async with self._services.db.transaction() as session:
            for one in leased:
                row = await session.get(Notification, one.id)
                if row is not None and row.state == "pending":
                    row.leased_until, row.state, row.sent_at = None, "sent", now
                    await service.add_receipt(session, one.id, "handed_over", now=now)
            for one in leased:
                channel = self._channels[one.channel]
                assert isinstance(channel, FeedChannel)
                await channel.enter(session, one.message)

    async def _carry(self, one: Leased) -> None:
        try:
            await self._try(one)
        except Exception:  # noqa: BLE001  a supervisor: logged; the lease runs out and the message is tried again
            _log.exception("message %s on %s", one.id, one.channel)
        finally:
            self._busy[one.channel] -= 1

    async def _try(self, one: Leased) -> None:
        circuit, now = self.circuits.of(one.channel), self._services.now()
        channel = self._channels.get(one.channel)
        if channel is None:
            await self._record(
                one, NotSent(f"channel '{one.channel}' is not set up", address=bool(one.message.address))
            )
            return
        if not circuit.lets_through(now):
            since = f"since {circuit.since:%H:%M:%S} UTC" if circuit.since else ""
            skipped = NotSent(f"{one.channel} is down {since}: {circuit.why}")
            await self._record(one, skipped, skipped_until=circuit.open_until)
            return
        failure: NotSent | None = None
        detail = ""
        with _took.labels(one.channel).time():
            try:
                async with asyncio.timeout(LONGEST_HAND_OVER_S):
                    detail = await channel.send(one.message)
            except NotSent as error:
                failure = error
            except TimeoutError:
                failure = NotSent(f"{one.channel} did not answer within {LONGEST_HAND_OVER_S:g} s")
        _tries.labels(one.channel, "failed" if failure else "handed_over").inc()
        changed = self._judge(one, failure)
        await self._record(one, failure, detail=detail, changed=changed)

    def _judge(self, one: Leased, failure: NotSent | None) -> bool:
        """Tell the circuit; whether the channel counts as down, or as up, only since now."""
        circuit = self.circuits.of(one.channel)
        if failure is None:
            return circuit.worked()
        if failure.address:
            circuit.not_its_fault()
            return False
        return circuit.failed(self._services.now(), str(failure))

    async def _record(
        self,
        one: Leased,
        failure: NotSent | None,
        *,
        detail: str = "",
        changed: bool = False,
        skipped_until: datetime | None = None,
    ) -> None:
        async def write() -> None:
            async with self._services.db.transaction() as session:
                now = self._services.now()
                for row_id in (one.id, *one.mates):
                    row = await session.get(Notification, row_id)
                    if row is None or row.state != "pending":
                        continue
                    row.leased_until = None
                    if failure is None:
                        row.state, row.sent_at = "sent", now
                        row.bundled_into = one.id if row_id != one.id else None
                        said = f"in one message with {one.id}" if row_id != one.id else detail
                        await service.add_receipt(session, row_id, "handed_over", now=now, detail=said)
                    else:
                        await service.add_receipt(session, row_id, "failed", now=now, detail=str(failure))
                        if skipped_until is not None:
                            row.attempts -= 1
                        await self._after_failure(session, row, one, failure, skipped_until, now)
                    await self._of_the_way(session, row, failure, now, skipped=skipped_until is not None)
                if changed:
                    await self._tell(session, one.channel, failure, now)

        await retrying(write)

    async def _after_failure(
        self,
        session: AsyncSession,
        row: Notification,
        one: Leased,
        failure: NotSent,
        skipped_until: datetime | None,
        now: datetime,
    ) -> None:
        """When it is tried again; and the person's next way, at once."""
        row.due_at = max(now + pause_after(row.attempts), skipped_until or now)
        following = None
        if row.way_id is not None and row.message_id is not None and row.kind != "way_test":
            following = await service.next_way(session, row.message_id, now, f"{row.channel}: {failure}")
        done = failure.address or (row.way_id is not None and following is not None and not one.urgent)
        if done or row.kind == "way_test" or row.attempts >= MOST_ATTEMPTS:
            row.state = "abandoned"

    async def _of_the_way(
        self, session: AsyncSession, row: Notification, failure: NotSent | None, now: datetime, *, skipped: bool
    ) -> None:
        way = await session.get(Way, row.way_id) if row.way_id is not None and not skipped else None
        if way is None:
            return
        if failure is None:
            way.failed_at, way.failure = None, ""
            return
        way.failed_at, way.failure = now, str(failure)[:300]
        if failure.gone:
            way.removed_at, way.removed_why = now, str(failure)[:100]

    async def _tell(self, session: AsyncSession, channel: str, failure: NotSent | None, now: datetime) -> None:
        if failure is None:
            await faults.end(session, DOWN, channel, now)
        else:
            await faults.begin(session, DOWN, channel, str(failure), now)
