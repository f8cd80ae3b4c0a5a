"""What every report and every renderer must do: one table of figures, formats looked up by listing a folder."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mrl_cli import render as renderers
from mrl_cli.exact import ExactSum
from mrl_cli.model import Columns, Counts, Plan, group_roles
from mrl_cli.reductions.ledger import Ledger, LedgerRows
from mrl_cli.reductions.measured import BEYOND
from mrl_cli.reductions.totals import Totals
from mrl_cli.render import format_names, format_of, formats, render
from mrl_cli.reports.base import OF_GROUPS, Annotation, Line, Report, Table
from mrl_cli.reports.compute import ComputeReport, compute_report
from mrl_cli.reports.figures import NUMBERS, reported_numbers
from mrl_cli.reports.losses import LossesReport
from tests.each import each


class SmallReport(Report):
    def blocks(self) -> list[Table | Line]:
        return [Table(("x", "n"), [("a|b", 1)], "title", numbers=1), Line("a sentence")]


class AnnotatedReport(SmallReport):
    def annotations(self) -> list[Annotation]:
        return [Annotation("error", "50%\nbad", "a,b.csv", 3)]


SMALL = SmallReport(schema="mrl.small/1", pairs=2, missing=None, parameters={"beta": 2.0}, a={"mean": float("nan")})
GOLDENS = {
    "json": '{\n  "schema": "mrl.small/1",\n  "pairs": 2,\n  "parameters": {\n    "beta": 2.0\n  },\n'
    '  "a": {\n    "mean": null,\n    "not_finite": {\n      "mean": "NaN"\n    }\n  }\n}\n',
    "jsonl": '{"schema": "mrl.small/1", "pairs": 2, "parameters": {"beta": 2.0}, '
    '"a": {"mean": null, "not_finite": {"mean": "NaN"}}}\n',
    "csv": "pairs,beta,a.mean\n2,2.0,NaN\n",
    "tsv": "pairs\tbeta\ta.mean\n2\t2.0\tNaN\n",
    "markdown": "**title**\n\n| x | n |\n| --- | ---: |\n| a\\|b | 1 |\n\na sentence\n",
    "table": "title\n╭─────┬───╮\n│ x   │ n │\n├─────┼───┤\n│ a|b │ 1 │\n╰─────┴───╯\n\na sentence\n",
}


@each("output_format", format_names())
def test_any_report_has_every_format(output_format: str) -> None:
    assert render(SMALL, output_format) == GOLDENS[output_format]
    assert render(LossesReport(), output_format)


def test_unknown_format_is_an_error_and_no_tsv() -> None:
    for output_format in ("xml", "parquet", "", "github", "__init__"):
        with pytest.raises(ValueError, match=f"must be one of {', '.join(format_names())}, not "):
            render(SMALL, output_format)


def test_annotations_are_rendered_for_a_report_that_has_some() -> None:
    report = AnnotatedReport(schema="mrl.small/1")
    assert render(report, "github") == "::error file=a%2Cb.csv,line=3,title=mrl small::50%25%0Abad\n"


def test_a_new_format_is_one_new_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "formats").mkdir()
    for name in format_names():
        render(SMALL, name)  # loads it: an empty one would stay, for later tests too
        (tmp_path / "formats" / f"{name}.py").touch()
    text = 'SUFFIXES = (".xml",)\n\n\ndef render(report, screen):\n    return f"<pairs>{report.pairs}</pairs>"\n'
    (tmp_path / "formats" / "xml.py").write_text(text)
    monkeypatch.setattr(renderers, "__path__", [str(tmp_path)])
    monkeypatch.setattr(formats, "__path__", [str(tmp_path / "formats")])
    assert format_names()[-1] == "xml"
    assert format_of(".xml") == "xml"
    assert render(SMALL, "xml") == "<pairs>2</pairs>"


PLANS = {
    "plain": Plan(),
    "none": Plan.of(reduction="none"),
    "no margin": Plan.of(loss="ipo", parameters=(("beta", 0.1),)),
    "margins": Plan.of(columns=Columns(numbers=(("margin", "m"),))),
    "weights": Plan.of(columns=Columns(numbers=(("weight", "w"),))),
    "confidence": Plan.of(confidence=0.95),
    "groups": Plan.of(columns=Columns(keys=(("group", "g"),))),
    "files": Plan.of(by_file=True),
    "clusters": Plan.of(confidence=0.9, columns=Columns(keys=(("cluster", "c"),))),
    "both": Plan.of(confidence=0.9, columns=Columns(keys=(("group", "g"), ("cluster", "c")))),
    "combinations": Plan.of(by_file=True, columns=Columns(keys=tuple(group_roles("gh").items()))),
    "sections": Plan.of(columns=Columns(keys=(("group", "subset"), ("subset", "subset")))),
    "sections of files": Plan.of(by_file=True, columns=Columns(keys=(("subset", "subset"),))),
    "sections of models": Plan.of(
        columns=Columns(keys=(*group_roles(["model", "subset"]).items(), ("subset", "subset")))
    ),
}


def report_under(plan: Plan) -> ComputeReport:
    """Return the report of a pair that costs nothing, and is in a group where there are some."""
    totals = Totals(loss_sum=ExactSum(), correct=1, weight_sum=ExactSum() if plan.has_weights else None)
    ledger = Ledger() if plan.key_roles else None
    if ledger is not None:
        columns = [pa.array(["k"])] * len(plan.key_roles)
        ledger.add(LedgerRows.of(columns, np.zeros(1), np.array([BEYOND], np.uint8)).summed())
    return compute_report(Counts(), totals, plan, ledger=ledger)


@each("plan", PLANS.values())
def test_numbers_expected_of_a_plan_are_those_reported(plan: Plan) -> None:
    record = report_under(plan).record()
    of_groups = {OF_GROUPS + key for group in record.get("groups", ()) for key in group}
    assert set(reported_numbers(plan)) == set(NUMBERS) & {*record, *of_groups}


def test_fail_if_takes_every_number_there_is() -> None:
    record = report_under(PLANS["both"]).record()
    numbers = {key for key, value in record.items() if isinstance(value, int | float)}
    assert numbers <= set(NUMBERS)
    empty = json.loads(render(compute_report(Counts(), Totals(), Plan()), "json"))
    assert (empty["mean"], empty["not_finite"]["mean"]) == (None, "NaN")
