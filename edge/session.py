"""From a credential to an MQTT connection: how every session of the agent with its broker begins and ends."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from edge.broker import Credential
from edge.mqtt import Connection, Put, PutMany

CONNECT_S = 10.0
"""A broker that has not answered a step of the opening in this time is taken for lost."""
_PORTS = {"mqtt": 1883, "mqtts": 8883}


def answered() -> asyncio.Timeout:
    """Bounds one step of the opening by `CONNECT_S`."""
    return asyncio.timeout(CONNECT_S)


@asynccontextmanager
async def session(
    credential: Credential,
    put: Put,
    *,
    client_id: str,
    keepalive_s: float,
    most_bytes: int,
    clean: bool = False,
    put_many: PutMany | None = None,
) -> AsyncIterator[Connection]:
    """A connection to the broker of a credential; closed at the end, whatever ends it.

    What follows the opening (subscriptions) is bounded by the caller, with `answered`.

    Args:
        credential: with the broker's `mqtt://` or `mqtts://` address; `mqtts` trusts the machine's authorities.
        put: see `edge.mqtt.Connection`; so are the others.
        client_id: names the session at the broker.
        keepalive_s: a broker that hangs is noticed within 2.5 of these.
        most_bytes: of a larger payload only so much is kept.
        clean: the session ends with the connection.
        put_many: instead of `put`.

    Raises:
        RefusedError: the broker said no.
        OSError: there is nobody, or it hung up.
        TimeoutError: it does not answer.
    """
    url = urlsplit(credential.url)
    async with answered():
        connection = await Connection.open(
            url.hostname or "127.0.0.1",
            url.port or _PORTS[url.scheme],
            put,
            client_id=client_id,
            username=credential.username,
            password=credential.password,
            keepalive_s=keepalive_s,
            most_bytes=most_bytes,
            tls=ssl.create_default_context() if url.scheme == "mqtts" else None,
            clean=clean,
            put_many=put_many,
        )
    try:
        yield connection
    finally:
        connection.close()
