"""A batch measured: which of its pairs are used, and what the loss makes of them, in blocks that fit the cache."""

from __future__ import annotations

from collections import Counter
from copy import copy
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import SuspectShardError
from mrl_cli.exact import BLOCK_VALUES, Scratch
from mrl_cli.losses import LOSSES, of_probabilities
from mrl_cli.model import Counts, added_problems, rules, tally
from mrl_cli.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from numpy.typing import NDArray

    from mrl_cli.model import Batch, Plan, Problem

# The state of a pair, as a small number: where d = y*(x1 - x2) stands, plus ACTIVE where its loss is above 0.
WRONG, TIE, INSIDE, BEYOND, ACTIVE = 0, 1, 2, 3, 4
STATES = 8

_NUMBERS, _SIGNS = Scratch(3), Scratch(4, dtype=bool)


class Block(NamedTuple):
    """Some pairs in the cache: arrays of shape (n,) that hold until the next block is asked for.

    `range` are the least and greatest loss, NaN where there is a NaN. Of the correct pairs, those inside have d below
    the margin. `differences` are d where Measured keeps them.
    """

    pairs: Batch
    losses: NDArray[Any]
    is_wrong: NDArray[np.bool_]
    is_correct: NDArray[np.bool_]
    is_inside: NDArray[np.bool_]
    is_active: NDArray[np.bool_]
    weight: NDArray[np.float64] | None
    range: tuple[float, float]
    differences: NDArray[Any] | None

    @property
    def states(self) -> NDArray[np.uint8]:
        """The state of every pair: WRONG, TIE, INSIDE or BEYOND, plus ACTIVE."""
        states = np.uint8(ACTIVE) * self.is_active.view(np.uint8)
        states += TIE
        states += 2 * self.is_correct.view(np.uint8)
        states -= self.is_inside.view(np.uint8)
        states -= self.is_wrong.view(np.uint8)
        return states


class Measured:
    """The pairs of a batch that are used, and what the loss makes of them.

    `used` is None when every pair of the batch was used, else a mask of shape (batch.size,); `pairs` are those used.
    `losses`, `states` and `differences` (d), of shape (pairs.size,), are kept where `keeps` names them, and else
    computed when first asked for; losses and differences have the plan's dtype. `problems` are in row order: all of
    them where the plan lists them, else the reader's own and the first few of each kind.

    `is_quick` leaves it to a second reading to name what is wrong. Then, and for a batch that does not know its row
    numbers, SuspectShardError is raised when a check fails: where all pairs are used not before they are computed or
    counted, for a block is checked and measured while it is in the cache.
    """

    def __init__(self, batch: Batch, plan: Plan, keeps: Set[str] = frozenset(), *, is_quick: bool = False) -> None:
        self.batch, self.plan = batch, plan
        self._is_checked = not is_quick and batch.rows is not None
        self._counts, self.problems, self.used = _admitted(batch, plan, names_problems=self._is_checked)
        if self.used is not None:
            self._check(batch)
        # Row numbers stay behind: a list of those of some rows takes more memory than all columns.
        self.pairs = batch if self.used is None else replace(batch, rows=None).where(self.used)
        self._keeps = keeps
        self._kept: dict[str, NDArray[Any]] = {}
        self._of_b: Measured | None = None

    def with_scores_of_b(self) -> Measured:
        """Return the same pairs under the scores of the second model, whose columns have the roles x1_b and x2_b."""
        if self._of_b is None:
            other = copy(self)
            numbers = self.pairs.numbers
            other.pairs = self.pairs.with_numbers({"x1": numbers["x1_b"], "x2": numbers["x2_b"]})
            other._is_checked, other._kept = True, {}  # all numbers of a pair are checked together
            self._of_b = other
        return self._of_b

    @property
    def counts(self) -> Counts:
        """How many rows there are, and why some are not used."""
        self._check(self.batch)
        return self._counts

    @property
    def losses(self) -> NDArray[Any]:
        """The loss of every pair used."""
        return self._whole("losses")

    @property
    def states(self) -> NDArray[np.uint8]:
        """The state of every pair used: WRONG, TIE, INSIDE or BEYOND, plus ACTIVE."""
        return self._whole("states")

    @property
    def differences(self) -> NDArray[Any]:
        """The difference y*(x1 - x2) of every pair used."""
        return self._whole("differences")

    def _whole(self, name: str) -> NDArray[Any]:
        if name not in self._kept:
            self._keeps = {*self._keeps, name} | {"losses", "states"}
            for _ in self.blocks():
                pass
        return self._kept[name]

    def blocks(self) -> Iterator[Block]:
        """Compute the losses of the pairs used, block by block."""
        kinds = {"losses": self.plan.loss.dtype, "states": "uint8", "differences": self.plan.loss.dtype}
        kept = {name: np.empty(self.pairs.size, kinds[name]) for name in kinds if name in self._keeps}
        kernel = partial(kernel_of(self.plan), **dict(self.plan.loss.parameters))
        start = 0
        for pairs in self.parts(BLOCK_VALUES):
            stop = start + pairs.size
            outs = (kept[name][start:stop] if name in kept else None for name in ("differences", "losses"))
            block = _computed(pairs, self.plan, kernel, *outs)
            if "states" in kept:
                kept["states"][start:stop] = block.states
            yield block
            start = stop
        self._kept = kept

    def parts(self, most: int) -> Iterator[Batch]:
        """Return the pairs used in as few parts of at most `most` pairs as it takes, all about as long."""
        whole = 0
        for part in _parts(self.pairs, most):
            ones = 0 if self._is_checked else rules.ones_passing(part, self.plan)
            if ones is None:
                raise SuspectShardError
            whole += ones
            yield part
        self._has_passed(whole)

    def _check(self, batch: Batch) -> None:
        ones = 0 if self._is_checked else _ones_passing(batch, self.plan)
        if ones is None:
            raise SuspectShardError
        self._has_passed(ones)

    def _has_passed(self, ones: int) -> None:
        if not self._is_checked:
            self._is_checked, self._counts = True, replace(self._counts, ones=ones)


def _parts(batch: Batch, most: int) -> Iterator[Batch]:
    """Cut pairs into parts all about as long: what a part costs hardly depends on its size."""
    count = -(-batch.size // most)
    for place in range(count):
        start, stop = (batch.size * edge // count for edge in (place, place + 1))
        yield batch if count == 1 else batch.part(start, stop)


def _ones_passing(batch: Batch, plan: Plan) -> int | None:
    """Return as `rules.ones_passing` does, block by block."""
    whole = 0
    for part in _parts(batch, BLOCK_VALUES):
        ones = rules.ones_passing(part, plan)
        if ones is None:
            return None
        whole += ones
    return whole


def _admitted(
    batch: Batch, plan: Plan, *, names_problems: bool
) -> tuple[Counts, list[Problem], NDArray[np.bool_] | None]:
    """Return the counts of a batch, its problems, and which pairs are used; None for all.

    Pairs are checked where their problems can be named.
    """
    used: NDArray[np.bool_] | None = None
    problems, kinds = list(batch.problems), Counter(problem.kind for problem in batch.problems)
    kinds.update(batch.unlisted)
    labels, ones = batch.bad_labels, 0
    rejected = ties = zeros = 0
    fine: NDArray[np.bool_] | bool = True
    if names_problems and (passing := _ones_passing(batch, plan)) is not None:
        ones = passing
    elif names_problems and batch.rows is not None:
        examined = rules.examine(batch, batch.rows, plan)
        problems, kinds = [*problems, *examined.problems], kinds + Counter(examined.counts)
        fine, ones = examined.fine, examined.ones(batch, plan)
        labels = added_problems(labels, examined.labels)
        used, rejected = _without(used, ~fine)
    problems.sort(key=attrgetter("row"))
    if plan.rules.drops_ties and batch.y is not None:
        used, ties = _without(used, batch.y == 0)
    weight = None if plan.has_lists else batch.numbers.get("weight")
    if weight is not None and weight.size and not weight.min() > 0:
        # Nothing times 0 matters, not even an infinite loss: such a pair is as if it were not there. An item of a list
        # stays: other items still stand above it.
        used, zeros = _without(used, weight == 0)
    pairs = batch.size - rejected - ties - zeros
    left_out = batch.rejected_rows + rejected, ties, zeros, batch.skipped_rows
    named = {f"filled_{role}": int(np.count_nonzero(mask & fine)) for role, mask in batch.filled.items()}
    named |= {"unjudged": batch.unjudged_rows, "missing": batch.missing_rows, "missing_as_zero": batch.missing_as_zero}
    if batch.list_sizes is not None:
        named["file_rows"] = batch.list_sizes.size + batch.rejected_rows
    paths = {(batch.file, path): absent for path, absent in batch.paths.items()}
    counts = Counts(pairs, *left_out, tally(problems, kinds), labels, paths=paths, ones=ones, **named)
    return counts, problems, None if pairs == batch.size else used


def _without(used: NDArray[np.bool_] | None, is_left_out: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], int]:
    """Take pairs out of those used, None for all; return those that stay used, and how many were taken out."""
    out = is_left_out if used is None else used & is_left_out
    return ~out if used is None else used & ~out, int(np.count_nonzero(out))


def score_differences(pairs: Batch, plan: Plan, out: NDArray[Any]) -> NDArray[Any]:
    """Return x1 - x2 of every pair in `out`, of the plan's dtype."""
    x1, x2 = pairs.x1, pairs.x2
    if plan.loss.dtype == "float32":  # scores are rounded before they are subtracted, as PyTorch's are
        x1, x2 = x1.astype(np.float32), x2.astype(np.float32)
    np.subtract(x1, x2, out=out)
    return out


def kernel_of(plan: Plan) -> Any:
    """Return the kernel of the plan's loss, which takes `loss_labels`."""
    kernel = LOSSES[plan.loss.name].kernel
    return of_probabilities(kernel) if plan.rules.labels == "probability" else kernel


def is_negative_part(plan: Plan) -> bool:
    """Return whether the loss of every pair is max(0, -d), of which nothing is rounded, and d a number."""
    loss = plan.loss
    is_plain = loss.name == "margin_ranking" and not loss.margin and plan.column_of("margin") is None
    return is_plain and plan.rules.says_better


def signed_labels(pairs: Batch, plan: Plan, out: NDArray[Any]) -> NDArray[Any]:
    """Return what the differences are multiplied by, in `out`, of the plan's dtype: ±1, or under any the label.

    Of a probability it is the likelier side: 0, that of neither, for one half.
    """
    loss_labels(pairs, plan, out)
    if plan.rules.labels == "probability" and pairs.y is not None:
        np.sign(np.subtract(out, 0.5, out=out), out=out)
    return out


def loss_labels(pairs: Batch, plan: Plan, out: NDArray[Any]) -> NDArray[Any]:
    """Return what the loss takes for y, in `out`, of the plan's dtype: the signed label, or a probability as it is."""
    if pairs.y is None:
        out.fill(plan.rules.y_const or 1)
        return out
    np.copyto(out, pairs.y)
    if plan.rules.labels == "01":
        np.multiply(out, 2, out=out)
        np.subtract(out, 1, out=out)
    return out


def _computed(
    pairs: Batch, plan: Plan, kernel: Any, differences: NDArray[Any] | None, losses: NDArray[Any] | None
) -> Block:
    """Compute the losses of at most BLOCK_VALUES pairs in `losses`, and d in `differences`.

    All else, and losses where there is no array for them, is in this thread's buffers.
    """
    size, dtype = pairs.size, plan.loss.dtype
    labels, difference, buffer = _NUMBERS.of(size).view(dtype)[:, :size]
    losses = buffer if losses is None else losses
    is_wrong, is_correct, is_inside, is_active = _SIGNS.of(size)
    margin: Any = pairs.numbers.get("margin", plan.loss.margin)
    is_probable = plan.rules.labels == "probability"
    is_margin_ranking = plan.loss.name == "margin_ranking" and not is_probable
    with np.errstate(all="ignore"):
        if isinstance(margin, np.ndarray):
            margin = margin.astype(dtype, copy=False)
        signed_labels(pairs, plan, labels)
        score_differences(pairs, plan, difference)
        signed = np.multiply(labels, difference, out=losses if differences is None else differences)
        np.greater(signed, 0, out=is_correct)
        np.less(signed, 0, out=is_wrong)
        if not is_margin_ranking:
            np.less(signed, margin, out=is_inside)
        if is_probable:
            loss_labels(pairs, plan, labels)
        kernel(difference, labels, margin=margin, out=losses)
        np.greater(losses, 0, out=is_active)
        # margin - d rounds to a number above 0 exactly where d is below the margin.
        np.logical_and(is_active if is_margin_ranking else is_inside, is_correct, out=is_inside)
        span = float(losses.min()), float(losses.max())
    weight = pairs.numbers.get("weight")
    return Block(pairs, losses, is_wrong, is_correct, is_inside, is_active, weight, span, differences)


def are_correct(states: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return whether each pair is in the right order."""
    correct: NDArray[np.bool_] = (states & ~np.uint8(ACTIVE)) >= INSIDE
    return correct
