"""The plan of a run: what is read, by which rules, which loss is computed, and what is reported."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from mrl_cli.records import light_dataclass
from mrl_cli.words import harmless, one_or_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mrl_cli.model.labels import LabelMap

PairLabels = Literal["pm1", "01", "any", "strength", "probability"]
ListLabels = Literal["relevance", "rank"]
Labels = Literal[PairLabels, ListLabels]
Strength = Literal["ignore", "weight", "margin"]
ReductionName = Literal["mean", "sum", "none", "query-mean"]
DType = Literal["float64", "float32"]
Missing = Literal["drop", "zero", "error"]
LambdaWeight = Literal["none", "label_diff", "ndcg"]

# What a column is for. A role is a word of the command line and of records, whatever the column itself is called.
# "file" is the group that a whole input is, "subset" what sections of a benchmark are made of.
ScoreRole = Literal["x1", "x2", "x1_b", "x2_b", "difference", "difference_b", "x1_reference", "x2_reference"]
# Of ranked lists: items have a label, y, and a score; a whole list has a query and a weight. Items may come as the
# chosen and the rejected ones, or as a list of which the first num_correct are the chosen ones. Of documents that are
# judged in a file of their own, a judgment is a place in that.
ListRole = Literal["score", "query", "query_weight", "chosen", "rejected", "num_correct", "doc", "judgment"]
Role = Literal[ScoreRole, ListRole, "y", "margin", "weight", "loss", "file", "group", "subset", "cluster", "key"]

LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.01, 0.999999  # within these the quantiles are exact to ten digits
USUAL_CONFIDENCE = 0.95
# What reports print of how scores are computed and missing cells filled, where they are.
SCORE_SETTINGS = ("difference_column", "x1_reference_column", "x2_reference_column", "scale", "fill")
FilledRole = Literal["margin", "weight"]  # a missing cell of which may be filled
BENCHMARKS_OF_LISTS = ("rewardbench2", "rmbench")  # presets with figures of their own
MOST_SAMPLES = 1_000_000  # of a bootstrap


def group_roles(names: Iterable[Any]) -> dict[Role, Any]:
    """Return columns that are grouped by, by their roles: "group" for the first, "group 2" and so on for the others.

    >>> group_roles(["model", "subset"])
    {'group': 'model', 'group 2': 'subset'}
    """
    return {cast("Role", f"group {place}" if place > 1 else "group"): name for place, name in enumerate(names, 1)}


def setting_of(role: Role) -> str:
    """Return the setting that names the column of a role.

    >>> setting_of("margin"), setting_of("x1"), [setting_of(role) for role in group_roles("ab")]
    ('margin_column', 'x1', ['group_by', 'group_by'])
    """
    word = role.split()[0]
    return {"margin": "margin_column", "loss": "loss_column", "group": "group_by"}.get(word, word)


_LIST_LABELS = get_args(ListLabels)
_SCORES_OF_EACH = ("difference", "x1_reference", "x2_reference")  # columns that each model's file has


@light_dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns that hold the pairs; `y` is None when every pair has one constant label.

    `x1` and `x2` are None where a column holds their difference, which is among the numbers. `numbers` and `keys` are
    the (role, name) of further columns: numbers such as a margin per pair, and keys, which are text that names what
    belongs together. A label that a map turns into a number is read as text: it is a key then.
    """

    x1: str | None = "x1"
    x2: str | None = "x2"
    y: str | None = "y"
    numbers: tuple[tuple[Role, str], ...] = ()
    keys: tuple[tuple[Role, str], ...] = ()

    @property
    def wanted_numbers(self) -> tuple[tuple[Role, str], ...]:
        """(role, name) of every column of numbers to read: x1, x2 and y where there are such, then the others."""
        first: tuple[tuple[Role, str | None], ...] = (("x1", self.x1), ("x2", self.x2), ("y", self.y))
        return (*((role, name) for role, name in first if name is not None), *self.numbers)

    @property
    def wanted(self) -> tuple[tuple[Role, str], ...]:
        """(role, name) of every column to read: the numbers, then the keys."""
        return (*self.wanted_numbers, *self.keys)

    @property
    def label_is_text(self) -> bool:
        """Whether the label is read as text, as a key is, to be mapped."""
        return any(role == "y" for role, _ in self.keys)

    def with_label(self, name: str | None) -> Columns:
        """Return the columns with the label in a column of that name, read as it is now; None: in no column."""
        others = tuple((role, key) for role, key in self.keys if role != "y")
        if name is not None and self.label_is_text:
            return replace(self, y=None, keys=(("y", name), *others))
        return replace(self, y=name, keys=others)

    @property
    def scores_in_words(self) -> str:
        """The names of the columns of scores, or of their difference, for a message."""
        names = (self.name_of(role) for role in ("x1", "x2", "difference"))
        return ", ".join(harmless(name) for name in names if name is not None)

    def of_b(self, x1: str | None = None, x2: str | None = None, difference: str | None = None) -> Columns:
        """Return the columns of a second model's scores: those of these names, else b's own here, else as a's.

        >>> Columns(numbers=(("x1_reference", "r"), ("margin", "m"))).of_b("u")
        Columns(x1='u', x2='x2', y='y', numbers=(('x1_reference', 'r'),), keys=())
        """
        difference = difference or self.name_of("difference_b")
        scores = [(role, name) for role, name in self.numbers if role in _SCORES_OF_EACH]
        numbers = tuple((role, difference or name if role == "difference" else name) for role, name in scores)
        x1, x2 = x1 or self.name_of("x1_b") or self.x1, x2 or self.name_of("x2_b") or self.x2
        return replace(self, x1=x1, x2=x2, numbers=numbers, keys=())

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
    and the first few. `holds_pairs`: something is held of each pair of a batch, so batches are smaller. `scale` is what
    scores are multiplied by, where they are. `fills` are (role, number) of what a missing cell of a column is. `lists`
    are the roles of columns whose cells are lists of numbers, an item each: a row is a ranked list of its own then.
    `missing` says what a document without a judgment is: left out, of relevance 0, or an error.
    """

    columns: Columns = Columns()
    dialect: Dialect = Dialect()
    by_file: bool = False
    keep_columns: bool = False
    on_error: Literal["fail", "skip"] = "fail"
    lists_problems: bool = False
    holds_pairs: bool = False
    scale: float | None = None
    fills: tuple[tuple[Role, float], ...] = ()
    lists: tuple[Role, ...] = ()
    missing: Missing = "drop"


@light_dataclass(frozen=True, slots=True)
class Rules:
    """What labels may be. `y_const` is the label of every pair where there is no column of labels.

    `label_map` says which label each value of the column means; empty: the column holds labels. Of labels that are
    strengths, `strength` says what the size is; `is_reversed`: a strength above 0 means that x2 is better.
    Items of lists are left out whose label is `unjudged`: that number, or any below 0.
    """

    labels: Labels = "pm1"
    on_tie: Literal["error", "drop"] = "error"
    y_const: int | None = None
    label_map: LabelMap = ()
    strength: Strength = "ignore"
    is_reversed: bool = False
    unjudged: float | Literal["negative"] | None = None

    @property
    def have_ties(self) -> bool:
        """Whether a label 0 is a tie."""
        return self.labels in ("pm1", "strength")

    @property
    def drops_ties(self) -> bool:
        """Whether a label 0 leaves its pair out."""
        return self.on_tie == "drop" and self.have_ties

    @property
    def label_map_text(self) -> str | None:
        """The map of labels as the option writes it, None where there is none."""
        if not self.label_map:
            return None
        from mrl_cli.model.labels import map_text  # few runs have one

        return map_text(self.label_map)


@light_dataclass(frozen=True, slots=True)
class LossChoice:
    """Which loss is computed, and in which dtype.

    Where there is a margin for each pair, `margin` is 0 and not used. `parameters` are all those of the loss, as
    (name, value); a value is a number, or a word for a listwise loss.
    """

    name: str = "margin_ranking"
    margin: float = 0.0
    parameters: tuple[tuple[str, Any], ...] = ()
    dtype: DType = "float64"


@light_dataclass(frozen=True, slots=True)
class Ranking:
    """What holds of ranked lists alone.

    `lambda_weight`: a pair weighs the difference of its labels (label_diff), or what swapping the two would change in
    the NDCG (ndcg), of the first `top` places where that is given.
    `memory_bytes` is what lists may take that are held until they are whole, None for all there is. `least_label` is
    the least that a label may be: 0 where gains are computed of labels. `max_pairs` is how many pairs of a list may be
    gone through one by one, where there is no quicker way; None: any number.
    """

    lambda_weight: LambdaWeight = "none"
    top: int | None = None
    max_pairs: int | None = None
    memory_bytes: int | None = None
    least_label: float = -math.inf


@light_dataclass(frozen=True, slots=True)
class Reporting:
    """What is reported. `confidence` is that of intervals, None for none; `preset` names where columns and labels come
    from, `scores` the file of scores that x1 and x2 point at, or that has one for each row; `group_sizes` and `qrels`
    are files beside rows of lists. `describes`: scores and differences are reported too.
    """

    reduction: ReductionName = "mean"
    confidence: float | None = None
    preset: str | None = None
    scores: str | None = None
    group_sizes: str | None = None
    qrels: str | None = None
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
    ranking: Ranking = Ranking()
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

    def takes_booleans(self, role: Role) -> bool:
        """Whether true and false in a column of that role are the numbers 1 and 0."""
        return role == "y" and self.rules.labels in ("01", "relevance")

    @property
    def has_differences(self) -> bool:
        """Whether the differences of scores are read, not the scores."""
        return self.columns.name_of("difference") is not None

    @property
    def computes_scores(self) -> bool:
        """Whether the scores are computed from what is read, and not read as they are."""
        is_against_reference = self.columns.name_of("x1_reference") is not None
        return self.reading.scale is not None or self.has_differences or is_against_reference

    @property
    def groups(self) -> dict[Role, str]:
        """What is grouped by, in the order of a group's key: the names of columns, first of all "file", by role."""
        files: dict[Role, str] = {"file": "file"} if self.reading.by_file else {}
        return files | {role: name for role, name in self.columns.keys if setting_of(role) == "group_by"}

    @property
    def has_lists(self) -> bool:
        """Whether ranked lists are read, and not pairs."""
        return self.rules.labels in _LIST_LABELS

    @property
    def rows_are_lists(self) -> bool:
        """Whether a ranked list is the items of one row, and not a row for each item."""
        return bool(self.reading.lists)

    @property
    def list_roles(self) -> tuple[Role, ...]:
        """The roles of all that makes up the key of a list: its groups, then its query, where that has a column."""
        query: tuple[Role, ...] = ("query",)
        return (*self.groups, *(role for role in query if self.columns.name_of(role) is not None))

    @property
    def has_groups(self) -> bool:
        """Whether pairs are reported by group."""
        return bool(self.groups)

    @property
    def has_sections(self) -> bool:
        """Whether sections of a benchmark are reported."""
        return self.columns.name_of("subset") is not None

    @property
    def benchmark(self) -> str | None:
        """The preset of lists that sections are reported for, None for none."""
        return self.reporting.preset if self.has_lists and self.reporting.preset in BENCHMARKS_OF_LISTS else None

    @property
    def outer_groups(self) -> dict[Role, str]:
        """What of `groups` each have sections of their own: all but the subsets that sections are made of."""
        subset = self.columns.name_of("subset")
        return {role: name for role, name in self.groups.items() if role == "file" or name != subset}

    @property
    def key_roles(self) -> tuple[Role, ...]:
        """The roles of all that makes up the key by which sums are kept: groups, then the subset, then the cluster."""
        further: tuple[Role, ...] = ("subset", "cluster")
        return (*self.groups, *(role for role in further if self.columns.name_of(role) is not None))

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
        """Whether each pair has a weight: of its own, of its query, or one that its labels give it."""
        roles: tuple[Role, ...] = ("weight", "query_weight")
        return self.ranking.lambda_weight != "none" or any(self.column_of(role) is not None for role in roles)

    def setting_of(self, role: Role) -> str:
        """Return the setting that names the column of a role in this run: y is the label of an item of a list."""
        return "label" if role == "y" and self.has_lists else setting_of(role)

    def column_of(self, role: Role) -> str | None:
        """Return the name of the column that gives a role, None for none: that of strengths gives what their size is.

        >>> Plan.of(labels="strength", strength="weight").column_of("weight")
        'y'
        """
        is_size = self.rules.labels == "strength" and role == self.rules.strength
        return self.columns.name_of("y" if is_size else role)

    def settings(self, *keys: str) -> dict[str, Any]:
        """Return what reports print of the plan, under these of their keys, or all; None where it does not apply.

        >>> Plan.of(margin=0.5).settings("margin", "margin_column", "labels")
        {'margin': 0.5, 'margin_column': None, 'labels': 'pm1'}
        """
        margin_column = self.column_of("margin")
        ranking = self.ranking if self.has_lists else None
        known = {
            "loss": self.loss.name,
            "margin": None if margin_column is not None else self.loss.margin,
            "margin_column": margin_column,
            "parameters": dict(self.loss.parameters) or None,
            "query_column": self.columns.name_of("query") if self.reporting.group_sizes is None else None,
            "label_column": self.columns.name_of("y") if ranking and self.reporting.qrels is None else None,
            "score_column": self.columns.name_of("score") if self.reporting.scores is None else None,
            "chosen_column": self.columns.name_of("chosen"),
            "rejected_column": self.columns.name_of("rejected"),
            "num_correct_column": self.columns.name_of("num_correct"),
            "unjudged_label": self.rules.unjudged,
            "lambda_weight": ranking.lambda_weight if ranking else None,
            "top": ranking.top if ranking else None,
            "weight_column": self.column_of("weight"),
            "query_weight_column": self.columns.name_of("query_weight"),
            "difference_column": self.columns.name_of("difference"),
            "x1_reference_column": self.columns.name_of("x1_reference"),
            "x2_reference_column": self.columns.name_of("x2_reference"),
            "scale": self.reading.scale,
            "fill": dict(self.reading.fills) or None,
            "group_by": one_or_all(self.groups.values()),
            "cluster_column": self.columns.name_of("cluster"),
            "confidence": self.reporting.confidence,
            "reduction": self.reporting.reduction,
            "dtype": self.loss.dtype,
            "labels": self.rules.labels,
            "label_map": self.rules.label_map_text,
            "strength": self.rules.strength if self.rules.labels == "strength" else None,
            "preset": self.reporting.preset,
            "scores": self.reporting.scores,
            "group_sizes": self.reporting.group_sizes,
            "qrels": self.reporting.qrels,
            "missing_documents": self.reading.missing if self.reporting.qrels is not None else None,
        }
        return {key: known[key] for key in keys or known}


_PART_OF = {name: (part, name) for part in Plan.__match_args__ for name in getattr(Plan(), part).__match_args__}
_PART_OF["loss"] = _PART_OF.pop("name")
