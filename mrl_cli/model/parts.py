"""The parts of a plan: what is read, by which rules, which loss is computed, what is reported; roles of columns."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from mrl_cli.records import light_dataclass
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mrl_cli.model.labels import LabelMap

PairLabels = Literal["pm1", "01", "any", "strength", "probability"]
ListLabels = Literal["relevance", "rank"]
Labels = Literal[PairLabels, ListLabels]
Strength = Literal["ignore", "weight", "margin"]
PairReduction = Literal["mean", "sum", "none"]
ReductionName = Literal[PairReduction, "query-mean"]
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
IDS = ("query", "doc")  # roles of keys that other files and formats name too
MAY_BE_SINGLE = ("chosen", "rejected")  # roles of columns of lists in which a number is a list of one
BENCHMARKS_OF_LISTS = ("rewardbench2", "rmbench")  # presets with figures of their own
MOST_SAMPLES = 1_000_000  # of a bootstrap
MOST_WORST = 1000  # pairs on a page
EVERY = "*"  # in a path: the cells of all items of a list


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

    def where(self, fits: Callable[[Role, str], bool]) -> Columns:
        """Return the columns without those that do not fit, by role and name: of the label, numbers and keys."""
        numbers, keys = (tuple(one for one in some if fits(*one)) for some in (self.numbers, self.keys))
        return replace(self, y=self.y if self.y is not None and fits("y", self.y) else None, numbers=numbers, keys=keys)

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
        difference = self.name_of("difference_b") if difference is None else difference
        scores = [(role, name) for role, name in self.numbers if role in _SCORES_OF_EACH]
        numbers = tuple(
            (role, name if difference is None or role != "difference" else difference) for role, name in scores
        )
        of_x1, of_x2 = (x1, self.name_of("x1_b"), self.x1), (x2, self.name_of("x2_b"), self.x2)
        x1, x2 = (next((name for name in names if name is not None), None) for names in (of_x1, of_x2))
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
    `missing` says what a document without a judgment is: left out, of relevance 0, or an error. `counts_lines`: some
    rows are looked up afterwards, so that lines are counted as they are read.
    """

    columns: Columns = Columns()
    dialect: Dialect = Dialect()
    by_file: bool = False
    keep_columns: bool = False
    on_error: Literal["fail", "skip"] = "fail"
    lists_problems: bool = False
    holds_pairs: bool = False
    counts_lines: bool = False
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
    def drops_ties(self) -> bool:
        """Whether a label 0 leaves its pair out."""
        return self.on_tie == "drop" and self.labels in ("pm1", "strength")

    @property
    def says_better(self) -> bool:
        """Whether a label says which of two is better, and is neither any number nor a probability."""
        return self.labels not in ("any", "probability")

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
    are files beside rows of lists. `describes`: scores and differences are reported too; `calibration`: and how well
    the probabilities of Bradley-Terry agree with how often pairs are right. One that `is_drawn` describes only what
    follows from the cells of d that are drawn. `has_total` is false where rows of groups are all that is written, and a
    report `is_bare` of which the reduced loss is.
    """

    reduction: ReductionName = "mean"
    confidence: float | None = None
    preset: str | None = None
    scores: str | None = None
    group_sizes: str | None = None
    qrels: str | None = None
    describes: bool = False
    calibration: bool = False
    is_drawn: bool = False
    has_total: bool = True
    is_bare: bool = False
