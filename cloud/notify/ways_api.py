"""Routes: the ways on which one is reached, their tests, quiet hours, Web Push subscriptions."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.idempotency import Did, once
from cloud.notify import leasing, outward, service, ways, webpush
from cloud.notify.choice import read_spans
from cloud.notify.model import Way
from cloud.notify.vault import vault
from cloud.notify.ways import BY_ADMINISTRATORS, Kind, way_json
from cloud.people.access import Person, Role, require, within
from cloud.problems import Problem, invalid, not_found
from cloud.services import Services, services_of

router = APIRouter(tags=["notification"])
Shared = Annotated[Services, Depends(services_of)]
Anyone = Annotated[Person, Depends(require())]
Overseer = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.ADMINISTRATOR))]
Label = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60, pattern=r"^[^\x00]*$")]
Address = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000, pattern=r"^[^\x00\s]*$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WayIn(_Body):
    """A further way."""

    kind: Kind
    address: Address = Field("", description="A token, a mailbox, a number; siren: EDGE/ACTION; speaker: its id")
    label: Label = ""
    person_id: Annotated[str | None, Field(max_length=64, description="Administrators: whose")] = None


class OrderIn(_Body):
    """The order, whole."""

    ids: Annotated[list[str], Field(max_length=ways.MOST)]
    person_id: Annotated[str | None, Field(max_length=64)] = None


class CodeIn(_Body):
    """What came."""

    code: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]{6}$")]


class QuietIn(_Body):
    """When one wants to be left alone."""

    spans: Annotated[list[tuple[str, str]], Field(max_length=6, description='[["22:00", "07:00"]] in local time')]
    how: Literal["wait", "silent"] = "wait"


class Keys(_Body):
    """Of a browser's subscription."""

    p256dh: Annotated[str, Field(max_length=200)]
    auth: Annotated[str, Field(max_length=60)]


class SubscriptionIn(BaseModel):
    """`PushSubscription.toJSON()` of the browser."""

    model_config = ConfigDict(extra="ignore")

    endpoint: Annotated[str, Field(max_length=900)]
    keys: Keys
    label: Label = ""


def _whose(person: Person, person_id: str | None) -> str:
    """Their own; of others for administrators.

    Raises:
        Problem: 403.
    """
    if person_id is None or person_id == person.id:
        return person.id
    if not person.has(Role.ADMINISTRATOR):
        raise Problem(403, "not-yours", "Only administrators see and change the ways of others.")
    return person_id


async def _way(session: AsyncSession, person: Person, way_id: str) -> Way:
    way = await session.get(Way, way_id)
    if way is None or way.removed_at is not None:
        raise not_found("way", way_id)
    if way.person_id != person.id and not person.has(Role.ADMINISTRATOR):
        raise not_found("way", way_id)
    return way


@router.get("/ways", summary="On which ways one is reached")
async def list_ways(person: Anyone, services: Shared, person_id: str | None = None) -> dict[str, Any]:
    """One's own in order, with addresses and how their last test went; administrators also see those of others."""
    whose = _whose(person, person_id)
    async with services.db.reading() as session:
        found = await service.ways_of(session, whose)
    return {"items": [way_json(way, vault(services.settings)) for way in found], "next": None}


@router.post("/ways", summary="A further way", status_code=201)
async def add_way(request: Request, person: Anyone, services: Shared, body: WayIn) -> JSONResponse:
    """As the last one, and untested: `POST /ways/{id}/test` next. Web Push is added by `/push/subscriptions`."""
    whose = _whose(person, body.person_id)
    if body.kind in BY_ADMINISTRATORS and not person.has(Role.ADMINISTRATOR):
        raise Problem(403, "wrong-role", f"'{body.kind}' is set by administrators.")
    if body.kind == "webpush":
        raise invalid("kind", "is made by the browser itself", "POST /push/subscriptions")
    if body.kind != "feed" and not body.address:
        raise invalid("address", "is missing", "give the address of this way")

    async def act(session: AsyncSession) -> Did:
        sealed = vault(services.settings)
        way = await ways.add(
            session, sealed, person_id=whose, kind=body.kind, address=body.address, label=body.label,
            now=services.now(),
        )  # fmt: skip
        return 201, way_json(way, None)

    return await once(request, person, act)


@router.put("/ways/order", summary="In which order")
async def put_order(person: Anyone, services: Shared, body: OrderIn) -> dict[str, Any]:
    """Ways that were never tested, and those that failed last, still come after the others."""
    whose = _whose(person, body.person_id)
    async with services.db.transaction() as session:
        found = await ways.order(session, whose, body.ids)
    return {"items": [way_json(way, None) for way in found], "next": None}


@router.delete("/ways/{way_id}", summary="Take a way away")
async def delete_way(way_id: str, person: Anyone, services: Shared) -> dict[str, Any]:
    """Its address is forgotten; what went out on it stays on record."""
    async with services.db.transaction() as session:
        way = await _way(session, person, way_id)
        await ways.remove(session, way, f"by {person.id}", services.now())
    return {"id": way_id, "removed": True}


@router.post("/ways/{way_id}/test", summary="Test it on that phone", status_code=202)
async def test_way(request: Request, way_id: str, person: Anyone, services: Shared) -> JSONResponse:
    """Sends a code on this way alone; the phone confirms (`/confirm`, or by the receipt of a push)."""

    async def act(session: AsyncSession) -> Did:
        way = await _way(session, person, way_id)
        message = await ways.begin_test(session, way, services.now())
        return 202, {"way_id": way.id, "notification_id": message, "valid_s": int(ways.CODE_LIVES.total_seconds())}

    return await once(request, person, act)


@router.post("/ways/{way_id}/confirm", summary="The code that came")
async def confirm(way_id: str, person: Anyone, services: Shared, body: CodeIn) -> dict[str, Any]:
    """Five tries within ten minutes."""
    async with services.db.transaction() as session:
        way = await _way(session, person, way_id)
        right = await ways.confirm(session, way, body.code, services.now())
        shown = way_json(way, None)
    if not right:
        raise invalid("code", "is not the one that was sent", "look again, or send a new test")
    return shown


@router.get("/ways/untested", summary="Who is not sure to be reached")
async def untested(person: Overseer, services: Shared) -> dict[str, Any]:
    """People of one's area without a way that was tested and works, and ways that failed last. No addresses."""
    async with services.db.reading() as session:
        found = [one for one in await ways.reach(session) if within(person.area_path, one.person.area_path)]
    return {
        "items": [
            {
                "person": {"id": one.person.id, "name": one.person.name, "name_en": one.person.name_en},
                "ways": [way_json(way, None) for way in one.ways],
            }
            for one in found
            if not one.tested
        ],
        "failing": [way_json(way, None) for one in found for way in one.ways if way.failed_at],
        "people": len(found),
        "next": None,
    }


# ---------------------------------------------------------------- quiet hours


@router.get("/quiet-hours", summary="One's quiet hours")
async def get_quiet(person: Anyone, services: Shared) -> dict[str, Any]:
    """One's own, or as the settings say. They never hold for levels I and II, nor while one is on duty."""
    async with services.db.reading() as session:
        spans, how = await leasing.quiet_hours(services, session, person.id)
    return {"spans": [[f"{begin:%H:%M}", f"{end:%H:%M}"] for begin, end in spans], "how": how}


@router.put("/quiet-hours", summary="Set one's quiet hours")
async def put_quiet(person: Anyone, services: Shared, body: QuietIn) -> dict[str, Any]:
    """None: never quiet. `wait`: what is not urgent comes at their end; `silent`: it comes without a sound."""
    try:
        spans = read_spans(body.spans)
    except ValueError as error:
        raise invalid("spans", str(error), 'write [["22:00", "07:00"]]') from None
    written = [[f"{begin:%H:%M}", f"{end:%H:%M}"] for begin, end in spans]
    async with services.db.transaction() as session:
        await ways.set_quiet(session, person.id, written, body.how, services.now())
    return {"spans": written, "how": body.how}


# ---------------------------------------------------------------- Web Push


@router.get("/push/key", summary="applicationServerKey")
async def push_key(_person: Anyone, services: Shared) -> dict[str, str]:
    """What a browser subscribes with."""
    return {"key": webpush.public_key(services.settings)}


@router.post("/push/subscriptions", summary="Web Push to this browser", status_code=201)
async def subscribe(request: Request, person: Anyone, services: Shared, body: SubscriptionIn) -> JSONResponse:
    """Public HTTPS hosts only. The same browser again is the same way; another person's browser becomes one's own."""
    try:
        outward.check_url(body.endpoint, local=services.settings.notify_local_addresses)
        webpush.check_keys(body.keys.p256dh, body.keys.auth)
    except ValueError as error:
        raise invalid("endpoint", str(error), "send what PushManager.subscribe gave") from None
    given = webpush.Subscription(body.endpoint, body.keys.p256dh, body.keys.auth)

    async def act(session: AsyncSession) -> Did:
        way = await ways.subscribe(
            session, vault(services.settings), given, person_id=person.id, label=body.label, now=services.now()
        )
        return 201, way_json(way, None)

    return await once(request, person, act)
