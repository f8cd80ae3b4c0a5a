"""The pairs of a frame as `mrl compute` tells of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mrl_cli import __version__
from mrl_cli.engines.base import Job, fold
from mrl_cli.engines.threads import local
from mrl_cli.frames.arguments import check_confidence, plan_of
from mrl_cli.frames.refusals import refuse, value_errors
from mrl_cli.inputs.frame import frame_source
from mrl_cli.model import USUAL_CONFIDENCE
from mrl_cli.reductions.ledger import LedgerReduction
from mrl_cli.reductions.look import LookReduction
from mrl_cli.reductions.totals import TotalsReduction
from mrl_cli.reports.compute import compute_report

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from typing import Literal

    import pandas as pd

    from mrl_cli.model import DType, Labels, Plan, Role
    from mrl_cli.reductions.base import Reduction


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
        plan = plan.changed(confidence=confidence)
    return _evaluated(frame, named, plan)


def _evaluated(frame: pd.DataFrame, named: Mapping[Role, Hashable | None], plan: Plan) -> dict[str, Any] | pd.DataFrame:
    started = time.monotonic()
    source = frame_source(frame, named)
    squares = plan.reporting.confidence is not None and not plan.has_clusters
    reductions: list[Reduction[Any, Any]] = [TotalsReduction(squares=squares), LookReduction()]
    if plan.has_groups or plan.has_clusters:
        reductions.append(LedgerReduction(squares=squares))
    with value_errors():
        folded = fold(local([source], Job(plan, tuple(reductions)), 1), [source], reductions)
        totals, look, *ledgers = folded.wholes
        refuse(folded.counts, frame, plan, look)
        found = compute_report(
            folded.counts,
            totals,
            plan,
            look=look,
            inputs=(),
            version=__version__,
            elapsed_seconds=time.monotonic() - started,
            ledger=ledgers[0] if ledgers else None,
        )
    record = {key: list(value) if isinstance(value, tuple) else value for key, value in found.record().items()}
    groups = record.pop("groups", None)
    if groups is None:
        return record
    _, places, values = source.stream
    return _grouped(groups, values, frame, places["group"], record)


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
