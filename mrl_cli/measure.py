"""From pairs to totals: checks, labels, the loss kernel and the counts, block by block.

The only room that masks pairs. It holds a few buffers of one block each, so that what a block's values go through
happens in the cache.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli import checks
from mrl_cli.errors import SuspectShardError
from mrl_cli.exact import BLOCK_VALUES, ExactAccumulator
from mrl_cli.losses import LOSSES
from mrl_cli.model import FIRST_PROBLEMS_SHOWN, PairBatch, ProblemCount, Report, Totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from mrl_cli.model import Plan, Problem


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of a batch: its totals, and under reduction none the losses of the pairs used and where they stood.

    `losses` has shape (totals.pairs,) and the plan's dtype. `used` is None when every pair of the batch was used,
    else a mask of shape (n,). `problems` are in row order: all of them where the plan lists
    them, else the reader's own and the first few of each kind.
    """

    totals: Totals
    problems: list[Problem]
    losses: NDArray[Any] | None = None
    used: NDArray[np.bool_] | None = None


def measure(batch: PairBatch, plan: Plan) -> Measured:
    """Return totals (and losses) of a batch.

    Raises SuspectShardError when a check fails and the batch does not know its row numbers.
    """
    meter = _Meter(plan)
    masks = [meter.add(_slice(batch, start, start + BLOCK_VALUES)) for start in range(0, batch.x1.size, BLOCK_VALUES)]
    problems = sorted([*batch.problems, *meter.problems], key=attrgetter("row"))
    totals = replace(
        meter.totals(),
        rejected=meter.rejected + batch.rejected_rows,
        problems=tally(problems, Counter(p.kind for p in batch.problems) + Counter(meter.counts)),
    )
    used = np.concatenate(masks) if masks and totals.pairs < batch.x1.size else None
    losses = np.concatenate([*meter.losses, np.empty(0, plan.dtype)]) if plan.reduction == "none" else None
    return Measured(totals, problems, losses, used)


def tally(problems: Iterable[Problem], counts: Mapping[str, int]) -> dict[str, ProblemCount]:
    """Return for each kind how many problems there are, and the first few of those given."""
    first: dict[str, ProblemCount] = {}
    for problem in problems:
        first[problem.kind] = first.get(problem.kind, ProblemCount()) + ProblemCount(1, (problem,))
    return {kind: ProblemCount(counts[kind], found.first) for kind, found in first.items()}


def _slice(batch: PairBatch, start: int, stop: int) -> PairBatch:
    rows = None if batch.rows is None else batch.rows[start:stop]
    y = None if batch.y is None else batch.y[start:stop]
    return PairBatch(batch.file, batch.x1[start:stop], batch.x2[start:stop], y, rows, batch.row_word)


class _Meter:
    """Adds up blocks of at most BLOCK_VALUES pairs."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._kernel = partial(LOSSES[plan.loss].kernel, **dict(plan.parameters))
        dtype = np.dtype(plan.dtype)
        self._labels, self._difference, self._loss = (np.empty(BLOCK_VALUES, dtype) for _ in range(3))
        self._sign = np.empty(BLOCK_VALUES, dtype=bool)
        self._sum = ExactAccumulator()
        self._pairs = self._correct = self._wrong = self._active = self._ties_dropped = 0
        self._min, self._max = math.inf, -math.inf
        self.rejected = 0
        self.problems: list[Problem] = []
        self.counts: dict[str, int] = {}
        self.losses: list[NDArray[Any]] = []

    def add(self, block: PairBatch) -> NDArray[np.bool_]:
        """Measure a block; return which of its pairs were used."""
        used = np.ones(block.x1.size, dtype=bool)
        if not checks.passes(block.x1, block.x2, block.y, self._plan):
            if block.rows is None:
                raise SuspectShardError
            examined = checks.examine(block, block.rows, self._plan)
            used = examined.fine
            self.problems += examined.problems if self._plan.lists_problems else self._first_of(examined.problems)
            for kind, count in examined.counts.items():
                self.counts[kind] = self.counts.get(kind, 0) + count
            self.rejected += used.size - int(np.count_nonzero(used))
        if self._plan.on_tie == "drop" and block.y is not None and self._plan.labels == "pm1":
            tied = used & (block.y == 0)
            self._ties_dropped += int(np.count_nonzero(tied))
            used &= ~tied
        if used.all():
            self._add_pairs(block.x1, block.x2, block.y)
        elif used.any():
            self._add_pairs(block.x1[used], block.x2[used], None if block.y is None else block.y[used])
        return used

    def _add_pairs(self, x1: NDArray[np.float64], x2: NDArray[np.float64], y: NDArray[Any] | None) -> None:
        size = x1.size
        difference, loss, sign = self._difference[:size], self._loss[:size], self._sign[:size]
        with np.errstate(all="ignore"):
            labels = self._signed_labels(y, size)
            if self._plan.dtype == "float32":  # scores are rounded before they are subtracted, as PyTorch's are
                x1, x2 = x1.astype(np.float32), x2.astype(np.float32)
            np.subtract(x1, x2, out=difference)
            np.multiply(labels, difference, out=loss)
            self._correct += int(np.count_nonzero(np.greater(loss, 0, out=sign)))
            self._wrong += int(np.count_nonzero(np.less(loss, 0, out=sign)))
            self._kernel(difference, labels, margin=self._plan.margin, out=loss)
            self._active += int(np.count_nonzero(np.greater(loss, 0, out=sign)))
        lowest, highest = float(loss.min()), float(loss.max())
        self._sum.add(loss, lowest=lowest, highest=highest)
        self._min, self._max = float(np.minimum(self._min, lowest)), float(np.maximum(self._max, highest))
        self._pairs += size
        if self._plan.reduction == "none":
            self.losses.append(loss.copy())

    def _first_of(self, problems: list[Problem]) -> list[Problem]:
        """Return those of the problems that are among the first few of their kind in the batch."""
        seen = Counter(problem.kind for problem in self.problems)
        first = []
        for problem in problems:
            seen[problem.kind] += 1
            if seen[problem.kind] <= FIRST_PROBLEMS_SHOWN:
                first.append(problem)
        return first

    def _signed_labels(self, y: NDArray[Any] | None, size: int) -> NDArray[Any]:
        labels = self._labels[:size]
        if y is None:
            labels.fill(self._plan.y_const or 1)
        else:
            np.copyto(labels, y, casting="unsafe")
            if self._plan.labels == "01":
                np.multiply(labels, 2, out=labels)
                np.subtract(labels, 1, out=labels)
        return labels

    def totals(self) -> Totals:
        return Totals(
            loss_sum=self._sum.total,
            pairs=self._pairs,
            ties_dropped=self._ties_dropped,
            min=self._min,
            max=self._max,
            correct=self._correct,
            ties=self._pairs - self._correct - self._wrong,
            wrong=self._wrong,
            active=self._active,
        )


def report(totals: Totals, plan: Plan, *, inputs: tuple[str, ...], version: str, elapsed_seconds: float) -> Report:
    """Return what `mrl compute` says of totals: sums rounded once, means over pairs, NaN over nothing."""
    pairs = totals.pairs
    total = float(totals.loss_sum) if totals.loss_sum is not None else 0.0
    total, mean, lowest, highest = (
        _rounded(number, plan)
        for number in (
            total,
            total / pairs if pairs else math.nan,
            totals.min if pairs else math.nan,
            totals.max if pairs else math.nan,
        )
    )
    return Report(
        schema="mrl.compute/1",
        version=version,
        inputs=inputs,
        loss=plan.loss,
        margin=plan.margin,
        parameters=dict(plan.parameters) or None,
        reduction=plan.reduction,
        dtype=plan.dtype,
        labels=plan.labels,
        value={"mean": mean, "sum": total, "none": None}[plan.reduction],
        pairs=pairs,
        rejected=totals.rejected,
        ties_dropped=totals.ties_dropped,
        sum=total,
        mean=mean,
        min=lowest,
        max=highest,
        correct=totals.correct,
        ties=totals.ties,
        wrong=totals.wrong,
        accuracy=totals.correct / pairs if pairs else math.nan,
        accuracy_half=(totals.correct + totals.ties / 2) / pairs if pairs else math.nan,
        active=totals.active,
        elapsed_seconds=elapsed_seconds,
    )


def _rounded(number: float, plan: Plan) -> float:
    with np.errstate(over="ignore"):
        return float(np.dtype(plan.dtype).type(number))
