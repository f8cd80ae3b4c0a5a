"""The loss of ranked lists at many margins, in one reading.

Of a hinge, lists that have few pairs for the number of margins are gone through pair by pair, once for all margins: as
in `curve`, n, Σd and Σd² between neighbouring margins say what the pairs come to at each. Other lists, and other
losses, are measured at one margin after the other. Both give the exact sum of the losses, so they add up, and a margin
has the digits that a run of `mrl rank` at it alone has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.arrow import as_arrow, texts_as_arrow
from mrl_cli.exact import UNIT_EXPONENT, ExactSum
from mrl_cli.exact.codes import SumsByCode, sums_by_code, sums_of_products_by_code, two_sum
from mrl_cli.lists.counts import weightless_pairs
from mrl_cli.lists.loop import pairs_of
from mrl_cli.lists.measure import measured_at
from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.curve import Curve, KnotPlaces, hinge_terms, hinge_total
from mrl_cli.reductions.ledger import Ledger, LedgerBlock
from mrl_cli.reductions.lists import ListConsumer, WholeLists
from mrl_cli.reductions.queries import COUNTS, QueriesConsumer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mrl_cli.lists.base import Lists
    from mrl_cli.model import Plan

    Floats = NDArray[np.float64]

PAIRS_PER_PASS = 4  # so many pairs of an item take as long as measuring it at one more margin
_EVERY = "all"  # the key of what is the same at all margins


class ListCurveBlock(NamedTuple):
    """What some lists come to: `curve` of those that go by their pairs, `ledgers` of the others, with a key a margin.

    What the first come to whatever the margin, such as how many there are, has the key "all".
    """

    curve: Curve
    ledgers: list[LedgerBlock]


class ListCurve:
    """What all lists come to, added up as blocks are."""

    def __init__(self, curve: Curve) -> None:
        self.curve, self.ledger = curve, Ledger(len(COUNTS) + 1)


class ListPoint(NamedTuple):
    """What lists come to at a margin: `counts` and `sums` as `queries` adds them up, and pairs with a gradient.

    `passing` is None for a loss that is no hinge.
    """

    margin: float
    counts: dict[str, int]
    sums: Mapping[str, ExactSum]
    passing: int | None


class ListCurveConsumer(ListConsumer[ListCurveBlock, ListCurve]):
    """Adds up what lists come to at margins, which are finite, under the loss of a plan."""

    def __init__(self, plan: Plan, margins: Sequence[float]) -> None:
        self._plan, self._loss = plan, LOSSES[plan.loss.name]
        self._knots, self._places = np.unique(np.asarray(margins, np.float64) + 0.0, return_inverse=True)
        self._knot_places = KnotPlaces(self._knots)
        self._may_go_by_pairs = (
            self._loss.is_hinge
            and plan.ranking.lambda_weight == "none"
            and plan.reporting.reduction != "query-mean"  # the mean of each list is rounded
            and not (plan.has_weights and self._loss.power == 2)
        )

    def empty(self) -> ListCurve:
        """Return what no lists come to."""
        return ListCurve(self._no_pairs())

    def add(self, result: ListCurve, block: ListCurveBlock) -> None:
        """Add a block to the result."""
        result.curve += block.curve
        result.ledger += block.ledgers

    def block(self, whole: WholeLists) -> ListCurveBlock:
        """Return what some lists come to."""
        sizes = whole.lists.sizes
        has_few_pairs = (sizes - 1) // 2 <= PAIRS_PER_PASS * self._knots.size
        by_pairs, others = (np.flatnonzero(mask & self._may_go_by_pairs) for mask in (has_few_pairs, ~has_few_pairs))
        if not by_pairs.size:
            return ListCurveBlock(self._no_pairs(), list(self._passes(whole)))
        curve, ledger = self._gone_through(whole.lists.chosen(by_pairs))
        passes = self._passes(_chosen(whole, others)) if others.size else ()
        return ListCurveBlock(curve, [ledger, *passes])

    def _no_pairs(self) -> Curve:
        return Curve(np.zeros((3, self._knots.size + 1), np.int64), {})

    def _passes(self, whole: WholeLists) -> Iterator[LedgerBlock]:
        """Yield what lists come to at each margin, measured at it alone."""
        consumer, knots = QueriesConsumer(self._plan), self._knots.tolist()
        each = measured_at(whole.lists, self._plan.loss, self._plan.ranking, knots)
        for place, (found, passing) in enumerate(each):
            block = consumer.of_rows(consumer.rows(whole, found), found).ledger
            of_all = block.regrouped(np.zeros(len(block.counts), np.int64), [texts_as_arrow([str(place)])], 1)
            yield of_all._replace(counts=np.append(of_all.counts, [[passing or 0]], axis=1))

    def _gone_through(self, lists: Lists) -> tuple[Curve, LedgerBlock]:
        """Return what lists come to from their pairs, and how many there are."""
        curve, has_pairs, of_pairs = self._no_pairs(), np.zeros(lists.size, bool), np.zeros(3, np.int64)
        for pairs in pairs_of(lists):
            has_pairs[pairs.numbers] = True
            higher, lower = lists.scores[pairs.higher], lists.scores[pairs.lower]
            of_pairs += [np.count_nonzero(mask) for mask in (higher > lower, higher == lower, higher < lower)]
            curve += self._curve(higher, lower, None if lists.weights is None else lists.weights[pairs.higher])
        counts = dict.fromkeys((*COUNTS, "passing"), 0) | {"rows": lists.scores.size, "queries": lists.size}
        counts["zero_weight"] = int(weightless_pairs(lists).sum())
        counts |= zip(("correct", "ties", "wrong"), of_pairs.tolist(), strict=True)
        counts |= {"queries_without_pairs": int(np.count_nonzero(~has_pairs)), "pairs": int(of_pairs.sum())}
        return curve, LedgerBlock.of([texts_as_arrow([_EVERY])], np.array([list(counts.values())]), _weight_of(curve))

    def _curve(self, higher: Floats, lower: Floats, weights: Floats | None) -> Curve:
        """Return the curve of pairs of scores; a difference of two is compared with margins as it is, not rounded."""
        size = self._knots.size + 1
        with np.errstate(all="ignore"):
            differences, rests = two_sum(higher, -lower)
            codes, is_next = self._knot_places.of(differences)
            codes = codes + (is_next & (rests > 0))
            is_kink = is_next & (rests == 0)
        counts = np.zeros((3, size), np.int64)
        counts[0], counts[1] = (np.bincount(some, minlength=size) for some in (codes, codes[is_kink]))
        if weights is not None:
            first = sums_of_products_by_code(weights, higher, codes, size)
            first.add(sums_of_products_by_code(weights, -lower, codes, size))
            return Curve(counts, {"weight": sums_by_code(weights, codes, size), "first": first})
        first = sums_by_code(higher, codes, size)
        first.add(sums_by_code(-lower, codes, size))
        if self._loss.power == 1:
            return Curve(counts, {"first": first})
        second, cross = sums_of_products_by_code(higher, higher, codes, size), (higher, -lower, codes, size)
        for sums in (sums_of_products_by_code(lower, lower, codes, size), *[sums_of_products_by_code(*cross)] * 2):
            second.add(sums)
        return Curve(counts, {"first": first, "second": second})

    def points(self, result: ListCurve) -> list[ListPoint]:
        """Return the point of each margin, in the order in which the margins were given."""
        entries = {key[0]: (counts, sums) for key, _, counts, sums in result.ledger.entries()}
        knots, curve, is_square = self._knots.tolist(), result.curve, self._loss.power == 2
        reached = np.cumsum(curve.counts[0])[:-1]
        below = reached - curve.counts[1, :-1]
        points, names = [], (*COUNTS, "passing")
        for place, terms in enumerate(hinge_terms(knots, curve)):
            numerator, exponent = hinge_total(*terms, is_square=is_square)
            counts, sums = np.zeros(len(names), np.int64), {"loss": ExactSum(numerator >> exponent - UNIT_EXPONENT)}
            counts[[names.index("active"), -1]] = below[place], (below if is_square else reached)[place]
            for key in (_EVERY, str(place)):
                more, of = entries.get(key, (0, {}))
                counts += more
                sums |= {name: sums.get(name, ExactSum()) + total for name, total in of.items()}
            named = dict(zip(names, counts.tolist(), strict=True))
            passing = named.pop("passing")
            points.append(ListPoint(knots[place], named, sums, passing if self._loss.is_hinge else None))
        return [points[place] for place in self._places.tolist()]


def _weight_of(curve: Curve) -> dict[str, SumsByCode]:
    """Return the sum of all weights of a curve, where pairs have some."""
    if "weight" not in curve.sums:
        return {}
    return {"weight": curve.of("weight").regrouped(np.zeros(curve.counts.shape[1], np.int64), 1)}


def _chosen(whole: WholeLists, places: NDArray[np.intp]) -> WholeLists:
    """Return the lists of those numbers, in that order."""
    keys = {role: column.take(as_arrow(places)) for role, column in whole.keys.items()}
    query_weights = None if whole.query_weights is None else whole.query_weights[places]
    return WholeLists(whole.lists.chosen(places), keys, query_weights)
