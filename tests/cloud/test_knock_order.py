"""逐户敲门 without a database: which doors, in which order, in how many parts, and which tap stands."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cloud.households import import_table
from cloud.households.doors import flat_number
from cloud.households.order import (
    Door,
    Flag,
    Origin,
    Outcome,
    Tap,
    choose,
    is_open,
    moment,
    natural,
    need,
    parts,
    stands,
)
from wire.alert import Hazard

AT = datetime(2026, 1, 1, 2, 15, tzinfo=UTC)


def house(*floors: int, flagged: dict[tuple[str, str], Flag] | None = None) -> list[Door]:
    """Two stairwells, two flats a floor."""
    known = flagged or {}
    found = []
    for section in ("b7-s1", "b7-s2"):
        for number, floor in ((f"{floor}0{flat}", floor) for floor in floors for flat in (1, 2)):
            flags = (known[section, number],) if (section, number) in known else ()
            found.append(Door("b7", section, floor, number, f"{section}-{number}", flags))
    return found


def listed(hazard: Hazard, origin: Origin, doors: list[Door], **more: bool) -> list[str]:
    return [f"{one.door.section[-1]}-{one.door.number}" for one in choose(hazard, origin, doors, **more).doors]


def test_smoke_the_flat_itself_then_who_must_be_fetched_then_up_and_below_last():
    flagged = {("b7-s1", "102"): Flag.WHEELCHAIR, ("b7-s1", "502"): Flag.DEAF, ("b7-s1", "601"): Flag.LIVES_ALONE,
               ("b7-s2", "301"): Flag.OXYGEN}  # fmt: skip
    doors = house(1, 2, 3, 4, 5, 6, flagged=flagged)
    found = listed(Hazard.SMOKE, Origin("b7", "b7-s1", "b7-s1-301", 3), doors)
    assert found == [
        "1-301",  # where it is
        "1-102", "1-502", "1-601",  # can't walk out, can't hear, lives alone: wherever they are in this stairwell
        "1-302", "1-401", "1-402", "1-501", "1-602",  # same floor, then where smoke goes
        "1-201", "1-202", "1-101",
    ]  # fmt: skip
    assert len(found) == 12, "the other stairwell is not on the list"
    wide = listed(Hazard.SMOKE, Origin("b7", "b7-s1", "b7-s1-301", 3), doors, whole_building=True)
    assert len(wide) == 24
    assert wide[1:4] == ["1-102", "2-301", "1-502"], "who must be carried first, also next door"


def test_what_is_not_known_widens_the_list():
    doors = house(1, 2)
    assert len(listed(Hazard.SMOKE, Origin("b7"), doors)) == 8
    assert len(listed(Hazard.SMOKE, Origin(), doors)) == 8
    assert choose(Hazard.SMOKE, Origin("b9", "b9-s1"), doors).doors == ()


def test_water_comes_from_below_and_a_facade_falls():
    doors = [*house(1, 2), Door("b7", "", 0, "B01"), Door("b8", "", -1, "储1", flags=(Flag.OVER_80,))]
    found = choose(Hazard.WATER_LEVEL, Origin(), doors)
    assert found.rule == "ground_floors"
    assert [one.door.number for one in found.doors] == ["储1", "B01", "101", "102", "101", "102"]
    tower = [Door("lj", "lj-e", floor, f"{floor}01") for floor in (1, 2, 18)] + [Door("lj", "lj-w", 1, "102")]
    below = choose(Hazard.CURTAIN_WALL, Origin("lj", "lj-e", None, 9), tower)
    assert (below.rule, [one.door.number for one in below.doors]) == ("below_the_line", ["101", "201"])
    all_sides = choose(Hazard.CURTAIN_WALL, Origin("lj", "lj-e", None, 9), tower, whole_building=True)
    assert [one.door.number for one in all_sides.doors] == ["101", "102", "201"]


doors_strategy = st.lists(
    st.builds(Door, st.sampled_from("ab"), st.sampled_from(("s1", "s2")), st.integers(-1, 9),
              st.integers(100, 999).map(str), st.none(), st.sampled_from(((), (Flag.DEAF,), (Flag.BEDRIDDEN,)))),
    max_size=60,
)  # fmt: skip


@given(doors_strategy, st.sampled_from(Hazard), st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_order_of_the_cards(doors, hazard, floor, random: Random):
    origin = Origin("a", "s1", None, floor)
    shuffled = random.sample(doors, len(doors))
    first, again = choose(hazard, origin, doors), choose(hazard, origin, shuffled)
    assert [one.door for one in first.doors] == [one.door for one in again.doors]
    ranks = [need(one.door.flags) for one in first.doors]
    assert ranks == sorted(ranks, reverse=True), "nobody who must be fetched stands behind somebody who need not"


@given(doors_strategy, st.integers(1, 6))
def test_parts_hold_every_door_once_and_neighbours_stay_together(doors, walkers):
    shares = parts(doors, walkers)
    assert sorted(index for share in shares for index in share) == list(range(len(doors)))
    assert all(share == sorted(share) for share in shares), "each keeps the order of the list"
    work = [sum(1 + need(doors[index].flags) for index in share) for share in shares]
    if doors:
        assert max(work) - sum(work) / walkers <= 4, "nobody gets a whole door's work more than his share"


def a_tap(key: str, outcome: Outcome, second: int, lag: int) -> Tap:
    return Tap(key, outcome, AT + timedelta(seconds=second), AT + timedelta(seconds=second + lag))


taps_strategy = st.lists(
    st.builds(
        a_tap,
        st.text("abcdef", min_size=8, max_size=8),
        st.sampled_from(Outcome),
        st.integers(0, 5),
        st.integers(0, 3600),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda tap: tap.key,
)


@given(taps_strategy, st.randoms(use_true_random=False))
def test_the_latest_tap_by_its_own_time_stands_whenever_it_arrives(taps, random: Random):
    best = stands(taps)
    assert best is not None
    assert best == stands(random.sample(taps, len(taps)))
    assert best.occurred_at == max(tap.occurred_at for tap in taps)


def test_a_door_is_blank_until_it_has_an_outcome_and_a_vulnerable_one_until_somebody_answers():
    assert is_open(None, (), excused=False)
    assert not is_open("no_answer", (), excused=False)
    assert is_open("no_answer", (Flag.DEAF,), excused=False)
    assert not is_open("no_answer", (Flag.DEAF,), excused=True)
    assert not is_open("helped_out", (Flag.DEAF,), excused=False)
    assert moment(AT + timedelta(hours=1), AT) == AT, "a phone whose clock is ahead tells nothing of the future"
    assert moment(AT - timedelta(hours=1), AT) == AT - timedelta(hours=1)


def test_flats_are_told_from_landings():
    names = ("7幢1单元301室", "7幢1单元3层楼道", "12号铺", "B座18层东立面", "西口", "501A室")
    assert [flat_number(name) for name in names] == ["301", None, "12", None, None, "501A"]
    assert sorted(("10", "9", "501A", "501"), key=natural) == ["9", "10", "501", "501A"]


TABLE = """building,stairwell,floor,door,persons,flags,key_with,note,consent
7幢,1,5,502,1,独居;80岁以上、听障,501,看灯,1
wh-7,1单元,6,601,2,,,,
7幢,1,x,603,-1,ghost,13800000000,王姓名,maybe
7幢,1,5,502,2,,,,
7幢,1,4,402,1,独居,,,0
"""


def test_a_table_of_cards_says_what_is_wrong_in_which_cell():
    rows = import_table.read(TABLE.encode("gb18030")).rows
    assert rows[0].flags == (Flag.LIVES_ALONE, Flag.OVER_80, Flag.DEAF)
    assert (rows[0].faults, rows[1].faults) == ((), ())
    assert {(fault.where, fault.code) for fault in rows[2].faults} == {
        ("floor", "number"), ("persons", "number"), ("flags", "no_flag"), ("consent", "yes_no"),
        ("key_with", "personal"), ("note", "personal"),
    }  # fmt: skip
    assert [fault.code for fault in rows[3].faults] == ["double"]
    assert [fault.code for fault in rows[4].faults] == ["no_consent"]
    named = import_table.read(b"building,stairwell,floor,door,persons,flags,name\n")
    assert [(fault.where, fault.code) for fault in named.faults] == [("name", "no_column")], (
        "there is no column for a name"
    )
    assert import_table.read(b"\xff\xfe\x00").faults[0].code == "not_text"
    assert import_table.read(import_table.template().encode()).faults == ()
