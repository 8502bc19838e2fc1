"""Tenants in the index of words: a tenant's search skips the calls of others without reading them."""

from alembic import op

revision = "0031"
down_revision = "0030"
PLACE = "(CAST(strftime('%s', NEW.began) AS INTEGER) - 946684800) * 1000000 + CAST(substr(NEW.began, 21, 6) AS INTEGER)"
SQLITE = (
    "ALTER TABLE spoken_calls ADD COLUMN tenant VARCHAR(40) NOT NULL DEFAULT ''",
    """UPDATE spoken_calls SET tenant = (SELECT tenant FROM calls WHERE id = call)
    WHERE call IN (SELECT id FROM calls WHERE tenant <> '')""",
    "DROP TRIGGER spoken_call",
    # As in revision 0024, with the tenant.
    """CREATE TRIGGER spoken_call AFTER INSERT ON calls BEGIN
    INSERT INTO spoken_calls (place, call, tenant) SELECT CASE WHEN EXISTS (SELECT 1 FROM spoken_calls WHERE place = p)
    THEN (SELECT one.place + 1 FROM spoken_calls AS one WHERE one.place >= p AND NOT EXISTS (
    SELECT 1 FROM spoken_calls AS next WHERE next.place = one.place + 1) ORDER BY one.place LIMIT 1) ELSE p END, NEW.id,
    NEW.tenant FROM (SELECT {place} AS p); END""".replace("{place}", PLACE),
    """CREATE TRIGGER spoken_call_of_tenant AFTER UPDATE OF tenant ON calls BEGIN
    UPDATE spoken_calls SET tenant = NEW.tenant WHERE call = NEW.id; END""",
)
POSTGRESQL = (
    "ALTER TABLE turns ADD COLUMN tenant VARCHAR(40) NOT NULL DEFAULT ''",
    "UPDATE turns SET tenant = calls.tenant FROM calls WHERE calls.id = turns.call AND calls.tenant <> ''",
    """CREATE FUNCTION turn_of_tenant() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    NEW.tenant := coalesce((SELECT calls.tenant FROM calls WHERE calls.id = NEW.call), ''); RETURN NEW; END $$""",
    "CREATE TRIGGER turn_of_tenant BEFORE INSERT ON turns FOR EACH ROW EXECUTE FUNCTION turn_of_tenant()",
    """CREATE FUNCTION turns_of_tenant() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE turns SET tenant = NEW.tenant WHERE call = NEW.id AND tenant <> NEW.tenant; RETURN NULL; END $$""",
    """CREATE TRIGGER turns_of_tenant AFTER INSERT OR UPDATE OF tenant ON calls
    FOR EACH ROW EXECUTE FUNCTION turns_of_tenant()""",
    # Five turns a call. Of a million calls ANALYZE finds a sixth, and then a search in a few calls for a rare word asks
    # the index of words once for each call.
    "ALTER TABLE turns ALTER COLUMN call SET (n_distinct = -0.2)",
)


def upgrade() -> None:
    """To this revision."""
    connection = op.get_bind()
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement)
