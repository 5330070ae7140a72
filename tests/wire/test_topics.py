"""Native topics: what is one, what is not, and that every valid one survives the way to text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.topics import CHANNELS, DeviceTopic, is_identifier, parse_topic

identifiers = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)


def test_a_real_topic_has_its_parts_and_no_exercise():
    assert parse_topic("sensors/wanghuyuan/smoke-wh7-s1-3f/telemetry") == DeviceTopic(
        site="wanghuyuan", device="smoke-wh7-s1-3f", channel="telemetry", exercise=None
    )


def test_an_exercise_topic_carries_the_drill():
    topic = parse_topic("exercise/drl-7k2m/sensors/wanghuyuan/smoke-1/telemetry")
    assert topic is not None
    assert topic.exercise == "drl-7k2m"
    assert topic.device == "smoke-1"


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "sensors",
        "sensors/site/device",
        "sensors/site/device/telemetry/more",
        "sensors/site/device/firmware",
        "sensors//device/telemetry",
        "sensors/site/dev.ice/telemetry",
        "sensors/site/+/telemetry",
        "sensors/site/#",
        "/sensors/site/device/telemetry",
        "Sensors/site/device/telemetry",
        "$SYS/broker/uptime/telemetry",
        "exercise/sensors/site/device/telemetry",
        "exercise//sensors/site/device/telemetry",
        "exercise/a b/sensors/site/device/telemetry",
        "exercise/drl-1/exercise/site/device/telemetry",
        "sensors/site/设备/telemetry",
        "sensors/site/device\n/telemetry",
        f"sensors/site/{'d' * 65}/telemetry",
    ],
)
def test_anything_else_is_no_topic_of_ours(topic):
    assert parse_topic(topic) is None


@given(identifiers, identifiers, st.sampled_from(sorted(CHANNELS)), st.none() | identifiers)
def test_a_topic_survives_the_way_to_text_and_back(site, device, channel, exercise):
    topic = DeviceTopic(site=site, device=device, channel=channel, exercise=exercise)
    assert parse_topic(str(topic)) == topic


@given(st.text(max_size=80))
def test_no_text_makes_the_parser_raise(text):
    found = parse_topic(text)
    assert found is None or str(found) == text


@given(st.text(max_size=70))
def test_an_identifier_is_one_level_of_a_topic_in_every_broker(text):
    if is_identifier(text):
        assert not set(text) & set("./+#$ \0\n")
        assert 1 <= len(text) <= 64
