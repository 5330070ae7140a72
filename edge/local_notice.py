"""The edge's own voice: a real alert of level I or II that the cloud has not committed in time is made known here."""

import asyncio
import logging
from collections.abc import Callable

import httpx

from edge.journal import Journal
from edge.lane import Waiting
from edge.metrics import LOCAL_NOTICES
from edge.settings import LocalSection
from wire.time import now_ms

log = logging.getLogger(__name__)

LOOK_S = 2.0
TRIES_MS = 10 * 60_000

PUBLISH_S = 5.0

Publish = Callable[[str, bytes], "asyncio.Future[bytes] | None"]


class LocalNotifier:
    """Watches the alarm lane; each alert is made known once, and the outcome recorded.

    Exercise alerts never come here: the journal marks only real ones as urgent.

    Args:
        settings: the `[local]` section.
        journal: where alerts wait.
        publish: sends an MQTT command, done when the broker has it; None while there is none.
    """

    def __init__(self, settings: LocalSection, journal: Journal, publish: Publish) -> None:
        self._settings = settings
        self._journal = journal
        self._publish = publish
        self.notices = 0
        self.last_outcome = ""

    async def run(self) -> None:
        """Watch for ever."""
        async with httpx.AsyncClient(timeout=5.0, trust_env=False) as http:
            while True:
                for alert in await self._journal.overdue(now_ms() - round(self._settings.after_s * 1000)):
                    await self._tell(http, alert)
                await asyncio.sleep(LOOK_S)

    async def _tell(self, http: httpx.AsyncClient, alert: Waiting) -> None:
        outcomes = []
        if self._settings.webhook_url:
            outcomes.append(await self._webhook(http, alert))
        if self._settings.command_topic:
            outcomes.append(await self._command(self._settings.command_topic, alert.data))
        told = any(outcome in {"delivered", "published"} for outcome in outcomes)
        if outcomes and not told and now_ms() - alert.born_ms < TRIES_MS:
            self.last_outcome = ", ".join(outcomes)
            return  # tried again at the next look
        outcome = ", ".join(outcomes) or "recorded"
        await self._journal.noticed(alert.id, outcome)
        self.notices += 1
        self.last_outcome = outcome
        LOCAL_NOTICES.labels(outcome="told" if told else "recorded").inc()
        log.warning("alert %s is not committed in the cloud; local notice: %s", alert.id, outcome)

    async def _command(self, topic: str, payload: bytes) -> str:
        taken = self._publish(topic, payload)
        if taken is None:
            return "no broker"
        try:
            async with asyncio.timeout(PUBLISH_S):
                await taken
        except (TimeoutError, ConnectionError):
            return "no answer of the broker"
        return "published"

    async def _webhook(self, http: httpx.AsyncClient, alert: Waiting) -> str:
        try:
            response = await http.post(
                self._settings.webhook_url, content=alert.data, headers={"Content-Type": "application/json"}
            )
        except httpx.HTTPError as error:
            return f"webhook: {type(error).__name__}"
        return "delivered" if response.is_success else f"webhook: {response.status_code}"
