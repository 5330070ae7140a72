"""What is said of whistles: on timelines and in messages. Pure."""

from collections.abc import Mapping

from cloud.whistles.clock import Step

Text = tuple[str, str]

LINES: Mapping[str, Text] = {
    "proposed": ("提请街道吹哨：{department}", "asks the street to call {department}"),
    "refused": ("街道未同意吹哨：{department}（{reason}）", "the street does not call {department}: {reason}"),
    "called": ("街道吹哨：{department}", "{department} is called"),
    "joined": ("并入已有吹哨 {number}：{department}", "joins whistle {number} on {department}"),
    "reported_in": ("{department}已报到", "{department} has reported in"),
    "arrived": ("{department}已到场", "{department} has arrived"),
    "done": ("{department}已办结", "{department} is done"),
    "sent_back": ("街道退回重办：{department}（{reason}）", "the street sends it back to {department}: {reason}"),
    "returned": ("{department}退单（{reason}），首接负责不变", "{department} sends it back ({reason}) and keeps it"),
    "suggestion_declined": ("{department}不接（{reason}）", "{department} does not take it: {reason}"),
    "taken_back": ("{department}收回退单", "{department} takes it after all"),
    "accepted": ("{department}接手，{former}不再负责", "{department} takes it over from {former}"),
    "ruled": ("裁定由{department}负责：{reason}", "ruled: it is {department}'s – {reason}"),
    "reminded": ("催办{department}：{step}", "{department} is reminded: {step}"),
    "missed": ("{department}超时：{step}，逐级上报", "{department} missed a limit ({step}); told above"),
    "ruling_missed": ("超时未裁定，上报上一级", "not ruled in time; the question goes up"),
    "confirm_missed": ("超时未答复提请吹哨，逐级上报", "the proposal was not answered in time; told above"),
    "rated": ("{street}评价{department}：{score} 分", "{street} rates {department}: {score}"),
    "rating_corrected": (
        "{street}更正评价：{score} 分（{reason}）",
        "{street} corrects its rating to {score}: {reason}",
    ),
    "rating_missed": ("{street}尚未评价", "{street} has not rated yet"),
    "unrated": ("超时未评价，吹哨结束", "not rated in time; the whistle ends"),
    "withdrawn": ("撤哨：{reason}", "called off: {reason}"),
    "moved_into": ("并入吹哨 {number}", "joins whistle {number}"),
}

STEPS: Mapping[Step, Text] = {
    Step.CONFIRM: ("街道确认", "the street's answer"),
    Step.REPORT_IN: ("报到", "reporting in"),
    Step.ARRIVE: ("到场", "arriving"),
    Step.FINISH: ("办结", "finishing"),
    Step.RULE: ("裁定", "the ruling"),
    Step.RATE: ("街道评价", "the street's rating"),
}


def line(code: str, zh: Mapping[str, object], en: Mapping[str, object] | None = None) -> Text:
    """One line in both languages."""
    template_zh, template_en = LINES[code]
    return template_zh.format_map(dict(zh)), template_en.format_map(dict(en or zh))


def to_department(cause: str, number: str, place: str, said: str) -> Text:
    """To a department's liaison: you are called."""
    return (
        f"街道吹哨（{number}）：{cause}，{place}。请报到。{said}".strip(),
        f"The street calls ({number}): {cause}, {place}. Report in. {said}".strip(),
    )


def about(number: str, cause: str, what: Text) -> Text:
    """Any other message about a whistle."""
    return f"吹哨 {number}（{cause}）：{what[0]}", f"Whistle {number} ({cause}): {what[1]}"
