"""The pairs of a frame as `mrl compute` tells of them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mrl_cli import __version__
from mrl_cli.frames.arguments import check_confidence, plan_of
from mrl_cli.frames.refusals import refuse, value_errors
from mrl_cli.inputs.frame import batches_of, places_of
from mrl_cli.model import USUAL_CONFIDENCE, Totals
from mrl_cli.reductions.measured import block_by_key, measure
from mrl_cli.reports.compute import report

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from typing import Literal

    import pandas as pd

    from mrl_cli.model import DType, Labels, Plan, Role
    from mrl_cli.reductions.ledger import Ledger


def evaluate(
    frame: pd.DataFrame,
    *,
    x1: Hashable = "x1",
    x2: Hashable = "x2",
    y: Hashable = "y",
    y_const: Literal[1, -1] | None = None,
    labels: Labels | None = None,
    on_tie: Literal["error", "drop"] = "error",
    loss: str = "margin_ranking",
    margin: float = 0.0,
    margin_column: Hashable | None = None,
    weight: Hashable | None = None,
    group_by: Hashable | None = None,
    reduction: Literal["mean", "sum"] = "mean",
    dtype: DType = "float64",
    confidence: float | None = None,
    cluster: Hashable | None = None,
    **parameters: float,
) -> dict[str, Any] | pd.DataFrame:
    """Return what `mrl compute` says of the pairs in a DataFrame, or with `group_by` a frame with a row for each group.

    `x1`, `x2`, `y`, `margin_column`, `weight`, `group_by` and `cluster` name columns; with `y_const` there is no label
    column and every pair has that label. Columns of numbers may be of any real dtype, nullable and Arrow ones too, or
    hold Python numbers as objects. The other arguments mean what the options of that name mean; `parameters` are those
    of the loss.

    Without `group_by` the result is a dict with the keys of the JSON of `mrl compute`. With it the result is a
    DataFrame: a row for each value of that column, which is the index, integers in their order, then other values in
    that of their text; the columns are the figures of a group. The whole's dict is its `attrs["total"]`.

    Raises ValueError for what `mrl compute` refuses: an unknown name, a missing column, pairs without a trustworthy
    number (naming row, column and value), no pairs. The frame is not changed.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x1": [0.5, 1.0], "x2": [0.25, 2.0], "y": [1, 1], "kind": ["easy", "hard"]})
    >>> evaluate(frame, margin=0.5)["mean"]
    0.875
    >>> evaluate(frame, margin=0.5, group_by="kind")["accuracy"].to_dict()
    {'easy': 1.0, 'hard': 0.0}
    """
    confidence = USUAL_CONFIDENCE if cluster is not None and confidence is None else confidence
    named: dict[Role, Hashable | None] = {
        "x1": x1,
        "x2": x2,
        "y": y if y_const is None else None,
        "margin": margin_column,
        "weight": weight,
        "group": group_by,
        "cluster": cluster,
    }
    plan = plan_of(
        named,
        y_const=y_const,
        labels=labels,
        loss=loss,
        margin=margin,
        parameters=parameters,
        on_tie=on_tie,
        reduction=reduction,
        dtype=dtype,
    )
    if confidence is not None:
        check_confidence(confidence)
        if weight is not None:
            msg = "weight does not go with confidence or cluster: these intervals are of unweighted means"
            raise ValueError(msg)
        plan = replace(plan, confidence=confidence, wants_squares=cluster is None)
    return _evaluated(frame, named, plan)


def _evaluated(frame: pd.DataFrame, named: Mapping[Role, Hashable | None], plan: Plan) -> dict[str, Any] | pd.DataFrame:
    started = time.monotonic()
    places = places_of(frame, named)
    with value_errors():
        totals, ledger, values = _measured(frame, places, plan)
        elapsed = time.monotonic() - started
        found = report(totals, plan, inputs=(), version=__version__, elapsed_seconds=elapsed, ledger=ledger)
    record = {key: list(value) if isinstance(value, tuple) else value for key, value in found.record().items()}
    groups = record.pop("groups", None)
    if groups is None:
        return record
    return _grouped(groups, values, frame, places["group"], record)


def _measured(
    frame: pd.DataFrame, places: Mapping[Role, int], plan: Plan
) -> tuple[Totals, Ledger | None, dict[str, Any]]:
    """Return the totals, those of each group, and the values that the groups' keys are the text of."""
    ledger = None
    if plan.has_groups or plan.has_clusters:
        from mrl_cli.reductions.ledger import Ledger

        ledger = Ledger()
    totals = Totals()
    values: dict[str, Any] = {}
    for batch in batches_of(frame, places, plan, values):
        found = measure(batch, plan)
        totals += found.totals
        block = block_by_key(found, plan)
        if ledger is not None and block is not None:
            ledger.add(block)
    refuse(totals, frame, plan)
    return totals, ledger, values


def _grouped(
    groups: list[Any], values: dict[str, Any], frame: pd.DataFrame, place: int, total: dict[str, Any]
) -> pd.DataFrame:
    import pandas as pd

    records = [group.record() for group in groups]
    column = frame.iloc[:0, place]
    index = pd.Index([values[record.pop("group")] for record in records], dtype=column.dtype, name=column.name)
    found = pd.DataFrame.from_records(records, index=index)
    found.attrs["total"] = total
    return found
