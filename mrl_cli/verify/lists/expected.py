"""What the reference finds for lists, and how far from it the core's figures may be."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.losses import LISTWISE, LOSSES
from mrl_cli.model import LossChoice, Plan, Ranking
from mrl_cli.records import NamedTuple
from mrl_cli.reductions.queries import PAIR_COUNTS
from mrl_cli.verify import reference
from mrl_cli.verify.validators import Compared, compared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.dtypes import Doubles
    from mrl_cli.lists.base import Lists

    Figures = dict[str, Doubles]

# How far sums may be off, as a share of what is added up: powers without LambdaRank weights have no room.
PAIRWISE_SHARE, LISTWISE_SHARE = 1e-14, 1e-12
SMALLEST = math.ulp(0.0)


class Setting(NamedTuple):
    """A loss with its parameters, LambdaRank's weights, and whether items have weights of their own."""

    loss: LossChoice
    ranking: Ranking = Ranking()
    has_weights: bool = False

    @classmethod
    def of(cls, plan: Plan) -> Setting:
        """Return the setting of a plan."""
        return cls(plan.loss, plan.ranking, plan.has_own_weights)

    @property
    def is_listwise(self) -> bool:
        """Whether the loss is one of whole lists."""
        return self.loss.name in LISTWISE

    @property
    def is_exact(self) -> bool:
        """Whether figures are those of real numbers, rounded once."""
        return not self.is_listwise and LOSSES[self.loss.name].power > 0 and self.ranking.lambda_weight == "none"

    @property
    def is_weighted(self) -> bool:
        """Whether pairs weigh something."""
        return not self.is_listwise and (self.has_weights or self.ranking.lambda_weight != "none")

    @property
    def share(self) -> float:
        """How far figures may be off, as a share of what is added up."""
        return LISTWISE_SHARE if self.is_listwise else PAIRWISE_SHARE

    def divisor(self, figures: reference.LoopFigures) -> float:
        """Return what a sum over pairs is divided by for their mean; the loss of a list is divided by nothing."""
        if self.is_listwise:
            return 1.0
        return float(figures.weight) if self.is_weighted else figures.counts["pairs"]

    @property
    def of_reference(self) -> reference.ListSetting:
        """The same for the reference."""
        loss, ranking = self.loss, self.ranking
        parameters = dict(loss.parameters)
        return reference.ListSetting(loss.name, loss.margin, parameters, ranking.lambda_weight, ranking.top)


class Expected(NamedTuple):
    """What the reference finds for one list: the figures of its pairs, its sum, the share of right ones at the top.

    Under a listwise loss the sum is that, NaN where a list has none; `top_half` is NaN for a list without pairs.
    """

    figures: reference.LoopFigures
    sum: float
    top_half: float
    items: int

    def mean(self, setting: Setting) -> float:
        """Return the mean over pairs, the loss of a list itself where it has one; NaN where there is none."""
        return self.sum if setting.is_listwise else self.figures.mean(is_weighted=setting.is_weighted)


def expected_lists(lists: Lists, setting: Setting) -> list[Expected]:
    """Return what the reference finds for each list."""
    found = []
    for number in range(lists.size):
        one = lists.part(number, number + 1)
        labels, scores = one.labels.tolist(), one.scores.tolist()
        weights = None if one.weights is None else one.weights.tolist()
        has_pairs = len(set(labels)) > 1
        top_half = reference.top_share(labels, scores) if has_pairs else math.nan
        if setting.is_listwise:
            figures, loss = _listwise(labels, scores, setting, weights)
        else:
            figures = reference.list_figures(labels, scores, setting.of_reference, weights)
            loss = float(figures.total)
        found.append(Expected(figures, loss, top_half, len(labels)))
    return found


def _listwise(
    labels: list[float], scores: list[float], setting: Setting, weights: list[float] | None
) -> tuple[reference.LoopFigures, float]:
    """Return the figures of a list under a listwise loss, and that."""
    loss = reference.listwise_loss(setting.loss.name, labels, scores, dict(setting.loss.parameters))
    counts = Counter(reference.list_figures(labels, scores, reference.ListSetting(), weights).counts)
    counts["active"] = int(loss > 0)
    span = (math.inf, -math.inf) if math.isnan(loss) else (loss, loss)
    return reference.LoopFigures(counts, lowest=span[0], highest=span[1], terms=abs(loss)), loss


def figures_expected(found: Sequence[Expected], setting: Setting) -> tuple[Figures, Figures]:
    """Return figures of lists by name, shape (lists,) each, and how far from them those of the core may be.

    Where nothing is said of how far, they must have the same bits.
    """
    rows = []
    for one in found:
        counts, weights = one.figures.counts, (float(one.figures.weight), float(one.figures.correct_weight))
        span = one.figures.lowest, one.figures.highest
        rows.append([*(counts[name] for name in PAIR_COUNTS), one.sum, *span, one.top_half, *weights])
    names = (*PAIR_COUNTS, "sum", "min", "max", "top half", "weight", "correct weight")
    expected: Figures = dict(zip(names, np.array(rows, np.float64).reshape(-1, len(names)).T, strict=True))
    if not setting.is_weighted:
        del expected["weight"], expected["correct weight"]
    if setting.is_exact:
        return expected, {}
    with np.errstate(invalid="ignore"):
        rooms = {name: setting.share * np.abs(expected[name]) for name in names[len(PAIR_COUNTS) :] if name in expected}
    rooms["sum"] = setting.share * np.array([one.figures.terms for one in found])
    return expected, rooms


def compared_figures(got: Figures, expected: Figures, rooms: Figures) -> dict[str, Compared]:
    """Return for each figure how those of the core compare: the same bits, or no further apart than there is room."""
    results = {}
    for name, ours in got.items():
        differ = compared(expected[name], ours, "float64")
        if differ.bad is not None and name in rooms:
            with np.errstate(invalid="ignore"):
                bad = differ.bad & ~(np.abs(ours - expected[name]) <= rooms[name] + 4 * SMALLEST)
            differ = differ._replace(bad=bad if bad.any() else None)
        results[name] = differ
    return results
