"""The card to read aloud to a service outside: in the order in which its dispatchers ask, from what is known. Pure.

What is unknown is said to be unknown: a guess sends an engine to the wrong gate. Order: where, what, who is in
danger, what is dangerous to those who come, how to get in, whom to call back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cloud.handoffs.progress import NAMES, Service
from wire.alert import Hazard

OPENING = CLOSING = "【演练】"
Said = tuple[str, str]
"""In Chinese and English."""
UNKNOWN: Said = ("尚不清楚", "not known yet")


@dataclass(frozen=True, slots=True)
class AtRisk:
    """A door with somebody who may have to be fetched."""

    door: str
    flags_zh: str
    flags_en: str
    outcome: str | None = None  # of the knock list, where there is one


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the cards draw on; empty or None = not known."""

    hazard: Hazard
    areas: tuple[str, ...] = ()  # district, street
    address: str = ""
    address_en: str = ""
    site: str = ""
    building: str = ""
    stairwell: str = ""
    floor: int | None = None
    floors: int | None = None
    room: str = ""
    place_text: str = ""  # in one line, where nothing finer is known
    near: str = ""  # the nearest road
    lon: float | None = None
    lat: float | None = None
    what: Said | None = None  # headline, or the caller's words
    sensors: Said | None = None  # what the sensors say
    minutes: int | None = None  # since it began
    doors: int | None = None
    persons: int | None = None
    doors_without_card: int = 0
    at_risk: Sequence[AtRisk] = ()
    no_answer: Sequence[str] = ()
    hazards: str = ""
    gate: str = ""
    lane: str = ""
    hydrant: str = ""
    power_room: str = ""
    gas_valve: str = ""
    keys: str = ""
    measures: Sequence[Said] = ()
    on_scene: Sequence[str] = ()
    meets: str = ""  # who waits at the gate
    caller: str = ""
    callback: str = ""
    details: Mapping[str, str] = field(default_factory=dict)  # what people added, by code


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what they ask, and the answer."""

    code: str
    ask: Said
    answer: Said
    known: bool


@dataclass(frozen=True, slots=True)
class Card:
    """The whole card."""

    service: Service
    lines: tuple[Line, ...]
    exercise: bool

    @property
    def unknown(self) -> tuple[str, ...]:
        """Codes of what should be found out."""
        return tuple(line.code for line in self.lines if not line.known)

    def text(self, language: int = 0) -> str:
        """Read aloud from top to bottom. 0 Chinese, 1 English."""
        stop = "。" if language == 0 else "."
        colon = "：" if language == 0 else ": "
        said = "\n".join(f"{line.ask[language]}{colon}{line.answer[language]}{stop}" for line in self.lines)
        return f"{OPENING}\n{said}\n{CLOSING}" if self.exercise else said


Answer = Callable[[Facts], Said | None]


def _where(facts: Facts) -> Said | None:
    parts = [*facts.areas, facts.address, facts.site, facts.building, facts.stairwell]
    floor = None if facts.floor is None else f"{facts.floor}层" if facts.floor > 0 else f"地下{1 - facts.floor}层"
    zh = " ".join(part for part in (*parts, floor or "", facts.room) if part)
    if not (facts.site or facts.address or facts.building):
        zh = " ".join(part for part in (*facts.areas, facts.place_text) if part)
    if not zh:
        return None
    floor_en = f"floor {facts.floor}" if facts.floor is not None else ""
    en_parts = [facts.room and f"flat {facts.room.removesuffix('室')}", floor_en, facts.stairwell, facts.building]
    en = ", ".join(
        part for part in (*en_parts, facts.site, facts.address_en or facts.address, *facts.areas[::-1]) if part
    )
    if not (facts.site or facts.address or facts.building):
        en = zh
    if not facts.address:
        zh, en = f"{zh}（门牌号{UNKNOWN[0]}）", f"{en} (street number {UNKNOWN[1]})"
    if facts.near:
        zh, en = f"{zh}，靠近{facts.near}", f"{en}, near {facts.near}"
    return zh, en


def _what(facts: Facts) -> Said | None:
    if facts.what is None:
        return facts.sensors
    if facts.sensors is None:
        return facts.what
    return f"{facts.what[0]}（{facts.sensors[0]}）", f"{facts.what[1]} ({facts.sensors[1]})"


def _detail(code: str) -> Answer:
    def answer(facts: Facts) -> Said | None:
        text = facts.details.get(code, "")
        return (text, text) if text else None

    return answer


def _either(name: str) -> Answer:
    """What people added; else what the place card says."""

    def answer(facts: Facts) -> Said | None:
        text = facts.details.get(name) or str(getattr(facts, name) or "")
        return (text, text) if text else None

    return answer


def _floors(facts: Facts) -> Said | None:
    if facts.floors is None:
        return None
    at = f"，现场在{facts.floor}层" if facts.floor is not None else ""
    at_en = f", this is on floor {facts.floor}" if facts.floor is not None else ""
    return f"共{facts.floors}层{at}", f"{facts.floors} floors{at_en}"


def _since(facts: Facts) -> Said | None:
    return None if facts.minutes is None else (f"约{facts.minutes}分钟前", f"about {facts.minutes} min ago")


_MOST_NAMED = 8


def _at_risk(facts: Facts) -> Said | None:
    """Doors that may have to be fetched, the most helpless first; who did not answer is never left out."""
    if facts.doors is None and not facts.at_risk:
        return None
    parts, english = [], []
    if facts.doors is not None:
        persons = f"、登记{facts.persons}人" if facts.persons is not None else ""
        parts.append(f"涉及{facts.doors}户{persons}")
        english.append(
            f"{facts.doors} doors" + (f", {facts.persons} people on cards" if facts.persons is not None else "")
        )
    if facts.doors_without_card:
        parts.append(f"其中{facts.doors_without_card}户住几人{UNKNOWN[0]}")
        english.append(f"of {facts.doors_without_card} of them the people are {UNKNOWN[1]}")
    for one in facts.at_risk[:_MOST_NAMED]:
        parts.append(f"{one.door}（{one.flags_zh}）")
        english.append(f"{one.door} ({one.flags_en})")
    if len(facts.at_risk) > _MOST_NAMED:
        parts.append(f"另有{len(facts.at_risk) - _MOST_NAMED}户重点人群")
        english.append(f"{len(facts.at_risk) - _MOST_NAMED} more vulnerable doors")
    if facts.no_answer:
        parts.append("敲门无人应答：" + "、".join(facts.no_answer))
        english.append("knocked, no answer: " + ", ".join(facts.no_answer))
    return "；".join(parts), "; ".join(english)


def _access(facts: Facts) -> Said | None:
    parts = [
        ("入口", "gate", facts.gate),
        ("消防车道", "fire lane", facts.lane),
        ("水源", "hydrant", facts.hydrant),
        ("钥匙", "keys", facts.keys),
    ]
    found = [(zh, en, text) for zh, en, text in parts if text]
    if facts.meets:
        found.append(("接车", "meets you", facts.meets))
    if not found:
        return None
    return "；".join(f"{zh}：{text}" for zh, _, text in found), "; ".join(f"{en}: {text}" for _, en, text in found)


def _dangers(facts: Facts) -> Said | None:
    parts = [(facts.hazards, facts.hazards)] if facts.hazards else []
    if detail := facts.details.get("hazards"):
        parts.append((detail, detail))
    return ("；".join(zh for zh, _ in parts), "; ".join(en for _, en in parts)) if parts else None


def _done(facts: Facts) -> Said | None:
    zh = [one[0] for one in facts.measures]
    en = [one[1] for one in facts.measures]
    if facts.on_scene:
        zh.append("现场有：" + "、".join(facts.on_scene))
        en.append("on scene: " + ", ".join(facts.on_scene))
    return ("；".join(zh), "; ".join(en)) if zh else None


def _callback(facts: Facts) -> Said | None:
    if not facts.callback:
        return None
    who = f"{facts.caller} " if facts.caller else ""
    return f"{who}{facts.callback}", f"{who}{facts.callback}"


def _point(facts: Facts) -> Said | None:
    if facts.lon is None or facts.lat is None:
        return None
    said = f"{facts.lon:.5f}, {facts.lat:.5f}"
    return f"经纬度 {said}", f"longitude, latitude {said}"


_Q = tuple[str, Said, Answer]
_WHERE: _Q = ("where", ("地址", "Where"), _where)
_RISK: _Q = ("at_risk", ("可能受困和重点人群", "Who may be in danger"), _at_risk)
_DANGERS: _Q = ("hazards", ("现场危险", "Dangers there"), _dangers)
_ACCESS: _Q = ("access", ("怎么进", "How to get in"), _access)
_DONE: _Q = ("done", ("已采取措施", "Done so far"), _done)
_BACK: _Q = ("callback", ("回拨", "Call back"), _callback)
_POINT: _Q = ("point", ("坐标", "Position"), _point)
_SINCE: _Q = ("since", ("何时开始", "Since when"), _since)
_INJURED: _Q = ("injured", ("伤亡", "Injured"), _detail("injured"))

QUESTIONS: Mapping[Service, tuple[_Q, ...]] = {
    Service.FIRE: (
        _WHERE,
        ("what", ("什么情况", "What"), _what),
        ("burning", ("什么在烧", "What burns"), _detail("burning")),
        ("floors", ("楼有几层", "How many floors"), _floors),
        ("trapped", ("有没有人被困", "Anybody trapped"), _detail("trapped")),
        _RISK,
        _DANGERS,
        _ACCESS,
        _DONE,
        _SINCE,
        _BACK,
        _POINT,
    ),
    Service.MEDICAL: (
        _WHERE,
        ("patient", ("病人怎么样", "What is wrong with the patient"), _detail("patient")),
        ("injured", ("几个人", "How many"), _detail("injured")),
        ("conscious", ("有没有意识和呼吸", "Awake? Breathing?"), _detail("conscious")),
        _RISK,
        _DANGERS,
        _ACCESS,
        _BACK,
        _POINT,
    ),
    Service.POLICE: (
        _WHERE,
        ("what", ("发生什么事", "What happened"), _what),
        ("people", ("涉及哪些人", "Who is involved"), _detail("people")),
        _INJURED,
        _DANGERS,
        _SINCE,
        _BACK,
        _POINT,
    ),
    Service.TRAFFIC: (
        _WHERE,
        ("what", ("什么情况", "What"), _what),
        ("closed", ("要封哪里、哪个方向", "What to close, which direction"), _detail("closed")),
        ("trapped", ("有没有车和人被困", "Cars or people trapped"), _detail("trapped")),
        _DONE,
        _SINCE,
        _BACK,
        _POINT,
    ),
    Service.POWER: (
        _WHERE,
        ("cut", ("断哪里的电、谁要求", "What to cut, who asks"), _detail("cut")),
        ("power_room", ("配电间在哪里", "Where is the switch room"), _either("power_room")),
        ("what", ("为什么", "Why"), _what),
        _RISK,
        _DANGERS,
        ("access", ("怎么进", "How to get in"), _access),
        _BACK,
    ),
    Service.GAS: (
        _WHERE,
        ("smell", ("有没有气味、明火", "Smell? Open flame?"), _detail("smell")),
        (
            "gas_valve",
            ("阀门在哪里、关了没有", "Where is the valve, is it shut"),
            _either("gas_valve"),
        ),
        ("what", ("什么情况", "What"), _what),
        _RISK,
        _DANGERS,
        ("access", ("怎么进", "How to get in"), _access),
        _BACK,
    ),
    Service.DRAINAGE: (
        _WHERE,
        ("what", ("积水多深、涨得多快", "How deep, how fast it rises"), _what),
        ("pumps", ("泵站什么状态", "The pumps"), _detail("pumps")),
        ("trapped", ("有没有车和人被困", "Cars or people trapped"), _detail("trapped")),
        ("power_room", ("电源", "Power supply"), _either("power_room")),
        _DONE,
        _SINCE,
        _BACK,
        _POINT,
    ),
}
"""What each asks first, in its order."""

ADDABLE: Mapping[Service, tuple[str, ...]] = {
    Service.FIRE: ("burning", "trapped", "hazards", "injured"),
    Service.MEDICAL: ("patient", "injured", "conscious", "hazards"),
    Service.POLICE: ("people", "injured", "hazards"),
    Service.TRAFFIC: ("closed", "trapped"),
    Service.POWER: ("cut", "power_room", "hazards"),
    Service.GAS: ("smell", "gas_valve", "hazards"),
    Service.DRAINAGE: ("pumps", "trapped", "power_room"),
}
"""What people may add, by code; said once, it stands on every card of the incident."""


def build(service: Service, facts: Facts, *, exercise: bool) -> Card:
    """The card of a service."""
    lines = []
    for code, ask, answer in QUESTIONS[service]:
        said = answer(facts)
        lines.append(Line(code, ask, said or UNKNOWN, said is not None))
    return Card(service, tuple(lines), exercise)


def greeting(service: Service, desk: str) -> Said:
    """How the call begins."""
    zh, en = NAMES[service]
    return f"{zh}，我是{desk}，报告一起险情", f"{en}: this is {desk}, reporting an incident"


def brief(facts: Facts) -> tuple[Line, ...]:
    """What the first commander is told at the gate: who is not accounted for before anything else."""
    questions = (_RISK, _DANGERS, _DONE, _ACCESS, ("what", ("什么情况", "What"), _what))
    lines = []
    for code, ask, answer in questions:
        said = answer(facts)
        lines.append(Line(code, ask, said or UNKNOWN, said is not None))
    return tuple(lines)
