"""The plan of a run: what is read, by which rules, which loss is computed, and what is reported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from mrl_cli.records import light_dataclass

Labels = Literal["pm1", "01", "any"]
ReductionName = Literal["mean", "sum", "none"]
DType = Literal["float64", "float32"]

# What a column is for. A role is a word of the command line and of records, whatever the column itself is called.
Role = Literal["x1", "x2", "y", "margin", "weight", "loss", "x1_b", "x2_b", "group", "cluster", "key"]

LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.01, 0.999999  # within these the quantiles are exact to ten digits
USUAL_CONFIDENCE = 0.95
MOST_SAMPLES = 1_000_000  # of a bootstrap


@light_dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns that hold the pairs; `y` is None when every pair has one constant label.

    `numbers` and `keys` are the (role, name) of further columns: numbers such as a margin per pair, and keys, which are
    text that names what belongs together.
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

    def name_of(self, role: Role) -> str | None:
        """Return the name of the column with a role, None where there is none.

        >>> Columns(keys=(("group", "subset"),)).name_of("group")
        'subset'
        """
        return dict(self.wanted).get(role)


@light_dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written, where its suffix and header line do not say it.

    `delimiter` None: taken from the header line. `encoding` None: UTF-8, or the encoding of a byte order mark.
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
class Reading:
    """What is read. `by_file`: each file is a group. `lists_problems`: every problem is wanted, not just their number
    and the first few. `holds_pairs`: something is held of each pair of a batch, so batches are smaller.
    """

    columns: Columns = Columns()
    dialect: Dialect = Dialect()
    by_file: bool = False
    keep_columns: bool = False
    on_error: Literal["fail", "skip"] = "fail"
    lists_problems: bool = False
    holds_pairs: bool = False


@light_dataclass(frozen=True, slots=True)
class Rules:
    """What labels may be. `y_const` is the label of every pair where there is no column of labels."""

    labels: Labels = "pm1"
    on_tie: Literal["error", "drop"] = "error"
    y_const: int | None = None

    @property
    def drops_ties(self) -> bool:
        """Whether a label 0 leaves its pair out."""
        return self.on_tie == "drop" and self.labels == "pm1"


@light_dataclass(frozen=True, slots=True)
class LossChoice:
    """Which loss is computed, and in which dtype.

    Where there is a margin for each pair, `margin` is 0 and not used. `parameters` are all those of the loss, as
    (name, value).
    """

    name: str = "margin_ranking"
    margin: float = 0.0
    parameters: tuple[tuple[str, float], ...] = ()
    dtype: DType = "float64"


@light_dataclass(frozen=True, slots=True)
class Reporting:
    """What is reported. `confidence` is that of intervals, None for none; `preset` names where columns and labels come
    from, `scores` the file of scores that x1 and x2 point at. `describes`: scores and differences are reported too.
    """

    reduction: ReductionName = "mean"
    confidence: float | None = None
    preset: str | None = None
    scores: str | None = None
    describes: bool = False


@light_dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides a result, by concern; it holds no data.

    >>> Plan.of(margin=0.5, labels="01").changed(margin=1.0).loss.margin
    1.0
    """

    reading: Reading = Reading()
    rules: Rules = Rules()
    loss: LossChoice = LossChoice()
    reporting: Reporting = Reporting()

    @classmethod
    def of(cls, **settings: Any) -> Plan:
        """Return a plan with these fields of its parts; `loss` is the loss's name."""
        return cls().changed(**settings)

    def changed(self, **settings: Any) -> Plan:
        """Return the plan with these fields of its parts changed; `loss` is the loss's name.

        Raises TypeError for what is a field of no part.
        """
        parts: dict[str, dict[str, Any]] = {}
        for name, value in settings.items():
            if name not in _PART_OF:
                raise TypeError(f"no part of a plan has {name}")
            part, field = _PART_OF[name]
            parts.setdefault(part, {})[field] = value
        return replace(self, **{part: replace(getattr(self, part), **fields) for part, fields in parts.items()})

    @property
    def columns(self) -> Columns:
        """The columns to read."""
        return self.reading.columns

    @property
    def has_groups(self) -> bool:
        """Whether pairs are reported by group."""
        return self.reading.by_file or self.columns.name_of("group") is not None

    @property
    def has_clusters(self) -> bool:
        """Whether pairs belong to clusters."""
        return self.columns.name_of("cluster") is not None

    @property
    def has_keys(self) -> bool:
        """Whether sums are kept by key: by group, by cluster or by both."""
        return self.has_groups or self.has_clusters

    @property
    def has_weights(self) -> bool:
        """Whether each pair has a weight."""
        return self.columns.name_of("weight") is not None

    def settings(self, *keys: str) -> dict[str, Any]:
        """Return what reports print of the plan, under these of their keys, or all; None where it does not apply.

        >>> Plan.of(margin=0.5).settings("margin", "margin_column", "labels")
        {'margin': 0.5, 'margin_column': None, 'labels': 'pm1'}
        """
        margin_column = self.columns.name_of("margin")
        known = {
            "loss": self.loss.name,
            "margin": None if margin_column is not None else self.loss.margin,
            "margin_column": margin_column,
            "parameters": dict(self.loss.parameters) or None,
            "weight_column": self.columns.name_of("weight"),
            "group_by": "file" if self.reading.by_file else self.columns.name_of("group"),
            "cluster_column": self.columns.name_of("cluster"),
            "confidence": self.reporting.confidence,
            "reduction": self.reporting.reduction,
            "dtype": self.loss.dtype,
            "labels": self.rules.labels,
            "preset": self.reporting.preset,
            "scores": self.reporting.scores,
        }
        return {key: known[key] for key in keys or known}


_PART_OF = {name: (part, name) for part in Plan.__match_args__ for name in getattr(Plan(), part).__match_args__}
_PART_OF["loss"] = _PART_OF.pop("name")
