"""Pictures as data: what each shows, and the sentence that says what is seen. `render` draws them."""

from __future__ import annotations

import math

from mrl_cli.records import light_dataclass


@light_dataclass(frozen=True, slots=True)
class Region:
    """A part of a distribution: its name, and its share of the whole; `is_bad` where no pair should be."""

    name: str
    share: float
    is_bad: bool = False


@light_dataclass(frozen=True, slots=True)
class Distribution:
    """How many pairs have which difference: bar i counts those from start + i * width on, below the next one.

    `below` and `above` are outside of all bars, and `ties` have no difference. `regions` are cut at `knots`, of which 0
    is one: one more than those. `losses` are the sums of the losses in each bar, where they are drawn.
    """

    title: str
    variable: str
    start: float
    width: float
    counts: tuple[int, ...]
    below: int
    above: int
    knots: tuple[float, ...]
    regions: tuple[Region, ...]
    ties: int = 0
    unit: str = "pairs"
    losses: tuple[float, ...] = ()

    @property
    def loss_shares(self) -> list[float]:
        """Which share of their sum the losses of each bar are; empty where there is none, or one is not finite."""
        largest = max(self.losses, default=0.0)
        if not (largest > 0 and all(map(math.isfinite, self.losses))):
            return []
        exponent = math.frexp(largest)[1]
        scaled = [math.ldexp(loss, -exponent) for loss in self.losses]  # their sum may be beyond the doubles
        total = math.fsum(scaled)
        return [loss / total for loss in scaled]


@light_dataclass(frozen=True, slots=True)
class Series:
    """A column of a `Curves`: a name, and a number for each row; shares are told in percent."""

    name: str
    values: tuple[float, ...]
    is_share: bool = False


@light_dataclass(frozen=True, slots=True)
class Curves:
    """Several numbers against one: row i is at `at[i]`, and `marked` is the row that was asked for, if it is there."""

    title: str
    variable: str
    at: tuple[float, ...]
    series: tuple[Series, ...]
    marked: int | None = None


@light_dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its interval, of so many pairs; `expected` is what a model says it is."""

    name: str
    pairs: int
    share: float
    low: float
    high: float
    expected: float | None = None


@light_dataclass(frozen=True, slots=True)
class Estimates:
    """Shares beside one another, with what dot and diamond stand for.

    `least` and `greatest` are where the scale begins and ends, and `figure` is what the shares are called; `whole` is
    the share of all, drawn as a line. The share of n pairs differs from it where it is more than `band` standard
    deviations of it away.
    """

    title: str
    variable: str
    estimates: tuple[Estimate, ...]
    legend: str
    least: float = 0.0
    whole: float | None = None
    left_out: int = 0
    band: float | None = None
    greatest: float = 1.0
    figure: str = "right"


@light_dataclass(frozen=True, slots=True)
class Quadrants:
    """How often two models are right: the pairs of each outcome, (name, pairs, whether a differs from b)."""

    title: str
    outcomes: tuple[tuple[str, int, bool], ...]


@light_dataclass(frozen=True, slots=True)
class Cells:
    """Pairs by the differences of two models: (column, row, pairs) of each square cell that holds some.

    Column and row i of `size` reach from start + i * width on, column that of a and row that of b. `outside` of all
    cells are so many pairs. `quadrants` are the shares of pairs, by name.
    """

    title: str
    start: float
    width: float
    size: int
    cells: tuple[tuple[int, int, int], ...]
    quadrants: tuple[tuple[str, float], ...]
    outside: int = 0


Plot = Distribution | Curves | Estimates | Quadrants | Cells
