"""The conformance suite's ranked lists: the core's figures of every loss against the loop over pairs.

`LISTS` are small lists by what they are about. Each goes through every loss, with several margins, parameters, weights
and LambdaRank's weights, among all others; under some also alone, by turns: the bits must be the same.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.lists import measure
from mrl_cli.lists.base import Lists
from mrl_cli.losses import LISTWISE, LOSSES, completed
from mrl_cli.model import LossChoice, Ranking
from mrl_cli.records import NamedTuple
from mrl_cli.reports.validate import CheckResult, apart
from mrl_cli.verify import reference
from mrl_cli.verify.lists.expected import Setting, compared_figures, expected_lists, figures_expected
from mrl_cli.verify.lists.sample import figures_of_lists
from mrl_cli.verify.validators import check_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mrl_cli.verify.lists.expected import Figures

    Floats = list[float]
    Items = tuple[Floats, Floats]  # the labels and scores of a list

LARGEST_SCORE = 1e100
LARGEST_IN_DECIMALS = 64  # of items, where every two are gone through
SMALLEST = math.ulp(0.0)
ALONE = 8
MARGINS = (0.0, 0.5, -0.3, 0.1)
OTHER_PARAMETERS = {"temperature": 0.5, "beta": 0.3, "label_smoothing": 0.25}
WITH_RANKINGS = ("margin_ranking", "squared_hinge", "logistic")  # LambdaRank's weights are apart from the loss
# Families that go through every setting; the others without weights, and no smooth loss twice.
THOROUGH = ("plain", "ties", "many levels", "real labels")
# The numbers of all lists decide together how they are added up: of a few bits, of many, or as fractions.
COMPANIES = (
    ("plain", "ties", "many levels", "long", "no pairs", "negative labels"),
    ("kink", "offset 1e8", "offset 1e15", "1e-12 to 1e12"),
    ("subnormal",),
    ("huge",),
    ("real labels",),
)
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
        ([float(label) for label in range(17)], _spread(17)),
        (sorted(_spread(12)), [round(score, 1) for score in _spread(12, 9973)]),
    ],
    # Beside a short one, for another way may be quicker for either. Most labels are 0: many items make few pairs.
    "long": [
        ([float(max(i % 13 - 8, 0)) for i in range(66)], _spread(66)),
        _GRADED,
        ([float(i % 11 == 0) for i in range(65)], _spread(65, 100)),
        ([float(max(i % 17 - 14, 0)) for i in range(65)], [100 * score for score in _spread(65)]),
    ],
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


def takes(setting: Setting, items: Items) -> bool:
    """Return whether a list may be computed so."""
    is_huge = max(map(abs, items[1])) > LARGEST_SCORE  # whose differences, and more their exponentials, overflow
    is_long = len(items[0]) > LARGEST_IN_DECIMALS
    return (
        min(items[0]) >= measure.least_label(setting.loss, setting.ranking)
        and not (is_huge and not setting.is_exact)
        and not (is_long and setting.loss.name == "approx_ndcg")
    )


def is_plain(setting: Setting) -> bool:
    """Return whether it is a hinge without weights, or another loss with the usual parameters."""
    if setting.is_listwise or setting.is_exact:
        return not setting.has_weights
    usual = tuple(completed(setting.loss.name, {}).items())
    return setting == Setting(LossChoice(setting.loss.name, parameters=usual))


def text_of(setting: Setting) -> str:
    """Return a setting in words."""
    loss, ranking = setting.loss, setting.ranking
    named = [("margin", loss.margin), *loss.parameters] if loss.margin else loss.parameters
    words = [loss.name, *(f"{name}={value}" for name, value in named)]
    words += [str(ranking.lambda_weight)] if ranking.lambda_weight != "none" else []
    words += [f"top {ranking.top}"] if ranking.top else []
    return " ".join([*words, "weights"] if setting.has_weights else words)


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


class _Trial(NamedTuple):
    """Lists that go through one setting together, family after family: `families` has the name of each."""

    setting: Setting
    families: list[str]
    items: list[Items]

    @classmethod
    def each_of(cls, setting: Setting) -> Iterator[_Trial]:
        """Yield the lists that go through a setting, those of one company together."""
        for families in COMPANIES:
            ways = [family for family in families if family in LISTS and (family in THOROUGH or is_plain(setting))]
            used = [(f"lists: {one}", items) for one in ways for items in LISTS[one] if takes(setting, items)]
            if used:
                yield cls(setting, [family for family, _ in used], [items for _, items in used])

    def figures(self) -> Iterator[tuple[str, CheckResult]]:
        """Yield the checks of what the lists come to."""
        lists = as_lists(self.items, has_weights=self.setting.has_weights)
        expected = figures_expected(expected_lists(lists, self.setting), self.setting)
        yield from _checks(self.families, text_of(self.setting), _figures(lists, self.setting), *expected)

    def alone(self, turn: int) -> Iterator[tuple[str, CheckResult]]:
        """Yield the checks that a list alone gives the bits that it gives among others: one list in ALONE, by turns."""
        what, setting = f"{text_of(self.setting)}, alone", self.setting
        got = _figures(as_lists(self.items, has_weights=setting.has_weights), setting)
        for place in range(turn % ALONE, len(self.items), ALONE):
            alone = _figures(as_lists([self.items[place]], has_weights=setting.has_weights), setting)
            among = {name: values[place : place + 1] for name, values in got.items()}
            yield self.families[place], _check(what, among, alone)

    def gradients(self) -> Iterator[tuple[str, CheckResult]]:
        """Yield the checks of the gradient of the lists."""
        setting, items = self.setting, self.items
        slopes = measure.gradient(as_lists(items, has_weights=setting.has_weights), setting.loss, setting.ranking)
        of_reference = [
            reference.list_gradient(*one, setting.of_reference, weights_of(one) if setting.has_weights else None)
            for one in items
        ]
        right = np.concatenate([one.values for one in of_reference])
        # A weight may be the difference of nearly equal gains or discounts: what that loses shows beside others only.
        room = np.concatenate([np.full(len(one.sizes), setting.share * max(one.sizes)) for one in of_reference])
        families = [family for family, one in zip(self.families, items, strict=True) for _ in one[0]]
        rooms = {} if setting.is_exact else {"gradient": room}
        yield from _checks(families, text_of(setting), {"gradient": slopes + 0.0}, {"gradient": right}, rooms)


def list_checks() -> Iterator[tuple[str, CheckResult]]:
    """Yield the checks of each family of lists, by its name."""
    kinds: list[tuple[str, bool]] = []
    for setting in settings():
        kind = setting.loss.name, setting.is_weighted
        for trial in _Trial.each_of(setting):
            yield from trial.figures()
            if kind not in kinds:
                yield from trial.alone(len(kinds))
            if not setting.is_listwise:
                yield from trial.gradients()
        if kind not in kinds:
            kinds.append(kind)


def as_lists(items: Sequence[Items], *, has_weights: bool = False) -> Lists:
    """Return lists of labels and scores as the core takes them; with weights, those of `weights_of`."""
    starts = np.cumsum([0, *(len(labels) for labels, _ in items)])
    labels, scores = (np.concatenate([one[side] for one in items]) for side in (0, 1))
    weights = np.concatenate([weights_of(one) for one in items]) if has_weights else None
    return Lists(starts, labels, scores, weights)


def weights_of(items: Items) -> Floats:
    """Return the weights of the items of a list: by their place 0, 3/4, 6/4, 2/4, and so on; one of seven is 0."""
    return [(3 * place % 7) / 4 for place in range(len(items[0]))]


def _figures(lists: Lists, setting: Setting) -> Figures:
    """Return what lists come to by the core, by name: arrays of shape (lists,)."""
    return figures_of_lists(measure.measured(lists, setting.loss, setting.ranking), lists.size)


def _checks(
    families: Sequence[str], what: str, got: Figures, expected: Figures, rooms: Figures
) -> Iterator[tuple[str, CheckResult]]:
    """Yield the check of figures of each family; where all fit, none is looked at again."""
    fit = all(differ.bad is None for differ in compared_figures(got, expected, rooms).values())
    for family, count in Counter(families).items():
        if fit:
            yield family, CheckResult(what, passed=True, pairs=count * len(got))
        else:
            first = families.index(family)
            parts = (
                {name: values[first : first + count] for name, values in one.items()} for one in (got, expected, rooms)
            )
            yield family, _check(what, *parts)


def _check(what: str, got: Figures, expected: Figures, rooms: Figures | None = None) -> CheckResult:
    """Return the check of figures by name."""
    whole = CheckResult(what, passed=True, pairs=0)
    for name, differ in compared_figures(got, expected, rooms or {}).items():
        note = None
        if differ.bad is not None:
            first = int(np.argmax(differ.bad))
            note = f"{name}: {apart(repr(float(expected[name][first])), repr(float(got[name][first])))}"
        check = check_of(what, got[name].size, differ, note=note)
        # Where there is room, it is a share of what was added up, not of the figure.
        whole += replace(check, max_abs_diff=None, max_ulp_diff=None) if rooms and name in rooms else check
    return whole
