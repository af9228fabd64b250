"""What the ledger keeps of a model's answer."""

import json
from collections.abc import Iterable
from typing import Any

from langchain_core.messages import AIMessage
from pydantic import BaseModel

from elenchus.ledger import Call
from elenchus.records import Message
from elenchus.redaction import without_known
from models import replies
from models.messages import LIKELIHOOD
from models.reasoning import shown_reasoning, without_reasoning
from models.structured import CUT_OFF, WITHHELD, finish_reason, text_of
from models.usage import counted


def read_by_model(messages: Iterable[Message], extra: dict[str, Any]) -> str:
    """Return all that a request has for a model to read."""
    tools = [json.dumps(tool) for tool in extra.get("tools", ())]
    return "\n".join([*(f"{m.role}\n{m.content}" for m in messages), *tools])


def sound(text: str) -> str:
    """Return what a model wrote as a record may hold it.

    It may be half of a surrogate pair, which is no UTF-8, and NUL, which no text has: in the ledger
    it is taken for damage.
    """
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def with_reply(
    call: Call, reply: AIMessage, seconds: float, schema: type[BaseModel] | None, sent: str
) -> Call:
    """Return a call with its answer, and what the ledger tells of it."""
    whole = sound(text_of(reply))
    text = without_known(without_reasoning(whole))  # a server may echo its key
    likelihood = reply.response_metadata.get(LIKELIHOOD)
    usage = counted(reply, sent, whole + shown_reasoning(reply))
    return call.model_copy(
        update={
            "response": text,
            "input_tokens": usage.read,
            "output_tokens": usage.written,
            "seconds": seconds,
            # Its last digits depend on the batch, which is another one after a kill.
            "likelihood": None if likelihood is None else round(likelihood, 2),
            "finish_reason": finish_reason(reply),
            "estimated": usage.estimated,
            "repaired": schema is not None and replies.was_repaired(text, schema),
        }
    )


def unfinished(call: Call) -> str:
    """Return why a server ended an answer before its end; "" where it did not."""
    if call.finish_reason in WITHHELD:
        return f"the server kept it back ({call.finish_reason})"
    if call.finish_reason not in CUT_OFF:
        return ""
    if call.response:
        return f"it was cut off at the limit of tokens ({call.finish_reason})"
    return f"the limit of tokens was reached in its reasoning ({call.finish_reason})"


def more_room(call: Call) -> str:
    """Return the remedy for an answer that the server ended."""
    if call.finish_reason in WITHHELD:
        return "another model may answer it"
    limits = "such as max_tokens or, of a model on this machine, max_new_tokens"
    return f"raise the limit of tokens under {call.role}.options, {limits}"
