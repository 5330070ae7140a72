"""Every example of every profile in the library, and what the rest of the system counts on."""

import pytest

from device_profiles.authoring import advice
from device_profiles.error import ProfileError, UnknownProfileError
from device_profiles.example import mismatches
from device_profiles.library import BUILT_IN, Library, profile_files
from device_profiles.loading.load import read_profile
from wire.alert import Hazard

LIBRARY = Library.load()
EXAMPLES = [
    pytest.param(profile, example, id=f"{profile.name}: {example.name}")
    for profile in LIBRARY
    for example in profile.examples
]


@pytest.mark.parametrize(("profile", "example"), EXAMPLES)
def test_an_example_comes_true(profile, example):
    assert mismatches(example, profile.decoder(example.parameters)) == []


@pytest.mark.parametrize("name", LIBRARY.names())
def test_a_profile_stands_where_its_name_says_and_shows_an_error(name):
    profile = LIBRARY[name]
    assert (BUILT_IN / f"{name}.yaml").samefile(profile.file)
    assert any(example.error for example in profile.examples), "an example of what the model never sends"
    assert profile.maintenance.power is not None


@pytest.mark.parametrize("name", LIBRARY.names())
def test_a_profile_lacks_nothing_that_its_users_will_miss(name):
    allowed = {"aqara/djt12lm"}  # it says that it was shaken or moved, once, and nothing that a rule could watch
    left = [note for note in advice.notes(LIBRARY[name]) if "to judge" not in note or name not in allowed]
    assert left == []


NATIVE = {
    "shouwang/smoke": (
        Hazard.SMOKE,
        10.0,
        {"obscuration": "dB/m", "temperature": "Cel", "co": "[ppm]", "humidity": "%", "battery": "%", "alarm": "1"},
    ),
    "shouwang/water-level": (Hazard.WATER_LEVEL, 10.0, {"level": "m", "battery": "%"}),
    "shouwang/facade": (
        Hazard.CURTAIN_WALL,
        120.0,
        {
            "frequency": "Hz",
            "tilt": "deg",
            "gap": "mm",
            "rms": "m/s2",
            "wind": "m/s",
            "surface_temperature": "Cel",
            "peak": "m/s2",
            "crest": "1",
            "kurtosis": "1",
            "damping": "1",
            "prominence": "dB",
            "battery": "%",
        },
    ),
}


@pytest.mark.parametrize("name", NATIVE)
def test_a_native_model_is_what_the_fleet_and_the_rules_count_on(name):
    hazard, cadence_s, points = NATIVE[name]
    profile = LIBRARY[name]
    assert profile.hazard is hazard
    assert profile.cadence_s == cadence_s
    assert {point.name: point.unit for point in profile.points} == points


def test_the_facade_has_a_baseline_frequency_of_its_own():
    assert [parameter.name for parameter in LIBRARY["shouwang/facade"].parameters] == ["baseline_frequency_hz"]


def test_each_family_has_a_binary_model():
    families = {profile.hazard for profile in LIBRARY if profile.frame != "json"}
    assert families >= {Hazard.SMOKE, Hazard.WATER_LEVEL, Hazard.CURTAIN_WALL}


def test_a_model_is_found_by_another_name_too():
    assert LIBRARY["milesight-iot/em500-udl"] is LIBRARY["milesight/em500-udl"]
    assert "milesight-iot/em500-udl" in LIBRARY
    assert "milesight-iot/em500-udl" not in LIBRARY.names()


def test_an_unknown_name_gets_the_names_that_look_alike():
    with pytest.raises(UnknownProfileError, match="milesight/em500-udl") as caught:
        LIBRARY["milesight/em500-ud"]
    assert isinstance(caught.value, ProfileError)
    assert isinstance(caught.value, KeyError)


def test_the_same_bytes_decode_by_the_profile_and_never_by_guess():
    payload = bytes.fromhex("0100 5F 0500 01")
    smoke = LIBRARY["yobiiq/sd1001"].decoder().decode(payload)
    other = LIBRARY["milesight/em400-udl"].decoder().decode(payload)
    assert "alarm" in smoke.events
    assert "alarm" not in other.events


def test_a_folder_of_ones_own_adds_profiles_and_may_replace_one(tmp_path):
    source = (BUILT_IN / "shouwang" / "water-level.yaml").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(source.replace("cadence_s: 10", "cadence_s: 60"), encoding="utf-8")
    library = Library.load(tmp_path)
    assert library["shouwang/water-level"].cadence_s == 60
    assert library["shouwang/smoke"].cadence_s == 10


def test_two_files_of_one_folder_cannot_be_the_same_model(tmp_path):
    source = (BUILT_IN / "shouwang" / "water-level.yaml").read_text(encoding="utf-8")
    for file in ("a.yaml", "b.yaml"):
        (tmp_path / file).write_text(source, encoding="utf-8")
    with pytest.raises(ProfileError, match=r"b\.yaml.*a\.yaml already"):
        Library.load(tmp_path)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ProfileError, match="is not a folder"):
        Library.load(tmp_path / "nowhere")


def test_every_broken_file_is_named_at_once(tmp_path):
    for file in ("a.yaml", "b.yaml"):
        (tmp_path / file).write_text("profile: x", encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        Library.load(tmp_path)
    assert {problem.file.rsplit("/", 1)[1] for problem in caught.value.problems} == {"a.yaml", "b.yaml"}


def test_loading_a_profile_reads_only_that_file():
    [file] = [file for file in profile_files(BUILT_IN) if file.name == "em500-udl.yaml"]
    assert read_profile(file).name == "milesight/em500-udl"
