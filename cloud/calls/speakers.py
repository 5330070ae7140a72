"""Site speakers and their recorded clips: declared, played by a person's word or by themselves. Writes their tables."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.calls.model import Clip, Play, Speaker
from cloud.incidents.docket import SYSTEM, Actor, Docket
from cloud.incidents.model import Incident
from cloud.people.service import new_id
from cloud.problems import Problem, conflict, invalid, not_found
from cloud.registry.model import ActionRow, Site
from wire.level import Level

MessageKind = Literal["smoke", "water_level", "curtain_wall", "evacuate", "stay_inside", "all_clear", "test"]
MOST_REPEATS = 10
AUTOMATIC_REPEATS = 3


async def put(
    session: AsyncSession,
    site: Site,
    *,
    speaker_id: str | None,
    name: str,
    gateway_url: str | None,
    edge_id: str | None,
    actions: dict[str, str],
    languages: Sequence[str],
    automatic: dict[str, str],
    by: str,
    now: datetime,
) -> Speaker:
    """Declare a speaker, or another in its place. It plays by its gateway, or by an action of an edge a message kind.

    Raises:
        Problem: 404, 422.
    """
    if (gateway_url is None) == (edge_id is None):
        raise invalid("gateway_url", "and edge_id: exactly one of them", "say how the speaker is made to play")
    for kind, action in actions.items():
        row = await session.get(ActionRow, action)
        if row is None or row.edge_id != edge_id or row.site_id != site.id:
            raise invalid(
                f"actions.{kind}", f"'{action:.64}' is no action of that edge at this site", "declare it first"
            )
    speaker = await session.get(Speaker, speaker_id) if speaker_id else None
    if speaker_id and (speaker is None or speaker.site_id != site.id):
        raise not_found("speaker", speaker_id)
    if speaker is None:
        speaker = Speaker(id=new_id("spk"), site_id=site.id)
        session.add(speaker)
    speaker.grid_path, speaker.name = site.grid_path, name
    speaker.gateway_url, speaker.edge_id, speaker.actions = gateway_url, edge_id, dict(actions)
    speaker.languages, speaker.automatic = list(languages), dict(automatic)
    speaker.updated_at, speaker.updated_by = now, by
    await session.flush()
    return speaker


async def keep_clip(
    session: AsyncSession,
    *,
    kind: str,
    language: str,
    site_id: str,
    digest: str,
    media_type: str,
    size: int,
    text: str,
    by: str,
    now: datetime,
) -> Clip:
    """The recording of a message in a language, for all sites or one; another in its place."""
    query = select(Clip).where(Clip.kind == kind, Clip.language == language, Clip.site_key == site_id)
    clip = (await session.scalars(query)).first()
    if clip is None:
        clip = Clip(id=new_id("clp"), kind=kind, language=language, site_key=site_id)
        session.add(clip)
    clip.digest, clip.media_type, clip.size, clip.text, clip.at, clip.by = digest, media_type, size, text, now, by
    await session.flush()
    return clip


async def clips_for(session: AsyncSession, speaker: Speaker, kind: str) -> list[Clip]:
    """What it plays for a message kind, in the order of its languages; a site's own before the common one."""
    query = select(Clip).where(Clip.kind == kind, Clip.site_key.in_(("", speaker.site_id)))
    best: dict[str, Clip] = {}
    for clip in await session.scalars(query.order_by(Clip.site_key)):
        best[clip.language] = clip
    return [best[language] for language in speaker.languages if language in best]


async def play(
    session: AsyncSession,
    speaker: Speaker,
    kind: str,
    *,
    key: str,
    repeat: int,
    by: Actor,
    now: datetime,
    incident: Incident | None = None,
) -> Play | None:
    """Let it say something; of one key once. None: it was told already.

    Raises:
        Problem: 409 when there is nothing to play: no clip, no action of that kind; or the incident is an exercise's.
    """
    if incident is not None and incident.exercise is not None:
        raise conflict("exercise", "A speaker is heard by everybody: nothing of an exercise is played.")
    if speaker.edge_id is not None and kind not in speaker.actions:
        raise conflict("no-action", f"{speaker.name}: no action plays '{kind}'.")
    if speaker.gateway_url is not None and not await clips_for(session, speaker, kind):
        raise conflict("no-clip", f"{speaker.name}: no clip of '{kind}' in {', '.join(speaker.languages)}.")
    if await session.scalar(select(Play.id).where(Play.key == key)):
        return None
    row = Play(
        id=new_id("ply"),
        key=key,
        speaker_id=speaker.id,
        incident_id=incident.id if incident else None,
        kind=kind,
        repeat=repeat,
        state="pending",
        attempts=0,
        due_at=now,
        leased_until=None,
        at=now,
        done_at=None,
        detail="",
        by=by.json(),
        exercise=None,
    )
    session.add(row)
    await session.flush()
    return row


async def by_themselves(docket: Docket, incident: Incident) -> None:
    """Speakers of the site that play without a person's word, from the level that they say for the hazard."""
    if incident.exercise is not None or incident.site_id is None:
        return
    query = select(Speaker).where(Speaker.site_id == incident.site_id).order_by(Speaker.id)
    for speaker in list(await docket.session.scalars(query)):
        least = speaker.automatic.get(incident.hazard)
        if least is None or Level(incident.level).rank < Level(least).rank:
            continue
        key = f"{incident.id}:{speaker.id}:{incident.hazard}"
        try:
            row = await play(
                docket.session, speaker, incident.hazard, key=key, repeat=AUTOMATIC_REPEATS, by=SYSTEM,
                now=docket.now, incident=incident,
            )  # fmt: skip
        except Problem as error:  # what it lacks is written down; calls go on
            params: dict[str, Any] = {"code": "speaker_mute", "speaker": speaker.name, "text": str(error)}
            docket.write(incident, "note", SYSTEM, params)
            continue
        if row is not None:
            docket.write(incident, "announced", SYSTEM, {"speaker": speaker.name, "kind": row.kind, "play": row.id})


def speaker_json(row: Speaker) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.id,
        "site_id": row.site_id,
        "name": row.name,
        "by": "gateway" if row.gateway_url else "edge",
        "edge_id": row.edge_id,
        "actions": row.actions,
        "languages": row.languages,
        "automatic": row.automatic,
        "updated_at": row.updated_at.isoformat(),
        "updated_by": row.updated_by,
    }


def clip_json(row: Clip) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.id,
        "kind": row.kind,
        "language": row.language,
        "site_id": row.site_key or None,
        "media_type": row.media_type,
        "bytes": row.size,
        "sha256": row.digest,
        "text": row.text,
        "at": row.at.isoformat(),
    }


def play_json(row: Play) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": row.id,
        "speaker_id": row.speaker_id,
        "incident_id": row.incident_id,
        "kind": row.kind,
        "repeat": row.repeat,
        "state": row.state,
        "attempts": row.attempts,
        "detail": row.detail,
        "at": row.at.isoformat(),
        "done_at": row.done_at.isoformat() if row.done_at else None,
        "by": row.by,
    }
