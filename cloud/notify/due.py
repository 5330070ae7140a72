"""No receipt in time: the person's next way."""

from functools import partial

from cloud.notify import service
from cloud.notify.choice import RECEIPT_WITHIN
from cloud.retrying import retrying
from cloud.services import Services
from cloud.timers import service as timers
from cloud.timers.service import Due


async def no_receipt(services: Services, due: Due) -> None:
    """Take the next way, unless the phone has spoken meanwhile."""
    await retrying(partial(_take_next, services, due))


async def _take_next(services: Services, due: Due) -> None:
    async with services.db.transaction() as session:
        if not await timers.take(session, due):
            return
        rows = [row for row in await service.rows_of(session, due.key) if row.way_id is not None]
        if not rows:
            return
        last = rows[-1]
        if last.state == "sent":
            why = f"no receipt within {RECEIPT_WITHIN.seconds} s ({last.channel})"
        else:
            tries = await service.receipts(session, last.id)
            said = tries[-1].detail if tries else "no answer yet"
            why = f"not handed over within {RECEIPT_WITHIN.seconds} s ({last.channel}): {said}"
        await service.next_way(session, due.key, services.now(), why)


HANDLERS = {service.NO_RECEIPT: no_receipt}
