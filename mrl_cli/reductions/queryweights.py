"""Which row gives a query another weight than a row before it: looked for when it is known that one does."""

from __future__ import annotations

from itertools import compress, pairwise
from typing import TYPE_CHECKING, Any

from mrl_cli.errors import DataError, SuspectShardError
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.lists import list_rows
from mrl_cli.words import harmless, number_text

if TYPE_CHECKING:
    from mrl_cli.reductions.keys import Key
    from mrl_cli.reductions.measured import Measured

    # Of each list the different weights of its query, two at most, and in words where each stands first.
    Weights = dict[Key, dict[float, str]]


class QueryWeightReduction(Reduction["Weights", "Weights"]):
    """Raises DataError that names the first row whose query has another weight in a row before it."""

    state = dict

    def add(self, state: Weights, measured: Measured) -> Weights:
        """Look at a batch; its rows must have numbers."""
        batch = measured.batch
        if batch.rows is None:
            raise SuspectShardError
        used = batch.rows if measured.used is None else list(compress(batch.rows, measured.used.tolist()))
        rows = list_rows(measured)
        weights = rows.columns["query_weight"].tolist()
        for run, (start, stop) in enumerate(pairwise(rows.starts.tolist())):
            of_list = state.setdefault(rows.key(run), {})
            for place in range(start, stop):
                if len(of_list) < 2 and weights[place] not in of_list:
                    of_list[weights[place]] = f"{batch.file}, {batch.row_word} {used[place]}"
        return state

    def merge(self, whole: Weights, state: Weights, _part: Any) -> Weights:
        """Add the weights of the next task."""
        for key, of_list in state.items():
            known = whole.setdefault(key, {})
            for weight, place in of_list.items():
                known.setdefault(weight, place)
            if len(known) > 1:
                (weight, first), (other, second), *_ = known.items()
                message = f"the weight of query '{harmless(key[-1])}' changes: it is {number_text(weight)} in {first}"
                hint = "the weight of a query is the same in all of its rows; for a weight of each item use --weight"
                raise DataError(f"{message}, and {number_text(other)} in {second}", hint=hint)
        return whole
