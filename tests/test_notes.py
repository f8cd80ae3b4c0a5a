"""Notes on data that are fine to read and may yet mislead: rounded scores, collapsed scores, one label."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from mrl_cli import evaluate
from mrl_cli.model import Batch, Columns, Plan
from mrl_cli.reductions.look import Look, LookReduction, grids_of
from mrl_cli.reductions.measured import Measured
from mrl_cli.reductions.totals import Totals
from mrl_cli.reports.notes import chance_of_so_few, data_notes, grid_in_words, plan_notes
from tests.each import each
from tests.running import run_inside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from mrl_cli.model import Role
    from tests.running import Ran

    Mrl = Callable[..., Ran]

GENERATOR = np.random.default_rng(6)
X1, X2 = (GENERATOR.normal(size=5000) for _ in range(2))
NO_GRID, TWO_DECIMALS = Look(grids=0), Look(grids=0b1100)


@pytest.fixture
def mrl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Mrl:
    """Run mrl in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda args: run_inside(args, capfd)


def totals(pairs: int = 1000, correct: int = 600, ties: int = 0, least: float = 0.0, greatest: float = 3.0) -> Totals:
    return Totals(min=least, max=greatest, correct=correct, ties=ties, wrong=pairs - correct - ties)


def notes_of(figures: Totals, look: Look = NO_GRID, margin: float | None = 1.0) -> list[tuple[str, str]]:
    return list(data_notes(figures, look, at_equal_scores=margin).items())


def as_float16(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return scores.astype(np.float16).astype(np.float64)


def as_bfloat16(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    bits = scores.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


@each(
    ("rounded", "grid"),
    [
        (lambda scores: scores, None),
        (lambda scores: scores.astype(np.float32).astype(np.float64), None),
        (np.rint, "no decimals"),
        (lambda scores: scores.round(1), "at most 1 decimal"),
        (lambda scores: scores.round(2), "at most 2 decimals"),
        (lambda scores: scores.round(3), "at most 3 decimals"),
        (lambda scores: scores.round(4), None),
        (lambda scores: scores.round(2).astype(np.float32).astype(np.float64), "at most 2 decimals"),
        (as_bfloat16, "the precision of bfloat16"),
        (as_float16, "the precision of float16"),
    ],
)
def test_grid_of_scores_is_recognized(rounded: Any, grid: str | None) -> None:
    assert grid_in_words(grids_of(rounded(X1), rounded(X2))) == grid


def test_one_score_beside_the_grid_is_enough() -> None:
    scores = X1.round(2)
    scores[-1] = 0.125
    assert grid_in_words(grids_of(scores, X2.round(2))) == "at most 3 decimals"
    assert grid_in_words(grids_of(X1.round(2), np.append(X2.round(2)[1:], X2[0]))) is None


def test_looks_at_parts_make_the_look_at_the_whole() -> None:
    parts = [(X1[:9].round(1), X2[:9].round(2)), (as_float16(X1), X2.round(3)), (X1.round(2), X2.round(1))]
    looks = [Look(grids_of(*part), float(i), float(i) / 2) for i, part in enumerate(parts)]
    whole = Look(grids_of(*map(np.concatenate, zip(*parts, strict=True))), 0.0, 1.0)
    assert looks[0] + looks[1] + looks[2] == looks[0] + (looks[1] + looks[2]) == whole
    assert Look() + looks[1] == looks[1] + Look() == looks[1]


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_huge_and_tiny_scores_are_looked_at_in_silence(scale: float) -> None:
    assert grids_of(X1 * scale, X2 * scale) >> 4 == 0


def test_ordinary_data_have_no_notes() -> None:
    assert notes_of(totals()) == []
    assert notes_of(Totals(), Look()) == []


def test_rounded_scores_move_the_accuracy_and_not_that_with_halves() -> None:
    """What happened where scores were written with 2 decimals: .558 became .517, and half-credit did not move."""
    quality = GENERATOR.normal(size=20_000) * 0.01
    x1, x2 = quality + 0.0015, GENERATOR.normal(size=20_000) * 0.01

    def figures(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[Totals, list[tuple[str, str]]]:
        actual = totals(20_000, int((first > second).sum()), int((first == second).sum()))
        return actual, notes_of(actual, Look(grids_of(first, second)))

    (whole, no_notes), (rounded, ((kind, text),)) = figures(x1, x2), figures(x1.round(2), x2.round(2))
    assert no_notes == []
    before = whole.correct / 20_000
    after, half = rounded.correct / 20_000, (rounded.correct + rounded.ties / 2) / 20_000
    assert kind == "rounded"
    assert f"accuracy is {after:.3f}; with each as one half it is {half:.3f}" in text
    assert "at most 2 decimals" in text
    assert before - after > 0.1
    assert abs(before - half) < 0.005


def test_published_figures_are_noted() -> None:
    ((_, text),) = notes_of(totals(correct=517, ties=82), TWO_DECIMALS)
    assert "82 of 1,000 pairs are ties (8.2%)" in text
    assert "accuracy is 0.517; with each as one half it is 0.558" in text


def test_ties_of_unrounded_scores_and_rounded_scores_without_ties_are_not_noted() -> None:
    assert notes_of(totals(ties=82)) == []
    assert notes_of(totals(), TWO_DECIMALS) == []


def test_collapsed_scores_are_noted() -> None:
    ((kind, text),) = notes_of(totals(least=0.995, greatest=1.004))
    assert kind == "collapsed"
    assert "within 1% of 1, the loss of equal scores" in text
    assert [kind for kind, _ in notes_of(totals(correct=0, ties=1000))] == ["collapsed"]


@pytest.mark.parametrize(
    "changes", [{"least": 0.5, "greatest": 1.0}, {"least": 1.0, "greatest": 1.5}, {"margin": 0.0}, {"margin": None}]
)
def test_losses_that_spread_have_not_collapsed(changes: dict[str, Any]) -> None:
    margin = changes.pop("margin", 1.0)
    assert notes_of(totals(**{"least": 0.995, "greatest": 1.004} | changes), margin=margin) == []


def factors(*labels: float) -> Look:
    """Return the look at labels that are factors, among others as many as no code has."""
    return Look(0, min(labels), max(labels), codes=Counter(dict.fromkeys(labels, 100)) if len(labels) < 4 else None)


@each("pairs", [4, 1000])
@each(
    ("look", "way"),
    [
        (factors(0, 1), "use --labels 01"),
        (factors(0, 0.5, 1), "use --labels probability"),
        (factors(0.02, 0.1, 0.4, 0.97), "use --labels probability"),
        (factors(0, 1, 2), "use --label-map 0=1,1=0,2=-1 --on-tie drop in place of --labels"),
        (factors(1, 255), "use --label-map 1=1,255=-1 in place of --labels"),
        (factors(1, 254), None),
        (factors(1, 2), "use --label-map 1=1,2=-1 in place of --labels"),
        (factors(-1, 1), None),
        (factors(0, 0.5), None),
        (factors(1, 2, 3), None),
        (factors(0.3, 1.5), None),
    ],
)
def test_codes_and_probabilities_that_are_factors_are_noted(look: Look, way: str | None, pairs: int) -> None:
    figures = totals(pairs, pairs)
    text = data_notes(figures, look, at_equal_scores=0.1, labels_are_factors=True).get("codes")
    assert (text is None) if way is None else str(text).endswith(way)
    assert "codes" not in data_notes(figures, look, at_equal_scores=0.1)


@pytest.mark.parametrize("labels", ["0 1", "0 1 2", "0 1 65535", "0 0.25 0.5 0.75 1", "1 2"])
def test_what_a_note_on_codes_says_to_do_reads_them(labels: str, tmp_path: Path, mrl: Mrl) -> None:
    path = tmp_path / "codes.csv"
    rows = [f"0.125,{0.25 * place},{label}\n" for place, label in enumerate(labels.split())]
    path.write_text("x1,x2,y\n" + "".join(rows) * 2)
    noted = mrl(["compute", path, "--margin", "0.5", "--labels", "any"]).err.strip()
    way = noted.rpartition(" use ")[2].removesuffix(" in place of --labels")
    followed = mrl(["compute", path, "--margin", "0.5", *way.split()])
    assert (followed.code, "use" in followed.err) == (0, False), (way, followed.err)


def test_labels_0_are_no_ties_of_rounding() -> None:
    look = Look(0b1100, 0, 2, codes=Counter({0: 150, 1: 700, 2: 150}), zeros=150)
    assert "rounded" not in dict(notes_of(totals(ties=150), look))
    assert dict(notes_of(totals(ties=170), look))["rounded"].startswith("20 of 1,000 pairs are ties (2.0%)")
    assert notes_of(totals(correct=0, ties=1000), Look(0, 0, 0, codes=Counter({0: 1000}), zeros=1000)) == [
        ("one_label", "the label of every pair is 0")
    ]


def test_labels_0_are_counted_where_labels_are_any_numbers(tmp_path: Path, mrl: Mrl) -> None:
    path = tmp_path / "zeros.csv"
    path.write_text("x1,x2,y\n" + "0.12,0.75,0\n0.5,0.06,1\n0.25,0.25,2\n" * 100)
    error = mrl(["compute", path, "--margin", "0.5", "--labels", "any"]).err
    assert "100 of 300 pairs are ties (33.3%)" in error


def test_one_label_is_noted() -> None:
    ((kind, text),) = notes_of(totals(), Look(0, 1.0, 1.0))
    assert kind == "one_label"
    assert "the label of every pair is 1: if x1 always holds" in text
    assert "if x2 always" in notes_of(totals(), Look(0, -1.0, -1.0))[0][1]
    assert notes_of(totals(99, 60), Look(0, 1.0, 1.0)) == []


# Most pairs in the wrong order.


@pytest.mark.parametrize(("pairs", "correct"), [(10, 0), (100, 34), (1000, 450), (1001, 450), (1_000_000, 498_000)])
def test_accuracy_below_one_half_by_more_than_chance_is_noted(pairs: int, correct: int) -> None:
    notes = dict(notes_of(totals(pairs, correct)))
    assert "below one half by more than chance" in notes["below_half"]
    assert f"only {correct:,} of {pairs:,} pairs" in notes["below_half"]


@pytest.mark.parametrize(("pairs", "correct"), [(9, 0), (100, 35), (1000, 452), (1001, 452), (1_000_000, 498_500)])
def test_accuracy_that_chance_may_give_is_not_noted(pairs: int, correct: int) -> None:
    assert "below_half" not in dict(notes_of(totals(pairs, correct)))
    assert "below_half" not in dict(notes_of(totals(pairs, pairs - correct)))


def test_ties_are_on_neither_side_of_one_half() -> None:
    assert "below_half" not in dict(notes_of(totals(pairs=1000, correct=10, ties=980)))


@each("correct", range(440, 501, 10))
def test_normal_approximation_goes_on_where_the_exact_test_ends(correct: int) -> None:
    assert chance_of_so_few(correct, 1000) == pytest.approx(chance_of_so_few(correct, 1001), rel=0.15)


def test_swapped_columns_are_noted_in_the_result(tmp_path: Path, mrl: Mrl) -> None:
    x1, x2 = X1[:200], X1[:200] - np.abs(X2[:200])
    _write(tmp_path / "pairs.csv", chosen=x1, rejected=x2)
    right = mrl(["compute", "pairs.csv", "--preset", "llamafactory", "-f", "json"])
    swapped = ["compute", "pairs.csv", "--x1", "rejected", "--x2", "chosen", "--y-const", "1", "-f", "json"]
    assert "below one half" not in right.err
    assert any("are x1 and x2 swapped" in note for note in mrl(swapped).result["notes"])


# Margins that are the differences.


def _write(path: Path, **columns: NDArray[np.float64]) -> None:
    pd.DataFrame(columns).to_csv(path, index=False)


@pytest.mark.parametrize("decimals", [2, 4, 17])
def test_margin_that_is_the_difference_is_noted(decimals: int, tmp_path: Path, mrl: Mrl) -> None:
    margin = (X1 - X2)[:200].round(decimals)
    _write(tmp_path / "pairs.csv", chosen=X1[:200].round(decimals), rejected=X2[:200].round(decimals), margin=margin)
    ran = mrl(["compute", "pairs.csv", "--preset", "trl", "--loss", "logistic", "-f", "json"])
    assert ran.result["mean"] == pytest.approx(math.log(2), rel=0.01)
    cost = ", so that each costs 0.693:" if decimals > 2 else ":"  # rounded so far, they cost not quite the same
    gap = np.abs(X1[:200].round(decimals) - X2[:200].round(decimals) - margin).max()
    text = f"the margin of every pair is its own y*(x1 - x2) to within {gap:.2g}{cost}"
    assert any(text in note for note in ran.result["notes"])


@pytest.mark.parametrize("factor", [0.5, 1.02, -1])
def test_margin_of_its_own_is_not_noted(factor: float, tmp_path: Path, mrl: Mrl) -> None:
    _write(tmp_path / "pairs.csv", chosen=X1[:200], rejected=X2[:200], margin=factor * (X1 - X2)[:200])
    assert "margin" not in mrl(["compute", "pairs.csv", "--preset", "trl"]).err


def test_margin_that_is_the_difference_to_the_last_bit_is_said_to_be_it(tmp_path: Path, mrl: Mrl) -> None:
    _write(tmp_path / "pairs.csv", chosen=X1[:200], rejected=X2[:200], margin=X1[:200] - X2[:200])
    ran = mrl(["compute", "pairs.csv", "--preset", "trl"])
    assert "the margin of every pair is its own y*(x1 - x2), so that each costs 0:" in ran.err


def test_margin_of_one_pair_beside_the_difference_is_enough(tmp_path: Path, mrl: Mrl) -> None:
    margin = (X1 - X2)[:200]
    margin[150] += 0.5
    _write(tmp_path / "pairs.csv", chosen=X1[:200], rejected=X2[:200], margin=margin)
    assert "margin" not in mrl(["compute", "pairs.csv", "--preset", "trl"]).err


def test_labels_count_in_the_difference() -> None:
    y = np.where(X1 > 0, 1.0, -1.0)
    for labels, margin, is_noted in ((y, y * (X1 - X2), True), (y, X1 - X2, False)):
        plan = Plan.of(columns=Columns(numbers=(("margin", "m"),)))
        numbers: dict[Role, Any] = {"x1": X1, "x2": X2, "y": labels, "margin": margin}
        batch = Batch("pairs.csv", numbers, range(2, X1.size + 2))
        look = LookReduction().add(Look(), Measured(batch, plan))
        assert ("margin" in dict(notes_of(totals(5000), look))) == is_noted


# Rewards that contain beta.


@each(
    ("options", "words"),
    [
        ("--preset trl --loss ipo --param beta=0.1", "ipo with beta=0.1 takes scores that are not: --scale 10"),
        ("--preset trl --loss ipo --param beta=0.3", "--scale 3.3333333333333335"),
        ("--preset trl --loss smoothed_bradley_terry --param beta=0.1", "leave out --param beta"),
        ("--x1 chosen_rewards --x2 rejected_rewards --y-const 1 --loss ipo --param beta=0.1", "--scale 10"),
        ("--preset trl --loss ipo --param beta=0.1 --scale 10", None),
        ("--preset trl --loss ipo", None),
        ("--preset trl --loss logistic --param temperature=2", "leave out --param temperature"),
    ],
)
def test_beta_that_rewards_contain_is_noted(options: str, words: str | None, tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "pairs.csv").write_text("chosen_rewards,rejected_rewards\n0.5,0.25\n1,0.5\n")
    ran = mrl(["compute", "pairs.csv", *options.split(), "-f", "json"])
    assert [words in note for note in ran.result.get("notes", [])] == [True] * (words is not None)
    assert ran.err.count("note: ") == (words is not None)


def test_beta_of_scores_that_are_no_rewards_is_not_noted(tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "pairs.csv").write_text("chosen,rejected\n0.5,0.25\n")
    options = ["--x1", "chosen", "--x2", "rejected", "--y-const", "1", "--loss", "ipo", "--param", "beta=0.1"]
    assert mrl(["compute", "pairs.csv", *options]).err == ""


# Training logs.

LOG = "rewards/chosen,rewards/rejected,rewards/accuracies,step\n0.5,0.25,0.75,10\n1,0.5,1,20\n"
BY_HAND = ["--x1", "rewards/chosen", "--x2", "rewards/rejected", "--y-const", "1"]


@pytest.mark.parametrize("options", [["compute"], ["validate"], ["sweep", "--margins", "0,1"]])
def test_log_named_by_hand_is_read_with_a_note(options: list[str], tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    ran = mrl([*options, "log.csv", *BY_HAND])
    assert (ran.code, ran.err.count("note: log.csv: rewards/chosen beside")) == (0, 1)
    assert "the loss of means is not the mean of the losses" in ran.err


def test_log_is_noted_of_a_frame_and_in_the_record(tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "log.csv").write_text(LOG)
    frame = pd.read_csv(tmp_path / "log.csv")
    record = evaluate(frame, x1="rewards/chosen", x2="rewards/rejected", y_const=1)
    note = mrl(["compute", "log.csv", *BY_HAND, "-f", "json"]).result["notes"][0]
    assert record["notes"] == [note.replace("log.csv", "the frame")]


@each("options", [[], ["--preset", "trl"], ["--preset", "rewardbench"], ["--x1", "rewards/chosen"]])
@each("name", ["log.csv", "trainer_state.json"])
def test_log_is_refused_with_the_reason(name: str, options: list[str], tmp_path: Path, mrl: Mrl) -> None:
    rows = list(csv.DictReader(io.StringIO(LOG)))
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "trainer_state.json").write_text(json.dumps({"epoch": 1.0, "log_history": rows}, indent=1))
    mrl(["compute", name, *options]).must_fail(3, f"error: {name} holds no pairs: ", "holds means of batches")


def test_rewards_of_pairs_are_no_log(tmp_path: Path, mrl: Mrl) -> None:
    (tmp_path / "pairs.csv").write_text("id,rewards/chosen,rewards/rejected\n1,0.5,0.25\n")
    assert mrl(["compute", "pairs.csv", "--preset", "trl"]).code == 0


def test_a_temperature_is_one_over_beta_too() -> None:
    plan = Plan.of(preset="trl", loss="logistic", parameters=(("temperature", 10.0),))
    (note,) = plan_notes(plan)
    assert note.endswith("logistic divides them by temperature=10 as well: leave out --param temperature")
    assert plan_notes(Plan.of(preset="trl", loss="logistic", parameters=(("temperature", 1.0),))) == []
