"""From pairs to totals: checks, labels, the loss kernel and the counts, block by block.

The only room that masks pairs. It holds a few buffers of one block each, so that what a block's values go through
happens in the cache.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from functools import partial
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.arrow import as_arrow
from mrl_cli.errors import SuspectShardError
from mrl_cli.exact import BLOCK_VALUES, ExactAccumulator, ProductAccumulator
from mrl_cli.losses import LOSSES
from mrl_cli.model import FIRST_PROBLEMS_SHOWN, Look, PairBatch, ProblemCount, Totals, rules
from mrl_cli.reductions.look import grids_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.model import Plan, Problem, Role
    from mrl_cli.reductions.ledger import GroupBlock, Pairs

_FEW_LABELS = 64
GROUPING_ROLES: tuple[Role, ...] = ("group", "cluster")


class Measured(NamedTuple):
    """What became of a batch: its totals, and under reduction none the losses of the pairs used and where they stood.

    `losses` has shape (totals.pairs,) and the plan's dtype. `used` is None when every pair of the batch was used,
    else a mask of shape (n,). `problems` are in row order: all of them where the plan lists
    them, else the reader's own and the first few of each kind. `keyed` are the pairs used with their keys, where the
    plan has keys.
    """

    totals: Totals
    problems: list[Problem]
    losses: NDArray[Any] | None = None
    used: NDArray[np.bool_] | None = None
    keyed: KeyedPairs | None = None


class KeyedPairs(NamedTuple):
    """Pairs, and the columns that hold the parts of their keys, Arrow arrays as long."""

    columns: list[pa.Array]
    pairs: Pairs


def measure(batch: PairBatch, plan: Plan) -> Measured:
    """Return totals (and losses) of a batch.

    Raises SuspectShardError when a check fails and the batch does not know its row numbers.
    """
    meter = _Meter(plan)
    masks = [meter.add(block) for block in _blocks(batch)]
    problems, counts = list(batch.problems), meter.counts
    if problems or counts:
        problems = sorted([*problems, *meter.problems], key=attrgetter("row"))
        counts = Counter(problem.kind for problem in batch.problems) + Counter(counts)
    used = np.concatenate(masks) if masks and meter.pairs < batch.x1.size else None
    totals = meter.totals(
        rejected=meter.rejected + batch.rejected_rows,
        problems=tally(problems, counts),
        look=_look(batch, used, plan) if meter.pairs else Look(),
    )
    losses = np.concatenate([*meter.losses, np.empty(0, plan.dtype)]) if plan.reduction == "none" else None
    return Measured(totals, problems, losses, used, _keyed(batch, meter, used))


def _look(batch: PairBatch, used: NDArray[np.bool_] | None, plan: Plan) -> Look:
    pairs = used_pairs(batch, used)
    if pairs.y is None:
        return Look(grids_of(pairs.x1, pairs.x2))
    few = pairs.y[:_FEW_LABELS]
    # Where only two labels are allowed, the few may show both, and then they are the lowest and the highest.
    labels = few if plan.labels != "any" and few.min() < few.max() else pairs.y
    return Look(grids_of(pairs.x1, pairs.x2), float(labels.min()), float(labels.max()))


def block_by_key(found: Measured, plan: Plan) -> GroupBlock | None:
    """Return the totals of a batch by key, where the plan has keys and a pair was used."""
    if found.keyed is None:
        return None
    from mrl_cli.reductions.ledger import group_block  # a run without groups starts without them

    return group_block(*found.keyed, with_squares=plan.wants_squares)


def _keyed(batch: PairBatch, meter: _Meter, used: NDArray[np.bool_] | None) -> KeyedPairs | None:
    columns = [batch.keys[role] for role in GROUPING_ROLES if role in batch.keys]
    if not columns or not meter.kept_pairs:
        return None
    from mrl_cli.reductions.ledger import Pairs

    if used is not None:
        columns = [column.filter(as_arrow(used)) for column in columns]
    losses, states, weights = zip(*meter.kept_pairs, strict=True)
    weight = None if weights[0] is None else np.concatenate(weights)
    pairs = Pairs(np.concatenate(losses).astype(np.float64, copy=False), np.concatenate(states), weight)
    return KeyedPairs(columns, pairs)


def tally(problems: Iterable[Problem], counts: Mapping[str, int]) -> dict[str, ProblemCount]:
    """Return for each kind how many problems there are, and the first few of those given."""
    first: dict[str, ProblemCount] = {}
    for problem in problems:
        first[problem.kind] = first.get(problem.kind, ProblemCount()) + ProblemCount(1, (problem,))
    return {kind: ProblemCount(counts[kind], found.first) for kind, found in first.items()}


def _blocks(batch: PairBatch) -> Iterator[PairBatch]:
    """Yield a batch in as few blocks as it takes, all about as long: what a block costs does not depend on its size."""
    count = -(-batch.x1.size // BLOCK_VALUES)
    if count == 1:
        yield batch
        return
    bounds = [batch.x1.size * place // count for place in range(count + 1)] if count else []
    for start, stop in pairwise(bounds):
        yield _slice(batch, start, stop)


def _slice(batch: PairBatch, start: int, stop: int) -> PairBatch:
    rows = None if batch.rows is None else batch.rows[start:stop]
    y = None if batch.y is None else batch.y[start:stop]
    numbers = {role: values[start:stop] for role, values in batch.numbers.items()}
    return PairBatch(batch.file, batch.x1[start:stop], batch.x2[start:stop], y, rows, batch.row_word, numbers=numbers)


def used_pairs(batch: PairBatch, used: NDArray[np.bool_] | None) -> PairBatch:
    """Return the pairs of a batch that were used: `used` as in Measured. Rows and keys stay behind."""
    if used is None:
        return batch
    y = None if batch.y is None else batch.y[used]
    numbers = {role: values[used] for role, values in batch.numbers.items()}
    return PairBatch(batch.file, batch.x1[used], batch.x2[used], y, numbers=numbers)


def score_differences(pairs: PairBatch, plan: Plan, out: NDArray[Any]) -> NDArray[Any]:
    """Return x1 - x2 of every pair in `out`, of the plan's dtype."""
    x1, x2 = pairs.x1, pairs.x2
    if plan.dtype == "float32":  # scores are rounded before they are subtracted, as PyTorch's are
        x1, x2 = x1.astype(np.float32), x2.astype(np.float32)
    np.subtract(x1, x2, out=out)
    return out


def signed_labels(pairs: PairBatch, plan: Plan, out: NDArray[Any]) -> NDArray[Any]:
    """Return what the differences are multiplied by, in `out`, of the plan's dtype: ±1, or under any the label."""
    if pairs.y is None:
        out.fill(plan.y_const or 1)
        return out
    np.copyto(out, pairs.y, casting="unsafe")
    if plan.labels == "01":
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


class _Meter:
    """Adds up blocks of at most BLOCK_VALUES pairs."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._kernel = partial(LOSSES[plan.loss].kernel, **dict(plan.parameters))
        self._is_margin_ranking = plan.loss == "margin_ranking"
        self._labels, self._difference, self._losses = _WORKSPACE.numbers(plan.dtype)
        self._signs = _WORKSPACE.signs
        self._sum = ExactAccumulator()
        is_weighted = any(role == "weight" for role, _ in plan.columns.numbers)
        # Of w*l, of w, and of w where the pair is correct.
        self._weighted = ProductAccumulator(masks=2) if is_weighted else None
        self._square = ProductAccumulator() if plan.wants_squares else None
        self._has_keys = plan.has_groups or plan.has_clusters
        self.pairs = self._correct = self._wrong = self._inside = self._active = 0
        self._ties_dropped = self._zero_weight = 0
        self._min, self._max = math.inf, -math.inf
        self.rejected = 0
        self.problems: list[Problem] = []
        self.counts: dict[str, int] = {}
        self.losses: list[NDArray[Any]] = []
        self.kept_pairs: list[tuple[NDArray[Any], NDArray[np.uint8], NDArray[np.float64] | None]] = []

    def add(self, block: PairBatch) -> NDArray[np.bool_]:
        """Measure a block; return which of its pairs were used."""
        used = np.ones(block.x1.size, dtype=bool)
        if not rules.passes(block, self._plan):
            if block.rows is None:
                raise SuspectShardError
            examined = rules.examine(block, block.rows, self._plan)
            used = examined.fine
            self.problems += examined.problems if self._plan.lists_problems else self._first_of(examined.problems)
            for kind, count in examined.counts.items():
                self.counts[kind] = self.counts.get(kind, 0) + count
            self.rejected += used.size - int(np.count_nonzero(used))
        if self._plan.on_tie == "drop" and block.y is not None and self._plan.labels == "pm1":
            self._ties_dropped += _left_out(used, block.y == 0)
        if "weight" in block.numbers and not block.numbers["weight"].min() > 0:
            # Nothing times 0 matters, not even an infinite loss: such a pair is as if it were not there.
            self._zero_weight += _left_out(used, block.numbers["weight"] == 0)
        if used.all():
            self._add_pairs(block)
        elif used.any():
            self._add_pairs(used_pairs(block, used))
        return used

    def _add_pairs(self, pairs: PairBatch) -> None:
        size = pairs.x1.size
        loss = self._losses[:size]
        is_wrong, is_correct, is_inside, is_active = self._signs[:, :size]
        margin = pairs.numbers.get("margin", self._plan.margin)
        with np.errstate(all="ignore"):
            labels = signed_labels(pairs, self._plan, self._labels[:size])
            difference = score_differences(pairs, self._plan, self._difference[:size])
            if self._plan.dtype == "float32":
                margin = margin.astype(np.float32) if isinstance(margin, np.ndarray) else margin
            np.multiply(labels, difference, out=loss)
            self._correct += int(np.count_nonzero(np.greater(loss, 0, out=is_correct)))
            self._wrong += int(np.count_nonzero(np.less(loss, 0, out=is_wrong)))
            if not self._is_margin_ranking:
                np.less(loss, margin, out=is_inside)
            self._kernel(difference, labels, margin=margin, out=loss)
            self._active += int(np.count_nonzero(np.greater(loss, 0, out=is_active)))
            # margin - d rounds to a number above 0 exactly where d is below the margin.
            is_below = is_active if self._is_margin_ranking else is_inside
            self._inside += int(np.count_nonzero(np.logical_and(is_below, is_correct, out=is_inside)))
        self._add_losses(loss, is_correct, pairs.numbers.get("weight"))
        self.pairs += size
        if self._plan.reduction == "none":
            self.losses.append(loss.copy())
        if self._has_keys:
            from mrl_cli.reductions.ledger import states_of

            states = states_of(self._signs[:, :size])
            self.kept_pairs.append((loss.copy(), states, pairs.numbers.get("weight")))

    def _add_losses(
        self, loss: NDArray[Any], is_correct: NDArray[np.bool_], weight: NDArray[np.float64] | None
    ) -> None:
        lowest, highest = float(loss.min()), float(loss.max())
        self._min, self._max = float(np.minimum(self._min, lowest)), float(np.maximum(self._max, highest))
        if weight is None or self._weighted is None:
            self._sum.add(loss, lowest=lowest, highest=highest)
        else:
            weights = float(weight.min()), float(weight.max())
            self._weighted.add(weight, loss, (None, is_correct), ranges=(weights, (lowest, highest)))
        if self._square is not None:
            self._square.add(loss, loss, ranges=((lowest, highest), (lowest, highest)))

    def _first_of(self, problems: list[Problem]) -> list[Problem]:
        """Return those of the problems that are among the first few of their kind in the batch."""
        seen = Counter(problem.kind for problem in self.problems)
        first = []
        for problem in problems:
            seen[problem.kind] += 1
            if seen[problem.kind] <= FIRST_PROBLEMS_SHOWN:
                first.append(problem)
        return first

    def totals(self, *, rejected: int, problems: dict[str, ProblemCount], look: Look) -> Totals:
        """Return what was added up, with what only the batch as a whole can tell."""
        sums = (self._sum.total, None, None) if self._weighted is None else self._weighted.totals
        loss_sum, weight_sum, correct_weight_sum = sums
        return Totals(
            loss_sum=loss_sum,
            pairs=self.pairs,
            rejected=rejected,
            problems=problems,
            look=look,
            ties_dropped=self._ties_dropped,
            min=self._min,
            max=self._max,
            correct=self._correct,
            ties=self.pairs - self._correct - self._wrong,
            wrong=self._wrong,
            active=self._active,
            inside_margin=self._inside,
            zero_weight=self._zero_weight,
            weight_sum=weight_sum,
            correct_weight_sum=correct_weight_sum,
            square_sum=None if self._square is None else self._square.totals[0],
        )


def _left_out(used: NDArray[np.bool_], is_left_out: NDArray[np.bool_]) -> int:
    """Take pairs out of those used; return how many of them were."""
    out = used & is_left_out
    used ^= out
    return int(np.count_nonzero(out))
