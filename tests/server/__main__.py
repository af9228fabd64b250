"""Run the server until Ctrl-C, then print its counts."""

import argparse
import contextlib
import json
import threading
from collections.abc import Callable
from urllib import request

from tokenizers import Tokenizer

from tests.server.app import MODEL, Server, serving
from tests.server.faults import Fault, Kind, Plan, evenly
from tests.server.oddities import Habit, Oddity


def _kind(name: str) -> Kind:
    return Fault(name) if name in list(Fault) else Oddity(name)


def _counter(path: str) -> Callable[[str], int]:
    """Return the count of tokens by a tokenizer, of texts of any length."""
    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False))


def main() -> None:
    """Serve on loopback."""
    about = "A model over the OpenAI protocol, with faults from a seed."
    parser = argparse.ArgumentParser("python -m tests.server", description=about)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--answers", default="builtin:reader", help="the model that answers")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until an answer begins")
    parser.add_argument("--faults", type=float, default=0.0, help="share of faulty responses")
    parser.add_argument(
        "--only", action="append", type=_kind, metavar="KIND", help=", ".join([*Fault, *Oddity])
    )
    parser.add_argument(
        "--habit", action="append", type=Habit, default=[], metavar="HABIT", help=", ".join(Habit)
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key", default="", help="API key that requests must carry")
    parser.add_argument("--tokenizer", help="a tokenizer.json, by which it counts tokens")
    parser.add_argument("--hidden", type=int, default=0, help="tokens of reasoning at most")
    given = parser.parse_args()
    shares = evenly(given.faults, *(given.only or ())) if given.faults else {}
    server = Server(
        Plan(shares, given.seed),
        given.answers,
        given.latency,
        key=given.key,
        habits=frozenset(given.habit),
        tokens=_counter(given.tokenizer) if given.tokenizer else None,
        hidden=given.hidden,
    )
    with serving(server, given.port) as url:
        print(f"model {MODEL} at {url}; Ctrl-C ends", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        with request.urlopen(url.replace("/v1", "/counts")) as counts:
            print("\n" + json.dumps(json.load(counts), indent=2))


if __name__ == "__main__":
    main()
