"""The queries of items: an item of no query belongs to no list, so its row is left out and named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.errors import SuspectShardError
from mrl_cli.inputs.base import without_bad
from mrl_cli.inputs.cells import shown_cell
from mrl_cli.model import problems

if TYPE_CHECKING:
    from mrl_cli.model import Batch, Plan


def with_queries(batch: Batch, plan: Plan) -> Batch:
    """Return a batch of items without those whose query is missing. Raises SuspectShardError where rows are not known.

    A query is missing where its cell is blank, or a text that means no value.
    """
    import pyarrow as pa

    column = batch.keys.get("query")
    if column is None:
        return batch
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
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
