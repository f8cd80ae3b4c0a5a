"""Two models, a and b, on the same pairs: the sums and counts of what sets them apart, as a whole and by group.

Of every pair the difference of their losses is taken, a's less b's, and whether each has the pair right: what sets them
apart is judged on these differences, so what makes a pair hard for both does not blur it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from mrl_cli.exact.codes import sums_by_code, sums_of_products_by_code
from mrl_cli.records import NamedTuple, light_dataclass
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.keys import Key, coded_parts
from mrl_cli.reductions.ledger import Ledger, LedgerBlock, counts_by_code
from mrl_cli.reductions.measured import ACTIVE, BEYOND, INSIDE, STATES, TIE, Measured
from mrl_cli.reductions.totals import Totals
from mrl_cli.statistics.bootstrap import Groups

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.exact import ExactSum
    from mrl_cli.model import Plan, Role

# A pair is wrong (0), a tie (1) or right (2) under a model; its loss is lower under a (0), equal (1), higher (2) or not
# comparable (3). All three are one number, the state that a ledger counts.
_TABLE = (3, 3, 4)
_STATES = 3 * 3 * 4
_RIGHT = 2
_SIDES = np.array(
    [{TIE: 1, INSIDE: _RIGHT, BEYOND: _RIGHT}.get(state % ACTIVE, 0) for state in range(STATES)], np.uint8
)
_SIDE_A, _SIDE_B, _ORDER = np.indices(_TABLE).reshape(3, _STATES)
# What is counted of a state: each side under a and under b, right under both, and each order of the losses.
_COUNTED = np.stack(
    [
        *(side == value for side in (_SIDE_A, _SIDE_B) for value in range(3)),
        (_SIDE_A == _RIGHT) & (_SIDE_B == _RIGHT),
        *(value == _ORDER for value in range(3)),
    ],
    axis=1,
).astype(np.int64)
_OUTCOMES = 3  # only b is right (0), both or neither (1), only a (2)


@light_dataclass(frozen=True, slots=True)
class Contrast:
    """Sums and counts over pairs that two models were measured on.

    `a` and `b` are each model's own totals, without ranges. `differences` is the exact sum of the differences of their
    losses, a's less b's, `squares` that of their squares. `both` of the pairs are right under both models, `only_a` and
    `only_b` under one alone. `wins`, `ties` and `losses` count the pairs whose loss is lower under a, equal, higher.
    """

    a: Totals
    b: Totals
    differences: ExactSum
    squares: ExactSum
    both: int
    only_a: int
    only_b: int
    wins: int
    ties: int
    losses: int

    @classmethod
    def of(cls, counts: NDArray[np.int64], sums: dict[str, ExactSum]) -> Contrast:
        """Return the contrast of the counts by state and the sums that a ledger holds of a key."""
        *sides, both, wins, ties, losses = (counts @ _COUNTED).tolist()
        a, b = (
            Totals(loss_sum=sums[name], wrong=wrong, ties=ties_of, correct=correct)
            for name, (wrong, ties_of, correct) in zip("ab", (sides[:3], sides[3:]), strict=True)
        )
        return cls(
            a,
            b,
            sums["difference"],
            sums["square"],
            both=both,
            only_a=a.correct - both,
            only_b=b.correct - both,
            wins=wins,
            ties=ties,
            losses=losses,
        )


class Contrasted(NamedTuple):
    """A batch: what it adds to each group and, where there are clusters, to each cluster of a group.

    Where pairs are drawn, `differences` are float64, those of the losses, `outcomes` 1 where only a is right, -1 where
    only b is, else 0, and `codes` the places of the pairs' groups in the block: of shape (pairs,) each.
    """

    groups: LedgerBlock
    clusters: LedgerBlock | None
    differences: NDArray[np.float64]
    outcomes: NDArray[np.int8]
    codes: NDArray[np.int64]


class Contrasts:
    """All batches, in input order: sums by group and by cluster; without clusters, the pairs that a bootstrap draws.

    The keys of `by_group` have a part for each column grouped by, none where there are no groups; those of `by_cluster`
    have the cluster at the end. A cluster's counts are of the outcomes -1, 0 and 1.
    """

    def __init__(self, drawn: Groups | None, *, has_clusters: bool) -> None:
        self.by_group, self.drawn = Ledger(_STATES), drawn
        self.by_cluster = Ledger(_OUTCOMES) if has_clusters else None

    def __iadd__(self, batches: Iterable[Contrasted]) -> Self:
        """Add batches, in order. Raises UsageError when there are more groups or clusters than a ledger holds."""
        for batch in batches:
            places = self.by_group.add(batch.groups)
            if self.by_cluster is not None and batch.clusters is not None:
                self.by_cluster.add(batch.clusters)
            elif self.drawn is not None:
                self.drawn.add(batch.differences, batch.outcomes, codes=places[batch.codes])
        return self

    def groups(self) -> Iterator[tuple[Key, int, Contrast]]:
        """Yield the key of every group, the code by which its pairs are drawn, and its contrast, in order."""
        for key, place, counts, sums in self.by_group.entries():
            yield key, place, Contrast.of(counts, sums)

    @property
    def total(self) -> Contrast:
        """The contrast of all pairs, of which there are some."""
        ((_, _, counts, sums),) = self.by_group.regrouped([]).entries()
        return Contrast.of(counts, sums)


class ContrastReduction(Reduction["list[Contrasted]", Contrasts]):
    """Sets two models against each other. b's scores have the roles x1_b and x2_b; they were checked with a's, as all
    numbers are (test_bad_score_of_b_is_named): a pair counts for both models or for none.

    `samples` of a bootstrap will be drawn by `seed`; for 0 nothing is kept to draw from.
    """

    joins = True
    state = list
    needs = frozenset(("losses", "states"))
    takes_turns = True
    holds_pairs = True

    def __init__(self, plan: Plan, *, samples: int, seed: int) -> None:
        self._has_clusters, self._samples, self._seed = plan.has_clusters, samples, seed

    def add(self, state: list[Contrasted], measured: Measured) -> list[Contrasted]:
        """Measure b on the pairs that a was measured on, and set the two against each other."""
        size, models = measured.pairs.size, (measured, measured.with_scores_of_b())
        if not size:
            return state
        losses = [model.losses.astype(np.float64, copy=False) for model in models]
        sides = [_SIDES[model.states] for model in models]
        with np.errstate(invalid="ignore"):
            differences = losses[0] - losses[1]
        outcomes = (sides[0] == _RIGHT).astype(np.int8) - (sides[1] == _RIGHT)
        codes, keys = coded_parts(_keys(measured), size)
        by_group = codes, len(keys[0]) if keys else 1
        sums = {name: sums_by_code(values, *by_group) for name, values in zip("ab", losses, strict=True)}
        sums["difference"] = sums_by_code(differences, *by_group)
        sums["square"] = sums_of_products_by_code(differences, differences, *by_group)
        groups = LedgerBlock.of(keys, counts_by_code(_states(sides, losses), *by_group, _STATES), sums)
        clusters = None
        if self._has_clusters:
            of_clusters, of_keys = coded_parts(_keys(measured, "cluster"), size)
            by_cluster = of_clusters, len(of_keys[0])
            counts = counts_by_code(outcomes + 1, *by_cluster, _OUTCOMES)
            clusters = LedgerBlock.of(of_keys, counts, {"loss": sums_by_code(differences, *by_cluster)})
        drawn = size if self._samples and not self._has_clusters else 0
        state.append(Contrasted(groups, clusters, differences[:drawn], outcomes[:drawn], codes[:drawn]))
        return state

    def whole(self) -> Contrasts:
        """Return the contrast of no pairs."""
        draws_pairs = self._samples and not self._has_clusters
        return Contrasts(Groups(2, self._seed) if draws_pairs else None, has_clusters=self._has_clusters)


def _keys(measured: Measured, *further: Role) -> list[pa.Array]:
    return [measured.pairs.keys[role] for role in (*measured.plan.groups, *further)]


def _states(sides: Sequence[NDArray[np.uint8]], losses: Sequence[NDArray[np.float64]]) -> NDArray[np.uint8]:
    """Return the state of every pair, from its side and its loss under a and under b."""
    (a, b), (loss_a, loss_b) = sides, losses
    lower, equal, higher = ((compare(loss_a, loss_b)).view(np.uint8) for compare in (np.less, np.equal, np.greater))
    states: NDArray[np.uint8] = 12 * a + 4 * b + (3 - 3 * lower - 2 * equal - higher)
    return states
