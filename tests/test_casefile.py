"""`mrl validate --cases FILE`: written, filled by a loop in another program, and validated."""

from __future__ import annotations

import csv
import json
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pytest

from mrl_cli.losses import LOSSES
from mrl_cli.verify import conformance
from tests.running import Mrl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Port = Callable[[float, float, float, float], float]

pytestmark = pytest.mark.slow


@cache
def checks_of_pairs(made: Callable[[], Any] = conformance.pair_checks) -> list[Any]:
    """Return the suite's checks of mrl itself on this machine, the same in every run."""
    return list(made())


@pytest.fixture
def mrl(mrl: Mrl, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    """Run mrl validate without the suite's ranked lists, as no case is of them, and checking itself once."""
    monkeypatch.setattr(conformance, "list_checks", list)
    monkeypatch.setattr(conformance, "pair_checks", checks_of_pairs)
    return partial(mrl, "validate")


def fill(port: Port, source: str = "cases.csv") -> None:
    """Write results.csv: the cases with a column `mine`, as a program in any language would."""
    with open(source, newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        x1, x2, y, margin = (float(row[name]) for name in ("x1", "x2", "y", "margin"))
        row["mine"] = repr(port(x1, x2, y, margin))
    with open("results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def right(x1: float, x2: float, y: float, margin: float) -> float:
    return max(0.0, -y * (x1 - x2) + margin)


def test_a_right_port_passes(mrl: Mrl) -> None:
    assert mrl("--cases", "cases.csv").code == 0
    fill(right)
    record = mrl("results.csv", "--loss-column", "mine", "-f", "json").result
    assert record["passed"]
    assert record["pairs"] > 1000
    assert record["margin_column"] == "margin"
    assert mrl("results.csv", "--loss-column", "mine", "--margin-column", "margin").code == 0


@pytest.mark.parametrize(
    ("port", "begins"),
    [
        (lambda x1, x2, y, margin: right(x1, x2, -y, margin), "y has the other sign"),
        (lambda x1, x2, y, margin: right(x1, x2, y, -margin), "the margin has the other sign"),
        (lambda x1, x2, y, margin: right(x1, x2, y, 0.0), "there is no margin (0)"),
        (lambda x1, x2, y, margin: -y * (x1 - x2) + margin, "losses are not clamped at 0"),
    ],
)
def test_a_wrong_port_fails_with_its_mistake_named(port: Port, begins: str, mrl: Mrl) -> None:
    mrl("--cases", "cases.csv")
    fill(port)
    ran = mrl("results.csv", "--loss-column", "mine", "-f", "json")
    assert ran.code == 1
    assert ran.err == "note: margins are those of the column margin, as in every file of --cases\n"
    explanations = json.loads(ran.out)["explanations"]
    assert [one["hypothesis"].startswith(begins) for one in explanations] == [True]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl", ".parquet"])
def test_every_format_holds_the_same(suffix: str, mrl: Mrl) -> None:
    mrl("--cases", "cases.csv")
    mrl("--cases", f"other{suffix}")
    wanted = ("pairs", "passed", "value", "mismatch_count", "margin_column")
    records = [
        mrl(name, "--loss-column", "expected_loss", "-f", "json").result for name in ("cases.csv", f"other{suffix}")
    ]
    assert [records[0][key] for key in wanted] == [records[1][key] for key in wanted]
    assert records[0]["passed"]


@pytest.mark.parametrize(
    "settings",
    [
        *(["--loss", loss] for loss in LOSSES),
        ["--loss", "logistic", "--param", "temperature=2.5"],
        ["--dtype", "float32"],
        ["--labels", "any"],
        ["--labels", "01"],
        ["--margin", "0.25"],
    ],
    ids=" ".join,
)
def test_the_settings_that_wrote_a_file_validate_it(settings: list[str], mrl: Mrl) -> None:
    wrote = mrl("--cases", "cases.csv", *settings, "-f", "json").result
    assert wrote["notes"][-1].endswith(" ".join(["--loss-column COLUMN", *settings]))
    assert mrl("cases.csv", "--loss-column", "expected_loss", *settings, "-f", "json").result["passed"]


def test_labels_and_margins_are_those_asked_for(mrl: Mrl, tmp_path: Path) -> None:
    def column(name: str, *settings: str) -> set[float]:
        mrl("--cases", "cases.jsonl", *settings)
        lines = (tmp_path / "cases.jsonl").read_text().splitlines()
        return {json.loads(line).get(name) for line in lines}

    assert column("y") == {1.0, -1.0}
    assert column("y", "--labels", "01") == {1.0, 0.0}
    assert len(column("y", "--labels", "any")) > 100
    assert {0.0, 0.5, 1.0, -0.25, -3.0} <= column("margin")
    assert column("margin", "--margin", "0.5") == {None}
    assert column("margin", "--loss", "ipo") == {None}


def test_a_column_called_margin_alone_is_not_taken(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("x1,x2,y,margin,mine\n1,2,1,5,1\n")
    record = mrl("pairs.csv", "--loss-column", "mine", "-f", "json").result
    assert record["margin"] == 0.0
    assert "margin_column" not in record


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--cases", "x"], 2, "the suffix of a file says its format"),
        (["--cases", "x.md"], 2, "the suffix of a file says its format"),
        (["--cases", "-"], 2, "the suffix of a file says its format"),
        (["--cases", ""], 2, "the suffix of a file says its format"),
        (["--cases", "a.csv", "-o", "a.csv"], 2, "name one file"),
        (["--cases", "a.csv", "--rtol", "1"], 2, "--rtol goes with INPUT"),
        (["--cases", "a.csv", "--loss", "ipo", "--margin", "1"], 2, "has no margin"),
        (["--cases", "nowhere/a.csv"], 4, "cannot write nowhere/a.csv"),
    ],
)
def test_bad_calls_are_errors(args: list[str], code: int, message: str, mrl: Mrl, tmp_path: Path) -> None:
    ran: Any = mrl(*args)
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err
    assert list(tmp_path.iterdir()) == []
