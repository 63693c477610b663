"""Alembic's environment: it runs only through hub.store.migrate, on the connection that it is given."""

from alembic import context

from hub.store.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
