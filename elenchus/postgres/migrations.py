"""The tables of the schema `elenchus`, by version: upgrades in order, each made once.

LangGraph's own tables for checkpoints stand beside them, and have versions of their own.
"""

import psycopg
from psycopg import Connection

from elenchus.errors import UserError

LOCK = "hashtextextended('elenchus migrations', 0)"
# All runs are in the same tables, by id. Texts are ordered by their bytes, as SQLite's are;
# `number` is the order of writing, as its rowid is.
FIRST = r"""
CREATE TABLE elenchus.migrations (
    version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE elenchus.runs (
    id text COLLATE "C" PRIMARY KEY, domain text NOT NULL,
    launched timestamptz NOT NULL DEFAULT now(),
    holder text,  -- the process that had it last
    begun boolean NOT NULL DEFAULT false  -- whether there was a checkpoint
);
CREATE TABLE elenchus.records (
    run text COLLATE "C" NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY,
    id text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL, body text COLLATE "C" NOT NULL,
    PRIMARY KEY (run, id)
);
CREATE UNIQUE INDEX records_by_number ON elenchus.records (run, number);
CREATE INDEX records_by_kind ON elenchus.records (run, kind, id);
CREATE TABLE elenchus.calls (
    run text COLLATE "C" NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY,
    id text COLLATE "C" NOT NULL, attempt integer NOT NULL, role text COLLATE "C" NOT NULL,
    task text COLLATE "C" NOT NULL, model text COLLATE "C" NOT NULL,
    prompt_sha256 text COLLATE "C" NOT NULL, request text COLLATE "C" NOT NULL,
    response text COLLATE "C" NOT NULL, input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL, seconds double precision NOT NULL,
    likelihood double precision, finish_reason text COLLATE "C" NOT NULL,
    estimated integer NOT NULL, repaired integer NOT NULL, adopted integer NOT NULL DEFAULT 0,
    PRIMARY KEY (run, id, attempt)
);
CREATE UNIQUE INDEX calls_by_number ON elenchus.calls (run, number);
CREATE TABLE elenchus.sent (
    run text COLLATE "C" NOT NULL, number bigint NOT NULL, role text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL, input_tokens bigint NOT NULL, output_tokens bigint NOT NULL,
    PRIMARY KEY (run, number)
);
CREATE TABLE elenchus.files (
    run text COLLATE "C" NOT NULL, path text COLLATE "C" NOT NULL, part integer NOT NULL,
    sha256 text NOT NULL,  -- of the whole file
    content bytea NOT NULL,
    PRIMARY KEY (run, path, part)
);
ALTER TABLE elenchus.files ALTER COLUMN content SET STORAGE EXTERNAL;  -- weights do not compress

-- What the ledger's queries call by SQLite's names. PostgreSQL cannot look into JSON that holds
-- the escaped character of code 0, which is taken for an unreadable one.
CREATE FUNCTION elenchus.json_extract(body text, path text) RETURNS json
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN position('\u0000' IN body) = 0 THEN body
        ELSE regexp_replace(body, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g')
    END::json #> string_to_array(substr(path, 3), '.')
$$;
CREATE FUNCTION elenchus.instr(whole text, part text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT position(part IN whole) > 0 $$;
"""
MIGRATIONS = (FIRST,)


def migrate(connection: Connection, name: str) -> None:
    """Bring the schema up to date; where it is, that costs one query.

    Raises:
        UserError: a newer version of Elenchus made it, we may not make it, or the database keeps
            no Unicode.
    """
    if _version(connection, name) == len(MIGRATIONS):
        return
    if connection.info.parameter_status("server_encoding") != "UTF8":
        raise UserError(f"the {name} does not keep UTF-8: make one with `createdb -E UTF8 NAME`")
    # Before the transaction, which otherwise does not see the schema that is made meanwhile.
    connection.execute(f"SELECT pg_advisory_lock({LOCK})")
    try:
        with connection.transaction():
            _upgrade(connection, _version(connection, name))  # another may have come first
    except psycopg.errors.InsufficientPrivilege as error:
        user = connection.info.user
        raise UserError(
            f"{user} may make no schema in the {name}: let its owner run "
            f'`CREATE SCHEMA elenchus AUTHORIZATION "{user}"`'
        ) from error
    finally:
        connection.execute(f"SELECT pg_advisory_unlock({LOCK})")


def _upgrade(connection: Connection, done: int) -> None:
    if connection.execute("SELECT to_regnamespace('elenchus')").fetchone() == (None,):
        connection.execute("CREATE SCHEMA elenchus")
    for version, statements in enumerate(MIGRATIONS[done:], done + 1):
        connection.execute(statements.encode())
        connection.execute("INSERT INTO elenchus.migrations (version) VALUES (%s)", (version,))


def _version(connection: Connection, name: str) -> int:
    """Return the version of the schema; 0 where there is none."""
    found = connection.execute("SELECT to_regclass('elenchus.migrations')").fetchone()
    if found == (None,):
        return 0
    query = "SELECT COALESCE(MAX(version), 0) FROM elenchus.migrations"
    try:
        ((version,),) = connection.execute(query).fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        raise UserError(
            f"{connection.info.user} may not read the schema elenchus of the {name}: use the "
            "account that made it, or let it grant all on the schema and its tables"
        ) from error
    if version > len(MIGRATIONS):
        raise UserError(
            f"a newer version of Elenchus has changed the schema in the {name} (it is of version "
            f"{version}, this one's is {len(MIGRATIONS)}): update Elenchus here, too"
        )
    return int(version)
