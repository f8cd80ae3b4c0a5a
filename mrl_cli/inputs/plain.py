"""Plain delimited text as numbers by the compiled reader, where it is installed and certain of every row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli import native

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mrl_cli.model import Plan, Role

DELIMITERS = frozenset(",\t;|: ")  # none that a number may hold
DECIMALS = frozenset(".,")


def plain_columns(
    data: bytes, width: int, places: Sequence[tuple[Role, int]], delimiter: str, plan: Plan
) -> dict[Role, NDArray[Any]] | None:
    """Return columns of numbers of whole rows of `width` fields; None where another way has to read them.

    That is where keys or all columns are wanted, or something is not certainly a number by the rules of `cells`.
    `places` says which field of a row each role is.
    """
    decimal = plan.reading.dialect.decimal
    is_known = delimiter in DELIMITERS and decimal in DECIMALS and delimiter != decimal
    if not is_known or not places or plan.columns.keys or plan.reading.keep_columns:
        return None
    fields = native.fields()
    if fields is None:
        return None
    kinds = {place: np.int8 if role == "y" and labels_are_small(plan) else np.float64 for role, place in places}
    most_rows = (len(data) + 1) // (width + len(kinds))  # a wanted cell has a byte at least, and one ends each field
    arrays = {place: np.empty(most_rows, kind) for place, kind in kinds.items()}
    count, size = fields.read(data, delimiter, decimal, tuple(map(arrays.get, range(width))))
    if count == 0 or size < len(data):
        return None
    return {role: arrays[place][:count] for role, place in places}


def labels_are_small(plan: Plan) -> bool:
    """Return whether labels can be read as small integers: by the rule they are such, and nothing else reads them."""
    is_used_twice = plan.columns.y in {name for role, name in plan.columns.wanted if role != "y"}
    return plan.rules.labels in ("pm1", "01") and not is_used_twice
