"""JSON Schema (2020-12) of the profile format, for editors: `python -m device_profiles.schema docs/schemas`."""

import json
import sys
from pathlib import Path
from typing import Any

from device_profiles.document import ProfileDocument

FILE_NAME = "profile.json"


def document() -> dict[str, Any]:
    """The schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:shouwang:profile:v1",
    } | ProfileDocument.model_json_schema(by_alias=True)


def text() -> str:
    """The schema as it stands in its file."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write(folder: Path) -> Path:
    """Writes the schema into a folder; the answer is the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE_NAME
    file.write_text(text(), encoding="utf-8")
    return file


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m device_profiles.schema FOLDER")
    print(write(Path(sys.argv[1])))
