"""Why a user's figure of ranked lists is another one: what is known to be done otherwise, tried on all lists.

`ways_of` are ways to compute each list, `REDUCTIONS` those to make one number of the lists. To add one, enter a row.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.lists.base import Lists
from mrl_cli.lists.measure import least_label, measured
from mrl_cli.lists.ragged import begins_run
from mrl_cli.losses import LISTWISE, LOSSES, completed
from mrl_cli.model import LossChoice, Plan, Ranking, Role
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.lists import ListConsumer, WholeLists
from mrl_cli.verify.explanations.candidates import Candidate, Stage, figure_stages, numbers_in
from mrl_cli.verify.explanations.values import Own, claims_on_figure
from mrl_cli.verify.figures import ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mrl_cli.dtypes import Array, Doubles
    from mrl_cli.reports.base import Report
    from mrl_cli.reports.validate import Explanation
    from mrl_cli.verify.verdict import Expectation, Request

    Again = Callable[[ListConsumer[Any, Any]], None]

OTHER_LABELS = {  # and the hint, by whether labels are ranks by the plan
    False: ("labels are ranks, of which 1 is the best, or scores are the other way round", "--labels rank"),
    True: ("labels are no ranks, the higher is better, or scores are the other way round", "without --labels rank"),
}
EQUAL_LABELS = "pairs of equal labels are counted, each both ways"
BITS = "the logarithm is of base 2"
NEGATIVE = "it is minus the approximate NDCG, without the 1"
LIST_SIZE = "LambdaRank's weights are multiplied by the size of the list, as RAX does"
RIGHT = ""


class Added(NamedTuple):
    """What lists add up to: the sum of losses and what it is divided by, the means of lists and how many have one.

    Means are weighted where queries are; `weight` is that of all queries, `paired` that of those with pairs.
    """

    total: float = 0.0
    divisor: float = 0.0
    means: float = 0.0
    defined: float = 0.0
    queries: int = 0
    longest: int = 0
    weight: float = 0.0
    paired: float = 0.0

    def __add__(self, other: Added) -> Added:  # type: ignore[override]
        sums = (one + another for one, another in zip(self, other, strict=True))
        return Added._make(sums)._replace(longest=max(self.longest, other.longest))

    def changed(self, factor: float = 1.0, less: float = 0.0) -> Added:
        """Return what lists add up to when each loss is times a factor, and less a number."""
        total, means = self.total * factor - less * self.divisor, self.means * factor - less * self.defined
        return self._replace(total=total, means=means)


class Reduced(NamedTuple):
    """A way to make one number of lists; `reduction` is that of mrl, where it is one of those."""

    text: str
    value: Callable[[Added], float]
    reduction: str | None = None
    needs_lists: bool = True

    @property
    def hint(self) -> str | None:
        """The option with which mrl does so."""
        return self.reduction and f"--reduction {self.reduction}"


# TensorFlow Ranking's Keras losses divide by batch and list size, padded; means of lists come from RAX under vmap.
REDUCTIONS = (
    Reduced("it is the mean over all pairs", lambda of: ratio(of.total, of.divisor), "mean"),
    Reduced("it is the mean over queries of their means", lambda of: ratio(of.means, of.defined), "query-mean"),
    Reduced("it is the sum", lambda of: of.total, "sum", needs_lists=False),
    Reduced(
        "it is the mean over all queries, those without pairs with 0, as RAX gives it list by list",
        lambda of: ratio(of.means, of.weight),
    ),
    Reduced(
        "the sum is divided by queries times the longest list, as TensorFlow Ranking does with one batch",
        lambda of: ratio(of.total, of.queries * of.longest),
    ),
    Reduced("the sum is divided by the number of queries", lambda of: ratio(of.total, of.queries)),
)


class Way(NamedTuple):
    """A way to compute each list: what it is called, the options with which mrl does so, and what lists add up to."""

    text: str
    hint: str | None
    of: Callable[[WholeLists], Added]


class MistakesConsumer(ListConsumer["list[Added]", "list[Added]"]):
    """Adds up what lists come to in each way."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self._ways = ways
        self.added = [Added() for _ in ways]

    def empty(self) -> list[Added]:
        """Return what no lists come to."""
        self.added = [Added() for _ in self._ways]
        return self.added

    def block(self, whole: WholeLists) -> list[Added]:
        """Return what some lists come to."""
        with np.errstate(all="ignore"):
            return [way.of(whole) for way in self._ways]

    def add(self, result: list[Added], block: list[Added]) -> None:
        """Add a block."""
        result[:] = [one + another for one, another in zip(result, block, strict=True)]


def claims_of(
    request: Request, wrong: Sequence[Expectation], report: Report, again: Again
) -> Iterator[Explanation | str]:
    """Yield what explains the user's figures that are wrong, and notes where nothing does.

    `again` hands all lists to a consumer once more.
    """
    ways = list(ways_of(request.plan))
    consumer = MistakesConsumer(ways)
    again(consumer)
    for own in wrong:
        stages_of = partial(_stages, own.name, list(zip(ways, consumer.added, strict=True)), report, request.plan)
        yield from claims_on_figure(own, request, report, stages_of, partial(_as_proven, report=report))


def _as_proven(explanation: Explanation, report: Report) -> Explanation:
    """Return an explanation; what is said of lists is not proven by one that has pairs."""
    with_pairs = report.figure("queries") - report.figure("queries_without_pairs")
    of_lists = any(one.needs_lists and one.text in explanation.hypothesis for one in REDUCTIONS)
    return replace(explanation, lacks="one query with pairs") if with_pairs < 2 and of_lists else explanation


def _stages(name: str, ways: Sequence[tuple[Way, Added]], report: Report, plan: Plan, _: Own) -> Iterator[Stage]:
    figures = numbers_in(report)
    reduction = {"sum": "sum", "mean": "mean", "query_mean": "query-mean", "value": plan.reporting.reduction}.get(name)
    if reduction is None:
        yield from _accuracy_stages(name, figures, plan, ways[0][1])
        yield from figure_stages(name, figures)
        return
    if plan.loss.name in LISTWISE and reduction == "mean":
        reduction = "query-mean"
    usual = next(one for one in REDUCTIONS if one.reduction == reduction)
    unusual = [one for one in REDUCTIONS if one is not usual]
    right, others = ways[0][1], ways[1:]
    yield Stage(
        [
            Candidate(f"{one.text}, not {usual.text.removeprefix('it is ')}", one.value(right), one.hint)
            for one in unusual
        ],
        is_simple=True,
    )
    yield Stage([Candidate(way.text, usual.value(added), way.hint) for way, added in others], is_simple=True)
    yield from figure_stages(name, figures)
    yield Stage(
        [
            Candidate(
                f"{way.text} and {one.text}",
                one.value(added),
                f"{one.hint} {way.hint}" if one.hint and way.hint and way.hint.startswith("--") else None,
            )
            for way, added in others
            for one in unusual
        ]
    )


def _accuracy_stages(name: str, figures: dict[str, float], plan: Plan, right: Added) -> Iterator[Stage]:
    """Yield what is taken for an accuracy: ties counted right, the other way round, lists without pairs with 0."""
    pairs, correct, ties, wrong = (figures[key] for key in ("pairs", "correct", "ties", "wrong"))
    reason, hint = OTHER_LABELS[plan.rules.labels == "rank"]
    candidates = [
        Candidate("ties are counted as right", ratio(correct + ties, pairs)),
        Candidate(f"it is the share of wrong pairs: {reason}", ratio(wrong, pairs), hint),
    ]
    if name in figures and "accuracy" in name:
        candidates.append(Candidate("it is in percent", 100 * figures[name]))
        if figures["queries_without_pairs"]:
            value = figures[name] * ratio(right.paired, right.weight)
            candidates.append(Candidate("queries without pairs count with 0", value))
    yield Stage(candidates, is_simple=True)


def ways_of(plan: Plan) -> Iterator[Way]:
    """Yield ways to compute each list, the right one first."""
    loss, ranking = plan.loss, plan.ranking
    yield _way(RIGHT, None, loss, ranking)
    if math.isinf(least_label(loss, ranking)):
        text, hint = OTHER_LABELS[plan.rules.labels == "rank"]
        yield Way(text, hint, lambda whole: _added(_with(whole, labels=-whole.lists.labels), loss, ranking))
    if loss.name in LISTWISE:
        yield from _listwise_ways(plan)
        return
    yield from _loss_ways(plan)
    yield Way(EQUAL_LABELS, None, lambda whole: _with_equal_labels(whole, loss))
    if LOSSES[loss.name].is_logarithmic:
        yield Way(BITS, None, lambda whole: _added(whole, loss, ranking).changed(factor=1 / math.log(2)))
    options: dict[Role, str] = {"weight": "--weight", "query_weight": "--query-weight"}
    if given := [option for role, option in options.items() if plan.column_of(role) is not None]:
        hint = f"without {' and '.join(given)}"

        def unweighted(whole: WholeLists) -> Added:
            return _added(_with(whole, weights=None)._replace(query_weights=None), loss, ranking)

        yield Way("the weights are left out", hint, unweighted)
    for kind in ("none", "label_diff", "ndcg"):
        if kind != ranking.lambda_weight:
            text = "LambdaRank's weights are left out" if kind == "none" else f"pairs have the lambda weights {kind}"
            hint = "without --lambda-weight" if kind == "none" else f"--lambda-weight {kind}"
            yield _way(text, hint, loss, Ranking(kind))
    if ranking.lambda_weight == "ndcg":
        yield Way(LIST_SIZE, None, lambda whole: _added(whole, loss, ranking, times_size=True))


def _loss_ways(plan: Plan) -> Iterator[Way]:
    """Yield other margins, and other losses with their usual parameters, the margin as it is and the usual ones."""
    loss, ranking = plan.loss, plan.ranking
    for name, entry in LOSSES.items():
        # Without label noise, all Bradley-Terry losses are the logistic one.
        is_logistic = name != loss.name and "label_smoothing" in entry.defaults
        if entry.is_target != LOSSES[loss.name].is_target or is_logistic:
            continue
        parameters = loss.parameters if name == loss.name else tuple(completed(name, {}).items())
        for margin in dict.fromkeys((loss.margin, 0.0, 1.0) if entry.has_margin else (0.0,)):
            choice = replace(loss, name=name, margin=margin, parameters=parameters)
            if choice == loss or (name == loss.name and not entry.has_margin):
                continue
            changes = [(f"it is the {name} loss", f"--loss {name}")] if name != loss.name else []
            if margin != loss.margin and entry.has_margin:
                changes += [(f"the margin is {margin:g}", f"--margin {margin:g}")]
            words, hints = zip(*changes, strict=True)
            yield _way(" and ".join(words), " ".join(hints), choice, ranking)


def _listwise_ways(plan: Plan) -> Iterator[Way]:
    loss, ranking = plan.loss, plan.ranking
    given = dict(loss.parameters)
    for parameter in LISTWISE[loss.name].parameters:
        values: Iterable[Any] = getattr(parameter, "values", (1.0, 0.1))
        for value in values:
            if given[parameter.name] != value:
                choice = replace(loss, parameters=tuple((given | {parameter.name: value}).items()))
                yield _way(f"{parameter.name} is {value}", f"--param {parameter.name}={value}", choice, ranking)
    if loss.name == "approx_ndcg":
        yield Way(NEGATIVE, None, lambda whole: _added(whole, loss, ranking).changed(less=1))


def _way(text: str, hint: str | None, loss: LossChoice, ranking: Ranking) -> Way:
    return Way(text, hint, lambda whole: _added(whole, loss, ranking))


def _added(whole: WholeLists, loss: LossChoice, ranking: Ranking, *, times_size: bool = False) -> Added:
    """Return what lists add up to; nothing where labels are out of bounds for it."""
    lists = whole.lists
    if lists.labels.size and lists.labels.min() < least_label(loss, ranking):
        return Added(math.nan, math.nan, math.nan, math.nan)
    found = measured(lists, loss, ranking)
    sums = found.losses.rounded(lists.size) * (lists.sizes if times_size else 1)
    if loss.name in LISTWISE:
        return _of_lists(whole, found.means(sums, is_listwise=True), np.ones(lists.size), found.pairs)
    return _of_lists(whole, sums, found.divisors, found.pairs)


def _of_lists(whole: WholeLists, sums: Doubles, divisors: Doubles, pairs: Array) -> Added:
    means = np.where(divisors > 0, sums / np.where(divisors > 0, divisors, 1.0), math.nan)
    weights = np.ones(means.size) if whole.query_weights is None else whole.query_weights
    has_sum, has_mean = ~np.isnan(sums), ~np.isnan(means)
    return Added(
        float(sums[has_sum].sum()),
        float(divisors[has_sum].sum()),
        float((weights * means)[has_mean].sum()),
        float(weights[has_mean].sum()),
        means.size,
        int(whole.lists.sizes.max(initial=0)),
        float(weights.sum()),
        float(weights[pairs > 0].sum()),
    )


def _with(whole: WholeLists, **fields: Any) -> WholeLists:
    return whole._replace(lists=whole.lists._replace(**fields))


def _with_equal_labels(whole: WholeLists, loss: LossChoice) -> Added:
    """Return what lists add up to where the pairs of equal labels count too, each both ways; without weights."""
    lists = whole.lists._replace(weights=None)
    found = measured(lists, loss, Ranking())
    sums, pairs = found.losses.rounded(lists.size), found.pairs.astype(np.float64)
    order = np.lexsort((lists.labels, lists.numbers))
    numbers, labels = lists.numbers[order], lists.labels[order]
    firsts = np.flatnonzero(begins_run(numbers, labels))
    # Items of one label as a list of their own, in which all labels are different: each pair one way, then the other.
    places, scores = np.arange(order.size, dtype=np.float64), lists.scores[order]
    for direction in (places, -places):
        equal = measured(Lists(np.append(firsts, order.size), direction, scores), loss, Ranking())
        sums += np.bincount(numbers[firsts], equal.losses.rounded(firsts.size), lists.size)
        pairs += np.bincount(numbers[firsts], equal.pairs, lists.size)
    return _of_lists(whole, sums, pairs, pairs)
