"""Whatever stands in a profile file: the loader says what is wrong with it, and never ends in a traceback."""

import copy
import json
import random

import pytest
from profile_yaml import JSON, STRUCT, TLV

from device_profiles.error import ProfileError
from device_profiles.library import BUILT_IN
from device_profiles.loading import yaml_source
from device_profiles.loading.load import parse_profile

TEXTS = {
    "json": JSON,
    "struct": STRUCT,
    "tlv": TLV,
    "groups": (BUILT_IN / "decentlab" / "dl-mbx.yaml").read_text(encoding="utf-8"),
    "records": (BUILT_IN / "milesight" / "em500-udl.yaml").read_text(encoding="utf-8"),
    "keys": (BUILT_IN / "tuya" / "ywbj.yaml").read_text(encoding="utf-8"),
    "registers": (BUILT_IN / "generic" / "qdy30a.yaml").read_text(encoding="utf-8"),
    "senml": (BUILT_IN / "senml" / "water-level.yaml").read_text(encoding="utf-8"),
}
WRONG = [
    None,
    True,
    -1,
    0,
    3,
    1.5,
    10**18,
    "",
    "x",
    "level",
    "0x01",
    "01",
    [],
    [1],
    ["a"],
    [None],
    {},
    {"a": 1},
    {"at": 0},
]


def places(data, path=()):
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*path, key))


def broken(data, chance):
    """The same document with one to three things changed, taken away or called otherwise."""
    data = copy.deepcopy(data)
    for _ in range(chance.randint(1, 3)):
        path = chance.choice([path for path in places(data) if path])
        holder = data
        for step in path[:-1]:
            holder = holder[step]
        what = chance.random()
        if what < 0.6:
            holder[path[-1]] = chance.choice(WRONG)
        elif what < 0.8:
            del holder[path[-1]]
        elif isinstance(holder, dict):
            holder[f"{path[-1]}x"] = holder.pop(path[-1])
    return data


@pytest.mark.parametrize("kind", TEXTS)
def test_a_broken_profile_is_told_with_file_and_line(kind):
    chance = random.Random(kind)
    data = yaml_source.read(TEXTS[kind], "f").data
    refused = 0
    for _ in range(80):
        text = json.dumps(broken(data, chance), ensure_ascii=False, indent=1)
        try:
            profile = parse_profile(text, "f.yaml")
            profile.decoder()
        except ProfileError as error:
            refused += 1
            for problem in error.problems:
                assert problem.what
                assert problem.line is not None
                assert "input should" not in str(problem).lower(), (problem, text)
                assert "validation" not in str(problem).lower(), (problem, text)
    assert refused > 40
