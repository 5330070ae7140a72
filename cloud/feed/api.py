"""The feed for people: server-sent events that resume, each entry checked against the listener's scope."""

import json
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Annotated
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent

from cloud.feed import service, stream
from cloud.feed.roll import Roll
from cloud.feed.service import EDGE_KIND, Entry, Reset
from cloud.people.access import Person, may_see, require, token_of
from cloud.problems import Problem
from cloud.services import Services, services_of

router = APIRouter(prefix="/feed", tags=["feed"])
AnyPerson = Annotated[Person, Depends(require())]
Shared = Annotated[Services, Depends(services_of)]


class Position(BaseModel):
    """The newest position of the log."""

    position: int


def may_hear(person: Person, entry: Entry) -> bool:
    """Whether an entry is for a person. Pure."""
    if entry.kind.startswith(EDGE_KIND):
        return False
    audience = entry.audience
    return may_see(
        person,
        entry.grid_path,
        entry.exercise,
        site=entry.site,
        persons=audience.persons if audience else (),
        roles=audience.roles if audience else (),
    )


async def with_position(response: Response, services: Shared) -> None:
    """A dependency for lists: answers `X-Feed-Position`, read before the list, so that list + feed has no hole."""
    async with services.db.reading() as session:
        response.headers["X-Feed-Position"] = str(await service.position(session))


@router.get("/position", summary="Where the feed stands")
async def newest(_person: AnyPerson, services: Shared) -> Position:
    """Ask this before listing; then follow from here."""
    async with services.db.reading() as session:
        return Position(position=await service.position(session))


class Pages:
    """The newest pages as they were written out, for all who may hear the same of them."""

    def __init__(self) -> None:
        self._written: OrderedDict[Hashable, list[bytes]] = OrderedDict()

    def heard_by(self, person: Person, page: Sequence[Entry]) -> list[bytes]:
        """What a person may hear of a page, joined. Who is named in it hears it as nobody else does."""
        if any(entry.audience and person.id in entry.audience.persons for entry in page):
            return _written(person, page)
        sight = (person.roles, person.area_path, person.site_ids, person.exercises)
        key = (page[0].position, page[-1].position, len(page), sight)
        if key not in self._written:
            self._written[key] = _written(person, page)
            if len(self._written) > _MOST_PAGES:
                self._written.popitem(last=False)
        return self._written[key]


def _written(person: Person, page: Sequence[Entry]) -> list[bytes]:
    heard = stream.newest_states([entry for entry in page if may_hear(person, entry)])
    return list(stream.chunks(stream.event_of(entry) for entry in heard))


_MOST_PAGES = 16
_pages: WeakKeyDictionary[service.Feed, Pages] = WeakKeyDictionary()
_rolls: WeakKeyDictionary[service.Feed, Roll] = WeakKeyDictionary()


def _roll(services: Services) -> Roll:
    """The one of this process."""
    return _rolls.setdefault(services.feed, Roll(services))


class _Listener:
    """One open stream: its person is looked up again at every heartbeat, and when a drill changes."""

    def __init__(self, services: Services, person: Person, token: str) -> None:
        self._services = services
        self._person = person
        self._token = token

    async def _refresh(self) -> bool:
        person = await _roll(self._services).person(self._token)
        if person is not None:
            self._person = person
        return person is not None

    async def chosen(self, page: Sequence[Entry]) -> list[bytes]:
        if any(entry.kind == "drill" for entry in page):
            await self._refresh()  # who takes part may just have changed
        return _pages.setdefault(self._services.feed, Pages()).heard_by(self._person, page)

    async def clock(self) -> ServerSentEvent | None:
        if not await self._refresh():
            return None  # signed out: the stream ends
        return ServerSentEvent(json.dumps({"server_time": self._services.now().isoformat()}), event="clock")


def _list_again(reset: Reset) -> ServerSentEvent:
    return ServerSentEvent(json.dumps({"position": reset.position}), event="reset", id=str(reset.position))


@router.get("", summary="Follow what happens", response_class=EventSourceResponse)
async def follow(
    request: Request,
    person: AnyPerson,
    services: Shared,
    after: Annotated[int | None, Query(ge=0, description="Position already seen; default: now")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventSourceResponse:
    """Event names: incident, timeline, assignment, device, drill, edge, registry; `reset` = list again; `clock`.

    Of several states of one incident, assignment, device or edge that wait for a listener, it gets the newest.

    Resumes after `Last-Event-ID`, which a browser sends by itself, else after `after`.
    """
    if services.feed.listeners >= stream.MAX_LISTENERS:
        raise Problem(503, "too-many-listeners", "Too many open feeds: try again.", headers={"Retry-After": "5"})
    position = after
    if last_event_id is not None and last_event_id.isdigit() and len(last_event_id) < 19:
        position = int(last_event_id)
    if position is None:
        async with services.db.reading() as session:
            position = await service.position(session)
    listener = _Listener(services, person, token_of(request) or "")
    return stream.response(
        stream.events(
            services.feed,
            position,
            chosen=listener.chosen,
            reset=_list_again,
            heartbeat=listener.clock,
            heartbeat_s=services.settings.feed_clock_s,
            goes_on=lambda _reset: True,
        )
    )
