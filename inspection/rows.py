"""Rows of examinations for lists: filtered, searched, sorted, a page at a time.

A selection is what the address of a page says, and can be made of its query and back.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, field_validator

from inspection.index import Index

PAGE = 50  # rows
Sort = Literal["round", "kind", "topic", "turns", "gap", "spread", "tokens", "usd"]
FACETS = ("outcome", "code", "kind", "topic", "round")
_WORD = re.compile(r'"[^"]*"?|\S+')


class Selection(BaseModel):
    """Which examinations are listed, in what order. An empty field asks for nothing.

    Attributes:
        q: words or "phrases" that a text of the examination must hold, all of them.
        gap_from, gap_to, spread_from, spread_to: of its widest verdict.
        tokens_from, tokens_to: of all its calls.
        usd_from, usd_to: what its calls cost.
        page: from 1.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    q: str = ""
    outcome: str = ""
    code: str = ""
    kind: str = ""
    topic: str = ""
    round: int | None = None
    model: str = ""
    gap_from: float | None = None
    gap_to: float | None = None
    spread_from: float | None = None
    spread_to: float | None = None
    tokens_from: int | None = None
    tokens_to: int | None = None
    usd_from: float | None = None
    usd_to: float | None = None
    sort: Sort | None = None
    order: Literal["", "desc"] = ""
    page: int = 1

    @field_validator("*", mode="before")
    @classmethod
    def _usable(cls, value: Any, info: Any) -> Any:
        """Pass over what an address cannot mean, as an empty field is passed over."""
        default = cls.model_fields[info.field_name].default
        return default if value == "" or not _means(info.field_name, value) else value

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Selection":
        """Return the selection that the query of an address says."""
        return cls.model_validate(dict(query))

    def query(self, **changes: Any) -> dict[str, str]:
        """Return the query of an address, with some fields changed; only what is not as usual."""
        chosen = self.model_copy(update={"page": 1, **changes})
        return {
            name: str(value)
            for name, value in chosen.model_dump().items()
            if value != type(self).model_fields[name].default
        }

    @property
    def filters(self) -> dict[str, str]:
        """The fields that leave something out, as they stand in an address."""
        return self.query(sort=None, order="")


class Row(NamedTuple):
    """An examination in a list.

    Attributes:
        code: of its rejection; "" for an accepted one.
        gap, spread: the widest of its verdicts; None where the student was not asked.
        models: that were asked; like the tokens, None until the calls are counted.
        tokens: read and written by all its calls.
        usd: None also where a model has no price.
    """

    id: str
    round: int | None
    kind: str | None
    topic: str | None
    outcome: str
    code: str
    turns: int
    gap: float | None
    spread: float | None
    question: str
    models: tuple[str, ...] | None
    tokens: int | None
    calls: int | None
    usd: float | None


class Listed(NamedTuple):
    """A page of rows, of how many there are in all, and which page of how many it is."""

    rows: list[Row]
    total: int
    page: int
    pages: int


def select(index: Index, selection: Selection, size: int = PAGE) -> Listed:
    """Return the page of rows that a selection asks for; the last one where it is beyond."""
    where, values = _condition(selection)
    ((total,),) = index.query(f"SELECT COUNT(*) FROM examinations e WHERE {where}", *values)
    pages = max(1, -(-total // size))
    page = min(max(1, selection.page), pages)
    columns = ", ".join(f"e.{name}" for name in Row._fields)
    rows = index.query(
        f"SELECT {columns} FROM examinations e WHERE {where} ORDER BY {_order(selection)} "
        "LIMIT ? OFFSET ?",
        *values,
        size,
        (page - 1) * size,
    )
    return Listed([row_of(row) for row in rows], total, page, pages)


def beside(index: Index, selection: Selection, number: int) -> tuple[str | None, str | None]:
    """Return the ids of the examinations before and after one in a selection's order."""
    where, values = _condition(selection)
    query = (
        f"SELECT before, after FROM (SELECT e.number AS number, LAG(e.id) OVER w AS before, "
        f"LEAD(e.id) OVER w AS after FROM examinations e WHERE {where} "
        f"WINDOW w AS (ORDER BY {_order(selection)})) WHERE number = ?"
    )
    rows = index.query(query, *values, number)
    return rows[0] if rows else (None, None)


def facets(index: Index) -> dict[str, list[tuple[Any, int]]]:
    """Return for each filter by a name its values, and how many examinations have each."""
    found: dict[str, list[tuple[Any, int]]] = {
        name: index.query(
            f"SELECT {name}, COUNT(*) FROM examinations WHERE {name} IS NOT NULL AND {name} <> '' "
            f"GROUP BY {name} ORDER BY {'1' if name in ('round', 'kind') else '2 DESC, 1'}"
        )
        for name in FACETS
    }
    query = "SELECT model, COUNT(*) FROM calls GROUP BY model ORDER BY 2 DESC"
    found["model"] = index.query(query)
    return found


def words(text: str) -> list[str]:
    """Return the words and phrases that a search looks for, without their quotation marks."""
    # SQLite ends a text at a NUL.
    found = (word.strip('"').strip() for word in _WORD.findall(text.replace("\0", " ")))
    return [word for word in found if any(c.isalnum() for c in word)]


def matching(text: str) -> str:
    """Return a search in the language of FTS5: each word or phrase as a text, beginnings of words.

    What a person writes is never an operator.
    """
    return " AND ".join(f'"{word.replace(chr(34), " ")}" *' for word in words(text))


def _means(name: str, value: Any) -> bool:
    """Tell whether a value can be one of a field's."""
    kinds = {"sort": get_args(Sort), "order": ("", "desc")}
    if name in kinds:
        return value in kinds[name] or value is None
    number = str(Selection.model_fields[name].annotation)
    if value is None:
        return "None" in number
    try:
        if "float" in number:
            return float(value) == float(value)  # and no NaN
        if "int" in number:
            return abs(int(value)) < 2**62
    except (ValueError, OverflowError):
        return False
    return isinstance(value, str)


def _condition(selection: Selection) -> tuple[str, list[Any]]:
    """Return the condition of a selection, and its values."""
    parts: list[str] = ["1"]
    values: list[Any] = []
    for name in FACETS:
        value = getattr(selection, name)
        if value not in ("", None):
            parts.append(f"e.{name} = ?")
            values.append(value)
    if selection.model:
        parts.append("instr(e.models, ?)")
        values.append(f"|{selection.model}|")
    for name in ("gap", "spread", "tokens", "usd"):
        for end, sign in (("from", ">="), ("to", "<=")):
            bound = getattr(selection, f"{name}_{end}")
            if bound is not None:
                parts.append(f"e.{name} {sign} ?")
                values.append(bound)
    if selection.q.strip():
        if wanted := matching(selection.q):
            parts.append("e.number IN (SELECT rowid FROM texts WHERE texts MATCH ?)")
            values.append(wanted)
        else:
            parts.append("0")  # nothing but marks, which no text is searched for
    return " AND ".join(parts), values


def _order(selection: Selection) -> str:
    falling = " DESC" if selection.order else ""
    first = f"e.{selection.sort}{falling} NULLS LAST, " if selection.sort else ""
    return f"{first}e.number"


def row_of(values: tuple[Any, ...]) -> Row:
    """Return the row that the index has in these columns."""
    row = Row(*values)
    models = row.models
    return row._replace(models=tuple(filter(None, str(models).split("|"))) if models else None)
