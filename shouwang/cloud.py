"""`shouwang cloud`: the service – run it, seed it, keep its accounts."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import tomllib
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from cloud.audit.service import Head
    from cloud.database import Database
    from cloud.incidents.verification import Report
    from cloud.settings import Settings

app = typer.Typer(help="The cloud service: run it, seed it, keep its accounts.", no_args_is_help=True)
T = TypeVar("T")
CANNOT_START = 2

DataDir = Annotated[Path, typer.Option("--data-dir", help="Folder of the database, telemetry and secrets.")]
DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database-url",
        envvar="SHOUWANG_DATABASE_URL",
        show_envvar=True,
        help="sqlite+aiosqlite:///PATH or postgresql+asyncpg://…; default: SQLite in the data folder.",
    ),
]
_DATA_DIR = Path("var/cloud")


@app.command()
def run(
    data_dir: DataDir = _DATA_DIR,
    database_url: DatabaseUrl = "",
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes a free one.")] = "127.0.0.1:8000",
    secure_cookies: Annotated[bool, typer.Option(help="Set when people come by HTTPS.")] = False,
    demo_timeline: Annotated[str, typer.Option(help="Timeline of a demonstration; the screens say so.")] = "",
    trusted_proxy: Annotated[str, typer.Option(help="Address of a reverse proxy whose headers count.")] = "127.0.0.1",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    config: Annotated[
        Path | None,
        typer.Option(envvar="SHOUWANG_CLOUD_CONFIG", show_envvar=True, help="Further settings, TOML (docs/cloud.md)."),
    ] = None,
) -> None:
    """Run the service until SIGTERM or SIGINT: every role in this one process.

    Brings the database to the newest revision first. Writes `<data-dir>/run/cloud.json` {pid, url}.
    Exit codes: 0 stopped, 2 it can't start (the message says why).
    """
    import uvicorn

    from cloud.app import create_app
    from cloud.telemetry.store import StoreInUse

    if log_level not in {"debug", "info", "warning", "error"}:
        _refuse(f"--log-level: '{log_level}' is none of debug, info, warning, error.")
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        _refuse(f"--listen: '{listen}' is not HOST:PORT.")
    settings = _settings(
        data_dir,
        database_url,
        host=host.strip("[]"),
        port=int(port),
        secure_cookies=secure_cookies,
        demo_timeline=demo_timeline or None,
        **_read_config(config),
    )
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)

    async def serve() -> None:
        application = create_app(settings)
        services = application.state.services
        await services.telemetry.open()  # first: a second process must not touch the database
        await _migrate(services.db)
        config = uvicorn.Config(
            application,
            host=settings.host,
            port=settings.port,
            log_level=log_level,
            access_log=log_level == "debug",
            timeout_graceful_shutdown=3,
            forwarded_allow_ips=trusted_proxy,
            server_header=False,
        )
        listening = config.bind_socket()
        listening.listen(2048)
        bound = listening.getsockname()
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        _write_run_file(settings, f"http://{shown}:{bound[1]}")
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[assignment]  # it would raise them again
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.handle_exit, number, None)
        await server.serve([listening])

    try:
        asyncio.run(serve())
    except StoreInUse as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"cannot listen on {listen} or use {data_dir}: {error}")
    finally:
        with contextlib.suppress(FileNotFoundError):
            _drop_run_file(settings)


@app.command()
def seed(
    demo: Annotated[bool, typer.Option("--demo", help="The demonstration neighbourhood.")] = False,
    data_dir: DataDir = _DATA_DIR,
    database_url: DatabaseUrl = "",
) -> None:
    """Write areas, places, accounts, shifts and one edge; again changes nothing but renews the shifts.

    Generated passwords go to `<data-dir>/secrets/accounts.json`, the edge's token to `secrets/edge-<id>.token` (0600).
    """
    if not demo:
        _refuse("nothing to do: say --demo. (People of your own: `shouwang cloud account add`.)")
    settings = _settings(data_dir, database_url)
    opened = asyncio.run(_seed(settings))
    typer.echo(f"{opened} accounts opened; their passwords: {settings.secrets_dir / 'accounts.json'}")


async def _seed(settings: "Settings") -> int:
    from cloud.handoffs import seed as site_access
    from cloud.households import seed as households
    from cloud.people import passwords
    from cloud.people import service as people
    from cloud.registry import seed as demo
    from cloud.secret_files import write_secret
    from cloud.services import wall_clock
    from cloud.whistles import seed as departments

    now = wall_clock()
    accounts_file = settings.secrets_dir / "accounts.json"
    token_file = settings.secrets_dir / f"edge-{demo.EDGE_ID}.token"
    async with _database(settings) as db, db.transaction() as session:
        opened = await demo.demo(session, now=now, password=lambda _username: passwords.generate())
        called = await departments.demo(session, now=now, password=lambda _username: passwords.generate())
        await households.demo(session, now=now)
        await site_access.demo(session, now=now)
        known = json.loads(accounts_file.read_text(encoding="utf-8")) if accounts_file.exists() else []
        fresh = [
            {"username": one.username, "password": password, "name": one.name, "roles": [str(r) for r in one.roles]}
            for one, password in opened
        ]
        fresh += [
            {"username": one.username, "password": password, "name": one.name, "roles": [str(r) for r in one.roles]}
            for one, password in called
        ]
        names = {account["username"] for account in fresh}
        accounts = [account for account in known if account["username"] not in names] + fresh
        # written before the commit: an account whose password nobody knows would be worse than a stale line
        write_secret(accounts_file, json.dumps(accounts, ensure_ascii=False, indent=2) + "\n")
        if not token_file.exists():
            await people.revoke_edge_tokens(session, demo.EDGE_ID, now=now)
            write_secret(token_file, await people.issue_edge_token(session, demo.EDGE_ID, now=now) + "\n")
    return len(fresh)


@app.command("verify-audit")
def verify_audit(
    data_dir: DataDir = _DATA_DIR,
    database_url: DatabaseUrl = "",
    expect: Annotated[
        str, typer.Option(metavar="SEQ:HASH", help="A head noted earlier, elsewhere: it must still be in the chain.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
) -> None:
    """Say whether anything was changed unseen: the audit chain, and every incident's timeline against it.

    Changes nothing and may run beside the service. Note the head that it prints somewhere the database is not: with
    `--expect` it proves later that nothing before it was changed or cut off.
    Exit codes: 0 intact, 1 broken (it says where), 2 refused (the message says why).
    """
    from cloud.audit.service import Head

    try:
        head = Head.read(expect) if expect else None
    except ValueError as error:
        _refuse(f"--expect: {error}.")
    report = asyncio.run(_verify_audit(_settings(data_dir, database_url), head))
    shown = report.json()
    if as_json:
        typer.echo(json.dumps(shown, ensure_ascii=False))
    else:
        lines, count = shown["audit"]["lines"], shown["incidents"]
        typer.echo(f"{'intact' if report.intact else 'BROKEN'}: {lines} audit lines, {count} incidents")
        typer.echo(f"head {shown['audit']['head']}")
        if shown["audit"]["broken_at"] is not None:
            typer.echo(f"audit line {shown['audit']['broken_at']}: {shown['audit']['why']}")
        if shown["audit"]["expected_holds"] is False:
            typer.echo(f"the expected head {shown['audit']['expected']} is not in the chain")
        for one in shown["broken"]:
            typer.echo(f"incident {one['number'] or one['incident']}, line {one['line']}: {one['why']}")
        if shown["more"]:
            typer.echo(f"and {shown['more']} more")
    raise typer.Exit(0 if report.intact else 1)


async def _verify_audit(settings: "Settings", expected: "Head | None") -> "Report":
    from sqlalchemy.exc import DBAPIError

    from cloud.app import load_models
    from cloud.database import Database
    from cloud.incidents.verification import verify

    load_models()
    if not settings.database_url and not (settings.data_dir / "cloud.sqlite").exists():
        _refuse(f"there is no database in {settings.data_dir}.")
    db = Database(settings.url)
    try:
        async with db.snapshot() as session:
            return await verify(session, expected)
    except DBAPIError as error:
        _refuse(f"this database cannot be read, or is of an earlier version: {error.orig}")
    finally:
        await db.close()


account_app = typer.Typer(help="Accounts, without the screens.", no_args_is_help=True)
app.add_typer(account_app, name="account")


@account_app.command("add")
def account_add(
    username: Annotated[str, typer.Argument(help="Name to sign in with.")],
    name: Annotated[str, typer.Option(help="Name as people say it.")],
    role: Annotated[list[str], typer.Option(help="May be given more than once.")],
    area: Annotated[str, typer.Option(help="Path of the responsibility tree, e.g. /city/district/street.")],
    data_dir: DataDir = _DATA_DIR,
    database_url: DatabaseUrl = "",
) -> None:
    """Open an account; prints its generated password. Areas of the path that are missing are made.

    Exit codes: 0 done, 2 refused (the message says why).
    """
    import re

    from cloud.people.access import Role

    known = {str(one) for one in Role}
    wrong = [one for one in role if one not in known]
    if wrong:
        _refuse(f"--role: '{wrong[0]}' is none of {', '.join(sorted(known))}.")
    if not re.fullmatch(r"(/[a-z0-9][a-z0-9-]*){1,5}", area):
        _refuse("--area: one to five names of lower-case letters, digits and '-', as /city/district/street.")
    password = _guarded(_add_account(_settings(data_dir, database_url), username, name, role, area))
    typer.echo(password)


async def _add_account(settings: "Settings", username: str, name: str, roles: list[str], area: str) -> str:
    from cloud.people import passwords
    from cloud.people import service as people
    from cloud.people.access import Role
    from cloud.people.model import Area
    from cloud.services import wall_clock

    password = passwords.generate()
    async with _database(settings) as db, db.transaction() as session:
        for path in reversed(people.chain(area)):
            if await session.get(Area, path) is None:
                last = path.rsplit("/", 1)[-1]
                tier = people.TIERS[path.count("/") - 1]
                parent = path.rsplit("/", 1)[0] or None
                await people.add_area(session, Area(path=path, name=last, name_en=last, tier=tier, parent_path=parent))
        await people.add_person(
            session,
            username=username,
            password=password,
            name=name,
            roles=[Role(one) for one in roles],
            area_path=area,
            now=wall_clock(),
        )
    return password


@account_app.command("password")
def account_password(
    username: Annotated[str, typer.Argument(help="Whose.")],
    data_dir: DataDir = _DATA_DIR,
    database_url: DatabaseUrl = "",
) -> None:
    """Give an account a new generated password, and print it; its sessions end.

    Exit codes: 0 done, 2 refused (the message says why).
    """
    typer.echo(_guarded(_new_password(_settings(data_dir, database_url), username)))


async def _new_password(settings: "Settings", username: str) -> str:
    from cloud.people import passwords
    from cloud.people import service as people
    from cloud.problems import not_found

    password = passwords.generate()
    async with _database(settings) as db, db.transaction() as session:
        account = await people.account_by_username(session, username)
        if account is None:
            raise not_found("account", username)
        await people.change_person(session, account.id, {"password": password})
    return password


def _guarded(work: Coroutine[Any, Any, T]) -> T:
    from cloud.problems import Problem

    try:
        return asyncio.run(work)
    except Problem as problem:
        _refuse(problem.detail)


ON_THE_COMMAND_LINE = frozenset({"data_dir", "database_url", "host", "port", "secure_cookies", "demo_timeline"})


def _read_config(path: Path | None) -> dict[str, Any]:
    """Settings of a TOML file. What the command line says is said there alone."""
    if path is None:
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        _refuse(f"--config {path}: {error}")
    if twice := sorted(found.keys() & ON_THE_COMMAND_LINE):
        _refuse(f"--config {path}: {', '.join(twice)}: say it by the option of `shouwang cloud run`.")
    return found


def _settings(data_dir: Path, database_url: str, **more: Any) -> "Settings":
    from pydantic import ValidationError

    from cloud.settings import Settings

    os.umask(0o077)  # databases hold what only the service may read
    try:
        return Settings(data_dir=data_dir, database_url=database_url, **more)
    except ValidationError as error:
        first = error.errors()[0]
        _refuse(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}")


@contextlib.asynccontextmanager
async def _database(settings: "Settings") -> AsyncIterator["Database"]:
    from cloud.app import load_models
    from cloud.database import Database

    load_models()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    db = Database(settings.url)
    try:
        await _migrate(db)
        yield db
    finally:
        await db.close()


async def _migrate(db: "Database") -> None:
    from cloud import migrations

    await migrations.upgrade(db)


def _run_file(settings: "Settings") -> Path:
    return settings.data_dir / "run" / "cloud.json"


def _write_run_file(settings: "Settings", url: str) -> None:
    file = _run_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps({"pid": os.getpid(), "url": url}) + "\n", encoding="utf-8")
    draft.replace(file)
    typer.echo(f"listening on {url}")


def _drop_run_file(settings: "Settings") -> None:
    file = _run_file(settings)
    if json.loads(file.read_text(encoding="utf-8")).get("pid") == os.getpid():
        file.unlink()


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(CANNOT_START)
