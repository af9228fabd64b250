"""Students on a vLLM server: adapters are loaded while it runs, and asked by name."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from peft import LoraConfig, get_peft_model

from elenchus.config import LimitsConfig
from elenchus.errors import RunStopped, UserError
from elenchus.ledger import Call, Ledger
from elenchus.records import Message
from elenchus.sections import ModelConfig
from graphs.config import load
from graphs.preflight import check_adapters
from models.backend import backend, make_model
from models.calls import Caller, Prompt
from models.pretrained import load_causal, load_tokenizer
from models.rate_limits import RateLimits
from offline.nano.chat import WEIGHTS
from tests.server.app import MODEL, serving
from tests.server.vllm import VLLMServer

QUESTIONS = [f"what is the limit for the {thing}?" for thing in ("green lamp", "toy", "old boat")]
OPTIONS = {"weights": str(WEIGHTS), "max_new_tokens": 16}


@pytest.fixture
def server() -> VLLMServer:
    return VLLMServer(weights=WEIGHTS)


@pytest.fixture
def url(server: VLLMServer) -> Iterator[str]:
    with serving(server) as address:
        yield address


def configured(url: str, model: str = MODEL, **options: object) -> ModelConfig:
    return ModelConfig(model=f"vllm:{model}", base_url=url, options=OPTIONS | options)


def adapters(folder: Path, count: int = 2) -> list[Path]:
    """Make adapters of a run, each of which changes what the nano says."""
    made = []
    for round_ in range(1, count + 1):
        settings = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
        model = get_peft_model(load_causal(WEIGHTS), settings)
        path = folder / "runs" / "pool" / "20260101-000000-abcd" / "adapters" / f"round-{round_}"
        model.save_pretrained(path)
        made.append(path)
    return made


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return adapters(tmp_path_factory.mktemp("adapters"))


def ask(
    config: ModelConfig, ledger: Ledger, adapter: Path | None = None, retry_minutes: float = 1
) -> list[Call | BaseException]:
    """Ask all questions at once."""
    rates = RateLimits(LimitsConfig(retry_minutes=retry_minutes))
    caller = Caller(make_model(config, adapter), config, ledger, rates)
    prompts = [Prompt("student", "answer", "", (Message(role="user", content=q),))
               for q in QUESTIONS]  # fmt: skip

    async def all_() -> list[Call | BaseException]:
        try:
            return await asyncio.gather(*map(caller.text, prompts), return_exceptions=True)
        finally:
            await caller.model.close()

    return asyncio.run(all_())


def said(calls: list[Call | BaseException]) -> list[str]:
    assert all(isinstance(call, Call) for call in calls), calls
    return [call.response for call in calls]


def test_base_and_adapters_answer_as_on_this_machine(
    server: VLLMServer, url: str, ledger: Ledger, trained: list[Path], tmp_path: Path
) -> None:
    local = ModelConfig(model=f"hf:{WEIGHTS}", options={"max_new_tokens": 16})
    here = Ledger(tmp_path / "here.sqlite")
    different = set()
    for adapter in (None, *trained):
        answers = said(ask(configured(url), ledger, adapter))
        assert answers == said(ask(local, here, adapter))
        different.add(tuple(answers))
    here.close()
    assert len(different) == 3
    first, second = (name for name in server.answered if name != MODEL)
    assert first.startswith("20260101-000000-abcd-round-1-")
    assert second.startswith("20260101-000000-abcd-round-2-")
    assert server.history == [("load", first), ("unload", first), ("load", second)]
    assert server.answered == {MODEL: 3, first: 3, second: 3}


def test_the_ledger_tells_base_and_adapters_apart(
    server: VLLMServer, url: str, ledger: Ledger, trained: list[Path]
) -> None:
    calls = [ask(configured(url), ledger, one)[0] for one in (None, *trained)]
    assert len({call.id for call in calls}) == 3
    assert calls[0].model == f"vllm:{MODEL}"
    assert len({call.model for call in calls}) == 3
    asked = server.completions
    assert ask(configured(url), ledger, trained[0])[0] == calls[1]
    assert server.completions == asked, "what was answered is not asked again"
    assert server.history[-1][1].startswith("20260101-000000-abcd-round-2"), "nor loaded"


def test_what_is_loaded_already_is_no_error(
    server: VLLMServer, url: str, ledger: Ledger, trained: list[Path]
) -> None:
    name = make_model(configured(url), trained[0]).chat.served
    server.loaded = {name: trained[0], "another-run-round-1-ff": trained[1]}
    said(ask(configured(url), ledger, trained[0]))
    assert server.history == []
    assert "another-run-round-1-ff" in server.loaded, "no other run's are unloaded"


def test_a_server_that_was_started_anew_is_given_the_adapter_again(
    server: VLLMServer, url: str, ledger: Ledger, trained: list[Path]
) -> None:
    server.forgets = 1
    said(ask(configured(url), ledger, trained[0]))
    assert [what for what, _ in server.history] == ["load", "load"]


def test_a_gateway_that_is_busy_is_waited_for(
    server: VLLMServer, url: str, ledger: Ledger, trained: list[Path]
) -> None:
    server.failing = [503, 429]
    said(ask(configured(url), ledger, trained[0]))
    assert [what for what, _ in server.history] == ["load"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"unseen": "/"}, "see this folder by the same path"),
        ({"largest": 2}, "rank 4 is greater than max_lora_rank 2"),
        ({"updating": False}, "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1"),
    ],
)
def test_an_adapter_that_is_refused_stops_the_run(
    change: dict[str, object], says: str, ledger: Ledger, trained: list[Path]
) -> None:
    server = VLLMServer(weights=WEIGHTS, **change)
    with serving(server) as url:
        outcomes = ask(configured(url), ledger, trained[0])
    assert all(isinstance(one, RunStopped) and says in str(one) for one in outcomes), outcomes
    assert server.completions == 0
    assert not ledger.unanswered(), "what was not asked costs nothing"


def test_a_key_is_sent_to_every_endpoint(
    ledger: Ledger, trained: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serving(VLLMServer(weights=WEIGHTS, key="right")) as url:
        config = configured(url)
        with pytest.raises(UserError, match="the key is not accepted"):
            backend(config.model).look(config)
        refused = ask(config, ledger, trained[0])
        assert all(isinstance(one, RunStopped) and "API key" in str(one) for one in refused)
        monkeypatch.setenv("VLLM_API_KEY", "right")
        backend(config.model).look(config)
        backend(config.model).check_adapters(config, 8, tmp_path)
        said(ask(config, ledger, trained[0]))


def test_messages_hold_no_marks_and_requests_take_nothing_from_the_server(
    server: VLLMServer, url: str, ledger: Ledger
) -> None:
    mark = load_tokenizer(WEIGHTS).eos_token
    config = configured(url, thinking=True, extra_body={"min_p": 0.1})
    caller = Caller(make_model(config), config, ledger)
    prompt = Prompt("student", "answer", "", (Message(role="user", content=f"a {mark} b"),))

    async def asked() -> None:
        await caller.text(prompt)
        await caller.model.close()

    asyncio.run(asked())
    (body,) = server.bodies
    assert mark not in body["messages"][0]["content"]
    assert body["max_tokens"] == 16
    assert body["chat_template_kwargs"] == {"enable_thinking": True}
    assert (body["repetition_penalty"], body["min_p"], body["temperature"]) == (1.0, 0.1, 0.0)
    assert not body.keys() & {"weights", "max_new_tokens", "thinking", "extra_body"}


# What is found before anything is paid.


def check(url: str, place: Path, rank: int = 8, **options: object) -> None:
    config = configured(url, **options)
    backend(config.model).check_adapters(config, rank, place)


def test_the_probe_leaves_nothing_behind(server: VLLMServer, url: str, tmp_path: Path) -> None:
    check(url, tmp_path / "runs")
    (_, first), (_, second) = server.history
    assert first == second
    assert server.loaded == {}
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"updating": False}, r"loads no adapters while it runs: start it with VLLM_ALLOW"),
        ({"unseen": "/"}, r"No adapter found.*same path"),
        ({"largest": 4}, r"rank 8 is greater than max_lora_rank 4.*--max-lora-rank"),
        ({"tokenized": [1, 2, 3]}, r"writes a chat in 3 tokens.*--chat-template"),
    ],
)
def test_a_server_that_cannot_take_what_is_trained(
    change: dict[str, object], says: str, tmp_path: Path
) -> None:
    with (
        serving(VLLMServer(weights=WEIGHTS, **change)) as url,
        pytest.raises(UserError, match=says),
    ):
        check(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tokenized", [None, 7, "[" * 100_000])
def test_a_server_that_does_not_tell_its_tokens_is_believed(
    tokenized: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = VLLMServer(weights=WEIGHTS, tokenized=None if tokenized is None else [])
    text = tokenized if isinstance(tokenized, str) else json.dumps({"tokens": tokenized})

    async def odd(request: web.Request) -> web.Response:
        return web.Response(text=text)

    monkeypatch.setattr(server, "tokenize", odd)
    with serving(server) as url:
        check(url, tmp_path)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing answers at http://127\.0\.0\.1:9/tokenize"):
        check("http://127.0.0.1:9/v1", tmp_path)


def test_a_model_that_the_server_does_not_have(url: str) -> None:
    config = configured(url, "another")
    with pytest.raises(UserError, match="does not have this model; it has reader"):
        backend(config.model).look(config)


def test_what_a_configuration_lacks(trained: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="set base_url to its address"):
        make_model(ModelConfig(model="vllm:base"))
    with pytest.raises(UserError, match=r"set student\.options\.weights"):
        backend("vllm:base").weights(ModelConfig(model="vllm:base", base_url="http://h/v1"))
    with pytest.raises(UserError, match=r"no option 'weight'; did you mean 'weights'"):
        make_model(configured("http://h/v1", weight="x"))
    with pytest.raises(UserError, match="is a whole model"):
        make_model(configured("http://h/v1"), WEIGHTS)


def test_all_weights_cannot_be_trained_for_a_server(pool: Path, tmp_path: Path) -> None:
    settings = ["method=passages", "student.model=vllm:base", "student.base_url=http://h/v1"]
    config = load(pool / "domain.yaml", None, [*settings, "pretraining.weights=all"])
    with pytest.raises(UserError, match=r"set pretraining\.weights to lora"):
        check_adapters(config, tmp_path)


def test_a_folder_of_weights_is_named_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    placed = backend("vllm:base").placed_options({"weights": "here", "top_p": 1})
    assert placed == {"weights": str(tmp_path / "here"), "top_p": 1}
    hub = {"weights": "Qwen/Qwen3-0.6B"}
    assert backend("vllm:base").placed_options(hub) == hub


def test_the_untrained_adapter_is_one_for_peft(tmp_path: Path) -> None:
    from peft import PeftModel

    from models.hot_loading import write_untrained

    write_untrained(WEIGHTS, 4, tmp_path)
    loaded = PeftModel.from_pretrained(load_causal(WEIGHTS), tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["r"] == 4
    assert any("lora_A" in name for name, _ in loaded.named_parameters())


def test_a_whole_run_over_http(
    elenchus: Callable[..., object], server: VLLMServer, url: str, trained_pool: Path
) -> None:
    """The student is examined on the server, by each round's adapter; a second run is another."""
    settings = (trained_pool / "domain.yaml").read_text(encoding="utf-8")
    student = f'model: "vllm:{MODEL}", base_url: "{url}", options: {json.dumps(OPTIONS)}'
    settings = settings.replace('model: "builtin:nano", temperature: 0.7, samples: 2', student)
    settings = settings.replace("{epochs: 1,", "{epochs: 1, objective: sft, replay: 0,")
    settings = settings.replace("{questions: 20, general: 8}", "{questions: 6, general: 2}")
    settings = settings.replace("[11, 22]", "[3, 6]")
    (trained_pool / "domain.yaml").write_text(settings, encoding="utf-8")
    done = elenchus("launch", trained_pool, "--runs", trained_pool.parent / "runs", "--json")
    assert done.code == 0, done.err
    rounds = done.json["rounds"]
    loads = [name for what, name in server.history if what == "load" and "probe" not in name]
    assert [name.split("-round-")[1][0] for name in loads] == [str(n + 1) for n in range(rounds)]
    assert all(name.startswith(done.json["run"]) for name in loads)
    assert len(server.loaded) == 1, "those of earlier rounds are unloaded"
    assert all(server.answered[name] for name in (MODEL, *loads))
