"""The types of what the functions on frames take: for type checkers, and nothing is run of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from numpy.typing import ArrayLike

    from mrl_cli.model import DType, Labels, LambdaWeight, ListLabels, Strength

# A DataFrame of pandas or Polars, a pyarrow Table, arrays by name, or whatever else exports itself as an Arrow table.
Frame: TypeAlias = Any
Grouping: TypeAlias = "str | int | tuple[Any, ...] | list[Any]"


class Parameters(TypedDict, total=False):
    """The parameters of losses of pairs."""

    temperature: float
    beta: float
    label_smoothing: float


class CurveSettings(Parameters, total=False):
    """The loss of pairs in arrays at many margins."""

    loss: str
    weight: ArrayLike | None


class PairSettings(CurveSettings, total=False):
    """The loss of pairs in arrays."""

    margin: ArrayLike | None


class SweepSettings(Parameters, total=False):
    """What pairs in a frame are, and their loss."""

    x1: Hashable
    x2: Hashable
    difference: Hashable | None
    x1_reference: Hashable | None
    x2_reference: Hashable | None
    scale: float | None
    fill: Mapping[str, float] | None
    y: Hashable
    y_const: Literal[1, -1] | None
    labels: Labels | None
    label_map: Mapping[Any, Any] | str | None
    strength: Strength | None
    on_tie: Literal["error", "drop"] | None
    preset: str | None
    loss: str
    weight: Hashable | None
    dtype: DType


class _OfListsAlone(TypedDict, total=False):
    """What only ranked lists have, and their losses."""

    query: Hashable
    label: Hashable
    score: Hashable
    lambda_weight: LambdaWeight
    top: int | None
    query_weight: Hashable | None
    memory_bytes: int | None
    max_pairs: int | None
    target: str
    ties: str
    label_ties: str
    gain: str


class ListSettings(_OfListsAlone, total=False):
    """What ranked lists in a frame are, and what is reported of them."""

    labels: ListLabels | None
    preset: str | None
    loss: str
    margin: float | None
    reduction: Literal["mean", "query-mean", "sum"]
    weight: Hashable | None
    confidence: float | None
    temperature: float
    beta: float
    label_smoothing: float


class _Reported(SweepSettings, total=False):
    """The same with a margin, and what is reported."""

    margin: float | None
    margin_column: Hashable | None
    reduction: Literal["mean", "sum"]
    confidence: float | None
    cluster: Hashable | None


class EvaluateSettings(_Reported, total=False):
    """What `evaluate` takes beside groups, which say what it returns."""

    calibration: bool


class PageSettings(_Reported, _OfListsAlone, total=False):
    """What `report` takes of it, and of `evaluate_lists` alone."""

    group_by: Grouping | None
