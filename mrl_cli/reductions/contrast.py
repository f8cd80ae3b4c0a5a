"""Two models, a and b, on the same pairs: the sums and counts of what sets them apart.

Of every pair the difference of their losses is taken, a's less b's, and whether each has the pair right: what sets them
apart is judged on these differences, so what makes a pair hard for both does not blur it.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.records import light_dataclass
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.ledger import Ledger, ledger_block
from mrl_cli.reductions.measured import BEYOND, TIE, WRONG, are_correct
from mrl_cli.reductions.totals import Totals, TotalsReduction
from mrl_cli.statistics.bootstrap import Groups

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from mrl_cli.model import Plan
    from mrl_cli.reductions.ledger import LedgerBlock
    from mrl_cli.reductions.measured import Measured

_STATES = np.array([TIE, BEYOND, WRONG], np.uint8)  # by outcome: 0, 1 and, from the end, -1


@light_dataclass(frozen=True, slots=True)
class Contrast:
    """Sums and counts over pairs that two models were measured on; `Contrast()` is the identity of `+`.

    `a` and `b` are each model's own totals. `differences` is the exact sum of the differences of their losses, a's less
    b's, `squares` that of their squares. `both` of the pairs are right under both models, `only_a` and `only_b` under
    one alone. `wins`, `ties` and `losses` count the pairs whose loss is lower under a, equal, and higher.
    """

    a: Totals = field(default_factory=Totals)
    b: Totals = field(default_factory=Totals)
    differences: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)
    both: int = 0
    only_a: int = 0
    only_b: int = 0
    wins: int = 0
    ties: int = 0
    losses: int = 0

    def __add__(self, other: Contrast) -> Contrast:
        return Contrast(*(getattr(self, name) + getattr(other, name) for name in Contrast.__match_args__))


class Contrasted(NamedTuple):
    """A batch: its contrast, and for each pair used the difference of the losses and of being right.

    `differences` are float64, `outcomes` 1 where only a is right, -1 where only b is, else 0; both of shape
    (contrast.a.pairs,). `clusters` are both by cluster, where the batch has clusters: the differences as losses, the
    outcomes as BEYOND, TIE and WRONG.
    """

    contrast: Contrast
    differences: NDArray[np.float64]
    outcomes: NDArray[np.int8]
    clusters: LedgerBlock | None


class Contrasts:
    """All batches, in input order: their contrast, their clusters where the plan has some, groups for the bootstrap."""

    def __init__(self, groups: Groups | None, ledger: Ledger | None) -> None:
        self.total, self.groups, self.ledger = Contrast(), groups, ledger

    def __iadd__(self, batches: Iterable[Contrasted]) -> Self:
        """Add batches, in order. Raises UsageError when there are more clusters than a ledger holds."""
        for batch in batches:
            self.total += batch.contrast
            if self.ledger is None and self.groups is not None:
                self.groups.add(batch.differences, batch.outcomes)
            elif self.ledger is not None and batch.clusters is not None:
                self.ledger.add(batch.clusters)
        return self


class ContrastReduction(Reduction["list[Contrasted]", Contrasts]):
    """Sets two models against each other. b's scores have the roles x1_b and x2_b; they were checked with a's, as all
    numbers are (test_bad_score_of_b_is_named): a pair counts for both models or for none.

    `samples` of a bootstrap will be drawn by `seed`; for 0 nothing is kept to draw from.
    """

    state = list
    needs = frozenset(("losses", "states"))
    takes_turns = True
    holds_pairs = True

    def __init__(self, plan: Plan, *, samples: int, seed: int) -> None:
        self._has_clusters, self._samples, self._seed = plan.has_clusters, samples, seed
        self._totals = TotalsReduction()

    def add(self, state: list[Contrasted], measured: Measured) -> list[Contrasted]:
        """Measure b on the pairs that a was measured on, and set the two against each other."""
        models = measured, measured.with_scores_of_b()
        a, b = (self._totals.add(Totals(), model) for model in models)
        losses_a, losses_b = (model.losses for model in models)
        right_a, right_b = (are_correct(model.states) for model in models)
        with np.errstate(invalid="ignore"):
            differences = losses_a.astype(np.float64, copy=False) - losses_b.astype(np.float64, copy=False)
        both, wins, ties, losses = (
            int(np.count_nonzero(mask))
            for mask in (right_a & right_b, losses_a < losses_b, losses_a == losses_b, losses_a > losses_b)
        )
        contrast = Contrast(
            a,
            b,
            ExactSum.of(differences),
            ExactSum.of_products(differences, differences),
            both=both,
            only_a=a.correct - both,
            only_b=b.correct - both,
            wins=wins,
            ties=ties,
            losses=losses,
        )
        outcomes = right_a.astype(np.int8) - right_b.astype(np.int8)
        clusters = None
        if self._has_clusters:
            clusters = ledger_block([measured.pairs.keys["cluster"]], differences, _STATES[outcomes])
        state.append(Contrasted(contrast, differences, outcomes, clusters))
        return state

    def whole(self) -> Contrasts:
        """Return the contrast of no pairs."""
        groups = Groups(2, self._seed) if self._samples else None
        return Contrasts(groups, Ledger() if self._has_clusters else None)
