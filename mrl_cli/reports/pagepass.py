"""What is folded for the report page on pairs, in one pass, and under which plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mrl_cli.errors import UsageError
from mrl_cli.model import USUAL_CONFIDENCE
from mrl_cli.reductions.cellsums import CellSumsReduction
from mrl_cli.reductions.worst import WorstReduction
from mrl_cli.reports.compute import compute_reductions
from mrl_cli.statistics.calibration import KNOTS

if TYPE_CHECKING:
    from mrl_cli.model import Plan
    from mrl_cli.reductions.base import Reduction


def page_plan(plan: Plan, worst: int, *, has_models: bool) -> Plan:
    """Return a plan with intervals and calibration where there can be some, for so many of the worst pairs.

    Raises UsageError for two models with weights.
    """
    if has_models and plan.has_weights:
        raise UsageError("two models are compared without weights", hint="leave out --weight, and --strength weight")
    of_d = {"describes": True, "is_drawn": not plan.has_weights}  # the sums of cells have the weights of their pairs
    calibration = plan.rules.says_better
    return with_intervals(plan).changed(**of_d, calibration=calibration, counts_lines=worst > 0)


def with_intervals(plan: Plan) -> Plan:
    """Return a plan with intervals, of the usual confidence where none is given; without weights alone."""
    is_plain = plan.reporting.confidence is None and not plan.has_weights
    return plan.changed(confidence=USUAL_CONFIDENCE) if is_plain else plan


def page_reductions(
    plan: Plan, worst: int, *, has_models: bool
) -> tuple[list[Reduction[Any, Any]], list[Reduction[Any, Any]]]:
    """Return what stands in for `compute_reductions`, and what comes after: the worst pairs if any, and the models."""
    further: list[Reduction[Any, Any]] = [WorstReduction(worst)] if worst else []
    if has_models:
        from mrl_cli.reductions.joint import ModelsReduction  # most pages are on one model

        further.append(ModelsReduction(plan))
    return [compute_reductions(plan)[0], CellSumsReduction(plan, KNOTS)], further
