"""A Chroma server of one's own, started here, in place of the embedded one."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from elenchus.config import RetrievalConfig
from elenchus.errors import UserError
from elenchus.progress import unseen
from elenchus.records import Passage
from retrieval.embedding import Embedder
from retrieval.search import Search
from retrieval.store import Store

PASSAGES = [
    Passage(document_id="d", source="a.md", start=n, end=n + 1, heading=("Rules",), text=text)
    for n, text in enumerate(("A ladder must be tied.", "Paint must dry for 9 hours."))
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder("minilm")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    chroma = Path(sys.executable).with_name("chroma")
    folder = tmp_path_factory.mktemp("chroma")
    process = subprocess.Popen(
        [chroma, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    transport = httpx.HTTPTransport(retries=8)  # with growing pauses, while it starts
    with httpx.Client(transport=transport) as client:
        client.get(f"{url}/api/v2/heartbeat").raise_for_status()
    yield url
    process.terminate()
    process.wait()


def test_a_server_holds_and_finds_passages(server: str, tmp_path: Path, embedder: Embedder) -> None:
    config = RetrievalConfig(chroma=server)
    for attempt in range(2):  # as two runs of a domain use it
        with closing(Store("port", tmp_path / f"{attempt}", config, embedder)) as store:
            assert store.count() == (2 if attempt else 0)
            store.hold(PASSAGES, unseen)
            search = Search(PASSAGES, store, config)
            assert search("Must a ladder be tied?")[0] == PASSAGES[0]
            found = search.ranked("ladder", "a.md")
            assert {hit.passage.id for hit in found} == {p.id for p in PASSAGES}
    with closing(Store("port", tmp_path / "0", config, embedder)) as store:
        store.delete([PASSAGES[0].id])
        assert store.ids() == {PASSAGES[1].id}
        assert set(store.vectors([PASSAGES[1].id])) == {PASSAGES[1].id}


def test_tenants_and_databases_are_kept_apart(
    server: str, tmp_path: Path, embedder: Embedder
) -> None:
    httpx.post(f"{server}/api/v2/tenants", json={"name": "team"}).raise_for_status()
    databases = f"{server}/api/v2/tenants/team/databases"
    httpx.post(databases, json={"name": "rules"}).raise_for_status()
    config = RetrievalConfig(chroma=server, tenant="team", database="rules")
    with closing(Store("apart", tmp_path, config, embedder)) as store:
        store.hold(PASSAGES, unseen)
        assert store.count() == 2
    with closing(Store("apart", tmp_path, RetrievalConfig(chroma=server), embedder)) as store:
        assert store.count() == 0
    nowhere = RetrievalConfig(chroma=server, tenant="nobody", database="rules")
    with pytest.raises(UserError, match="does not answer as a Chroma server"):
        Store("apart", tmp_path, nowhere, embedder)


def test_a_server_that_is_not_there(tmp_path: Path, embedder: Embedder) -> None:
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))  # and does not listen
        config = RetrievalConfig(chroma=f"http://127.0.0.1:{held.getsockname()[1]}")
        with pytest.raises(UserError, match="chroma run --path"):
            Store("port", tmp_path, config, embedder)


def test_a_token_comes_from_the_environment(
    tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = "chromadb.auth.token_authn.TokenAuthClientProvider"
    monkeypatch.setenv("CHROMA_CLIENT_AUTH_PROVIDER", provider)
    monkeypatch.setenv("CHROMA_CLIENT_AUTH_CREDENTIALS", "a-token-of-nobody")
    sent: list[str] = []

    class Guarded(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(self.headers.get("Authorization", ""))
            self.send_error(401)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Guarded) as guarded:
        threading.Thread(target=guarded.serve_forever, daemon=True).start()
        config = RetrievalConfig(chroma=f"http://127.0.0.1:{guarded.server_port}")
        with pytest.raises(UserError, match="does not answer as a Chroma server") as refused:
            Store("port", tmp_path, config, embedder)
        guarded.shutdown()
    assert sent[0] == "Bearer a-token-of-nobody"
    assert "a-token-of-nobody" not in str(refused.value)
