"""Choosing a loss: `--loss`, `--param`, what the result reports of them, `mrl losses`, and the tables of the docs."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mrl_cli.commands.options import FORMAT_CHOICES
from mrl_cli.losses import LISTWISE, LOSSES, Listwise, Loss
from mrl_cli.render.formats.markdown import table_text
from mrl_cli.reports.base import Table
from tests.each import each
from tests.running import Mrl

if TYPE_CHECKING:
    pass


DOCS = Path(__file__).parents[1] / "mrl_cli" / "docs"
PAIRS = "x1,x2,y\n0.5,0.25,1\n1,2,1\n1,1,-1\n"
DIFFERENCES, LABELS = (0.25, -1.0, 0.0), (1.0, 1.0, -1.0)


@pytest.fixture
def mrl(mrl: Mrl, tmp_path: Path) -> Mrl:
    (tmp_path / "pairs.csv").write_text(PAIRS)
    return mrl


@each("dtype", ["float64", "float32"])
@each("loss", LOSSES.values())
def test_loss_of_a_file_is_that_of_its_kernel(loss: Loss, dtype: str, mrl: Mrl) -> None:
    difference, y = np.array(DIFFERENCES, dtype), np.array(LABELS, dtype)
    margin = 0.5 if loss.has_margin else 0.0
    losses = loss.kernel(difference, y, margin=margin, **loss.defaults)
    result = mrl(
        "compute", "pairs.csv", "--loss", loss.name, "--margin", str(margin), "--dtype", dtype, "-f", "json"
    ).result
    total = math.fsum(losses.tolist())
    assert result["loss"] == loss.name
    assert result.get("parameters", {}) == loss.defaults
    assert ("parameters" in result) == bool(loss.parameters)
    assert (result["sum"], result["mean"]) == tuple(float(np.dtype(dtype).type(x)) for x in (total, total / 3))
    assert (result["min"], result["max"]) == (losses.min(), losses.max())
    assert result["active"] == np.count_nonzero(losses > 0)
    assert (result["correct"], result["ties"], result["wrong"]) == (1, 1, 1)


def test_parameters_are_given_by_name(mrl: Mrl) -> None:
    ran = mrl("compute", "pairs.csv", "--loss", "logistic", "--param", "temperature=0.5", "--raw", "--reduction", "sum")
    # softplus of -0.25/0.5, 1/0.5 and 0
    assert float(ran.out) == pytest.approx(sum(math.log1p(math.exp(z)) for z in (-0.5, 2.0, 0.0)), rel=1e-15)


def test_environment_gives_parameters(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRL_COMPUTE_PARAM", "beta=2 label_smoothing=0.125")
    result = mrl("compute", "pairs.csv", "--loss", "robust_bradley_terry", "-f", "json").result
    assert result["parameters"] == {"beta": 2.0, "label_smoothing": 0.125}


def test_parameters_are_columns_of_one_row_and_lines_of_a_table(mrl: Mrl) -> None:
    args = ("compute", "pairs.csv", "--loss", "smoothed_bradley_terry", "--param", "label_smoothing=0.25")
    (row,) = csv.DictReader(io.StringIO(mrl(*args, "-f", "csv").out))
    assert [name for name in row if name in ("loss", "beta", "label_smoothing")] == ["loss", "beta", "label_smoothing"]
    assert (row["beta"], row["label_smoothing"]) == ("1.0", "0.25")
    assert "| label_smoothing | 0.25 |\n" in mrl(*args, "-f", "markdown").out


@each(
    ("args", "message"),
    [
        (["--loss", "logistic", "--param", "temprature=2"], "did you mean --param temperature=…?"),
        (["--loss", "logistic", "--param", "beta=2"], "no parameter 'beta'; it has temperature"),
        (["--loss", "softmax"], "softmax is a loss of whole lists, for mrl rank"),
        (["--preset", "nectar"], "nectar is a preset of mrl rank"),
        (["--param", "temperature=2"], "margin_ranking has no parameter 'temperature'; it has none"),
        (["--loss", "logistic", "--param", "temperature=0"], "must be 1e-30 to 1e+30; it is 0.0"),
        (
            ["--loss", "robust_bradley_terry", "--param", "label_smoothing=0.5"],
            "must be 0 to 1, but not 0.5; it is 0.5",
        ),
        (["--loss", "logistic", "--param", "temperature=1", "--param", "temperature=2"], "more than once"),
        (["--loss", "logistic", "--param", "temperature"], "'temperature' is not NAME=VALUE"),
        (["--loss", "logistic", "--param", "temperature=warm"], "'warm' is not a finite number"),
        (["--loss", "logistic", "--param", "temperature=nan"], "'nan' is not a finite number"),
        (["--loss", "ipo", "--margin", "0.5"], "ipo has no margin"),
    ],
)
def test_parameter_that_cannot_be_is_a_usage_error(args: list[str], message: str, mrl: Mrl) -> None:
    mrl("compute", "pairs.csv", *args).must_fail(2, message)


@each("output_format", FORMAT_CHOICES)
def test_losses_lists_every_loss(output_format: str, mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "600")
    every: list[Loss | Listwise] = [*LOSSES.values(), *LISTWISE.values()]
    out = mrl("losses", "--format", output_format).out
    for loss in every:
        assert loss.name in out
        assert loss.formula in out
        assert loss.source in out
        for parameter in loss.parameters:
            assert parameter.name in out
    records = []
    if output_format == "json":
        records = json.loads(out)
    if output_format == "jsonl":
        records = [json.loads(line) for line in out.splitlines()]
    if records:
        assert [record["name"] for record in records] == [loss.name for loss in every]
        assert [record["margin"] for record in records] == [loss.has_margin for loss in every]
        assert [record["of"] for record in records] == ["pair"] * len(LOSSES) + ["list"] * len(LISTWISE)
        defaults = [{setting["name"]: setting["default"] for setting in record["parameters"]} for record in records]
        assert defaults == [loss.defaults for loss in every]
    if output_format in ("csv", "tsv", "auto"):
        rows = list(csv.DictReader(io.StringIO(out), delimiter="," if output_format == "csv" else "\t"))
        assert [row["formula"] for row in rows] == [loss.formula for loss in every]
        assert [row["margin"] for row in rows] == ["yes" if loss.has_margin else "no" for loss in every]


def table_of_losses() -> str:
    """Return the table of losses in the docs, from the registry."""
    rows = [
        (f"`{loss.name}`", f"`{loss.formula}`", "yes" if loss.has_margin else "no", _parameters_of(loss))
        for loss in LOSSES.values()
    ]
    names = ("`--loss`", "of a pair", "margin", "`--param`: default (values)")
    return table_text(Table(names, rows))


def table_of_listwise_losses() -> str:
    """Return the table of losses of lists in the docs, from the registry."""
    rows = [
        (f"`{loss.name}`", f"`{loss.formula}`", _parameters_of(loss), loss.undefined or "")
        for loss in LISTWISE.values()
    ]
    return table_text(Table(("`--loss`", "of a list", "`--param`: default (values)", "no loss has"), rows))


def _parameters_of(loss: Loss | Listwise) -> str:
    named = ((parameter.name, parameter.default, parameter.bounds) for parameter in loss.parameters)
    return ", ".join(
        f"`{name}` {default if isinstance(default, str) else f'{default:g}'} ({bounds})"
        for name, default, bounds in named
    )


def test_docs_have_the_registrys_tables_of_losses() -> None:
    for table in (table_of_losses(), table_of_listwise_losses()):
        assert f"\n\n{table}\n" in (DOCS / "losses.md").read_text(encoding="utf-8")
