"""What a run that makes classifiers will use, before anything is paid for.

How many messages are kept is not known beforehand: half of them, here. Models that repeat
themselves need more requests, up to `generation.rounds` times as many.
"""

import math
from pathlib import Path
from statistics import fmean

from agents.prompting import Subject
from graphs.classification import messages
from graphs.classification.config import ClassificationTree
from graphs.estimate import Use, template, use
from models.prices import Prices

KEPT = 0.5  # of the messages that are generated
JUDGED = 0.7  # of them; the others are left out for cheaper reasons
IDEAS, IDEA, REASON = 15, 40, 120  # indicators a list; characters


def estimate(config: ClassificationTree, folder: Path) -> list[Use]:
    """Return by role what a run of the domain in `folder` will use.

    Raises:
        UserError: the messages cannot be used.
    """
    real = messages.collect(config.messages, folder, config.seed).messages
    length = fmean(len(m.text) for m in real) + 20  # with its tags
    classes = len({m.label for m in real})
    settings, prices = config.generation, Prices(config.models)
    subject = Subject.of(config, folder)
    uses = []
    if config.indicators.enabled:
        models = config.indicators.models or [config.expert]
        listing = (
            template(subject, "expert", "indicators") + 3 * config.indicators.examples * length
        )
        ideas = len(models) * IDEAS * IDEA
        merging = template(subject, "expert", "merge") + ideas
        uses = [use("expert", m, classes, listing, IDEAS * IDEA, prices) for m in models]
        # Merging, and asking which ideas were lost.
        uses.append(use("expert", models[0], 2 * classes, merging, ideas / 2, prices))
    requests = classes * math.ceil(settings.per_class / KEPT / settings.per_request)
    request = template(subject, "author", "messages") + settings.group * length + IDEAS * IDEA
    reply = settings.per_request * length
    uses.append(use("author", settings.author, requests, request, reply, prices))
    if settings.judge:
        judged = JUDGED * requests * settings.per_request
        indicators = classes * IDEAS * IDEA if config.indicators.enabled else 0
        question = template(subject, "grader", "label") + indicators + length
        uses.append(use("grader", config.grader, judged, question, REASON, prices))
    return uses
