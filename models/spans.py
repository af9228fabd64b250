"""What spans tell of model calls, in the words of OpenTelemetry's conventions for generative AI.

Those of version 0.1.0 of the conventions; what they have no word for begins with "elenchus.".
"""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from langchain_core.messages import AIMessage

from elenchus.ledger import Call
from elenchus.records import Message
from elenchus.sections import ModelConfig
from models.backend import Model

CACHED = "elenchus.call.cached"
REQUESTS = "elenchus.call.requests"
SEED = "gen_ai.request.seed"
LONGEST = 200  # characters of a name that a server tells
STOP = "gen_ai.request.stop_sequences"
# Names that the conventions have for providers which are named otherwise here.
PROVIDERS = {
    "azure_ai": "azure.ai.inference",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "google_anthropic_vertex": "gcp.vertex_ai",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "ibm": "ibm.watsonx.ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
# Options of chat models by the names of the conventions; the first that is set counts.
_OPTIONS = {
    "gen_ai.request.max_tokens": (
        "max_tokens", "max_completion_tokens", "max_new_tokens", "num_predict",
    ),
    "gen_ai.request.top_p": ("top_p",),
    "gen_ai.request.top_k": ("top_k",),
    "gen_ai.request.frequency_penalty": ("frequency_penalty",),
    "gen_ai.request.presence_penalty": ("presence_penalty",),
    STOP: ("stop", "stop_sequences"),
    "gen_ai.request.reasoning.level": ("reasoning_effort",),
    SEED: ("seed",),
}  # fmt: skip


def of_model(model: Model, config: ModelConfig) -> dict[str, Any]:
    """Return what the spans of all calls of a model have."""
    provider, _, name = model.identity.partition(":")
    told: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(provider, provider),
        "gen_ai.request.model": name,
        "gen_ai.request.temperature": config.temperature,
    }
    for attribute, names in _OPTIONS.items():
        told[attribute] = next(
            (o for name in names if (o := config.options.get(name)) is not None), None
        )
    if isinstance(stop := told[STOP], str):
        told[STOP] = [stop]
    if config.base_url is not None:
        address = urlsplit(config.base_url)
        told["server.address"] = address.hostname
        told["server.port"] = address.port or {"http": 80, "https": 443}[address.scheme]
    return told


def of_call(call: Call, as_json: bool) -> dict[str, Any]:
    """Return what the span of a call has from its beginning."""
    return {
        "gen_ai.output.type": "json" if as_json else "text",
        "gen_ai.prompt.name": f"{call.role}/{call.task}",
        "gen_ai.prompt.version": call.prompt_sha256 or None,
        "elenchus.role": call.role,
        "elenchus.task": call.task,
        "elenchus.call.id": call.id,
        "elenchus.call.attempt": call.attempt,
        CACHED: False,
    }


def of_answer(reply: AIMessage, call: Call, usd: float) -> dict[str, Any]:
    """Return what is told of the answer that a model has given just now.

    Args:
        usd: what it cost; 0 where that is unknown, or nothing.
    """
    told = reply.response_metadata
    id_ = _text(told.get("id") or reply.id)
    return {
        "gen_ai.response.model": _text(told.get("model_name") or told.get("model")),
        # LangChain gives an id of its own where the server gave none.
        "gen_ai.response.id": None if id_ and id_.startswith(("run-", "lc_")) else id_,
        "gen_ai.response.finish_reasons": [call.finish_reason] if call.finish_reason else None,
        "gen_ai.usage.input_tokens": call.input_tokens,
        "gen_ai.usage.output_tokens": call.output_tokens,
        "elenchus.call.tokens_estimated": call.estimated,
        "elenchus.call.seconds": round(call.seconds, 6),
        "elenchus.call.usd": usd or None,
    }


def asked(messages: Sequence[Message]) -> dict[str, Any]:
    """Return the content of a request."""
    return {"gen_ai.input.messages": json.dumps([_message(m.role, m.content) for m in messages])}


def said(call: Call) -> dict[str, Any]:
    """Return the content of an answer."""
    ended = {"finish_reason": call.finish_reason or "stop"}  # which earlier versions demand
    message = _message("assistant", call.response) | ended
    return {"gen_ai.output.messages": json.dumps([message])}


def _text(told: Any) -> str | None:
    """Return a short text that a server tells; None for anything else."""
    return told[:LONGEST] if isinstance(told, str) else None


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}
