"""The JSON Schema of the profile format is that of the code, and editors can use it on the library."""

from pathlib import Path

import jsonschema
import pytest

from device_profiles import schema, yaml_source
from device_profiles.library import BUILT_IN, profile_files

COMMITTED = Path(__file__).parents[2] / "docs" / "schemas" / schema.FILE_NAME


def test_the_committed_schema_is_up_to_date():
    assert COMMITTED.read_text(encoding="utf-8") == schema.text(), "run: python -m device_profiles.schema docs/schemas"


@pytest.mark.parametrize("file", profile_files(BUILT_IN), ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_every_profile_fits_the_schema(file):
    source = yaml_source.read(file.read_text(encoding="utf-8"), str(file))
    jsonschema.Draft202012Validator(schema.document()).validate(source.data)
