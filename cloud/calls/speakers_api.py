"""Routes: site speakers, their clips, and a person's word to play one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.calls import speakers
from cloud.calls.model import Clip, Speaker
from cloud.calls.speakers import MOST_REPEATS, MessageKind
from cloud.dispatch.acts import once as once_on_incidents
from cloud.idempotency import Did, once
from cloud.incidents import attachments
from cloud.incidents import service as incidents
from cloud.incidents.attachments import Store
from cloud.incidents.docket import Docket, by
from cloud.notify.vault import vault
from cloud.people.access import STAFF, Person, Role, may_see, person_by_token, require, token_of
from cloud.problems import Problem, invalid, not_found
from cloud.registry.model import Site
from cloud.services import Services, services_of
from wire.level import Level

router = APIRouter(prefix="/speakers", tags=["calls"])
Shared = Annotated[Services, Depends(services_of)]
Staff = Annotated[Person, Depends(require(*STAFF))]
Administrator = Annotated[Person, Depends(require(Role.ADMINISTRATOR))]
Desk = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER))]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$", max_length=35)]
_AUDIO = {name: {"schema": {"type": "string", "format": "binary"}} for name in attachments.TYPES if "audio" in name}


class SpeakerIn(BaseModel):
    """A speaker as it must be known."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str | None, Field(max_length=40, description="Of the one that stands; none: a new one")] = None
    site_id: Annotated[str, Field(max_length=64)]
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    gateway_url: Annotated[str | None, StringConstraints(pattern=r"^https?://\S+$", max_length=500)] = None
    edge_id: Annotated[str | None, Field(max_length=64)] = None
    actions: dict[MessageKind, Annotated[str, Field(max_length=64)]] = {}
    languages: Annotated[list[Language], Field(min_length=1, max_length=5)] = ["zh-CN"]
    automatic: dict[Literal["smoke", "water_level", "curtain_wall"], Level] = Field(
        {}, description="By hazard, from which level on it plays without a person's word; none: never"
    )
    why: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=400)]


class PlayIn(BaseModel):
    """What it should say."""

    model_config = ConfigDict(extra="forbid")

    kind: MessageKind
    repeat: Annotated[int, Field(ge=1, le=MOST_REPEATS)] = 3
    incident_id: Annotated[str | None, Field(max_length=40)] = None


def _store(services: Services) -> Store:
    return Store(services.settings.data_dir / "clips")


async def _speaker(session: AsyncSession, person: Person, speaker_id: str) -> Speaker:
    row = await session.get(Speaker, speaker_id)
    if row is None or not may_see(person, row.grid_path, None, site=row.site_id):
        raise not_found("speaker", speaker_id)
    return row


@router.get("", summary="Speakers in one's sight")
async def list_speakers(person: Staff, services: Shared) -> dict[str, Any]:
    """With what they play by themselves."""
    async with services.db.reading() as session:
        rows = [
            row
            for row in await session.scalars(select(Speaker).order_by(Speaker.site_id, Speaker.id))
            if may_see(person, row.grid_path, None, site=row.site_id)
        ]
    return {"items": [speakers.speaker_json(row) for row in rows], "next": None}


@router.put("", summary="Declare a speaker, or another in its place")
async def put_speaker(request: Request, person: Administrator, services: Shared, body: SpeakerIn) -> JSONResponse:
    """It plays by its gateway's webhook, or by an edge's action for each message kind."""

    async def act(session: AsyncSession) -> Did:
        site = await session.get(Site, body.site_id)
        if site is None or not may_see(person, site.grid_path, None, site=site.id):
            raise not_found("site", body.site_id)
        row = await speakers.put(
            session,
            site,
            speaker_id=body.id,
            name=body.name,
            gateway_url=body.gateway_url,
            edge_id=body.edge_id,
            actions={str(kind): action for kind, action in body.actions.items()},
            languages=body.languages,
            automatic={hazard: level.value for hazard, level in body.automatic.items()},
            by=person.id,
            now=services.now(),
        )
        said = {"speaker": row.id, "name": row.name, "automatic": row.automatic, "why": body.why}
        await audit.append(
            session, kind="speaker_changed", now=services.now(), subject=row.id, actor=person.id, body=said
        )
        return 200, speakers.speaker_json(row)

    return await once(request, person, act)


@router.get("/clips", summary="Recorded messages")
async def list_clips(_person: Staff, services: Shared) -> dict[str, Any]:
    """By kind and language; a site's own stand before the common ones."""
    async with services.db.reading() as session:
        rows = await session.scalars(select(Clip).order_by(Clip.kind, Clip.language, Clip.site_key))
        return {"items": [speakers.clip_json(row) for row in rows], "next": None}


@router.put(
    "/clips/{kind}/{language}",
    summary="Upload a recording",
    openapi_extra={"requestBody": {"required": True, "content": _AUDIO}},
)
async def put_clip(
    request: Request,
    kind: MessageKind,
    language: Language,
    person: Administrator,
    services: Shared,
    text: Annotated[str, Query(min_length=1, max_length=500, description="What is said, word for word")],
    site_id: Annotated[str, Query(max_length=64, description="A site's own; empty: for all")] = "",
) -> JSONResponse:
    """The body is the sound itself (≤ 4 MiB); Mandarin is `zh-CN`, dialects by BCP 47 (`wuu`, `yue`, `nan`)."""
    content = await request.body()
    media_type = attachments.judge(request.headers.get("content-type", ""), content)
    if not media_type.startswith("audio/"):
        raise invalid("Content-Type", f"'{media_type}' is no sound", "send MP3, WAV, Ogg, MP4 or WebM audio")
    digest = await asyncio.to_thread(_store(services).keep, content)

    async def act(session: AsyncSession) -> Did:
        if site_id and await session.get(Site, site_id) is None:
            raise not_found("site", site_id)
        row = await speakers.keep_clip(
            session,
            kind=kind,
            language=language,
            site_id=site_id,
            digest=digest,
            media_type=media_type,
            size=len(content),
            text=text,
            by=person.id,
            now=services.now(),
        )
        return 200, speakers.clip_json(row)

    return await once(request, person, act)


async def may_hear(clip_id: str, request: Request) -> None:
    """A dependency: signed-in staff, or a speaker's gateway with the token that came with its order.

    Raises (in use):
        Problem: 401.
    """
    services = services_of(request)
    if vault(services.settings).is_token("clip", clip_id, request.query_params.get("token", "")):
        return
    token = token_of(request)
    person = await person_by_token(services, token) if token else None
    if person is None or not person.has(*STAFF):
        raise Problem(401, "not-signed-in", "Sign in, or use the address that came with the order.")


may_hear.guards = ("speaker",)  # type: ignore[attr-defined]


@router.get(
    "/clips/{clip_id}/content",
    summary="The sound itself",
    response_class=Response,
    responses={200: {"content": _AUDIO}},
    dependencies=[Depends(may_hear)],
)
async def clip_content(clip_id: str, services: Shared) -> Response:
    """To staff and to speakers' gateways; 409 when the file is not what was uploaded."""
    async with services.db.reading() as session:
        row = await session.get(Clip, clip_id)
    if row is None:
        raise not_found("clip", clip_id)
    found = await asyncio.to_thread(_store(services).read, row.digest)
    if found is None:
        raise Problem(409, "file-damaged", "The file is gone or is not what was uploaded (its digest differs).")
    return Response(found, media_type=row.media_type, headers={"X-Content-Type-Options": "nosniff"})


@router.post("/{speaker_id}/play", summary="Let it say something", status_code=202)
async def play(request: Request, person: Desk, speaker_id: str, body: PlayIn) -> JSONResponse:
    """By a person's word; on the timeline where it is for an incident. Never for an exercise."""
    key = request.headers.get("Idempotency-Key")

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        speaker = await _speaker(work.session, person, speaker_id)
        incident = await incidents.get(work.session, body.incident_id, person) if body.incident_id else None
        unique = f"{person.id}:{key}" if key else f"{person.id}:{work.now.isoformat()}"
        row = await speakers.play(
            work.session, speaker, body.kind, key=f"hand:{speaker.id}:{unique}"[:200], repeat=body.repeat,
            by=by(person), now=work.now, incident=incident,
        )  # fmt: skip
        if row is not None and incident is not None:
            params = {"speaker": speaker.name, "kind": row.kind, "play": row.id}
            work.write(incident, "announced", by(person), params)

        async def answer() -> Did:
            return 202, speakers.play_json(row) if row else {"speaker_id": speaker.id, "repeat": True}

        return answer

    return await once_on_incidents(request, person, run)
