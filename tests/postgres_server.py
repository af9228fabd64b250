"""A real PostgreSQL server for tests, run by an account that is not root's."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

ACCOUNTS = ("postgres", "nobody")
PASSWORD = "swim/4:lamps@dusk"  # what an address must write as %2F and so on
QUOTED = "swim%2F4%3Alamps%40dusk"


@dataclass
class Server:
    """A server on a port of this machine, and its folder."""

    programs: Path
    place: Path
    port: int
    as_account: list[str] = field(default_factory=list)
    more: str = ""

    def run(self, program: str, *arguments: object) -> None:
        """Run one of its programs to its end."""
        command = [*self.as_account, str(self.programs / program), *map(str, arguments)]
        done = subprocess.run(command, cwd=self.place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.place} "
            f"-c fsync=off -c full_page_writes=off {self.more}"
        )
        data, log = self.place / "data", self.place / "log"
        self.run("pg_ctl", "-D", data, "-w", "-l", log, "-o", settings, "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop it: "immediate" is a crash."""
        self.run("pg_ctl", "-D", self.place / "data", "-w", "-m", how, "stop")

    def is_running(self) -> bool:
        """Tell whether it runs."""
        return (self.place / "data" / "postmaster.pid").exists()

    def address(self, name: str, user: str = "owner", password: str = "") -> str:
        """Return the address of a database, by which it asks for a password."""
        return f"postgresql://{user}{password and ':' + password}@127.0.0.1:{self.port}/{name}"

    def execute(self, statement: str, name: str = "postgres") -> None:
        """Do something as its owner."""
        with psycopg.connect(self.address(name, password=QUOTED), autocommit=True) as connection:
            connection.execute(statement.encode())


def _programs() -> Path | None:
    """Return the folder of the newest server that is installed."""
    found = shutil.which("postgres")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    return Path(found).resolve().parent if found else folders[-1] if folders else None


@contextlib.contextmanager
def started(more: str = "") -> Iterator[Server]:
    """Start a server in a new folder; the test is skipped where none can be run.

    Args:
        more: settings of the server, which by itself does not wait for its disk.
    """
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    place, as_account = Path(tempfile.mkdtemp(prefix="elenchus-pg-")), []
    if os.geteuid() == 0:  # which the server refuses
        accounts = [a for a in ACCOUNTS if _has(a)]
        if not (accounts and shutil.which("setpriv")):
            shutil.rmtree(place)
            pytest.skip("the server does not run as root, and there is no other account for it")
        user = pwd.getpwnam(accounts[0])
        os.chown(place, user.pw_uid, user.pw_gid)
        as_account = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}"]
        as_account.append("--clear-groups")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Server(programs, place, port, as_account, more)
    secret = place / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    made.run(
        "initdb", "-D", place / "data", "-U", "owner", "-A", "scram-sha-256", "--pwfile", secret,
        "-E", "UTF8", "--locale=C", "--no-sync",
    )  # fmt: skip
    made.start()
    yield made
    made.stop()
    shutil.rmtree(place)


def _has(account: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(account))
    return False
