"""A service on both databases: SQLite in a file, and a PostgreSQL of the tests' own."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra 'serve'")
pytest.importorskip("starlette", reason="needs the extra 'serve'")

from argon2 import PasswordHasher
from walk import open_new

from idverify.service import api_keys
from idverify.service.api_keys import Caller
from idverify.service.core import Core, open_core
from idverify.service.desk import accounts
from idverify.service.settings import Limits, Settings


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL that listens on a socket in a folder only."""

    folder: Path
    bin: Path
    user: str

    def run(self, *command: str) -> None:
        keywords = {"user": self.user} if os.getuid() == 0 else {}
        subprocess.run(
            [str(self.bin / command[0]), *command[1:]], check=True, capture_output=True, cwd=self.folder, **keywords
        )

    def psql(self, statement: str) -> None:
        self.run("psql", "-h", str(self.folder), "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", statement)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{self.user}@/{database}?host={self.folder}"

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Address of a database for one test."""
        name = f"t{time.monotonic_ns()}"
        self.psql(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url(name)
        self.psql(f"DROP DATABASE {name} WITH (FORCE)")

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c max_connections=200"
        self.run("pg_ctl", "-D", str(self.folder / "db"), "-w", "-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "db"), "-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("psycopg", reason="needs the extra 'serve-cluster'")
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or [shutil.which("initdb") or ""]
    if not found[-1]:
        pytest.skip("needs a PostgreSQL server on this machine (Debian: apt-get install postgresql)")
    user = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        user = next((name for name in ("postgres", "nobody") if _exists(name)), "")
        if not user:
            pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
    # A socket's path has at most 107 bytes.
    folder = Path(
        subprocess.run(
            ["mktemp", "-d", "/tmp/idv-pg-XXXXXX"], check=True, capture_output=True, text=True
        ).stdout.strip()
    )
    if os.getuid() == 0:
        shutil.chown(folder, user)
    cluster = Cluster(folder=folder, bin=Path(found[-1]).parent, user=user)
    try:
        cluster.run("initdb", "-D", str(folder / "db"), "-U", user, "-A", "trust", "-E", "UTF8", "--no-sync")
        cluster.start()
        yield cluster
        cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@pytest.fixture(scope="session")
def migrated(postgres: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a PostgreSQL database whose tables are made: to copy it takes a tenth of the time."""
    postgres.psql("CREATE DATABASE migrated")
    open_core(Settings(data=tmp_path_factory.mktemp("migrated"), database=postgres.url("migrated"))).database.close()
    return "migrated"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a database whose tables are made, or empty for a file."""
    if request.param == "sqlite":
        yield ""
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    with cluster.database(request.getfixturevalue("migrated")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite'}"
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    with cluster.database() as url:
        yield url


@pytest.fixture(autouse=True)
def _passwords_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is checked here, nothing depends on what a guess costs; that it costs something is one test's matter."""
    monkeypatch.setattr(accounts, "_hasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def core(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Core]:
    settings = Settings(data=tmp_path / "data", database=database_url, limits=Limits(lease_s=15.0))
    opened = open_new(settings, clock=clock)
    yield opened
    opened.database.close()


@pytest.fixture
def caller(core: Core) -> Caller:
    key = api_keys.make_key(core, "tests")
    return Caller(id=key.id, name=key.name)
