"""Alembic revisions of the database. See `sipgw.records.store.schema`."""
