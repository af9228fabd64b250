"""Languages as people write their names, with the codes of ISO 639-1."""

CODES = {
    "english": "en", "german": "de", "french": "fr", "spanish": "es", "italian": "it",
    "portuguese": "pt", "dutch": "nl", "polish": "pl", "swedish": "sv", "danish": "da",
    "finnish": "fi", "czech": "cs", "russian": "ru", "ukrainian": "uk", "turkish": "tr",
    "greek": "el", "hungarian": "hu", "romanian": "ro", "chinese": "zh", "japanese": "ja",
    "korean": "ko", "arabic": "ar", "hindi": "hi",
}  # fmt: skip


def code_of(language: str) -> str | None:
    """Return the code of a language by its English name; None where it is not known."""
    return CODES.get(language.strip().casefold())
