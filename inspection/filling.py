"""What fills the index of a run: tables, and the statements of each pass, as SQLite runs them.

Each statement takes what was written in the ledger after one place (`:after`) and up to another
(`:upto`), in the order of writing. An examination is written once all that it refers to is there.
"""

from typing import NamedTuple

SCHEMA = """
CREATE TABLE passes (name TEXT PRIMARY KEY, done INTEGER NOT NULL);
INSERT INTO passes VALUES ('rows', 0), ('texts', 0), ('calls', 0);
CREATE TABLE examinations (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, round INTEGER, kind TEXT, topic TEXT,
    point_id TEXT, outcome TEXT NOT NULL, code TEXT NOT NULL, turns INTEGER NOT NULL, gap REAL,
    spread REAL, question TEXT NOT NULL, models TEXT, tokens INTEGER, calls INTEGER, usd REAL
);
CREATE TABLE turns (
    number INTEGER NOT NULL, place INTEGER NOT NULL, id TEXT NOT NULL, question TEXT,
    gap REAL, spread REAL, PRIMARY KEY (number, place)
) WITHOUT ROWID;
CREATE TABLE asked (question TEXT NOT NULL, number INTEGER NOT NULL);
CREATE INDEX asked_by_question ON asked (question);
CREATE TABLE named (
    number INTEGER NOT NULL, call_id TEXT NOT NULL, PRIMARY KEY (number, call_id)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE texts USING fts5 (body, content='', tokenize='unicode61 remove_diacritics 2');
CREATE TABLE points (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, topic TEXT, statement TEXT
);
CREATE TABLE grounds (
    point_id TEXT NOT NULL, passage_id TEXT NOT NULL, PRIMARY KEY (point_id, passage_id)
) WITHOUT ROWID;
CREATE INDEX grounds_by_passage ON grounds (passage_id);
CREATE TABLE seeds (number INTEGER PRIMARY KEY, round INTEGER);
CREATE TABLE passages (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document_id TEXT, source TEXT, title TEXT,
    heading TEXT, start INTEGER, characters INTEGER
);
CREATE INDEX passages_by_document ON passages (document_id, start);
CREATE VIRTUAL TABLE passage_texts USING fts5 (
    body, content='', tokenize='unicode61 remove_diacritics 2'
);
CREATE TABLE calls (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, attempt INTEGER, role TEXT, task TEXT, model TEXT,
    read INTEGER, written INTEGER, seconds REAL, adopted INTEGER, asked TEXT
);
CREATE INDEX calls_by_id ON calls (id);
CREATE INDEX calls_by_question ON calls (asked) WHERE asked IS NOT NULL;
CREATE TABLE prices (model TEXT PRIMARY KEY, read REAL, written REAL);
"""


class Portion(NamedTuple):
    """One pass: what says up to where it goes, its statements, and those once it is there."""

    end: str
    statements: tuple[str, ...]
    last: tuple[str, ...] = ()
    priced: bool = False


_NEW = "kind = '{}' AND rowid > :after AND rowid <= :upto"
_EXAMINATIONS = _NEW.format("Examination").replace("rowid", "e.rowid").replace("kind", "e.kind")

ROWS = Portion(
    "SELECT COALESCE(MAX(rowid), 0) FROM run.records",
    (
        f"""
        INSERT OR IGNORE INTO points
        SELECT rowid, id, json_extract(body, '$.topic'), json_extract(body, '$.statement')
        FROM run.records WHERE {_NEW.format("Point")}
        """,
        f"""
        INSERT OR IGNORE INTO grounds
        SELECT r.id, json_extract(g.value, '$.passage_id')
        FROM run.records r, json_each(r.body, '$.grounds') g
        WHERE r.{_NEW.format("Point").replace("rowid", "r.rowid")}
        """,
        f"""
        INSERT OR IGNORE INTO seeds SELECT rowid, json_extract(body, '$.round')
        FROM run.records WHERE {_NEW.format("Seed")}
        """,
        f"""
        INSERT OR IGNORE INTO passages
        SELECT rowid, id, json_extract(body, '$.document_id'), json_extract(body, '$.source'),
            json_extract(body, '$.title'), json_extract(body, '$.heading'),
            json_extract(body, '$.start'), length(json_extract(body, '$.text'))
        FROM run.records WHERE {_NEW.format("Passage")}
        """,
        f"""
        INSERT INTO passage_texts (rowid, body)
        SELECT rowid, json_extract(body, '$.title') || ' ' || json_extract(body, '$.heading')
            || ' ' || json_extract(body, '$.text')
        FROM run.records WHERE {_NEW.format("Passage")}
        """,
        f"""
        INSERT OR IGNORE INTO turns
        SELECT e.rowid, j.key, j.value, json_extract(t.body, '$.question.text'),
            json_extract(t.body, '$.verdict.gap'), json_extract(t.body, '$.verdict.spread')
        FROM run.records e, json_each(e.body, '$.turn_ids') j
        JOIN run.records t ON t.id = j.value WHERE {_EXAMINATIONS}
        """,
        f"""
        INSERT OR IGNORE INTO examinations
        SELECT e.rowid, e.id, json_extract(e.body, '$.round'), json_extract(s.body, '$.kind'),
            json_extract(p.body, '$.topic'), p.id,
            CASE WHEN json_extract(e.body, '$.accepted_turn_id') IS NULL
                THEN 'rejected' ELSE 'accepted' END,
            COALESCE(json_extract(e.body, '$.rejection.code'), ''),
            json_array_length(e.body, '$.turn_ids'),
            (SELECT MAX(gap) FROM turns WHERE number = e.rowid),
            (SELECT MAX(spread) FROM turns WHERE number = e.rowid),
            COALESCE(
                json_extract(q.body, '$.text'),
                (SELECT question FROM turns WHERE number = e.rowid ORDER BY place DESC LIMIT 1), ''
            ),
            NULL, NULL, NULL, NULL
        FROM run.records e
        LEFT JOIN run.records s ON s.id = json_extract(e.body, '$.seed_id')
        LEFT JOIN run.records p ON p.id = json_extract(s.body, '$.point_id')
        LEFT JOIN run.records q ON q.id = json_extract(e.body, '$.rejection.question_id')
        WHERE {_EXAMINATIONS}
        """,
        f"""
        INSERT INTO asked
        SELECT json_extract(q.body, '$.text'), e.rowid FROM run.records e
        JOIN run.records q ON q.id = json_extract(e.body, '$.rejection.question_id')
        WHERE {_EXAMINATIONS}
        """,
        "INSERT INTO asked SELECT question, number FROM turns "
        "WHERE number > :after AND number <= :upto AND question IS NOT NULL",
    ),
)

# Each text of a JSON value that people or models wrote, with spaces between.
_SPOKEN = """
    SELECT group_concat(j.atom, ' ') FROM json_tree({body}) j
    WHERE j.type = 'text' AND j.path NOT IN ('$.verdict.grades', '$.turn_ids')
"""
TEXTS = Portion(
    # Later examinations have no row yet.
    "SELECT done FROM passes WHERE name = 'rows'",
    (
        f"""
        INSERT INTO texts (rowid, body)
        SELECT e.rowid, e.id || ' ' || COALESCE(({_SPOKEN.format(body="e.body")}), '') || ' '
            || COALESCE(json_extract(p.body, '$.topic'), '') || ' '
            || COALESCE(json_extract(p.body, '$.statement'), '') || ' '
            || COALESCE(json_extract(q.body, '$.text'), '') || ' '
            || COALESCE((
                SELECT group_concat(({_SPOKEN.format(body="t.body")}), ' ')
                FROM turns o JOIN run.records t ON t.id = o.id WHERE o.number = e.rowid), '') || ' '
            || COALESCE((
                SELECT group_concat(json_extract(c.body, '$.text'), ' ') FROM run.records c
                WHERE c.id IN (
                    SELECT json_extract(k.value, '$.passage_id')
                    FROM turns o JOIN run.records t ON t.id = o.id,
                        json_each(t.body, '$.expert') x, json_each(x.value, '$.citations') k
                    WHERE o.number = e.rowid
                )), '')
        FROM run.records e
        LEFT JOIN run.records s ON s.id = json_extract(e.body, '$.seed_id')
        LEFT JOIN run.records p ON p.id = json_extract(s.body, '$.point_id')
        LEFT JOIN run.records q ON q.id = json_extract(e.body, '$.rejection.question_id')
        WHERE {_EXAMINATIONS}
        """,
        f"""
        INSERT OR IGNORE INTO named
        SELECT o.number, j.atom FROM turns o JOIN run.records t ON t.id = o.id, json_tree(t.body) j
        WHERE o.number > :after AND o.number <= :upto AND j.key = 'call_id' AND j.atom <> ''
        UNION
        SELECT e.rowid, json_extract(q.body, '$.call_id') FROM run.records e
        JOIN run.records q ON q.id = json_extract(e.body, '$.rejection.question_id')
        WHERE {_EXAMINATIONS} AND json_extract(q.body, '$.call_id') <> ''
        """,
    ),
)

# Checks of an answer are in no record: their question, as its block in the request holds it, says
# which examination they belong to.
_OPEN, _SHUT = "<question>\\n", "\\n</question>"
CALLS = Portion(
    "SELECT COALESCE(MAX(rowid), 0) FROM run.calls",
    (
        f"""
        INSERT INTO calls
        SELECT number, id, attempt, role, task, model, read, written, seconds, adopted,
            CASE WHEN json_valid(block) THEN json_extract(block, '$') END
        FROM (
            SELECT rowid AS number, id, attempt, role, task,
                CASE instr(model, '+') WHEN 0 THEN model
                    ELSE substr(model, 1, instr(model, '+') - 1) END AS model,
                input_tokens AS read, output_tokens AS written, seconds, adopted,
                CASE WHEN role = 'grader' AND task IN ('support', 'guess', 'agree')
                    THEN '"' || substr(
                        request, instr(request, '{_OPEN}') + {len(_OPEN)},
                        instr(request, '{_SHUT}') - instr(request, '{_OPEN}') - {len(_OPEN)}
                    ) || '"' END AS block
            FROM run.calls WHERE rowid > :after AND rowid <= :upto
        )
        """,
    ),
    (
        """
        INSERT OR IGNORE INTO named
        SELECT a.number, c.id FROM asked a JOIN calls c ON c.asked = a.question
        WHERE a.number IN (SELECT number FROM examinations WHERE tokens IS NULL)
        """,
        """
        UPDATE examinations SET (tokens, calls, usd, models) = (
            SELECT COALESCE(SUM(c.read + c.written), 0), COUNT(c.id),
                CASE WHEN COUNT(c.id) = COUNT(p.read) THEN COALESCE(SUM(
                    (1 - c.adopted) * (c.read * p.read + c.written * p.written) / 1e6), 0) END,
                '|' || COALESCE(replace(group_concat(DISTINCT c.model), ',', '|'), '') || '|'
            FROM named n JOIN calls c ON c.id = n.call_id JOIN prices p ON p.model = c.model
            WHERE n.number = examinations.number
        ) WHERE tokens IS NULL
        """,
    ),
    priced=True,
)
