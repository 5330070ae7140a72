"""Who listens, looked up again: everybody who asks at about the same moment in one question to the database."""

import asyncio
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from cloud.people.access import Person, persons_by_tokens
from cloud.services import Services

_WINDOW_S = 0.05
"""So long the first one waits for others; two hundred open feeds have their heartbeats together."""
_MOST = 500


@dataclass(slots=True, eq=False)
class Roll:
    """The lookups of one process that wait for each other."""

    services: Services
    _waiting: dict[str, "asyncio.Future[Person | None]"] = field(default_factory=dict)
    _task: "asyncio.Task[None] | None" = None

    async def person(self, token: str) -> Person | None:
        """Whose session a token is now; None when it is over."""
        answer = self._waiting.get(token)
        if answer is None:
            answer = self._waiting[token] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._call())
        return await asyncio.shield(answer)

    async def _call(self) -> None:
        await asyncio.sleep(_WINDOW_S)
        asked, self._waiting, self._task = self._waiting, {}, None
        tokens = list(asked)
        for start in range(0, len(tokens), _MOST):
            some = tokens[start : start + _MOST]
            try:
                found = await persons_by_tokens(self.services, some)
            except SQLAlchemyError as error:
                for token in tokens[start:]:
                    asked[token].set_exception(error)
                    asked[token].exception()  # whoever asked may have gone
                return
            for token in some:
                asked[token].set_result(found.get(token))
