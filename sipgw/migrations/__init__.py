"""Alembic revisions of the database. See `sipgw.store.schema`."""
