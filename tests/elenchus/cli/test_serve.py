"""`elenchus serve`: the command of a server of adapters, and a server that starts, fails, ends."""

import itertools
import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock
from urllib import request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elenchus.errors import UserError
from elenchus.runs import RunFolder
from graphs import adapters
from graphs.config import DomainConfig, of_run
from models import vllm_server
from models.bases import Base
from models.pretrained import HALF, SINGLE
from models.vllm_server import RANKS, Serving, shown
from offline.nano.chat import WEIGHTS
from tests.programs import Program

# Takes the words that vLLM is started with, and answers as it does at its start.
STAND_IN = """#!{python}
import http.server, os, sys, time
assert sys.argv[1:4] == ["-m", "vllm.entrypoints.openai.api_server", "--model"], sys.argv
print("loading weights of", sys.argv[4], flush=True)
if "--fails" in sys.argv:
    sys.exit("RuntimeError: no memory for the cache")
if "--hangs" in sys.argv:
        time.sleep(60)

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        if self.path == "/dies":
            os._exit(7)

port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), Health).serve_forever()
"""


@pytest.fixture
def run(trained_run: Path) -> RunFolder:
    return RunFolder(trained_run)


@pytest.fixture
def root(trained_run: Path) -> Path:
    return trained_run.parent.parent


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "python-of-vllm"
    program.write_text(STAND_IN.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("ELENCHUS_VLLM_PYTHON", str(program))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return program


def test_the_command_serves_the_last_adapter_by_the_name_of_its_domain(
    elenchus: Callable, run: RunFolder, root: Path
) -> None:
    done = elenchus("serve", run.id, "--runs", root, "--json")
    assert done.code == 0, done.err
    command, adapter = done.json["command"], done.json["adapters"]["pool"]
    assert command[:3] == ["vllm", "serve", str(WEIGHTS.resolve())]
    said = dict(itertools.pairwise(command))
    last = json.loads(run.result.read_text())["adapter"]
    assert said["--lora-modules"] == f"pool={run.path.resolve() / last}"
    assert (said["--max-lora-rank"], said["--max-loras"]) == ("8", "1"), "rank 4 wants 8 at least"
    assert (said["--dtype"], said["--max-model-len"]) == ("float32", "1024")
    assert said["--chat-template"].endswith("chat_template.jinja")
    assert done.json["url"] == "http://127.0.0.1:8000/v1"
    assert "byelaws" in adapter["messages"][0]["content"], "asked as it was trained to be"


def test_what_is_printed_can_be_pasted(elenchus: Callable, run: RunFolder, root: Path) -> None:
    wanted = elenchus("serve", run.id, "--runs", root, "--all", "--json").json
    out = elenchus("serve", run.id, "--runs", root, "--all", "--more", "--max-num-seqs 8").out
    command, rest = out.split("\n\n", 1)
    told = subprocess.run(
        ["sh", "-c", f'vllm() {{ printf "vllm\\n"; printf "%s\\n" "$@"; }}\n{command}'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines() == [*wanted["command"], "--max-num-seqs", "8"]
    rounds = len(list((run.path / "adapters").glob("round-*")))
    assert list(wanted["adapters"]) == [f"pool-{n + 1}" for n in range(rounds)]
    body = json.loads(shlex.split(rest.partition("curl ")[2].partition("\n")[0])[-1])
    assert body["model"] == "pool-1"
    assert body["messages"] == wanted["adapters"]["pool-1"]["messages"]
    code = rest.partition("# or from Python\n")[2]
    compile(code, "printed", "exec")


def test_runs_of_one_domain_are_told_apart(
    elenchus: Callable, run: RunFolder, root: Path, tmp_path: Path
) -> None:
    for name in ("20260101-000000-aaaa", "20260202-000000-bbbb"):
        shutil.copytree(run.path, tmp_path / "pool" / name)
    done = elenchus("serve", "20260101", "20260202", "20260101", "--runs", tmp_path, "--json")
    names = ["pool-20260101-000000-aaaa", "pool-20260202-000000-bbbb"]
    assert list(done.json["adapters"]) == names


@pytest.mark.parametrize(("every", "base"), [(False, "pool"), (True, "pool-2")])
def test_no_adapter_has_the_name_of_the_base(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, every: bool, base: str
) -> None:
    monkeypatch.setattr(adapters, "base_of", lambda *_: Base(base))
    plan = adapters.serving([run], every)
    rounds = ["-1", "-2"] if every else [""]
    assert (plan.name, [*plan.adapters]) == (base, [f"pool-{run.id}{round_}" for round_ in rounds])


def test_a_key_is_named_in_what_is_printed_and_not_told(
    elenchus: Callable, run: RunFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "a-key-of-ours")
    out = elenchus("serve", run.id, "--runs", root).out
    assert "a-key-of-ours" not in out
    curl = out[out.index("curl") :].partition("\n")[0]
    monkeypatch.setenv("MESSAGES", curl)
    sent = subprocess.run(
        ["sh", "-c", f"curl() {{ printf '%s\\n' \"$@\"; }}\n{curl}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Authorization: Bearer a-key-of-ours" in sent.stdout.splitlines()
    code = out.partition("# or from Python\n")[2]
    made: list[dict] = []
    openai = SimpleNamespace(OpenAI=lambda **given: made.append(given) or MagicMock())
    monkeypatch.setitem(sys.modules, "openai", openai)
    exec(compile(code, "printed", "exec"), {})
    assert made == [{"base_url": "http://127.0.0.1:8000/v1", "api_key": "a-key-of-ours"}]


def test_names_of_folders_are_printed_and_never_obeyed(
    elenchus: Callable, run: RunFolder, tmp_path: Path
) -> None:
    root = tmp_path / "a\x1b[2Jb"
    shutil.copytree(run.path, root / "pool" / run.id)
    assert "\x1b" not in elenchus("serve", run.id, "--runs", root).out


@pytest.mark.parametrize("precisions", [{SINGLE}, {HALF}, {SINGLE, HALF}])
def test_half_precision_is_for_runs_that_all_have_it(precisions: set) -> None:
    wanted = HALF if precisions == {HALF} else SINGLE
    assert adapters._widest(precisions) == wanted


def test_runs_of_different_bases_want_a_server_each(run: RunFolder, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    same, other = (Path(shutil.copytree(WEIGHTS, tmp_path / name)) for name in ("same", "other"))
    tensors = {k: v * 2 for k, v in load_file(other / "model.safetensors").items()}
    save_file(tensors, other / "model.safetensors", {"format": "pt"})

    def trained(name: str, weights: Path) -> adapters.Trained:
        config: DomainConfig = of_run(run)
        student = config.student.model_copy(update={"model": f"hf:{weights}", "options": {}})
        changed = config.model_copy(update={"student": student})
        return adapters.Trained(RunFolder(tmp_path / name), changed, "", run.path)

    assert adapters._common_base([trained("a", same), trained("b", WEIGHTS)]) == same
    with pytest.raises(UserError, match=r"runs a and c adapt different models.*each by itself"):
        adapters._common_base([trained("a", same), trained("c", other)])


@given(st.integers(1, 512))
def test_the_largest_rank_is_the_least_that_holds_it(rank: int) -> None:
    plan = Serving(WEIGHTS, "nano", {"a": Path("/a")}, rank, 1024, SINGLE)
    options = plan.options("127.0.0.1", 8000)
    allowed = int(options[options.index("--max-lora-rank") + 1])
    assert allowed in RANKS
    assert allowed >= rank
    assert not any(rank <= other < allowed for other in RANKS)


def test_marks_in_a_path_do_not_mislead_vllm() -> None:
    plan = Serving(WEIGHTS, "nano", {"a": Path("/x=1/a b"), "b": Path("/b c")}, 8, 1024, SINGLE)
    first, second = shlex.split(shown(plan, "127.0.0.1", 8000))[-2:]
    assert json.loads(first) == {"name": "a", "path": "/x=1/a b"}
    assert second == "b=/b c"


def test_a_rank_that_vllm_does_not_take() -> None:
    plan = Serving(WEIGHTS, "nano", {"a": Path("/a")}, 513, 1024, SINGLE)
    with pytest.raises(UserError, match=r"rank 513.*up to 512"):
        plan.options("127.0.0.1", 8000)


def test_a_run_without_an_adapter(elenchus: Callable, run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(run.path, tmp_path / "pool" / run.id)))
    result = json.loads(copy.result.read_text(encoding="utf-8"))
    copy.result.write_text(json.dumps(result | {"adapter": ""}), encoding="utf-8")
    done = elenchus("serve", run.id, "--runs", tmp_path)
    assert done.code == 2
    assert "has no adapter to serve" in done.err


def test_a_run_that_is_not_finished(elenchus: Callable, run: RunFolder, tmp_path: Path) -> None:
    copy = RunFolder(Path(shutil.copytree(run.path, tmp_path / "pool" / run.id)))
    copy.result.unlink()
    done = elenchus("serve", run.id, "--runs", tmp_path)
    assert "is not finished" in done.err
    assert "elenchus resume" in done.err


def test_an_adapter_that_is_gone(elenchus: Callable, run: RunFolder, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run.path, tmp_path / "pool" / run.id))
    last = json.loads(run.result.read_text())["adapter"]
    shutil.rmtree(copy / last)
    done = elenchus("serve", run.id, "--runs", tmp_path)
    assert done.code == 2
    assert last.split("/")[-1] in done.err


def test_a_port_that_is_taken_is_said_before_anything_starts(
    elenchus: Callable, run: RunFolder, root: Path, stand_in: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = elenchus("serve", run.id, "--runs", root, "--start", "--port", port)
    assert done.code == 2
    assert f"port {port} of 127.0.0.1 cannot be had" in done.err
    assert "starting the server" not in done.err


@pytest.mark.parametrize("more", ["--port 9", "--host=0.0.0.0"])
def test_options_that_are_the_commands_own(
    elenchus: Callable, run: RunFolder, root: Path, more: str
) -> None:
    done = elenchus("serve", run.id, "--runs", root, f"--more={more}")
    assert done.code == 2
    assert f"--more has {more.split()[0]}: give it to this command" in done.err


def test_no_vllm_here(
    elenchus: Callable, run: RunFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ELENCHUS_VLLM_PYTHON", raising=False)
    monkeypatch.setenv("PATH", "")
    done = elenchus("serve", run.id, "--runs", root, "--start")
    assert "ELENCHUS_VLLM_PYTHON" in done.err
    monkeypatch.setenv("ELENCHUS_VLLM_PYTHON", "/nowhere/python")
    assert "is no program" in elenchus("serve", run.id, "--runs", root, "--start").err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("--fails", "ended with code 1"),
        ("--hangs", "does not answer at http://127.0.0.1"),
    ],
)
def test_a_server_that_does_not_come_up_shows_its_log(
    more: str, says: str, elenchus: Callable, run: RunFolder, root: Path, stand_in: Path
) -> None:
    port = free_port()
    done = elenchus(
        "serve", run.id, "--runs", root, "--start", "--port", port, "--more", more, "--wait", 1
    )
    assert done.code == 2
    assert says in done.err
    assert f"loading weights of {WEIGHTS.resolve()}" in done.err
    assert ("no memory for the cache" in done.err) == (more == "--fails")


def serve_in_a_process(run: RunFolder, root: Path, port: int) -> Program:
    return Program("serve", run.id, "--runs", root, "--start", "--json", "--port", port)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_ends_the_server(
    sent: signal.Signals, run: RunFolder, root: Path, stand_in: Path
) -> None:
    port = free_port()
    served = serve_in_a_process(run, root, port)
    assert json.loads(served.line())["seconds"] > 0
    with request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
        assert answer.status == 200
    served.end(sent)
    assert served.code == 0, served.err
    assert "the server is ended" in served.err
    with pytest.raises(OSError, match="refused"):
        request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
    assert not list(stand_in.parent.glob("elenchus-vllm-*.log")), "nobody asks for it"


def test_ctrl_c_again_ends_a_server_that_takes_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{program}; time.sleep(60)"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline()
    wait, waited = process.wait, list[float]()

    def impatient(timeout: float | None = None) -> int:
        waited.append(timeout or 0)
        if len(waited) == 1:
            raise KeyboardInterrupt
        return wait(timeout)

    monkeypatch.setattr(process, "wait", impatient)
    vllm_server.end(process)
    process.stdout.close()
    assert process.poll() == -signal.SIGKILL


def test_a_server_beside_ours_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_server, "_healthy", lambda url: True)
    log = tmp_path / "log"
    log.write_text("address already in use", encoding="utf-8")
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
    process.wait()
    with pytest.raises(UserError, match="address already in use"):
        vllm_server._wait(process, "http://127.0.0.1:9", 60, log, print)


def test_what_is_no_program_is_said(
    elenchus: Callable, run: RunFolder, root: Path, stand_in: Path
) -> None:
    stand_in.write_bytes(b"\x7fELF and nothing else")
    done = elenchus("serve", run.id, "--runs", root, "--start", "--port", free_port())
    assert done.code == 2
    assert "does not start (Exec format error): name the python of vLLM" in done.err
    assert not list(stand_in.parent.glob("elenchus-vllm-*.log"))


def test_a_server_that_dies_later_ends_the_command(
    run: RunFolder, root: Path, stand_in: Path
) -> None:
    port = free_port()
    served = serve_in_a_process(run, root, port)
    served.line()
    with pytest.raises(OSError):
        request.urlopen(f"http://127.0.0.1:{port}/dies", timeout=5).read()
    assert served.ended(30).code == 2
    assert "ended with code 7" in served.err


def test_other_addresses_are_warned_of(elenchus: Callable, run: RunFolder, root: Path) -> None:
    done = elenchus("serve", run.id, "--runs", root, "--host", "0.0.0.0", "--json")
    assert "VLLM_API_KEY" in done.err
    assert done.json["url"] == "http://127.0.0.1:8000/v1"
