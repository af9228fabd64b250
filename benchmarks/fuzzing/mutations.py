"""Changes valid input into what a broken or hostile program would write."""

import io
import random
import re
import zipfile
import zlib
from collections.abc import Sequence

LARGEST = 100_000  # bytes of an input
NESTED = 20_000  # bytes of something that is repeated
CHANGES = 8  # of an input at most
MEMBERS = 3  # of an archive that are changed at once
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_NUMBERS = (
    b"", b"0", b"-1", b"1", b"01", b"65536", b"2147483648", b"-9223372036854775809", b"1e999",
    b"9" * 5000, b"NaN", b"0.5", "\u0663".encode(), "\u00b2".encode(),
)  # fmt: skip
# Bytes that mean something to most parsers, and some that are no UTF-8.
_MARKS = (
    b"\0", b"\t", b"\n", b"\r", b"\x0b", b"\x0c", b"\x1a", b"\x1b", b" ", b'"', b"'", b"\\", b"/",
    b"<", b">", b"&", b"%", b"#", b"{", b"}", b"[", b"]", b"(", b")", b",", b":", b";", b"=", b"-",
    b"\x7f", b"\x80", b"\xff", b"\xc3", b"\xed\xa0\x80", "\u200b".encode(), "\u2028".encode(),
    b"\xef\xbb\xbf", b"\xff\xfe", b"\\u0000", b"\\ud800", "\U0001f642".encode(),
    b"\xf4\x90\x80\x80",
)  # fmt: skip
_NO_ZIP = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError, OSError
)  # fmt: skip


class Mutations:
    """Changes at random.

    Args:
        others: samples of the same format, of which pieces are taken.
        tokens: what the format is written with.
    """

    def __init__(
        self, others: Sequence[bytes], tokens: Sequence[bytes], rng: random.Random
    ) -> None:
        self._others, self._tokens, self._rng = others, tokens, rng
        # Those that stand more than once are taken more often.
        self._changes = (
            self._replaced, self._replaced, self._replaced, self._flipped, self._deleted,
            self._deleted, self._truncated, self._duplicated, self._moved, self._spliced,
            self._spliced, self._told, self._told, self._told, self._told, self._numbered,
            self._numbered, self._nested, self._shuffled, self._made_up,
        )  # fmt: skip

    def text(self, sample: bytes) -> bytes:
        """Return a sample with a few changes."""
        for _ in range(min(CHANGES, 1 + int(self._rng.expovariate(0.6)))):
            sample = self._rng.choice(self._changes)(sample)[:LARGEST]
        return sample

    def archive(self, sample: bytes) -> bytes:
        """Return a zip with changes in what its members hold, in their names, or in its bytes.

        What is no zip is changed as a text.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(sample)) as opened:
                members = [(info.filename, opened.read(info)) for info in opened.infolist()]
        except _NO_ZIP:
            return self.text(sample)
        if not members or self._rng.random() < 0.2:
            return self.text(sample)
        for _ in range(self._rng.randint(1, MEMBERS)):
            name, content = members.pop(at := self._rng.randrange(len(members)))
            match self._rng.randrange(12):
                case 0:  # it goes
                    pass
                case 1:
                    members.insert(at, (self._rng.choice([*members, (name, b"")])[0], content))
                case 2:
                    members.insert(at, (self.text(name.encode()).decode(errors="replace"), content))
                case 3:
                    members[at:at] = [(name, content), (name, self.text(content))]
                case _:
                    members.insert(at, (name, self.text(content)))
            if not members:
                break
        return zipped(members)

    def _piece(self, data: bytes, most: int = 200) -> tuple[int, int]:
        """Return the bounds of a piece of some bytes; most are short."""
        start = self._rng.randint(0, len(data))
        short = self._rng.random() < 0.8
        length = int(self._rng.expovariate(1 / 12)) if short else self._rng.randint(0, most)
        return start, min(len(data), start + min(length, most))

    def _replaced(self, data: bytes) -> bytes:
        start, end = self._piece(data, 4)
        return data[:start] + self._rng.choice(_MARKS) + data[end:]

    def _flipped(self, data: bytes) -> bytes:
        if not data:
            return bytes([self._rng.randrange(256)])
        at = self._rng.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << self._rng.randrange(8))]) + data[at + 1 :]

    def _deleted(self, data: bytes) -> bytes:
        start, end = self._piece(data)
        return data[:start] + data[end:]

    def _truncated(self, data: bytes) -> bytes:
        return data[: self._rng.randint(0, len(data))]

    def _duplicated(self, data: bytes) -> bytes:
        start, end = self._piece(data)
        return data[:end] + data[start:end] * self._rng.choice((1, 1, 2, 5, 50)) + data[end:]

    def _moved(self, data: bytes) -> bytes:
        start, end = self._piece(data)
        rest = data[:start] + data[end:]
        at = self._rng.randint(0, len(rest))
        return rest[:at] + data[start:end] + rest[at:]

    def _spliced(self, data: bytes) -> bytes:
        """Put a piece of another sample in, or its end in the place of this one's."""
        other, at = self._rng.choice([*self._others, data]), self._rng.randint(0, len(data))
        start, end = self._piece(other, 2000)
        if self._rng.random() < 0.5:
            return data[:at] + other[start:]
        return data[:at] + other[start:end] + data[at:]

    def _told(self, data: bytes) -> bytes:
        """Put a token of the format in, or in the place of another."""
        token, old = self._rng.choice(self._tokens), self._rng.choice(self._tokens)
        places = [found.start() for found in re.finditer(re.escape(old), data)]
        if places and self._rng.random() < 0.7:
            at = self._rng.choice(places)
            return data[:at] + token + data[at + len(old) :]
        at = self._rng.randint(0, len(data))
        return data[:at] + token + data[at:]

    def _numbered(self, data: bytes) -> bytes:
        places = list(_NUMBER.finditer(data[:NESTED]))
        if not places:
            return self._replaced(data)
        found = self._rng.choice(places)
        return data[: found.start()] + self._rng.choice(_NUMBERS) + data[found.end() :]

    def _nested(self, data: bytes) -> bytes:
        """Repeat a token, or a piece, very often: a parser may go too deep, or search for ever."""
        start, end = self._piece(data, 40)
        unit = self._rng.choice(self._tokens) if self._rng.random() < 0.6 else data[start:end]
        repeated = (unit * self._rng.choice((3, 100, 1000, NESTED)))[:NESTED]
        return data[:start] + repeated + data[self._rng.choice((start, end)) :]

    def _shuffled(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        self._rng.shuffle(lines)
        return b"\n".join(lines)

    def _made_up(self, data: bytes) -> bytes:
        """Put something together of tokens alone."""
        pieces = (*self._tokens, *_MARKS)
        return b"".join(self._rng.choice(pieces) for _ in range(self._rng.randint(0, 30)))


def zipped(members: Sequence[tuple[str, bytes]]) -> bytes:
    """Return members as a zip; a name may stand twice."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        for name, content in members:
            info = zipfile.ZipInfo(name[:200] or "nameless")
            info.compress_type = zipfile.ZIP_DEFLATED
            made.NameToInfo.pop(info.filename, None)  # it would warn of a second one
            made.writestr(info, content)
    return held.getvalue()
