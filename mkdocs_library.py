"""Puts the library's YAML files beside the pages, so that `docs/devices.md` can link to them on a site too."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent


def on_files(files: Files, config: Any) -> Files:
    """Called by mkdocs (`hooks` in mkdocs.yml)."""
    for file in sorted((ROOT / "device_profiles" / "library").rglob("*.yaml")):
        files.append(File.generated(config, file.relative_to(ROOT).as_posix(), abs_src_path=str(file)))
    return files
