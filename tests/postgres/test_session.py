"""A connection that breaks: what is waited for, what is written again, and what is refused."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from postgres_server import Server

from elenchus.errors import DatabaseGone, UserError
from elenchus.ledger import Ledger
from elenchus.postgres import MARK, Place, files, session, use, without_password
from elenchus.postgres.session import Session, common
from elenchus.records import Seed
from elenchus.redaction import redacted
from graphs.checkpoints_postgres import DatabaseSaver


def register(address: str, run: str = "one") -> Place:
    common(address).write("INSERT INTO elenchus.runs (id, domain) VALUES (%s, 'pool')", (run,))
    return Place(run, address)


def seed(number: int) -> Seed:
    return Seed(point_id="p", kind="apply", round=0, variation=number)


@pytest.fixture
def running(server: Server) -> Iterator[Server]:
    """A server that a test may stop; afterwards it runs again."""
    yield server
    if not server.is_running():
        server.start()


def test_what_a_crash_of_the_server_cost_is_written_again(database: str, running: Server) -> None:
    place, said = register(database), []
    with session.holding("one", database) as held:
        ledger = Ledger(place)
        ledger.tell(lambda text: (said.append(text), running.start()))
        numbers = [ledger.send("expert", "m", 1, 1) for _ in range(3)]
        ledger.write(*map(seed, range(50)))
        for one in range(50, 200):
            ledger.write(seed(one))
        ledger.withdraw(numbers[0])
        running.stop("immediate")
        ledger.write(seed(200))
        assert ledger.count(Seed) == 201
        assert [spent.calls for spent in ledger.unanswered()] == [2]
        held.settle(lambda connection: connection.execute("SELECT 1"))
        assert not held._unsafe
    assert said[0].startswith("the database d") and "is away: waiting for it" in said[0]


def test_a_database_that_stays_away_stops_the_run(
    database: str, running: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PATIENCE", 0.3)
    place = register(database)
    with session.holding("one", database):
        ledger = Ledger(place)
        running.stop("immediate")
        for _ in range(2):  # the second one does not wait
            with pytest.raises(DatabaseGone, match="has been away for 0 seconds"):
                ledger.write(seed(0))


def break_off(address: str) -> None:
    """Break the connections of all but those who read."""
    common(address).query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()"
    )


def test_a_broken_connection_is_made_again_with_its_lock(database: str) -> None:
    place = register(database)
    with session.holding("one", database):
        ledger = Ledger(place)
        break_off(database)
        ledger.write(seed(0))
        assert place.is_held()
        other = Session(database)
        with pytest.raises(UserError, match="run one is in use by another process"):
            other.hold("one")
        other.close()
    assert not place.is_held()


@pytest.mark.parametrize("keeps_it", [True, False])
def test_nothing_is_written_once_another_process_had_the_run(database: str, keeps_it: bool) -> None:
    place = register(database)
    with session.holding("one", database):
        ledger = Ledger(place)
        ledger.write(seed(0))
        break_off(database)
        other = Session(database)
        other.hold("one")
        if not keeps_it:
            other.close()
        with pytest.raises(DatabaseGone, match="another process has taken run one while"):
            ledger.write(seed(1))
        with pytest.raises(DatabaseGone):
            ledger.write(seed(2))
        other.close()
    assert Ledger(place).count(Seed) == 1


def test_the_schema_is_made_once_by_those_who_come_together(
    new_database: Callable[[], str],
) -> None:
    address, together = new_database(), threading.Barrier(4)

    def opened(_: int) -> None:
        together.wait()
        Session(address).close()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(opened, range(4))) == [None] * 4
    assert common(address).query("SELECT version FROM elenchus.migrations") == [(1,)]


def test_a_schema_of_a_newer_version_is_told(database: str) -> None:
    common(database).write("INSERT INTO elenchus.migrations VALUES (%s)", (2,))
    with pytest.raises(UserError, match=r"a newer version of Elenchus .* update Elenchus here"):
        Session(database)


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("postgresql://me:pw@h:5/d?sslmode=require", "postgresql://me@h:5/d?sslmode=require"),
        ("postgresql:///d?host=/run/pg&password=pw", "postgresql:///d?host=/run/pg"),
        ("postgres://:pw@h/d", "postgres://@h/d"),
        ("postgresql://h/d", "postgresql://h/d"),
    ],
)
def test_an_address_is_written_down_without_its_password(address: str, plain: str) -> None:
    assert without_password(address) == plain


def test_the_password_is_taken_out_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELENCHUS_DATABASE", "")
    use("postgresql://me:deep%2Fwater@h/d")
    assert redacted("it is deep/water, you know") == "it is [redacted], you know"


def test_files_are_equal_on_both_sides(database: str, tmp_path: Path) -> None:
    here, there = tmp_path / "a" / "pool" / "run-1", tmp_path / "b" / "pool" / "run-1"
    domain = tmp_path / "domain"
    for path, text in {
        here / "run.yaml": "config: {}", here / "adapters" / "round-1" / "w": "x" * 100,
        here / "dataset" / "train.jsonl": "{}", here / "adapters" / "round-2.partial" / "w": "half",
        here / "result.json": "{}", here / "empty": "", here / "run.lock": "",
        domain / "domain.yaml": "d", domain / "prompts" / "a" / "b.md": "p",
        domain / "hand.md": "h",
        domain / "documents" / "long.md": "l", domain / "tests" / "one.csv": "1",
        domain / "tests" / "two.csv": "2", tmp_path / "outside.md": "o",
    }.items():  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    settings = {
        "corpus": {"sources": [{"path": "documents"}]},
        "exam": {"hand": "hand.md", "questions": 3},
        "tests": {"t": {"rows": {"path": "tests/*.csv"}, "prompt": "../outside.md"}},
        "title": "a title: with [brackets] and **stars**" * 20,
    }
    files.register(database, here, domain, settings)
    files.restore(tmp_path / "b", database, "run-1")
    arrived = {p.relative_to(there).as_posix() for p in there.rglob("*") if p.is_file()}
    assert arrived == {
        "run.yaml", "adapters/round-1/w", "dataset/train.jsonl", "result.json", "empty", "run.lock",
        "domain/domain.yaml", "domain/prompts/a/b.md", "domain/hand.md", "domain/tests/one.csv",
        "domain/tests/two.csv", MARK,
    }  # fmt: skip

    def pulled(place: Path) -> files.Files:
        made = files.Files(place, common(database))
        made.pull(files.listed(common(database), "run-1")[0].files)
        return made

    (there / "dataset" / "train.jsonl").write_text("changed there")
    (there / "adapters" / "round-1" / "w").write_text("damaged")
    (there / "result.json").unlink()  # so that a resume writes it anew
    pulled(there).push()
    pulled(here).push()
    assert (here / "dataset" / "train.jsonl").read_text() == "changed there"
    assert (there / "adapters" / "round-1" / "w").read_text() == "x" * 100
    assert "result.json" not in files.listed(common(database), "run-1")[0].files
    assert not (here / "domain").exists()
    files.forget("run-1", database)
    assert files.listed(common(database)) == []


def test_large_files_come_in_parts(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PART", 7)
    here, content = tmp_path / "a" / "pool" / "run-1", bytes(range(256))
    here.mkdir(parents=True)
    (here / "run.yaml").write_bytes(content)
    files.register(database, here, tmp_path, {})
    files.restore(tmp_path / "b", database)
    assert (tmp_path / "b" / "pool" / "run-1" / "run.yaml").read_bytes() == content


def test_two_runs_of_one_id_are_told_apart(database: str, tmp_path: Path) -> None:
    one, other, third = (tmp_path / name / "pool" / "run-1" for name in "abc")
    for folder in (one, other, third):
        folder.mkdir(parents=True)
        (folder / "run.yaml").write_text("config: {}")
    files.register(database, one, tmp_path, {})
    with pytest.raises(UserError, match="has a run run-1 already: launch again"):
        files.register(database, other, tmp_path, {})
    with pytest.raises(UserError, match="another run of that id: choose another place with --runs"):
        files.restore(tmp_path / "c", database, "run-1")


def test_a_name_that_leads_out_of_the_folder_is_refused(database: str, tmp_path: Path) -> None:
    here = tmp_path / "a" / "pool" / "run-1"
    here.mkdir(parents=True)
    (here / "run.yaml").write_text("config: {}")
    files.register(database, here, tmp_path, {})
    insert = "INSERT INTO elenchus.files VALUES ('run-1', %s, 0, 'x', '')"
    common(database).write(insert, ("../../escaped",))
    with pytest.raises(UserError, match="which is no file of a run"):
        files.restore(tmp_path / "b", database, "run-1")
    assert not [*tmp_path.rglob("escaped*")]
    assert json.loads((here / MARK).read_text())["database"] == without_password(database)


def test_tables_of_checkpoints_are_made_once_by_those_who_come_together(database: str) -> None:
    sessions, together = [Session(database) for _ in range(3)], threading.Barrier(3)

    def set_up(one: Session) -> None:
        together.wait()
        DatabaseSaver(one).set_up()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(set_up, sessions)) == [None] * 3
    for one in sessions:
        one.close()
    tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'elenchus' AND tablename ~ '^check'"
    assert common(database).query(tables) == [(4,)]
