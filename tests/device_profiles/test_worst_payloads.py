"""No payload holds a decoder up: the longest ones, built to be the most work, stay far from what would be felt.

The limit is ten milliseconds (`docs/performance.md`). Time is this process's CPU time, the least of several runs, and
three times the limit is allowed: on a machine with other work the same work takes that much longer, and what this is
to catch, work that grows faster than the payload, takes a hundred times as long.
"""

import contextlib
import json
import struct
import time

import pytest
from profile_yaml import with_frame

from device_profiles.decoder import MAX_PAYLOAD_BYTES, Code, DecodeError
from device_profiles.frames.binary_frame import MAX_BINARY_BYTES
from device_profiles.frames.cbor_frame import MAX_CBOR_BYTES
from device_profiles.frames.codec_frame import MAX_CODEC_BYTES
from device_profiles.frames.struct_frame import StructPlan
from device_profiles.frames.text_frame import MAX_TEXT_BYTES
from device_profiles.frames.tlv_frame import TlvPlan
from device_profiles.library import Library

LIBRARY = Library.load()
BINARY = [profile for profile in LIBRARY if isinstance(profile.plan, StructPlan | TlvPlan)]
TEXT = [profile for profile in LIBRARY if profile not in BINARY]
LIMIT_S = 0.030
LIMITS = (MAX_PAYLOAD_BYTES, MAX_TEXT_BYTES, MAX_CBOR_BYTES, MAX_CODEC_BYTES)


def cpu_s(decoder, payload, fport=None):
    """The least CPU time of a few runs; errors are answers too."""
    took = []
    while len(took) < 1 or (min(took) > LIMIT_S and len(took) < 15):
        start = time.process_time()
        with contextlib.suppress(DecodeError):
            decoder.decode(payload, fport)
        took.append(time.process_time() - start)
    return min(took)


def slowest(profile, payloads):
    ports = [getattr(profile.document.frame, "ports", None) or [None]]
    decoder = profile.decoder({parameter.name: 3.0 for parameter in profile.parameters})
    return max((cpu_s(decoder, payload, port), payload[:32], port) for payload in payloads for port in ports[0])


def long_binaries(profile):
    """Payloads of the most bytes: noise of one byte, and every example over and over, cut to each start of a tag."""
    for byte in (0x00, 0x01, 0x7F, 0xFF):
        yield bytes([byte]) * MAX_BINARY_BYTES
    for example in profile.examples:
        if example.payload:
            yield (example.payload * (MAX_BINARY_BYTES // len(example.payload) + 1))[:MAX_BINARY_BYTES]
            yield example.payload * (MAX_BINARY_BYTES // len(example.payload))


@pytest.mark.parametrize("profile", BINARY, ids=lambda profile: profile.name)
def test_the_longest_binary_payloads(profile):
    took, *which = slowest(profile, long_binaries(profile))
    assert took < LIMIT_S, which


def tagged(plan):
    """For each tag of a model, as many of it as one payload takes: the most values, problems or records."""
    frame = plan.frame
    for entry in plan.tags:
        tag = entry.number.to_bytes(frame.tag_bytes, "big")
        for fill in (b"\x00", b"\x01", b"\xff"):
            length = {"none": b"", "u8": bytes([entry.size & 0xFF]), "u16": struct.pack(">H", entry.size)}[frame.length]
            one = tag + length + fill * max(entry.size, 1 if frame.length == "none" and entry.records >= 0 else 0)
            head = bytes(frame.start)
            for match in frame.match:
                mark = bytes.fromhex(match.bytes)
                head = head[: match.at] + mark + head[match.at + len(mark) :]
            yield head + one * ((MAX_BINARY_BYTES - len(head)) // len(one))


@pytest.mark.parametrize(
    "profile", [profile for profile in BINARY if isinstance(profile.plan, TlvPlan)], ids=lambda profile: profile.name
)
def test_one_tag_as_often_as_it_goes(profile):
    took, *which = slowest(profile, tagged(profile.plan))
    assert took < LIMIT_S, which


MANY = "\n".join(
    f"  p{index}: {{at: {index}, type: u8, map: {{0: 1}}, unit: '1', label: {{zh: 值, en: v}}}}" for index in range(40)
)
NAMES = ", ".join(f"p{index}: {{at: 0}}" for index in range(40))


def test_records_with_the_most_values_and_a_problem_in_each():
    frame = f"{{kind: struct, min_length: 40, records: {{start: 0, size: 1, points: {{{NAMES}}}}}}}"
    decoder = with_frame(frame, MANY).decoder()
    most = next(
        size for size in range(MAX_BINARY_BYTES, 39, -1) if not isinstance(outcome(decoder, b"\1" * size), DecodeError)
    )
    assert cpu_s(decoder, b"\1" * most) < LIMIT_S
    assert outcome(decoder, b"\1" * (most + 1)).code is Code.MALFORMED


def outcome(decoder, payload):
    try:
        return decoder.decode(payload)
    except DecodeError as error:
        return error


def texts(limit):
    """JSON of about the most bytes, built to be the most work."""
    key = '"level":1'

    def filled(head, piece, tail):
        return (head + piece * ((limit - len(head) - len(tail)) // len(piece)) + tail).encode()

    yield "deep", filled("", "[", "")
    yield "deep and closed", b"[" * (limit // 2) + b"]" * (limit // 2)
    yield "deep objects", filled("", '{"a":', "")
    yield "flat list", filled("[1", ",1", "]")
    yield "flat list in an object", filled(f'{{{key},"x":[1', ",1", "]}")
    yield "floats", filled(f'{{{key},"x":[1', ",1.7976931348623157e308", "]}")
    yield "short floats", filled(f'{{{key},"x":[1', ",1e290", "]}")
    yield "the same key with floats", filled(f"{{{key}", ',"level":1e290', "}")
    yield "objects", filled(f'{{{key},"x":[1', ',{"a":{}}', "]}")
    yield "nothing but braces", filled(f'{{{key},"x":[{{}}', ",{}", "]}")
    yield "a long number", filled('{"level":1', "7", "}")
    yield "a long fraction", filled('{"level":0.1', "7", "}")
    yield "a long text", filled('{"level":"', "x", '"}')
    yield "a long text of escapes", filled('{"level":"', "\\u4e2d", '"}')
    yield "NaN", filled(f'{{{key},"x":[NaN', ",NaN", "]}")
    yield "numbers that end the typed look", filled(f'{{{key},"battery":"?","x":[1e999', ",1e999", "]}")
    yield "the same key", filled(f"{{{key}", f",{key}", "}")
    yield "many keys", json.dumps({"level": 1, **{f"k{index}": index for index in range(limit // 16)}}).encode()[:limit]
    yield "an unknown object", json.dumps({f"k{index}": "v" for index in range(limit // 18)}).encode()
    yield "not UTF-8", b'{"level":"' + b"\xff" * (limit - 12) + b'"}'
    yield "a list of objects", filled('[{"level":1}', ',{"level":1}', "]")
    yield "keys and values", filled('[{"code":"a","value":1}', ',{"code":"a","value":1}', "]")
    yield "nulls", b"\0" * limit
    yield "bytes", bytes(index % 256 for index in range(limit))
    yield "CBOR lists", b"\x81" * limit
    yield "CBOR maps", b"\xa1\x01" * (limit // 2)
    yield "CBOR of many items", b"\x9a" + (limit - 5).to_bytes(4, "big") + b"\x01" * (limit - 5)


def one_of_each_plan():
    """A profile of each frame whose text is read, and json ones with keys at the top and deeper."""
    found = {}
    for profile in TEXT:
        deep = any(isinstance(point.at, list) or "." in str(point.at) for point in profile.document.points.values())
        found.setdefault((profile.frame, deep, bool(profile.states), bool(profile.formulas)), profile)
    level = "  level: {unit: m}"
    listed = "keys, key: code, value: value"
    for frame in ("json", "cbor", "senml, encoding: both", "keys", listed, "codec, name: cayenne-lpp"):
        found[frame] = with_frame(f"{{kind: {frame}}}", level)
    return list(found.values())


@pytest.mark.parametrize("profile", one_of_each_plan(), ids=lambda profile: f"{profile.name} {profile.frame}")
def test_the_longest_texts(profile):
    decoder = profile.decoder()
    slow = {
        (name, limit): took
        for limit in LIMITS
        for name, payload in texts(limit)
        if (took := cpu_s(decoder, payload)) >= LIMIT_S
    }
    assert not slow


@pytest.mark.parametrize("profile", LIBRARY, ids=lambda profile: profile.name)
def test_a_mebibyte_is_refused(profile):
    answer = outcome(profile.decoder(), b" " * (1 << 20))
    assert isinstance(answer, DecodeError)
    assert answer.code is Code.TOO_LARGE
