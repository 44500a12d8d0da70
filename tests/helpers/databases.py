"""Databases for tests: SQLite files, and a PostgreSQL server of the tests' own.

The server's programs are Debian's package ``postgresql``. It runs in a temporary folder, listens only on a
socket in it, and never waits for the disk. Where the programs or psycopg are missing, tests that need them
are skipped by name.
"""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy.engine import URL

SETTINGS = (
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "listen_addresses=",
)
OTHERS = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"

_DROP_SCHEMAS = """DO $$ DECLARE name text; BEGIN
FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)' LOOP
EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP; END $$"""
"""That of every study, and the one that logs without a name are in."""


class Server:
    """A PostgreSQL server with one database, which each test gets empty."""

    def __init__(self, programs: Path, folder: Path, psycopg: ModuleType) -> None:
        self._programs, self._folder, self._psycopg = programs, folder, psycopg
        self._user = _user()
        shutil.chown(folder, self._user)
        self._run(
            "initdb", "-D", f"{folder}/data", "-U", "lion", "-A", "trust", "-E", "UTF8", "-N", "--locale=C"
        )

    def start(self) -> None:
        options = " ".join(f"-c {setting}" for setting in SETTINGS)
        self._control("start", "-w", "-l", f"{self._folder}/log", "-o", f"-k {self._folder} {options}")

    def stop(self) -> None:
        """At once, as if it had been killed."""
        self._control("stop", "-w", "-m", "immediate")

    def new_database(self) -> str:
        """The URL of an empty database; that of the test before is lost."""
        self._execute(f"SELECT pg_terminate_backend(pid) {OTHERS}")  # so that none holds a lock
        self._execute(_DROP_SCHEMAS, "CREATE SCHEMA public")
        return self.url("postgres")

    def cut_connections(self) -> None:
        """As where a network fails; they are gone on return."""
        self._execute(f"SELECT pg_terminate_backend(pid, 5000) {OTHERS}")

    @contextmanager
    def small_disk(self) -> Iterator[str]:
        """The URL of an empty database whose tables lie on a disk of 3 MB."""
        url, disk = self.new_database(), self._folder / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            disk.rmdir()
            pytest.skip("this user may not mount file systems")
        try:
            shutil.chown(disk, self._user)
            self._execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
            yield f"{url}&options=-cdefault_tablespace%3Dsmall"
            self.new_database()
            self._execute("DROP TABLESPACE small")
        finally:
            subprocess.run(["umount", "--lazy", disk], check=True)
            disk.rmdir()

    def _execute(self, *statements: str) -> None:
        where = f"host={self._folder} user=lion dbname=postgres"
        with self._psycopg.connect(where, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def url(self, name: str) -> str:
        url = URL.create("postgresql", "lion", database=name, query={"host": str(self._folder)})
        return url.render_as_string()

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", f"{self._folder}/data", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            user=None if self._user == getpass.getuser() else self._user,
            cwd=self._folder, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def _user() -> str:
    """Whom the server runs as, which refuses to be root."""
    if os.geteuid():
        return getpass.getuser()
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _programs() -> Path | None:
    """The folder of the newest version's programs."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).parent)
    return max(
        found, key=lambda folder: [int(part) for part in folder.parts if part.isdecimal()], default=None
    )


@pytest.fixture(scope="session")
def _server() -> Iterator[Server | str]:
    """The server, or why there is none."""
    programs = _programs()
    try:
        import psycopg
    except ImportError:
        yield "psycopg is not installed"
        return
    if programs is None:
        yield "PostgreSQL is not installed"
        return
    folder = Path(tempfile.mkdtemp(prefix="lion-search-"))  # pytest's own folders are closed to other users
    try:
        server = Server(programs, folder, psycopg)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgresql(_server: Server | str, request: pytest.FixtureRequest) -> Server:
    if isinstance(_server, str):
        pytest.skip(f"{_server}: {request.node.nodeid}")
    return _server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/log.db"
    server: Server = request.getfixturevalue("postgresql")
    return server.new_database()
