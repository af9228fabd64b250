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
    for message in mailbox.mbox(path, create=False):
        name = f"{path.name}#{message['Message-ID']}"  # stays, whatever is added to the mailbox
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
    charset = part.get_content_charset() or "utf-8"
    return content.decode(charset, errors="replace") if isinstance(content, bytes) else ""
