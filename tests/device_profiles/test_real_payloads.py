"""Published payloads of real devices decode to what their publishers say: every example, every key."""

import json

import pytest
from msgspec import json as fast_json
from published_payloads import EVENTS, KEYS, In, Left

from device_profiles.decoder import Code, DecodeError
from device_profiles.library import Library

pytestmark = pytest.mark.realdata

LIBRARY = Library.load()
NUMBER_OF_EXAMPLES = 43


def rows(data_dir):
    return json.loads((data_dir / "payloads" / "lorawan_examples.json").read_text(encoding="utf-8"))


def flat(published, prefix=""):
    """Every key of a published object with its value; Decentlab's `{displayName, value, unit}` is its value."""
    for key, value in published.items():
        if isinstance(value, dict) and "displayName" in value:
            yield prefix + key, value["value"]
        elif isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def compare(published, profile, message, decoder):
    """Each published key with our point or state; returns how many were compared."""
    values = {point.name: value for point, value in zip(decoder.points, message.values, strict=True)}
    compared = 0
    for key, value in flat(published):
        assert key in KEYS[profile.name], f"{profile.name}: nobody has said what '{key}' is"
        entry = KEYS[profile.name][key]
        if isinstance(entry, Left):
            assert entry.why
            continue
        assert isinstance(entry, In)
        compared += 1
        where = (profile.name, key, entry.name)
        if entry.name in values:
            expected = entry.meaning[value] if isinstance(entry.meaning, dict) else float(value) * entry.meaning
            assert values[entry.name] == pytest.approx(expected, rel=1e-9, abs=1e-9), where
        else:
            expected = entry.meaning.get(value, value)
            assert message.texts[entry.name] == expected, where
    return compared


def decoded(row):
    profile = LIBRARY[f"{row['vendor']}/{row['model']}"]
    decoder = profile.decoder()
    return profile, decoder, decoder.decode(bytes.fromhex(row["bytes_hex"]), row["fPort"])


def test_every_published_key_is_what_its_publisher_says(data_dir):
    examples = rows(data_dir)
    assert len(examples) == NUMBER_OF_EXAMPLES
    seen: set[str] = set()
    for row in examples:
        profile, decoder, message = decoded(row)
        seen.add(profile.name)
        published = dict(row["decoded"])
        history = published.pop("history", [])
        messages = [*message.earlier, message]
        for record, said in zip(history, messages, strict=bool(history)):
            expected = dict(record)
            assert said.ts == 1000 * expected.pop("timestamp"), profile.name
            assert compare(expected, profile, said, decoder) == len(expected)
        assert history or compare(published, profile, message, decoder), f"{profile.name}: nothing was compared"
        assert message.earlier == () or history
    assert seen == set(KEYS)


def test_published_messages_announce_what_they_should_and_have_no_flaw(data_dir):
    announced: set[str] = set()
    for row in rows(data_dir):
        profile, _, message = decoded(row)
        assert not row.get("errors"), "an example that must fail wants a comparison of its own"
        assert not row.get("warnings")
        assert message.problems == (), profile.name
        assert message.events == EVENTS.get(row["bytes_hex"], ()), (profile.name, row["bytes_hex"])
        announced.add(row["bytes_hex"])
    assert announced >= set(EVENTS)


def test_published_messages_on_a_port_that_the_model_has_not_are_refused(data_dir):
    for row in rows(data_dir):
        profile, decoder, message = decoded(row)
        payload = bytes.fromhex(row["bytes_hex"])
        if row["fPort"] is not None and "fPort_note" not in row:
            with pytest.raises(DecodeError) as refused:
                decoder.decode(payload, 199)
            assert refused.value.code == Code.WRONG_PORT, profile.name
        assert decoder.decode(payload) == message, f"{profile.name}: without a port it is read as on its own"


def test_a_published_message_cut_short_is_never_read_as_another(data_dir):
    for row in rows(data_dir):
        profile, decoder, whole = decoded(row)
        payload = bytes.fromhex(row["bytes_hex"])
        for length in range(len(payload)):
            try:
                message = decoder.decode(payload[:length], row["fPort"])
            except DecodeError:
                continue
            agreed = zip(message.values, whole.values, strict=True)
            assert message.problems or whole.earlier or all(one is None or one == other for one, other in agreed), (
                profile.name,
                length,
            )


def test_what_a_zigbee_smoke_detector_published_when_its_button_was_pressed(data_dir):
    rows = json.loads((data_dir / "payloads" / "mqtt_payload_samples.json").read_text(encoding="utf-8"))
    [row] = [row for row in rows if row["family"] == "zigbee2mqtt"]
    decoder = LIBRARY["lumi/jtyj-gd-01lm-bw"].decoder()
    message = decoder.decode(fast_json.encode(row["payload"]))
    found = {point.name: value for point, value in zip(decoder.points, message.values, strict=True)}
    assert (found["alarm"], found["battery"], found["voltage"]) == (0.0, 100.0, 3.075)
    assert message.problems == ()
