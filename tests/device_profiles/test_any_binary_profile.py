"""Whatever profile the loader takes, its decoder raises nothing but its error, whatever comes."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from profile_yaml import HEAD, profile

from device_profiles.decoder import DecodeError
from device_profiles.error import ProfileError
from device_profiles.frames.layout import CHECKSUMS, SIZES, TEXTS
from device_profiles.many import decode_columns

small = st.integers(0, 6)
kinds = st.sampled_from([*SIZES, *TEXTS])
integers = st.sampled_from(["u8", "i8", "u16", "i16", "u24", "u32", "i64"])
tag = st.sampled_from(["01", "02", "FF"])
ports = st.sampled_from([[2], [2, 3], [3]])
condition = st.fixed_dictionaries(
    {"at": small},
    optional={"type": integers, "mask": st.sampled_from([1, 3, 0x80]), "equals": small | st.lists(small, min_size=1)},
)
place = {
    "at": small,
    "type": kinds,
    "size": st.integers(1, 5),
    "order": st.sampled_from(["big", "little"]),
    "mask": st.sampled_from([1, 0x0F, 0xF0, 0x3FF]),
    "shift": st.integers(0, 4),
    "sign": st.sampled_from(["twos_complement", "magnitude"]),
    "missing": st.lists(small, max_size=2),
    "when": condition | st.lists(condition, max_size=2),
    "group": st.integers(0, 2),
    "optional": st.booleans(),
    "ports": ports,
    "tag": tag,
}
number = {
    "bias": st.integers(-9, 9),
    "scale": st.sampled_from([0.1, -0.5, 3.0]),
    "offset": st.sampled_from([-40.0, 0.5]),
    "map": st.dictionaries(st.sampled_from(["0", "1", "2"]), st.floats(-9, 9), max_size=2),
}
word = {"map": st.dictionaries(st.sampled_from(["0", "1", "2"]), st.sampled_from(["on", "off"]), max_size=2)}


def some_of(keys, *, required=(), most=5):
    """A few of the keys: with all of them hardly anything would be allowed."""
    names = sorted(set(keys) - set(required))
    chosen = st.lists(st.sampled_from(names), max_size=most, unique=True)
    return chosen.flatmap(lambda picked: st.fixed_dictionaries({name: keys[name] for name in [*required, *picked]}))


def extract(frame, extra, more):
    allowed = {key: value for key, value in (place | extra).items() if key != "tag" or frame["kind"] == "tlv"}
    if frame["kind"] == "tlv" or "groups" not in frame:
        allowed.pop("group")
    required = ("at", "type", "tag") if frame["kind"] == "tlv" else ("at", "type")
    one = some_of(allowed, required=required, most=3)
    also = st.lists(some_of(allowed, required=("at",), most=2), max_size=1)
    return st.tuples(one, also).map(lambda both: both[0] | more | ({"also": both[1]} if both[1] else {}))


@st.composite
def documents(draw):
    """A profile that may be taken."""
    kind = draw(st.sampled_from(["struct", "tlv", "registers"]))
    frame = {"kind": kind, "ports": [2, 3]}
    frame |= draw(
        some_of(
            {
                "order": st.sampled_from(["big", "little"]),
                "words": st.sampled_from(["high_first", "low_first"]),
                "checksum": st.fixed_dictionaries({"kind": st.sampled_from(list(CHECKSUMS)), "start": small}),
                "match": st.just([{"at": 0, "bytes": "01"}]),
                "answers": st.just(["00"]),
            },
            most=2,
        )
    )
    named = {"a": small | some_of(place | number, required=("at",), most=2), "s": small}
    if kind == "tlv":
        frame |= {"length": draw(st.sampled_from(["none", "u8", "u16"])), "skip": {"77": draw(small)}}
        if draw(st.booleans()):
            points = draw(some_of(named, required=("a",)))
            ts = draw(st.none() | st.just({"at": 0, "type": "u32", "unit": "s"}))
            size = draw(st.none() | st.integers(1, 9))
            records = {"tag": "09", "repeat": draw(st.booleans()), "points": points, "ts": ts, "size": size}
            frame["records"] = {key: value for key, value in records.items() if value is not None}
    else:
        frame |= draw(some_of({"ts": st.just({"at": 2, "type": "u32", "unit": "s"}), "length": st.integers(0, 12)}))
    if kind == "struct" and draw(st.booleans()):
        frame["groups"] = {
            "flags": {"at": 0},
            "start": draw(small),
            "sizes": draw(st.lists(small, min_size=3, max_size=3)),
        }
    elif kind == "struct" and draw(st.booleans()):
        every = draw(st.sampled_from([{}, {"every_s": 60.0}, {"ts": {"at": 0, "type": "u16"}}]))
        records = {
            "start": draw(small),
            "size": draw(st.integers(1, 6)),
            "points": draw(some_of(named, required=("a",))),
        }
        count = draw(st.sampled_from([{}, {"count": {"at": 0, "type": "u8"}}, {"ports": [3]}]))
        frame["records"] = records | every | count
    label = {"unit": "1", "label": {"zh": "值", "en": "Value"}}
    points = {name: draw(extract(frame, number, label)) for name in ("a", "b", "c")[: draw(st.integers(1, 3))]}
    points["d"] = label | {"formula": draw(st.sampled_from(["a + 1", "1 / a", "sqrt(a) * p", "max(a, p) - a / p"]))}
    return {
        "frame": frame,
        "points": points,
        "states": {"s": draw(extract(frame, word, {}))},
        "parameters": {"p": {"unit": "m", "label": {"zh": "高", "en": "Height"}}},
        "examples": [{"name": "a", "text": "x", "values": {}}],
    }


taken = []


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(document=documents(), data=st.data())
def test_a_profile_that_is_taken_decodes_anything(document, data):
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in document.items()]
    try:
        found = profile(HEAD + "\n".join(lines) + "\n")
    except ProfileError:
        return
    taken.append(document)
    decoders = [found.decoder({"p": 2.0}), found.decoder()]
    bytes_ = st.binary(max_size=30) | st.lists(st.sampled_from([0, 1, 2, 9, 0x77, 0xFF]), max_size=30).map(bytes)
    payloads = data.draw(st.lists(bytes_, min_size=1, max_size=12))
    answers = []
    for index, payload in enumerate(payloads):
        try:
            answers.append(decoders[index % 2].decode(payload, (None, 2, 3)[index % 3]))
        except DecodeError as error:
            answers.append(error)
    count = 140
    columns = decode_columns(
        found,
        [decoders[index % len(payloads) % 2] for index in range(count)],
        [payloads[index % len(payloads)] for index in range(count)],
        [(None, 2, 3)[index % len(payloads) % 3] for index in range(count)],
    )
    for row, answer in enumerate(answers):
        assert bool(columns.decoded[row]) is not isinstance(answer, DecodeError)
        if columns.decoded[row]:
            there = tuple(value is not None for value in answer.values)
            assert tuple(columns.present[row].tolist()) == there


def test_many_of_them_were_taken():
    assert len(taken) > 10
