"""What a large list comes to when its pairs have LambdaRank weights, in n log(n)**2: in n log n by labels alone.

The weight of a pair is a product of two differences, of gains and of discounts, and both are the sum of two numbers
that are not below 0, one of each item, once something lies between: so the pairs between two sets of items that differ
in label and in score alike add up as four charges, which lose no digit to each other. Two such sets are the halves of a
node by label, as in `nodes`, and within it those of a block by score. A block of few items is gone through.

Items stand by score, then by label, and every operation is one of a single list: so neither the order of the items nor
other lists change a bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.exact.codes import SumsByCode, two_sum
from mrl_cli.lists.distances import aim_of, values_of_pairs
from mrl_cli.lists.fields import PAIRS, Grid, Side, level_sums
from mrl_cli.lists.loop import looped_gradient, weighted_sums
from mrl_cli.lists.nodes import Ranked, reach_of
from mrl_cli.lists.orders import levels_of
from mrl_cli.lists.powers import Sources, Term, sums_beyond
from mrl_cli.lists.ragged import begins_run, blocks_of, ranges
from mrl_cli.lists.shapes import Shape, shape_of
from mrl_cli.losses import LOSSES
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.dtypes import Doubles, Mask, Places
    from mrl_cli.lists.base import Lists
    from mrl_cli.lists.lambdas import Lambdas
    from mrl_cli.model import LossChoice


LEAF_BITS = 5  # blocks of that many bits are gone through pair by pair
CORRECT = (Term(0.0, 0, is_beyond=True),)
ALL = (Term(-np.inf, 0, is_beyond=True),)


class Kernel(NamedTuple):
    """What is added up over pairs: a loss, or -1 times its gradient for d, as `terms` or by its `shape`.

    `choice` is the loss, None where the terms are all there is.
    """

    terms: tuple[Term, ...] = ()
    choice: LossChoice | None = None
    is_slope: bool = False
    shape: Shape | None = None

    @property
    def is_target(self) -> bool:
        """Whether d is held against the difference of labels."""
        return self.choice is not None and LOSSES[self.choice.name].is_target

    def of_pairs(self, lists: Lists, higher: Places, lower: Places) -> Doubles:
        """Return what is added up for pairs of these items, as the loop rounds it."""
        if self.choice is None:
            return (lists.scores[higher] - lists.scores[lower] > self.terms[0].margin).astype(np.float64)
        values = values_of_pairs(lists, higher, lower, self.choice, of_gradient=self.is_slope)
        return -values if self.is_slope else values


def kernel_of(choice: LossChoice, *, is_slope: bool = False) -> Kernel:
    """Return the kernel of a pairwise loss."""
    entry, power = LOSSES[choice.name], LOSSES[choice.name].power - is_slope
    if not entry.power:
        return Kernel((), choice, is_slope, shape_of(choice, is_slope=is_slope))
    factor = 2.0 if is_slope and entry.power == 2 else 1.0
    if entry.is_hinge:  # at the kink the gradient passes, as in PyTorch
        return Kernel((Term(choice.margin, power, factor, is_closed=is_slope),), choice, is_slope)
    aim = aim_of(choice)  # the square of a distance to that: of a hinge on either side
    beyond = Term(aim, power, -factor if is_slope else factor, is_beyond=True)
    return Kernel((Term(aim, power, factor), beyond), choice, is_slope)


def sums_by_items(lists: Lists, choice: LossChoice, lambdas: Lambdas) -> tuple[SumsByCode, SumsByCode, SumsByCode]:
    """Return the sums of weight * loss, of weights, and of those of correct pairs, by list: as the loop does.

    An item adds up the pairs in which its label is the higher one. A list in which something is beyond the doubles, as
    it may be on the way alone, is left to the loop.
    """
    kernels = kernel_of(choice), Kernel(ALL), Kernel(CORRECT)
    sums = SumsByCode(), SumsByCode(), SumsByCode()
    for number, one, of_one in _each(lists, lambdas):
        values = _Walk(one, of_one, None).sums(kernels)
        if one.weights is not None:
            values = np.where(one.weights == 0, 0.0, values * one.weights)
        code = np.array([number])
        if np.isfinite(values).all():
            found = [SumsByCode((), {0: ExactSum.of(of_items)}) for of_items in values]
        else:
            found = list(weighted_sums(one, choice, of_one))
        for whole, part in zip(sums, found, strict=True):
            whole.add(part, code, lists.size)
    return sums


def gradient_by_items(lists: Lists, choice: LossChoice, lambdas: Lambdas) -> Doubles:
    """Return the gradient of each list's sum for the scores of its items, as the loop does; weights are constants."""
    kernel, slopes = [kernel_of(choice, is_slope=True)], []
    for _, one, of_one in _each(lists, lambdas):
        (ahead,) = _Walk(one, of_one, None).sums(kernel)
        # Negated, labels and scores make the same pairs, and each item is what it was to the other.
        turned = one._replace(labels=-one.labels, scores=-one.scores)
        (behind,) = _Walk(turned, of_one.turned, one.weights).sums(kernel)
        if one.weights is not None:
            ahead = np.where(one.weights == 0, 0.0, ahead * one.weights)
        slope = behind - ahead
        slopes.append(slope if np.isfinite(slope).all() else looped_gradient(one, choice, of_one))
    return np.concatenate(slopes)


def _each(lists: Lists, lambdas: Lambdas) -> Iterator[tuple[int, Lists, Lambdas]]:
    for number in range(lists.size):
        start, stop = lists.starts[number : number + 2].tolist()
        yield number, lists.part(number, number + 1), lambdas.of_list(start, stop)


class _Walk:
    """A list, its items by score, and where they stand while it is cut by label: by node, in each by score.

    `nodes` say where the node of each begins, `reaches` have for each term the place in the node before which those
    stand that are below its score less the margin.
    """

    def __init__(self, one: Lists, lambdas: Lambdas, charges: Doubles | None) -> None:
        keys = one.labels, one.scores
        self.order = np.lexsort(keys if charges is None else (charges, *keys))
        self.charges = None if charges is None else charges[self.order]
        self.one = one._replace(scores=one.scores[self.order], labels=one.labels[self.order], weights=None)
        self.scores, self.labels = self.one.scores, self.one.labels
        discounts = None if lambdas.discounts is None else lambdas.discounts[:, self.order]
        self.lambdas = lambdas._replace(gains=lambdas.gains[self.order], discounts=discounts)
        self.codes = levels_of(one).codes()[self.order]
        self.rows = Ranked(one, self.order.astype(np.int32), self.scores, self.codes)
        with np.errstate(all="ignore"):
            self.aims = two_sum(self.scores, -self.labels)
        self.total = np.zeros((0, 0))

    def sums(self, kernels: Sequence[Kernel]) -> Doubles:
        """Return for each kernel what the items with a lower label add to each item, shape (kernels, items)."""
        size = self.scores.size
        self.total = np.zeros((len(kernels), size))
        items, starts = np.arange(size), np.zeros(size, np.intp)
        reaches = {term: self._reach(term) for kernel in kernels for term in kernel.terms}
        with np.errstate(all="ignore"):
            for bit in reversed(range(int(self.codes.max(initial=0)).bit_length())):
                is_higher = (self.codes[items] >> self.codes.dtype.type(bit) & self.codes.dtype.type(1)).astype(bool)
                level = _Level(self, items, starts, is_higher, reaches)
                level.meet(kernels)
                items, starts, reaches = level.split(kernels)
                if not items.size:
                    break
        keys = self.scores, self.labels
        first = begins_run(*keys, *([] if self.charges is None else [self.charges]))  # what is alike comes to the same
        whole = np.empty_like(self.total)
        whole[:, self.order] = self.total[:, np.flatnonzero(first)[np.cumsum(first) - 1]]
        return whole

    def _reach(self, term: Term) -> Places:
        if not np.isfinite(term.margin):
            return np.full(self.scores.size, self.scores.size)
        return reach_of(self.rows, -term.margin, closed=not (term.is_closed or term.is_beyond)).astype(np.intp)

    def add_pairs(self, kernels: Sequence[Kernel], items: Places, starts: Places, counts: Places, of: Places) -> None:
        """Add to items what others add, pair by pair: so many from a start on of the items `of`.

        Pairs are those in which the label of the item is the higher one.
        """
        for block in blocks_of(counts, PAIRS):
            number = counts[block]
            lower, higher = of[ranges(starts[block], number)], np.repeat(items[block], number)
            weights = np.where(self.codes[higher] > self.codes[lower], self.lambdas.of(higher, lower), 0.0)
            if self.charges is not None:
                weights *= self.charges[lower]
            firsts = np.cumsum(number) - number
            for total, kernel in zip(self.total, kernels, strict=True):
                values = np.where(weights == 0, 0.0, kernel.of_pairs(self.one, higher, lower)) * weights
                total[items[block]] += np.add.reduceat(values, firsts)


class _Level:
    """A level of the walk: items by node and score, of each whether it has the higher label of two at this bit."""

    def __init__(
        self, walk: _Walk, items: Places, starts: Places, is_higher: Mask, reaches: dict[Term, Places]
    ) -> None:
        self.walk, self.items, self.starts, self.is_higher, self.reaches = walk, items, starts, is_higher, reaches
        firsts = np.flatnonzero(begins_run(starts))
        sizes = np.diff(np.append(firsts, items.size))
        self.ends = np.repeat(firsts + sizes, sizes)
        # Between the gains of both labels of a node: the least of the higher ones.
        gains = walk.lambdas.gains[items]
        self.between = np.repeat(np.minimum.reduceat(np.where(is_higher, gains, np.inf), firsts), sizes)
        self.gains = np.abs(gains - self.between)
        before = np.append(0, np.cumsum(is_higher))
        self.before, ones = before, before[self.ends] - before[starts]
        self.is_large = self.ends - starts > 1 << LEAF_BITS
        self.meets = self.is_large & (ones > 0) & (ones < self.ends - starts)

    def meet(self, kernels: Sequence[Kernel]) -> None:
        """Add what meets at this level."""
        live = np.flatnonzero(self.meets)
        if not live.size:
            return
        if self.walk.lambdas.discounts is None:
            self._meet(kernels, live, self.starts[live], self.ends[live])
            return
        high, _ = self.walk.lambdas.discounts
        for bit in reversed(range(LEAF_BITS, int((self.ends - self.starts).max()).bit_length())):
            starts, ends = self.starts[live], self.ends[live]
            begins = starts + ((live - starts) >> (bit + 1) << (bit + 1))
            middles, ends = begins + (1 << bit), np.minimum(begins + (1 << (bit + 1)), ends)
            # Of one discount, as beyond the top places, no two are a pair that weighs anything.
            differ = high[self.items[begins]] != high[self.items[ends - 1]]
            live, begins, middles, ends = live[differ], begins[differ], middles[differ], ends[differ]
            has_both = middles < ends
            some, begins, middles, ends = live[has_both], begins[has_both], middles[has_both], ends[has_both]
            is_above = some >= middles
            self._meet(kernels, some, begins, middles, ~is_above, middles)
            self._meet(kernels, some, middles, ends, is_above, middles)
        self._meet_in_blocks(kernels, live)

    def _meet(
        self,
        kernels: Sequence[Kernel],
        live: Places,
        begins: Places,
        ends: Places,
        side: Mask | None = None,
        middles: Places | None = None,
    ) -> None:
        """Add what the lower items from `begins` to before `ends`, which are of a side, add to the others' higher ones.

        Without sides, what all lower items of a node add to its higher ones.
        """
        is_higher = self.is_higher[live]
        is_source, is_target = ~is_higher, is_higher
        if side is not None:
            is_source, is_target = is_source & side, is_target & ~side
        sources, targets = np.flatnonzero(is_source), np.flatnonzero(is_target)
        if not (sources.size and targets.size):
            return
        lower, higher, nodes = live[sources], live[targets], begins[targets]
        charges = self._charges(lower, None if middles is None else middles[sources])
        factors = self._factors(higher, None if middles is None else middles[targets])
        before = np.zeros(self.items.size + 1, np.intp)
        before[lower + 1] = 1
        np.cumsum(before, out=before)
        pairs = _Pairs(self, lower, higher, begins[sources], nodes, ends[targets], before, charges)
        for number, kernel in enumerate(kernels):
            found = pairs.sums(kernel)
            self.walk.total[number, self.items[higher]] += np.where(factors == 0, 0.0, factors * found).sum(axis=0)

    def _charges(self, lower: Places, middles: Places | None) -> Doubles:
        charges = np.stack([np.ones(lower.size), self.gains[lower]])
        if middles is not None:
            charges = np.concatenate([charges, charges * self._apart(lower, middles)])
        of_items = self.walk.charges
        return charges if of_items is None else charges * of_items[self.items[lower]]

    def _factors(self, higher: Places, middles: Places | None) -> Doubles:
        factors = np.stack([self.gains[higher], np.ones(higher.size)])
        if middles is None:
            return factors
        return np.concatenate([factors * self._apart(higher, middles), factors])

    def _apart(self, places: Places, others: Places) -> Doubles:
        return self.walk.lambdas.apart(self.items[places], self.items[others])

    def _meet_in_blocks(self, kernels: Sequence[Kernel], live: Places) -> None:
        starts = self.starts[live]
        begins = starts + ((live - starts) >> LEAF_BITS << LEAF_BITS)
        ends = np.minimum(begins + (1 << LEAF_BITS), self.ends[live])
        zeros = np.flatnonzero(~self.is_higher)
        firsts, lasts = (places - self.before[places] for places in (begins, ends))
        counts = np.where(self.is_higher[live], lasts - firsts, 0)
        self.walk.add_pairs(kernels, self.items[live], firsts, counts, self.items[zeros])

    def split(self, kernels: Sequence[Kernel]) -> tuple[Places, Places, dict[Term, Places]]:
        """Return the items of the next level; what is in small nodes is gone through."""
        small = np.flatnonzero(~self.is_large)
        counts = (self.ends - self.starts)[small]
        self.walk.add_pairs(kernels, self.items[small], self.starts[small], counts, self.items)
        before, starts, ends = self.before, self.starts, self.ends
        zeros = (ends - starts) - (before[ends] - before[starts])

        def moved(places: Places) -> Places:
            ones = before[places] - before[starts]
            moved: Places = np.where(self.is_higher, starts + zeros + ones, places - ones)
            return moved

        order = np.empty(self.items.size, np.intp)
        order[moved(np.arange(self.items.size))] = np.arange(self.items.size)
        order = order[self.is_large[order]]
        shift = np.append(0, np.cumsum(~self.is_large))  # small nodes are taken out

        def kept(places: Places) -> Places:
            kept: Places = (places - shift[places])[order]
            return kept

        reaches = {term: kept(moved(reach)) for term, reach in self.reaches.items()}
        return self.items[order], kept(np.where(self.is_higher, starts + zeros, starts)), reaches


class _Pairs(NamedTuple):
    """The sources and the targets of nodes: their places at a level, and from where to where the sources of each stand.

    `before` says how many sources stand before a place.
    """

    level: _Level
    lower: Places
    higher: Places
    nodes_of_lower: Places
    nodes: Places
    ends: Places
    before: Places
    charges: Doubles

    def sums(self, kernel: Kernel) -> Doubles:
        """Return for each target the sum of charge * kernel over the sources of its node, for each row of charges."""
        walk, items = self.level.walk, self.level.items
        lower, higher = items[self.lower], items[self.higher]
        if kernel.shape is not None:
            shape = kernel.shape
            grid = Grid.of(shape.rate, shape.margin)
            sides = (
                Side.of(self.nodes, walk.scores[higher], None, grid),
                Side.of(self.nodes_of_lower, walk.scores[lower], self.charges, grid),
            )
            return level_sums(*sides, grid, shape) * (float(shape.rate) if kernel.is_slope else 1.0)
        begins, ends = self.before[self.nodes], self.before[self.ends]
        sources = Sources(walk.scores[lower], None, self.charges, begins_run(self.nodes_of_lower))
        scores, rests, cuts = walk.scores[higher], None, None
        if kernel.is_target:
            sources, scores, rests, cuts = self._by_aims(lower, higher)
        found = np.zeros((self.charges.shape[0], higher.size))
        for term in kernel.terms:
            reach = np.clip(self.level.reaches[term][self.higher], self.nodes, self.ends)
            places = begins, self.before[reach] if cuts is None else cuts, ends
            found += sums_beyond(term, sources, scores, rests, places)
        return found

    def _by_aims(self, lower: Places, higher: Places) -> tuple[Sources, Doubles, Doubles, Places]:
        """Return sources, targets and the cuts of these by score less label, the sum of two doubles: what d is held
        against is the difference of labels.
        """
        numbers, rests = self.level.walk.aims
        both = np.concatenate([lower, higher])
        nodes = np.concatenate([self.nodes_of_lower, self.nodes])
        order = np.lexsort((rests[both], numbers[both], nodes))
        before = np.cumsum(order < lower.size)
        cuts = np.empty(both.size, np.intp)
        cuts[order] = before
        sources = order[order < lower.size]
        lower, nodes = lower[sources], self.nodes_of_lower[sources]
        charged = Sources(numbers[lower], rests[lower], self.charges[:, sources], begins_run(nodes))
        return charged, numbers[higher], rests[higher], cuts[sources.size :]
