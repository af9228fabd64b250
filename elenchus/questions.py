"""Kinds of question and the form of an answer: what a domain may set beside those that are here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

UNSTATED = "unstated"  # right is to say that the documents do not tell
JOINING = ("combine", "compare")  # kinds that need two points
# Kinds that ask for what stands there, or for a plain use of it: the first steps.
STRAIGHT = ("recall", "apply")
KINDS: dict[str, str] = {
    "recall": "asks what the documents say on the point, in full: all that belongs to it",
    "apply": "tells the facts of a case and asks what follows from the point, and why",
    "exception": "tells facts in which an exception, a condition or a limit of the point may or "
    "may not hold, and asks for the outcome",
    "combine": "can be answered only by somebody who knows the point and another one, which "
    "together decide what neither decides alone",
    "compare": "asks how two things that the points tell of differ, or what they share, in a "
    "respect that matters to somebody who has to choose",
    "counterfactual": "changes one fact, step or rule, and asks whether the outcome changes, and "
    "why",
    "interpret": "tells facts or words that can be taken in more than one way, and asks for the "
    "most probable reading, with what speaks for it",
    UNSTATED: "asks for something that somebody in the field would want to know here, and that "
    "the documents do not tell, so that the right answer is to say so",
}
# Where a title says nothing else: who might ask, and in what form.
PERSONAS = (
    "somebody new to the field",
    "a practitioner in a hurry",
    "a specialist from another field",
    "somebody who has to decide and to answer for it",
    "somebody who checks the work of others",
)
FORMATS = (
    "a short question",
    "a message to a colleague",
    "a case told in a few sentences, with names and figures",
    "a question asked after something went wrong",
    "a hypothetical put to the test",
)
# "Answer:" in languages as people write their names; others take the English one.
_LABELS = {
    "english": "Answer:", "german": "Antwort:", "french": "Réponse :", "spanish": "Respuesta:",
    "italian": "Risposta:", "portuguese": "Resposta:", "dutch": "Antwoord:", "polish": "Odpowiedź:",
    "swedish": "Svar:", "danish": "Svar:", "norwegian": "Svar:", "finnish": "Vastaus:",
    "czech": "Odpověď:", "russian": "Ответ:", "ukrainian": "Відповідь:", "turkish": "Cevap:",
    "greek": "Απάντηση:", "hungarian": "Válasz:", "romanian": "Răspuns:", "chinese": "答案：",
    "japanese": "答え：", "korean": "답:", "arabic": "الجواب:", "hindi": "उत्तर:",
}  # fmt: skip
_UNSTATED = {
    "english": "The documents do not say.", "german": "Die Dokumente sagen es nicht.",
    "french": "Les documents ne le disent pas.", "spanish": "Los documentos no lo dicen.",
    "italian": "I documenti non lo dicono.", "portuguese": "Os documentos não o dizem.",
    "dutch": "De documenten zeggen het niet.", "polish": "Dokumenty tego nie mówią.",
    "swedish": "Dokumenten säger det inte.", "danish": "Dokumenterne siger det ikke.",
    "russian": "В документах этого нет.", "chinese": "文件没有说明。",
    "japanese": "文書には書かれていません。",
}  # fmt: skip
_FIELDS = re.compile(r"(\{explanation\}|\{label\}|\{result\})")


def label_in(language: str) -> str:
    """Return the word that stands before a result, in a language."""
    return _LABELS.get(language.strip().casefold(), _LABELS["english"])


def unstated_in(language: str) -> str:
    """Return the sentence that the documents do not tell, in a language."""
    return _UNSTATED.get(language.strip().casefold(), _UNSTATED["english"])


def kinds_of(changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return the kinds that come with the program, with a domain's own, less those set to None."""
    return {kind: text for kind, text in (KINDS | dict(changes)).items() if text is not None}


@dataclass(frozen=True)
class AnswerForm:
    """How explanation and result make the text of an answer, and how the result is found again.

    Args:
        template: with {explanation} and {result}, and {label} where wanted.
        label: stands before the result.
        unstated: the result where the documents do not decide.
    """

    template: str = "{explanation}\n{label} {result}"
    label: str = _LABELS["english"]
    unstated: str = _UNSTATED["english"]

    def text(self, explanation: str, result: str) -> str:
        """Return the text of an answer; without an explanation, what is left of the form."""
        if self._after.startswith(".") and result.endswith("."):
            result = result.removesuffix(".")  # the form has a full stop of its own
        values = {"explanation": explanation.strip(), "label": self.label, "result": result}
        return "".join(values.get(part[1:-1], part) for part in self._parts).strip()

    def result(self, text: str) -> str:
        """Return the result that a text gives, after the last mark; the whole text without one."""
        mark = self.mark
        _, found, after = text.rpartition(mark) if mark else ("", "", text)
        end = self._after.strip()
        result = after.strip() if found or not mark else text.strip()
        return result.removesuffix(end).strip() if end else result

    def has_result(self, text: str) -> bool:
        """Tell whether a text holds the mark that a result follows."""
        return bool(self.mark) and self.mark in text

    @property
    def shown(self) -> str:
        """The form as a reader is told of it: "<explanation> So: <result>."."""
        return self.text("<explanation>", "<result>")

    @cached_property
    def mark(self) -> str:
        """What stands right before the result: " So:", "Answer:"."""
        before = self.template.partition("{result}")[0].rpartition("{explanation}")[2]
        return before.replace("{label}", self.label).strip()

    @cached_property
    def _after(self) -> str:
        return self.template.partition("{result}")[2].replace("{label}", self.label)

    @cached_property
    def _parts(self) -> list[str]:
        return _FIELDS.split(self.template)
