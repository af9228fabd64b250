"""Sends a folder with its card to the Hugging Face hub, once nothing in it speaks against that."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from elenchus.errors import UserError
from elenchus.front_matter import CARD, front_matter, read_front_matter
from elenchus.licences import licence_name, on_hub
from elenchus.printing import in_line
from models.hub import http_error
from models.weights import file_hash
from publishing.checking import findings
from publishing.dataset_card import licence_of_dataset

TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")  # variables that may hold one
# As the hub takes them.
_NAME = re.compile(
    r"(?!.*(?:--|\.\.|\.git$))[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(?<![.-])", re.ASCII
)
SMALL = 10 << 20  # bytes up to which the hub may take a file without its hash
SHOWN = 5  # findings that a message names
Kind = Literal["model", "dataset"]


@dataclass(frozen=True)
class Parcel:
    """What is sent: files by their names in the repository, with the card as it is sent.

    `digests` are the SHA-256 of the files as they were looked at; `licence` is as the hub writes
    it.
    """

    kind: Kind
    repo: str
    files: dict[str, Path]
    digests: dict[str, str]
    card: str
    licence: str

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file."""
        sizes = {name: path.stat().st_size for name, path in self.files.items()}
        return sizes | {CARD: len(self.card.encode())}


@dataclass(frozen=True)
class Sent:
    """Where a parcel went; `existed` tells whether the repository was there."""

    url: str
    private: bool
    existed: bool


def parcel(
    folder: Path,
    kind: Kind,
    repo: str,
    licence: str | None = None,
    leave_out: Sequence[str] = (),
    checked: Sequence[str] = (),
    places: Sequence[Path] = (),
) -> Parcel:
    """Return what would be sent of a folder.

    Args:
        repo: OWNER/NAME.
        licence: in SPDX's list, where the card has none.
        leave_out: names of files that stay here.
        checked: names of files that may hold what looks like a secret or a path.
        places: folders of this machine whose paths must not leave it.

    Raises:
        UserError: there is no card or no licence, a file holds what must not leave, or a name is
            no repository's or no file's.
    """
    _check_name(repo)
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if (path.is_file() or path.is_symlink()) and _is_to_send(path.relative_to(folder))
    }
    for name in (*leave_out, *checked):
        if name not in files:
            raise UserError(f"{folder} has no file {name}; it has {', '.join(files) or 'none'}")
    sent = {name: path for name, path in files.items() if name not in leave_out}
    if CARD not in sent:
        raise UserError(f"{folder} has no {CARD} to send: nobody would know what it is")
    if links := [name for name, path in sent.items() if path.is_symlink()]:
        raise UserError(
            f"nothing is sent: {links[0]} is a link, and may lead anywhere. Put the file itself "
            "there, or keep the link here with --leave-out"
        )
    digests = {name: file_hash(path) for name, path in sent.items()}  # before they are looked at
    card, named = licensed(_text(files[CARD]), licence)
    looked_at = [(n, p) for n, p in files.items() if n not in leave_out and n not in checked]
    if found := list(findings(looked_at, places)):
        listed = "; ".join(map(str, found[:SHOWN])) + ("; …" if len(found) > SHOWN else "")
        raise UserError(
            f"nothing is sent: {listed}. Remove it, keep the file here with --leave-out FILE or, "
            "where you have looked and it is nothing, name it with --checked FILE"
        )
    return Parcel(kind, repo, sent, digests, card, named)


def licensed(card: str, licence: str | None) -> tuple[str, str]:
    """Return a card with its licence, and the licence as the hub writes it.

    Args:
        licence: in SPDX's list, for a card that has none.

    Raises:
        UserError: nobody named a licence, or the one given is none or another one; the card is
            damaged.
    """
    try:
        matter, body = read_front_matter(card)
    except ValueError as error:
        raise UserError(f"nothing is sent: {CARD} is damaged, {error}: mend it there") from error
    own = str(matter.get("license") or "unknown")
    named = str(matter.get("license_name") or own)
    if licence is None:
        if own == "unknown":
            raise UserError(
                "nothing is sent: its card names no licence. Find out under which it may be "
                "passed on, and name that: --licence CC-BY-4.0 (a dataset's can stand in "
                "domain.yaml: dataset.licence)"
            )
        return card, named
    try:
        keys = on_hub(licence_name(licence))
    except ValueError as error:
        raise UserError(f"--licence {licence}: it must be {error}") from error
    given = keys.get("license_name", keys["license"])
    if own != "unknown" and given != named:
        raise UserError(
            f"--licence {licence}: the card says {named}; change it there if that is so"
        )
    body = body.replace(licence_of_dataset(None), licence_of_dataset(licence))
    return front_matter(matter | keys) + body, given


def token() -> str:
    """Return the token in the environment; UserError where there is none."""
    for name in TOKENS:
        if found := os.environ.get(name, "").strip():
            return found
    raise UserError(
        f"{TOKENS[0]} is not set: make a token that may write at https://huggingface.co/settings/tokens"
        ", and set that variable to it"
    )


def send(sent: Parcel, private: bool, message: str) -> Sent:
    """Send a parcel as one commit; what the repository has of it already is not sent again.

    Args:
        private: whether nobody else may see it; a public repository is then refused.

    Raises:
        UserError: the hub refuses, or is not reached; a file is another than was looked at.
    """
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    except ModuleNotFoundError as error:
        raise UserError(f"sending needs {error.name}: pip install -e '.[hub]'") from error
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token())
    try:
        operations = [
            CommitOperationAdd(name, _content(name, path, sent))
            for name, path in sent.files.items()
        ]
        _check_same(sent, operations)
        existed = _made(api, sent, private)
        info = api.repo_info(sent.repo, repo_type=sent.kind)
        if private and not info.private:
            raise UserError(
                f"{sent.repo} is there and public, and this would be seen by everybody: give "
                "--public, or another name"
            )
        commit = api.create_commit(
            sent.repo, operations, commit_message=message, repo_type=sent.kind
        )
    except HfHubHTTPError as error:
        raise UserError(f"{sent.repo}: {_refused(error)}") from error
    except OfflineModeIsEnabled as error:
        raise UserError("HF_HUB_OFFLINE is set: nothing is sent; unset it") from error
    # huggingface_hub raises a RuntimeError where a large file breaks off, and a ValueError for
    # cards that the hub does not take.
    except (http_error(), OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"{sent.repo}: sending broke off ({_line(error)}): give the command again; what "
            "arrived whole is not sent twice"
        ) from error
    return Sent(str(commit.repo_url), bool(info.private), existed)


def _content(name: str, path: Path, sent: Parcel) -> bytes | Path:
    """Return what is sent of a file; of a small one what it holds now, whatever it is later."""
    if name == CARD:
        return sent.card.encode()
    return path.read_bytes() if path.stat().st_size <= SMALL else path


def _check_same(sent: Parcel, operations: Sequence[Any]) -> None:
    """Check that files still are what was looked at; the hub checks the hash of large ones."""
    for one in operations:
        name = one.path_in_repo
        if name != CARD and one.upload_info.sha256.hex() != sent.digests[name]:
            raise UserError(
                f"nothing is sent: {name} has changed since it was looked at; give the command "
                "again once nothing writes there"
            )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"nothing is sent: {path} is no text in UTF-8: mend it there") from error


def _made(api: Any, sent: Parcel, private: bool) -> bool:
    """Make the repository; return whether it was there."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.create_repo(sent.repo, repo_type=sent.kind, private=private)
    except HfHubHTTPError as error:
        if error.response is None or error.response.status_code != 409:
            raise
        return True
    return False


def _refused(error: Any) -> str:
    """Say why the hub refuses, and what helps."""
    status = error.response.status_code if error.response is not None else 0
    if status == 401:
        return f"the hub does not know the token in {TOKENS[0]} (401): make a new one"
    if status == 403:
        return (
            f"the token in {TOKENS[0]} may not write there (403): give it the right to, or take a "
            "name of your own as OWNER"
        )
    if status == 404:
        return "the hub has no such owner, or hides the repository from this token (404)"
    return f"the hub refuses ({status}: {_line(error)}); give the command again later"


def _line(error: Exception) -> str:
    cause = error.__cause__ or error
    return str(cause).strip().partition("\n")[0][:200]


def _is_to_send(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return not (hidden or any(part.endswith(".partial") for part in path.parts))


def _check_name(repo: str) -> None:
    if not _NAME.fullmatch(repo):
        raise UserError(
            f"--to {in_line(repo, 100)}: give OWNER/NAME, of letters, digits and . _ -, no two "
            "of . or - in a row: owner/harbour"
        )
