"""Cuts texts into words for lexical search, in the way of their language.

Scripts that put no spaces between words (Chinese, Japanese, Thai and their neighbours) are cut into
pairs of letters that overlap, as Lucene cuts them: what stands together in a query stands together
in the passage, and no dictionary has to know the words.
"""

import re
import unicodedata
from collections.abc import Sequence

import bm25s
import Stemmer

SAMPLE = 2000  # characters that tell a language
LEAST = 60  # characters below which none can be told
UNKNOWN = "und"
# Languages by their ISO 639 codes, as the Snowball stemmers call them.
STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian",
    "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian",
    "ne": "nepali", "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish",
    "ta": "tamil", "tr": "turkish",
}  # fmt: skip
STOPWORDS = ("da", "de", "en", "es", "fr", "it", "ko", "nl", "no", "pt", "ru", "sv", "tr")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Tibetan, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


class Words:
    """Cuts the texts of one corpus, and the queries to it."""

    def __init__(self, texts: Sequence[str]) -> None:
        step = max(1, len(texts) // 50)
        self.language = language_of(" ".join(text[:200] for text in texts[::step]))
        name = STEMMERS.get(self.language)
        known = name in Stemmer.algorithms()  # an older Snowball knows fewer
        self._stemmer = Stemmer.Stemmer(name) if known else None
        self._stopwords = self.language if self.language in STOPWORDS else None

    def __call__(self, texts: Sequence[str]) -> bm25s.tokenization.Tokenized:
        """Return the words of each text, without those that every text has."""
        return bm25s.tokenize(
            [_spaced(unicodedata.normalize("NFC", text)) for text in texts],
            stopwords=self._stopwords,
            stemmer=self._stemmer,
            show_progress=False,
        )


def language_of(text: str) -> str:
    """Return the ISO 639 code of a text's language; "und" where it is too short to tell."""
    import py3langid

    return str(py3langid.classify(text[:SAMPLE])[0]) if len(text) >= LEAST else UNKNOWN


def _spaced(text: str) -> str:
    return text if text.isascii() else _UNSPACED.sub(_pairs, text)


def _pairs(run: re.Match[str]) -> str:
    letters = "".join(filter(str.isalnum, run[0]))  # vowels above and below are no letters
    pairs = [letters[place : place + 2] for place in range(max(1, len(letters) - 1))]
    return f" {' '.join(pairs)} "
