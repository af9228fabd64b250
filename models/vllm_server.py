"""Starts a vLLM server of one base with LoRAs by name, or says how it is started."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx

from elenchus.errors import UserError
from models.pretrained import Precision

PYTHON = "ELENCHUS_VLLM_PYTHON"  # variable with the python of an environment that has vLLM
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM can be told to allow
LONGEST = 8192  # tokens of a context, so that any machine has the memory for it
LAST = 15  # lines of the log that are shown of a server that ended
TELL, LOOK, END = 10.0, 0.5, 20.0  # seconds: between words of progress, between looks, to end
# Of a server that is started here: it tells nobody about it, and asks no hub.
QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Serving:
    """What a server serves.

    Attributes:
        base: the folder of the weights.
        name: of the base on the server.
        adapters: the folders of LoRAs, by the name by which each is asked.
        rank: the largest of them.
        context: tokens of prompt and answer together.
        precision: in which the weights are kept.
    """

    base: Path
    name: str
    adapters: Mapping[str, Path]
    rank: int
    context: int
    precision: Precision

    def options(self, host: str, port: int) -> list[str]:
        """Return the options of the server, without the model.

        Raises:
            UserError: the rank is larger than vLLM has room for.
        """
        allowed = next((rank for rank in RANKS if rank >= self.rank), None)
        if allowed is None:
            raise UserError(
                f"an adapter has rank {self.rank}, vLLM takes up to {RANKS[-1]}: train one with a "
                "lower training.rank"
            )
        options = ["--served-model-name", self.name, "--host", host, "--port", str(port)]
        options += ["--dtype", self.precision.dtype, "--max-model-len", str(self.context)]
        if self.precision.four_bit:
            options += ["--quantization", "bitsandbytes"]
        if (template := self.base / "chat_template.jinja").is_file():
            options += ["--chat-template", str(template)]
        # What generation_config.json recommends would change the answers.
        options += ["--generation-config", "vllm", "--enable-lora"]
        most = max(1, len(self.adapters))  # without any, one may be loaded later
        options += ["--max-lora-rank", str(allowed), "--max-loras", str(most)]
        modules = [_module(name, folder) for name, folder in self.adapters.items()]
        return [*options, "--lora-modules", *modules] if modules else options


def _module(name: str, folder: Path) -> str:
    """Return an adapter as vLLM reads it; as JSON where a mark in its path would mislead it."""
    if {"=", ","} & {*name, *str(folder)}:
        return json.dumps({"name": name, "path": str(folder)})
    return f"{name}={folder}"


def shown(serving: Serving, host: str, port: int, more: Sequence[str] = ()) -> str:
    """Return the command line that starts the server, an option a line."""
    words = [*serving.options(host, port), *more]
    lines = [f"vllm serve {shlex.quote(str(serving.base))}"]
    for word in map(shlex.quote, words):
        if word.startswith("--"):
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return " \\\n    ".join(lines)


def program() -> list[str]:
    """Return the words that start vLLM, up to the folder of the model.

    Raises:
        UserError: there is none that can be found.
    """
    if python := os.environ.get(PYTHON):
        if shutil.which(python) is None:
            raise UserError(f"{PYTHON} is {python}, which is no program: name the python of vLLM")
        return [python, "-m", "vllm.entrypoints.openai.api_server", "--model"]
    if found := shutil.which("vllm"):
        return [found, "serve"]
    raise UserError(
        f"there is no vllm here: install it into an environment of its own, and name the python of "
        f"that in {PYTHON}; without --start the command is printed, to run where vllm is"
    )


def check_port(host: str, port: int) -> None:
    """Check that a server can listen there; UserError where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            raise UserError(
                f"port {port} of {host} cannot be had ({error.strerror}): choose another with "
                "--port, or end what listens there"
            ) from error


@contextmanager
def started(
    command: Sequence[str],
    url: str,
    limit: float,
    say: Callable[[str], None],
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Start a server, and wait until it answers; it is ended when this context is left.

    The value is its process, and the file of its log, which stays where the server failed.

    Args:
        command: all its words.
        url: where it answers.
        limit: seconds until it must.
        say: is told how far it has come.
        settings: further variables of its environment.

    Raises:
        UserError: it ended, or took too long; with the last lines of its log.
    """
    handle, name = tempfile.mkstemp(prefix="elenchus-vllm-", suffix=".log")
    log = Path(name)
    with os.fdopen(handle, "wb") as file:
        try:
            # A group of its own: Ctrl-C reaches us alone, and its processes are ended together.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**QUIET, **os.environ, **settings},
                start_new_session=True,
            )
        except OSError as error:
            log.unlink()
            raise UserError(
                f"{command[0]} does not start ({error.strerror}): name the python of vLLM in "
                f"{PYTHON}"
            ) from error
    failed = True
    try:
        _wait(process, url, limit, log, say)
        yield process, log
        failed = False
    except KeyboardInterrupt:
        failed = False
        raise
    finally:
        end(process)
        if not failed:
            log.unlink()


def _wait(
    process: "subprocess.Popen[bytes]",
    url: str,
    limit: float,
    log: Path,
    say: Callable[[str], None],
) -> None:
    """Wait until a server is healthy; UserError where it ends before, or takes too long."""
    begun, told = time.monotonic(), 0.0
    while True:
        healthy = _healthy(url)
        if process.poll() is not None:  # and another one may answer there
            raise ended(process, log)
        if healthy:
            return
        waited = time.monotonic() - begun
        if waited > limit:
            raise UserError(
                f"the server does not answer at {url} after {limit:g} seconds: give it more by "
                f"--wait, or read its log, {log}, which ends:\n{last_lines(log)}"
            )
        if waited - told >= TELL:
            told = waited
            say(f"the server has been starting for {waited:.0f} seconds")
        time.sleep(LOOK)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def ended(process: "subprocess.Popen[bytes]", log: Path) -> UserError:
    """Return the error of a server that ended by itself."""
    return UserError(
        f"the server ended with code {process.returncode}; its log, {log}, ends:\n{last_lines(log)}"
    )


def last_lines(log: Path) -> str:
    """Return the last lines of a log."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LAST:])


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a server with all its processes: asked first, then by force; by Ctrl-C at once."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
            process.wait(END)
        except ProcessLookupError:  # all are gone
            break
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            continue
    process.wait()
