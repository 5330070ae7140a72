"""Routes of the preview: what a change of rules would have done in the last days."""

import asyncio
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud.people.access import Person, Role, may_see, require
from cloud.problems import Problem, not_found
from cloud.registry import layer_changes, layers
from cloud.registry.model import Device, Zone
from cloud.rulebook import preview
from cloud.rulebook.preview_jobs import Job, Previews
from cloud.rulebook.service import place_of
from cloud.services import Services, services_of

router = APIRouter(prefix="/rulebook/preview", tags=["rulebook"])
Shared = Annotated[Services, Depends(services_of)]
Author = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.ADMINISTRATOR))]
Id = Annotated[str, Path(max_length=64)]
_Key = Annotated[str, Field(min_length=1, max_length=64)]
_Declarations = Annotated[dict[_Key, dict[str, Any] | None], Field(max_length=50)]
SOON_S = 2.0
"""A preview that is done by then is answered at once."""


class PreviewIn(BaseModel):
    """A layer of rules as it would be."""

    model_config = ConfigDict(extra="forbid")

    scope: layers.Scope
    id: _Key
    rules: _Declarations = Field(
        description="What the layer would say, all of it: over the profile's; null takes one away"
    )
    quality: _Declarations | None = Field(None, description="Tests by point; null: as they are")
    days: Annotated[int, Field(ge=1, le=30)] = 30
    utc_offset_h: Annotated[float, Field(ge=-14, le=14, description="In which days are counted")] = 8.0


class PreviewAlarm(BaseModel):
    """An alarm that would have been, or was."""

    opened_at: str
    cleared_at: str | None
    on_s: float
    level: str
    suspect: bool
    evidence: dict[str, float | str | None]


class PreviewPair(BaseModel):
    """An alarm by the rules in force and by the changed ones."""

    verdict: Literal["same", "earlier", "later", "level", "joined", "split", "only_before", "only_after"]
    rule: str
    shift_s: float | None = Field(description="How much later it opens")
    before: PreviewAlarm | None
    after: PreviewAlarm | None


class PreviewSide(BaseModel):
    """Counts of one side."""

    alarms: int
    suspect: int
    on_s: float
    by_level: dict[str, int]
    by_day: dict[str, int]
    by_rule: dict[str, int]


class PreviewCounts(BaseModel):
    """Both sides."""

    verdicts: dict[str, int]
    before: PreviewSide
    after: PreviewSide


class PreviewDevice(PreviewCounts):
    """One device under the scope."""

    id: str
    name: str
    readings: int
    share_with_data: float = Field(description="Of the time that was judged, 0 to 1")
    blind: dict[str, str] = Field(description="Changed rules that cannot judge this device, and why")
    pairs: list[PreviewPair] = Field(description="What differs first; at most twenty")
    pairs_left_out: int


class PreviewCut(BaseModel):
    """Why not the whole span was judged."""

    reason: Literal["rows", "seconds"]
    asked_from: str
    judged_from: str
    judged_to: str


class PreviewCaveat(BaseModel):
    """What the answer does not say by itself."""

    code: str
    text: str
    params: dict[str, Any]


class PreviewResult(BaseModel):
    """What would have fired and what would not."""

    model_config = ConfigDict(populate_by_name=True)

    from_: str = Field(alias="from")
    to: str
    days: float
    readings: int
    changed_rules: list[str]
    quality_changed: bool
    totals: PreviewCounts
    devices: list[PreviewDevice]
    cut: PreviewCut | None
    caveats: list[PreviewCaveat]


class PreviewOut(BaseModel):
    """A preview; poll it while it is waiting or running."""

    id: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    progress: float = Field(description="0 to 1")
    problem: str | None
    result: PreviewResult | None


def previews_of(request: Request, services: Shared) -> Previews:
    """The previews of this process."""
    known = getattr(request.app.state, "previews", None)
    if known is None or known.services is not services:
        known = request.app.state.previews = Previews(services)
    return cast("Previews", known)


Running = Annotated[Previews, Depends(previews_of)]


def _out(job: Job) -> PreviewOut:
    return PreviewOut.model_validate(
        {"id": job.id, "state": job.state, "progress": job.progress, "problem": job.problem, "result": job.result}
    )


@router.post("", summary="Try a change of rules on the last days")
async def start_preview(
    given: PreviewIn, person: Author, services: Shared, running: Running, response: Response
) -> PreviewOut:
    """200 with the result when it is done soon, else 202: poll `GET /rulebook/preview/{id}`. Nothing is changed."""
    async with services.db.reading() as session:
        site = (await place_of(session, given.scope, given.id)).site
        if not may_see(person, site.grid_path, None, site=site.id):
            raise not_found(given.scope, given.id)
        under = await layer_changes.devices_under(session, given.scope, given.id)
        if not under:
            raise Problem(409, "no-devices", f"There is no device under {given.scope} '{given.id}'.")
        rows = await session.execute(
            select(Device, Zone)
            .join(Zone, Zone.id == Device.zone_id)
            .where(Device.site_id == site.id)
            .order_by(Device.id)
        )
        around = [(device, zone) for device, zone in rows]
        book = await layers.book(session, [site.id])
        change = preview.Change(given.scope, given.id, given.rules, given.quality)
        what = await asyncio.to_thread(preview.plan, change, under, book, around)
    job = running.start(person.id, given.days, given.utc_offset_h, what)
    try:
        await asyncio.wait_for(job.finished.wait(), SOON_S)
    except TimeoutError:
        response.status_code = 202
    return _out(job)


@router.get("/{preview_id}", summary="How a preview stands")
async def get_preview(preview_id: Id, person: Author, running: Running) -> PreviewOut:
    """One's own; finished ones are forgotten after a while."""
    job = running.get(preview_id, person.id)
    if job is None:
        raise not_found("preview", preview_id)
    return _out(job)


@router.delete("/{preview_id}", status_code=204, summary="End a preview")
async def end_preview(preview_id: Id, person: Author, running: Running) -> None:
    """Nothing is lost but the work."""
    job = running.get(preview_id, person.id)
    if job is None:
        raise not_found("preview", preview_id)
    running.cancel(job)
