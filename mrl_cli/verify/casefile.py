"""The suite as a file: pairs, margins and expected losses, for an implementation in another language to be held to.

Its own losses are added as a column, which `mrl validate --loss-column` reads. That also knows such a file by its
columns, and takes the margins from it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.inputs import Source, columns_of
from mrl_cli.losses import LOSSES
from mrl_cli.reports.base import Line, Report, Rows, Table
from mrl_cli.verify.vectors import Vector, trials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.model import Plan

MARGIN = "margin"
COLUMNS = ("case", "x1", "x2", "y", MARGIN, "expected_loss")


class CaseFile(Report):
    """The suite's pairs under the loss, dtype and labels of a plan: those that are finite, and whose losses are.

    There is a column of margins unless the loss has none, or there is one `margin` for all.
    """

    def __init__(self, plan: Plan, margin: float | None) -> None:
        has_margins = LOSSES[plan.loss.name].has_margin and margin is None
        self.names = COLUMNS if has_margins else tuple(name for name in COLUMNS if name != MARGIN)
        found = trials(plan, margin, plan.loss.dtype)
        self.pairs = [dict(zip(COLUMNS, row, strict=True)) for trial in found for row in _rows_of(trial)]

    def lines(self) -> list[dict[str, Any]]:
        """Return a record for each pair."""
        return [{name: pair[name] for name in self.names} for pair in self.pairs]

    def record(self) -> list[dict[str, Any]]:
        """Return a record for each pair."""
        return self.lines()

    def cells(self) -> Rows:
        """Return a row for each pair."""
        return self.names, [list(line.values()) for line in self.lines()]

    def blocks(self) -> list[Table | Line]:
        """Return the same rows."""
        names, rows = self.cells()
        return [Table(names, [list(row) for row in rows], numbers=len(names) - 1)]


def _rows_of(trial: Vector) -> Iterator[tuple[Any, ...]]:
    """Yield a row for each pair that every format can hold."""
    if not trial.is_finite:
        return
    name = re.sub(r"\(([\d, ]*)\)", _plain_shape, trial.name)
    columns = (trial.x1, trial.x2, trial.labels, trial.losses)
    for x1, x2, y, loss in zip(*(values.tolist() for values in columns), strict=True):
        if np.isfinite(loss):
            yield name, x1, x2, y, trial.margin, loss


def _plain_shape(shape: re.Match[str]) -> str:
    """Return a shape without the commas that a simple reader of CSV would split at: (5, 5) is 5x5."""
    return "x".join(re.findall(r"\d+", shape[1])) or "1"


def with_margins(plan: Plan, source: Source) -> Plan:
    """Return the plan with the column of margins of a file that this module wrote; for another file, the plan."""
    if not LOSSES[plan.loss.name].has_margin or not set(COLUMNS) <= set(columns_of(source, plan)):
        return plan
    return plan.changed(columns=replace(plan.columns, numbers=(("margin", MARGIN), *plan.columns.numbers)))
