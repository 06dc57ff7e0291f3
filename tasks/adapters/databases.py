"""Where the daemon's databases are: SQLite files below the data folder, or elsewhere."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from tasks.settings import Settings, prefect_database

LEDGER, MLFLOW, PREFECT = "ledger", "mlflow", "prefect"


def addresses(settings: Settings) -> dict[str, str]:
    """The databases' URLs by name; a server's address (http) where only that is known."""
    return {LEDGER: settings.ledger_database, MLFLOW: settings.mlflow_tracking_uri,
            PREFECT: prefect_database(settings)}


def databases(settings: Settings) -> dict[str, Path | None]:
    """Their SQLite files; None for one that is elsewhere."""
    return {name: sqlite_file(address) for name, address in addresses(settings).items()}


def sqlite_file(address: str) -> Path | None:
    """The file of an SQLite URL; None of any other."""
    if not address.startswith("sqlite"):
        return None
    return Path(sa.make_url(address).database or "")


def without_password(address: str) -> str:
    """A URL that may be shown."""
    return address if address.startswith("http") else sa.make_url(address).render_as_string(hide_password=True)
