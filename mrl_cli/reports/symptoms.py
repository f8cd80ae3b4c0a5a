"""What remedies for rows with problems are chosen from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.model.problems import NOT_A_NUMBER, Counts, Problem, ProblemCount
from mrl_cli.records import NamedTuple
from mrl_cli.words import harmless

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mrl_cli.model import Plan, Role
    from mrl_cli.reductions.look import Look


class Symptoms(NamedTuple):
    """What remedies are chosen from: counts, the plan, a look at the data, the names of the options that there are,
    how many scores pairs may point at, and what was said of inputs that are logs of training.
    """

    counts: Counts
    plan: Plan
    look: Look
    options: Collection[str]
    scores: int | None = None
    may_skip: bool = True
    logs: Sequence[str] = ()

    def first(self, kind: str) -> tuple[Problem, ...]:
        """Return the first few problems of a kind."""
        return self.counts.problems.get(kind, ProblemCount()).first

    def first_of_all(self, kind: str) -> tuple[Problem, ...]:
        """Return the first few problems of a kind that every row has in that column, none of one that some have."""
        problems = self.counts.problems.get(kind, ProblemCount())
        is_of_all = len({problem.column for problem in problems.first}) * self.counts.rows <= problems.count
        return problems.first if is_of_all else ()

    def role_of(self, problem: Problem) -> Role:
        """Return the first role of the column in which a problem is."""
        return next(role for role, name in self.plan.columns.wanted if harmless(name) == problem.column)

    @property
    def are_all_bad(self) -> bool:
        """Whether leaving bad rows out would leave nothing."""
        return self.counts.pairs == 0

    @property
    def bad_columns(self) -> list[str]:
        """The columns in which the first few cells are that hold no number, the first first."""
        return list(dict.fromkeys(problem.column or "" for problem in self.first(NOT_A_NUMBER)))
