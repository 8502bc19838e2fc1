"""Call detail records: encoded from events, written in order, exported."""
