"""HTTP to the outside: webhooks, gateways, whoever watches from elsewhere."""

import ssl
from functools import cache

import httpx


@cache
def _context() -> ssl.SSLContext:
    """Reading the certificates takes tens of milliseconds: once for a process."""
    return httpx.create_ssl_context()


def open_client() -> httpx.AsyncClient:
    """A client that takes nothing from the environment (no proxy, no `.netrc`)."""
    return httpx.AsyncClient(verify=_context(), trust_env=False)
