"""Types of this API for the screens: `python -m cloud.web_types` writes them, `--check` says whether they are current.

The file stands in the repository, so that the screens build without a running cloud. It carries the hash of the API
that it was made from: the check needs no node and takes a second.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cloud.app import create_app
from cloud.settings import Settings

WEB = Path(__file__).parent / "web"
TYPES = WEB / "src" / "schema.d.ts"
_GENERATOR = WEB / "node_modules" / "openapi-typescript" / "bin" / "cli.js"
_NOT_FOR_SCREENS = ("/api/v1/edge/", "/api/v1/metrics", "/api/v1/openapi.json", "/api/v1/timelines/")
_WORDS = ("title", "description", "summary", "examples")
_OPTIONS = ("--default-non-nullable", "false")  # what has a default may be left out of a request
_MARK = "// API "


def for_screens(document: dict[str, Any]) -> dict[str, Any]:
    """What the screens need of an OpenAPI document.

    No routes of machines, no texts, no error answers (all are `ProblemDetails`), no schemas that nothing names.
    """
    paths = {}
    for path, acts in document["paths"].items():
        if not path.startswith(_NOT_FOR_SCREENS):
            paths[path] = {name: _act(act) for name, act in acts.items()}
    left: dict[str, Any] = _bare({"openapi": document["openapi"], "paths": paths})
    schemas = _bare(document["components"]["schemas"])
    named = _named(left, schemas)
    problem = {"ProblemDetails", "ProblemError"} & schemas.keys()
    left["info"] = {"title": document["info"]["title"], "version": document["info"]["version"]}
    left["components"] = {"schemas": {name: schemas[name] for name in sorted(named | problem)}}
    return left


def _act(act: dict[str, Any]) -> dict[str, Any]:
    answers = {code: answer for code, answer in act["responses"].items() if code.startswith("2")}
    return {key: value for key, value in act.items() if key not in ("operationId", "tags")} | {"responses": answers}


def _bare(part: Any, *, names: bool = False) -> Any:
    """Without titles and descriptions; `names`: the keys are names of properties, whatever they are called."""
    if isinstance(part, list):
        return [_bare(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        key: _bare(value, names=key in ("properties", "schemas", "paths") and not names)
        for key, value in part.items()
        if names or key not in _WORDS or not isinstance(value, str | list)
    }


def _named(part: Any, schemas: dict[str, Any]) -> set[str]:
    """Schemas that are referred to, and theirs."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            name = str(one.get("$ref", "")).rpartition("/")[2]
            if name in schemas and name not in found:
                found.add(name)
                waiting.append(schemas[name])
            waiting += one.values()
    return found


def document() -> dict[str, Any]:
    """The API of this source tree, as the screens need it."""
    with tempfile.TemporaryDirectory() as folder:
        return for_screens(create_app(Settings.model_validate({"data_dir": folder})).openapi())


def mark_of(api: dict[str, Any]) -> str:
    """The line that says which API a file was made from."""
    return _MARK + hashlib.sha256(json.dumps(api, sort_keys=True).encode()).hexdigest()[:32]


def is_current(api: dict[str, Any], types: Path = TYPES) -> bool:
    """Whether the file was made from this API."""
    return types.is_file() and mark_of(api) in types.read_text(encoding="utf-8").splitlines()[:3]


def write(api: dict[str, Any], types: Path = TYPES) -> None:
    """Make the file anew.

    Raises:
        SystemExit: there is no node, or the screens' packages are not installed; the message says what to do.
    """
    node = shutil.which("node")
    if node is None or not _GENERATOR.is_file():
        raise SystemExit("The generator is missing: run `npm ci` in cloud/web (node 20.19 or newer), then this again.")
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "api.json", Path(folder) / "api.d.ts"
        source.write_text(json.dumps(api), encoding="utf-8")
        command = [node, str(_GENERATOR), str(source), "--output", str(made), *_OPTIONS]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603  the generator of our own lock file
        text = made.read_text(encoding="utf-8")
    head = f"// Written by `make api` out of the cloud's OpenAPI document: do not edit.\n{mark_of(api)}\n"
    types.write_text(head + text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """The program."""
    parser = argparse.ArgumentParser(description="Types of the API for the screens")
    parser.add_argument("--check", action="store_true", help="say whether they are current, write nothing")
    given = parser.parse_args(arguments)
    api = document()
    if is_current(api):
        return 0
    if given.check:
        print(f"{TYPES.relative_to(WEB.parent.parent)} is not of this API: run `make api`.", file=sys.stderr)
        return 1
    write(api)
    print(f"written: {TYPES}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
