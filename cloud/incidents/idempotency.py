"""The same as `cloud.idempotency`, under the name that callers on this floor know."""

from cloud.idempotency import HEADER, KEY_LIMIT, answered, fingerprint, keep

__all__ = ["HEADER", "KEY_LIMIT", "answered", "fingerprint", "keep"]
