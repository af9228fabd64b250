"""What a run that makes classifiers will use, before anything is paid for.

How many messages are kept is not known beforehand: half of them, here. Models that write alike
messages need more requests, up to `generation.rounds` times as many.
"""

import math
from pathlib import Path
from statistics import fmean

from agents.prompting import FOLDER
from graphs.adaptation.estimate import Use, use
from graphs.classification import messages
from graphs.config import DomainConfig
from models.prices import Prices

KEPT = 0.5  # of the messages that are written
JUDGED = 0.7  # of them; the others are left out for cheaper reasons
IDEAS, IDEA, REASON = 15, 40, 120  # indicators a list; characters


def estimate(config: DomainConfig, folder: Path) -> list[Use]:
    """By role, what a run of the domain in `folder` will use.

    Raises:
        UserError: the messages cannot be used.
    """
    found = messages.collect(config.messages, folder, config.seed).messages
    length = fmean(len(m.text) for m in found) + 20  # with its tags
    classes = len({m.label for m in found})
    settings, prices = config.generation, Prices(config.models)
    uses = []
    if config.indicators.enabled:
        models = config.indicators.models or [config.expert]
        listing = _template("expert", "indicators") + 3 * config.indicators.examples * length
        ideas = len(models) * IDEAS * IDEA
        merging = _template("expert", "merge") + ideas
        uses = [use("expert", m, classes, listing, IDEAS * IDEA, prices) for m in models]
        # Merging, and asking what was lost.
        uses.append(use("expert", models[0], 2 * classes, merging, ideas / 2, prices))
    requests = classes * math.ceil(settings.per_class / KEPT / settings.per_request)
    asked = _template("author", "messages") + settings.group * length + IDEAS * IDEA
    written = settings.per_request * length
    uses.append(use("author", settings.author, requests, asked, written, prices))
    if settings.judge:
        judged = JUDGED * requests * settings.per_request
        told = classes * IDEAS * IDEA if config.indicators.enabled else 0
        shown = _template("grader", "label") + told + length
        uses.append(use("grader", config.grader, judged, shown, REASON, prices))
    return uses


def _template(role: str, task: str) -> int:
    """Characters of a prompt before anything is filled in."""
    return len((FOLDER / role / f"{task}.md").read_text(encoding="utf-8"))
