"""What a validation is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.records import light_dataclass
from mrl_cli.verify.validators import TOLERANCES, Tolerance

if TYPE_CHECKING:
    from mrl_cli.model import Plan

COLUMN_PAIRS = 200_000  # a mistake that is everywhere shows in so many consecutive rows
VALUE_PAIRS = 1_000_000  # up to so many pairs are kept whole; beyond, the files are read again


@light_dataclass(frozen=True, slots=True)
class Request:
    """What to validate: losses under `plan` against validators, and the user's own numbers within a tolerance.

    `expect` is the user's value, None for none. With `sample`, so many pairs are checked, which ones depends on `seed`.
    """

    plan: Plan
    against: tuple[str, ...] = ("loop",)
    tolerance: Tolerance | None = None
    expect: float | None = None
    sample: int | None = None
    seed: int = 0

    @property
    def allowed(self) -> Tolerance:
        """The tolerance, else that of the dtype."""
        return TOLERANCES[self.plan.loss.dtype] if self.tolerance is None else self.tolerance

    @property
    def has_losses(self) -> bool:
        """Whether the user has losses of each pair, in a column."""
        return self.plan.columns.name_of("loss") is not None

    @property
    def most_pairs(self) -> int:
        """How many pairs are kept to explain the user's numbers from."""
        of_column = COLUMN_PAIRS if self.has_losses else 0
        return max(of_column, VALUE_PAIRS if self.expect is not None else 0)
