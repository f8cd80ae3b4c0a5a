"""The command line as a user meets it: output, options, environment, exit codes, files written whole or not at all."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import pty
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

import mrl_cli
from mrl_cli.cli import group
from mrl_cli.commands import command_names, compute
from mrl_cli.commands.options import FORMAT_CHOICES
from mrl_cli.inputs.formats import COMPRESSIONS, FORMATS
from mrl_cli.inputs.presets import PRESETS
from mrl_cli.model import Counts, Plan
from mrl_cli.native import csv_reader_name
from mrl_cli.reductions.totals import Totals
from mrl_cli.render import format_names, progress, render
from mrl_cli.reports.base import flat
from mrl_cli.reports.compute import ComputeReport, compute_report
from mrl_cli.reports.figures import NUMBERS
from tests.each import each, mostly_slow
from tests.running import DECIDING, Mrl, Ran, is_writing, run, run_on_terminal, run_on_terminal_inside

if TYPE_CHECKING:
    from collections.abc import Callable


# With margin 0.5 the losses are 0.5 - 0.25 = 0.25, 0.5 + 1 = 1.5 and 0.5 + 0 = 0.5.
PAIRS = "x1,x2,y\n0.5,0.25,1\n1,2,1\n1,1,-1\n"
ESCAPE = "\x1b["


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    """Run mrl in a folder that holds pairs.csv, at a fixed width and without settings for colour."""
    monkeypatch.setenv("COLUMNS", "60")
    for name in ("NO_COLOR", "FORCE_COLOR", "MRL_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pairs.csv").write_text(PAIRS)
    return mrl


# What comes out.

RECORD: dict[str, Any] = {
    "schema": "mrl.compute/1",
    "version": mrl_cli.__version__,
    "inputs": ["pairs.csv"],
    "loss": "margin_ranking",
    "margin": 0.5,
    "reduction": "mean",
    "dtype": "float64",
    "labels": "pm1",
    "value": 0.75,
    "pairs": 3,
    "rejected": 0,
    "ties_dropped": 0,
    "sum": 2.25,
    "mean": 0.75,
    "min": 0.25,
    "max": 1.5,
    "correct": 1,
    "ties": 1,
    "wrong": 1,
    "inside_margin": 1,
    "beyond_margin": 0,
    "accuracy": 1 / 3,
    "accuracy_half": 0.5,
    "accuracy_without_ties": 0.5,
    "accuracy_at_margin": 0.0,
    "active": 3,
    "difference_mean": (0.25 + 0 - 1) / 3,
    "difference_sd": math.sqrt((0.5**2 + 0.25**2 + 0.75**2) / 2),
    "x1_mean": (0.5 + 1 + 1) / 3,
    "x2_mean": (0.25 + 2 + 1) / 3,
    # Linear between -1, 0 and 1/4, which all begin a cell.
    "difference_quantiles": {
        "p05": (1 - 0.05 * 2) * -1.0,
        "p25": 0.5 * -1.0,
        "p50": 0.0,
        "p75": 0.5 * 0.25,
        "p95": (0.95 * 2 - 1) * 0.25,
    },
}
_SHOWN = ComputeReport.in_order(flat(RECORD)).items()

GOLDENS = {
    "json": json.dumps(RECORD, indent=2) + "\n",
    "jsonl": json.dumps(RECORD) + "\n",
    "csv": ",".join(key for key, _ in _SHOWN) + "\n" + ",".join(str(value) for _, value in _SHOWN) + "\n",
    "tsv": "\t".join(key for key, _ in _SHOWN) + "\n" + "\t".join(str(value) for _, value in _SHOWN) + "\n",
    "markdown": """\
33.3% of 3 pairs are ranked right, 33.3% are ties; mean loss 0.75 at margin 0.5.

**margin_ranking loss of pairs.csv**

| key | value |
| --- | ---: |
| mean | 0.75 |
| sum | 2.25 |
| min | 0.25 |
| max | 1.5 |
| pairs | 3 |
| correct | 1 (33.3%) |
| ties | 1 (33.3%) |
| wrong | 1 (33.3%) |
| inside_margin | 1 (33.3%) |
| beyond_margin | 0 (0.0%) |
| active | 3 (100.0%) |
| accuracy | 0.3333333333333333 |
| accuracy_half | 0.5 |
| accuracy_without_ties | 0.5 |
| accuracy_at_margin | 0.0 |
| difference_mean | -0.25 |
| difference_sd | 0.6614378277661477 |
| x1_mean | 0.8333333333333334 |
| x2_mean | 1.0833333333333333 |
| difference_quantiles.p05 | \\~-0.9 |
| difference_quantiles.p25 | \\~-0.5 |
| difference_quantiles.p50 | \\~0.0 |
| difference_quantiles.p75 | \\~0.125 |
| difference_quantiles.p95 | \\~0.22499999999999998 |
| reduction | mean |
| margin | 0.5 |
| dtype | float64 |
| labels | pm1 |
""",
    "table": """\
33.3% of 3 pairs are ranked right, 33.3% are ties; mean loss
0.75 at margin 0.5.

margin_ranking loss of pairs.csv
╭──────────────────────────┬─────────────╮
│ mean                     │   0.7500    │
│ sum                      │   2.2500    │
│ min                      │   0.2500    │
│ max                      │   1.5000    │
├──────────────────────────┼─────────────┤
│ pairs                    │   3         │
├──────────────────────────┼─────────────┤
│ correct                  │   1  33.3%  │
│ ties                     │   1  33.3%  │
│ wrong                    │   1  33.3%  │
│ inside_margin            │   1  33.3%  │
│ beyond_margin            │   0   0.0%  │
│ active                   │   3  100.0% │
│ accuracy                 │   0.3333    │
│ accuracy_half            │   0.5000    │
│ accuracy_without_ties    │   0.5000    │
│ accuracy_at_margin       │   0.0000    │
├──────────────────────────┼─────────────┤
│ difference_mean          │  -0.2500    │
│ difference_sd            │   0.6614    │
│ x1_mean                  │   0.8333    │
│ x2_mean                  │   1.0833    │
│ difference_quantiles.p05 │ ~-0.9000    │
│ difference_quantiles.p25 │ ~-0.5000    │
│ difference_quantiles.p50 │  ~0.0000    │
│ difference_quantiles.p75 │  ~0.1250    │
│ difference_quantiles.p95 │  ~0.2250    │
╰──────────────────────────┴─────────────╯
reduction=mean, margin=0.5, dtype=float64, labels=pm1
""",
}


def test_every_renderer_has_a_golden_and_is_a_format() -> None:
    assert set(GOLDENS) == set(format_names())
    assert list(FORMAT_CHOICES) == ["auto", *format_names()]


@each("output_format", format_names())
def test_format_renders_as_its_golden(output_format: str, mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "--margin", "0.5", "--format", output_format)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == GOLDENS[output_format]


def test_json_keys_types_and_order_are_the_contract(mrl: Mrl) -> None:
    record = mrl("compute", "pairs.csv", "--format", "json", "--margin", "0.5").result
    assert list(record) == list(RECORD)
    assert {key: type(value) for key, value in record.items()} == {key: type(value) for key, value in RECORD.items()}
    assert record == RECORD


def test_value_is_the_reduction(mrl: Mrl) -> None:
    record = mrl("compute", "pairs.csv", "--format", "json", "--margin", "0.5", "--reduction", "sum").result
    assert (record["value"], record["sum"], record["mean"]) == (2.25, 2.25, 0.75)


@pytest.mark.parametrize(("reduction", "number"), [("mean", "0.3333333333333333"), ("sum", "1.0")])
def test_raw_is_the_bare_number(reduction: str, number: str, mrl: Mrl) -> None:
    assert mrl("compute", "pairs.csv", "--raw", "--reduction", reduction).out == f"{number}\n"


def test_raw_rows_are_bare_numbers(mrl: Mrl) -> None:
    assert mrl("compute", "pairs.csv", "--raw", "--reduction", "none").out.split() == ["0.0", "1.0", "0.0"]


def test_auto_is_tsv_through_a_pipe_and_a_table_on_a_terminal(tmp_path: Path, mrl: Mrl) -> None:
    assert mrl("compute", "pairs.csv", "--margin", "0.5").out == GOLDENS["tsv"]
    args = ["compute", "pairs.csv", "--margin", "0.5"]
    usual = {name: value for name, value in os.environ.items() if name not in DECIDING}
    code, data, err = run_on_terminal(args, usual | {"TERM": "xterm"}, tmp_path)
    assert (code, err) == (0, b"")
    screen = data.decode().replace("\r\n", "\n")
    assert "│" in screen
    assert ESCAPE in screen
    assert run_on_terminal_inside(args) == (0, screen)
    assert ESCAPE not in run_on_terminal_inside(["compute", "pairs.csv", "--color", "never"])[1]
    assert run_on_terminal_inside(["compute", "pairs.csv", "--reduction", "none"])[1] == "loss\n0.0\n1.0\n0.0\n"


@each(
    ("suffix", "output_format"),
    [
        ("json", "json"),
        ("jsonl", "jsonl"),
        ("ndjson", "jsonl"),
        ("csv", "csv"),
        ("tsv", "tsv"),
        ("md", "markdown"),
        ("JSON", "json"),
        ("txt", "tsv"),
    ],
)
def test_output_format_follows_the_suffix(suffix: str, output_format: str, mrl: Mrl, tmp_path: Path) -> None:
    ran = mrl("compute", "pairs.csv", "--margin", "0.5", "-o", f"out.{suffix}")
    assert ran == Ran(0, "", "")
    assert (tmp_path / f"out.{suffix}").read_text() == GOLDENS[output_format]


def test_format_option_goes_before_suffix(mrl: Mrl, tmp_path: Path) -> None:
    assert mrl("compute", "pairs.csv", "-o", "out.csv", "-f", "json").code == 0
    assert json.loads((tmp_path / "out.csv").read_text())["pairs"] == 3


def test_numbers_not_finite_have_their_names_in_delimited_rows(mrl: Mrl, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"x1": [1e308, 0.5], "x2": [-1e308, 1.5], "y": [-1, 1], "w": [None, math.nan], "f": [-math.inf, 1e-7]}
    pq.write_table(pa.table(columns), tmp_path / "huge.parquet")
    rows = mrl("compute", "huge.parquet", "-f", "tsv", "--reduction", "none", "--keep-columns").out.split("\n")
    assert rows[1].split("\t") == ["1e+308", "-1e+308", "-1", "", "-Infinity", "Infinity"]
    assert rows[2].split("\t") == ["0.5", "1.5", "1", "NaN", "1e-07", "1.0"]
    (tmp_path / "huge.csv").write_text("x1,x2,y\n1e308,-1e308,-1\n0,1e-7,1\n")
    assert mrl("compute", "huge.csv", "-f", "csv", "--reduction", "none").out == "loss\nInfinity\n1e-07\n"


def _report(**changes: Any) -> ComputeReport:
    empty = compute_report(Counts(), Totals(), Plan())
    return empty.changed(**(RECORD | changes))


def test_mean_of_nothing_is_undefined_not_zero() -> None:
    nothing = _report(value=float("nan"), pairs=0, mean=float("nan"), accuracy=float("nan"))
    assert json.loads(render(nothing, "json"))["not_finite"]["mean"] == "NaN"
    assert re.search(r"mean\W+undefined", render(nothing, "table"))
    assert "| mean | undefined |" in render(nothing, "markdown")


def test_table_shows_thousands_and_what_was_left_out() -> None:
    table = render(_report(pairs=1234567, rejected=1000, ties_dropped=2), "table")
    assert re.search(r"pairs\W+1,234,567 ", table)
    assert re.search(r"rejected\W+1,000 ", table)
    assert re.search(r"ties_dropped\W+2 ", table)


def test_file_name_is_harmless_in_a_table() -> None:
    table = render(_report(inputs=["[red]a\x1b[31mb.csv"]), "table", width=80, color=True)
    assert "[red]a\\x1b[31mb.csv" in table
    assert "a\x1b" not in table


def test_rows_come_out_in_input_order(mrl: Mrl, tmp_path: Path) -> None:
    assert mrl("compute", "pairs.csv", "--reduction", "none", "--margin", "0.5").out == "loss\n0.25\n1.5\n0.5\n"
    mrl("compute", "pairs.csv", "--reduction", "none", "-o", "out.jsonl", "--margin", "0.5")
    assert (tmp_path / "out.jsonl").read_text() == '{"loss": 0.25}\n{"loss": 1.5}\n{"loss": 0.5}\n'


@pytest.mark.parametrize("output_format", ["json", "table", "markdown"])
def test_rows_need_a_format_of_rows(output_format: str, mrl: Mrl) -> None:
    mrl("compute", "pairs.csv", "--reduction", "none", "--format", output_format).must_fail(2, "--format csv")


# Colour and progress.


def test_color_is_asked_for_or_left_out(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    call = ("compute", "pairs.csv", "--format", "table")
    assert ESCAPE not in mrl(*call).out
    assert ESCAPE in mrl(*call, "--color", "always").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ESCAPE in mrl(*call).out
    assert ESCAPE not in mrl(*call, "--color", "never").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert ESCAPE not in mrl(*call).out
    assert ESCAPE in mrl(*call, "--color", "always").out
    monkeypatch.setenv("NO_COLOR", "")  # no-color.org: empty is not set
    assert ESCAPE in mrl(*call).out


def test_color_never_reaches_a_file(mrl: Mrl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    for output_format in ("json", "csv", "tsv", "markdown", "jsonl"):
        assert ESCAPE not in mrl("compute", "pairs.csv", "--format", output_format).out


def test_progress_is_drawn_only_for_a_person_or_when_asked(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.0)
    assert mrl("compute", "pairs.csv").err == ""
    assert mrl("compute", "pairs.csv", "--no-progress").err == ""
    assert mrl("compute", "pairs.csv", "--progress", "-q").err == ""
    monkeypatch.setenv("COLUMNS", "100")
    ran = mrl("compute", "pairs.csv", "--progress")
    assert "reading pairs.csv" in ran.err
    assert "rows/s" in ran.err
    assert ran.out.startswith("value\t")


def test_quiet_and_verbose(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(PAIRS + "oops,1,1\n")
    assert "1 of 4 rows left out" in mrl("compute", "bad.csv", "--on-error", "skip").err
    assert mrl("compute", "bad.csv", "--on-error", "skip", "-q").err == ""
    stderr = mrl("compute", "pairs.csv", "-v").err
    assert "3 pairs" in stderr
    assert "engine local" in stderr


# Options.


def test_environment_gives_every_option(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRL_COMPUTE_MARGIN", "0.5")
    assert mrl("compute", "pairs.csv", "--raw").out == "0.75\n"
    assert mrl("compute", "pairs.csv", "--raw", "--margin", "0").out == "0.3333333333333333\n"
    monkeypatch.setenv("MRL_COMPUTE_MARGIN", "oops")
    assert mrl("compute", "pairs.csv").code == 2
    monkeypatch.delenv("MRL_COMPUTE_MARGIN")
    monkeypatch.setenv("MRL_COMPUTE_FORMAT", "json")
    assert mrl("compute", "pairs.csv").result["pairs"] == 3


@each("name", command_names())
def test_variable_of_an_option_is_its_long_name(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    context = click.Context(command, info_name=name, auto_envvar_prefix=f"MRL_{name.upper()}")
    for option in command.params:
        if isinstance(option, click.Option):
            long = next(text for text in option.opts if text.startswith("--"))
            wanted = f"MRL_{name.upper()}_{long.removeprefix('--').replace('-', '_').upper()}"
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv(wanted, "found")
                assert option.resolve_envvar_value(context) == "found", wanted


def test_columns_are_named(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "named.csv").write_text("chosen,id,rejected,label\n1,7,2,1\n")
    assert mrl("compute", "named.csv", "--x1", "chosen", "--x2", "rejected", "--y", "label", "--raw").out == "1.0\n"


def test_label_may_be_constant(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_text("x1,x2\n1,3\n")
    assert mrl("compute", "two.csv", "--y-const", "1", "--raw").out == "2.0\n"
    assert mrl("compute", "two.csv", "--y-const", "-1", "--raw").out == "0.0\n"
    assert mrl("compute", "two.csv", "--y-const", "-1", "--margin", "3", "--raw").out == "1.0\n"
    assert "--y-const" in mrl("compute", "two.csv").err
    assert mrl("compute", "two.csv", "--y-const", "2").code == 2
    assert mrl("compute", "two.csv", "--y-const", "1", "--y", "x1").code == 2


def test_label_rules(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "01.csv").write_text("x1,x2,y\n1,3,1\n1,3,0\n")
    mrl("compute", "01.csv").must_fail(3, "--labels 01")
    assert mrl("compute", "01.csv", "--labels", "01", "--margin", "3", "--reduction", "sum", "--raw").out == "6.0\n"
    assert mrl("compute", "01.csv", "--labels", "any", "--margin", "3", "--reduction", "sum", "--raw").out == "8.0\n"
    (tmp_path / "real.csv").write_text("x1,x2,y\n1,3,0.5\n")
    assert mrl("compute", "real.csv", "--labels", "any", "--raw").out == "1.0\n"
    assert mrl("compute", "real.csv").code == 3
    assert mrl("compute", "real.csv", "--labels", "01").code == 3


def test_ties_are_dropped_and_counted_when_asked(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "tied.csv").write_text("x1,x2,y\n1,3,1\n1,9,0\n")
    assert mrl("compute", "tied.csv").code == 3
    record = mrl("compute", "tied.csv", "--on-tie", "drop", "--format", "json").result
    assert (record["pairs"], record["ties_dropped"], record["rejected"], record["value"]) == (1, 1, 0, 2.0)


def test_file_without_header(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("1,3,1\n1,2,1\n")
    assert mrl("compute", "bare.csv", "--no-header", "--reduction", "sum", "--raw").out == "3.0\n"
    assert mrl("compute", "bare.csv", "--no-header", "--x1", "2", "--x2", "1", "--raw").out == "0.0\n"
    assert "--no-header" in mrl("compute", "bare.csv").err


@each("margin", ["nan", "inf", "-inf", "1e999", "x", ""])
def test_margin_is_a_finite_number(margin: str, mrl: Mrl) -> None:
    mrl("compute", "pairs.csv", "--margin", margin).must_fail(2, "--margin")


def test_margin_may_be_negative(mrl: Mrl) -> None:
    assert mrl("compute", "pairs.csv", "--margin", "-0.5", "--reduction", "sum", "--raw").out == "0.5\n"


@each(
    ("expression", "code"),
    [
        ("value>0.5", 1),
        ("value<0.5", 0),
        ("value>=0.75", 1),
        ("value>0.75", 0),
        ("value<=0.75", 1),
        ("value==0.75", 1),
        ("value!=0.75", 0),
        (" accuracy < 7e-1 ", 1),
        ("pairs<1e3", 1),
        ("rejected>0", 0),
        ("max>-inf", 1),
    ],
)
def test_fail_if_decides_the_exit_code(expression: str, code: int, mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "--margin", "0.5", "--fail-if", expression)
    assert ran.code == code
    assert ran.out == GOLDENS["tsv"], "the result is told in any case"
    assert ran.err.startswith("fail-if: ") is bool(code)


def test_fail_if_may_be_given_often(mrl: Mrl) -> None:
    assert mrl("compute", "pairs.csv", "--fail-if", "value>9", "--fail-if", "pairs==3").code == 1
    assert mrl("compute", "pairs.csv", "--fail-if", "value>9", "--fail-if", "pairs==4").code == 0


@each(
    ("expression", "message"),
    [
        ("valeu>0.5", "did you mean value?"),
        ("Value>0.5", "did you mean value?"),
        ("inputs>0.5", "knows no 'inputs'"),
        ("queries>1", "knows no 'queries'"),  # which lists have
        ("value>nan", "is not a number"),
        ("value>x", "is not a number"),
        ("value", "for example --fail-if"),
        ("", "for example --fail-if"),
        ("value>0.5; import os", "for example --fail-if"),
        ("value=0.5", "did you mean --fail-if 'value==0.5'?"),
        ("0.5 > accuracy", "did you mean --fail-if 'accuracy<0.5'?"),
        ("accuracy<2.3%", "did you mean --fail-if 'accuracy<0.023'?"),
        ("accuracy≤0.5", "did you mean --fail-if 'accuracy<=0.5'?"),
        ("pairs<5%", "'5%' is not a number"),
        ("0.5<accuracy<0.7", "for example --fail-if"),
    ],
)
def test_fail_if_refuses_what_it_does_not_understand(expression: str, message: str, mrl: Mrl) -> None:
    mrl("compute", "pairs.csv", "--fail-if", expression).must_fail(2, message)


def test_fail_if_takes_every_number_of_the_result() -> None:
    numbers = {key for key, value in RECORD.items() if isinstance(value, int | float)}
    assert numbers < set(NUMBERS)


@pytest.mark.parametrize(
    ("option", "key"),
    [([], "weight"), ([], "macro_mean"), (["--reduction", "none"], "value"), (["--margin-column", "x1"], "margin")],
)
def test_fail_if_refuses_what_the_run_does_not_report(option: list[str], key: str, mrl: Mrl) -> None:
    mrl("compute", "pairs.csv", *option, "--fail-if", f"{key}>1").must_fail(
        2, f"--fail-if {key}: this run does not report it\nhint: it reports ", ", accuracy, "
    )


def test_fail_if_on_a_bound_asks_for_its_confidence_where_there_may_be_one(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "lists.csv").write_text("query,label,score\n1,1,0.5\n1,0,0.25\n2,1,0.5\n2,0,0.75\n")
    for command in (("compute", "pairs.csv"), ("rank", "lists.csv")):
        ran = mrl(*command, "--fail-if", "accuracy_low<0")
        assert (ran.code, ran.err.partition("\n")[2]) == (2, "hint: use --confidence 0.95\n")
        assert mrl(*command, "--fail-if", "accuracy_low<0", "--confidence", "0.95").code == 0
    for without in (["--reduction", "none"], ["--weight", "x1"]):
        assert "hint: it reports " in mrl("compute", "pairs.csv", *without, "--fail-if", "accuracy_low<0").err


# What cannot be carried out.


@each(
    ("args", "message"),
    [
        (["compute", "pair.csv"], "did you mean pairs.csv?"),
        (["compute", "no/such.csv"], "no such file: no/such.csv"),
        (["compute", "9" * 400], f"no such file: {'9' * 200}…"),
        (["compute", "no*.csv"], "no file matches"),
        (["compute", "ftp://example.org/x.csv"], "download"),
        (["compute", "pairs.csv", "--x1", "X1"], "did you mean --x1 x1?"),
        (["compute", "pairs.csv", "--y", "label"], "it has: x1, x2, y"),
        (["compute", "pairs.csv", "--margn", "1"], "--margin"),
        (["compute", "pairs.csv", "--loss", "margin-rankin"], "did you mean --loss margin_ranking?"),
        (["compute", "pairs.csv", "--engine", "sparc"], "Did you mean spark?"),
        (["compute", "pairs.csv", "--jobs", "0"], "--jobs"),
        (["compute", "-", "-"], "stdin can be read only once"),
        (["compute", "pairs.csv", "--keep-columns"], "--reduction none"),
        (["compute", "pairs.csv", "--rejects", "r.csv"], "--on-error skip"),
        (["compute", "pairs.csv", "-o", "out.parquet"], "--reduction none"),
        (["comptue"], "No such command"),
        (["completion", "tcsh"], "bash"),
    ],
)
def test_usage_errors_say_what_to_do(args: list[str], message: str, mrl: Mrl, tmp_path: Path) -> None:
    mrl(*args).must_fail(2, message)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]


@pytest.mark.slow
def test_missing_input_never_waits() -> None:
    nothing = run(["compute"])
    assert (nothing.code, nothing.out) == (2, "")
    assert "hint: name a file, e.g. mrl compute pairs.csv, or - for stdin\n" in nothing.err
    ours, theirs = pty.openpty()
    ran = subprocess.run(
        [sys.executable, "-m", "mrl_cli", "compute"], stdin=theirs, capture_output=True, timeout=60, check=False
    )
    os.close(ours)
    os.close(theirs)
    assert (ran.returncode, ran.stdout, ran.stderr.decode()) == (2, b"", nothing.err)


def test_stdin_is_read_from_pipe_and_file(mrl: Mrl) -> None:
    assert run(["compute", "--raw"], stdin=PAIRS).out == "0.3333333333333333\n"
    assert mrl("compute", "--raw", stdin=PAIRS.encode()).out == "0.3333333333333333\n"
    assert mrl("compute", "-", "--format", "json", stdin=PAIRS.encode()).result["inputs"] == ["-"]


def test_bug_is_reported_in_one_line(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(options: object) -> None:
        raise RuntimeError("planted\x1b[31m")

    monkeypatch.setattr("mrl_cli.commands.run.plan_of_options", planted)
    ran = mrl("compute", "pairs.csv")
    assert (ran.code, ran.out) == (70, "")
    what, _, hint = ran.err.partition("\nhint: ")
    assert re.fullmatch(r"error: a bug in mrl .*: RuntimeError: planted\\x1b\[31m", what)
    assert hint == "please report it on the project's issue tracker; MRL_DEBUG=1 shows the traceback to send along\n"
    monkeypatch.setenv("MRL_DEBUG", "1")
    ran = mrl("compute", "pairs.csv")
    assert ran.code == 70
    assert "Traceback (most recent call last)" in ran.err


def test_out_of_memory_is_the_machine(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(options: object) -> None:
        raise MemoryError

    monkeypatch.setattr("mrl_cli.commands.run.plan_of_options", planted)
    assert mrl("compute", "pairs.csv") == Ran(
        4, "", "error: out of memory\nhint: give mrl more memory, or use fewer --jobs\n"
    )


# Commands and their help.

OPTIONS = (
    "--x1 --x2 --y --y-const --labels --on-tie --margin --loss --reduction --dtype --on-error --rejects "
    "-d --delimiter -e --encoding --decimal --null-value --no-header -f --format --raw -o --output --keep-columns "
    "--fail-if --jobs --engine --scheduler -q --quiet -v --verbose --color --progress --no-progress -h --help"
)


def test_help_names_every_option_of_the_contract(mrl: Mrl) -> None:
    page = mrl("compute", "--help").out
    assert [option for option in OPTIONS.split() if not re.search(rf"(?<![\w-]){option}(?![\w-])", page)] == []


def test_help_names_every_format_and_preset_there_is(mrl: Mrl) -> None:
    page = " ".join(mrl("compute", "--help").out.split())
    match = re.search(r"- for stdin: (.*) \(these also as (.*)\), (.*)\. Without", page)
    assert match is not None, page
    titles = {title for row in FORMATS.values() if not row.is_of_lists for title in row.title.split(", ") if title}
    assert {*match[1].split(", "), *match[3].split(" or ")} == titles
    assert match[2].split() == list(COMPRESSIONS)
    assert f"writes them: {', '.join(PRESETS)}. Other" in page


def test_help_lists_every_command(mrl: Mrl) -> None:
    page = mrl("-h").out
    assert all(re.search(rf"^  {name} ", page, re.MULTILINE) for name in command_names())
    assert {path.stem for path in Path(compute.__file__).parent.glob("*.py")} >= set(command_names())


def test_version(mrl: Mrl) -> None:
    assert mrl("-V") == mrl("--version") == Ran(0, f"mrl {mrl_cli.__version__}\n", "")


def test_verbose_version_says_what_reads_csv(mrl: Mrl) -> None:
    assert (
        mrl("--version", "-v")
        == mrl("-vV")
        == Ran(0, f"mrl {mrl_cli.__version__} (CSV reader: {csv_reader_name()})\n", "")
    )


def test_flags_stand_before_the_command_too(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.csv").write_text(PAIRS + "oops,1,1\n")
    skipping = ("compute", "bad.csv", "--on-error", "skip")
    assert mrl("-q", *skipping) == mrl(*skipping, "-q")
    assert re.sub(r"in .*/s", "", mrl("-v", *skipping).err) == re.sub(r"in .*/s", "", mrl(*skipping, "-v").err)
    assert mrl("-q", "losses").out == mrl("--no-pager", "losses").out == mrl("losses").out
    mrl("-v", "losses").must_fail(2, "No such option '-v'")
    ran = mrl("-q", *skipping, "-v")
    ran.must_fail(2)
    assert "--quiet and --verbose exclude each other" in ran.err
    monkeypatch.setenv("MRL_VERBOSE", "1")
    assert mrl("losses").code == 0


def test_module_runs_as_the_command(tmp_path: Path) -> None:
    assert run(["-V"], cwd=tmp_path).out == f"mrl {mrl_cli.__version__}\n"
    script = Path(sys.executable).parent / "mrl"
    if script.exists():
        assert subprocess.check_output([script, "-V"], text=True) == f"mrl {mrl_cli.__version__}\n"


def test_call_without_a_command_shows_the_help(mrl: Mrl) -> None:
    ran = mrl()
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err == mrl("--help").out


@pytest.mark.parametrize(("shell", "line"), [("bash", "complete -o"), ("zsh", "#compdef mrl"), ("fish", "complete ")])
def test_completion_prints_a_script(shell: str, line: str, mrl: Mrl) -> None:
    ran = mrl("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert line in ran.out
    assert "_MRL_COMPLETE" in ran.out


def test_completion_of_powershell_needs_a_click_that_knows_it(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    from click import shell_completion

    monkeypatch.setattr(shell_completion, "get_completion_class", lambda shell: None)
    ran = mrl("completion", "powershell")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("does not know powershell\nhint: pip install 'click>=8.5'\n")


@pytest.mark.parametrize(
    ("words", "names"),
    mostly_slow(
        [
            ("mrl compute --mar", {"--margin", "--margin-column"}),
            ("mrl docs com", {"compare"}),
            ("mrl docs reference/comp", {"reference/compare", "reference/compute", "reference/completion"}),
            ("mrl help v", {"validate"}),
        ],
        quick=1,
    ),
)
def test_completion_completes(words: str, names: set[str]) -> None:
    asked = {"_MRL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "2"}
    env = {name: value for name, value in os.environ.items() if not name.startswith("MRL_")} | asked
    done = subprocess.run([sys.executable, "-m", "mrl_cli"], env=env, capture_output=True, text=True, check=False)
    assert {line.removeprefix("plain,") for line in done.stdout.splitlines()} == names, done.stderr


# Several inputs.


@pytest.fixture
def pieces(tmp_path: Path) -> Path:
    """A folder with PAIRS in two files, one below, and files that are no data."""
    folder = tmp_path / "pieces"
    (folder / "below").mkdir(parents=True)
    header, *rows = PAIRS.splitlines(keepends=True)
    (folder / "a.csv").write_text(header + rows[0])
    (folder / "below" / "b.tsv").write_text((header + rows[1] + rows[2]).replace(",", "\t"))
    for name in (".hidden.csv", "_SUCCESS.csv", "notes.txt", ".git/c.csv", "_temporary/c.csv"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("not data\n")
    return folder


@pytest.mark.parametrize("inputs", [["pieces/a.csv", "pieces/below/b.tsv"], ["pieces"], ["pieces/**/[ab].?sv"]])
def test_many_files_are_as_one(inputs: list[str], mrl: Mrl, pieces: Path) -> None:
    whole = mrl("compute", "pairs.csv", "--format", "json", "--margin", "0.1").result
    record = mrl("compute", *inputs, "--format", "json", "--margin", "0.1").result
    assert record.pop("inputs") == ["pieces/a.csv", "pieces/below/b.tsv"]
    assert record == {key: value for key, value in whole.items() if key != "inputs"}
    rows = mrl("compute", *inputs, "--reduction", "none", "--margin", "0.5").out
    assert rows == "loss\n0.25\n1.5\n0.5\n"


def test_same_file_twice_counts_twice_and_is_noted(mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "pairs.csv", "--format", "json")
    assert ran.result["pairs"] == 6
    assert ran.err == "note: pairs.csv was read 2 times\n"


@pytest.mark.parametrize(
    ("reduction", "reason"), [("mean", "; the mean of nothing is undefined"), ("sum", ""), ("none", "")]
)
def test_nothing_to_compute_is_reported_as_such(reduction: str, reason: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("x1,x2,y\n")
    ran = mrl("compute", "empty.csv", "--reduction", reduction)
    assert (ran.code, ran.err) == (3, f"error: no rows in empty.csv{reason}\nhint: is it empty, or all header?\n")


def test_folder_that_is_not_there_is_to_be_made(mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "-o", "no/where.csv")
    assert (ran.code, ran.err.splitlines()[1]) == (4, "hint: make the folder first")


@pytest.mark.parametrize(
    ("options", "hint"),
    [(("-o", "out.xlsx"), "write .json, .csv, .tsv or .md"), (("-o", "out.gz", "--reduction", "none"), ".parquet")],
)
def test_unwritten_format_is_named_with_a_hint(options: tuple[str, ...], hint: str, mrl: Mrl) -> None:
    mrl("compute", "pairs.csv", *options).must_fail(2, hint)


def test_names_below_a_folder_are_as_short_as_they_can_be(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.csv").write_text(PAIRS)
    for folder in ("runs", "./runs", "runs/", ".//runs//"):
        assert mrl("compute", folder, "--format", "json").result["inputs"] == ["runs/a.csv"]


def test_empty_name_is_a_usage_error(mrl: Mrl) -> None:
    ran = mrl("compute", "")
    assert (ran.code, ran.err) == (2, "error: an empty name names no file\n")


@pytest.mark.parametrize("name", ["hidden/pairs.csv", "hidden/*.csv", "hidden"])
def test_what_may_not_be_looked_at_is_not_called_missing(name: str, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    look = os.stat

    def refusing(path: Any, *args: Any, **options: Any) -> os.stat_result:
        if str(path).startswith("hidden"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return look(path, *args, **options)

    monkeypatch.setattr(os, "stat", refusing)
    ran = mrl("compute", name)
    assert (ran.code, ran.err) == (4, f"error: Permission denied: {name}\n")


def test_folder_without_data_is_a_usage_error(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert mrl("compute", "empty").code == 2


def test_file_name_with_glob_characters_is_that_file(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "a[1].csv").write_text(PAIRS)
    assert mrl("compute", "a[1].csv", "--format", "json").result["inputs"] == ["a[1].csv"]


# Files are written whole or not at all.


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@each("link", ["same", "dotted", "symlink", "hardlink"])
@each("option", ["--output", "--rejects"])
def test_input_is_never_overwritten(link: str, option: str, mrl: Mrl, tmp_path: Path) -> None:
    target = "other.csv" if "link" in link else "./pairs.csv" if link == "dotted" else "pairs.csv"
    if link == "symlink":
        (tmp_path / target).symlink_to("pairs.csv")
    if link == "hardlink":
        (tmp_path / target).hardlink_to(tmp_path / "pairs.csv")
    before = _names(tmp_path)
    ran = mrl("compute", "pairs.csv", "--on-error", "skip", option, target)
    assert (ran.code, ran.out) == (2, "")
    assert f"{option} {Path(target)}" in ran.err.replace("./", "")
    assert (tmp_path / "pairs.csv").read_text() == PAIRS
    assert _names(tmp_path) == before


def test_outputs_are_two_files(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("old")
    for first, second in (("new.csv", "./new.csv"), ("old.csv", "old.csv")):
        ran = mrl("compute", "pairs.csv", "--on-error", "skip", "-o", first, "--rejects", second)
        assert (ran.code, ran.out) == (2, "")
    assert (tmp_path / "old.csv").read_text() == "old"
    assert _names(tmp_path) == ["old.csv", "pairs.csv"]


@each("target", ["missing/out.csv", "pairs.csv/out.csv", "."])
@each("reduction", ["mean", "none"])
def test_place_that_cannot_be_written_is_the_machine(target: str, reduction: str, mrl: Mrl, tmp_path: Path) -> None:
    ran = mrl("compute", "pairs.csv", "-o", target, "--format", "csv", "--reduction", reduction)
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith(f"error: cannot write {target}: ")
    assert _names(tmp_path) == ["pairs.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "extra", mostly_slow([[], ["--reduction", "none"], ["--format", "json", "--fail-if", "value<9"]], quick=1)
)
def test_full_disk_is_the_machine(extra: list[str], mrl: Mrl, tmp_path: Path) -> None:
    mrl("compute", "pairs.csv", "-o", "/dev/full", *extra).must_fail(4, "No space left on device")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mrl_cli", "compute", "pairs.csv", *extra],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            check=False,
        )
    assert (done.returncode, b"No space left on device" in done.stderr) == (4, True)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "args",
    mostly_slow([["--version"], ["--help"], ["compute", "--help"], ["completion", "bash"], ["losses"]], quick=1),
)
def test_full_disk_is_reported_by_every_command(args: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mrl_cli", *args], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, b"No space left on device" in done.stderr) == (4, True)
    assert len(done.stderr.splitlines()) == 1


@each("extra", [[], ["--reduction", "none"], ["--reduction", "none", "--keep-columns"]])
@each("suffix", ["csv", "jsonl", "parquet"])
def test_failed_run_leaves_the_old_file(extra: list[str], suffix: str, mrl: Mrl, tmp_path: Path) -> None:
    if suffix == "parquet" and not extra:
        extra = ["--reduction", "none"]
    (tmp_path / "bad.csv").write_text(PAIRS + "oops,1,1\n")
    old = tmp_path / f"out.{suffix}"
    old.write_text("old")
    before = old.stat()
    assert mrl("compute", "bad.csv", "-o", old, *extra).code == 3
    assert old.read_text() == "old"
    after = old.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)
    assert _names(tmp_path) == ["bad.csv", old.name, "pairs.csv"]


def test_new_file_replaces_the_old_one_and_keeps_its_mode(mrl: Mrl, tmp_path: Path) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("old")
    old.chmod(0o640)
    mask = os.umask(0o027)
    try:
        for path in (old, new):
            assert mrl("compute", "pairs.csv", "--margin", "0.5", "-o", path).code == 0
            assert path.read_text() == GOLDENS["tsv"]
            assert stat.S_IMODE(path.stat().st_mode) == 0o640
    finally:
        os.umask(mask)
    assert _names(tmp_path) == ["new.txt", "old.txt", "pairs.csv"]


def test_link_stays_a_link(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    assert mrl("compute", "pairs.csv", "--margin", "0.5", "-o", "link.txt").code == 0
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == GOLDENS["tsv"]


def test_output_may_be_a_device_or_a_pipe(mrl: Mrl, tmp_path: Path) -> None:
    assert run(["compute", tmp_path / "pairs.csv", "--margin", "0.5", "-o", "/dev/stdout"]).out == GOLDENS["tsv"]
    os.mkfifo(tmp_path / "pipe.parquet")
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.append((tmp_path / "pipe.parquet").read_bytes()))
    thread.start()
    ran = mrl("compute", "pairs.csv", "--margin", "0.5", "-o", "pipe.parquet", "--reduction", "none")
    thread.join(30)
    assert ran == Ran(0, "", "")
    import pyarrow.parquet as pq

    assert pq.read_table(io.BytesIO(read[0])).to_pydict() == {"loss": [0.25, 1.5, 0.5]}
    assert stat.S_ISFIFO((tmp_path / "pipe.parquet").stat().st_mode)


def test_fail_if_still_writes_the_file(mrl: Mrl, tmp_path: Path) -> None:
    assert mrl("compute", "pairs.csv", "-o", "out.json", "--fail-if", "pairs==3").code == 1
    assert json.loads((tmp_path / "out.json").read_text())["pairs"] == 3


def test_rejects_are_written_down(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(PAIRS + 'oops,1,1\n1,1,7\n"1,5",1,1\n')
    call = ("compute", "bad.csv", "--on-error", "skip", "-q", "--format", "json")
    actual = mrl(*call, "--rejects", "r.csv").result
    assert (actual["pairs"], actual["rejected"]) == (3, 3)
    rows = list(csv.reader(io.StringIO((tmp_path / "r.csv").read_text())))
    assert rows[0] == ["file", "row", "column", "value", "problem"]
    assert [row[:3] for row in rows[1:]] == [["bad.csv", "5", "x1"], ["bad.csv", "6", "y"], ["bad.csv", "7", "x1"]]
    assert mrl(*call, "--rejects", "r.jsonl").code == 0
    records = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [[str(value) for value in record.values()] for record in records] == rows[1:]


# Stopped from outside.


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A file whose losses are longer than any pipe or buffer."""
    file = tmp_path / "many.csv"
    file.write_text("x1,x2,y\n" + "0.123456789,0.987654321,1\n" * 100_000)
    return file


# PYTHONUNBUFFERED makes sys.stdout.buffer a raw file, whose write may write less than it is given.
@pytest.mark.parametrize("unbuffered", mostly_slow(["", "1"], quick=1), ids=["buffered", "unbuffered"])
def test_reader_that_goes_away_is_silent(unbuffered: str, many: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "mrl_cli", "compute", many, "--reduction", "none"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"loss\n"
        process.stdout.close()
        stderr = process.stderr.read()
    assert (process.returncode, stderr) == (141, b"")


@pytest.mark.parametrize("unbuffered", mostly_slow(["", "1"], quick=1), ids=["buffered", "unbuffered"])
def test_output_that_does_not_fit_is_never_cut_silently(unbuffered: str, many: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the first part of the rows can still be written."""
    call = [sys.executable, "-m", "mrl_cli", "compute", str(many), "--reduction", "none"]
    with open(tmp_path / "out.csv", "wb") as file:
        done = subprocess.run(
            ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", *call],
            stdout=file,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    assert (done.returncode, done.stderr) == (4, b"error: File too large\n")


@pytest.mark.parametrize(
    ("rows", "reduction"), mostly_slow(product([4_000, 400_000], ["mean", "none"]), quick=1)
)  # 400,000: with workers
def test_interrupt_is_silent_and_leaves_the_old_file(rows: int, reduction: str, tmp_path: Path) -> None:
    """The input is a FIFO that stays open, so the run is certainly under way when the signal comes."""
    os.mkfifo(tmp_path / "endless.csv")
    (tmp_path / "out.csv").write_text("old")
    args = ["compute", "endless.csv", "-o", "out.csv", "--jobs", "2", "--reduction", reduction]
    with subprocess.Popen([sys.executable, "-m", "mrl_cli", *args], stderr=subprocess.PIPE, cwd=tmp_path) as process:
        try:
            with open(tmp_path / "endless.csv", "wb") as pipe:
                pipe.write(b"x1,x2,y\n" + b"0.123456789,0.987654321,1\n" * rows)  # returns when nearly all is read
                pipe.flush()
                _wait_for(lambda: is_writing(process.pid, tmp_path))
                process.send_signal(signal.SIGINT)
                _, stderr = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, stderr) == (130, b"")
    assert (tmp_path / "out.csv").read_text() == "old"
    assert _names(tmp_path) == ["endless.csv", "out.csv"]


def _wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.01)


@pytest.mark.parametrize("name", mostly_slow(["/dev/stdout", "/dev/fd/1", "-"], quick=1))
def test_output_to_what_is_open_keeps_what_stands_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("x1,x2,y\n0,0.5,1\n")
    mrl_command = f"{shlex.quote(sys.executable)} -m mrl_cli compute pairs.csv --raw -o {name}"
    script = f"(echo before; {mrl_command}; echo after) > log"
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True, env=os.environ)
    assert (tmp_path / "log").read_text() == "before\n0.5\nafter\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "pairs.csv"]


@pytest.mark.parametrize("name", ["-", "bad.parquet", "bad.json"])
def test_rejects_go_to_a_file_of_rows(name: str, mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "--on-error", "skip", "--rejects", name)
    ran.must_fail(2)
    assert "--rejects bad.csv or bad.jsonl" in ran.err


def test_misspelt_command_gets_the_closest_name(mrl: Mrl) -> None:
    mrl("comptue", "pairs.csv").must_fail(2, "No such command 'comptue'. Did you mean compute?")


def test_a_file_in_place_of_a_command_is_pointed_to_what_reads_it(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "my pairs.csv").write_text("x1,x2,y\n")
    ran = mrl("my pairs.csv", "--margin", "1")
    ran.must_fail(2)
    assert "error: my pairs.csv is a file, and no command\nhint: mrl check 'my pairs.csv' says what it holds" in ran.err


def test_interrupt_while_loading_is_silent(tmp_path: Path) -> None:
    interrupted = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(9)"
    (tmp_path / "click.py").write_text(interrupted)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-m", "mrl_cli", "--version"], env=env, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize(
    "options",
    [
        ["--difference", "x1", "--scale", "1_0"],
        ["--margin", "1_0"],
        ["--fail-if", "value>1_0"],
        ["--loss", "logistic", "--param", "temperature=1_0"],
        ["--confidence", "0.9_5"],
    ],
)
def test_digits_grouped_by_underscores_are_no_number(options: list[str], mrl: Mrl) -> None:
    """Python reads them; in a cell they are none either."""
    ran = mrl("compute", "-", *options, stdin=b"x1,x2,y\n2,1,1\n")
    ran.must_fail(2)
    assert "1_0" in ran.err or "0.9_5" in ran.err
