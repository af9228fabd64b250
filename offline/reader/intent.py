"""Finds out what a question wants to know: the limit, the exception, the grade, a verdict, a fine …

Cues are looked for in the part of the question that asks, with the words of the topic masked, so
that "crane fee" is not taken for a question about money.
"""

import re

from offline.language.questions import Asked

_SENTENCE = re.compile(r"[^.?!]*(?:[.?!](?![\w])|$)")
_IMPERATIVE = re.compile(
    r"^\W*(?:and |please |now )?(?:tell|name|give|state|define|explain|spell|look up|work out|"
    r"decide|judge|replace|let the|quote|cite|list|describe|say (?:whether|if|what|which|how))\b",
    re.IGNORECASE,
)
_TELL = re.compile(r"^(?:tell me|quick question|for my notes|hello|good \w+)[:,]\s*", re.IGNORECASE)
_SMALL_TALK = re.compile(
    r"^\W*(?:can you help me|please (?:help|advise)|a question|quick question|next|let us see|"
    r"here is a case|consider this|one more thing|for my notes|we were wondering)\W*$",
    re.IGNORECASE,
)


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE)


_CHANGE = _any(
    r"\bchang(?:e|es|ed|ing)\b", r"\bsame\b", r"\bdifferen(?:t|tly|ce)\b", r"\balter(?:s|ed)?\b",
    r"\baffect(?:s|ed)?\b", r"\botherwise\b", r"\bturn the case\b", r"\bbecomes? of\b",
    r"\bdoes it matter\b", r"\bmake any odds\b", r"\bstay as\b", r"\bstill (?:be|stand|hold)\b",
    r"\bwhat if\b", r"\bwould happen\b",
)  # fmt: skip
_HYPOTHESIS = _any(
    r"\blimits?\b", r"\bif\b", r"\bwere\b", r"\bhad\b", r"\bsuppos(?:e|ing)\b",
    r"\bimagin(?:e|ing)\b", r"\bpretend\b", r"\bassum(?:e|ing)\b", r"\blet\b", r"\bwould\b",
    r"\binstead\b", r"\bwith\b", r"\bm(?:ax|in)imum\b", r"\bat (?:most|least)\b",
    r"\bmay (?:rise|fall)\b", r"\bin the code\b", r"\brule\b",
)  # fmt: skip
_SUPPOSING = _any(
    r"\bsuppos\w+\b", r"\bimagin\w+\b", r"\bpretend\w*\b", r"\bif\b", r"\bwould\b.*\blimit\b",
    r"\b(?:another|other) (?:result|outcome|verdict|ruling|answer)\b", r"\blead to\b",
    r"\bled to\b",
)  # fmt: skip
_MEANING = _any(
    r"\bmean(?:s|t|ing)?\b", r"\bdefin(?:e|es|ed|ition)\b", r"\bunderst(?:and|ood) by\b",
    r"\bstands? for\b", r"\bin the sense of\b", r"\bthe (?:term|expression|phrase|word)\b",
    r"\brefers? to\b", r"\bcounts? as (?!a breach)\b", r"\bis called\b", r"\bare called\b",
    r"\bspeaks? of\b", r"\btalking about\b", r"\bwho is an?\b", r"\bin mind\b", r"\bcalled an?\b",
    r"\bdescribed as\b", r"\bpasses for\b", r"\bgo(?:es)? by the name\b",
)  # fmt: skip
_FINE = _any(
    r"\bfin(?:es|ed|ing)\b",
    r"(?<!\bis )(?<!\bbe )(?<!\bit )(?<!\bthat )(?<!\bare )(?<!'m )(?<!\bam )\bfine\b(?! to| with)",
    r"\bpenalt(?:y|ies)\b", r"\b(?:cost|costs|costing)\b", r"\bow(?:e|es|ed|ing)\b", r"\bprice\b",
    r"\bhow dear\b", r"\bset\b.{1,40}\bback\b",
    r"\b(?:what|how much|which sum|what sum)\b.{0,60}\bpa(?:y|ys|id|ying)\b", r"\bmoney is due\b",
    r"\bin money\b", r"\b(?:what|which) (?:sum|amount)\b(?! does)", r"\bwould the code charge\b",
    r"\bthe bill\b", r"\bpay anything\b", r"\bto pay\b",
    r"\bhow (?:much|many)\b.{0,40}\bcharged?\b", r"\bout of pocket\b", r"\bpunish(?:ed|ment)\b",
)  # fmt: skip
_GRADE = _any(
    r"\bgrad(?:e|es|ed|ing)\b",
    r"\bhow (?:very )?(?:serious|grave|bad|severe|heavy|grievous)(?:ly)?\b",
    r"\bclass(?:ed|es)?\b(?= of breach|\b.{0,20}$|ed)", r"\brated?\b(?! of)",
    r"\blevel of breach\b",
    r"\b(?:sort|kind|type|class|category|degree|rank) of (?:a )?(?:breach|offence|lapse|failure)\b",
    r"\bwhich category\b", r"\bwhat (?:class|category|rank)\b", r"\bin what class\b", r"\branks?\b",
)  # fmt: skip
_FOR_WHAT = _any(
    r"\b(?:under|in|on|for) (?:what|which) (?:conditions?|circumstances?|cases?|grounds?|"
    r"reasons?|situations?|occasions?)\b",
    r"\b(?:no|not a|without a(?:ny)?|without) breach\b", r"\bwhat makes\b",
    r"\b(?:an|any|which|what|the|name|is there) exceptions?\b(?! (?:help|apply here|hold))",
)  # fmt: skip
_HOW = _any(r"\bhow (?:many|much|long|soon|far|high|wide|deep|heavy|big|large|late|early|old)\b")
_EXCEPTION = _any(
    r"\bexception(?:s|al)?\b", r"\bexempt(?:s|ed|ion)?\b", r"\bexcus(?:e|es|ed)\b",
    r"\b(?:not|n't|never|cease to) (?:apply|hold(?! back)|count|bind|matter)\b",
    r"\b(?:lift|lifts|lifted)\b", r"\bset(?:s)? aside\b", r"\brelease[sd]?\b", r"\bignored?\b",
    r"\blooks? away\b", r"\bway (?:round|around|out)\b", r"\bcircumstances?\b",
    r"\bon what grounds?\b", r"\bfree (?:of|from) the rule\b", r"\bdepart from\b",
    r"\bleft out of\b", r"\bneed nobody\b", r"\bunder what conditions?\b",
    r"\bin (?:what|which) (?:case|event|situation)s?\b", r"\bon what occasion\b",
    r"\bany situation in which\b", r"\bloophole\b", r"\bwaive[sd]?\b",
    r"\bwithout getting into trouble\b", r"\bget(?:s)? (?:out of|away with)\b", r"\bspared?\b",
    r"\bhave to be (?:arranged|the case|true)\b", r"\bunless what\b", r"\bsuspend(?:s|ed)?\b",
    r"\brelax(?:es|ed)?\b", r"\blet (?:off|us off)\b", r"\bleave to\b", r"\bjustif(?:y|ies|ied)\b",
    r"\bwhat makes it all right\b", r"\bwhen (?:may|can|need|could|might)\b", r"\bwhat makes\b",
    r"\b(?:what|anything)(?: that)? (?:lets?|allows?|permits?|entitles?)\b", r"\bfor what reason\b",
)  # fmt: skip
_VERDICT = _any(
    r"\bbreach(?:ed|es)?\b", r"\b(?:break|breaks|broke|broken|breaking)\b",
    r"\brules? (?:been )?kept\b", r"\bkept (?:the|to)\b", r"\bfollowed\b", r"\brespected\b",
    r"\bcompl(?:y|ies|ied)\b", r"\b(?:go|went|goes|act|acted) against\b", r"\bput up with\b",
    r"\bwithin (?:the|his|her) rules\b", r"\bin trouble\b", r"\bwrong\b",
    r"\bobject(?:s|ed)?\b(?! to Topicmark| to an?\b| to the\b)", r"\boffend(?:ed|s)?\b",
    r"\bcharged\b", r"\breported\b", r"\bguilty\b", r"\bas it should be\b", r"\bgo ahead with\b",
    r"\bcan anyone object\b", r"\bviolat\w+\b", r"\bbyelaws? kept\b", r"\bin the clear\b",
    r"\bclear (?:us|him|her|me|them)\b", r"\bstand against\b", r"\bget in\b", r"\bto answer for\b",
    r"\bcomplain\b", r"\bverdict\b", r"\bruling\b", r"\bjudged?\b",
)  # fmt: skip
_SOFT_VERDICT = _any(
    r"\bin order\b",
    r"\ball right\b",
    r"\bacceptable\b",
    r"\bfine\b",
    r"\ballowed\b",
)
_EITHER = _any(r"\bbreach,? or\b", r"\bor (?:no|not a|a) breach\b", r"\bor not\b",
    r"(?<!no )(?<!without a )(?<!without )(?<!not a )\bbreach\?",
)  # fmt: skip
_STANCE = _any(
    r"\b(?:allowed|permitted|lawful|legal)(?: here)? or\b",
    r"\bor (?:is it )?(?:allowed|permitted)\b",
    r"\bhow (?:is|are|do|does|would|will)\b.{0,40}\b(?:seen|see|treat(?:ed)?|view(?:ed)?|"
    r"regard(?:ed)?|look (?:on|at)|stand on|feel about|handled?)\b",
    r"\bwhere (?:do|does|would)\b.{0,30}\bstand (?:with|on)\b",
    r"\b(?:position|stance|rule|policy) (?:on|for|about)\b", r"\bsay (?:to|on|about)\b",
)  # fmt: skip
_OF_PRONOUN = re.compile(
    r"\b(?:is|was|would|does|did|may|can|could|has|have|will|are|were|"
    r"do)\b[^.?!:]{0,20}?\b(?:this|that|it|so|such a thing|everything|anything|he|she|they|we|i|"
    r"one)\b|\b(?:make|made|think|say) of (?:it|this|that)\b|\bwith (?:it|this|that)\b",
    re.IGNORECASE,
)


def asking_part(text: str) -> str:
    """Return the sentences that ask; the whole text where none does."""
    sentences = [_TELL.sub("", s.strip()) for s in _SENTENCE.findall(text) if s.strip()]
    asking = [
        s
        for s in sentences
        if (s.endswith("?") or _IMPERATIVE.match(s)) and not _SMALL_TALK.match(s)
    ]
    return " ".join(asking) if asking else text


def what_is_asked(masked: str, *, figures: int, quantified: bool, topic_mark: str) -> Asked:
    """Return what the question wants to know.

    Args:
        masked: the question with its topic and any exception stated in it replaced by marks.
        figures: how many figures in the rule's unit it holds.
        quantified: whether the rule sets a limit.
        topic_mark: what stands in `masked` for the topic.
    """
    asking = asking_part(masked)
    if quantified and figures >= 2 and _HYPOTHESIS.search(masked) and _CHANGE.search(asking):
        return "change"
    if quantified and figures >= 2 and _SUPPOSING.search(asking):
        return "change"
    if _GRADE.search(asking):
        return "grade"
    if _FINE.search(asking):
        return "fine"
    if _FOR_WHAT.search(asking) and not _EITHER.search(asking):
        return "exception"
    if quantified and figures:
        return "verdict"
    if _EXCEPTION.search(asking) and not _EITHER.search(asking):
        return "exception"
    if topic_mark not in asking and asking != masked and not _VERDICT.search(asking):
        # The request may only point back: "What does it say there?"
        if _GRADE.search(masked):
            return "grade"
        if re.search(r"\bexception\b", masked, re.IGNORECASE):
            return "exception"
    if quantified:
        return "verdict" if _VERDICT.search(asking) and not _HOW.search(asking) else "limit"
    return _about_deed(asking, topic_mark)


def _about_deed(asking: str, topic_mark: str) -> Asked:
    """Tell, for a rule without a limit, whether a deed is judged or the rule itself asked for."""
    head, _, tail = asking.partition(":")
    apart = topic_mark in tail and topic_mark not in head
    if apart and _OF_PRONOUN.search(head):
        return "verdict"
    if _STANCE.search(asking):
        return "limit"
    if re.search(r"\bwhen (?:is|are|was|would)\b", asking, re.IGNORECASE):
        return "exception"
    if _VERDICT.search(asking):
        return "verdict"
    if topic_mark in asking:
        return "limit"
    return "verdict" if _OF_PRONOUN.search(asking) or _SOFT_VERDICT.search(asking) else "limit"


def is_about_money(text: str) -> bool:
    """Tell whether a question asks what something costs."""
    return _FINE.search(asking_part(text)) is not None


def is_about_meaning(text: str) -> bool:
    """Tell whether a question asks what a term means."""
    return _MEANING.search(text) is not None


def asks_plainly(text: str) -> bool:
    """Tell whether a question asks what something is, with no case, figure or rule in view."""
    if re.search(r"\d", text) or re.search(r"\b(?:what|who|whom|which|how)\b", text, re.I) is None:
        return False
    asking = asking_part(text)
    return not any(cue.search(asking) for cue in (_FINE, _GRADE, _VERDICT))
