"""What is reported of many groups, computed and held as columns: no object for each group until it is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.arrow import as_texts
from mrl_cli.exact.blocks import cut
from mrl_cli.exact.codes import SumsByCode, quotients
from mrl_cli.reductions.keys import Key, keys_of, taken
from mrl_cli.reports.figures import Facts, figures_of, ratio, reported_figures
from mrl_cli.statistics.columns import exact_means, mean_intervals, standard_deviations, wilson_intervals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from mrl_cli.model import Plan
    from mrl_cli.reductions.ledger import Ledger
    from mrl_cli.reports.base import Report
    from mrl_cli.reports.figures import Figure

    Made = Callable[[Key, dict[str, Any]], Report]
    Block = Callable[[], list[Any]]

GROUPS_AT_ONCE = 1 << 15  # that become text, or reports


class GroupColumns(Sequence[Any]):
    """The reports of groups as columns: `figures` are their names, and a report is made when it is asked for.

    Groups are the keys of `ledger`, and figures are computed of GROUPS_AT_ONCE when they are wanted; `made` makes a
    report of a key and its figures.
    """

    def __init__(self, ledger: Ledger, plan: Plan, made: Made) -> None:
        self._block, self._order, self._plan, self._made = ledger.block, ledger.order, plan, made
        self._figures = reported_figures(plan, of_groups=True)
        self.figures = [figure.key for figure in self._figures]

    def __len__(self) -> int:
        return self._order.size

    def __getitem__(self, place: Any) -> Any:
        places = range(len(self))[place]
        if isinstance(places, range):
            return [self[one] for one in places]
        return next(self._reports(*self._taken(slice(places, places + 1))))

    def __iter__(self) -> Iterator[Report]:
        for here in cut(len(self), GROUPS_AT_ONCE):
            yield from self._reports(*self._taken(here))

    def blocks(self, keys: Sequence[str], settings: Mapping[str, Any] | None = None) -> Iterator[Block]:
        """Yield what computes the columns of some groups after the other: the parts of their keys, then these.

        A key is that of a figure, or of a setting, which is the same for all.
        """

        def columns(here: slice) -> list[Any]:
            parts, figures = self._taken(here)
            return [*parts, *map({**(settings or {}), **figures}.get, keys)]

        return (partial(columns, here) for here in cut(len(self), GROUPS_AT_ONCE))

    @property
    def parts(self) -> int:
        """How many parts a key has."""
        return len(self._block.keys)

    def column(self, key: str) -> NDArray[np.float64]:
        """Return a figure of every group, shape (groups,)."""
        figures = [figure for figure in self._figures if figure.key == key]
        parts = [self._figures_of(here, figures)[key] for here in cut(len(self), GROUPS_AT_ONCE)]
        return np.concatenate([*parts, np.zeros(0)])[self._order]  # of no groups too

    def _figures_of(self, places: NDArray[np.int64] | slice, figures: Sequence[Figure]) -> dict[str, NDArray[Any]]:
        return figures_of(ColumnFacts(self._block.totals(places), self._plan), figures)

    def _taken(self, here: slice) -> tuple[list[pa.Array], dict[str, NDArray[Any]]]:
        places = self._order[here]
        parts = [as_texts(taken(part, places)) for part in self._block.keys]
        return parts, self._figures_of(places, self._figures)

    def _reports(self, parts: list[pa.Array], figures: dict[str, NDArray[Any]]) -> Iterator[Report]:
        rows = zip(*(column.tolist() for column in figures.values()), strict=True)
        for key, row in zip(keys_of(parts), rows, strict=True):
            yield self._made(key, dict(zip(figures, row, strict=True)))


class ColumnFacts(Facts):
    """What the figures of many groups are computed from, at once: each fact is an array with a place for each group.

    So are the fields of its totals, but for sums: those are `SumsByCode`.
    """

    totals: Any
    sum: Any
    mean: Any
    mean_interval: Any
    accuracy_interval: Any

    def __init__(self, totals: Any, plan: Plan) -> None:
        self.totals, self.plan, self._size = totals, plan, totals.pairs.size
        self.sum = self._sum_of("loss").rounded(self._size)
        has_weights = totals.weight_sum is not None
        self.mean = self._quotient("loss", "weight") if has_weights else ratio(self.sum, totals.pairs)
        for code in () if has_weights else np.flatnonzero(np.isinf(self.mean)).tolist():  # only the sum may overflow
            self.mean[code] = self._sum_of("loss").at(code).over(int(totals.pairs[code]))
        self.value = self.sum if plan.reporting.reduction == "sum" else self.mean
        if plan.reporting.confidence is not None:
            confidence, sums = plan.reporting.confidence, (self._sum_of("loss"), self._sum_of("square"))
            self.mean_interval = mean_intervals(totals.pairs, *sums, confidence)
            self.accuracy_interval = wilson_intervals(totals.correct, totals.pairs, confidence)

    def _sum_of(self, name: str) -> SumsByCode:
        return getattr(self.totals, f"{name}_sum") or SumsByCode()

    def _quotient(self, above: str, below: str) -> Any:
        return quotients(self._sum_of(above), self._sum_of(below), self._size)

    def of_range(self, bound: Any) -> Any:
        """Return the least or the greatest losses, NaN where there are none."""
        return np.where(self.totals.min > self.totals.max, math.nan, bound)

    @property
    def total_weight(self) -> Any:
        """The sums of weights, rounded once."""
        return self._sum_of("weight").rounded(self._size)

    @property
    def accuracy_weighted(self) -> Any:
        """The weights of the correct pairs over those of all."""
        return self._quotient("correct_weight", "weight")

    def mean_of(self, name: str) -> Any:
        """Return the means of what totals describe by that name, unweighted and rounded once."""
        return exact_means(self._sum_of(name), self.totals.pairs)

    @property
    def difference_sd(self) -> Any:
        """The standard deviations of d = y*(x1 - x2)."""
        return standard_deviations(self.totals.pairs, self._sum_of("difference"), self._sum_of("difference_square"))
