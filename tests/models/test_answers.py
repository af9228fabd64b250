"""What the ledger keeps of an answer."""

from langchain_core.messages import AIMessage

from elenchus.ledger import Call
from models.answers import with_reply


def test_what_no_text_has_is_replaced() -> None:
    """NUL in the ledger would be taken for damage, and half of a surrogate pair is no UTF-8."""
    call = Call(id="k", role="student", task="answer", model="m", prompt_sha256="", request="[]")
    answered = with_reply(call, AIMessage("one\0two\ud800"), 0.1, None, "asked")
    assert answered.response == "one\ufffdtwo?"
