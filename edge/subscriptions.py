"""What the persistent session is subscribed to: kept over a restart, so that what is unwanted is given up."""

import logging
from pathlib import Path

import msgspec

from edge.files import write_private

log = logging.getLogger(__name__)


def changed(file: Path, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Filters of earlier runs that are not wanted any more; notes the wanted ones.

    They stay in the file: to give up a filter that is not held does no harm.
    """
    try:
        before = msgspec.json.decode(file.read_bytes(), type=list[str])
    except FileNotFoundError:
        before = []
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("%s can't be read: %s", file, error)
        before = []
    stale = tuple(each for each in dict.fromkeys(before) if each not in wanted)
    write_private(file, msgspec.json.encode(list(dict.fromkeys([*wanted, *stale]))))
    return stale
