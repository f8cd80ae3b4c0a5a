"""What tests of internals find out about a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.reductions.measured import Measured
from mrl_cli.reductions.totals import Totals, TotalsReduction

if TYPE_CHECKING:
    from mrl_cli.model import Batch, Plan


def totals_of(batch: Batch, plan: Plan, *, squares: bool = False) -> Totals:
    """Return the totals of the pairs of a batch that are used."""
    return TotalsReduction(squares=squares).add(Totals(), Measured(batch, plan))
