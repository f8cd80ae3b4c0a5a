"""The conformance suite's ranked lists: the core's figures of every loss against the loop over pairs.

`LISTS` are small lists by what they are about. Each goes through every loss, with several margins, parameters, weights
and LambdaRank's weights, once among all others of its family and once alone: the bits must be the same.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mrl_cli.lists import measure
from mrl_cli.lists.base import Lists
from mrl_cli.losses import LISTWISE, LOSSES, completed
from mrl_cli.model import LossChoice, Ranking
from mrl_cli.verify import reference
from mrl_cli.verify.validators import check_of, compared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mrl_cli.reports.validate import CheckResult
    from mrl_cli.verify.pairs import Doubles

    Floats = list[float]
    Items = tuple[Floats, Floats]  # the labels and scores of a list
    Figures = dict[str, Doubles]

# How far figures may be off, as a share of what is added up: nothing is rounded in the sum of a hinge.
PAIRWISE_SHARE, LISTWISE_SHARE = 1e-14, 1e-12
LARGEST_SCORE = 1e100
SMALLEST = math.ulp(0.0)
COUNTS = ("pairs", "correct", "ties", "wrong", "active")
MARGINS = (0.0, 0.5, -0.3, 0.1)
OTHER_PARAMETERS = {"temperature": 0.5, "beta": 0.3, "label_smoothing": 0.25}
WITH_RANKINGS = ("margin_ranking", "squared_hinge", "logistic")  # LambdaRank's weights are apart from the loss
# Families that go through every setting; the others without weights, and no smooth loss twice.
THOROUGH = ("plain", "ties", "many levels", "real labels")
RANKINGS = (Ranking("label_diff"), Ranking("ndcg"), Ranking("ndcg", 3))


def _spread(size: int, of: int = 1 << 16) -> Floats:
    """Return so many numbers from -2 to 2 that look random: multiples of 4/of, by the golden ratio."""
    return [math.floor(of * (i * 0.6180339887498949 % 1)) * 4 / of - 2 for i in range(1, size + 1)]


def _shifted(items: Items, offset: float, scale: float = 1.0) -> Items:
    return items[0], [offset + scale * score for score in items[1]]


_GRADED: Items = [2.0, 0.0, 1.0, 0.0, 2.0, 1.0, 0.0], [0.3, 0.1, 0.7, -0.4, 1.2, 0.1, 0.9]
_BINARY: Items = [1.0, 0.0, 0.0, 1.0, 0.0], [0.2, -0.7, 0.25, 1.5, 0.9]
_STEPS = [side for at in (0.0, 0.1, 0.3, 0.5) for side in (at, math.nextafter(at, -1.0), math.nextafter(at, 1.0))]

LISTS: dict[str, list[Items]] = {
    "plain": [_GRADED, _BINARY, ([0.0, 1.0], [0.5, 0.25]), ([3.0, 2.0, 1.0, 0.0], [4.0, 3.0, 2.0, 1.0])],
    "ties": [
        ([2.0, 1.0, 1.0, 0.0, 0.0], [0.5, 0.5, 0.25, 0.25, 0.5]),
        ([1.0, 0.0, 1.0, 0.0], [1.0] * 4),
        ([1.0, 0.0], [0.0, -0.0]),
    ],
    # Pairs whose difference is the margin, in real numbers or as a double only, and one ulp beside.
    "kink": [
        ([0.0] * len(_STEPS) + [1.0], [*_STEPS, 0.0]),
        ([1.0] * len(_STEPS) + [0.0], [*_STEPS, 0.2]),
        ([1.0, 0.0, 1.0, 0.0], [0.3, 0.2, 1.1, 1.0]),
        ([1.0, 0.0, 0.0], [1e16, 1e16 + 2, 0.5]),
    ],
    "offset 1e8": [_shifted(_GRADED, 1e8), _shifted(_BINARY, 1e8), ([3.0, 2.0, 1.0, 0.0], [1e8, 1e8 + 1, 0.0, 1.0])],
    "offset 1e15": [_shifted(_GRADED, 1e15), _shifted(_BINARY, -1e15)],
    "subnormal": [_shifted(_GRADED, 0.0, 1e-310), ([1.0, 0.0, 2.0], [SMALLEST, -SMALLEST, 0.0])],
    "1e-12 to 1e12": [
        ([float(i % 3) for i in range(9)], [s * 10.0 ** (3 * i - 12) for i, s in enumerate(_spread(9))]),
        ([1.0, 0.0, 1.0, 0.0], [1e12, 1e-12, -1e12, 3e-12]),
    ],
    "huge": [([1.0, 0.0, 0.0], [1e308, -1e308, 1e307]), ([0.0, 1.0, 2.0], [1e200, -1e200, 1.0])],
    "many levels": [
        ([float(label) for label in range(24)], _spread(24)),
        (sorted(_spread(20)), [round(score, 1) for score in _spread(20, 9973)]),
    ],
    "long": [([float(i % 5) for i in range(70)], _spread(70)), ([float(i % 2) for i in range(66)], _spread(66, 100))],
    "no pairs": [([1.0], [0.3]), ([1.0, 1.0, 1.0], [0.1, 0.2, 0.3]), ([0.0, 0.0], [1.0, 0.5]), _BINARY],
    "negative labels": [
        ([2.0, -1.0, 0.0, 1.0], [0.3, 0.9, 0.1, 0.2]),
        ([-1.0, -3.0, -2.0], [0.5, 0.25, 0.75]),
    ],
    "real labels": [
        ([0.1, 0.30000000000000004, 0.3, 0.25], [0.5, -0.25, 1.0, 0.5]),
        ([1e-300, 0.0, 2e-300], [0.5, 0.25, 0.125]),
    ],
}


class Setting(NamedTuple):
    """A loss with its parameters, LambdaRank's weights, and whether items have weights of their own."""

    loss: LossChoice
    ranking: Ranking = Ranking()
    has_weights: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether figures are those of real numbers, rounded once."""
        return self.loss.name in LOSSES and LOSSES[self.loss.name].is_hinge and self.ranking.lambda_weight == "none"

    @property
    def is_power(self) -> bool:
        """Whether the loss is a power of a difference, computed as such, but no hinge."""
        return self.loss.name in LOSSES and LOSSES[self.loss.name].power > 0 and not LOSSES[self.loss.name].is_hinge

    @property
    def is_weighted(self) -> bool:
        """Whether pairs weigh something."""
        return self.has_weights or self.ranking.lambda_weight != "none"

    @property
    def is_plain(self) -> bool:
        """Whether it is a hinge without weights, or another loss with the usual parameters."""
        if self.loss.name in LISTWISE or self.is_exact:
            return not self.has_weights
        return self == Setting(LossChoice(self.loss.name, parameters=tuple(completed(self.loss.name, {}).items())))

    @property
    def share(self) -> float:
        """How far figures may be off, as a share of what is added up."""
        return LISTWISE_SHARE if self.loss.name in LISTWISE else PAIRWISE_SHARE

    def takes(self, items: Items) -> bool:
        """Return whether a list may be computed so."""
        is_huge = max(map(abs, items[1])) > LARGEST_SCORE  # whose differences, and more their exponentials, overflow
        is_long = len(items[0]) > 64
        return (
            min(items[0]) >= measure.least_label(self.loss, self.ranking)
            and not (is_huge and not self.is_exact)
            and not (is_long and self.loss.name == "approx_ndcg")  # which goes through every two items in decimals
        )

    @property
    def of_reference(self) -> reference.ListSetting:
        """The same for the reference."""
        loss, ranking = self.loss, self.ranking
        parameters = dict(loss.parameters)
        return reference.ListSetting(loss.name, loss.margin, parameters, ranking.lambda_weight, ranking.top)

    @property
    def text(self) -> str:
        """The setting in words."""
        named = [("margin", self.loss.margin), *self.loss.parameters] if self.loss.margin else self.loss.parameters
        words = [self.loss.name, *(f"{name}={value}" for name, value in named)]
        words += [str(self.ranking.lambda_weight)] if self.ranking.lambda_weight != "none" else []
        words += [f"top {self.ranking.top}"] if self.ranking.top else []
        return " ".join([*words, "weights"] if self.has_weights else words)


def settings() -> Iterator[Setting]:
    """Yield every registered loss, pairwise and listwise, in several ways."""
    for name, loss in LOSSES.items():
        others = {key: OTHER_PARAMETERS[key] for key in loss.defaults}
        for given in ({}, others) if others else ({},):
            margins = MARGINS if loss.is_hinge else MARGINS[:2] if loss.has_margin else MARGINS[:1]
            choices = [LossChoice(name, margin, tuple(completed(name, given).items())) for margin in margins]
            yield from map(Setting, choices)
        yield Setting(choices[-1], has_weights=True)
        if name in WITH_RANKINGS:
            yield from (Setting(choices[-1], ranking) for ranking in RANKINGS)
            yield Setting(choices[-1], RANKINGS[-1], has_weights=True)
    for name, listwise in LISTWISE.items():
        for parameter in listwise.parameters:
            values: Sequence[Any] = getattr(parameter, "values", (1.0, 0.1))
            yield from (Setting(LossChoice(name, parameters=((parameter.name, value),))) for value in values)


def list_checks() -> Iterator[tuple[str, CheckResult]]:
    """Yield the checks of each family of lists, by its name."""
    ways = list(settings())
    for family, lists in LISTS.items():
        name, seen = f"lists: {family}", set()
        for setting in ways:
            used = [items for items in lists if setting.takes(items)]
            if not used or not (family in THOROUGH or setting.is_plain):
                continue
            got = _figures(as_lists(used, has_weights=setting.has_weights), setting)
            if (kind := (setting.loss.name, setting.is_weighted)) not in seen:
                seen.add(kind)
                yield name, _alone(used, setting, got)
            yield name, _check(setting.text, got, *_expected(used, setting))
            if setting.loss.name in LOSSES:
                yield name, _gradient_check(used, setting)


def as_lists(items: Sequence[Items], *, has_weights: bool = False) -> Lists:
    """Return lists of labels and scores as the core takes them; with weights, those of `weights_of`."""
    starts = np.cumsum([0, *(len(labels) for labels, _ in items)])
    labels, scores = (np.concatenate([one[side] for one in items]) for side in (0, 1))
    weights = np.concatenate([weights_of(one) for one in items]) if has_weights else None
    return Lists(starts, labels, scores, weights)


def weights_of(items: Items) -> Floats:
    """Return the weights of the items of a list: by their place 0, 3/4, 6/4, 2/4, and so on; one of seven is 0."""
    return [(3 * place % 7) / 4 for place in range(len(items[0]))]


def _alone(items: Sequence[Items], setting: Setting, got: Figures) -> CheckResult:
    """Return the check that a list alone gives the bits that it gives among others."""
    alone = [_figures(as_lists([one], has_weights=setting.has_weights), setting) for one in items]
    return _check(f"{setting.text}, alone", got, {name: np.concatenate([one[name] for one in alone]) for name in got})


def _gradient_check(items: Sequence[Items], setting: Setting) -> CheckResult:
    slopes = measure.gradient(as_lists(items, has_weights=setting.has_weights), setting.loss, setting.ranking)
    of_reference = [
        reference.list_gradient(*one, setting.of_reference, weights_of(one) if setting.has_weights else None)
        for one in items
    ]
    right = np.concatenate([one.values for one in of_reference])
    # A weight may be the difference of nearly equal gains or discounts: what that loses shows beside other items only.
    room = np.concatenate([np.full(len(one.sizes), setting.share * max(one.sizes)) for one in of_reference])
    rooms = {} if setting.is_exact else {"gradient": room}
    return _check(setting.text, {"gradient": slopes + 0.0}, {"gradient": right}, rooms)


def _figures(lists: Lists, setting: Setting) -> Figures:
    """Return what lists come to by the core, by name: arrays of shape (lists,)."""
    found = measure.measured(lists, setting.loss, setting.ranking)
    figures = {name: getattr(found, name).astype(np.float64) for name in COUNTS}
    figures |= {"sum": found.losses.rounded(lists.size), "min": found.lowest, "max": found.highest}
    if found.defined is not None:
        figures["sum"] = np.where(found.defined, figures["sum"], math.nan)
    for name, sums in (("weight", found.weights), ("correct weight", found.correct_weights)):
        if sums is not None:
            figures[name] = sums.rounded(lists.size)
    return figures


def _expected(items: Iterable[Items], setting: Setting) -> tuple[Figures, Figures]:
    """Return what the reference finds, by name, and how far from it a figure may be; 0 where nothing is said of it."""
    rows: list[list[float]] = []
    sizes = []
    for one in items:
        if setting.loss.name in LISTWISE:
            figures, loss = _listwise(one, setting)
        else:
            figures = reference.list_figures(
                *one, setting.of_reference, weights_of(one) if setting.has_weights else None
            )
            loss = float(figures.total)
        weights = [float(figures.weight), float(figures.correct_weight)] if setting.is_weighted else []
        rows.append([*(figures.counts[name] for name in COUNTS), loss, figures.lowest, figures.highest, *weights])
        sizes.append(figures.terms)
    names = (*COUNTS, "sum", "min", "max", "weight", "correct weight")
    expected = dict(zip(names, np.array(rows, np.float64).T, strict=False))
    if setting.is_exact:
        return expected, {}
    with np.errstate(invalid="ignore"):
        rooms = {name: setting.share * np.abs(expected[name]) for name in names[len(COUNTS) :] if name in expected}
    rooms["sum"] = setting.share * np.array(sizes)
    if setting.is_power:  # a difference that is nearly the one it should be has lost digits
        rooms |= dict.fromkeys(("min", "max"), rooms["max"]) | {"active": np.full(len(sizes), math.inf)}
    return expected, rooms


def _listwise(items: Items, setting: Setting) -> tuple[reference.ListFigures, float]:
    """Return the figures of a list under a listwise loss, and that, NaN where there is none."""
    loss = reference.listwise_loss(setting.loss.name, *items, dict(setting.loss.parameters))
    counts = Counter(reference.list_figures(*items, reference.ListSetting()).counts)
    counts["active"] = int(loss > 0)
    span = (math.inf, -math.inf) if math.isnan(loss) else (loss, loss)
    return reference.ListFigures(counts, lowest=span[0], highest=span[1], terms=abs(loss)), loss


def _check(what: str, got: Figures, expected: Figures, rooms: Figures | None = None) -> CheckResult:
    """Return the check of figures by name: the same bits, or no further apart than there is room."""
    names = list(got)
    right, ours = (np.concatenate([figures[name] for name in names]) for figures in (expected, got))
    differ = compared(right, ours, "float64")
    if differ.bad is not None and rooms:
        room = np.concatenate([rooms.get(name, np.zeros(got[name].size)) for name in names])
        with np.errstate(invalid="ignore"):
            bad = differ.bad & ~(np.abs(ours - right) <= room + 4 * SMALLEST * (room > 0))
        differ = differ._replace(bad=bad if bad.any() else None)
    note = None
    if differ.bad is not None:
        first = int(np.argmax(differ.bad))
        name = np.repeat(names, [got[name].size for name in names])[first]
        note = f"{name}: expected {float(right[first])!r}, got {float(ours[first])!r}"
    check = check_of(what, right.size, differ, note=note)
    return replace(check, max_abs_diff=None, max_ulp_diff=None) if rooms else check  # a share of what was added up
