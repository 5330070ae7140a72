"""Files that only their owner may read."""

import os
from pathlib import Path


def write_secret(path: Path, content: str, *, keep: bool = False, tighten_folder: bool = True) -> None:
    """Write a file with mode 0600 in a folder of secrets (0700), whole or not at all.

    Args:
        path: where.
        content: what.
        keep: leave an existing file as it is.
        tighten_folder: give its folder mode 0700; not for a folder that a person chose.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if tighten_folder:
        path.parent.chmod(0o700)
    if keep and path.exists():
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
