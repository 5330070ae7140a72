"""Photos and voice notes of an incident: checked by their first bytes, stored by digest, never executed.

A file is written whole and synced before the row that names it; its SHA-256 stands on the timeline, so a changed file
is found. Two uploads of one content are one file.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents.docket import Actor, Docket
from cloud.incidents.model import Attachment, Incident
from cloud.incidents.views import instant
from cloud.people.service import new_id
from cloud.problems import Problem, conflict

PHOTO_BYTES = 8 * 1024 * 1024
VOICE_BYTES = 4 * 1024 * 1024
MOST = 200
"""Of one incident."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """What is taken, and how its content shows itself."""

    suffix: str
    most_bytes: int
    begins: Callable[[bytes], bool]


def _iso_media(head: bytes) -> bool:
    return head[4:8] == b"ftyp"


TYPES: Mapping[str, MediaType] = {
    "image/jpeg": MediaType("jpg", PHOTO_BYTES, lambda head: head.startswith(b"\xff\xd8\xff")),
    "image/png": MediaType("png", PHOTO_BYTES, lambda head: head.startswith(b"\x89PNG\r\n\x1a\n")),
    "image/webp": MediaType("webp", PHOTO_BYTES, lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP"),
    "audio/mp4": MediaType("m4a", VOICE_BYTES, _iso_media),
    "audio/webm": MediaType("webm", VOICE_BYTES, lambda head: head.startswith(b"\x1a\x45\xdf\xa3")),
    "audio/ogg": MediaType("ogg", VOICE_BYTES, lambda head: head.startswith(b"OggS")),
    "audio/mpeg": MediaType(
        "mp3", VOICE_BYTES, lambda head: head[:3] == b"ID3" or head[:2] in (b"\xff\xfb", b"\xff\xf3")
    ),
    "audio/wav": MediaType("wav", VOICE_BYTES, lambda head: head[:4] == b"RIFF" and head[8:12] == b"WAVE"),
}
"""No SVG, no HTML, no PDF: nothing in which a browser would run something."""


def judge(declared: str, content: bytes) -> str:
    """The media type of an upload. Pure.

    Raises:
        Problem: 415 for a type that is not taken or a content that is something else, 413 beyond its limit.
    """
    media_type = declared.partition(";")[0].strip().lower()
    kind = TYPES.get(media_type)
    if kind is None:
        raise Problem(415, "media-type", f"'{declared[:80]}' is not taken; send one of: {', '.join(TYPES)}.")
    if len(content) > kind.most_bytes:
        raise Problem(413, "too-large", f"{media_type} may hold {kind.most_bytes} bytes; this has {len(content)}.")
    if not kind.begins(content[:16]):
        raise Problem(415, "media-type", f"The content is not {media_type}.")
    return media_type


class Store:
    """The files under the data folder, by digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: str) -> Path:
        """Where a content lies."""
        return self._folder / digest[:2] / digest

    def keep(self, content: bytes) -> str:
        """Write a content, whole and synced; its digest."""
        digest = hashlib.sha256(content).hexdigest()
        target = self.path(digest)
        with suppress(FileNotFoundError):
            os.utime(target)  # it is wanted again: the sweep leaves what is young alone
            return digest
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:  # mkstemp made it 0600: nobody else reads it, nobody runs it
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise
        return digest

    def read(self, digest: str) -> bytes | None:
        """A content; None when it is not there or is not what it was."""
        try:
            content = self.path(digest).read_bytes()
        except FileNotFoundError:
            return None
        return content if hashlib.sha256(content).hexdigest() == digest else None

    def old(self, before: float) -> list[str]:
        """Contents last wanted before an instant (epoch seconds); what a broken-off write left behind goes at once."""
        found = []
        for file in self._folder.glob("??/*"):
            with suppress(FileNotFoundError):
                if file.stat().st_mtime >= before:
                    continue
                if file.name.startswith(".new-"):
                    file.unlink()
                else:
                    found.append(file.name)
        return sorted(found)

    def drop_old(self, digest: str, before: float) -> int:
        """Forget a content that is still old; its size, 0 when it was wanted again meanwhile."""
        with suppress(FileNotFoundError):
            state = self.path(digest).stat()
            if state.st_mtime < before:
                self.path(digest).unlink()
                return state.st_size
        return 0

    def drop(self, digest: str) -> None:
        """Forget a content."""
        with suppress(FileNotFoundError):
            self.path(digest).unlink()


async def add(
    docket: Docket,
    incident: Incident,
    actor: Actor,
    *,
    digest: str,
    media_type: str,
    size: int,
    note: str = "",
    at: datetime | None = None,
) -> Attachment:
    """Name a stored content on the timeline of an incident; also of one that is over (a photo found later).

    Raises:
        Problem: 409 when the incident has too many.
    """
    count = await docket.session.scalar(
        select(func.count()).select_from(Attachment).where(Attachment.incident_id == incident.id)
    )
    if (count or 0) >= MOST:
        raise conflict("too-many", f"An incident holds {MOST} attachments.")
    row = Attachment(
        id=new_id("att"),
        incident_id=incident.id,
        digest=digest,
        media_type=media_type,
        size=size,
        at=docket.now,
        occurred_at=at,
        by={"id": actor.id, "name": actor.name},
        note=note,
        erased_at=None,
    )
    docket.session.add(row)
    await docket.session.flush()
    params = {"attachment": row.id, "media_type": media_type, "bytes": size, "sha256": digest, "note": note}
    docket.write(incident, "attached", actor, params, occurred_at=at)
    return row


async def of_incident(session: AsyncSession, incident_id: str) -> list[Attachment]:
    """In the order in which they came."""
    query = select(Attachment).where(Attachment.incident_id == incident_id).order_by(Attachment.at, Attachment.id)
    return list(await session.scalars(query))


async def others_with(session: AsyncSession, row: Attachment) -> bool:
    """Whether another attachment that stands has the same content."""
    query = select(Attachment.id).where(
        Attachment.digest == row.digest, Attachment.id != row.id, Attachment.erased_at.is_(None)
    )
    return await session.scalar(query.limit(1)) is not None


async def named(session: AsyncSession, digests: Collection[str]) -> frozenset[str]:
    """Those of some contents that an attachment still names."""
    query = select(Attachment.digest).where(Attachment.digest.in_(list(digests)), Attachment.erased_at.is_(None))
    return frozenset(await session.scalars(query))


def attachment_json(row: Attachment) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.id,
        "incident_id": row.incident_id,
        "media_type": row.media_type,
        "bytes": row.size,
        "sha256": row.digest,
        "at": instant(row.at),
        "occurred_at": instant(row.occurred_at),
        "by": row.by,
        "note": row.note,
        "erased_at": instant(row.erased_at),
        "url": None if row.erased_at else f"/api/v1/attachments/{row.id}",
    }
