"""The database of a gateway: SQLite by a path, PostgreSQL by a URL."""
