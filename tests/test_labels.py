"""What a label column may hold besides numbers: words and codes that a map turns into labels, booleans, strengths.

Every case is read in every format, and compared with the same pairs whose labels are 1, -1 and 0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mrl_cli import compare, evaluate
from mrl_cli.inputs.presets import PRESETS
from mrl_cli.model import problems
from mrl_cli.model.labels import map_of, map_text, parsed_map
from tests.each import each
from tests.running import Mrl, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable

    from mrl_cli.reports.symptoms import Symptoms


X1, X2 = [3.0, 0.0, 1.0, 2.0, 0.5], [1.0, 2.0, 4.0, 1.0, 0.0]
SIGNS = [1, -1, 1, -1, 0]  # right, right, wrong by 3, wrong by 1, a tie
FIGURES = ("pairs", "rejected", "sum", "mean", "min", "max", "correct", "ties", "wrong", "accuracy", "active")


@pytest.fixture
def mrl(mrl: Mrl) -> Mrl:
    """Run mrl in an empty folder; the result is JSON."""
    return lambda *args, stdin=b"": mrl(*args, "-f", "json", stdin=stdin)


def _text(values: list[Any], delimiter: str) -> str:
    def cell(value: Any) -> str:
        text = "" if value is None else str(value)
        return '"' + text.replace('"', '""') + '"' if set(text) & set('",\t\n') else text

    rows = zip(X1, X2, map(cell, values), strict=True)
    return "".join(delimiter.join(map(str, row)) + "\n" for row in (("x1", "x2", "y"), *rows))


def _records(values: list[Any]) -> list[dict[str, Any]]:
    return [{"x1": a, "x2": b, "y": y} for a, b, y in zip(X1, X2, values, strict=True)]


def _table(values: list[Any], kind: pa.DataType | None = None) -> pa.Table:
    return pa.table({"x1": X1, "x2": X2, "y": pa.array(values, kind)})


# What writes labels in a file of each format; a text stays text in Parquet, a number a number.
WRITERS: dict[str, Callable[[list[Any], str], object]] = {
    "p.csv": lambda values, name: Path(name).write_text(_text(values, ","), "utf-8"),
    "p.tsv": lambda values, name: Path(name).write_text(_text(values, "\t"), "utf-8"),
    "p.jsonl": lambda values, name: Path(name).write_text(
        "".join(json.dumps(record) + "\n" for record in _records(values)), "utf-8"
    ),
    "rows.json": lambda values, name: Path(name).write_text(json.dumps(_records(values)), "utf-8"),
    "columns.json": lambda values, name: Path(name).write_text(json.dumps({"x1": X1, "x2": X2, "y": values}), "utf-8"),
    "p.parquet": lambda values, name: pq.write_table(_table(values), name),
    "coded.parquet": lambda values, name: pq.write_table(
        _table(values).set_column(2, "y", pa.array(values).dictionary_encode()), name
    ),
    "p.arrow": lambda values, name: pyarrow.feather.write_feather(_table(values), name),
}
in_every_format = each("name", WRITERS, quick=5)


def figures(record: dict[str, Any]) -> dict[str, Any]:
    return {key: record[key] for key in FIGURES}


@pytest.fixture
def expected(mrl: Mrl, tmp_path: Path) -> dict[str, Any]:
    """The figures of the four pairs with a label: two are right; the others cost 3 and 1."""
    WRITERS["p.csv"](SIGNS, "expected.csv")
    record = mrl("compute", "expected.csv", "--on-tie", "drop").result
    assert (record["pairs"], record["correct"], record["sum"], record["ties_dropped"]) == (4, 2, 4.0, 1)
    return figures(record)


VALUES: dict[str, tuple[list[Any], str]] = {
    "words": (["A>B", "B>A", "A>B", "B>A", "A=B"], "A>B=1,B>A=-1,A=B=0"),
    "codes": ([0, 2, 0, 2, 1], "0=1,2=-1,1=0"),
    "reals": ([0.5, 2.5, 0.5, 2.5, 1.0], "0.50=1,25e-1=-1,1=0"),
    "text numbers": (["0", "2", "0", "2", "1"], "0.0=1,2=-1,1=0"),
    "unicode": (["ä", "ß", "ä", "ß", "="], "ä=1,ß=-1,==0"),
    "commas": (["a,b", 'say "x"', "a,b", 'say "x"', "a b"], '"a,b"=1,say "x"=-1,a b=0'),
}


@in_every_format
@each("case", VALUES)
def test_mapped_values_are_labels_in_every_format(name: str, case: str, expected: dict[str, Any], mrl: Mrl) -> None:
    values, label_map = VALUES[case]
    WRITERS[name](values, name)
    record = mrl("compute", name, "--label-map", label_map, "--on-tie", "drop").result
    assert figures(record) == expected
    assert (record["ties_dropped"], record["labels_skipped"], record["labels"]) == (1, 0, "pm1")
    assert parsed_map(record["label_map"]) == parsed_map(label_map)
    skips = mrl("compute", name, "--label-map", map_text(parsed_map(label_map)[:2]) + "," + _skip(label_map)).result
    assert figures(skips) == expected
    assert (skips["ties_dropped"], skips["labels_skipped"]) == (0, 1)


def _skip(label_map: str) -> str:
    """Return the third entry of a map with skip in place of 0."""
    value, _ = parsed_map(label_map)[2]
    return map_text(((value, None),))


@each("name", [name for name in WRITERS if not name.startswith("coded")])
@each(
    ("values", "label_map"),
    [
        ([["A"], ["B"], ["A"], ["B"], ["="]], "A=1,B=-1,==0"),
        ([[0], [2], [0], [2], [1]], "0=1,2=-1,1=0"),
        (["[A]", "['B']", '["A"]', " [ B ]", "="], "A=1,B=-1,==0"),
        (["[A]", "[B]", "[A]", "[B]", "="], "[A]=1,[B]=-1,==0"),  # a value that is in the map as it stands
    ],
)
def test_a_list_of_one_label_is_that_label(
    name: str, values: list[Any], label_map: str, expected: dict[str, Any], mrl: Mrl
) -> None:
    WRITERS[name](values, name)
    assert figures(mrl("compute", name, "--label-map", label_map, "--on-tie", "drop").result) == expected
    record: Any = evaluate(_table(values).to_pandas(), label_map=label_map, on_tie="drop")
    assert figures(record) == expected
    WRITERS[name]([*values[:4], values[0] * 2], name)
    ran = mrl("compute", name, "--label-map", label_map, "--on-tie", "drop")
    assert (ran.code, problems.NOT_IN_MAP in ran.err) == (3, True)


MIXED = ["1.00", " -1", "TRUE", "+1", "-1e0"]


@each("name", [name for name in WRITERS if not name.startswith("coded")])
def test_what_a_hint_says_of_mixed_labels_is_right_for_all_of_them(name: str, mrl: Mrl) -> None:
    for values, options in ((MIXED, ["--labels", "01"]), ([*MIXED[:2], "true", "FALSE", "-1"], ["--labels", "01"])):
        WRITERS[name](values, name)
        assert "--labels pm1" not in mrl("compute", name, *options).err
    WRITERS[name]([*MIXED[:2], "+1", "1e0", "-1.0"], name)
    record = mrl("compute", name).result
    assert (record["pairs"], record["sum"]) == (5, 0.0 + 0 + 3 + 0.0 + 0.5)
    assert "use --labels pm1" in mrl("compute", name, "--labels", "01").err
    WRITERS[name](["1.00", " 0", "TRUE", "False", "true"], name)
    record = mrl("compute", name, "--labels", "01").result
    assert (record["pairs"], record["sum"]) == (5, 3 + 1)


@in_every_format
def test_true_and_false_are_mapped_as_words(name: str, mrl: Mrl) -> None:
    WRITERS[name]([True, False, True, False, False], name)
    record = mrl("compute", name, "--label-map", "true=1,FALSE=-1").result
    assert (record["pairs"], record["sum"]) == (5, 4.5)


@each("kind", [pa.int8(), pa.uint16(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(5, 2)])
def test_numbers_match_by_value_whatever_the_type_of_a_column(kind: pa.DataType, mrl: Mrl) -> None:
    pq.write_table(_table([1, 2, 1, 2, 2], kind), "p.parquet")
    assert mrl("compute", "p.parquet", "--label-map", "1=1,2=-1").result["sum"] == 4.5


@in_every_format
def test_value_that_is_not_in_the_map_is_an_error_that_names_it(name: str, mrl: Mrl) -> None:
    WRITERS[name](["a", "b", "c", "a", "b"], name)
    ran = mrl("compute", name, "--label-map", "a=1,b=-1")
    assert (ran.code, ran.out) == (3, "")
    row = "line 4" if name in ("p.csv", "p.tsv") else "line 3" if name == "p.jsonl" else "row 3"
    assert f"{problems.NOT_IN_MAP}       1   {row}: y is 'c'" in ran.err
    assert "hint: the map of labels is a=1,b=-1; each value needs an entry" in ran.err
    skipped = mrl("compute", name, "--label-map", "a=1,b=-1", "--on-error", "skip").result
    assert (skipped["pairs"], skipped["rejected"], skipped["labels_skipped"]) == (4, 1, 0)


@in_every_format
def test_missing_label_is_an_error_under_a_map(name: str, mrl: Mrl) -> None:
    WRITERS[name](["a", None, "b", "a", "b"], name)
    mrl("compute", name, "--label-map", "a=1,b=-1,null=0").must_fail(3, f"{problems.MISSING}       1 ")


@in_every_format
def test_tie_is_an_error_that_shows_the_word_in_the_file(name: str, mrl: Mrl) -> None:
    WRITERS[name](["a", "b", "same", "a", "b"], name)
    mrl("compute", name, "--label-map", "a=1,b=-1,same=0").must_fail(
        3, f"{problems.TIE}       1 ", "y is 'same'\nhint: --on-tie drop"
    )
    assert mrl("compute", name, "--label-map", "a=1,b=-1,same=0", "--on-tie", "drop").result["ties_dropped"] == 1


def test_rejects_and_kept_columns_go_with_a_map(mrl: Mrl, capfd: pytest.CaptureFixture[str]) -> None:
    WRITERS["p.csv"](["a", "b", "?", "skip me", "b"], "p.csv")
    args = ["p.csv", "--label-map", "a=1,b=-1,skip me=skip", "--on-error", "skip", "--rejects", "r.csv"]
    ran = run_inside(["compute", *args, "--reduction", "none", "--keep-columns", "-f", "csv"], capfd)
    assert ran.out.splitlines() == ["x1,x2,y,loss", "3.0,1.0,a,0.0", "0.0,2.0,b,0.0", "0.5,0.0,b,0.5"]
    assert "1 pair skipped for the label" in ran.err
    assert Path("r.csv").read_text().splitlines()[1] == "p.csv,4,y,'?',label not in the map"


def test_label_column_may_also_be_the_group(mrl: Mrl) -> None:
    WRITERS["p.csv"](["a", "b", "a", "b", "b"], "p.csv")
    record = mrl("compute", "p.csv", "--label-map", "a=1,b=-1", "--group-by", "y", "--validate").result
    assert {group["group"]: group["pairs"] for group in record["groups"]} == {"a": 2, "b": 3}
    assert record["validation"]["passed"]


def test_label_may_stand_in_the_path(mrl: Mrl) -> None:
    for winner in "ab":
        folder = Path(f"winner={winner}")
        folder.mkdir()
        (folder / "p.csv").write_text("x1,x2\n1,0\n")
    record = mrl("compute", ".", "--y", "winner", "--label-map", "a=1,b=-1").result
    assert (record["pairs"], record["correct"], record["sum"]) == (2, 1, 1)


@pytest.mark.parametrize("command", ["validate", "sweep"])
def test_map_goes_with_every_command_over_pairs(command: str, mrl: Mrl) -> None:
    WRITERS["p.csv"](VALUES["words"][0], "p.csv")
    options = ["--label-map", VALUES["words"][1], "--on-tie", "drop"]
    record = mrl(command, "p.csv", *options, *(["--margins", "0,1"] if command == "sweep" else [])).result
    assert (record["pairs"], record["ties_dropped"], record["labels_skipped"]) == (4, 1, 0)
    assert record.get("passed", True)


def test_map_counts_what_it_skips_in_validate(mrl: Mrl) -> None:
    WRITERS["p.csv"](["a", "b", "none", "none", "b"], "p.csv")
    record = mrl("validate", "p.csv", "--label-map", "a=1,b=-1,none=skip").result
    assert (record["passed"], record["pairs"], record["labels_skipped"]) == (True, 3, 2)


def test_two_files_are_compared_by_mapped_labels(mrl: Mrl) -> None:
    Path("a.csv").write_text("id,x1,x2,w\n1,1,0,A\n2,1,0,B\n3,1,0,-\n")
    Path("b.csv").write_text("id,x1,x2,w\n3,0,1,-\n2,0,1,B\n1,0,1,A\n")
    options = ["a.csv", "b.csv", "--y", "w"]
    record = mrl("compare", *options, "--key", "id", "--label-map", "A=1,B=-1,-=skip").result
    assert (record["pairs"], record["labels_skipped"], record["a"]["correct"], record["b"]["correct"]) == (2, 1, 1, 1)
    record = mrl("compare", *options, "--key", "id", "--label-map", "A=1,B=-1,-=0", "--on-tie", "drop").result
    assert (record["pairs"], record["ties_dropped"], record["a"]["mean"], record["b"]["mean"]) == (2, 1, 0.5, 0.5)
    mrl("compare", *options, "--by-row", "--label-map", "A=1,B=-1,-=skip").must_fail(
        2, "--by-row and a label that is mapped to skip exclude each other"
    )


# The text of a map.


@each(
    ("text", "entries"),
    [
        ("a=1,b=-1,c=0,d=skip", (("a", 1), ("b", -1), ("c", 0), ("d", None))),
        (" tie (bothbad) = 0 , model_a=+1", (("tie (bothbad)", 0), ("model_a", 1))),
        ("A=B=0,A>B=1", (("A=B", 0), ("A>B", 1))),
        ('"a,b"=1,"say ""x"""=-1', (("a,b", 1), ('say "x"', -1))),
        ('5" disk=1,-1=-1', (('5" disk', 1), ("-1", -1))),
        ('"x=1; y"=1', (("x=1; y", 1),)),
    ],
)
def test_map_reads_and_writes_every_value(text: str, entries: tuple[Any, ...]) -> None:
    assert parsed_map(text) == entries
    assert parsed_map(map_text(entries)) == entries


@each(
    ("text", "message"),
    [
        ("", "'' is not VALUE=1"),
        ("a", "'a' is not VALUE=1"),
        ("a=2", "'a=2' is not VALUE=1"),
        ("a=1,", "nothing stands after the last comma"),
        ("a=1,,b=-1", "'' is not"),
        ("=1", "an entry has no value before its ="),
        ('""=1', "no value before its ="),
        ('"a=1', "'\"a=1' is not"),
        ("a=1;b=-1", "'a=1;b=-1' is not"),
        ("a=1 b=-1", "'a=1 b=-1' is not"),
        ("a=1,a=1", "'a' is mapped twice"),
        ("a=1,a=-1", "'a' is mapped twice"),
        ("1=1,1.0=-1", "'1.0' is mapped twice ('1' and '1.0' are the same value)"),
        ("True=1,true=-1", "'true' is mapped twice ('True' and 'true' are the same value)"),
        ("a=0,b=skip", "no value is mapped to 1 or -1"),
    ],
)
def test_map_that_is_none_is_a_usage_error(text: str, message: str, mrl: Mrl) -> None:
    with pytest.raises(ValueError, match=r"^") as raised:
        parsed_map(text)
    assert message in str(raised.value)
    mrl("compute", "p.csv", "--label-map", text).must_fail(2, message)


def test_map_of_python_values() -> None:
    assert map_of({"a": 1, 2: -1, 0.5: 0, "x": "skip"}) == (("a", 1), ("2", -1), ("0.5", 0), ("x", None))
    cases: list[tuple[Any, str]] = [
        ({"a": 2}, "mapped to 2"),
        ({"a": True}, "mapped to True"),
        ({None: 1}, "None is no value"),
    ]
    for wrong, message in cases:
        with pytest.raises(ValueError, match=message):
            map_of(wrong)


# Options that contradict one another, or have no effect.


@each(
    ("args", "message"),
    [
        (
            ["--label-map", "a=1", "--labels", "01"],
            "--label-map makes labels 1, -1 and 0: it does not go with --labels 01",
        ),
        (["--label-map", "a=1", "--labels", "any"], "does not go with --labels any"),
        (["--label-map", "a=1", "--labels", "probability"], "does not go with --labels probability"),
        (["--label-map", "a=1", "--y-const", "1"], "--label-map has no effect with --y-const"),
        (["--labels", "01", "--y-const", "1"], "--labels has no effect with --y-const"),
        (["--on-tie", "error", "--y-const", "1"], "--on-tie has no effect with --y-const"),
        (["--label-map", "a=1", "--loss", "margin_mse"], "--label-map does not go with the loss margin_mse"),
        (["--labels", "strength", "--loss", "margin_mse"], "--labels strength does not go with the loss margin_mse"),
        (["--labels", "probability", "--loss", "margin_mse"], "--labels probability does not go with the loss"),
        (["--on-tie", "drop", "--labels", "any"], "not with --labels any"),
        (["--on-tie", "error", "--labels", "01"], "--on-tie has no effect under --labels 01"),
        (["--on-tie", "drop", "--labels", "probability"], "not with --labels probability"),
        (["--on-tie", "drop", "--loss", "margin_mse"], "not with --labels any"),
        (["--on-tie", "drop", "--label-map", "a=1"], "--on-tie has no effect: --label-map maps no value to 0"),
        (["--strength", "margin"], "--strength goes with --labels strength"),
        (["--strength", "ignore", "--labels", "pm1"], "--strength goes with --labels strength"),
        (["--labels", "strength", "--strength", "margin", "--margin", "0"], "--strength margin and --margin exclude"),
        (["--labels", "strength", "--strength", "margin", "--margin-column", "m"], "and --margin-column exclude"),
        (["--labels", "strength", "--strength", "weight", "--weight", "w"], "--strength weight and --weight exclude"),
        (["--labels", "strength", "--strength", "margin", "--loss", "ipo"], "the loss ipo has no margin"),
        (["--labels", "strength", "--strength", "weight", "--confidence", "0.9"], "unweighted means"),
        (["--labels", "strength", "--strength", "weight", "--reduction", "none"], "not with one line per pair"),
        (["--preset", "trl", "--labels", "any"], "--labels has no effect: every label of --preset trl is 1"),
        (["--preset", "trl", "--on-tie", "drop"], "--on-tie has no effect: every label of --preset trl is 1"),
    ],
)
def test_options_that_contradict_or_do_nothing_are_errors(args: list[str], message: str, mrl: Mrl) -> None:
    WRITERS["p.csv"](SIGNS, "p.csv")
    mrl("compute", "p.csv", *args).must_fail(2, message)


def test_sweep_and_compare_refuse_sizes_that_they_have_no_use_for(mrl: Mrl) -> None:
    WRITERS["p.csv"](SIGNS, "p.csv")
    ran = mrl("sweep", "p.csv", "--margins", "0", "--labels", "strength", "--strength", "margin")
    assert (ran.code, "--strength margin and --margins exclude each other" in ran.err) == (2, True)
    mrl("compare", "p.csv", "--x1-b", "x2", "--x2-b", "x1", "--labels", "strength", "--strength", "weight").must_fail(
        2, "--strength weight does not go with compare"
    )


# True and false.


BOOLEANS = [True, False, True, False, True]


@pytest.mark.slow
@in_every_format
def test_true_and_false_are_1_and_0_under_01(name: str, mrl: Mrl) -> None:
    WRITERS["p.csv"]([int(value) for value in BOOLEANS], "numbers.csv")
    WRITERS[name](BOOLEANS, name)
    expected = figures(mrl("compute", "numbers.csv", "--labels", "01").result)
    assert figures(mrl("compute", name, "--labels", "01", "--validate").result) == expected


@in_every_format
@each("labels", ["pm1", "any", "probability", "strength"])
def test_true_and_false_are_no_other_labels(name: str, labels: str, mrl: Mrl) -> None:
    WRITERS[name](BOOLEANS, name)
    ran = mrl("compute", name, "--labels", labels)
    assert (ran.code, ran.out) == (3, "")
    if name.endswith(("parquet", "arrow")):
        assert "column y holds bool, true and false, not numbers" in ran.err
        assert "use --labels 01" in ran.err


@pytest.mark.parametrize(
    "texts", [["true", "false"], ["True", "False"], ["TRUE", "FALSE"], ["1", "False"], ["tRue", "0.0"]]
)
def test_text_may_spell_booleans_in_any_case_and_beside_numbers(texts: list[str], mrl: Mrl) -> None:
    Path("p.csv").write_text(f"x1,x2,y\n3,1,{texts[0]}\n0,2, {texts[1]} \n")
    Path("p.tsv").write_text(f"x1\tx2\ty\n3\t1\t{texts[0]}\n0\t2\t{texts[1]}\n")
    for name in ("p.csv", "p.tsv"):
        record = mrl("compute", name, "--labels", "01").result
        assert (record["pairs"], record["correct"]) == (2, 2)


def test_lines_may_mix_booleans_and_numbers(mrl: Mrl) -> None:
    Path("p.jsonl").write_text('{"x1":3,"x2":1,"y":true}\n{"x1":0,"x2":2,"y":0}\n')
    assert mrl("compute", "p.jsonl", "--labels", "01").result["correct"] == 2


@each("column", ["x1", "x2"])
@each("name", ["p.csv", "p.jsonl", "p.parquet"])
def test_score_is_never_a_boolean(name: str, column: str, mrl: Mrl) -> None:
    table = _table([1, 0, 1, 0, 1])
    place = table.column_names.index(column)
    table = table.set_column(place, column, pa.array(BOOLEANS))
    if name == "p.parquet":
        pq.write_table(table, name)
    elif name == "p.csv":
        table.to_pandas().to_csv(name, index=False)
    else:
        table.to_pandas().to_json(name, orient="records", lines=True)
    ran = mrl("compute", name, "--labels", "01")
    assert (ran.code, ran.out) == (3, "")


def test_cell_that_means_no_value_is_none_even_where_it_reads_as_a_boolean(mrl: Mrl) -> None:
    Path("p.csv").write_text("x1,x2,y\n3,1,true\n0,2,false\n")
    mrl("compute", "p.csv", "--labels", "01", "--null-value", "true").must_fail(
        3, "missing value       1   line 2: y is 'true'"
    )


# Strengths.


STRENGTHS = [3, -1, 0.5, -2, 0]


@in_every_format
def test_sign_of_a_strength_is_the_label(name: str, expected: dict[str, Any], mrl: Mrl) -> None:
    WRITERS[name](STRENGTHS, name)
    record = mrl("compute", name, "--labels", "strength", "--on-tie", "drop", "--validate").result
    assert figures(record) == expected
    assert (record["labels"], record["strength"], record["ties_dropped"]) == ("strength", "ignore", 1)
    ran = mrl("compute", name, "--labels", "strength")
    assert (ran.code, f"{problems.TIE}       1 " in ran.err, "--on-tie drop" in ran.err) == (3, True, True)


@pytest.mark.slow
@in_every_format
def test_size_of_a_strength_is_a_weight_or_a_margin(name: str, mrl: Mrl) -> None:
    WRITERS[name](STRENGTHS, name)
    options = ["--labels", "strength", "--on-tie", "drop", "--validate"]
    weighted = mrl("compute", name, *options, "--strength", "weight").result
    # The losses are 0, 0, 3 and 1, the weights 3, 1, 0.5 and 2.
    assert (weighted["sum"], weighted["weight"], weighted["mean"]) == (0.5 * 3 + 2 * 1, 6.5, 3.5 / 6.5)
    assert (weighted["accuracy_weighted"], weighted["zero_weight"]) == (4 / 6.5, 0)
    assert (weighted["weight_column"], weighted["strength"]) == ("y", "weight")
    margins = mrl("compute", name, *options, "--strength", "margin").result
    # y(x1 - x2) is 2, 2, -3 and -1, the margins 3, 1, 0.5 and 2.
    assert (margins["sum"], margins["inside_margin"]) == (1 + 0 + 3.5 + 3, 1)
    assert (margins["margin_column"], "margin" in margins) == ("y", False)
    for record in (weighted, margins):
        assert record["validation"]["passed"]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "big"])
def test_strength_that_is_no_finite_number_is_one_problem(value: str, mrl: Mrl) -> None:
    Path("p.csv").write_text(f"x1,x2,y\n1,0,2\n1,0,{value}\n")
    for strength in ("ignore", "weight", "margin"):
        mrl("compute", "p.csv", "--labels", "strength", "--strength", strength).must_fail(
            3, "error: 1 problem in p.csv (2 rows)", "line 3: y is"
        )


def test_strengths_of_two_files_are_compared_by_their_sign(mrl: Mrl) -> None:
    Path("a.csv").write_text("id,x1,x2,y\n1,1,0,2\n2,1,0,-1\n3,1,0,0\n")
    Path("b.csv").write_text("id,x1,x2,y\n1,0,1,1\n2,0,1,-3\n3,0,1,0\n")
    options = ["--key", "id", "--labels", "strength", "--on-tie", "drop", "--strength", "margin"]
    record = mrl("compare", "a.csv", "b.csv", *options).result
    # The margins are a's: a costs 1 and 2, b 3 and 0.
    assert (record["pairs"], record["ties_dropped"], record["a"]["sum"], record["b"]["sum"]) == (2, 1, 3, 3)


# Presets that know labels.


BATTLES = "model_a,model_b,winner,rating_a,rating_b\nm,n,model_a,1100,1050\nn,o,model_b,1050,980\nm,o,tie,1100,980\n"
BATTLES += "o,n,tie (bothbad),980,1050\no,m,model_b,980,1100\nn,m,model_a,1050,1100\n"


def test_battles_of_an_arena_drop_and_count_both_kinds_of_tie(mrl: Mrl) -> None:
    Path("battles.csv").write_text(BATTLES)
    options = ["--loss", "logistic", "--param", f"temperature={400 / np.log(10)}"]
    record = mrl("compute", "battles.csv", "--preset", "arena", *options).result
    # log(1 + 10**(-d / 400)) for d of 50, -70, 120 and -50.
    losses = [np.log1p(10 ** (-d / 400)) for d in (50, -70, 120, -50)]
    assert (record["pairs"], record["ties_dropped"]) == (4, 2)
    assert record["mean"] == pytest.approx(0.681993487225267, rel=1e-15) == pytest.approx(np.mean(losses), rel=1e-15)
    by_hand = ["--x1", "rating_a", "--x2", "rating_b", "--y", "winner"]
    by_hand += ["--label-map", "model_a=1,model_b=-1,tie=skip,tie (bothbad)=skip", *options]
    own = mrl("compute", "battles.csv", *by_hand).result
    assert (own["mean"], own["labels_skipped"]) == (record["mean"], 2)
    ran = mrl("compute", "battles.csv", "--preset", "arena", "--on-tie", "error")
    assert (ran.code, f"{problems.TIE}       2 " in ran.err) == (3, True)


def test_every_kind_of_tie_that_arenas_write_is_one(mrl: Mrl) -> None:
    ties = ["tie", "tie (bothbad)", "both_bad", "tie (inconsistent)"]  # FastChat, LMArena, MT-bench's judge
    rows = "".join(f"{winner},2,1\n" for winner in ("model_a", "model_b", *ties))
    Path("b.csv").write_text("winner,score_a,score_b\n" + rows)
    record = mrl("compute", "b.csv", "--preset", "arena").result
    assert (record["pairs"], record["ties_dropped"], record["sum"]) == (2, 4, 1)
    plain = mrl("compute", "b.csv", "--x1", "score_a", "--x2", "score_b", "--y", "winner")
    assert all(f"{tie}=0" in plain.err for tie in ties)


@pytest.mark.parametrize(
    ("header", "label"), [("score_1,score_2", "preference_strength"), ("score1,score2", "overall_preference")]
)
def test_both_formats_of_helpsteer_are_read(header: str, label: str, mrl: Mrl) -> None:
    Path("h.csv").write_text(f"{header},{label}\n2,1,-3\n1,2,1\n")
    assert mrl("compute", "h.csv", "--preset", "helpsteer").result["correct"] == 2


def test_judgebench_scores_either_side(mrl: Mrl) -> None:
    rows = [(11.266, -10.521, "A>B"), (3.362, 1.697, "B>A"), (-5.79, -1.624, "B>A"), (4.01, 1.0, "B>A"), (1, 0, "A=B")]
    Path("j.jsonl").write_text("".join(json.dumps({"score_A": a, "score_B": b, "label": y}) + "\n" for a, b, y in rows))
    record = mrl("compute", "j.jsonl", "--preset", "judgebench").result
    assert (record["pairs"], record["correct"], record["wrong"], record["ties_dropped"]) == (4, 2, 2, 1)
    assert "these look like JudgeBench's columns: use --preset judgebench" in mrl("compute", "j.jsonl").err
    Path("j.jsonl").write_text('{"score_A": 1, "score_B": 0, "label": "C"}\n')
    mrl("compute", "j.jsonl", "--preset", "judgebench").must_fail(3, "the map of labels is A>B=1,B>A=-1,A=B=0")


def test_a_rule_that_is_asked_for_is_not_that_of_a_preset(mrl: Mrl) -> None:
    Path("j.csv").write_text("score_A,score_B,label\n1,2,1\n2,1,-1\n")
    assert mrl("compute", "j.csv", "--preset", "judgebench", "--labels", "pm1").result["value"] == 1.0


def test_negative_strength_of_helpsteer_means_that_the_first_is_better(mrl: Mrl) -> None:
    Path("h.csv").write_text("score_1,score_2,preference_strength\n2,1,-3\n1,2,-1\n1,3,2\n5,1,0\n")
    record = mrl("compute", "h.csv", "--preset", "helpsteer").result
    assert (record["pairs"], record["correct"], record["sum"], record["ties_dropped"]) == (3, 2, 1, 1)
    assert (record["labels"], record["strength"]) == ("strength", "ignore")
    # The differences are 1, -1 and 2 the right way round, the sizes 3, 1 and 2.
    assert mrl("compute", "h.csv", "--preset", "helpsteer", "--strength", "margin").result["sum"] == 2 + 2 + 0
    assert mrl("compute", "h.csv", "--preset", "helpsteer", "--strength", "weight").result["mean"] == 1 / 6
    # Named again, the rule stays; another one has to say what every value means.
    assert mrl("compute", "h.csv", "--preset", "helpsteer", "--labels", "strength").result["correct"] == 2
    mrl("compute", "h.csv", "--preset", "helpsteer", "--labels", "any").must_fail(
        2, "below 0 where the first is better"
    )
    own = mrl("compute", "h.csv", "--preset", "helpsteer", "--label-map", "-3=1,-1=1,2=-1,0=skip").result
    assert (own["correct"], own["labels_skipped"], own["labels"]) == (2, 1, "pm1")


def test_user_names_columns_of_a_preset_with_labels(mrl: Mrl) -> None:
    Path("b.csv").write_text("won,mine,yours,rating_a,rating_b,other\nmodel_b,2,1,0,1,1\n")
    record = mrl("compute", "b.csv", "--preset", "arena", "--y", "won").result
    assert (record["pairs"], record["correct"]) == (1, 1)
    record = mrl("compute", "b.csv", "--preset", "arena", "--y", "won", "--x1", "mine", "--x2", "yours").result
    assert (record["correct"], record["sum"]) == (0, 1)
    assert mrl("compute", "b.csv", "--preset", "arena", "--y-const", "1").result["sum"] == 1
    assert mrl("compute", "b.csv", "--preset", "arena", "--y", "other", "--labels", "01").result["sum"] == 1
    mrl("compute", "b.csv", "--preset", "arena").must_fail(
        2, "not have the label column of --preset arena, winner; it has: won, mine"
    )


def test_presets_hold_their_label_rule_as_data() -> None:
    rules = {name: preset.label for name, preset in PRESETS.items() if preset.label is not None}
    assert rules.keys() == {"judgebench", "arena", "helpsteer"}
    for rule in rules.values():
        assert bool(rule.label_map) == (rule.labels == "pm1")
        assert parsed_map(map_text(rule.label_map)) == rule.label_map if rule.label_map else True


# Codes 0, 1, 2.


def test_codes_of_first_equal_second_are_mapped(mrl: Mrl) -> None:
    Path("j.csv").write_text("s1,s2,label\n3.2,1.1,0\n0.4,0.3,1\n1.0,2.0,2\n2.5,0.5,0\n0.2,0.9,2\n")
    columns = ["j.csv", "--x1", "s1", "--x2", "s2", "--y", "label"]
    record = mrl("compute", *columns, "--label-map", "0=1,1=0,2=-1", "--on-tie", "drop").result
    assert (record["accuracy"], record["pairs"], record["ties_dropped"], record["sum"]) == (1.0, 4, 1, 0.0)


# DataFrames.


def frame(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"x1": X1, "x2": X2, "y": values})


@each(
    ("values", "label_map"),
    [
        (VALUES["words"][0], {"A>B": 1, "B>A": -1, "A=B": 0}),
        (pd.Categorical(VALUES["words"][0]), {"A>B": 1, "B>A": -1, "A=B": 0}),
        (pd.array(VALUES["words"][0], "string[pyarrow]"), "A>B=1,B>A=-1,A=B=0"),
        ([0, 2, 0, 2, 1], {0: 1, 2: -1, 1: 0}),
        ([0.0, 2.0, 0.0, 2.0, 1.0], {0: 1, 2: -1, 1: 0}),
        (np.array([0, "b", 0, "b", 1.0], object), {0: 1, "b": -1, 1: 0}),
    ],
)
def test_frames_are_mapped_as_files_are(values: Any, label_map: Any, expected: dict[str, Any]) -> None:
    record = evaluate(frame(values), label_map=label_map, on_tie="drop")
    assert figures(record) == expected
    assert (record["ties_dropped"], record["labels_skipped"]) == (1, 0)


def test_frame_of_objects_tells_true_from_1() -> None:
    mixed = frame(np.array([True, False, True, 1, 0], object))
    with pytest.raises(ValueError, match=r"label not in the map +2   row 3: y is 1   row 4: y is 0"):
        evaluate(mixed, label_map={True: 1, False: -1})


@pytest.mark.parametrize("values", [BOOLEANS, pd.array(BOOLEANS, "boolean"), np.array(BOOLEANS, object)])
def test_frame_holds_booleans_under_01_alone(values: Any) -> None:
    assert evaluate(frame(values), labels="01")["correct"] == evaluate(frame([1, 0, 1, 0, 1]), labels="01")["correct"]
    for labels in ("pm1", "any"):
        with pytest.raises(ValueError, match=r"holds bool(ean)?, not numbers|not a number"):
            evaluate(frame(values), labels=labels)
    with pytest.raises(ValueError, match=r"pandas\.to_numeric|not a number"):  # no rule of labels helps scores
        evaluate(frame([1, 0, 1, 0, 1]).assign(x1=values), labels="01")


def test_frame_holds_strengths(expected: dict[str, Any]) -> None:
    pairs = frame(STRENGTHS)
    assert figures(evaluate(pairs, labels="strength", on_tie="drop")) == expected
    assert evaluate(pairs, labels="strength", on_tie="drop", strength="weight")["weight"] == 6.5
    assert evaluate(pairs, labels="strength", on_tie="drop", strength="margin")["sum"] == 7.5
    with pytest.raises(ValueError, match="row 4: y is 0\nhint: on_tie='drop' leaves ties out"):
        evaluate(pairs, labels="strength")


def test_frames_of_two_models_are_compared_by_mapped_labels() -> None:
    pairs = frame(VALUES["words"][0]).assign(u=X2, v=X1)
    report = compare(pairs, x1_b="u", x2_b="v", label_map=VALUES["words"][1], on_tie="drop", bootstrap=0)
    assert (report["pairs"], report["a"]["correct"], report["b"]["correct"], report["labels_skipped"]) == (4, 2, 2, 0)


# What a hint needs to know.


@pytest.mark.slow
@in_every_format
def test_labels_with_a_problem_are_kept_as_text(name: str, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, int]] = []

    def remedy(symptoms: Symptoms) -> str:
        seen.append({label: known.count for label, known in symptoms.counts.bad_labels.items()})
        return "a hint"

    monkeypatch.setattr("mrl_cli.reports.refusals.remedy", remedy)
    WRITERS[name]([0, 2, 2, 1, 0.5], name)
    mrl("compute", name)
    WRITERS[name](["tie", "b", "b", "a", "tie"], name)
    mrl("compute", name, "--label-map", "a=1,c=-1")
    assert seen == [{"0": 1, "2": 2, "from 0 to 1": 1}, {"'tie'": 2, "'b'": 2}]


def test_rows_that_are_all_skipped_are_counted_as_such(mrl: Mrl) -> None:
    Path("p.csv").write_text("x1,x2,y\n1,3,tie\n1,3,bad\n")
    mrl("compute", "p.csv", "--label-map", "a=1,tie=0,bad=skip", "--on-tie", "drop").must_fail(
        3, "2 rows, all left out (1 for a label 0, 1 for a label mapped to skip)"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--label-map A=1,B=-1,", "nothing stands after the last comma"),
        ("--scale 1_0", "'1_0' is not a finite number"),
        ("--margin 1_0", "'1_0' is not a finite number"),
        ("--labels strength --strength weight --cluster x1", "--strength does not go with --confidence or --cluster"),
    ],
)
def test_what_is_wrong_with_options_is_what_the_message_says(
    line: str, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("x1,x2,y\n1,3,1\n")
    ran = run_inside(["compute", path, *line.split()], capfd)
    assert (ran.code, message in ran.err) == (2, True), ran.err


@each("strengths", [(2**53, 2**53 + 1), (2**53 + 1, 2**53), (3, 2**53 + 1, 2**53)])
@each("suffix", ["csv", "jsonl", "parquet"])
def test_a_strength_that_no_double_holds_is_bad_wherever_it_stands(
    strengths: tuple[int, ...], suffix: str, tmp_path: Path, mrl: Mrl
) -> None:
    """Nothing tells that digits were lost but the cell itself, and a great strength before it may be fine."""
    frame, path = pd.DataFrame({"x1": 1.0, "x2": 0.0, "y": strengths}), tmp_path / f"pairs.{suffix}"
    if suffix == "csv":
        frame.to_csv(path, index=False)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    ran = mrl("compute", path, "--labels", "strength", "--on-error", "skip")
    record = json.loads(ran.out)
    assert (record["pairs"], record["rejected"]) == (len(strengths) - 1, 1)
    place = strengths.index(2**53 + 1)
    mrl("compute", path, "--labels", "strength").must_fail(3, str(2**53 + 1) if suffix != "jsonl" else f"{place + 1}")
