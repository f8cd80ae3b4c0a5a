"""What a user's function gave for the pairs of a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.verify.trials import Trial

    Doubles = NDArray[np.float64]


class Slope(NamedTuple):
    """A gradient beside what it should be, and what that is of the gradients of single losses, by their sign too."""

    own: Doubles
    right: Doubles
    scale: float
    wrong: int  # so many of it differ


class Held:
    """A trial, and what a function gave for it; None or empty where it gave nothing.

    `losses` are of the trial's shape, or of one that is wrong; of a function that reduces they are those of the pairs
    one at a time; `are_wrong` says which differ from the right ones. `reduced` are sum and mean by name, of whatever
    shape they were returned. `slopes` are the gradients for the scores that were handed over, by the
    reduction of which they are: "none", "sum" or "mean". `dtype` is that of what was returned.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.losses: Doubles | None = None
        self.are_wrong = np.zeros(trial.x1.size, bool)
        self.reduced: dict[str, Doubles] = {}
        self.slopes: dict[str, list[Slope]] = {}
        self.dtype = trial.dtype

    @property
    def is_of_pairs(self) -> bool:
        """Whether there are as many losses as pairs."""
        return self.losses is not None and self.losses.size == self.trial.x1.size

    @property
    def own(self) -> Doubles:
        """The losses as an array of shape (n,); there must be as many as pairs."""
        if self.losses is None:
            msg = "no losses were returned"
            raise ValueError(msg)
        return self.losses.reshape(-1)
