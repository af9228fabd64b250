"""Splits a clause at its modal verb, which tells its mood: it commands, allows or forbids.

`split_at_modal` returns subject, mood and predicate. Forms that have no modal verb, or in which it
alone does not tell, come out the same: "is prohibited", "No person may", "Never leave".
"""

import re
from dataclasses import dataclass

from offline.reader.lexicon import ACTORS, NUMBER, singular
from offline.reader.limits import Mood, find_limit

_ADVERB = (
    r"(?:(?:strictly|expressly|absolutely|also|always|therefore|hereby|generally|likewise|"
    r"otherwise|only|at all times|normally|further|in addition|accordingly)[ ,]+)?"
)
_BE = r"(?:is|are|be|being|shall be|must be|remains?|stays?)"
_MODAL = re.compile(
    # The first letters spare most words the trial of all alternatives.
    r"\b(?=[abcghimnorsw])(?:"
    rf"(?P<ban>{_BE} {_ADVERB}(?:prohibited|forbidden|banned|barred|disallowed|outlawed|unlawful|"
    r"illegal|off limits|ruled out|not (?:to be )?(?:permitted|allowed|lawful|tolerated|"
    r"authori[sz]ed)|never (?:permitted|allowed)|an offence|a criminal offence)\b)"
    r"|(?P<neg>(?:must|shall|may|should|will|can) ?(?:not|never)\b(?! only)|"
    r"(?:must|may|shall|can)n['’]t\b|(?:is|are) (?:not|never) to\b|(?:is|are) (?:not|never) "
    r"(?:permitted|allowed|entitled) to\b|(?:must|shall) (?:refrain from|avoid)\b)"
    rf"|(?P<allow>(?:is|are|be) {_ADVERB}(?:permitted|allowed|lawful|authori[sz]ed|in order|"
    r"welcome)\b|(?:is|are) (?:free|entitled|welcome|at liberty) to\b)"
    rf"|(?P<duty>(?:must|shall|has to|have to|needs? to|ought to)\b|(?:is|are) {_ADVERB}"
    r"(?:required|obliged|bound|expected) to\b|(?:is|are) to (?=be\b|have\b|[a-z]+ )|(?:is|are) "
    r"(?:due|required|needed|payable|limited|restricted|capped)\b|(?:requires?|needs?|has|have|"
    r"gets?|is given|are given)\b(?= (?:at least|no fewer|not less|no less|at most|a minimum|"
    rf"(?:only |up to )?{NUMBER}\b)))"
    r"|(?P<may>may\b))",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"\b(?:who|which|that|whom)\s*$", re.IGNORECASE)
_POSSIBLE = re.compile(
    r"\s*(?:also |still |well |even |often |sometimes )?(?:cause|happen|occur|contain|include|"
    r"result|vary|seem|appear|become|suffer|lead|affect|arise|differ|need|wish|want|like|find|"
    r"feel|expect|link|take (?:up to|about|some|as)|have (?:been|had|gained|[a-z]{4,}ed|"
    r"[a-z]{3,}en)|be (?:located|involved|exposed|able|subject|different|liable|due|caused|"
    r"necessary|found|seen|more|less|the|a|an|in|slippery|dangerous|useful))\b",
    re.IGNORECASE,
)
_NOT_RULING = re.compile(
    r"\s*(?:also |only |not |then |in any way |otherwise )*(?:apply|affect|limit|extend|"
    r"prejudice|constitute|mean|create|imply|preclude|prevent|relieve|waive|include|commence|"
    r"operate|survive|govern|control|supersede|worry|hesitate|forget|guarantee|promise|have "
    r"(?:any|no|an|the) (?:right|obligation|liability|effect|duty|power)|be (?:considered|"
    r"construed|treated|deemed|interpreted|regarded|taken into|liable|responsible|bound|entitled|"
    r"counted|read|applicable|subject|held|obligated|obliged|required|able|understood|"
    r"disregarded|unreasonably|the|an?))\b",
    re.IGNORECASE,
)
_SIDE_CLAUSE = re.compile(
    r"^(?:if|because|whether|since|although|who|which|that|plus|or|and|but if|even if|so|think)\b",
    re.IGNORECASE,
)
_WITHIN_SIDE_CLAUSE = re.compile(
    r"\b(?:if|because|since|whether|how|although|though|so that|it is (?:believed|said|thought))\b",
    re.IGNORECASE,
)
_AIM = re.compile(
    r"\b(?:aim|purpose|goal|point|idea|reason|intention|plan|hope|task|trick) *$", re.I
)
_NO_SUBJECT = re.compile(
    r"^(?:no(?!w|t|r|tice)\b(?! (?:more|fewer|less|later|longer|earlier|nearer|closer)\b)|"
    r"nobody\b|no one\b|neither\b|none of\b|under no circumstances\b|in no (?:case|event)\b|at "
    r"no time\b|on no account\b|never\b|not (?:a|one)\b)\s*",
    re.IGNORECASE,
)
_INVERTED = re.compile(
    r"\s*((?:the|an?|any|this|each)\s.{1,80}?)\s(?=(?:be|exceed|have|contain|carry|remain|last|"
    r"weigh)\b)",
    re.IGNORECASE,
)
_ONLY_SUBJECT = re.compile(r"^(?:only|none but|nobody but|no one but)\s+", re.IGNORECASE)
_ONLY = re.compile(
    r",?\s*\bonly (?P<rest>(?:(?:when|where|if|while|after)\s+)?(?:with|by|in|on|at|between|"
    r"during|for|under|from)?\s*.+)$",
    re.IGNORECASE,
)
_IMPERATIVE = re.compile(r"^(?:please )?(?:never|do not|don['’]t)\s+(?=[a-z])", re.IGNORECASE)
_GERUND = re.compile(r"\s*[a-z]+ing (?:an?|the|any|his|their|its)\b", re.IGNORECASE)
_ADVERBIAL = re.compile(
    r"^(?:within|after|before|on|upon|in|at|during|for|from|by|no later than|not later than|"
    r"until|as|to|with|under|subject to|notwithstanding|whenever|without|when|where|if|however|"
    r"also|in addition|moreover|furthermore|therefore|additionally|then)\b",
    re.IGNORECASE,
)
_PASSIVE = re.compile(
    r"^\s*(?:also |always |only |then |first |at all times |promptly |not )*(?:be|have been|get)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Split:
    """A clause taken apart at its modal verb.

    Attributes:
        passive: the subject is what is ruled on ("is prohibited", "must be paid").
        no_subject: "No vessel may …": the subject, too, may be what is ruled on.
        preamble: what stands before the subject: "Within 3 days of landing, …".
    """

    subject: str
    predicate: str
    mood: Mood
    passive: bool
    no_subject: bool = False
    preamble: str = ""


def split_at_modal(main: str) -> Split | None:
    """Take the clause apart; None where nothing in it rules anything."""
    imperative = _IMPERATIVE.match(main)
    if imperative is not None:
        return Split("", main[imperative.end() :], "negative", passive=False)
    for modal in _MODAL.finditer(main):
        before, after = main[: modal.start()], main[modal.end() :]
        if _RELATIVE.search(before) or not _is_norm(modal, before.strip(), after):
            continue
        if modal.lastgroup != "duty" and _WITHIN_SIDE_CLAUSE.search(before):
            return None
        split = _split(modal, before.strip(" ,"), after)
        if _SIDE_CLAUSE.match(split.subject):
            return None
        if split.mood != "duty" and _NOT_RULING.match(split.predicate):
            return None
        return split
    return None


def _is_norm(modal: re.Match[str], before: str, after: str) -> bool:
    """Tell whether a modal verb rules something, rather than saying what is possible or meant."""
    kind, word = modal.lastgroup, modal.group().lower()
    if modal.group() == "May" or (
        word.startswith(("can", "should", "will")) and not _denied(modal, before)
    ):
        return False
    if kind == "may" and _POSSIBLE.match(after) and _NO_SUBJECT.match(before) is None:
        return find_limit(after, "permission") is not None
    if kind == "duty" and word.endswith(" to") and _AIM.search(before):
        return False
    return bool(before.strip() or kind in ("duty", "may"))


def _denied(modal: re.Match[str], before: str) -> bool:
    """Tell whether "cannot" and the like forbid: "visitors cannot", but not "we cannot promise"."""
    last = re.findall(r"[a-z]+", before.lower())[-3:]
    named = any(w in ACTORS or singular(w) in ACTORS for w in last)
    return modal.lastgroup == "neg" and named and last[-1:] not in (["we"], ["they"], ["it"], ["i"])


def _split(modal: re.Match[str], before: str, after: str) -> Split:
    """Take a clause apart at a modal verb that rules something."""
    kind = modal.lastgroup
    no_subject = _NO_SUBJECT.match(before)
    mood: Mood = "duty"
    if kind in ("ban", "neg"):
        mood = "negative"
    elif kind in ("allow", "may"):
        mood = "permission"
    if no_subject is not None:
        before, mood = before[no_subject.end() :], "negative"
        inverted = _INVERTED.match(after) if not before else None
        if inverted is not None:
            before, after = inverted.group(1), after[inverted.end(1) :]
    if modal.group().lower().endswith(("refrain from", "avoid")) and not _GERUND.match(after):
        after = f" do{after}"  # a noun: "must avoid noise"
    whole, before = before, _main_subject(before)
    preamble = whole[: len(whole) - len(before)]
    passive = kind in ("ban", "allow") or _PASSIVE.match(after) is not None
    if kind == "duty" and re.search(
        r"\b(?:due|payable|limited|restricted|capped|required|needed)$", modal.group()
    ):
        passive, after = True, f" {modal.group().split()[-1]}{after}"
    if kind in ("ban", "allow") and (active := re.match(r" (?:to|from) (?=[a-z]+)", after)):
        gerund = re.match(r"\s+from (?:the|an?|any)\b", after)
        passive, after = gerund is not None, after if gerund else after[active.end() :]
    elif modal.group().lower().endswith(" to"):
        passive = _PASSIVE.match(after) is not None
    there = re.match(r"^there$", before, re.IGNORECASE)
    if there is not None:
        before, after = re.sub(r"^\s*be\s+", "", after), " be"
        if before.lower().startswith("no "):
            before, mood = before[3:], "negative"
        passive = True
    return Split(before, after, mood, passive, no_subject is not None, preamble)


def _main_subject(before: str) -> str:
    """Return the subject without adverbials before it: "Within 3 days, | the skipper"."""
    if _ADVERBIAL.match(before) is None:
        return before
    tail = before.rpartition(", ")[2]
    if tail == before:
        tail = before[_last_determiner(before) :]
    return tail if tail and not _ADVERBIAL.match(tail) else before


def _last_determiner(text: str) -> int:
    matches = list(re.finditer(r"\b(?:the|an?|each|every|any|no|all)\b", text, re.IGNORECASE))
    return matches[-1].start() if matches else 0


def split_only(split: Split) -> tuple[Split, str | None]:
    """Turn "X may be done only when Y" and "Only Y may do X" into a ban of X, with an exception.

    Returns:
        The clause, and the exception that Y is; other clauses as they are, and None.
    """
    if split.mood != "permission":
        return split, None
    subject = _ONLY_SUBJECT.match(split.subject)
    if subject is not None:
        who = split.subject[subject.end() :]
        return Split("", split.predicate, "negative", split.passive, True), f"it concerns {who}"
    only = _ONLY.search(split.predicate)
    if only is None or find_limit(split.predicate, "permission") is not None:
        return split, None
    rest = re.sub(r"^(?:when|where|if|while)\s+", "", only.group("rest").strip(), flags=re.I)
    before = split.predicate[: only.start()]
    if "," in before or re.match(r"^\s*(?:be)?\s*$", before):
        return split, None
    return Split(split.subject, before, "negative", split.passive), rest
