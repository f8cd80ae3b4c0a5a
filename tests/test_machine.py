"""What programs read of mrl: JSON that says what is not finite, the same bytes every run, errors as JSON, schemas."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

from mrl_cli.cli import group
from mrl_cli.commands import command_names
from mrl_cli.render import format_names
from mrl_cli.reports import keys, schema
from mrl_cli.reports.compute import ComputeReport
from mrl_cli.reports.figures import KEYS, SETTINGS
from mrl_cli.reports.rank import RankReport
from tests.each import each, mostly_slow
from tests.running import Ran, run_inside
from tests.schemas import hold_to_schemas, validator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Mrl = Callable[..., Ran]


@pytest.fixture
def mrl(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    """Runs mrl in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def invoked(*args: str) -> Ran:
        ran = run_inside(args, capfd, as_it_is=True)
        hold_to_schemas(args, ran.out)
        return ran

    return invoked


# Numbers that are not finite.


@pytest.mark.parametrize("output_format", ["json", "jsonl"])
def test_numbers_not_finite_are_null_in_json_and_named_beside(output_format: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "huge.csv").write_text("x1,x2,y\n1e308,-1e308,-1\n")
    ran = mrl("compute", "huge.csv", "--format", output_format)
    record = json.loads(ran.out, parse_constant=lambda name: pytest.fail(f"bare {name}"))
    names = record["not_finite"]
    assert names.items() >= dict.fromkeys(("value", "sum", "mean", "min", "max"), "Infinity").items()
    assert names["difference_sd"] == "NaN"  # of one pair
    assert {key for key, value in record.items() if value is None} == names.keys()
    assert mrl("compute", "huge.csv", "--raw").out == "Infinity\n"
    rows = mrl("compute", "huge.csv", "--format", "jsonl", "--reduction", "none")
    assert rows.out == '{"loss": null, "not_finite": {"loss": "Infinity"}}\n'


def test_kept_columns_say_what_is_not_finite_in_the_object_where_it_stands(mrl: Mrl, tmp_path: Path) -> None:
    columns = {"x1": [0.5, 0.25], "x2": [0.0, 0.0], "y": [1, 1], "n": [math.nan, None], "l": [[1.0, -math.inf], [2.0]]}
    pq.write_table(pa.table(columns | {"s": [{"a": math.inf}, {"a": 0.5}]}), tmp_path / "nested.parquet")
    args = "compute", "nested.parquet", "--reduction", "none", "--keep-columns", "-f", "jsonl"
    first, second = map(json.loads, mrl(*args).out.splitlines())
    assert (first["n"], first["l"], second["n"], second["l"]) == (None, [1.0, None], None, [2.0])
    assert first["not_finite"] == {"n": "NaN", "l.1": "-Infinity"}
    assert (first["s"], second["s"]) == ({"a": None, "not_finite": {"a": "Infinity"}}, {"a": 0.5})
    assert "not_finite" not in second
    for taken in ({"not_finite": [1, 2]}, {"s": [{"not_finite": 1}, {"not_finite": 2}]}):
        pq.write_table(pa.table(columns | taken), tmp_path / "nested.parquet")
        mrl(*args).must_fail(2, "nested.parquet has a column 'not_finite'")


@pytest.mark.slow
def test_groups_say_what_is_not_finite_each_for_itself(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "huge.csv").write_text("x1,x2,y,not_finite\n1e308,-1e308,-1,a\n0,1,1,b\n0,2,1,b\n")
    args = "compute", "huge.csv", "--group-by", "not_finite", "--confidence", "0.95"
    for groups in (mrl(*args, "-f", "json").result["groups"], _lines(mrl(*args, "-f", "jsonl"))):
        assert groups[0]["not_finite"].items() >= {"mean": "Infinity", "standard_error": "NaN"}.items()
        assert groups[0]["mean"] is None
        assert "not_finite" not in groups[1]
    assert [group["group.not_finite"] for group in _lines(mrl(*args, "-f", "jsonl"))] == ["a", "b"]
    assert mrl(*args, "-f", "csv").out.startswith("group.not_finite,")


# Floats.


@pytest.mark.parametrize("is_compiled", [True, False])
def test_floats_are_written_alike_in_every_format(
    is_compiled: bool, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_compiled:
        monkeypatch.setattr("mrl_cli.native.number_lines", lambda _: None)
    numbers = [5.0, 0.0, -0.0, 0.1, 1e-5, 1e-4, 123456789.0, 1e9 + 0.5, 1e15, 1e16, 1e22, 5e-324]
    columns = {"x1": [0.5] * 12, "x2": numbers, "y": [-1] * 12}
    narrow = {"f": pa.array([0.1, 2.0, None] * 4, pa.float32()), "h": pa.array(np.array([0.5, 3, -7] * 4, np.float16))}
    pq.write_table(pa.table(columns | narrow), tmp_path / "p.parquet")
    call = ("compute", "p.parquet", "--reduction", "none", "--keep-columns", "-f")
    rows = {name: [line.split(mark) for line in mrl(*call, name).out.splitlines()] for name, mark in MARKS.items()}
    assert rows["csv"] == rows["tsv"]
    assert [row[1] for row in rows["csv"][1:]] == [repr(number) for number in numbers]
    assert [row[3] for row in rows["csv"][1:]] == ["0.1", "2.0", ""] * 4
    assert [row[4] for row in rows["csv"][1:]] == ["0.5", "3.0", "-7.0"] * 4
    lines = mrl(*call, "jsonl").out.splitlines()
    assert [re.search('"x2": ([^,]*)', line)[1] for line in lines] == [row[1] for row in rows["csv"][1:]]  # type: ignore[index]
    assert [re.search('"loss": ([^}]*)', line)[1] for line in lines] == [row[5] for row in rows["csv"][1:]]  # type: ignore[index]
    (tmp_path / "lists.csv").write_text("query,label,score\nq,1,2\nq,0,7\n")
    assert mrl("rank", "lists.csv", "--per-query").out.splitlines()[1].split("\t")[3:5] == ["5.0", "5.0"]


MARKS = {"csv": ",", "tsv": "\t"}


# Errors.

BAD = "x1,x2,y\n1,oops,1\n1,2,0\n3,inf,1\n"
ERROR_KEYS = ["message", "hint", "exit_code", "problems"]


def _planted(*_: object, **__: object) -> None:
    raise RuntimeError("planted")


@each(
    ("args", "code", "message"),
    [
        (["compute", "bad.csv", "-f", "json"], 3, "3 problems in bad.csv (3 rows)"),
        (["check", "bad.csv", "gone.csv", "--format=json"], 2, "no such file: gone.csv"),
        (["compute", "bad.csv", "--on-error", "skip", "-fjson"], 3, "no pairs in bad.csv"),
        (["compute", "gone.csv", "-qf", "json"], 2, "no such file: gone.csv"),
        (["compute", "good.csv", "--bogus", "3", "-f", "json"], 2, "No such option '--bogus'."),
        (["sweep", "-f", "json", "good.csv"], 2, "Missing option '--margins'."),
        (["compute", "good.csv", "-f", "json", "--margin"], 2, "Option '--margin' requires an argument."),
        (["compute", "good.csv", "-f", "json", "--y"], 2, "Option '--y' requires an argument."),
        (["compute", "good.csv", "-f", "json", "--format", "json"], 2, "--format is given more than once"),
        (["compte", "good.csv", "-f", "json"], 2, "No such command 'compte'."),
        (["--bogus", "compute", "good.csv", "-f", "json"], 2, "No such option '--bogus'."),
        (["report", "good.csv", "-f", "json"], 2, "No such option '-f'."),
        (["compute", "good.csv", "-f", "json", "-o", "no/out.json"], 4, "cannot write no/out.json"),
    ],
)
def test_under_json_an_error_is_an_object_on_stderr(
    args: list[str], code: int, message: str, mrl: Mrl, tmp_path: Path
) -> None:
    (tmp_path / "bad.csv").write_text(BAD)
    (tmp_path / "good.csv").write_text("x1,x2,y\n1,2,1\n")
    ran = mrl(*args)
    error = json.loads(ran.err)["error"]
    assert (ran.code, ran.out, error["exit_code"], list(error)) == (code, "", code, ERROR_KEYS)
    assert error["message"].startswith(message)
    in_text = {"json": "tsv", "-fjson": "-ftsv", "--format=json": "--format=tsv"}
    as_text = mrl(*(in_text.get(word, word) for word in args))
    shown = f"error: {error['message']}\n" + ("" if error["hint"] is None else f"hint: {error['hint']}\n")
    assert (as_text.code, as_text.err) == (code, shown)


def test_problems_in_the_data_are_records(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(f"{BAD}1,2,1\n")
    mrl("compute", "bad.csv", "--on-error", "skip", "--rejects", "rejects.jsonl", "-f", "json")
    problems = json.loads(mrl("compute", "bad.csv", "-f", "json").err)["error"]["problems"]
    assert [(one["row"], one["column"], one["kind"]) for one in problems] == [
        (2, "x2", "not a number"),
        (3, "y", "label not ±1"),
        (4, "x2", "infinite"),
    ]
    rejects = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [[*one.values()] for one in problems] == [[*one.values()] for one in rejects]


def test_the_format_of_errors_comes_from_where_options_come_from(
    mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good.csv").write_text("x1,x2,y\n1,2,1\n")
    for variable in ("MRL_FORMAT", "MRL_COMPUTE_FORMAT"):
        monkeypatch.setenv(variable, "json")
        assert json.loads(mrl("compute", "good.csv", "--bogus").err)["error"]["exit_code"] == 2
        assert mrl("compute", "good.csv", "--bogus", "-f", "csv").err.startswith("error: ")
        monkeypatch.delenv(variable)
    (tmp_path / "mrl.toml").write_text('format = "json"\n')
    assert json.loads(mrl("compute", "good.csv", "--bogus").err)["error"]["exit_code"] == 2
    (tmp_path / "mrl.toml").write_text("format = 3\n")
    assert mrl("compute", "good.csv").err.startswith("error: ")
    (tmp_path / "mrl.toml").unlink()
    assert mrl("compute", "good.csv", "--bogus", "-f", "jsonl").err.startswith("error: ")
    assert mrl("compute", "good.csv", "--bogus", "-o", "-f", "json").err.startswith("error: ")
    assert mrl("validate", "good.csv", "--expect", "7", "-f", "json").err == ""  # a check that fails is no error


def test_a_bug_is_an_object_too(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrl_cli.commands.run.plan_of_options", _planted)
    ran = mrl("compute", "-", "-f", "json")
    error = json.loads(ran.err)["error"]
    assert (ran.code, error["exit_code"], error["problems"]) == (70, 70, [])
    assert "RuntimeError: planted" in error["message"]


# The same bytes every run.

# Of each command, what follows it; others print their help.
LINES = {
    "compute": "pairs.csv bad.csv --group-by g --on-error skip --confidence 0.9 --validate --plot auto",
    "rank": "lists.csv --group-by g --confidence 0.9",
    "sweep": "pairs.csv --margins 0:1:0.25",
    "compare": "pairs.csv --x1-b x2 --x2-b x1 --group-by g --cluster y",
    "validate": "pairs.csv --expect 7 --group-by g",
    "check": "pairs.csv lists.csv",
    "losses": "",
    "schema": "compute",
    "pairs": "lists.csv --sample 5",
    "report": "pairs.csv --group-by g",
    "completion": "bash",
}
WRITTEN = (
    "compute pairs.csv --reduction none --keep-columns -o",
    "rank lists.csv --per-query -o",
    "pairs lists.csv -o",
)


def _write_inputs(folder: Path) -> None:
    rows = [f"{n % 7 / 4},{n % 5 / 2},{1 - 2 * (n % 3 == 0)},{'abc'[n % 3]}" for n in range(300)]
    (folder / "pairs.csv").write_text("\n".join(["x1,x2,y,g", *rows, ""]))
    (folder / "bad.csv").write_text("\n".join(["x1,x2,y,g", *(row.replace("0.5,", "oops,") for row in rows), ""]))
    items = (f"q{n // 5},{n % 3},{n % 7 / 4},{'ab'[n // 5 % 2]}" for n in range(300))
    (folder / "lists.csv").write_text("\n".join(["query,label,score,g", *items, ""]))


def _differing(name: str, formats: Sequence[str], mrl: Mrl) -> list[str | None]:
    """Return the formats in which a command prints anything else with two workers than with one."""
    command = group.get_command(click.Context(group), name)
    assert command is not None
    asked = {option.name: getattr(option.type, "choices", ()) for option in command.params}
    known: list[str | None] = [word for word in formats if word in asked.get("format", ())]
    line = [name, *LINES.get(name, "--help").split()]
    differing = []
    for output_format in known or [None]:
        words = line if output_format is None else [*line, "-f", output_format]
        one, two = (mrl(*words, *(["--jobs", jobs] if "jobs" in asked else [])) for jobs in "12")
        differing += [output_format] if one != two else []
        assert one.out or (one.code, name) == (2, "pairs"), output_format  # whose rows are no tables
    return differing


@each("name", ["compute", "rank", "sweep", "compare"], quick=1)
def test_two_runs_print_the_same_bytes(name: str, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_inputs(tmp_path)
    monkeypatch.setattr("mrl_cli.inputs.text.BLOCK_BYTES", 1000)  # so that there is something for both workers
    assert _differing(name, ["json", "csv"], mrl) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", command_names())
def test_two_runs_print_the_same_bytes_in_every_format(
    name: str, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_inputs(tmp_path)
    monkeypatch.setattr("mrl_cli.inputs.text.BLOCK_BYTES", 1000)
    assert _differing(name, format_names(with_annotations=True), mrl) == []


@pytest.mark.slow
def test_files_and_parts_are_the_same_bytes(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_inputs(tmp_path)
    monkeypatch.setattr("mrl_cli.inputs.text.BLOCK_BYTES", 1000)
    for line in WRITTEN:
        for suffix in ("csv", "tsv", "jsonl", "parquet"):
            for jobs in "12":
                assert mrl(*line.split(), f"out{jobs}.{suffix}", "--jobs", jobs).code == 0
            one, two = ((tmp_path / f"out{jobs}.{suffix}").read_bytes() for jobs in "12")
            assert one == two
    for jobs in "12":
        assert mrl("compute", "pairs.csv", "--reduction", "none", "-o", f"parts{jobs}/", "--jobs", jobs).code == 0
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / f"parts{jobs}").iterdir()} for jobs in "12")
    assert first == second
    manifest = json.loads(first["_mrl_manifest.json"])
    assert validator("parts").is_valid(manifest)


# Rows.

RUNS = {
    "compute pairs.csv": "--margin 1|--margin-column m|--weight m|--loss logistic --param temperature=2"
    "|--confidence 0.9|--cluster g|--label-map 1=1,-1=-1,9=skip|--scale 2|--calibration|--validate"
    "|--fill margin=1 --margin-column m|--difference x1 --loss ipo|--reduction sum",
    "compute pairs.csv --group-by g": "--margin-column m|--loss ipo|--confidence 0.9",
    "rank lists.csv": "--loss softmax|--loss logistic|--weight w|--lambda-weight ndcg --top 2|--confidence 0.9"
    "|--reduction query-mean",
    "sweep pairs.csv --margins 0,1": "--loss squared_hinge|--loss logistic|--weight m|--scale 2",
    "compare pairs.csv --x1-b x2 --x2-b x1": "--margin-column m|--loss ipo|--cluster g|--bootstrap 0|--fill margin=1 "
    "--margin-column m",
}


@each(("line", "options"), RUNS.items(), quick=3)
def test_no_option_moves_the_first_columns(line: str, options: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("x1,x2,y,m,g\n1,2,1,0.5,a\n3,1,-1,0.25,a\n1,0,1,0.5,b\n5,1,1,2,b\n")
    (tmp_path / "lists.csv").write_text("query,label,score,w\nq,1,0.5,2\nq,0,0.25,1\nr,2,1,1\nr,0,3,1\n")
    plain = _columns(mrl(*line.split(), "-f", "csv"))
    for option in options.split("|"):
        moved = _columns(mrl(*line.split(), *option.split(), "-f", "csv"))
        first = plain[: plain.index("labels") + 1]
        assert moved[: len(first)] == first, option
        assert len({*moved}) == len(moved)


def _columns(ran: Ran) -> list[str]:
    assert ran.code == 0, ran.err
    return ran.out.split("\n", maxsplit=1)[0].split(",")


def _lines(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize(
    ("scores", "passes"), mostly_slow([("2,0.5", True), ("0.5,2", False), ("-1e308,1e308", False)], quick=1)
)
def test_gates_of_jq_fail_on_what_is_undefined(scores: str, passes: bool, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "gate.csv").write_text(f"x1,x2,y\n{scores},1\n")
    report = mrl("compute", "gate.csv", "-f", "json").out
    below, above = ".value != null and .value < 1.2", ".value >= 1.2"  # null is below every number
    for gate, expected in ((below, passes), (above, scores == "0.5,2")):
        gated = subprocess.run(["jq", "-e", gate], input=report, capture_output=True, text=True, check=False)
        assert (gated.returncode == 0, gated.stderr) == (expected, "")
    assert (mrl("compute", "gate.csv", "--fail-if", "value>=1.2").code == 0) is passes
    undefined = mrl("compute", "gate.csv", "--fail-if", "value>1e9", "-q")
    assert (undefined.code, "value is Infinity, and" in undefined.err) == (
        (1, True) if "e308" in scores else (0, False)
    )


# Schemas.


def _texts_of(table: str) -> list[str]:
    return [key.name for key in schema.keys_in(table)]


def test_every_figure_and_setting_has_a_meaning() -> None:
    assert _texts_of(keys.FIGURES) == list(KEYS)
    assert {*_texts_of(keys.SETTINGS + keys.PAIR_SETTINGS + keys.LIST_SETTINGS)} == {*SETTINGS}
    every = [*schema.keys_in(keys.ENVELOPE), *(key for table in keys.TABLES.values() for key in schema.keys_in(table))]
    for key in every:
        assert key.text[0].isupper() or key.text.startswith(("a's", "x1", "active", "correct", "matches"))
        assert key.text.endswith(".")
        assert key.table in keys.TABLES or key.kind in schema.KINDS, key


def test_the_columns_that_every_run_has_are_in_the_schemas() -> None:
    for name, report in (("compute", ComputeReport), ("rank", RankReport)):
        required = schema.schema_of(name)["required"]
        assert {*report.FIRST} == {*required} - {"schema", "version", "inputs"}


@each("name", schema.FORMS, quick=4)
def test_a_schema_is_printed_and_described(name: str, mrl: Mrl) -> None:
    printed = json.loads(mrl("schema", name).out)
    assert printed == schema.schema_of(name)
    Draft202012Validator.check_schema(printed)
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    rows = mrl("schema", name, "-f", "tsv").out.splitlines()
    assert rows[0] == "object\tkey\tmeaning\tkind\talways"
    assert len(rows) > 1
    assert name in mrl("schema").out
    assert all("description" in value for value in printed.get("properties", {}).values())


def test_a_schema_rejects_what_is_not_in_the_form() -> None:
    error: dict[str, Any] = {"message": "no", "hint": None, "exit_code": 2, "problems": []}
    assert validator("error").is_valid({"error": error})
    for wrong in ({"exit_code": "2"}, {"problems": [{"file": "a"}]}, {"further": 1}, {"hint": 3}):
        assert not validator("error").is_valid({"error": error | wrong})
    entry = '{"schema": "mrl.check/1", "version": "1", "inputs": [{"name": "a", "nam": "b"}]}'
    with pytest.raises(AssertionError, match="'nam' was unexpected"):
        hold_to_schemas(["check"], entry)
    with pytest.raises(AssertionError, match="'margin' is a required property"):
        hold_to_schemas(["sweep", "-f", "jsonl"], '{"value": 0.5}\n{"value": 0.5}\n')


def test_lines_of_pairs_are_of_their_schema(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "lists.csv").write_text("query,label,score,w\n1,1,0.5,2\n1,0,0.75,2\n1,0,0.25,2\n")
    for options, names in (((), {"query", "x1", "x2", "y"}), (("--weight", "w"), {"query", "x1", "x2", "y", "weight"})):
        ran = mrl("pairs", "lists.csv", "-f", "jsonl", *options)  # which holds each line to its schema
        assert ran.code == 0, ran.err
        lines = ran.out.splitlines()
        assert [set(json.loads(line)) for line in lines] == [names, names]
    with pytest.raises(AssertionError, match="'x2' is a required property"):
        hold_to_schemas(["pairs", "-f", "jsonl"], '{"query": "1", "x1": 0.5, "y": 1}\n' * 2)


def test_an_unknown_report_has_no_schema(mrl: Mrl) -> None:
    mrl("schema", "compte").must_fail(2, "Did you mean compute?")


def test_a_gate_that_fails_prints_its_numbers_in_full(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x1,x2,y\n0.5,0.25,1\n")
    ran = mrl("compute", "p.csv", "--fail-if", "pairs<2000001", "--fail-if", "value<0.123456789")
    assert ran.err.splitlines() == [
        "fail-if: pairs is 1, and pairs<2000001 fails the run",
        "fail-if: value is 0.0, and value<0.123456789 fails the run",
    ]
