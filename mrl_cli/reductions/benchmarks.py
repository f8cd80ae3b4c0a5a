"""What benchmarks of reward models count of lists beside their pairs; `BENCHMARKS` is where one is entered.

RewardBench 2 (Malik et al. 2025, "RewardBench 2: Advancing Reward Model Evaluation", arXiv 2506.01937) counts by subset
whether a right answer is at the top, and has a score of its own for the subset Ties. RM-Bench (Liu et al. 2024,
"RM-Bench: Benchmarking Reward Models of Language Models with Subtlety and Style", arXiv 2410.16184) compares answers of
several styles: a chosen one in a plain style with a rejected one in a richer style is hard.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.errors import DataError
from mrl_cli.lists.base import Lists
from mrl_cli.lists.orders import levels_of, top_shares
from mrl_cli.records import NamedTuple, light_dataclass
from mrl_cli.reductions.base import Reduction
from mrl_cli.words import counted, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mrl_cli.model import Batch
    from mrl_cli.reductions.measured import Measured

TIES = "ties"  # the subset, in any case
REFERENCE, TIED = "ref", "tied"


class TiesList(NamedTuple):
    """A list of the subset Ties: its kind, REFERENCE or TIED, and its number, which one of each kind has.

    `gap` is the lowest score of a right answer less the highest of a wrong one, `spread` the highest of a right answer
    less the lowest.
    """

    kind: str
    number: int
    gap: float
    spread: float


@light_dataclass(frozen=True, slots=True)
class RewardBench2:
    """How many lists of each subset have which share of the top right, and the lists of Ties."""

    shares: dict[str, Counter[float]] = field(default_factory=dict)
    ties: list[TiesList] = field(default_factory=list)

    def __add__(self, other: RewardBench2) -> RewardBench2:
        names = self.shares | other.shares
        shares = {name: self.shares.get(name, Counter()) + other.shares.get(name, Counter()) for name in names}
        return RewardBench2(shares, self.ties + other.ties)


class RewardBench2Reduction(Reduction[RewardBench2, RewardBench2]):
    """Counts what RewardBench 2 does. Raises DataError for a row of Ties that its score cannot be had of."""

    state = RewardBench2

    def add(self, state: RewardBench2, measured: Measured) -> RewardBench2:
        """Count the lists of a batch."""
        lists, keys = _lists(measured.pairs), measured.pairs.list_keys
        if lists is None:
            return state
        none = [""] * lists.size
        subsets = keys["subset"].to_pylist() if "subset" in keys else none
        ids = keys["key"].to_pylist() if "key" in keys else none
        full = np.flatnonzero(lists.sizes)
        lists_there = lists._replace(starts=np.append(lists.starts[full], lists.starts[-1]))
        shares = dict(zip(full.tolist(), top_shares(lists_there, levels_of(lists_there)).tolist(), strict=True))
        for place, subset in enumerate(subsets):
            if subset.lower() == TIES:
                state.ties.append(_ties_list(lists.part(place, place + 1), ids[place], _named(measured, place)))
            elif not math.isnan(shares.get(place, math.nan)):  # as it is without a right and a wrong answer
                state.shares.setdefault(subset, Counter())[shares[place]] += 1
        return state


def _lists(pairs: Batch) -> Lists | None:
    """Return the lists of a batch; None for that of an input without rows, which has no columns either."""
    sizes = pairs.list_sizes
    return None if sizes is None else Lists(np.append(0, np.cumsum(sizes)), pairs.numbers["y"], pairs.numbers["score"])


def _named(measured: Measured, place: int) -> str:
    """Return what messages call a list of a batch."""
    batch = measured.batch
    return f"{batch.file}: {batch.row_word} {(batch.list_rows or ())[place]}"


def _ties_list(one: Lists, name: str, where: str) -> TiesList:
    kind, _, number = name.partition(":")
    if kind not in (REFERENCE, TIED) or not (number.isascii() and number.isdecimal()):
        msg = f"{where}: the id {harmless(name) or '(none)'} is not {REFERENCE}:NUMBER or {TIED}:NUMBER"
        raise DataError(msg, hint="rows of Ties have such ids; without --preset, name --score, --num-correct")
    right, wrong = one.scores[one.labels == 1], one.scores[one.labels == 0]
    if not wrong.size or right.size < (2 if kind == TIED else 1):
        msg = f"{where}: {harmless(name)} has {counted(right.size, 'right answer')} and {wrong.size} wrong"
        raise DataError(msg, hint="a row of Ties has right and wrong answers, a tied one several right ones")
    lowest = right.min()
    return TiesList(kind, int(number), float(lowest - wrong.max()), float(right.max() - lowest))


class Styles(NamedTuple):
    """Of pairs of chosen and rejected answers, by style: how many are right, and how many there are.

    In the order of `STYLES`: the chosen one's style after, equal to and before that of the rejected one.
    """

    correct: NDArray[np.int64]
    pairs: NDArray[np.int64]


STYLES = ("easy", "normal", "hard")


def _no_styles() -> Styles:
    return Styles(np.zeros(len(STYLES), np.int64), np.zeros(len(STYLES), np.int64))


class RMBenchReduction(Reduction[Styles, Styles]):
    """Counts what RM-Bench does, of rows with as many chosen answers as rejected ones."""

    state = staticmethod(_no_styles)

    def add(self, state: Styles, measured: Measured) -> Styles:
        """Count the pairs of a batch by their styles."""
        lists = _lists(measured.pairs)
        if lists is None:
            return state
        for place in range(lists.size):
            one = lists.part(place, place + 1)
            chosen, rejected = one.scores[one.labels == 1], one.scores[one.labels == 0]
            is_right = chosen[:, None] > rejected[None, :]
            for index, part in enumerate(_by_style(is_right)):
                state.correct[index] += np.count_nonzero(part)
                state.pairs[index] += part.size
        return state

    def merge(self, whole: Styles, state: Styles, _part: Any) -> Styles:
        """Add the counts of the next task."""
        return Styles(whole.correct + state.correct, whole.pairs + state.pairs)


def _by_style(is_right: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """Yield the parts of the matrix of chosen (rows) and rejected answers, by style, in the order of STYLES."""
    rows, columns = np.indices(is_right.shape)
    yield is_right[rows > columns]
    yield is_right[rows == columns]
    yield is_right[rows < columns]


BENCHMARKS: dict[str, type[Reduction[Any, Any]]] = {"rewardbench2": RewardBench2Reduction, "rmbench": RMBenchReduction}
