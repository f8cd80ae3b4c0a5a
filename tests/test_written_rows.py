"""Rows of losses as they are written: in which numbers, groups and columns, and what is left of a file that fails."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli.errors import MrlError
from mrl_cli.model import Batch, Columns, Plan, Problem
from mrl_cli.reductions import rows as rows_out
from mrl_cli.reductions.benchmarks import RMBenchReduction
from mrl_cli.reductions.measured import Measured
from mrl_cli.reductions.parts import PartFile
from mrl_cli.reductions.rows import RejectsReduction, RowsReduction, RowWriter, TableWriter, writer_for
from tests.each import each

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = pa.table({"name": ["a", "b", "a"]})
DIFFERENCES = [0.1, np.nan, 0.7]


def measured(kept: pa.Table | None = KEPT, differences: list[float] = DIFFERENCES, **plan: Any) -> Measured:
    """Return pairs whose losses, of labels -1, are their differences."""
    count = len(differences)
    numbers: dict[Any, Any] = {"x1": np.array(differences, np.float32), "x2": np.zeros(count, np.float32)}
    batch = Batch("p.csv", numbers | {"y": -np.ones(count)}, range(2, count + 2), kept=kept)
    options = {"on_error": "skip", "lists_problems": True, "dtype": "float32"} | plan
    return Measured(batch, Plan.of(columns=Columns(), **options), frozenset(("losses",)))


def written(name: str, *batches: Measured) -> bytes:
    """Return what a writer writes of the rows of batches."""
    out = io.BytesIO()
    reduction = RowsReduction(writer_for(name, out, bare=False), ends_at_problems=False)
    for batch in batches:
        reduction.merge(None, reduction.add([], batch), None)
    reduction.close()
    return out.getvalue()


def test_float32_losses_are_written_as_the_same_numbers_in_each_format() -> None:
    numbers = [float(np.float32(0.1)), float(np.float32(0.7))]
    csv = written("csv", measured()).decode().splitlines()
    alone = written("csv", measured(None)).decode().splitlines()
    lines = [json.loads(line) for line in written("jsonl", measured()).splitlines()]
    table = pq.read_table(io.BytesIO(written("parquet", measured())))
    assert csv == ["name,loss", f"a,{numbers[0]!r}", f"a,{numbers[1]!r}"]
    assert alone == ["loss", *map(repr, numbers)]
    assert [line["loss"] for line in lines] == numbers == table.column("loss").to_pylist()
    assert table.schema.field("loss").type == pa.float32()


def test_parquet_has_a_dictionary_of_texts_only_and_groups_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_out, "WRITTEN_ROWS", 10)
    kept = pa.table({"text": ["a"] * 13, "coded": pa.array(["b"] * 13).dictionary_encode(), "number": [1] * 13})
    batch = measured(kept, [float(place) for place in range(13)])
    data = io.BytesIO(written("parquet", batch, batch, measured(kept.slice(0, 1), [5.0])))
    metadata = pq.read_metadata(data)
    assert [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)] == [10, 10, 7]
    columns = [metadata.row_group(0).column(place) for place in range(4)]
    assert [column.has_dictionary_page for column in columns] == [True, True, False, False]
    assert not any(column.is_stats_set for column in columns)
    losses_alone = pq.read_metadata(io.BytesIO(written("parquet", measured(None)))).row_group(0)
    assert not losses_alone.column(0).has_dictionary_page
    assert pq.read_table(data).column("loss").to_pylist() == [*range(13), *range(13), 5]


def test_a_group_of_parquet_has_131072_rows() -> None:
    metadata = pq.read_metadata(io.BytesIO(written("parquet", measured(None, [0.5] * 131_073))))
    assert [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)] == [131_072, 1]


@each("name", ["csv", "jsonl", "parquet"])
def test_rows_end_before_the_first_problem(name: str) -> None:
    batch = measured(pa.table({"name": ["a", "b", "c", "d"]}), [1.0, 2.0, np.nan, 4.0])
    out = io.BytesIO()
    reduction = RowsReduction(writer_for(name, out, bare=False), ends_at_problems=True)
    for state in (reduction.add(reduction.add([], batch), batch), reduction.add([], batch)):
        reduction.merge(None, state, None)
    reduction.close()
    before = measured(pa.table({"name": ["a", "b"]}), [1.0, 2.0])
    assert out.getvalue() == written(name, before)


TWICE = pa.table([pa.array([1, 2, 3])] * 2, names=["a", "a"])
NESTED = pa.table({"a": [[1], [2], [3]]})
MORE_THAN_ONCE = "p.csv has column 'a' more than once"
HAS_LOSS = "p.csv already has a column 'loss'"
NOT_IN_CSV = "the kept columns hold what CSV cannot carry"


@each(
    ("name", "kept", "message"),
    [
        ("jsonl", TWICE, MORE_THAN_ONCE),
        ("parquet", TWICE, MORE_THAN_ONCE),
        ("csv", NESTED, NOT_IN_CSV),
        ("tsv", NESTED, NOT_IN_CSV),
        *((name, pa.table({"loss": [1, 2, 3]}), HAS_LOSS) for name in rows_out.WRITERS),
    ],
)
def test_columns_that_a_format_cannot_carry_are_named(name: str, kept: pa.Table, message: str) -> None:
    with pytest.raises(MrlError) as raised:
        written(name, measured(kept))
    assert raised.value.message == message


@each("name", ["csv", "parquet"])
def test_columns_that_differ_between_inputs_are_named(name: str) -> None:
    other = measured(pa.table({"other": ["a", "b", "a"]}))
    words = "name", "other"
    if name == "parquet":
        words = "name (string)", "other (string)"
    with pytest.raises(MrlError, match="columns") as raised:
        written(name, measured(), other)
    assert f": {words[0]} and then {words[1]}" in raised.value.message


def test_column_that_one_input_lacks_is_named() -> None:
    writer = writer_for("parquet", io.BytesIO(), bare=False)
    assert writer.meet(pa.schema([pa.field("a", pa.int64())]))
    assert not writer.meet(pa.schema([pa.field("a", pa.int64())]))
    with pytest.raises(MrlError, match="columns") as raised:
        writer.meet(pa.schema([pa.field("a", pa.int64()), pa.field("b", pa.int64(), nullable=False)]))
    assert raised.value.message.endswith(": nothing and then b (int64, never null)")


def test_name_of_a_column_that_is_no_text_is_written_as_it_was_read() -> None:
    out = io.BytesIO()
    writer_for("csv", out, bare=False).write((["caf\udce9", "loss"], b"1,2\n"))
    assert out.getvalue() == b"caf\xe9,loss\n1,2\n"


@each("name", ["csv", "parquet"])
def test_tables_are_written_so_many_rows_at_a_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_out, "WRITTEN_ROWS", 4)
    out = io.BytesIO()
    writer = TableWriter(writer_for(name, out, bare=False), "the result")
    sizes = []
    for start in range(0, 10, 2):
        writer.write(pa.table({"a": range(start, start + 2)}))
        sizes.append(len(out.getvalue()))
    writer.close()
    if name == "csv":
        assert out.getvalue() == b"a\n" + b"".join(b"%d\n" % number for number in range(10))
        assert sizes == [0, 10, 10, 18, 18]
    else:
        table, metadata = pq.read_table(out), pq.read_metadata(out)
        assert table.column("a").to_pylist() == list(range(10))
        assert [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)] == [4, 4, 2]


class _Full(RowWriter):
    """A writer whose file is full: at its end, or earlier."""

    fails_early = True

    def write(self, encoded: Any) -> None:
        if self.fails_early:
            raise OSError(28, "full")

    def close(self) -> None:
        raise OSError(28, "full too")


@each("fails_early", [True, False])
def test_file_of_a_part_that_fails_is_left_with_the_error(fails_early: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[BaseException | None] = []

    @contextmanager
    def opened(_: str) -> Iterator[BinaryIO]:
        try:
            yield io.BytesIO()
        except BaseException as error:
            left.append(error)
            raise
        left.append(None)

    monkeypatch.setattr(_Full, "fails_early", fails_early)
    part = PartFile("part-0.csv", opened, lambda out: _Full(out, bare=False))
    with pytest.raises(OSError, match="full") as raised:
        (part.take([(1, ("head", b"1\n"))]), part.end())
    assert left == [raised.value]
    part.drop()  # there is nothing left to drop
    assert len(left) == 1


def test_problems_that_went_to_a_pipe_cannot_be_taken_back() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    for out in (io.BytesIO(), Pipe()):
        reduction = RejectsReduction(out, "rejects.csv")
        reduction.merge(None, [Problem("not_a_number", "p.csv", 2, "x1", "oops")], None)
        if out.seekable():
            reduction.restart()
            assert out.getvalue() == b"file,row,column,value,problem\n"
        else:
            with pytest.raises(MrlError, match="the problems cannot be taken back"):
                reduction.restart()


def test_styles_of_a_tie_are_counted_and_not_right() -> None:
    # Of three styles each: the chosen answers 1, 2, 3 against 0, 2, 9 are right in the pairs 1>0, 2>0, 3>0 and 3>2.
    numbers: dict[Any, Any] = {
        "y": np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
        "score": np.array([1.0, 2.0, 3.0, 0.0, 2.0, 9.0]),
    }
    reduction = RMBenchReduction()
    batch = Batch("", numbers, range(1), list_sizes=np.array([6]), list_rows=range(1))
    state = reduction.add(reduction.empty(), Measured(batch, Plan.of(labels="relevance")))
    whole = reduction.merge(reduction.whole(), state, None)
    assert json.dumps([whole.correct.tolist(), whole.pairs.tolist()]) == "[[3, 1, 0], [3, 3, 3]]"
    assert json.dumps([counts.tolist() for counts in reduction.empty()]) == "[[0, 0, 0], [0, 0, 0]]"
