"""A small stand-in of the hub: repositories, large files and commits over HTTP, in memory."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_stand_in_of_a_token_for_tests"  # it opens nothing
LARGE = 1000  # bytes from which a file is a large one


@dataclass
class Repo:
    """What the hub has of a repository; `heads` counts its commits."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    heads: int = 0


@dataclass
class Hub:
    """The hub: repositories by "models/OWNER/NAME", large files by hash, and what was asked.

    `broken` counts the uploads that break off before one arrives.
    """

    address: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: int = 0


@contextmanager
def serving() -> Iterator[Hub]:
    """Serve a hub on a port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, verb: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.hub.asked.append(f"{verb} {path}")
        if verb == "PUT":
            return self._upload(path.removeprefix("/large/"), body)
        if path == "/api/validate-yaml":
            return self._say(200, {"errors": [], "warnings": []})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._say(401, {"error": "Invalid username or password."})
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path.endswith("/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        _, _, kind, owner, name, *more = path.split("/")
        repo = self.hub.repos.get(f"{kind}/{owner}/{name}")
        if repo is None:
            return self._say(404, {"error": "Repository not found"})
        if verb == "GET":
            return self._say(200, self._info(repo, f"{owner}/{name}"))
        if more[0] == "preupload":
            return self._preupload(repo, json.loads(body))
        return self._commit(repo, f"{kind}/{owner}/{name}", body)

    def _create(self, asked: dict[str, Any]) -> None:
        key = f"{asked.get('type') or 'model'}s/{asked['organization']}/{asked['name']}"
        if asked["organization"] == "somebody-else":
            return self._say(403, {"error": "You don't have the rights to create a model"})
        url = f"{self.hub.address}/{key.removeprefix('models/')}"
        if key in self.hub.repos:
            return self._say(409, {"error": "You already created this repo", "url": url})
        private = asked.get("visibility") == "private" or asked.get("private") is True
        self.hub.repos[key] = Repo(private)
        return self._say(200, {"url": url, "name": key.partition("/")[2]})

    def _info(self, repo: Repo, name: str) -> dict[str, Any]:
        siblings = [{"rfilename": file} for file in repo.files]
        more = {"private": repo.private, "sha": _sha(repo), "siblings": siblings}
        return {"id": name, "modelId": name, "tags": [], "downloads": 0, "likes": 0, **more}

    def _preupload(self, repo: Repo, asked: dict[str, Any]) -> None:
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["size"] >= LARGE else "regular",
                "shouldIgnore": False,
                "oid": _oid(repo.files.get(file["path"]), file["size"]),
            }
            for file in asked["files"]
        ]
        self._say(200, {"files": modes})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = []
        for wanted in asked["objects"]:
            href = {"href": f"{self.hub.address}/large/{wanted['oid']}"}
            missing = wanted["oid"] not in self.hub.large
            objects.append(wanted | ({"actions": {"upload": href}} if missing else {}))
        self._say(200, {"transfer": "basic", "objects": objects})

    def _upload(self, oid: str, body: bytes) -> None:
        if self.hub.broken:
            self.hub.broken -= 1
            return self._say(400, {"error": "the line is gone"})
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.large[oid] = body
        return self._say(200, {})

    def _commit(self, repo: Repo, key: str, body: bytes) -> None:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                repo.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repo.files[value["path"]] = self.hub.large[value["oid"]]
        repo.heads += 1
        url = f"{self.hub.address}/{key.removeprefix('models/')}/commit/{_sha(repo)}"
        self._say(
            200,
            {"commitUrl": url, "commitOid": _sha(repo), "hookOutput": "", "pullRequestUrl": None},
        )

    def _say(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _sha(repo: Repo) -> str:
    return f"{repo.heads:040x}"


def _oid(held: bytes | None, size: int) -> str | None:
    """Return the hash by which git, or its store of large files, knows what is held."""
    if held is None:
        return None
    if size >= LARGE:
        return hashlib.sha256(held).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(held) + held).hexdigest()  # git's
