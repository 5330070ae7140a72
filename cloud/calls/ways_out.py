"""Ways out for messages to people that stand on rooms above `notify`: a call, a siren, a speaker."""

from cloud.calls import dialler, speakers
from cloud.calls.model import Speaker
from cloud.http_client import open_client
from cloud.incidents.docket import SYSTEM
from cloud.notify.channels import Message, NotSent
from cloud.problems import Problem
from cloud.registry import actions
from cloud.registry.layers import Author
from cloud.services import Services

SIREN_EXPIRES_S = 60.0


class VoiceChannel:
    """A call to a person of the outbox, by the telephone gateway: what it says of the call are the receipts."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def send(self, message: Message) -> str:
        """Order it; the message's id is the call's."""
        body = {
            "number": message.address,
            "purpose": "test" if message.kind == "way_test" else "message",
            "text_zh": str(message.body.get("text_zh", ""))[:500],
            "text_en": str(message.body.get("text_en", ""))[:500],
            "repeat": 2,
            "confirm_key": dialler.CONFIRM_KEY,
            "ring_s": self._services.settings.call_ring_s,
        }
        async with open_client() as client:
            return await dialler.order(self._services, client, message.id, body)


class SirenChannel:
    """An edge's action at a post where somebody sits without a screen; the address is EDGE/ACTION."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def send(self, message: Message) -> str:
        """A decision on its way to the edge, that expires within a minute."""
        if message.exercise is not None:
            raise NotSent("a siren is heard by everybody: nothing of an exercise sounds it", address=True)
        edge, _, action = message.address.partition("/")
        by = Author("system", "系统", f"{message.kind} {message.id}")
        try:
            async with self._services.db.transaction() as session:
                decision = await actions.decide(
                    session, edge, action, "switch_on", until=None, by=by, expires_s=SIREN_EXPIRES_S,
                    now=self._services.now(),
                )  # fmt: skip
        except Problem as error:
            raise NotSent(error.detail, address=True) from error
        return f"decision {decision.id}"


class SpeakerChannel:
    """A speaker at a post; the address is its id."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def send(self, message: Message) -> str:
        """Queued for the speaker: what became of it stands with its plays."""
        if message.exercise is not None:
            raise NotSent("a speaker is heard by everybody: nothing of an exercise is played", address=True)
        kind = "test" if message.kind == "way_test" else str((message.body.get("params") or {}).get("hazard", ""))
        try:
            async with self._services.db.transaction() as session:
                speaker = await session.get(Speaker, message.address)
                if speaker is None:
                    raise NotSent("there is no such speaker any more", address=True)
                row = await speakers.play(
                    session, speaker, kind, key=f"message:{message.id}", repeat=2, by=SYSTEM, now=self._services.now()
                )
        except Problem as error:
            raise NotSent(error.detail, address=True) from error
        self._services.wake()
        return f"play {row.id}" if row else "told already"


WAYS = {"voice": VoiceChannel, "siren": SirenChannel, "speaker": SpeakerChannel}
