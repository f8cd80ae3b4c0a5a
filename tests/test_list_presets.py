"""Presets of ranked lists, and the figures that benchmarks of reward models have of their own."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli.commands import listoptions
from mrl_cli.errors import DataError
from mrl_cli.inputs import read, resolve, shards_of
from mrl_cli.inputs.layouts import with_layout
from mrl_cli.inputs.presets import LIST_PRESETS
from mrl_cli.model import Columns, Plan
from mrl_cli.model.parts import BENCHMARKS_OF_LISTS
from mrl_cli.reductions.benchmarks import BENCHMARKS, TiesList
from mrl_cli.reductions.measured import Measured
from mrl_cli.reports.benchmarks import benchmark_sections, ties_figures
from tests.each import mostly_slow
from tests.running import Ran, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable

    Capture = pytest.CaptureFixture[str]
    Rank = Callable[..., Ran]

# Scores of which the first is right: on top, tied with another for the top, and not.
BEST_OF: dict[str, Any] = {
    "scores": [[[1.0], [0.5], [0.25]], [[2.0], [2.0], [0.0]], [[1.0], [3.0], [0.0]]],
    "num_correct": [1, 1, 1],
    "subset": ["Math", "Math", "Focus"],
    "id": ["0", "1", "2"],
    "results": [1.0, 0.5, 0],
    "model": "m",
}
# Of number 0 both lists are right, with gaps of 1 and 0.5, and a spread of 0.25; of number 1 the tied list is wrong.
TIES: dict[str, Any] = {
    "scores": [[3.0, 2.0], [2.5, 2.25, 1.75], [1.0, 0.5], [2.0, 1.0, 1.5]],
    "num_correct": [1, 2, 1, 2],
    "subset": ["Ties"] * 4,
    "id": ["ref:0", "tied:0", "ref:1", "tied:1"],
}
STYLES: list[dict[str, Any]] = [
    {"domain": "chat", "score_chosen": [1.0, 2.0, 3.0], "score_rejected": [0.5, 1.5, 3.5]},
    {"domain": "math", "score_chosen": [4.0, 0.0, 4.0], "score_rejected": [1.0, 2.0, 3.0]},
]
ANSWERS = [{"rank": 1, "score": 2.0}, {"rank": 2, "score": 1.0}, {"rank": 3, "score": 1.5}]
# By preset: a file, and what mrl rank finds in it: pairs, those in the right order, and the sum at margin 0.
FILES: dict[str, tuple[Any, tuple[int, int, float]]] = {
    "rewardbench2": (BEST_OF, (6, 4, 2.0)),
    "rmbench": (STYLES, (18, 11, 11.0)),
    "nectar": ([{"prompt": "q", "answers": ANSWERS}], (3, 2, 0.5)),
    "ultrafeedback": (
        [{"completions": [{"overall_score": 4 - one["rank"], "score": one["score"]} for one in ANSWERS]}],
        (3, 2, 0.5),
    ),
    "imagereward": ([{"ranking": [1, 2, 3], "rewards": [2.0, 1.0, 1.5]}], (3, 2, 0.5)),
}


@pytest.fixture
def rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> Rank:
    """Write a value as JSON, and run mrl rank on it."""
    monkeypatch.chdir(tmp_path)

    def run(value: Any, *args: str) -> Ran:
        (tmp_path / "a.json").write_text(json.dumps(value))
        return run_inside(["rank", "a.json", "-f", "json", *args], capfd)

    return run


@pytest.mark.parametrize("name", list(LIST_PRESETS))
def test_files_of_every_producer_need_only_the_preset(name: str, rank: Rank) -> None:
    value, expected = FILES[name]
    result = rank(value, "--preset", name).result
    assert (result["pairs"], result["correct"], result["sum"]) == expected
    assert result["preset"] == name


@pytest.mark.parametrize("name", list(LIST_PRESETS))
def test_what_check_proposes_is_what_a_run_without_the_preset_hints_at(name: str, rank: Rank, capfd: Capture) -> None:
    value, _ = FILES[name]
    hint = rank(value).err.partition("\nhint: ")[2]
    (command,) = (one["command"] for one in run_inside(["check", "a.json", "-f", "json"], capfd).result["inputs"])
    assert command == f"mrl rank a.json --preset {name}"
    assert f"use --preset {name}" in hint
    assert f"use mrl rank --preset {name}" in run_inside(["compute", "a.json"], capfd).err
    ran = run_inside(["compute", "-"], capfd, json.dumps(value).encode())
    assert ("--preset" not in ran.err) or ("are their cells lists? then mrl rank --preset" in ran.err)


@pytest.mark.parametrize("name", [name for name, (rows, _) in FILES.items() if isinstance(rows, list)])
def test_one_row_may_stand_alone(name: str, tmp_path: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    row = json.dumps(FILES[name][0][0]) + "\n"
    Path("row.json").write_text(row)
    Path("row.jsonl").write_text(row)
    ran, of_lines = (run_inside(["rank", file, "--preset", name, "--raw"], capfd) for file in ("row.json", "row.jsonl"))
    assert (ran.code, ran.out) == (0, of_lines.out), ran.err
    if name != "rmbench":  # numbers of chosen and rejected ones may be a pair in each row
        checked = json.loads(run_inside(["check", "row.json", "-f", "json"], capfd).out)["inputs"][0]
        assert (checked["kind"], checked["command"]) == ("lists", f"mrl rank row.json --preset {name}")


@pytest.mark.parametrize("name", list(LIST_PRESETS))
def test_file_without_rows_is_named(name: str, rank: Rank) -> None:
    ran = rank([], "--preset", name)
    ran.must_fail(3, "no rows in a.json; the mean of nothing is undefined")


def test_presets_are_named_in_the_help_and_benchmarks_once(capfd: Capture) -> None:
    page = " ".join(run_inside(["rank", "--help"], capfd).out.split())
    assert f"writes them: {', '.join(LIST_PRESETS)}." in page.replace("MRL_RANK_PRESET ", "")
    assert tuple(LIST_PRESETS) == listoptions.PRESET_NAMES
    assert set(BENCHMARKS_OF_LISTS) == BENCHMARKS.keys() <= LIST_PRESETS.keys()


def test_every_format_may_hold_them(rank: Rank, tmp_path: Path, capfd: Capture) -> None:
    columns = {name: column for name, column in BEST_OF.items() if isinstance(column, list)}
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=2)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole = rank(BEST_OF, "--preset", "rewardbench2").result
    for name in ("a.parquet", "a.jsonl"):
        result = run_inside(["rank", name, "-f", "json", "--preset", "rewardbench2"], capfd).result
        assert [result[key] for key in ("sum", "pairs", "sections")] == [
            whole[key] for key in ("sum", "pairs", "sections")
        ]


def test_user_wins_over_the_preset(rank: Rank) -> None:
    answers = [{"rank": one["rank"], "score": one["score"], "mine": one["rank"] / 2} for one in ANSWERS]
    result = rank([{"answers": answers}], "--preset", "nectar", "--score", "answers.*.mine").result
    assert (result["correct"], result["score_column"]) == (0, "answers.*.mine")
    assert rank([{"answers": answers}], "--preset", "nectar", "--labels", "relevance").result["correct"] == 1
    turned = ["--chosen", "score_rejected", "--rejected", "score_chosen"]
    assert rank(STYLES, "--preset", "rmbench", *turned).result["correct"] == 18 - 11
    assert rank(STYLES, "--preset", "rmbench", "--by-file").result["group_by"] == "file"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["rmbench", "--labels", "rank"], "--labels does not go with --preset rmbench, which has no column of labels"),
        (["rewardbench2", "--unjudged", "0"], "--unjudged does not go with --preset rewardbench2"),
        (["rewardbench2", "--label", "x"], "--label does not go with --preset rewardbench2, which reads scores and"),
        (["nectar", "--chosen", "a", "--rejected", "b"], "--chosen does not go with --preset nectar"),
    ],
)
def test_what_a_preset_leaves_no_use_for_is_refused(args: list[str], message: str, rank: Rank) -> None:
    rank(STYLES, "--preset", *args).must_fail(2, message)


def test_missing_columns_are_named_with_those_there_are(rank: Rank) -> None:
    ran = rank([{"completions": [{"overall_score": 1.0}]}], "--preset", "ultrafeedback")
    ran.must_fail(2)
    assert "completions.*.overall_score and completions.*.score" in ran.err
    assert "use --preset ultrafeedback, and name the scores of a model with --score COLUMN" in ran.err


def test_chosen_and_rejected_ones_need_no_preset(rank: Rank) -> None:
    named = rank(STYLES, "--chosen", "score_chosen", "--rejected", "score_rejected").result
    assert (named["sum"], named["chosen_column"]) == (11.0, "score_chosen")
    assert "sections" not in named
    counted = rank(BEST_OF, "--score", "scores", "--num-correct", "num_correct").result
    assert (counted["sum"], counted["num_correct_column"]) == (2.0, "num_correct")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--chosen", "score_chosen"], "--chosen and --rejected go together: only --chosen is given"),
        (["--rejected", "score_rejected"], "only --rejected is given"),
        (["--chosen", "a", "--rejected", "b", "--score", "c"], "--chosen and --score exclude each other"),
        (["--num-correct", "a", "--label", "c"], "--num-correct and --label exclude each other"),
        (["--chosen", "score_chosen", "--rejected", "score_no"], "no column 'score_no'"),
    ],
)
def test_options_of_sides_that_make_no_sense_are_refused(args: list[str], message: str, rank: Rank) -> None:
    rank(STYLES, *args).must_fail(2, message)


def test_rows_without_a_wrong_answer_have_no_pairs(rank: Rank) -> None:
    ran = rank(BEST_OF | {"num_correct": [3, 3, 0]}, "--score", "scores", "--num-correct", "num_correct")
    ran.must_fail(3)
    assert "no row has a right answer and a wrong one" in ran.err


def test_sections_of_rewardbench_2_count_shares_of_the_top(rank: Rank) -> None:
    result = rank(BEST_OF, "--preset", "rewardbench2").result
    assert result["sections"] == [
        {"section": "Focus", "accuracy": 0.0, "queries": 1},
        {"section": "Math", "accuracy": (1 + 0.5) / 2, "queries": 2},
    ]
    assert (result["section_average"], result["top_accuracy"], result["top_accuracy_half"]) == (0.375, 1 / 3, 0.5)
    assert [group["top_accuracy_half"] for group in result["groups"]] == [0.0, 0.75]


def test_ties_have_a_score_of_their_own(rank: Rank) -> None:
    result = rank(TIES, "--preset", "rewardbench2").result
    # Number 0: the smaller gap is 0.5, above the spread of 0.25. Number 1: it is -0.5, and the spread is 1.
    margin = (math.tanh(0.5 / 0.25 - 1) + math.tanh(-0.5 / 1 - 1)) / 2
    figures = {"ref": 1.0, "tied": 0.5, "preferred": 0.5, "hard": 0.5, "margin": margin}
    score = 0.3 * 0.5 + 0.3 * 1 + 0.2 * 0.5 + 0.2 * 0.5 + 0.01 * margin
    (section,) = result["sections"]
    assert section == {"section": "Ties", "accuracy": score, "queries": 4, **figures, "score": score}
    both = {name: BEST_OF[name] + TIES[name] for name in TIES}
    assert rank(both, "--preset", "rewardbench2").result["section_average"] == (0.0 + 0.75 + score) / 3


def test_a_spread_of_nothing_has_a_margin() -> None:
    def margin(gap: float) -> float:
        return ties_figures([TiesList("ref", 0, gap, 0.0), TiesList("tied", 0, gap, 0.0)])["margin"]

    assert [margin(gap) for gap in (0.0, 0.5, -0.5)] == [0.0, 1.0, -1.0]
    assert math.isnan(ties_figures([TiesList("ref", 0, 1.0, 0.0)])["score"])
    with pytest.raises(DataError, match="two rows of Ties have the id ref:0"):
        ties_figures([TiesList("ref", 0, 1.0, 0.0)] * 2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"id": ["ref:0", "tied:0", "x", "tied:1"]}, "row 3: the id x is not ref:NUMBER or tied:NUMBER"),
        ({"num_correct": [1, 3, 1, 2]}, "row 2: tied:0 has 3 right answers and 0 wrong"),
        ({"num_correct": [1, 1, 1, 2]}, "row 2: tied:0 has 1 right answer and 2 wrong"),
    ],
)
def test_rows_of_ties_that_have_no_score_are_named(changed: dict[str, Any], message: str, rank: Rank) -> None:
    rank(TIES | changed, "--preset", "rewardbench2").must_fail(3, message)


def test_sections_of_rm_bench_are_parts_of_the_matrix_of_styles(rank: Rank) -> None:
    result = rank(STYLES, "--preset", "rmbench").result
    right = {"easy": 0, "normal": 0, "hard": 0}
    for row in STYLES:
        for (i, chosen), (j, rejected) in product(enumerate(row["score_chosen"]), enumerate(row["score_rejected"])):
            right["easy" if i > j else "normal" if i == j else "hard"] += chosen > rejected
    assert result["sections"] == [{"section": name, "accuracy": n / 6, "pairs": 6} for name, n in right.items()]
    assert [group["group"] for group in result["groups"]] == ["chat", "math"]
    rows = [STYLES[0] | {"score_rejected": [1.0]}, *STYLES]
    rank(rows, "--preset", "rmbench").must_fail(3, "row 1: score_chosen has 3 items, score_rejected has 1")
    skipped = rank(rows, "--preset", "rmbench", "--on-error", "skip")
    assert "1 of 3 rows left out" in skipped.err
    assert (skipped.result["rejected"], skipped.result["sections"]) == (1, result["sections"])


@pytest.mark.parametrize("name", mostly_slow(list(BENCHMARKS), quick=1))
def test_any_cut_has_the_same_sections(name: str, tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    scores = random.integers(-4, 4, (30, 6)) / 4
    table = {
        "scores": scores.tolist(),
        "num_correct": [3] * 30,
        "subset": random.choice(["Math", "Ties", "ties", "Focus"], 30).tolist(),
        "id": [f"{('ref', 'tied')[place % 2]}:{place // 2}" for place in range(30)],
    }
    columns = Columns(
        None, None, None, (("score", "scores"), ("num_correct", "num_correct")), (("subset", "subset"), ("key", "id"))
    )
    seen = []
    for rows in (30, 7, 1):
        pq.write_table(pa.table(table), tmp_path / "a.parquet", row_group_size=rows)
        sources = resolve([str(tmp_path / "a.parquet")])
        plan = with_layout(Plan.of(labels="relevance", columns=columns), sources)
        reduction = BENCHMARKS[name]()
        whole = reduction.merge(reduction.whole(), reduction.empty(), None)
        for shard in shards_of(sources, plan):
            state = reduction.empty()
            for batch in read(shard, plan):
                state = reduction.add(state, Measured(batch, plan))
            whole = reduction.merge(whole, state, None)
        seen.append(benchmark_sections(whole))
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) == 3


def test_docs_have_the_registry() -> None:
    text = (Path(__file__).parents[1] / "mrl_cli" / "docs" / "lists.md").read_text("utf-8")
    for preset in LIST_PRESETS.values():
        (row,) = (
            line
            for line in text.splitlines()
            if line.startswith(f"| {preset.producer} | `{preset.name}` | {preset.files} |")
        )
        names = {name for layout in preset.layouts for name in layout.values()} | {name for _, name in preset.keys}
        assert all(f"`{name}`" in row for name in names), preset.name
