"""A stand-in of a vLLM server: it loads LoRAs while it runs, and answers with real weights.

Of vLLM's endpoints it has those that Elenchus asks, with the statuses and messages of 0.32.
As a program, it takes the words that start vLLM:

    python -m tests.server.vllm -m vllm.entrypoints.openai.api_server --model FOLDER --port 8000 …
"""

import argparse
import json
import os
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from elenchus.sections import ModelConfig
from models.backend import make_model
from models.local import prompt_of
from models.pretrained import load_tokenizer
from tests.server.app import MODEL, Server, _error, serving

_KINDS = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


@dataclass
class VLLMServer(Server):
    """A server of one base and of its adapters by name.

    Args:
        base: its name.
        weights: the folder of the base.
        updating: whether it loads adapters while it runs.
        largest: the rank that adapters may have.
        unseen: the start of paths that it does not see.
        tokenized: what `/tokenize` says in place of its tokenizer; None for no such endpoint.
        forgets: how many answers of adapters it gives until it forgets them all, once.
        failing: statuses with which it answers the next requests to load.
    """

    base: str = MODEL
    weights: Path = Path()
    updating: bool = True
    largest: int = 16
    unseen: str = ""
    tokenized: list[int] | None = field(default_factory=list)
    forgets: int = 0
    failing: list[int] = field(default_factory=list)
    loaded: dict[str, Path] = field(default_factory=dict)
    history: list[tuple[str, str]] = field(default_factory=list)  # of loading and unloading
    answered: Counter[str] = field(default_factory=Counter)  # answers by model
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_get("/health", self.health)
        if self.tokenized is not None:
            app.router.add_post("/tokenize", self.tokenize)
        if self.updating:
            app.router.add_post("/v1/load_lora_adapter", self.load)
            app.router.add_post("/v1/unload_lora_adapter", self.unload)
        else:
            for verb in ("load", "unload"):
                app.router.add_post(f"/v1/{verb}_lora_adapter", self.missing)
        return app

    async def health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def missing(self, request: web.Request) -> web.Response:
        return web.json_response({"detail": "Not Found"}, status=404)

    async def models(self, request: web.Request) -> web.Response:
        self._check(request)
        base = {"id": self.base, "parent": None, "max_model_len": self.context}
        adapters = [
            {"id": name, "parent": self.base, "max_model_len": None} for name in self.loaded
        ]
        return web.json_response({"object": "list", "data": [base, *adapters]})

    async def tokenize(self, request: web.Request) -> web.Response:
        asked = await request.json()
        thinking = asked["chat_template_kwargs"]["enable_thinking"]
        ours = prompt_of(load_tokenizer(self.weights), asked["messages"], thinking)
        return web.json_response({"tokens": self.tokenized or list(ours)})

    async def load(self, request: web.Request) -> web.Response:
        self._check(request)
        asked = await request.json()
        name, folder = asked["lora_name"], Path(asked["lora_path"])
        if self.failing:
            return _error(self.failing.pop(0), "Try again.")
        if name in self.loaded:
            return _error(400, f"The lora adapter '{name}' has already been loaded. If you want")
        settings = folder / "adapter_config.json"
        if (self.unseen and str(folder).startswith(self.unseen)) or not settings.is_file():
            return _error(404, f"Loading lora {name} failed: No adapter found for {folder}")
        if (rank := json.loads(settings.read_text())["r"]) > self.largest:
            why = f"LoRA rank {rank} is greater than max_lora_rank {self.largest}."
            return _error(500, f"Call to add_lora method failed: {why}")
        self.loaded[name] = folder
        self.history.append(("load", name))
        return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def unload(self, request: web.Request) -> web.Response:
        self._check(request)
        name = (await request.json())["lora_name"]
        if self.loaded.pop(name, None) is None:
            return _error(404, f"The lora adapter '{name}' cannot be found.")
        self.history.append(("unload", name))
        return web.Response(text=f"Success: LoRA adapter '{name}' removed successfully.")

    async def _answer(self, request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        name = asked["model"]
        if (
            self.forgets
            and sum(n for m, n in self.answered.items() if m != self.base) == self.forgets
        ):
            self.forgets = 0
            self.loaded.clear()
        if name != self.base and name not in self.loaded:
            return _error(404, f"The model `{name}` does not exist.")
        self.answered[name] += 1
        self.bodies.append(asked)
        options = {"max_new_tokens": asked["max_tokens"], "dtype": "float32"}
        config = ModelConfig(model=f"hf:{self.weights}", options=options)
        chat = make_model(config, self.loaded.get(name)).chat
        messages = [_KINDS[m["role"]](m["content"]) for m in asked["messages"]]
        reply = await chat.ainvoke(messages)
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        message = {"role": "assistant", "content": f" {reply.text}"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self.completions += 1
        return web.json_response({"model": name, "choices": [choice], "usage": usage})


def main() -> None:
    """Serve on loopback until the process is ended."""
    parser = argparse.ArgumentParser("python -m tests.server.vllm")
    parser.add_argument("-m", dest="module", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--max-lora-rank", type=int, default=16)
    given, _ = parser.parse_known_args()
    server = VLLMServer(
        base=given.served_model_name,
        weights=given.model,
        largest=given.max_lora_rank,
        updating=os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") == "1",
    )
    with serving(server, given.port):
        threading.Event().wait()


if __name__ == "__main__":
    main()
