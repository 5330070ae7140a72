"""The edge agent: thin I/O shells around pure parts."""

import sys

# httpx imports its command line where it can (rich, pygments): half of the time and memory that importing it takes.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
