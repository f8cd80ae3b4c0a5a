"""Two models on the same pairs: beside their contrast, how many pairs have which two differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.records import NamedTuple
from mrl_cli.reductions.base import Reduction
from mrl_cli.reductions.contrast import Contrasted, ContrastReduction, Contrasts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mrl_cli.model import Plan
    from mrl_cli.reductions.measured import Measured

_BITS = 16  # of a double that a cell is called by: the sign, the exponent and 4 bits of the fraction
_SHIFT = np.uint64(64 - _BITS)
HALF_SIZE = 32  # squares from 0 in which every cell lies within one: beyond, cells are wider
TAIL = 0.002  # the share of pairs that may lie outside, of those of either model


class Square(NamedTuple):
    """Squares of one width: of the pairs of each, (column, row, pairs); `first` is where they begin, in widths."""

    width: float
    first: int
    size: int
    cells: list[tuple[int, int, int]]
    outside: int


class JointCells:
    """Counts of pairs by the cells of both differences; `+=` merges, and adding does not depend on the order.

    `codes`, ascending, are those of a's cell and b's, `counts` the pairs in them, of shape (cells,) each.
    """

    def __init__(self) -> None:
        self.codes, self.counts = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def add(self, a: NDArray[Any], b: NDArray[Any]) -> None:
        """Count pairs by their differences."""
        codes = [((of.astype(np.float64) + 0.0).view(np.uint64) >> _SHIFT).view(np.int64) for of in (a, b)]
        self._add(*np.unique(codes[0] << _BITS | codes[1], return_counts=True))

    def __iadd__(self, other: JointCells) -> JointCells:
        self._add(other.codes, other.counts)
        return self

    def _add(self, codes: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        every, places = np.unique(np.concatenate([self.codes, codes]), return_inverse=True)
        whole = np.zeros(every.size, np.int64)
        np.add.at(whole, places, np.concatenate([self.counts, counts]))
        self.codes, self.counts = every, whole

    def square(self) -> Square:
        """Return the pairs in squares of the least width, a power of two, that leaves few outside."""
        starts = [_starts(self.codes >> _BITS), _starts(self.codes & (1 << _BITS) - 1)]
        sizes = np.concatenate([np.abs(np.where(np.isfinite(of), of, 0.0)) for of, _ in starts])
        order = np.argsort(sizes)
        reached = np.cumsum(np.concatenate([self.counts, self.counts])[order])
        most = float(sizes[order[np.searchsorted(reached, (1 - TAIL) * reached[-1])]]) if reached.size else 1.0
        exponent = max(int(np.frexp(most)[1]) - HALF_SIZE.bit_length() + 1, -1074) if most else 0
        steps = [_steps(*of, exponent) for of in starts]
        is_in = np.logical_and.reduce([(of >= -HALF_SIZE) & (of < HALF_SIZE) for of in steps])
        columns, rows = (of[is_in].astype(int) for of in steps)
        first = int(min(columns.min(), rows.min(), -1)) if columns.size else -1
        last = int(max(columns.max(), rows.max(), 0)) if columns.size else 0
        size = last + 1 - first
        pairs = np.bincount((columns - first) * size + rows - first, self.counts[is_in])
        cells = [(place // size, place % size, int(pairs[place])) for place in np.flatnonzero(pairs).tolist()]
        return Square(float(np.ldexp(1.0, exponent)), first, size, cells, int(self.counts[~is_in].sum()))


def _starts(codes: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return where cells begin, at the end that is nearer to 0, and whether they are below 0."""
    sign = 1 << _BITS - 1
    magnitudes = (codes & sign - 1).view(np.uint64) << _SHIFT
    is_below = (codes & sign) != 0
    return np.where(is_below, -1.0, 1.0) * magnitudes.view(np.float64), is_below


def _steps(starts: NDArray[np.float64], is_below: NDArray[np.bool_], exponent: int) -> NDArray[np.float64]:
    """Return which square each cell is in, counted from 0 on; an edge belongs to the one that is farther from 0."""
    with np.errstate(over="ignore"):
        steps = np.floor(np.ldexp(np.abs(starts), -exponent))
    return np.where(is_below, -1 - steps, steps)


class ModelsReduction(Reduction["tuple[list[Contrasted], JointCells]", "tuple[Contrasts, JointCells]"]):
    """Contrasts two models, and counts their differences; no pairs are kept to draw from."""

    joins = True
    takes_turns = True
    needs = ContrastReduction.needs | {"differences"}

    def __init__(self, plan: Plan) -> None:
        self._contrast = ContrastReduction(plan, samples=0, seed=0)

    def empty(self) -> tuple[list[Contrasted], JointCells]:
        """Return the state of no pairs."""
        return self._contrast.empty(), JointCells()

    def add(self, state: tuple[list[Contrasted], JointCells], measured: Measured) -> Any:
        """Add a batch."""
        state[1].add(measured.differences, measured.with_scores_of_b().differences)
        return self._contrast.add(state[0], measured), state[1]

    def join(self, state: Any, next_state: Any) -> Any:
        """Return the states of two tasks as one."""
        joint = state[1]
        joint += next_state[1]
        return self._contrast.join(state[0], next_state[0]), joint

    def whole(self) -> tuple[Contrasts, JointCells]:
        """Return the contrast of no pairs, and no cells."""
        return self._contrast.whole(), JointCells()

    def merge(self, whole: tuple[Contrasts, JointCells], state: Any, part: Any) -> tuple[Contrasts, JointCells]:
        """Merge the state of the next task."""
        joint = whole[1]
        joint += state[1]
        return self._contrast.merge(whole[0], state[0], part), joint
