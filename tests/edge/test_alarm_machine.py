"""Whatever comes, in whatever order, late, twice or through a crash: the alarm ends as condition and people left it.

The machine drives the edge's judgement with a real journal. What reaches the cloud is shuffled and repeated and must
end in the same facts there.
"""

import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from alarm_desk import T0, Desk, device
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cloud.incidents import alarms as cloud_alarms
from rules.alarm import Isa, Mute, muted
from rules.columns import Change
from wire.alert import Hazard, Verb
from wire.level import Level
from wire.time import to_datetime

LEVELS = st.sampled_from(list(Level))
VERBS = st.sampled_from(["acknowledge", "reset", "shelve", "unshelve", "out_of_service", "into_service"])
MAINTENANCE = {"suppressed_while": ["maintenance"], "suppressed_up_to": "II"}


class AlarmMachine(RuleBasedStateMachine):
    """One alarm: what the engine says of it, what people decide, time, restarts, and everything again."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.desk = Desk(self.folder, self.patch, device(alarm=MAINTENANCE))
        self.condition: Level | None = None
        self.opened = T0
        self.changes: list[Change] = []
        self.decisions = []
        self.maintenance = T0
        self.random = random.Random(0)

    @initialize(seed=st.integers(0, 1 << 30))
    def seed(self, seed):
        self.random.seed(seed)

    def teardown(self):
        self.ends_right()
        self.desk.close()
        self.patch.undo()
        shutil.rmtree(self.folder)

    # ------------------------------------------------------------ what happens

    @rule(level=LEVELS, crash=st.booleans())
    def the_engine_says_a_level(self, level, crash):
        if level is self.condition:
            return
        if self.condition is None:
            verb, self.opened = Verb.RAISED, max(self.opened + 1, self.desk.now)
        else:
            verb = Verb.ESCALATED if level.rank > self.condition.rank else Verb.DEESCALATED
        self._say(verb, level, crash=crash)

    @precondition(lambda self: self.condition is not None)
    @rule(crash=st.booleans())
    def the_engine_says_that_it_is_over(self, crash):
        self._say(Verb.CLEARED, None, crash=crash)

    def _say(self, verb, level, *, crash):
        self.desk.crashes, self.condition = crash, level
        at = max(self.desk.now, self.opened)
        self.changes.append(
            Change("d", None, "smoke", Hazard.SMOKE, verb, level, at, self.opened, evidence={"value": 1})
        )
        self.desk.apply(self.changes[-1])

    @precondition(lambda self: self.changes)
    @rule(data=st.data())
    def a_change_comes_again(self, data):
        """After a restart the engine may say again what it said."""
        again = data.draw(st.sampled_from(self.changes))
        before, sent = self.desk.record(), len(self.desk.sent)
        if again is self.changes[-1] or again.opened_at < self.opened or again.verb is Verb.RAISED:
            self.desk.apply(again)
            assert (self.desk.record(), len(self.desk.sent)) == (before, sent)

    @rule(
        verb=VERBS, whole=st.booleans(), hours=st.sampled_from([0.05, 1, 8, 9]), late=st.booleans(), crash=st.booleans()
    )
    def somebody_decides(self, verb, whole, hours, late, crash):
        self.desk.crashes = crash
        alarm = "d:*" if whole and verb.endswith("service") else "d:smoke"
        name = f"dec_{len(self.decisions)}"
        made = self.desk.decision(name, verb, alarm=alarm, hours=hours, life_s=-1 if late else 900)
        if not alarm.endswith("*") and self.desk.record() is not None:
            made = msgspec.structs.replace(made, episode=self.desk.record().episode)
        self.decisions.append(made)
        before = self.desk.record()
        report = self.desk.decide(made)
        assert (report.result == "expired") == late
        if report.result != "done":
            assert self.desk.record() == before
            assert report.code
        if verb == "reset" and self.condition is not None:
            assert report.result != "done"

    @precondition(lambda self: self.decisions)
    @rule(data=st.data(), restart=st.booleans())
    def a_decision_comes_again(self, data, restart):
        if restart:
            self.desk.restart()
        before, sent = self.desk.record(), len(self.desk.sent)
        self.desk.decide(data.draw(st.sampled_from(self.decisions)))
        assert (self.desk.record(), len(self.desk.sent)) == (before, sent)

    @rule(hours=st.sampled_from([-1, 1]))
    def maintenance_begins_or_is_broken_off(self, hours):
        self.maintenance = self.desk.now + hours * 3_600_000
        self.desk.use(device(alarm=MAINTENANCE, maintenance_until=to_datetime(self.maintenance)))

    @rule(seconds=st.sampled_from([1, 15, 40, 400, 4000, 40_000]), restart=st.booleans(), crash=st.booleans())
    def time_passes(self, seconds, restart, crash):
        if restart:
            self.desk.restart()
        self.desk.crashes = crash
        self.desk.tick(after_s=seconds)
        facts = self.desk.record() and self.desk.record().facts
        if facts is not None:
            now = to_datetime(self.desk.now)
            assert facts.shelved_until is None or facts.shelved_until > now, "no shelf outlives its end"
            assert facts.out_of_service_until is None or facts.out_of_service_until > now
            assert not facts.suppressed or self.maintenance > self.desk.now

    # ------------------------------------------------------------ what always holds

    @invariant()
    def it_is_never_less_than_its_condition(self):
        record = self.desk.record()
        if self.condition is None:
            assert record is None or not record.facts.active or record.facts.unsteady
            return
        assert record.facts.active
        assert record.facts.level.rank >= self.condition.rank
        if not record.facts.unsteady:
            assert record.facts.level is self.condition
        if muted(record.facts) is None:
            assert record.isa in {Isa.UNACK, Isa.ACKED}

    @invariant()
    def history_is_whole(self):
        """Revisions of an episode rise by one from 1; of the older episodes nothing stands."""
        episodes = {}
        for alert in self.desk.alerts():
            episodes.setdefault(alert.episode, []).append(alert)
        for name, alerts in episodes.items():
            assert [alert.revision for alert in alerts] == list(range(1, len(alerts) + 1))
            if name != max(episodes):
                facts = alerts[-1].facts
                assert (facts.active, facts.latched, muted(facts)) == (False, False, None)
        carried_out = [alert.because["decision"] for alert in self.desk.alerts() if "decision" in alert.because]
        assert len(carried_out) == len(set(carried_out)), "each once"

    @invariant()
    def what_is_muted_is_counted(self):
        counts, facts = (
            self.desk.judge.alarms.counts(),
            [each.facts for each in self.desk.judge.alarms.records.values()],
        )
        assert counts.active == sum(each.active for each in facts)
        assert counts.latched == sum(each.latched for each in facts)
        assert counts.unsteady == sum(each.unsteady is not None for each in facts)
        by_mute = Counter(muted(each) for each in facts)
        told = (counts.out_of_service, counts.suppressed, counts.shelved)
        assert told == (by_mute[Mute.OUT_OF_SERVICE], by_mute[Mute.SUPPRESSED], by_mute[Mute.SHELVED])

    def ends_right(self):
        """The cloud, told in any order and of some things twice, knows what the edge knows."""
        record = self.desk.record()
        if record is None:
            return
        alerts = self.desk.alerts()
        told = alerts + self.random.sample(alerts, len(alerts) // 2)
        self.random.shuffle(told)
        views = {}
        for alert in told:
            views[alert.episode], _ = cloud_alarms.apply(views.get(alert.episode), alert)
        assert all(not view.missing for view in views.values())
        known = msgspec.structs.replace(views[record.episode].facts, repeats=record.facts.repeats)
        assert known == record.facts
        self.desk.tick(after_s=100_000)
        self.desk.tick(after_s=100_000)
        facts = self.desk.record().facts
        assert (facts.active, facts.level, facts.unsteady) == (self.condition is not None, self.condition, None)
        if not self.desk.judge.alarms.services:
            assert muted(facts) is None, "nothing is muted for ever"


TestAlarmMachine = AlarmMachine.TestCase
TestAlarmMachine.settings = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
