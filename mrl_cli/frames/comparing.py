"""Two models on the pairs of a frame, as `mrl compare` tells of them."""

from __future__ import annotations

import time
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any

from mrl_cli import __version__
from mrl_cli.engines.base import Job, fold
from mrl_cli.engines.threads import local
from mrl_cli.frames.arguments import check_confidence, plan_of
from mrl_cli.frames.refusals import refuse, value_errors
from mrl_cli.inputs.frame import frame_source
from mrl_cli.model import MOST_SAMPLES, USUAL_CONFIDENCE
from mrl_cli.reductions.contrast import ContrastReduction
from mrl_cli.reductions.look import LookReduction
from mrl_cli.reports.compare import comparison_report

if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Literal

    import pandas as pd

    from mrl_cli.model import DType, Labels, Role
    from mrl_cli.reductions.base import Reduction


def compare(
    frame: pd.DataFrame,
    *,
    x1: Hashable = "x1",
    x2: Hashable = "x2",
    x1_b: Hashable,
    x2_b: Hashable,
    y: Hashable = "y",
    y_const: Literal[1, -1] | None = None,
    labels: Labels | None = None,
    on_tie: Literal["error", "drop"] = "error",
    loss: str = "margin_ranking",
    margin: float = 0.0,
    margin_column: Hashable | None = None,
    dtype: DType = "float64",
    confidence: float = USUAL_CONFIDENCE,
    cluster: Hashable | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    **parameters: float,
) -> dict[str, Any]:
    """Return what `mrl compare` says of two models, a and b, on the pairs in a DataFrame.

    `x1` and `x2` name the columns of a's scores, `x1_b` and `x2_b` those of b's. Where the models are in two frames,
    merge them with pandas first, on what tells the pairs apart: `a.merge(b, on="id", suffixes=("", "_b"),
    validate="one_to_one")`. Such a merge leaves out the pairs that one frame lacks without counting them, and b's label
    is then not compared with a's. `bootstrap` is the number of samples, 0 for none; the other arguments are those of
    `evaluate` and the options of the command.

    The result is a dict with the keys of the JSON of `mrl compare`; what the data cannot tell is NaN. Raises ValueError
    for what `mrl compare` refuses, as `evaluate` does. The frame is not changed.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"x1": [1, 0], "x2": [0, 0.5], "u": [1, 2], "v": [0.5, 0], "y": [1, 1]})
    >>> found = compare(frame, x1_b="u", x2_b="v")
    >>> found["a"]["mean"], found["b"]["mean"], found["difference"]["mean"], found["mcnemar"]["only_b"]
    (0.25, 0.0, 0.25, 1)
    """
    named: dict[Role, Hashable | None] = {
        "x1": x1,
        "x2": x2,
        "y": y if y_const is None else None,
        "margin": margin_column,
        "x1_b": x1_b,
        "x2_b": x2_b,
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
        dtype=dtype,
    )
    check_confidence(confidence)
    _check_whole("bootstrap", bootstrap, MOST_SAMPLES)
    _check_whole("seed", seed)
    started = time.monotonic()
    samples, seed = int(bootstrap), int(seed)
    plan = plan.changed(confidence=float(confidence))
    source = frame_source(frame, named)
    reductions: list[Reduction[Any, Any]] = [ContrastReduction(plan, samples=samples, seed=seed), LookReduction()]
    with value_errors():
        counts, (contrasts, look), _ = fold(local([source], Job(plan, tuple(reductions)), 1), [source], reductions)
        refuse(counts, frame, plan, look)
        report = comparison_report(contrasts, counts, plan, inputs=(), version=__version__, samples=samples, seed=seed)
    return replace(report, elapsed_seconds=time.monotonic() - started).record()


def _check_whole(name: str, number: object, largest: int | None = None) -> None:
    is_whole = isinstance(number, Integral) and not isinstance(number, bool)
    if not is_whole or number < 0 or (largest is not None and number > largest):  # type: ignore[operator]
        bounds = "0 or more" if largest is None else f"from 0 to {largest:,}"
        msg = f"{name} must be a whole number, {bounds}, not {number!r}"
        raise ValueError(msg)
