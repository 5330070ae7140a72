"""Rotas as pure functions: any instant has one answer, whatever the clocks of its zone do; exceptions win."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.rotas.cover import Facts, Force, Need, gaps
from cloud.rotas.duties import Calendar, Change, Duty, Extra, Hole, Revision, Rota, lay, on_call
from cloud.rotas.hours import Stamp, stretch
from cloud.rotas.pattern import Days, Hours, Member, Pattern, Turn, faults, read, rotating, written

ZONES = ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"]
DAY = Hours("白班", time(8, 30), time(17, 30))
NIGHT = Hours("夜班", time(17, 30), time(8, 30))
CREWS = [[Member("a", "b")], [Member("b", "c")], [Member("c", "d")], [Member("d", "a")]]
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
CALENDAR = Calendar({date(2026, 10, 1): False, date(2026, 10, 10): True})


def rota(pattern, *, since=LONG_AGO, **more):
    return Rota("rta_1", "/street", "duty_officer", (Revision(1, since, pattern),), **more)


def around(zone="Asia/Shanghai", begins=time(8, 30)):
    """One person around the clock, in turns of a day."""
    return rota(Pattern(zone, date(2026, 1, 1), 1, (Turn("24", begins, begins, (Member("a", "b"),)),)))


zones = st.sampled_from(ZONES)
wall = st.integers(0, 1439).map(lambda minute: time(*divmod(minute, 60)))
instants = st.integers(0, 1_000_000).map(lambda minute: datetime(2026, 1, 3, tzinfo=UTC) + timedelta(minutes=minute))


@st.composite
def patterns(draw):
    cycle = draw(st.integers(1, 9))
    turns = draw(
        st.lists(
            st.builds(
                Turn,
                name=st.sampled_from(["白", "夜"]),
                begins=wall,
                ends=wall,
                members=st.sampled_from([(Member("a", "b"),), (Member("c"),), (Member("b", "c"), Member("d", "a"))]),
                on=st.none() | st.lists(st.integers(0, cycle - 1), min_size=1, unique=True).map(tuple),
                days=st.sampled_from(list(Days)),
            ),
            max_size=3,
        )
    )
    return Pattern(draw(zones), draw(st.dates(date(2026, 1, 1), date(2026, 3, 1))), cycle, tuple(turns))


@st.composite
def changes(draw, near):
    since = near + timedelta(minutes=draw(st.integers(-3000, 3000)))
    by = draw(st.none() | st.sampled_from("abcd"))
    return Change(
        id=draw(st.sampled_from("123456")),
        kind="leave" if by is None else draw(st.sampled_from(["swap", "stand_in"])),
        who=draw(st.sampled_from("abcd")),
        by=by,
        since=since,
        until=since + timedelta(minutes=draw(st.integers(1, 3000))),
        rota=draw(st.sampled_from([None, "rta_1", "rta_other"])),
        order=draw(st.integers(0, 5)),
    )


@st.composite
def worlds(draw):
    at = draw(instants)
    one, two = draw(patterns()), draw(st.none() | patterns())
    revisions = [Revision(1, LONG_AGO, one), Revision(2, at + timedelta(minutes=draw(st.integers(-2000, 2000))), two)]
    days = {} if draw(st.booleans()) else {at.date(): draw(patterns()).turns}
    extras = () if draw(st.booleans()) else (Extra("x", "e", at, at + timedelta(hours=3)),)
    found = Rota("rta_1", "/street", "duty_officer", tuple(revisions), days, extras)
    return found, draw(st.lists(changes(at), max_size=4)), at


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(worlds(), st.integers(1, 72), st.lists(st.integers(-40, 40), max_size=5))
def test_any_instant_has_the_same_answer_whatever_span_was_asked_for(world, hours, offsets):
    found, laid_over, at = world
    laid = lay(found, CALENDAR, laid_over, at - timedelta(hours=hours), at + timedelta(hours=hours))
    for offset in (0, *offsets):
        instant = at + timedelta(hours=offset) / 2
        if abs(offset) / 2 >= hours:
            continue
        by_span = {(one.who, one.turn, one.why) for one in laid.duties if one.since <= instant < one.until}
        by_instant = {(one.who, one.turn, one.why) for one in on_call(found, CALENDAR, laid_over, instant)}
        assert by_span == by_instant
    for duty in laid.duties:
        assert duty.since < duty.until
        away = [one for one in laid_over if one.by is None and one.who == duty.who and one.rota in (None, "rta_1")]
        assert not [one for one in away if one.since < duty.until and one.until > duty.since], "on leave, and on duty"


@settings(max_examples=30)
@given(zones, wall, st.dates(date(2026, 1, 5), date(2027, 12, 1)))
def test_turns_of_a_day_meet_without_a_gap_whatever_the_clocks_do(zone, begins, day):
    """When summer time begins and ends a turn is 23 or 25 hours long, and the next begins where it ends."""
    start = datetime.combine(day, time(0), UTC)
    duties = lay(around(zone, begins), CALENDAR, (), start, start + timedelta(days=3)).duties
    assert all(one.until == other.since for one, other in pairwise(duties))
    assert duties[0].since <= start
    assert duties[-1].until >= start + timedelta(days=3)
    lengths = {(one.until - one.since).total_seconds() / 3600 for one in duties}
    assert lengths <= ({24} if zone == "Asia/Shanghai" else {23, 23.5, 24, 24.5, 25})


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 28), 14), (date(2026, 10, 24), 16), (date(2026, 6, 1), 15)])
def test_a_night_over_the_change_of_clocks_ends_by_the_clock_on_the_wall(day, hours):
    night = rota(Pattern("Europe/Berlin", day, 1, (Turn("夜", time(17, 30), time(8, 30), (Member("a"),)),)))
    at = datetime.combine(day, time(23), ZoneInfo("Europe/Berlin")).astimezone(UTC)
    [duty] = on_call(night, CALENDAR, (), at)
    assert (duty.until - duty.since).total_seconds() / 3600 == hours
    assert duty.until.astimezone(ZoneInfo("Europe/Berlin")).time() == time(8, 30)


def test_four_crews_go_through_day_night_rest_rest():
    found = rota(rotating("Asia/Shanghai", date(2026, 11, 23), CREWS, [DAY, NIGHT, None, None]))
    shanghai = ZoneInfo("Asia/Shanghai")
    noon, midnight = datetime(2026, 11, 23, 12, tzinfo=shanghai), datetime(2026, 11, 24, 0, 30, tzinfo=shanghai)
    for days in range(12):
        step = timedelta(days=days)
        on_day = [one.who for one in on_call(found, CALENDAR, (), noon + step)]
        on_night = [one.who for one in on_call(found, CALENDAR, (), midnight + step)]
        assert (on_day, on_night) == (["abcd"[days % 4]], ["abcd"[(days - 1) % 4]])


def test_public_holidays_and_days_worked_in_their_place():
    office = Turn("白", time(8, 30), time(17, 30), (Member("a"),), days=Days.WORKDAY)
    holiday = Turn("节", time(8, 30), time(17, 30), (Member("b"),), days=Days.DAY_OFF)
    found = rota(Pattern("Asia/Shanghai", date(2026, 1, 5), 7, (office, holiday)))
    for day, who in (
        (date(2026, 9, 30), "a"),
        (date(2026, 10, 1), "b"),
        (date(2026, 10, 10), "a"),
        (date(2026, 10, 11), "b"),
    ):
        at = datetime.combine(day, time(9), ZoneInfo("Asia/Shanghai"))
        assert [one.who for one in on_call(found, CALENDAR, (), at)] == [who]


AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
SPAN = (AT - timedelta(hours=1), AT + timedelta(hours=1))


@pytest.mark.parametrize(
    ("laid_over", "stands"),
    [
        ([], ("a", "")),
        ([Change("1", "leave", "a", None, *SPAN)], ("b", "leave")),
        ([Change("1", "leave", "a", None, *SPAN), Change("2", "leave", "b", None, *SPAN)], None),
        ([Change("1", "swap", "a", "c", *SPAN)], ("c", "swap")),
        ([Change("1", "swap", "a", "c", *SPAN), Change("2", "stand_in", "c", "d", *SPAN)], ("d", "stand_in")),
        ([Change("1", "swap", "a", "c", *SPAN), Change("2", "leave", "c", None, *SPAN)], ("b", "leave")),
        ([Change("1", "swap", "a", "c", *SPAN), Change("2", "leave", "a", None, *SPAN)], ("c", "swap")),
        (
            [Change("1", "stand_in", "a", "c", *SPAN), Change("2", "stand_in", "a", "d", *SPAN, order=1)],
            ("d", "stand_in"),
        ),
        ([Change("1", "stand_in", "a", "c", *SPAN), Change("2", "stand_in", "c", "a", *SPAN)], ("a", "stand_in")),
        ([Change("1", "leave", "a", None, *SPAN, rota="rta_other")], ("a", "")),
    ],
)
def test_who_stands_there_when_somebody_is_away(laid_over, stands):
    laid = lay(around(), CALENDAR, laid_over, AT, AT + timedelta(minutes=1))
    assert [(one.who, one.why) for one in laid.duties] == ([stands] if stands else [])
    assert [one.why for one in laid.holes] == ([] if stands else ["on_leave"])


def test_a_day_by_itself_replaces_what_repeats_and_an_empty_one_closes_the_day():
    other = Turn("春节", time(8, 30), time(8, 30), (Member("c"),))
    for turns, who in (((other,), ["c"]), ((), [])):
        found = rota(around().revisions[0].pattern, days={date(2026, 11, 23): turns})
        assert [one.who for one in on_call(found, CALENDAR, (), AT)] == who
        assert [one.who for one in on_call(found, CALENDAR, (), AT + timedelta(days=1))] == ["a"]


@settings(max_examples=20)
@given(patterns())
def test_a_pattern_is_read_as_it_was_written(pattern):
    assert read(written(pattern)) == pattern


def test_a_pattern_that_cannot_be_says_what_and_where():
    turn = Turn("", time(8), time(9), (Member("a", "a"), Member("a")), on=(7,))
    found = {(one.where, one.what) for one in faults(Pattern("Mars/Base", date(2026, 1, 1), 7, (turn,)))}
    assert found == {
        ("zone", "there is no time zone 'Mars/Base'"),
        ("turns.0.members", "name somebody twice"),
        ("turns.0.members.0.deputy", "is the same person"),
        ("turns.0.on", "names a day that the cycle does not have"),
    }
    with pytest.raises(ValueError, match="members"):
        read(
            {
                "zone": "UTC",
                "anchor": "2026-01-01",
                "cycle_days": 1,
                "turns": [{"name": "", "begins": "08:00:00", "ends": "09:00:00"}],
            }
        )


# ---------------------------------------------------------------- cover

GRIDS = ("/street/n1/g1", "/street/n1/g2", "/street/n2/g3")
START = datetime(2026, 11, 23, tzinfo=UTC)
END = START + timedelta(days=1)


def duty(who, post="responder", area="/street/n1/g1", since=START, until=END):
    return Duty(f"rta_{who}", area, post, who, since, until, "", who)


def team(name, *people, role="micro_fire_station"):
    return Force(name, name, people, role, "team")


def found(needs, duties, *, holes=(), forces=(), reachable="abcdefg", closed=""):
    facts = Facts(duties, holes, {one.id: one for one in forces}, set(reachable), set(closed), GRIDS)
    return [
        (one.area, one.since, one.until, [(why.code, why.id) for why in one.why])
        for one in gaps(needs, facts, START, END)
    ]


OFFICER = Need("n1", "/street", "duty_officer")
EACH = Need("n2", "/street", "responder", each_grid=True)


def test_a_rota_with_a_hole_names_the_hours_and_the_reason():
    noon = START + timedelta(hours=12)
    night = duty("a", "duty_officer", "/street", until=noon)
    assert found([OFFICER], [night]) == [("/street", noon, END, [("no_one_rostered", "")])]
    hole = Hole("r", "/street", "duty_officer", noon, END, "夜", "b")
    assert found([OFFICER], [night], holes=[hole]) == [("/street", noon, END, [("on_leave", "b")])]
    assert found([OFFICER], [night, duty("b", "duty_officer", "/street", since=noon)]) == []


def test_a_grid_is_covered_by_its_own_worker_or_a_team_around_it():
    worker = duty("a")
    station = duty("s", area="/street/n1")
    grids = [area for area, *_ in found([EACH], [worker], forces=[Force("a", "a", ("a",), "grid_worker")])]
    assert grids == ["/street/n1/g2", "/street/n2/g3"]
    grids = [area for area, *_ in found([EACH], [station], forces=[team("s", "a", "b")])]
    assert grids == ["/street/n2/g3"]


@pytest.mark.parametrize(
    ("given", "code"),
    [({"reachable": "b"}, "no_channel"), ({"closed": "a"}, "account_closed"), ({}, "double_booked")],
)
def test_somebody_on_paper_only_does_not_count(given, code):
    leader = [duty("a", "duty_officer", "/other")] if not given else []
    [gap] = found([Need("n", "/street", "duty_leader")], [duty("a", "duty_leader", "/street"), *leader], **given)
    assert gap == ("/street", START, END, [(code, "a")])


def test_a_team_covers_with_one_who_can_be_reached_and_stands_nowhere_else():
    station, alone = duty("s", area="/street/n1"), duty("x")
    forces = [team("s", "a", "b"), Force("x", "x", ("a",), "security_guard")]
    needs = [Need("n", "/street/n1", "responder", "micro_fire_station")]
    assert found(needs, [station, alone], forces=forces) == []
    [gap] = found(needs, [station, alone], forces=forces, reachable="a")
    assert gap[3] == [("double_booked", "s")]


def test_a_need_of_some_hours_is_asked_for_in_these_only():
    need = Need("n", "/street", "standby", begins=time(22), ends=time(6))
    assert [(since, until) for _, since, until, _ in found([need], [])] == [
        (START + timedelta(hours=14), START + timedelta(hours=22))
    ]


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(0, 47), st.integers(1, 48), st.sampled_from("abc")), max_size=6), st.integers(1, 2)
)
def test_gaps_are_exactly_the_instants_at_which_too_few_stand_there(spans, count):
    half = timedelta(minutes=30)
    duties = [
        duty(who, "duty_officer", "/street", START + at * half, START + (at + long) * half) for at, long, who in spans
    ]
    lacking = found([Need("n", "/street", "duty_officer", count=count)], duties, reachable="ab")
    for tick in range(48):
        at = START + tick * half
        there = {one.who for one in duties if one.since <= at < one.until and one.who in "ab"}
        assert any(since <= at < until for _, since, until, _ in lacking) == (len(there) < count)


# ---------------------------------------------------------------- hours on


def stamps(*pairs):
    return [
        Stamp(START + timedelta(hours=at), on)
        for begins, ends in pairs
        for at, on in ((begins, True), (ends, False))
        if at is not None
    ]


@pytest.mark.parametrize(
    ("given", "now", "since", "on", "worked"),
    [
        ([], 5, None, 0, 0),
        ([(0, None)], 5, 0, 5, 5),
        ([(0, 4), (5, None)], 9, 0, 9, 8),
        ([(0, 4), (12, None)], 14, 12, 2, 2),
        ([(0, 4)], 6, 0, 4, 4),
        ([(0, 4)], 12, None, 0, 0),
        ([(0, None), (3, None)], 5, 0, 5, 5),
        ([(0, 24), (25, None)], 30, 0, 30, 29),
    ],
)
def test_hours_on_go_back_through_breaks_that_are_no_rest(given, now, since, on, worked):
    got = stretch(stamps(*given), START + timedelta(hours=now))
    assert got.since == (None if since is None else START + timedelta(hours=since))
    assert (got.on, got.worked) == (timedelta(hours=on), timedelta(hours=worked))
