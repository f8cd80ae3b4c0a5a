"""What a user's function gave for the pairs of a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mrl_cli.verify.trials import Trial

    Doubles = NDArray[np.float64]


class Held:
    """A trial, and what a function gave for it; None or empty where it gave nothing.

    `losses` are of the trial's shape, or of one that is wrong; of a function that reduces they are those of the pairs
    one at a time; `are_wrong` says which differ from the right ones. `reduced` are sum and mean by name, of whatever
    shape they were returned. `gradients` are those for the scores that were handed over, `right_gradients` what they
    should be, and `scales` what they are of the gradients of single losses, by their sign too; so many
    as `wrong_gradients` differ. `dtype` is that of what was returned.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.losses: Doubles | None = None
        self.are_wrong = np.zeros(trial.x1.size, bool)
        self.reduced: dict[str, Doubles] = {}
        self.gradients: list[Doubles] | None = None
        self.right_gradients: list[Doubles] = []
        self.scales: list[float] = []
        self.wrong_gradients = 0
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

    @property
    def both_gradients(self) -> Iterator[tuple[Doubles, Doubles, float]]:
        """The gradients beside what they should be, and their scale, for each of the scores."""
        return zip(self.gradients or (), self.right_gradients, self.scales, strict=False)
