"""A general corpus on a file system that has an address."""

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elenchus.errors import UserError
from elenchus.sections import SourceConfig
from retrieval.selection import addresses, shards
from retrieval.selection.shards import Counts
from tests.retrieval.selection import s3

TEXTS = [f"text number {n}" for n in range(40)]
LINES = "".join(json.dumps({"text": t}) + "\n" for t in TEXTS).encode()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[s3.Bucket]:
    for name, value in s3.KEYS.items():
        monkeypatch.setenv(name, value)
    with s3.served() as served:
        yield served
    addresses.opened.cache_clear()


def parquet(texts: list[str]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), file, row_group_size=10)
    return file.getvalue()


def found(address: str) -> list[shards.Shard]:
    pieces, refused = shards.find([SourceConfig(path=address)], Path(), "selection.general")
    assert not refused
    return pieces


def read(pieces: list[shards.Shard], counts: Counts) -> list[str]:
    return [text.text for s in pieces for batch in shards.texts(s, 1000, counts) for text in batch]


def test_a_bucket_is_read_as_a_folder_is(
    bucket: s3.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "PIECE", 300)
    bucket["crawl/b/a b.jsonl"] = LINES
    bucket["crawl/b/.hidden/a.jsonl"] = LINES
    bucket["crawl/z.parquet"] = parquet(TEXTS)
    bucket["crawl/c.jsonl.gz"] = gzip.compress(LINES)
    bucket["other/a.jsonl"] = LINES
    for key, content in bucket.items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(content)
    here = found(str(tmp_path / "crawl"))
    there, by_url = found(bucket.address("crawl")), found((tmp_path / "crawl").as_uri())
    assert [s.name for s in here][:2] == ["crawl/c.jsonl.gz", "crawl/z.parquet"]
    assert len(here) > 6
    for others in (there, by_url):
        assert [(s.name, s.start, s.end) for s in others] == [
            (s.name, s.start, s.end) for s in here
        ]
        assert read(others, Counts()) == TEXTS * 3
    assert read(found(bucket.address("other/a.jsonl")), Counts()) == TEXTS


def test_damage_is_counted_and_a_file_system_that_fails_is_told(
    bucket: s3.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket["x/a.jsonl.gz"] = gzip.compress(LINES)[:-30]
    bucket["x/b.parquet"] = parquet(TEXTS)
    pieces, counts = found(bucket.address("x")), Counts()
    read(pieces, counts)
    assert counts.left_out == {"damaged file": 1}
    monkeypatch.setattr(shards, "BLOCK", 16)  # so that not all of it is read at once
    monkeypatch.setattr(shards, "BATCH", 1)
    texts = shards.texts(pieces[1], 1000, counts)
    assert next(texts)[0].text == TEXTS[0]
    bucket.gone.add("x/b.parquet")
    for rest in (texts, shards.texts(pieces[1], 1000, counts)):
        with pytest.raises(UserError, match=r"bucket/x/b.parquet broke off: .*; the same command"):
            list(rest)


def test_addresses_that_cannot_be_used_are_named(
    bucket: s3.Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket["x/a.jsonl"] = LINES
    with pytest.raises(UserError, match=r"selection.general: s3://bucket/y.* does not exist"):
        found(bucket.address("y"))
    with pytest.raises(UserError, match=r"selection\.general: nope://a/b cannot be read"):
        found("nope://a/b")
    with pytest.raises(UserError, match="holds a secret"):
        SourceConfig(path="s3://AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMIK7MDENG@bucket/x")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    addresses.opened.cache_clear()
    with pytest.raises(UserError, match=r"cannot be read \(.*ACCESS_DENIED.*in the environment"):
        found(bucket.address("x"))
