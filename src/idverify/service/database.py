"""The database: SQLite in a file, or PostgreSQL by its address.

Conventions: a transaction that writes says so. On SQLite it takes the one write lock at once, so that two of them wait
instead of failing half way; on PostgreSQL rows are locked by the statements themselves.

Public items: :class:`Database`, :class:`DatabaseUnavailableError`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from idverify.errors import IdverifyError, ParameterError
from idverify.service.migrations import HEAD

__all__ = ["Database", "DatabaseUnavailableError"]

# How long a writer waits for another one before it gives up, in seconds.
_BUSY_S = 20.0
# Only one process may change the tables at a time: a name for PostgreSQL's advisory lock, arbitrary but fixed.
_MIGRATION_LOCK = 0x1DE7


class DatabaseUnavailableError(IdverifyError):
    """The database cannot be reached or written just now; nothing was changed."""


class Database:
    """Where rows are.

    Parameters
    ----------
    url
        ``sqlite:///FILE`` or ``postgresql+psycopg://...``.
    pool_size
        Connections kept, on PostgreSQL.

    Raises
    ------
    ParameterError
        The address cannot be used.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        try:
            parsed = make_url(url)
            self.sqlite = parsed.get_backend_name() == "sqlite"
            if not self.sqlite and parsed.get_backend_name() != "postgresql":
                raise ParameterError("the database's address starts with sqlite:/// or postgresql+psycopg://")
            options: dict[str, Any] = {"connect_args": {"timeout": _BUSY_S, "check_same_thread": False}}
            if not self.sqlite:
                # A connection that the server closed in the meantime is noticed before it is used.
                options = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 5}}
            self.engine: Engine = create_engine(
                parsed, pool_size=pool_size, max_overflow=20, pool_timeout=10, **options
            )
        except (ArgumentError, NoSuchModuleError) as error:
            raise ParameterError(f"the database's address cannot be used: {_one_line(error)}") from None
        except ImportError as error:
            raise ParameterError(f"a package for this database is missing ({error}); see idverify doctor") from None
        if self.sqlite:
            _prepare_sqlite(self.engine)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one consistent state; what it changes is not kept.

        Raises
        ------
        DatabaseUnavailableError
        """
        with self._translated(), self.engine.connect() as plain:
            connection = plain.execution_options(idverify_reads=True)
            with Session(connection, expire_on_commit=False) as session:
                yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are kept all or not at all.

        Raises
        ------
        DatabaseUnavailableError
        """
        with self._translated(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    def migrate(self) -> None:
        """Bring the tables to this version; safe when several processes start at once.

        Raises
        ------
        DatabaseUnavailableError
        """
        if self._is_current():
            return
        # Its import takes as long as all other tables' work together, and is needed once.
        from alembic import command
        from alembic.config import Config

        config = Config()
        with (
            resources.as_file(resources.files("idverify.service.migrations")) as scripts,
            self._translated(),
            self.engine.begin() as connection,
        ):
            if not self.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            config.set_main_option("script_location", str(scripts).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _is_current(self) -> bool:
        with self._translated(), self.engine.connect() as plain:
            connection = plain.execution_options(idverify_reads=True)
            if not inspect(connection).has_table("alembic_version"):
                return False
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD

    def ping(self) -> None:
        """Raise unless a row can be asked for.

        Raises
        ------
        DatabaseUnavailableError
        """
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def overwrite_deleted(self) -> None:
        """Leave nothing of what was deleted in the database's files, as far as the database lets us.

        SQLite overwrites deleted content (see where connections are made), but what was there before still lies in
        the log of changes until that is emptied; where somebody reads at this moment, the next call does it. On
        PostgreSQL its own vacuum does the same in its own time.

        Raises
        ------
        DatabaseUnavailableError
        """
        if not self.sqlite:
            return
        with self._translated(), closing(self.engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, PoolTimeoutError, sqlite3.Error) as error:
            raise DatabaseUnavailableError(_one_line(error)) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailableError(_one_line(error)) from error
            raise


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        # The driver's own idea of when a transaction begins would begin it too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        # https://www.sqlite.org/wal.html: readers do not wait for the writer; FULL survives a loss of power.
        # https://www.sqlite.org/pragma.html#pragma_secure_delete: a deleted key must not stay in a free page.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        reads = connection.get_execution_options().get("idverify_reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _one_line(error: Exception) -> str:
    """The driver's own words without the statement and its values: those may hold what no log should."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:200]
