"""What notification and calls decide, without a database."""

import itertools
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.calls import signing
from cloud.calls.chain import Result, Stamps, masked_number, passed_over, told
from cloud.notify import outward, webpush
from cloud.notify.by_apprise import fits, url_of
from cloud.notify.channels import Message
from cloud.notify.choice import Choice, following, held_until, quiet_until, read_spans, together, when
from cloud.notify.circuit import FAILURES, Circuit
from cloud.notify.vault import Sealed, Vault, vault
from cloud.settings import Settings

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)  # 02:00 local time
NIGHT = [(time(22), time(7))]


def test_ways_that_were_tested_come_first_and_none_is_left_out():
    ways = [Choice("a", "sms", 1, tested=False), Choice("b", "webpush", 2, tested=True), Choice("c", "voice", 3, True)]
    used: list[str] = []
    while way := following(ways, used):
        used.append(way.id)
    assert used == ["b", "c", "a"]
    assert following([Choice("b", "webpush", 1, tested=True, failed=True), ways[2]], []).id == "c"


@given(st.integers(0, 366 * 86_400), st.sampled_from(["I", "II"]))
def test_quiet_hours_never_hold_for_what_is_urgent_nor_for_who_is_on_duty(second, level):
    at = NOW + timedelta(seconds=second)
    assert when(level, at, NIGHT, "wait", on_duty=False).at == at
    assert when("IV", at, NIGHT, "silent", on_duty=True) == when(level, at, NIGHT, "wait", on_duty=False)


def test_quiet_hours_pass_midnight_and_end_in_the_morning():
    assert quiet_until(NIGHT, NOW) == datetime(2026, 11, 22, 23, 0, tzinfo=UTC)  # 07:00 local
    assert quiet_until(NIGHT, NOW.replace(hour=14)) == datetime(2026, 11, 22, 23, 0, tzinfo=UTC)  # 22:00 local
    assert quiet_until(NIGHT, NOW.replace(hour=23)) is None
    assert quiet_until(NIGHT, NOW.replace(hour=6)) is None  # 14:00 local
    assert when("III", NOW, NIGHT, "silent", on_duty=False).silent is True
    with pytest.raises(ValueError, match="no span"):
        read_spans([["07:00", "07:00"]])


def test_a_burst_is_gathered_and_a_single_message_is_not():
    assert held_until("II", [NOW - timedelta(seconds=1)], NOW) is None
    assert held_until("II", [NOW - timedelta(seconds=2), NOW - timedelta(seconds=1)], NOW) == NOW + timedelta(seconds=4)
    assert held_until("II", [NOW - timedelta(seconds=9)] * 5, NOW) is None
    text = together([f"t{n}" for n in range(23)], "{count}:", "+{count}")
    assert text.splitlines()[0] == "23:"
    assert "20. t19" in text
    assert text.splitlines()[-1] == "+3"


def test_what_is_down_is_skipped_at_once_and_probed_by_one_message_at_a_time():
    circuit = Circuit()
    for _ in range(FAILURES - 1):
        assert circuit.failed(NOW, "HTTP 503") is False
    assert circuit.failed(NOW, "HTTP 503") is True
    assert circuit.lets_through(NOW + timedelta(seconds=9)) is False
    assert circuit.lets_through(NOW + timedelta(seconds=10)) is True  # the probe
    assert circuit.lets_through(NOW + timedelta(seconds=10)) is False  # no second one
    assert circuit.failed(NOW + timedelta(seconds=11), "still") is False
    assert circuit.lets_through(NOW + timedelta(seconds=30)) is False  # it rests longer
    assert circuit.lets_through(NOW + timedelta(seconds=31)) is True
    assert circuit.worked() is True
    assert circuit.lets_through(NOW) is True


EVENTS = ["ringing", "answered", "confirmed", "no_answer", "busy", "off", "wrong_number", "failed", "ended", "late"]


@given(st.lists(st.sampled_from(EVENTS), max_size=8))
def test_a_call_is_reached_exactly_when_the_key_was_pressed_whatever_the_order(events):
    stamps, reached, ends, on = Stamps(), 0, 0, 0
    for second, event in enumerate(events):
        at = NOW + timedelta(seconds=second)
        after = passed_over(stamps, at, placed=True) if event == "late" else told(stamps, event, at)
        reached += after.reached
        ends += stamps.ended_at is None and after.stamps.ended_at is not None
        on += after.move_on
        stamps = after.stamps
        assert told(stamps, event, at).changed is False if event != "late" else True  # again: nothing
    assert reached == ("confirmed" in events)
    assert (stamps.on_duty_at is not None) == ("confirmed" in events)
    assert (stamps.result is Result.ON_DUTY) == ("confirmed" in events)
    assert ends <= 1
    assert on <= 1  # the next contact is called once
    if "answered" in events or "confirmed" in events:
        assert stamps.answered_at is not None


def test_answered_is_not_on_duty():
    answered = told(Stamps(), "answered", NOW)
    assert not answered.reached
    over = passed_over(answered.stamps, NOW, placed=True)
    assert (over.move_on, over.stamps.result) == (True, Result.ANSWERED)
    assert passed_over(Stamps(), NOW, placed=False).stamps.result is Result.FAILED


def test_a_signature_holds_for_its_body_its_time_and_its_key_only():
    body = b'{"call": "call_1"}'
    header = signing.signature(b"key", body, 1000, "nonce-12345")
    assert signing.checked(b"key", body, header, 1200) == "nonce-12345"
    for key, given_body, given_header, now in [
        (b"other", body, header, 1000),
        (b"key", body + b" ", header, 1000),
        (b"key", body, header.replace("nonce-12345", "nonce-12346"), 1000),
        (b"key", body, header.replace("t=1000", "t=1001"), 1000),
        (b"key", body, header, 1301),
        (b"key", body, "", 1000),
    ]:
        with pytest.raises(signing.Unsigned):
            signing.checked(key, given_body, given_header, now)


@pytest.mark.parametrize(
    "url",
    [
        "http://push.example.org/x",
        "https://127.0.0.1/x",
        "https://10.1.2.3/x",
        "https://169.254.169.254/latest",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[fd00::1]/x",
        "https://user@push.example.org/x",
        "ftp://push.example.org/x",
        "https:///x",
        "https://push.example.org:99999/x",
    ],
)
def test_addresses_that_people_give_lead_to_the_public_network_only(url):
    with pytest.raises(outward.Barred):
        outward.check_url(url)


async def test_a_name_that_leads_inside_is_barred_when_it_is_looked_up():
    assert outward.check_url("https://localhost/x") == ("localhost", 443)
    with pytest.raises(outward.Barred, match="not public"):
        await outward.look_up("localhost", 443, local=False)


def test_an_address_is_sealed_and_another_key_does_not_open_it(tmp_path):
    one = vault(Settings(data_dir=tmp_path))
    assert vault(Settings(data_dir=tmp_path)).open(one.seal("13800001111")) == "13800001111"
    assert "13800001111" not in one.seal("13800001111")
    from cryptography.fernet import Fernet

    with pytest.raises(Sealed, match=r"notify\.key"):
        Vault([Fernet.generate_key().decode()]).open(one.seal("x"))
    assert (tmp_path / "secrets" / "notify.key").stat().st_mode & 0o777 == 0o600
    assert one.is_token("receipt", "msg_1", one.token("receipt", "msg_1"))
    assert not one.is_token("receipt", "msg_2", one.token("receipt", "msg_1"))


def test_addresses_have_the_form_of_their_kind_and_are_written_for_apprise():
    assert fits("sms", "+8613800001111")
    assert not fits("sms", "138 0000")
    assert not fits("email", "a@b.cn?bcc=c@d.cn")
    assert not fits("wecom", "../../x")
    url = url_of("email", "a@b.cn", "mailtos://u:p@smtp.example.org?from=x@example.org")
    assert url == "mailtos://u:p@smtp.example.org?from=x@example.org&to=a%40b.cn"
    assert url_of("email", "a@b.cn", None) is None
    import apprise

    for kind, address in {"wecom": "0" * 36, "dingtalk": "SEC" + "a" * 20 + "@" + "b" * 20, "feishu": "c" * 36}.items():
        assert fits(kind, address)
        assert apprise.Apprise.instantiate(url_of(kind, address, None)) is not None, kind
    assert masked_number("13800001111") == "138****1111"


def test_a_push_says_enough_and_fits_into_a_push():
    text = {"text_zh": "特" * 3000, "text_en": "x" * 3000}
    message = Message("msg_1", "per_x", "opened", "II", "inc_1", None, text, NOW, address="secret", token="t")
    assert len(webpush.payload(message)) <= 3993
    assert b"secret" not in webpush.payload(message)
    assert b"per_x" not in webpush.payload(message)
    assert "secret" not in repr(message)
    assert "secret" not in str(message.json())


def test_every_event_of_the_contract_is_tried_in_every_pair():
    for first, second in itertools.permutations([event for event in EVENTS if event != "late"], 2):
        told(told(Stamps(), first, NOW).stamps, second, NOW)
