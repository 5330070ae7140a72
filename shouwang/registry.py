"""`shouwang registry`: the device registry as a table, through the API of a running cloud."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx
import typer

app = typer.Typer(help="The device registry as a table: import, export.", no_args_is_help=True)
Url = Annotated[str, typer.Option("--url", envvar="SHOUWANG_URL", help="Address of the cloud.")]
Username = Annotated[str, typer.Option("--username", envvar="SHOUWANG_USERNAME", help="Account of a property manager.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="File with the password; else SHOUWANG_PASSWORD, else it is asked for."),
]
_WRONG_ROWS, _FAILED = 1, 2


@app.command("import")
def import_(
    table: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV; see `registry template`.")],
    url: Url = "http://127.0.0.1:8000",
    username: Username = "manager",
    password_file: PasswordFile = None,
    apply: Annotated[bool, typer.Option("--apply", help="Register; without it the table is only judged.")] = False,
    credentials: Annotated[
        Path | None, typer.Option(help="Where new devices' passwords go (0600); needed with --apply.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Judge a table of devices row by row, and with --apply register them: all rows or none.

    Exit codes: 0 every row is fine, 1 some row is wrong (nothing was applied), 2 the cloud refused or is not there.
    """
    if apply and credentials is None:
        _fail("--apply needs --credentials FILE: the passwords of new devices are shown this once.")
    with _signed_in(url, username, password_file) as cloud:
        headers = {"Content-Type": "text/csv"}
        path = f"/devices/import?dry_run={'false' if apply else 'true'}"
        result = _ask(cloud, "POST", path, content=table.read_bytes(), headers=headers).json()
    fresh = result.pop("credentials", [])
    if fresh and credentials is not None:
        from cloud.secret_files import write_secret

        write_secret(credentials, json.dumps(fresh, indent=2) + "\n", tighten_folder=False)
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        for row in result["rows"]:
            faults = "; ".join(f"{one['column']}: {one['what']} {one['fix']}".strip() for one in row["errors"])
            typer.echo(f"{row['row']:>5}  {row['verdict']:<8} {row['id']}  {faults}".rstrip())
        counts = ", ".join(f"{count} {verdict}" for verdict, count in result["counts"].items())
        typer.echo(f"{counts}; {'applied' if result['applied'] else 'nothing applied'}")
    if result["counts"]["error"]:
        raise typer.Exit(_WRONG_ROWS)


@app.command()
def export(
    out: Annotated[Path | None, typer.Argument(help="File; without one, standard output.")] = None,
    url: Url = "http://127.0.0.1:8000",
    username: Username = "manager",
    password_file: PasswordFile = None,
) -> None:
    """Write every device that the account may see, as a table that `registry import` takes."""
    with _signed_in(url, username, password_file) as cloud:
        data = _ask(cloud, "GET", "/devices/export.csv").content
    _put(out, data)


@app.command()
def template(
    out: Annotated[Path | None, typer.Argument(help="File; without one, standard output.")] = None,
) -> None:
    """Write an empty table."""
    from cloud.registry.import_table import template as text

    _put(out, text().encode())


def _put(out: Path | None, data: bytes) -> None:
    if out is None:
        sys.stdout.buffer.write(data)
    else:
        out.write_bytes(data)


@contextmanager
def _signed_in(url: str, username: str, password_file: Path | None) -> Iterator[httpx.Client]:
    if password_file is not None:
        password = password_file.read_text(encoding="utf-8").strip()
    else:
        password = os.environ.get("SHOUWANG_PASSWORD") or typer.prompt("Password", hide_input=True, err=True)
    with httpx.Client(base_url=f"{url.rstrip('/')}/api/v1", timeout=120) as cloud:
        answer = _ask(cloud, "POST", "/session", json={"username": username, "password": password}).json()
        cloud.headers["Authorization"] = f"Bearer {answer['token']}"
        cloud.cookies.clear()
        try:
            yield cloud
        finally:
            _ask(cloud, "DELETE", "/session")


def _ask(cloud: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    try:
        answer = cloud.request(method, path, **more)
    except httpx.HTTPError as error:
        _fail(f"no answer from {cloud.base_url}: {error}")
    if not answer.is_success:
        _fail(_reason(answer))
    return answer


def _reason(answer: httpx.Response) -> str:
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        problem = answer.json()
        faults = [f"  {one['where']}: {one['what']} {one['fix']}".rstrip() for one in problem.get("errors", [])]
        return "\n".join([problem["detail"], *faults])
    return f"{answer.request.method} {answer.request.url}: {answer.status_code}"


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(_FAILED)
