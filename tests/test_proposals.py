"""The command that `mrl check` proposes runs as it is written, and gives the number that is right for the data."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli.inputs.presets import PRESETS
from tests.each import each
from tests.running import Mrl

if TYPE_CHECKING:
    from collections.abc import Callable

Rows = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _as_csv(rows: Rows) -> str:
    with Path("p.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return "p.csv"


def _as_lines(rows: Rows) -> str:
    Path("p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "p.jsonl"


def _as_parquet(rows: Rows) -> str:
    pq.write_table(pa.Table.from_pylist(rows), "p.parquet")
    return "p.parquet"


WRITERS = (_as_csv, _as_lines, _as_parquet)


def proposed(mrl: Mrl, *args: str) -> dict[str, Any]:
    """Return the one input that a check reports."""
    (entry,) = mrl("check", *args, "-f", "json").result["inputs"]
    return dict(entry)


def followed(mrl: Mrl, command: str) -> dict[str, Any]:
    """Return the result of a proposed command."""
    program, *words = shlex.split(command)
    assert program == "mrl"
    return mrl(*words, "-f", "json").result


class Labelled(NamedTuple):
    """Labels of the pairs (1, 3), (3, 1), (1, 5) and so on, the options that read them, and the mean loss."""

    labels: list[Any]
    options: str
    mean: float
    pairs: int


# At margin 0, y = 1 costs 2, 0, 4 and y = -1 costs 0, 2, 0 for the three scores.
SCORES = [(1, 3), (3, 1), (1, 5)]
KINDS = {
    "signs": Labelled([1, -1, 1], "", (2 + 2 + 4) / 3, 3),
    "signs and ties": Labelled([1, -1, 0], "--on-tie drop", (2 + 2) / 2, 2),
    "0 and 1": Labelled([1, 0, 0], "--labels 01", (2 + 2 + 0) / 3, 3),
    "booleans": Labelled([True, False, False], "--labels 01", (2 + 2 + 0) / 3, 3),
    "probabilities": Labelled([0.75, 0.5, 1.0], "--labels probability", (0.75 * 2 + 0.5 * 2 + 4) / 3, 3),
    "strengths": Labelled([3, -2, 1], "--labels strength", (2 + 2 + 4) / 3, 3),
    "strengths and ties": Labelled([3, -2, 0], "--labels strength --on-tie drop", (2 + 2) / 2, 2),
    "real strengths": Labelled([0.5, -0.25, 2.5], "--labels strength", (2 + 2 + 4) / 3, 3),
    "words": Labelled(["model_b", "model_a", "model_a"], "--label-map model_b=-1,model_a=1", (0 + 0 + 4) / 3, 3),
    "words and ties": Labelled(
        ["model_a", "model_b", "tie"], "--label-map model_a=1,model_b=-1,tie=0 --on-tie drop", (2 + 2) / 2, 2
    ),
    "signs as words": Labelled(["A>B", "A=B", "B>A"], "--label-map 'A>B=1,A=B=0,B>A=-1' --on-tie drop", (2 + 0) / 2, 2),
    "codes of two": Labelled([1, 2, 2], "--label-map 1=1,2=-1", (2 + 2 + 0) / 3, 3),
    "codes of three": Labelled([0, 1, 2], "--label-map 0=1,1=0,2=-1 --on-tie drop", (2 + 0) / 2, 2),
}


@pytest.mark.slow
@each("write", WRITERS)
@each("kind", KINDS)
@each("column", ["y", "verdict"])
def test_labels_are_read_by_the_rule_that_they_keep(
    kind: str, column: str, write: Callable[[Rows], str], mrl: Mrl
) -> None:
    labels, options, mean, pairs = KINDS[kind]
    name = write([{"x1": x1, "x2": x2, column: label} for (x1, x2), label in zip(SCORES, labels, strict=True)])
    given = [] if column == "y" else ["--y", column]
    entry = proposed(mrl, name, *given)
    assert shlex.split(entry["command"])[3:] == [*given, *shlex.split(options)]
    assert entry["y"] == column
    shown = {str(label) for label in entry["labels"]}
    assert shown == {str(label) for label in labels} or kind in ("booleans", "probabilities")
    result = followed(mrl, entry["command"])
    assert (result["mean"], result["pairs"]) == (pytest.approx(mean, rel=1e-15), pairs)
    assert result["ties_dropped"] == 3 - pairs


def test_a_column_called_y_is_not_shown_where_another_is_named(mrl: Mrl) -> None:
    _as_csv([{"x1": 1, "x2": 3, "y": 7, "p": 0.75}, {"x1": 1, "x2": 3, "y": 8, "p": 0.25}])
    entry = proposed(mrl, "p.csv", "--y", "p")
    assert (entry["y"], entry["labels"]) == ("p", [0.25, 0.75])
    assert followed(mrl, entry["command"])["mean"] == (0.75 * 2 + 0.25 * 2) / 2
    table = mrl("check", "p.csv", "--y", "p", "-f", "markdown").out
    assert "p: 0.25, 0.75" in table
    assert "| p | number | y |" in " ".join(table.split())


@pytest.mark.parametrize("given", ["a=1,b=-1,same=0", "a=1,b=-1,same=skip"])
def test_a_map_that_is_given_is_kept_and_ties_are_dropped(given: str, mrl: Mrl) -> None:
    _as_csv([{"x1": 1, "x2": 3, "y": label} for label in ("a", "b", "same")])
    entry = proposed(mrl, "p.csv", "--label-map", given)
    assert entry["command"] == f"mrl compute p.csv --label-map {given}" + (" --on-tie drop" if "=0" in given else "")
    assert ("--on-tie drop leaves ties out and counts them" in entry["notes"]) == ("=0" in given)
    assert followed(mrl, entry["command"])["mean"] == (2 + 0) / 2


def test_a_rule_that_is_given_is_kept_and_the_one_that_fits_is_named(mrl: Mrl) -> None:
    _as_csv([{"x1": 1, "x2": 3, "y": label} for label in (0.5, 0.75)])
    entry = proposed(mrl, "p.csv", "--labels", "01")
    assert entry["command"] is None
    assert "use --labels probability" in entry["notes"][-1]


@each("write", [_as_lines, _as_parquet])
@each(
    ("labels", "shown", "options", "mean"),
    [
        ((1, -1), [-1, 1], "", (2 + 0) / 2),
        ((0.75, 0.25), [0.25, 0.75], " --labels probability", (0.75 * 2 + 0.25 * 2) / 2),
        (("a", "b"), ["a", "b"], " --label-map a=1,b=-1", (2 + 0) / 2),
    ],
)
def test_nested_cells_are_read_and_shown(
    labels: tuple[Any, Any], shown: list[Any], options: str, mean: float, write: Callable[[Rows], str], mrl: Mrl
) -> None:
    name = write([{"s": {"a": [1], "b": 3}, "judge": {"says": label}} for label in labels])
    given = "--x1 s.a --x2 s.b --y judge.says"
    entry = proposed(mrl, name, *given.split())
    assert entry["command"] == f"mrl compute {name} {given}{options}"
    assert (entry["x1"], entry["x2"], entry["y"], entry["labels"]) == ("s.a", "s.b", "judge.says", shown)
    assert followed(mrl, entry["command"])["mean"] == mean
    table = " ".join(mrl("check", name, *given.split(), "-f", "markdown").out.split())
    assert "| x1: s.a, x2: s.b |" in table


@pytest.mark.parametrize("args", [[], ["--x1", "s.a", "--x2", "s.b", "--y", "y"]])
def test_a_row_with_two_problems_is_one_row(args: list[str], mrl: Mrl) -> None:
    scores: Rows = [{"a": 1, "b": 3}, {"a": 1, "b": 3}, {"a": "?", "b": "?"}]
    _as_lines([{"s": s, "x1": s["a"], "x2": s["b"], "y": 1} for s in scores])
    entry = proposed(mrl, "p.jsonl", *args)
    assert "not a number in 1 of the first 3 rows" in entry["notes"][0]
    result = followed(mrl, entry["command"])
    assert (result["mean"], result["rejected"]) == (2.0, 1)


def test_missing_margins_and_weights_are_filled_and_asked_about(mrl: Mrl) -> None:
    _as_lines([{"chosen": 1, "rejected": 3, "margin": 1, "weight": 3}, {"chosen": 1, "rejected": 3}])
    entry = proposed(mrl, "p.jsonl")
    assert entry["command"] == "mrl compute p.jsonl --preset trl --fill margin=0 --fill weight=1"
    assert "a missing margin is 0 and a missing weight is 1?" in entry["notes"][0]
    assert followed(mrl, entry["command"])["mean"] == (3 * 3 + 1 * 2) / (3 + 1)


def test_a_label_that_is_a_slip_is_left_out_and_named(mrl: Mrl) -> None:
    _as_csv([{"x1": 1, "x2": 3, "y": 7 if place == 20 else 1} for place in range(40)])
    entry = proposed(mrl, "p.csv")
    assert entry["command"] == "mrl compute p.csv --on-error skip"
    assert "y is 7" in entry["notes"][0]
    assert followed(mrl, entry["command"])["rejected"] == 1


LOGPS = {"chosen_logps": -120.5, "rejected_logps": -140.25, "ref_chosen_logps": -122, "ref_rejected_logps": -139}
WORSE = {"chosen_logps": -80, "rejected_logps": -60.5, "ref_chosen_logps": -79, "ref_rejected_logps": -61}


@pytest.mark.parametrize(
    ("labels", "hint"), [((0, 1, 2), "is y the column of labels?"), ((2, 2), "--label-map 1=1,2=-1")]
)
def test_labels_that_probabilities_hide_are_not_taken_for_all(labels: tuple[int, ...], hint: str, mrl: Mrl) -> None:
    _as_csv([{"x1": 1, "x2": 3, "y": label} for label in labels])
    assert hint in mrl("compute", "p.csv", "--labels", "probability").err


@pytest.mark.parametrize("given", [["--on-tie", "drop"], ["--x1", "x1", "--x2", "x2"]])
def test_what_is_given_goes_with_what_is_proposed(given: list[str], mrl: Mrl) -> None:
    _as_csv([{"x1": 1, "x2": 3, "y": label} for label in (0, 1, 2)])
    entry = proposed(mrl, "p.csv", *given)
    assert set(given) <= set(shlex.split(entry["command"]))
    assert followed(mrl, entry["command"])["mean"] == (2 + 0) / 2


def test_references_go_with_scores_that_are_named(mrl: Mrl) -> None:
    _as_csv([LOGPS, WORSE])
    entry = proposed(mrl, "p.csv", "--x1", "chosen_logps", "--x2", "rejected_logps", "--y-const", "1")
    assert followed(mrl, entry["command"])["mean"] == (0 + 1.5) / 2
    assert proposed(mrl, "p.csv", "--x1", "chosen_logps", "--x2", "ref_chosen_logps", "--y-const", "1")[
        "command"
    ].endswith("--x1 chosen_logps --x2 ref_chosen_logps --y-const 1")


@pytest.mark.parametrize("write", WRITERS)
def test_scores_are_counted_from_those_of_a_reference(write: Callable[[Rows], str], mrl: Mrl) -> None:
    name = write([LOGPS, WORSE])
    entry = proposed(mrl, name)
    assert "--x1-reference ref_chosen_logps --x2-reference ref_rejected_logps" in entry["command"]
    assert "--scale BETA" in entry["notes"][0]
    # The differences are (-120.5 + 122) - (-140.25 + 139) and (-80 + 79) - (-60.5 + 61).
    assert followed(mrl, entry["command"])["mean"] == (0 + 1.5) / 2
    hint = mrl("compute", name).err.partition("hint: ")[2].strip()
    assert hint.endswith(f"; {entry['notes'][0]}; run: {entry['command']}")


PRODUCED: dict[str, tuple[Rows, float]] = {
    "arena": ([{"rating_a": 1, "rating_b": 3, "winner": winner} for winner in ("model_a", "model_b", "tie")], 1.0),
    "judgebench": ([{"score_A": 1, "score_B": 3, "label": label} for label in ("A>B", "B>A", "A=B")], 1.0),
    "helpsteer": ([{"score_1": 1, "score_2": 3, "preference_strength": strength} for strength in (-3, 2, 0)], 1.0),
    "trl": ([{"chosen": 1, "rejected": 3, "margin": margin} for margin in (0.5, 1)], 2.75),
    "rewardbench": ([{"scores_chosen": 1, "scores_rejected": 3, "subset": "math-prm"}], 2.0),
    "ultrafeedback": ([{"score_chosen": 1, "score_rejected": 3}], 2.0),
    "llamafactory": ([{"chosen": 1, "rejected": 3}], 2.0),
}


@each("write", WRITERS)
@each("name", PRODUCED)
def test_presets_give_the_number_of_their_producer(name: str, write: Callable[[Rows], str], mrl: Mrl) -> None:
    rows, mean = PRODUCED[name]
    entry = proposed(mrl, write(rows))
    assert entry["command"].endswith(f"--preset {name}")
    assert followed(mrl, entry["command"])["mean"] == mean


OTHERS = [
    ("compute", ["--margin", "0.5", "--loss", "bt", "-f", "csv"]),
    ("compute", ["--reduction", "sum", "-q", "--raw", "--"]),
    ("sweep", ["--margins", "0,1", "--format=csv", "--dtype", "float32"]),
    ("validate", ["-f", "csv", "--loss", "squared_hinge"]),
]


@each(("command", "options"), OTHERS)
@each("name", PRODUCED)
def test_the_line_of_an_error_runs_as_it_is_written(name: str, command: str, options: list[str], mrl: Mrl) -> None:
    rows, _ = PRODUCED[name]
    Path("my $(pairs).jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = [command, *options, "my $(pairs).jsonl"]
    refused = mrl(*given)
    assert (refused.code, refused.out) == (2, "")
    program, *words = shlex.split(refused.err.partition("; run: ")[2].strip())
    assert program == "mrl"
    assert sorted(words) == sorted([*given, "--preset", name])
    ran = mrl(*words)
    assert (ran.code, ran.out) == (0, mrl(command, "--preset", name, *options, "my $(pairs).jsonl").out)


def test_every_preset_that_names_say_is_produced_here() -> None:
    assert PRODUCED.keys() == {name for name, preset in PRESETS.items() if not preset.is_indexed}


def test_a_line_is_proposed_only_where_it_reads_every_file(mrl: Mrl) -> None:
    Path("a.csv").write_text("chosen,rejected\n1,3\n")
    Path("b.csv").write_text("chosen,rejected\n1,bad\n")
    assert "mrl compute a.csv --preset llamafactory" in mrl("compute", "a.csv").err
    assert "mrl compute" not in mrl("compute", "a.csv", "b.csv").err
    Path("c.csv").write_text("s1,s2,s3,label\n1,3,2,1\n")  # three scores
    assert "mrl compute" not in mrl("compute", "c.csv").err
    given = ["compute", "a.csv", "--labels", "01"]  # of labels that the preset does not have
    assert "mrl compute" not in mrl(*given).err


@pytest.mark.parametrize("labels", [(-3, 2, 0), (-1.5, 2.5, 1)])
def test_the_sign_of_a_preference_is_for_the_user_to_know(labels: tuple[float, ...], mrl: Mrl) -> None:
    _as_csv([{"x1": 1, "x2": 3, "preference": label} for label in labels])  # that of HelpSteer favours x1 below 0
    entry = proposed(mrl, "p.csv")
    assert entry["command"] is None
    assert "use --labels strength" in entry["notes"][-1]
    assert "then swap x1 and x2" in entry["notes"][-1]
