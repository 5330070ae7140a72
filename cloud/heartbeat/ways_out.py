"""The heartbeat as a way out: the one way of the one message that nobody reads."""

from cloud.heartbeat import service
from cloud.http_client import open_client
from cloud.notify import faults
from cloud.notify.channels import Message, NotSent, posted
from cloud.services import Services


class HeartbeatChannel:
    """HTTP POST to the outward address of the settings."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def send(self, message: Message) -> str:
        """Only for an alert that opened an incident; a limit that was missed meanwhile is no sign of life."""
        url = self._services.settings.heartbeat_url
        if url is None or message.kind != "opened":
            raise NotSent("not a heartbeat", address=True)
        now = self._services.now()
        age = (now - message.created_at).total_seconds()
        if age > self._services.settings.heartbeat_every_s:
            raise NotSent(f"{age:.0f} s old: the next one is due", address=True)
        body = {"at": now.isoformat(), "passed": ["intake", "dispatch", "outbox"], "took_s": round(age, 3)}
        async with open_client() as client:
            said = await posted(client, url, message.id, body)
        async with self._services.db.transaction() as session:
            await faults.end(session, service.FAULT, service.BEAT, now)
        return said


WAYS = {"heartbeat": HeartbeatChannel}
