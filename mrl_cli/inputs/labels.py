"""Labels as the rules of a plan say: words and codes mapped, strengths taken apart, true and false read."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from mrl_cli.arrow import encoded
from mrl_cli.errors import SuspectShardError
from mrl_cli.inputs.base import without_bad
from mrl_cli.inputs.cells import shown_cell
from mrl_cli.model import Batch, Plan, Role, problems
from mrl_cli.model.rules import EXACT_INTEGER_LIMIT

_SKIPPED, _BAD = 2, 3  # beside the labels -1, 0 and 1
# A list of one, as JSON, pandas and Python write it.
_LIST_OF_ONE = re.compile(r"""\[\s*(?:"(?P<a>[^"\\]*)"|'(?P<b>[^'\\]*)'|(?P<bare>[^\s\[\]"',;]+))\s*\]""")
_NULLS = ("null", "None")


def with_labels(batch: Batch, plan: Plan) -> Batch:
    """Return the batch with labels in place of what its file holds: mapped values, or the sign of strengths.

    Raises SuspectShardError for a value that is not in the map, and for a strength that may have lost its last digits,
    when the batch does not know its rows.
    """
    if plan.rules.label_map:
        return _mapped(batch, plan)
    if plan.rules.unjudged is not None:
        return _judged(batch, plan.rules.unjudged)
    return _signed(batch, plan) if plan.rules.labels == "strength" and batch.y is not None else batch


def _judged(batch: Batch, unjudged: float | str) -> Batch:
    """Return the batch without the items whose label says that there is none."""
    labels = batch.numbers["y"]
    is_judged = labels != unjudged if isinstance(unjudged, float) else ~(labels < 0)
    return replace(batch.where(is_judged), unjudged_rows=int(np.count_nonzero(~is_judged)))


def _signed(batch: Batch, plan: Plan) -> Batch:
    """Return the batch with the signs of its strengths as labels; what is not finite stays, to be named."""
    strengths = np.asarray(batch.numbers["y"], np.float64)
    is_finite, sizes = np.isfinite(strengths), np.abs(strengths)
    if batch.rows is None and (sizes >= EXACT_INTEGER_LIMIT).any():
        raise SuspectShardError
    signs = np.sign(-strengths if plan.rules.is_reversed else strengths) + 0.0  # -0.0 becomes 0.0
    numbers: dict[Role, Any] = {"y": np.where(is_finite, signs, strengths)}
    if plan.rules.strength != "ignore":
        numbers[plan.rules.strength] = np.where(is_finite, sizes, 1.0)
    return batch.with_numbers(numbers)


def _mapped(batch: Batch, plan: Plan) -> Batch:
    """Return the batch with labels that its column of texts is mapped to, without the pairs that are left out."""
    from mrl_cli.model.labels import comparable  # few runs have a map

    keys = dict(batch.keys)
    codes, texts = _coded(keys.pop("y"))
    labels = {comparable(value): _SKIPPED if label is None else label for value, label in plan.rules.label_map}
    decimal, ties_fit = plan.reading.dialect.decimal, plan.rules.drops_ties

    def label_of(text: str) -> int | None:
        return labels.get(comparable(text), labels.get(comparable(text, decimal)))

    known = [(label_of(text), only_label(text)) for text in texts]
    texts = [text if label is not None else only for text, (label, only) in zip(texts, known, strict=True)]
    found = [_BAD if (label := label_of(text)) is None else label for text in texts]
    outcomes = np.array([_BAD if label == 0 and not ties_fit else label for label in found], np.int8)[codes]
    bad = np.flatnonzero(outcomes == _BAD).tolist()
    if bad and batch.rows is None:
        raise SuspectShardError
    cells = [(index, _problem_of(texts[codes[index]], found[codes[index]], plan), texts[codes[index]]) for index in bad]
    batch = replace(batch, keys=keys).with_numbers({"y": outcomes})
    batch = without_bad(batch, {"y": [(index, kind, shown_cell(text)) for index, kind, text in cells]}, plan)
    is_used = batch.numbers["y"] != _SKIPPED
    return replace(batch.where(is_used), skipped_rows=int(np.count_nonzero(~is_used)))


def only_label(text: str) -> str:
    """Return the text of a label; of a list of one, written as text, that of the one, and none of a missing one.

    >>> only_label('["A"]'), only_label("[1]"), only_label("['A', 'B']"), only_label("[null]"), only_label("A")
    ('A', '1', "['A', 'B']", '', 'A')
    """
    match = _LIST_OF_ONE.fullmatch(text.strip())
    if match is None:
        return text
    return "" if match["bare"] in _NULLS else next(filter(None, match.groups()), "")


def _coded(column: Any) -> tuple[Any, list[str]]:
    """Return for each pair the place of its text in the list of those there are."""
    coded = encoded(column)
    return np.from_dlpack(coded.indices).astype(np.intp), coded.dictionary.to_pylist()


def _problem_of(text: str, label: int, plan: Plan) -> str:
    if label == 0:
        return problems.TIE
    is_missing = not text.strip() or text in plan.reading.dialect.null_values
    return problems.MISSING if is_missing else problems.NOT_IN_MAP
