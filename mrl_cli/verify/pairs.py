"""The pairs that a batch used, with the core's losses: what validators compute again and explanations look at.

Which pairs may be used is decided a second time here: no code is shared with the checks that decide it first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import as_texts
from mrl_cli.records import light_dataclass
from mrl_cli.verify import reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mrl_cli.dtypes import Array, Doubles, Mask
    from mrl_cli.model import Batch, Plan, Role
    from mrl_cli.reductions.measured import Measured


# From here on a number rounds to infinity: float32 ends half an ulp above its largest number.
INFINITE_FROM = {"float64": float("inf"), "float32": 2.0**128 - 2.0**103}
LABELS = {"pm1": (-1, 1), "01": (0, 1), "strength": (-1, 1)}


@light_dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of one file as columns of shape (n,), and `one_margin` for all of them where they have none of their own.

    The columns are float64: x1, x2, y as the loss takes it (1 and -1 where labels are 0 and 1), `computed`, the core's
    losses, and where there are any margin, weight and loss, the user's own losses. `group` holds tuples of texts,
    `place` where a pair stands in its shard, and `row` its row number, where that is known.
    """

    columns: dict[str, Array]
    one_margin: float
    file: str
    row_word: str

    @property
    def size(self) -> int:
        """How many pairs there are."""
        return int(self.columns["x1"].size)

    @property
    def margin(self) -> float | Doubles:
        """The margin of each pair, or the one of all."""
        return self.columns.get("margin", self.one_margin)

    def taken(self, which: Any) -> Pairs:
        """Return some of the pairs."""
        return self.with_columns({name: values[which] for name, values in self.columns.items()})

    def with_columns(self, columns: dict[str, Array]) -> Pairs:
        """Return the pairs with columns added or in place of their own."""
        return replace(self, columns={**self.columns, **columns})


def pairs_of(measured: Measured, start: int = 0) -> Pairs:
    """Return the pairs that were used of a batch, which begins at `start` in its shard, with their losses.

    The batch is masked here, not by the core.
    """
    batch, plan, y = measured.batch, measured.plan, measured.batch.y
    columns: dict[str, Array] = {str(role): values for role, values in batch.numbers.items()}
    if y is None:
        columns["y"] = np.full(batch.size, float(plan.rules.y_const or 1))
    else:
        columns["y"] = np.where(y == 0, -1.0, 1.0) if plan.rules.labels == "01" else y.astype(np.float64)
    columns |= _scores_of(batch.computed_from, plan)
    columns |= {
        role: np.where(batch.filled[role], number, columns[role])
        for role, number in plan.reading.fills
        if role in batch.filled
    }
    columns["place"] = np.arange(start, start + batch.size)
    if batch.rows is not None:
        columns["row"] = np.asarray(batch.rows, np.int64)
    if plan.has_groups:
        parts = (as_texts(batch.keys[role]).to_pylist() for role in plan.groups)
        columns["group"] = np.fromiter(zip(*parts, strict=True), object, batch.size)
    pairs = Pairs(columns, plan.loss.margin, batch.file, batch.row_word)
    if measured.used is not None:
        pairs = pairs.taken(measured.used)
    return pairs.with_columns({"computed": measured.losses.astype(np.float64, copy=False)})


def _scores_of(read: Mapping[Role, Array], plan: Plan) -> dict[str, Array]:
    """Return the scores, by name, that are computed from what was read: in a loop, whatever the core made of it."""
    columns: dict[str, list[float]] = {role: values.tolist() for role, values in read.items()}
    scores: dict[str, Array] = {}
    for name, of in (("x1", "x1"), ("x2", "x2"), ("x1", "difference")):
        if of in columns:
            less = columns.get(f"{of}_reference")
            scores[name] = np.array(reference.scores(columns[of], less, plan.reading.scale, plan.loss.dtype))
    return scores if "difference" not in columns else scores | {"x2": np.zeros(len(columns["difference"]))}


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Return the pairs of several batches as one: their numbers, not where they stand."""
    names = set(parts[0].columns) - {"place", "row"}
    return replace(parts[0], columns={name: np.concatenate([part.columns[name] for part in parts]) for name in names})


def first_of(parts: Iterable[Pairs], most: int) -> tuple[Pairs, ...]:
    """Return the first pairs, at most so many."""
    taken = []
    for pairs in parts:
        if most > 0:
            taken.append(pairs.taken(slice(most)))
        most -= pairs.size
    return tuple(taken)


def usable(batch: Batch, plan: Plan) -> tuple[Mask, Counter[str]]:
    """Return which pairs of a batch may be used under the plan's rules, a mask of shape (n,), and how many are not.

    Scores and margins are finite in the plan's dtype, labels within the rule, weights finite and not below 0; then a
    label 0 may be a tie to drop, and a weight 0 leaves its pair out. The user's own losses may be anything.
    """
    limit = INFINITE_FROM[plan.loss.dtype]
    columns = [values for role, values in batch.numbers.items() if role not in ("loss", "weight")]
    fine: Mask = np.logical_and.reduce([np.abs(values) < limit for values in columns])
    is_tie = np.zeros(batch.size, bool)
    if batch.y is not None and plan.rules.labels == "probability":
        fine &= (batch.y >= 0) & (batch.y <= 1)
    elif batch.y is not None and plan.rules.labels != "any":
        low, high = LABELS[plan.rules.labels]
        is_tie = (batch.y == 0) & (low == -1 and plan.rules.on_tie == "drop")
        fine &= (batch.y == low) | (batch.y == high) | is_tie
    weight = batch.numbers.get("weight", np.ones(1))
    fine &= (weight >= 0) & (weight < INFINITE_FROM["float64"])
    is_tie &= fine
    is_weightless = fine & ~is_tie & (weight == 0)
    used = fine & ~is_tie & ~is_weightless
    masks = {"pairs": used, "rejected": ~fine, "ties_dropped": is_tie, "zero_weight": is_weightless}
    return used, Counter({name: int(np.count_nonzero(mask)) for name, mask in masks.items()})
