"""The records that every room speaks: what to do (Plan), what was read (PairBatch, Problem), what came out (Totals,
Report).

All are frozen. This room computes nothing but merges of its own records and imports no NumPy at run time, so that the
command line can speak it before anything heavy is loaded.
"""

from __future__ import annotations

import math
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any, Literal

from mrl_cli.records import light_dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.exact import ExactSum

Labels = Literal["pm1", "01", "any"]
Reduction = Literal["mean", "sum", "none"]
DType = Literal["float64", "float32"]

# What a column is for. A role is a word of the command line and of records, whatever the column itself is called.
Role = Literal["x1", "x2", "y", "margin", "weight", "loss", "x1_b", "x2_b", "group", "cluster", "key"]

FIRST_PROBLEMS_SHOWN = 3
LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.01, 0.999999  # within these the quantiles are exact to ten digits
USUAL_CONFIDENCE = 0.95  # of intervals that nobody gave another
MOST_SAMPLES = 1_000_000  # of a bootstrap


@light_dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns that hold the pairs; `y` is None when every pair has one constant label.

    `numbers` and `keys` are the (role, name) of further columns: numbers such as a margin per pair, and keys, which are
    text that says what belongs together.
    """

    x1: str = "x1"
    x2: str = "x2"
    y: str | None = "y"
    numbers: tuple[tuple[Role, str], ...] = ()
    keys: tuple[tuple[Role, str], ...] = ()

    @property
    def wanted_numbers(self) -> tuple[tuple[Role, str], ...]:
        """(role, name) of every column of numbers to read: x1, x2, y where there is one, then the others."""
        scores: tuple[tuple[Role, str], ...] = (("x1", self.x1), ("x2", self.x2))
        return (*scores, *self.numbers) if self.y is None else (*scores, ("y", self.y), *self.numbers)

    @property
    def wanted(self) -> tuple[tuple[Role, str], ...]:
        """(role, name) of every column to read: the numbers, then the keys."""
        return (*self.wanted_numbers, *self.keys)


@light_dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written, where its suffix and header line do not say it.

    `delimiter` None: found from the header line. `encoding` None: UTF-8, or what a byte order mark says.
    `null_values` are cells that mean "no value", besides the empty one. Without `header`, columns are called as `names`
    says, those beyond it "1", "2", … by their place.
    """

    delimiter: str | None = None
    encoding: str | None = None
    decimal: str = "."
    null_values: tuple[str, ...] = ()
    header: bool = True
    names: tuple[str, ...] = ()


@light_dataclass(frozen=True, slots=True)
class Scores:
    """Scores of objects, float64 of shape (n,) and finite, as the file `name` holds them in this order."""

    name: str
    values: NDArray[np.float64]


@light_dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides a result, validated.

    Where `columns` has a margin for each pair, `margin` is 0 and not used. `parameters` are all those of the loss, as
    (name, value). `preset` is the one that columns and labels were taken from. `by_file`: each file is a group.
    With `scores`, x1 and x2 are rows of them, counted from 0. `wants_squares`: totals hold sums of l*l. `confidence`:
    that of intervals, None for none. `lists_problems`: every problem is wanted, not just their number and the first
    few.
    """

    columns: Columns = Columns()
    y_const: int | None = None
    labels: Labels = "pm1"
    on_tie: Literal["error", "drop"] = "error"
    loss: str = "margin_ranking"
    margin: float = 0.0
    parameters: tuple[tuple[str, float], ...] = ()
    preset: str | None = None
    reduction: Reduction = "mean"
    dtype: DType = "float64"
    on_error: Literal["fail", "skip"] = "fail"
    dialect: Dialect = Dialect()
    by_file: bool = False
    scores: Scores | None = field(default=None, compare=False, repr=False)
    wants_squares: bool = False
    confidence: float | None = None
    keep_columns: bool = False
    lists_problems: bool = False

    @property
    def has_groups(self) -> bool:
        """Whether pairs are told apart by group."""
        return self.by_file or any(role == "group" for role, _ in self.columns.keys)

    @property
    def has_clusters(self) -> bool:
        """Whether pairs belong to clusters."""
        return any(role == "cluster" for role, _ in self.columns.keys)

    def settings(self, *keys: str) -> dict[str, Any]:
        """Return what reports tell of the plan, under these of their keys; None where it does not apply.

        >>> Plan(margin=0.5).settings("margin", "margin_column", "labels")
        {'margin': 0.5, 'margin_column': None, 'labels': 'pm1'}
        """
        numbers, texts = dict(self.columns.numbers), dict(self.columns.keys)
        told = {
            "loss": self.loss,
            "margin": None if "margin" in numbers else self.margin,
            "margin_column": numbers.get("margin"),
            "parameters": dict(self.parameters) or None,
            "weight_column": numbers.get("weight"),
            "group_by": "file" if self.by_file else texts.get("group"),
            "cluster_column": texts.get("cluster"),
            "confidence": self.confidence,
            "reduction": self.reduction,
            "dtype": self.dtype,
            "labels": self.labels,
            "preset": self.preset,
            "scores": None if self.scores is None else self.scores.name,
        }
        return {key: told[key] for key in keys}


class Mergeable:
    """Marks a record that adds up over pairs with `+`: an engine keeps one for a shard, not one for each batch."""

    __slots__ = ()


@light_dataclass(frozen=True, slots=True)
class Problem:
    """One thing in the data that allows no trustworthy number.

    `row` is the physical line number in a text file and the 1-based row elsewhere; `column` is None when the whole row
    is at fault; `value` is what stands there, as text.
    """

    kind: str
    file: str
    row: int
    column: str | None
    value: str
    row_word: str = "line"


@light_dataclass(frozen=True, slots=True)
class ProblemCount:
    """How many problems of one kind there are, and the first few of them."""

    count: int = 0
    first: tuple[Problem, ...] = ()

    def __add__(self, other: ProblemCount) -> ProblemCount:
        return ProblemCount(self.count + other.count, (self.first + other.first)[:FIRST_PROBLEMS_SHOWN])


@light_dataclass(frozen=True, slots=True, eq=False)
class PairBatch:
    """Pairs as a reader hands them on: `x1`, `x2` float64 of shape (n,); `y` of shape (n,) and any real dtype, or None.

    `numbers` are the further columns of numbers by role, float64 of shape (n,); `keys` those of keys, Arrow arrays of n
    strings, dictionary-encoded or not, without nulls: a missing key is the empty string.
    `rows` are the row numbers, or None where the fast way did not track them; `row_word` is what `file` calls a row.
    `problems` are what the reader itself found in the rows it had to leave out, `rejected_rows` of them. `kept` are all
    input columns of the n pairs, when asked for.
    """

    file: str
    x1: NDArray[np.float64]
    x2: NDArray[np.float64]
    y: NDArray[Any] | None
    rows: Sequence[int] | None = None
    row_word: str = "line"
    problems: tuple[Problem, ...] = ()
    rejected_rows: int = 0
    kept: pa.Table | None = None
    numbers: Mapping[Role, NDArray[np.float64]] = field(default_factory=dict)
    keys: Mapping[Role, pa.Array] = field(default_factory=dict)


@light_dataclass(frozen=True, slots=True)
class Look:
    """What scores and labels look like, for notes: `Look()` is that of none, the identity of `+`.

    `grids` has bit i set when every score lies on grid i of `notes.GRIDS`. The labels are None where there is no label.
    """

    grids: int = -1
    lowest_label: float | None = None
    highest_label: float | None = None

    def __add__(self, other: Look) -> Look:
        if self.lowest_label is None or self.highest_label is None:
            return Look(self.grids & other.grids, other.lowest_label, other.highest_label)
        if other.lowest_label is None or other.highest_label is None:
            return Look(self.grids & other.grids, self.lowest_label, self.highest_label)
        lowest = min(self.lowest_label, other.lowest_label)
        return Look(self.grids & other.grids, lowest, max(self.highest_label, other.highest_label))


@light_dataclass(frozen=True, slots=True)
class Totals:
    """Sums and counts over pairs, never means; `Totals()` is the identity of `+`, which is associative and exact.

    `pairs` were used; rows were left out for a problem (`rejected`), a label 0 (`ties_dropped`) or a weight 0
    (`zero_weight`). Weighted, `loss_sum` is that of w*l and `correct_weight_sum` the weight of the correct pairs;
    `square_sum` is the sum of l*l, where the plan wants it. Of the correct pairs, `inside_margin` have d below the
    margin. `look` is for notes and no part of what makes totals equal. `problems` counts by kind; the first few of each
    are those of the left operand, so parts are merged in input order.
    """

    loss_sum: ExactSum | None = None
    pairs: int = 0
    rejected: int = 0
    ties_dropped: int = 0
    min: float = math.inf
    max: float = -math.inf
    correct: int = 0
    ties: int = 0
    wrong: int = 0
    active: int = 0
    problems: dict[str, ProblemCount] = field(default_factory=dict)
    inside_margin: int = 0
    zero_weight: int = 0
    weight_sum: ExactSum | None = None
    correct_weight_sum: ExactSum | None = None
    square_sum: ExactSum | None = None
    look: Look = field(default=Look(), compare=False)

    @property
    def rows(self) -> int:
        """How many rows were read, used or not."""
        return self.pairs + self.rejected + self.ties_dropped + self.zero_weight

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            loss_sum=_merged(self.loss_sum, other.loss_sum),
            weight_sum=_merged(self.weight_sum, other.weight_sum),
            correct_weight_sum=_merged(self.correct_weight_sum, other.correct_weight_sum),
            square_sum=_merged(self.square_sum, other.square_sum),
            pairs=self.pairs + other.pairs,
            rejected=self.rejected + other.rejected,
            ties_dropped=self.ties_dropped + other.ties_dropped,
            zero_weight=self.zero_weight + other.zero_weight,
            min=other.min if other.min < self.min or math.isnan(other.min) else self.min,
            max=other.max if other.max > self.max or math.isnan(other.max) else self.max,
            correct=self.correct + other.correct,
            ties=self.ties + other.ties,
            wrong=self.wrong + other.wrong,
            inside_margin=self.inside_margin + other.inside_margin,
            look=self.look + other.look,
            active=self.active + other.active,
            problems={
                kind: self.problems.get(kind, ProblemCount()) + other.problems.get(kind, ProblemCount())
                for kind in (*self.problems, *(kind for kind in other.problems if kind not in self.problems))
            },
        )


def _merged(left: ExactSum | None, right: ExactSum | None) -> ExactSum | None:
    if left is None or right is None:
        return right if left is None else left
    return left + right


# Nobody compares reports or prints them: methods for that would cost each start of mrl a millisecond or two.


@light_dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figures:
    """What is told of some pairs; what is None is not told.

    `value` is the reduced loss, None under reduction none. A mean over nothing is NaN. `weight` (the sum of the
    weights) and `accuracy_weighted` are told where there are weights; `inside_margin` and `beyond_margin`, the correct
    pairs on this and on the other side of the margin, where the loss has one. `standard_error` is that of the mean
    loss; the bounds of intervals are told where a confidence was asked for, `clusters` where they are clustered.
    """

    value: float | None
    pairs: int
    sum: float
    mean: float
    min: float
    max: float
    correct: int
    ties: int
    wrong: int
    inside_margin: int | None = None
    beyond_margin: int | None = None
    accuracy: float
    accuracy_half: float
    accuracy_without_ties: float
    active: int
    weight: float | None = None
    accuracy_weighted: float | None = None
    clusters: int | None = None
    standard_error: float | None = None
    mean_low: float | None = None
    mean_high: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None


@light_dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupFigures(Figures):
    """The figures of one group."""

    group: str

    def record(self) -> dict[str, Any]:
        """Return what is told by key, in the order in which it is told."""
        return {"group": self.group} | _told(self, _FIGURES)


@light_dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SectionFigures:
    """What is told of a section of RewardBench: its accuracy, and how many subsets and pairs of it there are."""

    section: str
    accuracy: float
    subsets: int
    pairs: int

    def record(self) -> dict[str, Any]:
        """Return what is told by key, in the order in which it is told."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@light_dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report(Figures):
    """What `mrl compute` found: the fields are the keys of its JSON object; what is None is not told.

    `parameters` is None where the loss has none; `macro_mean` and `macro_accuracy` are the means over groups of their
    means and accuracies. `sections` and `section_average`, the mean of their accuracies, are told where the groups are
    RewardBench's subsets. `validation` is what a cross-check in the same pass found, in the keys of `mrl validate`.
    """

    schema: str
    version: str
    inputs: tuple[str, ...]
    loss: str
    margin: float | None
    margin_column: str | None = None
    parameters: dict[str, float] | None = None
    weight_column: str | None = None
    group_by: str | None = None
    cluster_column: str | None = None
    confidence: float | None = None
    reduction: Reduction
    dtype: DType
    labels: Labels
    preset: str | None = None
    scores: str | None = None
    rejected: int
    ties_dropped: int
    zero_weight: int | None = None
    macro_mean: float | None = None
    macro_accuracy: float | None = None
    section_average: float | None = None
    sections: Sequence[SectionFigures] | None = None
    subsets_without_section: tuple[str, ...] | None = None
    groups: Sequence[GroupFigures] | None = None
    validation: dict[str, Any] | None = None
    notes: Sequence[str] | None = None
    elapsed_seconds: float

    def record(self) -> dict[str, Any]:
        """Return what is told by key, in the order in which it is told; groups and sections as they are."""
        left_out = ("rejected", "ties_dropped", "zero_weight")
        figures = tuple(key for key in _FIGURES if key not in ("value", "pairs"))
        return _told(self, (*_FIRST, "value", "pairs", *left_out, *figures, *_LAST))


_FIRST: tuple[str, ...]
_FIRST = ("schema", "version", "inputs", "loss", "margin", "margin_column", "parameters", "weight_column", "group_by")
_FIRST += ("cluster_column", "confidence", "reduction", "dtype", "labels", "preset", "scores")
_LAST: tuple[str, ...]
_LAST = ("macro_mean", "macro_accuracy", "section_average", "sections", "subsets_without_section")
_LAST += ("groups", "validation", "notes", "elapsed_seconds")
_FIGURES = tuple(field.name for field in fields(Figures))


def _told(figures: Figures, keys: Iterable[str]) -> dict[str, Any]:
    values = ((key, getattr(figures, key)) for key in keys)
    return {key: value for key, value in values if value is not None}
