"""Alembic migrations; hub.store.migrate runs them."""
