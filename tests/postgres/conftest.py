"""A server, started once; a database a test."""

import os
from collections.abc import Callable, Iterator

import pytest
from postgres_server import QUOTED, Server, started

from elenchus.postgres import VARIABLE, session


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server without databases of ours."""
    with started() as running:
        yield running


@pytest.fixture
def new_database(server: Server, request: pytest.FixtureRequest) -> Callable[[], str]:
    """Make an empty database, and return its address with the password."""
    made: list[str] = []

    def new() -> str:
        made.append(f"d{os.urandom(6).hex()}")
        server.execute(f"CREATE DATABASE {made[-1]}")
        return server.address(made[-1], password=QUOTED)

    def drop() -> None:
        for address, one in list(session._common.items()):
            one.close()
            del session._common[address]
        for name in made:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    request.addfinalizer(drop)
    return new


@pytest.fixture
def database(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that runs are kept in; its address."""
    address = new_database()
    monkeypatch.setenv(VARIABLE, address)
    return address
