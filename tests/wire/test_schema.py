"""The committed JSON Schemas are those of the code, and real messages fit them."""

from pathlib import Path

import jsonschema
import msgspec
import pytest

from wire import schema
from wire.reading import Series, TelemetryBlock

COMMITTED = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.mark.parametrize("name", sorted(schema.CONTENTS))
def test_the_committed_schema_is_up_to_date(name):
    stands = (COMMITTED / f"{name}.json").read_text(encoding="utf-8")
    assert stands == schema.text(schema.documents()[name]), "run: python -m wire.schema docs/schemas"


def test_writing_twice_gives_the_same_bytes(tmp_path):
    first = [file.read_bytes() for file in schema.write(tmp_path)]
    assert first == [file.read_bytes() for file in schema.write(tmp_path)]


@pytest.mark.parametrize("name", sorted(schema.CONTENTS))
def test_a_schema_is_a_schema(name):
    jsonschema.Draft202012Validator.check_schema(schema.documents()[name])


def test_a_real_message_fits_and_a_wrong_one_does_not():
    validator = jsonschema.Draft202012Validator(schema.documents()["reading"])
    block = TelemetryBlock([Series("d", "level", "m")], [0], [1], [0.2], [1])
    validator.validate(msgspec.to_builtins(block))
    assert not validator.is_valid({"table": []})
