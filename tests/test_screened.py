"""Two mistakes at once, of many pairs: a sample leaves out none that gives the value."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mrl_cli.verify.explanations import screened
from mrl_cli.verify.explanations.candidates import RULES
from mrl_cli.verify.explanations.cases import Case
from mrl_cli.verify.explanations.parts import AllPairs, Sums, mistaken_sums
from mrl_cli.verify.explanations.screened import Aim, Estimate, two_mistakes

if TYPE_CHECKING:
    from mrl_cli.verify.explanations.parts import MistakenSums

pytestmark = pytest.mark.slow

SIZE = 8000
RANDOM = np.random.default_rng(11)
X1, X2 = RANDOM.normal(size=(2, SIZE))
Y = RANDOM.choice([-1.0, 1.0], SIZE)
RARE = np.where(np.arange(SIZE) == 6667, 1e6, X1)  # one pair is most of every sum
TIED = np.where(np.arange(SIZE) % 4000 == 7, X2, X1)
MARGINS = np.where(np.arange(SIZE) % 5000 == 9, 0.5, 0.0)
CASES = {
    "plain": Case(X1, X2, Y, 0.5),
    "rounded": Case(X1.round(1), X2.round(1), Y, 0.25),
    "few ties": Case(TIED, X2, Y, 0.5),
    "one huge score": Case(RARE, X2, Y, 0.5),
    "heavy tails": Case(RANDOM.standard_cauchy(SIZE), X2, Y, 0.5, "logistic", {"temperature": 2.0}),
    "few margins": Case(X1, X2, Y, MARGINS, "logistic", {"temperature": 1.0}),
    "probabilities": Case(X1, X2, RANDOM.random(SIZE), 0.5, "logistic", {"temperature": 1.0}, takes_probabilities=True),
    "exponential": Case(3 * X1, X2, Y, 0.0, "exponential", {"temperature": 0.5}),
}


@pytest.fixture(autouse=True)
def pairs_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("FEWEST_PAIRS", SIZE), ("SAMPLE_PAIRS", 2000), ("EXTREMES", 128)):
        monkeypatch.setattr(screened, name, number)


@cache
def sums_of(name: str, count: int) -> MistakenSums:
    """Return the exact sums of one of the cases under so many mistakes at once."""
    return mistaken_sums(CASES[name], count)


def aim(value: float) -> Aim:
    return Aim(value, 1e-12 * abs(value))


def mean(sums: Sums) -> float:
    return sums.value("mean")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", CASES)
def test_no_mistakes_are_left_out_that_give_the_value(name: str) -> None:
    exact, estimates = sums_of(name, 2), dict(screened._estimates(CASES[name], sums_of(name, 1)))
    assert exact.keys() <= estimates.keys()
    for rule in (mean, *(rule for _, rule in RULES.values())):
        values = {names: rule(sums) for names, sums in exact.items() if np.isfinite(rule(sums))}
        assert [names for names, value in values.items() if not estimates[names].may_give(rule, aim(value))] == []


def test_what_gives_the_value_is_exact_and_so_is_all_beside_it() -> None:
    pairs, singles, whole = AllPairs(CASES["plain"]), sums_of("plain", 1), sums_of("plain", 2)
    value = mean(list(whole.values())[100])
    assert two_mistakes(pairs, singles, mean, Aim(value, 1e-12)) == whole
    assert two_mistakes(pairs, singles, mean, None) == whole


def test_few_are_added_up_where_nothing_gives_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, singles, whole = AllPairs(CASES["plain"]), sums_of("plain", 1), sums_of("plain", 2)
    added: list[bool] = []
    may_give = Estimate.may_give

    def noted(*args: Any) -> bool:
        added.append(may_give(*args))
        return added[-1]

    monkeypatch.setattr(Estimate, "may_give", noted)
    sums = two_mistakes(pairs, singles, mean, Aim(1.2345, 1e-9))
    assert sums.keys() == whole.keys()
    assert 0 < sum(added) < len(added) / 4
    assert "two_mistakes" not in vars(pairs)
