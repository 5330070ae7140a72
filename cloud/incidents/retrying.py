"""The same as `cloud.retrying`, under the name that callers on this floor know."""

from cloud.retrying import TRIES, retrying

__all__ = ["TRIES", "retrying"]
