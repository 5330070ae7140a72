"""The cards to read aloud, word by word, and the clocks of a call; without a database."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.handoffs.card import ADDABLE, QUESTIONS, UNKNOWN, AtRisk, Facts, brief, build, greeting
from cloud.handoffs.facts import said_of
from cloud.handoffs.progress import NAMES, Service, Stamps, State, Step, clock_of, due, state_of
from wire.alert import Hazard

AT = datetime(2026, 1, 1, 2, 15, tzinfo=UTC)
FIRE = Facts(
    hazard=Hazard.SMOKE,
    areas=("柳荫区", "柳荫街道"),
    address="望湖路18号",
    address_en="18 Wanghu Road",
    site="望湖苑",
    building="7幢",
    stairwell="1单元",
    floor=3,
    floors=6,
    room="301室",
    near="望湖路",
    what=("楼道有浓烟", "thick smoke in the stairwell"),
    sensors=("2个探测器报警", "2 detectors in alarm"),
    minutes=2,
    doors=12,
    persons=9,
    doors_without_card=7,
    at_risk=(AtRisk("7幢1单元102", "轮椅", "wheelchair"), AtRisk("7幢1单元502", "独居、听障", "lives alone, deaf")),
    no_answer=("7幢1单元502",),
    hazards="7幢东侧电动自行车棚",
    gate="望湖路南门",
    hydrant="南门内1个",
    meets="马涛",
    measures=(("断电 7幢", "power cut 7幢"),),
    on_scene=("望湖微型消防站",),
    caller="林知远",
    callback="0000-1801",
)


def test_the_card_for_119_says_what_a_dispatcher_asks_in_that_order():
    made = build(Service.FIRE, FIRE, exercise=False)
    assert made.text(0).splitlines() == [
        "地址：柳荫区 柳荫街道 望湖路18号 望湖苑 7幢 1单元 3层 301室，靠近望湖路。",
        "什么情况：楼道有浓烟（2个探测器报警）。",
        "什么在烧：尚不清楚。",
        "楼有几层：共6层，现场在3层。",
        "有没有人被困：尚不清楚。",
        "可能受困和重点人群：涉及12户、登记9人；其中7户住几人尚不清楚；7幢1单元102（轮椅）；7幢1单元502（独居、听障）；敲门无人应答：7幢1单元502。",
        "现场危险：7幢东侧电动自行车棚。",
        "怎么进：入口：望湖路南门；水源：南门内1个；接车：马涛。",
        "已采取措施：断电 7幢；现场有：望湖微型消防站。",
        "何时开始：约2分钟前。",
        "回拨：林知远 0000-1801。",
        "坐标：尚不清楚。",
    ]
    assert made.unknown == ("burning", "trapped", "point"), "what is not known is said so, and asked for"
    english = made.text(1).splitlines()
    assert english[0] == (
        "Where: flat 301, floor 3, 1单元, 7幢, 望湖苑, 18 Wanghu Road, 柳荫街道, 柳荫区, near 望湖路."
    )
    assert "What burns: not known yet." in english


def test_a_word_that_people_add_stands_on_the_card_and_a_place_without_a_number_says_so():
    told = build(
        Service.FIRE, Facts(Hazard.SMOKE, details={"burning": "电动自行车", "trapped": "三楼一人"}), exercise=False
    )
    assert {line.code: line.answer[0] for line in told.lines if line.known} == {
        "burning": "电动自行车",
        "trapped": "三楼一人",
    }
    nowhere = build(Service.FIRE, Facts(Hazard.SMOKE, areas=("柳荫区",), place_text="河边小路"), exercise=False)
    assert nowhere.lines[0].answer[0] == "柳荫区 河边小路（门牌号尚不清楚）"


def test_a_drills_card_says_so_first_and_last():
    lines = build(Service.MEDICAL, FIRE, exercise=True).text().splitlines()
    assert (lines[0], lines[-1]) == ("【演练】", "【演练】")


@pytest.mark.parametrize("service", Service)
def test_no_service_is_told_a_guess(service):
    empty = build(service, Facts(Hazard.SMOKE), exercise=False)
    assert all(line.answer == UNKNOWN for line in empty.lines), "nothing is known, and nothing is said to be"
    assert empty.lines[0].code == "where", "every service asks where first"
    assert QUESTIONS[service][-1][0] in ("point", "callback")
    assert greeting(service, "柳荫街道值班室")[0].startswith(NAMES[service][0])
    assert set(ADDABLE[service]) & {line.code for line in empty.lines}


def test_the_commander_hears_first_who_is_not_accounted_for():
    lines = brief(FIRE)
    assert [line.code for line in lines] == ["at_risk", "hazards", "done", "access", "what"]
    assert "敲门无人应答：7幢1单元502" in lines[0].answer[0]


def test_a_headline_is_said_as_one_speaks():
    rising = {"code": "water_rising", "params": {"rate": 0.024, "value": 0.18, "unit": "m"}}
    assert said_of(rising, Hazard.WATER_LEVEL) == (
        "积水每分钟上涨约2.4厘米，水深约18厘米", "water rising about 2.4 cm a minute",
    )  # fmt: skip
    assert said_of({"code": "smoke_high", "params": {"value": 0.4, "unit": "dB/m"}}, Hazard.SMOKE)[0] == "烟感报警"
    assert said_of({"code": "by_hand", "params": {"text": "楼下着火了"}}, Hazard.SMOKE)[0] == "楼下着火了"


@given(st.sampled_from(Step), st.sampled_from(Service), st.integers(0, 20))
def test_it_is_asked_again_for_ever_and_never_earlier(step, service, rounds):
    assert due(step, service, AT, expected_at=None, rounds=rounds + 1) > due(
        step, service, AT, expected_at=None, rounds=rounds
    )


def test_states_and_clocks_follow_from_the_stamps():
    later = AT + timedelta(minutes=1)
    assert state_of(Stamps()) is State.CALLED
    assert state_of(Stamps(answered_at=AT)) is State.ANSWERED
    assert state_of(Stamps(arrived_at=later)) is State.ARRIVED
    assert state_of(Stamps(AT, later, later)) is State.HANDED_OVER
    assert state_of(Stamps(AT, stood_down_at=later)) is State.STOOD_DOWN
    for state in State:
        assert clock_of(state, incident_over=True) is None
        ended = state in (State.HANDED_OVER, State.STOOD_DOWN)
        assert (clock_of(state, incident_over=False) is None) == ended
    expected = AT + timedelta(minutes=6)
    assert due(Step.ARRIVE, Service.FIRE, AT, expected_at=expected, rounds=0) == expected + timedelta(minutes=2)
    assert due(Step.ARRIVE, Service.FIRE, AT, expected_at=None, rounds=0) == AT + timedelta(minutes=8)
