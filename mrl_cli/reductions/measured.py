"""A batch measured: which of its pairs are used, and what the loss makes of them, in blocks that fit the cache."""

from __future__ import annotations

import threading
from collections import Counter
from functools import cached_property, partial
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.errors import SuspectShardError
from mrl_cli.exact import BLOCK_VALUES
from mrl_cli.losses import LOSSES
from mrl_cli.model import Counts, rules, tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from numpy.typing import NDArray

    from mrl_cli.model import Batch, Plan, Problem

# What became of a pair, as a small number: where d = y*(x1 - x2) stands, plus ACTIVE where its loss is above 0.
WRONG, TIE, INSIDE, BEYOND, ACTIVE = 0, 1, 2, 3, 4
STATES = 8


class Block(NamedTuple):
    """Some pairs in the cache: arrays of shape (n,) that hold until the next block is asked for.

    `range` are the least and greatest loss, NaN where there is a NaN. Of the correct pairs, those inside have d below
    the margin.
    """

    losses: NDArray[Any]
    is_wrong: NDArray[np.bool_]
    is_correct: NDArray[np.bool_]
    is_inside: NDArray[np.bool_]
    is_active: NDArray[np.bool_]
    weight: NDArray[np.float64] | None
    range: tuple[float, float]


class Measured:
    """The pairs of a batch that are used, and what the loss makes of them.

    `used` is None when every pair of the batch was used, else a mask of shape (batch.size,); `pairs` are those used.
    `problems` are in row order: all of them where the plan lists them, else the reader's own and the first few of each
    kind. `losses` and `states`, of shape (pairs.size,), are kept where `keeps` names them, and else computed when first
    asked for; losses have the plan's dtype.
    """

    def __init__(self, batch: Batch, plan: Plan, keeps: Set[str] = frozenset()) -> None:
        self.batch, self.plan = batch, plan
        self.counts, self.problems, self.used = _admitted(batch, plan)
        self.pairs = batch if self.used is None else batch.where(self.used)
        self._keeps = keeps
        self._losses: NDArray[Any] | None = None
        self._states: NDArray[np.uint8] | None = None

    def with_scores_of_b(self) -> Measured:
        """Return the same pairs under the scores of the second model, whose columns have the roles x1_b and x2_b."""
        other = Measured.__new__(Measured)
        other.batch, other.plan, other.used = self.batch, self.plan, self.used
        other.counts, other.problems, other._keeps = self.counts, self.problems, self._keeps
        numbers = self.pairs.numbers
        other.pairs = self.pairs.with_numbers({"x1": numbers["x1_b"], "x2": numbers["x2_b"]})
        other._losses = other._states = None
        return other

    @property
    def losses(self) -> NDArray[Any]:
        """The loss of every pair used."""
        if self._losses is None:
            self._keep_all()
        return self._losses  # type: ignore[return-value]

    @property
    def states(self) -> NDArray[np.uint8]:
        """What became of every pair used: WRONG, TIE, INSIDE or BEYOND, plus ACTIVE."""
        if self._states is None:
            self._keep_all()
        return self._states  # type: ignore[return-value]

    def _keep_all(self) -> None:
        self._keeps = {"losses", "states"}
        for _ in self.blocks():
            pass

    @cached_property
    def differences(self) -> NDArray[Any]:
        """x1 - x2 of every pair used, in the plan's dtype."""
        with np.errstate(all="ignore"):
            return score_differences(self.pairs, self.plan, np.empty(self.pairs.size, self.plan.loss.dtype))

    @cached_property
    def labels(self) -> NDArray[Any]:
        """What the differences are multiplied by, in the plan's dtype: ±1, or under `any` the label."""
        return signed_labels(self.pairs, self.plan, np.empty(self.pairs.size, self.plan.loss.dtype))

    def blocks(self) -> Iterator[Block]:
        """Compute the losses of the pairs used, block by block."""
        size = self.pairs.size
        if "losses" in self._keeps:
            self._losses = np.empty(size, self.plan.loss.dtype)
        if "states" in self._keeps:
            self._states = np.empty(size, np.uint8)
        kernel = partial(LOSSES[self.plan.loss.name].kernel, **dict(self.plan.loss.parameters))
        for start, stop in _bounds(size):
            block = _computed(self.pairs if stop - start == size else self.pairs.part(start, stop), self.plan, kernel)
            if self._losses is not None:
                self._losses[start:stop] = block.losses
            if self._states is not None:
                self._states[start:stop] = _states_of(block)
            yield block


def _bounds(size: int) -> Iterator[tuple[int, int]]:
    """Cut pairs into as few blocks as it takes, all about as long: what a block costs hardly depends on its size."""
    count = -(-size // BLOCK_VALUES)
    return pairwise(size * place // count for place in range(count + 1)) if count else iter(())


def _admitted(batch: Batch, plan: Plan) -> tuple[Counts, list[Problem], NDArray[np.bool_] | None]:
    """Return the counts of a batch, its problems, and which pairs are used; None for all.

    Raises SuspectShardError when a check fails and the batch does not know its row numbers.
    """
    used = np.ones(batch.size, bool)
    problems, kinds = list(batch.problems), Counter(problem.kind for problem in batch.problems)
    if not all(rules.passes(batch.part(*bounds), plan) for bounds in _bounds(batch.size)):
        if batch.rows is None:
            raise SuspectShardError
        examined = rules.examine(batch, batch.rows, plan)
        used &= examined.fine
        problems, kinds = [*problems, *examined.problems], kinds + Counter(examined.counts)
    problems.sort(key=attrgetter("row"))
    rejected = batch.rejected_rows + used.size - int(np.count_nonzero(used))
    ties = zeros = 0
    if plan.rules.drops_ties and batch.y is not None:
        ties = _left_out(used, batch.y == 0)
    weight = batch.numbers.get("weight")
    if weight is not None and weight.size and not weight.min() > 0:
        # Nothing times 0 matters, not even an infinite loss: such a pair is as if it were not there.
        zeros = _left_out(used, weight == 0)
    pairs = used.size - (rejected - batch.rejected_rows) - ties - zeros
    counts = Counts(pairs, rejected, ties, zeros, tally(problems, kinds))
    return counts, problems, None if pairs == used.size else used


def _left_out(used: NDArray[np.bool_], is_left_out: NDArray[np.bool_]) -> int:
    """Take pairs out of those used; return how many of them were."""
    out = used & is_left_out
    used ^= out
    return int(np.count_nonzero(out))


def score_differences(pairs: Batch, plan: Plan, out: NDArray[Any]) -> NDArray[Any]:
    """Return x1 - x2 of every pair in `out`, of the plan's dtype."""
    x1, x2 = pairs.x1, pairs.x2
    if plan.loss.dtype == "float32":  # scores are rounded before they are subtracted, as PyTorch's are
        x1, x2 = x1.astype(np.float32), x2.astype(np.float32)
    np.subtract(x1, x2, out=out)
    return out


def signed_labels(pairs: Batch, plan: Plan, out: NDArray[Any]) -> NDArray[Any]:
    """Return what the differences are multiplied by, in `out`, of the plan's dtype: ±1, or under any the label."""
    if pairs.y is None:
        out.fill(plan.rules.y_const or 1)
        return out
    with np.errstate(all="ignore"):
        np.copyto(out, pairs.y, casting="unsafe")
    if plan.rules.labels == "01":
        np.multiply(out, 2, out=out)
        np.subtract(out, 1, out=out)
    return out


class _Workspace(threading.local):
    """Buffers of a block, for each thread its own: allocated anew, they would be cleared anew."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = np.empty((3, BLOCK_VALUES))
        self.signs = np.empty((4, BLOCK_VALUES), dtype=bool)

    def numbers(self, dtype: str) -> NDArray[Any]:
        """Return three buffers of that dtype."""
        return self._numbers.view(dtype)[:, :BLOCK_VALUES]


_WORKSPACE = _Workspace()


def _computed(pairs: Batch, plan: Plan, kernel: Any) -> Block:
    """Compute the losses of at most BLOCK_VALUES pairs in this thread's buffers."""
    size, dtype = pairs.size, plan.loss.dtype
    labels, difference, losses = _WORKSPACE.numbers(dtype)[:, :size]
    is_wrong, is_correct, is_inside, is_active = _WORKSPACE.signs[:, :size]
    margin: Any = pairs.numbers.get("margin", plan.loss.margin)
    is_margin_ranking = plan.loss.name == "margin_ranking"
    with np.errstate(all="ignore"):
        if isinstance(margin, np.ndarray):
            margin = margin.astype(dtype, copy=False)
        signed_labels(pairs, plan, labels)
        score_differences(pairs, plan, difference)
        np.multiply(labels, difference, out=losses)
        np.greater(losses, 0, out=is_correct)
        np.less(losses, 0, out=is_wrong)
        if not is_margin_ranking:
            np.less(losses, margin, out=is_inside)
        kernel(difference, labels, margin=margin, out=losses)
        np.greater(losses, 0, out=is_active)
        # margin - d rounds to a number above 0 exactly where d is below the margin.
        np.logical_and(is_active if is_margin_ranking else is_inside, is_correct, out=is_inside)
        span = float(losses.min()), float(losses.max())
    return Block(losses, is_wrong, is_correct, is_inside, is_active, pairs.numbers.get("weight"), span)


def _states_of(block: Block) -> NDArray[np.uint8]:
    wrong, correct, inside, active = (
        mask.view(np.uint8) for mask in (block.is_wrong, block.is_correct, block.is_inside, block.is_active)
    )
    states: NDArray[np.uint8] = np.uint8(TIE) + 2 * correct - inside - wrong + np.uint8(ACTIVE) * active
    return states
