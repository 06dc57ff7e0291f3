"""Run by Alembic, on the connection that :meth:`tasks.adapters.ledger.database.Database.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from tasks.adapters.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
