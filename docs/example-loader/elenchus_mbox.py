"""A loader for Elenchus: the messages of a mailbox, one document each.

sources:
  - {loader: mbox, options: {path: rulings.mbox}}
"""

import mailbox
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

from elenchus.errors import UserError
from elenchus.records import Document
from retrieval.formats import Refused


def load(options: dict[str, Any]) -> Iterator[Document | Refused]:
    """A document for each message; one without plain text is refused, and `stats` says so."""
    path = Path(options.get("path", ""))
    if not path.is_file():
        raise UserError(f"corpus.sources: mbox: options.path: there is no mailbox {path}")
    for place, message in enumerate(mailbox.mbox(path, create=False)):
        # An id stays, whatever is added to the mailbox.
        name = f"{path.name}#{message['Message-ID'] or place}"
        text = "\n".join(_plain(part) for part in message.walk())
        if text.strip():
            yield Document(source=name, title=str(message["Subject"] or name), text=text)
        else:
            yield Refused(name, "no plain text in it")


def _plain(part: Message) -> str:
    """The text of a part of a message, "" where it has none."""
    if part.get_content_type() != "text/plain":
        return ""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset() or "utf-8", errors="replace")
    except LookupError:  # a character set that nobody knows
        return content.decode("utf-8", errors="replace")
