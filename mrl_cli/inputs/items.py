"""Rows that are ranked lists of their own, made rows of items: an item for each number of a row's lists.

The items come as lists of labels and of scores, as the scores of the chosen and of the rejected ones, or as a list of
scores of which the first so many are chosen. What a row has once, such as a weight of its query, each of its items
has; its keys are those of the list. An item of no query belongs to no list, so its row is left out and named.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import as_arrow, encoded
from mrl_cli.errors import SuspectShardError
from mrl_cli.inputs.base import BadCells, Shard, item_text, without_bad
from mrl_cli.inputs.beside import with_beside
from mrl_cli.inputs.cells import shown_cell
from mrl_cli.inputs.labels import with_labels
from mrl_cli.inputs.partitions import with_partitions
from mrl_cli.model import Batch, ListCells, Plan, Problem, Role, rules
from mrl_cli.model.batch import rows_at
from mrl_cli.model.problems import MISSING, NAN, NO_SUCH_COUNT, UNEQUAL_LISTS
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray


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
    cells = [(place, MISSING, shown_cell(texts[codes[place]])) for place in bad]
    return without_bad(batch, {"query": cells}, plan)


def with_items(batch: Batch, plan: Plan) -> Batch:
    """Return a batch of lists as one of their items; `list_sizes` says how many each row has.

    Rows are left out, and named, for an item that is no number of its role, for lists of unequal length, and for a
    count of chosen ones beyond the list. Raises SuspectShardError for those where the batch does not know its rows.
    """
    if not plan.reading.lists:
        return batch
    bad = {role: _bad_items(cells, role, plan) for role, cells in batch.lists.items()}
    batch = _left_out(batch, bad, plan)
    batch = _without_unequal(batch, plan)
    if "num_correct" in batch.numbers:
        lengths = batch.lists["score"].lengths
        batch = _left_out(batch, {"num_correct": _bad_counts(batch.numbers["num_correct"], lengths)}, plan)
    return _of_items(batch)


def _left_out(batch: Batch, bad: Mapping[Role, BadCells], plan: Plan) -> Batch:
    if batch.rows is None and any(bad.values()):
        raise SuspectShardError
    return without_bad(batch, bad, plan)


def _bad_items(cells: ListCells, role: Role, plan: Plan) -> BadCells:
    """Return the items that break a rule of their role, by row."""
    bad: BadCells = []
    for fits, kind in rules.judged(role, cells.values, plan):
        items = np.flatnonzero(~fits)
        for row, item in zip(np.searchsorted(cells.starts, items, side="right") - 1, items.tolist(), strict=True):
            value = float(cells.values[item])
            text = item_text(rules.value_text(value), item - int(cells.starts[row]), int(cells.lengths[row]))
            bad.append((int(row), NAN if np.isnan(value) else kind, text))
    return sorted(dict.fromkeys(bad), key=lambda cell: cell[0])


def _without_unequal(batch: Batch, plan: Plan) -> Batch:
    """Return the batch without the rows whose lists of items have not one length; chosen and rejected ones need not.

    Those of RM-Bench do: they have an answer of each style.
    """
    others = () if plan.benchmark == "rmbench" else ("chosen", "rejected")
    lengths = {role: cells.lengths for role, cells in batch.lists.items() if role not in others}
    if len(lengths) < 2:
        return batch
    first, *rest = lengths
    unequal = np.flatnonzero(np.any([lengths[first] != lengths[role] for role in rest], axis=0)).tolist()
    if unequal and batch.rows is None:
        raise SuspectShardError
    names = {role: harmless(name) for role, name in plan.columns.wanted}

    def problem(index: int) -> Problem:
        found = [(names[role], int(of_role[index])) for role, of_role in lengths.items()]
        other = next(one for one in found if one[1] != found[0][1])
        text = f"{found[0][0]} has {counted(found[0][1], 'item')}, {other[0]} has {other[1]:,}"
        return Problem(UNEQUAL_LISTS, batch.file, (batch.rows or ())[index], None, text, batch.row_word)

    return batch.without((index, 0, problem(index)) for index in unequal)


def _bad_counts(counts: NDArray[np.float64], lengths: NDArray[np.int64]) -> BadCells:
    fits = (counts >= 0) & (counts <= lengths) & (counts == np.floor(counts))
    return [
        (index, NO_SUCH_COUNT, f"{rules.value_text(float(counts[index]))} of {counted(int(lengths[index]), 'item')}")
        for index in np.flatnonzero(~fits).tolist()
    ]


def _of_items(batch: Batch) -> Batch:
    """Return a batch whose lists are right as one of their items."""
    items = _labels_and_scores(batch)
    sizes = items["score"].lengths
    of_item = np.repeat(np.arange(batch.size), sizes)
    numbers: dict[Role, NDArray[Any]] = {
        role: values[of_item] for role, values in batch.numbers.items() if role not in (*items, "num_correct")
    }
    numbers |= {role: cells.values for role, cells in items.items()}
    rows = None if batch.rows is None else rows_at(batch.rows, of_item)
    return replace(
        batch,
        numbers={role: numbers[role] for role in ("y", "score", *numbers)},
        rows=rows,
        kept=None if batch.kept is None else batch.kept.take(as_arrow(of_item)),
        keys={},
        filled={role: mask[of_item] for role, mask in batch.filled.items()},
        lists={},
        list_sizes=sizes,
        list_keys=batch.keys,
        list_rows=batch.rows,
    )


def _labels_and_scores(batch: Batch) -> dict[Role, ListCells]:
    """Return the lists of items by role: labels 1 and 0 for those that are chosen and rejected."""
    lists = dict(batch.lists)
    if "chosen" in lists:
        chosen, rejected = lists.pop("chosen"), lists.pop("rejected")
        sizes = chosen.lengths + rejected.lengths
        scores = ListCells.of(sizes, np.empty(int(sizes.sum())))
        labels = ListCells(scores.starts, _are_first(scores, chosen.lengths).astype(np.float64))
        is_chosen = labels.values == 1
        scores.values[is_chosen], scores.values[~is_chosen] = chosen.values, rejected.values
        return {**lists, "y": labels, "score": scores}
    if "num_correct" in batch.numbers:
        scores = lists["score"]
        lists["y"] = ListCells(scores.starts, _are_first(scores, batch.numbers["num_correct"]).astype(np.float64))
    return lists


def _are_first(cells: ListCells, counts: NDArray[Any]) -> NDArray[np.bool_]:
    """Return whether each item is one of the first so many of its list."""
    within: NDArray[np.int64] = np.arange(cells.values.size) - np.repeat(cells.starts[:-1], cells.lengths)
    are_first: NDArray[np.bool_] = within < np.repeat(counts, cells.lengths)
    return are_first
