"""JSON Schemas (2020-12) of profiles and sources, for editors.

`python -m device_profiles.authoring.schema docs/schemas` writes them.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from device_profiles.authoring.schema_words import WORDS
from device_profiles.document import ProfileDocument
from device_profiles.sources.source_document import SourceDocument

FILE_NAME = "profile.json"
SOURCE_FILE_NAME = "source.json"


def document() -> dict[str, Any]:
    """The schema of a profile."""
    return _schema(ProfileDocument, "urn:shouwang:profile:v1")


def source_document() -> dict[str, Any]:
    """The schema of a source."""
    return _schema(SourceDocument, "urn:shouwang:source:v1")


def text() -> str:
    """The schema of a profile as it stands in its file."""
    return _text(document())


def source_text() -> str:
    """The schema of a source as it stands in its file."""
    return _text(source_document())


def write(folder: Path) -> list[Path]:
    """Writes the schemas into a folder; the answer is the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / FILE_NAME: text(), folder / SOURCE_FILE_NAME: source_text()}
    for file, content in files.items():
        file.write_text(content, encoding="utf-8")
    return list(files)


def _schema(model: type[BaseModel], name: str) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    for title, part in {model.__name__: schema, **schema["$defs"]}.items():
        for key, shape in part.get("properties", {}).items():
            if "description" not in shape and (words := WORDS.get(f"{title}.{key}", WORDS.get(key))):
                shape["description"] = words
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": name} | schema


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m device_profiles.authoring.schema FOLDER")
    for written in write(Path(sys.argv[1])):
        print(written)
