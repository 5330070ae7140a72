"""Requests to addresses that people (not administrators) have given: public HTTPS hosts only.

A name is looked up once, every address it has must be a public one, and the request goes to the address that was
looked at: a name that answers differently the next moment leads nowhere else (no rebinding). No redirect is followed.
"""

import asyncio
import ipaddress
import socket
from urllib.parse import urlsplit

import httpx

TIMEOUT_S = 5.0


class Barred(ValueError):  # noqa: N818  what it is
    """An address to which nothing is sent, and why."""


def check_url(url: str, *, local: bool = False) -> tuple[str, int]:
    """Host and port of an address that may be asked. Pure.

    Args:
        url: given by a person.
        local: a setting permits plain HTTP and hosts of one's own network (tests; a push service in the house).

    Raises:
        Barred: not HTTPS, with a user name, or an address that is none of the public network's.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Barred(f"is no address: {error}") from None
    if not host or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not local):
        raise Barred("must be https://…")
    if parts.username is not None or parts.password is not None:
        raise Barred("must not name a user")
    try:
        _check_ip(host, local=local)
    except ValueError as error:
        if isinstance(error, Barred):
            raise
    return host, port or (443 if parts.scheme == "https" else 80)


def _check_ip(text: str, *, local: bool) -> None:
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    if not local and not (mapped or address).is_global:
        raise Barred("leads into a network that is not public")


async def look_up(host: str, port: int, *, local: bool) -> str:
    """One address of a host, after a look at all of them.

    Raises:
        Barred: one of them is not public.
        OSError: the name is unknown.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        _check_ip(address, local=local)
    return addresses[0]


async def post(
    client: httpx.AsyncClient, url: str, *, content: bytes, headers: dict[str, str], local: bool = False
) -> httpx.Response:
    """POST to a person's address, at the network address that was checked, under the host's own certificate.

    Raises:
        Barred, OSError, httpx.HTTPError: it did not get there.
    """
    host, port = check_url(url, local=local)
    async with asyncio.timeout(TIMEOUT_S):
        address = await look_up(host, port, local=local)
        at = httpx.URL(url).copy_with(host=address)
        return await client.post(
            at,
            content=content,
            headers={**headers, "Host": httpx.URL(url).netloc.decode("ascii")},
            timeout=TIMEOUT_S,
            follow_redirects=False,
            extensions={"sni_hostname": host},
        )
