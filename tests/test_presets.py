"""`--preset`: files as known producers write them, what the user sets against them, and the hint that names one."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mrl_cli.inputs.presets import PRESETS, fitting
from mrl_cli.reports.benchmarks import SECTIONS
from tests.each import each
from tests.running import Mrl, run, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def mrl(mrl: Mrl) -> Mrl:
    """Run mrl compute in an empty folder; the result is JSON."""
    return lambda *args, stdin=b"": mrl("compute", *args, "-f", "json", stdin=stdin)


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


# Every file holds the pairs (3, 1), (0, 2) and (1, 1): right, wrong by 2, a tie.
SCORES = [(3.0, 1.0), (0.0, 2.0), (1.0, 1.0)]
TEXTS = {"prompt": "p", "text_chosen": "c", "text_rejected": "r"}


def scored(x1: str, x2: str, **others: Any) -> str:
    return lines(*({**others, x1: chosen, x2: rejected} for chosen, rejected in SCORES))


def labelled(x1: str, x2: str, label: str, values: list[Any]) -> str:
    return lines(*({x1: a, x2: b, label: value} for (a, b), value in zip(SCORES, values, strict=True)))


# What each preset with labels calls the first one better.
LABELS: dict[str, list[Any]] = {"judgebench": ["A>B"] * 3, "arena": ["model_a"] * 3, "helpsteer": [-3, -1, -2]}


def nested_columns() -> str:
    return json.dumps(
        {
            "chat_template": "tulu",
            "id": [1, 2, 3],
            "model": "m",
            "model_type": "Seq. Classifier",
            "results": [1, 0, 0],
            "scores_chosen": [[chosen] for chosen, _ in SCORES],
            "scores_rejected": [[rejected] for _, rejected in SCORES],
            "subset": ["math-prm"] * 3,
            "text_chosen": ["c"] * 3,
            "text_rejected": ["r"] * 3,
        },
        indent=4,
        sort_keys=True,
    )


def columns_of(x1: str, x2: str) -> pa.Table:
    return pa.table({"prompt": ["p"] * 3, x1: [a for a, _ in SCORES], x2: [b for _, b in SCORES]})


def parquet(path: Path, x1: str, x2: str) -> None:
    pq.write_table(columns_of(x1, x2), path)


# Preset, file name, and what writes the file in the producer's layout.
FILES: list[tuple[str, str, str | Callable[[Path], None]]] = [
    ("rewardbench", "m_outputs.jsonl", scored("scores_chosen", "scores_rejected", subset="math-prm", id=1, **TEXTS)),
    ("rewardbench", "m.json", nested_columns()),
    ("rewardbench", "m_all.jsonl", scored("chosen", "rejected")),
    ("llamafactory", "generated_predictions.jsonl", scored("chosen", "rejected")),
    ("trl", "rewards.jsonl", scored("chosen", "rejected")),
    ("trl", "rewards.csv", "chosen_rewards,rejected_rewards\n3,1\n0,2\n1,1\n"),
    ("trl", "rewards.csv", "id,rewards/chosen,rewards/rejected\n1,3,1\n1,0,2\n1,1,1\n"),
    *(
        (name, "labels.jsonl", labelled(*PRESETS[name].layouts[0], PRESETS[name].label.columns[0], values))  # type: ignore[union-attr]
        for name, values in LABELS.items()
    ),
    ("ultrafeedback", "u.parquet", lambda path: parquet(path, "score_chosen", "score_rejected")),
    ("ultrafeedback", "u.parquet", lambda path: parquet(path, "chosen-rating", "rejected-rating")),
    (
        "ultrafeedback",
        "u.arrow",
        lambda path: pyarrow.feather.write_feather(columns_of("score_chosen", "score_rejected"), str(path)),
    ),
]
with_every_file = each(("preset", "name", "content"), FILES)


def write(name: str, content: str | Callable[[Path], None]) -> None:
    if isinstance(content, str):
        Path(name).write_text(content, encoding="utf-8")
    else:
        content(Path(name))


@with_every_file
def test_files_of_every_producer_need_only_the_preset(
    preset: str, name: str, content: str | Callable[[Path], None], mrl: Mrl
) -> None:
    write(name, content)
    record = mrl(name, "--preset", preset).result
    assert (record["sum"], record["correct"], record["wrong"], record["ties"]) == (2, 1, 1, 1)
    assert (record["preset"], record["inputs"]) == (preset, [name])


@pytest.mark.slow
@with_every_file
def test_stdin_loses_nothing_that_was_peeked(
    preset: str, name: str, content: str | Callable[[Path], None], mrl: Mrl, tmp_path: Path
) -> None:
    write(name, content)
    record = mrl("--preset", preset, stdin=(tmp_path / name).read_bytes()).result
    assert (record["sum"], record["pairs"]) == (2, 3)


@pytest.mark.slow
def test_pipe_loses_nothing_that_was_peeked() -> None:
    count = 90_000  # more than a pipe and a block hold
    data = scored("chosen_rewards", "rejected_rewards") * (count // 3)
    record = run(["compute", "--preset", "trl", "-f", "json"], stdin=data).result
    assert (record["pairs"], record["sum"]) == (count, 2 * count / 3)


def test_every_preset_has_a_file_here() -> None:
    assert {preset for preset, _, _ in FILES} >= {name for name, preset in PRESETS.items() if not preset.is_indexed}


def test_every_layout_of_a_preset_with_labels_is_read(mrl: Mrl) -> None:
    for name, preset in PRESETS.items():
        for label in preset.label.columns if preset.label else ():
            for x1, x2 in preset.layouts:
                if "." not in x1:
                    write("p.jsonl", labelled(x1, x2, label, LABELS[name]))
                    assert mrl("p.jsonl", "--preset", name).result["sum"] == 2


@with_every_file
def test_missing_columns_name_the_preset_that_fits(
    preset: str, name: str, content: str | Callable[[Path], None], mrl: Mrl
) -> None:
    write(name, content)
    ran = mrl(name)
    assert (ran.code, ran.out) == (2, "")
    # Files of chosen and rejected alone say nothing of their producer, and are read alike.
    is_shared = isinstance(content, str) and content == scored("chosen", "rejected")
    fit = PRESETS["llamafactory" if is_shared else preset]
    assert (
        f"hint: these look like {fit.producer}'s columns: use --preset {fit.name}; run: mrl compute {name} " in ran.err
    )
    assert mrl(name, "--preset", fit.name).code == 0


@each(
    ("names", "preset"),
    [
        (["chosen", "rejected"], "llamafactory"),
        (["chosen", "rejected", "margin"], "trl"),
        (["chosen", "rejected", "subset"], "rewardbench"),
        (["chosen", "rejected", "margin", "score_chosen", "score_rejected"], "ultrafeedback"),
        (["x1", "x2"], None),
        (["chosen", "y"], None),
    ],
)
def test_producers_own_names_speak_louder_than_shared_ones(names: list[str], preset: str | None) -> None:
    actual = fitting(names)
    assert (None if actual is None else actual.name) == preset


def test_column_that_the_user_named_is_not_answered_with_a_preset(mrl: Mrl) -> None:
    write("p.jsonl", scored("chosen", "rejected"))
    assert "did you mean --x1 chosen?" in mrl("p.jsonl", "--x1", "chosn", "--x2", "rejected", "--y-const", "1").err


def test_columns_that_are_there_are_used(mrl: Mrl) -> None:
    write("p.csv", "chosen,rejected,margin,weight\n3,1,2.5,1\n0,2,1,3\n1,1,0,0\n")
    record = mrl("p.csv", "--preset", "trl").result
    # Losses 2.5 - 2 and 2 + 1; the pair of weight 0 is left out.
    assert (record["sum"], record["weight"], record["zero_weight"]) == (0.5 + 3 * 3, 4, 1)
    assert (record["margin_column"], record["weight_column"]) == ("margin", "weight")


def test_user_wins_over_the_preset(mrl: Mrl) -> None:
    write("p.csv", "chosen,rejected,margin,weight,w,m,other,l\n3,1,9,1,2,1,2,-1\n0,2,9,3,1,1,2,1\n")
    record = mrl("p.csv", "--preset", "trl", "--margin", "1", "--weight", "w").result
    assert (record["margin"], record["sum"], record["weight_column"]) == (1, 2 * 0 + 3, "w")
    assert "margin_column" not in record
    record = mrl("p.csv", "--preset", "trl", "--margin-column", "m", "--weight", "w").result
    assert (record["margin_column"], record["sum"]) == ("m", 3)
    record = mrl("p.csv", "--preset", "llamafactory", "--x2", "other", "--y", "l").result
    assert record["sum"] == 1 + 2
    record = mrl("p.csv", "--preset", "llamafactory", "--y-const", "-1").result
    assert record["sum"] == 2 + 0
    record = mrl("p.csv", "--preset", "trl", "--loss", "ipo", "--weight", "w").result
    assert "margin_column" not in record


def test_intervals_of_unweighted_means_leave_weights_aside(mrl: Mrl) -> None:
    write("p.csv", "chosen,rejected,weight,subset,prompt\n3,1,1,a,u\n0,2,3,b,u\n0,1,3,b,v\n")
    record = mrl("p.csv", "--preset", "trl", "--cluster", "prompt").result
    assert "weight_column" not in record
    assert (record["clusters"], record["sum"]) == (2, 3)
    record = mrl("p.csv", "--preset", "rewardbench", "--cluster", "prompt").result
    assert [(group["group"], group["clusters"]) for group in record["groups"]] == [("a", 1), ("b", 2)]


def test_groups_are_the_subsets_unless_the_user_names_others(mrl: Mrl) -> None:
    write("p.csv", "scores_chosen,scores_rejected,subset,k\n3,1,b,u\n0,2,a,u\n")
    assert [group["group"] for group in mrl("p.csv", "--preset", "rewardbench").result["groups"]] == ["a", "b"]
    assert mrl("p.csv", "--preset", "rewardbench", "--group-by", "k").result["group_by"] == "k"
    assert mrl("p.csv", "--preset", "rewardbench", "--by-file").result["group_by"] == "file"


def test_one_line_a_pair_has_neither_groups_nor_weights(mrl: Mrl, capfd: pytest.CaptureFixture[str]) -> None:
    write("p.csv", "scores_chosen,scores_rejected,subset\n3,1,b\n0,2,a\n")
    write("t.csv", "chosen,rejected,margin,weight\n3,1,2.5,1\n0,2,1,3\n")
    for args, out in (
        (["p.csv", "--preset", "rewardbench"], "loss\n0\n2\n"),
        (["t.csv", "--preset", "trl"], "loss\n0.5\n3\n"),
    ):
        assert run_inside(["compute", *args, "--reduction", "none", "-f", "csv"], capfd).out.replace(".0", "") == out


def test_first_file_that_has_rows_decides(mrl: Mrl) -> None:
    write("a.csv", "")
    write("b.csv", "chosen_rewards,rejected_rewards\n0,2\n")
    write("c.csv", "chosen,rejected\n0,2\n")
    assert mrl("a.csv", "b.csv", "--preset", "trl").result["sum"] == 2
    mrl("b.csv", "c.csv", "--preset", "trl").must_fail(
        2, "c.csv has no column 'chosen_rewards'; it has: chosen, rejected"
    )
    assert "no rows in a.csv" in mrl("a.csv", "--preset", "trl").err


def test_file_of_another_producer_is_reported(mrl: Mrl) -> None:
    write("p.csv", "score_chosen,score_rejected\n0,2\n")
    ran = mrl("p.csv", "--preset", "trl")
    assert (ran.code, ran.out) == (2, "")
    assert (
        "error: p.csv does not have the columns of --preset trl, chosen_rewards and rejected_rewards, "
        "or rewards/chosen and rewards/rejected, or chosen and rejected; it has: score_chosen, score_rejected\n"
        "hint: these look like UltraFeedback's columns: use --preset ultrafeedback\n"
    ) in ran.err


def test_unknown_preset_is_answered_with_the_closest(mrl: Mrl) -> None:
    mrl("p.csv", "--preset", "lamafactory").must_fail(2, "Did you mean llamafactory?")


def test_condition_may_rest_on_what_a_preset_brings(mrl: Mrl) -> None:
    write("p.csv", "chosen,rejected,weight\n3,1,1\n")
    assert mrl("p.csv", "--preset", "trl", "--fail-if", "weight<2").code == 1
    assert "this run does not report it" in mrl("p.csv", "--preset", "llamafactory", "--fail-if", "weight<2").err


@pytest.mark.slow
def test_accuracy_of_rounded_scores_is_reported_with_its_ties(mrl: Mrl) -> None:
    draw = random.Random(7)
    pairs = [(draw.gauss(0.01, 0.05), draw.gauss(0, 0.05)) for _ in range(20_000)]
    write("exact.jsonl", lines(*({"chosen": a, "rejected": b} for a, b in pairs)))
    write("rounded.jsonl", lines(*({"chosen": round(a, 2), "rejected": round(b, 2)} for a, b in pairs)))
    exact, rounded = (mrl(f"{name}.jsonl", "--preset", "llamafactory").result for name in ("exact", "rounded"))
    assert exact["ties"] == 0
    assert rounded["ties"] > 500
    assert rounded["accuracy"] < exact["accuracy"] - 0.02
    assert rounded["accuracy_half"] == pytest.approx(exact["accuracy"], abs=0.005)


# RewardBench's sections.


def subset(name: str, *, right: int = 0, tied: int = 0, wrong: int = 0) -> list[dict[str, Any]]:
    """Return rows of a subset, so many of each kind."""
    scores = [(2.0, 1.0)] * right + [(1.0, 1.0)] * tied + [(1.0, 2.0)] * wrong
    return [{"scores_chosen": a, "scores_rejected": b, "subset": name, "id": i} for i, (a, b) in enumerate(scores)]


BENCHMARK = [
    *subset("alpacaeval-easy", right=3, wrong=1),
    *subset("mt-bench-med", right=1, tied=1),
    *subset("math-prm", right=1, wrong=3),
    *subset("hep-go", right=4),
    *subset("hep-rust", right=1, wrong=1),
    *subset("donotanswer", right=2, tied=2, wrong=1),
]
# Subsets count for 100 and 40; 136; 984, 164 and 164, however many pairs of them a file holds. A tie is not correct.
CHAT, SAFETY = (3 / 4 * 100 + 1 / 2 * 40) / 140, 2 / 5
REASONING = (1 / 4 * 984 + 4 / 4 * 164 + 1 / 2 * 164) / (984 + 164 + 164)


def test_sections_are_those_of_the_benchmark(mrl: Mrl) -> None:
    write("m.jsonl", lines(*BENCHMARK))
    record = mrl("m.jsonl", "--preset", "rewardbench").result
    assert record["sections"] == [
        {"section": "Chat", "accuracy": CHAT, "subsets": 2, "pairs": 6},
        {"section": "Safety", "accuracy": SAFETY, "subsets": 1, "pairs": 5},
        {"section": "Reasoning", "accuracy": REASONING, "subsets": 3, "pairs": 10},
    ]
    assert record["section_average"] == pytest.approx((CHAT + SAFETY + REASONING) / 3, rel=1e-15)
    assert "subsets_without_section" not in record
    assert {group["group"]: group["accuracy"] for group in record["groups"]} == {
        "alpacaeval-easy": 3 / 4,
        "mt-bench-med": 1 / 2,
        "math-prm": 1 / 4,
        "hep-go": 1,
        "hep-rust": 1 / 2,
        "donotanswer": 2 / 5,
    }


def test_mapping_is_the_published_one() -> None:
    assert {section: len(counts) for section, counts in SECTIONS.items()} == {
        "Chat": 5,
        "Chat Hard": 6,
        "Safety": 5,
        "Reasoning": 7,
    }
    # The benchmark has 2985 pairs, of which math-prm has 447 and counts for 984.
    assert sum(sum(counts.values()) for counts in SECTIONS.values()) == 2985 - 447 + 984
    assert sum(count for name, count in SECTIONS["Reasoning"].items() if name.startswith("hep-")) == 984


def test_subset_of_no_section_is_listed_and_noted(mrl: Mrl) -> None:
    write("m.jsonl", lines(*BENCHMARK, *subset("shp", right=1), *subset("my\x1b[31m", wrong=1)))
    ran = mrl("m.jsonl", "--preset", "rewardbench")
    assert ran.result["subsets_without_section"] == ["my\x1b[31m", "shp"]
    assert [section["subsets"] for section in ran.result["sections"]] == [2, 1, 3]
    assert "note: 2 of the subsets are in no section of RewardBench: my\\x1b[31m, shp\n" in ran.err


def test_average_over_no_section_is_undefined(mrl: Mrl) -> None:
    write("m.jsonl", lines(*subset("shp", right=1)))
    record = mrl("m.jsonl", "--preset", "rewardbench", "-q").result
    assert (record["sections"], record["section_average"]) == ([], None)
    assert record["not_finite"]["section_average"] == "NaN"


@pytest.mark.parametrize(
    "args",
    [
        ["--group-by", "subset", "--x1", "scores_chosen", "--x2", "scores_rejected", "--y-const", "1"],
        ["--preset", "llamafactory", "--x1", "scores_chosen", "--x2", "scores_rejected", "--group-by", "subset"],
    ],
)
def test_sections_are_reported_under_the_preset_alone(args: list[str], mrl: Mrl) -> None:
    write("m.jsonl", lines(*BENCHMARK))
    assert not {"sections", "section_average", "subsets_without_section"} & mrl("m.jsonl", *args).result.keys()


def test_section_average_may_be_a_gate(mrl: Mrl) -> None:
    write("m.jsonl", lines(*BENCHMARK))
    assert mrl("m.jsonl", "--preset", "rewardbench", "--fail-if", "section_average<0.4").code == 0
    assert mrl("m.jsonl", "--preset", "rewardbench", "--fail-if", "section_average<0.7").code == 1
    failed = mrl("m.jsonl", "--preset", "rewardbench", "--fail-if", "sections.accuracy<2000001")
    named = "0.6785714285714286 in 'Chat', 0.4 in 'Safety', 0.375 in 'Reasoning'"
    assert failed.err.endswith(f"is {named}, and sections.accuracy<2000001 fails the run\n")
    assert failed.code == 1
    assert mrl("m.jsonl", "--preset", "rewardbench", "--fail-if", "sections.accuracy<0").code == 0


@pytest.mark.parametrize("output_format", ["table", "markdown"])
def test_sections_are_shown_to_people(
    output_format: str, mrl: Mrl, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    write("m.jsonl", lines(*BENCHMARK))
    full = ["--full"] if output_format == "table" else []
    out = run_inside(["compute", "m.jsonl", "--preset", "rewardbench", "-f", output_format, *full], capfd).out
    assert "section_average" in out
    assert re.search(rf"Reasoning +[|│] +{REASONING}", out)


# Pairs that point at scores.

# Scores 0.5, 0.25, 3: pairs (0, 1) and (2, 1) are right by 0.25 and 2.75, (1, 2) is wrong by 2.75.
PLACES = "0\t1\t2\n2\t1\t0.5\n1\t2\t3\n"
VALUES = [0.5, 0.25, 3.0]
WEIGHTED = 3 * 2.75


def scores_file(name: str) -> None:
    """Write VALUES in the format of the name."""
    if name.endswith("parquet"):
        pq.write_table(pa.table({"id": ["a", "b", "c"], "score": VALUES}), name)
    elif name.endswith("csv"):
        write(name, "id,score\n" + "".join(f'"{i}",{value}\n' for i, value in enumerate(VALUES)))
    elif name.endswith("tsv"):
        write(name, "score\n" + "".join(f"{value}\n" for value in VALUES))
    elif name.endswith("json"):
        write(name, json.dumps({"score": VALUES}))
    elif name.endswith("jsonl"):
        write(name, lines(*({"score": value} for value in VALUES)))
    else:
        write(name, "".join(f"{value}\n" for value in VALUES))


@each("name", ["s.txt", "s.csv", "s.tsv", "s.json", "s.jsonl", "s.parquet", "scores"])
@each("pairs", ["pairs.tsv", "pairs", "pairs.txt"])
def test_pairs_of_catboost_take_their_scores_by_place(pairs: str, name: str, mrl: Mrl) -> None:
    write(pairs, PLACES)
    scores_file(name)
    record = mrl(pairs, "--preset", "catboost", "--scores", name).result
    assert (record["sum"], record["weight"], record["correct"], record["wrong"]) == (WEIGHTED, 5.5, 2, 1)
    assert (record["scores"], record["preset"], record["weight_column"]) == (name, "catboost", "weight")


def test_check_names_the_scores_that_pairs_of_catboost_need(capfd: pytest.CaptureFixture[str], mrl: Mrl) -> None:
    write("p.tsv", PLACES)
    scores_file("s.txt")
    (checked,) = run_inside(["check", "p.tsv", "--preset", "catboost", "-f", "json"], capfd).result["inputs"]
    program, _, *words = checked["command"].replace("--scores FILE", "--scores s.txt").split()
    assert (program, mrl(*words).result["sum"]) == ("mrl", WEIGHTED)
    assert checked["notes"] == ["FILE has a score in each row: those that pairs name by their places, counted from 0"]


@each("order", ["winner loser weight", "weight loser winner", "loser extra winner weight"])
@each("delimiter", ["\t", ","])
def test_pairs_of_catboost_may_have_a_header_line(
    delimiter: str, order: str, mrl: Mrl, capfd: pytest.CaptureFixture[str]
) -> None:
    scores_file("s.txt")
    rows = [dict(zip(("winner", "loser", "weight"), row.split(), strict=True)) for row in PLACES.splitlines()]
    names = order.split()
    text = [delimiter.join(names), *(delimiter.join(row.get(name, "x") for name in names) for row in rows)]
    name = "p.tsv" if delimiter == "\t" else "p.csv"
    write(name, "".join(f"{line}\n" for line in text))
    assert mrl(name, "--preset", "catboost", "--scores", "s.txt").result["sum"] == WEIGHTED
    places = "use --preset catboost --scores FILE; are they the scores? use --x1 winner --x2 loser --y-const 1"
    assert places in mrl(name).err
    (checked,) = run_inside(["check", name, "-f", "json"], capfd).result["inputs"]
    assert (checked["preset"], checked["command"], places in checked["notes"][0]) == ("catboost", None, True)
    write(name, text[0] + "\n" + delimiter.join({"winner": "2.5"}.get(name, "1") for name in names) + "\n")
    assert "run: mrl compute" in mrl(name).err  # scores


def test_pairs_without_weights_and_on_stdin(mrl: Mrl) -> None:
    scores_file("s.txt")
    record = mrl("--preset", "catboost", "--scores", "s.txt", stdin=b"0\t1\n1\t2\n").result
    assert record["sum"] == 2.75
    assert "weight" not in record


def test_every_format_may_hold_places(mrl: Mrl) -> None:
    scores_file("s.txt")
    pq.write_table(pa.table({"winner": [0, 2, 1], "loser": [1, 1, 2], "weight": [2, 0.5, 3]}), "p.parquet")
    assert mrl("p.parquet", "--preset", "catboost", "--scores", "s.txt").result["sum"] == WEIGHTED
    write("p.csv", "i,j,y\n0,1,1\n1,2,-1\n1,2,1\n")
    assert mrl("p.csv", "--x1", "i", "--x2", "j", "--scores", "s.txt").result["sum"] == 2.75


def test_other_column_of_scores(mrl: Mrl) -> None:
    write("p.tsv", PLACES)
    write("eval.tsv", "SampleId\tRawFormulaVal\n" + "".join(f"{i}\t{value}\n" for i, value in enumerate(VALUES)))
    preset = ["p.tsv", "--preset", "catboost", "--scores", "eval.tsv"]
    assert mrl(*preset, "--score-column", "RawFormulaVal").result["sum"] == WEIGHTED
    mrl(*preset).must_fail(
        2, "eval.tsv has no column 'score'; it has: SampleId, RawFormulaVal\nhint: name the column with"
    )
    assert "did you mean --score-column RawFormulaVal?" in mrl(*preset, "--score-column", "rawformulaval").err


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("0\t1\n0\t3\n", "line 2: loser is 3\n"),
        ("0\t1\n-1\t1\n", "line 2: winner is -1\n"),
        ("0\t1\n0.5\t1\n", "line 2: winner is 0.5\n"),
        ("0\t1\n1e300\t1\n", "line 2: winner is 1"),
        ("0\t1\n7\t8\n", "line 2: winner is 7   line 2: loser is 8\n"),
    ],
)
def test_place_without_a_score_is_named(pairs: str, message: str, mrl: Mrl) -> None:
    write("p.tsv", pairs)
    scores_file("s.txt")
    call = ["p.tsv", "--preset", "catboost", "--scores", "s.txt"]
    ran = mrl(*call)
    ran.must_fail(3, message, "no row of the scores")
    assert "hint: rows of the scores are counted from 0, and there are 3\n" in ran.err
    record = mrl(*call, "--on-error", "skip").result
    assert (record["pairs"], record["rejected"]) == (1, 1)


def test_rows_left_out_take_their_columns_along(mrl: Mrl, tmp_path: Path) -> None:
    scores_file("s.txt")
    pq.write_table(
        pa.table({"winner": [9, 0, 1], "loser": [0, 1, 2], "weight": [7.0, 2, 3], "k": ["x", "a", "b"]}), "p.parquet"
    )
    call = ["p.parquet", "--preset", "catboost", "--scores", "s.txt", "--on-error", "skip"]
    record = mrl(*call, "--group-by", "k", "--rejects", "bad.csv").result
    assert [(group["group"], group["weight"]) for group in record["groups"]] == [("a", 2), ("b", 3)]
    assert (tmp_path / "bad.csv").read_text().splitlines()[1:] == ["p.parquet,1,winner,9,no row of the scores"]


@each("name", ["s.txt", "s.csv"])
@each(
    ("scores", "message"),
    [
        ("0.5\noops\n3\n", "1 problem in NAME (3 rows)\n  not a number       1   line 2: 'oops'"),
        ("0.5\nnan\n3\n", "line 2: 'nan'"),
        ("inf\n1\n3\n", "line 1: 'inf'"),
        ("nan\n1\n3\n", "line 1: 'nan'"),
        ("score\n1\n\n3\n", "line 3 is blank"),
        ("0.5\n\n3\n", "line 2 is blank, and scores count by their place"),
        ("\n0.5\n3\n", "line 1 is blank"),
        ("score\n\n3\n", "line 2 is blank"),
        ("0.5\n1\n  \n3\n", "line 3: '  '"),
        ("score\n", "no scores in NAME"),
        ("", "no scores in NAME"),
    ],
)
def test_scores_are_read_strictly(scores: str, message: str, name: str, mrl: Mrl) -> None:
    write("p.tsv", PLACES)
    write(name, scores)
    mrl("p.tsv", "--preset", "catboost", "--scores", name, "--on-error", "skip").must_fail(
        3, message.replace("NAME", name)
    )


def test_blank_lines_after_the_scores_are_nothing(mrl: Mrl) -> None:
    write("p.tsv", PLACES)
    write("s.txt", "0.5\n0.25\n3\n\n\n")
    assert mrl("p.tsv", "--preset", "catboost", "--scores", "s.txt").result["sum"] == WEIGHTED


@each(
    ("args", "message"),
    [
        (["--preset", "catboost"], "--preset catboost needs --scores FILE"),
        (["--score-column", "s"], "--score-column goes with --scores"),
        (["--preset", "trl", "--scores", "s.txt"], "--scores and --preset trl exclude each other"),
        (["--preset", "catboost", "--scores", "gone.txt"], "no such file: gone.txt"),
        (["--preset", "catboost", "--scores", "-"], "--scores - is not one file"),
        (["--preset", "catboost", "--scores", "s.txt", "-o", "s.txt"], "--output s.txt is an input"),
    ],
)
def test_scores_that_make_no_sense_are_refused(args: list[str], message: str, mrl: Mrl) -> None:
    write("p.tsv", PLACES)
    scores_file("s.txt")
    mrl("p.tsv", *args).must_fail(2, message)


# What the docs say.


def test_docs_have_the_registry() -> None:
    text = Path(__file__).parents[1].joinpath("mrl_cli/docs/presets.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `") and line.count("|") == 6]
    assert [row for row in rows if row.split("`")[1] in PRESETS] == [
        f"| `{preset.name}` | {preset.producer} | {preset.files} "
        f"| {' or '.join(f'`{x1}` `{x2}`' for x1, x2 in preset.layouts)} "
        f"| {' '.join(f'`{name}`' for name in preset.further)} |"
        for preset in PRESETS.values()
    ]


def test_help_lists_the_presets(capfd: pytest.CaptureFixture[str]) -> None:
    out = " ".join(run_inside(["compute", "--help"], capfd).out.split())
    assert ", ".join(PRESETS) in out


@pytest.mark.parametrize(
    ("args", "labels"),
    [
        ([], "pm1"),
        (["--loss", "logistic"], "pm1"),
        (["--loss", "margin_mse"], "any"),
        (["--loss", "margin_mse", "--labels", "pm1"], "pm1"),
    ],
)
def test_labels_are_by_default_what_the_loss_takes(args: list[str], labels: str, mrl: Mrl) -> None:
    write("p.csv", "x1,x2,y\n3,1,1\n")
    assert mrl("p.csv", *args).result["labels"] == labels
    write("p.csv", "x1,x2,y\n3,1,0.5\n")
    ran = mrl("p.csv", *args)
    assert ran.code == (0 if labels == "any" else 3)
    assert labels == "pm1" or ran.result["sum"] == (2 - 0.5) ** 2


def test_help_names_every_preset(capfd: pytest.CaptureFixture[str]) -> None:
    words = run_inside(["compute", "--help"], capfd).out.replace("\n", " ")
    assert all(name in words for name in PRESETS)


def test_optional_column_counts_wherever_it_stands(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = ['{"chosen":1,"rejected":0}\n', '{"chosen":1,"rejected":2,"margin":5.0}\n']
    for order in (rows, rows[::-1]):
        (tmp_path / "t.jsonl").write_text("".join(order))
        for stdin, name in ((b"", str(tmp_path / "t.jsonl")), ("".join(order).encode(), "-")):
            run_inside(["compute", name, "--preset", "trl", "--raw"], capfd, stdin=stdin).must_fail(
                3, f"line {1 + order.index(rows[0])}: margin is null"
            )
    for name, row in (("a", rows[0]), ("b", rows[1])):
        (tmp_path / f"{name}.jsonl").write_text(row)
    for names in ("ab", "ba"):
        run_inside(
            ["compute", *(str(tmp_path / f"{name}.jsonl") for name in names), "--preset", "trl"], capfd
        ).must_fail(2, "a.jsonl has no column 'margin'")
