"""The sentence that says which of two models is better: what it names, and that it claims no more than is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from mrl_cli import compare
from tests.each import each
from tests.running import Mrl

if TYPE_CHECKING:
    pass


def verdict(losses_a: Any, losses_b: Any, **arguments: Any) -> str:
    """Return the verdict on two models with these losses: that of a pair is its x2 under margin_ranking."""
    columns = {"x2": losses_a, "v": losses_b}
    frame = pd.DataFrame(columns, dtype=float).assign(x1=0.0, u=0.0, y=1, prompt=arguments.pop("prompt", 0))
    given: dict[str, Any] = {"x1_b": "u", "x2_b": "v", "bootstrap": 0} | arguments
    text: str = compare(frame, **given)["verdict"]
    return text


A, B = "a (x1, x2)", "b (u, v)"
NOISE = np.random.default_rng(0).random(50)


# Of 16 pairs, t is 2.1314. Differences 0.5 and 1.5, in turn, have the standard error sqrt(4 / 15 / 16), and differences
# -1.5 and 1 have sqrt((26 - 1) / 15 / 16).
def test_model_with_the_lower_loss_is_better_where_the_interval_excludes_0() -> None:
    low, high = [0.25] * 16, [0.75, 1.75] * 8
    lower = "its mean margin_ranking loss is lower by 1 (0.25 against 1.25), and the 95 % interval of that, 0.7248 to"
    assert verdict(low, high) == f"{A} is better than {B}: {lower} 1.275, excludes 0."
    assert verdict(high, low) == f"{B} is better than {A}: {lower} 1.275, excludes 0."


def test_model_is_not_shown_to_be_better_where_the_interval_includes_0() -> None:
    low, high = [0.0, 1.0] * 8, [1.5, 0.0] * 8
    lower = (
        "its mean margin_ranking loss is lower by 0.25 (0.5 against 0.75), but the 95 % interval of that, -0.4379 to"
    )
    assert verdict(low, high) == f"{A} is not shown to be better than {B}: {lower} 0.9379, includes 0."
    assert verdict(high, low) == f"{B} is not shown to be better than {A}: {lower} 0.9379, includes 0."


@each("confidence", [0.5, 0.9, 0.95, 0.999])
@each("shift", [0.0, 0.02, 0.05, 0.1, -0.1, -0.03, 0.4])
def test_better_means_that_the_interval_excludes_0(shift: float, confidence: float) -> None:
    frame = pd.DataFrame({"x2": NOISE + max(shift, 0), "v": NOISE[::-1] - min(shift, 0)}).assign(x1=0.0, u=0.0, y=1)
    record = compare(frame, x1_b="u", x2_b="v", confidence=confidence, bootstrap=0)
    gap, text = record["difference"], record["verdict"]
    excludes_zero = gap["low"] > 0 or gap["high"] < 0
    assert (" is better than " in text, "excludes 0." in text) == (excludes_zero, excludes_zero)
    assert ("includes 0." in text, "not shown to be" in text) == (not excludes_zero, bool(not excludes_zero and shift))
    assert f"{100 * confidence:.6g} % interval" in text
    if gap["mean"]:
        assert text.startswith(A if gap["mean"] < 0 else B)


def test_equal_models_are_said_to_be_equal() -> None:
    assert verdict([0.5, 1.0], [0.5, 1.0]) == (
        f"{A} and {B} have the same mean margin_ranking loss, 0.75, the same on each of 2 pairs."
    )
    assert (
        verdict([0.5], [0.5]) == f"{A} and {B} have the same mean margin_ranking loss, 0.5, the same on the one pair."
    )
    assert verdict([0.5, 1.0], [1.0, 0.5]) == (
        f"{A} and {B} have the same mean margin_ranking loss, 0.75; 2 pairs are too few to show a difference."
    )
    swapped = verdict([0.5, 1.0] * 8, [1.0, 0.5] * 8)
    assert swapped.startswith(f"{A} and {B} have the same mean margin_ranking loss, 0.75, and the 95 % interval")
    assert swapped.endswith("includes 0.")


# All of n pairs favour one of two equal models with chance 2**(1 - n): 1/16 for five, 1/32 for six.
@pytest.mark.parametrize(("pairs", "confidence", "is_enough"), [(5, 0.95, 0), (6, 0.95, 1), (5, 0.9, 1), (2, 0.5, 1)])
def test_few_pairs_show_nothing(pairs: int, confidence: float, is_enough: bool) -> None:
    text = verdict(NOISE[:pairs] / 100, NOISE[:pairs] / 90 + 9, confidence=confidence)
    assert text.endswith("excludes 0.")
    few = f"{pairs} pairs are too few to show that {A} is better than {B}: its mean margin_ranking loss is lower by "
    assert text.startswith(f"{A} is better than {B}: " if is_enough else few)


def test_one_pair_and_one_cluster_have_no_interval() -> None:
    alone = verdict([1.0], [0.5])
    assert alone == (
        f"1 pair is too few to show that {B} is better than {A}: its mean margin_ranking loss is lower by 0.5 "
        "(0.5 against 1), and there is no interval of that."
    )
    assert verdict(NOISE, NOISE / 2, cluster="prompt").startswith("1 cluster is too few to show that ")
    clusters = np.arange(50) % 4
    assert verdict(NOISE, NOISE / 2, cluster="prompt", prompt=clusters).startswith("4 clusters are too few to show ")
    assert verdict(NOISE, NOISE / 2, cluster="prompt", prompt=np.arange(50) % 25).startswith(f"{B} is better than {A}")


def test_difference_that_is_the_same_for_all_has_no_interval_to_judge_by() -> None:
    assert verdict([0.5] * 9, [0.25] * 9) == (
        f"{B} is better than {A} by the same on each of 9 pairs: its mean margin_ranking loss is lower by 0.25 "
        "(0.25 against 0.5), and no interval says what others would show."
    )


def test_means_that_are_not_finite_are_not_compared() -> None:
    text = verdict([1000.0, 1.0], [0.0, 0.0], loss="exponential")
    assert text == f"{A} and {B} cannot be compared: their mean exponential loss is Infinity and 1.0."


# What the sides are called, and where the sentence stands.


@pytest.fixture
def mrl(mrl: Mrl) -> Mrl:
    """Run mrl compare in a folder with the pairs of two models."""
    frame = pd.DataFrame({"id": range(50), "x1": 0.0, "x2": NOISE, "u": 0.0, "v": NOISE / 2, "y": 1})
    frame.to_csv("both.csv", index=False)
    frame[["id", "x1", "x2", "y"]].to_csv("old\x1b[31m.csv", index=False)
    frame[["id", "u", "v", "y"]].rename(columns={"u": "x1", "v": "x2"}).to_csv("new.csv", index=False)
    return lambda *args: mrl("compare", *args, "--bootstrap", "0")


@pytest.mark.parametrize(
    ("args", "better", "worse"),
    [
        (("old\x1b[31m.csv", "new.csv", "--by-row"), "b (new.csv)", r"a (old\x1b[31m.csv)"),
        (("new.csv", "old\x1b[31m.csv", "--key", "id"), "a (new.csv)", r"b (old\x1b[31m.csv)"),
        (("both.csv", "--x1-b", "u", "--x2-b", "v"), "b (u, v of both.csv)", "a (x1, x2 of both.csv)"),
        (("both.csv", "both.csv", "--key", "id", "--x2-b", "v"), "b (x1, v of both.csv)", "a (x1, x2 of both.csv)"),
    ],
)
def test_sides_are_called_by_what_they_are(args: tuple[str, ...], better: str, worse: str, mrl: Mrl) -> None:
    assert mrl(*args, "-f", "json").result["verdict"].startswith(f"{better} is better than {worse}: ")


@each("output_format", ["json", "jsonl", "csv", "tsv", "markdown", "table"])
def test_verdict_is_printed_last_or_on_stderr(output_format: str, mrl: Mrl) -> None:
    one = ("both.csv", "--x1-b", "u", "--x2-b", "v", "-f")
    sentence = mrl(*one, "json").result["verdict"]
    ran, quiet = mrl(*one, output_format), mrl(*one, output_format, "-q")
    if output_format in ("table", "markdown"):
        assert " ".join(ran.out.split()).endswith(sentence)
        assert sentence not in ran.err
    else:
        assert ran.err.splitlines()[-1] == sentence
        assert quiet.err == ""
        assert sentence in ran.out
