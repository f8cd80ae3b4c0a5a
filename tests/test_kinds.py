"""What rows are, by their names and first cells: pairs, ranked lists, texts, the log of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mrl_cli.inputs.kinds import LISTS, LOG, PAIRS, TEXTS, kind_of, logged_means
from mrl_cli.inputs.presets import PRESETS
from tests.each import each
from tests.running import run_inside

if TYPE_CHECKING:
    from pathlib import Path

Capture = pytest.CaptureFixture[str]
CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


@each(
    "names",
    [
        ["loss", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "epoch", "step"],
        ["rewards/chosen", "rewards/rejected", "rewards/margins"],
        ["rewards/chosen", "rewards/rejected", "learning_rate"],
        ["rewards/chosen", "rewards/rejected", "logps/chosen"],
        ["eval_loss", "eval_rewards/chosen", "eval_rewards/rejected", "eval_runtime"],
        ["_step", "_timestamp", "train/rewards/chosen", "train/rewards/rejected"],
        ["train/global_step", "train/rewards/margins"],
        ["Step", "dpo-7b - train/rewards/chosen", "dpo-7b - train/rewards/chosen__MIN"],
        ["best_metric", "epoch", "global_step", "log_history"],
    ],
)
def test_means_of_batches_are_a_log(names: list[str]) -> None:
    assert "means of batches" in str(logged_means(names))
    assert kind_of({name: [0.5] for name in names}).kind == LOG


@pytest.mark.parametrize(
    "names",
    [
        ["rewards/chosen", "rewards/rejected"],
        ["rewards/chosen", "rewards/rejected", "margin", "weight"],
        ["chosen_rewards", "rejected_rewards", "epoch", "step"],
        ["x1", "x2", "y", "loss", "step"],
        ["chosen", "rejected", "loss", "epoch"],
    ],
)
def test_pairs_beside_a_loss_or_a_step_are_no_log(names: list[str]) -> None:
    assert logged_means(names) is None
    assert kind_of({name: [0.5] for name in names}).kind == PAIRS


LOGS = [
    ["Wall time", "Step", "Value"],
    ["run", "tag", "step", "wall_time", "value"],
    ["loss", "learning_rate", "epoch"],
    ["Step", "run-1 - train/loss", "run-2 - train/loss"],
    ["Step", "a - loss", "b - loss"],
]


@pytest.mark.parametrize("names", LOGS, ids=",".join)
def test_steps_beside_a_statistic_are_a_log_and_no_pairs(names: list[str], tmp_path: Path, capfd: Capture) -> None:
    assert kind_of({name: [0.5] for name in names}).kind == LOG
    path = tmp_path / "log.csv"
    path.write_text(",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n")
    for command in (["compute"], ["sweep", "--margins", "0,1"], ["validate"]):
        run_inside([*command, path], capfd).must_fail(
            3, "log.csv holds no pairs: ", "each row is a step of a training log"
        )
    assert run_inside(["compute", path, "--x1", names[0], "--x2", names[-1], "--y-const", "1"], capfd).code == 0


@pytest.mark.parametrize("names", [["a_score", "base", "label", "loss", "step"], ["policy", "base", "step"]])
def test_a_step_beside_labels_or_without_a_statistic_is_no_log(
    names: list[str], tmp_path: Path, capfd: Capture
) -> None:
    assert kind_of({name: [0.5] for name in names}).kind is None
    (tmp_path / "p.csv").write_text(",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n")
    assert run_inside(["compute", tmp_path / "p.csv"], capfd).code == 2


@each("name", [name for name, preset in PRESETS.items() if not preset.header])
def test_columns_of_a_preset_are_its_pairs(name: str) -> None:
    for layout in PRESETS[name].layouts:
        label, heads = PRESETS[name].label, (column.partition(".")[0] for column in layout)
        rows = kind_of({**{column: [0.5, 1.5] for column in heads}, **{key: ["a"] for key in PRESETS[name].further}})
        assert (rows.kind, rows.x1, rows.x2, rows.preset) == (PAIRS, *layout, name)
        assert (rows.y, rows.is_directed) == ((None, True) if label is None else (label.columns[0], False))


@each(
    ("columns", "x1", "x2", "y"),
    [
        ({"x1": [1], "x2": [2], "y": [1], "patient1": [3], "patient2": [4]}, "x1", "x2", "y"),
        ({"X1": ["1"], "X2": ["2"], "Label": ["1"]}, "X1", "X2", "Label"),
        ({"score_A": [1.5], "score_B": [0], "label": ["A>B"]}, "score_A", "score_B", "label"),
        (
            {"model_a": ["m"], "model_b": ["n"], "winner": ["tie"], "rating_a": [1100], "rating_b": [1050]},
            "rating_a",
            "rating_b",
            "winner",
        ),
        ({"winner_score": [1], "loser_score": [2], "label": [1]}, "winner_score", "loser_score", None),
        ({"s1": [1], "s2": [2], "len_1": [10], "len_2": [12]}, "s1", "s2", None),
        ({"1": [0.5], "2": [0.25], "3": [-1]}, "1", "2", "3"),
        ({"1": [0], "2": [1], "3": [0.5]}, "1", "2", None),
        ({"score_1": [1, "oops", 2], "score_2": [1, 2, 3]}, "score_1", "score_2", None),
        ({"reward_a": [1], "reward_b": [2], "score_a": [1], "score_b": [2]}, None, None, None),
        ({"chosen_logps": [-1], "rejected_logps": [-2], "ref_chosen_logps": [-1], "ref_rejected_logps": [-2]},
         "chosen_logps", "rejected_logps", None),
        ({"label": ["A>B"], "judgments": [[{"judgment": {"scores": [1.5, 0.5]}, "decision": "A>B"}]]},
         "judgments.0.judgment.scores.0", "judgments.0.judgment.scores.1", "label"),
        ({"chosen": [CHAT], "rejected": [CHAT], "score_chosen": [8], "score_rejected": [7]}, "score_chosen",
         "score_rejected", None),
    ],
)  # fmt: skip
def test_scores_and_label_of_pairs(
    columns: dict[str, list[Any]], x1: str | None, x2: str | None, y: str | None
) -> None:
    rows = kind_of(columns)
    assert (rows.kind, rows.x1, rows.x2, rows.y) == (PAIRS, x1, x2, y)


@each(
    "columns",
    [
        {"qid": [1], "label": [2], "score": [0.5], "feature1": [0], "feature2": [1]},
        {"query_id": ["q1"], "score": [0.5]},
        {"num_correct": [1], "scores": [[1.5, 2.5, 0.5, 1.0]], "subset": ["Math"]},
        {"score_chosen": [[1.0, 2.0, 3.0]], "score_rejected": [[1.0, 2.0, 3.0]]},
        {"prompt": ["q"], "answers": [[{"answer": "a", "rank": 1.0}, {"answer": "b", "rank": 2.0}]]},
        {"completions": [[{"model": "x", "overall_score": 7}]]},
        {"ranking": [[2, 1, 3]], "rewards": [[0.5, 0.25, 0.0]]},
        {"1": ["1 qid:7 1:0.25 2:0"]},
        {"1": ["q1"], "2": ["Q0"], "3": ["d2"], "4": [2], "5": [0.25], "6": ["run"]},
    ],
)
def test_ranked_lists(columns: dict[str, list[Any]]) -> None:
    assert kind_of(columns).kind == LISTS


@pytest.mark.parametrize(
    "columns",
    [
        {"chosen": ["Human: hi"], "rejected": ["Human: no"]},
        {"prompt": ["q"], "chosen": [CHAT], "rejected": [CHAT]},
        {"response_1": ["a"], "response_2": ["b"], "preference_strength": [-2]},
    ],
)
def test_texts_without_scores(columns: dict[str, list[Any]]) -> None:
    assert kind_of(columns).kind == TEXTS


@pytest.mark.parametrize(
    "columns",
    [{"Wall time": [1.5e9], "Step": [1], "Value": [0.5]}, {"loss": [0.5], "learning_rate": [1e-6], "epoch": [0.1]}],
)
def test_log_without_rewards(columns: dict[str, list[Any]]) -> None:
    assert kind_of(columns).kind == LOG


@each(
    "columns",
    [
        {},
        {"0.5": []},
        {"alpacaeval-easy": [0.9], "math-prm": [0.8], "model": ["acme/rm"]},
        {"model_a": ["m"], "model_b": ["n"], "winner": ["tie"]},
        {"f1": [0.1], "f2": [0.2], "f3": [0.3]},
        {"x1": [None], "x2": [None]},
    ],
)
def test_nothing_is_claimed_of_other_rows(columns: dict[str, list[Any]]) -> None:
    assert kind_of(columns).kind is None
