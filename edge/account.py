"""What the edge says of itself: what is wrong, the heartbeat to the cloud, the status for whoever stands beside it."""

import os
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from edge.devices import newest_values
from edge.metrics import JOURNAL_AGE
from edge.uplink import Cloud
from wire.report import EdgeReport
from wire.time import now_ms, to_datetime

if TYPE_CHECKING:
    from edge.agent import Agent

DAY_MS = 86_400_000
MOST_DEVICES = 300
_ORDER = {"silent": 0, "offline": 1, "unknown": 2, "online": 3}


class Account:
    """Asks the parts of an agent how they are.

    Args:
        agent: the one that is spoken of.
    """

    def __init__(self, agent: "Agent") -> None:
        self._agent = agent
        self._started_ms = now_ms()

    async def report(self) -> EdgeReport:
        """The heartbeat."""
        agent = self._agent
        at = now_ms()
        depth = await agent.journal.depth()
        age_s = 0.0 if depth.oldest_ms is None else max(0.0, (at - depth.oldest_ms) / 1000)
        JOURNAL_AGE.set(age_s)
        return EdgeReport(
            edge=agent.settings.edge.id,
            version=_version(),
            started_at=to_datetime(self._started_ms),
            reported_at=to_datetime(at),
            revision=agent.configuration.revision,
            refused_revision=agent.configuration.refused_revision,
            refused_why=agent.configuration.refused_why,
            broker_connected=agent.ingest.connected.is_set(),
            clock_trusted=agent.clock.trusted,
            journal_depth=depth.total,
            oldest_unsent_s=age_s,
            devices=len(agent.judge.table.devices),
            readings=agent.judge.readings,
            rejected=agent.judge.rejections.total,
            alerts=agent.judge.alerts,
            alarms=agent.judge.alarms.counts(),
            floods=agent.judge.alarms.floods.running(),
            actions=agent.judge.actions.facts(),
            notes=[*self.problems(), *agent.judge.notes(), *await self._loss_notes(at)],
        )

    async def _loss_notes(self, at: int) -> list[str]:
        return [
            f"lost: {loss.items} of the {loss.lane.name.lower()} lane, recorded between "
            f"{to_datetime(loss.first_ms).isoformat()} and {to_datetime(loss.last_ms).isoformat()}: {loss.reason}"
            for loss in await self._agent.journal.losses(at - DAY_MS)
        ]

    def problems(self) -> list[str]:
        """What is wrong now, in sentences; empty when all is well."""
        agent = self._agent
        found = []
        if not agent.ingest.connected.is_set():
            found.append(f"no broker: {agent.ingest.last_error or 'connecting'}")
        if agent.broker is not None and agent.broker.fault:
            found.append(f"the broker stores nothing, and acknowledges nothing to devices: {agent.broker.fault}")
        if agent.batcher.last_error:
            found.append(agent.batcher.last_error)
        if agent.uplink is not None and agent.uplink.cloud in {Cloud.AWAY, Cloud.REFUSING}:
            found.append(f"cloud {agent.uplink.cloud.value}: {agent.uplink.last_error}")
        if agent.configuration.refused_revision is not None:
            found.append(
                f"configuration {agent.configuration.refused_revision} refused: {agent.configuration.refused_why}"
            )
        if agent.journal.set_aside_as is not None:
            found.append(
                f"the journal was damaged and is kept as {agent.journal.set_aside_as.name}; a new one was begun"
            )
        if fault := agent.clock.fault():
            found.append(fault)
        actions = agent.judge.actions
        if len(actions) and not agent.actions.connected:
            found.append(f"no broker for actions: {agent.actions.last_error or 'connecting'}")
        found += [f"the broker does not let us hear the state topic {topic}" for topic in agent.actions.refused]
        found += actions.problems()
        return found

    async def facts(self) -> dict[str, Any]:
        """For /status."""
        agent = self._agent
        depth = await agent.journal.depth()
        set_aside = await agent.journal.set_aside()
        return {
            "edge": agent.settings.edge.id,
            "version": _version(),
            "pid": os.getpid(),
            "started_at": to_datetime(self._started_ms),
            "now": datetime.now(UTC),
            "clock_trusted": agent.clock.trusted,
            "clock_offset_s": agent.clock.offset_s,
            "problems": self.problems(),
            "broker": {
                "url": agent.broker_url,
                "mode": agent.settings.broker.mode,
                "pid": agent.broker.pid if agent.broker else None,
                "connected": agent.ingest.connected.is_set(),
                "connections": agent.ingest.connections,
                "last_error": agent.ingest.last_error,
            },
            "cloud": None
            if agent.uplink is None
            else {"state": agent.uplink.cloud.value, "last_error": agent.uplink.last_error, "sent": agent.uplink.sent},
            "configuration": agent.configuration.facts(),
            "journal": {
                "depth": depth.total,
                "events": {lane.name.lower(): count for lane, count in depth.events.items()},
                "bytes": {lane.name.lower(): size for lane, size in depth.bytes.items()},
                "oldest_at": None if depth.oldest_ms is None else to_datetime(depth.oldest_ms),
                "losses": await self._loss_notes(now_ms()),
                "set_aside": [{"id": name, "type": kind, "reason": reason} for name, kind, reason in set_aside[:20]],
            },
            "local_notices": {"count": agent.notifier.notices, "last": agent.notifier.last_outcome},
            **agent.judge.facts(),
        }

    async def devices(self) -> dict[str, Any]:
        """For /devices: what is wrong first, some hundreds at most."""
        agent = self._agent
        rows = [row for row in agent.judge.sources.rows.values() if row.exercise is None]
        rows.sort(key=lambda row: (_ORDER.get(row.status, 9), row.device.id))
        counts = Counter(row.status for row in rows)
        return {
            "counts": {status: counts.get(status, 0) for status in _ORDER},  # type: ignore[call-overload]
            "left_out": max(0, len(rows) - MOST_DEVICES),
            "devices": [
                {
                    "id": row.device.id,
                    "name": row.device.config.name,
                    "site": row.device.config.site,
                    "profile": row.device.config.profile,
                    "status": row.status,
                    "last_seen": None if row.last_seen_ms is None else to_datetime(row.last_seen_ms),
                    "values": newest_values(row, agent.judge.sources),
                }
                for row in rows[:MOST_DEVICES]
            ],
        }


def _version() -> str:
    try:
        return version("shouwang")
    except PackageNotFoundError:
        return "0"
