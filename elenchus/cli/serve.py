"""`elenchus serve`: what finished runs trained, on a vLLM server."""

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from elenchus.cli import options
from elenchus.errors import UserError
from elenchus.printing import printable

if TYPE_CHECKING:
    from elenchus.runs import RunFolder
    from models.vllm_server import Serving

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where this machine reaches such a server
LOOPBACK = ("127.0.0.1", "::1", "localhost")
KEY = "VLLM_API_KEY"  # variable with the key that a server asks for
# Ctrl-C, whoever ends programs, and a terminal that is closed: the server would outlive us.
ENDED_BY = ("SIGINT", "SIGTERM", "SIGHUP")
QUESTION = "Your question."
Prompts = dict[str, list[dict[str, str]]]  # messages by adapter

Host = Annotated[str, typer.Option(help="address to listen at; 0.0.0.0 is reached from elsewhere")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
Start = Annotated[bool, typer.Option("--start", help="start it, and wait; Ctrl-C ends it")]
Wait = Annotated[float, typer.Option(min=1, help="seconds that it may take to start")]


def serve(
    run: Annotated[list[str], typer.Argument(help="ids of runs, or the starts of them")],
    every: Annotated[bool, typer.Option("--all", help="the adapter of every round")] = False,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    start: Start = False,
    wait: Wait = 600,
    more: Annotated[str, typer.Option(help="further options of vllm, as one text")] = "",
    root: options.Root = options.RUNS,
    as_json: options.Json = False,
) -> None:
    """Print, or start, a vLLM server of the adapters that runs trained, each asked by its name."""
    from elenchus import runs
    from graphs.adapters import serving
    from models import vllm_server

    try:
        words = shlex.split(more)
    except ValueError as error:
        raise UserError(f"--more: {error}") from error
    if own := [w for w in words if w.partition("=")[0] in ("--host", "--port")]:
        raise UserError(f"--more has {own[0]}: give it to this command, which must know it")
    folders = [runs.find(root, name) for name in run]
    plan = serving(folders, every)
    prompts = _prompts(plan, folders)
    if host not in LOOPBACK:
        _say(f"whoever reaches {host} can ask the server; {KEY} gives it a key")
    if start:
        command = [*vllm_server.program(), str(plan.base), *plan.options(host, port), *words]
        vllm_server.check_port(host, port)
        _started(command, _address(host, port), wait, as_json, plan, prompts)
    elif as_json:
        command = ["vllm", "serve", str(plan.base), *plan.options(host, port), *words]
        print(json.dumps(_as_json(command, _address(host, port), plan, prompts)))
    else:
        print(printable(vllm_server.shown(plan, host, port, words)))
        _show_asking(_address(host, port), prompts)


def _started(
    command: Sequence[str], url: str, wait: float, as_json: bool, plan: "Serving", prompts: Prompts
) -> None:
    """Start the server, say how it is asked, and wait until it ends or Ctrl-C ends it."""
    from models.vllm_server import ended, started

    for name in ENDED_BY:
        if hasattr(signal, name) and signal.getsignal(signal.Signals[name]) != signal.SIG_IGN:
            signal.signal(signal.Signals[name], signal.default_int_handler)
    begun = time.monotonic()
    _say("starting the server, which takes a minute or so")
    try:
        with started(command, url, wait, _say) as (process, log):
            seconds = round(time.monotonic() - begun, 1)
            if as_json:
                told = _as_json(command, url, plan, prompts) | {"seconds": seconds}
                print(json.dumps(told), flush=True)
            else:
                _show_asking(url, prompts)
            _say(f"ready after {seconds:g} seconds, log in {log}; Ctrl-C ends it")
            process.wait()
            raise ended(process, log)
    except KeyboardInterrupt:
        _say("the server is ended")


def _say(text: str) -> None:
    print(f"elenchus: {printable(text)}", file=sys.stderr, flush=True)


def _address(host: str, port: int) -> str:
    """Return the address at which this machine reaches a server that listens there."""
    reached = EVERYWHERE.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _prompts(plan: "Serving", folders: "Sequence[RunFolder]") -> Prompts:
    """Return, by adapter, the messages that ask it as it was trained to be asked."""
    from agents.prompting import Subject
    from agents.student import prompted
    from graphs.config import of_run

    runs = {folder.path.resolve(): folder for folder in folders}
    prompts = {}
    for name, adapter in plan.adapters.items():
        run = runs[adapter.parents[1]]
        subject = Subject.of(of_run(run), run.domain_folder())
        messages = prompted(subject, QUESTION).messages
        prompts[name] = [message.model_dump() for message in messages]
    return prompts


def _as_json(
    command: Sequence[str], url: str, plan: "Serving", prompts: Prompts
) -> dict[str, object]:
    adapters = {
        name: {"folder": str(folder), "messages": prompts[name]}
        for name, folder in plan.adapters.items()
    }
    return {
        "command": list(command),
        "url": f"{url}/v1",
        "base": plan.name,
        "adapters": adapters,
    }


def _show_asking(url: str, prompts: Prompts) -> None:
    """Print how an adapter is asked, with the prompt that it was trained with."""
    name, messages = next(iter(prompts.items()))
    asked = {"model": name, "messages": messages, "temperature": 0}
    body = shlex.quote(json.dumps(asked, ensure_ascii=False))
    has_key = bool(os.environ.get(KEY))  # the variable is printed, and not what it holds
    header = f' -H "Authorization: Bearer ${KEY}"' if has_key else ""
    imports, key = ("import os\n", f'os.environ["{KEY}"]') if has_key else ("", '"none"')
    lines = [
        f"\n# the server has {', '.join(prompts)}; this asks {name}",
        f"curl {url}/v1/chat/completions -H 'Content-Type: application/json'{header} -d {body}",
        "\n# or from Python",
        f"{imports}from openai import OpenAI",
        f'client = OpenAI(base_url="{url}/v1", api_key={key})',
        f"messages = {messages!r}",
        f"asked = dict(model={name!r}, messages=messages, temperature=0)",
        "answer = client.chat.completions.create(**asked)",
        "print(answer.choices[0].message.content)",
    ]
    if any(other != messages for other in prompts.values()):
        lines.append("\n# each domain has a prompt of its own: --json tells it for every adapter")
    print("\n".join(map(printable, lines)))
