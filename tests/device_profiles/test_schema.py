"""The JSON Schemas of the formats are those of the code, and editors can use them on what is there."""

from pathlib import Path

import jsonschema
import pytest

from device_profiles.authoring import devices_table, schema
from device_profiles.library import BUILT_IN, profile_files
from device_profiles.loading import yaml_source
from device_profiles.sources import source

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_schemas_are_up_to_date():
    advice = "run: python -m device_profiles.authoring.schema docs/schemas"
    assert (DOCS / "schemas" / schema.FILE_NAME).read_text(encoding="utf-8") == schema.text(), advice
    assert (DOCS / "schemas" / schema.SOURCE_FILE_NAME).read_text(encoding="utf-8") == schema.source_text(), advice


def test_the_table_of_devices_is_up_to_date():
    advice = "run: python -m device_profiles.authoring.devices_table docs/devices.md"
    assert (DOCS / "devices.md").read_text(encoding="utf-8") == devices_table.text(), advice


@pytest.mark.parametrize("document", [schema.document(), schema.source_document()], ids=["profile", "source"])
def test_editors_can_say_something_of_every_key(document):
    parts = {"": document, **document["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, part in parts.items()
        for key, shape in part.get("properties", {}).items()
        if not shape.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize("file", profile_files(BUILT_IN), ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_profile_fits_the_schema(file):
    read = yaml_source.read(file.read_text(encoding="utf-8"), str(file))
    jsonschema.Draft202012Validator(schema.document()).validate(read.data)


@pytest.mark.parametrize("file", profile_files(source.BUILT_IN), ids=lambda file: file.stem)
def test_every_source_fits_the_schema(file):
    read = yaml_source.read(file.read_text(encoding="utf-8"), str(file))
    jsonschema.Draft202012Validator(schema.source_document()).validate(read.data)
