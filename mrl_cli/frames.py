"""The pairs of a pandas DataFrame: the same checks, sums and figures as of a file, in chunks, so that memory stays
flat beside the frame.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import replace
from decimal import Decimal
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from mrl_cli import __version__, checks
from mrl_cli.errors import MrlError
from mrl_cli.losses import LOSSES, completed
from mrl_cli.measure import measure
from mrl_cli.model import USUAL_CONFIDENCE, Columns, DType, Labels, Plan, ProblemCount, Totals
from mrl_cli.readers.cells import is_exact
from mrl_cli.readers.columnar import BATCH_ROWS, clean_batch, is_number, keys_in, numbers_in
from mrl_cli.reporting import report
from mrl_cli.wording import closest, harmless

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping
    from typing import Literal

    import pandas as pd
    import pyarrow as pa

    from mrl_cli.groups import Ledger
    from mrl_cli.model import PairBatch, Problem, Role
    from mrl_cli.readers.columnar import Numbers

PLACE = "the frame"
_CHOICES: dict[str, tuple[str, ...]] = {
    "loss": tuple(LOSSES),
    "labels": get_args(Labels),
    "on_tie": ("error", "drop"),
    "reduction": ("mean", "sum"),
    "dtype": get_args(DType),
}
_OPTION = re.compile(r"--([a-z-]+) (\w+)")


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
    _check_choices({"loss": loss})
    labels = labels or ("any" if LOSSES[loss].is_target else "pm1")
    settings = {"labels": labels, "on_tie": on_tie, "reduction": reduction, "dtype": dtype}
    named: dict[Role, Hashable | None] = {
        "x1": x1,
        "x2": x2,
        "y": y if y_const is None else None,
        "margin": margin_column,
        "weight": weight,
        "group": group_by,
        "cluster": cluster,
    }
    _check_choices(settings)
    _check_margin(loss, margin, has_margin_column=margin_column is not None)
    if y_const not in (None, 1, -1):
        msg = f"y_const must be 1 or -1, not {y_const!r}"
        raise ValueError(msg)
    _check_confidence(confidence, is_weighted=weight is not None)
    plan = Plan(
        columns=_columns(named),
        y_const=y_const,
        loss=loss,
        margin=float(margin) + 0.0,
        parameters=tuple(completed(loss, parameters).items()),
        confidence=confidence,
        wants_squares=confidence is not None and cluster is None,
        **settings,  # type: ignore[arg-type]
    )
    return _evaluated(frame, named, plan)


def _evaluated(frame: pd.DataFrame, named: dict[Role, Hashable | None], plan: Plan) -> dict[str, Any] | pd.DataFrame:
    started = time.monotonic()
    places = {role: _place(frame, role, name) for role, name in named.items() if name is not None}
    try:
        totals, ledger, values = _measured(frame, places, plan)
        elapsed = time.monotonic() - started
        found = report(totals, plan, inputs=(), version=__version__, elapsed_seconds=elapsed, ledger=ledger)
    except MrlError as error:
        raise ValueError(_with_hint(error.message, error.hint)) from None
    record = {key: list(value) if isinstance(value, tuple) else value for key, value in found.record().items()}
    groups = record.pop("groups", None)
    if groups is None:
        return record
    return _grouped(groups, values, frame, places["group"], record)


def _check_choices(settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        if value not in _CHOICES[name]:
            msg = f"{name} must be one of {', '.join(_CHOICES[name])}, not {value!r}"
            raise ValueError(msg)


def _check_margin(loss: str, margin: object, *, has_margin_column: bool) -> None:
    if isinstance(margin, bool) or not isinstance(margin, Real) or not math.isfinite(margin):
        msg = f"margin must be a finite number, not {margin!r}; a column of margins is a margin_column"
        raise ValueError(msg)
    if margin and has_margin_column:
        msg = "margin and margin_column exclude each other"
        raise ValueError(msg)
    if (margin or has_margin_column) and not LOSSES[loss].has_margin:
        msg = f"the loss {loss} has no margin"
        raise ValueError(msg)


def _check_confidence(confidence: object, *, is_weighted: bool) -> None:
    if confidence is None:
        return
    if not isinstance(confidence, Real) or not 0 < confidence < 1:  # type: ignore[operator]
        msg = f"confidence must be a number between 0 and 1, such as 0.95, not {confidence!r}"
        raise ValueError(msg)
    if is_weighted:
        msg = "weight does not go with confidence or cluster: these intervals are of unweighted means"
        raise ValueError(msg)


def _place(frame: pd.DataFrame, role: Role, name: Hashable) -> int:
    """Return where the column stands that has a role."""
    names = list(frame.columns)
    places = [place for place, other in enumerate(names) if other == name]
    if len(places) == 1:
        return places[0]
    if places:
        msg = f"{PLACE} has column {harmless(name)!r} {len(places)} times"
        raise ValueError(_with_hint(msg, "rename one of them"))
    argument = {"margin": "margin_column", "group": "group_by"}.get(role, role)
    near = closest(str(name), [other for other in names if isinstance(other, str)])
    shown = ", ".join(harmless(other) for other in names[:20]) + (", …" if len(names) > 20 else "")
    hint = f"did you mean {argument}={near!r}?" if near else f"name the column with {argument}=…"
    if role == "y" and near is None:
        hint += "; no label column? use y_const=1"
    msg = f"{PLACE} has no column {harmless(name)!r}; it has: {shown}"
    raise ValueError(_with_hint(msg, hint))


def _columns(named: dict[Role, Hashable | None]) -> Columns:
    names = {role: str(name) for role, name in named.items() if name is not None}
    numbers: tuple[Role, ...] = ("margin", "weight")
    keys: tuple[Role, ...] = ("group", "cluster")
    return Columns(
        names["x1"],
        names["x2"],
        names.get("y"),
        tuple((role, names[role]) for role in numbers if role in names),
        tuple((role, names[role]) for role in keys if role in names),
    )


def _measured(frame: pd.DataFrame, places: dict[Role, int], plan: Plan) -> tuple[Totals, Ledger | None, dict[str, Any]]:
    """Return the totals, those of each group, and the values that the groups' keys are the text of."""
    ledger = None
    if plan.has_groups or plan.has_clusters:
        from mrl_cli.groups import Ledger

        ledger = Ledger()
    totals = Totals()
    values: dict[str, Any] = {}
    for batch in _batches(frame, places, plan, values):
        found = measure(batch, plan)
        totals += found.totals
        if ledger is not None and found.groups is not None:
            ledger.add(found.groups)
    if totals.problems:
        problems = {kind: _named(count, frame) for kind, count in totals.problems.items()}
        message = checks.described_problems(replace(totals, problems=problems), PLACE, is_one_file=True)
        raise ValueError(_with_hint(message, _argument_hint(checks.hint_for(totals, plan))))
    if totals.pairs == 0:
        left = f": {totals.rows:,} rows, all left out" if totals.rows else ""
        msg = f"no pairs in {PLACE}{left}; the mean of nothing is undefined"
        raise ValueError(msg)
    return totals, ledger, values


def _batches(frame: pd.DataFrame, places: dict[Role, int], plan: Plan, values: dict[str, Any]) -> Iterator[PairBatch]:
    for role, _ in plan.columns.wanted_numbers:
        _check_type(frame.iloc[:0, places[role]], role)
    for start in range(0, len(frame), BATCH_ROWS):
        chunk = frame.iloc[start : start + BATCH_ROWS]
        numbers = [_numbers_of(chunk.iloc[:, places[role]], role) for role, _ in plan.columns.wanted_numbers]
        keys = [
            _keys_of(chunk.iloc[:, places[role]], values if role == "group" else {}) for role, _ in plan.columns.keys
        ]
        yield clean_batch(PLACE, numbers, keys, range(start, start + len(chunk)), plan)


def _check_type(column: pd.Series[Any], role: Role) -> None:
    """Raise ValueError for a column whose dtype holds no numbers, whatever its cells are."""
    import pyarrow as pa

    if column.dtype == object:
        return
    try:
        kind = _arrow(column).type
    except (pa.ArrowException, TypeError, ValueError):
        kind = pa.string()
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if is_number(kind) or (role == "y" and pa.types.is_boolean(kind)):
        return
    msg = f"{PLACE}: column {harmless(column.name)} holds {column.dtype}, not numbers"
    raise ValueError(_with_hint(msg, "convert it, e.g. with pandas.to_numeric"))


def _numbers_of(column: pd.Series[Any], role: Role) -> Numbers:
    return _numbers_in_objects(column.tolist(), role) if column.dtype == object else numbers_in(_arrow(column))


def _arrow(column: pd.Series[Any]) -> pa.Array:
    """Return a column as Arrow; NaN stays NaN where the dtype knows no other missing value."""
    import pyarrow as pa

    if isinstance(column.dtype, np.dtype):
        return pa.array(column.to_numpy(), from_pandas=False)
    found = pa.array(column)
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def _numbers_in_objects(cells: list[Any], role: Role) -> Numbers:
    import pandas as pd

    numbers = np.zeros(len(cells))
    bad = []
    for index, cell in enumerate(cells):
        if cell is None or cell is pd.NA or cell is pd.NaT:
            bad.append((index, checks.MISSING, harmless(cell)))
        elif not isinstance(cell, Real | Decimal) or (isinstance(cell, bool | np.bool_) and role != "y"):
            bad.append((index, checks.NOT_A_NUMBER, harmless(repr(cell))))
        elif isinstance(cell, Integral) and not is_exact(int(cell)):
            bad.append((index, checks.INEXACT, harmless(cell)))
        else:
            numbers[index] = _rounded(cell)
    return numbers, bad


def _rounded(number: Any) -> float:
    """Return the nearest double: an infinity beyond the largest, NaN for a signalling one."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
    except ValueError:
        return math.nan


def _keys_of(column: pd.Series[Any], values: dict[str, Any]) -> pa.Array:
    """Return a column as keys, and enter in `values` what each key is the text of."""
    import pandas as pd
    import pyarrow as pa

    codes, uniques = pd.factorize(column, use_na_sentinel=False)
    if column.dtype == object:
        texts = ["" if pd.isna(value) else str(value) for value in uniques]
    else:
        texts = keys_in(_arrow(pd.Series(uniques))).to_pylist()
        texts = ["" if pd.isna(value) else text for text, value in zip(texts, uniques, strict=True)]
    for text, value in zip(texts, uniques, strict=True):
        values.setdefault(text, value)
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(texts, pa.string()))


def _named(count: ProblemCount, frame: pd.DataFrame) -> ProblemCount:
    """Return problems whose rows are told by their label, and by their position where that is another."""
    return ProblemCount(count.count, tuple(_with_label(problem, frame) for problem in count.first))


def _with_label(problem: Problem, frame: pd.DataFrame) -> Problem:
    label = frame.index[problem.row]
    is_position = isinstance(label, Integral) and int(label) == problem.row
    return problem if is_position else replace(problem, row_word=f"row {harmless(label)}, at position")


def _argument_hint(hint: str | None) -> str | None:
    """Return a hint in the words of Python, or None for one about options that `evaluate` has no argument for."""
    if hint is None or any(option in hint for option in ("--on-error", "--encoding", "--decimal")):
        return None
    return _OPTION.sub(lambda found: f"{found[1].replace('-', '_')}={found[2]!r}", hint)


def _with_hint(message: str, hint: str | None) -> str:
    return f"{message}\nhint: {hint}" if hint else message


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
