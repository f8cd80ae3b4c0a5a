"""From batches as a reader hands them on to items of ranked lists, each with its query.

An item of no query belongs to no list, so its row is left out and named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import encoded
from mrl_cli.errors import SuspectShardError
from mrl_cli.inputs.base import Shard, without_bad
from mrl_cli.inputs.beside import with_beside
from mrl_cli.inputs.cells import shown_cell
from mrl_cli.inputs.items import with_items
from mrl_cli.inputs.labels import with_labels
from mrl_cli.inputs.partitions import with_partitions
from mrl_cli.model import Batch, Plan, problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def batches_of_items(batches: Iterable[Batch], shard: Shard, plan: Plan) -> Iterator[Batch]:
    """Yield batches as a reader hands them on as those of the items of ranked lists, each with its query."""
    source, first_row = shard.source, shard.first_row
    for batch in batches:
        whole = with_partitions(with_beside(batch, source, plan, first_row), source, plan)
        first_row += batch.size + batch.rejected_rows
        yield with_queries(with_labels(with_items(whole, plan), plan), plan)


def with_queries(batch: Batch, plan: Plan) -> Batch:
    """Return a batch of items without those whose query is missing. Raises SuspectShardError where rows are not known.

    A query is missing where its cell is blank, or a text that means no value.
    """
    column = batch.keys.get("query")
    if column is None:
        return batch
    coded = encoded(column)
    missing = {"", *plan.reading.dialect.null_values}
    texts = coded.dictionary.to_pylist()
    is_missing = np.array([text in missing or not text.strip() for text in texts], bool)
    if not is_missing.any():
        return batch
    codes = np.from_dlpack(coded.indices)
    bad = np.flatnonzero(is_missing[codes]).tolist()
    if bad and batch.rows is None:
        raise SuspectShardError
    cells = [(place, problems.MISSING, shown_cell(texts[codes[place]])) for place in bad]
    return without_bad(batch, {"query": cells}, plan)
