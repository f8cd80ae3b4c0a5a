"""The one table of figures: what `mrl compute` reports of a run and of its groups, in which order, and how it is shown.

A new figure is its reduction and a row here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.model import Counts, Plan
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.histogram import Histogram
from mrl_cli.reports.base import OF_GROUPS
from mrl_cli.reports.cells import About, Share
from mrl_cli.statistics.moments import exact_mean, standard_deviation
from mrl_cli.words import number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from mrl_cli.dtypes import Doubles
    from mrl_cli.reductions.totals import Totals
    from mrl_cli.reports.base import Report
    from mrl_cli.reports.cells import Cell


_NOTHING = ExactSum()
QUANTILES = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}  # of d


class Clusters(NamedTuple):
    """Of each cluster its pairs, its correct pairs and its sum of losses, of shape (clusters,) each."""

    pairs: NDArray[np.int64]
    correct: NDArray[np.int64]
    sums: NDArray[np.float64]

    def taken(self, places: NDArray[np.int64]) -> Clusters:
        """Return the clusters at some places."""
        return Clusters(self.pairs[places], self.correct[places], self.sums[places])


class Facts:
    """What figures are computed from: totals of pairs, and `of_run` also counts, groups and sections of the run.

    `sum`, `mean` and `value`, the reduced loss, are not rounded to the plan's dtype. Intervals are there where the plan
    has a confidence.
    """

    histogram: Histogram | None = None

    def __init__(self, totals: Totals, plan: Plan, clusters: Clusters | None = None, **of_run: Any) -> None:
        self.totals, self.plan, self.clusters = totals, plan, clusters
        vars(self).update(of_run)
        loss, self.weight = totals.loss_sum or _NOTHING, totals.weight_sum or _NOTHING
        self.sum = float(loss)
        self.correct_weight = totals.correct_weight_sum or _NOTHING
        self.mean = loss.over(totals.pairs) if totals.weight_sum is None else loss / self.weight
        self.value = self.sum if plan.reporting.reduction == "sum" else self.mean
        if plan.reporting.confidence is not None:
            self._add_intervals(loss, plan.reporting.confidence)

    def of_range(self, bound: Any) -> Any:
        """Return the least or the greatest loss, NaN without losses: then they are infinite, the least above."""
        return math.nan if self.totals.min > self.totals.max else bound

    def per_pair(self, count: Any) -> Any:
        """Return a count as a share of the pairs."""
        return ratio(count, self.totals.pairs)

    @property
    def beyond_margin(self) -> Any:
        """How many correct pairs reach the margin."""
        return self.totals.correct - self.totals.inside_margin

    @property
    def total_weight(self) -> Any:
        """The sum of weights, rounded once."""
        return float(self.weight)

    @property
    def accuracy_weighted(self) -> Any:
        """The weight of the correct pairs over that of all."""
        return self.correct_weight / self.weight

    def mean_of(self, name: str) -> Any:
        """Return the mean of what totals describe by that name, unweighted and rounded once."""
        return exact_mean(getattr(self.totals, f"{name}_sum") or _NOTHING, self.totals.pairs)

    @property
    def zero_weight(self) -> int:
        """How many pairs are left out for a weight of 0."""
        counts: Counts = vars(self)["counts"]
        return counts.zero_weight

    @property
    def difference_sd(self) -> Any:
        """The standard deviation of d = y*(x1 - x2)."""
        totals = self.totals
        sums = totals.difference_sum or _NOTHING, totals.difference_square_sum or _NOTHING
        return standard_deviation(totals.pairs, *sums)

    @property
    def quantiles(self) -> dict[str, float]:
        """The quantiles of d, by name."""
        histogram = self.histogram or Histogram()
        return dict(zip(QUANTILES, histogram.quantiles(list(QUANTILES.values())), strict=True))

    @property
    def calibration(self) -> dict[str, Any]:
        """How well Bradley-Terry's probabilities agree with how often pairs are right."""
        from mrl_cli.reports.calibration import calibration_of  # few runs report it

        return calibration_of(self.histogram or Histogram(), self.plan)

    def _add_intervals(self, loss: ExactSum, confidence: float) -> None:
        from mrl_cli.statistics import intervals  # a run without intervals starts without them

        totals, clusters = self.totals, self.clusters
        if clusters is not None:
            self.mean_interval = intervals.clustered_mean_interval(clusters.sums, clusters.pairs, confidence)
            self.accuracy_interval = intervals.clustered_wilson_interval(clusters.correct, clusters.pairs, confidence)
        else:
            squares = totals.square_sum or _NOTHING
            self.mean_interval = intervals.mean_interval(totals.pairs, loss, squares, confidence)
            self.accuracy_interval = intervals.wilson_interval(totals.correct, totals.pairs, confidence)


class Figure(NamedTuple):
    """A number of the record, and how it is computed; the order of the table is that of the record.

    People read figures in the order of `place`, equal ones in that of the record. A `left_out` is a count that is shown
    where it is not 0, a `share` a count with its share of the pairs. `of_run` figures are not reported of groups;
    `column` is the place in the table of groups, the first for what is read first: where not all fit the screen, the
    last are left out. `needs` is what a plan must have: a setting, or what `reported_figures` says. People are not
    shown a figure that is as the one it is `like`, which says it already.
    """

    key: str
    place: int
    of: Callable[[Any], float]
    form: Literal["number", "count", "left_out", "share"] = "number"
    of_run: bool = False
    column: int = 0
    needs: str = ""
    like: str = ""


FIGURES = (
    Figure("value", 0, lambda of: rounded(of.value, of.plan), column=1, needs="reduced"),
    Figure("rows", 2, lambda of: of.lists["rows"], "count", needs="lists"),
    Figure("queries", 2, lambda of: of.lists["queries"], "count", column=2, needs="lists"),
    Figure("queries_without_pairs", 2, lambda of: of.lists["queries_without_pairs"], "left_out", needs="lists"),
    Figure("queries_undefined", 2, lambda of: of.lists["queries_undefined"], "left_out", needs="listwise"),
    Figure("pairs", 2, lambda of: of.totals.pairs, "count", column=2),
    Figure("rejected", 3, lambda of: of.counts.rejected, "left_out", of_run=True),
    Figure("ties_dropped", 3, lambda of: of.counts.ties_dropped, "left_out", of_run=True, needs="pairs"),
    Figure("labels_skipped", 3, lambda of: of.counts.labels_skipped, "left_out", of_run=True, needs="label_map"),
    Figure("zero_weight", 3, lambda of: of.zero_weight, "left_out", of_run=True, needs="weighted"),
    Figure("filled_margin", 3, lambda of: of.counts.filled_margin, "left_out", of_run=True, needs="fill margin"),
    Figure("filled_weight", 3, lambda of: of.counts.filled_weight, "left_out", of_run=True, needs="fill weight"),
    Figure("unjudged", 3, lambda of: of.counts.unjudged, "left_out", of_run=True, needs="unjudged_label"),
    Figure(
        "missing", 3, lambda of: of.counts.missing + of.counts.missing_as_zero, "left_out", of_run=True, needs="qrels"
    ),
    Figure("sum", 1, lambda of: rounded(of.sum, of.plan)),
    Figure("mean", 0, lambda of: rounded(of.mean, of.plan)),
    Figure("query_mean", 0, lambda of: of.query_mean, needs="lists", like="mean"),
    Figure("min", 1, lambda of: rounded(of.of_range(of.totals.min), of.plan)),
    Figure("max", 1, lambda of: rounded(of.of_range(of.totals.max), of.plan)),
    Figure("correct", 5, lambda of: of.totals.correct, "share"),
    Figure("ties", 5, lambda of: of.totals.ties, "share", column=9),
    Figure("wrong", 5, lambda of: of.totals.wrong, "share"),
    Figure("inside_margin", 5, lambda of: of.totals.inside_margin, "share", needs="margin of pairs"),
    Figure("beyond_margin", 5, lambda of: of.beyond_margin, "share", needs="margin of pairs", like="correct"),
    Figure("accuracy", 6, lambda of: of.per_pair(of.totals.correct), column=3),
    Figure(
        "accuracy_half", 6, lambda of: of.per_pair(of.totals.correct + of.totals.ties / 2), column=8, like="accuracy"
    ),
    Figure(
        "accuracy_without_ties",
        6,
        lambda of: ratio(of.totals.correct, of.totals.correct + of.totals.wrong),
        like="accuracy",
    ),
    Figure("accuracy_at_margin", 6, lambda of: of.per_pair(of.beyond_margin), needs="margin of pairs", like="accuracy"),
    Figure("query_accuracy", 6, lambda of: of.query_mean_of("query_accuracy"), needs="lists"),
    Figure(
        "query_accuracy_half",
        6,
        lambda of: of.query_mean_of("query_accuracy_half"),
        needs="lists",
        like="query_accuracy",
    ),
    Figure("top_accuracy", 6, lambda of: of.query_mean_of("top_accuracy"), needs="lists"),
    Figure(
        "top_accuracy_half", 6, lambda of: of.query_mean_of("top_accuracy_half"), needs="lists", like="top_accuracy"
    ),
    Figure("active", 5, lambda of: of.totals.active, "share", needs="pairwise"),
    Figure("difference_mean", 7, lambda of: of.mean_of("difference"), needs="describes"),
    Figure("difference_sd", 7, lambda of: of.difference_sd, needs="spread of d"),
    Figure("x1_mean", 7, lambda of: of.mean_of("x1"), needs="describes_scores"),
    Figure("x2_mean", 7, lambda of: of.mean_of("x2"), needs="describes_scores"),
    Figure("difference_quantiles", 7, lambda of: of.quantiles, of_run=True, needs="describes pairs"),
    Figure("calibration", 10, lambda of: of.calibration, of_run=True, needs="calibration"),
    Figure("weight", 4, lambda of: of.total_weight, needs="weights"),
    Figure("accuracy_weighted", 6, lambda of: of.accuracy_weighted, needs="weights of pairs"),
    Figure("clusters", 9, lambda of: of.clusters.pairs.size, "count", needs="cluster_column"),
    Figure("standard_error", 9, lambda of: of.mean_interval.standard_error, needs="confidence"),
    Figure("mean_low", 9, lambda of: of.mean_interval.low, column=6, needs="confidence"),
    Figure("mean_high", 9, lambda of: of.mean_interval.high, column=7, needs="confidence"),
    Figure("accuracy_low", 9, lambda of: of.accuracy_interval.low, column=4, needs="confidence"),
    Figure("accuracy_high", 9, lambda of: of.accuracy_interval.high, column=5, needs="confidence"),
    Figure("query_mean_low", 9, lambda of: of.query_mean_interval.low, needs="confidence of lists"),
    Figure("query_mean_high", 9, lambda of: of.query_mean_interval.high, needs="confidence of lists"),
    Figure("macro_mean", 8, lambda of: mean_of(each(of.groups, "mean")), of_run=True, needs="group_by"),
    Figure("macro_accuracy", 8, lambda of: mean_of(each(of.groups, "accuracy")), of_run=True, needs="group_by"),
    Figure("section_average", 8, lambda of: average_of(of.sections), needs="sections"),
)
SETTINGS = tuple(Plan().settings())
EVERY_SETTING = ("loss", "reduction", "dtype", "labels")  # that every run has
KEYS = tuple(figure.key for figure in FIGURES)
GROUP_KEYS = tuple(figure.key for figure in FIGURES if not figure.of_run)
COLUMNS = tuple(figure for figure in sorted(FIGURES, key=lambda figure: figure.column) if figure.column)
_PARTS = {1: 0, 3: 2, 4: 2, 6: 5}  # places of figures that are read together
# Figures that are records, and the numbers in them.
_WITHIN = {
    "difference_quantiles": tuple(QUANTILES),
    "calibration": ("expected_calibration_error", "temperature", "temperature_low", "temperature_high"),
}
# In the order in which `--fail-if` names them.
NUMBERS = (
    *GROUP_KEYS,
    "margin",
    "confidence",
    *(key for key in KEYS if key not in (*GROUP_KEYS, *_WITHIN)),
    *(f"{key}.{name}" for key, names in _WITHIN.items() for name in names),
    *(OF_GROUPS + key for key in GROUP_KEYS),
)
OF_D = ("describes", "spread of d", "describes pairs")  # what figures of the differences need
_NEED_LISTS = ("lists", "listwise", "confidence of lists", "unjudged_label", "qrels")
_OF_LISTS = {figure.key for figure in FIGURES if figure.needs in _NEED_LISTS}
# What of them there is of pairs.
PAIR_NUMBERS = tuple(key for key in NUMBERS if key.removeprefix(OF_GROUPS) not in _OF_LISTS)


def keys_that_need(*needs: str) -> tuple[str, ...]:
    """Return the keys of the figures that need one of these, in the order of the record."""
    return tuple(figure.key for figure in FIGURES if figure.needs in needs)


def reported_figures(plan: Plan, *, of_groups: bool = False) -> list[Figure]:
    """Return the figures that a report under this plan holds, or its report of each group."""
    has_intervals = plan.reporting.confidence is not None
    is_pairwise = plan.loss.name in LOSSES
    has_sections = not plan.has_lists and plan.has_sections and not (of_groups and plan.outer_groups != plan.groups)
    of_plan = {
        "": True,
        "reduced": plan.reporting.reduction != "none",
        "describes": plan.sums_scores if of_groups else plan.reporting.describes,
        "spread of d": plan.sums_scores,
        "describes pairs": plan.has_quantiles,
        "describes_scores": plan.sums_scores and not plan.has_differences,
        "calibration": plan.reporting.calibration,
        "lists": plan.has_lists,
        "pairs": not plan.has_lists,
        "confidence of lists": plan.has_lists and has_intervals,
        "pairwise": is_pairwise,
        "listwise": not is_pairwise,
        "weights": plan.has_weights,
        "weights of pairs": plan.has_weights and is_pairwise and not plan.reporting.is_bare,
        "weighted": plan.has_own_weights,
        "margin of pairs": not plan.has_lists and LOSSES[plan.loss.name].has_margin,
        "sections": has_sections or (plan.benchmark is not None and not of_groups),
    }
    there = {key for key, value in plan.settings().items() if value is not None}
    there |= {need for need, is_there in of_plan.items() if is_there} | {
        f"fill {role}" for role, _ in plan.reading.fills
    }
    return [figure for figure in FIGURES if figure.needs in there and not (of_groups and figure.of_run)]


def figures_of(facts: Facts, figures: Iterable[Figure]) -> dict[str, Any]:
    """Return these figures by key."""
    return {figure.key: figure.of(facts) for figure in figures}


def reported_numbers(plan: Plan) -> list[str]:
    """Return those of `NUMBERS` that a report under this plan holds.

    >>> set(NUMBERS) - set(reported_numbers(Plan.of(loss="ipo", confidence=0.95))) >= {"weight", "inside_margin"}
    True
    """
    there = {figure.key for figure in reported_figures(plan)}
    there |= {key for key, value in plan.settings("margin", "confidence").items() if value is not None}
    there |= {OF_GROUPS + figure.key for figure in reported_figures(plan, of_groups=True) if plan.has_groups}
    return [key for key in NUMBERS if key in there or key.partition(".")[0] in there]


def known_numbers(plan: Plan) -> tuple[str, ...]:
    """Return those of `NUMBERS` that a report of pairs, or of lists, may hold under further options."""
    if not plan.has_lists:
        return PAIR_NUMBERS
    there = {*reported_numbers(plan), *keys_that_need("confidence", "confidence of lists")}
    return tuple(key for key in NUMBERS if key in there)


def shown_figures(report: Report) -> Iterator[tuple[str, Cell]]:
    """Yield the key of each figure that people are shown, in the order in which they ask; an empty key is a rule."""
    place = FIGURES[0].place
    for figure in sorted(FIGURES, key=lambda figure: figure.place):
        value = report.figure(figure.key)
        if value is None or (figure.form == "left_out" and not value) or says_the_same(report, figure):
            continue
        if _PARTS.get(figure.place, figure.place) != _PARTS.get(place, place):
            yield "", None
        place = figure.place
        if isinstance(value, dict):
            numbers = {key: number for key, number in value.items() if not isinstance(number, list)}
            is_exact = figure.key != "difference_quantiles"
            shown = ((key, number if is_exact else About(number)) for key, number in numbers.items())
            yield from ((f"{figure.key}.{key}", cell) for key, cell in shown)
        else:
            yield figure.key, Share(value, report.pairs) if figure.form == "share" else value


def says_the_same(report: Report, figure: Figure) -> bool:
    """Return whether a figure is that of another, which says it already."""
    like = figure.like if figure.key != "value" else report.reduction.replace("-", "_")
    return bool(like) and report.figure(figure.key) == report.figure(like)


def shown_number(number: float) -> str:
    """Return a number with all its digits for people; what is NaN is undefined."""
    return "undefined" if math.isnan(number) else number_text(number)


def short_number(number: float) -> str:
    """Return a number for people where all its digits do not fit: six of them."""
    return f"{number:.6g}" if math.isfinite(number) else shown_number(number)


def ratio(part: Any, whole: Any) -> Any:
    """Return part / whole, NaN over nothing: of two numbers, or element by element of two arrays."""
    if isinstance(whole, np.ndarray):
        with np.errstate(all="ignore"):
            return np.where(whole != 0, part / whole, math.nan)
    return part / whole if whole else math.nan


def each(groups: Any, key: str) -> Doubles:
    """Return a figure of each group, shape (groups,); their reports are a list, or held as columns."""
    if isinstance(groups, list):
        return np.array([getattr(group, key) for group in groups], np.float64)
    known: Doubles = groups.column(key)
    return known


def mean_of(values: Iterable[float] | Doubles) -> float:
    """Return the mean of values, whose sum is rounded once; NaN without values, and where one of them is NaN."""
    known = values if isinstance(values, np.ndarray) else np.fromiter(values, np.float64)
    return ExactSum.of(known).over(known.size) if known.size and np.isfinite(known).all() else math.nan


def average_of(sections: Iterable[dict[str, Any]]) -> float:
    """Return the mean of the accuracies of sections."""
    return mean_of(section["accuracy"] for section in sections)


def rounded(number: Any, plan: Plan) -> Any:
    """Return a number, or an array of them, as the plan's dtype rounds it."""
    if plan.loss.dtype == "float64":
        return number
    with np.errstate(over="ignore"):
        narrow = np.asarray(number).astype(plan.loss.dtype).astype(np.float64)
    return narrow if isinstance(number, np.ndarray) else float(narrow)
