"""An index of spoken words (see `sipgw.records.store.search`), and an index of calls by direction."""

from alembic import op
from sqlalchemy import Connection

revision = "0024"
down_revision = "0023"
PLACE = "(CAST(strftime('%s', {0}.began) AS INTEGER) - 946684800) * 1000000 + CAST(substr({0}.began, 21, 6) AS INTEGER)"
SQLITE = (
    "CREATE TABLE spoken_calls (place INTEGER PRIMARY KEY, call VARCHAR(255) NOT NULL UNIQUE)",
    """CREATE VIRTUAL TABLE spoken
    USING fts5(words, content='', detail=none, columnsize=0, tokenize='unicode61 remove_diacritics 0')""",
    # The next free place, if another call began in this microsecond.
    """CREATE TRIGGER spoken_call AFTER INSERT ON calls BEGIN
    INSERT INTO spoken_calls (place, call) SELECT CASE WHEN EXISTS (SELECT 1 FROM spoken_calls WHERE place = p)
    THEN (SELECT one.place + 1 FROM spoken_calls AS one WHERE one.place >= p AND NOT EXISTS (
    SELECT 1 FROM spoken_calls AS next WHERE next.place = one.place + 1) ORDER BY one.place LIMIT 1) ELSE p END, NEW.id
    FROM (SELECT {place} AS p); END""".replace("{place}", PLACE.format("NEW")),
    """CREATE TRIGGER spoken_call_deleted BEFORE DELETE ON calls BEGIN
    DELETE FROM turns WHERE call = OLD.id; DELETE FROM spoken_calls WHERE call = OLD.id; END""",
    """CREATE TRIGGER spoken_turn AFTER INSERT ON turns WHEN NEW.number BETWEEN 0 AND 4095 BEGIN
    INSERT INTO spoken (rowid, words) SELECT (place << 12) + NEW.number, NEW.caller || ' ' || NEW.said
    FROM spoken_calls WHERE call = NEW.call; END""",
    """CREATE TRIGGER spoken_turn_deleted BEFORE DELETE ON turns WHEN OLD.number BETWEEN 0 AND 4095 BEGIN
    INSERT INTO spoken (spoken, rowid, words) SELECT 'delete', (place << 12) + OLD.number, OLD.caller || ' ' || OLD.said
    FROM spoken_calls WHERE call = OLD.call; END""",
    """CREATE TRIGGER spoken_turn_changed AFTER UPDATE OF caller, said ON turns
    WHEN OLD.number BETWEEN 0 AND 4095 AND (OLD.caller <> NEW.caller OR OLD.said <> NEW.said) BEGIN
    INSERT INTO spoken (spoken, rowid, words) SELECT 'delete', (place << 12) + OLD.number, OLD.caller || ' ' || OLD.said
    FROM spoken_calls WHERE call = OLD.call;
    INSERT INTO spoken (rowid, words) SELECT (place << 12) + NEW.number, NEW.caller || ' ' || NEW.said
    FROM spoken_calls WHERE call = NEW.call; END""",
)
"""Tables and triggers; by triggers each change of a turn reaches the index, from any program."""
SEPARATORS = "!\"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~„“”‚‘’«»–—…¿¡·、。，！？"
POSTGRESQL = (
    # Only words, without the signs between them: otherwise "3.14" and "a@b.c" would be words. Bounded, like a tsvector.
    f"""ALTER TABLE turns ADD COLUMN words tsvector GENERATED ALWAYS AS (strip(to_tsvector('simple', translate(
    left(caller, 20000) || ' ' || left(said, 20000), '{SEPARATORS}', repeat(' ', {len(SEPARATORS) - 1}))))) STORED""",
    "CREATE INDEX turns_words ON turns USING gin (words)",
)


def upgrade() -> None:
    """To this revision."""
    op.create_index("calls_by_direction", "calls", ["direction", "began"])
    connection = op.get_bind()
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement)
    if connection.dialect.name == "sqlite":
        _fill(connection)


def _fill(connection: Connection) -> None:
    """Add the words of earlier calls and turns to the index."""
    taken: int | None = None
    places = []
    query = f"SELECT {PLACE.format('calls')} AS p, id FROM calls ORDER BY p, id"  # noqa: S608  nothing from outside
    for began, call in connection.exec_driver_sql(query):
        taken = began if taken is None else max(began, taken + 1)
        places.append((taken, call))
    if places:
        connection.exec_driver_sql("INSERT INTO spoken_calls (place, call) VALUES (?, ?)", places)
    connection.exec_driver_sql(
        "INSERT INTO spoken (rowid, words) SELECT (place << 12) + number, caller || ' ' || said FROM turns "
        "JOIN spoken_calls USING (call) WHERE number BETWEEN 0 AND 4095 ORDER BY 1"
    )
