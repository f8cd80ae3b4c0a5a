"""Texts of ranked lists whose lines have fields of a fixed meaning: LETOR, which SVMrank and LightGBM read, and runs of
TREC.

    3 qid:1 1:0.53 2:0.12 # GX008-86   the label, the query where there is one, and features, which are not read
    1 Q0 GX008-86 1 14.2 bm25          the query, a word without meaning, document, rank, score and name of the run
"""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any

from mrl_cli.arrow import texts_as_arrow
from mrl_cli.inputs import text as texts
from mrl_cli.inputs.base import Numbers, Shard, Source, batch_of_rows, column_places, numbers_of_texts
from mrl_cli.inputs.cells import cell_number, shown_cell
from mrl_cli.inputs.streams import open_text
from mrl_cli.inputs.text import count_feeds
from mrl_cli.model import Batch, Plan, Role, problems
from mrl_cli.records import NamedTuple
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from mrl_cli.inputs.base import Faults, Keys
    from mrl_cli.inputs.heads import Head

LETOR, TREC = "letor", "trec"
_NO_QUERY = "qid:"


class Layout(NamedTuple):
    """The fields of a line: `cells` returns those of its text by `names`, None where it is no such line, a `fault`."""

    names: tuple[str, ...]
    cells: Callable[[str], list[str] | None]
    fault: str


def _letor(line: str) -> list[str] | None:
    """Return label and query of a line of LETOR, the label alone where it has no query.

    >>> _letor("3 qid:7 1:0.5 # a"), _letor("0 10:0.89"), _letor("1"), _letor("3 qid: 1:0"), _letor("3 7 1:0")
    (['3', '7'], ['0'], ['1'], None, None)
    """
    fields = line.partition("#")[0].split(None, 3)
    has_query = len(fields) > 1 and fields[1].startswith("qid:")
    feature = fields[1 + has_query] if len(fields) > 1 + has_query else "1:"
    if not fields or ":" not in feature or (has_query and fields[1] == _NO_QUERY):
        return None
    return [fields[0], fields[1][len("qid:") :]] if has_query else fields[:1]


def _trec(line: str) -> list[str] | None:
    """Return the fields of a line of a run.

    >>> _trec("1 Q0 d 0 14.2 bm25"), _trec("1 Q0 d 14.2")
    (['1', 'Q0', 'd', '0', '14.2', 'bm25'], None)
    """
    fields = line.split()
    return fields if len(fields) == len(_RUN) else None


_RUN = ("query", "Q0", "doc", "rank", "score", "run")
LAYOUTS = {
    LETOR: Layout(("label", "query"), _letor, problems.NOT_OF_LETOR),
    TREC: Layout(_RUN, _trec, problems.NOT_OF_A_RUN),
}


def names(source: Source, plan: Plan) -> list[str]:
    """Return the names of the fields: of LETOR without the query where the first line has none."""
    with open_text(source, plan.reading.dialect.encoding) as stream:
        return _names_in(stream.first(texts.HEAD_BYTES), source)


def _names_in(data: bytes, source: Source) -> list[str]:
    layout = LAYOUTS[source.format]
    line = next(filter(_is_row, data.decode("utf-8", "replace").split("\n")), "")
    return list(layout.names[: len(layout.cells(line) or layout.names)])


def head(source: Source, plan: Plan) -> Head:
    """Return the fields of the first lines."""
    from mrl_cli.inputs import heads  # of `mrl check` alone

    with open_text(source, plan.reading.dialect.encoding) as stream:
        data = stream.first(heads.HEAD_BYTES + 1)
        encoding = stream.encoding
    at_end = len(data) <= heads.HEAD_BYTES
    lines = list(filter(_is_row, data.decode("utf-8", "replace").split("\n")))
    lines = lines if at_end else lines[:-1]
    seen = lines[: heads.HEAD_ROWS]
    layout, found = LAYOUTS[source.format], _names_in(data, source)
    rows = [[heads.value_in(cell, plan.reading.dialect) for cell in layout.cells(line) or ()] for line in seen]
    columns = [
        heads.column_of(name, [row[place] if place < len(row) else None for row in rows])
        for place, name in enumerate(found)
    ]
    return heads.Head(columns, len(seen), len(lines) if at_end else None, {"encoding": encoding}, {})


def shards(source: Source, plan: Plan) -> Iterator[Shard]:
    """Yield blocks of whole lines."""
    with open_text(source, plan.reading.dialect.encoding) as stream:
        column_places(_names_in(stream.first(texts.HEAD_BYTES), source), plan, source)
        yield from texts.block_shards(stream, texts.cut_lines, source, 1, count_feeds)


def rows_in(part: texts.TextPart) -> int:
    """Return how many rows a block has."""
    return sum(map(_is_row, (part.data or b"").decode("utf-8", "surrogateescape").split("\n")))


def batches(shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield the shard's rows as one batch."""

    def table_of(kept: list[list[str]]) -> pa.Table:
        import pyarrow as pa

        layout = LAYOUTS[shard.source.format]
        return pa.table({name: [row[place] for row in kept] for place, name in enumerate(layout.names)})

    yield batch_of_rows(*_read(shard, plan), shard.source, plan, "line", table_of)


def _is_row(line: str) -> bool:
    """Return whether a line is a row: not blank, and not a comment alone."""
    text = line.lstrip()
    return text != "" and text[0] != "#"


def _read(shard: Shard, plan: Plan) -> tuple[Iterator[Any], Callable[..., Numbers], Callable[..., Keys]]:
    """Return the rows of a shard, and what converts columns of their fields; a field that is absent is None."""
    layout = LAYOUTS[shard.source.format]
    text = shard.part.read(shard.source).decode("utf-8", "surrogateescape")
    first_line = shard.part.line_number(shard.source, count_feeds)
    has_undecoded = texts.is_undecoded(text)
    places = [layout.names.index(name.strip()) for _, name in plan.columns.wanted]

    def rows() -> Iterator[tuple[int, tuple[str | None, ...] | Faults, Any]]:
        for number, line in enumerate(io.StringIO(text, newline="\n"), first_line):
            if not _is_row(line):
                continue
            fields = layout.cells(line)
            if fields is None:
                yield number, [(layout.fault, None, f"'{harmless(line.strip())}'")], None
            else:
                yield number, tuple(fields[at] if at < len(fields) else None for at in places), fields

    def fault(cell: str | None) -> str:
        if cell is None:
            return problems.MISSING
        return problems.ENCODING if has_undecoded and texts.is_undecoded(cell) else ""

    def number(cell: str | None, role: Role) -> float | str:
        return fault(cell) or cell_number(cell or "", role, plan)

    def numbers_in(cells: list[str | None], role: Role) -> Numbers:
        return numbers_of_texts(cells, partial(number, role=role), _shown)

    def keys_in(cells: list[str | None], _role: Role) -> Keys:
        bad = [(place, kind, _shown(cell)) for place, cell in enumerate(cells) if (kind := fault(cell))]
        return texts_as_arrow(cell or "" for cell in cells), bad

    return rows(), numbers_in, keys_in


def _shown(cell: str | None) -> str:
    return "absent" if cell is None else shown_cell(cell)
