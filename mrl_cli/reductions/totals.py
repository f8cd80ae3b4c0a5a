"""The sums and counts of pairs, from which means, shares and intervals follow."""

from __future__ import annotations

import math
from operator import add
from typing import Any

import numpy as np

from mrl_cli.exact import ExactAccumulator, ExactSum, ProductAccumulator
from mrl_cli.records import light_dataclass
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.measured import ACTIVE, BEYOND, INSIDE, TIE, WRONG, Block, Measured, is_negative_part


@light_dataclass(frozen=True, slots=True)
class Totals:
    """Sums and counts over pairs, never means; `Totals()` is the identity of `+`, which is associative and exact.

    Weighted, `loss_sum` is that of w*l and `correct_weight_sum` the weight of the correct pairs; `square_sum` is the
    sum of l*l, where asked for. Of the correct pairs, `inside_margin` have d below the margin. The last four are sums
    of d, d*d, x1 and x2, unweighted, where asked for.
    """

    loss_sum: ExactSum | None = None
    min: float = math.inf
    max: float = -math.inf
    correct: int = 0
    ties: int = 0
    wrong: int = 0
    active: int = 0
    inside_margin: int = 0
    weight_sum: ExactSum | None = None
    correct_weight_sum: ExactSum | None = None
    square_sum: ExactSum | None = None
    difference_sum: ExactSum | None = None
    difference_square_sum: ExactSum | None = None
    x1_sum: ExactSum | None = None
    x2_sum: ExactSum | None = None

    @classmethod
    def of_states(cls, counts: list[int], **others: Any) -> Totals:
        """Return totals with the counts of pairs in each of the `measured.STATES`, and with other fields as given."""
        wrong, ties, inside, beyond = (counts[side] + counts[side + ACTIVE] for side in (WRONG, TIE, INSIDE, BEYOND))
        return cls(
            correct=inside + beyond,
            ties=ties,
            wrong=wrong,
            active=sum(counts[ACTIVE:]),
            inside_margin=inside,
            **others,
        )

    @property
    def pairs(self) -> int:
        """How many pairs were added up."""
        return self.correct + self.ties + self.wrong

    def __add__(self, other: Totals) -> Totals:
        names = Totals.__match_args__
        return Totals(*(_MERGE.get(name, _added)(getattr(self, name), getattr(other, name)) for name in names))


def _added(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return right if left is None else left
    return left + right


# NaN, where there is one, is the least and the greatest.
_MERGE = {
    "min": lambda left, right: right if right < left or math.isnan(right) else left,
    "max": lambda left, right: right if right > left or math.isnan(right) else left,
}


class TotalsReduction(Reduction[Totals, Totals]):
    """Adds up losses and counts pairs.

    With `squares` also the squares of losses, which intervals need; `describes` adds up scores and differences too. The
    sum of a loss that is max(0, -d) is then that of the d below 0, and so is that of the squares. Where it describes
    and `has_differences` from elsewhere, neither d nor such a loss is added up.
    """

    state = Totals
    joins = True
    takes_turns = True

    def __init__(self, *, squares: bool = False, describes: bool = False, has_differences: bool = False) -> None:
        self._squares = squares
        self._has_differences = has_differences
        if describes:
            self.needs = frozenset(("differences",))

    def add(self, state: Totals, measured: Measured) -> Totals:
        """Add a batch."""
        is_weighted = measured.plan.has_weights
        follows = bool(self.needs) and not is_weighted and is_negative_part(measured.plan)
        losses = ExactAccumulator()
        marks = [] if is_weighted else [None]  # with the squares of losses comes the sum of all
        square = ProductAccumulator(len(marks)) if self._squares and not follows else None
        of_correct = not measured.plan.reporting.is_bare
        # Of w*l, of w, and of w where the pair is correct.
        weighted = ProductAccumulator(masks=1 + of_correct)
        described = _DescribedSums(self._has_differences, follows, self._squares) if self.needs else None
        correct = wrong = active = inside = 0
        low, high = math.inf, -math.inf
        for block in measured.blocks():
            correct += int(np.count_nonzero(block.is_correct))
            wrong += int(np.count_nonzero(block.is_wrong))
            active += int(np.count_nonzero(block.is_active))
            inside += int(np.count_nonzero(block.is_inside))
            lowest, highest = block.range
            low, high = float(np.minimum(low, lowest)), float(np.maximum(high, highest))
            if block.weight is not None:
                weights = float(block.weight.min()), float(block.weight.max())
                masks = (None, block.is_correct) if of_correct else (None,)
                weighted.add(block.weight, block.losses, masks, ranges=(weights, block.range))
            elif square is None and not follows:
                losses.add(block.losses, lowest=lowest, highest=highest)
            if square is not None:
                square.add(block.losses, block.losses, marks, ranges=(block.range, block.range))
            if described is not None:
                described.add(block)
        sums = weighted.totals if is_weighted else [] if follows else [losses.total]
        known: dict[str, Any] = dict(zip(("loss_sum", "weight_sum", "correct_weight_sum"), sums, strict=False))
        known |= {} if described is None else described.totals()
        if square is not None:
            known |= zip(("square_sum", "loss_sum"), square.totals, strict=False)
        return state + Totals(
            min=low,
            max=high,
            correct=correct,
            ties=measured.pairs.size - correct - wrong,
            wrong=wrong,
            active=active,
            inside_margin=inside,
            **known,
        )


class _DescribedSums:
    """Adds up x1, x2, d*d and, unless it is known, d, block by block; for losses that are max(0, -d) those too.

    With `squares` also the squares of such losses.
    """

    def __init__(self, has_differences: bool, has_losses: bool, squares: bool) -> None:
        self._scores = {"x1": ExactAccumulator(), "x2": ExactAccumulator()}
        has_sides = has_losses and squares
        self._masks = 0 if has_differences else 1 + (has_losses and not has_sides)  # of all d, and of those below 0
        self._square = ProductAccumulator(self._masks)
        self._of_others = ProductAccumulator(self._masks) if has_sides else None

    def add(self, block: Block) -> None:
        """Add a block, whose differences are kept."""
        differences: Any = block.differences
        for name, values in (("x1", block.pairs.x1), ("x2", block.pairs.x2)):
            self._scores[name].add(values, lowest=float(values.min()), highest=float(values.max()))
        ranges = ((float(differences.min()), float(differences.max())),) * 2
        if self._of_others is None:
            masks = (None, block.is_wrong)[: self._masks]
            self._square.add(differences, differences, masks, ranges=ranges)
            return
        for side, total in ((~block.is_correct, self._of_others), (block.is_correct, self._square)):
            of_side = differences.take(np.flatnonzero(side))  # several times as quick as by the mask
            total.add(of_side, of_side, [None] * self._masks, ranges=ranges)

    def totals(self) -> dict[str, Any]:
        """Return the sums as fields of totals."""
        sums: dict[str, ExactSum] = {f"{name}_sum": scores.total for name, scores in self._scores.items()}
        square, *of_masks = self._square.totals
        if self._of_others is not None:
            sums["square_sum"], *others = self._of_others.totals
            square += sums["square_sum"]
            of_masks = [*map(add, of_masks, others), *others]
        sums |= zip(("difference_sum", "loss_sum"), of_masks, strict=False)
        if "loss_sum" in sums:
            sums["loss_sum"] = ExactSum() - sums["loss_sum"]
        return {**sums, "difference_square_sum": square}


class WeightReduction(Reduction[ExactSum, ExactSum]):
    """Adds up the weights of the pairs used: nothing where pairs have none."""

    state = ExactSum
    joins = True

    def add(self, state: ExactSum, measured: Measured) -> ExactSum:
        """Add the weights of a batch."""
        weight = measured.pairs.numbers.get("weight")
        return state if weight is None else state + ExactSum.of(weight)
