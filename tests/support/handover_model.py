"""The duty model with shifts that change hands in the midst of it: no clock is lost, none begins anew."""

from datetime import timedelta

import hypothesis.strategies as st
from duty_model import OFFICERS, PICK, DutyModel
from hypothesis.stateful import initialize, rule
from sqlalchemy import select

from cloud.dispatch.clocks import HAND_OFF
from cloud.handover import service
from cloud.handover.model import Handover
from cloud.handover.service import Desk
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket
from cloud.incidents.model import Incident
from cloud.people import service as people
from cloud.people.access import Person
from cloud.registry.seed import STREET
from cloud.timers.model import Timer
from wire.level import Level

WHO = st.sampled_from(OFFICERS)
WITHIN = timedelta(minutes=15)


class HandoverModel(DutyModel):
    """Subclass with `fresh` and `folder`, as `DutyModel`."""

    async def _who(self, work: Docket, name: str) -> Person:
        found = await people.person(work.session, f"per_{name}")
        assert found is not None
        return found

    @initialize(level=st.sampled_from([Level.I, Level.II, Level.III]), who=WHO)
    def two_in_hand(self, level: Level, who: str) -> None:
        self.a_case_in_hand(level, taken=True, sent=True)
        self.gives("duty", "leader")
        self.passes_by(61)
        self.is_taken(who, 0)

    @rule(who=WHO, to=WHO)
    def gives(self, who: str, to: str) -> None:
        async def act(work: Docket) -> None:
            desk = Desk(STREET, "duty_officer")
            person = await self._who(work, who)
            await service.give(work, person, to=f"per_{to}", remarks="", take_over_within=WITHIN, desk=desk)

        self.does(act)

    @rule(who=WHO, crash=st.sampled_from([0, 1]))
    def is_taken(self, who: str, crash: int) -> None:
        async def act(work: Docket) -> None:
            query = select(Handover).where(Handover.state.in_(service.OPEN)).order_by(Handover.created_at.desc())
            row = (await work.session.scalars(query)).first()
            if row is None:
                return
            before = await clocks(work)
            theirs = {one.id for one in await service.owned_by(work.session, row.from_person)}
            person = await self._who(work, who)
            await service.take(work, self.policy, row, person, at=None)
            after = await clocks(work)
            assert {one for one in before ^ after if one[0] != HAND_OFF} == set(), "a clock stopped or began anew"
            left = {one["id"] for one in row.left}
            for incident in await work.session.scalars(select(Incident).where(Incident.id.in_(theirs))):
                owner = row.from_person if incident.id in left else person.id
                assert incident.owner["id"] == owner, f"{incident.number} belongs to neither"

        self.does(act, crash)

    @rule(who=WHO, word=st.sampled_from(["refused", "withdrawn"]), pick=PICK)
    def is_ended(self, who: str, word: str, pick: int) -> None:
        async def act(work: Docket) -> None:
            rows = list(await work.session.scalars(select(Handover).order_by(Handover.created_at)))
            if rows:
                before = await clocks(work)
                await service.end(work, rows[pick % len(rows)], await self._who(work, who), word, reason="在处置")
                assert await clocks(work) == before

        self.does(act)

    async def _nothing_twice(self) -> None:
        """One hand-over of a desk waits at a time, timelines hold, and each incident went over once a hand-over."""
        async with self.services.db.reading() as session:
            rows = list(await session.scalars(select(Handover)))
            waiting = [(row.from_person, row.area_path, row.post) for row in rows if row.state in service.OPEN]
            assert len(waiting) == len(set(waiting))
            for incident in await session.scalars(select(Incident)):
                assert await incidents.first_break(session, incident) is None
                lines = await incidents.entries(session, incident.id)
                went = [line for line in lines if line.params.get("code") == "handed_over"]
                assert len(went) == sum(incident.id in [one["id"] for one in row.moved or ()] for row in rows)

    def passes_by(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)
        self.runner.run(self._to_the_end(1))


async def clocks(work: Docket) -> set[tuple]:
    """Every clock of an incident: which, of what, and when it was set and falls due."""
    await work.session.flush()
    rows = await work.session.scalars(
        select(Timer).where(Timer.subject.is_not(None)).execution_options(populate_existing=True)
    )
    return {(row.kind, row.key, row.id, row.armed_at, row.due_at) for row in rows}
