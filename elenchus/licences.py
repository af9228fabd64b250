"""Licences by their names in SPDX's list, and as the Hugging Face hub writes them."""

import re
from typing import Annotated

from pydantic import AfterValidator

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,79}")
# What the hub calls the licences that people give to texts, data and models; others are "other".
HUB = {
    "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd-2-clause", "bsd-3-clause",
    "bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0",
    "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-1.0",
    "cdla-permissive-2.0", "cdla-sharing-1.0", "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0",
    "eupl-1.1", "eupl-1.2", "gemma", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "isc", "lgpl",
    "lgpl-2.1", "lgpl-3.0", "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3",
    "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl", "odc-by", "ofl-1.1", "openrail",
    "osl-3.0", "pddl", "postgresql", "unlicense", "wtfpl", "zlib",
}  # fmt: skip
_WITHOUT_VERSION = ("gfdl", "odbl", "odc-by", "pddl")  # as the hub writes them


def licence_name(name: str) -> str:
    """Return the name of a licence; ValueError for what can be none."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            "the name of a licence in SPDX's list (https://spdx.org/licenses), for instance "
            "CC-BY-4.0, Apache-2.0, or LicenseRef-NAME for one of your own"
        )
    return name


def on_hub(name: str | None) -> dict[str, str]:
    """Return the keys of a card's front matter that name a licence.

    Args:
        name: in SPDX's list; None where nobody said.
    """
    if name is None:
        return {"license": "unknown"}
    known = re.sub(r"-(only|or-later)$", "", name.lower())
    for family in _WITHOUT_VERSION:
        if re.fullmatch(rf"{family}-[0-9.]+", known):
            known = family
    if known in HUB:
        return {"license": known}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.-]+", "-", name.lower())}


Licence = Annotated[str, AfterValidator(licence_name)]
