"""The database behind the ledger: opening, transactions, migrations. SQLite in WAL mode, or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from sm_core.errors import LedgerError

LONGEST_WAIT_S = 60
"""For another process's transaction, on SQLite."""
_MIGRATIONS = Path(__file__).with_name("migrations")
_UPGRADE_LOCK = 7_040_001
_READ_ONLY = "sm_read_only"

Insert = postgresql.Insert | sqlite.Insert


class Database:
    """Transactions on one database; its troubles are SM704.

    Parameters
    ----------
    url
        SQLAlchemy URL.
    durable
        What is committed survives a power cut on SQLite too, at the cost of one more wait for the disk.

    Raises
    ------
    LedgerError   SM704, the URL cannot be understood or its driver is not installed.
    """

    def __init__(self, url: str, durable: bool = False) -> None:
        with ledger_errors():
            parsed = sa.make_url(url)
            self._sqlite = parsed.get_backend_name() == "sqlite"
            if self._sqlite and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self._engine = sa.create_engine(
                parsed, pool_pre_ping=not self._sqlite, connect_args={"timeout": LONGEST_WAIT_S} if self._sqlite else {}
            )
        if self._sqlite:
            sa.event.listen(self._engine, "connect", _prepare_durable_sqlite if durable else _prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)

    def upgrade(self) -> None:
        """Bring the tables to the newest version; a second process waits until the first has done it."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with self.writing() as connection:
            if not self._sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def version(self) -> str:
        """Revision of the tables."""
        from alembic.migration import MigrationContext

        with self.reading() as connection:
            return MigrationContext.configure(connection).get_current_revision() or ""

    def size(self) -> int:
        """Size of the whole database [bytes]."""
        asked = "select page_count * page_size from pragma_page_count, pragma_page_size" if self._sqlite \
            else "select pg_database_size(current_database())"
        with self.reading() as connection:
            return int(connection.scalar(sa.text(asked)) or 0)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that waits for nobody and changes nothing."""
        with ledger_errors(), self._engine.connect().execution_options(**{_READ_ONLY: True}) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that takes effect as a whole or not at all."""
        with ledger_errors(), self._engine.begin() as connection:
            yield connection

    def insert(self, table: sa.Table) -> Insert:
        """An insert that may say what to do on conflict."""
        return insert(table, self._engine.dialect.name)

    def close(self) -> None:
        self._engine.dispose()


def insert(table: sa.Table, dialect: str) -> Insert:
    """The dialect's own insert: only those know ``on conflict``."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


@contextmanager
def ledger_errors() -> Iterator[None]:
    """The database's, its driver's and the disk's troubles as SM704."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, ImportError, OSError) as cause:
        reason = cause.orig if isinstance(cause, sa.exc.StatementError) and cause.orig else cause
        raise LedgerError(f"the ledger cannot be used: {reason}") from cause


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # Otherwise the driver begins transactions at moments of its own choice, and never before DDL
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("pragma journal_mode=wal")
    cursor.execute("pragma synchronous=normal")
    cursor.close()


def _prepare_durable_sqlite(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    _prepare_sqlite(connection, entry)
    cursor = connection.cursor()
    cursor.execute("pragma synchronous=full")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    options: Any = connection.get_execution_options()
    # A transaction that reads first and writes later cannot wait for its turn; one that begins as a writer can
    connection.exec_driver_sql("begin" if options.get(_READ_ONLY) else "begin immediate")
