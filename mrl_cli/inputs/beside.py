"""What rows of ranked lists have in files beside theirs: a score for each by its place, the sizes of the lists that
follow one another, and the judgments of documents.

All of it is held in memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import as_arrow, texts_as_arrow
from mrl_cli.errors import SuspectShardError
from mrl_cli.model.problems import NOT_JUDGED, Problem
from mrl_cli.records import light_dataclass
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.inputs.base import Shard, Source
    from mrl_cli.inputs.scores import Scores
    from mrl_cli.model import Batch, Plan, Role

DOC: Role = "doc"


@light_dataclass(frozen=True, slots=True)
class GroupSizes:
    """How many rows each list has, in the order of rows: list i is the rows from starts[i] to starts[i + 1]."""

    name: str
    starts: NDArray[np.int64]


@light_dataclass(frozen=True, slots=True)
class Qrels:
    """Judgments of TREC: `labels` are the relevances, and `places` where that of a query and document stands."""

    name: str
    labels: NDArray[np.float64]
    places: Mapping[tuple[str, str], int]


@light_dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside the rows of an input, None for what does not."""

    scores: Scores | None = None
    sizes: GroupSizes | None = None
    qrels: Qrels | None = None

    @property
    def roles(self) -> frozenset[Role]:
        """The roles of columns that are not to be looked for in the input itself."""
        given: dict[Role, object] = {"score": self.scores, "query": self.sizes, "y": self.qrels}
        return frozenset(role for role, it in given.items() if it is not None)


def plan_of_rows(plan: Plan, source: Source) -> Plan:
    """Return the plan without the columns that stand beside the rows of a source, which has some."""
    away = source.beside.roles
    return plan.changed(columns=plan.columns.where(lambda role, _: role not in away))


def numbered(shards: Iterator[Shard], source: Source, first_row: int = 0) -> Iterator[Shard]:
    """Yield shards with the place of their first row among all of the source, which has columns beside it."""
    from mrl_cli.inputs.formats import reader_of
    from mrl_cli.inputs.text import TextPart

    for shard in shards:
        is_text = isinstance(shard.part, TextPart)
        if not is_text:  # groups of rows say where they begin, and all else is one shard, or begins at its number
            first_row = getattr(shard.part, "first_row", 1) - 1
        yield shard._replace(first_row=first_row)
        first_row += reader_of(source.format).rows_in(shard.part) if is_text else 0


def with_beside(batch: Batch, source: Source, plan: Plan, first_row: int) -> Batch:
    """Return a batch of the rows from number `first_row` on, counted from 0, with what stands beside them.

    What is not there is 0, and rows beyond it belong to no query: `check_rows` refuses those. Raises SuspectShardError
    where a document is not judged that must be, and the batch does not know its rows.
    """
    beside = source.beside
    if beside is None:
        return batch
    places = first_row + np.arange(batch.size)
    if beside.scores is not None:
        values = beside.scores.values
        batch = batch.with_numbers({"score": np.where(places < values.size, values[places % values.size], 0.0)})
    if beside.sizes is not None:
        of_row = np.searchsorted(beside.sizes.starts, places, side="right")
        batch = replace(batch, keys={**batch.keys, "query": _numbers_as_keys(of_row)})
    return batch if beside.qrels is None else _judged(batch, beside.qrels, plan)


def _numbers_as_keys(numbers: NDArray[np.int64]) -> pa.Array:
    import pyarrow as pa

    different, codes = np.unique(numbers, return_inverse=True)
    return pa.DictionaryArray.from_arrays(as_arrow(codes.astype(np.int32)), texts_as_arrow(map(str, different)))


def _judged(batch: Batch, qrels: Qrels, plan: Plan) -> Batch:
    """Return the batch with the labels of its documents; those not judged are left out, 0 or a problem."""
    documents, queries = batch.keys[DOC].to_pylist(), batch.keys["query"].to_pylist()
    places = np.array([qrels.places.get(pair, -1) for pair in zip(queries, documents, strict=True)], np.int64)
    is_missing = places < 0
    count = int(np.count_nonzero(is_missing))
    batch = batch.with_numbers(
        {"y": np.where(is_missing, 0.0, qrels.labels[places]), "judgment": places.astype(np.float64)}
    )
    if not count:
        return batch
    if plan.reading.missing == "zero":
        return replace(batch, missing_as_zero=count)
    if plan.reading.missing == "drop":
        return replace(batch.where(~is_missing), missing_rows=count)
    if batch.rows is None:
        raise SuspectShardError
    rows = batch.rows
    texts = {
        i: f"{harmless(documents[i])} of query {harmless(queries[i])}" for i in np.flatnonzero(is_missing).tolist()
    }
    return batch.without(
        (i, 0, Problem(NOT_JUDGED, batch.file, rows[i], None, text, batch.row_word)) for i, text in texts.items()
    )
