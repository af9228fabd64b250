"""Reading a general corpus in pieces: each row once, whatever is wrong with others."""

import gzip
import itertools
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elenchus.errors import UserError
from elenchus.sections import SourceConfig
from retrieval.selection import shards
from retrieval.selection.shards import Counts, Shard


def read(folder: Path, longest: int = 1 << 20, **source: str) -> tuple[list[str], Counts]:
    found, refused = shards.find([SourceConfig(**source)], folder, "selection.general")
    assert not refused
    counts, texts = Counts(), []
    for shard in found:
        for batch in shards.texts(shard, longest, counts):
            texts += [text.text for text in batch]
    return texts, counts


def lines(*texts: object) -> bytes:
    return b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts)


@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=9), max_size=9),
    st.lists(st.integers(0, 200), max_size=4),
    st.booleans(),
)
@settings(max_examples=60)
def test_ranges_of_lines_partition_them(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], cuts: list[int], ends: bool
) -> None:
    texts = [f"x{text}" for text in texts]
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    raw = b"".join(json.dumps({"text": t}, ensure_ascii=False).encode() + b"\n" for t in texts)
    path.write_bytes(raw if ends else raw.removesuffix(b"\n"))
    size = path.stat().st_size
    borders = sorted({0, size, *(cut for cut in cuts if cut < size)})
    found = []
    for start, end in itertools.pairwise(borders):
        shard = Shard("a.jsonl", SourceConfig(path="a.jsonl"), str(path), start=start, end=end)
        for batch in shards.texts(shard, 1000, Counts()):
            found += [text.text for text in batch]
    assert found == texts


@given(st.text(st.sampled_from("ab \n"), max_size=200), st.integers(1, 20))
def test_parts_are_the_whole_text(text: str, longest: int) -> None:
    parts = list(shards.parts(text, longest))
    assert "".join(parts).rstrip() == text.rstrip()
    assert all(len(part) <= longest for part in parts)


def test_every_kind_of_file_gives_the_same(tmp_path: Path) -> None:
    texts = ["one text", "another, with\ntwo lines", "ein dritter: Straße"]
    (tmp_path / "a.jsonl").write_bytes(lines(*texts))
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(lines(*texts)))
    with pa.CompressedOutputStream(str(tmp_path / "c.jsonl.zst"), "zstd") as file:
        file.write(lines(*texts))
    pq.write_table(pa.table({"text": texts, "n": [1, 2, 3]}), tmp_path / "d.parquet")
    separated = 'text,n\none text,1\n"another, with\ntwo lines",2\nein dritter: Straße,3\n'
    (tmp_path / "e.csv.gz").write_bytes(gzip.compress(separated.encode()))
    for name in ("a.jsonl", "b.ndjson.gz", "c.jsonl.zst", "d.parquet", "e.csv.gz"):
        found, counts = read(tmp_path, path=name)
        assert found == texts, name
        assert (counts.rows, counts.documents, counts.left_out) == (3, 3, {}), name
    (tmp_path / "f.txt").write_text(texts[1], encoding="utf-8")
    assert read(tmp_path, path="f.txt")[0] == texts[1:2]


def test_a_dataset_of_a_hub_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "laws").mkdir()
    (tmp_path / "laws" / "train.jsonl").write_bytes(lines("one", "two"))
    assert read(tmp_path, hf="laws")[0] == ["one", "two"]


def test_broken_rows_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    rows = [
        lines("good"), b'{"text": \n', b"\n", b'["text"]\n', lines(3, None, " "),
        b'{"body": "x"}\n', '{"text": "Stra\xdfe"}\n'.encode("latin-1"), lines("also good"),
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + b"".join(rows))
    found, counts = read(tmp_path, path="a.jsonl")
    assert found == ["good", "also good"]
    assert counts.left_out == {
        "broken JSON": 2, "empty": 3, "no text in the column": 1, "wrong columns": 1,
        "wrong encoding": 1,
    }  # fmt: skip
    assert counts.examples["wrong encoding"] == [
        "a.jsonl, row 9: it is not UTF-8 (byte 14 of the line)"
    ]
    (tmp_path / "b.jsonl").write_bytes(rows[6])
    assert read(tmp_path, path="b.jsonl", encoding="latin-1")[0] == ["Straße"]


def test_parquet_with_bytes_that_are_no_text(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"\xff\xfe", None], "binary").cast("string", safe=False)
    pq.write_table(pa.table({"text": raw}), tmp_path / "a.parquet")
    found, counts = read(tmp_path, path="a.parquet")
    assert found == ["good"]
    assert counts.left_out == {"wrong encoding": 1, "empty": 1}


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_packed_file_that_breaks_off(tmp_path: Path, suffix: str) -> None:
    raw = lines(*(f"text number {n} {n * n}" for n in range(5000)))
    path = tmp_path / f"a.jsonl{suffix}"
    with pa.output_stream(path, compression="gzip" if suffix == ".gz" else "zstd") as file:
        file.write(raw)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found, counts = read(tmp_path, path=f"a.jsonl{suffix}")
    assert len(found) < 5000
    assert counts.left_out["damaged file"] == 1


def test_a_document_of_fifty_megabytes_comes_in_parts(tmp_path: Path) -> None:
    paragraph = "The vessel must leave the quay by noon. " * 25
    whole = "\n\n".join([paragraph] * 50_000)
    (tmp_path / "a.jsonl").write_bytes(lines("before", whole, "after"))
    found, counts = read(tmp_path, longest=50_000, path="a.jsonl")
    assert counts.bytes > 50_000_000
    assert counts.documents == 3
    assert all(part.startswith("The vessel") and part.endswith("\n\n") for part in found[1:-2])
    assert "".join(found[1:-1]) == whole


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no parquet")
    pq.write_table(pa.table({"body": ["x"]}), tmp_path / "b.parquet")
    (tmp_path / "c.pdf").write_bytes(b"%PDF")
    (tmp_path / "d").write_bytes(b"?")
    found, refused = shards.find([SourceConfig(path=".")], tmp_path, "selection.general")
    assert not found
    assert [r.source for r in refused] == ["a.parquet", "b.parquet", "c.pdf", "d"]
    assert "no column 'text' among body" in refused[1].reason
    assert refused[3].reason == "no reader for files without a suffix"
    with pytest.raises(UserError, match=r"selection.general: .* does not exist"):
        shards.find([SourceConfig(path="none")], tmp_path, "selection.general")
    with pytest.raises(UserError, match="not the loader"):
        shards.find([SourceConfig(loader="mbox")], tmp_path, "selection.general")


def test_columns_that_hold_no_text(tmp_path: Path) -> None:
    columns = {"text": pa.array([b'{"text": "x"}', b"y"], "binary")}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    texts, counts = read(tmp_path, path="a.parquet")
    assert not texts
    assert counts.left_out == {"no text in the column": 2}
    assert counts.examples["no text in the column"][0] == "a.parquet, row 1: bytes"
